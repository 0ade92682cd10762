/* Numbers as text: reading every accepted form, rounding once, the shortest text that leads back. */
#include "test.h"

#include <float.h>
#include <locale.h>
#include <math.h>

#include "core/decimal.h"

static tap_decimal parse(const char *s) {
    tap_decimal n;
    CHECK(tap_decimal_parse(s, strlen(s), &n));
    return n;
}

static void reads(void) {
    CHECK(parse("314.15926").d == 314.15926);
    CHECK(parse("-1e-5").d == -1e-5);
    CHECK(parse(" 1E8\n").d == 1e8);
    CHECK(parse(".5").d == 0.5);
    CHECK(parse("5.").d == 5);
    CHECK(parse("0.1").f == 0.1f);
    CHECK(parse("000000000000000000000000000001").d == 1);
    CHECK(parse("0.000000000000000000000000000001").d == 1e-30);
    CHECK(parse("1e400").d == INFINITY);
    CHECK(parse("1e-400").d == 0);
    CHECK(parse("1e99999999999999999999").d == INFINITY);
    CHECK(parse("+INF").d == INFINITY && parse("inF").d == INFINITY);
    CHECK(parse("-INF").d == -INFINITY && parse("-INF").f == -INFINITY);
    CHECK(isnan(parse("NaN").d));
    CHECK(signbit(parse("-0").d));
}

static void integers_are_exact(void) {
    tap_decimal n = parse("18446744073709551615");
    CHECK(n.is_int && n.magnitude == UINT64_MAX && !n.is_negative);
    n = parse("-9223372036854775808");
    CHECK(n.is_int && n.magnitude == UINT64_C(1) << 63 && n.is_negative);
    CHECK(!parse("18446744073709551616").is_int);
    CHECK(!parse("1.0").is_int);
    CHECK(!parse("1e2").is_int);
}

static void refuses(void) {
    static const char *const wrong[] = {"",   " ",   ".",    "-",   "+-1",   "1e",   "1e+",
                                        "e5", "1,5", "0x10", "1 2", "infin", "nano", "1.2.3"};
    for (size_t i = 0; i < TAP_COUNT_OF(wrong); i++) {
        tap_decimal n;
        CHECK(!tap_decimal_parse(wrong[i], strlen(wrong[i]), &n));
    }
}

/* Between two floats lies 2^-24 + a little: a double in between would round it down. */
static void rounds_once(void) {
    CHECK(parse("1.00000005960464477539062500000000000000000000001").f == 1.0f + FLT_EPSILON);
    CHECK(parse("1.000000059604644775390625").f == 1.0f);
    char text[1200] = "1.000000059604644775390625";
    memset(text + strlen(text), '0', 1100 - strlen(text));
    strcpy(text + 1100, "1"); /* behind all digits that are kept */
    CHECK(parse(text).f == 1.0f + FLT_EPSILON);
}

static void check_format(tap_dtype t, double x, const char *want) {
    char text[TAP_DECIMAL_CHARS];
    CHECK_EQ(tap_decimal_format(t, x, text), strlen(want));
    CHECK_STR(text, want);
}

static void writes(void) {
    check_format(TAP_FLOAT, 0.47892547f, "0.47892547");
    check_format(TAP_FLOAT, 0.1f, "0.1");
    check_format(TAP_DOUBLE, 0.1f, "0.10000000149011612");
    check_format(TAP_FLOAT16, 0.0999755859375, "0.1");
    check_format(TAP_FLOAT8E4M3FN, 448, "448.0");
    check_format(TAP_DOUBLE, 100, "100.0");
    check_format(TAP_DOUBLE, -0.0, "-0.0");
    check_format(TAP_DOUBLE, 1e15, "1000000000000000.0");
    check_format(TAP_DOUBLE, 1e16, "1e+16");
    check_format(TAP_DOUBLE, 0.0001, "0.0001");
    check_format(TAP_DOUBLE, 0.00001, "1e-05");
    check_format(TAP_DOUBLE, -DBL_MAX, "-1.7976931348623157e+308");
    check_format(TAP_DOUBLE, 5e-324, "5e-324");
    check_format(TAP_FLOAT, INFINITY, "inf");
    check_format(TAP_FLOAT, -INFINITY, "-inf");
    check_format(TAP_FLOAT, NAN, "nan");
}

/* Where the machine has a locale with a decimal comma, nothing changes. */
static void any_locale(void) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++)
        if (setlocale(LC_NUMERIC, names[i])) break;
    reads();
    writes();
    setlocale(LC_NUMERIC, "C");
}

int main(void) {
    static const test_case tests[] = {TEST(reads),   TEST(integers_are_exact),
                                      TEST(refuses), TEST(rounds_once),
                                      TEST(writes),  TEST(any_locale)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
