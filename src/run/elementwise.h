/* The shared driver of elementwise operators. */
#ifndef TAP_RUN_ELEMENTWISE_H
#define TAP_RUN_ELEMENTWISE_H

#include "onnxtap/op.h"

/* Runs a TAP_ELEMENTWISE node: the row's loop for the dtype of input `typed_by`, over the broadcast of the
 * inputs, into output 0, and from there through the epilogue. The loop's pointers are the row's in_max inputs
 * (all of a variadic node), then the output; the pointer of an absent input is NULL, its step 0. */
tap_status tap_elementwise_run(tap_ctx *ctx);

#endif
