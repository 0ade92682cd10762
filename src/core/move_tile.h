/* Transposition of a tile: the inner loops of planes (core/move.h). */
#ifndef TAP_CORE_MOVE_TILE_H
#define TAP_CORE_MOVE_TILE_H

#include "core/move.h"

/* y[i][j] = x[j][i] for na words i of each of nb rows of x, which are given by their addresses, as those of y
 * are. x and y do not overlap. */
typedef void tap_tile_loop(const char *const *x, int64_t na, int64_t nb, char *const *y);

/* For words of `width` bytes, with the vectors that this CPU has. */
tap_tile_loop *tap_tile_for(tap_isa isa, size_t width);

#endif
