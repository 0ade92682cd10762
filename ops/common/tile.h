/* Short rows turned into columns and back, by shuffles: what is computed along rows of a few elements is
 * computed with a row in each lane. */
#ifndef TAP_OPS_COMMON_TILE_H
#define TAP_OPS_COMMON_TILE_H

#include "common/ops.h"

/* Rows up to this long are worth turning: longer ones fill the lanes themselves. */
#define TAP_TILE_SHORT 32
/* Rows that are turned at a time. */
#define TAP_TILE_ROWS 128

#define tap_tile_apart    TAP_ISA_NAME(tap_tile_apart)
#define tap_tile_together TAP_ISA_NAME(tap_tile_together)

/* y[n][m] = x[m][n], and back: y[m][n] = x[n][m]; both dense, of elements of width 1, 2, 4 or 8 bytes. Made
 * for small n and large m; nothing outside of x and y is touched. x and y do not overlap. */
void tap_tile_apart(size_t width, int64_t m, int64_t n, const void *x, void *y);
void tap_tile_together(size_t width, int64_t m, int64_t n, const void *x, void *y);

#endif
