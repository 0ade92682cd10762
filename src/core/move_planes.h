/* Transposition: planes in tiles (TAP_MOVE_PLANES of core/move.h). */
#ifndef TAP_CORE_MOVE_PLANES_H
#define TAP_CORE_MOVE_PLANES_H

#include "core/move.h"

/* Room for addresses of rows of a tile, on either side. */
enum { TAP_TILE_ROWS = 512 };

/* Part of a plane: elements from a0 to a1, b0 to b1 of its two groups. */
typedef struct tap_span {
    int64_t a0, a1, b0, b1;
} tap_span;

/* Chooses the tiles for a move whose groups stand. */
void tap_planes_tiles(tap_move *m);

/* Copies part of each of n planes, whose first elements are src[src_at[k]], dst[dst_at[k]]. */
void tap_planes_run(const tap_move *m, const char *src, char *dst, const int64_t *src_at,
                    const int64_t *dst_at, int64_t n, const tap_span *s);

/* Offsets of elements from .. from + n of the group of n_axes dimensions from axis on: of the one side, or of
 * both. Either array may be NULL. */
void tap_move_offsets(const tap_move *m, int axis, int n_axes, int64_t from, int64_t n, int64_t *src,
                      int64_t *dst);

#endif
