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

#define TAP_TILE_ROWS_MAX 12
/* Where the rows of a tile are neighbours under a filter of so many taps along their line, a set may slide:
 * it loads each pixel once for all taps that see it. k runs over channels and, innermost, these taps; so is B
 * packed. */
#define TAP_TILE_TAPS 3
/* k that a round of the loop takes; where rows slide it takes one channel. */
#define TAP_TILE_ROUND     2
#define TAP_TILE_ALIGN_MAX 64

/* What is done with final sums while they are in registers: first the bias, then the stages in their order.
 * Each is the expression of the elementwise operator that it stands for, contraction off. Integers: bias
 * only. */
typedef enum tap_finish_kind {
    TAP_FINISH_SCALE, /* s * p[0] + p[1], two roundings */
    TAP_FINISH_ADD,   /* s + p[0] */
    TAP_FINISH_LEAST, /* s < p[0] ? p[0] : s */
    TAP_FINISH_MOST   /* s > p[0] ? p[0] : s */
} tap_finish_kind;

typedef enum tap_finish_form { TAP_FINISH_ONE, TAP_FINISH_BY_COLUMN, TAP_FINISH_BY_ELEMENT } tap_finish_form;

enum { TAP_FINISH_MAX = 8 };

typedef struct tap_finish {
    const char *bias; /* an element for each column; NULL: none                     */
    const char *c;    /* row 0, column 0 of all of C: operands by element lie alike */
    int n;
    struct {
        tap_finish_kind kind;
        tap_finish_form form; /* of the operands */
        const char *p[2];     /* at the element for column 0 (of row 0); p[1] is SCALE's, else NULL */
    } stages[TAP_FINISH_MAX];
} tap_finish;

/* Strides and offsets in bytes. B: for each panel, for each k, `columns` contiguous elements. */
typedef struct tap_tile {
    const char *a; /* row 0 at k = 0                                                                   */
    int64_t a_row; /* from row to row                                                                  */
    const char *const
        *at;       /* n_seg x rows: where each row's part in a segment begins; NULL: one segment, at a */
    int64_t skip;  /* added to all of `at`                                                             */
    int64_t pixel; /* sliding sets: `at` is n_seg x TAP_TILE_TAPS: where the first pixel, the second and the
                      last begin; from the second on they are so far apart, but the last */
    const int64_t
        *k_at; /* sets of planes, whose rows are neighbours: from a to each element of k; one segment */
    const int64_t *b_seg; /* with `at`: n_seg offsets added to b */
    int64_t n_seg, k; /* k: elements of one segment; sliding sets: channels of TAP_TILE_TAPS elements     */
    const char *b;    /* at any alignment                                                                 */
    int64_t b_step;   /* from k to k + 1                                                                  */
    int64_t b_panel;  /* from panel to panel                                                              */
    char *c;          /* row 0, column 0; panel p's columns follow those of panel p - 1                   */
    int64_t columns;  /* that C has, of the panels'; all of them where tiles are not partial              */
    int64_t c_row;
    bool from_c;              /* s starts from C instead of zero                                            */
    const tap_finish *finish; /* NULL: the sums are not final                                               */
    int64_t column;           /* from the start of a row of all of C to c                                   */
    const char *next;  /* memory that is wanted soon                                                      */
    int64_t next_k;    /* it is asked for with the first of all segments' k, so many of them               */
    int64_t next_step; /* and so many bytes further with each round                                       */
} tap_tile;

typedef void tap_tile_fn(const tap_tile *t);

/* The tiles of one kind. */
typedef struct tap_tile_set {
    int64_t elem;                         /* bytes of an element of A, B and C                        */
    int taps;                             /* 1; of a set that slides TAP_TILE_TAPS                    */
    bool partial;                         /* a tile may have fewer columns than its panels            */
    int columns;                          /* of a panel                                               */
    int rows;                             /* the most rows a tile has                                 */
    int8_t panels[TAP_TILE_ROWS_MAX + 1]; /* the most panels that a tile of so many rows takes: 1, 2, 4 */
    tap_tile_fn *run[TAP_TILE_ROWS_MAX + 1][3]; /* by rows and half the panels                              */
    /* t->finish for sums that lie in C: rows x columns, where these are no full panel. */
    void (*finish)(const tap_tile *t, int rows, int64_t columns);
} tap_tile_set;

#define tap_tiles          TAP_ISA_NAME(tap_tiles)
#define tap_tiles_sliding  TAP_ISA_NAME(tap_tiles_sliding)
#define tap_tiles_planes   TAP_ISA_NAME(tap_tiles_planes)
#define tap_tile_run       TAP_ISA_NAME(tap_tile_run)
#define tap_tile_tmp_bytes TAP_ISA_NAME(tap_tile_tmp_bytes)

/* The set for C of n columns: packed B and whoever reads it choose by the same n. */
const tap_tile_set *tap_tiles(tap_tile_kind kind, int64_t n);
/* The same where rows may slide: not every kind and n has a set that does. */
const tap_tile_set *tap_tiles_sliding(tap_tile_kind kind, int64_t n);
/* The one with panels like set's for rows that are neighbours in memory and elements of k that lie anywhere;
 * NULL: there is none. */
const tap_tile_set *tap_tiles_planes(tap_tile_kind kind, const tap_tile_set *set);

/* `rows` rows x the next `cols` columns of C; t is moved on on the way. tmp: tap_tile_tmp_bytes(set) bytes.
 */
void tap_tile_run(const tap_tile_set *set, tap_tile *t, int rows, int64_t cols, char *tmp);
size_t tap_tile_tmp_bytes(const tap_tile_set *set);

#endif
