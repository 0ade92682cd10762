/* Mean and variance over some axes. */
#include "common/moments.h"

#include "common/math.h"
#include "common/tile.h"

#define MOMENTS(S, T, QUOTIENT)                                                                    \
    static void square_##S(int64_t n, const void *px, void *py, const void *shift, int64_t step) { \
        const T *restrict x = px;                                                                  \
        const T *restrict m = shift;                                                               \
        T *restrict y = py;                                                                        \
        if (step == 0)                                                                             \
            for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m[0]) * (x[i] - m[0]);                  \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m[i]) * (x[i] - m[i]);                  \
    }                                                                                              \
    static void mean_##S(int64_t n, const void *acc, double count, const void *shift, void *y) {   \
        (void)shift;                                                                               \
        for (int64_t i = 0; i < n; i++)                                                            \
            ((T *)y)[i] = (T)QUOTIENT(((const double *)acc)[i], count, 1 / count);                 \
    }                                                                                              \
    /* Sums of (x - from)^2 become sums of (x - to)^2. */                                          \
    static void move_##S(int64_t n, void *acc, double count, const void *sum, const void *from,    \
                         const void *to) {                                                         \
        double *a = acc;                                                                           \
        for (int64_t i = 0; i < n; i++) {                                                          \
            double f = (double)((const T *)from)[i], d = f - (double)((const T *)to)[i];           \
            a[i] += d * (2 * (((const double *)sum)[i] - count * f) + count * d);                  \
        }                                                                                          \
    }                                                                                              \
    /* Pairs of mean and variance. */                                                              \
    static void both_##S(int64_t n, const void *acc, double count, const void *shift, void *py) {  \
        T *y = py;                                                                                 \
        for (int64_t i = 0; i < n; i++) {                                                          \
            y[2 * i] = ((const T *)shift)[i];                                                      \
            y[2 * i + 1] = (T)(((const double *)acc)[i] / count);                                  \
        }                                                                                          \
    }

#define DIVIDED(a, b, r) ((a) / (b))
MOMENTS(f32, float, tap_quotient)
MOMENTS(f64, double, DIVIDED)

void *tap_moments(tap_ctx *ctx, const tap_tensor *x, uint32_t axes, int64_t n) {
    bool d = x->dtype == TAP_DOUBLE;
    size_t each = d ? sizeof(double) : sizeof(float);
    const tap_reduce_loops *sum = d ? &tap_loops_sum_f64 : &tap_loops_sum_f32;
    tap_reducer mean = {.loops = sum, .finish = d ? mean_f64 : mean_f32, .x_bytes = each, .y_bytes = each};
    tap_reducer squares = {.loops = sum,
                           .map = d ? square_f64 : square_f32,
                           .finish = d ? both_f64 : both_f32,
                           .x_bytes = each,
                           .y_bytes = 2 * each,
                           .first = &mean,
                           .move = d ? move_f64 : move_f32};
    void *pairs = tap_scratch(ctx, 2 * (size_t)n * each), *y = tap_scratch(ctx, 2 * (size_t)n * each);
    if (!pairs || !y || tap_reduce(ctx, &squares, x, axes, pairs) != TAP_OK) return NULL;
    tap_tile_apart(each, n, 2, pairs, y);
    return y;
}
