/* ops/common/math*.h and the activations against the C library in double precision: the error in units in the
 * last place over float32, the special values, and that a vectorised loop gives what single calls give. Built
 * for every instruction set. The test looks at each 4099th float32;
 *
 *     test_math_avx512 1 [NAME...]
 *
 * at each, and prints the largest errors, of two operands over 2^28 pairs (some minutes; STRIDE in place of
 * 1: each STRIDEth). */
#include <math.h>
#include <stdlib.h>

#include "common/activation_float.h"
#include "common/exp.h"
#include "common/math64_erf.h"
#include "common/math64_log.h"
#include "common/math64_trig.h"
#include "common/math_hyper.h"
#include "common/math_pow.h"
#include "common/math_trig.h"
#include "common/math_wide.h"
#include "math_reference.h"
#include "test.h"

enum { BLOCK = 1024 };

typedef struct function {
    const char *name;
    void (*loop)(const float *x, float *y, int n);
    float (*one)(float x);
    void (*want)(const float *x, double *y, int n);
    long double (*exact)(long double x);
    double ulp;
    float from, to; /* what is looked at, and NaN */
} function;

#define DEFINE_AS(f, EXPR)                                                     \
    static void f##_loop(const float *restrict px, float *restrict y, int n) { \
        for (int i = 0; i < n; i++) {                                          \
            const float x = px[i];                                             \
            y[i] = EXPR;                                                       \
        }                                                                      \
    }                                                                          \
    static float __attribute__((noinline)) f##_one(float x) {                  \
        return EXPR;                                                           \
    }
#define DEFINE(f) DEFINE_AS(f, tap_##f(x))
DEFINE(expf)
DEFINE(expm1f)
DEFINE(logf)
DEFINE(log1p_unitf)
DEFINE(decayf)
DEFINE(tanhf)
DEFINE(sigmoidf)
DEFINE(erff)
DEFINE(sinf)
DEFINE(cosf)
DEFINE(tanf)
DEFINE(asinf)
DEFINE(acosf)
DEFINE(atanf)
DEFINE(sinhf)
DEFINE(coshf)
DEFINE(asinhf)
DEFINE(acoshf)
DEFINE(atanhf)
DEFINE(sinf_wide)
DEFINE(cosf_wide)
DEFINE(tanf_wide)

static void exp_less_loop(const float *restrict x, float *restrict y, int n) {
    tap_exp_less_f32(n, x, &(float){0}, 0, y);
}

/* The activations, with what their attributes are by default. */
DEFINE(geluf)
DEFINE_AS(gelu_tanh, gelu_tanh_float(x))
DEFINE_AS(softplus, softplus_float(x))
DEFINE_AS(mish, mish_float(x))
DEFINE_AS(swish, swish_float(x, (params){1, 0}))
DEFINE_AS(elu, elu_float(x, (params){1, 0}))
DEFINE_AS(sigmoid, sigmoid_float(x))

#define ALL         -INFINITY, INFINITY
#define NEAR_ANGLES -0x1.fffffep16f, 0x1.fffffep16f
/* The C library's erfc, in its place without multiply-add, has not all digits of its argument. */
#if defined(__FMA__)
#define NORMAL64 ALL
#else
#define NORMAL64 -1.0, INFINITY
#endif
#define NEAR64     -0x1p29, 0x1p29
#define FAR_ANGLES -0x1.fffffep27f, 0x1.fffffep27f
#define ROW(f, name, want, ulp, ...) \
    { name, f##_loop, f##_one, want_##want, exact_##want, ulp, __VA_ARGS__ }

static const function functions[] = {
    ROW(expf, "exp", exp, 1.1, ALL),
    {"exp of a difference", exp_less_loop, expf_one, want_exp, exact_exp, 1.1, ALL},
    ROW(expm1f, "expm1", expm1, 1.6, ALL),
    ROW(decayf, "e^-x", decay, 1.1, 0, INFINITY),
    ROW(logf, "log", log, 0.9, ALL),
    ROW(log1p_unitf, "log1p of 0 .. 1", log1p, 1.8, 0, 1),
    ROW(tanhf, "tanh", tanh, 1.4, ALL),
    ROW(sigmoidf, "sigmoid", sigmoid, 2.5, ALL),
    ROW(erff, "erf", erf, 1.4, ALL),
    ROW(sinf, "sin", sin, 1, NEAR_ANGLES),
    ROW(cosf, "cos", cos, 1, NEAR_ANGLES),
    ROW(tanf, "tan", tan, 1.4, NEAR_ANGLES),
    ROW(sinf_wide, "sin of large angles", sin, 0.501, FAR_ANGLES),
    ROW(cosf_wide, "cos of large angles", cos, 0.501, FAR_ANGLES),
    ROW(tanf_wide, "tan of large angles", tan, 0.501, FAR_ANGLES),
    ROW(asinf, "asin", asin, 1.4, ALL),
    ROW(acosf, "acos", acos, 1.4, ALL),
    ROW(atanf, "atan", atan, 1.4, ALL),
    ROW(sinhf, "sinh", sinh, 1.1, ALL),
    ROW(coshf, "cosh", cosh, 1.1, ALL),
    ROW(asinhf, "asinh", asinh, 1.1, ALL),
    ROW(acoshf, "acosh", acosh, 1.1, ALL),
    ROW(atanhf, "atanh", atanh, 1.4, ALL),
    ROW(geluf, "Gelu", gelu, 6.5, ALL),
    ROW(gelu_tanh, "Gelu of tanh", gelu_tanh, 230, ALL),
    ROW(softplus, "Softplus", softplus, 2.5, ALL),
    ROW(mish, "Mish", mish, 5, ALL),
    ROW(swish, "Swish", swish, 3.5, ALL),
    ROW(elu, "Elu", elu, 1.6, ALL),
    ROW(sigmoid, "Sigmoid", sigmoid, 2.5, ALL),
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

/* Distance in units of the last place of a float of want's size, without branches. */
static inline double ulps(float got, double want) {
    const double inf = (double)INFINITY, size = fabs((double)(float)want), have = fabs((double)got);
    const double least = tap_select64(fabs(want) < 0x1p-126, 0x1p-126, want);
    const double unit = tap_from_bits64(tap_bits64(least) & (UINT64_C(0x7ff) << 52)) * 0x1p-23;
    const double e = fabs((double)got - want) / unit;
    const double equal = tap_select64((double)(float)want == (double)got, 0, inf);
    const double nan = tap_select64(have != have, 0, inf);
    return tap_select64(want != want, nan,
                        tap_select64((size == inf) | (have == inf) | (have != have), equal, e));
}

/* Of each x from `from` to `to` and NaN. The largest; as bits, whose order is that of numbers >= 0. */
REFERENCE_LOOP static double errors(const function *f, const float *restrict x, const float *restrict y,
                                    const double *restrict want, double *restrict error) {
    const float from = f->from, to = f->to;
    uint64_t most = 0;
    for (int i = 0; i < BLOCK; i++) {
        const double e = tap_select64((x[i] < from) | (x[i] > to), 0, ulps(y[i], want[i]));
        const uint64_t bits = tap_bits64(e);
        error[i] = e;
        most = bits > most ? bits : most;
    }
    return tap_from_bits64(most);
}

/* Of numbers whose bits ascend from a's to b's. */
static int all_outside(const function *f, float a, float b) {
    return (a < f->from && b < f->from) || (a > f->to && b > f->to);
}

/* The largest error over all float32, each `stride`th of them; *at is where. */
static double largest_error(const function *f, uint32_t stride, float *at) {
    static float x[BLOCK], y[BLOCK];
    static double want[BLOCK], error[BLOCK];
    double worst = 0;
    *at = 0;
    for (uint64_t u = 0; u <= UINT32_MAX; u += (uint64_t)BLOCK * stride) {
        for (uint32_t i = 0; i < BLOCK; i++) x[i] = tap_from_bits((uint32_t)u + i * stride);
        if (all_outside(f, x[0], x[BLOCK - 1])) continue;
        f->loop(x, y, BLOCK);
        f->want(x, want, BLOCK);
        if (errors(f, x, y, want, error) <= worst) continue;
        for (int i = 0; i < BLOCK; i++) {
            if (error[i] <= worst) continue;
            const double e = ulps(y[i], (double)f->exact((long double)x[i]));
            if (e > worst) worst = e, *at = x[i];
        }
    }
    return worst;
}

static void accuracy(void) {
    for (size_t f = 0; f < FUNCTIONS; f++) {
        float at;
        const double worst = largest_error(&functions[f], 4099, &at);
        if (worst > functions[f].ulp) printf("%s: %.3f ulp at %a\n", functions[f].name, worst, (double)at);
        CHECK(worst <= functions[f].ulp);
    }
}

/* A pair of operands: every exponent of x with every one of y, of both signs, or, of each second pair, a y
 * that makes a power between the smallest and the largest numbers. The other digits are drawn. */
static void draw_pair(uint64_t i, float *x, float *y) {
    const uint64_t mixed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15), drawn = mixed ^ mixed >> 29;
    const uint32_t of_x = (uint32_t)drawn & 0x807fffffu, of_y = (uint32_t)(drawn >> 32) & 0x807fffffu;
    *x = tap_from_bits(of_x | (uint32_t)(i / 2 % 256) << 23);
    *y = tap_from_bits(of_y | (uint32_t)(i / 512 % 256) << 23);
    if (i % 2 == 0) return;
    *x = fabsf(*x);
    *y = ((float)(of_y & 0xffffu) * 0x1p-16f - 0.5f) * 298 / (float)log2((double)*x);
}

/* The largest error of powers of n pairs; *x ^ *y is where. */
static double largest_power_error(uint64_t n, float *x, float *y) {
    static float a[BLOCK], b[BLOCK], got[BLOCK];
    static double want[BLOCK];
    double worst = 0;
    *x = *y = 0;
    for (uint64_t k = 0; k < n; k += BLOCK) {
        for (uint64_t i = 0; i < BLOCK; i++) draw_pair(k + i, &a[i], &b[i]);
        for (int i = 0; i < BLOCK; i++) got[i] = tap_powf(a[i], b[i]);
        want_pow(a, b, want, BLOCK);
        for (int i = 0; i < BLOCK; i++) {
            if (ulps(got[i], want[i]) <= worst) continue;
            const double e = ulps(got[i], (double)powl((long double)a[i], (long double)b[i]));
            if (e > worst) worst = e, *x = a[i], *y = b[i];
        }
    }
    return worst;
}

/* Remainders of n pairs that are not what they have to be, to the bit. */
static uint64_t wrong_remainders(uint64_t n) {
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < n; i++) {
        float x, y;
        draw_pair(2 * i, &x, &y);
        if (!(fabs((double)x) / fabs((double)y) < TAP_FMOD_LIMIT)) continue;
        const float want = fmodf(x, y), got = tap_fmodf(x, y);
        wrong += tap_bits(want) != tap_bits(got) && !(isnan(want) && isnan(got));
    }
    return wrong;
}

static int is_wanted(const char *name, int n, char **words) {
    int hits = n == 0;
    for (int i = 0; i < n; i++) hits += strcmp(name, words[i]) == 0;
    return hits;
}

/* Pairs in the place of all numbers, whose share 1 / stride is. */
static int show_pairs(uint32_t stride, int n, char **words) {
    const uint64_t pairs = (UINT64_C(1) << 28) / stride;
    double worst = 0;
    uint64_t wrong = 0;
    float x, y;
    if (is_wanted("pow", n, words)) {
        worst = largest_power_error(pairs, &x, &y);
        printf("| pow | %.3f | %a ^ %a |\n", worst, (double)x, (double)y);
    }
    if (is_wanted("fmod", n, words)) {
        wrong = wrong_remainders(pairs);
        printf("| fmod | %.3f | %llu of them wrong |\n", wrong ? (double)INFINITY : 0.0,
               (unsigned long long)wrong);
    }
    return worst > 1.4 || wrong > 0;
}

/* A row for each function whose name is among the words, or for all. */
static int show_errors(uint32_t stride, int n, char **words) {
    int beyond = 0;
    if (stride == 0) return 2;
    for (size_t f = 0; f < FUNCTIONS; f++) {
        if (!is_wanted(functions[f].name, n, words)) continue;
        float at;
        const double worst = largest_error(&functions[f], stride, &at);
        printf("| %s | %.3f | %a = %.9g |\n", functions[f].name, worst, (double)at, (double)at);
        fflush(stdout);
        beyond |= worst > functions[f].ulp;
    }
    return beyond | show_pairs(stride, n, words);
}

static void pairs(void) {
    float x, y;
    CHECK(largest_power_error(1 << 18, &x, &y) <= 1.4);
    CHECK_EQ(wrong_remainders(1 << 18), 0);
}

/* The error of a power, which has to be the same where the shorter expressions hold. */
static double power(float x, float y) {
    const float got = tap_powf(x, y);
    const double e = ulps(got, pow((double)x, (double)y));
    if (!(e <= 1.4)) printf("pow(%a, %a): %a, %.3f ulp\n", (double)x, (double)y, (double)got, e);
    if (x >= 0x1p-126f && x < INFINITY && fabsf(y) < INFINITY)
        CHECK(tap_bits(tap_pow_simple(x, y, tap_pow_plain(x, 0, y))) == tap_bits(got));
    return e;
}

/* Powers and remainders of all kinds of pairs. */
static void two_operands(void) {
    static const float some[] = {0,     -0.0f,  1,        -1,        2,         -2,      3,
                                 -3,    0.5f,   -0.5f,    1.5f,      0x1p-149f, 0x1p24f, -0x1.000002p24f,
                                 1e30f, -1e30f, INFINITY, -INFINITY, NAN};
    enum { SOME = sizeof some / sizeof *some };
    double worst = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        float x = tap_from_bits(i * 2654435761u), y = tap_from_bits((i * 2246822519u) >> 3 | i << 31);
        if (i % 3 == 1) x = some[i / 3 % SOME];
        if (i % 3 == 2) y = some[i / 3 % SOME];
        if (i < SOME * SOME) x = some[i / SOME], y = some[i % SOME];
        if (i % 5 == 0 && fabsf(x) < 1e6f && fabsf(y) < 1e6f) y = rintf(y);
        const double e = power(x, y);
        if (e > worst) worst = e;
        if (!(fabs((double)x) / fabs((double)y) < TAP_FMOD_LIMIT)) continue;
        float r = fmodf(x, y), got = tap_fmodf(x, y);
        if (!(tap_bits(r) == tap_bits(got) || (isnan(r) && isnan(got))))
            printf("fmod(%a, %a): %a\n", (double)x, (double)y, (double)got);
        CHECK(tap_bits(r) == tap_bits(got) || (isnan(r) && isnan(got)));
    }
    CHECK(worst <= 1.4);
}

/* Bases near 1 to exponents that use the whole range of float, and powers of integers, which are exact. */
static void powers(void) {
    double worst = 0;
    for (uint32_t i = 0; i < 400000; i++) {
        const float x = tap_from_bits(0x3f000000u + (i * 2654435761u >> 8) % 0x01000000u); /* 0.5 .. 2 */
        const double to = ((double)(i * 2246822519u) / 0x1p32 - 0.5) * 298;
        const double e = power(x, (float)(to / log2((double)x)));
        if (e > worst) worst = e;
    }
    CHECK(worst <= 1.4);
    for (int n = 4; n < 16; n++)
        for (int x = -40; x <= 40; x++) {
            const double want = pow(x, n);
            if (fabs(want) <= 0x1p24) CHECK_EQ(tap_powf((float)x, (float)n), (float)want);
        }
    for (int n = -149; n < 128; n++) CHECK(tap_powf(2, (float)n) == (float)ldexp(1, n));
}

/* ---- float64, against long double where that has more digits ---- */

#define DEFINE64(f)                                                             \
    static void f##_loop(const double *restrict x, double *restrict y, int n) { \
        for (int i = 0; i < n; i++) y[i] = tap_##f(x[i]);                       \
    }                                                                           \
    static double __attribute__((noinline)) f##_one(double x) {                 \
        return tap_##f(x);                                                      \
    }
DEFINE64(exp64)
DEFINE64(expm1_64)
DEFINE64(tanh64)
DEFINE64(sigmoid64)
DEFINE64(cube64)
DEFINE64(log64)
DEFINE64(log1p64)
DEFINE64(asinh64)
DEFINE64(acosh64)
DEFINE64(atanh64)
DEFINE64(sin64)
DEFINE64(cos64)
DEFINE64(tan64)
DEFINE64(asin64)
DEFINE64(acos64)
DEFINE64(atan64)
DEFINE64(sinh64)
DEFINE64(cosh64)
DEFINE64(erf64)
DEFINE64(normal_cdf64)

static long double sigmoid_long(long double x) {
    return 1 / (1 + expl(-x));
}

static long double normal_cdf_long(long double x) {
    return 0.5L * erfcl(x * -0.707106781186547524400844362104849039L);
}

static long double cube_long(long double x) {
    return x * x * x;
}

static const struct {
    const char *name;
    void (*loop)(const double *x, double *y, int n);
    double (*one)(double x);
    long double (*want)(long double x);
    double ulp, from, to;
} functions64[] = {
    {"exp of float64", exp64_loop, exp64_one, expl, 1, ALL},
    {"expm1 of float64", expm1_64_loop, expm1_64_one, expm1l, 1.9, ALL},
    {"tanh of float64", tanh64_loop, tanh64_one, tanhl, 2.6, ALL},
    {"sigmoid of float64", sigmoid64_loop, sigmoid64_one, sigmoid_long, 2.6, ALL},
    {"cube of float64", cube64_loop, cube64_one, cube_long, 0.51, ALL},
    {"log of float64", log64_loop, log64_one, logl, 0.9, ALL},
    {"log1p of numbers above 0 of float64", log1p64_loop, log1p64_one, log1pl, 0.9, 0x1p-1074, INFINITY},
    {"asinh of float64", asinh64_loop, asinh64_one, asinhl, 2, ALL},
    {"acosh of float64", acosh64_loop, acosh64_one, acoshl, 2.2, ALL},
    {"atanh of float64", atanh64_loop, atanh64_one, atanhl, 2, ALL},
    {"sin of float64", sin64_loop, sin64_one, sinl, 0.9, NEAR64},
    {"cos of float64", cos64_loop, cos64_one, cosl, 0.9, NEAR64},
    {"tan of float64", tan64_loop, tan64_one, tanl, 2.1, NEAR64},
    {"asin of float64", asin64_loop, asin64_one, asinl, 1.5, ALL},
    {"acos of float64", acos64_loop, acos64_one, acosl, 1.5, ALL},
    {"atan of float64", atan64_loop, atan64_one, atanl, 1.2, ALL},
    {"sinh of float64", sinh64_loop, sinh64_one, sinhl, 2.5, ALL},
    {"cosh of float64", cosh64_loop, cosh64_one, coshl, 2, ALL},
    {"erf of float64", erf64_loop, erf64_one, erfl, 1.5, ALL},
    {"the normal distribution of float64", normal_cdf64_loop, normal_cdf64_one, normal_cdf_long, 7, NORMAL64},
};

static double ulps64(double got, long double want) {
    const double near = (double)want;
    if (isnan(near)) return isnan(got) ? 0 : (double)INFINITY;
    if (isinf(near) || isinf(got) || near == 0)
        return near == got && !signbit(near) == !signbit(got) ? 0 : (double)INFINITY;
    int e;
    (void)frexp(near, &e);
    return (double)(fabsl((long double)got - want) / ldexpl(1, (e < -1021 ? -1021 : e) - 53));
}

/* Small and large arguments, of both signs, and special ones first. */
static double argument64(uint32_t i) {
    static const double some[] = {0,         -0.0,   1,        -1,        0x1p-1074,  -0x1p-1074,
                                  0x1p-1022, 709.78, 709.79,   -708,      -745.1,     -746,
                                  -1e300,    1e300,  INFINITY, -INFINITY, (double)NAN};
    enum { SOME = sizeof some / sizeof *some };
    if (i < SOME) return some[i];
    const double u = (double)(i * 2654435761u) / 0x1p32 - 0.5;
    switch (i % 4) {
    case 0: return u * 1500;
    case 1: return u * 4;
    case 2: return u * 40;
    default: return (i & 4 ? 1 : -1) * exp2(u * 140 - 60);
    }
}

static void doubles(void) {
    static double x[BLOCK], y[BLOCK];
    for (size_t f = 0; f < sizeof functions64 / sizeof *functions64; f++) {
        double worst = 0, at = 0;
        for (uint32_t start = 0; start < 100 * BLOCK; start += BLOCK) {
            for (uint32_t i = 0; i < BLOCK; i++) x[i] = argument64(start + i);
            functions64[f].loop(x, y, BLOCK);
            for (int i = 0; i < BLOCK; i++) {
                if (x[i] < functions64[f].from || x[i] > functions64[f].to) continue;
                const double one = functions64[f].one(x[i]),
                             e = ulps64(y[i], functions64[f].want((long double)x[i]));
                CHECK(memcmp(&one, &y[i], sizeof one) == 0 || (isnan(one) && isnan(y[i])));
                if (e > worst) worst = e, at = x[i];
            }
        }
        if (worst > functions64[f].ulp) printf("%s: %.3f ulp at %a\n", functions64[f].name, worst, at);
        CHECK(worst <= functions64[f].ulp);
    }
}

/* Exact, with the dividend's sign. */
static void remainders64(void) {
    for (uint32_t i = 0; i < 400000; i++) {
        const double x = argument64(i % 7 ? i : i % 17), y = argument64(i % 5 ? 3 * i + 1 : i % 17);
        if (!(fabs(x) / fabs(y) < TAP_FMOD64_LIMIT)) continue;
        const double want = fmod(x, y), got = tap_fmod64(x, y);
        if (memcmp(&want, &got, sizeof got) != 0) printf("fmod(%a, %a): %a, not %a\n", x, y, got, want);
        CHECK(memcmp(&want, &got, sizeof got) == 0);
    }
}

static void loops_equal_calls(void) {
    float x[77], y[77];
    for (uint32_t start = 1; start < 4000; start++) {
        for (uint32_t i = 0; i < 77; i++) x[i] = tap_from_bits((start * 77 + i) * 2654435761u);
        for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++) {
            functions[f].loop(x, y, 77);
            for (int i = 0; i < 77; i++) {
                float one = functions[f].one(x[i]);
                CHECK(tap_bits(one) == tap_bits(y[i]) || (isnan(one) && isnan(y[i])));
            }
        }
    }
}

/* Quotients by one divisor: those of the division, to the sign of zero. */
static void quotients(void) {
    static const float some[] = {0,        -0.0f,     1,   -3,        1e30f,           -1e38f,
                                 INFINITY, -INFINITY, NAN, 0x1p-126f, 0x1.fffffep+127f};
    int wrong = 0;
    for (uint32_t k = 0; k < 2000; k++) {
        const float b = tap_from_bits(0x3f800000u | (k * 2654435761u) >> 9) * (k % 3 == 0 ? 0x1p-60f : -1.0f),
                    r = 1 / b;
        for (uint32_t i = 0; i < 300; i++) {
            const float a = i < 11 ? some[i] : tap_from_bits(0x3f800000u + (i * k * 2246822519u >> 8));
            const float want = a / b, got = tap_quotientf(a, b, r);
            wrong +=
                tap_bits(want) != tap_bits(got) && !(isnan(want) && isnan(got)) && fabsf(want) >= 0x1p-126f;
            wrong += a == 0 && tap_bits(want) != tap_bits(got);
        }
    }
    CHECK_EQ(wrong, 0);
}

static void special_values(void) {
    CHECK(tap_expf(INFINITY) == INFINITY && tap_expf(-INFINITY) == 0 && isnan(tap_expf(NAN)) &&
          tap_expf(0) == 1);
    CHECK(tap_expf(-103.0f) > 0);
    CHECK(tap_expm1f(-INFINITY) == -1 && signbit(tap_expm1f(-0.0f)) && isnan(tap_expm1f(NAN)));
    CHECK(tap_logf(0) == -INFINITY && tap_logf(-0.0f) == -INFINITY && isnan(tap_logf(-1)) &&
          isnan(tap_logf(NAN)));
    CHECK(tap_logf(INFINITY) == INFINITY && tap_logf(1) == 0 && isnan(tap_logf(-INFINITY)));
    CHECK(tap_log1p_unitf(0) == 0 && tap_log1p_unitf(0x1p-149f) == 0x1p-149f && isnan(tap_log1p_unitf(NAN)));
    CHECK(tap_decayf(0) == 1 && tap_decayf(INFINITY) == 0 && tap_decayf(103) > 0 && isnan(tap_decayf(NAN)));
    CHECK(tap_geluf(INFINITY) == INFINITY && tap_geluf(-14) < 0 && tap_geluf(-1e30f) == 0 &&
          isnan(tap_geluf(NAN)));
    CHECK(tap_tanhf(INFINITY) == 1 && tap_tanhf(-INFINITY) == -1 && signbit(tap_tanhf(-0.0f)) &&
          isnan(tap_tanhf(NAN)));
    CHECK(tap_sigmoidf(INFINITY) == 1 && tap_sigmoidf(-INFINITY) == 0 && isnan(tap_sigmoidf(NAN)));
    CHECK(tap_erff(INFINITY) == 1 && tap_erff(-INFINITY) == -1 && signbit(tap_erff(-0.0f)) &&
          isnan(tap_erff(NAN)));
    CHECK(signbit(tap_sinf(-0.0f)) && signbit(tap_tanf(-0.0f)) && isnan(tap_sinf(NAN)) &&
          tap_cosf(-0.0f) == 1);
    CHECK(signbit(tap_asinf(-0.0f)) && signbit(tap_atanf(-0.0f)) && signbit(tap_sinhf(-0.0f)));
    CHECK(signbit(tap_asinhf(-0.0f)) && signbit(tap_atanhf(-0.0f)) && !signbit(tap_acosf(1)) &&
          tap_acosf(1) == 0);
    CHECK(tap_sinhf(-INFINITY) == -INFINITY && tap_coshf(-INFINITY) == INFINITY && isnan(tap_sinhf(NAN)));
    CHECK(tap_asinhf(-INFINITY) == -INFINITY && tap_acoshf(INFINITY) == INFINITY && isnan(tap_acoshf(0.5f)));
    CHECK(tap_atanhf(-1) == -INFINITY && tap_atanhf(1) == INFINITY && isnan(tap_atanhf(2)) &&
          isnan(tap_asinf(2)));
}

/* 77 is CTest's "skipped": the CPU lacks the instruction set that this copy is built for. */
static int cpu_has_it(void) {
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}

int main(int argc, char **argv) {
    static const test_case tests[] = {TEST(accuracy),     TEST(two_operands),      TEST(pairs),
                                      TEST(powers),       TEST(quotients),         TEST(doubles),
                                      TEST(remainders64), TEST(loops_equal_calls), TEST(special_values)};
    if (!cpu_has_it()) return 77;
    if (argc > 1) return show_errors((uint32_t)strtoul(argv[1], NULL, 10), argc - 2, argv + 2);
    return test_main(tests, sizeof tests / sizeof tests[0]);
}
