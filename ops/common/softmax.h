/* Softmax and its logarithm over one dimension, in float32 and float64. */
#ifndef TAP_OPS_COMMON_SOFTMAX_H
#define TAP_OPS_COMMON_SOFTMAX_H

#include "common/ops.h"

#define TAP_SOFTMAX_WIDTH 128

#define tap_softmax_f32 TAP_ISA_NAME(tap_softmax_f32)
#define tap_softmax_f64 TAP_ISA_NAME(tap_softmax_f64)

/* For each column c < width: y[i][c] = e^x[i][c] / sum over i of e^x[i][c], or (log) its logarithm, for i <
 * n. Rows are stride elements apart; width <= TAP_SOFTMAX_WIDTH. The elements of a single column are
 * contiguous where stride is 1. y may be x. n >= 1. On the calling thread alone. */
void tap_softmax_f32(const float *x, float *y, int64_t n, int64_t width, int64_t stride, bool log);
void tap_softmax_f64(const double *x, double *y, int64_t n, int64_t width, int64_t stride, bool log);

#endif
