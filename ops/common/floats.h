/* Blocks of small floats (float16, bfloat16, 8 and 4 bits) to float32 and back, for each instruction set. */
#ifndef TAP_OPS_COMMON_FLOATS_H
#define TAP_OPS_COMMON_FLOATS_H

#include "common/ops.h"

/* n elements, step bytes apart, to y. x may lie at any address, as a constant does. */
void TAP_ISA_NAME(tap_floats_in)(tap_dtype t, int64_t n, const char *x, int64_t step, float *y);
/* n elements to y, step bytes apart; too large ones saturate in formats of 8 bits and less. */
void TAP_ISA_NAME(tap_floats_out)(tap_dtype t, int64_t n, const float *x, char *y, int64_t step);
/* To dense floats of 8, 6 or 4 bits (tap_small_float_of), which saturate or not. */
void TAP_ISA_NAME(tap_small_out)(tap_dtype t, bool saturate, int64_t n, const float *x, uint8_t *y);

#endif
