/* MoE and QMoE of com.microsoft: each token goes through the k experts that its router's numbers are greatest
 * for; an expert is two products with an activation between them. Only experts that are asked for are
 * computed. */
#include <float.h>
#include <math.h>

#include "common/bits.h"
#include "common/gemm.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

enum { IN_X, IN_ROUTER, IN_W1, IN_W2, IN_B1, IN_B2, IN_W3, IN_B3, IN_AGGREGATE };
enum { RELU, GELU, SILU, SWIGLU, IDENTITY };

typedef struct moe {
    int64_t k, fused; /* fused: gates and values in one product, 1 interleaved, 2 one behind the other */
    int activation;
    bool normalise;
    float alpha, beta, limit;
} moe;

static tap_status prepare(tap_ctx *ctx, void **state) {
    static const char *const activations[] = {"relu", "gelu", "silu", "swiglu", "identity", NULL};
    moe *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->k = tap_attr_int(ctx, "k", 1);
    s->fused = tap_attr_int(ctx, "swiglu_fusion", 0);
    s->activation = tap_attr_choice(ctx, "activation_type", "relu", activations);
    s->normalise = tap_attr_int(ctx, "normalize_routing_weights", 0) != 0;
    s->alpha = tap_attr_float(ctx, "activation_alpha", 1);
    s->beta = tap_attr_float(ctx, "activation_beta", 0);
    s->limit = tap_attr_float(ctx, "swiglu_limit", FLT_MAX);
    tap_attr_int(ctx, "use_sparse_mixer", 0);
    if (s->activation != SWIGLU) s->fused = 0;
    if (s->k < 1 || s->fused < 0 || s->fused > 2)
        return tap_fail(ctx, TAP_MODEL, "k must be positive, swiglu_fusion 0, 1 or 2");
    return TAP_OK;
}

/* Sizes; -1: unknown. */
typedef struct sizes {
    int64_t tokens, hidden, experts, inner, wide; /* wide: columns of the first product */
} sizes;

static tap_status need_weights(tap_ctx *ctx, int i, int64_t experts, int64_t n, int64_t k, const char *what) {
    if (!tap_has_in(ctx, i)) return TAP_OK;
    tap_status st = tap_need_same_dtype(ctx, IN_X, i, what);
    if (st) return st;
    if (k == -2) return tap_need_shape(ctx, i, 2, (int64_t[]){experts, n}, what);
    return tap_need_shape(ctx, i, 3, (int64_t[]){experts, n, k}, what);
}

static tap_status find_sizes(tap_ctx *ctx, sizes *z) {
    const moe *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, IN_X), *router = tap_in_type(ctx, IN_ROUTER),
                   *w2 = tap_in_type(ctx, IN_W2);
    tap_status st = tap_need_rank(ctx, IN_X, 2, 3, "input");
    if (!st) st = tap_need_rank(ctx, IN_W2, 3, 3, "fc2_experts_weights");
    *z = (sizes){-1, -1, -1, -1, -1};
    if (st) return st;
    if (x->rank >= 0) {
        z->hidden = x->dims[x->rank - 1];
        z->tokens = tap_product(x->dims, x->rank - 1);
    }
    if (w2->rank == 3) z->experts = w2->dims[0], z->inner = w2->dims[2];
    if (z->inner >= 0 && z->inner < INT32_MAX) z->wide = s->fused ? 2 * z->inner : z->inner;
    st = tap_need_same_dtype(ctx, IN_X, IN_ROUTER, "router_probs");
    if (!st) st = tap_need_shape(ctx, IN_ROUTER, 2, (int64_t[]){z->tokens, z->experts}, "router_probs");
    if (!st) st = need_weights(ctx, IN_W1, z->experts, z->wide, z->hidden, "fc1_experts_weights");
    if (!st) st = need_weights(ctx, IN_B1, z->experts, z->wide, -2, "fc1_experts_bias");
    if (!st) st = need_weights(ctx, IN_W2, z->experts, z->hidden, z->inner, "fc2_experts_weights");
    if (!st) st = need_weights(ctx, IN_B2, z->experts, z->hidden, -2, "fc2_experts_bias");
    if (!st) st = need_weights(ctx, IN_W3, z->experts, z->inner, z->hidden, "fc3_experts_weights");
    if (!st) st = need_weights(ctx, IN_B3, z->experts, z->inner, -2, "fc3_experts_bias");
    if (!st && tap_has_in(ctx, IN_AGGREGATE))
        st = tap_need_shape(ctx, IN_AGGREGATE, 2, (int64_t[]){z->tokens, z->experts}, "router_weights");
    if (!st && z->experts >= 0 && s->k > z->experts)
        st = tap_fail(ctx, tap_misfit(ctx), "k is %lld, there are %lld experts", (long long)s->k,
                      (long long)z->experts);
    if (!st && s->activation == SWIGLU && (s->fused != 0) == tap_has_in(ctx, IN_W3))
        st = tap_fail(ctx, TAP_MODEL,
                      "swiglu has its gates in fc1 (swiglu_fusion 1 or 2) or its values in fc3");
    (void)router;
    return st;
}

static tap_status infer(tap_ctx *ctx) {
    sizes z;
    tap_status st = find_sizes(ctx, &z);
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, IN_X));
}

/* ---- Which experts ---- */

typedef struct job {
    const moe *s;
    sizes z;
    const float *x, *router, *aggregate, *w1, *b1, *w2, *b2, *w3, *b3;
    float *y;
    float *shares;   /* [tokens][experts]: 0 where the expert is not asked */
    int64_t *tokens; /* of one expert */
    float *in, *first, *third, *out;
} job;

/* The expert with the largest share among those that are not taken yet; of equal ones the last. */
static int64_t next_expert(const float *p, const float *taken, int64_t n) {
    int64_t best = -1;
    for (int64_t e = 0; e < n; e++)
        if (taken[e] < 0 && (best < 0 || p[e] >= p[best])) best = e;
    return best;
}

static void route(const job *j, int64_t t, float *p) {
    const int64_t n = j->z.experts;
    const float *logits = j->router + t * n;
    float *shares = j->shares + t * n, most = logits[0], sum = 0, chosen = 0;
    for (int64_t e = 1; e < n; e++) most = logits[e] > most ? logits[e] : most;
    for (int64_t e = 0; e < n; e++) sum += p[e] = expf(logits[e] - most);
    for (int64_t e = 0; e < n; e++) {
        p[e] /= sum;
        shares[e] = -1;
    }
    for (int64_t i = 0; i < j->s->k; i++) {
        const int64_t e = next_expert(p, shares, n);
        if (e < 0) break;
        shares[e] = j->aggregate ? j->aggregate[t * n + e] : p[e];
        if (shares[e] < 0) shares[e] = 0;
        chosen += shares[e];
    }
    for (int64_t e = 0; e < n; e++) {
        if (shares[e] < 0) shares[e] = 0;
        if (j->s->normalise && chosen > 0) shares[e] /= chosen;
    }
}

/* ---- What an expert does ---- */

static float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

static float activated(const moe *s, float x) {
    switch (s->activation) {
    case RELU: return x > 0 ? x : 0;
    case GELU: return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
    case SILU: return x * sigmoid(x);
    default: return x;
    }
}

static float gated(const moe *s, float gate, float value) {
    const float g = gate > s->limit ? s->limit : gate;
    const float l = value > s->limit ? s->limit : value < -s->limit ? -s->limit : value;
    return g * sigmoid(s->alpha * g) * (l + s->beta);
}

/* first[rows][wide] to [rows][inner], in place: what is read is never behind what has been written. */
static void activate(const job *j, int64_t rows) {
    const int64_t inner = j->z.inner, wide = j->z.wide;
    const moe *s = j->s;
    for (int64_t r = 0; r < rows; r++) {
        const float *x = j->first + r * wide, *third = j->third ? j->third + r * inner : NULL;
        float *y = j->first + r * inner;
        for (int64_t i = 0; i < inner && s->fused == 1; i++) y[i] = gated(s, x[2 * i], x[2 * i + 1]);
        for (int64_t i = 0; i < inner && s->fused == 2; i++) y[i] = gated(s, x[i], x[inner + i]);
        for (int64_t i = 0; i < inner && s->fused == 0; i++)
            y[i] = s->activation == SWIGLU ? gated(s, x[i], third[i])
                                           : activated(s, x[i]) * (third ? third[i] : 1);
    }
}

static tap_status product(tap_ctx *ctx, int64_t m, int64_t n, int64_t k, const float *a, const float *w,
                          const float *bias, float *c) {
    const tap_gemm g = {.dtype = TAP_FLOAT,
                        .m = m,
                        .n = n,
                        .k = k,
                        .a = a,
                        .lda = k,
                        .b = w,
                        .ldb = k,
                        .trans_b = true,
                        .c = c,
                        .ldc = n,
                        .bias = bias};
    return tap_gemm_run(ctx, &g);
}

static tap_status expert(tap_ctx *ctx, const job *j, int64_t e) {
    const int64_t hidden = j->z.hidden, inner = j->z.inner, wide = j->z.wide;
    int64_t rows = 0;
    for (int64_t t = 0; t < j->z.tokens; t++) {
        if (!(j->shares[t * j->z.experts + e] > 0)) continue;
        memcpy(j->in + rows * hidden, j->x + t * hidden, (size_t)hidden * sizeof *j->in);
        j->tokens[rows++] = t;
    }
    if (rows == 0) return TAP_OK;
    tap_status st = product(ctx, rows, wide, hidden, j->in, j->w1 + e * wide * hidden,
                            j->b1 ? j->b1 + e * wide : NULL, j->first);
    if (!st && j->w3)
        st = product(ctx, rows, inner, hidden, j->in, j->w3 + e * inner * hidden,
                     j->b3 ? j->b3 + e * inner : NULL, j->third);
    if (st) return st;
    activate(j, rows);
    st = product(ctx, rows, hidden, inner, j->first, j->w2 + e * hidden * inner,
                 j->b2 ? j->b2 + e * hidden : NULL, j->out);
    for (int64_t r = 0; r < rows && !st; r++) {
        const float share = j->shares[j->tokens[r] * j->z.experts + e];
        float *y = j->y + j->tokens[r] * hidden;
        for (int64_t i = 0; i < hidden; i++) y[i] += share * j->out[r * hidden + i];
    }
    return st;
}

static const float *floats_of(const tap_ctx *ctx, int i) {
    return i < ctx->n_in && ctx->in[i] ? ctx->in[i]->data : NULL;
}

static tap_status run(tap_ctx *ctx) {
    job j = {.s = ctx->state,
             .x = floats_of(ctx, IN_X),
             .router = floats_of(ctx, IN_ROUTER),
             .aggregate = floats_of(ctx, IN_AGGREGATE),
             .w1 = floats_of(ctx, IN_W1),
             .b1 = floats_of(ctx, IN_B1),
             .w2 = floats_of(ctx, IN_W2),
             .b2 = floats_of(ctx, IN_B2),
             .w3 = floats_of(ctx, IN_W3),
             .b3 = floats_of(ctx, IN_B3),
             .y = ctx->out[0]->data};
    tap_status st = find_sizes(ctx, &j.z);
    if (st || ctx->out[0]->count == 0) return st;
    const size_t t = (size_t)j.z.tokens, h = (size_t)j.z.hidden, n = (size_t)j.z.experts,
                 inner = (size_t)j.z.inner;
    float *p = tap_scratch(ctx, n * sizeof *p + 8);
    j.shares = tap_scratch(ctx, t * n * sizeof *j.shares + 8);
    j.tokens = tap_scratch(ctx, t * sizeof *j.tokens);
    j.in = tap_scratch(ctx, t * h * sizeof *j.in);
    j.out = tap_scratch(ctx, t * h * sizeof *j.out);
    j.first = tap_scratch(ctx, t * (size_t)j.z.wide * sizeof *j.first + 8);
    j.third = j.w3 ? tap_scratch(ctx, t * inner * sizeof *j.third + 8) : NULL;
    if (!p || !j.shares || !j.tokens || !j.in || !j.out || !j.first || (j.w3 && !j.third)) return TAP_MEMORY;
    memset(j.y, 0, t * h * sizeof *j.y);
    for (int64_t i = 0; i < j.z.tokens && n; i++) route(&j, i, p);
    for (int64_t e = 0; e < j.z.experts && !st; e++) st = expert(ctx, &j, e);
    return st;
}

/* ---- ExpertWeights: y[experts][n][k] of numbers of 2, 4 or 8 bits, scales[experts][n] or, by blocks of k,
 * [experts][n][blocks], and zero points packed like that ---- */

typedef struct packing {
    int64_t bits, block;
} packing;

static tap_status weights_prepare(tap_ctx *ctx, void **state) {
    packing *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->bits = tap_attr_int(ctx, "bits", 4);
    s->block = tap_attr_int(ctx, "block", 0);
    if (s->bits != 2 && s->bits != 4 && s->bits != 8)
        return tap_fail(ctx, TAP_MODEL, "the weights' bits are %lld; they may be 2, 4 or 8",
                        (long long)s->bits);
    return s->block >= 0 ? TAP_OK : tap_fail(ctx, TAP_MODEL, "block_size is %lld", (long long)s->block);
}

static tap_status weights_infer(tap_ctx *ctx) {
    const packing *s = ctx->state;
    const tap_type *w = tap_in_type(ctx, 0), *scales = tap_in_type(ctx, 1);
    int64_t dims[3] = {-1, -1, -1};
    tap_status st = tap_need_rank(ctx, 0, 3, 3, "the experts' weights");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_TYPES_FLOAT, "the scales");
    if (st) return st;
    if (w->rank == 3) memcpy(dims, w->dims, sizeof dims);
    if (dims[2] >= 0 && !tap_mul64(dims[2], 8 / s->bits, &dims[2]))
        return tap_fail(ctx, tap_misfit(ctx), "the weights are too large");
    const int64_t blocks = s->block && dims[2] >= 0 ? (dims[2] + s->block - 1) / s->block : -1;
    if (s->block)
        st = tap_need_shape(ctx, 1, 3, (int64_t[]){dims[0], dims[1], blocks}, "the scales");
    else if (scales->rank == 3)
        st = tap_need_shape(ctx, 1, 3, (int64_t[]){dims[0], dims[1], 1}, "the scales");
    else
        st = tap_need_shape(ctx, 1, 2, dims, "the scales");
    if (!st && tap_has_in(ctx, 2)) {
        const tap_type *z = tap_in_type(ctx, 2);
        const int64_t per = 8 / s->bits, row = s->block ? blocks : dims[1];
        const int64_t packed = row < 0 ? -1 : (row + per - 1) / per;
        st = tap_need_dtype(ctx, 2, TAP_BIT(TAP_UINT8), "the zero points");
        if (!st && s->block)
            st = tap_need_shape(ctx, 2, 3, (int64_t[]){dims[0], dims[1], packed}, "the zero points");
        if (!st && !s->block && z->rank >= 0)
            st = tap_need_shape(ctx, 2, 2, (int64_t[]){dims[0], packed}, "the zero points");
    }
    return st ? st : tap_out_type(ctx, 0, TAP_FLOAT, 3, dims);
}

static tap_status weights_run(tap_ctx *ctx) {
    const packing *s = ctx->state;
    const tap_tensor *y = ctx->out[0], *scales = ctx->in[1], *zeros = ctx->n_in > 2 ? ctx->in[2] : NULL;
    const uint8_t *w = ctx->in[0]->data;
    const int64_t n = y->dims[1], k = y->dims[2], per = 8 / s->bits;
    const int64_t blocks = s->block ? (k + s->block - 1) / s->block : 1;
    float *to = y->data;
    for (int64_t r = 0; r < y->dims[0] * n; r++)
        for (int64_t i = 0; i < k; i++) {
            const int64_t block = s->block ? i / s->block : 0;
            float zero = (float)(1 << (s->bits - 1));
            if (zeros) {
                const int64_t row = s->block ? blocks : n, at = s->block ? block : r % n;
                const int64_t from = (s->block ? r : r / n) * ((row + per - 1) / per);
                zero = (float)tap_bits_at((const uint8_t *)zeros->data + from, (int)s->bits, at);
            }
            *to++ = ((float)tap_bits_at(w + r * (k / per), (int)s->bits, i) - zero) *
                    (float)tap_real_at(scales, r * blocks + block);
        }
    return TAP_OK;
}

/* ---- MoE, QMoE ---- */

/* output of Experts in float32: its inputs are the node's by their places, or, where there is -1, weights
 * fc1, fc2, fc3. */
static void experts(tap_expansion *e, const int *places, bool third, const char *normalise) {
    static const char *const names[] = {"input",    "router_probs", "fc1",      "fc2",           "fc1_bias",
                                        "fc2_bias", "fc3",          "fc3_bias", "router_weights"};
    char list[300] = "";
    tap_text t = {list, sizeof list, 0};
    for (int i = 0; i < 9; i++) {
        const bool given = places[i] >= 0 && tap_expand_has_in(e, places[i]);
        const bool weights = i == 2 || i == 3 || (i == 6 && third);
        if (given) tap_expand_add(e, "%s_f = Cast <to=1> (%s)", names[i], names[i]);
        tap_text_add(&t, "%s%s%s", i ? ", " : "", given || weights ? names[i] : "", given ? "_f" : "");
    }
    tap_expand_add(
        e,
        "y = onnxtap.Experts <k=@k, activation_type=@activation_type, activation_alpha=@activation_alpha, "
        "activation_beta=@activation_beta, normalize_routing_weights=%s, "
        "swiglu_fusion=@swiglu_fusion, swiglu_limit=@swiglu_limit, use_sparse_mixer=@use_sparse_mixer> (%s)",
        normalise, list);
    tap_expand_add(e, "output = CastLike (y, input)");
}

static tap_status quantised(tap_expansion *e) {
    static const char *const bits[] = {"fc1_expert_weight_bits", "fc2_expert_weight_bits",
                                       "fc3_expert_weight_bits"};
    const char *type = tap_expand_string(e, "quant_type", "int");
    const int64_t all = tap_expand_int(e, "expert_weight_bits", 4);
    const bool third = tap_expand_has_in(e, 8);
    tap_expand_names(
        e,
        "input, router_probs, fc1_weights, fc1_scales?, fc1_bias?, fc2_weights, fc2_scales?, fc2_bias?, "
        "fc3_weights?, fc3_scales?, fc3_bias?, fc1_zeros?, fc2_zeros?, fc3_zeros?, router_weights?",
        "output");
    tap_expand_has(e, "accuracy_level");
    if (strcmp(type, "int") != 0)
        return tap_expand_fail(e, TAP_UNSUPPORTED,
                               "quant_type '%s' is for GPUs: quantise the experts to integers", type);
    if (tap_expand_int(e, "weights_prepacked", 0) > 0)
        return tap_expand_fail(e, TAP_UNSUPPORTED,
                               "weights_prepacked is for one kind of GPU: write the model with raw weights");
    for (int i = 0; i < (third ? 3 : 2); i++) {
        if (!tap_expand_has_in(e, 3 + 3 * i))
            return tap_expand_fail(e, TAP_MODEL, "fc%d_scales are missing", i + 1);
        tap_expand_add(
            e, "fc%d = onnxtap.ExpertWeights <bits=%lld, block=%lld> (fc%d_weights, fc%d_scales, fc%d_zeros)",
            i + 1, (long long)tap_expand_int(e, bits[i], all),
            (long long)tap_max64(0, tap_expand_int(e, "block_size", 0)), i + 1, i + 1, i + 1);
    }
    if (!third) tap_expand_has(e, bits[2]);
    /* Shares that the router alone gives add up to 1, whatever the attribute says, as in ONNX Runtime. */
    tap_expand_has(e, "normalize_routing_weights");
    experts(e, (const int[]){0, 1, -1, -1, 4, 7, -1, 10, 14}, third,
            tap_expand_has_in(e, 14) ? "@normalize_routing_weights" : "1");
    return TAP_OK;
}

static tap_status unquantised(tap_expansion *e) {
    const bool third = tap_expand_has_in(e, 6);
    static const char *const weights[] = {"fc1", "fc2", "fc3"};
    tap_expand_names(
        e, "input, router_probs, fc1_weights, fc1_bias?, fc2_weights, fc2_bias?, fc3_weights?, fc3_bias?",
        "output");
    for (int i = 0; i < (third ? 3 : 2); i++)
        tap_expand_add(e, "%s = Cast <to=1> (%s_weights)", weights[i], weights[i]);
    experts(e, (const int[]){0, 1, -1, -1, 3, 5, -1, 7, -1}, third, "@normalize_routing_weights");
    return TAP_OK;
}

#define HALVES (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))
#define KERNEL .dtypes = TAP_BIT(TAP_FLOAT), .prepare = prepare, .infer = infer, .run = run

static const tap_op ops[] = {
    TAP_MS_FUNCTION("MoE", 5, 8, 1, 1, HALVES, "T/2-3 T/2 T/3 T/2 T/3 T/2 T/3 T/2", unquantised),
    TAP_MS_FUNCTION("QMoE", 7, 21, 1, 1, HALVES, "T/2-3 T/2 * * T/2 * * T/2 * * T/2 * * * T/2", quantised),
    {TAP_MS_PIECE("Experts", 4, 9, 1, 1), KERNEL, .notes = "A piece of functions of com.microsoft."},
    {TAP_MS_PIECE("ExpertWeights", 2, 3, 1, 1), .dtypes = TAP_BIT(TAP_UINT8), .prepare = weights_prepare,
     .infer = weights_infer, .run = weights_run, .notes = "A piece of functions of com.microsoft."},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_experts, ops);
