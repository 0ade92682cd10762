/* Strided copies: the one engine behind operators that only move data (Transpose, Slice, Concat, Pad, Expand,
 * Tile, ...) and behind layout conversions. Elements are moved by width, whatever they mean. */
#ifndef TAP_CORE_MOVE_H
#define TAP_CORE_MOVE_H

#include <string.h>

#include "core/base.h"
#include "onnxtap/onnxtap.h"

/* Room for a view of TAP_RANK_MAX dimensions each of which was split in two. */
#define TAP_MOVE_RANK (2 * TAP_RANK_MAX)

/* Words as data is moved: no type, any alignment. */
typedef uint8_t tap_w1;
typedef uint16_t tap_w2 __attribute__((may_alias, aligned(1)));
typedef uint32_t tap_w4 __attribute__((may_alias, aligned(1)));
typedef uint64_t tap_w8 __attribute__((may_alias, aligned(1)));
typedef struct __attribute__((may_alias, packed)) tap_w16 {
    uint64_t lo, hi;
} tap_w16;

typedef enum tap_move_kind {
    TAP_MOVE_ROWS,   /* the last dimension is contiguous on both sides */
    TAP_MOVE_STEPS,  /* it is not, on at least one side */
    TAP_MOVE_PLANES, /* dst is contiguous along the last dimension, src along another: transposition */
} tap_move_kind;

/* A copy planned for one shape: dst[i0]...[ir-1] = src[i0]...[ir-1]. Steps are bytes. The work is n_units
 * units of about unit_bytes each, in the order of dst; any split into ranges of units gives the same bytes.
 */
typedef struct tap_move {
    tap_move_kind kind;
    size_t width; /* bytes of a word; neighbours that stay together are one word */
    int n_outer;
    int64_t outer[TAP_MOVE_RANK], outer_src[TAP_MOVE_RANK], outer_dst[TAP_MOVE_RANK];
    int64_t a, a_src, a_dst; /* y[a][b] = x[a][b], the two innermost loops */
    int64_t b, b_src, b_dst;
    bool along_b; /* a unit is `strip` a's of all b's, or the other way round */
    int64_t strip, n_strips;
    bool apart; /* PLANES: dst is written past the cache */
    int64_t n_units, unit_bytes;
} tap_move;

/* Plans a copy of elements of width 1, 2, 4, 8 or 16 bytes. rank <= TAP_MOVE_RANK; dims >= 0; steps may be 0
 * (src: the element is repeated) or negative (src then is the address of index 0, not of the lowest byte). */
void tap_move_plan(tap_move *m, size_t width, int rank, const int64_t *dims, const int64_t *src_step,
                   const int64_t *dst_step);

/* Does units begin to end, out of n_units. src and dst do not overlap. */
void tap_move_run(const tap_move *m, const void *src, void *dst, int64_t begin, int64_t end);

/* Units that a task of a parallel loop should take, so that it is worth its start. */
int64_t tap_move_grain(const tap_move *m);

/* Bytes from one index to the next in each dimension of a dense array. */
void tap_dense_steps(size_t width, int rank, const int64_t *dims, int64_t *step);

/* One row of n bytes where rows are often a few words: a call of memcpy would cost more than the copy. */
static inline void tap_copy_row(const char *x, char *y, size_t n) {
    if (n > 128) {
        memcpy(y, x, n);
    } else if (n >= 16) {
        for (size_t i = 0; i + 16 <= n; i += 16) memcpy(y + i, x + i, 16);
        memcpy(y + n - 16, x + n - 16, 16);
    } else if (n >= 8) {
        memcpy(y, x, 8);
        memcpy(y + n - 8, x + n - 8, 8);
    } else if (n >= 4) {
        memcpy(y, x, 4);
        memcpy(y + n - 4, x + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++) y[i] = x[i];
    }
}

#endif
