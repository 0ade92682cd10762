/* Permuted copies as strided copies. */
#include "core/permute.h"

void tap_permute_plan(tap_move *m, size_t width, int rank, const int64_t *dims, const int *perm) {
    int64_t x_step[TAP_RANK_MAX], y_dims[TAP_RANK_MAX], src_step[TAP_RANK_MAX], dst_step[TAP_RANK_MAX];
    tap_dense_steps(width, rank, dims, x_step);
    for (int i = 0; i < rank; i++) {
        y_dims[i] = dims[perm[i]];
        src_step[i] = x_step[perm[i]];
    }
    tap_dense_steps(width, rank, y_dims, dst_step);
    tap_move_plan(m, width, rank, y_dims, src_step, dst_step);
}

void tap_copy_permuted(size_t width, int rank, const int64_t *dims, const int *perm, const void *src,
                       void *dst) {
    tap_move m;
    tap_permute_plan(&m, width, rank, dims, perm);
    tap_move_run(&m, src, dst, 0, m.n_units);
}

void tap_perm_to_channels_last(int rank, int *perm) {
    perm[0] = 0;
    for (int i = 1; i < rank - 1; i++) perm[i] = i + 1;
    perm[rank - 1] = 1;
}

void tap_perm_to_channels_first(int rank, int *perm) {
    perm[0] = 0;
    perm[1] = rank - 1;
    for (int i = 2; i < rank; i++) perm[i] = i - 1;
}
