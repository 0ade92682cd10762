/* Mean and variance over some axes. */
#ifndef TAP_OPS_COMMON_MOMENTS_H
#define TAP_OPS_COMMON_MOMENTS_H

#include "common/reduce.h"

#define tap_moments TAP_ISA_NAME(tap_moments)

/* mean[n], then var[n] (of the population: divided by the count), in scratch, of the n elements that x has
 * when the axes whose bits are set are reduced. x is float32 or float64 and so are they. The variance is that
 * of what is left when the mean, rounded, has been taken away. NULL: no memory (already recorded). From run.
 */
void *tap_moments(tap_ctx *ctx, const tap_tensor *x, uint32_t axes, int64_t n);

#endif
