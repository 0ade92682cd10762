/* Special functions of real numbers, in float64, good to about 1e-13. Where they are not defined they give
 * NaN. After Abramowitz and Stegun, "Handbook of Mathematical Functions", and NIST's DLMF. */
#ifndef TAP_OPS_TENSORFLOW_SPECIAL_H
#define TAP_OPS_TENSORFLOW_SPECIAL_H

double tap_digamma(double x);
double tap_hurwitz_zeta(double x, double q);       /* sum over k >= 0 of (k + q)^-x               */
double tap_polygamma(double n, double x);          /* n-th derivative of digamma, n whole         */
double tap_gamma_p(double a, double x);            /* regularised lower incomplete gamma function */
double tap_gamma_q(double a, double x);            /* 1 - tap_gamma_p                             */
double tap_beta_inc(double a, double b, double x); /* regularised incomplete beta function   */
double tap_erf_inverse(double y);
double tap_normal_quantile(double p); /* x for which a normal variable is below with probability p */
double tap_bessel_i0e(double x), tap_bessel_i1e(double x); /* times exp(-|x|) */
double tap_bessel_k0e(double x), tap_bessel_k1e(double x); /* times exp(x)    */
double tap_dawson(double x); /* exp(-x^2) times the integral of exp(t^2) from 0 to x */
double tap_expint(double x); /* Ei                                                   */
double tap_dilog(double x);  /* Spence: minus the integral of log t / (t - 1) from 1 to x */
double tap_fresnel_sin(double x), tap_fresnel_cos(double x);

#endif
