/* Normalizations of com.microsoft: SkipLayerNormalization, SkipSimplifiedLayerNormalization,
 * EmbedLayerNormalization, GroupNorm, SkipGroupNorm; and SimplifiedLayerNormalization, which ONNX Runtime has
 * in ai.onnx. */
#include "common/shape.h"
#include "microsoft/layout.h"

/* input_skip_bias_sum = input + skip (+ bias) */
static void add_skip(tap_expansion *e, bool bias) {
    tap_expand_add(e, "%s = Add (input, skip)", bias ? "input_skip_sum" : "input_skip_bias_sum");
    if (bias) tap_expand_add(e, "input_skip_bias_sum = Add (input_skip_sum, bias)");
}

static const char *epsilon(tap_expansion *e, const char *otherwise) {
    return tap_expand_has(e, "epsilon") ? "@epsilon" : otherwise;
}

static tap_status skip_layer_norm(tap_expansion *e) {
    tap_expand_names(e, "input, skip, gamma, beta?, bias?", "output, mean, inv_std_var, input_skip_bias_sum");
    add_skip(e, tap_expand_has_in(e, 4));
    tap_expand_add(e,
                   "output, mean, inv_std_var = LayerNormalization <axis=-1, epsilon=%s> "
                   "(input_skip_bias_sum, gamma, beta)",
                   epsilon(e, "1e-12"));
    return TAP_OK;
}

/* inv = 1 / sqrt(mean(x * x) + epsilon) over the axes from `axis` on, in float32. */
static void root_mean_square(tap_expansion *e, const char *inv, const char *x, int64_t axis, double eps) {
    tap_expand_add(e, "wide = Cast <to=1> (%s)", x);
    tap_expand_add(e, "squares = Mul (wide, wide)");
    if (axis < 0) {
        tap_expand_add(e, "first = Constant <value_int=%lld> ()", (long long)axis);
        tap_expand_add(e, "end = Constant <value_int=0> ()");
    } else {
        tap_expand_add(e, "first = Constant <value_int=%lld> ()", (long long)axis);
        tap_expand_add(e, "x_shape = Shape (%s)", x);
        tap_expand_add(e, "end = Size (x_shape)");
    }
    tap_expand_add(e, "step = Constant <value_int=1> ()");
    tap_expand_add(e, "axes = Range (first, end, step)");
    tap_expand_add(e, "mean_square = ReduceMean (squares, axes)");
    tap_expand_add(e, "eps = Constant <value_float=%.9e> ()", eps);
    tap_expand_add(e, "variance = Add (mean_square, eps)");
    tap_expand_add(e, "deviation = Sqrt (variance)");
    tap_expand_add(e, "%s = Reciprocal (deviation)", inv);
}

static tap_status skip_simplified(tap_expansion *e) {
    const double eps = tap_expand_float(e, "epsilon", 1e-12);
    tap_expand_names(e, "input, skip, gamma, bias?", "output, mean, inv_std_var, input_skip_bias_sum");
    add_skip(e, tap_expand_has_in(e, 3));
    tap_expand_add(e, "output = RMSNormalization <axis=-1, epsilon=%.9e> (input_skip_bias_sum, gamma)", eps);
    if (tap_expand_has_out(e, 1)) {
        tap_expand_add(e, "last = Constant <value_ints=[-1]> ()");
        tap_expand_add(e, "sum_f = Cast <to=1> (input_skip_bias_sum)");
        tap_expand_add(e, "mean = ReduceMean (sum_f, last)");
    }
    if (tap_expand_has_out(e, 2)) root_mean_square(e, "inv_std_var", "input_skip_bias_sum", -1, eps);
    return TAP_OK;
}

/* Below opset 17, where the standard has it. */
static tap_status early_layer_norm(tap_expansion *e) {
    tap_expand_names(e, "X, Scale, B?", "Y, Mean, InvStdDev");
    tap_expand_add(e, "Y, Mean, InvStdDev = LayerNormalization <axis=@axis, epsilon=@epsilon, "
                      "stash_type=@stash_type> (X, Scale, B)");
    return TAP_OK;
}

static tap_status simplified(tap_expansion *e) {
    tap_expand_names(e, "X, scale", "Y, inv_std_var");
    tap_expand_add(e,
                   "Y = RMSNormalization <axis=@axis, epsilon=@epsilon, stash_type=@stash_type> (X, scale)");
    if (tap_expand_has_out(e, 1))
        root_mean_square(e, "inv_std_var", "X", tap_expand_int(e, "axis", -1),
                         tap_expand_float(e, "epsilon", 1e-5f));
    return TAP_OK;
}

/* ---- EmbedLayerNormalization ---- */

/* positions[sequence][hidden], or by position_ids. */
static void add_positions(tap_expansion *e) {
    if (tap_expand_has_in(e, 8)) {
        tap_expand_add(e, "positions = Gather (position_embedding, position_ids)");
        return;
    }
    tap_expand_add(e, "length = Shape <start=1, end=2> (input_ids)");
    tap_expand_add(e, "start = Constant <value_ints=[0]> ()");
    tap_expand_add(e, "positions = Slice (position_embedding, start, length, start)");
}

/* How many tokens of each row the mask has; 0 where there is none. */
static void add_mask_index(tap_expansion *e) {
    if (tap_expand_has_in(e, 7)) {
        tap_expand_add(e, "one_64 = Constant <value_int=1> ()");
        tap_expand_add(e, "one = CastLike (one_64, mask)");
        tap_expand_add(e, "masked = Equal (mask, one)");
        tap_expand_add(e, "counted = CastLike (masked, mask)");
        tap_expand_add(e, "second = Constant <value_ints=[1]> ()");
        tap_expand_add(e, "mask_index = ReduceSum <keepdims=0> (counted, second)");
        return;
    }
    tap_expand_add(e, "batch = Shape <start=0, end=1> (input_ids)");
    tap_expand_add(e, "zero_64 = ConstantOfShape (batch)");
    tap_expand_add(e, "mask_index = CastLike (zero_64, input_ids)");
}

static tap_status embed_layer_norm(tap_expansion *e) {
    const bool segments = tap_expand_has_in(e, 4);
    tap_expand_names(
        e,
        "input_ids, segment_ids?, word_embedding, position_embedding, segment_embedding?, gamma, beta, "
        "mask?, position_ids?",
        "output, mask_index, embedding_sum");
    if (segments != tap_expand_has_in(e, 1))
        return tap_expand_fail(e, TAP_MODEL, "segment_ids and segment_embedding go together");
    tap_expand_has(e, "mask_index_type");
    tap_expand_add(e, "words = Gather (word_embedding, input_ids)");
    add_positions(e);
    tap_expand_add(e, "%s = Add (words, positions)", segments ? "words_positions" : "embedding_sum");
    if (segments) {
        tap_expand_add(e, "segments = Gather (segment_embedding, segment_ids)");
        tap_expand_add(e, "embedding_sum = Add (words_positions, segments)");
    }
    tap_expand_add(e, "output = LayerNormalization <axis=-1, epsilon=%s> (embedding_sum, gamma, beta)",
                   epsilon(e, "1e-12"));
    if (tap_expand_has_out(e, 1)) add_mask_index(e);
    return TAP_OK;
}

/* Tables and parameters of 8 bits. */
static tap_status q_embed_layer_norm(tap_expansion *e) {
    static const char *const parts[] = {"word_embedding", "position_embedding", "segment_embedding", "gamma",
                                        "beta"};
    const bool segments = tap_expand_has_in(e, 4);
    tap_expand_names(
        e,
        "input_ids, segment_ids?, word_embedding_quant, position_embedding_quant, "
        "segment_embedding_quant?, gamma_quant, beta_quant, mask?, word_embedding_scale, "
        "position_embedding_scale, segment_embedding_scale?, gamma_scale, beta_scale, "
        "word_embedding_zero_point, position_embedding_zero_point, segment_embedding_zero_point?, "
        "gamma_zero_point, beta_zero_point",
        "output, mask_index");
    for (int i = 0; i < 5; i++)
        if (i != 2 || segments)
            tap_expand_add(e, "%s = DequantizeLinear (%s_quant, %s_scale, %s_zero_point)", parts[i], parts[i],
                           parts[i], parts[i]);
    tap_expand_add(
        e,
        "output, mask_index = com.microsoft.EmbedLayerNormalization <epsilon=@epsilon> (input_ids, "
        "segment_ids, word_embedding, position_embedding, %s, gamma, beta, mask)",
        segments ? "segment_embedding" : "");
    return TAP_OK;
}

/* ---- GroupNorm, SkipGroupNorm: pictures, whose channels are last as a rule ---- */

/* Y = the groups of x, by gamma and beta, and its activation. X: what gives the type. */
static tap_status add_groups(tap_expansion *e, const char *x) {
    const bool last = tap_expand_int(e, "channels_last", 1) != 0;
    const int64_t act = tap_expand_int(e, "activation", -1), groups = tap_expand_int(e, "groups", 0);
    if (act < 0 || act > 1)
        return tap_expand_fail(e, TAP_MODEL, "activation must be given: 0 for none, 1 for SiLU");
    if (groups < 1) return tap_expand_fail(e, TAP_MODEL, "groups must be given, and positive");
    tap_expand_add(e, "wide = Cast <to=1> (%s)", x);
    tap_expand_add(e, "gamma_f = Cast <to=1> (gamma)");
    tap_expand_add(e, "beta_f = Cast <to=1> (beta)");
    if (last) tap_ms_transpose(e, "x_first", "wide", 2, false);
    tap_expand_add(e, "norm = GroupNormalization <num_groups=%lld, epsilon=%s> (%s, gamma_f, beta_f)",
                   (long long)groups, epsilon(e, "1e-5"), last ? "x_first" : "wide");
    if (act) tap_expand_add(e, "active = Swish <alpha=1.0> (norm)");
    if (last) tap_ms_transpose(e, "y_last", act ? "active" : "norm", 2, true);
    tap_expand_add(e, "Y = CastLike (%s, X)", last ? "y_last" : act ? "active" : "norm");
    return TAP_OK;
}

static tap_status group_norm(tap_expansion *e) {
    tap_expand_names(e, "X, gamma, beta", "Y");
    return add_groups(e, "X");
}

/* skip[N][H][W][C], [N][1][1][C] or [N][C] with the rank of X, by its number of elements. */
static void spread_skip(tap_expansion *e, bool last) {
    tap_expand_add(e, "X_shape = Shape (X)");
    tap_expand_add(e, "X_size = Size (X)");
    tap_expand_add(e, "skip_size = Size (skip)");
    tap_expand_add(e, "full = Equal (X_size, skip_size)");
    tap_expand_add(e, "all = Constant <value_ints=[1, 1, 1, 1]> ()");
    tap_expand_add(e, "ends = Constant <value_ints=[1, %s]> ()", last ? "0, 0, 1" : "1, 0, 0");
    tap_expand_add(e, "kept = Where (full, all, ends)");
    tap_expand_add(e, "keeps = Cast <to=9> (kept)");
    tap_expand_add(e, "skip_shape = Where (keeps, X_shape, all)");
    tap_expand_add(e, "skip_4 = Reshape <allowzero=1> (skip, skip_shape)");
}

static tap_status skip_group_norm(tap_expansion *e) {
    const bool bias = tap_expand_has_in(e, 4), last = tap_expand_int(e, "channels_last", 1) != 0;
    tap_expand_names(e, "X, gamma, beta, skip, bias?", "Y, S");
    spread_skip(e, last);
    tap_expand_add(e, "%s = Add (X, skip_4)", bias ? "X_skip" : "S");
    if (bias && !last) {
        tap_expand_add(e, "behind = Constant <value_ints=[1, 2]> ()");
        tap_expand_add(e, "bias_4 = Unsqueeze (bias, behind)");
    }
    if (bias) tap_expand_add(e, "S = Add (X_skip, %s)", last ? "bias" : "bias_4");
    return add_groups(e, "S");
}

#define FLOATS (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))

static const tap_op ops[] = {
    TAP_MS_FUNCTION("SkipLayerNormalization", 3, 5, 1, 4, TAP_TYPES_FLOAT,
                    "T/2-3 T/2-3 T= T= T=", skip_layer_norm),
    TAP_MS_FUNCTION("SkipSimplifiedLayerNormalization", 3, 4, 1, 4, TAP_TYPES_FLOAT,
                    "T/2-3 T/2-3 T= T=", skip_simplified),
    TAP_MS_FUNCTION("EmbedLayerNormalization", 7, 9, 1, 3, TAP_TYPES_INDEX,
                    "I/2 I~ U/2 U/2 U/2 U/1 U/1 I~ I/2", embed_layer_norm),
    TAP_MS_FUNCTION("QEmbedLayerNormalization", 18, 18, 1, 2, TAP_TYPES_INDEX,
                    "I/2 I~ U/2 U/2 U/2 U/1 U/1 I~ f. f. f. f. f. U. U. U. U. U.", q_embed_layer_norm),
    TAP_MS_FUNCTION("GroupNorm", 3, 3, 1, 1, FLOATS, "T/4 U/1 U/1", group_norm),
    TAP_MS_FUNCTION("SkipGroupNorm", 4, 5, 1, 2, FLOATS, "T/4 U/1 U/1 T T/1", skip_group_norm),
    {.name = "SimplifiedLayerNormalization",
     .since = 1,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 2,
     .dtypes = TAP_TYPES_FLOAT,
     .infer = tap_check_signature,
     .data = "T U",
     .expand = simplified,
     .notes = "Not in the standard: ONNX Runtime's name for RMSNormalization."},
    {.name = "LayerNormalization",
     .since = 1,
     .until = 16,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 3,
     .dtypes = TAP_TYPES_FLOAT,
     .expand = early_layer_norm,
     .notes = "Not in the standard before opset 17: ONNX Runtime's optimisers write it into older models."},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_norm, ops);
