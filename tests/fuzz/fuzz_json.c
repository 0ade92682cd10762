/* Any bytes as JSON: refused with a message; or read, and what is written of it is read as the same. */
#include <string.h>

#include "fuzz.h"
#include "onnxtap/json.h"

typedef struct text {
    char *s;
    size_t n, room;
} text;

static void take(void *user, const char *s, size_t n) {
    text *t = user;
    if (t->n + n > t->room) {
        t->room = 2 * (t->n + n);
        t->s = realloc(t->s, t->room);
        PROMISE(t->s);
    }
    if (n) memcpy(t->s + t->n, s, n);
    t->n += n;
}

/* depth: what the writer nests; deeper values become null. */
static void put(tap_json *j, const char *key, const tap_json_value *v) {
    switch (tap_json_kind_of(v)) {
    case TAP_JSON_NULL: tap_json_null(j, key); return;
    case TAP_JSON_BOOL: tap_json_bool(j, key, tap_json_true(v)); return;
    case TAP_JSON_NUMBER: tap_json_double(j, key, tap_json_number(v, 0)); return;
    case TAP_JSON_STRING: tap_json_bytes(j, key, tap_json_text(v), tap_json_length(v)); return;
    case TAP_JSON_ARRAY: tap_json_array(j, key); break;
    case TAP_JSON_OBJECT: tap_json_object(j, key); break;
    }
    bool object = tap_json_kind_of(v) == TAP_JSON_OBJECT;
    for (const tap_json_value *i = tap_json_first(v); i; i = tap_json_next(i))
        put(j, object ? tap_json_key(i) : NULL, i);
    tap_json_end(j);
}

static text write_all(const tap_json_value *v) {
    text t = {NULL, 0, 0};
    tap_json *j = tap_json_new(take, &t, 1);
    PROMISE(j);
    put(j, NULL, v);
    tap_json_free(j);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    tap_json_value *v, *again;
    tap_error err = TAP_ERROR_INIT;
    tap_status s = tap_json_parse((const char *)bytes, n, &v, &err);
    PROMISE((s == TAP_OK) == (err.text[0] == '\0'));
    if (s != TAP_OK) return 0;
    text one = write_all(v);
    PROMISE(tap_json_parse(one.s, one.n, &again, NULL) == TAP_OK);
    text two = write_all(again);
    PROMISE(one.n == two.n && memcmp(one.s, two.s, one.n) == 0);
    free(one.s);
    free(two.s);
    tap_json_value_free(v);
    tap_json_value_free(again);
    return 0;
}
