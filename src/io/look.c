/* Looking at tensors: as float64, as text, in summary. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "io/element.h"
#include "io/number.h"
#include "io/unicode.h"
#include "onnxtap/record.h"

static void doubles_of(const tap_tensor *t, int64_t first, int64_t n, double *out) {
    const char *p = (const char *)t->data + (size_t)first * tap_dtype_bytes(t->dtype);
    tap_class c = tap_class_of(t->dtype);
    tap_wide w;
    if (c == TAP_CLASS_COMPLEX) {
        tap_widen(t->dtype, p, 2 * n, &w);
        for (int64_t k = 0; k < n; k++) out[k] = hypot(w.f[2 * k], w.f[2 * k + 1]);
        return;
    }
    tap_widen(t->dtype, p, n, &w);
    tap_narrow(TAP_DOUBLE, c, &w, n, out);
}

bool tap_tensor_doubles(const tap_tensor *t, int64_t first, int64_t n, double *out) {
    if (t->dtype == TAP_STRING) return false;
    tap_settle(t);
    for (int64_t i = 0; i < n; i += TAP_WIDE_BLOCK / 2)
        doubles_of(t, first + i, tap_min64(TAP_WIDE_BLOCK / 2, n - i), out + i);
    return true;
}

typedef struct text {
    char *s;
    size_t room, n;
} text;

static void put(text *t, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++, t->n++)
        if (t->n + 1 < t->room) t->s[t->n] = s[i];
}

static void put_string(text *t, const tap_string *x) {
    const char *p = x->s, *end = x->s + x->n;
    put(t, "\"", 1);
    while (p < end) {
        const char *at = p;
        uint32_t c = tap_utf8_next(&p, end);
        char escape[8];
        if (c == '"' || c == '\\') {
            put(t, "\\", 1);
        } else if (c < 0x20 || c == 0x7F || tap_is_escaped_byte(c)) {
            int n = snprintf(escape, sizeof escape, "\\x%02x", (unsigned)(unsigned char)*at);
            put(t, escape, (size_t)n);
            continue;
        }
        put(t, at, (size_t)(p - at));
    }
    put(t, "\"", 1);
}

/* The shortest number that tells a small float from its neighbours is that of its float32. */
static void put_real(text *t, tap_dtype dtype, double x) {
    char number[TAP_NUMBER_ROOM];
    if (dtype == TAP_DOUBLE || dtype == TAP_COMPLEX128)
        tap_number_double(number, x);
    else
        tap_number_float(number, (float)x);
    put(t, number, strlen(number));
}

static void put_complex(text *t, tap_dtype dtype, const double *parts) {
    put(t, "(", 1);
    put_real(t, dtype, parts[0]);
    if (!signbit(parts[1]) || isnan(parts[1])) put(t, "+", 1);
    put_real(t, dtype, parts[1]);
    put(t, "j)", 2);
}

size_t tap_tensor_text(const tap_tensor *tensor, int64_t i, char *out, size_t room) {
    text t = {out, room, 0};
    char number[32] = "";
    tap_wide w;
    tap_class c = tap_class_of(tensor->dtype);
    const char *p = (const char *)tap_settle(tensor)->data + (size_t)i * tap_dtype_bytes(tensor->dtype);
    if (c != TAP_CLASS_STRING) tap_widen(tensor->dtype, p, c == TAP_CLASS_COMPLEX ? 2 : 1, &w);
    switch (c) {
    case TAP_CLASS_STRING: put_string(&t, (const tap_string *)(const void *)p); break;
    case TAP_CLASS_COMPLEX: put_complex(&t, tensor->dtype, w.f); break;
    case TAP_CLASS_REAL: put_real(&t, tensor->dtype, w.f[0]); break;
    case TAP_CLASS_SIGNED: snprintf(number, sizeof number, "%" PRId64, w.i[0]); break;
    case TAP_CLASS_UNSIGNED:
        if (tensor->dtype == TAP_BOOL)
            snprintf(number, sizeof number, "%s", w.u[0] ? "true" : "false");
        else
            snprintf(number, sizeof number, "%" PRIu64, w.u[0]);
        break;
    }
    put(&t, number, strlen(number));
    if (room) out[t.n < room ? t.n : room - 1] = '\0';
    return t.n;
}

static void see(tap_summary *s, int64_t i, double x, double *sum, int64_t *finite) {
    if (!isfinite(x)) {
        s->nonfinite++;
        s->nan += isnan(x) != 0;
        return;
    }
    if (s->min_at < 0 || x < s->min) {
        s->min = x;
        s->min_at = i;
    }
    if (s->max_at < 0 || x > s->max) {
        s->max = x;
        s->max_at = i;
    }
    *sum += x;
    ++*finite;
}

void tap_tensor_summary(const tap_tensor *t, tap_summary *out) {
    tap_summary s = {.size = out->size, .min = NAN, .max = NAN, .mean = NAN, .min_at = -1, .max_at = -1};
    double all = 0, block[TAP_WIDE_BLOCK / 2];
    int64_t finite = 0;
    tap_settle(t);
    for (int64_t i = 0; i < t->count && t->dtype != TAP_STRING; i += TAP_WIDE_BLOCK / 2) {
        double sum = 0;
        int64_t n = tap_min64(TAP_WIDE_BLOCK / 2, t->count - i);
        doubles_of(t, i, n, block);
        for (int64_t k = 0; k < n; k++) see(&s, i + k, block[k], &sum, &finite);
        all += sum;
    }
    if (finite > 0) s.mean = all / (double)finite;
    *out = s;
}
