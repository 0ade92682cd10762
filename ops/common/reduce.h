/* Reductions over any set of axes: one driver for Reduce*, and for whatever else folds many elements into
 * one.
 *
 * The order in which an output's elements are combined is fixed by the shape and the axes alone. Elements are
 * added up in short runs in the block type, runs in the accumulator type (float32: 16 elements in float32,
 * then float64), so that the error of a mean does not grow with the number of elements. */
#ifndef TAP_OPS_COMMON_REDUCE_H
#define TAP_OPS_COMMON_REDUCE_H

#include "common/ops.h"

/* Elements that are combined in the block type before the accumulator takes over. */
#define TAP_REDUCE_ROWS 16

/* y[i] = what is to be combined for x[i], in the block type. Of element i the shift (see tap_reducer) is
 * shift[i * step]. */
typedef void tap_reduce_map(int64_t n, const void *x, void *y, const void *shift, int64_t step);

/* The innermost loops of one combination (sum, product, ...) over one block type. */
typedef struct tap_reduce_loops {
    size_t block_bytes, acc_bytes; /* of an element of either type                                       */
    int64_t lanes;                 /* elements that the loops take side by side                          */
    void (*start)(int64_t n, void *acc); /* acc[n] = what combines to nothing */
    /* *acc = *acc combined with x[n]. elem_bytes: from one x to the next; map NULL: x is of the block type.
     */
    void (*run)(void *acc, const char *x, int64_t n, tap_reduce_map *map, size_t elem_bytes,
                const void *shift);
    /* acc[n] = acc[n] combined with rows[n_rows][n]; n_rows <= TAP_REDUCE_ROWS. shift: n of them, or NULL. */
    void (*columns)(void *acc, const char *const *rows, int n_rows, int64_t n, tap_reduce_map *map,
                    size_t elem_bytes, const void *shift);
    void (*merge)(int64_t n, void *acc, const void *other); /* acc[n] = acc[n] combined with other[n] */
} tap_reduce_loops;

#define tap_loops_sum_f32  TAP_ISA_NAME(tap_loops_sum_f32)
#define tap_loops_sum_f64  TAP_ISA_NAME(tap_loops_sum_f64)
#define tap_loops_sum_u32  TAP_ISA_NAME(tap_loops_sum_u32)
#define tap_loops_sum_u64  TAP_ISA_NAME(tap_loops_sum_u64)
#define tap_loops_prod_f64 TAP_ISA_NAME(tap_loops_prod_f64)
#define tap_loops_prod_u32 TAP_ISA_NAME(tap_loops_prod_u32)
#define tap_loops_prod_u64 TAP_ISA_NAME(tap_loops_prod_u64)
#define tap_loops_max_f32  TAP_ISA_NAME(tap_loops_max_f32)
#define tap_loops_max_f64  TAP_ISA_NAME(tap_loops_max_f64)
#define tap_loops_max_i8   TAP_ISA_NAME(tap_loops_max_i8)
#define tap_loops_max_u8   TAP_ISA_NAME(tap_loops_max_u8)
#define tap_loops_max_i32  TAP_ISA_NAME(tap_loops_max_i32)
#define tap_loops_max_u32  TAP_ISA_NAME(tap_loops_max_u32)
#define tap_loops_max_i64  TAP_ISA_NAME(tap_loops_max_i64)
#define tap_loops_max_u64  TAP_ISA_NAME(tap_loops_max_u64)
#define tap_loops_high_f32 TAP_ISA_NAME(tap_loops_high_f32)
#define tap_loops_high_f64 TAP_ISA_NAME(tap_loops_high_f64)
#define tap_loops_min_f32  TAP_ISA_NAME(tap_loops_min_f32)
#define tap_loops_min_f64  TAP_ISA_NAME(tap_loops_min_f64)
#define tap_loops_min_i8   TAP_ISA_NAME(tap_loops_min_i8)
#define tap_loops_min_u8   TAP_ISA_NAME(tap_loops_min_u8)
#define tap_loops_min_i32  TAP_ISA_NAME(tap_loops_min_i32)
#define tap_loops_min_u32  TAP_ISA_NAME(tap_loops_min_u32)
#define tap_loops_min_i64  TAP_ISA_NAME(tap_loops_min_i64)
#define tap_loops_min_u64  TAP_ISA_NAME(tap_loops_min_u64)

/* Named by their block type. The sum of float32 accumulates in float64, all others in the block type. In max
 * and min a NaN wins, as in NumPy. */
extern const tap_reduce_loops tap_loops_sum_f32, tap_loops_sum_f64, tap_loops_sum_u32, tap_loops_sum_u64;
extern const tap_reduce_loops tap_loops_prod_f64, tap_loops_prod_u32, tap_loops_prod_u64;
extern const tap_reduce_loops tap_loops_max_f32, tap_loops_max_f64, tap_loops_max_i8, tap_loops_max_u8,
    tap_loops_max_i32, tap_loops_max_u32, tap_loops_max_i64, tap_loops_max_u64;
extern const tap_reduce_loops tap_loops_min_f32, tap_loops_min_f64, tap_loops_min_i8, tap_loops_min_u8,
    tap_loops_min_i32, tap_loops_min_u32, tap_loops_min_i64, tap_loops_min_u64;

/* The largest number, quicker than the maximum: a NaN is passed over. */
extern const tap_reduce_loops tap_loops_high_f32, tap_loops_high_f64;

typedef struct tap_reducer tap_reducer;
struct tap_reducer {
    const tap_reduce_loops *loops;
    tap_reduce_map *map; /* NULL: x is of the block type as it lies */
    /* y[n] of acc[n], each combined from `count` elements; shift as for map, one for each. */
    void (*finish)(int64_t n, const void *acc, double count, const void *shift, void *y);
    size_t x_bytes, y_bytes; /* of an element */

    /* For what is combined relative to something that is itself a reduction: squares of x - mean, e^(x -
     * maximum). A piece of the input is taken twice while it is in cache: `first` gives the shift of its
     * outputs (its y: an element of the block type of `loops`), map gets that. Where an output has several
     * pieces, `move` brings the accumulators of one, of count elements, from its shifts to those of the
     * whole: first_acc is what `first` combined. */
    const tap_reducer *first;
    void (*move)(int64_t n, void *acc, double count, const void *first_acc, const void *from, const void *to);
};

/* One that stands for itself. */
#define TAP_REDUCER(LOOPS, MAP, FINISH, X_BYTES, Y_BYTES) \
    { .loops = LOOPS, .map = MAP, .finish = FINISH, .x_bytes = X_BYTES, .y_bytes = Y_BYTES }

#define tap_reduce      TAP_ISA_NAME(tap_reduce)
#define tap_reduce_f16  TAP_ISA_NAME(tap_reduce_f16)
#define tap_reduce_bf16 TAP_ISA_NAME(tap_reduce_bf16)

/* Maps that widen halves to float32. */
tap_reduce_map tap_reduce_f16, tap_reduce_bf16;

/* Reduces x over the axes whose bits are set; y has the elements of the shape without them (with 1 in their
 * place: the same). From run. */
tap_status tap_reduce(tap_ctx *ctx, const tap_reducer *reducer, const tap_tensor *x, uint32_t axes, void *y);

#endif
