/* Arrays with their dimensions in another order: Transpose, and conversions between layouts. */
#ifndef TAP_CORE_PERMUTE_H
#define TAP_CORE_PERMUTE_H

#include "core/move.h"

/* Plans y = numpy.transpose(x, perm) for dense x[dims[0]]...[dims[rank - 1]] and y[dims[perm[0]]]...; perm is
 * a permutation of 0 .. rank - 1. width is an element's bytes. Run it with tap_move_run, all units or ranges
 * of them. */
void tap_permute_plan(tap_move *m, size_t width, int rank, const int64_t *dims, const int *perm);

/* The same at once, by the calling thread alone. */
void tap_copy_permuted(size_t width, int rank, const int64_t *dims, const int *perm, const void *src,
                       void *dst);

/* The permutation from N, C, spatial... to N, spatial..., C, and the one back. rank >= 2. */
void tap_perm_to_channels_last(int rank, int *perm);
void tap_perm_to_channels_first(int rank, int *perm);

#endif
