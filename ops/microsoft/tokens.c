/* Operators of com.microsoft on tokens and features: MurmurHash3, NGramRepeatBlock, WordConvEmbedding. */
#include <math.h>
#include <string.h>

#include "common/shape.h"
#include "common/utf8.h"
#include "microsoft/microsoft.h"

/* ---- MurmurHash3 (x86, 32 bits) of each element's bytes ---- */

typedef struct hashing {
    uint32_t seed;
    bool positive;
} hashing;

static tap_status hash_prepare(tap_ctx *ctx, void **state) {
    hashing *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->seed = (uint32_t)tap_attr_int(ctx, "seed", 0);
    s->positive = tap_attr_int(ctx, "positive", 1) != 0;
    return TAP_OK;
}

static tap_status hash_infer(tap_ctx *ctx) {
    const hashing *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    return tap_out_type(ctx, 0, s->positive ? TAP_UINT32 : TAP_INT32, x->rank, x->dims);
}

static uint32_t rotated(uint32_t x, int by) {
    return x << by | x >> (32 - by);
}

static uint32_t mixed(uint32_t k) {
    return rotated(k * 0xCC9E2D51u, 15) * 0x1B873593u;
}

static uint32_t murmur(const void *data, size_t n, uint32_t h) {
    const unsigned char *p = data;
    for (size_t i = 0; i + 4 <= n; i += 4) {
        const uint32_t k =
            (uint32_t)p[i] | (uint32_t)p[i + 1] << 8 | (uint32_t)p[i + 2] << 16 | (uint32_t)p[i + 3] << 24;
        h = rotated(h ^ mixed(k), 13) * 5 + 0xE6546B64u;
    }
    uint32_t tail = 0;
    for (size_t i = n & ~(size_t)3, k = 0; i < n; i++, k += 8) tail |= (uint32_t)p[i] << k;
    if (n & 3) h ^= mixed(tail);
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    return h ^ h >> 16;
}

static tap_status hash_run(tap_ctx *ctx) {
    const hashing *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    uint32_t *y = ctx->out[0]->data;
    for (int64_t i = 0; i < x->count; i++) {
        const char *p = (const char *)x->data + (size_t)i * width;
        const tap_string *t = x->dtype == TAP_STRING ? (const tap_string *)(const void *)p : NULL;
        y[i] = murmur(t ? t->s : p, t ? t->n : width, s->seed);
    }
    return TAP_OK;
}

/* ---- NGramRepeatBlock: scores[batch][vocabulary] of tokens that would repeat an n-gram of
 * ids[batch][length] become minus infinity ---- */

static tap_status ngram_prepare(tap_ctx *ctx, void **state) {
    int64_t *n = tap_state(ctx, sizeof *n);
    if (!n) return TAP_MEMORY;
    *state = n;
    *n = tap_attr_int(ctx, "ngram_size", 0);
    return *n > 0 ? TAP_OK : tap_fail(ctx, TAP_MODEL, "ngram_size must be given, and positive");
}

static tap_status ngram_infer(tap_ctx *ctx) {
    const tap_type *ids = tap_in_type(ctx, 0);
    tap_status st = tap_need_dtype(ctx, 1, TAP_BIT(TAP_FLOAT), "scores");
    if (!st) st = tap_need_rank(ctx, 0, 2, 2, "input_ids");
    if (!st) st = tap_need_shape(ctx, 1, 2, (int64_t[]){ids->rank == 2 ? ids->dims[0] : -1, -1}, "scores");
    return st ? st : tap_out_like(ctx, 0, tap_in_type(ctx, 1));
}

static tap_status ngram_run(tap_ctx *ctx) {
    const int64_t n = *(const int64_t *)ctx->state;
    const tap_tensor *ids = ctx->in[0], *scores = ctx->in[1];
    const int64_t length = ids->dims[1], words = scores->dims[1];
    float *y = ctx->out[0]->data;
    memcpy(y, scores->data, (size_t)scores->count * sizeof *y);
    for (int64_t b = 0; b < ids->dims[0] && n <= length; b++) {
        const int64_t *row = (const int64_t *)ids->data + b * length, *last = row + length - (n - 1);
        for (int64_t i = 0; i + n <= length; i++) {
            if (memcmp(row + i, last, (size_t)(n - 1) * sizeof *row) != 0) continue;
            const int64_t token = row[i + n - 1];
            if (token < 0 || token >= words)
                return tap_fail(ctx, TAP_RUN, "input_ids has %lld at [%lld, %lld]; there are %lld scores",
                                (long long)token, (long long)b, (long long)(i + n - 1), (long long)words);
            y[b * words + token] = -INFINITY;
        }
    }
    return TAP_OK;
}

/* ---- WordConvEmbedding: characters x[..][length] through c[characters][size], w[filters][1][window][size]
 * and bias, tanh, and the largest over the places of the word, which ends at the first 0 ---- */

enum { IN_X, IN_W, IN_B, IN_C };

static tap_status word_prepare(tap_ctx *ctx, void **state) {
    *state = NULL;
    tap_attr_int(ctx, "embedding_size", 0);
    tap_attr_int(ctx, "conv_window_size", 0);
    tap_attr_int(ctx, "char_embedding_size", 0);
    return TAP_OK;
}

static tap_status word_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, IN_X), *w = tap_in_type(ctx, IN_W), *c = tap_in_type(ctx, IN_C);
    const int64_t filters = w->rank == 4 ? w->dims[0] : -1;
    tap_status st = tap_need_rank(ctx, IN_X, 1, TAP_RANK_MAX, "Sequence");
    for (int i = IN_W; i <= IN_C && !st; i++) st = tap_need_dtype(ctx, i, TAP_BIT(TAP_FLOAT), "W, B and C");
    if (!st) st = tap_need_shape(ctx, IN_W, 4, (int64_t[]){-1, 1, -1, c->rank == 2 ? c->dims[1] : -1}, "W");
    if (!st) st = tap_need_shape(ctx, IN_B, 1, &filters, "B");
    if (!st) st = tap_need_rank(ctx, IN_C, 2, 2, "C");
    if (st || x->rank < 0) return st ? st : tap_out_type(ctx, 0, TAP_FLOAT, -1, NULL);
    int64_t dims[TAP_RANK_MAX];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = filters;
    return tap_out_type(ctx, 0, TAP_FLOAT, x->rank, dims);
}

/* The sum of filter f at place t of a word. */
static float word_sum(const tap_ctx *ctx, const int32_t *word, int64_t t, int64_t f) {
    const tap_tensor *w = ctx->in[IN_W], *c = ctx->in[IN_C];
    const int64_t window = w->dims[2], size = w->dims[3];
    const float *k = (const float *)w->data + f * window * size;
    float s = 0;
    for (int64_t i = 0; i < window; i++) {
        const float *v = (const float *)c->data + word[t + i] * size;
        for (int64_t e = 0; e < size; e++) s += k[i * size + e] * v[e];
    }
    return s + ((const float *)ctx->in[IN_B]->data)[f];
}

static tap_status word_check(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[IN_X];
    const int32_t *v = x->data;
    const int64_t n = ctx->in[IN_C]->dims[0], length = x->dims[x->rank - 1], window = ctx->in[IN_W]->dims[2];
    if (window < 1 || window > length)
        return tap_fail(ctx, TAP_RUN, "words of %lld characters are shorter than the window, %lld",
                        (long long)length, (long long)window);
    for (int64_t i = 0; i < x->count; i++)
        if (v[i] < 0 || v[i] >= n)
            return tap_fail(ctx, TAP_RUN, "Sequence has %d at element %lld; C has %lld characters", v[i],
                            (long long)i, (long long)n);
    return TAP_OK;
}

static tap_status word_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[IN_X], *y = ctx->out[0];
    const int64_t length = x->dims[x->rank - 1], filters = ctx->in[IN_W]->dims[0];
    if (y->count == 0 || x->count == 0) return TAP_OK;
    tap_status st = word_check(ctx);
    const int64_t window = ctx->in[IN_W]->dims[2];
    float *to = y->data;
    for (int64_t i = 0; i < x->count / length && !st; i++) {
        const int32_t *word = (const int32_t *)x->data + i * length;
        int64_t n = 0;
        while (n < length && word[n] > 0) n++;
        const int64_t places = n == 0 ? 0 : tap_max64(1, n - window + 1);
        for (int64_t f = 0; f < filters; f++, to++) {
            float most = places ? -INFINITY : 0;
            for (int64_t t = 0; t < places; t++) most = fmaxf(most, tanhf(word_sum(ctx, word, t, f)));
            *to = most;
        }
    }
    return st;
}

#define HASHED                                                                             \
    (TAP_BIT(TAP_INT32) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT64) | \
     TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_DOUBLE) | TAP_BIT(TAP_STRING))

static const tap_op ops[] = {
    {TAP_MS_ROW("MurmurHash3", 1, 1, 1, 1), .dtypes = HASHED, .prepare = hash_prepare, .infer = hash_infer,
     .run = hash_run},
    {TAP_MS_ROW("NGramRepeatBlock", 2, 2, 1, 1), .dtypes = TAP_BIT(TAP_INT64), .prepare = ngram_prepare,
     .infer = ngram_infer, .run = ngram_run},
    {TAP_MS_ROW("WordConvEmbedding", 4, 4, 1, 1), .dtypes = TAP_BIT(TAP_INT32), .prepare = word_prepare,
     .infer = word_infer, .run = word_run},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_tokens, ops);
