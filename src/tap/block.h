/* What a block of floats is like, in passes over a piece that stays in the first cache. */
#ifndef TAP_TAP_BLOCK_H
#define TAP_TAP_BLOCK_H

#include "core/base.h"

#define TAP_BLOCK 1024 /* floats */

typedef struct tap_block {
    bool finite; /* else nothing below holds */
    double mean, m2;
    float min, max;
    int32_t zeros, negatives;
} tap_block;

/* n from 1 to TAP_BLOCK. Sums are made in 16 chains whatever the CPU has, so that the figures have the same
 * bits on all. codes: NULL, or room for n: the upper 16 bits of each, and of zeros one of 65536 ... 65543. */
void tap_block_measure(const float *x, int64_t n, bool wide, tap_block *out, uint32_t *codes);
/* `wide`: what this CPU may be asked. */
bool tap_block_wide(void);

#endif
