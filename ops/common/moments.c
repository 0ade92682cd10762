/* Mean and variance over some axes. */
#include "common/moments.h"

#include "common/math.h"

static void square_f32(int64_t n, const void *px, void *py, const void *shift, int64_t step) {
    const float *x = px, *m = shift;
    float *y = py;
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m[i * step]) * (x[i] - m[i * step]);
}

static void square_f64(int64_t n, const void *px, void *py, const void *shift, int64_t step) {
    const double *x = px, *m = shift;
    double *y = py;
    for (int64_t i = 0; i < n; i++) y[i] = (x[i] - m[i * step]) * (x[i] - m[i * step]);
}

static void mean_f32(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)shift;
    for (int64_t i = 0; i < n; i++)
        ((float *)y)[i] = (float)tap_quotient(((const double *)acc)[i], count, 1 / count);
}

static void mean_f64(int64_t n, const void *acc, double count, const void *shift, void *y) {
    (void)shift;
    for (int64_t i = 0; i < n; i++) ((double *)y)[i] = ((const double *)acc)[i] / count;
}

void *tap_moments(tap_ctx *ctx, const tap_tensor *x, uint32_t axes, int64_t n) {
    bool d = x->dtype == TAP_DOUBLE;
    size_t each = d ? sizeof(double) : sizeof(float);
    tap_reducer mean = {.loops = d ? &tap_loops_sum_f64 : &tap_loops_sum_f32,
                        .finish = d ? mean_f64 : mean_f32,
                        .x_bytes = each,
                        .y_bytes = each};
    char *to = tap_scratch(ctx, 2 * (size_t)n * each);
    if (!to || tap_reduce(ctx, &mean, x, axes, NULL, to) != TAP_OK) return NULL;
    mean.map = d ? square_f64 : square_f32;
    return tap_reduce(ctx, &mean, x, axes, to, to + (size_t)n * each) == TAP_OK ? to : NULL;
}
