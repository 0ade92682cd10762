/* Pairs of a head's elements turned by the angle of the token's position. Computed in float32. */
#ifndef TAP_OPS_COMMON_ROTARY_H
#define TAP_OPS_COMMON_ROTARY_H

#include "common/ops.h"

/* x and y: heads of d elements, of `length` tokens of each of `batch` rows. Of a head the first `rotated`
 * elements are turned: element i with i + rotated / 2, interleaved 2 i with 2 i + 1. */
typedef struct tap_rotary {
    int64_t batch, heads, length, d, rotated;
    bool interleaved;
    tap_dtype dtype;           /* of x, y, cos and sin                                  */
    const void *x, *cos, *sin; /* caches[positions][rotated / 2]                   */
    void *y;
    const int64_t *position;        /* [batch][length]; NULL: the caches are by token */
    bool one_offset;                /* position[0] is that of each row's first token  */
    int64_t x_batch, x_head, x_row; /* steps in elements, of x and y                  */
} tap_rotary;

#define tap_rotary_run TAP_ISA_NAME(tap_rotary_run)

/* From run. Positions must be below n_positions; else fails. */
tap_status tap_rotary_run(tap_ctx *ctx, const tap_rotary *r, int64_t n_positions);

#endif
