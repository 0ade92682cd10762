/* float64 log, log1p and the inverse hyperbolic functions: expressions as those of math.h. Without an
 * instruction for multiply-add the C library's take their place.
 *
 * Error in units in the last place: log and log1p 0.9, asinh 1.6, acosh 1.9, atanh 1.6. Special values are as
 * C's Annex F has them. */
#ifndef TAP_OPS_COMMON_MATH64_LOG_H
#define TAP_OPS_COMMON_MATH64_LOG_H

#include "common/math64.h"

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
/* log y + k ln 2 + c, for a normal y > 0 and a small c. */
TAP_INLINE64 double tap_log_normal64(double y, double k, double c) {
    const uint64_t one = UINT64_C(0x3ff0000000000000), half_root = UINT64_C(0x3fe6a09e667f3bcd);
    uint64_t u = tap_bits64(y) + (one - half_root);
    k += tap_from_bits64((u >> 52) | tap_bits64(0x1p52)) - (0x1p52 + 1023);
    double f = tap_from_bits64((u & UINT64_C(0x000fffffffffffff)) + half_root) -
               1.0; /* sqrt(1/2) <= 1 + f < sqrt 2 */
    double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
    double p = 0x1.0c1261fd9bdd6p-3;
    p = tap_fma64(p, z, 0x1.0fbd2bde02b13p-3);
    p = tap_fma64(p, z, 0x1.3b1c42e222badp-3);
    p = tap_fma64(p, z, 0x1.745cf8c4cfebep-3);
    p = tap_fma64(p, z, 0x1.c71c7201f1f41p-3);
    p = tap_fma64(p, z, 0x1.2492492476765p-2);
    p = tap_fma64(p, z, 0x1.9999999999a3ap-2);
    p = tap_fma64(p, z, 0x1.5555555555555p-1);
    /* log(1 + f) = f - half + s (half + z p); products of k with the first part of ln 2 are exact */
    double low = tap_fma64(s, tap_fma64(z, p, half), tap_fma64(k, 0x1.a39ef35793c76p-33, c));
    return tap_fma64(k, 0x1.62e42feep-1, f - (half - low));
}

TAP_INLINE64 double tap_log64(double x) {
    int tiny = x < 0x1p-1022;
    double y = tap_log_normal64(x * tap_select64(tiny, 0x1p+54, 1.0), tap_select64(tiny, -54.0, 0.0), 0.0);
    y = tap_select64(x < INFINITY, y, x); /* infinity, NaN */
    y = tap_select64(x == 0.0, -INFINITY, y);
    return tap_select64(x < 0.0, NAN, y);
}

/* log(1 + x) for finite x >= 0; or, of a large y, log 2y. */
TAP_INLINE64 double tap_log1p_or64(double x, int large, double y) {
    double u = 1.0 + x, lost = tap_select64(x > 1.0, 1.0 - (u - x), x - (u - 1.0));
    return tap_log_normal64(tap_select64(large, y, u), tap_select64(large, 1.0, 0.0),
                            tap_select64(large, 0.0, lost / u));
}

/* log(1 + x) for x >= 0. */
TAP_INLINE64 double tap_log1p64(double x) {
    return tap_select64(x < INFINITY, tap_log1p_or64(x, 0, x), x);
}

/* From here on asinh and acosh are log 2x. */
#define TAP_HYPER_FAR64 0x1p28

TAP_INLINE64 double tap_asinh64(double x) {
    double a = fabs(x), square = a * a, w = a + square / (1.0 + sqrt(square + 1.0));
    double y = tap_log1p_or64(w, a > TAP_HYPER_FAR64, a);
    return copysign(tap_select64(a < INFINITY, y, a), x);
}

TAP_INLINE64 double tap_acosh64(double x) {
    double t = x - 1.0, y = tap_log1p_or64(t + sqrt(tap_fma64(t, t, 2.0 * t)), x > TAP_HYPER_FAR64, x);
    return tap_select64(x < 1.0, NAN, tap_select64(x < INFINITY, y, x));
}

TAP_INLINE64 double tap_atanh64(double x) {
    double a = fabs(x), twice = 2.0 * a, y = 0.5 * tap_log1p64(tap_fma64(twice, a / (1.0 - a), twice));
    y = tap_select64(a < 1.0, y, tap_select64(a == 1.0, INFINITY, NAN));
    return copysign(y, x);
}
#else
#define tap_log64   log
#define tap_log1p64 log1p
#define tap_asinh64 asinh
#define tap_acosh64 acosh
#define tap_atanh64 atanh
#endif

#endif
