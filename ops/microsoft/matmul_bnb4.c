/* MatMulBnb4 of com.microsoft: products with weights that bitsandbytes rounded to 16 values, two in a byte,
 * by a scale for each block. The weights are widened once, where they are constant. */
#include "common/real.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

/* What the 16 codes stand for, of the greatest of a block: FP4, NF4. */
static const float codes[2][16] = {
    {0, 5.208333333e-03f, 0.66666667f, 1, 0.33333333f, 0.5f, 0.16666667f, 0.25f, -0.0f, -5.208333333e-03f,
     -0.66666667f, -1, -0.33333333f, -0.5f, -0.16666667f, -0.25f},
    {-1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
     -0.18477343022823334f, -0.09105003625154495f, 0, 0.07958029955625534f, 0.16093020141124725f,
     0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
     0.7229568362236023f, 1},
};

typedef struct bnb {
    int64_t k, n, block, count;
    int type;
} bnb;

static tap_status prepare(tap_ctx *ctx, void **state) {
    bnb *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->k = tap_attr_int(ctx, "K", 0);
    s->n = tap_attr_int(ctx, "N", 0);
    s->block = tap_attr_int(ctx, "block_size", 0);
    const int64_t type = tap_attr_int(ctx, "quant_type", -1);
    s->type = (int)type;
    if (s->k < 1 || s->n < 1 || !tap_mul64(s->k, s->n, &s->count))
        return tap_fail(ctx, TAP_MODEL, "K and N must be given, and positive");
    if (s->block < 16 || (s->block & (s->block - 1)))
        return tap_fail(ctx, TAP_MODEL, "block_size is %lld; it must be a power of 2 from 16 on",
                        (long long)s->block);
    return type == 0 || type == 1
               ? TAP_OK
               : tap_fail(ctx, TAP_MODEL, "quant_type is %lld; it may be 0 or 1", (long long)type);
}

static tap_status infer(tap_ctx *ctx) {
    const bnb *s = ctx->state;
    const tap_type *scales = tap_in_type(ctx, 1);
    const int64_t bytes = s->count / 2 + s->count % 2, blocks = (s->count - 1) / s->block + 1;
    tap_status st = tap_need_shape(ctx, 0, 1, &bytes, "B");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_TYPES_FLOAT, "absmax");
    if (!st) st = tap_need_shape(ctx, 1, 1, &blocks, "absmax");
    return st ? st : tap_out_type(ctx, 0, scales->dtype, 2, (int64_t[]){s->n, s->k});
}

static tap_status run(tap_ctx *ctx) {
    const bnb *s = ctx->state;
    const uint8_t *b = ctx->in[0]->data;
    tap_tensor *y = ctx->out[0];
    const size_t width = tap_dtype_bytes(y->dtype);
    for (int64_t i = 0; i < s->count; i++) {
        const int code = i % 2 ? b[i / 2] & 15 : b[i / 2] >> 4;
        const float v = codes[s->type][code] * (float)tap_real_at(ctx->in[1], i / s->block);
        tap_from_f32(y->dtype, 1, &v, (char *)y->data + (size_t)i * width);
    }
    return TAP_OK;
}

static tap_status matmul_bnb4(tap_expansion *e) {
    const bool turned = tap_expand_int(e, "transB", 1) != 0;
    tap_expand_names(e, "A, B, absmax", "Y");
    tap_expand_has(e, "training_mode");
    tap_expand_add(e, "weights = onnxtap.Bnb4Weights <K=@K, N=@N, block_size=@block_size, "
                      "quant_type=@quant_type> (B, absmax)");
    if (turned) tap_expand_add(e, "columns = Transpose <perm=[1, 0]> (weights)");
    tap_expand_add(e, "Y = MatMul (A, %s)", turned ? "columns" : "weights");
    return TAP_OK;
}

#define FLOATS (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))

static const tap_op ops[] = {
    TAP_MS_FUNCTION("MatMulBnb4", 3, 3, 1, 1, FLOATS, "T * T/1", matmul_bnb4),
    {TAP_MS_PIECE("Bnb4Weights", 2, 2, 1, 1), .dtypes = TAP_BIT(TAP_UINT8), .prepare = prepare,
     .infer = infer, .run = run, .notes = "A piece of functions of com.microsoft."},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_matmul_bnb4, ops);
