/* float32 functions that are computed in float64 and rounded once: fmod, and sin, cos, tan of large angles.
 * Expressions without branches and calls, as those of math.h, so that a loop over them vectorises and
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
