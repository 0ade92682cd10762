/* Exp, Log, Erf, and trigonometric and hyperbolic functions. Exp, Log and Erf of float32 are the vectorisable
 * ones of common/math.h, the others the C library's. */
#include "common/convert.h"
#include "common/elementwise.h"
#include "common/math.h"

#define FLOATS(NAME, F32, F64)                       \
    TAP_LOOP1(NAME##_FLOAT, float, float, F32(x))    \
    TAP_LOOP1(NAME##_DOUBLE, double, double, F64(x)) \
    TAP_HALVES1(NAME)
#define TABLE(NAME, F32, F64) \
    FLOATS(NAME, F32, F64)    \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};

TABLE(exp, tap_expf, exp)
TABLE(log, tap_logf, log)
TABLE(sin, sinf, sin)
TABLE(cos, cosf, cos)
TABLE(tan, tanf, tan)
TABLE(asin, asinf, asin)
TABLE(acos, acosf, acos)
TABLE(atan, atanf, atan)
TABLE(sinh, sinhf, sinh)
TABLE(cosh, coshf, cosh)
TABLE(asinh, asinhf, asinh)
TABLE(acosh, acoshf, acosh)
TABLE(atanh, atanhf, atanh)
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
