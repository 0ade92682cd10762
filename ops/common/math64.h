/* float64 exp, expm1, tanh, sigmoid: expressions as those of math.h. Without an instruction for multiply-add
 * the C library's exp, expm1 and tanh are quicker and take their place.
 *
 * Error in units in the last place: exp 1, expm1 1.9, tanh and sigmoid 2.6. Overflow, underflow into
 * subnormals, infinities, signed zeros and NaN are as C's Annex F has them. */
#ifndef TAP_OPS_COMMON_MATH64_H
#define TAP_OPS_COMMON_MATH64_H

#include "common/math.h"

/* Large as they are, a loop calls none of them. */
#define TAP_INLINE64 static inline __attribute__((always_inline))

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
/* x^3, rounded once. */
static inline double tap_cube64(double x) {
    double square = x * x, y = square * x;
    double rest = tap_fma64(tap_fma64(x, x, -square), x, tap_fma64(square, x, -y));
    return copysign(tap_select64(fabs(y) < INFINITY, y + rest, y), x);
}

/* The rest of x / y, cut towards zero: exact where |x / y| < TAP_FMOD64_LIMIT. */
#define TAP_FMOD64_LIMIT 0x1p51
static inline double tap_fmod64(double x, double y) {
    double a = fabs(x), b = fabs(y), q = a / b;
    double n = (q + 0x1.8p+52) - 0x1.8p+52, r = tap_fma64(-n, b, a);
    r = tap_select64(r < 0.0, r + b, r);
    return copysign(tap_select64(q < 0.5, a, r), x); /* b may be infinite */
}

/* x = n ln 2 + r: e^r - 1, and in the low bits of *n that number. |n| < 2^11, so that products with the first
 * part of ln 2 are exact. */
TAP_INLINE64 double tap_expm1_reduced64(double x, uint64_t *n) {
    double t = tap_fma64(x, 0x1.71547652b82fep+0, 0x1.8p+52), k = t - 0x1.8p+52;
    *n = tap_bits64(t) - tap_bits64(0x1.8p+52);
    double r = tap_fma64(k, -0x1.9ef35793c7673p-41, tap_fma64(k, -0x1.62e42fefa2000p-1, x));
    double p = 0x1.1f9e5734560a9p-29;
    p = tap_fma64(p, r, 0x1.af6d473b30cd2p-26);
    p = tap_fma64(p, r, 0x1.27e4bee7b6125p-22);
    p = tap_fma64(p, r, 0x1.71ddef4e8dd6bp-19);
    p = tap_fma64(p, r, 0x1.a01a01b47b6dap-16);
    p = tap_fma64(p, r, 0x1.a01a01b3d66f7p-13);
    p = tap_fma64(p, r, 0x1.6c16c16c134fbp-10);
    p = tap_fma64(p, r, 0x1.111111110eb6dp-7);
    p = tap_fma64(p, r, 0x1.555555555555ep-5);
    p = tap_fma64(p, r, 0x1.555555555555cp-3);
    p = tap_fma64(p, r, 0.5);
    return tap_fma64(p, r * r, r);
}

/* 2^n for -1022 <= n <= 1023. */
static inline double tap_pow2_64(uint64_t n) {
    return tap_from_bits64((n + 1023) << 52);
}

TAP_INLINE64 double tap_exp64(double x) {
    uint64_t n;
    double y = tap_select64(x > 710.0, 710.0, tap_select64(x < -750.0, -750.0, x));
    double q = tap_expm1_reduced64(y, &n);
    int small = y < -600.0; /* 2^n itself may lie outside the normal numbers, on either side */
    double s = tap_pow2_64(n + (small ? 100u : UINT64_MAX));
    return tap_fma64(s, q, s) * tap_select64(small, 0x1p-100, 2.0);
}

static inline double tap_expm1_64(double x) {
    uint64_t n;
    double y = tap_select64(x > 710.0, 710.0, tap_select64(x < -60.0, -60.0, x));
    double q = tap_expm1_reduced64(y, &n), s = tap_pow2_64(n - 1u); /* 2^1024 is no double */
    return tap_select64(n == 0, tap_select64(x == 0, x, q), tap_fma64(s, q, s - 0.5) * 2.0);
}

/* w / (w + 2), w = e^2a - 1. */
static inline double tap_tanh64(double x) {
    double a = fabs(x), w = tap_expm1_64(tap_select64(a > 20.0, 40.0, 2.0 * a));
    return copysign(w / (w + 2.0), x);
}

#else
static inline double tap_cube64(double x) {
    return pow(x, 3.0);
}

#define TAP_FMOD64_LIMIT 0.0
static inline double tap_fmod64(double x, double y) {
    return fmod(x, y);
}

TAP_INLINE64 double tap_exp64(double x) {
    return exp(x);
}

static inline double tap_expm1_64(double x) {
    return expm1(x);
}

static inline double tap_tanh64(double x) {
    return tanh(x);
}
#endif

/* 1 / (1 + e^-x), right to the last digits for negative x too. */
static inline double tap_sigmoid64(double x) {
    double e = tap_exp64(-fabs(x));
    return tap_select64(x < 0, e, 1.0) / (1.0 + e);
}

#endif
