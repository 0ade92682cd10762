/* The special functions of special.h. */
#include "tensorflow/special.h"

#include <math.h>
#include <stdbool.h>

#define EULER 0.57721566490153286061
#define PI    3.14159265358979323846

static double log_gamma(double x) {
    int sign; /* lgamma would keep it in a global */
    return lgamma_r(x, &sign);
}

/* ---- gamma and its relatives ----------------------------------------------------------------------- */

/* Recurrence up to 10, then the asymptotic series. */
static double digamma_positive(double x) {
    static const double b[] = {1.0 / 12,  -1.0 / 120,     1.0 / 252, -1.0 / 240,
                               1.0 / 132, -691.0 / 32760, 1.0 / 12};
    double down = 0, z, sum = 0;
    for (; x < 10; x++) down += 1 / x;
    z = 1 / (x * x);
    for (int k = 6; k >= 0; k--) sum = (sum + b[k]) * z;
    return log(x) - 0.5 / x - sum - down;
}

double tap_digamma(double x) {
    if (x > 0 || isnan(x)) return digamma_positive(x);
    if (x == floor(x)) return (double)NAN;
    return digamma_positive(1 - x) - PI / tan(PI * (x - floor(x)));
}

double tap_hurwitz_zeta(double x, double q) {
    /* (2k)! / B_2k */
    static const double a[] = {12.0,
                               -720.0,
                               30240.0,
                               -1209600.0,
                               47900160.0,
                               -1.8924375803183791606e9,
                               7.47242496e10,
                               -2.950130727918164224e12,
                               1.1646782814350067249e14,
                               -4.5979787224074726105e15,
                               1.8152105401943546773e17,
                               -7.1661652561756670113e18};
    if (x == 1) return (double)INFINITY;
    if (!(x > 1)) return (double)NAN;
    if (q <= 0) {
        if (q == floor(q)) return fmod(x, 2) == 0 ? (double)INFINITY : (double)NAN;
        if (x != floor(x)) return (double)NAN;
    }
    double sum = pow(q, -x), w = q, term = 0;
    for (int i = 0; i < 9 || w <= 9; i++) {
        term = pow(++w, -x);
        sum += term;
        if (fabs(term / sum) < 1e-17) return sum;
    }
    /* Euler and Maclaurin */
    sum += term * w / (x - 1) - 0.5 * term;
    double factor = 1, k = 0;
    for (int i = 0; i < 12; i++, k += 2) {
        factor *= x + k;
        term /= w;
        const double t = factor * term / a[i];
        sum += t;
        if (fabs(t / sum) < 1e-17) break;
        factor *= x + k + 1;
        term /= w;
    }
    return sum;
}

double tap_polygamma(double n, double x) {
    if (n == 0) return tap_digamma(x);
    if (!(n > 0) || n != floor(n)) return (double)NAN;
    return (fmod(n, 2) == 0 ? -1 : 1) * exp(log_gamma(n + 1)) * tap_hurwitz_zeta(n + 1, x);
}

/* x^a exp(-x) / gamma(a) */
static double gamma_front(double a, double x) {
    const double log_front = a * log(x) - x - log_gamma(a);
    return log_front < -745 ? 0 : exp(log_front);
}

static double gamma_series(double a, double x) {
    double term = 1 / a, sum = term;
    for (double r = a + 1; term > sum * 1e-17; r++) {
        term *= x / r;
        sum += term;
    }
    return sum * gamma_front(a, x);
}

/* Lentz's way through the continued fraction. */
static double gamma_fraction(double a, double x) {
    double b = x + 1 - a, c = 1e300, d = 1 / b, h = d;
    for (int i = 1; i < 100000; i++) {
        const double an = -i * (i - a);
        b += 2;
        d = an * d + b;
        c = b + an / c;
        if (fabs(d) < 1e-300) d = 1e-300;
        if (fabs(c) < 1e-300) c = 1e-300;
        d = 1 / d;
        h *= d * c;
        if (fabs(d * c - 1) < 1e-16) break;
    }
    return h * gamma_front(a, x);
}

double tap_gamma_p(double a, double x) {
    if (!(x >= 0) || !(a > 0)) return (double)NAN;
    if (x == 0) return 0;
    if (isinf(a)) return isinf(x) ? (double)NAN : 0;
    if (isinf(x)) return 1;
    return x > 1 && x > a ? 1 - gamma_fraction(a, x) : gamma_series(a, x);
}

double tap_gamma_q(double a, double x) {
    if (!(x >= 0) || !(a > 0)) return (double)NAN;
    if (x == 0) return 1;
    if (isinf(a)) return isinf(x) ? (double)NAN : 1;
    if (isinf(x)) return 0;
    return x > 1 && x > a ? gamma_fraction(a, x) : 1 - gamma_series(a, x);
}

static double beta_fraction(double a, double b, double x) {
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    if (fabs(d) < 1e-300) d = 1e-300;
    d = 1 / d;
    double h = d;
    for (int m = 1; m < 100000; m++) {
        double by = 1;
        for (int odd = 0; odd < 2; odd++) {
            const double n = odd ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                                 : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            d = 1 + n * d;
            c = 1 + n / c;
            if (fabs(d) < 1e-300) d = 1e-300;
            if (fabs(c) < 1e-300) c = 1e-300;
            d = 1 / d;
            by = d * c;
            h *= by;
        }
        if (fabs(by - 1) < 1e-16) break;
    }
    return h;
}

double tap_beta_inc(double a, double b, double x) {
    if (!(a > 0) || !(b > 0) || !(x >= 0) || !(x <= 1)) return (double)NAN;
    if (x == 0 || x == 1) return x;
    const double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* ---- the normal distribution ----------------------------------------------------------------------- */

/* 0 < p <= 0.5: a rough start (Abramowitz and Stegun 26.2.23), then Halley's steps. */
static double lower_quantile(double p) {
    const double t = sqrt(-2 * log(p));
    double x = -(t - (2.515517 + 0.802853 * t + 0.010328 * t * t) /
                         (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t));
    for (int i = 0; i < 3; i++) {
        const double off = (0.5 * erfc(-x * 0.70710678118654752440) / p - 1) * p;
        const double u = off * 2.50662827463100050242 * exp(0.5 * x * x);
        x -= u / (1 + 0.5 * x * u);
    }
    return x;
}

double tap_normal_quantile(double p) {
    if (!(p >= 0 && p <= 1)) return (double)NAN;
    if (p == 0) return -(double)INFINITY;
    if (p == 1) return (double)INFINITY;
    return p <= 0.5 ? lower_quantile(p) : -lower_quantile(1 - p);
}

double tap_erf_inverse(double y) {
    const double a = fabs(y);
    if (!(a <= 1)) return (double)NAN;
    if (a > 0.5) return copysign(tap_normal_quantile((1 - a) / 2) * -0.70710678118654752440, y);
    double x = 0.88622692545275801365 * y * (1 + 0.26179938779914943654 * y * y);
    for (int i = 0; i < 4; i++) {
        const double u = (erf(x) - y) * 0.88622692545275801365 * exp(x * x);
        x -= u / (1 + x * u);
    }
    return x;
}

double tap_dawson(double x) {
    if (fabs(x) > 60) return 0.5 / x * (1 + 0.5 / (x * x) * (1 + 1.5 / (x * x)));
    if (fabs(x) < 0.3) {
        double term = x, sum = x;
        for (int k = 1; k < 30; k++) {
            term *= -2 * x * x / (2 * k + 1);
            sum += term;
        }
        return sum;
    }
    /* Rybicki's sampling theorem; the error falls as exp(-(pi / (2 h))^2) */
    const double h = 0.2, near = 2 * floor(0.5 * fabs(x) / h + 0.5), off = fabs(x) - near * h;
    double sum = 0;
    for (int i = 1; i < 71; i += 2) {
        const double up = off - i * h, down = off + i * h;
        sum += exp(-up * up) / (near + i) + exp(-down * down) / (near - i);
    }
    return copysign(0.56418958354775628695 * sum, x);
}

/* ---- Bessel functions ------------------------------------------------------------------------------ */

/* sum of (x^2 / 4)^k / (k! (k + v)!) */
static double i_series(double x, int v) {
    double term = 1, sum = 1;
    for (int k = 1; term > sum * 1e-17; k++) {
        term *= x * x / 4 / (k * (double)(k + v));
        sum += term;
    }
    return sum;
}

/* Hankel's expansion of exp(-x) I_v(x), x > 20 */
static double i_far(double x, int v) {
    double term = 1, sum = 1;
    for (int k = 1; k < 40; k++) {
        const double next = -term * (4.0 * v * v - (2 * k - 1) * (2.0 * k - 1)) / (k * 8 * x);
        if (fabs(next) >= fabs(term)) break;
        sum += term = next;
    }
    return sum / sqrt(2 * PI * x);
}

double tap_bessel_i0e(double x) {
    const double a = fabs(x);
    return a > 20 ? i_far(a, 0) : i_series(a, 0) * exp(-a);
}

double tap_bessel_i1e(double x) {
    const double a = fabs(x);
    return copysign(a > 20 ? i_far(a, 1) : a / 2 * i_series(a, 1) * exp(-a), x);
}

/* exp(x) K_v(x) = integral of exp(-x (cosh t - 1)) cosh(v t) from 0; the trapezoidal rule converges at once.
 */
static double k_integral(double x, int v) {
    const double h = 1.0 / 16;
    double sum = 0.5;
    for (int k = 1; k < 400; k++) {
        const double c = cosh(k * h), term = exp(-x * (c - 1)) * (v ? c : 1);
        sum += term;
        if (term < 1e-18 * sum) break;
    }
    return sum * h;
}

double tap_bessel_k0e(double x) {
    if (!(x > 0)) return x == 0 ? (double)INFINITY : (double)NAN;
    if (x > 2) return k_integral(x, 0);
    double term = 1, harmonic = 0, sum = 0;
    for (int k = 1; k < 30; k++) {
        term *= x * x / 4 / (k * (double)k);
        harmonic += 1.0 / k;
        sum += term * harmonic;
    }
    return (sum - (log(x / 2) + EULER) * i_series(x, 0)) * exp(x);
}

double tap_bessel_k1e(double x) {
    if (!(x > 0)) return x == 0 ? (double)INFINITY : (double)NAN;
    if (x > 2) return k_integral(x, 1);
    double term = 1, psi = 1 - 2 * EULER, sum = psi;
    for (int k = 1; k < 30; k++) {
        term *= x * x / 4 / (k * (double)(k + 1));
        psi += 1.0 / k + 1.0 / (k + 1);
        sum += term * psi;
    }
    return (1 / x + log(x / 2) * x / 2 * i_series(x, 1) - x / 4 * sum) * exp(x);
}

/* ---- integrals ------------------------------------------------------------------------------------- */

double tap_expint(double x) {
    if (x == 0) return -(double)INFINITY;
    if (isnan(x) || x == (double)INFINITY) return x;
    if (x > 40) {
        double term = 1, sum = 1;
        for (int k = 1; k < 200; k++) {
            const double next = term * k / x;
            if (next >= term) break;
            sum += term = next;
        }
        return exp(x) / x * sum;
    }
    if (x < -2) { /* -E1(-x) by its continued fraction */
        const double z = -x;
        double f = 0;
        for (int k = 300; k >= 1; k--) f = k / (1 + k / (z + f));
        return -exp(-z) / (z + f);
    }
    double term = 1, sum = 0;
    for (int k = 1; k < 300; k++) {
        term *= x / k;
        sum += term / k;
        if (fabs(term) < 1e-18 * fabs(sum)) break;
    }
    return EULER + log(fabs(x)) + sum;
}

/* sum of z^k / k^2, |z| <= 1/2 */
static double dilog_series(double z) {
    double power = 1, sum = 0;
    for (int k = 1; k < 60; k++) {
        power *= z;
        sum += power / ((double)k * k);
    }
    return sum;
}

double tap_dilog(double x) {
    if (!(x >= 0)) return (double)NAN;
    if (x == 0) return PI * PI / 6;
    if (x > 2) return -0.5 * log(x) * log(x) - tap_dilog(1 / x);
    if (x > 1.5) { /* 1 - x in (-1, -1/2): Landen */
        const double l = log(x);
        return -0.5 * l * l - dilog_series((x - 1) / x);
    }
    if (x < 0.5) return PI * PI / 6 - log(x) * log1p(-x) - dilog_series(x);
    return dilog_series(1 - x);
}

/* The power series up to 3; beyond, integration by parts leads to a series that falls until the result is
 * good. */
static void fresnel(double x, double *s, double *c) {
    const double a = fabs(x), z = PI * a * a / 2;
    if (a < 3.2) {
        double term = a, cs = a, ss = 0; /* z^k a / k! */
        for (int k = 1; k < 120; k++) {
            term *= z / k;
            const double t = term / (2 * k + 1);
            if (k % 2)
                ss += k % 4 == 1 ? t : -t;
            else
                cs += k % 4 == 0 ? t : -t;
        }
        *s = ss, *c = cs;
    } else {
        double f = 1, g = 1 / (2 * z), t = 1,
               u = g; /* f: sum (4m-1)!! / (2z)^2m, g: sum (4m+1)!! / (2z)^(2m+1) */
        for (int m = 1; m < 12; m++) {
            const double next = -t * (4 * m - 1) * (4 * m - 3) / (4 * z * z);
            const double after = -u * (4 * m + 1) * (4 * m - 1) / (4 * z * z);
            if (fabs(next) > fabs(t)) break;
            f += t = next;
            g += u = after;
        }
        /* a^2 beyond 2^26 has no fraction left in z */
        const double turn = fmod(a * a, 4) * PI / 2, front = 1 / (PI * a);
        *c = 0.5 + front * (f * sin(turn) - g * cos(turn));
        *s = 0.5 - front * (f * cos(turn) + g * sin(turn));
        if (isinf(a)) *c = *s = 0.5;
    }
    if (x < 0) *s = -*s, *c = -*c;
}

double tap_fresnel_sin(double x) {
    double s, c;
    fresnel(x, &s, &c);
    return s;
}

double tap_fresnel_cos(double x) {
    double s, c;
    fresnel(x, &s, &c);
    return c;
}
