/* Conversion between all dtypes but strings and complex numbers, as Cast has it. */
#ifndef TAP_OPS_COMMON_CAST_H
#define TAP_OPS_COMMON_CAST_H

#include "common/elementwise.h"
#include "core/half.h"

typedef struct tap_cast {
    tap_dtype from, to;
    bool saturate;        /* to floats of 8 bits */
    tap_e8m0_round round; /* to FLOAT8E8M0       */
} tap_cast;

/* The loop; its state is a tap_cast. Each conversion rounds once. Integers keep their low bits; floats to
 * integers: see common/convert.h, and for those of 4 and 2 bits the low bits of that. */
tap_loop TAP_ISA_NAME(tap_cast_loop);

/* n dense elements. */
void TAP_ISA_NAME(tap_cast_dense)(tap_dtype from, tap_dtype to, int64_t n, const void *x, void *y);

#endif
