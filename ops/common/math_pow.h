/* float32 pow: an expression as those of math.h, by the logarithm to base 2 as a sum of two numbers.
 *
 * Error over all float32 arguments: 1.4 units in the last place; a power that is a float comes out as it is.
 * Squares, cubes and square roots are rounded once. Special values are as C's Annex F has them. */
#ifndef TAP_OPS_COMMON_MATH_POW_H
#define TAP_OPS_COMMON_MATH_POW_H

#include "common/math.h"

/* log2 x + k = result + *low, to 2^-32 of it, for a normal x > 0.
 *
 * x = 2^n (1 + f), s = f / (2 + f), log(1 + f) = 2 s + 2/3 s^3 + ...; s, the factor of s behind 2, the sum,
 * and its product with 1 / ln 2 are two numbers each. */
static inline float tap_log2_long(float x, float k, float *low) {
    uint32_t bits = tap_bits(x) + (0x3f800000u - 0x3f3504f3u);
    k += (float)((int32_t)(bits >> 23) - 127);
    float f = tap_from_bits((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    float u = 2.0f + f, r = 1.0f / u, s = f * r;
    float s_low = tap_fma_once(-s, f - (u - 2.0f), tap_fma_once(-s, u, f)) * r;

    float z = s * s, z_low = tap_fma(2.0f * s, s_low, tap_fma_once(s, s, -z));
    float p = z * 0x1.555556p-1f;
    float q = 0x1.dfa308p-3f;
    q = tap_fma(q, z, 0x1.24527ap-2f);
    q = tap_fma(q, z, 0x1.999a00p-2f);
    float p_low = tap_fma_once(z, 0x1.555556p-1f, -p) + tap_fma(z_low, 0x1.555556p-1f, z * -0x1.555556p-26f);
    p_low = tap_fma(z * z, q, p_low);

    float h = p * s, h_low = tap_fma(p_low, s, tap_fma_once(p, s, -h));
    float y = tap_fma(2.0f, s, h), y_low = tap_fma(2.0f, s, -y) + h + tap_fma(s_low, 2.0f + p, h_low);
    float e = y * 0x1.715476p+0f;
    float e_low =
        tap_fma(y, 0x1.4ae0c0p-26f, tap_fma(y_low, 0x1.715476p+0f, tap_fma_once(y, 0x1.715476p+0f, -e)));
    float sum = k + e, log = tap_select(k == 0, e, sum);
    *low = tap_select(k == 0, 0.0f, (k - sum) + e) + e_low;
    return log;
}

/* 2^(x + low); beyond 160 infinity and 0. */
static inline float tap_exp2_long(float x, float low) {
    float y = tap_select(x > 160.0f, 160.0f, tap_select(x < -160.0f, -160.0f, x));
    float shifted = y + 0x1.8p+23f, n = shifted - 0x1.8p+23f;
    float r = (y - n) + tap_select(x == y, low, 0.0f);
    float p = 0x1.447874p-13f;
    p = tap_fma(p, r, 0x1.5f0662p-10f);
    p = tap_fma(p, r, 0x1.3b29d2p-7f);
    p = tap_fma(p, r, 0x1.c6af84p-5f);
    p = tap_fma(p, r, 0x1.ebfbe0p-3f);
    p = tap_fma(p, r, 0x1.62e430p-1f) * r;
    uint32_t k = tap_bits(shifted) - tap_bits(0x1.8p+23f), half = (uint32_t)((int32_t)k >> 1);
    return tap_fma(tap_pow2(half), p, tap_pow2(half)) * tap_pow2(k - half);
}

/* x^3, rounded once. */
static inline float tap_cubef(float x) {
    float square = x * x, y = square * x;
    float rest = tap_fma(tap_fma_once(x, x, -square), x, tap_fma_once(square, x, -y));
    return tap_mask(fabsf(y) < INFINITY, y + rest, y);
}

/* x^y for a normal x > 0, whose logarithm has k added, and a finite y. */
static inline float tap_pow_plain(float x, float k, float y) {
    float low, log = tap_log2_long(x, k, &low), e = y * log;
    return tap_exp2_long(e, tap_fma(y, low, tap_fma_once(y, log, -e)));
}

/* Squares, cubes and square roots of x >= 0 instead of r. */
static inline float tap_pow_simple(float x, float y, float r) {
    r = tap_mask(y == 2.0f, x * x, tap_mask(y == 3.0f, tap_cubef(x), r));
    return tap_mask((y == 0.5f) & (x < INFINITY), sqrtf(x), r);
}

static inline float tap_powf(float x, float y) {
    float a = fabsf(x);
    int tiny = a < 0x1p-126f, whole, broken, negative = (int)(tap_bits(x) >> 31);
    float r = tap_pow_plain(a * tap_mask(tiny, 0x1p+23f, 1.0f), tap_mask(tiny, -23.0f, 0.0f), y);
    r = tap_pow_simple(a, y, r);
    /* 0 and infinity of x, infinity of y: towards 0 or infinity, or 1. */
    float far = tap_mask((a < 1.0f) == (y < 0.0f), INFINITY, 0.0f);
    r = tap_mask((a == 0) | (a == INFINITY) | (fabsf(y) == INFINITY), tap_mask(a == 1.0f, 1.0f, far), r);
    /* From 2^24 on all numbers are even. */
    float small = tap_mask(fabsf(y) < 0x1p24f, y, 0.0f);
    whole = (int32_t)small;
    broken = (float)whole != small;
    r = tap_from_bits(tap_bits(r) ^ (uint32_t)(negative & whole & !broken) << 31);
    r = tap_mask((x < 0) & broken & (a < INFINITY), NAN, r);
    r = tap_mask((x != x) | (y != y), x + y, r);
    return tap_mask((y == 0) | (x == 1.0f), 1.0f, r);
}

#endif
