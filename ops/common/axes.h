/* Sets of axes as bits, from attributes or inputs. */
#ifndef TAP_OPS_COMMON_AXES_H
#define TAP_OPS_COMMON_AXES_H

#include "common/ops.h"

/* *mask = the axes as bits. Fails the node where one is out of range, or there twice. */
static inline tap_status tap_axes_mask(tap_ctx *ctx, const int64_t *axes, size_t n, int rank,
                                       uint32_t *mask) {
    *mask = 0;
    for (size_t i = 0; i < n; i++) {
        int axis;
        if (!tap_axis(axes[i], rank, &axis))
            return tap_fail(ctx, TAP_MODEL, "axis %lld is out of range for %d dimensions; allowed: %d to %d",
                            (long long)axes[i], rank, -rank, rank - 1);
        if (*mask >> axis & 1) return tap_fail(ctx, TAP_MODEL, "axis %d is named twice", axis);
        *mask |= UINT32_C(1) << axis;
    }
    return TAP_OK;
}

/* Dims without the axes in mask, or with 1 in their place; returns the rank. */
static inline int tap_axes_drop(int rank, const int64_t *dims, uint32_t mask, bool keep, int64_t *out) {
    int n = 0;
    for (int i = 0; i < rank; i++) {
        if (!(mask >> i & 1))
            out[n++] = dims[i];
        else if (keep)
            out[n++] = 1;
    }
    return n;
}

#endif
