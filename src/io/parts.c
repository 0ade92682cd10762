/* Sequences and maps as tensors, under names that tell where they belong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnxtap/record.h"

typedef struct taker {
    tap_each_fn *fn;
    void *user;
    tap_error *err;
} taker;

static tap_status each(const taker *k, const char *name, const tap_value *v);

/* The same with something behind the name. */
static tap_status each_part(const taker *k, const char *name, const char *suffix, const tap_value *v) {
    size_t n = strlen(name), m = strlen(suffix);
    char *p = malloc(n + m + 1);
    if (!p) return tap_error_no_memory(k->err, n);
    memcpy(p, name, n);
    memcpy(p + n, suffix, m + 1);
    tap_status status = each(k, p, v);
    free(p);
    return status;
}

static bool same_elements(const tap_tensor *a, const tap_tensor *b) {
    if (a->dtype != b->dtype || a->count != b->count) return false;
    if (a->dtype != TAP_STRING) return memcmp(a->data, b->data, tap_tensor_bytes(a)) == 0;
    const tap_string *x = a->data, *y = b->data;
    for (int64_t i = 0; i < a->count; i++)
        if (x[i].n != y[i].n || (x[i].n && memcmp(x[i].s, y[i].s, x[i].n) != 0)) return false;
    return true;
}

static const tap_tensor *side_of(const tap_value *v, size_t item, size_t side) {
    return tap_value_tensor(tap_value_item(tap_value_item(v, item), side));
}

/* Whether it is a sequence of maps which all have the keys of the first and values of one dtype. */
static bool is_table(const tap_value *v) {
    size_t n = tap_value_length(v);
    if (v->kind != TAP_KIND_SEQUENCE || n == 0) return false;
    for (size_t i = 0; i < n; i++) {
        const tap_tensor *keys = side_of(v, i, 0), *values = side_of(v, i, 1);
        if (tap_value_kind(tap_value_item(v, i)) != TAP_KIND_MAP || !keys || !values) return false;
        if (!same_elements(keys, side_of(v, 0, 0)) || values->dtype != side_of(v, 0, 1)->dtype) return false;
    }
    return true;
}

static tap_status each_table(const taker *k, const char *name, const tap_value *v) {
    const tap_tensor *row = side_of(v, 0, 1);
    size_t n_bytes = tap_tensor_bytes(row);
    tap_value *matrix = NULL;
    tap_status status =
        tap_value_new(row->dtype, 2, (int64_t[]){(int64_t)tap_value_length(v), row->count}, &matrix, k->err);
    if (status != TAP_OK) return status;
    /* Strings are borrowed from v for the length of the call. */
    for (size_t i = 0; i < tap_value_length(v) && n_bytes; i++)
        memcpy((char *)matrix->tensor.data + i * n_bytes, side_of(v, i, 1)->data, n_bytes);
    status = k->fn(k->user, name, matrix, k->err);
    tap_value_release(matrix);
    if (status != TAP_OK) return status;
    return each_part(k, name, ".keys", tap_value_item(tap_value_item(v, 0), 0));
}

static tap_status each(const taker *k, const char *name, const tap_value *v) {
    if (tap_value_kind(v) == TAP_KIND_NONE) return TAP_OK;
    if (v->kind == TAP_KIND_TENSOR) return k->fn(k->user, name, v, k->err);
    if (is_table(v)) return each_table(k, name, v);
    if (v->kind == TAP_KIND_MAP) {
        tap_status status = each_part(k, name, "", tap_value_item(v, 1));
        return status == TAP_OK ? each_part(k, name, ".keys", tap_value_item(v, 0)) : status;
    }
    for (size_t i = 0; i < tap_value_length(v); i++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, "[%zu]", i);
        tap_status status = each_part(k, name, suffix, tap_value_item(v, i));
        if (status != TAP_OK) return status;
    }
    return TAP_OK;
}

tap_status tap_value_each(const tap_value *v, const char *name, tap_each_fn *fn, void *user, tap_error *err) {
    tap_settle(tap_value_tensor(v));
    return each(&(taker){fn, user, err}, name, v);
}
