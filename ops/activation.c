/* Activations: Relu, LeakyRelu, ThresholdedRelu, Elu, Selu, Celu, PRelu, Sigmoid, HardSigmoid, HardSwish,
 * Tanh, Softplus, Softsign, Gelu, Mish, Swish, SwiGLU, Shrink. NaN stays NaN, but where the standard's
 * formula compares it. */
#include "common/activation_float.h"
#include "common/axis_broadcast.h"
#include "common/convert.h"
#include "common/elementwise.h"
#include "common/math.h"
#include "common/math64_erf.h"
#include "common/math64_log.h"
#include "common/shape.h"

/* float64's range leaves no digits out that anybody would miss. */
static inline double exp_scaled64(double x, double *scale) {
    *scale = 1;
    return tap_exp64(x);
}

#define T             double
#define F(name)       name##_double
#define EXP_SCALED    exp_scaled64
#define EXPM1(x)      tap_expm1_64(x)
#define LOG1P_UNIT(x) tap_log1p64(x)
#define DECAY(x)      tap_exp64(-(x))
#define GELU(x)       ((x)*tap_normal_cdf64(x))
#define MISH_IS_X     44
#define ABS(x)        fabs(x)
#define SELECT        tap_select64
#include "common/activation.inc"

/* ---- Loops ----------------------------------------------------------------------------------------- */

#define FLOATS(NAME)                                           \
    TAP_LOOP1(NAME##_FLOAT, float, float, NAME##_float(x))     \
    TAP_LOOP1(NAME##_DOUBLE, double, double, NAME##_double(x)) \
    TAP_HALVES1(NAME)
#define FLOATS_WITH(NAME)                                                      \
    TAP_LOOP1_WITH(NAME##_FLOAT, params, float, float, NAME##_float(x, s))     \
    TAP_LOOP1_WITH(NAME##_DOUBLE, params, double, double, NAME##_double(x, s)) \
    TAP_HALVES1(NAME)
#define TABLE(NAME) static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};

FLOATS(relu)
FLOATS(sigmoid)
FLOATS(hard_swish)
FLOATS(softplus)
FLOATS(softsign)
FLOATS(gelu)
FLOATS(gelu_tanh)
FLOATS(mish)
FLOATS_WITH(leaky_relu)
FLOATS_WITH(thresholded_relu)
FLOATS_WITH(elu)
FLOATS_WITH(selu)
FLOATS_WITH(celu)
FLOATS_WITH(hard_sigmoid)
FLOATS_WITH(swish)
FLOATS_WITH(shrink)

TAP_LOOP1(tanh_FLOAT, float, float, tap_tanhf(x))
TAP_LOOP1(tanh_DOUBLE, double, double, tap_tanh64(x))
TAP_HALVES1(tanh)

TAP_LOOP2(prelu_FLOAT, float, float, prelu_float(a, b))
TAP_LOOP2(prelu_DOUBLE, double, double, prelu_double(a, b))
TAP_HALVES2(prelu)

TAP_LOOP2_WITH(swiglu_FLOAT, params, float, float, float, swish_float(a, s) * b)
TAP_LOOP2_WITH(swiglu_DOUBLE, params, double, double, double, swish_double(a, s) * b)
TAP_HALVES2(swiglu)

#define RELU(NAME, I, ...)   TAP_LOOP1(NAME, I, I, x < 0 ? 0 : x)
#define PRELU(NAME, I, U)    TAP_LOOP2(NAME, I, I, a < 0 ? (I)((U)a * (U)b) : a)
#define PRELUU(NAME, U, ...) TAP_LOOP2(NAME, U, U, ((void)b, a))
TAP_FOR_SIGNED(RELU, relu, )
PRELU(prelu_INT32, int32_t, uint32_t)
PRELU(prelu_INT64, int64_t, uint64_t)
PRELUU(prelu_UINT32, uint32_t, )
PRELUU(prelu_UINT64, uint64_t, )

/* Shrink takes integers, too; the attributes do not fit them, so they go through float64. */
#define SHRINK(NAME, I, CONVERT) TAP_LOOP1_WITH(NAME, params, I, I, CONVERT(shrink_double((double)x, s)))
#define SHRINK32(NAME, I, ...)   SHRINK(NAME, I, tap_int32_of_double)
SHRINK32(shrink_INT8, int8_t, )
SHRINK32(shrink_UINT8, uint8_t, )
SHRINK32(shrink_INT16, int16_t, )
SHRINK32(shrink_UINT16, uint16_t, )
SHRINK32(shrink_INT32, int32_t, )
SHRINK(shrink_UINT32, uint32_t, tap_int64_of_double)
SHRINK(shrink_INT64, int64_t, tap_int64_of_double)
SHRINK(shrink_UINT64, uint64_t, tap_uint64_of_double)

static tap_loop *const relu_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(relu), TAP_ROW_SIGNED(relu)};
static tap_loop *const prelu_loops[TAP_DTYPE_COUNT] = {
    TAP_ROW_FLOATS(prelu), [TAP_INT32] = prelu_INT32, [TAP_INT64] = prelu_INT64, [TAP_UINT32] = prelu_UINT32,
    [TAP_UINT64] = prelu_UINT64};
static tap_loop *const shrink_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(shrink), TAP_ROW_INTS(shrink)};
TABLE(sigmoid)
TABLE(tanh)
TABLE(hard_swish)
TABLE(softplus)
TABLE(softsign)
TABLE(mish)
TABLE(leaky_relu)
TABLE(thresholded_relu)
TABLE(elu)
TABLE(selu)
TABLE(celu)
TABLE(hard_sigmoid)
TABLE(swish)
TABLE(swiglu)

/* ---- Gelu: the attribute chooses the expression ---------------------------------------------------- */

#define CHOOSE(DTYPE)                                                               \
    TAP_LOOP(gelu_any_##DTYPE) {                                                    \
        (*(const int *)state ? gelu_tanh_##DTYPE : gelu_##DTYPE)(n, p, step, NULL); \
    }
CHOOSE(FLOAT)
CHOOSE(DOUBLE)
CHOOSE(FLOAT16)
CHOOSE(BFLOAT16)
static tap_loop *const gelu_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(gelu_any)};

static tap_status gelu_prepare(tap_ctx *ctx, void **state) {
    static const char *const approximations[] = {"none", "tanh", NULL};
    int *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *s = tap_attr_choice(ctx, "approximate", "none", approximations);
    *state = s;
    return TAP_OK;
}

/* ---- Attributes ------------------------------------------------------------------------------------ */

static tap_status prepare(tap_ctx *ctx, void **state, const char *a, float alpha, const char *b, float beta) {
    params *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->alpha = tap_attr_float(ctx, a, alpha);
    if (b) s->beta = tap_attr_float(ctx, b, beta);
    *state = s;
    void *none;
    return tap_prepare_consumed(ctx, &none);
}

static tap_status alpha_1_prepare(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, "alpha", 1, NULL, 0);
}

static tap_status leaky_relu_prepare(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, "alpha", 0.01f, NULL, 0);
}

static tap_status selu_prepare(tap_ctx *ctx, void **state) {
    if (tap_opset(ctx) < 6) return prepare(ctx, state, "alpha", 1.6732f, "gamma", 1.0507f);
    return prepare(ctx, state, "alpha", 1.67326319217681884765625f, "gamma", 1.05070102214813232421875f);
}

static tap_status hard_sigmoid_prepare(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, "alpha", 0.2f, "beta", 0.5f);
}

static tap_status shrink_prepare(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, "lambd", 0.5f, "bias", 0);
}

/* ---- PRelu, SwiGLU: shapes ------------------------------------------------------------------------- */

static tap_status like_first(tap_ctx *ctx) {
    tap_status st = tap_same_dtypes(ctx, 0);
    return st == TAP_OK ? tap_out_like(ctx, 0, tap_in_type(ctx, 0)) : st;
}

static tap_status prelu_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *slope = tap_in_type(ctx, 1);
    for (int d = 1; x->rank >= 0 && d <= slope->rank; d++) {
        int64_t have = d <= x->rank ? x->dims[x->rank - d] : 1, want = slope->dims[slope->rank - d];
        if (want >= 0 && want != 1 && have >= 0 && want != have)
            return tap_fail(ctx, TAP_MODEL, "slope does not broadcast to X");
    }
    return like_first(ctx);
}

/* Before opset 7: one slope for all, or one for each channel, which is axis 1. */
static bool slope_is_per_channel(int64_t n_slopes, const tap_type *x) {
    return x->rank >= 2 && (x->dims[1] < 0 || n_slopes == x->dims[1]);
}

static tap_status prelu_1_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *slope = tap_in_type(ctx, 1);
    int64_t n = slope->rank < 0 ? -1 : tap_product(slope->dims, slope->rank);
    if (x->rank >= 0 && n >= 0 && n != 1 && !slope_is_per_channel(n, x))
        return tap_fail(ctx, TAP_MODEL, "slope must have one element, or one for each channel of X");
    return like_first(ctx);
}

static tap_status prelu_1_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor flat = *ctx->in[1];
    flat.rank = flat.count == 1 ? 0 : 1;
    flat.dims[0] = flat.count;
    tap_tensor slope = TAP_ISA_NAME(tap_axis_view)(&flat, 1, x->rank);
    const tap_tensor *in[2] = {x, flat.rank == 0 ? &flat : &slope};
    return tap_broadcast(ctx, prelu_loops[x->dtype], NULL, in, 2, ctx->out, 1);
}

static tap_status swiglu_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1);
    bool same = a->rank < 0 || b->rank < 0 || a->rank == b->rank;
    for (int d = 0; same && d < a->rank && d < b->rank; d++)
        same = a->dims[d] < 0 || b->dims[d] < 0 || a->dims[d] == b->dims[d];
    return same ? like_first(ctx) : tap_fail(ctx, TAP_MODEL, "A and B must have one shape");
}

#define UNARY(NAME, SINCE, LOOPS) TAP_ROW_ELEMENTWISE(NAME, SINCE, 0, 1, LOOPS)

static const tap_op ops[] = {
    {UNARY("Relu", 1, relu_loops), .prepare = tap_prepare_consumed, .stage_kind = TAP_STAGE_RELU},
    {UNARY("Sigmoid", 1, sigmoid_loops), .prepare = tap_prepare_consumed},
    {UNARY("Tanh", 1, tanh_loops), .prepare = tap_prepare_consumed},
    {UNARY("LeakyRelu", 1, leaky_relu_loops), .prepare = leaky_relu_prepare},
    {UNARY("Elu", 1, elu_loops), .prepare = alpha_1_prepare},
    {UNARY("Selu", 1, selu_loops), .prepare = selu_prepare},
    {UNARY("HardSigmoid", 1, hard_sigmoid_loops), .prepare = hard_sigmoid_prepare},
    {UNARY("Softplus", 1, softplus_loops)},
    {UNARY("Softsign", 1, softsign_loops)},
    {UNARY("Shrink", 9, shrink_loops), .prepare = shrink_prepare},
    {UNARY("ThresholdedRelu", 1, thresholded_relu_loops), .prepare = alpha_1_prepare},
    {UNARY("Celu", 12, celu_loops), .prepare = alpha_1_prepare},
    {UNARY("HardSwish", 14, hard_swish_loops)},
    {UNARY("Mish", 18, mish_loops)},
    {UNARY("Gelu", 20, gelu_loops), .prepare = gelu_prepare},
    {UNARY("Swish", 24, swish_loops), .prepare = alpha_1_prepare},
    {TAP_ROW_ELEMENTWISE("SwiGLU", 28, 0, 2, swiglu_loops), .prepare = alpha_1_prepare,
     .infer = swiglu_infer},
    {TAP_ROW_ELEMENTWISE("PRelu", 7, 0, 2, prelu_loops), .infer = prelu_infer},
    {.name = "PRelu",
     .since = 1,
     .until = 6,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_IN_PLACE,
     .loops = prelu_loops,
     .prepare = tap_prepare_consumed,
     .infer = prelu_1_infer,
     .run = prelu_1_run},
    {0},
};

TAP_DEFINE_FAMILY(activation, ops);
