/* Convolution with few channels: a vector holds neighbouring output pixels, and weights are broadcast.
 *
 * Input is laid out as planes, with the zeros around it: one for each channel and, where outputs are several
 * inputs apart, for each remainder of the input's index. Every tap is then one distance in memory, and pixels
 * are counted through padded lines as if these were one: sums that lie between two lines are left behind. The
 * order of multiply-adds is that of k, as the weights are packed for conv.h. */
#ifndef TAP_OPS_COMMON_CONV_PLANES_H
#define TAP_OPS_COMMON_CONV_PLANES_H

#include "common/conv_space.h"

#define tap_conv_planes_pay TAP_ISA_NAME(tap_conv_planes_pay)
#define tap_conv_planes_run TAP_ISA_NAME(tap_conv_planes_run)

/* Whether this is quicker than tiles or lanes: by shapes alone. s: as tap_conv_space_init has it for v. */
bool tap_conv_planes_pay(const tap_conv *v, const tap_conv_space *s);
tap_status tap_conv_planes_run(tap_ctx *ctx, const tap_conv *v, const tap_conv_space *s);

#endif
