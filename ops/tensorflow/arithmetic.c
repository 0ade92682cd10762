/* TensorFlow's arithmetic that ONNX has not, or has only in later opsets: quotients where 0 wins, divisions
 * and remainders that round down or towards zero, bits, squares, and the gradients that a model may have
 * inside. */
#include <math.h>

#include "common/convert.h"
#include "common/elementwise.h"
#include "tensorflow/tensorflow.h"

#define FLOATS1(NAME, EXPR)                        \
    TAP_LOOP1(NAME##_FLOAT, float, float, EXPR)    \
    TAP_LOOP1(NAME##_DOUBLE, double, double, EXPR) \
    TAP_HALVES1(NAME)                              \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};
#define FLOATS2(NAME, F32, F64)                   \
    TAP_LOOP2(NAME##_FLOAT, float, float, F32)    \
    TAP_LOOP2(NAME##_DOUBLE, double, double, F64) \
    TAP_HALVES2(NAME)                             \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};
#define BOTH2(NAME, EXPR) FLOATS2(NAME, EXPR, EXPR)

FLOATS1(square, x *x)
BOTH2(squared_difference, (a - b) * (a - b))
BOTH2(div_no_nan, b == 0 ? 0 : a / b)
BOTH2(mul_no_nan, b == 0 ? 0 : a * b)
FLOATS2(trunc_mod, fmodf(a, b), fmod(a, b))

/* A remainder with the sign of b. */
static inline double floor_mod(double a, double b) {
    const double r = fmod(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
FLOATS2(floor_mod, (float)floor_mod((double)a, (double)b), floor_mod(a, b))
FLOATS2(floor_div, floorf(a / b), floor(a / b))

/* g: the gradient; y: what the function gave, x: what it was given. */
BOTH2(sigmoid_grad, b *a *(1 - a))
BOTH2(tanh_grad, b *(1 - a * a))
BOTH2(relu_grad, b > 0 ? a : 0)
BOTH2(relu6_grad, b > 0 && b < 6 ? a : 0)
FLOATS2(softsign_grad, a / ((1 + fabsf(b)) * (1 + fabsf(b))), a / ((1 + fabs(b)) * (1 + fabs(b))))
FLOATS2(softplus_grad, a / (1 + expf(-b)), a / (1 + exp(-b)))
BOTH2(elu_grad, b < 0 ? a * (b + 1) : a)

/* Bits of whole numbers; an amount beyond the width counts as the largest within. */
#define POPULATION(NAME, T, U) TAP_LOOP1(NAME, T, uint8_t, __builtin_popcountll((unsigned long long)(U)x))
POPULATION(population_INT8, int8_t, uint8_t)
POPULATION(population_INT16, int16_t, uint16_t)
POPULATION(population_INT32, int32_t, uint32_t)
POPULATION(population_INT64, int64_t, uint64_t)
POPULATION(population_UINT8, uint8_t, uint8_t)
POPULATION(population_UINT16, uint16_t, uint16_t)
POPULATION(population_UINT32, uint32_t, uint32_t)
POPULATION(population_UINT64, uint64_t, uint64_t)
static tap_loop *const population_loops[TAP_DTYPE_COUNT] = {TAP_ROW_INTS(population)};

#define INVERT(NAME, T, ...) TAP_LOOP1(NAME, T, T, ~x)
TAP_FOR_UNSIGNED(INVERT, invert, )
static tap_loop *const invert_loops[TAP_DTYPE_COUNT] = {TAP_ROW_INTS_WRAPPING(invert)};

#define AMOUNT(T)           ((unsigned)(b < 0 ? 0 : b > (T)(sizeof(T) * 8 - 1) ? (T)(sizeof(T) * 8 - 1) : b))
#define LEFT(NAME, T, U)    TAP_LOOP2(NAME, T, T, (U)((U)a << AMOUNT(T)))
#define RIGHT(NAME, T, ...) TAP_LOOP2(NAME, T, T, a >> AMOUNT(T))
LEFT(left_INT8, int8_t, uint8_t)
LEFT(left_INT16, int16_t, uint16_t)
LEFT(left_INT32, int32_t, uint32_t)
LEFT(left_INT64, int64_t, uint64_t)
TAP_FOR_SIGNED(RIGHT, right, )
static tap_loop *const left_loops[TAP_DTYPE_COUNT] = {TAP_ROW_SIGNED(left)};
static tap_loop *const right_loops[TAP_DTYPE_COUNT] = {TAP_ROW_SIGNED(right)};

#define ROW TAP_TF_ELEMENTWISE

static const tap_op ops[] = {
    ROW("Square", 1, square_loops),
    ROW("SquaredDifference", 2, squared_difference_loops),
    ROW("DivNoNan", 2, div_no_nan_loops),
    ROW("MulNoNan", 2, mul_no_nan_loops),
    ROW("TruncateMod", 2, trunc_mod_loops),
    ROW("FloorMod", 2, floor_mod_loops),
    ROW("FloorDiv", 2, floor_div_loops),
    ROW("SigmoidGrad", 2, sigmoid_grad_loops),
    ROW("TanhGrad", 2, tanh_grad_loops),
    ROW("ReluGrad", 2, relu_grad_loops),
    ROW("Relu6Grad", 2, relu6_grad_loops),
    ROW("SoftsignGrad", 2, softsign_grad_loops),
    ROW("SoftplusGrad", 2, softplus_grad_loops),
    ROW("EluGrad", 2, elu_grad_loops),
    {TAP_TF_ROW("PopulationCount", 1, 1), .flags = TAP_ELEMENTWISE, .loops = population_loops,
     .gives = TAP_UINT8},
    ROW("Invert", 1, invert_loops),
    ROW("LeftShift", 2, left_loops),
    ROW("RightShift", 2, right_loops),
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_arithmetic, ops);
