/* float64 sin, cos, tan, asin, acos, atan, sinh, cosh: expressions as those of math_trig.h. Without an
 * instruction for multiply-add the C library's take their place.
 *
 * Error in units in the last place: sin, cos 0.9; tan 2.1; asin, acos, atan 1.2; sinh 2.5; cosh 1.7. Sin, cos
 * and tan are for |x| < TAP_NEAR_ANGLE64. Special values are as C's Annex F has them. */
#ifndef TAP_OPS_COMMON_MATH64_TRIG_H
#define TAP_OPS_COMMON_MATH64_TRIG_H

#include "common/math64.h"

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define TAP_NEAR_ANGLE64 0x1p30

/* tap_reduce_angle, with as many more digits of pi / 2. */
TAP_INLINE64 double tap_reduce_angle64(double x, double *low, uint64_t *quadrant) {
    double t = tap_fma64(x, 0x1.45f306dc9c883p-1, 0x1.8p+52);
    *quadrant = tap_bits64(t);
    double n = t - 0x1.8p+52, first = tap_fma64(n, -0x1.921fb54442d18p+0, x);
    double h = n * 0x1.1a62633145c07p-54, lost = tap_fma64(n, 0x1.1a62633145c07p-54, -h);
    double r = first - h, error = (first - r) - h;
    *low = tap_fma64(n, 0x1.f1976b7ed8fbcp-110, error - lost);
    return r;
}

TAP_INLINE64 double tap_of_quadrant64(double even, double odd, uint64_t quadrant) {
    double y = tap_select64((int)(quadrant & 1), odd, even);
    return tap_from_bits64(tap_bits64(y) ^ (quadrant >> 1 << 63));
}

TAP_INLINE64 double tap_sine_reduced64(double r, double z, double low) {
    double p = 0x1.5e0af186af739p-33;
    p = tap_fma64(p, z, -0x1.ae600a926c89ap-26);
    p = tap_fma64(p, z, 0x1.71de37961e4c6p-19);
    p = tap_fma64(p, z, -0x1.a01a019e8357dp-13);
    p = tap_fma64(p, z, 0x1.1111111110bb1p-7);
    p = tap_fma64(p, z, -0x1.5555555555555p-3);
    return r + tap_fma64(p * z, r, low);
}

/* 1 - z / 2 as a sum of two numbers, and the rest. */
TAP_INLINE64 double tap_cosine_reduced64(double r, double z, double low) {
    double p = -0x1.907d7aebd5e3dp-37;
    p = tap_fma64(p, z, 0x1.1eeb68b109173p-29);
    p = tap_fma64(p, z, -0x1.27e4fa17a41b4p-22);
    p = tap_fma64(p, z, 0x1.a01a019f4e867p-16);
    p = tap_fma64(p, z, -0x1.6c16c16c16966p-10);
    p = tap_fma64(p, z, 0x1.5555555555555p-5);
    double half = 0.5 * z, most = 1.0 - half;
    return most + (tap_fma64(p, z * z, -r * low) + ((1.0 - most) - half));
}

TAP_INLINE64 double tap_sin64(double x) {
    double low;
    uint64_t q;
    double r = tap_reduce_angle64(x, &low, &q), z = r * r;
    double y = tap_of_quadrant64(tap_sine_reduced64(r, z, low), tap_cosine_reduced64(r, z, low), q);
    return tap_select64(x == 0, x, y);
}

TAP_INLINE64 double tap_cos64(double x) {
    double low;
    uint64_t q;
    double r = tap_reduce_angle64(x, &low, &q), z = r * r;
    return tap_of_quadrant64(tap_sine_reduced64(r, z, low), tap_cosine_reduced64(r, z, low), q + 1);
}

TAP_INLINE64 double tap_tan64(double x) {
    double low;
    uint64_t q;
    double r = tap_reduce_angle64(x, &low, &q), z = r * r;
    double s = tap_sine_reduced64(r, z, low), c = tap_cosine_reduced64(r, z, low);
    int odd = (int)(q & 1);
    return tap_select64(x == 0, x, tap_select64(odd, -c, s) / tap_select64(odd, s, c));
}

/* atan a = atan b + atan((a - b) / (1 + a b)), for b of 0, 1/2, 1, 3/2 and infinity. */
TAP_INLINE64 double tap_atan64(double x) {
    double a = fabs(x), over = a, under = 1.0, base = 0.0, low = 0.0;
#define TAP_ATAN_FROM(LEAST, OVER, UNDER, BASE, LOW) \
    {                                                \
        const int from = a > (LEAST);                \
        over = tap_select64(from, OVER, over);       \
        under = tap_select64(from, UNDER, under);    \
        base = tap_select64(from, BASE, base);       \
        low = tap_select64(from, LOW, low);          \
    }
    TAP_ATAN_FROM(0.4375, 2.0 * a - 1.0, 2.0 + a, 0x1.dac670561bb4fp-2, 0x1.a2b7f222f65e2p-56)
    TAP_ATAN_FROM(0.6875, a - 1.0, 1.0 + a, 0x1.921fb54442d18p-1, 0x1.1a62633145c07p-55)
    TAP_ATAN_FROM(1.1875, a - 1.5, tap_fma64(1.5, a, 1.0), 0x1.f730bd281f69bp-1, 0x1.007887af0cbbdp-56)
    TAP_ATAN_FROM(2.4375, -1.0, a, 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54)
#undef TAP_ATAN_FROM
    double t = over / under, z = t * t;
    double p = -0x1.99ef465843f9bp-7;
    p = tap_fma64(p, z, 0x1.ddd7373373f00p-6);
    p = tap_fma64(p, z, -0x1.4abbfdd2be694p-5);
    p = tap_fma64(p, z, 0x1.812bcfc86b90cp-5);
    p = tap_fma64(p, z, -0x1.ae7fd9a52a075p-5);
    p = tap_fma64(p, z, 0x1.e1d233ed77442p-5);
    p = tap_fma64(p, z, -0x1.1110904178f8fp-4);
    p = tap_fma64(p, z, 0x1.3b13aba9355c0p-4);
    p = tap_fma64(p, z, -0x1.745d171e17004p-4);
    p = tap_fma64(p, z, 0x1.c71c71c6734d0p-4);
    p = tap_fma64(p, z, -0x1.24924924918dap-3);
    p = tap_fma64(p, z, 0x1.999999999998fp-3);
    p = tap_fma64(p, z, -0x1.5555555555555p-2);
    return copysign(base + (t + tap_fma64(p * z, t, low)), x);
}

/* (asin s - s) / s^3 for s <= 1 / 2; z is s^2. */
TAP_INLINE64 double tap_arcsine_reduced64(double z) {
    double p = 0x1.d78189767524ep-6;
    p = tap_fma64(p, z, -0x1.e7a24f548c99fp-7);
    p = tap_fma64(p, z, 0x1.1d661531b222ep-6);
    p = tap_fma64(p, z, 0x1.653a8f8cfd43cp-8);
    p = tap_fma64(p, z, 0x1.524ea8b3aad31p-7);
    p = tap_fma64(p, z, 0x1.78246f32d075cp-7);
    p = tap_fma64(p, z, 0x1.c9cf3759fd8ffp-7);
    p = tap_fma64(p, z, 0x1.1c4d343fa57f6p-6);
    p = tap_fma64(p, z, 0x1.6e8bb1d89492bp-6);
    p = tap_fma64(p, z, 0x1.f1c71c1d4aa0dp-6);
    p = tap_fma64(p, z, 0x1.6db6db6e3292ep-5);
    p = tap_fma64(p, z, 0x1.3333333332ec4p-4);
    p = tap_fma64(p, z, 0x1.5555555555556p-3);
    return p;
}

/* Above 1/2: pi / 2 - 2 asin of half the angle that is left. */
TAP_INLINE64 double tap_asin64(double x) {
    double a = fabs(x);
    int large = a > 0.5;
    double z = tap_select64(large, tap_fma64(a, -0.5, 0.5), a * a), s = tap_select64(large, sqrt(z), a);
    double p = tap_arcsine_reduced64(z) * z, y = tap_fma64(p, s, s);
    double turned = 0x1.921fb54442d18p+0 - (2.0 * s + tap_fma64(2.0 * p, s, -0x1.1a62633145c07p-54));
    return copysign(tap_select64(large, turned, y), x);
}

TAP_INLINE64 double tap_acos64(double x) {
    double a = fabs(x);
    int large = a > 0.5;
    double z = tap_select64(large, tap_fma64(a, -0.5, 0.5), a * a), s = tap_select64(large, sqrt(z), a);
    double p = tap_arcsine_reduced64(z) * z, twice = 2.0 * tap_fma64(p, s, s), signed_s = copysign(s, x);
    double middle = 0x1.921fb54442d18p+0 - (signed_s + tap_fma64(p, signed_s, -0x1.1a62633145c07p-54));
    double left = 0x1.921fb54442d18p+1 - (twice - 0x1.1a62633145c07p-53);
    return tap_select64(large, tap_select64(x < 0, left, twice), middle);
}

/* e^a / 4 for a >= 0. */
TAP_INLINE64 double tap_quarter_exp64(double a) {
    uint64_t n;
    double q = tap_expm1_reduced64(tap_select64(a > 710.7, 710.7, a), &n), s = tap_pow2_64(n - 2u);
    return tap_fma64(s, q, s);
}

TAP_INLINE64 double tap_sinh64(double x) {
    double a = fabs(x), e = tap_expm1_64(tap_select64(a > 40.0, 40.0, a));
    double y = tap_select64(a > 40.0, 2.0 * tap_quarter_exp64(a), 0.5 * (e + e / (e + 1.0)));
    return copysign(y, x);
}

TAP_INLINE64 double tap_cosh64(double x) {
    double v = tap_quarter_exp64(fabs(x));
    return tap_fma64(2.0, v, 0.125 / v);
}
#else
#define TAP_NEAR_ANGLE64 INFINITY
#define tap_sin64        sin
#define tap_cos64        cos
#define tap_tan64        tan
#define tap_atan64       atan
#define tap_asin64       asin
#define tap_acos64       acos
#define tap_sinh64       sinh
#define tap_cosh64       cosh
#endif

#endif
