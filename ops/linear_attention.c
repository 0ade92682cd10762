/* LinearAttention: attention as a recurrence over a state of [d_k][d_v] for each key head, a token after the
 * other. CausalConvWithState: the short convolution that comes before it. Computed in float32. */
#include <math.h>

#include "common/math.h"
#include "common/real.h"
#include "common/shape.h"

#define TYPES (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))
/* Elements that a task should have. */
#define TASK_ELEMENTS 16384

static const tap_tensor *in(const tap_ctx *ctx, int i) {
    return i < ctx->n_in ? ctx->in[i] : NULL;
}
static char *out_data(const tap_ctx *ctx, int i) {
    return i < ctx->n_out && ctx->out[i] ? ctx->out[i]->data : NULL;
}

static int64_t dim(const tap_type *t, int i) {
    return t && t->rank > i ? t->dims[i] : -1;
}

/* ---- LinearAttention
 * -------------------------------------------------------------------------------------------------- */

enum { IN_Q, IN_K, IN_V, IN_STATE, IN_DECAY, IN_BETA };

typedef struct linear_state {
    int64_t q_heads, kv_heads;
    float scale;
    bool gated, delta;
} linear_state;

static tap_status linear_prepare(tap_ctx *ctx, void **state) {
    static const char *const rules[] = {"linear", "gated", "delta", "gated_delta", NULL};
    linear_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    int rule = tap_attr_choice(ctx, "update_rule", "gated_delta", rules);
    s->gated = rule & 1;
    s->delta = rule & 2;
    s->q_heads = tap_attr_int(ctx, "q_num_heads", 0);
    s->kv_heads = tap_attr_int(ctx, "kv_num_heads", 0);
    s->scale = tap_attr_float(ctx, "scale", 0);
    tap_attr_int(ctx, "chunk_size", 0); /* a hint for other ways to compute the same */
    if (s->kv_heads <= 0 || s->q_heads <= 0 || s->q_heads % s->kv_heads)
        return tap_fail(ctx, TAP_MODEL, "q_num_heads must be a positive multiple of kv_num_heads");
    if (tap_has_in(ctx, IN_DECAY) != s->gated || tap_has_in(ctx, IN_BETA) != s->delta)
        return tap_fail(ctx, TAP_MODEL, "update_rule \"%s\" takes %s decay and %s beta", rules[rule],
                        s->gated ? "a" : "no", s->delta ? "a" : "no");
    return TAP_OK;
}

/* x = heads * *each. */
static tap_status share(tap_ctx *ctx, int64_t x, int64_t heads, const char *what, int64_t *each) {
    *each = x < 0 ? -1 : x / heads;
    if (x < 0 || x % heads == 0) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements, which cannot be shared out to %lld heads",
                    what, (long long)x, (long long)heads);
}

static tap_status linear_check(tap_ctx *ctx, int64_t *dk, int64_t *dv) {
    const linear_state *s = ctx->state;
    const tap_type *q = tap_in_type(ctx, IN_Q), *k = tap_in_type(ctx, IN_K), *v = tap_in_type(ctx, IN_V);
    const tap_type *g = tap_in_type(ctx, IN_DECAY), *b = tap_in_type(ctx, IN_BETA);
    tap_status status = tap_need_rank(ctx, IN_Q, 3, 3, "query");
    if (!status) status = tap_need_rank(ctx, IN_K, 3, 3, "key");
    if (!status) status = tap_need_rank(ctx, IN_V, 3, 3, "value");
    int64_t batch = dim(q, 0), n = dim(q, 1), of_q = -1;
    *dk = *dv = -1;
    if (!status) status = share(ctx, dim(q, 2), s->q_heads, "query", &of_q);
    if (!status) status = share(ctx, dim(k, 2), s->kv_heads, "key", dk);
    if (!status) status = share(ctx, dim(v, 2), s->kv_heads, "value", dv);
    if (*dk < 0) *dk = of_q;
    if (!status && of_q >= 0 && of_q != *dk)
        return tap_fail(ctx, tap_misfit(ctx), "heads of query and key must have the same size");
    int64_t keys = *dk < 0 ? -1 : *dk * s->kv_heads, decays = dim(g, 2), betas = dim(b, 2);
    if (decays >= 0 && keys >= 0 && decays != s->kv_heads && decays != keys) decays = keys;
    if (betas >= 0 && betas != 1) betas = s->kv_heads;
    if (!status) status = tap_need_shape(ctx, IN_K, 3, (int64_t[]){batch, n, keys}, "key");
    if (!status) status = tap_need_shape(ctx, IN_V, 3, (int64_t[]){batch, n, -1}, "value");
    if (!status)
        status = tap_need_shape(ctx, IN_STATE, 4, (int64_t[]){batch, s->kv_heads, *dk, *dv}, "past_state");
    if (!status) status = tap_need_shape(ctx, IN_DECAY, 3, (int64_t[]){batch, n, decays}, "decay");
    if (!status) status = tap_need_shape(ctx, IN_BETA, 3, (int64_t[]){batch, n, betas}, "beta");
    return status;
}

static tap_status linear_infer(tap_ctx *ctx) {
    const linear_state *s = ctx->state;
    static const char *const names[] = {"query", "key", "value", "past_state", "decay", "beta"};
    const tap_type *q = tap_in_type(ctx, IN_Q), *past = tap_in_type(ctx, IN_STATE);
    int64_t dk, dv;
    tap_status status = tap_need_dtype(ctx, IN_STATE, TYPES, "past_state");
    for (int i = 1; i <= IN_BETA && !status; i++)
        if (i != IN_STATE) status = tap_need_same_dtype(ctx, IN_Q, i, names[i]);
    if (!status) status = linear_check(ctx, &dk, &dv);
    if (status) return status;
    int64_t y[3] = {dim(q, 0), dim(q, 1), dv < 0 ? -1 : dv * s->q_heads},
            state[4] = {dim(q, 0), s->kv_heads, dk, dv};
    status = tap_out_type(ctx, 0, q->dtype, 3, y);
    return status ? status : tap_out_type(ctx, 1, past ? past->dtype : q->dtype, 4, state);
}

typedef struct linear_job {
    const linear_state *s;
    const tap_tensor *q, *k, *v, *past, *decay, *beta;
    char *y, *present;
    tap_dtype state_dtype;
    int64_t n, dk, dv, group;
    float scale;
    float *room; /* of each worker */
    int64_t room_n;
} linear_job;

/* Elements of x[batch][n][heads * each] for token t of batch b and head h. */
static void take(const tap_tensor *x, int64_t b, int64_t t, int64_t at, int64_t each, float *to) {
    int64_t row = (b * x->dims[1] + t) * x->dims[2] + at;
    tap_to_f32(x->dtype, each, (const char *)x->data + (size_t)row * tap_dtype_bytes(x->dtype), to);
}

/* y[dv] = sum over i of x[i] s[i][dv]. */
static void through_state(const float *x, const float *s, int64_t dk, int64_t dv, float *restrict y) {
    for (int64_t c = 0; c < dv; c++) y[c] = 0;
    for (int64_t i = 0; i < dk; i++)
        for (int64_t c = 0; c < dv; c++) y[c] = tap_fma(x[i], s[i * dv + c], y[c]);
}

/* The state of one key head after token t: decay, correction of the value, outer product. */
static void update(const linear_job *j, int64_t b, int64_t h, int64_t t, float *restrict s, float *k,
                   float *v, float *room) {
    int64_t dk = j->dk, dv = j->dv;
    take(j->k, b, t, h * dk, dk, k);
    take(j->v, b, t, h * dv, dv, v);
    if (j->decay) {
        bool each = j->decay->dims[2] != j->s->kv_heads;
        take(j->decay, b, t, each ? h * dk : h, each ? dk : 1, room);
        for (int64_t i = 0; i < dk; i++) {
            float g = tap_expf(room[each ? i : 0]);
            for (int64_t c = 0; c < dv; c++) s[i * dv + c] *= g;
        }
    }
    if (j->beta) {
        float beta;
        take(j->beta, b, t, j->beta->dims[2] == 1 ? 0 : h, 1, &beta);
        through_state(k, s, dk, dv, room);
        for (int64_t c = 0; c < dv; c++) v[c] = beta * (v[c] - room[c]);
    }
    for (int64_t i = 0; i < dk; i++)
        for (int64_t c = 0; c < dv; c++) s[i * dv + c] = tap_fma(k[i], v[c], s[i * dv + c]);
}

static void linear_head(const linear_job *j, int64_t b, int64_t h, float *room) {
    int64_t dk = j->dk, dv = j->dv, most = tap_max64(dk, dv);
    float *s = room, *k = s + dk * dv, *v = k + most, *more = v + most;
    size_t at = (size_t)((b * j->s->kv_heads + h) * dk * dv) * tap_dtype_bytes(j->state_dtype);
    size_t each = tap_dtype_bytes(j->q->dtype);
    if (j->past)
        tap_to_f32(j->state_dtype, dk * dv, (const char *)j->past->data + at, s);
    else
        memset(s, 0, (size_t)(dk * dv) * sizeof *s);
    for (int64_t t = 0; t < j->n; t++) {
        update(j, b, h, t, s, k, v, more);
        for (int64_t g = 0; j->y && g < j->group; g++) {
            int64_t head = h * j->group + g;
            take(j->q, b, t, head * dk, dk, k);
            through_state(k, s, dk, dv, v);
            for (int64_t c = 0; c < dv; c++) v[c] *= j->scale;
            tap_from_f32(j->q->dtype, dv, v,
                         j->y + (size_t)(((b * j->n + t) * j->s->q_heads + head) * dv) * each);
        }
    }
    if (j->present) tap_from_f32(j->state_dtype, dk * dv, s, j->present + at);
}

static void linear_heads(void *arg, int64_t begin, int64_t end, int worker) {
    const linear_job *j = arg;
    for (int64_t i = begin; i < end; i++)
        linear_head(j, i / j->s->kv_heads, i % j->s->kv_heads, j->room + worker * j->room_n);
}

static tap_status linear_run(tap_ctx *ctx) {
    const linear_state *s = ctx->state;
    const tap_tensor *q = ctx->in[IN_Q];
    linear_job j = {.s = s,
                    .q = q,
                    .k = ctx->in[IN_K],
                    .v = ctx->in[IN_V],
                    .past = in(ctx, IN_STATE),
                    .decay = in(ctx, IN_DECAY),
                    .beta = in(ctx, IN_BETA),
                    .y = out_data(ctx, 0),
                    .present = out_data(ctx, 1),
                    .n = q->dims[1],
                    .dk = q->dims[2] / s->q_heads,
                    .group = s->q_heads / s->kv_heads};
    size_t bytes;
    j.dv = j.v->dims[2] / s->kv_heads;
    j.state_dtype = j.past ? j.past->dtype : q->dtype;
    j.scale = s->scale != 0 ? s->scale : (float)(1 / sqrt((double)j.dk));
    j.room_n = j.dk * j.dv + 3 * tap_max64(j.dk, j.dv);
    if (!tap_mul_size((size_t)j.room_n * sizeof(float), (size_t)tap_workers(ctx), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "the state does not fit in memory");
    j.room = tap_scratch(ctx, bytes);
    if (!j.room) return TAP_MEMORY;
    tap_parallel(ctx, q->dims[0] * s->kv_heads, 1, linear_heads, &j);
    return TAP_OK;
}

/* ---- CausalConvWithState
 * -------------------------------------------------------------------------------------------------- */

typedef struct causal_state {
    bool silu;
} causal_state;

static tap_status causal_prepare(tap_ctx *ctx, void **state) {
    static const char *const names[] = {"none", "silu", "swish", NULL};
    causal_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->silu = tap_attr_choice(ctx, "activation", "none", names) > 0;
    return TAP_OK;
}

static tap_status causal_infer(tap_ctx *ctx) {
    static const char *const names[] = {"input", "weight", "bias", "past_state"};
    const tap_type *x = tap_in_type(ctx, 0), *w = tap_in_type(ctx, 1);
    tap_status status = tap_need_rank(ctx, 0, 3, 3, names[0]);
    for (int i = 1; i < 4 && !status; i++) status = tap_need_same_dtype(ctx, 0, i, names[i]);
    int64_t channels = dim(x, 1), k = dim(w, 2);
    if (!status) status = tap_need_shape(ctx, 1, 3, (int64_t[]){channels, 1, -1}, names[1]);
    if (!status) status = tap_need_shape(ctx, 2, 1, &channels, names[2]);
    if (!status && k == 0) return tap_fail(ctx, tap_misfit(ctx), "the kernel has no elements");
    int64_t past[3] = {dim(x, 0), channels, k < 0 ? -1 : k - 1};
    if (!status) status = tap_need_shape(ctx, 3, 3, past, names[3]);
    if (!status) status = tap_out_like(ctx, 0, x);
    return status ? status : tap_out_type(ctx, 1, x->dtype, 3, past);
}

typedef struct causal_job {
    const tap_tensor *x, *w, *bias, *past;
    char *y, *present;
    bool silu;
    int64_t channels, length, k;
    float *room; /* of each worker: k - 1 + length, k, length elements */
} causal_job;

static void causal_row(const causal_job *j, int64_t row, float *x) {
    tap_dtype t = j->x->dtype;
    size_t each = tap_dtype_bytes(t);
    int64_t k = j->k, n = j->length, c = row % j->channels;
    float *restrict w = x + k - 1 + n, *restrict y = w + k, bias = 0;
    if (j->past)
        tap_to_f32(t, k - 1, (const char *)j->past->data + (size_t)(row * (k - 1)) * each, x);
    else
        memset(x, 0, (size_t)(k - 1) * sizeof *x);
    tap_to_f32(t, n, (const char *)j->x->data + (size_t)(row * n) * each, x + k - 1);
    tap_to_f32(t, k, (const char *)j->w->data + (size_t)(c * k) * each, w);
    if (j->bias) tap_to_f32(t, 1, (const char *)j->bias->data + (size_t)c * each, &bias);
    for (int64_t i = 0; i < n; i++) y[i] = 0;
    for (int64_t l = 0; l < k; l++)
        for (int64_t i = 0; i < n; i++) y[i] = tap_fma(w[l], x[i + l], y[i]);
    for (int64_t i = 0; i < n; i++) y[i] += bias;
    if (j->silu)
        for (int64_t i = 0; i < n; i++) y[i] *= tap_sigmoidf(y[i]);
    if (j->y) tap_from_f32(t, n, y, j->y + (size_t)(row * n) * each);
    if (j->present) tap_from_f32(t, k - 1, x + n, j->present + (size_t)(row * (k - 1)) * each);
}

static void causal_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const causal_job *j = arg;
    for (int64_t i = begin; i < end; i++) causal_row(j, i, j->room + worker * 2 * (j->k + j->length));
}

static tap_status causal_run(tap_ctx *ctx) {
    const causal_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    causal_job j = {.x = x,
                    .w = ctx->in[1],
                    .bias = in(ctx, 2),
                    .past = in(ctx, 3),
                    .y = out_data(ctx, 0),
                    .present = out_data(ctx, 1),
                    .silu = s->silu,
                    .channels = x->dims[1],
                    .length = x->dims[2],
                    .k = ctx->in[1]->dims[2]};
    size_t bytes;
    if (!tap_mul_size((size_t)(j.k + j.length) * 2 * sizeof(float), (size_t)tap_workers(ctx), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "a row does not fit in memory");
    j.room = tap_scratch(ctx, bytes);
    if (!j.room) return TAP_MEMORY;
    tap_parallel(ctx, x->dims[0] * j.channels, tap_max64(1, TASK_ELEMENTS / (j.length + j.k)), causal_rows,
                 &j);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "LinearAttention",
     .since = 27,
     .in_min = 3,
     .in_max = 6,
     .out_min = 1,
     .out_max = 2,
     .dtypes = TYPES,
     .prepare = linear_prepare,
     .infer = linear_infer,
     .run = linear_run},
    {.name = "CausalConvWithState",
     .since = 27,
     .in_min = 2,
     .in_max = 4,
     .out_min = 1,
     .out_max = 2,
     .dtypes = TYPES,
     .prepare = causal_prepare,
     .infer = causal_infer,
     .run = causal_run},
    {0},
};

TAP_DEFINE_FAMILY(linear_attention, ops);
