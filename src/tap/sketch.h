/* A mergeable sketch of a distribution: how many numbers fall into each of 65536 fixed buckets, those of the
 * upper 16 bits of a float32 (sign, exponent, 7 bits of the fraction). A bucket is 1/128 of its lower end
 * wide, so its middle is within 1/256 of any number in it. Counts are exact, so that merging loses nothing.
 */
#ifndef TAP_TAP_SKETCH_H
#define TAP_TAP_SKETCH_H

#include "core/base.h"

#define TAP_SKETCH_PAGES 256
#define TAP_SKETCH_PAGE  256

typedef struct tap_sketch {
    int64_t *pages[TAP_SKETCH_PAGES]; /* made when first needed */
    int64_t n;
} tap_sketch;

tap_sketch *tap_sketch_new(void); /* NULL: no memory */
void tap_sketch_free(tap_sketch *s);
bool tap_sketch_add(tap_sketch *s, const double *x, int64_t n); /* finite ones; false: no memory */
bool tap_sketch_put(tap_sketch *s, uint32_t bucket, int64_t n);
/* Finite numbers by their codes, as tap_block_measure has them. */
bool tap_sketch_add_codes(tap_sketch *s, const uint32_t *codes, int64_t n);
/* Counts by code of numbers from min to max, gathered in table[TAP_CODES], which is all zero again
 * afterwards; adds how many are zero, and below it. */
bool tap_sketch_take_table(tap_sketch *s, uint32_t *table, double min, double max, int64_t *zeros,
                           int64_t *negatives);
/* Clears a table's counts of numbers that are not finite. */
void tap_sketch_forget_nonfinite(uint32_t *table);
uint32_t tap_sketch_code_of(double x);
bool tap_sketch_merge(tap_sketch *s, const tap_sketch *other);
/* Buckets in ascending order of their numbers: i from 0 to 65535; the bucket's code, its ends, its count. */
uint32_t tap_sketch_code(uint32_t i);
int64_t tap_sketch_count(const tap_sketch *s, uint32_t code);
void tap_sketch_ends(uint32_t code, double *lo, double *hi);
double tap_sketch_quantile(const tap_sketch *s, double q, double min, double max);
/* At most n bins of nearly the same width whose edges are ends of buckets. */
size_t tap_sketch_histogram(const tap_sketch *s, double min, double max, size_t n, double *edges,
                            int64_t *counts);

#endif
