/* float64 erf and the normal distribution: expressions as those of math.h. Without an instruction for
 * multiply-add the C library's erf and erfc take their place.
 *
 * Error in units in the last place: erf 1.5, the distribution 7. */
#ifndef TAP_OPS_COMMON_MATH64_ERF_H
#define TAP_OPS_COMMON_MATH64_ERF_H

#include "common/math64.h"

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
/* erfc(a) e^(a^2) for a from 0 to 28: Q(t) / (a + 3), t = (a - 3) / (a + 3). */
TAP_INLINE64 double tap_erfc_scaled64(double a) {
    double r = 1.0 / (a + 3.0), t = tap_fma64(-6.0, r, 1.0);
    double q = 0x1.b154674e5c899p-33;
    q = tap_fma64(q, t, -0x1.2e110b2b98fc9p-30);
    q = tap_fma64(q, t, -0x1.caeb51e0af553p-28);
    q = tap_fma64(q, t, 0x1.9c094fe47840ap-31);
    q = tap_fma64(q, t, 0x1.a065a4fb761a8p-25);
    q = tap_fma64(q, t, 0x1.6dd322fb1ce4fp-25);
    q = tap_fma64(q, t, -0x1.f23c958d4b4bdp-23);
    q = tap_fma64(q, t, -0x1.b24e7ba3c2c33p-22);
    q = tap_fma64(q, t, 0x1.0bf62ac15f42cp-20);
    q = tap_fma64(q, t, 0x1.72e2af09cf5abp-19);
    q = tap_fma64(q, t, -0x1.3eb3f8c766705p-18);
    q = tap_fma64(q, t, -0x1.25182f3355697p-16);
    q = tap_fma64(q, t, 0x1.fdfefb14ef247p-16);
    q = tap_fma64(q, t, 0x1.c32512801dd4dp-14);
    q = tap_fma64(q, t, -0x1.2238fc7fe72f9p-12);
    q = tap_fma64(q, t, -0x1.1f78e0a98e3ebp-11);
    q = tap_fma64(q, t, 0x1.8dae3a2282d7fp-9);
    q = tap_fma64(q, t, -0x1.3dd3e716ac889p-10);
    q = tap_fma64(q, t, -0x1.b78993d6a9b92p-6);
    q = tap_fma64(q, t, 0x1.e995f11b181ebp-4);
    q = tap_fma64(q, t, -0x1.3deb21415dcf2p-2);
    q = tap_fma64(q, t, 0x1.2e326945de2adp-1);
    q = tap_fma64(q, t, -0x1.c44c471baa376p-1);
    q = tap_fma64(q, t, 0x1.12f21ddd9f5e2p+0);
    return q * r;
}

/* e^-(x y), with all digits of the product. */
TAP_INLINE64 double tap_exp_product64(double x, double y) {
    double h = x * y, e = tap_exp64(-h);
    return tap_fma64(-e, tap_fma64(x, y, -h), e);
}

TAP_INLINE64 double tap_erf64(double x) {
    double a = fabs(x), z = x * x, b = tap_select64(a > 6.5, 6.5, a);
    double p = -0x1.ac9585a44fe29p-31;
    p = tap_fma64(p, z, 0x1.d76af6ca49787p-27);
    p = tap_fma64(p, z, -0x1.5c131500d3f88p-23);
    p = tap_fma64(p, z, 0x1.b981d78881a5dp-20);
    p = tap_fma64(p, z, -0x1.f4ca838adb73bp-17);
    p = tap_fma64(p, z, 0x1.f9a2be4f731a1p-14);
    p = tap_fma64(p, z, -0x1.c02db0665e53dp-11);
    p = tap_fma64(p, z, 0x1.565bccfa44156p-8);
    p = tap_fma64(p, z, -0x1.b82ce31203772p-6);
    p = tap_fma64(p, z, 0x1.ce2f21a040f66p-4);
    p = tap_fma64(p, z, -0x1.812746b0379c1p-2);
    p = tap_fma64(p, z, 0x1.20dd750429b6dp+0);
    double large = 1.0 - tap_exp_product64(b, b) * tap_erfc_scaled64(b);
    return tap_select64(a < 1.0, p * x, copysign(large, x));
}

/* The probability that a standard normal variable is at most x, with all digits for negative x, too. */
TAP_INLINE64 double tap_normal_cdf64(double x) {
    double a = fabs(x), b = tap_select64(a > 39.0, 39.0, a); /* beyond, it is 0 */
    double tail = 0.5 * tap_exp_product64(0.5 * b, b) * tap_erfc_scaled64(0x1.6a09e667f3bcdp-1 * b);
    return tap_select64(x < 0.0, tail, 1.0 - tail);
}
#else
TAP_INLINE64 double tap_erf64(double x) {
    return erf(x);
}

TAP_INLINE64 double tap_normal_cdf64(double x) {
    return 0.5 * erfc(x * -0.70710678118654752440);
}
#endif

#endif
