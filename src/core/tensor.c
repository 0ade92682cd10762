/* Tensors, buffers and values: making, sharing, copying, letting go. */
#include "core/tensor.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

bool tap_dims_count(int rank, const int64_t *dims, int64_t *count) {
    int64_t n = 1;
    bool zero = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0) return false;
        if (dims[i] == 0) zero = true;
        /* A product that overflows is refused even where another dimension is 0: strides would overflow too.
         */
        else if (!tap_mul64(n, dims[i], &n))
            return false;
    }
    *count = zero ? 0 : n;
    return true;
}

bool tap_tensor_shape(tap_tensor *t, tap_dtype dtype, int rank, const int64_t *dims) {
    int64_t count, n_bytes;
    if (rank < 0 || rank > TAP_RANK_MAX || !tap_dims_count(rank, dims, &count)) return false;
    if (!tap_mul64(count, (int64_t)tap_dtype_bytes(dtype), &n_bytes)) return false;
    t->dtype = dtype;
    t->rank = rank;
    for (int i = 0; i < rank; i++) t->dims[i] = dims[i];
    t->count = count;
    return true;
}

tap_buffer *tap_buffer_wrap(tap_budget *budget, void *data, size_t n_bytes) {
    tap_buffer *b = tap_mem_alloc(budget, sizeof *b);
    if (!b) return NULL;
    atomic_init(&b->refs, 1);
    b->budget = budget;
    b->data = data;
    b->n_bytes = n_bytes;
    b->owned = false;
    b->drops = false;
    b->let_go = NULL;
    b->owner = NULL;
    tap_arena_init(&b->strings, budget);
    return b;
}

tap_buffer *tap_buffer_wrap_owned(tap_budget *budget, void *data, size_t n_bytes, void (*let_go)(void *owner),
                                  void *owner) {
    tap_buffer *b = tap_buffer_wrap(budget, data, n_bytes);
    if (!b) return NULL;
    b->let_go = let_go;
    b->owner = owner;
    return b;
}

tap_buffer *tap_buffer_new(tap_budget *budget, size_t n_bytes) {
    void *data = tap_mem_alloc(budget, n_bytes);
    if (!data) return NULL;
    tap_buffer *b = tap_buffer_wrap(budget, data, n_bytes);
    if (!b) {
        tap_mem_free(budget, data);
        return NULL;
    }
    b->owned = true;
    return b;
}

void tap_buffer_retain(tap_buffer *b) {
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

void tap_buffer_release(tap_buffer *b) {
    if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
    tap_arena_clear(&b->strings);
    if (b->let_go) b->let_go(b->owner);
    if (b->owned) tap_mem_free(b->budget, b->data);
    tap_mem_free(b->budget, b);
}

static tap_value *value_new(tap_budget *b, tap_kind kind) {
    tap_value *v = tap_mem_alloc_zero(b, sizeof *v);
    if (!v) return NULL;
    atomic_init(&v->refs, 1);
    v->kind = kind;
    v->budget = b;
    return v;
}

tap_value *tap_value_make(tap_budget *b, tap_dtype dtype, int rank, const int64_t *dims) {
    tap_value *v = value_new(b, TAP_KIND_TENSOR);
    if (!v) return NULL;
    if (tap_tensor_shape(&v->tensor, dtype, rank, dims)) {
        size_t n_bytes = (size_t)v->tensor.count * tap_dtype_bytes(dtype);
        v->tensor.buffer = tap_buffer_new(b, n_bytes);
        if (v->tensor.buffer) {
            v->tensor.data = v->tensor.buffer->data;
            if (dtype == TAP_STRING) memset(v->tensor.data, 0, n_bytes);
            return v;
        }
    }
    tap_value_release(v);
    return NULL;
}

tap_value *tap_value_share(tap_budget *b, const tap_tensor *t) {
    tap_value *v = value_new(b, TAP_KIND_TENSOR);
    if (!v) return NULL;
    v->tensor = *t;
    tap_buffer_retain(t->buffer);
    return v;
}

tap_value *tap_value_make_sequence(tap_budget *b, tap_value *const *items, size_t n, tap_dtype dtype) {
    size_t n_bytes;
    tap_value *v = tap_mul_size(n, sizeof *items, &n_bytes) ? value_new(b, TAP_KIND_SEQUENCE) : NULL;
    if (!v) return NULL;
    v->items = tap_mem_alloc(b, n_bytes);
    if (!v->items) {
        tap_value_release(v);
        return NULL;
    }
    if (n) memcpy(v->items, items, n_bytes);
    v->n = n;
    v->elem_dtype = dtype;
    return v;
}

tap_value *tap_value_make_map(tap_budget *b, tap_value *keys, tap_value *values) {
    tap_value *items[2] = {keys, values};
    tap_value *v = tap_value_make_sequence(b, items, 2, values ? values->tensor.dtype : TAP_UNDEFINED);
    if (v) v->kind = TAP_KIND_MAP;
    return v;
}

/* Copies strings into the new buffer's own arena. */
static bool copy_strings(tap_buffer *b, int64_t n, const tap_string *x, tap_string *y) {
    size_t all = 0;
    for (int64_t i = 0; i < n; i++)
        if (!tap_add_size(all, x[i].n, &all)) return false;
    char *p = tap_arena_alloc(&b->strings, all);
    if (!p) return false;
    for (int64_t i = 0; i < n; i++) {
        if (x[i].n) memcpy(p, x[i].s, x[i].n);
        y[i] = (tap_string){p, x[i].n};
        p += x[i].n;
    }
    return true;
}

tap_value *tap_tensor_make_copy(tap_budget *b, const tap_tensor *t) {
    tap_value *v = tap_value_make(b, t->dtype, t->rank, t->dims);
    if (!v) return NULL;
    tap_settle(t);
    if (t->dtype != TAP_STRING) {
        memcpy(v->tensor.data, t->data, (size_t)t->count * tap_dtype_bytes(t->dtype));
        return v;
    }
    if (copy_strings(v->tensor.buffer, t->count, t->data, v->tensor.data)) return v;
    tap_value_release(v);
    return NULL;
}

tap_value *tap_value_make_copy(tap_budget *b, const tap_value *v) {
    if (v->kind == TAP_KIND_TENSOR) return tap_tensor_make_copy(b, &v->tensor);
    tap_value *y = tap_value_make_sequence(b, NULL, 0, v->elem_dtype);
    if (!y) return NULL;
    y->kind = v->kind;
    tap_mem_free(b, y->items);
    y->items = tap_mem_alloc(b, v->n * sizeof *v->items);
    for (size_t i = 0; y->items && i < v->n; i++) {
        y->items[i] = tap_value_make_copy(b, v->items[i]);
        if (!y->items[i]) break;
        y->n = i + 1;
    }
    if (y->n == v->n && y->items) return y;
    tap_value_release(y);
    return NULL;
}

void tap_value_retain(tap_value *v) {
    if (v) atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
}

void tap_value_release(tap_value *v) {
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < v->n; i++) tap_value_release(v->items[i]);
    tap_mem_free(v->budget, v->items);
    tap_buffer_release(v->tensor.buffer);
    tap_mem_free(v->budget, v);
}
