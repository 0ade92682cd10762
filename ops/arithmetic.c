/* Add, Sub, Mul, Div, and arithmetic on one operand: Neg, Abs, Sign, Reciprocal, Sqrt, Floor, Ceil, Round.
 *
 * Integers wrap. Integer division rounds towards zero, as the standard says from opset 14 on; where it leaves
 * the result open, x / 0 is 0. */
#include <math.h>

#include "common/axis_broadcast.h"
#include "common/elementwise.h"
#include "common/int_divide.h"

/* ---- Two operands ---------------------------------------------------------------------------------- */

#define FLOATS2(NAME, EXPR)                        \
    TAP_LOOP2(NAME##_FLOAT, float, float, EXPR)    \
    TAP_LOOP2(NAME##_DOUBLE, double, double, EXPR) \
    TAP_HALVES2(NAME)

#define WRAPPING(NAME, T, EXPR) TAP_LOOP2(NAME, T, T, EXPR)

FLOATS2(add, a + b)
FLOATS2(sub, a - b)
FLOATS2(mul, (a * b))
FLOATS2(div, a / b)
TAP_FOR_UNSIGNED(WRAPPING, add, 1u * a + b)
TAP_FOR_UNSIGNED(WRAPPING, sub, 1u * a - b)
TAP_FOR_UNSIGNED(WRAPPING, mul, 1u * a * b)
#define QUOTIENT(NAME, T) TAP_LOOP2(NAME, T, T, tap_quotient_##T(a, b))
QUOTIENT(div_INT8, int8_t)
QUOTIENT(div_UINT8, uint8_t)
QUOTIENT(div_INT16, int16_t)
QUOTIENT(div_UINT16, uint16_t)
QUOTIENT(div_INT32, int32_t)
QUOTIENT(div_UINT32, uint32_t)
#define QUOTIENT64(NAME, T)                                   \
    TAP_LOOP2(NAME##_near, T, T, tap_near_quotient_##T(a, b)) \
    TAP_LOOP2(NAME##_any, T, T, tap_quotient_##T(a, b))       \
    TAP_LOOP2_NEAR(NAME, T)
QUOTIENT64(div_INT64, int64_t)
QUOTIENT64(div_UINT64, uint64_t)

static tap_loop *const add[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(add), TAP_ROW_INTS_WRAPPING(add)};
static tap_loop *const sub[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(sub), TAP_ROW_INTS_WRAPPING(sub)};
static tap_loop *const mul[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(mul), TAP_ROW_INTS_WRAPPING(mul)};
static tap_loop *const divide[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(div), TAP_ROW_INTS(div)};

/* ---- One operand ----------------------------------------------------------------------------------- */

#define FLOATS1(NAME, EXPR32, EXPR64)                \
    TAP_LOOP1(NAME##_FLOAT, float, float, EXPR32)    \
    TAP_LOOP1(NAME##_DOUBLE, double, double, EXPR64) \
    TAP_HALVES1(NAME)

FLOATS1(neg, -x, -x)
FLOATS1(abs, fabsf(x), fabs(x))
FLOATS1(sign, x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x, x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x)
FLOATS1(reciprocal, 1 / x, 1 / x)
FLOATS1(sqrt, sqrtf(x), sqrt(x))
/* From the nearest whole number, which becomes vector code: floorf, which may not raise "inexact", does not.
 * A zero has the sign of x. */
#define FLOOR(x, rint, copysign) copysign(rint(x) - (rint(x) > x ? 1 : 0), x)
#define CEIL(x, rint, copysign)  copysign(rint(x) + (rint(x) < x ? 1 : 0), x)
FLOATS1(floor, FLOOR(x, rintf, copysignf), FLOOR(x, rint, copysign))
FLOATS1(ceil, CEIL(x, rintf, copysignf), CEIL(x, rint, copysign))
FLOATS1(round, rintf(x), rint(x)) /* half to even: the mode that every thread starts with */

#define INTEGER(NAME, T, EXPR) TAP_LOOP1(NAME, T, T, EXPR)
TAP_FOR_SIGNED(INTEGER, neg, 0ull - (unsigned long long)x)
TAP_FOR_SIGNED(INTEGER, abs, x < 0 ? 0ull - (unsigned long long)x : (unsigned long long)x)
TAP_FOR_SIGNED(INTEGER, sign, (x > 0) - (x < 0))
TAP_FOR_UNSIGNED(INTEGER, abs, x)
TAP_FOR_UNSIGNED(INTEGER, sign, x > 0)

static tap_loop *const negate[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(neg), TAP_ROW_SIGNED(neg)};
static tap_loop *const absolute[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(abs), TAP_ROW_INTS(abs)};
static tap_loop *const sign[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(sign), TAP_ROW_INTS(sign)};
static tap_loop *const reciprocal[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(reciprocal)};
static tap_loop *const square_root[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(sqrt)};
static tap_loop *const to_floor[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(floor)};
static tap_loop *const to_ceil[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(ceil)};
static tap_loop *const to_even[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(round)};

#define DIV_NOTES .notes = "An integer divided by 0 is 0."

static const tap_op ops[] = {
    {TAP_ROW_AXIS_BROADCAST("Add", 6, add)},
    {TAP_ROW_AXIS_BROADCAST("Sub", 6, sub)},
    {TAP_ROW_AXIS_BROADCAST("Mul", 6, mul)},
    {TAP_ROW_AXIS_BROADCAST("Div", 6, divide), DIV_NOTES},
    {TAP_ROW_ELEMENTWISE("Add", 7, 0, 2, add), .stage_kind = TAP_STAGE_ADD},
    {TAP_ROW_ELEMENTWISE("Sub", 7, 0, 2, sub)},
    {TAP_ROW_ELEMENTWISE("Mul", 7, 0, 2, mul)},
    {TAP_ROW_ELEMENTWISE("Div", 7, 0, 2, divide), DIV_NOTES},
    {TAP_ROW_ELEMENTWISE("Neg", 1, 0, 1, negate), .prepare = tap_prepare_consumed},
    {TAP_ROW_ELEMENTWISE("Abs", 1, 0, 1, absolute), .prepare = tap_prepare_consumed},
    {TAP_ROW_ELEMENTWISE("Reciprocal", 1, 0, 1, reciprocal), .prepare = tap_prepare_consumed},
    {TAP_ROW_ELEMENTWISE("Sqrt", 1, 0, 1, square_root), .prepare = tap_prepare_consumed},
    {TAP_ROW_ELEMENTWISE("Floor", 1, 0, 1, to_floor), .prepare = tap_prepare_consumed},
    {TAP_ROW_ELEMENTWISE("Ceil", 1, 0, 1, to_ceil), .prepare = tap_prepare_consumed},
    {TAP_ROW_ELEMENTWISE("Sign", 9, 0, 1, sign)},
    {TAP_ROW_ELEMENTWISE("Round", 11, 0, 1, to_even)},
    {0},
};

TAP_DEFINE_FAMILY(arithmetic, ops);
