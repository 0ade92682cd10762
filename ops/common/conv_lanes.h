/* Convolution with narrow groups, depthwise above all: a vector holds neighbouring output channels, each lane
 * of which has weights and input of its own. */
#ifndef TAP_OPS_COMMON_CONV_LANES_H
#define TAP_OPS_COMMON_CONV_LANES_H

#include "common/conv.h"

#define tap_conv_is_narrow  TAP_ISA_NAME(tap_conv_is_narrow)
#define tap_conv_lanes_pack TAP_ISA_NAME(tap_conv_lanes_pack)
#define tap_conv_lanes_run  TAP_ISA_NAME(tap_conv_lanes_run)

/* Whether groups of c to m channels are computed so: decides the packed form, too, w[taps][c][groups * m]. */
bool tap_conv_is_narrow(tap_tile_kind kind, int64_t groups, int64_t m);
void tap_conv_lanes_pack(const tap_conv_weights *w, void *packed);
tap_status tap_conv_lanes_run(tap_ctx *ctx, const tap_conv *v);

#endif
