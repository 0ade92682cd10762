/* Exp, Log, Erf, and trigonometric and hyperbolic functions: the vectorisable ones of common/math*.h. */
#include "common/convert.h"
#include "common/elementwise.h"
#include "common/math64_erf.h"
#include "common/math64_log.h"
#include "common/math64_trig.h"
#include "common/math_hyper.h"
#include "common/math_trig.h"
#include "common/math_wide.h"

#define FLOATS(NAME, F32, F64)                       \
    TAP_LOOP1(NAME##_FLOAT, float, float, F32(x))    \
    TAP_LOOP1(NAME##_DOUBLE, double, double, F64(x)) \
    TAP_HALVES1(NAME)
#define TABLE(NAME, F32, F64) \
    FLOATS(NAME, F32, F64)    \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};

TABLE(exp, tap_expf, tap_exp64)
TABLE(log, tap_logf, tap_log64)
TABLE(asin, tap_asinf, tap_asin64)
TABLE(acos, tap_acosf, tap_acos64)
TABLE(atan, tap_atanf, tap_atan64)
TABLE(sinh, tap_sinhf, tap_sinh64)
TABLE(cosh, tap_coshf, tap_cosh64)
TABLE(asinh, tap_asinhf, tap_asinh64)
TABLE(acosh, tap_acoshf, tap_acosh64)
TABLE(atanh, tap_atanhf, tap_atanh64)

/* Angles are float32's below TAP_NEAR_ANGLE, float64's below TAP_TRIG_LIMIT; farther ones, whose reduction
 * needs hundreds of digits of pi, are the C library's. Each angle decides for itself; a block that has only
 * near ones takes a loop that can nothing else. */
enum { BLOCK = 1024 };

/* The largest |x|. As integers, for which no order of the maxima makes a difference; NaN is larger than all.
 */
static float farthest(int64_t n, const char *p, int64_t step) {
    uint32_t most = 0;
    if (step == (int64_t)sizeof(float)) {
        const float *x = (const float *)p;
        for (int64_t i = 0; i < n; i++) {
            const uint32_t u = tap_bits(x[i]) & 0x7fffffffu;
            most = u > most ? u : most;
        }
    } else
        for (int64_t i = 0; i < n; i++) {
            const uint32_t u = tap_bits(*(const float *)(p + i * step)) & 0x7fffffffu;
            most = u > most ? u : most;
        }
    return tap_from_bits(most);
}

static bool all_near64(int64_t n, const char *p, int64_t step) {
    uint64_t most = 0;
    if (step == (int64_t)sizeof(double)) {
        const double *x = (const double *)p;
        for (int64_t i = 0; i < n; i++) {
            const uint64_t u = tap_bits64(fabs(x[i]));
            most = u > most ? u : most;
        }
    } else
        for (int64_t i = 0; i < n; i++) {
            const uint64_t u = tap_bits64(fabs(*(const double *)(p + i * step)));
            most = u > most ? u : most;
        }
    return most < tap_bits64(TAP_NEAR_ANGLE64);
}

#define TRIGONOMETRIC(NAME)                                                                           \
    static inline float NAME##_wide(float x) {                                                        \
        return tap_select(fabsf(x) >= TAP_NEAR_ANGLE, tap_##NAME##f_wide(x), tap_##NAME##f(x));       \
    }                                                                                                 \
    TAP_LOOP1(NAME##_near, float, float, tap_##NAME##f(x))                                            \
    TAP_LOOP1(NAME##_far, float, float, NAME##_wide(x))                                               \
    TAP_LOOP1(NAME##_any, float, float,                                                               \
              fabsf(x) >= TAP_TRIG_LIMIT ? (float)NAME((double)x) : NAME##_wide(x))                   \
    TAP_LOOP(NAME##_FLOAT) {                                                                          \
        for (int64_t i = 0; i < n; i += BLOCK) {                                                      \
            char *q[2] = {p[0] + i * step[0], p[1] + i * step[1]};                                    \
            const int64_t m = tap_min64(BLOCK, n - i);                                                \
            const float far = farthest(m, q[0], step[0]);                                             \
            (far < TAP_NEAR_ANGLE   ? NAME##_near                                                     \
             : far < TAP_TRIG_LIMIT ? NAME##_far                                                      \
                                    : NAME##_any)(m, q, step, state);                                 \
        }                                                                                             \
    }                                                                                                 \
    TAP_LOOP1(NAME##_near64, double, double, tap_##NAME##64(x))                                       \
    TAP_LOOP1(NAME##_any64, double, double, fabs(x) < TAP_NEAR_ANGLE64 ? tap_##NAME##64(x) : NAME(x)) \
    TAP_LOOP(NAME##_DOUBLE) {                                                                         \
        for (int64_t i = 0; i < n; i += BLOCK) {                                                      \
            char *q[2] = {p[0] + i * step[0], p[1] + i * step[1]};                                    \
            const int64_t m = tap_min64(BLOCK, n - i);                                                \
            (all_near64(m, q[0], step[0]) ? NAME##_near64 : NAME##_any64)(m, q, step, state);         \
        }                                                                                             \
    }                                                                                                 \
    TAP_HALVES1(NAME)                                                                                 \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};
TRIGONOMETRIC(sin)
TRIGONOMETRIC(cos)
TRIGONOMETRIC(tan)
FLOATS(erf, tap_erff, tap_erf64)

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
