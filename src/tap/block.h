/* What a block of floats is like, in one pass by the widest vectors that the CPU has. */
#ifndef TAP_TAP_BLOCK_H
#define TAP_TAP_BLOCK_H

#include "core/base.h"
#include "core/cpu.h"

#define TAP_BLOCK 4096 /* floats */

typedef struct tap_block {
    bool finite;     /* else nothing below holds */
    double mean, m2; /* m2: sum of squared distances from the mean */
    float min, max;
    int32_t zeros, negatives; /* 0 where codes are counted in a table, which tells them */
} tap_block;

/* A code of a float: its upper 16 bits, and of zeros, which are many as a rule, one of these in turn, so that
 * one count need not wait for another. */
#define TAP_CODE_ZERO  UINT32_C(65536)
#define TAP_CODE_ZEROS UINT32_C(16)
#define TAP_CODES      (TAP_CODE_ZERO + TAP_CODE_ZEROS)

/* n from 1 to TAP_BLOCK. Sums are made in 16 chains, of distances from x[0], whatever the CPU has, so that
 * the figures have the same bits on all. They are as good as those of two passes to n times the rounding of a
 * double, for the square of x[0]'s distance from the mean is one of those summed up. codes: NULL, or room for
 * n. */
void tap_block_measure(const float *x, int64_t n, tap_isa isa, tap_block *out, uint32_t *codes);
/* The same, and counts the codes in table[TAP_CODES]: of all elements, finite or not. */
void tap_block_count(const float *x, int64_t n, tap_isa isa, tap_block *out, uint32_t *table);

#endif
