/* ReduceSum, ReduceMean, ReduceProd, ReduceMax, ReduceMin, ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp,
 * ReduceSumSquare. The axes are an attribute first and an input later (ReduceSum from 13, the others from
 * 18).
 *
 * Sums of float32 accumulate in float64, squares and products are formed in it. Integers wrap in sums and
 * products; where the result is no integer (means, roots, logarithms) it is computed in float64 and cut
 * towards zero. An empty set gives what the operator combines to nothing, and NaN (integers: 0) as a mean. */
#include <math.h>

#include "common/axes.h"
#include "common/math.h"
#include "common/math64.h"
#include "common/reduce.h"
#include "common/softmax.h"
#include "core/half.h"

/* ---- What is combined for an element ---- */

#define MAP(name, X, B, expr)                                                                \
    static void name(int64_t n, const void *px, void *py, const void *shift, int64_t step) { \
        const X *restrict px_ = px;                                                          \
        B *restrict y = py;                                                                  \
        (void)shift, (void)step;                                                             \
        for (int64_t i = 0; i < n; i++) {                                                    \
            X x = px_[i];                                                                    \
            y[i] = expr;                                                                     \
        }                                                                                    \
    }

#define SQUARE(x) ((x) * (x))

MAP(f64_f16, uint16_t, double, (double)tap_f16_to_f32(x))
MAP(f64_bf16, uint16_t, double, (double)tap_bf16_to_f32(x))
MAP(f64_f32, float, double, (double)x)
MAP(f64_i32, int32_t, double, (double)x)
MAP(f64_u32, uint32_t, double, (double)x)
MAP(f64_i64, int64_t, double, (double)x)
MAP(f64_u64, uint64_t, double, (double)x)
MAP(abs_f16, uint16_t, float, tap_f16_to_f32(x & 0x7FFF))
MAP(abs_bf16, uint16_t, float, tap_bf16_to_f32(x & 0x7FFF))
MAP(abs_f32, float, float, fabsf(x))
MAP(abs_f64, double, double, fabs(x))
MAP(abs_i32, int32_t, uint32_t, x < 0 ? 0u - (uint32_t)x : (uint32_t)x)
MAP(abs_i64, int64_t, uint64_t, x < 0 ? 0u - (uint64_t)x : (uint64_t)x)
MAP(square_f16, uint16_t, double, SQUARE((double)tap_f16_to_f32(x)))
MAP(square_bf16, uint16_t, double, SQUARE((double)tap_bf16_to_f32(x)))
MAP(square_f32, float, double, SQUARE((double)x))
MAP(square_f64, double, double, SQUARE(x))
MAP(square_u32, uint32_t, uint32_t, x *x)
MAP(square_u64, uint64_t, uint64_t, x *x)
MAP(f64_square_i32, int32_t, double, SQUARE((double)x))
MAP(f64_square_u32, uint32_t, double, SQUARE((double)x))
MAP(f64_square_i64, int64_t, double, SQUARE((double)x))
MAP(f64_square_u64, uint64_t, double, SQUARE((double)x))

/* e^(x - shift) of integers. */
#define MAP_EXP(name, X)                                                                     \
    static void name(int64_t n, const void *px, void *py, const void *shift, int64_t step) { \
        const X *restrict x = px;                                                            \
        const double *restrict m = shift;                                                    \
        double *restrict y = py;                                                             \
        for (int64_t i = 0; i < n; i++) y[i] = tap_exp64((double)x[i] - m[i * step]);        \
    }
MAP_EXP(exp_i32, int32_t)
MAP_EXP(exp_u32, uint32_t)
MAP_EXP(exp_i64, int64_t)
MAP_EXP(exp_u64, uint64_t)

/* ---- The result of an accumulator ---- */

#define FINISH(name, A, Y, expr)                                                              \
    static void name(int64_t n, const void *acc, double count, const void *shift, void *py) { \
        const A *restrict a_ = acc;                                                           \
        Y *restrict y = py;                                                                   \
        (void)count, (void)shift;                                                             \
        for (int64_t i = 0; i < n; i++) {                                                     \
            A a = a_[i];                                                                      \
            y[i] = expr;                                                                      \
        }                                                                                     \
    }

static inline uint16_t to_f16(double x) {
    return tap_f32_to_f16(tap_f64_to_f32_odd(x));
}
static inline uint16_t to_bf16(double x) {
    return tap_f32_to_bf16(tap_f64_to_f32_odd(x));
}

/* Towards zero; NaN becomes 0, what is too large the end of the range. */
#define TO_INT(name, T, min, max)             \
    static inline T name(double x) {          \
        if (x != x) return 0;                 \
        if (x <= (double)min) return min;     \
        return x >= (double)max ? max : (T)x; \
    }
TO_INT(to_i32, int32_t, INT32_MIN, INT32_MAX)
TO_INT(to_u32, uint32_t, 0, UINT32_MAX)
TO_INT(to_i64, int64_t, INT64_MIN, INT64_MAX)
TO_INT(to_u64, uint64_t, 0, UINT64_MAX)

/* One for each type that a float64 accumulator is narrowed to. */
#define FINISH_ALL(name, expr)               \
    FINISH(name##_f64, double, double, expr) \
    FINISH_NARROW(name, expr)
#define FINISH_NARROW(name, expr)                        \
    FINISH(name##_f16, double, uint16_t, to_f16(expr))   \
    FINISH(name##_bf16, double, uint16_t, to_bf16(expr)) \
    FINISH(name##_f32, double, float, (float)(expr))     \
    FINISH(name##_i32, double, int32_t, to_i32(expr))    \
    FINISH(name##_u32, double, uint32_t, to_u32(expr))   \
    FINISH(name##_i64, double, int64_t, to_i64(expr))    \
    FINISH(name##_u64, double, uint64_t, to_u64(expr))

FINISH(same_f16, double, uint16_t, to_f16(a))
FINISH(same_bf16, double, uint16_t, to_bf16(a))
FINISH(same_f32, double, float, (float)a)
FINISH(same_f64, double, double, a)
FINISH(same_w1, uint8_t, uint8_t, a)
FINISH(same_w4, uint32_t, uint32_t, a)
FINISH(same_w8, uint64_t, uint64_t, a)
FINISH(single_f16, float, uint16_t, tap_f32_to_f16(a))
FINISH(single_bf16, float, uint16_t, tap_f32_to_bf16(a))
FINISH(single_f32, float, float, a)
FINISH(truth, uint8_t, uint8_t, a != 0)
FINISH(mean_f64, double, double, a / count)
FINISH_NARROW(mean, tap_quotient(a, count, 1 / count))
FINISH_ALL(root, sqrt(a))
FINISH_ALL(log, log(a))

/* What is taken from the exponents: the maximum. */
FINISH(shift_i32, int32_t, double, (double)a)
FINISH(shift_u32, uint32_t, double, (double)a)
FINISH(shift_i64, int64_t, double, (double)a)
FINISH(shift_u64, uint64_t, double, (double)a)

/* log(sum of e^(x - shift)) + shift; of nothing it is -infinity whatever the shift. */
#define LOG_SHIFTED(B) (log(a) + (double)((const B *)shift)[i])
FINISH(log_shifted_f16, double, uint16_t, to_f16(LOG_SHIFTED(float)))
FINISH(log_shifted_bf16, double, uint16_t, to_bf16(LOG_SHIFTED(float)))
FINISH(log_shifted_f32, double, float, (float)LOG_SHIFTED(float))
FINISH(log_shifted_f64, double, double, LOG_SHIFTED(double))
FINISH(log_shifted_i32, double, int32_t, to_i32(LOG_SHIFTED(double)))
FINISH(log_shifted_u32, double, uint32_t, to_u32(LOG_SHIFTED(double)))
FINISH(log_shifted_i64, double, int64_t, to_i64(LOG_SHIFTED(double)))
FINISH(log_shifted_u64, double, uint64_t, to_u64(LOG_SHIFTED(double)))

/* ---- Reducers by dtype ---- */

typedef struct reducers {
    tap_reducer by_dtype[TAP_DTYPE_COUNT];
} reducers;

#define SUM_F32 &tap_loops_sum_f32
#define SUM_F64 &tap_loops_sum_f64
#define SUM_U32 &tap_loops_sum_u32
#define SUM_U64 &tap_loops_sum_u64

static const reducers sum = {.by_dtype = {
                                 [TAP_FLOAT16] = TAP_REDUCER(SUM_F32, tap_reduce_f16, same_f16, 2, 2),
                                 [TAP_BFLOAT16] = TAP_REDUCER(SUM_F32, tap_reduce_bf16, same_bf16, 2, 2),
                                 [TAP_FLOAT] = TAP_REDUCER(SUM_F32, NULL, same_f32, 4, 4),
                                 [TAP_DOUBLE] = TAP_REDUCER(SUM_F64, NULL, same_f64, 8, 8),
                                 [TAP_INT32] = TAP_REDUCER(SUM_U32, NULL, same_w4, 4, 4),
                                 [TAP_UINT32] = TAP_REDUCER(SUM_U32, NULL, same_w4, 4, 4),
                                 [TAP_INT64] = TAP_REDUCER(SUM_U64, NULL, same_w8, 8, 8),
                                 [TAP_UINT64] = TAP_REDUCER(SUM_U64, NULL, same_w8, 8, 8),
                             }};

static const reducers mean = {.by_dtype = {
                                  [TAP_FLOAT16] = TAP_REDUCER(SUM_F32, tap_reduce_f16, mean_f16, 2, 2),
                                  [TAP_BFLOAT16] = TAP_REDUCER(SUM_F32, tap_reduce_bf16, mean_bf16, 2, 2),
                                  [TAP_FLOAT] = TAP_REDUCER(SUM_F32, NULL, mean_f32, 4, 4),
                                  [TAP_DOUBLE] = TAP_REDUCER(SUM_F64, NULL, mean_f64, 8, 8),
                                  [TAP_INT32] = TAP_REDUCER(SUM_F64, f64_i32, mean_i32, 4, 4),
                                  [TAP_UINT32] = TAP_REDUCER(SUM_F64, f64_u32, mean_u32, 4, 4),
                                  [TAP_INT64] = TAP_REDUCER(SUM_F64, f64_i64, mean_i64, 8, 8),
                                  [TAP_UINT64] = TAP_REDUCER(SUM_F64, f64_u64, mean_u64, 8, 8),
                              }};

static const reducers prod = {
    .by_dtype = {
        [TAP_FLOAT16] = TAP_REDUCER(&tap_loops_prod_f64, f64_f16, same_f16, 2, 2),
        [TAP_BFLOAT16] = TAP_REDUCER(&tap_loops_prod_f64, f64_bf16, same_bf16, 2, 2),
        [TAP_FLOAT] = TAP_REDUCER(&tap_loops_prod_f64, f64_f32, same_f32, 4, 4),
        [TAP_DOUBLE] = TAP_REDUCER(&tap_loops_prod_f64, NULL, same_f64, 8, 8),
        [TAP_INT32] = TAP_REDUCER(&tap_loops_prod_u32, NULL, same_w4, 4, 4),
        [TAP_UINT32] = TAP_REDUCER(&tap_loops_prod_u32, NULL, same_w4, 4, 4),
        [TAP_INT64] = TAP_REDUCER(&tap_loops_prod_u64, NULL, same_w8, 8, 8),
        [TAP_UINT64] = TAP_REDUCER(&tap_loops_prod_u64, NULL, same_w8, 8, 8),
    }};

#define EXTREME(m)                                                                                  \
    {                                                                                               \
        .by_dtype = {                                                                               \
            [TAP_FLOAT16] = TAP_REDUCER(&tap_loops_##m##_f32, tap_reduce_f16, single_f16, 2, 2),    \
            [TAP_BFLOAT16] = TAP_REDUCER(&tap_loops_##m##_f32, tap_reduce_bf16, single_bf16, 2, 2), \
            [TAP_FLOAT] = TAP_REDUCER(&tap_loops_##m##_f32, NULL, single_f32, 4, 4),                \
            [TAP_DOUBLE] = TAP_REDUCER(&tap_loops_##m##_f64, NULL, same_f64, 8, 8),                 \
            [TAP_INT8] = TAP_REDUCER(&tap_loops_##m##_i8, NULL, same_w1, 1, 1),                     \
            [TAP_UINT8] = TAP_REDUCER(&tap_loops_##m##_u8, NULL, same_w1, 1, 1),                    \
            [TAP_BOOL] = TAP_REDUCER(&tap_loops_##m##_u8, NULL, truth, 1, 1),                       \
            [TAP_INT32] = TAP_REDUCER(&tap_loops_##m##_i32, NULL, same_w4, 4, 4),                   \
            [TAP_UINT32] = TAP_REDUCER(&tap_loops_##m##_u32, NULL, same_w4, 4, 4),                  \
            [TAP_INT64] = TAP_REDUCER(&tap_loops_##m##_i64, NULL, same_w8, 8, 8),                   \
            [TAP_UINT64] = TAP_REDUCER(&tap_loops_##m##_u64, NULL, same_w8, 8, 8),                  \
        }                                                                                           \
    }
static const reducers maximum = EXTREME(max), minimum = EXTREME(min);

static const reducers l1 = {.by_dtype = {
                                [TAP_FLOAT16] = TAP_REDUCER(SUM_F32, abs_f16, same_f16, 2, 2),
                                [TAP_BFLOAT16] = TAP_REDUCER(SUM_F32, abs_bf16, same_bf16, 2, 2),
                                [TAP_FLOAT] = TAP_REDUCER(SUM_F32, abs_f32, same_f32, 4, 4),
                                [TAP_DOUBLE] = TAP_REDUCER(SUM_F64, abs_f64, same_f64, 8, 8),
                                [TAP_INT32] = TAP_REDUCER(SUM_U32, abs_i32, same_w4, 4, 4),
                                [TAP_UINT32] = TAP_REDUCER(SUM_U32, NULL, same_w4, 4, 4),
                                [TAP_INT64] = TAP_REDUCER(SUM_U64, abs_i64, same_w8, 8, 8),
                                [TAP_UINT64] = TAP_REDUCER(SUM_U64, NULL, same_w8, 8, 8),
                            }};

static const reducers l2 = {.by_dtype = {
                                [TAP_FLOAT16] = TAP_REDUCER(SUM_F64, square_f16, root_f16, 2, 2),
                                [TAP_BFLOAT16] = TAP_REDUCER(SUM_F64, square_bf16, root_bf16, 2, 2),
                                [TAP_FLOAT] = TAP_REDUCER(SUM_F64, square_f32, root_f32, 4, 4),
                                [TAP_DOUBLE] = TAP_REDUCER(SUM_F64, square_f64, root_f64, 8, 8),
                                [TAP_INT32] = TAP_REDUCER(SUM_F64, f64_square_i32, root_i32, 4, 4),
                                [TAP_UINT32] = TAP_REDUCER(SUM_F64, f64_square_u32, root_u32, 4, 4),
                                [TAP_INT64] = TAP_REDUCER(SUM_F64, f64_square_i64, root_i64, 8, 8),
                                [TAP_UINT64] = TAP_REDUCER(SUM_F64, f64_square_u64, root_u64, 8, 8),
                            }};

static const reducers sum_square = {.by_dtype = {
                                        [TAP_FLOAT16] = TAP_REDUCER(SUM_F64, square_f16, same_f16, 2, 2),
                                        [TAP_BFLOAT16] = TAP_REDUCER(SUM_F64, square_bf16, same_bf16, 2, 2),
                                        [TAP_FLOAT] = TAP_REDUCER(SUM_F64, square_f32, same_f32, 4, 4),
                                        [TAP_DOUBLE] = TAP_REDUCER(SUM_F64, square_f64, same_f64, 8, 8),
                                        [TAP_INT32] = TAP_REDUCER(SUM_U32, square_u32, same_w4, 4, 4),
                                        [TAP_UINT32] = TAP_REDUCER(SUM_U32, square_u32, same_w4, 4, 4),
                                        [TAP_INT64] = TAP_REDUCER(SUM_U64, square_u64, same_w8, 8, 8),
                                        [TAP_UINT64] = TAP_REDUCER(SUM_U64, square_u64, same_w8, 8, 8),
                                    }};

static const reducers log_sum = {.by_dtype = {
                                     [TAP_FLOAT16] = TAP_REDUCER(SUM_F32, tap_reduce_f16, log_f16, 2, 2),
                                     [TAP_BFLOAT16] = TAP_REDUCER(SUM_F32, tap_reduce_bf16, log_bf16, 2, 2),
                                     [TAP_FLOAT] = TAP_REDUCER(SUM_F32, NULL, log_f32, 4, 4),
                                     [TAP_DOUBLE] = TAP_REDUCER(SUM_F64, NULL, log_f64, 8, 8),
                                     [TAP_INT32] = TAP_REDUCER(SUM_F64, f64_i32, log_i32, 4, 4),
                                     [TAP_UINT32] = TAP_REDUCER(SUM_F64, f64_u32, log_u32, 4, 4),
                                     [TAP_INT64] = TAP_REDUCER(SUM_F64, f64_i64, log_i64, 8, 8),
                                     [TAP_UINT64] = TAP_REDUCER(SUM_F64, f64_u64, log_u64, 8, 8),
                                 }};

/* Sums of e^(x - maximum) over the block type B (f32, f64). */
#define LOG_SUM_EXP(x, B, map, bytes) \
    { &tap_loops_sum_##B, map, log_shifted_##x, bytes, bytes, &most_##x, tap_exp_move_##B }
#define MOST(x, loops, map, finish, bytes, to_bytes) \
    static const tap_reducer most_##x = {&tap_loops_max_##loops, map, finish, bytes, to_bytes, NULL, NULL}
MOST(f16, f32, tap_reduce_f16, tap_exp_shift_f32, 2, 4);
MOST(bf16, f32, tap_reduce_bf16, tap_exp_shift_f32, 2, 4);
MOST(f32, f32, NULL, tap_exp_shift_f32, 4, 4);
MOST(f64, f64, NULL, tap_exp_shift_f64, 8, 8);
MOST(i32, i32, NULL, shift_i32, 4, 8);
MOST(u32, u32, NULL, shift_u32, 4, 8);
MOST(i64, i64, NULL, shift_i64, 8, 8);
MOST(u64, u64, NULL, shift_u64, 8, 8);

static const reducers log_sum_exp = {.by_dtype = {
                                         [TAP_FLOAT16] = LOG_SUM_EXP(f16, f32, tap_exp_map_f16, 2),
                                         [TAP_BFLOAT16] = LOG_SUM_EXP(bf16, f32, tap_exp_map_bf16, 2),
                                         [TAP_FLOAT] = LOG_SUM_EXP(f32, f32, tap_exp_map_f32, 4),
                                         [TAP_DOUBLE] = LOG_SUM_EXP(f64, f64, tap_exp_map_f64, 8),
                                         [TAP_INT32] = LOG_SUM_EXP(i32, f64, exp_i32, 4),
                                         [TAP_UINT32] = LOG_SUM_EXP(u32, f64, exp_u32, 4),
                                         [TAP_INT64] = LOG_SUM_EXP(i64, f64, exp_i64, 8),
                                         [TAP_UINT64] = LOG_SUM_EXP(u64, f64, exp_u64, 8),
                                     }};

/* ---- The operator ---- */

typedef struct reduce_state {
    const int64_t *axes;
    size_t n_axes;
    bool keepdims, noop_without_axes;
} reduce_state;

static tap_status prepare_attribute(tap_ctx *ctx, void **state) {
    reduce_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->axes = tap_attr_ints(ctx, "axes", &s->n_axes);
    s->keepdims = tap_attr_int(ctx, "keepdims", 1) != 0;
    return TAP_OK;
}

static tap_status prepare_input(tap_ctx *ctx, void **state) {
    reduce_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->keepdims = tap_attr_int(ctx, "keepdims", 1) != 0;
    s->noop_without_axes = tap_attr_int(ctx, "noop_with_empty_axes", 0) != 0;
    return TAP_OK;
}

/* *mask = the axes to reduce, given those that the node names. */
static tap_status reduced_axes(tap_ctx *ctx, const int64_t *axes, size_t n_axes, int rank, uint32_t *mask) {
    const reduce_state *s = ctx->state;
    if (n_axes > 0) return tap_axes_mask(ctx, axes, n_axes, rank, mask);
    *mask = s->noop_without_axes ? 0 : (UINT32_C(1) << rank) - 1;
    return TAP_OK;
}

static tap_status infer_known(tap_ctx *ctx, const tap_type *x, const int64_t *axes, size_t n_axes) {
    const reduce_state *s = ctx->state;
    uint32_t mask;
    int64_t dims[TAP_RANK_MAX];
    tap_status status = reduced_axes(ctx, axes, n_axes, x->rank, &mask);
    if (status) return status;
    return tap_out_type(ctx, 0, x->dtype, tap_axes_drop(x->rank, x->dims, mask, s->keepdims, dims), dims);
}

/* The axes are an input whose values are not known yet; n_axes -1: their number neither. */
static tap_status infer_unknown(tap_ctx *ctx, const tap_type *x, int64_t n_axes) {
    const reduce_state *s = ctx->state;
    int64_t dims[TAP_RANK_MAX];
    for (int i = 0; i < TAP_RANK_MAX; i++) dims[i] = -1;
    if (s->keepdims) return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
    if (n_axes > x->rank) return tap_fail(ctx, TAP_MODEL, "%lld axes are to be reduced", (long long)n_axes);
    return tap_out_type(ctx, 0, x->dtype, n_axes > 0 ? x->rank - (int)n_axes : -1, dims);
}

static tap_status infer(tap_ctx *ctx) {
    const reduce_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *t = tap_in_type(ctx, 1);
    if (t && t->rank > 1) return tap_fail(ctx, TAP_MODEL, "axes must have one dimension, not %d", t->rank);
    if (t && t->dtype != TAP_INT64 && t->dtype != TAP_UNDEFINED)
        return tap_fail(ctx, TAP_MODEL, "axes must be int64, not %s", tap_dtype_name(t->dtype));
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if (!t) return infer_known(ctx, x, s->axes, s->n_axes);
    const tap_tensor *axes = tap_in_known(ctx, 1);
    if (axes) return infer_known(ctx, x, axes->data, (size_t)axes->count);
    int64_t n = t->rank == 1 ? t->dims[0] : -1;
    return n == 0 ? infer_known(ctx, x, NULL, 0) : infer_unknown(ctx, x, n);
}

static tap_status run(tap_ctx *ctx) {
    const reduce_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *axes = ctx->n_in > 1 ? ctx->in[1] : NULL;
    tap_tensor *y = ctx->out[0];
    const reducers *r = tap_ctx_op(ctx)->data;
    uint32_t mask;
    tap_status status = axes ? reduced_axes(ctx, axes->data, (size_t)axes->count, x->rank, &mask)
                             : reduced_axes(ctx, s->axes, s->n_axes, x->rank, &mask);
    if (status) return status;
    return tap_reduce(ctx, &r->by_dtype[x->dtype], x, mask, y->data);
}

#define REDUCED_TYPES \
    (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))
#define ORDERED_TYPES (REDUCED_TYPES | TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8) | TAP_BIT(TAP_BOOL))

/* The two rows of an operator whose axes became an input in opset `from`. */
#define REDUCE(op, from, types, table)                                                                    \
    {.name = op,                                                                                          \
     .since = 1,                                                                                          \
     .until = (from)-1,                                                                                   \
     .in_min = 1,                                                                                         \
     .in_max = 1,                                                                                         \
     .out_min = 1,                                                                                        \
     .out_max = 1,                                                                                        \
     .dtypes = types,                                                                                     \
     .prepare = prepare_attribute,                                                                        \
     .infer = infer,                                                                                      \
     .run = run,                                                                                          \
     .data = &(table)},                                                                                   \
    {                                                                                                     \
        .name = op, .since = from, .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1, .dtypes = types, \
        .prepare = prepare_input, .infer = infer, .run = run, .data = &(table)                            \
    }

static const tap_op ops[] = {
    REDUCE("ReduceSum", 13, REDUCED_TYPES, sum),
    REDUCE("ReduceMean", 18, REDUCED_TYPES, mean),
    REDUCE("ReduceProd", 18, REDUCED_TYPES, prod),
    REDUCE("ReduceMax", 18, ORDERED_TYPES, maximum),
    REDUCE("ReduceMin", 18, ORDERED_TYPES, minimum),
    REDUCE("ReduceL1", 18, REDUCED_TYPES, l1),
    REDUCE("ReduceL2", 18, REDUCED_TYPES, l2),
    REDUCE("ReduceLogSum", 18, REDUCED_TYPES, log_sum),
    REDUCE("ReduceLogSumExp", 18, REDUCED_TYPES, log_sum_exp),
    REDUCE("ReduceSumSquare", 18, REDUCED_TYPES, sum_square),
    {0},
};

TAP_DEFINE_FAMILY(reduce, ops);
