/* Index tensors: read in blocks as positions that count from the front, each block checked before it is used.
 */
#ifndef TAP_OPS_COMMON_INDICES_H
#define TAP_OPS_COMMON_INDICES_H

#include <stdatomic.h>

#include "common/shape.h"

/* Indices that are read at once. */
#define TAP_INDEX_BLOCK 256

/* First of n int32 or int64 values, `every` apart, outside of -d .. d - 1; -1: none. */
static inline int64_t tap_index_outside(const tap_tensor *t, int64_t from, int64_t every, int64_t n,
                                        int64_t d) {
    for (int64_t i = 0; i < n; i++)
        if ((uint64_t)tap_int_at(t, from + i * every) + (uint64_t)d >= 2 * (uint64_t)d)
            return from + i * every;
    return -1;
}

/* Fails because an index of input i, all of them for an axis of d elements, is out of range. */
static inline tap_status tap_index_fail(tap_ctx *ctx, int i, int64_t d) {
    const tap_tensor *t = ctx->in[i];
    int64_t k = tap_index_outside(t, 0, 1, t->count, d);
    if (k < 0) return TAP_OK;
    return tap_fail(ctx, TAP_RUN,
                    "indices[%lld] (counted flat) is %lld, out of range for an axis of %lld elements",
                    (long long)k, (long long)tap_int_at(t, k), (long long)d);
}

/* What of v is negative, or of d - 1 - v, has its sign bit set in the result. */
static inline uint64_t tap_outside_bit(uint64_t v, uint64_t d) {
    return v | (d - 1 - v);
}

/* out[0..n) = elements from .. from + n as positions 0 .. d - 1. False: one of them is out of range. */
static inline bool tap_read_indices(const tap_tensor *t, int64_t from, int64_t n, int64_t d, int64_t *out) {
    uint64_t bad = 0;
    if (t->dtype == TAP_INT32) {
        const int32_t *v = (const int32_t *)t->data + from;
        for (int64_t i = 0; i < n; i++) {
            out[i] = v[i] + (v[i] < 0 ? d : 0);
            bad |= tap_outside_bit((uint64_t)out[i], (uint64_t)d);
        }
    } else {
        const int64_t *v = (const int64_t *)t->data + from;
        for (int64_t i = 0; i < n; i++) {
            out[i] = v[i] + (v[i] < 0 ? d : 0);
            bad |= tap_outside_bit((uint64_t)out[i], (uint64_t)d);
        }
    }
    return bad >> 63 == 0;
}

/* Tuples of k indices at once: out[i] = the sum over j of at[i * k + j], for an axis of dims[j] elements,
 * times step[j]. False: one of them is out of range. */
static inline bool tap_read_tuples(const int64_t *at, int64_t n, int64_t k, const int64_t *dims,
                                   const int64_t *step, int64_t *out) {
    uint64_t bad = 0;
    for (int64_t i = 0; i < n; i++) out[i] = 0;
    for (int64_t j = 0; j < k; j++) {
        const int64_t d = dims[j], s = step[j];
        for (int64_t i = 0; i < n; i++) {
            int64_t v = at[i * k + j];
            v += v < 0 ? d : 0;
            bad |= tap_outside_bit((uint64_t)v, (uint64_t)d);
            out[i] = (int64_t)((uint64_t)out[i] + (uint64_t)v * (uint64_t)s);
        }
    }
    return bad >> 63 == 0;
}

/* Fails because a tuple of input 1, of k indices for axes of dims[0..k) from `first` on, is out of range. */
static inline tap_status tap_tuple_fail(tap_ctx *ctx, int64_t k, int first, const int64_t *dims) {
    const tap_tensor *t = ctx->in[1];
    for (int j = 0; j < k; j++) {
        int64_t bad = tap_index_outside(t, j, k, t->count / k, dims[j]);
        if (bad >= 0)
            return tap_fail(
                ctx, TAP_RUN,
                "indices[%lld] (counted flat) is %lld, out of range for %lld elements along axis %d",
                (long long)bad, (long long)tap_int_at(t, bad), (long long)dims[j], first + j);
    }
    return TAP_OK;
}

#endif
