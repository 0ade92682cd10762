/* Softmax and its logarithm over one dimension, in float32 and float64, and the parts of a reducer that sums
 * exponentials. */
#ifndef TAP_OPS_COMMON_SOFTMAX_H
#define TAP_OPS_COMMON_SOFTMAX_H

#include "common/reduce.h"

#define TAP_SOFTMAX_WIDTH 128

#define tap_softmax_all   TAP_ISA_NAME(tap_softmax_all)
#define tap_softmax_sums  TAP_ISA_NAME(tap_softmax_sums)
#define tap_exp_map_f16   TAP_ISA_NAME(tap_exp_map_f16)
#define tap_exp_map_bf16  TAP_ISA_NAME(tap_exp_map_bf16)
#define tap_softmax_f32   TAP_ISA_NAME(tap_softmax_f32)
#define tap_softmax_f64   TAP_ISA_NAME(tap_softmax_f64)
#define tap_exp_map_f32   TAP_ISA_NAME(tap_exp_map_f32)
#define tap_exp_map_f64   TAP_ISA_NAME(tap_exp_map_f64)
#define tap_exp_shift_f32 TAP_ISA_NAME(tap_exp_shift_f32)
#define tap_exp_shift_f64 TAP_ISA_NAME(tap_exp_shift_f64)
#define tap_exp_move_f32  TAP_ISA_NAME(tap_exp_move_f32)
#define tap_exp_move_f64  TAP_ISA_NAME(tap_exp_move_f64)

/* x[outer][n][inner], none of them 0, of float16, bfloat16, float32 or float64: along n. */
typedef struct tap_slices {
    tap_dtype dtype;
    int64_t outer, n, inner;
} tap_slices;

/* y = softmax of x along n, or (log) its logarithm. y may be x. From run. */
tap_status tap_softmax_all(tap_ctx *ctx, const tap_slices *of, const void *x, void *y, bool log);

/* m[outer][inner] and behind it r[outer][inner], in scratch, of float64 for float64, else of float32: softmax
 * is e^(x - m) * r, its logarithm (log) x - m - r. NULL: no memory (already recorded). From run. */
void *tap_softmax_sums(tap_ctx *ctx, const tap_slices *of, const void *x, bool log);

/* For each column c < width: y[i][c] = e^x[i][c] / sum over i of e^x[i][c], or (log) its logarithm, for i <
 * n. Rows are stride elements apart; width <= TAP_SOFTMAX_WIDTH. The elements of a single column are
 * contiguous where stride is 1. y may be x. n >= 1. On the calling thread alone. */
void tap_softmax_f32(const float *x, float *y, int64_t n, int64_t width, int64_t stride, bool log);
void tap_softmax_f64(const double *x, double *y, int64_t n, int64_t width, int64_t stride, bool log);

/* Of a tap_reducer: `map` gives e^(x - shift), of halves in float32; `first` takes the maximum, and this is
 * its finish: the shift is finite, since beyond that the exponentials themselves are right, 0, infinity or
 * NaN; `move`. */
tap_reduce_map tap_exp_map_f16, tap_exp_map_bf16, tap_exp_map_f32, tap_exp_map_f64;
void tap_exp_shift_f32(int64_t n, const void *acc, double count, const void *shift, void *y);
void tap_exp_shift_f64(int64_t n, const void *acc, double count, const void *shift, void *y);
void tap_exp_move_f32(int64_t n, void *acc, double count, const void *first_acc, const void *from,
                      const void *to);
void tap_exp_move_f64(int64_t n, void *acc, double count, const void *first_acc, const void *from,
                      const void *to);

#endif
