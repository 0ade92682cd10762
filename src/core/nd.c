/* Elementwise iteration: broadcast, merge, walk. */
#include "core/nd.h"

#include <string.h>

void tap_nd_init(tap_nd *nd, int rank, const int64_t *dims, int n, int64_t *room) {
    nd->rank = rank;
    nd->n = n;
    nd->step = room;
    if (rank > 0) memcpy(nd->extent, dims, (size_t)rank * sizeof *dims);
}

bool tap_nd_operand(tap_nd *nd, int k, size_t elem_bytes, int rank, const int64_t *dims) {
    int64_t step = (int64_t)elem_bytes;
    for (int d = nd->rank - 1, j = rank - 1; d >= 0; d--, j--) {
        int64_t n = j >= 0 ? dims[j] : 1;
        if (n != nd->extent[d] && n != 1) return false;
        nd->step[d * nd->n + k] = n == 1 ? 0 : step;
        step *= n;
    }
    for (int j = rank - nd->rank - 1; j >= 0; j--)
        if (dims[j] != 1) return false;
    return true;
}

void tap_nd_scalar(tap_nd *nd, int k) {
    for (int d = 0; d < nd->rank; d++) nd->step[d * nd->n + k] = 0;
}

/* Whether every operand goes from the end of a run along dimension d (extent n) on as dimension `outer` does.
 */
static bool continues(const tap_nd *nd, int outer, int d) {
    const int64_t *a = nd->step + outer * nd->n, *b = nd->step + d * nd->n, n = nd->extent[d];
    for (int k = 0; k < nd->n; k++)
        if (a[k] != b[k] * n) return false;
    return true;
}

static void copy_steps(tap_nd *nd, int to, int from) {
    memmove(nd->step + to * nd->n, nd->step + from * nd->n, (size_t)nd->n * sizeof *nd->step);
}

void tap_nd_merge(tap_nd *nd) {
    int last = -1; /* kept so far: 0 .. last */
    for (int d = 0; d < nd->rank; d++) {
        if (nd->extent[d] == 1) continue;
        if (last >= 0 && continues(nd, last, d))
            nd->extent[last] *= nd->extent[d];
        else
            nd->extent[++last] = nd->extent[d];
        copy_steps(nd, last, d);
    }
    if (last < 0) {
        nd->extent[++last] = 1;
        for (int k = 0; k < nd->n; k++) nd->step[k] = 0;
    }
    nd->rank = last + 1;
}

/* Sets p and index to element `at`. */
static void seek(const tap_nd *nd, int64_t at, char *const *base, char **p, int64_t *index) {
    int64_t offset[TAP_RANK_MAX];
    for (int d = nd->rank - 1; d >= 0; d--) {
        index[d] = offset[d] = at % nd->extent[d];
        at /= nd->extent[d];
    }
    for (int k = 0; k < nd->n; k++) {
        int64_t bytes = 0;
        for (int d = 0; d < nd->rank; d++) bytes += offset[d] * nd->step[d * nd->n + k];
        p[k] = base[k] ? base[k] + bytes : NULL;
    }
}

/* From the start of a run along the innermost dimension to the start of the next. */
static void next_run(const tap_nd *nd, char **p, int64_t *index) {
    for (int d = nd->rank - 2; d >= 0; d--) {
        const int64_t *step = nd->step + d * nd->n;
        if (++index[d] < nd->extent[d]) {
            for (int k = 0; k < nd->n; k++)
                if (p[k]) p[k] += step[k];
            return;
        }
        index[d] = 0;
        for (int k = 0; k < nd->n; k++)
            if (p[k]) p[k] -= step[k] * (nd->extent[d] - 1);
    }
}

void tap_nd_run(const tap_nd *nd, int64_t begin, int64_t end, char *const *base, char **p, tap_loop *loop,
                const void *state) {
    if (begin >= end) return;
    int64_t index[TAP_RANK_MAX];
    const int inner = nd->rank - 1;
    const int64_t extent = nd->extent[inner];
    const int64_t *step = nd->step + inner * nd->n;
    seek(nd, begin, base, p, index);
    for (int64_t done = index[inner];;) {
        int64_t n = tap_min64(extent - done, end - begin);
        loop(n, p, step, state);
        begin += n;
        if (begin == end) return;
        if (done > 0) { /* only the first run may start inside */
            for (int k = 0; k < nd->n; k++)
                if (p[k]) p[k] -= done * step[k];
            done = 0;
        }
        next_run(nd, p, index);
    }
}
