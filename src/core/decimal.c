/* Numbers as text. The C library does the rounding, and is never shown a decimal point, which depends on the
 * locale. */
#include "core/decimal.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/half.h"

enum { DIGITS = 800 }; /* more than any float64, or middle between two, has */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_word(const char *s, size_t n, const char *word) {
    if (n != strlen(word)) return false;
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)s[i]) != word[i]) return false;
    return true;
}

/* Digits with the point left out: value = digits * 10^exponent. */
typedef struct decimal {
    char digits[DIGITS + 2];
    size_t n;
    int64_t exponent;
    bool lost; /* a digit that is not 0 was left out */
    bool any, point;
} decimal;

static void add_digit(decimal *d, char c) {
    d->any = true;
    if (d->n == 0 && c == '0') {
        d->exponent -= d->point;
    } else if (d->n < DIGITS) {
        d->digits[d->n++] = c;
        d->exponent -= d->point;
    } else {
        d->lost |= c != '0';
        d->exponent += !d->point;
    }
}

static const char *parse_digits(const char *s, const char *end, decimal *d) {
    for (; s < end && (is_digit(*s) || (*s == '.' && !d->point)); s++) {
        if (*s == '.')
            d->point = true;
        else
            add_digit(d, *s);
    }
    return s;
}

static const char *parse_exponent(const char *s, const char *end, decimal *d) {
    const char *start = s;
    if (s == end || (*s != 'e' && *s != 'E')) return s;
    bool negative = ++s < end && *s == '-';
    if (s < end && (*s == '-' || *s == '+')) s++;
    if (s == end || !is_digit(*s)) return start;
    int64_t e = 0;
    for (; s < end && is_digit(*s); s++)
        if (e < 1000000) e = e * 10 + (*s - '0');
    d->exponent += negative ? -e : e;
    return s;
}

static void set_integer(tap_decimal *out, const decimal *d) {
    out->is_int = d->exponent == 0 && !d->lost && d->n <= 20;
    out->magnitude = 0;
    for (size_t i = 0; i < d->n && out->is_int; i++)
        out->is_int =
            !__builtin_mul_overflow(out->magnitude, 10u, &out->magnitude) &&
            !__builtin_add_overflow(out->magnitude, (uint64_t)(d->digits[i] - '0'), &out->magnitude);
}

static bool parse_decimal(const char *s, const char *end, tap_decimal *out) {
    decimal d = {.n = 0};
    s = parse_digits(s, end, &d);
    if (!d.any) return false;
    bool scientific = s < end;
    if (parse_exponent(s, end, &d) != end) return false;
    set_integer(out, &d);
    out->is_int = out->is_int && !d.point && !scientific;
    if (d.lost) d.digits[d.n++] = '1', d.exponent--;
    if (d.n == 0) d.digits[d.n++] = '0';
    char text[DIGITS + 32];
    long long e = d.exponent < -100000 ? -100000 : d.exponent > 100000 ? 100000 : d.exponent;
    snprintf(text, sizeof text, "%.*se%lld", (int)d.n, d.digits, e);
    out->d = strtod(text, NULL);
    out->f = strtof(text, NULL);
    return true;
}

bool tap_decimal_parse(const char *s, size_t n, tap_decimal *out) {
    const char *end = s + n;
    while (s < end && isspace((unsigned char)*s)) s++;
    while (end > s && isspace((unsigned char)end[-1])) end--;
    *out = (tap_decimal){.is_negative = s < end && *s == '-'};
    if (s < end && (*s == '-' || *s == '+')) s++;
    if (is_word(s, (size_t)(end - s), "inf") || is_word(s, (size_t)(end - s), "infinity"))
        out->d = INFINITY;
    else if (is_word(s, (size_t)(end - s), "nan"))
        out->d = NAN;
    else if (!parse_decimal(s, end, out))
        return false;
    if (!isfinite(out->d)) out->f = (float)out->d;
    if (out->is_negative) out->d = -out->d, out->f = -out->f;
    return true;
}

/* ---- To text ---- */

/* Whether x, read back from text, is the same number of type t. */
static bool leads_back(tap_dtype t, const char *text, double x) {
    if (t == TAP_DOUBLE) return strtod(text, NULL) == x;
    if (t == TAP_FLOAT16)
        return (double)tap_f16_to_f32(tap_f32_to_f16(tap_f64_to_f32_odd(strtod(text, NULL)))) == x;
    return (double)strtof(text, NULL) == x;
}

/* A number of digits of which no two values lead back to one number of type t: if the nearest one to x does,
 * it is, but for zeros at its end, the shortest that does; else more are needed. 1 where that does not hold:
 * for subnormals, and powers of two, whose neighbours are not equally far. */
static int safe_digits(tap_dtype t, double x) {
    int power;
    const double least = t == TAP_DOUBLE ? 0x1p-1022 : t == TAP_FLOAT16 ? 0x1p-14 : 0x1p-126;
    if (x < least || frexp(x, &power) == 0.5) return 1;
    return t == TAP_DOUBLE ? 15 : t == TAP_FLOAT16 ? 3 : t == TAP_FLOAT ? 6 : 1;
}

/* Digits of |x| and the power of ten of the first; the count of digits. */
static int shortest(tap_dtype t, double x, char *digits, int *power) {
    char text[TAP_DECIMAL_CHARS];
    int n = safe_digits(t, x);
    do snprintf(text, sizeof text, "%.*e", n - 1, x);
    while (!leads_back(t, text, x) && n++ < 17);
    char *e = strchr(text, 'e');
    *power = atoi(e + 1);
    n = 0;
    for (char *c = text; c < e; c++)
        if (is_digit(*c)) digits[n++] = *c;
    while (n > 1 && digits[n - 1] == '0') n--;
    return n;
}

size_t tap_decimal_format(tap_dtype t, double x, char *out) {
    if (isnan(x)) return (size_t)sprintf(out, "nan");
    char *o = out, digits[24] = "0";
    int power = 0, n = 0;
    const double a = fabs(x);
    if (signbit(x)) *o++ = '-';
    if (isinf(a)) return (size_t)(o - out + sprintf(o, "inf"));
    if (a == 0) return (size_t)(o - out + sprintf(o, "0.0"));
    n = shortest(t, a, digits, &power);
    if (power < -4 || power >= 16) { /* d.ddde-05 */
        *o++ = digits[0];
        if (n > 1) *o++ = '.';
        for (int i = 1; i < n; i++) *o++ = digits[i];
        return (size_t)(o - out + sprintf(o, "e%+03d", power));
    }
    for (int i = power < 0 ? power : 0; i < n || i <= power + 1; i++) {
        if (i == power + 1) *o++ = '.';
        *o++ = i >= 0 && i < n ? digits[i] : '0';
    }
    *o = '\0';
    return (size_t)(o - out);
}
