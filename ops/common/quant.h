/* Products of 8-bit integers less their zero points: as pairs of int16 for the tiles of gemm_tile.h (kind
 * I16X2), exact in 32 bits; and from sums back to 8 bits. */
#ifndef TAP_OPS_COMMON_QUANT_H
#define TAP_OPS_COMMON_QUANT_H

#include "common/gemm.h"

#define TAP_TYPES_QUANT8 (TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8))

/* Pairs that k elements take. */
static inline int64_t tap_pairs(int64_t k) {
    return k / 2 + k % 2;
}

/* Element i of an int8 or uint8 array. */
static inline int32_t tap_quant_at(tap_dtype t, const void *x, int64_t i) {
    return t == TAP_INT8 ? ((const int8_t *)x)[i] : ((const uint8_t *)x)[i];
}

#define tap_quant_rows       TAP_ISA_NAME(tap_quant_rows)
#define tap_quant_panels     TAP_ISA_NAME(tap_quant_panels)
#define tap_quant_pack       TAP_ISA_NAME(tap_quant_pack)
#define tap_quant_scale_back TAP_ISA_NAME(tap_quant_scale_back)

/* Rows of k elements as rows of tap_pairs(k) pairs: to[row][i] = x[row][i] - zero[row], 0 behind the last.
 * zero: by row, zero_rows of them in turn (1: one for all); NULL: 0. Over all workers. */
void tap_quant_rows(tap_ctx *ctx, tap_dtype dtype, int64_t rows, int64_t k, const void *x, const void *zero,
                    int64_t zero_rows, int16_t *to);

/* Panels of a matrix of n columns. */
int64_t tap_quant_panels(int64_t n);

/* B[k][n] - zero[n] (row l at b + l * ldb; zero_step 0: one for all; NULL: 0), packed as B[tap_pairs(k)][n]
 * of dtype INT16 for tap_gemm: of its panels, first .. last. */
void tap_quant_pack(tap_dtype dtype, int64_t k, int64_t n, int64_t ldb, const void *b, const void *zero,
                    int64_t zero_step, int64_t first, int64_t last, void *packed);

/* y[i] = round to even(sum[i] * scale[i]) + zero, saturated, of dtype INT8 or UINT8. scale_step 0: one scale
 * for all. */
void tap_quant_scale_back(tap_dtype dtype, int64_t n, const int32_t *sum, const float *scale,
                          int64_t scale_step, int32_t zero, void *y);

#endif
