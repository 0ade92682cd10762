/* The JSON writer. */
#include "onnxtap/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/number.h"
#include "io/unicode.h"

#define DEPTH_MOST 64

typedef struct level {
    char close;
    bool flat, any;
} level;

struct tap_json {
    tap_json_sink *sink;
    void *user;
    int indent, depth, too_deep;
    level levels[DEPTH_MOST];
};

tap_json *tap_json_new(tap_json_sink *sink, void *user, int indent) {
    tap_json *j = calloc(1, sizeof *j);
    if (!j) return NULL;
    j->sink = sink;
    j->user = user;
    j->indent = indent;
    return j;
}

static void put(tap_json *j, const char *s) {
    j->sink(j->user, s, strlen(s));
}

static void new_line(tap_json *j) {
    if (j->indent == 0) return;
    put(j, "\n");
    for (int i = 0; i < j->depth * j->indent; i++) put(j, " ");
}

static void put_escaped(tap_json *j, uint32_t c) {
    static const char short_form[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    char text[8];
    const char *at = c && c < 0x80 ? strchr(short_form, (char)c) : NULL;
    if (at)
        snprintf(text, sizeof text, "\\%c", (at - short_form) % 2 ? *at : at[1]);
    else
        snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    put(j, text);
}

static void put_string(tap_json *j, const char *s, size_t n) {
    const char *end = s + n, *plain = s;
    put(j, "\"");
    for (const char *p = s; p < end;) {
        const char *at = p;
        uint32_t c = tap_utf8_next(&p, end);
        if (c >= 0x20 && c != '"' && c != '\\' && !tap_is_escaped_byte(c)) continue;
        j->sink(j->user, plain, (size_t)(at - plain));
        plain = p;
        if (tap_is_escaped_byte(c))
            put(j, "\xEF\xBF\xBD");
        else
            put_escaped(j, c);
    }
    j->sink(j->user, plain, (size_t)(end - plain));
    put(j, "\"");
}

/* What stands before a value: comma, line, key. False where nothing may be written: nesting is too deep. */
static bool begin_value(tap_json *j, const char *key) {
    if (j->too_deep) return false;
    if (j->depth > 0) {
        level *l = &j->levels[j->depth - 1];
        if (l->any) put(j, l->flat && j->indent ? ", " : ",");
        if (!l->flat) new_line(j);
        l->any = true;
    }
    if (key) {
        put_string(j, key, strlen(key));
        put(j, j->indent ? ": " : ":");
    }
    return true;
}

static void open_level(tap_json *j, const char *key, const char *brackets, bool flat) {
    if (j->depth == DEPTH_MOST) tap_json_null(j, key);
    if (j->depth == DEPTH_MOST || j->too_deep) {
        j->too_deep++;
        return;
    }
    begin_value(j, key);
    const char open[2] = {brackets[0], '\0'};
    put(j, open);
    bool inside_flat = j->depth > 0 && j->levels[j->depth - 1].flat;
    j->levels[j->depth++] = (level){brackets[1], flat || inside_flat, false};
}

void tap_json_object(tap_json *j, const char *key) {
    open_level(j, key, "{}", false);
}
void tap_json_array(tap_json *j, const char *key) {
    open_level(j, key, "[]", false);
}
void tap_json_flat_object(tap_json *j, const char *key) {
    open_level(j, key, "{}", true);
}
void tap_json_flat_array(tap_json *j, const char *key) {
    open_level(j, key, "[]", true);
}

void tap_json_end(tap_json *j) {
    if (j->too_deep) {
        j->too_deep--;
        return;
    }
    if (j->depth == 0) return;
    level l = j->levels[--j->depth];
    if (l.any && !l.flat) new_line(j);
    const char close[2] = {l.close, '\0'};
    put(j, close);
}

void tap_json_free(tap_json *j) {
    if (!j) return;
    while (j->too_deep || j->depth) tap_json_end(j);
    put(j, "\n");
    free(j);
}

void tap_json_bytes(tap_json *j, const char *key, const char *s, size_t n) {
    if (begin_value(j, key)) put_string(j, s, n);
}

void tap_json_string(tap_json *j, const char *key, const char *s) {
    if (s)
        tap_json_bytes(j, key, s, strlen(s));
    else
        tap_json_null(j, key);
}

static void put_word(tap_json *j, const char *key, const char *word) {
    if (begin_value(j, key)) put(j, word);
}

void tap_json_null(tap_json *j, const char *key) {
    put_word(j, key, "null");
}
void tap_json_bool(tap_json *j, const char *key, bool v) {
    put_word(j, key, v ? "true" : "false");
}

void tap_json_int(tap_json *j, const char *key, int64_t v) {
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, v);
    put_word(j, key, text);
}

void tap_json_uint(tap_json *j, const char *key, uint64_t v) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, v);
    put_word(j, key, text);
}

static const char *not_finite(double v) {
    return isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"";
}

void tap_json_double(tap_json *j, const char *key, double v) {
    char text[TAP_NUMBER_ROOM];
    tap_number_double(text, v);
    put_word(j, key, isfinite(v) ? text : not_finite(v));
}

void tap_json_float(tap_json *j, const char *key, float v) {
    char text[TAP_NUMBER_ROOM];
    tap_number_float(text, v);
    put_word(j, key, isfinite(v) ? text : not_finite((double)v));
}

void tap_json_error(tap_json *j, const tap_error *err) {
    static const char *const names[] = {
#define TAP_X(name, exit_status, text) #name,
        TAP_STATUS_LIST(TAP_X)
#undef TAP_X
    };
    char code[32] = "";
    if ((size_t)err->code < TAP_COUNT_OF(names)) snprintf(code, sizeof code, "%s", names[err->code]);
    for (char *p = code; *p; p++)
        if (*p >= 'A' && *p <= 'Z') *p = (char)(*p - 'A' + 'a');
    tap_json_object(j, "error");
    tap_json_string(j, "code", code);
    tap_json_string(j, "message", err->text);
    tap_json_string(j, "node", err->node);
    tap_json_string(j, "op", err->op);
    tap_json_string(j, "tensor", err->tensor);
    tap_json_end(j);
}
