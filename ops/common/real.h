/* Rows of any of float16, bfloat16, float32, float64 as float32 or float64, which is what kernels compute
 * with. */
#ifndef TAP_OPS_COMMON_REAL_H
#define TAP_OPS_COMMON_REAL_H

#include "common/ops.h"

#define tap_to_f32   TAP_ISA_NAME(tap_to_f32)
#define tap_to_f64   TAP_ISA_NAME(tap_to_f64)
#define tap_from_f32 TAP_ISA_NAME(tap_from_f32)
#define tap_from_f64 TAP_ISA_NAME(tap_from_f64)

/* n contiguous elements of x, of dtype t, to y; rounded once where y is narrower. */
void tap_to_f32(tap_dtype t, int64_t n, const void *x, float *y);
void tap_to_f64(tap_dtype t, int64_t n, const void *x, double *y);

/* n elements of x to y, which is of dtype t. */
void tap_from_f32(tap_dtype t, int64_t n, const float *x, void *y);
void tap_from_f64(tap_dtype t, int64_t n, const double *x, void *y);

/* The elements of x where they lie if they are of the wide type already, else in room. */
static inline const float *tap_as_f32(tap_dtype t, int64_t n, const void *x, float *room) {
    if (t == TAP_FLOAT) return x;
    tap_to_f32(t, n, x, room);
    return room;
}

static inline const double *tap_as_f64(tap_dtype t, int64_t n, const void *x, double *room) {
    if (t == TAP_DOUBLE) return x;
    tap_to_f64(t, n, x, room);
    return room;
}

#endif
