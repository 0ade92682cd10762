/* GroupQueryAttention of com.microsoft: the standard's Attention over a cache of keys and values, whose rows
 * have lengths of their own. */
#include <math.h>

#include "common/elementwise.h"
#include "common/move.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

/* ---- Pieces: where new tokens go ----
 *
 * seqlens[batch] is each row's last place. A prompt, whose tokens are all there are, begins at place 0 in
 * every row; else new tokens end at the row's last place. */

static tap_status check_lengths(tap_ctx *ctx, int seqlens, int total, int64_t batch) {
    tap_status st = tap_need_dtype(ctx, seqlens, TAP_BIT(TAP_INT32), "seqlens_k");
    if (!st) st = tap_need_dtype(ctx, total, TAP_BIT(TAP_INT32), "total_sequence_length");
    if (!st) st = tap_need_one(ctx, total, "total_sequence_length");
    const int64_t n = tap_in_count(ctx, seqlens);
    if (st || n < 0 || batch < 0 || n == batch) return st;
    return tap_fail(ctx, tap_misfit(ctx), "seqlens_k has %lld elements for a batch of %lld", (long long)n,
                    (long long)batch);
}

/* The place of row b's first new token; -1 where the lengths make no sense. */
static int64_t first_place(const tap_tensor *seqlens, int64_t total, int64_t b, int64_t n_new) {
    const int64_t all = (int64_t)((const int32_t *)seqlens->data)[b] + 1;
    if (all < 1 || all > total) return -1;
    return n_new == total ? 0 : all - n_new;
}

static tap_status check_places(tap_ctx *ctx, const tap_tensor *seqlens, int64_t total, int64_t n_new) {
    for (int64_t b = 0; b < seqlens->count; b++)
        if (first_place(seqlens, total, b, n_new) < 0)
            return tap_fail(
                ctx, TAP_RUN,
                "seqlens_k[%lld] is %d: with %lld new tokens and total_sequence_length %lld it must be "
                "from %lld to %lld",
                (long long)b, ((const int32_t *)seqlens->data)[b], (long long)n_new, (long long)total,
                (long long)(n_new == total ? 0 : n_new - 1), (long long)total - 1);
    return TAP_OK;
}

/* ---- Append: present[batch][heads][places][d] of new[batch][heads][n][d], seqlens, total, past
 * ---- */

static tap_status append_infer(tap_ctx *ctx) {
    const tap_type *past = tap_in_type(ctx, 3), *new = tap_in_type(ctx, 0);
    const tap_tensor *total = tap_in_known(ctx, 2);
    const bool has = tap_has_in(ctx, 3);
    int64_t dims[4] = {-1, -1, -1, -1};
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "key or value");
    if (!st) st = tap_need_same_dtype(ctx, 0, 3, "past_key or past_value");
    if (!st) st = check_lengths(ctx, 1, 2, new->rank == 4 ? new->dims[0] : -1);
    if (st || new->rank < 0) return st ? st : tap_out_type(ctx, 0, new->dtype, 4, dims);
    const int64_t want[4] = {new->dims[0], new->dims[1], -1, new->dims[3]};
    if ((st = tap_need_shape(ctx, 3, 4, want, "past_key or past_value"))) return st;
    memcpy(dims, want, sizeof dims);
    const int64_t room = !has ? 0 : past && past->rank == 4 ? past->dims[2] : -1;
    if (total && room >= 0) {
        const int64_t n = tap_int_at(total, 0);
        if (n < 0 || (new->dims[2] >= 0 && n < new->dims[2]))
            return tap_fail(ctx, tap_misfit(ctx), "total_sequence_length is %lld with %lld new tokens",
                            (long long)n, (long long)new->dims[2]);
        dims[2] = tap_max64(room, n);
    }
    return tap_out_type(ctx, 0, new->dtype, 4, dims);
}

static tap_status append_run(tap_ctx *ctx) {
    const tap_tensor *new = ctx->in[0], *seqlens = ctx->in[1];
    const tap_tensor *past = ctx->n_in > 3 ? ctx->in[3] : NULL;
    const int64_t total = tap_int_at(ctx->in[2], 0), n_new = new->dims[2], heads = new->dims[1];
    const int64_t room = past ? past->dims[2] : 0;
    const int64_t dims[4] = {new->dims[0], heads, tap_max64(room, total), new->dims[3]};
    const size_t row = (size_t) new->dims[3] * tap_dtype_bytes(new->dtype);
    tap_status st = check_places(ctx, seqlens, total, n_new);
    tap_tensor *y = st ? NULL : tap_out(ctx, 0, new->dtype, 4, dims);
    if (!y) return st ? st : TAP_MEMORY;
    memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    for (int64_t h = 0; h < dims[0] * heads; h++) {
        const int64_t first = first_place(seqlens, total, h / heads, n_new);
        char *to = (char *)y->data + (size_t)(h * dims[2]) * row;
        if (past)
            memcpy(to, (const char *)past->data + (size_t)(h * room) * row,
                   (size_t)tap_min64(room, first) * row);
        memcpy(to + (size_t)first * row, (const char *)new->data + (size_t)(h * n_new) * row,
               (size_t)n_new * row);
    }
    return TAP_OK;
}

/* ---- Places: position_ids[batch][n] for new[batch][heads][n][d], seqlens, total, and given ones ---- */

static tap_status places_infer(tap_ctx *ctx) {
    const tap_type *new = tap_in_type(ctx, 0);
    const int64_t dims[2] = {new->rank == 4 ? new->dims[0] : -1, new->rank == 4 ? new->dims[2] : -1};
    tap_status st = check_lengths(ctx, 1, 2, dims[0]);
    if (!st) st = tap_need_dtype(ctx, 3, TAP_BIT(TAP_INT64), "position_ids");
    if (!st) st = tap_need_shape(ctx, 3, 2, dims, "position_ids");
    return st ? st : tap_out_type(ctx, 0, TAP_INT64, 2, dims);
}

static tap_status places_run(tap_ctx *ctx) {
    const tap_tensor *seqlens = ctx->in[1], *given = ctx->n_in > 3 ? ctx->in[3] : NULL, *y = ctx->out[0];
    const int64_t total = tap_int_at(ctx->in[2], 0), n = y->dims[1];
    int64_t *to = y->data;
    tap_status st = check_places(ctx, seqlens, total, n);
    for (int64_t i = 0; i < y->count && !st; i++) {
        const int64_t first = first_place(seqlens, total, i / n, n);
        if (!given)
            to[i] = first + i % n;
        else if (n == total)
            to[i] = ((const int64_t *)given->data)[0] + i % n;
        else
            to[i] = ((const int64_t *)given->data)[i];
    }
    return st;
}

/* ---- GroupMask: mask[batch][1 or heads][n][places (+ 1)] for q[batch][heads][n][d],
 * keys[batch][..][places][d], seqlens, total, attention bias, sink[heads] ----
 *
 * A key that a query may not see has minus infinity; where there is a sink, it stands behind the last key. */

enum { IN_Q, IN_KEYS, IN_SEQLENS, IN_TOTAL, IN_BIAS, IN_SINK };

typedef struct group_state {
    bool causal;
    int64_t window; /* keys that a query sees, its own among them; -1: all */
} group_state;

static tap_status group_prepare(tap_ctx *ctx, void **state) {
    group_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->causal = tap_attr_int(ctx, "causal", 1) != 0;
    s->window = tap_attr_int(ctx, "window", -1);
    if (s->window < -1 || s->window == 0)
        return tap_fail(ctx, TAP_MODEL, "local_window_size is %lld; it is -1 or positive",
                        (long long)s->window);
    return TAP_OK;
}

static tap_status group_infer(tap_ctx *ctx) {
    const tap_type *q = tap_in_type(ctx, IN_Q), *keys = tap_in_type(ctx, IN_KEYS);
    const tap_type *bias = tap_in_type(ctx, IN_BIAS);
    int64_t dims[4] = {-1, 1, -1, -1};
    const int64_t heads = q->rank == 4 ? q->dims[1] : -1;
    if (q->rank == 4) dims[0] = q->dims[0], dims[2] = q->dims[2];
    if (keys->rank == 4 && keys->dims[2] >= 0 && keys->dims[2] < INT64_MAX)
        dims[3] = keys->dims[2] + tap_has_in(ctx, IN_SINK);
    tap_status st = tap_need_same_dtype(ctx, IN_Q, IN_BIAS, "attention_bias");
    if (!st) st = tap_need_same_dtype(ctx, IN_Q, IN_SINK, "head_sink");
    if (!st) st = tap_need_shape(ctx, IN_SINK, 1, &heads, "head_sink");
    if (st) return st;
    if (tap_has_in(ctx, IN_SINK)) dims[1] = heads;
    if (bias) {
        if (bias->rank < 0)
            return tap_out_type(ctx, 0, TAP_FLOAT, 4, (int64_t[]){dims[0], -1, dims[2], dims[3]});
        if ((st = tap_need_rank(ctx, IN_BIAS, 4, 4, "attention_bias"))) return st;
        const int64_t want[4] = {bias->dims[0] == 1 ? 1 : dims[0], bias->dims[1] == 1 ? 1 : heads, dims[2],
                                 -1};
        if ((st = tap_need_shape(ctx, IN_BIAS, 4, want, "attention_bias"))) return st;
        if (bias->dims[1] != 1) dims[1] = bias->dims[1];
    }
    return tap_out_type(ctx, 0, TAP_FLOAT, 4, dims);
}

typedef struct group_job {
    const group_state *s;
    const tap_tensor *seqlens, *bias, *sink, *y;
    int64_t total, places;
} group_job;

/* Rows of queries, counted over batches and heads. */
static void group_task(void *arg, int64_t first, int64_t last, int worker) {
    const group_job *j = arg;
    const tap_tensor *y = j->y, *t = j->bias;
    const int64_t heads = y->dims[1], n = y->dims[2], columns = y->dims[3];
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        const int64_t i = r % n, h = r / n % heads, b = r / n / heads;
        const int64_t at = first_place(j->seqlens, j->total, b, n) + i;
        const int64_t all = tap_min64(j->places, ((const int32_t *)j->seqlens->data)[b] + 1);
        const int64_t end = j->s->causal ? tap_min64(at + 1, all) : all;
        const int64_t begin = j->s->window < 0 ? 0 : tap_max64(0, at + 1 - j->s->window);
        const int64_t from =
            t ? (((t->dims[0] == 1 ? 0 : b) * t->dims[1] + (t->dims[1] == 1 ? 0 : h)) * n + i) * t->dims[3]
              : 0;
        float *row = (float *)y->data + r * columns;
        for (int64_t k = 0; k < j->places; k++) {
            row[k] = k < begin || k >= end ? -INFINITY : 0;
            if (t && k < t->dims[3]) row[k] += (float)tap_real_at(t, from + k);
        }
        if (j->sink) row[j->places] = (float)tap_real_at(j->sink, h);
    }
}

static tap_status group_run(tap_ctx *ctx) {
    group_job j = {.s = ctx->state,
                   .seqlens = ctx->in[IN_SEQLENS],
                   .total = tap_int_at(ctx->in[IN_TOTAL], 0),
                   .bias = ctx->n_in > IN_BIAS ? ctx->in[IN_BIAS] : NULL,
                   .sink = ctx->n_in > IN_SINK ? ctx->in[IN_SINK] : NULL,
                   .places = ctx->in[IN_KEYS]->dims[2],
                   .y = ctx->out[0]};
    tap_status st = check_places(ctx, j.seqlens, j.total, j.y->dims[2]);
    const int64_t n = j.y->dims[3];
    if (!st && j.y->count) tap_parallel(ctx, j.y->count / n, tap_max64(1, 16384 / n), group_task, &j);
    return st;
}

/* ---- GroupQueryAttention ---- */

/* Heads of queries, keys and values, normalised and turned as far as asked: q_done, k_done, v. */
static void prepare_heads(tap_expansion *e, int64_t heads, int64_t kv) {
    const bool packed = !tap_expand_has_in(e, 1), norm = tap_expand_has_in(e, 14);
    const bool rotary = tap_expand_int(e, "do_rotary", 0) != 0;
    static const char *const names[] = {"q", "k"};
    if (packed) {
        const long long of = (long long)(heads + 2 * kv);
        tap_expand_add(e, "q = onnxtap.Heads <heads=%lld, of=%lld> (query)", (long long)heads, of);
        tap_expand_add(e, "k = onnxtap.Heads <heads=%lld, of=%lld, first=%lld> (query)", (long long)kv, of,
                       (long long)heads);
        tap_expand_add(e, "v = onnxtap.Heads <heads=%lld, of=%lld, first=%lld> (query)", (long long)kv, of,
                       (long long)(heads + kv));
    } else {
        tap_expand_add(e, "q = onnxtap.Heads <heads=%lld> (query)", (long long)heads);
        tap_expand_add(e, "k = onnxtap.Heads <heads=%lld> (key)", (long long)kv);
        tap_expand_add(e, "v = onnxtap.Heads <heads=%lld> (value)", (long long)kv);
    }
    if (rotary)
        tap_expand_add(e, "places = onnxtap.Places (q, seqlens_k, total_sequence_length, position_ids)");
    for (int i = 0; i < 2; i++) {
        const char *x = names[i];
        if (norm)
            tap_expand_add(e, "%s_norm = RMSNormalization <axis=-1, epsilon=%s> (%s, %s_norm_weight)", x,
                           tap_expand_has(e, "qk_norm_epsilon") ? "@qk_norm_epsilon" : "1e-6", x, x);
        if (rotary)
            tap_expand_add(
                e,
                "%s_done = onnxtap.PartialRotaryEmbedding <interleaved=@rotary_interleaved> (%s%s, "
                "places, cos_cache, sin_cache)",
                x, x, norm ? "_norm" : "");
        else
            tap_expand_add(e, "%s_done = Identity (%s%s)", x, x, norm ? "_norm" : "");
    }
}

/* Bits of the caches' numbers; 0: they are floats. */
static tap_status cache_bits(tap_expansion *e, int64_t *bits) {
    static const char *const types[] = {"k_quant_type", "v_quant_type"};
    int quantised = 0;
    for (int i = 0; i < 2; i++) {
        const char *type = tap_expand_string(e, types[i], "NONE");
        const bool none = strcmp(type, "NONE") == 0;
        if (!none && strcmp(type, "PER_TENSOR") != 0 && strcmp(type, "PER_CHANNEL") != 0)
            return tap_expand_fail(e, TAP_MODEL, "%s is '%s'; it may be NONE, PER_TENSOR or PER_CHANNEL",
                                   types[i], type);
        if (!none && !tap_expand_has_in(e, 12 + i))
            return tap_expand_fail(e, TAP_MODEL, "%s asks for %s", types[i], i ? "v_scale" : "k_scale");
        quantised += !none;
    }
    *bits = tap_expand_int(e, "kv_cache_bit_width", quantised ? 8 : 0);
    if (quantised == 1) return tap_expand_fail(e, TAP_MODEL, "k_quant_type and v_quant_type go together");
    if (!quantised && *bits)
        return tap_expand_fail(e, TAP_MODEL, "kv_cache_bit_width is for caches of 8 or 4 bits");
    if (quantised && *bits != 8 && *bits != 4)
        return tap_expand_fail(e, TAP_MODEL, "kv_cache_bit_width is %lld; it may be 8 or 4",
                               (long long)*bits);
    return TAP_OK;
}

static tap_status check(tap_expansion *e) {
    if (tap_expand_has_in(e, 1) != tap_expand_has_in(e, 2))
        return tap_expand_fail(e, TAP_MODEL, "key and value go together");
    if (tap_expand_has_in(e, 3) != tap_expand_has_in(e, 4))
        return tap_expand_fail(e, TAP_MODEL, "past_key and past_value go together");
    if (tap_expand_has_in(e, 14) != tap_expand_has_in(e, 15))
        return tap_expand_fail(e, TAP_MODEL, "q_norm_weight and k_norm_weight go together");
    if (tap_expand_int(e, "do_rotary", 0) && (!tap_expand_has_in(e, 7) || !tap_expand_has_in(e, 8)))
        return tap_expand_fail(e, TAP_MODEL, "do_rotary asks for cos_cache and sin_cache");
    if (tap_expand_int(e, "sliding_window_cache", 0))
        return tap_expand_fail(e, TAP_UNSUPPORTED,
                               "caches of a window's size are not read: export with whole ones");
    return TAP_OK;
}

/* ---- Caches ----
 *
 * present of new keys or values x: as floats, or rounded to 8 or 4 bits by their scale, of 4 bits two in a
 * byte, the first one low, each 8 more than it is. What attention sees, `keys` or `values`, has been rounded
 * too. */

static void round_to_cache(tap_expansion *e, char which, const char *x, int64_t bits) {
    const int most = bits == 8 ? 127 : 7;
    tap_expand_add(e, "%c_wide = Cast <to=1> (%s)", which, x);
    tap_expand_add(e, "%c_scaled = Div (%c_wide, %c_scale)", which, which, which);
    tap_expand_add(e, "%c_round = Round (%c_scaled)", which, which);
    tap_expand_add(e, "%c_least = Constant <value_float=%d.0> ()", which, -most - 1);
    tap_expand_add(e, "%c_most = Constant <value_float=%d.0> ()", which, most);
    tap_expand_add(e, "%c_cut = Clip (%c_round, %c_least, %c_most)", which, which, which, which);
    if (bits == 8) {
        tap_expand_add(e, "%c_new = Cast <to=3> (%c_cut)", which, which);
        return;
    }
    tap_expand_add(e, "%c_eight = Constant <value_float=8.0> ()", which);
    tap_expand_add(e, "%c_raised = Add (%c_cut, %c_eight)", which, which, which);
    tap_expand_add(e, "%c_pairs_shape = Constant <value_ints=[0, 0, 0, -1, 2]> ()", which);
    tap_expand_add(e, "%c_pairs = Reshape (%c_raised, %c_pairs_shape)", which, which, which);
    tap_expand_add(e, "%c_weights = Constant <value_floats=[1.0, 16.0]> ()", which);
    tap_expand_add(e, "%c_weighted = Mul (%c_pairs, %c_weights)", which, which, which);
    tap_expand_add(e, "%c_last = Constant <value_ints=[-1]> ()", which);
    tap_expand_add(e, "%c_bytes = ReduceSum <keepdims=0> (%c_weighted, %c_last)", which, which, which);
    tap_expand_add(e, "%c_new = Cast <to=2> (%c_bytes)", which, which);
}

static void read_cache(tap_expansion *e, char which, const char *present, const char *y, const char *like,
                       int64_t bits) {
    if (bits == 4) {
        tap_expand_add(e, "%c_front = Constant <value_ints=[-1]> ()", which);
        tap_expand_add(e, "%c_present = Cast <to=1> (%s)", which, present);
        tap_expand_add(e, "%c_column = Unsqueeze (%c_present, %c_front)", which, which, which);
        tap_expand_add(e, "%c_sixteen = Constant <value_float=16.0> ()", which);
        tap_expand_add(e, "%c_quotient = Div (%c_column, %c_sixteen)", which, which, which);
        tap_expand_add(e, "%c_high = Floor (%c_quotient)", which, which);
        tap_expand_add(e, "%c_high_part = Mul (%c_high, %c_sixteen)", which, which, which);
        tap_expand_add(e, "%c_low = Sub (%c_column, %c_high_part)", which, which, which);
        tap_expand_add(e, "%c_both = Concat <axis=-1> (%c_low, %c_high)", which, which, which);
        tap_expand_add(e, "%c_row_shape = Constant <value_ints=[0, 0, 0, -1]> ()", which);
        tap_expand_add(e, "%c_row = Reshape (%c_both, %c_row_shape)", which, which, which);
        tap_expand_add(e, "%c_number = Sub (%c_row, %c_eight)", which, which, which);
    } else {
        tap_expand_add(e, "%c_number = Cast <to=1> (%s)", which, present);
    }
    tap_expand_add(e, "%c_value = Mul (%c_number, %c_scale)", which, which, which);
    tap_expand_add(e, "%s = CastLike (%c_value, %s)", y, which, like);
}

/* present_key and present_value; keys and values are what attention sees. */
static void append(tap_expansion *e, int64_t bits, const char **keys, const char **values) {
    if (bits) {
        round_to_cache(e, 'k', "k_done", bits);
        round_to_cache(e, 'v', "v", bits);
    }
    tap_expand_add(e, "present_key = onnxtap.Append (%s, seqlens_k, total_sequence_length, past_key)",
                   bits ? "k_new" : "k_done");
    tap_expand_add(e, "present_value = onnxtap.Append (%s, seqlens_k, total_sequence_length, past_value)",
                   bits ? "v_new" : "v");
    *keys = bits ? "keys" : "present_key";
    *values = bits ? "values" : "present_value";
    if (!bits) return;
    read_cache(e, 'k', "present_key", "keys", "q_done", bits);
    read_cache(e, 'v', "present_value", "values", "q_done", bits);
}

static tap_status group_query(tap_expansion *e) {
    const int64_t heads = tap_expand_int(e, "num_heads", 0), kv = tap_expand_int(e, "kv_num_heads", 0);
    const bool smooth = tap_expand_int(e, "smooth_softmax", 0) == 1;
    const bool sink = tap_expand_has_in(e, 11) || smooth;
    const char *keys, *values;
    int64_t bits = 0;
    const int64_t shown = tap_expand_int(e, "qk_output", 0);
    tap_expand_names(
        e,
        "query, key?, value?, past_key?, past_value?, seqlens_k, total_sequence_length, cos_cache?, "
        "sin_cache?, position_ids?, attention_bias?, head_sink?, k_scale?, v_scale?, q_norm_weight?, "
        "k_norm_weight?",
        "output, present_key, present_value, output_qk");
    if (shown < 0 || shown > 2)
        return tap_expand_fail(e, TAP_MODEL, "qk_output is %lld; it may be 0, 1 or 2", (long long)shown);
    if (tap_expand_int(e, "causal", 1) != (tap_expand_int(e, "causal", 1) != 0))
        return tap_expand_fail(e, TAP_MODEL, "causal may be 0 or 1");
    tap_status st = check(e);
    if (st == TAP_OK) st = cache_bits(e, &bits);
    if (st != TAP_OK) return st;
    if (heads < 1 || kv < 1 || heads > INT32_MAX || heads % kv)
        return tap_expand_fail(e, TAP_MODEL, "num_heads and kv_num_heads must be given, and fit together");
    tap_expand_has(e, "rotary_interleaved");
    prepare_heads(e, heads, kv);
    append(e, bits, &keys, &values);
    if (smooth && !tap_expand_has_in(e, 11)) {
        tap_expand_add(e, "heads = Constant <value_ints=[%lld]> ()", (long long)heads);
        tap_expand_add(e, "no_sink = ConstantOfShape (heads)");
        tap_expand_add(e, "smooth_sink = CastLike (no_sink, q)");
    }
    tap_expand_add(e,
                   "mask = onnxtap.GroupMask <causal=@causal, window=@local_window_size> (q, %s, seqlens_k, "
                   "total_sequence_length, attention_bias, %s)",
                   keys, tap_expand_has_in(e, 11) || !smooth ? "head_sink" : "smooth_sink");
    if (sink) {
        tap_expand_add(e, "one_more = Constant <value_ints=[0, 0, 0, 0, 0, 0, 1, 0]> ()");
        tap_expand_add(e, "keys_sink = Pad (%s, one_more)", keys);
        tap_expand_add(e, "values_sink = Pad (%s, one_more)", values);
    }
    tap_expand_add(e,
                   "y, none_k, none_v, %s = Attention <softcap=@softcap, qk_matmul_output_mode=%d%s> "
                   "(q_done, %s, %s, mask)",
                   sink ? "qk" : "output_qk", shown == 2 ? 3 : 2,
                   tap_expand_float(e, "scale", 0) != 0 ? ", scale=@scale" : "", sink ? "keys_sink" : keys,
                   sink ? "values_sink" : values);
    if (sink && tap_expand_has_out(e, 3)) {
        tap_expand_add(e, "from = Constant <value_ints=[0]> ()");
        tap_expand_add(e, "to = Constant <value_ints=[-1]> ()");
        tap_expand_add(e, "output_qk = Slice (qk, from, to, to)");
    }
    tap_expand_add(e, "by_token = Transpose <perm=[0, 2, 1, 3]> (y)");
    tap_expand_add(e, "joined = Constant <value_ints=[0, 0, -1]> ()");
    tap_expand_add(e, "output = Reshape (by_token, joined)");
    return TAP_OK;
}

#define FLOATS (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))
#define PIECE  .notes = "A piece of functions of com.microsoft."

static const tap_op ops[] = {
    TAP_MS_FUNCTION("GroupQueryAttention", 7, 16, 1, 4, FLOATS,
                    "T/3 T/3 T/3 U/4 U/4 i i. T/2 T/2 l/2 T/4 T/1", group_query),
    {TAP_MS_PIECE("Append", 3, 4, 1, 1), .dtypes = FLOATS | TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8),
     .infer = append_infer, .run = append_run, PIECE},
    {TAP_MS_PIECE("Places", 3, 4, 1, 1), .dtypes = FLOATS, .infer = places_infer, .run = places_run, PIECE},
    {TAP_MS_PIECE("GroupMask", 4, 6, 1, 1), .dtypes = FLOATS, .prepare = group_prepare, .infer = group_infer,
     .run = group_run, PIECE},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_group_query, ops);
