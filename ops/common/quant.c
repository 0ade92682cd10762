/* Products of 8-bit integers less their zero points. */
#include "common/quant.h"

#include <math.h>
#include <string.h>

#include "common/elementwise.h"
#include "common/gemm_internal.h"

typedef struct rows_job {
    tap_dtype dtype;
    int64_t k, zero_rows;
    const void *x, *zero;
    int16_t *to;
} rows_job;

static void rows_task(void *arg, int64_t begin, int64_t end, int worker) {
    const rows_job *j = arg;
    int64_t k = j->k, step = 2 * tap_pairs(k);
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        int16_t *to = j->to + r * step, zero = 0;
        if (j->zero) zero = (int16_t)tap_quant_at(j->dtype, j->zero, r % j->zero_rows);
        if (j->dtype == TAP_INT8) {
            const int8_t *x = (const int8_t *)j->x + r * k;
            for (int64_t i = 0; i < k; i++) to[i] = (int16_t)(x[i] - zero);
        } else {
            const uint8_t *x = (const uint8_t *)j->x + r * k;
            for (int64_t i = 0; i < k; i++) to[i] = (int16_t)(x[i] - zero);
        }
        if (k % 2) to[k] = 0;
    }
}

void tap_quant_rows(tap_ctx *ctx, tap_dtype dtype, int64_t rows, int64_t k, const void *x, const void *zero,
                    int64_t zero_rows, int16_t *to) {
    rows_job j = {dtype, k, zero_rows, x, zero, to};
    if (k > 0) tap_parallel(ctx, rows, tap_max64(1, (1 << 15) / k), rows_task, &j);
}

void tap_quant_pack(tap_dtype dtype, int64_t k, int64_t n, const void *b, const void *zero, int64_t zero_step,
                    void *packed) {
    int64_t columns = tap_tiles(TAP_TILE_I16X2)->columns;
    int16_t *to = packed;
    for (int64_t col = 0; col < n; col += columns)
        for (int64_t l = 0; l < 2 * tap_pairs(k); l += 2)
            for (int64_t j = col; j < col + columns; j++)
                for (int64_t i = l; i < l + 2; i++) {
                    int32_t z = zero && j < n ? tap_quant_at(dtype, zero, j * zero_step) : 0;
                    *to++ = (int16_t)(i < k && j < n ? tap_quant_at(dtype, b, i * n + j) - z : 0);
                }
}

/* A NaN gives the least. */
#define SCALE_BACK(NAME, T, LEAST, MOST)                                                                  \
    static void NAME(int64_t n, const int32_t *sum, const float *scale, int64_t scale_step, int32_t zero, \
                     T *y) {                                                                              \
        const float least = (float)((LEAST)-zero), most = (float)((MOST)-zero);                           \
        TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) {                                                 \
            float r = rintf((float)sum[i] * scale[i * scale_step]);                                       \
            r = r > least ? r : least;                                                                    \
            r = r < most ? r : most;                                                                      \
            y[i] = (T)((int32_t)r + zero);                                                                \
        }                                                                                                 \
    }
SCALE_BACK(scale_back_i8, int8_t, INT8_MIN, INT8_MAX)
SCALE_BACK(scale_back_u8, uint8_t, 0, UINT8_MAX)

void tap_quant_scale_back(tap_dtype dtype, int64_t n, const int32_t *sum, const float *scale,
                          int64_t scale_step, int32_t zero, void *y) {
    if (dtype == TAP_INT8)
        scale_back_i8(n, sum, scale, scale_step, zero, y);
    else
        scale_back_u8(n, sum, scale, scale_step, zero, y);
}
