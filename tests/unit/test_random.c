/* The generator against its published vectors, its parts against the C library, and its statistics. */
#include <math.h>

#include "common/philox.h"
#include "test.h"

/* Known answers of the authors' own distribution of the generator. */
static void published_vectors(void) {
    static const uint32_t v[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xd16cfe09, 0x94fdcceb,
         0x5001e420, 0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        tap_philox(v[i], v[i] + 2, out);
        for (int k = 0; k < 4; k++) CHECK_EQ(out[k], v[i][6 + k]);
    }
}

static void parts_agree_with_libm(void) {
    double worst_log = 0, worst_exp = 0, worst_circle = 0;
    for (int i = 1; i <= 100000; i++) {
        double x = i / 100000.0, s, c;
        tap_plain_circle(x == 1 ? 0 : x, &s, &c);
        worst_circle = fmax(worst_circle, fmax(fabs(s - sin(2 * M_PI * x)), fabs(c - cos(2 * M_PI * x))));
        worst_log = fmax(worst_log, fabs(tap_plain_log(x) - log(x)));
        worst_exp = fmax(worst_exp, fabs(tap_plain_exp(-40 * x) / exp(-40 * x) - 1));
    }
    CHECK(worst_log < 5e-15);
    CHECK(worst_exp < 5e-15);
    CHECK(worst_circle < 2e-15);
    CHECK(tap_plain_exp(0) == 1 && tap_plain_exp(-1e9) == 0);
}

/* Any piece of the sequence is the same as in one go. */
static void pieces_agree(void) {
    double all[1000], piece[7];
    tap_random_uniform(99, 0, 1000, all);
    for (int64_t begin = 0; begin + 7 <= 1000; begin++) {
        tap_random_uniform(99, begin, 7, piece);
        for (int k = 0; k < 7; k++) CHECK(piece[k] == all[begin + k]);
    }
    tap_random_normal(99, 0, 1000, all);
    for (int64_t begin = 0; begin + 7 <= 1000; begin += 2) {
        tap_random_normal(99, begin, 7, piece);
        for (int k = 0; k < 7; k++) CHECK(piece[k] == all[begin + k]);
    }
}

enum { MANY = 1 << 20 };
static double x[MANY];

static void moments(double *mean, double *variance, double *skew, double *kurtosis) {
    double m = 0, v = 0, s = 0, k = 0;
    for (int i = 0; i < MANY; i++) m += x[i] / MANY;
    for (int i = 0; i < MANY; i++) {
        double d = x[i] - m;
        v += d * d / MANY;
        s += d * d * d / MANY;
        k += d * d * d * d / MANY;
    }
    *mean = m;
    *variance = v;
    *skew = s / pow(v, 1.5);
    *kurtosis = k / (v * v);
}

/* Bounds: five standard errors of a million samples. */
static void uniform_statistics(void) {
    double m, v, s, k, lag = 0;
    int bin[64] = {0};
    tap_random_uniform(1, 0, MANY, x);
    moments(&m, &v, &s, &k);
    CHECK(fabs(m - 0.5) < 5 * sqrt(1 / 12.0 / MANY));
    CHECK(fabs(v - 1 / 12.0) < 5 * sqrt(1 / 180.0 / MANY));
    for (int i = 0; i < MANY; i++) {
        CHECK(x[i] >= 0 && x[i] < 1);
        bin[(int)(x[i] * 64)]++;
        if (i) lag += (x[i] - m) * (x[i - 1] - m) / v / MANY;
    }
    CHECK(fabs(lag) < 5 / sqrt(MANY));
    double chi2 = 0;
    for (int i = 0; i < 64; i++) chi2 += pow(bin[i] - MANY / 64.0, 2) / (MANY / 64.0);
    CHECK(chi2 > 63 - 5 * sqrt(126) && chi2 < 63 + 5 * sqrt(126));
}

static void normal_statistics(void) {
    double m, v, s, k;
    int within[3] = {0};
    tap_random_normal(2, 0, MANY, x);
    moments(&m, &v, &s, &k);
    CHECK(fabs(m) < 5 / sqrt(MANY));
    CHECK(fabs(v - 1) < 5 * sqrt(2.0 / MANY));
    CHECK(fabs(s) < 5 * sqrt(6.0 / MANY));
    CHECK(fabs(k - 3) < 5 * sqrt(24.0 / MANY));
    for (int i = 0; i < MANY; i++)
        for (int d = 0; d < 3; d++) within[d] += fabs(x[i]) < d + 1;
    for (int d = 0; d < 3; d++) {
        double p = erf((d + 1) / sqrt(2));
        CHECK(fabs(within[d] / (double)MANY - p) < 5 * sqrt(p * (1 - p) / MANY));
    }
}

int main(void) {
    static const test_case tests[] = {
        TEST(published_vectors),  TEST(parts_agree_with_libm), TEST(pieces_agree),
        TEST(uniform_statistics), TEST(normal_statistics),
    };
    return test_main(tests, TAP_COUNT_OF(tests));
}
