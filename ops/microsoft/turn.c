/* Pieces of functions of com.microsoft that put dimensions into another order, which depends on the rank. */
#include "common/move.h"
#include "core/permute.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

/* ---- Turn: matrices transposed, or with the first dimension as their rows ---- */

typedef struct turn {
    bool swap, batch;
} turn;

static tap_status turn_prepare(tap_ctx *ctx, void **state) {
    turn *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->swap = tap_attr_int(ctx, "swap", 0) != 0;
    s->batch = tap_attr_int(ctx, "batch", 0) != 0;
    return TAP_OK;
}

static bool turn_permutation(const tap_ctx *ctx, int rank, int *perm) {
    const turn *s = ctx->state;
    for (int i = 0; i < rank; i++) perm[i] = i;
    if (rank < 2) return true;
    if (s->batch) {
        for (int i = 0; i < rank - 2; i++) perm[i] = i + 1;
        perm[rank - 2] = 0;
    }
    if (s->swap) {
        const int last = perm[rank - 1];
        perm[rank - 1] = perm[rank - 2];
        perm[rank - 2] = last;
    }
    return true;
}

static tap_status turn_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[TAP_RANK_MAX];
    int perm[TAP_RANK_MAX];
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    turn_permutation(ctx, x->rank, perm);
    for (int i = 0; i < x->rank; i++) dims[i] = x->dims[perm[i]];
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

static tap_status turn_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    int perm[TAP_RANK_MAX];
    tap_move m;
    turn_permutation(ctx, x->rank, perm);
    tap_permute_plan(&m, tap_dtype_bytes(x->dtype), x->rank, x->dims, perm);
    tap_move_all(ctx, &m, x->data, ctx->out[0]->data);
    return TAP_OK;
}

/* ---- Heads: y[batch][heads][length][d] of queries (part 0), keys (1) or values (2) ----
 *
 * x is [batch][length][of * d], of whose heads some are taken; or has them already,
 * [batch][heads][length][d]; or has several parts, [batch][length][heads][parts][d]: all three, or keys and
 * values. */

typedef struct heads {
    int64_t n;         /* given                                          */
    int64_t of, first; /* x of rank 3 has so many; the first one that is taken */
    int part;
} heads;

static tap_status heads_prepare(tap_ctx *ctx, void **state) {
    heads *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n = tap_attr_int(ctx, "heads", 0);
    const int64_t part = tap_attr_int(ctx, "part", 0);
    if (s->n < 1 || part < 0 || part > 2)
        return tap_fail(ctx, TAP_MODEL, "the number of heads, %lld, must be positive", (long long)s->n);
    s->part = (int)part;
    s->of = tap_attr_int(ctx, "of", s->n);
    s->first = tap_attr_int(ctx, "first", 0);
    if (s->first < 0 || s->of < s->n || s->first > s->of - s->n)
        return tap_fail(ctx, TAP_MODEL, "there are %lld heads", (long long)s->of);
    return TAP_OK;
}

static tap_status check_parts(tap_ctx *ctx, const tap_type *x, int part) {
    const heads *s = ctx->state;
    if (x->dims[2] >= 0 && x->dims[2] != s->n)
        return tap_fail(ctx, tap_misfit(ctx), "packed input has %lld heads, num_heads is %lld",
                        (long long)x->dims[2], (long long)s->n);
    const int64_t parts = x->dims[3];
    if (parts < 0 || parts == 3 || (parts == 2 && part > 0)) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "packed input has %lld parts", (long long)parts);
}

static tap_status heads_infer(tap_ctx *ctx) {
    const heads *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[4] = {-1, s->n, -1, -1};
    tap_status status = tap_need_rank(ctx, 0, 3, 5, "query, key or value");
    if (status || x->rank < 0) return status ? status : tap_out_type(ctx, 0, x->dtype, 4, dims);
    dims[0] = x->dims[0];
    dims[2] = x->dims[x->rank == 4 ? 2 : 1];
    if (x->rank == 4) {
        if (x->dims[1] >= 0 && x->dims[1] != s->n)
            return tap_fail(ctx, tap_misfit(ctx), "input has %lld heads, num_heads is %lld",
                            (long long)x->dims[1], (long long)s->n);
        dims[3] = x->dims[3];
    } else if (x->rank == 5) {
        if ((status = check_parts(ctx, x, s->part))) return status;
        dims[3] = x->dims[4];
    } else if (x->dims[2] >= 0) {
        if (x->dims[2] % s->of)
            return tap_fail(ctx, tap_misfit(ctx), "%lld elements cannot be shared out to %lld heads",
                            (long long)x->dims[2], (long long)s->of);
        dims[3] = x->dims[2] / s->of;
    }
    return tap_out_type(ctx, 0, x->dtype, 4, dims);
}

static tap_status heads_run(tap_ctx *ctx) {
    const heads *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    const int64_t row = (int64_t)width * y->dims[3], parts = x->rank == 5 ? x->dims[3] : 1;
    const int64_t first = x->rank == 5 ? s->part - (3 - parts) : x->rank == 3 ? s->first : 0;
    const int64_t token = row * (x->rank == 5 ? parts * s->n : s->of), length = y->dims[2];
    int64_t from[4] = {length * token, row * parts, token, (int64_t)width}, to[4];
    if (y->count == 0) return TAP_OK;
    tap_dense_steps(width, 4, y->dims, to);
    tap_move_steps(ctx, width, 4, y->dims, x->rank == 4 ? to : from, to, (const char *)x->data + first * row,
                   y->data);
    return TAP_OK;
}

#define PIECE "A piece of functions of com.microsoft."

static const tap_op ops[] = {
    {TAP_MS_PIECE("Turn", 1, 1, 1, 1), .dtypes = TAP_TYPES_ALL, .prepare = turn_prepare, .infer = turn_infer,
     .run = turn_run, .permutation = turn_permutation, .notes = PIECE},
    {TAP_MS_PIECE("Heads", 1, 1, 1, 1), .dtypes = TAP_TYPES_FLOAT, .prepare = heads_prepare,
     .infer = heads_infer, .run = heads_run, .notes = PIECE},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_turn, ops);
