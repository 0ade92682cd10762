/* Transpose, DepthToSpace, SpaceToDepth: the same elements in another order of dimensions. */
#include "common/move.h"
#include "common/shape.h"
#include "core/permute.h"

/* ---- Transpose ---- */

typedef struct perm_state {
    const int64_t *perm; /* NULL: the dimensions in reverse */
    size_t n;
} perm_state;

static tap_status transpose_prepare(tap_ctx *ctx, void **state) {
    perm_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->perm = tap_attr_ints(ctx, "perm", &s->n);
    if (!tap_attr_has(ctx, "perm")) s->perm = NULL;
    uint64_t seen = 0;
    if (s->perm && s->n > TAP_RANK_MAX) return tap_fail(ctx, TAP_MODEL, "perm has %zu entries", s->n);
    for (size_t i = 0; s->perm && i < s->n; i++) {
        int64_t axis = s->perm[i];
        if (axis < 0 || axis >= (int64_t)s->n || (seen >> axis & 1))
            return tap_fail(ctx, TAP_MODEL, "perm is no permutation of 0 to %zu: entry %zu is %lld", s->n - 1,
                            i, (long long)axis);
        seen |= UINT64_C(1) << axis;
    }
    return TAP_OK;
}

static void perm_of(const perm_state *s, int rank, int *perm) {
    for (int i = 0; i < rank; i++) perm[i] = s->perm ? (int)s->perm[i] : rank - 1 - i;
}

static tap_status transpose_infer(tap_ctx *ctx) {
    const perm_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int perm[TAP_RANK_MAX], rank = x->rank;
    int64_t dims[TAP_RANK_MAX];
    if (rank < 0 && s->perm) rank = (int)s->n;
    if (rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if (s->perm && (size_t)rank != s->n)
        return tap_fail(ctx, tap_misfit(ctx), "perm has %zu entries, but the input has rank %d", s->n, rank);
    perm_of(s, rank, perm);
    for (int i = 0; i < rank; i++) dims[i] = x->rank < 0 ? -1 : x->dims[perm[i]];
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

static bool transpose_permutation(const tap_ctx *ctx, int rank, int *perm) {
    const perm_state *s = ctx->state;
    if (s->perm && s->n != (size_t)rank) return false;
    perm_of(s, rank, perm);
    return true;
}

static tap_status transpose_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    int perm[TAP_RANK_MAX];
    tap_move m;
    perm_of(ctx->state, x->rank, perm);
    tap_permute_plan(&m, tap_dtype_bytes(x->dtype), x->rank, x->dims, perm);
    tap_move_all(ctx, &m, x->data, ctx->out[0]->data);
    return TAP_OK;
}

/* ---- DepthToSpace, SpaceToDepth ---- */

typedef struct block_state {
    int64_t block;
    bool crd; /* channels vary slower than the place in the block */
    bool to_depth;
} block_state;

static tap_status block_prepare(tap_ctx *ctx, void **state) {
    static const char *const modes[] = {"DCR", "CRD", NULL};
    block_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->to_depth = tap_ctx_op(ctx)->data != NULL;
    s->block = tap_attr_int(ctx, "blocksize", 0);
    if (tap_opset(ctx) >= (s->to_depth ? 28 : 11)) s->crd = tap_attr_choice(ctx, "mode", "DCR", modes) == 1;
    if (s->block < 1 || s->block > INT32_MAX)
        return tap_fail(ctx, TAP_MODEL, "blocksize is %lld", (long long)s->block);
    return TAP_OK;
}

/* d / by and d * by, -1 where d is unknown. */
static tap_status divide(tap_ctx *ctx, int64_t d, int64_t by, const char *what, int64_t *out) {
    *out = d < 0 ? -1 : d / by;
    if (d < 0 || d % by == 0) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s, %lld, is not a multiple of %lld", what, (long long)d,
                    (long long)by);
}

static int64_t times(int64_t d, int64_t by) {
    int64_t p;
    return d < 0 || !tap_mul64(d, by, &p) ? -1 : p;
}

static tap_status block_infer(tap_ctx *ctx) {
    const block_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t b = s->block, dims[4] = {-1, -1, -1, -1};
    tap_status status = tap_need_rank(ctx, 0, 4, 4, "the input");
    if (status) return status;
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, 4, dims);
    dims[0] = x->dims[0];
    if (s->to_depth) {
        dims[1] = times(x->dims[1], b * b);
        if ((status = divide(ctx, x->dims[2], b, "the height", &dims[2]))) return status;
        if ((status = divide(ctx, x->dims[3], b, "the width", &dims[3]))) return status;
    } else {
        if ((status = divide(ctx, x->dims[1], b * b, "the number of channels", &dims[1]))) return status;
        dims[2] = times(x->dims[2], b);
        dims[3] = times(x->dims[3], b);
    }
    return tap_out_type(ctx, 0, x->dtype, 4, dims);
}

/* Both are transpositions of six dimensions, DepthToSpace [N][b][b][C][H][W] (CRD: [N][C][b][b][H][W]) to
 * [N][C][H][b][W][b], SpaceToDepth the way back. Channels-last tensors have [N][H][W][b][b][C] (CRD:
 * [C][b][b]) and [N][H][b][W][b][C]. */
static tap_status block_run(tap_ctx *ctx) {
    enum { N, C, H, BH, W, BW };
    static const int8_t spread[2][6] = {{N, C, H, BH, W, BW}, {N, H, BH, W, BW, C}};
    static const int8_t packed[2][2][6] = {{{N, BH, BW, C, H, W}, {N, C, BH, BW, H, W}},
                                           {{N, H, W, BH, BW, C}, {N, H, W, C, BH, BW}}};
    const block_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *pixels = s->to_depth ? x : ctx->out[0];
    const int8_t *image = spread[ctx->channels_last], *depth = packed[ctx->channels_last][s->crd];
    const int8_t *from = s->to_depth ? image : depth, *to = s->to_depth ? depth : image;
    int64_t extent[6], dims[6];
    int perm[6], c = ctx->channels_last ? 3 : 1, h = ctx->channels_last ? 1 : 2;
    extent[N] = pixels->dims[0];
    extent[C] = pixels->dims[c];
    extent[H] = pixels->dims[h] / s->block;
    extent[W] = pixels->dims[h + 1] / s->block;
    extent[BH] = extent[BW] = s->block;
    for (int i = 0; i < 6; i++) {
        dims[i] = extent[from[i]];
        for (int k = 0; k < 6; k++)
            if (from[k] == to[i]) perm[i] = k;
    }
    tap_move m;
    tap_permute_plan(&m, tap_dtype_bytes(x->dtype), 6, dims, perm);
    tap_move_all(ctx, &m, x->data, ctx->out[0]->data);
    return TAP_OK;
}

#define ONE_TO_ONE .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_ALL
#define BLOCKS                                                                                           \
    .flags = TAP_TAKES_CHANNELS_LAST, .image_inputs = 1, .prepare = block_prepare, .infer = block_infer, \
    .run = block_run

static const tap_op ops[] = {
    {.name = "Transpose",
     .since = 1,
     ONE_TO_ONE,
     .prepare = transpose_prepare,
     .infer = transpose_infer,
     .run = transpose_run,
     .permutation = transpose_permutation},
    {.name = "DepthToSpace", .since = 1, ONE_TO_ONE, BLOCKS},
    {.name = "SpaceToDepth", .since = 1, ONE_TO_ONE, BLOCKS, .data = "to depth"},
    {0},
};

TAP_DEFINE_FAMILY(transpose, ops);
