/* Stacks of matrices and vectors, as numpy.matmul multiplies them. */
#ifndef TAP_OPS_COMMON_STACK_H
#define TAP_OPS_COMMON_STACK_H

#include "common/ops.h"

/* Two shapes as a stack of products. A vector on the left is a row, on the right a column. */
typedef struct tap_stack {
    int64_t m, n, k;
    int a, b, y; /* dims in front of the matrices: of A, of B, of the product */
} tap_stack;

#define tap_stack_of      TAP_ISA_NAME(tap_stack_of)
#define tap_stack_infer   TAP_ISA_NAME(tap_stack_infer)
#define tap_stack_count   TAP_ISA_NAME(tap_stack_count)
#define tap_stack_offsets TAP_ISA_NAME(tap_stack_offsets)

/* Ranks must be at least 1. */
tap_stack tap_stack_of(int a_rank, const int64_t *a, int b_rank, const int64_t *b);

/* infer: output 0, of `dtype`, is the product of a and b. Checks what is known of their shapes. */
tap_status tap_stack_infer(tap_ctx *ctx, const tap_type *a, const tap_type *b, tap_dtype dtype);

/* Products in the stack that y holds. */
int64_t tap_stack_count(const tap_stack *s, const tap_tensor *y);

/* at[i][column] = the number of the matrix of t, among its own, that product i of the stack takes; n
 * products. */
void tap_stack_offsets(const tap_stack *s, const tap_tensor *t, const tap_tensor *y, int64_t n,
                       int64_t (*at)[3], int column);

#endif
