/* Attention, QAttention, MultiHeadAttention, DecoderMaskedMultiHeadAttention of com.microsoft: the standard's
 * Attention, with masks of several forms. */
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
static const char *add_bias(tap_expansion *e, int bias, const char *x, int part, const char *y) {
    if (!tap_expand_has_in(e, bias)) return x;
    tap_expand_add(e, "%s = onnxtap.AddPart <part=%d> (%s, bias)", y, part, x);
    return y;
}

/* What is in a buffer of keys or values, `past`, up to `length` tokens: part. */
static void first_tokens(tap_expansion *e, const char *part, const char *past) {
    tap_expand_add(e, "%s = Slice (%s, none_64, length, token_axis)", part, past);
}

/* present: the buffer `past`, with new tokens behind its first `length`. */
static void fill_buffer(tap_expansion *e, const char *present, const char *past, const char *new) {
    tap_expand_add(e, "%s_before = Slice (%s, none_64, length, token_axis)", present, past);
    tap_expand_add(e, "%s_count = Shape <start=2, end=3> (%s)", present, new);
    tap_expand_add(e, "%s_from = Add (length, %s_count)", present, present);
    tap_expand_add(e, "%s_end = Constant <value_ints=[9223372036854775807]> ()", present);
    tap_expand_add(e, "%s_rest = Slice (%s, %s_from, %s_end, token_axis)", present, past, present, present);
    tap_expand_add(e, "%s = Concat <axis=2> (%s_before, %s, %s_rest)", present, present, new, present);
}

/* Inputs of MultiHeadAttention and DecoderMaskedMultiHeadAttention, by what they are. */
typedef struct places {
    int bias, mask, attention_bias, past, past_length, indirection;
} places;

/* Attention of q, k, v to output, present_key, present_value, qk. */
static tap_status attend_heads(tap_expansion *e, const places *at, const char *mask_name) {
    const bool buffer = tap_expand_has_in(e, at->past_length), past = tap_expand_has_in(e, at->past);
    const bool beams = tap_expand_has_in(e, at->indirection);
    const char *keys = "past_key", *values = "past_value";
    if (past != tap_expand_has_in(e, at->past + 1))
        return tap_expand_fail(e, TAP_MODEL, "past_key and past_value go together");
    if ((buffer && !past) || (beams && !buffer))
        return tap_expand_fail(
            e, TAP_MODEL,
            "cache_indirection asks for past_sequence_length, and that for past_key and past_value");
    if (buffer) {
        tap_expand_add(e, "one_64 = Constant <value_ints=[1]> ()");
        tap_expand_add(e, "none_64 = Constant <value_ints=[0]> ()");
        tap_expand_add(e, "token_axis = Constant <value_ints=[2]> ()");
        tap_expand_add(e, "length_1 = Reshape (past_sequence_length, one_64)");
        tap_expand_add(e, "length = Cast <to=7> (length_1)");
        if (beams) {
            tap_expand_add(e, "beam_keys = onnxtap.FromBeams (past_key, cache_indirection, length)");
            tap_expand_add(e, "beam_values = onnxtap.FromBeams (past_value, cache_indirection, length)");
            keys = "beam_keys";
            values = "beam_values";
        }
        first_tokens(e, "keys_before", keys);
        first_tokens(e, "values_before", values);
        keys = "keys_before";
        values = "values_before";
    }
    const char *mask = add_mask(e, mask_name, "attention_bias", past ? keys : "",
                                tap_expand_has_in(e, at->mask) || tap_expand_has_in(e, at->attention_bias));
    tap_expand_add(e, "y, %s, %s, qk = Attention %s (q, k, v, %s, %s, %s)",
                   buffer ? "keys_shown" : "present_key", buffer ? "values_shown" : "present_value",
                   scale_of(e), mask, past ? keys : "", past ? values : "");
    if (buffer) { /* which keeps each beam's own tokens */
        fill_buffer(e, "present_key", "past_key", "k");
        fill_buffer(e, "present_value", "past_value", "v");
    }
    join_heads(e, "y", "output");
    return TAP_OK;
}

static tap_status multi_head(tap_expansion *e) {
    static const places at = {3, 4, 5, 6, 8, 9};
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
    for (int i = 0; i < 3; i++)
        tap_expand_add(e, "%s = onnxtap.Heads <heads=%lld, part=%d> (%s)", names[i], (long long)heads, i,
                       add_bias(e, 3, sources[i], i, biased[i]));
    return attend_heads(e, &at, "key_padding_mask");
}

/* One token at a time. Without a buffer the past that is given is all there is. */
static tap_status decoder_masked(tap_expansion *e) {
    const bool shared = tap_expand_int(e, "past_present_share_buffer", 0) != 0;
    const places at = {10, 3, 4, 5, shared ? 7 : -1, 9};
    static const char *const names[] = {"q", "k", "v"}, *const sources[] = {"query", "key", "value"};
    static const char *const biased[] = {"q_biased", "k_biased", "v_biased"};
    int64_t heads;
    tap_expand_names(
        e,
        "query, key?, value?, mask_index?, attention_bias?, past_key?, past_value?, past_sequence_length?, "
        "beam_width?, cache_indirection?, bias?",
        "output, present_key, present_value, qk");
    tap_expand_has(e, "output_qk");
    tap_status status = heads_of(e, &heads);
    if (status != TAP_OK) return status;
    if (!tap_expand_has_in(e, 1) || !tap_expand_has_in(e, 2))
        return tap_expand_fail(e, TAP_UNSUPPORTED,
                               "queries, keys and values in one tensor are for GPUs: export or optimise "
                               "the model for CPUs");
    for (int i = 0; i < 3; i++)
        tap_expand_add(e, "%s = onnxtap.Heads <heads=%lld, part=%d> (%s)", names[i], (long long)heads, i,
                       add_bias(e, 10, sources[i], i, biased[i]));
    return attend_heads(e, &at, "mask_index");
}

#define FLOATS (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))

static const tap_op ops[] = {
    TAP_MS_FUNCTION("Attention", 2, 7, 1, 2, FLOATS, "T/3 T/2 T/1 i T/5 T/4 i", attention),
    TAP_MS_FUNCTION("QAttention", 5, 9, 1, 2, TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8),
                    "T/3 U/2 V/1 V. V i T. U V/5", q_attention),
    TAP_MS_FUNCTION("MultiHeadAttention", 1, 10, 1, 4, FLOATS, "T/3-5 T/3-5 T/3-4 T/1 i T/4 T/4 T/4",
                    multi_head),
    TAP_MS_FUNCTION("DecoderMaskedMultiHeadAttention", 1, 11, 1, 4, FLOATS,
                    "T/3 T/3-4 T/3-4 i T/4 T/4 T/4 i. i. i/3 T/1", decoder_masked),
    {0},
};

TAP_DEFINE_FAMILY(microsoft_attention, ops);
