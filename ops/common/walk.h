/* Walks the indices of an N-d array in row-major order and keeps the offset they have in another one. */
#ifndef TAP_OPS_COMMON_WALK_H
#define TAP_OPS_COMMON_WALK_H

#include "common/ops.h"

typedef struct tap_walk {
    int rank;
    int64_t dims[TAP_RANK_MAX], step[TAP_RANK_MAX], index[TAP_RANK_MAX];
    int64_t offset; /* sum of index[i] * step[i] */
} tap_walk;

/* To the n-th index. rank, dims (none of them 0) and step are set before. */
static inline void tap_walk_to(tap_walk *w, int64_t n) {
    w->offset = 0;
    for (int i = w->rank - 1; i >= 0; i--) {
        w->index[i] = n % w->dims[i];
        n /= w->dims[i];
        w->offset += w->index[i] * w->step[i];
    }
}

static inline void tap_walk_next(tap_walk *w) {
    for (int i = w->rank - 1; i >= 0; i--) {
        w->offset += w->step[i];
        if (++w->index[i] < w->dims[i]) return;
        w->offset -= w->dims[i] * w->step[i];
        w->index[i] = 0;
    }
}

#endif
