/* Any bytes as a .npy array, and as a .npz archive all of whose arrays are loaded: refused with a message; or
 * read, and then what is written again is read as the same. */
#include <stdatomic.h>
#include <string.h>

#include "core/tensor.h"
#include "fuzz.h"
#include "io/load.h"
#include "io/npy.h"

enum { BUDGET = 16 << 20 };

typedef struct written {
    uint8_t *p;
    size_t n;
} written;

static void take(void *user, const void *p, size_t n) {
    written *w = user;
    memcpy(w->p + w->n, p, n);
    w->n += n;
}

static tap_status read_array(const uint8_t *bytes, size_t n, tap_value **v, tap_error *err) {
    tap_file file = {.data = bytes, .n_bytes = n};
    tap_source s = tap_source_of(&file, "x.npy", BUDGET);
    return tap_npy_read(&s, TAP_BFLOAT16, v, err);
}

static bool same(const tap_tensor *a, const tap_tensor *b) {
    if (a->rank != b->rank || a->count != b->count) return false;
    if (a->dtype == TAP_BFLOAT16) return b->dtype == TAP_FLOAT;
    if (a->dtype != b->dtype) return false;
    if (a->dtype != TAP_STRING) return memcmp(a->data, b->data, tap_tensor_bytes(a)) == 0;
    const tap_string *x = a->data, *y = b->data;
    for (int64_t i = 0; i < a->count; i++) {
        /* NumPy's strings have no zero at their end. */
        size_t n_x = x[i].n;
        while (n_x > 0 && x[i].s[n_x - 1] == 0) n_x--;
        if (n_x != y[i].n || (n_x && memcmp(x[i].s, y[i].s, n_x) != 0)) return false;
    }
    return true;
}

static void write_and_read(const tap_tensor *t) {
    tap_npy_plan plan;
    tap_value *again;
    if (tap_npy_plan_of(t, false, BUDGET, &plan, NULL) != TAP_OK) return;
    written w = {malloc(plan.n_bytes), 0};
    PROMISE(w.p);
    tap_npy_emit(&plan, take, &w);
    PROMISE(w.n == plan.n_bytes);
    tap_status s = read_array(w.p, w.n, &again, NULL);
    PROMISE(s == TAP_OK || s == TAP_MEMORY);
    if (s == TAP_OK) PROMISE(same(t, tap_value_tensor(again)));
    tap_value_release(again);
    free(w.p);
}

static void check(tap_status s, const tap_value *v, const tap_error *err) {
    PROMISE((s == TAP_OK) == (err->text[0] == '\0'));
    PROMISE(s == TAP_OK || !v);
    if (s == TAP_OK) write_and_read(tap_value_tensor(v));
}

static void read_archive(const uint8_t *bytes, size_t n) {
    static const tap_type float_type = {.kind = TAP_KIND_TENSOR, .rank = -1};
    static const tap_type list = {.kind = TAP_KIND_SEQUENCE, .rank = -1, .elem = &float_type};
    tap_file file = {.data = bytes, .n_bytes = n};
    tap_archive *a;
    tap_error err = TAP_ERROR_INIT;
    atomic_init(&file.refs, 1000);
    if (tap_archive_of(&file, "x.npz", &a, &err) != TAP_OK) {
        PROMISE(err.text[0]);
        return;
    }
    for (size_t i = 0; i < tap_archive_count(a) && i < 100; i++) {
        tap_value *v;
        tap_error why = TAP_ERROR_INIT;
        tap_load_options o = {.size = sizeof o, .limit_bytes = BUDGET};
        tap_status s = tap_archive_load(a, tap_archive_key(a, i), &o, &v, &why);
        check(s, v, &why);
        tap_value_release(v);
        o.type = &list;
        if (tap_archive_load(a, "list", &o, &v, NULL) == TAP_OK) tap_value_release(v);
    }
    tap_archive_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    tap_value *v;
    tap_error err = TAP_ERROR_INIT;
    tap_status s = read_array(bytes, n, &v, &err);
    check(s, v, &err);
    tap_value_release(v);
    read_archive(bytes, n);
    return 0;
}
