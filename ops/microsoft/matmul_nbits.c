/* MatMulNBits: a product with weights of 2, 4 or 8 bits, which have a scale for each block along the sum.
 * They are widened to float32 once, into the form that products read. */
#include "common/bits.h"
#include "common/gemm.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "common/widen.h"
#include "microsoft/microsoft.h"

#define PACK_GRAIN (1 << 14) /* weights that a task widens at least */

enum { IN_A, IN_B, IN_SCALES, IN_ZEROS, IN_GROUPS, IN_BIAS };

typedef struct nbits {
    int64_t k, n, block, blocks; /* blocks: of a column */
    int bits;
    void *packed; /* NULL: not all of the weights are constant */
} nbits;

static tap_status prepare(tap_ctx *ctx, void **state) {
    nbits *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    const int64_t bits = tap_attr_int(ctx, "bits", 4);
    s->k = tap_attr_int(ctx, "K", 0);
    s->n = tap_attr_int(ctx, "N", 0);
    s->block = tap_attr_int(ctx, "block_size", 0);
    tap_attr_int(ctx, "accuracy_level", 0);
    if (s->k < 1 || s->n < 1 || s->k > INT32_MAX || s->n > INT32_MAX)
        return tap_fail(ctx, TAP_MODEL, "K and N must be given, and positive");
    if (bits != 2 && bits != 4 && bits != 8)
        return tap_fail(ctx, TAP_MODEL, "bits is %lld; it may be 2, 4 or 8", (long long)bits);
    if (s->block < 16 || s->block > 1 << 20 || (s->block & (s->block - 1)))
        return tap_fail(ctx, TAP_MODEL, "block_size is %lld; it must be a power of 2 from 16 on",
                        (long long)s->block);
    if (tap_attr_int(ctx, "weight_prepacked", 0) != 0)
        return tap_fail(ctx, TAP_UNSUPPORTED, "the weights are packed for a GPU: export the model for CPUs");
    s->bits = (int)bits;
    s->blocks = (s->k + s->block - 1) / s->block;
    return TAP_OK;
}

static tap_status need_count(tap_ctx *ctx, int i, int64_t n, int64_t or, const char *what) {
    const int64_t have = tap_in_count(ctx, i);
    if (have < 0 || have == n || have == or) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements, but must have %lld", what, (long long)have,
                    (long long)n);
}

/* Bytes that n numbers of the weights' width take. */
static int64_t bytes_of(const nbits *s, int64_t n) {
    return (n * s->bits + 7) / 8;
}

static tap_status check_weights(tap_ctx *ctx) {
    const nbits *s = ctx->state;
    const int64_t blocks = s->n * s->blocks, blob = bytes_of(s, s->block);
    const tap_type *zeros = tap_in_type(ctx, IN_ZEROS);
    tap_status st = tap_need_dtype(ctx, IN_B, TAP_BIT(TAP_UINT8), "B");
    if (!st) st = tap_need_same_dtype(ctx, IN_A, IN_SCALES, "scales");
    if (!st && zeros && zeros->dtype != TAP_UINT8)
        st = tap_need_same_dtype(ctx, IN_A, IN_ZEROS, "zero_points");
    if (!st) st = tap_need_dtype(ctx, IN_GROUPS, TAP_BIT(TAP_INT32), "g_idx");
    if (!st) st = tap_need_same_dtype(ctx, IN_A, IN_BIAS, "bias");
    if (!st) st = need_count(ctx, IN_B, blocks * blob, -1, "B");
    if (!st) st = need_count(ctx, IN_SCALES, blocks, -1, "scales");
    if (!st && zeros)
        st = need_count(ctx, IN_ZEROS, zeros->dtype == TAP_UINT8 ? s->n * bytes_of(s, s->blocks) : blocks, -1,
                        "zero_points");
    if (!st) st = need_count(ctx, IN_GROUPS, s->k, s->blocks * s->block, "g_idx");
    return st ? st : tap_need_shape(ctx, IN_BIAS, 1, &s->n, "bias");
}

static tap_status infer(tap_ctx *ctx) {
    const nbits *s = ctx->state;
    const tap_type *a = tap_in_type(ctx, IN_A);
    int64_t dims[TAP_RANK_MAX];
    tap_status st = check_weights(ctx);
    if (st || a->rank < 0) return st ? st : tap_out_type(ctx, 0, a->dtype, -1, NULL);
    if (a->rank == 0 || (a->dims[a->rank - 1] >= 0 && a->dims[a->rank - 1] != s->k))
        return tap_fail(ctx, tap_misfit(ctx), "the last axis of A must have K = %lld elements",
                        (long long)s->k);
    memcpy(dims, a->dims, sizeof dims);
    dims[a->rank - 1] = s->n;
    return tap_out_type(ctx, 0, a->dtype, a->rank, dims);
}

/* ---- Weights: w = (q - zero) * scale, of column j and row i of the sum ---- */

typedef struct weights {
    const nbits *s;
    const uint8_t *b;
    const tap_tensor *scales, *zeros, *groups; /* zeros, groups: NULL: absent */
    float *packed;                             /* panels of `columns`, rows of those of a panel one by one */
    int64_t columns;
} weights;

static float zero_of(const weights *w, int64_t j, int64_t block) {
    const nbits *s = w->s;
    if (!w->zeros) return (float)(1 << (s->bits - 1));
    if (w->zeros->dtype != TAP_UINT8) return (float)tap_real_at(w->zeros, j * s->blocks + block);
    return (float)tap_bits_at((const uint8_t *)w->zeros->data + j * bytes_of(s, s->blocks), s->bits, block);
}

static int64_t group_of(const weights *w, int64_t i) {
    return w->groups ? tap_int_at(w->groups, i) : i / w->s->block;
}

/* Column j, as what lies in its panel. */
static void widen_column(const weights *w, int64_t j) {
    const nbits *s = w->s;
    const int64_t step = w->columns, blob = bytes_of(s, s->block);
    float *to = w->packed + j / step * step * s->k + j % step, scale = 0, zero = 0;
    const uint8_t *b = w->b + j * s->blocks * blob;
    int64_t last = -1;
    for (int64_t i = 0; i < s->k; i++, to += step) {
        const int64_t group = group_of(w, i);
        if (group != last) {
            scale = (float)tap_real_at(w->scales, j * s->blocks + group);
            zero = zero_of(w, j, group);
            last = group;
        }
        *to = ((float)tap_bits_at(b, s->bits, i) - zero) * scale;
    }
}

/* Columns first .. last, those behind the last one of the weights as 0. */
static void widen_task(void *arg, int64_t first, int64_t last, int worker) {
    const weights *w = arg;
    const int64_t step = w->columns, k = w->s->k;
    (void)worker;
    for (int64_t j = first; j < last; j++) {
        if (j < w->s->n) {
            widen_column(w, j);
            continue;
        }
        float *to = w->packed + j / step * step * k + j % step;
        for (int64_t i = 0; i < k; i++, to += step) *to = 0;
    }
}

static tap_status check_groups(tap_ctx *ctx, const weights *w) {
    for (int64_t i = 0; w->groups && i < w->s->k; i++) {
        const int64_t g = tap_int_at(w->groups, i);
        if (g < 0 || g >= w->s->blocks)
            return tap_fail(ctx, TAP_MODEL, "g_idx[%lld] is %lld; there are %lld blocks", (long long)i,
                            (long long)g, (long long)w->s->blocks);
    }
    return TAP_OK;
}

static weights weights_of(const nbits *s, const tap_tensor *b, const tap_tensor *scales,
                          const tap_tensor *zeros, const tap_tensor *groups) {
    return (weights){.s = s,
                     .b = b->data,
                     .scales = scales,
                     .zeros = zeros,
                     .groups = groups,
                     .columns = tap_tiles(TAP_TILE_F32, s->n)->columns};
}

static int64_t columns_of(const weights *w) {
    return (w->s->n + w->columns - 1) / w->columns * w->columns;
}

static tap_status pack(tap_ctx *ctx, void *state) {
    nbits *s = state;
    const tap_tensor *b = tap_in_known(ctx, IN_B), *scales = tap_in_known(ctx, IN_SCALES);
    const tap_tensor *zeros = tap_in_known(ctx, IN_ZEROS), *groups = tap_in_known(ctx, IN_GROUPS);
    size_t bytes;
    if (!b || !scales || (tap_has_in(ctx, IN_ZEROS) && !zeros) || (tap_has_in(ctx, IN_GROUPS) && !groups))
        return TAP_OK;
    if (!tap_gemm_packed_bytes(TAP_FLOAT, s->k, s->n, &bytes))
        return tap_fail(ctx, TAP_MEMORY, "B is too large");
    weights w = weights_of(s, b, scales, zeros, groups);
    tap_status st = check_groups(ctx, &w);
    if (st != TAP_OK) return st;
    if (!(w.packed = tap_state(ctx, bytes))) return TAP_MEMORY;
    widen_task(&w, 0, columns_of(&w), 0);
    s->packed = w.packed;
    return TAP_OK;
}

/* ---- Run ---- */

static const tap_tensor *optional(const tap_ctx *ctx, int i) {
    return i < ctx->n_in ? ctx->in[i] : NULL;
}

static const void *packed_weights(tap_ctx *ctx) {
    const nbits *s = ctx->state;
    size_t bytes;
    if (s->packed) return s->packed;
    if (!tap_gemm_packed_bytes(TAP_FLOAT, s->k, s->n, &bytes)) {
        tap_fail(ctx, TAP_MEMORY, "B is too large");
        return NULL;
    }
    weights w = weights_of(s, tap_in_known(ctx, IN_B), tap_in_known(ctx, IN_SCALES),
                           tap_in_known(ctx, IN_ZEROS), tap_in_known(ctx, IN_GROUPS));
    if (check_groups(ctx, &w) != TAP_OK || !(w.packed = tap_scratch(ctx, bytes))) return NULL;
    tap_parallel(ctx, columns_of(&w), tap_max64(1, PACK_GRAIN / s->k), widen_task, &w);
    return w.packed;
}

static tap_status run(tap_ctx *ctx) {
    const nbits *s = ctx->state;
    const tap_tensor *a = ctx->in[IN_A], *bias = optional(ctx, IN_BIAS), *y = ctx->out[0];
    tap_tensor wide;
    if (y->count == 0) return TAP_OK;
    tap_gemm g = {.dtype = TAP_FLOAT, .m = y->count / s->n, .n = s->n, .k = s->k, .lda = s->k, .ldc = s->n};
    if (!(g.packed = packed_weights(ctx)) || !(g.a = tap_widen(ctx, a)) || !tap_widen_output(ctx, y, &wide) ||
        (bias && !(g.bias = tap_widen(ctx, bias))))
        return TAP_MEMORY;
    g.c = wide.data;
    tap_status st = tap_gemm_run(ctx, &g);
    if (st == TAP_OK) tap_narrow_output(ctx, &wide, y);
    return st;
}

static const tap_op ops[] = {
    {TAP_MS_ROW("MatMulNBits", 3, 6, 1, 1), .flags = TAP_PACKS,
     .packed_inputs = 1 << IN_B | 1 << IN_SCALES | 1 << IN_ZEROS | 1 << IN_GROUPS,
     .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16), .prepare = prepare,
     .infer = infer, .pack = pack, .run = run, .notes = "In float32, whatever accuracy_level says."},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_matmul_nbits, ops);
