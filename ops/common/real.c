/* Rows of floats of any width to float32 and float64, and back. */
#include "common/real.h"

#include <string.h>

#include "common/floats.h"
#include "core/half.h"

#define CHUNK 512

void tap_to_f32(tap_dtype t, int64_t n, const void *x, float *y) {
    if (n <= 0) return;
    if (t == TAP_FLOAT) {
        memcpy(y, x, (size_t)n * sizeof *y);
    } else if (t == TAP_DOUBLE) {
        const double *d = x;
        for (int64_t i = 0; i < n; i++) y[i] = (float)d[i];
    } else {
        TAP_ISA_NAME(tap_floats_in)(t, n, x, (int64_t)tap_dtype_bytes(t), y);
    }
}

void tap_to_f64(tap_dtype t, int64_t n, const void *x, double *y) {
    if (n <= 0) return;
    if (t == TAP_DOUBLE) {
        memcpy(y, x, (size_t)n * sizeof *y);
        return;
    }
    float f[CHUNK];
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t k = tap_min64(n - i, CHUNK);
        tap_to_f32(t, k, (const char *)x + (size_t)i * tap_dtype_bytes(t), f);
        for (int64_t c = 0; c < k; c++) y[i + c] = (double)f[c];
    }
}

void tap_from_f32(tap_dtype t, int64_t n, const float *x, void *y) {
    if (n <= 0) return;
    if (t == TAP_FLOAT) {
        memcpy(y, x, (size_t)n * sizeof *x);
    } else if (t == TAP_DOUBLE) {
        double *d = y;
        for (int64_t i = 0; i < n; i++) d[i] = (double)x[i];
    } else {
        TAP_ISA_NAME(tap_floats_out)(t, n, x, y, (int64_t)tap_dtype_bytes(t));
    }
}

void tap_from_f64(tap_dtype t, int64_t n, const double *x, void *y) {
    if (n <= 0) return;
    if (t == TAP_DOUBLE) {
        memcpy(y, x, (size_t)n * sizeof *x);
        return;
    }
    float f[CHUNK];
    for (int64_t i = 0; i < n; i += CHUNK) {
        int64_t k = tap_min64(n - i, CHUNK);
        /* To halves the way goes over float32: rounded to odd, so that the second rounding is the only one.
         */
        for (int64_t c = 0; c < k; c++)
            f[c] = t == TAP_FLOAT ? (float)x[i + c] : tap_f64_to_f32_odd(x[i + c]);
        tap_from_f32(t, k, f, (char *)y + (size_t)i * tap_dtype_bytes(t));
    }
}
