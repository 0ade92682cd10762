/* GlobalAveragePool and GlobalMaxPool: reductions over the spatial axes, in either layout. */
#include "common/math.h"
#include "common/reduce.h"
#include "common/shape.h"
#include "common/window.h"
#include "core/half.h"

/* ---- The result of an accumulator ---- */

#define FINISH(name, A, Y, expr)                                                              \
    static void name(int64_t n, const void *acc, double count, const void *shift, void *py) { \
        const A *restrict a = acc;                                                            \
        Y *restrict y = py;                                                                   \
        (void)count, (void)shift;                                                             \
        for (int64_t i = 0; i < n; i++) y[i] = expr;                                          \
    }
FINISH(mean_f16, double, uint16_t, tap_f32_to_f16(tap_f64_to_f32_odd(tap_quotient(a[i], count, 1 / count))))
FINISH(mean_bf16, double, uint16_t, tap_f32_to_bf16(tap_f64_to_f32_odd(tap_quotient(a[i], count, 1 / count))))
FINISH(mean_f32, double, float, (float)tap_quotient(a[i], count, 1 / count))
FINISH(mean_f64, double, double, a[i] / count)
FINISH(max_f16, float, uint16_t, tap_f32_to_f16(a[i]))
FINISH(max_bf16, float, uint16_t, tap_f32_to_bf16(a[i]))
FINISH(max_f32, float, float, a[i])
FINISH(max_f64, double, double, a[i])

static const tap_reducer mean[TAP_DTYPE_COUNT] = {
    [TAP_FLOAT16] = TAP_REDUCER(&tap_loops_sum_f32, tap_reduce_f16, mean_f16, 2, 2),
    [TAP_BFLOAT16] = TAP_REDUCER(&tap_loops_sum_f32, tap_reduce_bf16, mean_bf16, 2, 2),
    [TAP_FLOAT] = TAP_REDUCER(&tap_loops_sum_f32, NULL, mean_f32, 4, 4),
    [TAP_DOUBLE] = TAP_REDUCER(&tap_loops_sum_f64, NULL, mean_f64, 8, 8),
};
static const tap_reducer max[TAP_DTYPE_COUNT] = {
    [TAP_FLOAT16] = TAP_REDUCER(&tap_loops_max_f32, tap_reduce_f16, max_f16, 2, 2),
    [TAP_BFLOAT16] = TAP_REDUCER(&tap_loops_max_f32, tap_reduce_bf16, max_bf16, 2, 2),
    [TAP_FLOAT] = TAP_REDUCER(&tap_loops_max_f32, NULL, max_f32, 4, 4),
    [TAP_DOUBLE] = TAP_REDUCER(&tap_loops_max_f64, NULL, max_f64, 8, 8),
};

/* ---- The operators ---- */

static tap_status global_run(tap_ctx *ctx) {
    const tap_reducer *reducers = tap_ctx_op(ctx)->data;
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    uint32_t axes = 0;
    for (int i = 2; i < x->rank; i++) axes |= UINT32_C(1) << (ctx->channels_last ? i - 1 : i);
    tap_status status = tap_reduce(ctx, &reducers[x->dtype], x, axes, y->data);
    if (status != TAP_OK || y->count == 0) return status;
    int64_t row = y->dims[y->rank - 1];
    tap_epilogue(ctx, 0, y->count / row, 0, row);
    return TAP_OK;
}

#define GLOBAL(NAME, REDUCERS)                                                                         \
    {                                                                                                  \
        .name = NAME, .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,                \
        .flags = TAP_EPILOGUE | TAP_TAKES_CHANNELS_LAST, .image_inputs = 1, .dtypes = TAP_TYPES_FLOAT, \
        .infer = tap_infer_global_pool, .run = global_run, .data = REDUCERS                            \
    }

static const tap_op ops[] = {
    GLOBAL("GlobalAveragePool", mean),
    GLOBAL("GlobalMaxPool", max),
    {0},
};

TAP_DEFINE_FAMILY(global_pool, ops);
