/* What the inputs of an operator are, written as a line of text: for rows that are functions of others, whose
 * infer only checks. The line is the row's `data`: a word for each input, in order,
 *
 *     a letter    T, U, V, W: inputs with the same one have the same type; T is of the row's dtypes
 *                 f float32, i int32, l int64, I int32 or int64, q int8 or uint8, b bool, * anything
 *     then        /2 or /2-3: of that rank (9: or more)    .: one element    =: a vector, as long as the last
 * axis of input 0
 *                 ~: of the shape of input 0
 *
 * Inputs behind the last word are not looked at. */
#ifndef TAP_OPS_COMMON_SIGNATURE_H
#define TAP_OPS_COMMON_SIGNATURE_H

#include "common/ops.h"

#define tap_check_signature TAP_ISA_NAME(tap_check_signature)

/* The infer of such rows. It says nothing of the outputs. */
tap_status tap_check_signature(tap_ctx *ctx);

#endif
