/* CDist and Inverse of com.microsoft, computed in double precision. */
#include <math.h>

#include "common/real.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

/* ---- CDist: c[m][k] is the distance of row m of a[m][n] and row k of b[k][n] ---- */

static tap_status cdist_prepare(tap_ctx *ctx, void **state) {
    static const char *const metrics[] = {"sqeuclidean", "euclidean", NULL};
    int *metric = tap_state(ctx, sizeof *metric);
    if (!metric) return TAP_MEMORY;
    *state = metric;
    *metric = tap_attr_choice(ctx, "metric", "sqeuclidean", metrics);
    return TAP_OK;
}

static tap_status cdist_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1);
    tap_status st = tap_need_rank(ctx, 0, 2, 2, "A");
    if (!st) st = tap_need_rank(ctx, 1, 2, 2, "B");
    if (!st) st = tap_need_same_dtype(ctx, 0, 1, "B");
    if (!st) st = tap_need_shape(ctx, 1, 2, (int64_t[]){-1, a->rank == 2 ? a->dims[1] : -1}, "B");
    if (st) return st;
    return tap_out_type(ctx, 0, a->dtype, 2,
                        (int64_t[]){a->rank == 2 ? a->dims[0] : -1, b->rank == 2 ? b->dims[0] : -1});
}

typedef struct distances {
    const tap_tensor *c;
    const double *a, *b;
    int64_t n;
    bool root;
} distances;

static double squares(const double *a, const double *b, int64_t n) {
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += (a[i] - b[i]) * (a[i] - b[i]);
    return s;
}

static void cdist_task(void *arg, int64_t first, int64_t last, int worker) {
    const distances *j = arg;
    const int64_t k = j->c->dims[1];
    (void)worker;
    for (int64_t i = first; i < last; i++) {
        double d = squares(j->a + i / k * j->n, j->b + i % k * j->n, j->n);
        if (j->root) d = sqrt(d);
        tap_from_f64(j->c->dtype, 1, &d, (char *)j->c->data + (size_t)i * tap_dtype_bytes(j->c->dtype));
    }
}

/* The elements as double. NULL: no memory (already recorded). */
static double *widened(tap_ctx *ctx, const tap_tensor *t) {
    double *x = tap_scratch(ctx, (size_t)t->count * sizeof *x);
    if (x) tap_to_f64(t->dtype, t->count, t->data, x);
    return x;
}

static tap_status cdist_run(tap_ctx *ctx) {
    distances j = {.c = ctx->out[0], .n = ctx->in[0]->dims[1], .root = *(const int *)ctx->state == 1};
    if (j.c->count == 0) return TAP_OK;
    if (!(j.a = widened(ctx, ctx->in[0])) || !(j.b = widened(ctx, ctx->in[1]))) return TAP_MEMORY;
    tap_parallel(ctx, j.c->count, tap_max64(1, 16384 / tap_max64(1, j.n)), cdist_task, &j);
    return TAP_OK;
}

/* ---- Inverse of each x[..][n][n] ---- */

static tap_status inverse_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status st = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "X");
    if (st) return st;
    if (x->rank >= 2) {
        const int64_t m = x->dims[x->rank - 2], n = x->dims[x->rank - 1];
        if (m >= 0 && n >= 0 && m != n)
            return tap_fail(ctx, tap_misfit(ctx), "matrices of %lld by %lld have no inverse", (long long)m,
                            (long long)n);
    }
    return tap_out_like(ctx, 0, x);
}

static void swap_rows(double *a, double *b, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const double x = a[i];
        a[i] = b[i];
        b[i] = x;
    }
}

/* Gauss and Jordan, by the largest pivot of a column: a becomes the unit matrix, y, which was that, a's
 * inverse. A matrix that has none gives infinities or NaN. */
static void invert(double *a, double *y, int64_t n) {
    for (int64_t c = 0; c < n; c++) {
        int64_t p = c;
        for (int64_t r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[p * n + c])) p = r;
        if (p != c) {
            swap_rows(a + p * n, a + c * n, n);
            swap_rows(y + p * n, y + c * n, n);
        }
        const double scale = 1 / a[c * n + c];
        for (int64_t i = 0; i < n; i++) a[c * n + i] *= scale, y[c * n + i] *= scale;
        for (int64_t r = 0; r < n; r++) {
            const double f = a[r * n + c];
            if (r == c || f == 0) continue;
            for (int64_t i = 0; i < n; i++)
                a[r * n + i] -= f * a[c * n + i], y[r * n + i] -= f * y[c * n + i];
        }
    }
}

static tap_status inverse_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    if (x->count == 0) return TAP_OK;
    const int64_t n = x->dims[x->rank - 1], matrix = n * n;
    const size_t width = tap_dtype_bytes(x->dtype);
    double *a = tap_scratch(ctx, 2 * (size_t)matrix * sizeof *a), *inverse = a + matrix;
    if (!a) return TAP_MEMORY;
    for (int64_t at = 0; at < x->count; at += matrix) {
        tap_to_f64(x->dtype, matrix, (const char *)x->data + (size_t)at * width, a);
        for (int64_t i = 0; i < matrix; i++) inverse[i] = i % (n + 1) == 0;
        invert(a, inverse, n);
        tap_from_f64(y->dtype, matrix, inverse, (char *)y->data + (size_t)at * width);
    }
    return TAP_OK;
}

static const tap_op ops[] = {
    {TAP_MS_ROW("CDist", 2, 2, 1, 1), .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE),
     .prepare = cdist_prepare, .infer = cdist_infer, .run = cdist_run},
    {TAP_MS_ROW("Inverse", 1, 1, 1, 1),
     .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_FLOAT16), .infer = inverse_infer,
     .run = inverse_run, .notes = "A matrix that has no inverse gives infinities or NaN."},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_distance, ops);
