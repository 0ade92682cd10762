/* Softmax for float32, with its sums in float64, and for float64. */
#include "common/softmax.h"

#include <float.h>
#include <math.h>

#include "common/exp.h"

/* Elements whose exponentials are summed while they are in cache. */
#define CHUNK 4096

#define T       float
#define F(name) name##_f32
#define LARGEST FLT_MAX
#include "common/softmax.inc"

#define T       double
#define F(name) name##_f64
#define LARGEST DBL_MAX
#include "common/softmax.inc"

void tap_exp_map_f16(int64_t n, const void *x, void *y, const void *shift, int64_t step) {
    tap_reduce_f16(n, x, y, NULL, 0);
    tap_exp_less_f32(n, y, shift, step, y);
}

void tap_exp_map_bf16(int64_t n, const void *x, void *y, const void *shift, int64_t step) {
    tap_reduce_bf16(n, x, y, NULL, 0);
    tap_exp_less_f32(n, y, shift, step, y);
}
