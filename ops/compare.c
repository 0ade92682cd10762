/* Equal, Less, Greater, LessOrEqual, GreaterOrEqual, IsNaN, IsInf. Comparisons with NaN are false. */
#include <math.h>
#include <string.h>

#include "common/axis_broadcast.h"
#include "common/elementwise.h"

#define TEST(NAME, T, EXPR) TAP_LOOP2(NAME, T, uint8_t, EXPR)
#define FLOATS(NAME, EXPR)            \
    TEST(NAME##_FLOAT, float, EXPR)   \
    TEST(NAME##_DOUBLE, double, EXPR) \
    TAP_HALVES2_TEST(NAME)
#define NUMBERS(NAME, EXPR)        \
    FLOATS(NAME, EXPR)             \
    TAP_FOR_INTS(TEST, NAME, EXPR) \
    static tap_loop *const NAME[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME), TAP_ROW_INTS(NAME)};

static inline bool same_string(tap_string a, tap_string b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.s, b.s, a.n) == 0);
}

FLOATS(equal, a == b)
TAP_FOR_UNSIGNED(TEST, equal, a == b)
TEST(equal_BOOL, uint8_t, (a != 0) == (b != 0))
TEST(equal_STRING, tap_string, same_string(a, b))
NUMBERS(less, a < b)
NUMBERS(greater, a > b)
NUMBERS(less_or_equal, a <= b)
NUMBERS(greater_or_equal, a >= b)

static tap_loop *const equal[TAP_DTYPE_COUNT] = {
    TAP_ROW_FLOATS(equal),
    TAP_ROW_INTS_WRAPPING(equal), [TAP_BOOL] = equal_BOOL, [TAP_STRING] = equal_STRING};

/* ---- One operand ----------------------------------------------------------------------------------- */

typedef struct signs {
    bool positive, negative;
} signs;

#define FLOAT8(NAME)                        \
    TAP_WIDENED(NAME, FLOAT8E4M3FN, 1, 1)   \
    TAP_WIDENED(NAME, FLOAT8E4M3FNUZ, 1, 1) \
    TAP_WIDENED(NAME, FLOAT8E5M2, 1, 1)     \
    TAP_WIDENED(NAME, FLOAT8E5M2FNUZ, 1, 1)
#define ROW_FLOAT8(NAME)                                                                    \
    [TAP_FLOAT8E4M3FN] = NAME##_FLOAT8E4M3FN, [TAP_FLOAT8E4M3FNUZ] = NAME##_FLOAT8E4M3FNUZ, \
    [TAP_FLOAT8E5M2] = NAME##_FLOAT8E5M2, [TAP_FLOAT8E5M2FNUZ] = NAME##_FLOAT8E5M2FNUZ

TAP_LOOP1(is_nan_FLOAT, float, uint8_t, x != x)
TAP_LOOP1(is_nan_DOUBLE, double, uint8_t, x != x)
TAP_HALVES1_TEST(is_nan)
FLOAT8(is_nan)
TAP_LOOP1_WITH(is_inf_FLOAT, signs, float, uint8_t,
               (s.positive & (x == INFINITY)) | (s.negative & (x == -INFINITY)))
TAP_LOOP1_WITH(is_inf_DOUBLE, signs, double, uint8_t,
               (s.positive & (x == INFINITY)) | (s.negative & (x == -INFINITY)))
TAP_HALVES1_TEST(is_inf)
FLOAT8(is_inf)

static tap_loop *const is_nan[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(is_nan), ROW_FLOAT8(is_nan)};
static tap_loop *const is_inf[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(is_inf), ROW_FLOAT8(is_inf)};

static tap_status is_inf_prepare(tap_ctx *ctx, void **state) {
    signs *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->positive = tap_attr_int(ctx, "detect_positive", 1) != 0;
    s->negative = tap_attr_int(ctx, "detect_negative", 1) != 0;
    *state = s;
    return TAP_OK;
}

static const tap_op ops[] = {
    {TAP_ROW_AXIS_BROADCAST("Equal", 6, equal), .gives = TAP_BOOL},
    {TAP_ROW_AXIS_BROADCAST("Less", 6, less), .gives = TAP_BOOL},
    {TAP_ROW_AXIS_BROADCAST("Greater", 6, greater), .gives = TAP_BOOL},
    {TAP_ROW_ELEMENTWISE("Equal", 7, 0, 2, equal), .gives = TAP_BOOL},
    {TAP_ROW_ELEMENTWISE("Less", 7, 0, 2, less), .gives = TAP_BOOL},
    {TAP_ROW_ELEMENTWISE("Greater", 7, 0, 2, greater), .gives = TAP_BOOL},
    {TAP_ROW_ELEMENTWISE("LessOrEqual", 12, 0, 2, less_or_equal), .gives = TAP_BOOL},
    {TAP_ROW_ELEMENTWISE("GreaterOrEqual", 12, 0, 2, greater_or_equal), .gives = TAP_BOOL},
    {TAP_ROW_ELEMENTWISE("IsNaN", 9, 0, 1, is_nan), .gives = TAP_BOOL},
    {TAP_ROW_ELEMENTWISE("IsInf", 10, 0, 1, is_inf), .gives = TAP_BOOL, .prepare = is_inf_prepare},
    {0},
};

TAP_DEFINE_FAMILY(compare, ops);
