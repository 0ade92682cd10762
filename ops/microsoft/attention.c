/* Attention, QAttention, MultiHeadAttention of com.microsoft: the standard's Attention, with masks of several
 * forms. */
#include "core/error.h"
#include "microsoft/microsoft.h"

/* Y[batch][length][heads * d] of y[batch][heads][length][d] */
static void join_heads(tap_expansion *e, const char *y, const char *joined) {
    tap_expand_add(e, "by_token = Transpose <perm=[0, 2, 1, 3]> (%s)", y);
    tap_expand_add(e, "joined = Constant <value_ints=[0, 0, -1]> ()");
    tap_expand_add(e, "%s = Reshape (by_token, joined)", joined);
}

/* mask, where there is something to mask; its name, or "". */
static const char *add_mask(tap_expansion *e, const char *mask, const char *bias, const char *past,
                            bool wanted) {
    const bool causal = tap_expand_int(e, "unidirectional", 0) != 0;
    const double filter = tap_expand_float(e, "mask_filter_value", -10000.0);
    if (!wanted && !causal) return "";
    tap_expand_add(e, "attention_mask = onnxtap.AttentionMask <causal=%d, filter=%.9e> (q, k, %s, %s, %s)",
                   causal, filter, mask, bias, past);
    return "attention_mask";
}

static tap_status heads_of(tap_expansion *e, int64_t *n) {
    *n = tap_expand_int(e, "num_heads", 0);
    return *n > 0 && *n <= INT32_MAX ? TAP_OK
                                     : tap_expand_fail(e, TAP_MODEL, "num_heads must be given, and positive");
}

static const char *scale_of(tap_expansion *e) {
    return tap_expand_float(e, "scale", 0) != 0 ? "<scale=@scale>" : "";
}

/* ---- Attention: the projections are in it ---- */

static void project(tap_expansion *e) {
    const bool bias = tap_expand_has_in(e, 2);
    tap_expand_add(e, "%s = MatMul (input, weights)", bias ? "products" : "qkv");
    if (bias) tap_expand_add(e, "qkv = Add (products, bias)");
}

/* q, k, v, by heads, of qkv[batch][sequence][all] */
static void split_heads(tap_expansion *e, int64_t heads) {
    static const char *const names[] = {"q", "k", "v"};
    if (tap_expand_has(e, "qkv_hidden_sizes")) {
        tap_expand_add(e, "sizes = Constant <value_ints=@qkv_hidden_sizes> ()");
        tap_expand_add(e, "q_flat, k_flat, v_flat = Split <axis=-1> (qkv, sizes)");
    } else {
        tap_expand_add(e, "q_flat, k_flat, v_flat = Split <axis=-1, num_outputs=3> (qkv)");
    }
    for (int i = 0; i < 3; i++)
        tap_expand_add(e, "%s = onnxtap.Heads <heads=%lld> (%s_flat)", names[i], (long long)heads, names[i]);
}

/* output, present of qkv; by their places: mask, past, bias. */
static tap_status attend(tap_expansion *e, int mask, int past, int bias) {
    const bool has_past = tap_expand_has_in(e, past);
    int64_t heads;
    tap_status status = heads_of(e, &heads);
    if (status != TAP_OK) return status;
    tap_expand_has(e, "rotary_embedding_dim");
    if (tap_expand_int(e, "do_rotary", 0) || tap_expand_int(e, "past_present_share_buffer", 0))
        return tap_expand_fail(
            e, TAP_UNSUPPORTED,
            "do_rotary and past_present_share_buffer are for GPUs: export or optimise the model "
            "for CPUs");
    split_heads(e, heads);
    if (has_past) {
        tap_expand_add(e, "first = Constant <value_int=0> ()");
        tap_expand_add(e, "second = Constant <value_int=1> ()");
        tap_expand_add(e, "past_key = Gather <axis=0> (past, first)");
        tap_expand_add(e, "past_value = Gather <axis=0> (past, second)");
    }
    const bool has_bias = bias >= 0 && tap_expand_has_in(e, bias);
    const char *added = add_mask(e, "mask_index", has_bias ? "attention_bias" : "",
                                 has_past ? "past_key" : "", tap_expand_has_in(e, mask) || has_bias);
    tap_expand_add(e, "y, present_key, present_value = Attention %s (q, k, v, %s, %s)", scale_of(e), added,
                   has_past ? "past_key, past_value" : ",");
    join_heads(e, "y", "output");
    if (tap_expand_has_out(e, 1)) {
        tap_expand_add(e, "front = Constant <value_ints=[0]> ()");
        tap_expand_add(e, "keys = Unsqueeze (present_key, front)");
        tap_expand_add(e, "values = Unsqueeze (present_value, front)");
        tap_expand_add(e, "present = Concat <axis=0> (keys, values)");
    }
    return TAP_OK;
}

static tap_status attention(tap_expansion *e) {
    tap_expand_names(e, "input, weights, bias?, mask_index?, past?, attention_bias?, past_sequence_length?",
                     "output, present");
    if (tap_expand_has_in(e, 6))
        return tap_expand_fail(
            e, TAP_UNSUPPORTED,
            "past_sequence_length is for buffers that are shared on a GPU: export or optimise the "
            "model for CPUs");
    project(e);
    return attend(e, 3, 4, 5);
}

/* The projections are of 8-bit numbers. */
static tap_status q_attention(tap_expansion *e) {
    tap_expand_names(e,
                     "input, weight, bias, input_scale, weight_scale, mask_index?, input_zero_point?, "
                     "weight_zero_point?, past?",
                     "output, present");
    tap_expand_add(e, "qkv = com.microsoft.MatMulIntegerToFloat (input, weight, input_scale, weight_scale, "
                      "input_zero_point, weight_zero_point, bias)");
    return attend(e, 5, 8, -1);
}

/* ---- MultiHeadAttention: what comes has been projected; queries, keys and values may be packed ---- */

/* Of the bias for all three: what is added to queries (part 0), keys or values, and `x` with it. */
static const char *add_bias(tap_expansion *e, const char *x, int part, const char *y) {
    if (!tap_expand_has_in(e, 3)) return x;
    tap_expand_add(e, "%s = onnxtap.AddPart <part=%d> (%s, bias)", y, part, x);
    return y;
}

static tap_status multi_head(tap_expansion *e) {
    const bool key = tap_expand_has_in(e, 1), value = tap_expand_has_in(e, 2);
    const char *sources[3] = {"query", key ? "key" : "query", value ? "value" : key ? "key" : "query"};
    static const char *const names[] = {"q", "k", "v"}, *const biased[] = {"q_biased", "k_biased",
                                                                           "v_biased"};
    int64_t heads;
    tap_expand_names(
        e,
        "query, key?, value?, bias?, key_padding_mask?, attention_bias?, past_key?, past_value?, "
        "past_sequence_length?, cache_indirection?",
        "output, present_key, present_value, qk");
    tap_status status = heads_of(e, &heads);
    if (status != TAP_OK) return status;
    if (value && !key) return tap_expand_fail(e, TAP_MODEL, "value is given without key");
    if (tap_expand_has_in(e, 6) != tap_expand_has_in(e, 7))
        return tap_expand_fail(e, TAP_MODEL, "past_key and past_value go together");
    if (tap_expand_has_in(e, 8) || tap_expand_has_in(e, 9))
        return tap_expand_fail(
            e, TAP_UNSUPPORTED,
            "past_sequence_length and cache_indirection are for buffers that a decoder shares: "
            "export or optimise the model without them");
    for (int i = 0; i < 3; i++)
        tap_expand_add(e, "%s = onnxtap.Heads <heads=%lld, part=%d> (%s)", names[i], (long long)heads, i,
                       add_bias(e, sources[i], i, biased[i]));
    const char *mask =
        add_mask(e, "key_padding_mask", "attention_bias", tap_expand_has_in(e, 6) ? "past_key" : "",
                 tap_expand_has_in(e, 4) || tap_expand_has_in(e, 5));
    tap_expand_add(e, "y, present_key, present_value, qk = Attention %s (q, k, v, %s, past_key, past_value)",
                   scale_of(e), mask);
    join_heads(e, "y", "output");
    return TAP_OK;
}

#define FLOATS (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))

static const tap_op ops[] = {
    TAP_MS_FUNCTION("Attention", 2, 7, 1, 2, FLOATS, "T/3 T/2 T/1 i T/5 T/4 i", attention),
    TAP_MS_FUNCTION("QAttention", 5, 9, 1, 2, TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8),
                    "T/3 U/2 V/1 V. V i T. U V/5", q_attention),
    TAP_MS_FUNCTION("MultiHeadAttention", 1, 10, 1, 4, FLOATS, "T/3-5 T/3-5 T/3-4 T/1 i T/4 T/4 T/4",
                    multi_head),
    {0},
};

TAP_DEFINE_FAMILY(microsoft_attention, ops);
