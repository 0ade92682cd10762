/* JSON: what is written is JSON and reads back; what is no JSON is refused. */
#include "test.h"

#include <math.h>
#include <stdlib.h>

#include "core/base.h"
#include "io/number.h"
#include "onnxtap/json.h"

typedef struct text {
    char s[4096];
    size_t n;
} text;

static void collect(void *user, const char *s, size_t n) {
    text *t = user;
    CHECK(t->n + n < sizeof t->s);
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = '\0';
}

static void one_line(void) {
    text t = {.n = 0};
    tap_json *j = tap_json_new(collect, &t, 0);
    tap_json_object(j, NULL);
    tap_json_string(j, "s", "a\"\\/\n\x01\x7F\xC3\xA9");
    tap_json_bytes(j, "bad", "x\xFFy\0z", 5);
    tap_json_string(j, "none", NULL);
    tap_json_array(j, "numbers");
    tap_json_int(j, NULL, INT64_MIN);
    tap_json_uint(j, NULL, UINT64_MAX);
    tap_json_double(j, NULL, 0.1);
    tap_json_float(j, NULL, 0.1f);
    tap_json_double(j, NULL, -0.0);
    tap_json_double(j, NULL, (double)NAN);
    tap_json_float(j, NULL, INFINITY);
    tap_json_float(j, NULL, -INFINITY);
    tap_json_end(j);
    tap_json_object(j, "empty");
    tap_json_end(j);
    tap_json_bool(j, "yes", true);
    tap_json_free(j);
    CHECK_STR(t.s,
              "{\"s\":\"a\\\"\\\\/\\n\\u0001\x7F\xC3\xA9\",\"bad\":\"x\xEF\xBF\xBDy\\u0000z\",\"none\":null,"
              "\"numbers\":[-9223372036854775808,18446744073709551615,0.1,0.1,-0,\"NaN\",\"Infinity\",\"-"
              "Infinity\"],"
              "\"empty\":{},\"yes\":true}\n");
}

static void indented(void) {
    text t = {.n = 0};
    tap_json *j = tap_json_new(collect, &t, 2);
    tap_json_object(j, NULL);
    tap_json_flat_array(j, "shape");
    tap_json_int(j, NULL, 1);
    tap_json_int(j, NULL, 2);
    tap_json_end(j);
    tap_json_array(j, "list");
    tap_json_flat_object(j, NULL);
    tap_json_int(j, "a", 1);
    tap_json_array(j, "inner");
    tap_json_int(j, NULL, 3);
    tap_json_free(j);
    CHECK_STR(t.s, "{\n  \"shape\": [1, 2],\n  \"list\": [\n    {\"a\": 1, \"inner\": [3]}\n  ]\n}\n");
}

static void too_deep_is_null(void) {
    static text t;
    tap_json *j = tap_json_new(collect, &t, 0);
    tap_json_value *v;
    for (int i = 0; i < 100; i++) tap_json_array(j, NULL);
    tap_json_int(j, NULL, 1);
    for (int i = 0; i < 99; i++) tap_json_end(j);
    tap_json_int(j, NULL, 2);
    tap_json_free(j);
    CHECK_EQ(tap_json_parse(t.s, t.n, &v, NULL), TAP_OK);
    CHECK_EQ(tap_json_length(v), 2);
    tap_json_value_free(v);
}

static void numbers_read_back(void) {
    static const double x[] = {0, 1, 0.1, 1.0 / 3, 1e300, 5e-324, 123456789012345678.0, -2.5e-7};
    char s[TAP_NUMBER_ROOM];
    for (size_t i = 0; i < TAP_COUNT_OF(x); i++) {
        double y;
        tap_number_double(s, x[i]);
        CHECK(tap_number_parse(s, strlen(s), &y) && y == x[i]);
        tap_number_float(s, (float)x[i]);
        CHECK(isinf((float)x[i]) || (tap_number_parse(s, strlen(s), &y) && (float)y == (float)x[i]));
    }
    double y;
    CHECK(!tap_number_parse("", 0, &y));
    CHECK(!tap_number_parse("1x", 2, &y));
    CHECK(!tap_number_parse("0x10", 4, &y));
    CHECK(!tap_number_parse("nan", 3, &y));
}

static void documents_are_read(void) {
    static const char doc[] = " {\"a\": [1, -2.5e3, \"x\\u00e9\\ud83d\\ude00\\n\", true, null, []], \"b\": "
                              "{\"c\": \"NaN\"}, \"a2\": 7} ";
    tap_json_value *v;
    CHECK_EQ(tap_json_parse(doc, sizeof doc - 1, &v, NULL), TAP_OK);
    const tap_json_value *a = tap_json_get(v, "a"), *i = tap_json_first(a);
    CHECK_EQ(tap_json_length(a), 6);
    CHECK(tap_json_number(i, 0) == 1);
    i = tap_json_next(i);
    CHECK(tap_json_number(i, 0) == -2500);
    i = tap_json_next(i);
    CHECK_STR(tap_json_text(i), "x\xC3\xA9\xF0\x9F\x98\x80\n");
    CHECK(tap_json_true(tap_json_next(i)));
    CHECK(isnan(tap_json_number(tap_json_get(tap_json_get(v, "b"), "c"), 0)));
    CHECK(tap_json_number(tap_json_get(v, "absent"), 42) == 42);
    CHECK(tap_json_get(a, "a") == NULL);
    tap_json_value_free(v);
}

static void what_is_no_json_is_refused(void) {
    static const char *const bad[] = {"",      "{",    "[1,]",       "{\"a\"}",   "{\"a\":}", "{a:1}",
                                      "[1 2]", "\"x",  "\"\\x\"",    "\"\\u12\"", "tru",      "1 2",
                                      "nan",   "[1}",  "{\"a\":1,}", "'a'",       "\"\n\"",   "+",
                                      "--1",   "\"\\", "[\"\\\"]"};
    tap_json_value *v;
    for (size_t i = 0; i < TAP_COUNT_OF(bad); i++) {
        size_t n = strlen(bad[i]);
        char *exact = malloc(n ? n : 1);
        memcpy(exact, bad[i], n);
        tap_status s = tap_json_parse(exact, n, &v, NULL);
        if (s != TAP_DATA) printf("taken: %s\n", bad[i]);
        CHECK_EQ(s, TAP_DATA);
        free(exact);
    }
    char deep[1000];
    memset(deep, '[', sizeof deep);
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_json_parse(deep, sizeof deep, &v, &err), TAP_DATA);
    CHECK(strstr(err.text, "deeply") != NULL);
}

int main(void) {
    static const test_case tests[] = {TEST(one_line),           TEST(indented),
                                      TEST(too_deep_is_null),   TEST(numbers_read_back),
                                      TEST(documents_are_read), TEST(what_is_no_json_is_refused)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
