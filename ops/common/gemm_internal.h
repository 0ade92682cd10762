/* Between the files of the matrix product. */
#ifndef TAP_OPS_COMMON_GEMM_INTERNAL_H
#define TAP_OPS_COMMON_GEMM_INTERNAL_H

#include "common/gemm.h"

#define tap_gemm_kind        TAP_ISA_NAME(tap_gemm_kind)
#define tap_gemm_pack_panels TAP_ISA_NAME(tap_gemm_pack_panels)
#define tap_gemm_transpose   TAP_ISA_NAME(tap_gemm_transpose)

tap_tile_kind tap_gemm_kind(tap_dtype dtype);

/* Panels first .. last of B[k][n], the first of them at packed[0]. */
void tap_gemm_pack_panels(tap_dtype dtype, tap_dtype from, int64_t k, int64_t n, const void *b, int64_t ldb,
                          bool trans_b, int64_t first, int64_t last, void *packed);

/* y[i][j] = x[j][i] for m x n elements of 4 or 8 bytes; steps in bytes. */
void tap_gemm_transpose(int64_t elem, int64_t m, int64_t n, const char *x, int64_t x_row, char *y,
                        int64_t y_row);

#endif
