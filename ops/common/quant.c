/* Products of 8-bit integers less their zero points. */
#include "common/quant.h"

#include <assert.h>
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

#define COLUMNS_MAX 256

/* Two rows of up to `width` columns as pairs, each less its column's zero point. low and high: the rows at
 * the first column; high NULL: the row behind the last. */
#define PACK_PAIRS(NAME, T)                                                           \
    static void NAME(int64_t width, const T *low, const T *high, const int16_t *zero, \
                     int16_t *restrict to) {                                          \
        for (int64_t j = 0; j < width; j++) {                                         \
            to[2 * j] = (int16_t)(low[j] - zero[j]);                                  \
            to[2 * j + 1] = high ? (int16_t)(high[j] - zero[j]) : (int16_t)0;         \
        }                                                                             \
    }
PACK_PAIRS(pack_pairs_i8, int8_t)
PACK_PAIRS(pack_pairs_u8, uint8_t)

void tap_quant_pack(tap_dtype dtype, int64_t k, int64_t n, const void *b, const void *zero, int64_t zero_step,
                    void *packed) {
    int64_t columns = tap_tiles(TAP_TILE_I16X2)->columns;
    int16_t *to = packed, zeros[COLUMNS_MAX];
    assert(columns <= COLUMNS_MAX);
    for (int64_t col = 0; col < n; col += columns) {
        int64_t width = tap_min64(columns, n - col);
        for (int64_t j = 0; j < width; j++)
            zeros[j] = zero ? (int16_t)tap_quant_at(dtype, zero, (col + j) * zero_step) : (int16_t)0;
        for (int64_t i = 0; i < k; i += 2, to += 2 * columns) {
            int64_t at = i * n + col;
            if (dtype == TAP_INT8) {
                const int8_t *low = (const int8_t *)b + at;
                pack_pairs_i8(width, low, i + 1 < k ? low + n : NULL, zeros, to);
            } else {
                const uint8_t *low = (const uint8_t *)b + at;
                pack_pairs_u8(width, low, i + 1 < k ? low + n : NULL, zeros, to);
            }
            if (width < columns) memset(to + 2 * width, 0, (size_t)(2 * (columns - width)) * sizeof *to);
        }
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
