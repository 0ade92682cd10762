/* float32 exp, expm1, log, log1p, tanh, sigmoid, erf: one inline expression each, without branches and calls,
 * so that a plain loop over them vectorises and its vector body and its tail give the same bits. Other files
 * use these and not the C library's, so that an activation means the same wherever it is computed.
 *
 * Error in units in the last place, over all float32 arguments: log 0.9; exp 1.1; tanh, erf 1.4; expm1 1.6;
 * between 0 and 1, log1p 1.8 (with an instruction for multiply-add 1.4); sigmoid 2.5; gelu 6.5. Overflow,
 * underflow into subnormals, infinities, signed zeros and NaN are as C's Annex F has them. The polynomials
 * are minimax fits over the reduced ranges, made for this file. docs/ACCURACY.md has what was measured. */
#ifndef TAP_OPS_COMMON_MATH_H
#define TAP_OPS_COMMON_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* a * b + c: rounded once where the instruction set has that, else twice. No other choice is made anywhere.
 */
static inline float tap_fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/* Rounded once on every instruction set: where an error is to come out exactly. */
static inline float tap_fma_once(float a, float b, float c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fmaf(a, b, c);
#else
    return (float)((double)a * (double)b + (double)c);
#endif
}

static inline double tap_fma64(double a, double b, double c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    return __builtin_fma(a, b, c);
#else
    return a * b + c;
#endif
}

static inline uint32_t tap_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float tap_from_bits(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline uint64_t tap_bits64(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline double tap_from_bits64(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* c ? a : b, both of which are computed: vector code chooses by a mask. An operand that is a call (sqrtf)
 * goes through tap_mask, for a compiler would take it into a branch. */
static inline float tap_select(int c, float a, float b) {
    return c ? a : b;
}

static inline float tap_mask(int c, float a, float b) {
    uint32_t m = 0u - (uint32_t)c;
    return tap_from_bits((tap_bits(a) & m) | (tap_bits(b) & ~m));
}

static inline double tap_select64(int c, double a, double b) {
    uint64_t m = 0u - (uint64_t)c;
    return tap_from_bits64((tap_bits64(a) & m) | (tap_bits64(b) & ~m));
}

/* a / b, given r = 1 / b: the same number (if it is not subnormal), sooner where many are divided by one. */
static inline double tap_quotient(double a, double b, double r) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    double q = a * r, rest = __builtin_fma(-q, b, a), y = __builtin_fma(rest, r, q);
    return tap_select64((int)(rest > 0) | (int)(rest < 0), y,
                        q); /* zeros keep their sign, infinity has no rest */
#else
    (void)r;
    return a / b;
#endif
}

/* The same in float32, for normal b and r; infinite where the quotient is. */
static inline float tap_quotientf(float a, float b, float r) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
    float q = a * r, rest = __builtin_fmaf(-q, b, a), y = __builtin_fmaf(rest, r, q);
    return tap_select((fabsf(rest) > 0) & (fabsf(rest) < INFINITY), y, q); /* zeros keep their sign */
#else
    (void)r;
    return a / b;
#endif
}

/* 1 / x to 0.0016 of it, for x far from the ends of float's range: a guess from the exponent and one step of
 * Newton's. Each further step, y * (2 - x * y), doubles the digits. */
static inline float tap_near_reciprocal(float x) {
    float y = tap_from_bits(0x7ef32d00u - tap_bits(x));
    return y * tap_fma(-x, y, 2.001f);
}

/* x = n ln 2 + r, |r| <= ln 2 / 2. n comes back as a float and, in the low bits of *shifted, as an integer.
 */
static inline float tap_reduce_ln2(float x, float *n, uint32_t *shifted) {
    float t = tap_fma(x, 0x1.715476p+0f, 0x1.8p+23f); /* rounds to an integer in the last place of the sum */
    *shifted = tap_bits(t) - tap_bits(0x1.8p+23f);
    *n = t - 0x1.8p+23f;
    return tap_fma(*n, 0x1.bd0106p-13f,
                   tap_fma(*n, -0x1.63p-1f, x)); /* 355/512: products with |n| < 2^15 are exact */
}

/* e^r - 1 for |r| <= ln 2 / 2. */
static inline float tap_expm1_reduced(float r) {
    float p = 0x1.6a4508p-10f;
    p = tap_fma(p, r, 0x1.1239aap-7f);
    p = tap_fma(p, r, 0x1.5558b8p-5f);
    p = tap_fma(p, r, 0x1.555492p-3f);
    p = tap_fma(p, r, 0x1.fffffcp-2f);
    return tap_fma(p, r * r, r);
}

/* 2^n for -126 <= n <= 127. */
static inline float tap_pow2(uint32_t n) {
    return tap_from_bits((n + 127u) << 23);
}

static inline float tap_expf(float x) {
    float n, y = tap_select(x > 89.0f, 89.0f, tap_select(x < -104.0f, -104.0f, x));
    uint32_t k;
    float r = tap_reduce_ln2(y, &n, &k);
    uint32_t half = (uint32_t)((int32_t)k >> 1); /* twice: 2^k itself may lie outside the normal numbers */
    return (1.0f + tap_expm1_reduced(r)) * tap_pow2(half) * tap_pow2(k - half);
}

/* e^x 2^lift, where -126 <= x / ln 2 + lift <= 127. */
static inline float tap_exp_lifted(float x, uint32_t lift) {
    float n;
    uint32_t k;
    float q = tap_expm1_reduced(tap_reduce_ln2(x, &n, &k)), s = tap_pow2(k + lift);
    return tap_fma(s, q, s);
}

/* e^-a for a >= 0: tap_expf's bits, in fewer steps. */
static inline float tap_decayf(float a) {
    return tap_exp_lifted(tap_select(a > 104.0f, -104.0f, -a), 64u) * 0x1p-64f;
}

/* e^x / *scale, for x <= 64: where e^x has lost digits, or is about to, *scale is 2^-64, and e^x / *scale is
 * still nothing beside 1. */
static inline float tap_exp_scaled(float x, float *scale) {
    int far = x < -64.0f;
    *scale = far ? 0x1p-64f : 1.0f;
    return tap_select(x < -110.0f, 0.0f, tap_exp_lifted(x, far ? 64u : 0u));
}

static inline float tap_expm1f(float x) {
    float n, y = tap_select(x > 89.0f, 89.0f, tap_select(x < -30.0f, -30.0f, x));
    uint32_t k;
    float q = tap_expm1_reduced(tap_reduce_ln2(y, &n, &k));
    float s = tap_pow2(k - 1u); /* 2^128 is no float */
    float wide = tap_fma(s, q, s - 0.5f) * 2.0f;
    return tap_select(n == 0.0f, tap_select(x == 0.0f, x, q), wide);
}

/* log y + k ln 2 + c, for a normal y > 0. */
static inline float tap_log_normal(float y, float k, float c) {
    uint32_t u = tap_bits(y) + (0x3f800000u - 0x3f3504f3u);
    k += (float)((int32_t)(u >> 23) - 127);
    float f = tap_from_bits((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f; /* sqrt(1/2) <= 1 + f < sqrt 2 */
    float p = 0x1.16a74ap-4f;
    p = tap_fma(p, f, -0x1.e02114p-4f);
    p = tap_fma(p, f, 0x1.e6d1b8p-4f);
    p = tap_fma(p, f, -0x1.fbbf34p-4f);
    p = tap_fma(p, f, 0x1.233318p-3f);
    p = tap_fma(p, f, -0x1.555fbep-3f);
    p = tap_fma(p, f, 0x1.99a524p-3f);
    p = tap_fma(p, f, -0x1.fffff8p-3f);
    p = tap_fma(p, f, 0x1.555546p-2f);
    float z = f * f;
    float low = tap_fma(k, -0x1.bd0106p-13f, tap_fma(p * f, z, c));
    return tap_fma(k, 0x1.63p-1f, f + tap_fma(z, -0.5f, low));
}

static inline float tap_logf(float x) {
    int tiny = x < 0x1p-126f;
    float y = tap_log_normal(x * tap_select(tiny, 0x1p+23f, 1.0f), tap_select(tiny, -23.0f, 0.0f), 0.0f);
    y = tap_select(x < INFINITY, y, x); /* infinity, NaN */
    y = tap_select(x == 0.0f, -INFINITY, y);
    return tap_select(x < 0.0f, NAN, y);
}

/* log(1 + x) for 0 <= x <= 1. */
static inline float tap_log1p_unitf(float x) {
    float p = -0x1.af49cep-9f;
    p = tap_fma(p, x, 0x1.4917cep-6f);
    p = tap_fma(p, x, -0x1.d6b08cp-5f);
    p = tap_fma(p, x, 0x1.b4ae08p-4f);
    p = tap_fma(p, x, -0x1.3a435ep-3f);
    p = tap_fma(p, x, 0x1.934b54p-3f);
    p = tap_fma(p, x, -0x1.ff23e6p-3f);
    p = tap_fma(p, x, 0x1.554dd0p-2f);
    p = tap_fma(p, x, -0x1.ffffd2p-2f);
    return tap_fma(p * x, x, x);
}

/* 1 / (1 + e^-x), without losing the digits of e^x for negative x. */
static inline float tap_sigmoidf(float x) {
    float e = tap_decayf(fabsf(x));
    return tap_select(x < 0.0f, e, 1.0f) / (1.0f + e);
}

static inline float tap_tanhf(float x) {
    float a = fabsf(x), z = x * x;
    float p = -0x1.752cb0p-8f;
    p = tap_fma(p, z, 0x1.51fe4cp-6f);
    p = tap_fma(p, z, -0x1.b83634p-5f);
    p = tap_fma(p, z, 0x1.1106f8p-3f);
    p = tap_fma(p, z, -0x1.555532p-2f);
    float small = tap_fma(p * z, a, a);
    float large = 1.0f - 2.0f / (tap_exp_lifted(tap_select(a > 20.0f, 40.0f, 2.0f * a), 0u) + 1.0f);
    return copysignf(tap_select(a < 0.625f, small, large), x);
}

static inline float tap_erff(float x) {
    float a = fabsf(x), z = x * x;
    float p = 0x1.4771fep-14f;
    p = tap_fma(p, z, -0x1.a3515ep-11f);
    p = tap_fma(p, z, 0x1.53f224p-8f);
    p = tap_fma(p, z, -0x1.b7f71ap-6f);
    p = tap_fma(p, z, 0x1.ce2ce6p-4f);
    p = tap_fma(p, z, -0x1.81273ep-2f);
    p = tap_fma(p, z, 0x1.06eba8p-3f);
    float b = tap_select(a > 4.0f, 4.0f, a);
    float q = -0x1.5d5794p-16f;
    q = tap_fma(q, b, 0x1.c449f4p-12f);
    q = tap_fma(q, b, -0x1.105eccp-8f);
    q = tap_fma(q, b, 0x1.9ae9fep-6f);
    q = tap_fma(q, b, -0x1.bb44d6p-4f);
    q = tap_fma(q, b, -0x1.444d26p-1f);
    q = tap_fma(q, b, -0x1.212626p+0f);
    q = tap_fma(q, b, 0x1.62d8b8p-13f);
    float large = 1.0f - tap_exp_lifted(q, 0u);
    return tap_select(a < 1.0f, tap_fma(p, x, x), copysignf(large, x));
}

/* x times the probability that a standard normal variable is at most x, with all digits for negative x, too:
 * erfc(a) = e^(-a^2) Q(t) / (a + 2), a = |x| / sqrt 2, t = (a - 2) / (a + 2). */
static inline float tap_geluf(float x) {
    float a = fabsf(x), b = tap_select(a > 15.0f, 15.0f, a);
    float r = 1.0f / tap_fma(b, 0x1.6a09e6p-1f, 2.0f), t = tap_fma(-4.0f, r, 1.0f);
    float q = 0x1.48445ep-14f;
    q = tap_fma(q, t, 0x1.04b4a6p-14f);
    q = tap_fma(q, t, -0x1.384beep-11f);
    q = tap_fma(q, t, -0x1.bc488cp-11f);
    q = tap_fma(q, t, 0x1.912362p-9f);
    q = tap_fma(q, t, 0x1.a8beb4p-8f);
    q = tap_fma(q, t, -0x1.60553cp-6f);
    q = tap_fma(q, t, -0x1.2a895ep-5f);
    q = tap_fma(q, t, 0x1.1e2dd2p-2f);
    q = tap_fma(q, t, -0x1.5fd386p-1f);
    q = tap_fma(q, t, 0x1.058672p+0f);
    /* -b^2 / 2 = k ln 2 + what is left, with all its digits; 2^40 keeps it a normal number */
    float half = -0.5f * b, shifted = tap_fma(half * b, 0x1.715476p+0f, 0x1.8p+23f), n = shifted - 0x1.8p+23f;
    float left = tap_fma(n, 0x1.bd0106p-13f, tap_fma_once(half, b, n * -0x1.63p-1f));
    float s = tap_pow2(tap_bits(shifted) - tap_bits(0x1.8p+23f) + 39u);
    float tail = tap_fma(s, tap_expm1_reduced(left), s) * (r * q);
    tail = tap_select(a > 15.0f, 0.0f, tail); /* x times it is no number any more */
    return x * tap_select(x < 0.0f, tail, tap_fma(tail, -0x1p-40f, 1.0f)) *
           tap_select(x < 0.0f, 0x1p-40f, 1.0f);
}

#endif
