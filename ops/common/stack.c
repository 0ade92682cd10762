/* Stacks of matrices and vectors, as numpy.matmul multiplies them. */
#include "common/stack.h"

#include "common/shape.h"

static int stack_rank(int rank) {
    return rank > 2 ? rank - 2 : 0;
}

tap_stack tap_stack_of(int a_rank, const int64_t *a, int b_rank, const int64_t *b) {
    tap_stack s = {.m = a_rank > 1 ? a[a_rank - 2] : 1,
                   .n = b_rank > 1 ? b[b_rank - 1] : 1,
                   .k = a[a_rank - 1],
                   .a = stack_rank(a_rank),
                   .b = stack_rank(b_rank)};
    s.y = s.a > s.b ? s.a : s.b;
    return s;
}

/* A dim of the broadcast stack; false where they do not agree. */
static bool joined_dim(int64_t a, int64_t b, int64_t *y) {
    *y = a == 1 ? b : b == 1 ? a : a < 0 ? b : a;
    return a == b || a == 1 || b == 1 || a < 0 || b < 0;
}

tap_status tap_stack_infer(tap_ctx *ctx, const tap_type *a, const tap_type *b, tap_dtype dtype) {
    int64_t dims[TAP_RANK_MAX + 2];
    if (a->rank == 0 || b->rank == 0)
        return tap_fail(ctx, tap_misfit(ctx), "a scalar cannot be multiplied as a matrix");
    if (a->rank < 0 || b->rank < 0) return tap_out_type(ctx, 0, dtype, -1, NULL);
    tap_stack s = tap_stack_of(a->rank, a->dims, b->rank, b->dims);
    int64_t rows = b->rank > 1 ? b->dims[b->rank - 2] : b->dims[0];
    if (s.k >= 0 && rows >= 0 && s.k != rows)
        return tap_fail(ctx, tap_misfit(ctx), "the last dimension of A (%lld) and the %s of B (%lld) differ",
                        (long long)s.k, b->rank > 1 ? "last but one" : "dimension", (long long)rows);
    int rank = s.y;
    for (int i = 0; i < s.y; i++) {
        int64_t da = i < s.y - s.a ? 1 : a->dims[i - (s.y - s.a)];
        int64_t db = i < s.y - s.b ? 1 : b->dims[i - (s.y - s.b)];
        if (!joined_dim(da, db, &dims[i]))
            return tap_fail(ctx, tap_misfit(ctx), "the stacks of A and B do not broadcast: %lld against %lld",
                            (long long)da, (long long)db);
    }
    if (a->rank > 1) dims[rank++] = s.m;
    if (b->rank > 1) dims[rank++] = s.n;
    return tap_out_type(ctx, 0, dtype, rank, dims);
}

int64_t tap_stack_count(const tap_stack *s, const tap_tensor *y) {
    int64_t n = 1;
    for (int i = 0; i < s->y; i++) n *= y->dims[i];
    return n;
}

void tap_stack_offsets(const tap_stack *s, const tap_tensor *t, const tap_tensor *y, int64_t n,
                       int64_t (*at)[3], int column) {
    int missing = s->y - stack_rank(t->rank);
    int64_t step[TAP_RANK_MAX], matrices = 1;
    for (int d = s->y - 1; d >= 0; d--) {
        int64_t dim = d >= missing ? t->dims[d - missing] : 1;
        step[d] = dim == 1 ? 0 : matrices;
        matrices *= dim;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, where = 0;
        for (int d = s->y - 1; d >= 0; d--) {
            where += rest % y->dims[d] * step[d];
            rest /= y->dims[d];
        }
        at[i][column] = where;
    }
}
