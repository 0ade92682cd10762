/* The public functions on tensors and values. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"

tap_dtype tap_tensor_dtype(const tap_tensor *t) {
    return t->dtype;
}
int tap_tensor_rank(const tap_tensor *t) {
    return t->rank;
}
const int64_t *tap_tensor_dims(const tap_tensor *t) {
    return t->dims;
}
int64_t tap_tensor_count(const tap_tensor *t) {
    return t->count;
}
const void *tap_tensor_data(const tap_tensor *t) {
    return tap_settle(t)->data;
}
size_t tap_tensor_bytes(const tap_tensor *t) {
    return (size_t)t->count * tap_dtype_bytes(t->dtype);
}

static tap_status check_shape(tap_dtype dtype, int rank, const int64_t *dims, tap_tensor *t, tap_error *err) {
    if (tap_dtype_bytes(dtype) == 0) return tap_error_set(err, TAP_USAGE, "%d is not a dtype", (int)dtype);
    if (rank < 0 || rank > TAP_RANK_MAX)
        return tap_error_set(err, TAP_USAGE, "rank %d: a tensor has 0 to %d dimensions", rank, TAP_RANK_MAX);
    if (tap_tensor_shape(t, dtype, rank, dims)) return TAP_OK;
    char text[256] = "";
    tap_text at = {text, sizeof text, 0};
    tap_text_dims(&at, rank, dims);
    return tap_error_set(err, TAP_USAGE, "shape %s: a dimension is negative, or their product is too large",
                         text);
}

tap_status tap_value_new(tap_dtype dtype, int rank, const int64_t *dims, tap_value **out, tap_error *err) {
    *out = NULL;
    tap_tensor t;
    tap_status s = check_shape(dtype, rank, dims, &t, err);
    if (s != TAP_OK) return s;
    size_t n_bytes = (size_t)t.count * tap_dtype_bytes(dtype);
    *out = tap_value_make(NULL, dtype, rank, dims);
    if (!*out) return tap_error_no_memory(err, n_bytes);
    memset((*out)->tensor.data, 0, n_bytes);
    return TAP_OK;
}

tap_status tap_value_wrap(tap_dtype dtype, int rank, const int64_t *dims, const void *data, tap_value **out,
                          tap_error *err) {
    static char nothing;
    *out = NULL;
    tap_tensor t;
    tap_status s = check_shape(dtype, rank, dims, &t, err);
    if (s != TAP_OK) return s;
    if (!data && t.count > 0)
        return tap_error_set(err, TAP_USAGE, "data is NULL, but the shape has elements");
    /* The buffer is never written through: values made by wrapping are read-only (tap_value_data). */
    t.data = data ? (void *)(uintptr_t)data : &nothing;
    t.buffer = tap_buffer_wrap(NULL, t.data, (size_t)t.count * tap_dtype_bytes(dtype));
    if (!t.buffer) return tap_error_no_memory(err, sizeof *t.buffer);
    *out = tap_value_share(NULL, &t);
    tap_buffer_release(t.buffer);
    return *out ? TAP_OK : tap_error_no_memory(err, sizeof **out);
}

tap_status tap_tensor_copy(const tap_tensor *t, tap_value **out, tap_error *err) {
    *out = tap_tensor_make_copy(NULL, t);
    return *out ? TAP_OK : tap_error_no_memory(err, tap_tensor_bytes(t));
}

tap_status tap_value_copy(const tap_value *v, tap_value **out, tap_error *err) {
    if (!v) {
        *out = NULL;
        return tap_error_set(err, TAP_USAGE, "no value to copy");
    }
    *out = tap_value_make_copy(NULL, v);
    return *out ? TAP_OK : tap_error_no_memory(err, sizeof *v);
}

tap_status tap_value_new_sequence(tap_value *const *items, size_t n, tap_dtype dtype, tap_value **out,
                                  tap_error *err) {
    *out = tap_value_make_sequence(NULL, items, n, dtype);
    return *out ? TAP_OK : tap_error_no_memory(err, n * sizeof *items);
}

tap_status tap_value_new_map(tap_value *keys, tap_value *values, tap_value **out, tap_error *err) {
    *out = NULL;
    const tap_tensor *k = tap_value_tensor(keys), *v = tap_value_tensor(values);
    if (!k || !v || k->rank != 1 || v->rank != 1 || k->count != v->count)
        return tap_error_set(err, TAP_USAGE, "a map takes two tensors of rank 1 and equal length");
    *out = tap_value_make_map(NULL, keys, values);
    return *out ? TAP_OK : tap_error_no_memory(err, sizeof **out);
}

tap_kind tap_value_kind(const tap_value *v) {
    return v ? v->kind : TAP_KIND_NONE;
}
const tap_tensor *tap_value_tensor(const tap_value *v) {
    return v && v->kind == TAP_KIND_TENSOR ? &v->tensor : NULL;
}
size_t tap_value_length(const tap_value *v) {
    return v ? v->n : 0;
}
const tap_value *tap_value_item(const tap_value *v, size_t i) {
    return v && i < v->n ? v->items[i] : NULL;
}
tap_dtype tap_sequence_dtype(const tap_value *v) {
    return v ? v->elem_dtype : TAP_UNDEFINED;
}

void *tap_value_data(tap_value *v) {
    return v && v->kind == TAP_KIND_TENSOR && v->tensor.buffer->owned ? v->tensor.data : NULL;
}

tap_status tap_value_set_string(tap_value *v, int64_t i, const char *s, size_t n, tap_error *err) {
    tap_string *x = tap_value_data(v);
    if (!x || v->tensor.dtype != TAP_STRING)
        return tap_error_set(err, TAP_USAGE, "not a writable string tensor");
    if (i < 0 || i >= v->tensor.count) return tap_error_set(err, TAP_USAGE, "string index out of range");
    char *p = tap_arena_string(&v->tensor.buffer->strings, s, n);
    if (!p) return tap_error_no_memory(err, n);
    x[i] = (tap_string){p, n};
    return TAP_OK;
}

void tap_free(void *p) {
    free(p);
}
