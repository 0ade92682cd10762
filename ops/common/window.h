/* Windows that slide over the spatial axes of an image: the attributes that convolutions and pools share, and
 * the shapes that follow from them. */
#ifndef TAP_OPS_COMMON_WINDOW_H
#define TAP_OPS_COMMON_WINDOW_H

#include "common/shape.h"

typedef enum tap_auto_pad {
    TAP_PAD_NOTSET,
    TAP_PAD_SAME_UPPER,
    TAP_PAD_SAME_LOWER,
    TAP_PAD_VALID
} tap_auto_pad;

/* Attributes as the node has them; an array that is absent has no entries. Borrowed from the model. */
typedef struct tap_window {
    const int64_t *kernel, *strides, *dilations, *pads;
    size_t n_kernel, n_strides, n_dilations, n_pads;
    tap_auto_pad auto_pad;
    bool ceil_mode;
} tap_window;

/* One spatial axis: window o covers the inputs o * stride - begin + t * dilation, t from 0 to kernel - 1, of
 * which those outside of 0 .. in - 1 are padding. -1: unknown. */
typedef struct tap_window_axis {
    int64_t in, kernel, stride, dilation, begin, end, out;
} tap_window_axis;

enum tap_window_has { TAP_WINDOW_AUTO_PAD = 1, TAP_WINDOW_DILATIONS = 2, TAP_WINDOW_CEIL_MODE = 4 };

#define tap_window_prepare TAP_ISA_NAME(tap_window_prepare)
#define tap_window_check   TAP_ISA_NAME(tap_window_check)
#define tap_window_resolve TAP_ISA_NAME(tap_window_resolve)

/* prepare: asks for kernel_shape, strides, pads and, as `has` says, auto_pad, dilations, ceil_mode. */
tap_status tap_window_prepare(tap_ctx *ctx, tap_window *w, unsigned has);

/* infer: that the attributes have an entry for each of n spatial axes (pads two), and entries in range. */
tap_status tap_window_check(tap_ctx *ctx, const tap_window *w, int n);

/* The axes of n spatial dims `in` under this window; kernel: its extents where kernel_shape is absent, NULL
 * otherwise. Dims of -1 are unknown and give outputs of -1. From infer, after tap_window_check, and from run.
 */
tap_status tap_window_resolve(tap_ctx *ctx, const tap_window *w, int n, const int64_t *in,
                              const int64_t *kernel, tap_window_axis *axes);

/* Inputs from the first to the last that a window covers. */
static inline int64_t tap_window_extent(const tap_window_axis *a) {
    return (a->kernel - 1) * a->dilation + 1;
}

/* infer of the global pools: x[N][C][...] gives y[N][C][1]... */
static inline tap_status tap_infer_global_pool(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_type y = *x;
    tap_status status = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "X");
    for (int i = 2; i < y.rank; i++) {
        if (x->dims[i] == 0) return tap_fail(ctx, tap_misfit(ctx), "spatial axis %d of X is empty", i - 2);
        y.dims[i] = 1;
    }
    return status == TAP_OK ? tap_out_like(ctx, 0, &y) : status;
}

#endif
