/* Halves as storage: a kernel that computes in float32 reads widened copies and narrows what it has finished.
 */
#ifndef TAP_OPS_COMMON_WIDEN_H
#define TAP_OPS_COMMON_WIDEN_H

#include "common/ops.h"

#define tap_widen         TAP_ISA_NAME(tap_widen)
#define tap_widen_tensor  TAP_ISA_NAME(tap_widen_tensor)
#define tap_widen_output  TAP_ISA_NAME(tap_widen_output)
#define tap_narrow_output TAP_ISA_NAME(tap_narrow_output)
#define tap_narrow_rows   TAP_ISA_NAME(tap_narrow_rows)

static inline bool tap_is_half(tap_dtype t) {
    return t == TAP_FLOAT16 || t == TAP_BFLOAT16;
}

/* What a kernel computes with where its tensors are of dtype t. */
static inline tap_dtype tap_wide(tap_dtype t) {
    return tap_is_half(t) ? TAP_FLOAT : t;
}

/* The elements of t: where they lie, or, of halves, as float32 in scratch. NULL: no memory (already
 * recorded). */
const void *tap_widen(tap_ctx *ctx, const tap_tensor *t);

/* The tensor itself, or, of halves, a float32 one with its shape in scratch. False: no memory (already
 * recorded). */
bool tap_widen_tensor(tap_ctx *ctx, const tap_tensor *t, tap_tensor *wide);

/* Like t, for what is to be narrowed to it: t itself, or float32 in scratch. False: no memory (already
 * recorded). */
bool tap_widen_output(tap_ctx *ctx, const tap_tensor *t, tap_tensor *wide);
/* Narrows all of it, where it is not t itself. */
void tap_narrow_output(tap_ctx *ctx, const tap_tensor *wide, const tap_tensor *t);

/* n_rows x n_cols elements of `from` (rows of `stride` elements each), narrowed to the same place in `to`,
 * which is of dtype t. row and col: where they begin. */
void tap_narrow_rows(tap_dtype t, const float *from, void *to, int64_t stride, int64_t row, int64_t n_rows,
                     int64_t col, int64_t n_cols);

#endif
