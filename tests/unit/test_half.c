/* Small floats: every code, and rounding against a reference that works on values instead of bits. */
#include "test.h"

#include <math.h>

#include "core/half.h"

/* A format by its meaning. */
typedef struct format {
    tap_dtype dtype;
    int mantissa, least_exponent; /* of normal numbers */
    double max;
    bool infinite; /* has infinities    */
    bool unsigned_zero;
    int codes;
} format;

static const format formats[] = {
    {TAP_FLOAT16, 10, -14, 65504, true, false, 65536},
    {TAP_BFLOAT16, 7, -126, 0x1.FEp127, true, false, 65536},
    {TAP_FLOAT8E4M3FN, 3, -6, 448, false, false, 256},
    {TAP_FLOAT8E4M3FNUZ, 3, -7, 240, false, true, 256},
    {TAP_FLOAT8E5M2, 2, -14, 57344, true, false, 256},
    {TAP_FLOAT8E5M2FNUZ, 2, -15, 57344, false, true, 256},
    {TAP_FLOAT6E2M3, 3, 0, 7.5, false, false, 64},
    {TAP_FLOAT6E3M2, 2, -2, 28, false, false, 64},
    {TAP_FLOAT4E2M1, 1, 0, 6, false, false, 16},
};

static uint32_t encode(const format *f, double x, bool saturate) {
    float odd = tap_f64_to_f32_odd(x);
    if (f->dtype == TAP_FLOAT16) return tap_f32_to_f16(odd);
    if (f->dtype == TAP_BFLOAT16) return tap_f32_to_bf16(odd);
    return tap_small_from_f32(tap_small_float_of(f->dtype), odd, saturate);
}

static float decode(const format *f, uint32_t code) {
    uint16_t wide = (uint16_t)code;
    uint8_t narrow = (uint8_t)code;
    float y;
    tap_floats_to_f32(f->dtype, 1, f->codes == 65536 ? (void *)&wide : (void *)&narrow, &y);
    return y;
}

/* The nearest multiple of the step that numbers of x's size have, ties to even. */
static double nearest(const format *f, double x) {
    int e;
    frexp(x, &e);
    e = e - 1 < f->least_exponent ? f->least_exponent : e - 1;
    return ldexp(nearbyint(ldexp(x, f->mantissa - e)), e - f->mantissa);
}

static void check_value(const format *f, double x) {
    double want = nearest(f, x);
    bool halves = f->codes == 65536;
    for (int saturate = 0; saturate < 2; saturate++) {
        double got = (double)decode(f, encode(f, x, saturate)), w = want;
        if (fabs(want) > f->max) {
            w = saturate && !halves ? f->max : f->infinite ? INFINITY : NAN;
            if (f->codes < 256) w = f->max; /* has nothing beyond */
            w = copysign(w, x);
        }
        if (f->unsigned_zero && w == 0) w = 0.0;
        bool same = isnan(w) ? isnan(got) : got == w && signbit(got) == signbit(w);
        if (!same)
            printf("%s: %a (saturate %d) is %a, wanted %a\n", tap_dtype_name(f->dtype), x, saturate, got, w);
        CHECK(same);
    }
}

static void every_code_survives(void) {
    for (size_t k = 0; k < TAP_COUNT_OF(formats); k++) {
        const format *f = &formats[k];
        for (uint32_t c = 0; c < (uint32_t)f->codes; c++) {
            float x = decode(f, c);
            uint32_t back = encode(f, (double)x, false);
            if (isnan(x))
                CHECK(isnan(decode(f, back)));
            else
                CHECK_EQ(back, c);
        }
    }
}

static void values_between_round_to_the_nearest(void) {
    for (size_t k = 0; k < TAP_COUNT_OF(formats); k++) {
        const format *f = &formats[k];
        for (uint32_t c = 0; c < (uint32_t)f->codes; c++) {
            double a = (double)decode(f, c), b = (double)decode(f, (c + 1) % (uint32_t)f->codes);
            if (!isfinite(a)) continue;
            check_value(f, a);
            check_value(f, nextafter(a, INFINITY));
            if (!isfinite(b) || fabs(a - b) > fabs(a) + 1) continue;
            double middle = a + (b - a) / 2;
            check_value(f, middle);
            check_value(
                f,
                nextafter(middle, INFINITY)); /* float32 has no room for this: two roundings get it wrong */
            check_value(f, nextafter(middle, -INFINITY));
        }
    }
}

static void far_values(void) {
    static const double xs[] = {0.0,    1e-300, 1e-46,  1e-40,   0x1p-150, 0x1.8p-149, 1e30,   1e38,
                                3.4e38, 1e39,   1e300,  447.9,   463.99,   464,        464.01, 479.99,
                                480,    240,    247.99, 248,     248.01,   57344,      61439,  61440,
                                61441,  65519,  65520,  65520.1, 5,        7,          6.99,   7.01,
                                0.25,   0.26,   0x1p-9, 0x1p-10, 0x1p-11};
    for (size_t k = 0; k < TAP_COUNT_OF(formats); k++)
        for (size_t i = 0; i < TAP_COUNT_OF(xs); i++) {
            check_value(&formats[k], xs[i]);
            check_value(&formats[k], -xs[i]);
        }
}

/* ONNX's tables in Cast for what is no number. */
static void infinities_and_nans(void) {
    static const struct {
        tap_dtype t;
        uint8_t inf[2], minus_inf[2], nan, minus_nan; /* [saturate] */
    } want[] = {
        {TAP_FLOAT8E4M3FN, {0x7F, 0x7E}, {0xFF, 0xFE}, 0x7F, 0xFF},
        {TAP_FLOAT8E4M3FNUZ, {0x80, 0x7F}, {0x80, 0xFF}, 0x80, 0x80},
        {TAP_FLOAT8E5M2, {0x7C, 0x7B}, {0xFC, 0xFB}, 0x7E, 0xFE},
        {TAP_FLOAT8E5M2FNUZ, {0x80, 0x7F}, {0x80, 0xFF}, 0x80, 0x80},
        {TAP_FLOAT6E2M3, {0x1F, 0x1F}, {0x3F, 0x3F}, 0x20, 0x00},
        {TAP_FLOAT6E3M2, {0x1F, 0x1F}, {0x3F, 0x3F}, 0x20, 0x00},
        {TAP_FLOAT4E2M1, {0x07, 0x07}, {0x0F, 0x0F}, 0x08, 0x00},
    };
    for (size_t k = 0; k < TAP_COUNT_OF(want); k++)
        for (int s = 0; s < 2; s++) {
            const tap_small_float *f = tap_small_float_of(want[k].t);
            CHECK_EQ(tap_small_from_f32(f, INFINITY, s), want[k].inf[s]);
            CHECK_EQ(tap_small_from_f32(f, -INFINITY, s), want[k].minus_inf[s]);
            CHECK_EQ(tap_small_from_f32(f, NAN, s), want[k].nan);
            CHECK_EQ(tap_small_from_f32(f, -NAN, s), want[k].minus_nan);
        }
    CHECK_EQ(tap_f32_to_f16(INFINITY), 0x7C00);
    CHECK_EQ(tap_f32_to_f16(-INFINITY), 0xFC00);
    CHECK_EQ(tap_f32_to_f16(NAN), 0x7E00);
    CHECK_EQ(tap_f32_to_bf16(-INFINITY), 0xFF80);
    CHECK_EQ(tap_f32_to_f16(tap_f32_from_bits(0x7F802000)), 0x7E01); /* signalling: quiet, payload kept */
    CHECK_EQ(tap_f32_bits(tap_f16_to_f32(0xFC01)), 0xFFC02000);
    CHECK_EQ(tap_f32_to_bf16(tap_f32_from_bits(0x7F800001)), 0x7FC0);
    CHECK(isinf(tap_f64_to_f32_odd(-0x1p128)) &&
          tap_f64_to_f32_odd(0x1.FFFFFFFFFFFFFp127) == 0x1.FFFFFEp127f);
    CHECK(isinf(tap_f64_to_f32_odd(INFINITY)) && isnan(tap_f64_to_f32_odd(NAN)));
}

static void powers_of_two(void) {
    for (int c = 0; c < 255; c++) {
        float x = tap_e8m0_to_f32((uint8_t)c);
        CHECK(x == ldexpf(1, c - 127));
        for (int r = 0; r < 3; r++) CHECK_EQ(tap_e8m0_from_f32(x, (tap_e8m0_round)r, true), c);
        float more = nextafterf(x, INFINITY), tie = x * 1.5f, below = nextafterf(tie, 0);
        CHECK_EQ(tap_e8m0_from_f32(more, TAP_E8M0_UP, true), c < 254 ? c + 1 : 254);
        CHECK_EQ(tap_e8m0_from_f32(more, TAP_E8M0_UP, false), c + 1);
        CHECK_EQ(tap_e8m0_from_f32(tie, TAP_E8M0_DOWN, true), c);
        CHECK_EQ(tap_e8m0_from_f32(tie, TAP_E8M0_NEAREST, false), c + 1);
        CHECK_EQ(tap_e8m0_from_f32(below, TAP_E8M0_NEAREST, false), c);
    }
    CHECK(isnan(tap_e8m0_to_f32(0xFF)));
    CHECK_EQ(tap_e8m0_from_f32(0, TAP_E8M0_UP, true), 0);
    CHECK_EQ(tap_e8m0_from_f32(0, TAP_E8M0_NEAREST, false), 0xFF);
    CHECK_EQ(tap_e8m0_from_f32(INFINITY, TAP_E8M0_UP, true), 0xFE);
    CHECK_EQ(tap_e8m0_from_f32(INFINITY, TAP_E8M0_UP, false), 0xFF);
    CHECK_EQ(tap_e8m0_from_f32(NAN, TAP_E8M0_UP, true), 0xFF);
}

int main(void) {
    static const test_case tests[] = {TEST(every_code_survives), TEST(values_between_round_to_the_nearest),
                                      TEST(far_values), TEST(infinities_and_nans), TEST(powers_of_two)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
