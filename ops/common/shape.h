/* What infer asks again and again: dtypes and ranks of inputs, and integers held in small tensors (shapes,
 * axes, pads). */
#ifndef TAP_OPS_COMMON_SHAPE_H
#define TAP_OPS_COMMON_SHAPE_H

#include <string.h>

#include "common/ops.h"
#include "core/error.h"

#define TAP_TYPES_INDEX (TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64))

/* The status for shapes and values that do not fit: of the model when found before running, else of the run.
 */
static inline tap_status tap_misfit(const tap_ctx *ctx) {
    return tap_infer_final(ctx) ? TAP_RUN : TAP_MODEL;
}

/* Fails where input i (called `what`) has, as far as known, a dtype out of the set. Absent ones pass. */
static inline tap_status tap_need_dtype(tap_ctx *ctx, int i, uint32_t dtypes, const char *what) {
    const tap_type *t = tap_in_type(ctx, i);
    if (!t || t->dtype == TAP_UNDEFINED || (TAP_BIT(t->dtype) & dtypes)) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "%s may not be of type %s", what, tap_dtype_name(t->dtype));
}

/* Fails where inputs i and k have, as far as known, different dtypes. */
static inline tap_status tap_need_same_dtype(tap_ctx *ctx, int i, int k, const char *what) {
    const tap_type *a = tap_in_type(ctx, i), *b = tap_in_type(ctx, k);
    if (!a || !b || !a->dtype || !b->dtype || a->dtype == b->dtype) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "%s is of type %s, but must be %s", what, tap_dtype_name(b->dtype),
                    tap_dtype_name(a->dtype));
}

/* Fails where input i has, as far as known, a rank out of lo .. hi. Absent ones pass. */
static inline tap_status tap_need_rank(tap_ctx *ctx, int i, int lo, int hi, const char *what) {
    const tap_type *t = tap_in_type(ctx, i);
    if (!t || t->rank < 0 || (t->rank >= lo && t->rank <= hi)) return TAP_OK;
    if (lo == hi) return tap_fail(ctx, tap_misfit(ctx), "%s must have rank %d, not %d", what, lo, t->rank);
    return tap_fail(ctx, tap_misfit(ctx), "%s must have a rank from %d to %d, not %d", what, lo, hi, t->rank);
}

/* Element i of an int32 or int64 tensor at any address. */
static inline int64_t tap_int_at(const tap_tensor *t, int64_t i) {
    if (t->dtype == TAP_INT32) {
        int32_t v;
        memcpy(&v, (const char *)t->data + i * 4, 4);
        return v;
    }
    int64_t v;
    memcpy(&v, (const char *)t->data + i * 8, 8);
    return v;
}

/* Integers of an input, as far as known when infer asks. */
typedef struct tap_ints {
    bool known; /* v holds n values                                                   */
    int n;      /* how many there are; -1: unknown                                    */
    int64_t v[2 * TAP_RANK_MAX];
} tap_ints;

/* Reads input i, int32 or int64, rank 1 (rank 0 counts as one element) and at most max <= 2 * TAP_RANK_MAX
 * elements. An absent input has n == 0 and is known. */
static inline tap_status tap_read_ints(tap_ctx *ctx, int i, int max, const char *what, tap_ints *out) {
    const tap_type *type = tap_in_type(ctx, i);
    const tap_tensor *t = tap_in_known(ctx, i);
    tap_status s;
    out->known = !tap_has_in(ctx, i);
    out->n = out->known ? 0 : -1;
    if (out->known) return TAP_OK;
    if ((s = tap_need_dtype(ctx, i, TAP_TYPES_INDEX, what))) return s;
    if ((s = tap_need_rank(ctx, i, 0, 1, what))) return s;
    int64_t n = t ? t->count : !type || type->rank < 0 ? -1 : type->rank == 0 ? 1 : type->dims[0];
    if (n > max)
        return tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements; at most %d are possible", what,
                        (long long)n, max);
    out->n = (int)n;
    out->known = t != NULL || n == 0; /* where there are none, nothing is open */
    for (int k = 0; t && k < out->n; k++) out->v[k] = tap_int_at(t, k);
    return TAP_OK;
}

/* The same from an attribute. */
static inline tap_status tap_copy_ints(tap_ctx *ctx, const int64_t *v, size_t n, int max, const char *what,
                                       tap_ints *out) {
    if (n > (size_t)max)
        return tap_fail(ctx, TAP_MODEL, "%s has %zu elements; at most %d are possible", what, n, max);
    out->known = true;
    out->n = (int)n;
    for (size_t k = 0; k < n; k++) out->v[k] = v[k];
    return TAP_OK;
}

/* Turns n axes into 0 .. rank - 1 and refuses those out of range and, where asked, repeated ones. */
static inline tap_status tap_norm_axes(tap_ctx *ctx, int64_t *v, int n, int rank, bool unique) {
    uint64_t seen = 0;
    for (int i = 0; i < n; i++) {
        int axis;
        if (!tap_axis(v[i], rank, &axis))
            return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)v[i],
                            rank);
        if (unique && (seen >> axis & 1))
            return tap_fail(ctx, tap_misfit(ctx), "axis %d is given twice", axis);
        seen |= UINT64_C(1) << axis;
        v[i] = axis;
    }
    return TAP_OK;
}

/* The product of n dims; -1 where one is unknown (and none is 0) or the product does not fit. */
static inline int64_t tap_product(const int64_t *dims, int n) {
    int64_t p = 1;
    bool unknown = false;
    for (int i = 0; i < n; i++) {
        if (dims[i] == 0) return 0;
        if (dims[i] < 0 || !tap_mul64(p, dims[i], &p)) unknown = true;
    }
    return unknown ? -1 : p;
}

/* Elements of input i; -1: unknown, or absent. */
static inline int64_t tap_in_count(const tap_ctx *ctx, int i) {
    const tap_type *t = tap_in_type(ctx, i);
    return t && t->rank >= 0 ? tap_product(t->dims, t->rank) : -1;
}

/* Fails where input i has, as far as known, another number of elements than one. Absent ones pass. */
static inline tap_status tap_need_one(tap_ctx *ctx, int i, const char *what) {
    int64_t n = tap_in_count(ctx, i);
    if (n < 0 || n == 1) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements, not one", what, (long long)n);
}

/* "[2,3,?]", for messages. */
typedef struct tap_dims_text {
    char s[TAP_RANK_MAX * 22 + 8];
} tap_dims_text;

static inline const char *tap_show_dims(tap_dims_text *room, int rank, const int64_t *dims) {
    tap_text t = {room->s, sizeof room->s, 0};
    tap_text_dims(&t, rank, dims);
    return room->s;
}

/* Input i, if there, has the dims want[rank] (-1: any). */
static inline tap_status tap_need_shape(tap_ctx *ctx, int i, int rank, const int64_t *want,
                                        const char *what) {
    const tap_type *t = tap_in_type(ctx, i);
    tap_dims_text a, b;
    if (!t || t->rank < 0) return TAP_OK;
    bool fits = t->rank == rank;
    for (int d = 0; fits && d < rank; d++) fits = want[d] < 0 || t->dims[d] < 0 || want[d] == t->dims[d];
    if (fits) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s is %s, but must be %s", what,
                    tap_show_dims(&a, t->rank, t->dims), tap_show_dims(&b, rank, want));
}

#endif
