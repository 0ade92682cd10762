/* What the rows of TensorFlow's operators have in common. */
#ifndef TAP_OPS_TENSORFLOW_H
#define TAP_OPS_TENSORFLOW_H

#include "common/ops.h"

#define TAP_TF_ROW(NAME, IN, OUT)                                                                 \
    .name = NAME, .domain = TAP_TENSORFLOW, .since = 1, .in_min = IN, .in_max = IN, .out_min = 1, \
    .out_max = OUT

/* Elementwise, with N inputs that broadcast and no attributes. */
#define TAP_TF_ELEMENTWISE(NAME, N, LOOPS) \
    { TAP_TF_ROW(NAME, N, 1), .flags = TAP_ELEMENTWISE | TAP_IN_PLACE, .loops = LOOPS }

#endif
