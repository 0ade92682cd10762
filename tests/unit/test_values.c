/* Values made up, cast, made fit for a model, and looked at. */
#include "test.h"

#include <math.h>

#include "core/half.h"
#include "core/tensor.h"
#include "io/cast.h"
#include "onnxtap/record.h"

static tap_value *wrap(tap_dtype t, int64_t n, const void *data) {
    tap_value *v;
    CHECK_EQ(tap_value_wrap(t, 1, &n, data, &v, NULL), TAP_OK);
    return v;
}

static tap_value *cast(tap_dtype from, tap_dtype to, int64_t n, const void *data) {
    tap_value *v = wrap(from, n, data), *y = NULL;
    CHECK_EQ(tap_value_cast(v, to, &y, NULL), TAP_OK);
    tap_value_release(v);
    return y;
}

static void to_integers_clamps(void) {
    const double x[] = {-1.9, 1.9, 300, -300, (double)NAN, 1e30, -1e30};
    const uint8_t u8[] = {0, 1, 255, 0, 0, 255, 0};
    const int64_t i64[] = {-1, 1, 300, -300, 0, INT64_MAX, INT64_MIN};
    tap_value *y = cast(TAP_DOUBLE, TAP_UINT8, 7, x);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(y)), u8, sizeof u8) == 0);
    tap_value_release(y);
    y = cast(TAP_DOUBLE, TAP_INT64, 7, x);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(y)), i64, sizeof i64) == 0);
    tap_value_release(y);
    const int64_t wide[] = {-1, 127, 128, INT64_MIN, INT64_MAX};
    const int8_t i8[] = {-1, 127, 127, -128, 127};
    y = cast(TAP_INT64, TAP_INT8, 5, wide);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(y)), i8, sizeof i8) == 0);
    tap_value_release(y);
    const uint64_t as_unsigned[] = {0, 127, 128, 0, INT64_MAX};
    y = cast(TAP_INT64, TAP_UINT64, 5, wide);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(y)), as_unsigned, sizeof as_unsigned) == 0);
    tap_value_release(y);
    const int8_t nibbles[] = {-1, 7, 7, -8, 7};
    y = cast(TAP_INT64, TAP_INT4, 5, wide);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(y)), nibbles, sizeof nibbles) == 0);
    tap_value_release(y);
}

static void to_floats_rounds_once(void) {
    const double x[] = {1.0 + 0x1p-11 + 0x1p-40, 65504, -0.0};
    tap_value *y = cast(TAP_DOUBLE, TAP_FLOAT16, 3, x);
    const uint16_t *h = tap_tensor_data(tap_value_tensor(y));
    CHECK_EQ(h[0], 0x3C01);
    CHECK_EQ(h[1], 0x7BFF);
    CHECK_EQ(h[2], 0x8000);
    tap_value_release(y);
    const int64_t big[] = {(INT64_C(1) << 53) + 1, -3};
    y = cast(TAP_INT64, TAP_FLOAT, 2, big);
    CHECK(((const float *)tap_tensor_data(tap_value_tensor(y)))[1] == -3);
    tap_value_release(y);
}

static void complex_and_bool(void) {
    const float x[] = {1.5f, 0, -2};
    tap_value *y = cast(TAP_FLOAT, TAP_COMPLEX128, 3, x), *z;
    const double want[] = {1.5, 0, 0, 0, -2, 0};
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(y)), want, sizeof want) == 0);
    CHECK_EQ(tap_value_cast(y, TAP_COMPLEX64, &z, NULL), TAP_OK);
    CHECK(((const float *)tap_tensor_data(tap_value_tensor(z)))[4] == -2);
    tap_value_release(z);
    CHECK_EQ(tap_value_cast(y, TAP_FLOAT, &z, NULL), TAP_DATA);
    tap_value_release(y);
    y = cast(TAP_FLOAT, TAP_BOOL, 3, x);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(y)), "\1\0\1", 3) == 0);
    tap_value_release(y);
}

static void blocks_meet(void) {
    static float x[5000];
    for (int i = 0; i < 5000; i++) x[i] = (float)i;
    tap_value *y = cast(TAP_FLOAT, TAP_COMPLEX64, 5000, x), *z;
    const float *c = tap_tensor_data(tap_value_tensor(y));
    for (int i = 0; i < 5000; i++)
        if (c[2 * i] != (float)i || c[2 * i + 1] != 0) {
            CHECK_EQ(c[2 * i], i);
            break;
        }
    CHECK_EQ(tap_value_cast(y, TAP_COMPLEX128, &z, NULL), TAP_OK);
    CHECK(((const double *)tap_tensor_data(tap_value_tensor(z)))[9998] == 4999);
    static double m[5000];
    CHECK(tap_tensor_doubles(tap_value_tensor(y), 0, 5000, m));
    CHECK(m[4999] == 4999 && m[1] == 1);
    tap_value_release(y);
    tap_value_release(z);
}

static tap_status fit(tap_dtype from, tap_dtype to, bool casting, const void *data, tap_dtype *got,
                      tap_error *err) {
    tap_value *v;
    CHECK_EQ(tap_value_new(from, 1, (int64_t[]){2}, &v, NULL), TAP_OK);
    memcpy(tap_value_data(v), data, 2 * tap_dtype_bytes(from));
    tap_status s = tap_fit(&v, to, casting, "x", err);
    *got = v ? tap_value_tensor(v)->dtype : TAP_UNDEFINED;
    tap_value_release(v);
    return s;
}

static void another_dtype_takes_a_cast(void) {
    const double x[2] = {0.5, 0.1};
    const float exact[2] = {0.5f, -2}, inexact[2] = {0.5f, 0.1f};
    const int8_t small[2] = {-8, 7}, large[2] = {-8, 8};
    tap_dtype got;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(fit(TAP_DOUBLE, TAP_FLOAT, false, x, &got, &err), TAP_DATA);
    CHECK(strstr(err.text, "--cast") != NULL);
    CHECK_EQ(fit(TAP_DOUBLE, TAP_FLOAT, true, x, &got, &err), TAP_OK);
    CHECK_EQ(got, TAP_FLOAT);
    CHECK_EQ(fit(TAP_FLOAT, TAP_BFLOAT16, false, exact, &got, &err), TAP_OK);
    CHECK_EQ(got, TAP_BFLOAT16);
    CHECK_EQ(fit(TAP_FLOAT, TAP_BFLOAT16, false, inexact, &got, &err), TAP_DATA);
    CHECK_EQ(fit(TAP_FLOAT, TAP_BFLOAT16, true, inexact, &got, &err), TAP_OK);
    CHECK_EQ(fit(TAP_INT8, TAP_INT4, false, small, &got, &err), TAP_OK);
    CHECK_EQ(fit(TAP_INT8, TAP_INT4, false, large, &got, &err), TAP_DATA);
    CHECK_EQ(fit(TAP_INT8, TAP_STRING, true, small, &got, &err), TAP_DATA);
    CHECK_EQ(fit(TAP_FLOAT, TAP_FLOAT16, false, exact, &got, &err), TAP_DATA);
}

static tap_value *fill(tap_dtype t, int64_t n, const tap_fill_options *o) {
    tap_value *v = NULL;
    CHECK_EQ(tap_value_fill(t, 1, &n, o, &v, NULL), TAP_OK);
    return v;
}

static void random_numbers_are_those_of_the_contract(void) {
    tap_fill_options o = {.size = sizeof o, .fill = TAP_FILL_RANDOM, .seed = 0};
    tap_value *v = fill(TAP_DOUBLE, 3, &o);
    const double *x = tap_tensor_data(tap_value_tensor(v));
    /* SplitMix64 from state 0: E220A8397B1DCDAF, 6E789E6AA1B965F4, 06C45D188009454F. */
    CHECK(x[0] == (double)(UINT64_C(0xE220A8397B1DCDAF) >> 11) * 0x1p-53);
    CHECK(x[1] == (double)(UINT64_C(0x6E789E6AA1B965F4) >> 11) * 0x1p-53);
    CHECK(x[2] == (double)(UINT64_C(0x06C45D188009454F) >> 11) * 0x1p-53);
    tap_value_release(v);
    CHECK(tap_seed_for(1, "a") != tap_seed_for(1, "b") && tap_seed_for(1, "a") != tap_seed_for(2, "a"));
}

static void ranges_hold(void) {
    static const tap_dtype types[] = {TAP_FLOAT, TAP_FLOAT16, TAP_BFLOAT16, TAP_INT64,
                                      TAP_UINT8, TAP_INT4,    TAP_BOOL};
    tap_fill_options o = {
        .size = sizeof o, .fill = TAP_FILL_RANDOM, .seed = 5, .ranged = true, .lo = -3, .hi = 4};
    for (size_t i = 0; i < TAP_COUNT_OF(types); i++) {
        tap_value *v = fill(types[i], 1000, &o);
        tap_summary s = {.size = sizeof s};
        tap_tensor_summary(tap_value_tensor(v), &s);
        bool from_zero = types[i] == TAP_UINT8 || types[i] == TAP_BOOL;
        CHECK(s.min >= (from_zero ? 0 : -3) && s.max <= 4);
        CHECK(types[i] == TAP_BOOL ? s.max == 1 : s.max > 3);
        CHECK(from_zero || s.min < -2);
        tap_value_release(v);
    }
    tap_value *v = NULL;
    o.lo = 5;
    CHECK_EQ(tap_value_fill(TAP_FLOAT, 0, NULL, &o, &v, NULL), TAP_USAGE);
    o = (tap_fill_options){.size = sizeof o, .fill = TAP_FILL_ONES};
    v = fill(TAP_COMPLEX64, 3, &o);
    const float *c = tap_tensor_data(tap_value_tensor(v));
    CHECK(c[0] == 1 && c[1] == 0 && c[4] == 1);
    tap_value_release(v);
    CHECK_EQ(tap_value_fill(TAP_FLOAT, 1, (int64_t[]){-1}, &o, &v, NULL), TAP_USAGE);
}

static void check_text(tap_dtype t, const void *data, const char *want) {
    tap_value *v = wrap(t, 1, data);
    char s[64];
    CHECK_EQ(tap_tensor_text(tap_value_tensor(v), 0, s, sizeof s), strlen(want));
    CHECK_STR(s, want);
    CHECK_EQ(tap_tensor_text(tap_value_tensor(v), 0, s, 3), strlen(want));
    CHECK(strlen(s) <= 2);
    tap_value_release(v);
}

static void elements_as_text(void) {
    check_text(TAP_FLOAT, &(float){0.1f}, "0.1");
    check_text(TAP_DOUBLE, &(double){0.1}, "0.1");
    check_text(TAP_FLOAT, &(float){NAN}, "nan");
    check_text(TAP_FLOAT, &(float){-INFINITY}, "-inf");
    check_text(TAP_INT64, &(int64_t){INT64_MIN}, "-9223372036854775808");
    check_text(TAP_UINT64, &(uint64_t){UINT64_MAX}, "18446744073709551615");
    check_text(TAP_BOOL, &(uint8_t){2}, "true");
    check_text(TAP_COMPLEX64, (float[]){1, -2.5f}, "(1-2.5j)");
    check_text(TAP_COMPLEX128, (double[]){0, (double)NAN}, "(0+nanj)");
    check_text(TAP_INT4, &(int8_t){-8}, "-8");
    check_text(TAP_FLOAT8E8M0, &(uint8_t){127}, "1");
    check_text(TAP_STRING, &(tap_string){"a\"\n\xFF", 4}, "\"a\\\"\\x0a\\xff\"");
}

static void summaries(void) {
    const float x[] = {NAN, 3, -1, INFINITY, 1};
    tap_value *v = wrap(TAP_FLOAT, 5, x);
    tap_summary s = {.size = sizeof s};
    tap_tensor_summary(tap_value_tensor(v), &s);
    CHECK(s.min == -1 && s.max == 3 && s.mean == 1);
    CHECK_EQ(s.min_at, 2);
    CHECK_EQ(s.max_at, 1);
    CHECK_EQ(s.nonfinite, 2);
    CHECK_EQ(s.nan, 1);
    tap_value_release(v);
    v = wrap(TAP_FLOAT, 1, x);
    tap_tensor_summary(tap_value_tensor(v), &s);
    CHECK(isnan(s.min) && isnan(s.max) && isnan(s.mean) && s.min_at == -1);
    tap_value_release(v);
    const float c[] = {3, 4, 0, 0};
    v = wrap(TAP_COMPLEX64, 2, c);
    tap_tensor_summary(tap_value_tensor(v), &s);
    CHECK(s.max == 5 && s.min == 0 && s.mean == 2.5);
    tap_value_release(v);
}

int main(void) {
    static const test_case tests[] = {TEST(to_integers_clamps),
                                      TEST(to_floats_rounds_once),
                                      TEST(complex_and_bool),
                                      TEST(blocks_meet),
                                      TEST(another_dtype_takes_a_cast),
                                      TEST(random_numbers_are_those_of_the_contract),
                                      TEST(ranges_hold),
                                      TEST(elements_as_text),
                                      TEST(summaries)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
