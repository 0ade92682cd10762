/* One set of figures: what a stream of numbers is like. */
#ifndef TAP_TAP_CELL_H
#define TAP_TAP_CELL_H

#include "core/base.h"
#include "tap/block.h"
#include "tap/sketch.h"

typedef struct tap_cell {
    int64_t count, nonfinite, nan, zeros, negatives;
    int64_t finite;
    double mean, m2; /* of the finite ones; m2: sum of squared distances from the mean */
    double min, max;
    int64_t min_row, max_row, min_at, max_at; /* -1: none */
    tap_sketch *sketch;                       /* NULL: not wanted */
} tap_cell;

/* In place of a row: `at` is a place in what was added last, until the caller puts that right. */
#define TAP_ROW_PENDING (-2)
#define TAP_NO_PLACE    (-1)

void tap_cell_init(tap_cell *c);
/* n numbers, at the places at, at + 1, ...; extremes among them get the row TAP_ROW_PENDING. at TAP_NO_PLACE:
 * where extremes are is not looked for, they get the place 0. Welford in blocks: each block's own mean and
 * m2, merged as Chan, Golub and LeVeque do. false: no memory. */
bool tap_cell_add(tap_cell *c, const double *x, int64_t n, int64_t at);
/* The same of floats. table: NULL, or table[TAP_CODES], which counts them in place of c's own sketch, and
 * tells how many are zero or negative: tap_cell_take_table. */
bool tap_cell_add_floats(tap_cell *c, const float *x, int64_t n, int64_t at, tap_isa isa, uint32_t *table);
/* What the table has of the numbers that were added to c with it; c's extremes are those of all of them. The
 * table is all zero afterwards. */
bool tap_cell_take_table(tap_cell *c, uint32_t *table);
/* Order does not matter but for rounding. */
bool tap_cell_merge(tap_cell *c, const tap_cell *other);

#endif
