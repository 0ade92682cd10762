/* Any bytes as a data file of a value, read as each kind: refused with a message; or read, and then what is
 * written again is read as the same. */
#include <string.h>

#include "core/tensor.h"
#include "fuzz.h"
#include "onnx/load.h"

enum { BUDGET = 64 << 20 };

static const tap_type tensor = {.kind = TAP_KIND_TENSOR, .dtype = TAP_FLOAT, .rank = -1};
static const tap_type sequence = {.kind = TAP_KIND_SEQUENCE, .rank = -1, .elem = &tensor};
static const tap_type map = {.kind = TAP_KIND_MAP, .dtype = TAP_INT64, .rank = -1, .elem = &tensor};
static const tap_type optional = {.kind = TAP_KIND_OPTIONAL, .rank = -1, .elem = &sequence};
static const tap_type *const types[] = {NULL, &tensor, &sequence, &map, &optional};

static bool same(const tap_value *a, const tap_value *b) {
    if (!a || !b) return a == b;
    if (a->kind != b->kind || a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same(a->items[i], b->items[i])) return false;
    const tap_tensor *x = &a->tensor, *y = &b->tensor;
    if (a->kind != TAP_KIND_TENSOR) return true;
    if (x->dtype != y->dtype || x->rank != y->rank || x->count != y->count) return false;
    if (x->dtype != TAP_STRING) return memcmp(x->data, y->data, tap_tensor_bytes(x)) == 0;
    const tap_string *s = x->data, *t = y->data;
    for (int64_t i = 0; i < x->count; i++)
        if (s[i].n != t[i].n || (s[i].n && memcmp(s[i].s, t[i].s, s[i].n) != 0)) return false;
    return true;
}

static void write_and_read(const tap_value *v, const tap_type *type) {
    void *bytes;
    size_t n;
    tap_value *again;
    tap_error err = TAP_ERROR_INIT;
    /* A sequence of different kinds can be read as optionals, and then has no common kind to be written as.
     */
    if (tap_onnx_save_value(v, NULL, type, &bytes, &n, &err) == TAP_USAGE) return;
    PROMISE(err.text[0] == '\0');
    PROMISE(tap_onnx_load_value(bytes, n, type, 0, &again, &err) == TAP_OK);
    PROMISE(same(v, again));
    tap_value_release(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        tap_value *v;
        tap_error err = TAP_ERROR_INIT;
        tap_status st = tap_onnx_load_value(bytes, n, types[i], BUDGET, &v, &err);
        PROMISE((st == TAP_OK) == (err.text[0] == '\0'));
        PROMISE(st == TAP_OK || !v);
        if (st == TAP_OK && types[i] && v) write_and_read(v, types[i]);
        tap_value_release(v);
    }
    return 0;
}
