/* Initializers as kernels take them: aligned, sub-byte types unpacked. */
#include <string.h>

#include "graph/graph.h"

static bool lies_ready(const tap_src_tensor *t) {
    if (t->encoding == TAP_STORED) return true;
    size_t each = tap_dtype_bytes(t->dtype);
    return tap_dtype_bits(t->dtype) >= 8 && (uintptr_t)t->data % (each > 8 ? 8 : each) == 0;
}

/* The elements where they lie. The tensor may be at any address. */
static tap_value *where_it_lies(tap_budget *budget, const tap_src_tensor *t) {
    tap_tensor x = {0};
    if (!tap_tensor_shape(&x, t->dtype, t->rank, t->dims)) return NULL;
    x.data = (void *)(uintptr_t)t->data;
    x.buffer = tap_buffer_wrap(budget, x.data, t->n_bytes);
    if (!x.buffer) return NULL;
    tap_value *v = tap_value_share(budget, &x);
    tap_buffer_release(x.buffer);
    return v;
}

tap_value *tap_graph_stored(tap_bound *b, const tap_src_tensor *t) {
    if (lies_ready(t)) return where_it_lies(b->budget, t);
    tap_value *y = tap_value_make(b->budget, t->dtype, t->rank, t->dims);
    if (!y) return NULL;
    if (tap_dtype_bits(t->dtype) >= 8)
        memcpy(y->tensor.data, t->data, (size_t)t->count * tap_dtype_bytes(t->dtype));
    else
        tap_unpack_bits(t->dtype, t->count, t->data, y->tensor.data);
    return y;
}

tap_value *tap_graph_constant(tap_bound *b, tap_gvalue *v) {
    if (!v->constant && v->stored) v->constant = tap_graph_stored(b, v->stored);
    return v->constant;
}
