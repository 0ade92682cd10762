/* Index tensors: checked as a whole before anything moves, then read in blocks as int64 that count from the
 * front. */
#ifndef TAP_OPS_COMMON_INDICES_H
#define TAP_OPS_COMMON_INDICES_H

#include "common/shape.h"

/* Indices that are normalised at once. */
#define TAP_INDEX_BLOCK 256

/* First of n int32 or int64 values, `every` apart, outside of -d .. d - 1; -1: none. */
static inline int64_t tap_index_outside(const tap_tensor *t, int64_t from, int64_t every, int64_t n,
                                        int64_t d) {
    uint64_t bad = 0, span = 2 * (uint64_t)d;
    if (t->dtype == TAP_INT32) {
        const int32_t *v = (const int32_t *)t->data + from;
        for (int64_t i = 0; i < n; i++) bad |= (uint64_t)v[i * every] + (uint64_t)d >= span;
    } else {
        const int64_t *v = (const int64_t *)t->data + from;
        for (int64_t i = 0; i < n; i++) bad |= (uint64_t)v[i * every] + (uint64_t)d >= span;
    }
    for (int64_t i = 0; bad && i < n; i++)
        if ((uint64_t)tap_int_at(t, from + i * every) + (uint64_t)d >= span) return from + i * every;
    return -1;
}

/* Fails where an index of input i, all of them for an axis of d elements, is out of range. */
static inline tap_status tap_check_indices(tap_ctx *ctx, int i, int64_t d) {
    const tap_tensor *t = ctx->in[i];
    int64_t k = tap_index_outside(t, 0, 1, t->count, d);
    if (k < 0) return TAP_OK;
    return tap_fail(ctx, TAP_RUN,
                    "indices[%lld] (counted flat) is %lld, out of range for an axis of %lld elements",
                    (long long)k, (long long)tap_int_at(t, k), (long long)d);
}

/* out[0..n) = elements from .. from + n as positions 0 .. d - 1. */
static inline void tap_read_indices(const tap_tensor *t, int64_t from, int64_t n, int64_t d, int64_t *out) {
    if (t->dtype == TAP_INT32) {
        const int32_t *v = (const int32_t *)t->data + from;
        for (int64_t i = 0; i < n; i++) out[i] = v[i] + (v[i] < 0 ? d : 0);
    } else {
        const int64_t *v = (const int64_t *)t->data + from;
        for (int64_t i = 0; i < n; i++) out[i] = v[i] + (v[i] < 0 ? d : 0);
    }
}

#endif
