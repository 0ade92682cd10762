/* How far two tensors are apart: all measures of a pair in one pass over blocks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/tensor.h"
#include "core/error.h"
#include "core/memory.h"
#include "onnxtap/diff.h"
#include "onnxtap/op.h"
#include "onnxtap/record.h"

#define BLOCK 512

/* Differences are counted by size: sixteen bins to each power of two from 2^-150 to 2^50. */
#define BINS_PER_OCTAVE 16
#define LEAST_OCTAVE    (-150)
#define N_BINS          (200 * BINS_PER_OCTAVE)

static const struct {
    const char *name, *formula;
    double rtol, atol;
} profiles[] = {
    [TAP_TOLERANCE_NUMPY] = {"numpy", "|a - b| <= atol + rtol * |b|", 1e-5, 1e-8},
    [TAP_TOLERANCE_ONNX] = {"onnx", "|a - b| <= atol + rtol * |b|", 1e-3, 1e-7},
    [TAP_TOLERANCE_POLYGRAPHY] = {"polygraphy", "|a - b| <= max(atol, rtol * |b|)", 1e-5, 1e-5},
};

bool tap_tolerance_from_name(const char *name, tap_tolerance *out) {
    for (size_t i = 0; i < TAP_COUNT_OF(profiles); i++) {
        if (strcmp(profiles[i].name, name) != 0) continue;
        *out = (tap_tolerance)i;
        return true;
    }
    return false;
}

const char *tap_tolerance_name(tap_tolerance t) {
    return profiles[t].name;
}

const char *tap_tolerance_formula(tap_tolerance t) {
    return profiles[t].formula;
}

void tap_tolerance_default(tap_tolerance t, double *rtol, double *atol) {
    *rtol = profiles[t].rtol;
    *atol = profiles[t].atol;
}

/* Sums over a pair while it is read. */
typedef struct sums {
    tap_tolerance profile;
    double rtol, atol;
    bool exact;                   /* integers: what differs is outside */
    int mantissa, least_exponent; /* of the float that b is */
    tap_measure *m;
    double ab, aa, bb, dd, abs, rel;
    int64_t finite, with_rel;
    int64_t bins[N_BINS];
    double row_worst; /* of the row that is being read */
    double *rows;     /* largest of each row */
} sums;

static bool is_close(const sums *s, double d, double b) {
    double r = s->rtol * fabs(b);
    return s->profile == TAP_TOLERANCE_POLYGRAPHY ? d <= fmax(s->atol, r) : d <= s->atol + r;
}

/* The smallest rtol and atol with which this element passes. */
static void note_passing(sums *s, double d, double b) {
    bool max = s->profile == TAP_TOLERANCE_POLYGRAPHY;
    double left = max ? (d <= s->atol ? 0 : d) : d - s->atol;
    double rtol = left <= 0 ? 0 : b != 0 ? left / fabs(b) : INFINITY;
    double r = s->rtol * fabs(b), atol = max ? (d <= r ? 0 : d) : fmax(d - r, 0);
    if (rtol > s->m->pass_rtol) s->m->pass_rtol = rtol;
    if (atol > s->m->pass_atol) s->m->pass_atol = atol;
}

static double ulp_of(const sums *s, double b) {
    int e;
    frexp(b, &e);
    return ldexp(1, (e < s->least_exponent ? s->least_exponent : e) - s->mantissa);
}

static void count_bin(sums *s, double d) {
    if (d == 0) return;
    double at = (log2(d) - LEAST_OCTAVE) * BINS_PER_OCTAVE;
    int64_t bin = at < 0 ? 0 : at >= N_BINS ? N_BINS - 1 : (int64_t)at;
    s->bins[bin]++;
}

static void note_worst(sums *s, int64_t at, double d, double a, double b) {
    tap_measure *m = s->m;
    if (d > s->row_worst) s->row_worst = d;
    if (!(d > m->max_abs) && !(m->worst < 0 && d > 0)) return;
    m->worst = at;
    m->worst_a = a;
    m->worst_b = b;
    m->max_abs = d;
}

static void add_nonfinite(sums *s, int64_t at, double a, double b) {
    tap_measure *m = s->m;
    if ((isnan(a) && isnan(b)) || a == b) return;
    m->differing++;
    m->outside++;
    if (m->nonfinite++ > 0) return;
    s->row_worst = INFINITY;
    m->worst = at;
    m->worst_a = a;
    m->worst_b = b;
}

static void add_finite(sums *s, int64_t at, double a, double b) {
    tap_measure *m = s->m;
    double d = fabs(a - b), abs_b = fabs(b);
    s->finite++;
    s->ab += a * b;
    s->aa += a * a;
    s->bb += b * b;
    if (abs_b > m->ref_max) m->ref_max = abs_b;
    if (b != 0) s->with_rel++;
    if (d == 0) return;
    m->differing++;
    s->dd += d * d;
    s->abs += d;
    if (b != 0) {
        double rel = d / abs_b;
        s->rel += rel;
        if (rel > m->max_rel) m->max_rel = rel;
    }
    double ulp = d / ulp_of(s, b);
    if (ulp > m->max_ulp) m->max_ulp = ulp;
    count_bin(s, d);
    note_passing(s, d, b);
    if (s->exact || !is_close(s, d, b)) m->outside++;
    if (m->nonfinite == 0)
        note_worst(s, at, d, a, b);
    else if (d > m->max_abs)
        m->max_abs = d;
}

static double quantile(const sums *s, double q) {
    int64_t zeros = s->finite;
    for (int i = 0; i < N_BINS; i++) zeros -= s->bins[i];
    int64_t rank = (int64_t)ceil(q * (double)s->finite), seen = zeros;
    if (rank <= seen) return 0;
    for (int i = 0; i < N_BINS; i++) {
        seen += s->bins[i];
        if (seen >= rank) return exp2((i + 1) / (double)BINS_PER_OCTAVE + LEAST_OCTAVE);
    }
    return s->m->max_abs;
}

static void finish(sums *s) {
    tap_measure *m = s->m;
    double n = s->finite ? (double)s->finite : 1;
    m->mean_abs = s->abs / n;
    m->rms = sqrt(s->dd / n);
    m->ref_rms = sqrt(s->bb / n);
    m->mean_rel = s->with_rel ? s->rel / (double)s->with_rel : 0;
    m->cosine = s->aa > 0 && s->bb > 0 ? s->ab / sqrt(s->aa) / sqrt(s->bb) : NAN;
    m->snr_db = s->dd > 0 ? 10 * log10(s->bb / s->dd) : INFINITY;
    m->p50 = fmin(quantile(s, 0.5), m->max_abs);
    m->p90 = fmin(quantile(s, 0.9), m->max_abs);
    m->p99 = fmin(quantile(s, 0.99), m->max_abs);
}

/* ---- kinds of elements ---- */

static bool is_wide_integer(tap_dtype t) {
    return t == TAP_INT64 || t == TAP_UINT64;
}

static bool is_integer(tap_dtype t) {
    return t == TAP_BOOL || is_wide_integer(t) || (t >= TAP_UINT8 && t <= TAP_INT32) || t == TAP_UINT32 ||
           t == TAP_UINT4 || t == TAP_INT4 || t == TAP_UINT2 || t == TAP_INT2;
}

static void set_float(sums *s, tap_dtype t) {
    s->mantissa = 24;
    s->least_exponent = -125;
    if (t == TAP_DOUBLE || t == TAP_COMPLEX128) s->mantissa = 53, s->least_exponent = -1021;
    if (t == TAP_FLOAT16) s->mantissa = 11, s->least_exponent = -13;
    if (t == TAP_BFLOAT16) s->mantissa = 8;
}

/* float64 does not hold every 64-bit integer: where two that differ come out equal, they are set one apart.
 */
static void part_wide(const tap_tensor *a, const tap_tensor *b, int64_t first, int64_t n, double *x,
                      const double *y) {
    const uint64_t *p = (const uint64_t *)a->data + first, *q = (const uint64_t *)b->data + first;
    for (int64_t k = 0; k < n; k++)
        if (p[k] != q[k] && x[k] == y[k]) x[k] = nextafter(x[k], p[k] > q[k] ? INFINITY : -INFINITY);
}

/* The parts of complex numbers: a difference is the distance in the plane. */
static void part_complex(const tap_tensor *a, const tap_tensor *b, int64_t first, int64_t n, double *x,
                         double *y) {
    for (int64_t k = 0; k < n; k++) {
        double re[2], im[2];
        const tap_tensor *both[2] = {a, b};
        for (int i = 0; i < 2; i++) {
            const float *f = (const float *)both[i]->data + 2 * (first + k);
            const double *g = (const double *)both[i]->data + 2 * (first + k);
            bool single = both[i]->dtype == TAP_COMPLEX64;
            re[i] = single ? (double)f[0] : g[0];
            im[i] = single ? (double)f[1] : g[1];
        }
        y[k] = hypot(re[1], im[1]);
        x[k] = y[k] + hypot(re[0] - re[1], im[0] - im[1]);
    }
}

static bool is_complex(tap_dtype t) {
    return t == TAP_COMPLEX64 || t == TAP_COMPLEX128;
}

static void end_row(sums *s, int64_t row) {
    tap_measure *m = s->m;
    s->rows[row] = s->row_worst;
    if (row == 0 || s->row_worst > s->rows[m->worst_row]) m->worst_row = row;
    s->row_worst = 0;
}

static void add_numbers(sums *s, const tap_tensor *a, const tap_tensor *b) {
    double x[BLOCK], y[BLOCK];
    int64_t row_size = s->m->rows ? a->count / s->m->rows : a->count;
    bool wide = is_wide_integer(a->dtype) && a->dtype == b->dtype;
    for (int64_t i = 0; i < a->count;) {
        int64_t left = row_size - i % row_size, n = left < BLOCK ? left : BLOCK;
        tap_tensor_doubles(a, i, n, x);
        tap_tensor_doubles(b, i, n, y);
        if (wide) part_wide(a, b, i, n, x, y);
        if (is_complex(a->dtype) && is_complex(b->dtype)) part_complex(a, b, i, n, x, y);
        for (int64_t k = 0; k < n; k++) {
            if (isfinite(x[k]) && isfinite(y[k]))
                add_finite(s, i + k, x[k], y[k]);
            else
                add_nonfinite(s, i + k, x[k], y[k]);
        }
        i += n;
        if (s->m->rows && i % row_size == 0) end_row(s, i / row_size - 1);
    }
}

static void add_strings(tap_measure *m, const tap_tensor *a, const tap_tensor *b) {
    const tap_string *x = a->data, *y = b->data;
    for (int64_t i = 0; i < a->count; i++) {
        if (x[i].n == y[i].n && (x[i].n == 0 || memcmp(x[i].s, y[i].s, x[i].n) == 0)) continue;
        if (m->outside++ == 0) m->worst = i;
        m->differing++;
    }
    if (m->outside) m->max_abs = INFINITY;
}

/* ---- class vectors ---- */

#define TOP 5

/* Positions of the five largest of n, the first of equal ones first. */
static int largest(const tap_tensor *t, int64_t row, int64_t n, int64_t *top) {
    double best[TOP], x[BLOCK];
    int found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i % BLOCK == 0) tap_tensor_doubles(t, row * n + i, tap_min64(BLOCK, n - i), x);
        double v = x[i % BLOCK];
        int at = found;
        while (at > 0 && v > best[at - 1]) at--;
        if (at >= TOP) continue;
        if (found < TOP) found++;
        for (int k = found - 1; k > at; k--) best[k] = best[k - 1], top[k] = top[k - 1];
        best[at] = v;
        top[at] = i;
    }
    return found;
}

static void compare_classes(tap_measure *m, const tap_tensor *a, const tap_tensor *b) {
    int64_t rows = a->dims[0], n = a->dims[1], same = 0;
    double common = 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t ta[TOP], tb[TOP];
        int k = largest(a, r, n, ta), shared = 0;
        largest(b, r, n, tb);
        for (int i = 0; i < k; i++)
            for (int j = 0; j < k; j++) shared += ta[i] == tb[j];
        common += (double)shared / k;
        same += ta[0] == tb[0];
    }
    m->top1 = (double)same / (double)rows;
    m->top5 = common / (double)rows;
}

/* ---- all of it ---- */

static tap_status check_shapes(const tap_tensor *a, const tap_tensor *b, tap_error *err) {
    bool same = a->rank == b->rank && (a->dtype == TAP_STRING) == (b->dtype == TAP_STRING);
    for (int i = 0; same && i < a->rank; i++) same = a->dims[i] == b->dims[i];
    if (same) return TAP_OK;
    char x[128], y[128];
    tap_text tx = {x, sizeof x, 0}, ty = {y, sizeof y, 0};
    tap_text_dims(&tx, a->rank, a->dims);
    tap_text_dims(&ty, b->rank, b->dims);
    return tap_error_set(err, TAP_DATA, "%s%s cannot be compared with %s%s", tap_dtype_name(a->dtype), x,
                         tap_dtype_name(b->dtype), y);
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void note_rows(sums *s) {
    tap_measure *m = s->m;
    if (!m->rows) return;
    qsort(s->rows, (size_t)m->rows, sizeof *s->rows, by_size);
    m->least_row = s->rows[0];
    m->median_row = s->rows[m->rows / 2];
}

tap_status tap_measure_tensors(const tap_tensor *a, const tap_tensor *b, tap_tolerance profile, double rtol,
                               double atol, tap_measure *out, tap_error *err) {
    tap_status st = check_shapes(a, b, err);
    if (st != TAP_OK) return st;
    tap_settle(a);
    tap_settle(b);
    tap_measure m = {.size = out->size, .count = a->count, .worst = -1, .top1 = NAN, .top5 = NAN};
    m.cosine = NAN;
    m.snr_db = INFINITY;
    m.worst_row = -1;
    if (a->rank > 0 && a->count > 0) m.rows = a->dims[0];
    size_t row_bytes = (size_t)m.rows * sizeof(double);
    sums *s = tap_mem_alloc_zero(NULL, sizeof *s);
    double *rows = tap_mem_alloc_zero(NULL, row_bytes);
    if (!s || !rows) {
        tap_mem_free(NULL, s);
        tap_mem_free(NULL, rows);
        return tap_error_no_memory(err, sizeof *s + row_bytes);
    }
    *s = (sums){.profile = profile, .rtol = rtol, .atol = atol, .m = &m, .rows = rows};
    s->exact = is_integer(a->dtype) && is_integer(b->dtype);
    set_float(s, is_integer(a->dtype) ? TAP_FLOAT : a->dtype);
    if (a->dtype == TAP_STRING) {
        add_strings(&m, a, b);
    } else {
        add_numbers(s, a, b);
        finish(s);
        note_rows(s);
        if (a->rank == 2 && a->dims[0] > 0 && a->dims[1] >= 2 && a->dims[1] <= 100000)
            compare_classes(&m, a, b);
    }
    tap_mem_free(NULL, rows);
    tap_mem_free(NULL, s);
    memcpy(out, &m, out->size < sizeof m ? out->size : sizeof m);
    return TAP_OK;
}
