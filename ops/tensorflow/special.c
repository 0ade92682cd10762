/* TensorFlow's special functions, and products and quotients in which 0 wins. All are computed in float64 and
 * rounded once. */
#include "tensorflow/special.h"

#include <math.h>

#include "common/convert.h"
#include "common/elementwise.h"
#include "tensorflow/tensorflow.h"

#define FLOATS1(NAME, EXPR)                                \
    TAP_LOOP1(NAME##_FLOAT, float, float, EXPR((double)x)) \
    TAP_LOOP1(NAME##_DOUBLE, double, double, EXPR(x))      \
    TAP_HALVES1(NAME)                                      \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};
#define FLOATS2(NAME, EXPR)                                           \
    TAP_LOOP2(NAME##_FLOAT, float, float, EXPR((double)a, (double)b)) \
    TAP_LOOP2(NAME##_DOUBLE, double, double, EXPR(a, b))              \
    TAP_HALVES2(NAME)                                                 \
    static tap_loop *const NAME##_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(NAME)};

static inline double log_gamma(double x) {
    int sign; /* lgamma would keep it in a global */
    return lgamma_r(x, &sign);
}

static inline double round_even(double x) {
    return rint(x); /* nobody changes the rounding mode */
}

static inline double bessel_i0(double x) {
    return tap_bessel_i0e(x) * exp(fabs(x));
}
static inline double bessel_i1(double x) {
    return tap_bessel_i1e(x) * exp(fabs(x));
}
static inline double bessel_k0(double x) {
    return tap_bessel_k0e(x) * exp(-x);
}
static inline double bessel_k1(double x) {
    return tap_bessel_k1e(x) * exp(-x);
}

static inline double xlogy(double a, double b) {
    return a == 0 ? 0 : a * log(b);
}
static inline double xlog1py(double a, double b) {
    return a == 0 ? 0 : a * log1p(b);
}
static inline double xdivy(double a, double b) {
    return a == 0 ? 0 : a / b;
}

FLOATS1(erfc, erfc)
FLOATS1(erfinv, tap_erf_inverse)
FLOATS1(ndtri, tap_normal_quantile)
FLOATS1(log1p, log1p)
FLOATS1(expm1, expm1)
FLOATS1(lgamma, log_gamma)
FLOATS1(digamma, tap_digamma)
FLOATS1(rint, round_even)
FLOATS1(i0, bessel_i0)
FLOATS1(i0e, tap_bessel_i0e)
FLOATS1(i1, bessel_i1)
FLOATS1(i1e, tap_bessel_i1e)
FLOATS1(k0, bessel_k0)
FLOATS1(k0e, tap_bessel_k0e)
FLOATS1(k1, bessel_k1)
FLOATS1(k1e, tap_bessel_k1e)
FLOATS1(j0, j0)
FLOATS1(j1, j1)
FLOATS1(y0, y0)
FLOATS1(y1, y1)
FLOATS1(dawsn, tap_dawson)
FLOATS1(expint, tap_expint)
FLOATS1(spence, tap_dilog)
FLOATS1(fresnel_sin, tap_fresnel_sin)
FLOATS1(fresnel_cos, tap_fresnel_cos)
FLOATS2(xlogy, xlogy)
FLOATS2(xlog1py, xlog1py)
FLOATS2(xdivy, xdivy)
FLOATS2(zeta, tap_hurwitz_zeta)
FLOATS2(polygamma, tap_polygamma)
FLOATS2(igamma, tap_gamma_p)
FLOATS2(igammac, tap_gamma_q)
FLOATS2(atan2, atan2)

TAP_LOOP2(next_after_FLOAT, float, float, nextafterf(a, b))
TAP_LOOP2(next_after_DOUBLE, double, double, nextafter(a, b))
static tap_loop *const next_after_loops[TAP_DTYPE_COUNT] = {
    [TAP_FLOAT] = next_after_FLOAT, [TAP_DOUBLE] = next_after_DOUBLE};

#define BETAINC(NAME, T)                                                                                \
    TAP_LOOP(NAME) {                                                                                    \
        (void)state;                                                                                    \
        TAP_EACH TAP_AT(3, T) = (T)tap_beta_inc((double)TAP_AT(0, const T), (double)TAP_AT(1, const T), \
                                                (double)TAP_AT(2, const T));                            \
    }
BETAINC(betainc_FLOAT, float)
BETAINC(betainc_DOUBLE, double)
static tap_loop *const betainc_loops[TAP_DTYPE_COUNT] = {
    [TAP_FLOAT] = betainc_FLOAT, [TAP_DOUBLE] = betainc_DOUBLE};

#define ROW TAP_TF_ELEMENTWISE

static const tap_op ops[] = {
    ROW("Erfc", 1, erfc_loops),
    ROW("Erfinv", 1, erfinv_loops),
    ROW("Ndtri", 1, ndtri_loops),
    ROW("Log1p", 1, log1p_loops),
    ROW("Expm1", 1, expm1_loops),
    ROW("Lgamma", 1, lgamma_loops),
    ROW("Digamma", 1, digamma_loops),
    ROW("Rint", 1, rint_loops),
    ROW("BesselI0", 1, i0_loops),
    ROW("BesselI0e", 1, i0e_loops),
    ROW("BesselI1", 1, i1_loops),
    ROW("BesselI1e", 1, i1e_loops),
    ROW("BesselK0", 1, k0_loops),
    ROW("BesselK0e", 1, k0e_loops),
    ROW("BesselK1", 1, k1_loops),
    ROW("BesselK1e", 1, k1e_loops),
    ROW("BesselJ0", 1, j0_loops),
    ROW("BesselJ1", 1, j1_loops),
    ROW("BesselY0", 1, y0_loops),
    ROW("BesselY1", 1, y1_loops),
    ROW("Dawsn", 1, dawsn_loops),
    ROW("Expint", 1, expint_loops),
    ROW("Spence", 1, spence_loops),
    ROW("FresnelSin", 1, fresnel_sin_loops),
    ROW("FresnelCos", 1, fresnel_cos_loops),
    ROW("Xlogy", 2, xlogy_loops),
    ROW("Xlog1py", 2, xlog1py_loops),
    ROW("Xdivy", 2, xdivy_loops),
    ROW("Zeta", 2, zeta_loops),
    ROW("Polygamma", 2, polygamma_loops),
    ROW("Igamma", 2, igamma_loops),
    ROW("Igammac", 2, igammac_loops),
    ROW("Atan2", 2, atan2_loops),
    ROW("NextAfter", 2, next_after_loops),
    ROW("Betainc", 3, betainc_loops),
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_special, ops);
