/* Copies of blocks between dense tensors: slices along an axis, put in and taken out. */
#ifndef TAP_OPS_COMMON_ROWS_H
#define TAP_OPS_COMMON_ROWS_H

#include <string.h>

#include "common/ops.h"

/* A tensor seen along one axis: x[outer][n][inner_bytes]. */
typedef struct tap_slab {
    char *data;
    int64_t outer, n;
    size_t inner_bytes;
} tap_slab;

/* data: elements of dims[rank], cut along axis (0 <= axis < rank). */
static inline tap_slab tap_slab_of(void *data, tap_dtype dtype, int rank, const int64_t *dims, int axis) {
    tap_slab s = {.data = data, .outer = 1, .n = dims[axis], .inner_bytes = tap_dtype_bytes(dtype)};
    for (int i = 0; i < axis; i++) s.outer *= dims[i];
    for (int i = axis + 1; i < rank; i++) s.inner_bytes *= (size_t)dims[i];
    return s;
}

/* y[outer][n][inner] = x[outer][begin .. begin + n][inner]; y dense. */
static inline void tap_slab_get(const tap_slab *x, int64_t begin, int64_t n, void *y) {
    size_t row = (size_t)n * x->inner_bytes, pitch = (size_t)x->n * x->inner_bytes;
    if (row == 0) return;
    for (int64_t o = 0; o < x->outer; o++)
        memcpy((char *)y + (size_t)o * row, x->data + (size_t)o * pitch + (size_t)begin * x->inner_bytes,
               row);
}

/* The reverse: x[outer][begin .. begin + n][inner] = y[outer][n][inner]. */
static inline void tap_slab_put(const tap_slab *x, int64_t begin, int64_t n, const void *y) {
    size_t row = (size_t)n * x->inner_bytes, pitch = (size_t)x->n * x->inner_bytes;
    if (row == 0) return;
    for (int64_t o = 0; o < x->outer; o++)
        memcpy(x->data + (size_t)o * pitch + (size_t)begin * x->inner_bytes,
               (const char *)y + (size_t)o * row, row);
}

#endif
