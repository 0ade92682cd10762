/* Rows of a value in memory. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/cast.h"
#include "io/rows.h"

static void let_go(void *v) {
    tap_value_release(v);
}

/* Rows that lie together, at an address that kernels like, are not copied. */
static tap_status share(tap_value *v, int64_t first, int64_t n, tap_value **out, tap_error *err) {
    tap_tensor t = v->tensor;
    size_t row_bytes = tap_tensor_bytes(&t) / (size_t)t.dims[0];
    t.data = (char *)t.data + (size_t)first * row_bytes;
    t.dims[0] = n;
    tap_tensor_shape(&t, t.dtype, t.rank, t.dims);
    t.buffer = tap_buffer_wrap_owned(NULL, t.data, (size_t)n * row_bytes, let_go, v);
    if (!t.buffer) return tap_error_no_memory(err, sizeof *t.buffer);
    tap_value_retain(v);
    *out = tap_value_share(NULL, &t);
    tap_buffer_release(t.buffer);
    return *out ? TAP_OK : tap_error_no_memory(err, sizeof **out);
}

static tap_status copy(const tap_tensor *t, const int64_t *rows, int64_t n, tap_value **out, tap_error *err) {
    int64_t dims[TAP_RANK_MAX];
    size_t row_bytes = t->dims[0] > 0 ? tap_tensor_bytes(t) / (size_t)t->dims[0] : 0;
    memcpy(dims, t->dims, sizeof dims);
    dims[0] = n;
    tap_status s = tap_value_new(t->dtype, t->rank, dims, out, err);
    for (int64_t i = 0; s == TAP_OK && i < n && row_bytes; i++)
        memcpy((char *)(*out)->tensor.data + (size_t)i * row_bytes,
               (const char *)t->data + (size_t)rows[i] * row_bytes, row_bytes);
    return s;
}

static tap_status value_read(tap_rows *r, const int64_t *rows, int64_t n, tap_value **out, tap_error *err) {
    tap_value *v = r->state;
    size_t row_bytes = r->n > 0 ? tap_tensor_bytes(&v->tensor) / (size_t)r->n : 0;
    bool aligned = n > 0 && ((uintptr_t)v->tensor.data + (size_t)rows[0] * row_bytes) % TAP_ALIGN == 0;
    tap_status s = aligned && tap_rows_are_next(rows, n) ? share(v, rows[0], n, out, err)
                                                         : copy(&v->tensor, rows, n, out, err);
    return s == TAP_OK ? tap_fit(out, r->type.dtype, r->options->cast, r->path, err) : s;
}

static tap_status value_rewind(tap_rows *r, tap_error *err) {
    (void)r, (void)err;
    return TAP_OK;
}

static const tap_rows_kind value_kind = {value_read, value_rewind, let_go};

tap_status tap_rows_of_value(tap_rows *r, tap_value *v, tap_error *err) {
    const tap_tensor *t = tap_value_tensor(v);
    if (!t || t->rank < 1)
        return tap_error_set(err, TAP_DATA, "%s: a data set is a tensor whose first axis counts the samples",
                             r->path);
    tap_value_retain(v);
    r->kind = &value_kind;
    r->state = v;
    r->n = t->dims[0];
    return TAP_OK;
}
