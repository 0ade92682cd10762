/* printf and strtod follow the locale of the program that the library is part of: its decimal point is taken
 * out again. */
#include "io/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *locale_point(void) {
    const struct lconv *l = localeconv();
    return l && l->decimal_point && *l->decimal_point ? l->decimal_point : ".";
}

static void put_point(char *s) {
    const char *point = locale_point();
    char *at = strcmp(point, ".") == 0 ? NULL : strstr(s, point);
    if (!at) return;
    size_t n = strlen(point);
    *at = '.';
    memmove(at + 1, at + n, strlen(at + n) + 1);
}

static bool put_special(char *out, double v) {
    if (isfinite(v)) return false;
    strcpy(out, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
    return true;
}

void tap_number_rounded(char out[TAP_NUMBER_ROOM], double v, int digits) {
    if (put_special(out, v)) return;
    snprintf(out, TAP_NUMBER_ROOM, "%.*g", digits, v);
    put_point(out);
}

void tap_number_double(char out[TAP_NUMBER_ROOM], double v) {
    if (put_special(out, v)) return;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, TAP_NUMBER_ROOM, "%.*g", digits, v);
        if (strtod(out, NULL) == v) break;
    }
    put_point(out);
}

void tap_number_float(char out[TAP_NUMBER_ROOM], float v) {
    if (put_special(out, (double)v)) return;
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, TAP_NUMBER_ROOM, "%.*g", digits, (double)v);
        if (strtof(out, NULL) == v) break;
    }
    put_point(out);
}

bool tap_number_parse(const char *s, size_t n, double *v) {
    char text[128];
    const char *point = locale_point();
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        const char *c = s[i] == '.' ? point : &s[i];
        size_t k = s[i] == '.' ? strlen(point) : 1;
        if (!s[i] || !strchr("0123456789+-.eE", s[i]) || m + k >= sizeof text) return false;
        memcpy(text + m, c, k);
        m += k;
    }
    text[m] = '\0';
    char *end;
    *v = strtod(text, &end);
    return m > 0 && end == text + m;
}
