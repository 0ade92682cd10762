/* float32 sinh, cosh, asinh, acosh, atanh: expressions as those of math.h. What float32 would lose on the way
 * (sums, roots) is carried along in a second number.
 *
 * Error in units in the last place, over all float32 arguments: 1.1; atanh 1.4. Special values are as C's
 * Annex F has them. */
#ifndef TAP_OPS_COMMON_MATH_HYPER_H
#define TAP_OPS_COMMON_MATH_HYPER_H

#include "common/math.h"

/* a >= 0 as k ln 2 + r: cosh a and sinh a are sums of products of
 *   cosh r = 1 + cosh_rest, sinh r = r + sinh_rest   and   up = 2^k / 4, down = 2^-k / 4, their sum, their
 * difference; of halves of them, so that each is a float. */
typedef struct tap_hyperbola {
    float r, sinh_rest, cosh_rest, up, down, sum, less;
} tap_hyperbola;

static inline tap_hyperbola tap_hyperbolic(float a) {
    float n, y = tap_select(a > 89.5f, 89.5f, a); /* beyond, both are infinite */
    uint32_t k;
    float r = tap_reduce_ln2(y, &n, &k), z = r * r;
    float p = 0x1.a2e244p-13f;
    p = tap_fma(p, z, 0x1.110fbep-7f);
    p = tap_fma(p, z, 0x1.555556p-3f);
    float q = 0x1.6d51dap-10f;
    q = tap_fma(q, z, 0x1.5554e4p-5f);
    q = tap_fma(q, z, 0.5f);
    float up = tap_pow2(k - 2u), down = tap_pow2(0u - 2u - (k > 100u ? 100u : k));
    return (tap_hyperbola){r, p * z * r, q * z, up, down, up + down, up - down};
}

static inline float tap_sinhf(float x) {
    tap_hyperbola h = tap_hyperbolic(fabsf(x));
    float y = tap_fma_once(h.r, h.sum, h.less), lost = tap_fma_once(h.r, h.sum, h.less - y);
    y += tap_fma(h.cosh_rest, h.less, tap_fma(h.sinh_rest, h.sum, lost));
    return copysignf(2.0f * y, x);
}

static inline float tap_coshf(float x) {
    tap_hyperbola h = tap_hyperbolic(fabsf(x));
    float y = tap_fma_once(h.r, h.less, h.up), lost = tap_fma_once(h.r, h.less, h.up - y);
    y += tap_fma(h.cosh_rest, h.sum, tap_fma(h.sinh_rest, h.less, lost + h.down));
    return 2.0f * y;
}

/* ---- Inverses: logarithms of a sum s + lost, lost of which a few digits are enough ---- */

/* From here on asinh and acosh are log 2x. */
#define TAP_HYPER_FAR 0x1p11f

static inline float tap_asinhf(float x) {
    float a = fabsf(x), b = tap_select(a > TAP_HYPER_FAR, TAP_HYPER_FAR, a);
    float p = 0x1.5b1ac2p-8f, z = b * b;
    p = tap_fma(p, z, -0x1.09af66p-6f);
    p = tap_fma(p, z, 0x1.d4c38ap-6f);
    p = tap_fma(p, z, -0x1.6b7b3cp-5f);
    p = tap_fma(p, z, 0x1.331e6ap-4f);
    p = tap_fma(p, z, -0x1.555514p-3f);
    float w = tap_fma_once(b, b, 1.0f), q = sqrtf(w);
    float rest = tap_fma_once(-q, q, w) + tap_fma_once(b, b, 1.0f - w); /* of q^2 */
    float s = b + q, lost = b - (s - q);
    float c = tap_fma(lost, 2.0f * q, rest) * tap_near_reciprocal(2.0f * q * s);
    float y = tap_log_normal(tap_select(a > TAP_HYPER_FAR, a, 0.5f * s), 1.0f, c);
    y = tap_select(a < 0.5f, tap_fma(p * z, a, a), y);
    return copysignf(tap_select(a < INFINITY, y, a), x);
}

/* Near 1, where the result is small, `lost` counts for more of it. */
static inline float tap_acoshf(float x) {
    float b = tap_select(x > TAP_HYPER_FAR, TAP_HYPER_FAR, x);
    float square = b * b, less = square - 1.0f, low = tap_fma_once(b, b, -square);
    float w = less + low, q = sqrtf(w);
    float rest = tap_fma_once(-q, q, w) + (low - (w - less));
    float s = b + q, lost = q - (s - b), d = tap_fma(2.0f * q, s, 0x1p-100f), by = tap_near_reciprocal(d);
    float c = tap_fma(lost, 2.0f * q, rest) * (by * tap_fma(-d, by, 2.0f));
    float y = tap_log_normal(tap_select(x > TAP_HYPER_FAR, x, 0.5f * s), 1.0f, c);
    y = tap_select(x < INFINITY, y, x);
    return tap_select(x < 1.0f, NAN, y);
}

/* Half the logarithm of n / d, n = 1 + a, d = 1 - a: k ln 2 / 2 + atanh s, s = (n - 2^k d) / (n + 2^k d),
 * where k is 0 for a small a, and s is a. */
static inline float tap_atanhf(float x) {
    float a = fabsf(x), n = 1.0f + a, d = 1.0f - a;
    int32_t up = (int32_t)(tap_bits(n) - tap_bits(d) + 0x00200000u) >> 23; /* bits are about a logarithm */
    float k = (float)up, p = tap_pow2((uint32_t)up);
    float less = tap_select(a < 0.999f, tap_fma_once(a, 1.0f + p, 1.0f - p), tap_fma(-p, d, n));
    float s = less / tap_fma(p, d, n);
    s = tap_mask(up == 0, a, s);
    float z = s * s, q = 0x1.092378p-3f;
    q = tap_fma(q, z, 0x1.2223a6p-3f);
    q = tap_fma(q, z, 0x1.99a92ep-3f);
    q = tap_fma(q, z, 0x1.555546p-2f);
    float y = tap_fma(k, 0x1.63p-2f, s + tap_fma(q * z, s, k * -0x1.bd0106p-14f));
    y = tap_select(a < 1.0f, y, tap_select(a == 1.0f, INFINITY, NAN));
    return copysignf(y, x);
}

#endif
