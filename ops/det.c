/* Det: determinants, by Gauss's elimination with the largest element of the column as pivot, in float64. */
#include "common/scalar.h"
#include "common/shape.h"

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

typedef struct det_run {
    const tap_tensor *x;
    tap_tensor *y;
    int64_t n;
    double *room; /* [worker][n][n] */
} det_run;

static void det_matrices(void *arg, int64_t begin, int64_t end, int worker) {
    const det_run *r = arg;
    int64_t size = r->n * r->n;
    double *a = r->room + worker * size;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t k = 0; k < size; k++) a[k] = tap_real_at(r->x, i * size + k);
        double v = determinant(a, r->n);
        if (r->y->dtype == TAP_FLOAT)
            ((float *)r->y->data)[i] = (float)v;
        else if (r->y->dtype == TAP_DOUBLE)
            ((double *)r->y->data)[i] = v;
        else if (r->y->dtype == TAP_FLOAT16)
            ((uint16_t *)r->y->data)[i] = tap_f32_to_f16(tap_f64_to_f32_odd(v));
        else
            ((uint16_t *)r->y->data)[i] = tap_f32_to_bf16(tap_f64_to_f32_odd(v));
    }
}

static tap_status det_run_all(tap_ctx *ctx) {
    det_run r = {.x = ctx->in[0], .y = ctx->out[0], .n = ctx->in[0]->dims[ctx->in[0]->rank - 1]};
    r.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * (size_t)(r.n * r.n) * sizeof *r.room);
    if (!r.room) return TAP_MEMORY;
    tap_parallel(ctx, r.y->count, tap_max64(1, (1 << 14) / (r.n * r.n * r.n + 1)), det_matrices, &r);
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
