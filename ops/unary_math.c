/* Exp, Log, Erf, and trigonometric and hyperbolic functions. Those of float32 are the vectorisable ones of
 * common/math.h and common/math_wide.h, the others the C library's. */
#include "common/convert.h"
#include "common/elementwise.h"
#include "common/math_wide.h"

#define FLOATS(NAME, F32, F64)                       \
    TAP_LOOP1(NAME##_FLOAT, float, float, F32(x))    \
    TAP_LOOP1(NAME##_DOUBLE, double, double, F64(x)) \
    TAP_HALVES1(NAME)
#define TABLE(NAME, F32, F64) \
    FLOATS(NAME, F32, F64)    \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};

TABLE(exp, tap_expf, exp)
TABLE(log, tap_logf, log)
TABLE(asin, tap_asinf, asin)
TABLE(acos, tap_acosf, acos)
TABLE(atan, tap_atanf, atan)
TABLE(sinh, tap_sinhf, sinh)
TABLE(cosh, tap_coshf, cosh)
TABLE(asinh, tap_asinhf, asinh)
TABLE(acosh, tap_acoshf, acosh)
TABLE(atanh, tap_atanhf, atanh)

/* Angles so large that their reduction needs hundreds of digits of pi are the C library's. */
TAP_LOOP1(is_far, float, uint8_t, !(fabsf(x) < TAP_TRIG_LIMIT))

enum { BLOCK = 1024 };

static bool any_far(int64_t n, char *const *p, const int64_t *step) {
    uint8_t far[BLOCK], any = 0;
    is_far(n, (char *[]){p[0], (char *)far}, (int64_t[]){step[0], 1}, NULL);
    for (int64_t i = 0; i < n; i++) any |= far[i];
    return any != 0;
}

#define TRIGONOMETRIC(NAME)                                                          \
    TAP_LOOP1(NAME##_near, float, float, tap_##NAME##f(x))                           \
    TAP_LOOP1(NAME##_any, float, float,                                              \
              fabsf(x) < TAP_TRIG_LIMIT ? tap_##NAME##f(x) : (float)NAME((double)x)) \
    TAP_LOOP(NAME##_FLOAT) {                                                         \
        for (int64_t i = 0; i < n; i += BLOCK) {                                     \
            char *q[2] = {p[0] + i * step[0], p[1] + i * step[1]};                   \
            const int64_t m = tap_min64(BLOCK, n - i);                               \
            (any_far(m, q, step) ? NAME##_any : NAME##_near)(m, q, step, state);     \
        }                                                                            \
    }                                                                                \
    TAP_LOOP1(NAME##_DOUBLE, double, double, NAME(x))                                \
    TAP_HALVES1(NAME)                                                                \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};
TRIGONOMETRIC(sin)
TRIGONOMETRIC(cos)
TRIGONOMETRIC(tan)
FLOATS(erf, tap_erff, erf)

/* Erf took integers, too, until opset 12. */
#define ERF(NAME, T, ...) TAP_LOOP1(NAME, T, T, tap_int32_of_double(erf((double)x)))
TAP_FOR_INTS(ERF, erf, )
static tap_loop *const erf_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(erf), TAP_ROW_INTS(erf)};

#define UNARY(NAME, SINCE, LOOPS) TAP_ROW_ELEMENTWISE(NAME, SINCE, 0, 1, LOOPS##_loops)

static const tap_op ops[] = {
    {UNARY("Exp", 1, exp), .prepare = tap_prepare_consumed},
    {UNARY("Log", 1, log), .prepare = tap_prepare_consumed},
    {UNARY("Sin", 7, sin)},
    {UNARY("Cos", 7, cos)},
    {UNARY("Tan", 7, tan)},
    {UNARY("Asin", 7, asin)},
    {UNARY("Acos", 7, acos)},
    {UNARY("Atan", 7, atan)},
    {UNARY("Erf", 9, erf)},
    {UNARY("Sinh", 9, sinh)},
    {UNARY("Cosh", 9, cosh)},
    {UNARY("Asinh", 9, asinh)},
    {UNARY("Acosh", 9, acosh)},
    {UNARY("Atanh", 9, atanh)},
    {0},
};

TAP_DEFINE_FAMILY(unary_math, ops);
