/* Inner products of integers. */
#ifndef TAP_OPS_COMMON_DOTS_H
#define TAP_OPS_COMMON_DOTS_H

#include "common/ops.h"

#define tap_int_dots TAP_ISA_NAME(tap_int_dots)

/* c[i * c_step] = the sum over l < k of a[i * a_row + l] * b[i * b_row + l], for n of them, over all workers.
 * Of integers of `elem` bytes, 4 or 8, which wrap. */
void tap_int_dots(tap_ctx *ctx, size_t elem, int64_t n, int64_t k, const void *a, int64_t a_row,
                  const void *b, int64_t b_row, void *c, int64_t c_step);

#endif
