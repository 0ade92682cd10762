/* How loops of elementwise operators are written: once, as an expression, for every dtype.
 *
 *     TAP_LOOP1(relu_FLOAT, float, float, x < 0 ? 0 : x)           y[i] = expression of x
 *     TAP_LOOP2(less_INT32, int32_t, uint8_t, a < b)               y[i] = expression of a, b
 *     TAP_LOOP1_WITH(elu_FLOAT, params, float, float, ...)         ... and of s, a copy of the node's state
 *     TAP_HALVES1(relu)                                            relu_FLOAT16, relu_BFLOAT16
 *     static tap_loop *const relu[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(relu)};
 *
 * A loop has a case for dense operands, one for each operand that is a single element, and one for any steps.
 * The first ones become vector code; as an expression has no case of its own for vectors, all give the same
 * bits. Expressions that are to become vector code use math.h of this folder and no branch, loop or call. */
#ifndef TAP_OPS_COMMON_ELEMENTWISE_H
#define TAP_OPS_COMMON_ELEMENTWISE_H

#include "common/ops.h"

/* The iterations of the loop behind it do not depend on each other, though an output may be an input. */
#if defined(__clang__)
#define TAP_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
/* A permission: where a loop calls libm, nothing comes of it. */
#pragma clang diagnostic ignored "-Wpass-failed"
#else
#define TAP_INDEPENDENT _Pragma("GCC ivdep")
#endif

#define TAP_LOOP(NAME) static void NAME(int64_t n, char *const *p, const int64_t *step, const void *state)

#define TAP_DENSE(k, T) (step[k] == (int64_t)sizeof(T))
#define TAP_AT(k, T)    (*(T *)(p[k] + i * step[k]))
#define TAP_EACH        for (int64_t i = 0; i < n; i++)

/* ---- One input ------------------------------------------------------------------------------------- */

#define TAP_LOOP1_(NAME, STATE, X, Y, EXPR)       \
    TAP_LOOP(NAME) {                              \
        STATE;                                    \
        const X *px = (const X *)p[0];            \
        Y *py = (Y *)p[1];                        \
        if (TAP_DENSE(0, X) && TAP_DENSE(1, Y)) { \
            TAP_INDEPENDENT TAP_EACH {            \
                const X x = px[i];                \
                py[i] = (Y)(EXPR);                \
            }                                     \
            return;                               \
        }                                         \
        TAP_EACH {                                \
            const X x = TAP_AT(0, const X);       \
            TAP_AT(1, Y) = (Y)(EXPR);             \
        }                                         \
    }

#define TAP_LOOP1(NAME, X, Y, EXPR)         TAP_LOOP1_(NAME, (void)state, X, Y, EXPR)
#define TAP_LOOP1_WITH(NAME, S, X, Y, EXPR) TAP_LOOP1_(NAME, const S s = *(const S *)state, X, Y, EXPR)

/* ---- Two inputs ------------------------------------------------------------------------------------ */

#define TAP_LOOP2_(NAME, STATE, A, B, Y, EXPR)                           \
    TAP_LOOP(NAME) {                                                     \
        STATE;                                                           \
        const A *pa = (const A *)p[0];                                   \
        const B *pb = (const B *)p[1];                                   \
        Y *py = (Y *)p[2];                                               \
        if (TAP_DENSE(0, A) && TAP_DENSE(1, B) && TAP_DENSE(2, Y)) {     \
            TAP_INDEPENDENT TAP_EACH {                                   \
                const A a = pa[i];                                       \
                const B b = pb[i];                                       \
                py[i] = (Y)(EXPR);                                       \
            }                                                            \
        } else if (TAP_DENSE(0, A) && step[1] == 0 && TAP_DENSE(2, Y)) { \
            const B b = *pb;                                             \
            TAP_INDEPENDENT TAP_EACH {                                   \
                const A a = pa[i];                                       \
                py[i] = (Y)(EXPR);                                       \
            }                                                            \
        } else if (step[0] == 0 && TAP_DENSE(1, B) && TAP_DENSE(2, Y)) { \
            const A a = *pa;                                             \
            TAP_INDEPENDENT TAP_EACH {                                   \
                const B b = pb[i];                                       \
                py[i] = (Y)(EXPR);                                       \
            }                                                            \
        } else                                                           \
            TAP_EACH {                                                   \
                const A a = TAP_AT(0, const A);                          \
                const B b = TAP_AT(1, const B);                          \
                TAP_AT(2, Y) = (Y)(EXPR);                                \
            }                                                            \
    }

#define TAP_LOOP2(NAME, T, Y, EXPR)            TAP_LOOP2_(NAME, (void)state, T, T, Y, EXPR)
#define TAP_LOOP2_MIXED(NAME, A, B, Y, EXPR)   TAP_LOOP2_(NAME, (void)state, A, B, Y, EXPR)
#define TAP_LOOP2_WITH(NAME, S, A, B, Y, EXPR) TAP_LOOP2_(NAME, const S s = *(const S *)state, A, B, Y, EXPR)

/* ---- Small floats: a block is widened to float32, goes through the float32 loop and is rounded once ---- */

/* wide: bits of the operands (inputs, then the output) that are of dtype; the others are as the float32 loop
 * has them. */
typedef struct tap_widening {
    tap_loop *loop;
    tap_dtype dtype;
    int n_in; /* at most 3; one output */
    unsigned wide;
} tap_widening;

void TAP_ISA_NAME(tap_widened)(int64_t n, char *const *p, const int64_t *step, const void *state,
                               const tap_widening *w);

/* NAME_DTYPE from NAME_FLOAT. */
#define TAP_WIDENED(NAME, DTYPE, N_IN, WIDE)                                   \
    TAP_LOOP(NAME##_##DTYPE) {                                                 \
        static const tap_widening w = {NAME##_FLOAT, TAP_##DTYPE, N_IN, WIDE}; \
        TAP_ISA_NAME(tap_widened)(n, p, step, state, &w);                      \
    }
#define TAP_HALVES_(NAME, N_IN, WIDE) \
    TAP_WIDENED(NAME, FLOAT16, N_IN, WIDE) TAP_WIDENED(NAME, BFLOAT16, N_IN, WIDE)

/* Inputs and output; inputs only (tests and comparisons). */
#define TAP_HALVES1(NAME)      TAP_HALVES_(NAME, 1, 3)
#define TAP_HALVES1_TEST(NAME) TAP_HALVES_(NAME, 1, 1)
#define TAP_HALVES2(NAME)      TAP_HALVES_(NAME, 2, 7)
#define TAP_HALVES2_TEST(NAME) TAP_HALVES_(NAME, 2, 3)

/* ---- Many dtypes at once --------------------------------------------------------------------------- */

/* T is each type's name in what M makes of it: M(NAME_DTYPE, T, ...). */
#define TAP_FOR_SIGNED(M, NAME, ...)      \
    M(NAME##_INT8, int8_t, __VA_ARGS__)   \
    M(NAME##_INT16, int16_t, __VA_ARGS__) \
    M(NAME##_INT32, int32_t, __VA_ARGS__) M(NAME##_INT64, int64_t, __VA_ARGS__)
#define TAP_FOR_UNSIGNED(M, NAME, ...)      \
    M(NAME##_UINT8, uint8_t, __VA_ARGS__)   \
    M(NAME##_UINT16, uint16_t, __VA_ARGS__) \
    M(NAME##_UINT32, uint32_t, __VA_ARGS__) M(NAME##_UINT64, uint64_t, __VA_ARGS__)
#define TAP_FOR_INTS(M, NAME, ...) TAP_FOR_SIGNED(M, NAME, __VA_ARGS__) TAP_FOR_UNSIGNED(M, NAME, __VA_ARGS__)

/* ---- Entries of a row's table `loops` -------------------------------------------------------------- */

#define TAP_ROW_FLOATS(NAME)                                                                  \
    [TAP_FLOAT] = NAME##_FLOAT, [TAP_DOUBLE] = NAME##_DOUBLE, [TAP_FLOAT16] = NAME##_FLOAT16, \
    [TAP_BFLOAT16] = NAME##_BFLOAT16
#define TAP_ROW_SIGNED(NAME)                                                          \
    [TAP_INT8] = NAME##_INT8, [TAP_INT16] = NAME##_INT16, [TAP_INT32] = NAME##_INT32, \
    [TAP_INT64] = NAME##_INT64
#define TAP_ROW_UNSIGNED(NAME)                                                              \
    [TAP_UINT8] = NAME##_UINT8, [TAP_UINT16] = NAME##_UINT16, [TAP_UINT32] = NAME##_UINT32, \
    [TAP_UINT64] = NAME##_UINT64
#define TAP_ROW_INTS(NAME) TAP_ROW_SIGNED(NAME), TAP_ROW_UNSIGNED(NAME)
/* Signed types take the loop of the unsigned ones, whose arithmetic wraps: the bits are the same. */
#define TAP_ROW_INTS_WRAPPING(NAME)                                                 \
    TAP_ROW_UNSIGNED(NAME), [TAP_INT8] = NAME##_UINT8, [TAP_INT16] = NAME##_UINT16, \
                            [TAP_INT32] = NAME##_UINT32, [TAP_INT64] = NAME##_UINT64

/* ---- Rows ------------------------------------------------------------------------------------------ */

/* prepare of operators whose only attribute was consumed_inputs, below opset 6. */
static inline tap_status tap_prepare_consumed(tap_ctx *ctx, void **state) {
    if (tap_opset(ctx) < 6) tap_attr_ints(ctx, "consumed_inputs", &(size_t){0});
    *state = NULL;
    return TAP_OK;
}

/* infer: inputs from `first` on have one dtype. */
static inline tap_status tap_same_dtypes(tap_ctx *ctx, int first) {
    tap_dtype dtype = TAP_UNDEFINED;
    for (int i = first; i < ctx->n_in; i++) {
        const tap_type *t = tap_in_type(ctx, i);
        if (!t || t->dtype == TAP_UNDEFINED) continue;
        if (dtype != TAP_UNDEFINED && t->dtype != dtype)
            return tap_fail(ctx, TAP_MODEL, "inputs must have one dtype: input %d is %s, those before it %s",
                            i, tap_dtype_name(t->dtype), tap_dtype_name(dtype));
        dtype = t->dtype;
    }
    return TAP_OK;
}

/* What rows of elementwise operators with N inputs have in common. */
#define TAP_ROW_ELEMENTWISE(NAME, SINCE, UNTIL, N, LOOPS)                                               \
    .name = NAME, .since = SINCE, .until = UNTIL, .in_min = N, .in_max = N, .out_min = 1, .out_max = 1, \
    .flags = TAP_ELEMENTWISE | TAP_IN_PLACE, .loops = LOOPS

#endif
