/* A block of C: some groups of rows x some panels, with k cut so that what is used again is still in cache.
 *
 * A group of rows is a tile high. All groups pass a piece of a panel while it is in the first cache; between
 * two pieces of k their sums lie in C, which rounds nothing: the bits are those of one sequence. */
#ifndef TAP_OPS_COMMON_GEMM_BLOCK_H
#define TAP_OPS_COMMON_GEMM_BLOCK_H

#include "common/gemm.h"

enum { TAP_BLOCK_ROWS_MAX = 64 };

/* Rows of a tile, and where their part of A is. */
typedef struct tap_rows {
    const char *a;
    int64_t a_row;
    const char *const *at; /* NULL: one segment */
    const int64_t *b_seg;  /* n_seg segments of k elements, as in tap_tile; b_seg ascends; NULL: one */
    int64_t n_seg, k;
    char *c;        /* of the first row, column 0 */
    int64_t number; /* of that row, for `done` */
    int rows;
    int64_t pixel; /* of a set that slides, as in tap_tile */
} tap_rows;

typedef struct tap_block {
    const tap_tile_set *set;
    const char *b; /* panel 0; NULL: pieces are packed as they are needed */
    int64_t b_step, b_panel;
    const tap_gemm *unpacked; /* where b is NULL: whose b, from `first_k` on, is read */
    int64_t first_k;
    char *room;               /* where b is NULL: tap_block_room(set) bytes */
    int64_t k, segment;       /* of B; of a segment of those groups that have several          */
    int64_t n;                /* columns                                                       */
    int64_t c_row, column;    /* as in tap_tile, for column 0                                  */
    bool from_c;              /* the first sums start from C                                   */
    bool last;                /* sums are final after this k: finish and done are for them     */
    const tap_finish *finish; /* never NULL                                                    */
    tap_gemm_done *done;      /* NULL: nobody is told                                          */
    void *arg;
    int64_t first_column; /* the number of column 0, for `done` */
    int64_t row_step;     /* between two rows' numbers, for `done` */
    /* What of B comes next: were these panels passed just before, and where begin those of the next block?
     * NULL: not known. */
    bool passed;
    const char *after;
} tap_block;

#define tap_block_run  TAP_ISA_NAME(tap_block_run)
#define tap_block_room TAP_ISA_NAME(tap_block_room)

/* n groups (TAP_BLOCK_ROWS_MAX at most) x panels p0 .. p1. tmp: tap_tile_tmp_bytes(set) bytes. */
void tap_block_run(const tap_block *b, const tap_rows *rows, int n, int64_t p0, int64_t p1, char *tmp);
size_t tap_block_room(const tap_tile_set *set);

#endif
