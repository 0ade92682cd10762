/* What rows of the domain com.microsoft have in common: operators of ONNX Runtime, its quantiser and its
 * optimisers, as its documentation of contrib operators has them. Most are functions of the standard's
 * operators (tap_op.expand) and so have their types, kernels and checks. */
#ifndef TAP_OPS_MICROSOFT_H
#define TAP_OPS_MICROSOFT_H

#include "common/signature.h"

#define TAP_MICROSOFT "com.microsoft"

/* A row: least and most inputs and outputs. */
#define TAP_MS_ROW(NAME, IN_MIN, IN_MAX, OUT_MIN, OUT_MAX)                                 \
    .name = NAME, .domain = TAP_MICROSOFT, .since = 1, .in_min = IN_MIN, .in_max = IN_MAX, \
    .out_min = OUT_MIN, .out_max = OUT_MAX

/* A piece of such functions that the standard has no operator for; the domain is the library's own. */
#define TAP_MS_PIECE(NAME, IN_MIN, IN_MAX, OUT_MIN, OUT_MAX)                                               \
    .name = NAME, .domain = "onnxtap", .since = 1, .in_min = IN_MIN, .in_max = IN_MAX, .out_min = OUT_MIN, \
    .out_max = OUT_MAX

/* One that is a function of others. DTYPES: of its first input, or of those called T in the signature (see
 * common/signature.h). */
#define TAP_MS_FUNCTION(NAME, IN_MIN, IN_MAX, OUT_MIN, OUT_MAX, DTYPES, SIGNATURE, EXPAND)                  \
    {                                                                                                       \
        TAP_MS_ROW(NAME, IN_MIN, IN_MAX, OUT_MIN, OUT_MAX), .dtypes = DTYPES, .infer = tap_check_signature, \
                                                            .data = SIGNATURE, .expand = EXPAND             \
    }

#endif
