/* What Conv, ConvInteger, QLinearConv and DeformConv have in common: attributes, shapes, weights W[M][C /
 * group][k ...]. */
#ifndef TAP_OPS_COMMON_CONV_OP_H
#define TAP_OPS_COMMON_CONV_OP_H

#include "common/conv.h"
#include "common/widen.h"
#include "common/window.h"

typedef struct tap_conv_attrs {
    tap_window window;
    int64_t group;
} tap_conv_attrs;

#define tap_conv_attrs_prepare TAP_ISA_NAME(tap_conv_attrs_prepare)
#define tap_conv_shape         TAP_ISA_NAME(tap_conv_shape)
#define tap_conv_infer         TAP_ISA_NAME(tap_conv_infer)
#define tap_conv_weights_of    TAP_ISA_NAME(tap_conv_weights_of)
#define tap_conv_axes          TAP_ISA_NAME(tap_conv_axes)

/* prepare: asks for the attributes of a convolution; has: of tap_window_has. */
tap_status tap_conv_attrs_prepare(tap_ctx *ctx, tap_conv_attrs *a, unsigned has);

/* infer: checks x and w, and the bias (may be NULL), against each other. The output's shape: rank -1 is
 * unknown, dims of -1 too. */
tap_status tap_conv_shape(tap_ctx *ctx, const tap_conv_attrs *a, const tap_type *x, const tap_type *w,
                          const tap_type *bias, int *rank, int64_t *dims);

/* The same; output 0 is of that shape and of `dtype`. */
tap_status tap_conv_infer(tap_ctx *ctx, const tap_conv_attrs *a, const tap_type *x, const tap_type *w,
                          const tap_type *bias, tap_dtype dtype);

/* What is to be packed of w, all its taps in order. */
tap_conv_weights tap_conv_weights_of(const tap_conv_attrs *a, const tap_tensor *w);

/* run: the axes for x channels-last and w as ONNX has it. */
tap_status tap_conv_axes(tap_ctx *ctx, const tap_conv_attrs *a, const tap_tensor *x, const tap_tensor *w,
                         tap_conv *v);

#endif
