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

static tap_items *items_new(tap_budget *b, size_t room) {
    size_t n_bytes;
    if (!tap_mul_size(room, sizeof(tap_value *), &n_bytes) ||
        !tap_add_size(n_bytes, sizeof(tap_items), &n_bytes))
        return NULL;
    tap_items *s = tap_mem_alloc(b, n_bytes);
    if (!s) return NULL;
    atomic_init(&s->refs, 1);
    atomic_init(&s->used, 0);
    s->room = room;
    s->budget = b;
    return s;
}

static void items_release(tap_items *s) {
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1) return;
    const size_t n = atomic_load(&s->used);
    for (size_t i = 0; i < n; i++) tap_value_release(s->item[i]);
    tap_mem_free(s->budget, s);
}

/* A sequence of the first n items of s, whose reference is used up. */
static tap_value *sequence_of(tap_budget *b, tap_items *s, size_t n, tap_dtype dtype) {
    tap_value *v = s ? value_new(b, TAP_KIND_SEQUENCE) : NULL;
    if (!v) {
        items_release(s);
        return NULL;
    }
    v->store = s;
    v->items = s->item;
    v->n = n;
    v->elem_dtype = dtype;
    return v;
}

tap_value *tap_value_make_sequence(tap_budget *b, tap_value *const *items, size_t n, tap_dtype dtype) {
    tap_value *v = sequence_of(b, items_new(b, n), n, dtype);
    if (!v) return NULL;
    if (n) memcpy(v->items, items, n * sizeof *items);
    atomic_store(&v->store->used, n);
    return v;
}

/* The items of a sequence with room for as many more. */
static tap_items *items_grown(tap_budget *b, const tap_value *sequence) {
    const size_t n = sequence->n;
    tap_items *s = n < SIZE_MAX / 4 ? items_new(b, n < 4 ? 8 : 2 * n) : NULL;
    if (!s) return NULL;
    for (size_t i = 0; i < n; i++) {
        s->item[i] = sequence->items[i];
        tap_value_retain(s->item[i]);
    }
    atomic_store(&s->used, n);
    return s;
}

tap_value *tap_value_append(tap_budget *b, const tap_value *sequence, tap_value *item) {
    tap_items *s = sequence->store;
    const size_t n = sequence->n;
    size_t last = n;
    if (s->budget == b && n < s->room && atomic_compare_exchange_strong(&s->used, &last, n + 1)) {
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    } else {
        s = items_grown(b, sequence);
        if (!s) {
            tap_value_release(item);
            return NULL;
        }
        atomic_store(&s->used, n + 1);
    }
    s->item[n] = item;
    return sequence_of(b, s, n + 1, item->tensor.dtype);
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
    tap_items *s = items_new(b, v->n);
    for (size_t i = 0; s && i < v->n; i++) {
        s->item[i] = tap_value_make_copy(b, v->items[i]);
        if (!s->item[i]) {
            items_release(s);
            return NULL;
        }
        atomic_store(&s->used, i + 1);
    }
    tap_value *y = sequence_of(b, s, v->n, v->elem_dtype);
    if (y) y->kind = v->kind;
    return y;
}

void tap_value_retain(tap_value *v) {
    if (v) atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
}

void tap_value_release(tap_value *v) {
    if (!v || atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) != 1) return;
    items_release(v->store);
    tap_buffer_release(v->tensor.buffer);
    tap_mem_free(v->budget, v);
}
