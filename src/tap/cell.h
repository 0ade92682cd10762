/* One set of figures: what a stream of numbers is like. */
#ifndef TAP_TAP_CELL_H
#define TAP_TAP_CELL_H

#include "core/base.h"
#include "tap/sketch.h"

typedef struct tap_cell {
    int64_t count, nonfinite, nan, zeros, negatives;
    int64_t finite;
    double mean, m2; /* of the finite ones; m2: sum of squared distances from the mean */
    double min, max;
    int64_t min_row, max_row, min_at, max_at; /* -1: none */
    tap_sketch *sketch;                       /* NULL: not wanted */
} tap_cell;

void tap_cell_init(tap_cell *c);
/* n numbers, the elements at, at + step, ... of a row. Welford in blocks: each block's own mean and m2,
 * merged as Chan, Golub and LeVeque do. false: no memory. */
bool tap_cell_add(tap_cell *c, const double *x, int64_t n, int64_t row, int64_t at, int64_t step);
/* The same of floats. table: NULL, or where their codes are counted, for tap_sketch_take_table, in place of
 * c's own sketch; `codes`: whether they are wanted at all. */
bool tap_cell_add_floats(tap_cell *c, const float *x, int64_t n, int64_t row, int64_t at, int64_t step,
                         bool codes, uint32_t *table);
/* Order does not matter but for rounding. */
bool tap_cell_merge(tap_cell *c, const tap_cell *other);

#endif
