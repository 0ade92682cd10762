/* The JSON reader: a recursive descent of bounded depth into nodes that live in one arena. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "io/number.h"
#include "io/unicode.h"
#include "onnxtap/json.h"

#define DEPTH_MOST 200

struct tap_json_value {
    tap_json_kind kind;
    bool is_true;
    double number;
    const char *key, *text;
    size_t length;
    tap_json_value *first, *last, *next;
};

/* The document: the root is its first field, so that freeing the root finds the arena. */
typedef struct document {
    tap_json_value root;
    tap_arena arena;
} document;

typedef struct reader {
    const char *begin, *p, *end;
    tap_arena *arena;
    tap_error *err;
    int depth;
} reader;

static tap_status bad(const reader *r, const char *why) {
    int line = 1;
    for (const char *p = r->begin; p < r->p && p < r->end; p++) line += *p == '\n';
    return tap_error_set(r->err, TAP_DATA, "JSON, line %d: %s", line, why);
}

static char peek(reader *r) {
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\t' || *r->p == '\r')) r->p++;
    return r->p < r->end ? *r->p : '\0';
}

static bool take(reader *r, char c) {
    if (peek(r) != c || r->p == r->end) return false;
    r->p++;
    return true;
}

static bool take_word(reader *r, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0) return false;
    r->p += n;
    return true;
}

static bool hex4(reader *r, uint32_t *c) {
    *c = 0;
    if (r->end - r->p < 4) return false;
    for (int i = 0; i < 4; i++, r->p++) {
        static const char digits[] = "0123456789abcdef0123456789ABCDEF";
        const char *at = *r->p ? strchr(digits, *r->p) : NULL;
        if (!at) return false;
        *c = *c << 4 | (uint32_t)((at - digits) & 15);
    }
    return true;
}

/* \uXXXX, a pair of them above U+FFFF; half a pair becomes U+FFFD. */
static bool take_unicode(reader *r, uint32_t *c) {
    uint32_t low;
    if (!hex4(r, c)) return false;
    if (*c < 0xD800 || *c > 0xDFFF) return true;
    const char *back = r->p;
    if (*c <= 0xDBFF && take_word(r, "\\u") && hex4(r, &low) && low >= 0xDC00 && low <= 0xDFFF) {
        *c = 0x10000 + ((*c - 0xD800) << 10) + (low - 0xDC00);
        return true;
    }
    r->p = back;
    *c = 0xFFFD;
    return true;
}

static bool take_escape(reader *r, char *out, size_t *n) {
    static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    if (r->p == r->end) return false;
    char c = *r->p++;
    if (c == 'u') {
        uint32_t point;
        if (!take_unicode(r, &point)) return false;
        *n += tap_utf8_put(point, out + *n);
        return true;
    }
    for (size_t i = 0; i + 1 < sizeof names; i += 2) {
        if (names[i] != c) continue;
        out[(*n)++] = names[i + 1];
        return true;
    }
    return false;
}

static tap_status read_string(reader *r, const char **text, size_t *length) {
    const char *close = ++r->p;
    while (close < r->end && *close != '"') close += *close == '\\' && close + 1 < r->end ? 2 : 1;
    if (close >= r->end) return bad(r, "a string without an end");
    char *out = tap_arena_alloc(r->arena, (size_t)(close - r->p) + 1);
    size_t n = 0;
    if (!out) return tap_error_no_memory(r->err, (size_t)(close - r->p));
    while (r->p < close) {
        if ((unsigned char)*r->p < 0x20) return bad(r, "a control character in a string");
        if (*r->p != '\\')
            out[n++] = *r->p++;
        else if (r->p++, !take_escape(r, out, &n))
            return bad(r, "an escape that JSON does not have");
    }
    r->p = close + 1;
    out[n] = '\0';
    *text = out;
    *length = n;
    return TAP_OK;
}

static tap_status read_number(reader *r, tap_json_value *v) {
    const char *begin = r->p;
    while (r->p < r->end && *r->p && strchr("0123456789+-.eE", *r->p)) r->p++;
    v->kind = TAP_JSON_NUMBER;
    if (begin < r->p && tap_number_parse(begin, (size_t)(r->p - begin), &v->number)) return TAP_OK;
    return bad(r, "no JSON value");
}

static tap_status read_value(reader *r, tap_json_value *v);

static tap_status read_items(reader *r, tap_json_value *v, char close) {
    r->p++;
    if (r->depth++ == DEPTH_MOST) return bad(r, "nested too deeply");
    while (!take(r, close)) {
        if (v->length > 0 && !take(r, ',')) return bad(r, "',' or the closing bracket is missing");
        tap_json_value *item = tap_arena_zero(r->arena, sizeof *item);
        if (!item) return tap_error_no_memory(r->err, sizeof *item);
        size_t n;
        item->key = "";
        if (v->kind == TAP_JSON_OBJECT) {
            if (peek(r) != '"') return bad(r, "a key in quotes is missing");
            tap_status s = read_string(r, &item->key, &n);
            if (s != TAP_OK) return s;
            if (!take(r, ':')) return bad(r, "':' is missing");
        }
        if (v->last)
            v->last->next = item;
        else
            v->first = item;
        v->last = item;
        v->length++;
        tap_status s = read_value(r, item);
        if (s != TAP_OK) return s;
    }
    r->depth--;
    return TAP_OK;
}

static tap_status read_value(reader *r, tap_json_value *v) {
    char c = peek(r);
    if (c == '{' || c == '[') {
        v->kind = c == '{' ? TAP_JSON_OBJECT : TAP_JSON_ARRAY;
        return read_items(r, v, c == '{' ? '}' : ']');
    }
    if (c == '"') {
        v->kind = TAP_JSON_STRING;
        return read_string(r, &v->text, &v->length);
    }
    if (take_word(r, "null")) return TAP_OK;
    v->kind = TAP_JSON_BOOL;
    v->is_true = take_word(r, "true");
    if (v->is_true || take_word(r, "false")) return TAP_OK;
    return read_number(r, v);
}

tap_status tap_json_parse(const char *text, size_t n, tap_json_value **out, tap_error *err) {
    *out = NULL;
    document *d = calloc(1, sizeof *d);
    if (!d) return tap_error_no_memory(err, sizeof *d);
    tap_arena_init(&d->arena, NULL);
    d->root.key = "";
    reader r = {text, text, text + n, &d->arena, err, 0};
    tap_status s = read_value(&r, &d->root);
    if (s == TAP_OK && (peek(&r) != '\0' || r.p != r.end)) s = bad(&r, "text behind the document");
    if (s == TAP_OK)
        *out = &d->root;
    else
        tap_json_value_free(&d->root);
    return s;
}

void tap_json_value_free(tap_json_value *root) {
    if (!root) return;
    document *d = (document *)(void *)root;
    tap_arena_clear(&d->arena);
    free(d);
}

tap_json_kind tap_json_kind_of(const tap_json_value *v) {
    return v ? v->kind : TAP_JSON_NULL;
}
size_t tap_json_length(const tap_json_value *v) {
    return v ? v->length : 0;
}
const tap_json_value *tap_json_first(const tap_json_value *v) {
    return v ? v->first : NULL;
}
const tap_json_value *tap_json_next(const tap_json_value *v) {
    return v ? v->next : NULL;
}
const char *tap_json_key(const tap_json_value *v) {
    return v ? v->key : "";
}
const char *tap_json_text(const tap_json_value *v) {
    return v && v->text ? v->text : "";
}
bool tap_json_true(const tap_json_value *v) {
    return v && v->is_true;
}

const tap_json_value *tap_json_get(const tap_json_value *v, const char *key) {
    const tap_json_value *found = NULL;
    for (const tap_json_value *i = tap_json_first(v); i; i = i->next)
        if (v->kind == TAP_JSON_OBJECT && strcmp(i->key, key) == 0) found = i;
    return found;
}

double tap_json_number(const tap_json_value *v, double otherwise) {
    if (!v) return otherwise;
    if (v->kind == TAP_JSON_NUMBER) return v->number;
    if (v->kind != TAP_JSON_STRING) return otherwise;
    if (strcmp(v->text, "NaN") == 0) return NAN;
    if (strcmp(v->text, "Infinity") == 0) return INFINITY;
    return strcmp(v->text, "-Infinity") == 0 ? -INFINITY : otherwise;
}
