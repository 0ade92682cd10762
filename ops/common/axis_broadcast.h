/* Broadcasting before opset 7: B goes to A by the attributes `broadcast` and `axis`; the output has A's
 * shape. */
#ifndef TAP_OPS_COMMON_AXIS_BROADCAST_H
#define TAP_OPS_COMMON_AXIS_BROADCAST_H

#include "common/elementwise.h"

tap_status TAP_ISA_NAME(tap_axis_prepare)(tap_ctx *ctx, void **state);
tap_status TAP_ISA_NAME(tap_axis_infer)(tap_ctx *ctx);
/* Takes the row's loops; they get no state. */
tap_status TAP_ISA_NAME(tap_axis_run)(tap_ctx *ctx);

/* in as an operand of a numpy broadcast whose dims lie along axis .. of a tensor of that rank. */
tap_tensor TAP_ISA_NAME(tap_axis_view)(const tap_tensor *in, int axis, int rank);

/* A row of an operator with two inputs that broadcast that way. */
#define TAP_ROW_AXIS_BROADCAST(NAME, UNTIL, LOOPS)                                                  \
    .name = NAME, .since = 1, .until = UNTIL, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1, \
    .flags = TAP_IN_PLACE, .loops = LOOPS, .prepare = TAP_ISA_NAME(tap_axis_prepare),               \
    .infer = TAP_ISA_NAME(tap_axis_infer), .run = TAP_ISA_NAME(tap_axis_run)

#endif
