/* SparseTensorProto -> a dense tensor. */
#include <inttypes.h>
#include <string.h>

#include "core/tensor.h"
#include "onnx/loader.h"

typedef struct sparse {
    tap_src_tensor values, indices;
    bool by_axis; /* indices are [NNZ, rank] instead of positions in the flattened tensor */
} sparse;

static bool load_part(tap_loader *l, const TapOnnx__TensorProto *p, const char *what, tap_src_tensor *t) {
    if (!p) return tap_load_fail(l, TAP_MODEL, "the sparse tensor has no %s", what);
    tap_where here = {l->where, what, p->name, NULL, 0};
    l->where = &here;
    bool fine = tap_load_tensor(l, p, t);
    l->where = here.up;
    return fine;
}

static bool check_indices(tap_loader *l, const tap_src_tensor *t, sparse *s) {
    const tap_src_tensor *x = &s->indices;
    s->by_axis = x->rank == 2;
    bool fits = x->dtype == TAP_INT64 && s->values.rank == 1 && (x->rank == 1 || x->rank == 2) &&
                x->dims[0] == s->values.count && (!s->by_axis || x->dims[1] == t->rank);
    if (fits) return true;
    return tap_load_fail(
        l, TAP_MODEL,
        "a sparse tensor of rank %d takes values of shape [N] and int64 indices of shape [N] or [N,%d]",
        (int)t->rank, (int)t->rank);
}

/* Position of entry i in the flattened tensor; -1 where it lies outside. */
static int64_t position(const tap_src_tensor *t, const sparse *s, int64_t i) {
    const char *indices = s->indices.data;
    int rank = s->by_axis ? t->rank : 1;
    int64_t at = 0;
    for (int k = 0; k < rank; k++) {
        int64_t index, size = s->by_axis ? t->dims[k] : t->count;
        memcpy(&index, indices + (size_t)(i * rank + k) * sizeof index, sizeof index);
        if (index < 0 || index >= size) return -1;
        at = at * size + index;
    }
    return at;
}

static bool scatter(tap_loader *l, const tap_src_tensor *t, const sparse *s, const char *values, char *out) {
    size_t each = tap_dtype_bytes(t->dtype);
    int64_t last = -1;
    for (int64_t i = 0; i < s->values.count; i++) {
        int64_t at = position(t, s, i);
        if (at <= last)
            return tap_load_fail(l, TAP_MODEL,
                                 at < 0 ? "index %" PRId64 " of the sparse tensor lies outside of its shape"
                                        : "index %" PRId64
                                          " of the sparse tensor is not behind the one before it",
                                 i);
        memcpy(out + (size_t)at * each, values + (size_t)i * each, each);
        last = at;
    }
    return true;
}

static bool load_shape(tap_loader *l, const TapOnnx__SparseTensorProto *p, tap_src_tensor *t) {
    tap_tensor shape;
    if (p->n_dims > TAP_RANK_MAX)
        return tap_load_fail(l, TAP_UNSUPPORTED, "it has %zu dimensions; %d are supported", p->n_dims,
                             TAP_RANK_MAX);
    t->rank = (int32_t)p->n_dims;
    for (size_t i = 0; i < p->n_dims; i++) t->dims[i] = p->dims[i];
    if (!tap_tensor_shape(&shape, t->dtype, t->rank, t->dims))
        return tap_load_fail(l, TAP_MODEL, "a dimension is negative, or their product is too large");
    t->count = shape.count;
    return true;
}

bool tap_load_sparse(tap_loader *l, const TapOnnx__SparseTensorProto *p, tap_src_tensor *t) {
    sparse s;
    if (!load_part(l, p->values, "values", &s.values) || !load_part(l, p->indices, "indices", &s.indices))
        return false;
    *t = (tap_src_tensor){.name = s.values.name, .dtype = s.values.dtype, .encoding = TAP_STORED};
    if (!load_shape(l, p, t) || !check_indices(l, t, &s)) return false;
    size_t each = tap_dtype_bytes(t->dtype);
    t->n_bytes = (size_t)t->count * each;
    char *out = tap_load_make(l, (size_t)t->count, each);
    char *values = out ? tap_load_make(l, (size_t)s.values.count, each) : NULL;
    if (!values) return false;
    tap_src_store(&s.values, values);
    t->data = out;
    return scatter(l, t, &s, values, out);
}
