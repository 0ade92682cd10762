/* TensorFlow's decompositions of batches of matrices: Qr, Svd, SelfAdjointEigV2. Computed in float64. Signs:
 * Q and R as Householder's reflections leave them; a singular or an eigenvector may be the other way round.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "common/shape.h"
#include "tensorflow/numbers.h"
#include "tensorflow/tensorflow.h"

#define REAL (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE))

enum { SWEEPS = 60 };

typedef struct options {
    bool full, vectors;
} options;

static tap_status prepare(tap_ctx *ctx, void **state) {
    options *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->full = tap_attr_int(ctx, "full_matrices", 0) != 0;
    s->vectors = tap_attr_int(ctx, "compute_uv", 1) != 0 && tap_attr_int(ctx, "compute_v", 1) != 0;
    return TAP_OK;
}

/* Output i of the input's batch, and then the sizes given; -1 for b: one size. */
static tap_status out_matrices(tap_ctx *ctx, int i, int64_t a, int64_t b, bool two) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[TAP_RANK_MAX];
    if (x->rank < 2) return tap_out_type(ctx, i, x->dtype, -1, NULL);
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 2] = a;
    dims[x->rank - 1] = b;
    return tap_out_type(ctx, i, x->dtype, two ? x->rank : x->rank - 1, dims);
}

static tap_status sizes(tap_ctx *ctx, int64_t *m, int64_t *n, int64_t *least) {
    const tap_type *x = tap_in_type(ctx, 0);
    *m = x->rank >= 2 ? x->dims[x->rank - 2] : -1;
    *n = x->rank >= 2 ? x->dims[x->rank - 1] : -1;
    *least = *m < 0 || *n < 0 ? -1 : tap_min64(*m, *n);
    if (*m > 1 << 20 || *n > 1 << 20) return tap_fail(ctx, tap_misfit(ctx), "the matrix is too large");
    return tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the matrix");
}

/* Vectors that nobody asked for are a 0. */
static tap_status out_nothing(tap_ctx *ctx, int i) {
    return tap_out_type(ctx, i, tap_in_type(ctx, 0)->dtype, 0, NULL);
}

static void load(const tap_tensor *t, int64_t at, int64_t n, double *a) {
    for (int64_t i = 0; i < n; i++) a[i] = tap_real_at(t, at * n + i);
}

static void store(tap_tensor *t, int64_t at, int64_t n, const double *a) {
    for (int64_t i = 0; t && i < n; i++) tap_tf_put(t, at * n + i, (tap_tf_number){.f = a[i]});
}

/* Of empty matrices: zeros. */
static tap_status run_empty(tap_ctx *ctx) {
    for (int i = 0; i < ctx->n_out; i++)
        if (ctx->out[i] && ctx->out[i]->count)
            memset(ctx->out[i]->data, 0, (size_t)ctx->out[i]->count * tap_dtype_bytes(ctx->out[i]->dtype));
    return TAP_OK;
}

/* ---- Qr ---- */

static tap_status qr_infer(tap_ctx *ctx) {
    const options *s = ctx->state;
    int64_t m, n, k;
    tap_status st = sizes(ctx, &m, &n, &k);
    if (!st) st = out_matrices(ctx, 0, m, s->full ? m : k, true);
    return st ? st : out_matrices(ctx, 1, s->full ? m : k, n, true);
}

/* The reflection v that takes column c of a[m][n], from row c on, to a multiple of the first unit vector,
 * whose sign is the other one than the column's; and 2 / |v|^2, or 0 where there is nothing to reflect. */
static double reflection(const double *a, int64_t m, int64_t n, int64_t c, double *v, double *to) {
    double rest = 0, first = a[c * n + c];
    for (int64_t i = c + 1; i < m; i++) rest += a[i * n + c] * a[i * n + c];
    *to = first;
    if (rest <= DBL_MIN) return 0;
    *to = first >= 0 ? -sqrt(first * first + rest) : sqrt(first * first + rest);
    for (int64_t i = c; i < m; i++) v[i] = a[i * n + c];
    v[c] -= *to;
    return 2 / (v[c] * v[c] + rest);
}

/* a := (1 - f v v') a for columns from `from` on. */
static void reflect(double *a, int64_t m, int64_t n, int64_t c, int64_t from, const double *v, double f) {
    for (int64_t j = from; j < n; j++) {
        double dot = 0;
        for (int64_t i = c; i < m; i++) dot += v[i] * a[i * n + j];
        for (int64_t i = c; i < m; i++) a[i * n + j] -= f * dot * v[i];
    }
}

/* a[m][n] becomes R; q[m][m]. vs: room for m * least reflections; fs: for least. */
static void qr(double *a, int64_t m, int64_t n, int64_t least, double *q, double *vs, double *fs) {
    for (int64_t c = 0; c < least; c++) {
        double to;
        fs[c] = reflection(a, m, n, c, vs + c * m, &to);
        if (fs[c] == 0) continue;
        reflect(a, m, n, c, c + 1, vs + c * m, fs[c]);
        a[c * n + c] = to;
        for (int64_t i = c + 1; i < m; i++) a[i * n + c] = 0;
    }
    for (int64_t i = 0; i < m * m; i++) q[i] = i % (m + 1) == 0;
    for (int64_t c = least; c-- > 0;)
        if (fs[c] != 0) reflect(q, m, m, c, 0, vs + c * m, fs[c]);
}

static tap_status qr_run(tap_ctx *ctx) {
    const options *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0], *r = ctx->n_out > 1 ? ctx->out[1] : NULL;
    const int64_t m = x->dims[x->rank - 2], n = x->dims[x->rank - 1], least = tap_min64(m, n);
    const int64_t kept = s->full ? m : least;
    if (x->count == 0) return run_empty(ctx);
    double *a = tap_scratch(ctx, (size_t)(m * n + 2 * m * m + m * least + least) * sizeof *a);
    if (!a) return TAP_MEMORY;
    double *q = a + m * n, *some = q + m * m, *vs = some + m * m, *fs = vs + m * least;
    for (int64_t k = 0; k < x->count / (m * n); k++) {
        load(x, k, m * n, a);
        qr(a, m, n, least, q, vs, fs);
        for (int64_t i = 0; i < m * kept; i++) some[i] = q[i / kept * m + i % kept];
        store(y, k, m * kept, some);
        store(r, k, kept * n, a);
    }
    return TAP_OK;
}

/* ---- SelfAdjointEigV2 and Svd, by Jacobi's rotations ---- */

/* The rotation that makes the off-diagonal element b of [[a, b], [b, d]] zero. */
static void rotation(double a, double b, double d, double *c, double *s) {
    const double theta = (d - a) / (2 * b);
    const double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1));
    *c = 1 / sqrt(t * t + 1);
    *s = t * *c;
}

/* Columns p and q of x[rows][n]. */
static void rotate(double *x, int64_t rows, int64_t n, int64_t p, int64_t q, double c, double s) {
    for (int64_t i = 0; i < rows; i++) {
        const double a = x[i * n + p], b = x[i * n + q];
        x[i * n + p] = c * a - s * b;
        x[i * n + q] = s * a + c * b;
    }
}

/* One-sided: the columns of a[m][n] become orthogonal, v[n][n] has the rotations. */
static void orthogonalise(double *a, int64_t m, int64_t n, double *v) {
    for (int64_t i = 0; i < n * n; i++) v[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        bool still = true;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                double pp = 0, pq = 0, qq = 0, c, s;
                for (int64_t i = 0; i < m; i++) {
                    pp += a[i * n + p] * a[i * n + p];
                    pq += a[i * n + p] * a[i * n + q];
                    qq += a[i * n + q] * a[i * n + q];
                }
                if (!(fabs(pq) > 1e-15 * sqrt(pp) * sqrt(qq)) || fabs(pq) < DBL_MIN) continue;
                rotation(pp, pq, qq, &c, &s);
                rotate(a, m, n, p, q, c, s);
                rotate(v, n, n, p, q, c, s);
                still = false;
            }
        if (still) return;
    }
}

/* Two-sided, of the lower triangle of a symmetric a[n][n]; v has the eigenvectors in its columns. */
static void diagonalise(double *a, int64_t n, double *v) {
    for (int64_t i = 0; i < n * n; i++) v[i] = i % (n + 1) == 0;
    for (int64_t i = 0; i < n * n; i++)
        if (i % n > i / n) a[i] = a[i % n * n + i / n];
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        bool still = true;
        for (int64_t p = 0; p < n; p++)
            for (int64_t q = p + 1; q < n; q++) {
                const double b = a[p * n + q];
                double c, s;
                if (!(fabs(b) > 1e-16 * sqrt(fabs(a[p * n + p]) * fabs(a[q * n + q]))) || fabs(b) < DBL_MIN)
                    continue;
                rotation(a[p * n + p], b, a[q * n + q], &c, &s);
                rotate(a, n, n, p, q, c, s);
                for (int64_t i = 0; i < n; i++) { /* rows, as the columns */
                    const double x = a[p * n + i], y = a[q * n + i];
                    a[p * n + i] = c * x - s * y;
                    a[q * n + i] = s * x + c * y;
                }
                rotate(v, n, n, p, q, c, s);
                still = false;
            }
        if (still) return;
    }
}

/* order: places of values from the least to the greatest, or the other way. */
static void sort(const double *values, int64_t n, bool falling, int64_t *order) {
    for (int64_t i = 0; i < n; i++) {
        int64_t at = i;
        for (; at > 0 && (falling ? values[i] > values[order[at - 1]] : values[i] < values[order[at - 1]]);
             at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

static tap_status eigen_infer(tap_ctx *ctx) {
    const options *s = ctx->state;
    int64_t m, n, k;
    tap_status st = sizes(ctx, &m, &n, &k);
    if (!st && m >= 0 && n >= 0 && m != n)
        st = tap_fail(ctx, tap_misfit(ctx), "the matrix is not square: %lld by %lld", (long long)m,
                      (long long)n);
    if (!st) st = out_matrices(ctx, 0, n, -1, false);
    return st ? st : s->vectors ? out_matrices(ctx, 1, n, n, true) : out_nothing(ctx, 1);
}

static tap_status eigen_run(tap_ctx *ctx) {
    const options *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const int64_t n = x->dims[x->rank - 1];
    if (x->count == 0) return run_empty(ctx);
    double *a = tap_scratch(ctx, (size_t)(3 * n * n + 3 * n) * sizeof *a);
    if (!a) return TAP_MEMORY;
    if (!s->vectors && ctx->n_out > 1) store(ctx->out[1], 0, 1, (const double[]){0});
    double *v = a + n * n, *sorted = v + n * n, *values = sorted + n * n, *ordered = values + n;
    int64_t *order = (int64_t *)(ordered + n);
    for (int64_t k = 0; k < x->count / (n * n); k++) {
        load(x, k, n * n, a);
        diagonalise(a, n, v);
        for (int64_t i = 0; i < n; i++) values[i] = a[i * n + i];
        sort(values, n, false, order);
        for (int64_t i = 0; i < n; i++) ordered[i] = values[order[i]];
        for (int64_t i = 0; i < n * n; i++) sorted[i] = v[i / n * n + order[i % n]];
        store(ctx->out[0], k, n, ordered);
        if (s->vectors && ctx->n_out > 1) store(ctx->out[1], k, n * n, sorted);
    }
    return TAP_OK;
}

static tap_status svd_infer(tap_ctx *ctx) {
    const options *s = ctx->state;
    int64_t m, n, k;
    tap_status st = sizes(ctx, &m, &n, &k);
    if (!st) st = out_matrices(ctx, 0, k, -1, false);
    if (st || !s->vectors) {
        for (int i = 1; i < 3 && !st; i++) st = out_nothing(ctx, i);
        return st;
    }
    st = out_matrices(ctx, 1, m, s->full ? m : k, true);
    return st ? st : out_matrices(ctx, 2, n, s->full ? n : k, true);
}

/* Fills columns from..n-1 of u[n][n], whose others are orthonormal, by what unit vectors leave. */
static void complete(double *u, int64_t n, int64_t from) {
    for (int64_t c = from, e = 0; c < n && e < n; e++) {
        double length = 0;
        for (int64_t i = 0; i < n; i++) u[i * n + c] = i == e;
        for (int twice = 0; twice < 2; twice++)
            for (int64_t k = 0; k < c; k++) {
                double dot = 0;
                for (int64_t i = 0; i < n; i++) dot += u[i * n + k] * u[i * n + c];
                for (int64_t i = 0; i < n; i++) u[i * n + c] -= dot * u[i * n + k];
            }
        for (int64_t i = 0; i < n; i++) length += u[i * n + c] * u[i * n + c];
        if (length < 1e-6) continue;
        for (int64_t i = 0; i < n; i++) u[i * n + c] /= sqrt(length);
        c++;
    }
}

/* Of a tall a[m][n], which is lost: values[n], left[m][m], right[n][n]. */
static void svd(double *a, int64_t m, int64_t n, double *v, double *values, int64_t *order, double *left,
                double *right) {
    orthogonalise(a, m, n, v);
    for (int64_t j = 0; j < n; j++) {
        double length = 0;
        for (int64_t i = 0; i < m; i++) length += a[i * n + j] * a[i * n + j];
        values[j] = sqrt(length);
    }
    sort(values, n, true, order);
    int64_t rank = 0;
    const double least = n ? values[order[0]] * 1e-14 : 0;
    for (int64_t j = 0; j < n; j++) {
        const double length = values[order[j]];
        if (length > least) rank = j + 1;
        for (int64_t i = 0; i < m; i++) left[i * m + j] = length > least ? a[i * n + order[j]] / length : 0;
        for (int64_t i = 0; i < n; i++) right[i * n + j] = v[i * n + order[j]];
    }
    complete(left, m, rank);
}

static tap_status svd_run(tap_ctx *ctx) {
    const options *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1];
    const bool wide = columns > rows;
    const int64_t m = wide ? columns : rows, n = wide ? rows : columns, kept_m = s->full ? m : n;
    if (x->count == 0) return run_empty(ctx);
    double *a = tap_scratch(ctx, (size_t)(2 * m * n + 2 * m * m + 2 * n * n + 3 * n) * sizeof *a);
    if (!a) return TAP_MEMORY;
    for (int i = 1; i < ctx->n_out && !s->vectors; i++) store(ctx->out[i], 0, 1, (const double[]){0});
    double *turned = a + m * n, *left = turned + m * n, *some = left + m * m, *v = some + m * m;
    double *right = v + n * n, *values = right + n * n, *ordered = values + n;
    int64_t *order = (int64_t *)(ordered + n);
    for (int64_t k = 0; k < x->count / (m * n); k++) {
        load(x, k, m * n, a);
        for (int64_t i = 0; i < m * n && wide; i++) turned[i] = a[i % n * m + i / n];
        svd(wide ? turned : a, m, n, v, values, order, left, right);
        for (int64_t i = 0; i < n; i++) ordered[i] = values[order[i]];
        store(ctx->out[0], k, n, ordered);
        if (!s->vectors) continue;
        for (int64_t i = 0; i < m * kept_m; i++) some[i] = left[i / kept_m * m + i % kept_m];
        store(ctx->n_out > (wide ? 2 : 1) ? ctx->out[wide ? 2 : 1] : NULL, k, m * kept_m, some);
        store(ctx->n_out > (wide ? 1 : 2) ? ctx->out[wide ? 1 : 2] : NULL, k, n * n, right);
    }
    return TAP_OK;
}

#define SIGNS .notes = "Vectors may have the other sign than TensorFlow's."

static const tap_op ops[] = {
    {TAP_TF_ROW("Qr", 1, 2), .dtypes = REAL, .prepare = prepare, .infer = qr_infer, .run = qr_run},
    {TAP_TF_ROW("SelfAdjointEigV2", 1, 2), .dtypes = REAL, .prepare = prepare, .infer = eigen_infer,
     .run = eigen_run, SIGNS},
    {TAP_TF_ROW("Svd", 1, 3), .dtypes = REAL, .prepare = prepare, .infer = svd_infer, .run = svd_run, SIGNS},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_decompose, ops);
