/* float32 sin, cos, tan, asin, acos, atan: expressions as those of math.h. What float32 would lose on the way
 * (the reduction by pi / 2, a reciprocal) is carried along in a second number.
 *
 * Error in units in the last place, over all float32 arguments: sin, cos 1; the others 1.4.
 * Sin, cos and tan are for |x| < TAP_NEAR_ANGLE; math_wide.h has them for others. Special values are as C's
 * Annex F has them. */
#ifndef TAP_OPS_COMMON_MATH_TRIG_H
#define TAP_OPS_COMMON_MATH_TRIG_H

#include "common/math.h"

#define TAP_NEAR_ANGLE 0x1p17f

/* r + low = x - n pi / 2, |r| <= pi / 4 and a little, n's low bits in *quadrant. pi / 2 is three numbers: the
 * difference from the multiple of the first is exact, the second's product and the difference from it are
 * taken as sums of two numbers. */
static inline float tap_reduce_angle(float x, float *low, uint32_t *quadrant) {
    float t = tap_fma(x, 0x1.45f306p-1f, 0x1.8p+23f);
    *quadrant = tap_bits(t);
    float n = t - 0x1.8p+23f;
    float first = tap_fma_once(n, -0x1.921fb6p+0f, x);
    float h = n * -0x1.777a5cp-25f, lost = tap_fma_once(n, -0x1.777a5cp-25f, -h);
    float r = first - h;
    float error = (first - r) - h; /* exact: first is a multiple of h's last place */
    *low = tap_fma(n, 0x1.ee59dap-50f, error - lost);
    return r;
}

/* The quadrant's function of two: of an odd quadrant the other, negative in the upper half of the four. */
static inline float tap_of_quadrant(float even, float odd, uint32_t quadrant) {
    float y = tap_select((int)(quadrant & 1), odd, even);
    return tap_from_bits(tap_bits(y) ^ (quadrant >> 1 << 31));
}

static inline float tap_sine_reduced(float r, float z, float low) {
    float p = -0x1.991c26p-13f;
    p = tap_fma(p, z, 0x1.1106c6p-7f);
    p = tap_fma(p, z, -0x1.555544p-3f);
    return r + tap_fma(p * z, r, low);
}

/* 1 - z / 2 as a sum of two numbers, and the rest. */
static inline float tap_cosine_reduced(float r, float z, float low) {
    float p = 0x1.99e70ap-16f;
    p = tap_fma(p, z, -0x1.6c0c26p-10f);
    p = tap_fma(p, z, 0x1.55554ap-5f);
    float half = 0.5f * z, most = 1.0f - half;
    return most + (tap_fma(p, z * z, -r * low) + ((1.0f - most) - half));
}

static inline float tap_sinf(float x) {
    float low;
    uint32_t q;
    float r = tap_reduce_angle(x, &low, &q), z = r * r;
    float y = tap_of_quadrant(tap_sine_reduced(r, z, low), tap_cosine_reduced(r, z, low), q);
    return tap_select(x == 0, x, y);
}

static inline float tap_cosf(float x) {
    float low;
    uint32_t q;
    float r = tap_reduce_angle(x, &low, &q), z = r * r;
    return tap_of_quadrant(tap_sine_reduced(r, z, low), tap_cosine_reduced(r, z, low), q + 1);
}

/* Of an odd quadrant -1 / tan, for which tan is two numbers. */
static inline float tap_tanf(float x) {
    float low;
    uint32_t quadrant;
    float r = tap_reduce_angle(x, &low, &quadrant), z = r * r;
    float p = 0x1.1fd114p-8f;
    p = tap_fma(p, z, 0x1.0618f0p-14f);
    p = tap_fma(p, z, 0x1.63a16ep-7f);
    p = tap_fma(p, z, 0x1.5c9ce0p-6f);
    p = tap_fma(p, z, 0x1.badc8cp-5f);
    p = tap_fma(p, z, 0x1.110d94p-3f);
    p = tap_fma(p, z, 0x1.555560p-2f);
    float more = tap_fma(p * z, r, tap_fma(1.6f * low, z, low)); /* tan' r is about 1 + 1.6 z */
    float y = r + more, rest = (r - y) + more;
    float over = -1.0f / y;
    float turned = tap_fma(over, tap_fma(over, rest, tap_fma_once(over, y, 1.0f)), over);
    return tap_select(x == 0, x, tap_select((int)(quadrant & 1), turned, y));
}

/* Above 1: pi / 2 - atan(1 / a). */
static inline float tap_atanf(float x) {
    float a = fabsf(x);
    int large = a > 1.0f;
    float t = tap_mask(large, 1.0f, a) / tap_mask(large, a, 1.0f), z = t * t;
    float p = -0x1.d32dbcp-10f;
    p = tap_fma(p, z, 0x1.6410e6p-7f);
    p = tap_fma(p, z, -0x1.fd6fbcp-6f);
    p = tap_fma(p, z, 0x1.da24cap-5f);
    p = tap_fma(p, z, -0x1.580814p-4f);
    p = tap_fma(p, z, 0x1.c08c1ap-4f);
    p = tap_fma(p, z, -0x1.242084p-3f);
    p = tap_fma(p, z, 0x1.9991e4p-3f);
    p = tap_fma(p, z, -0x1.55553ep-2f) * z;
    float turned = 0x1.921fb6p+0f - (tap_fma(p, t, 0x1.777a5cp-25f) + t);
    return copysignf(tap_select(large, turned, tap_fma(p, t, t)), x);
}

/* (asin s - s) / s^3 for s <= 1 / 2; z is s^2. */
static inline float tap_arcsine_reduced(float z) {
    float p = 0x1.595c92p-5f;
    p = tap_fma(p, z, 0x1.8c3e28p-6f);
    p = tap_fma(p, z, 0x1.747bbap-5f);
    p = tap_fma(p, z, 0x1.330204p-4f);
    return tap_fma(p, z, 0x1.5555c8p-3f);
}

/* Above 1/2: pi / 2 - 2 asin of half the angle that is left. */
static inline float tap_asinf(float x) {
    float a = fabsf(x);
    int large = a > 0.5f;
    float z = tap_select(large, tap_fma(a, -0.5f, 0.5f), a * a), s = tap_mask(large, sqrtf(z), a);
    float p = tap_arcsine_reduced(z) * z;
    float most = tap_fma_once(-2.0f, s, 0x1.921fb6p+0f), lost = tap_fma_once(-2.0f, s, 0x1.921fb6p+0f - most);
    float turned = most + (lost - tap_fma(p, 2.0f * s, 0x1.777a5cp-25f));
    return copysignf(tap_select(large, turned, tap_fma(p, s, s)), x);
}

static inline float tap_acosf(float x) {
    float a = fabsf(x);
    int large = a > 0.5f;
    float z = tap_select(large, tap_fma(a, -0.5f, 0.5f), a * a), s = tap_mask(large, sqrtf(z), -x);
    float p = tap_arcsine_reduced(z) * z, y = tap_fma(p, s, s);
    float base = tap_select(large, 0x1.921fb6p+1f, 0x1.921fb6p+0f);
    float rest = tap_select(large, -0x1.777a5cp-24f, -0x1.777a5cp-25f);
    float far = tap_fma(tap_select(large, -2.0f, 1.0f), y, rest) + base;
    return tap_select(large & (x > 0), 2.0f * y, far);
}

#endif
