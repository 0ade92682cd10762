/* RotaryEmbedding: pairs of a head's elements turned by the angle of the token's position. Computed in
 * float32. */
#include "common/rotary.h"
#include "common/shape.h"

typedef struct rotary_state {
    int64_t n_heads, rotated; /* 0: not given */
    bool interleaved;
} rotary_state;

static tap_status prepare(tap_ctx *ctx, void **state) {
    rotary_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n_heads = tap_attr_int(ctx, "num_heads", 0);
    s->rotated = tap_attr_int(ctx, "rotary_embedding_dim", 0);
    s->interleaved = tap_attr_int(ctx, "interleaved", 0) != 0;
    if (s->n_heads < 0 || s->rotated < 0 || s->rotated % 2)
        return tap_fail(ctx, TAP_MODEL, "num_heads may not be negative, rotary_embedding_dim must be even");
    return TAP_OK;
}

/* What X says; -1: unknown. x[batch][heads][length][d] or x[batch][length][heads * d]. */
typedef struct sizes {
    int64_t batch, heads, length, d, rotated;
} sizes;

static tap_status find_sizes(tap_ctx *ctx, sizes *z) {
    const rotary_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_rank(ctx, 0, 3, 4, "X");
    *z = (sizes){-1, -1, -1, -1, -1};
    if (status || x->rank < 0) return status;
    z->batch = x->dims[0];
    if (x->rank == 4) {
        z->heads = x->dims[1];
        z->length = x->dims[2];
        z->d = x->dims[3];
    } else {
        if (s->n_heads == 0) return tap_fail(ctx, TAP_MODEL, "num_heads must be given where X has rank 3");
        if (x->dims[2] >= 0 && x->dims[2] % s->n_heads)
            return tap_fail(ctx, tap_misfit(ctx), "%lld elements cannot be shared out to %lld heads",
                            (long long)x->dims[2], (long long)s->n_heads);
        z->heads = s->n_heads;
        z->length = x->dims[1];
        z->d = x->dims[2] < 0 ? -1 : x->dims[2] / s->n_heads;
    }
    z->rotated = s->rotated ? s->rotated : z->d;
    if (z->d >= 0 && (z->rotated > z->d || z->rotated % 2))
        return tap_fail(ctx, tap_misfit(ctx),
                        "of heads of %lld elements %lld are to be rotated: it must be an even number of them",
                        (long long)z->d, (long long)z->rotated);
    return TAP_OK;
}

static tap_status infer(tap_ctx *ctx) {
    sizes z;
    bool by_position = tap_has_in(ctx, 3);
    tap_status status = find_sizes(ctx, &z);
    int64_t half = z.rotated < 0 ? -1 : z.rotated / 2;
    int64_t cache2[2] = {-1, half}, cache3[3] = {z.batch, z.length, half}, positions[2] = {z.batch, z.length};
    for (int i = 1; i <= 2 && !status; i++) {
        const char *what = i == 1 ? "cos_cache" : "sin_cache";
        status = tap_need_same_dtype(ctx, 0, i, what);
        if (!status)
            status = tap_need_shape(ctx, i, by_position ? 2 : 3, by_position ? cache2 : cache3, what);
    }
    if (!status) status = tap_need_dtype(ctx, 3, TAP_BIT(TAP_INT64), "position_ids");
    if (!status) status = tap_need_shape(ctx, 3, 2, positions, "position_ids");
    return status ? status : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static tap_status run(tap_ctx *ctx) {
    const rotary_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    sizes z;
    tap_status status = find_sizes(ctx, &z);
    if (status || x->count == 0) return status;
    const bool by_head = x->rank == 4;
    const tap_rotary r = {.batch = z.batch,
                          .heads = z.heads,
                          .length = z.length,
                          .d = z.d,
                          .rotated = z.rotated,
                          .interleaved = s->interleaved,
                          .dtype = x->dtype,
                          .x = x->data,
                          .cos = ctx->in[1]->data,
                          .sin = ctx->in[2]->data,
                          .y = ctx->out[0]->data,
                          .position = ctx->n_in > 3 && ctx->in[3] ? ctx->in[3]->data : NULL,
                          .x_batch = x->count / z.batch,
                          .x_head = by_head ? z.length * z.d : z.d,
                          .x_row = by_head ? z.d : z.heads * z.d};
    return tap_rotary_run(ctx, &r, tap_min64(ctx->in[1]->dims[0], ctx->in[2]->dims[0]));
}

static const tap_op ops[] = {
    {.name = "RotaryEmbedding",
     .since = 23,
     .in_min = 3,
     .in_max = 4,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16),
     .prepare = prepare,
     .infer = infer,
     .run = run},
    {0},
};

TAP_DEFINE_FAMILY(rotary, ops);
