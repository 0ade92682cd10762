/* Random numbers that are the same on every machine: Philox4x32-10, a generator that turns a counter into
 * random bits (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011). Number i of a seed is
 * a function of the seed and i, so that work can be split anywhere. No function of the C library is used
 * whose last bit differs between systems. */
#ifndef TAP_OPS_COMMON_PHILOX_H
#define TAP_OPS_COMMON_PHILOX_H

#include <math.h>
#include <string.h>

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

#define TAP_PHILOX_BLOCKS 32

/* word[2 n]: the bits of the counters first .. first + n. Side by side, so that they become vector code. */
static inline void tap_philox_blocks(uint64_t seed, uint64_t first, int n, uint64_t *word) {
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t a[TAP_PHILOX_BLOCKS], b[TAP_PHILOX_BLOCKS], c[TAP_PHILOX_BLOCKS], d[TAP_PHILOX_BLOCKS];
    for (int i = 0; i < n; i++) {
        a[i] = (uint32_t)(first + (uint64_t)i);
        b[i] = (uint32_t)((first + (uint64_t)i) >> 32);
        c[i] = d[i] = 0;
    }
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < n; i++) {
            const uint64_t p = UINT64_C(0xD2511F53) * a[i], q = UINT64_C(0xCD9E8D57) * c[i];
            a[i] = (uint32_t)(q >> 32) ^ b[i] ^ k0;
            b[i] = (uint32_t)q;
            c[i] = (uint32_t)(p >> 32) ^ d[i] ^ k1;
            d[i] = (uint32_t)p;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < n; i++) {
        word[2 * i] = (uint64_t)b[i] << 32 | a[i];
        word[2 * i + 1] = (uint64_t)d[i] << 32 | c[i];
    }
}

/* x[k] = number begin + k of this seed, 0 <= k < n: even over [0, 1), multiples of 2^-53. */
static inline void tap_random_uniform(uint64_t seed, int64_t begin, int64_t n, double *x) {
    uint64_t word[2 * TAP_PHILOX_BLOCKS];
    for (int64_t done = 0, skip = begin % 2; done < n; skip = 0) {
        const int64_t left = (n - done + skip + 1) / 2, blocks = tap_min64(left, TAP_PHILOX_BLOCKS),
                      m = tap_min64(n - done, 2 * blocks - skip);
        if (blocks == TAP_PHILOX_BLOCKS)
            tap_philox_blocks(seed, (uint64_t)(begin + done) / 2, TAP_PHILOX_BLOCKS, word);
        else
            tap_philox_blocks(seed, (uint64_t)(begin + done) / 2, (int)blocks, word);
        for (int64_t k = 0; k < m; k++) x[done + k] = (double)(int64_t)(word[skip + k] >> 11) * 0x1p-53;
        done += m;
    }
}

/* ---- log, exp, sine and cosine in plain float64 arithmetic, good to about 1e-15 ------------------------ */

/* Of a normal number above 0. */
static inline double tap_plain_log(double x) {
    uint64_t bits;
    double m;
    memcpy(&bits, &x, sizeof bits);
    uint64_t half = (bits & UINT64_C(0x000FFFFFFFFFFFFF)) | UINT64_C(0x3FE0000000000000); /* from 0.5 to 1 */
    const bool low = half < UINT64_C(0x3FE6A09E667F3BCD);                                 /* 2^-0.5 */
    int e = (int)(bits >> 52) - 1022 - (int)low;
    half += (uint64_t)low << 52;
    memcpy(&m, &half, sizeof m);
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
    double u[2 * TAP_PHILOX_BLOCKS];
    for (int64_t done = 0; done < n; done += 2 * TAP_PHILOX_BLOCKS) {
        tap_random_uniform(seed, begin + done, 2 * TAP_PHILOX_BLOCKS, u);
        for (int i = 0; i < TAP_PHILOX_BLOCKS; i++) {
            double sine, cosine, radius = sqrt(-2 * tap_plain_log(1 - u[2 * i]));
            tap_plain_circle(u[2 * i + 1], &sine, &cosine);
            u[2 * i] = radius * cosine;
            u[2 * i + 1] = radius * sine;
        }
        memcpy(x + done, u, (size_t)tap_min64(n - done, 2 * TAP_PHILOX_BLOCKS) * sizeof *x);
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
