/* Det: determinants, by Gauss's elimination with the largest element of the column as pivot, in float64. */
#include <string.h>

#include "common/cast.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "common/tile.h"
#include "common/vector.h"

/* Small matrices are taken side by side, one in each lane. */
#define SMALL 16
#define LANES (VECTOR_BYTES / 8)

typedef double lanes __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t flags __attribute__((vector_size(VECTOR_BYTES)));

static tap_status det_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status s = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "the input");
    if (s != TAP_OK) return s;
    if (!x || x->rank < 0) return tap_out_type(ctx, 0, x ? x->dtype : TAP_UNDEFINED, -1, NULL);
    int64_t m = x->dims[x->rank - 2], n = x->dims[x->rank - 1];
    if (m >= 0 && n >= 0 && m != n)
        return tap_fail(ctx, tap_misfit(ctx), "matrices of %lld rows and %lld columns have no determinant",
                        (long long)m, (long long)n);
    return tap_out_type(ctx, 0, x->dtype, x->rank - 2, x->dims);
}

static void swap_rows(double *a, double *b, int64_t n) {
    for (int64_t k = 0; k < n; k++) {
        double t = a[k];
        a[k] = b[k];
        b[k] = t;
    }
}

/* Of a[n][n], which is used up. */
static double determinant(double *a, int64_t n) {
    double det = 1;
    for (int64_t i = 0; i < n; i++) {
        int64_t pivot = i;
        for (int64_t r = i + 1; r < n; r++)
            if (fabs(a[r * n + i]) > fabs(a[pivot * n + i])) pivot = r;
        if (a[pivot * n + i] == 0) return 0;
        if (pivot != i) {
            swap_rows(a + i * n, a + pivot * n, n);
            det = -det;
        }
        det *= a[i * n + i];
        for (int64_t r = i + 1; r < n; r++) {
            double f = a[r * n + i] / a[i * n + i];
            for (int64_t k = i + 1; k < n; k++) a[r * n + k] -= f * a[i * n + k];
        }
    }
    return det;
}

static inline lanes choose(flags c, lanes a, lanes b) {
    return (lanes)((c & (flags)a) | (~c & (flags)b));
}

static inline lanes size_of(lanes v) {
    return (lanes)((flags)v & INT64_MAX);
}

/* Brings in each lane the row of the largest element from i on in column i to row i. Returns where there is
 * none but 0; negates the determinants of matrices whose rows have changed their places. */
static flags pivot(lanes *a, int64_t n, int64_t i, lanes *det) {
    lanes best = size_of(a[i * n + i]);
    flags row = (flags){0} + i;
    for (int64_t r = i + 1; r < n; r++) {
        const lanes v = size_of(a[r * n + i]);
        const flags takes = v > best;
        best = choose(takes, v, best);
        row = (takes & ((flags){0} + r)) | (~takes & row);
    }
    for (int64_t r = i + 1; r < n; r++) {
        const flags swap = row == (flags){0} + r;
        for (int64_t k = i; k < n; k++) {
            const lanes up = a[r * n + k], down = a[i * n + k];
            a[i * n + k] = choose(swap, up, down);
            a[r * n + k] = choose(swap, down, up);
        }
    }
    *det = choose(row == (flags){0} + i, *det, -*det);
    return best == (lanes){0};
}

/* The same as determinant, to the bit, of a[n][n] with a matrix in each lane. */
static lanes determinants(lanes *a, int64_t n) {
    lanes det = (lanes){0} + 1;
    flags singular = {0};
    for (int64_t i = 0; i < n; i++) {
        singular |= pivot(a, n, i, &det);
        det *= a[i * n + i];
        for (int64_t r = i + 1; r < n; r++) {
            const lanes f = a[r * n + i] / a[i * n + i];
            for (int64_t k = i + 1; k < n; k++) a[r * n + k] -= f * a[i * n + k];
        }
    }
    return choose(singular, (lanes){0}, det);
}

typedef struct det_run {
    const tap_tensor *x;
    tap_tensor *y;
    int64_t n;
    char *room; /* for each worker: a matrix, or LANES of them; for matrices that are not small */
    size_t room_bytes;
} det_run;

static bool is_small(int64_t n) {
    return n > 0 && n <= SMALL;
}

/* a = matrices from .. from + count in float64. */
static void widen(const det_run *r, int64_t from, int64_t count, double *a) {
    const int64_t size = r->n * r->n;
    TAP_ISA_NAME(tap_cast_dense)
    (r->x->dtype, TAP_DOUBLE, count * size,
     (const char *)r->x->data + (size_t)(from * size) * tap_dtype_bytes(r->x->dtype), a);
}

static void put(const det_run *r, int64_t from, int64_t count, const double *v) {
    TAP_ISA_NAME(tap_cast_dense)
    (TAP_DOUBLE, r->y->dtype, count, v, (char *)r->y->data + (size_t)from * tap_dtype_bytes(r->y->dtype));
}

static void det_matrices(void *arg, int64_t begin, int64_t end, int worker) {
    const det_run *r = arg;
    const int64_t n = r->n;
    double *a = (double *)(void *)(r->room + (size_t)worker * r->room_bytes), v[LANES];
    lanes turned[SMALL * SMALL], det;
    int64_t i = begin;
    for (; is_small(n) && i + LANES <= end; i += LANES) {
        widen(r, i, LANES, a);
        tap_tile_apart(sizeof(double), LANES, n * n, a, turned);
        det = determinants(turned, n);
        memcpy(v, &det, sizeof v);
        put(r, i, LANES, v);
    }
    for (; i < end; i++) {
        widen(r, i, 1, a);
        v[0] = determinant(a, n);
        put(r, i, 1, v);
    }
}

static tap_status det_run_all(tap_ctx *ctx) {
    det_run r = {.x = ctx->in[0], .y = ctx->out[0], .n = ctx->in[0]->dims[ctx->in[0]->rank - 1]};
    const int64_t size = r.n * r.n, grain = tap_max64(1, (1 << 14) / (r.n * size + 1));
    if (r.y->count == 0) return TAP_OK;
    r.room_bytes =
        tap_round_up((size_t)(is_small(r.n) ? LANES * size : size) * sizeof(double) + 1, TAP_ALIGN);
    r.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * r.room_bytes);
    if (!r.room) return TAP_MEMORY;
    tap_parallel(ctx, r.y->count, (int64_t)tap_round_up((size_t)grain, is_small(r.n) ? LANES : 1),
                 det_matrices, &r);
    return TAP_OK;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "Det", .since = 11, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT, .infer = det_infer, .run = det_run_all},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(det, ops);
