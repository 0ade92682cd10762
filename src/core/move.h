/* Strided copies: the one engine behind operators that only move data (Transpose, Slice, Concat, Pad, Expand,
 * Tile, ...) and behind layout conversions. Elements are moved by width, whatever they mean. */
#ifndef TAP_CORE_MOVE_H
#define TAP_CORE_MOVE_H

#include <string.h>

#include "core/base.h"
#include "core/cpu.h"
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
    TAP_MOVE_ROWS,    /* the last dimension is contiguous on both sides */
    TAP_MOVE_STEPS,   /* it is not, on at least one side */
    TAP_MOVE_PATTERN, /* short rows that follow each other in dst: the same shuffle of bytes again and again
                       */
    TAP_MOVE_PLANES,  /* dst is contiguous along the last dimensions, src along others: transposition */
} tap_move_kind;

/* A copy planned for one shape: dst[i0]...[ir-1] = src[i0]...[ir-1]. Steps are bytes. The work is n_units
 * units of about unit_bytes each, in the order of dst; any split into ranges of units gives the same bytes.
 */
typedef struct tap_move {
    tap_move_kind kind;
    tap_isa isa;  /* whose loops are taken */
    size_t width; /* bytes of a word; neighbours that stay together are one word */
    /* The dimensions, the last one the fastest, in groups each counted through as one: the outer ones;
     * planes: those along which dst is contiguous, those along which src is; else: the inner loop. Patterns:
     * behind that, the dimensions within what it steps over. */
    int n_outer, n_b, n_a;
    int64_t dims[TAP_MOVE_RANK], src[TAP_MOVE_RANK], dst[TAP_MOVE_RANK];
    int64_t outer, b, a;           /* elements of the groups; a: 1 but for planes */
    int64_t strip[3], n_strips[3]; /* of outer, b, a: a unit's share, and how many shares there are */
    int64_t tile_a, tile_b;        /* PLANES: words of a tile */
    bool apart, stream;     /* PLANES: tiles are made in memory of their own; dst is written past the cache */
    int64_t src_lo, src_hi; /* the bytes that src spans, from its address on */
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
