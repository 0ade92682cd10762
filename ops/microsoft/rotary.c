/* RotaryEmbedding of com.microsoft: the standard's, with the size of a head told by the caches. */
#include "common/rotary.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

typedef struct rotary_state {
    int64_t n_heads, rotated; /* 0: not given */
    bool interleaved;
    bool partial; /* caches may be of fewer elements than a head has without rotary_embedding_dim */
} rotary_state;

enum { IN_X, IN_POSITIONS, IN_COS, IN_SIN };

static tap_status prepare(tap_ctx *ctx, void **state) {
    rotary_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n_heads = tap_attr_int(ctx, "num_heads", 0);
    s->rotated = tap_attr_int(ctx, "rotary_embedding_dim", 0);
    s->interleaved = tap_attr_int(ctx, "interleaved", 0) != 0;
    s->partial = tap_ctx_op(ctx)->data != NULL;
    tap_attr_int(ctx, "is_packed_batching", 0);
    tap_attr_float(ctx, "scale", 1);
    if (s->n_heads < 0 || s->rotated < 0 || s->rotated % 2)
        return tap_fail(ctx, TAP_MODEL, "num_heads may not be negative, rotary_embedding_dim must be even");
    if (s->rotated && !s->n_heads && !s->partial)
        return tap_fail(ctx, TAP_MODEL, "rotary_embedding_dim is given without num_heads");
    return TAP_OK;
}

/* -1: unknown. */
typedef struct sizes {
    int64_t batch, heads, length, d, rotated;
} sizes;

/* x[batch][length][heads * d]: the heads by num_heads, or by the caches. */
static tap_status split_hidden(tap_ctx *ctx, int64_t hidden, sizes *z) {
    const rotary_state *s = ctx->state;
    z->d = s->n_heads == 0 ? z->rotated : hidden < 0 ? -1 : hidden / s->n_heads;
    z->heads = s->n_heads ? s->n_heads : hidden < 0 || z->d <= 0 ? -1 : hidden / z->d;
    if (hidden < 0 || z->d < 0 || z->heads < 0 || z->heads * z->d == hidden) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%lld elements cannot be shared out to heads of %lld elements",
                    (long long)hidden, (long long)z->d);
}

static tap_status find_sizes(tap_ctx *ctx, sizes *z) {
    const rotary_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, IN_X), *cos = tap_in_type(ctx, IN_COS);
    *z = (sizes){-1, -1, -1, -1, -1};
    tap_status status = tap_need_rank(ctx, IN_X, 3, 4, "input");
    if (!status) status = tap_need_rank(ctx, IN_COS, 2, 2, "cos_cache");
    if (status) return status;
    z->rotated = s->rotated                                                        ? s->rotated
                 : cos->rank == 2 && cos->dims[1] >= 0 && cos->dims[1] < INT32_MAX ? 2 * cos->dims[1]
                                                                                   : -1;
    if (x->rank < 0) return TAP_OK;
    z->batch = x->dims[0];
    if (x->rank == 3) {
        z->length = x->dims[1];
        status = split_hidden(ctx, x->dims[2], z);
    } else {
        z->heads = x->dims[1];
        z->length = x->dims[2];
        z->d = x->dims[3];
    }
    if (status || z->d < 0 || z->rotated < 0) return status;
    if (z->rotated > z->d || (z->rotated != z->d && !s->rotated && !s->partial))
        return tap_fail(
            ctx, tap_misfit(ctx),
            "heads have %lld elements, the caches are for %lld; rotary_embedding_dim is not given",
            (long long)z->d, (long long)z->rotated);
    return TAP_OK;
}

/* One number, or one for each token. */
static tap_status check_positions(tap_ctx *ctx, const sizes *z) {
    const tap_type *t = tap_in_type(ctx, IN_POSITIONS);
    tap_status status = tap_need_dtype(ctx, IN_POSITIONS, TAP_BIT(TAP_INT64), "position_ids");
    if (!status) status = tap_need_rank(ctx, IN_POSITIONS, 1, 2, "position_ids");
    if (status || t->rank < 0) return status;
    if (t->rank == 1) return tap_need_one(ctx, IN_POSITIONS, "position_ids");
    return tap_need_shape(ctx, IN_POSITIONS, 2, (int64_t[]){z->batch, z->length}, "position_ids");
}

static tap_status infer(tap_ctx *ctx) {
    sizes z;
    tap_status status = find_sizes(ctx, &z);
    const int64_t cache[2] = {-1, z.rotated < 0 ? -1 : z.rotated / 2};
    for (int i = IN_COS; i <= IN_SIN && !status; i++) {
        const char *what = i == IN_COS ? "cos_cache" : "sin_cache";
        status = tap_need_same_dtype(ctx, IN_X, i, what);
        if (!status) status = tap_need_shape(ctx, i, 2, cache, what);
    }
    if (!status) status = check_positions(ctx, &z);
    return status ? status : tap_out_like(ctx, 0, tap_in_type(ctx, IN_X));
}

static tap_status run(tap_ctx *ctx) {
    const rotary_state *s = ctx->state;
    const tap_tensor *x = ctx->in[IN_X], *positions = ctx->in[IN_POSITIONS];
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
                          .cos = ctx->in[IN_COS]->data,
                          .sin = ctx->in[IN_SIN]->data,
                          .y = ctx->out[0]->data,
                          .position = positions->data,
                          .one_offset = positions->rank == 1,
                          .x_batch = x->count / z.batch,
                          .x_head = by_head ? z.length * z.d : z.d,
                          .x_row = by_head ? z.d : z.heads * z.d};
    return tap_rotary_run(ctx, &r, tap_min64(ctx->in[IN_COS]->dims[0], ctx->in[IN_SIN]->dims[0]));
}

#define ROTARY                                                                                       \
    .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16), .prepare = prepare, \
    .infer = infer, .run = run

static const tap_op ops[] = {
    {TAP_MS_ROW("RotaryEmbedding", 4, 4, 1, 1), ROTARY,
     .notes = "The attribute scale has no effect, as in ONNX Runtime."},
    {TAP_MS_PIECE("PartialRotaryEmbedding", 4, 4, 1, 1), ROTARY, .data = "partial"},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_rotary, ops);
