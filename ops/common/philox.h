/* Random numbers that are the same on every machine: Philox4x32-10, a generator that turns a counter into
 * random bits (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011). Number i of a seed is
 * a function of the seed and i, so that work can be split anywhere. No function of the C library is used
 * whose last bit differs between systems. */
#ifndef TAP_OPS_COMMON_PHILOX_H
#define TAP_OPS_COMMON_PHILOX_H

#include <math.h>

#include "common/ops.h"

/* 128 random bits for a 64-bit key and a 128-bit counter. */
static inline void tap_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
    uint32_t k0 = key[0], k1 = key[1], a = counter[0], b = counter[1], c = counter[2], d = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p = UINT64_C(0xD2511F53) * a, q = UINT64_C(0xCD9E8D57) * c;
        a = (uint32_t)(q >> 32) ^ b ^ k0;
        b = (uint32_t)q;
        c = (uint32_t)(p >> 32) ^ d ^ k1;
        d = (uint32_t)p;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

/* x[k] = number begin + k of this seed, 0 <= k < n: even over [0, 1), multiples of 2^-53. */
static inline void tap_random_uniform(uint64_t seed, int64_t begin, int64_t n, double *x) {
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, out[4] = {0};
    for (int64_t i = begin; i < begin + n; i++) {
        uint64_t block = (uint64_t)i / 2;
        uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0};
        if (i == begin || i % 2 == 0) tap_philox(key, counter, out);
        const uint32_t *w = out + 2 * (i % 2);
        x[i - begin] = (double)(((uint64_t)w[1] << 32 | w[0]) >> 11) * 0x1p-53;
    }
}

/* ---- log, exp, sine and cosine in plain float64 arithmetic, good to about 1e-15 ------------------------ */

static inline double tap_plain_log(double x) {
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752440) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1), z = s * s, sum = 0;
    for (int k = 21; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
    return e * 0.69314718055994530942 + 2 * s * sum;
}

static inline double tap_plain_exp(double x) {
    if (x < -745) return 0;
    double k = floor(x * 1.44269504088896340736 + 0.5);
    double r = x - k * 0.693147180369123816490 - k * 1.90821492927058770002e-10, sum = 1;
    for (int i = 14; i >= 1; i--) sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

/* sine and cosine of 2 pi x, 0 <= x < 1 */
static inline void tap_plain_circle(double x, double *sine, double *cosine) {
    int quarter = (int)(x * 4 + 0.5);
    double a = (x - quarter * 0.25) * 6.28318530717958647693, z = -a * a, s = 1, c = 1;
    for (int k = 18; k >= 2; k -= 2) {
        s = 1 + s * z / (k * (k + 1));
        c = 1 + c * z / (k * (k - 1));
    }
    s *= a;
    quarter &= 3;
    *sine = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
    *cosine = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
}

/* x[k] = number begin + k of this seed: normal, mean 0, variance 1 (Box and Muller). begin is even. */
static inline void tap_random_normal(uint64_t seed, int64_t begin, int64_t n, double *x) {
    for (int64_t i = 0; i < n; i += 2) {
        double u[2], sine, cosine;
        tap_random_uniform(seed, begin + i, 2, u);
        double radius = sqrt(-2 * tap_plain_log(1 - u[0]));
        tap_plain_circle(u[1], &sine, &cosine);
        x[i] = radius * cosine;
        if (i + 1 < n) x[i + 1] = radius * sine;
    }
}

/* What `ops` tells of the operators that draw from it. */
#define TAP_RANDOM_NOTES                                                                                  \
    .notes = "Philox4x32-10, the same on every machine: element i takes number i of a seed made of the "  \
             "session's seed (--seed), the attribute seed, the node, how many runs the session has had, " \
             "and the iterations of the loops around the node."

/* The seed of this run of a node; `attribute`: its seed attribute, NULL: it has none. */
static inline uint64_t tap_seed_of(tap_ctx *ctx, const float *attribute) {
    uint64_t seed = tap_random_seed(ctx);
    uint32_t bits;
    if (!attribute) return seed;
    __builtin_memcpy(&bits, attribute, sizeof bits);
    return (seed ^ bits) * UINT64_C(0x9E3779B97F4A7C15);
}

#endif
