/* LpNormalization: elements over the sum of magnitudes, or over the length, of the line that they are on. */
#include <math.h>

#include "common/elementwise.h"
#include "common/reduce.h"
#include "common/shape.h"
#include "common/widen.h"

typedef struct lp_state {
    int64_t axis, p;
} lp_state;

/* Where the norm is 0 so is y. */
TAP_LOOP2_(over_f32, (void)state, float, float, float, b == 0 ? 0 : a / b)
TAP_LOOP2_(over_f64, (void)state, double, double, double, b == 0 ? 0 : a / b)

#define MAPS(SUFFIX, T, ACC, ABS)                                                                           \
    static void magnitude_##SUFFIX(int64_t n, const void *px, void *py, const void *shift, int64_t step) {  \
        const T *x = px;                                                                                    \
        T *y = py;                                                                                          \
        (void)shift, (void)step;                                                                            \
        for (int64_t i = 0; i < n; i++) y[i] = ABS(x[i]);                                                   \
    }                                                                                                       \
    static void square_##SUFFIX(int64_t n, const void *px, void *py, const void *shift, int64_t step) {     \
        const T *x = px;                                                                                    \
        T *y = py;                                                                                          \
        (void)shift, (void)step;                                                                            \
        for (int64_t i = 0; i < n; i++) y[i] = x[i] * x[i];                                                 \
    }                                                                                                       \
    static void sum_##SUFFIX(int64_t n, const void *acc, double count, const void *shift, void *y) {        \
        (void)shift, (void)count;                                                                           \
        for (int64_t i = 0; i < n; i++) ((T *)y)[i] = (T)((const ACC *)acc)[i];                             \
    }                                                                                                       \
    static void length_##SUFFIX(int64_t n, const void *acc, double count, const void *shift, void *y) {     \
        (void)shift, (void)count;                                                                           \
        for (int64_t i = 0; i < n; i++) ((T *)y)[i] = (T)sqrt(((const ACC *)acc)[i]);                       \
    }                                                                                                       \
    static const tap_reducer *reducer_##SUFFIX(int64_t p) {                                                 \
        static const tap_reducer by_p[2] = {                                                                \
            {&tap_loops_sum_##SUFFIX, magnitude_##SUFFIX, sum_##SUFFIX, sizeof(T), sizeof(T), NULL, NULL},  \
            {&tap_loops_sum_##SUFFIX, square_##SUFFIX, length_##SUFFIX, sizeof(T), sizeof(T), NULL, NULL}}; \
        return &by_p[p - 1];                                                                                \
    }
MAPS(f32, float, double, fabsf)
MAPS(f64, double, double, fabs)

static tap_status lp_prepare(tap_ctx *ctx, void **state) {
    lp_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->axis = tap_attr_int(ctx, "axis", -1);
    s->p = tap_attr_int(ctx, "p", 2);
    if (s->p != 1 && s->p != 2)
        return tap_fail(ctx, TAP_MODEL, "p is %lld; it must be 1 or 2", (long long)s->p);
    return TAP_OK;
}

static tap_status lp_infer(tap_ctx *ctx) {
    const lp_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t axis = s->axis;
    tap_status status = x->rank >= 0 ? tap_norm_axes(ctx, &axis, 1, x->rank, true) : TAP_OK;
    return status == TAP_OK ? tap_out_like(ctx, 0, x) : status;
}

static tap_status lp_run(tap_ctx *ctx) {
    const lp_state *s = ctx->state;
    tap_tensor x, y, norm;
    int axis;
    if (ctx->in[0]->count == 0) return TAP_OK;
    if (!tap_axis(s->axis, ctx->in[0]->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis is out of range");
    if (!tap_widen_tensor(ctx, ctx->in[0], &x) || !tap_widen_output(ctx, ctx->out[0], &y)) return TAP_MEMORY;
    norm = x;
    norm.count /= norm.dims[axis];
    norm.dims[axis] = 1;
    if (!(norm.data = tap_scratch(ctx, (size_t)norm.count * tap_dtype_bytes(x.dtype)))) return TAP_MEMORY;
    bool d = x.dtype == TAP_DOUBLE;
    tap_status status =
        tap_reduce(ctx, d ? reducer_f64(s->p) : reducer_f32(s->p), &x, UINT32_C(1) << axis, norm.data);
    const tap_tensor *in[2] = {&x, &norm};
    tap_tensor *out[1] = {&y};
    if (status == TAP_OK) status = tap_broadcast(ctx, d ? over_f64 : over_f32, NULL, in, 2, out, 1);
    if (status == TAP_OK) tap_narrow_output(ctx, &y, ctx->out[0]);
    return status;
}

static const tap_op ops[] = {
    {.name = "LpNormalization",
     .since = 1,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = lp_prepare,
     .infer = lp_infer,
     .run = lp_run},
    {0},
};

TAP_DEFINE_FAMILY(lp_norm, ops);
