/* The innermost loop of every product in the library: a tile of C that stays in registers while k runs.
 *
 * A tile is rows x (panels x columns): each element is s = madd(a, b, s) over k in ascending order, one
 * explicit multiply-add after the other (fused where the instruction set has it). Nothing else decides its
 * bits: not the size of the tile, not where in C it lies. GEMM and convolution call the same tiles: for a
 * convolution k runs in segments, one for each run of input that is contiguous under the filter. */
#ifndef TAP_OPS_COMMON_GEMM_TILE_H
#define TAP_OPS_COMMON_GEMM_TILE_H

#include "common/ops.h"

/* What a tile computes with. Signed integers wrap and share the unsigned kinds.
 * I16X2: an element of A and of B is a pair of int16, of C an int32: s += a0 * b0 + a1 * b1 (exact modulo
 * 2^32); for the quantised operators, whose 8-bit operands less their zero points fit in 16 bits. */
typedef enum tap_tile_kind {
    TAP_TILE_F32,
    TAP_TILE_F64,
    TAP_TILE_U32,
    TAP_TILE_U64,
    TAP_TILE_I16X2,
    TAP_TILE_KINDS
} tap_tile_kind;

#define TAP_TILE_ROWS_MAX  14
#define TAP_TILE_ALIGN_MAX 64

/* Strides and offsets in bytes. B: for each panel, for each k, `columns` contiguous elements. */
typedef struct tap_tile {
    const char *a; /* row 0 at k = 0                                                                   */
    int64_t a_row; /* from row to row                                                                  */
    const int64_t *a_seg; /* n_seg offsets added to a; NULL: one segment at offset 0 */
    const int64_t *b_seg; /* n_seg offsets added to b */
    int64_t n_seg, k; /* k: elements of one segment                                                       */
    const char *b;    /* at any alignment                                                                 */
    int64_t b_step;   /* from k to k + 1                                                                  */
    int64_t b_panel;  /* from panel to panel                                                              */
    char *c;          /* row 0, column 0; panel p's columns follow those of panel p - 1                   */
    int64_t c_row;
    bool from_c;      /* s starts from C instead of zero                                                  */
    const char *bias; /* an element for each column, added once to the final s; NULL: none                */
} tap_tile;

typedef void tap_tile_fn(const tap_tile *t);

/* The tiles of one kind. */
typedef struct tap_tile_set {
    int64_t elem;                         /* bytes of an element of A, B and C                        */
    int columns;                          /* of a panel                                               */
    int rows;                             /* the most rows a tile has                                 */
    int8_t panels[TAP_TILE_ROWS_MAX + 1]; /* the most panels that a tile of so many rows takes: 1, 2, 4 */
    tap_tile_fn *run[TAP_TILE_ROWS_MAX + 1][3]; /* by rows and log2 of panels                               */
} tap_tile_set;

#define tap_tiles          TAP_ISA_NAME(tap_tiles)
#define tap_tile_run       TAP_ISA_NAME(tap_tile_run)
#define tap_tile_tmp_bytes TAP_ISA_NAME(tap_tile_tmp_bytes)

const tap_tile_set *tap_tiles(tap_tile_kind kind);

/* `rows` rows of C in the columns of panels first .. last (C has n columns; the last panel may be partly
 * empty). In t, b is that of panel `first`, c and bias are those of panel 0. tmp: tap_tile_tmp_bytes(set)
 * bytes. */
void tap_tile_run(const tap_tile_set *set, const tap_tile *t, int rows, int64_t first, int64_t last,
                  int64_t n, char *tmp);
size_t tap_tile_tmp_bytes(const tap_tile_set *set);

#endif
