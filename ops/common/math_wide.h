/* float32 functions that are computed in float64 and rounded once: pow, fmod, and sin, cos, tan of large
 * angles. Expressions without branches and calls, as those of math.h, so that a loop over them vectorises and
 * its body and its tail give the same bits.
 *
 * Error over all float32 arguments: 0.501 units in the last place (sin, cos, tan: where |x| < TAP_TRIG_LIMIT;
 * fmod is exact where |a / b| < TAP_FMOD_LIMIT). Special values are as C's Annex F has them. */
#ifndef TAP_OPS_COMMON_MATH_WIDE_H
#define TAP_OPS_COMMON_MATH_WIDE_H

#include "common/math.h"

/* Beyond these, callers take the C library's double function. */
#define TAP_TRIG_LIMIT 0x1p28f
#define TAP_FMOD_LIMIT 0x1p28

/* Large as they are, a loop calls none of them. */
#define TAP_WIDE_INLINE static inline __attribute__((always_inline))

/* x's size with s's sign. */
TAP_WIDE_INLINE double tap_signed64(double x, double s) {
    const uint64_t sign = UINT64_C(1) << 63;
    return tap_from_bits64((tap_bits64(x) & ~sign) | (tap_bits64(s) & sign));
}

/* The nearest integer, for |x| < 2^51; its low bits in *low. */
TAP_WIDE_INLINE double tap_nearest64(double x, uint64_t *low) {
    double t = x + 0x1.8p+52;
    *low = tap_bits64(t);
    return t - 0x1.8p+52;
}

/* e^x to 2^-41, for every x that a float's exponential can come from; far beyond, infinity and 0 of float. */
TAP_WIDE_INLINE double tap_exp_wide(double x) {
    uint64_t low;
    double y = tap_select64(x > 200.0, 200.0, tap_select64(x < -200.0, -200.0, x));
    double n = tap_nearest64(y * 0x1.71547652b82fep+0, &low);
    double r = tap_fma64(n, -0x1.9ef35793c7673p-41, tap_fma64(n, -0x1.62e42fefa2p-1, y));
    double p = 1.0 / 3628800;
    p = tap_fma64(p, r, 1.0 / 362880);
    p = tap_fma64(p, r, 1.0 / 40320);
    p = tap_fma64(p, r, 1.0 / 5040);
    p = tap_fma64(p, r, 1.0 / 720);
    p = tap_fma64(p, r, 1.0 / 120);
    p = tap_fma64(p, r, 1.0 / 24);
    p = tap_fma64(p, r, 1.0 / 6);
    p = tap_fma64(p, r, 0.5);
    p = tap_fma64(p, r, 1.0);
    p = tap_fma64(p, r, 1.0);
    return p * tap_from_bits64((low + 1023) << 52);
}

/* log x to 2^-44, for x = 0, infinity, NaN and normal x > 0. Of negative ones: NaN. */
TAP_WIDE_INLINE double tap_log_wide(double x) {
    uint64_t u = tap_bits64(x) + (UINT64_C(0x3ff0000000000000) - UINT64_C(0x3fe6a09e667f3bcd));
    /* the exponent as a number, through the low digits of 2^52 */
    double k = tap_from_bits64((u >> 52) | UINT64_C(0x4330000000000000)) - (0x1p52 + 1023);
    double m = tap_from_bits64((u & UINT64_C(0x000fffffffffffff)) + UINT64_C(0x3fe6a09e667f3bcd));
    double f = m - 1.0, s = f / (2.0 + f), z = s * s;
    double p = 2.0 / 17;
    p = tap_fma64(p, z, 2.0 / 15);
    p = tap_fma64(p, z, 2.0 / 13);
    p = tap_fma64(p, z, 2.0 / 11);
    p = tap_fma64(p, z, 2.0 / 9);
    p = tap_fma64(p, z, 2.0 / 7);
    p = tap_fma64(p, z, 2.0 / 5);
    p = tap_fma64(p, z, 2.0 / 3);
    double y = tap_fma64(k, 0x1.62e42fefa39efp-1, tap_fma64(p * z, s, 2.0 * s));
    y = tap_select64(x < (double)INFINITY, y, x); /* infinity, NaN */
    y = tap_select64(x == 0.0, -(double)INFINITY, y);
    return tap_select64(x < 0.0, (double)NAN, y);
}

/* ---- Trigonometric --------------------------------------------------------------------------------- */

/* Sine and cosine of x + q pi / 2, q in *quadrant. pi / 2 is three numbers, the products with the first two
 * of which are exact. */
TAP_WIDE_INLINE void tap_sincos_wide(double x, double *sine, double *cosine, uint64_t *quadrant) {
    double n = tap_nearest64(x * 0x1.45f306dc9c883p-1, quadrant);
    double r = x - n * 0x1.921fb5p+0;
    r = r - n * 0x1.110b46p-26;
    r = r - n * 0x1.1a62633145c07p-54;
    double z = r * r;
    double p = 1.0 / 6227020800;
    p = tap_fma64(p, z, -1.0 / 39916800);
    p = tap_fma64(p, z, 1.0 / 362880);
    p = tap_fma64(p, z, -1.0 / 5040);
    p = tap_fma64(p, z, 1.0 / 120);
    p = tap_fma64(p, z, -1.0 / 6);
    *sine = tap_fma64(p * z, r, r);
    double q = 1.0 / 479001600;
    q = tap_fma64(q, z, -1.0 / 3628800);
    q = tap_fma64(q, z, 1.0 / 40320);
    q = tap_fma64(q, z, -1.0 / 720);
    q = tap_fma64(q, z, 1.0 / 24);
    q = tap_fma64(q, z, -0.5);
    *cosine = tap_fma64(q, z, 1.0);
}

/* s or, of an odd quadrant, c; negative in the upper half of the four. */
TAP_WIDE_INLINE double tap_quadrant(double s, double c, uint64_t quadrant) {
    uint64_t odd = 0 - (quadrant & 1);
    uint64_t u = (tap_bits64(s) & ~odd) | (tap_bits64(c) & odd);
    return tap_from_bits64(u ^ (quadrant >> 1 << 63));
}

TAP_WIDE_INLINE float tap_sinf_wide(float x) {
    double s, c;
    uint64_t q;
    tap_sincos_wide((double)x, &s, &c, &q);
    return (float)tap_quadrant(s, c, q);
}

TAP_WIDE_INLINE float tap_cosf_wide(float x) {
    double s, c;
    uint64_t q;
    tap_sincos_wide((double)x, &s, &c, &q);
    return (float)tap_quadrant(s, c, q + 1);
}

TAP_WIDE_INLINE float tap_tanf_wide(float x) {
    double s, c;
    uint64_t q;
    tap_sincos_wide((double)x, &s, &c, &q);
    return (float)(tap_quadrant(s, -c, q & 1) / tap_quadrant(c, s, q & 1));
}

/* ---- Two operands ---------------------------------------------------------------------------------- */

/* 2, 3 and 1/2 are rounded as products and roots are. */
TAP_WIDE_INLINE float tap_powf(float x, float y) {
    uint64_t low;
    double a = (double)x, b = (double)y, size = fabs(a);
    double r = tap_exp_wide(tap_select64(size == 1.0, 0.0, b * tap_log_wide(size)));
    /* Whole numbers beyond 2^24 are even. */
    double small = tap_select64(fabs(b) < 0x1p25, b, 0.0);
    int odd = tap_nearest64(0.5 * small, &low) != 0.5 * small;
    int broken = tap_nearest64(small, &low) != small;
    r = tap_select64((int)(tap_signed64(1.0, a) < 0.0) & odd & !broken, -r, r);
    r = tap_select64((int)(a < 0.0) & broken & (int)(size < (double)INFINITY), (double)NAN, r);
    r = tap_select64((int)(a != a) | (int)(b != b), a + b, r);
    r = tap_select64((int)(b == 0.0) | (int)(a == 1.0), 1.0, r);
    r = tap_select64(b == 2.0, a * a, tap_select64(b == 3.0, a * a * a, r));
    return (float)tap_select64((int)(b == 0.5) & (int)(size < (double)INFINITY), sqrt(a + 0.0), r);
}

/* The rest of x / y, cut towards zero: y's size times a whole number is exact. */
TAP_WIDE_INLINE float tap_fmodf(float x, float y) {
    double a = fabs((double)x), b = fabs((double)y), q = a / b;
    uint64_t low;
    double n = tap_nearest64(tap_select64(q < TAP_FMOD_LIMIT, q, 0.0), &low);
    double r = a - n * b; /* |r| <= b / 2, or a little more */
    r = tap_select64(r < 0.0, r + b, r);
    r = tap_select64(q < 0.5, a, r); /* b may be infinite */
    return (float)tap_signed64(r, (double)x);
}

#endif
