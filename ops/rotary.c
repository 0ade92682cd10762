/* RotaryEmbedding: pairs of a head's elements turned by the angle of the token's position. Computed in
 * float32. */
#include "common/real.h"
#include "common/shape.h"

/* Elements that a task should have. */
#define TASK_ELEMENTS 16384

typedef struct rotary_state {
    int64_t n_heads, rotated; /* 0: not given */
    bool interleaved;
} rotary_state;

static tap_status prepare(tap_ctx *ctx, void **state) {
    rotary_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->n_heads = tap_attr_int(ctx, "num_heads", 0);
    s->rotated = tap_attr_int(ctx, "rotary_embedding_dim", 0);
    s->interleaved = tap_attr_int(ctx, "interleaved", 0) != 0;
    if (s->n_heads < 0 || s->rotated < 0 || s->rotated % 2)
        return tap_fail(ctx, TAP_MODEL, "num_heads may not be negative, rotary_embedding_dim must be even");
    return TAP_OK;
}

/* What X says; -1: unknown. x[batch][heads][length][d] or x[batch][length][heads * d]. */
typedef struct sizes {
    int64_t batch, heads, length, d, rotated;
} sizes;

static tap_status find_sizes(tap_ctx *ctx, sizes *z) {
    const rotary_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_rank(ctx, 0, 3, 4, "X");
    *z = (sizes){-1, -1, -1, -1, -1};
    if (status || x->rank < 0) return status;
    z->batch = x->dims[0];
    if (x->rank == 4) {
        z->heads = x->dims[1];
        z->length = x->dims[2];
        z->d = x->dims[3];
    } else {
        if (s->n_heads == 0) return tap_fail(ctx, TAP_MODEL, "num_heads must be given where X has rank 3");
        if (x->dims[2] >= 0 && x->dims[2] % s->n_heads)
            return tap_fail(ctx, tap_misfit(ctx), "%lld elements cannot be shared out to %lld heads",
                            (long long)x->dims[2], (long long)s->n_heads);
        z->heads = s->n_heads;
        z->length = x->dims[1];
        z->d = x->dims[2] < 0 ? -1 : x->dims[2] / s->n_heads;
    }
    z->rotated = s->rotated ? s->rotated : z->d;
    if (z->d >= 0 && (z->rotated > z->d || z->rotated % 2))
        return tap_fail(ctx, tap_misfit(ctx),
                        "of heads of %lld elements %lld are to be rotated: it must be an even number of them",
                        (long long)z->d, (long long)z->rotated);
    return TAP_OK;
}

static tap_status infer(tap_ctx *ctx) {
    sizes z;
    bool by_position = tap_has_in(ctx, 3);
    tap_status status = find_sizes(ctx, &z);
    int64_t half = z.rotated < 0 ? -1 : z.rotated / 2;
    int64_t cache2[2] = {-1, half}, cache3[3] = {z.batch, z.length, half}, positions[2] = {z.batch, z.length};
    for (int i = 1; i <= 2 && !status; i++) {
        const char *what = i == 1 ? "cos_cache" : "sin_cache";
        status = tap_need_same_dtype(ctx, 0, i, what);
        if (!status)
            status = tap_need_shape(ctx, i, by_position ? 2 : 3, by_position ? cache2 : cache3, what);
    }
    if (!status) status = tap_need_dtype(ctx, 3, TAP_BIT(TAP_INT64), "position_ids");
    if (!status) status = tap_need_shape(ctx, 3, 2, positions, "position_ids");
    return status ? status : tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

typedef struct job {
    sizes z;
    bool interleaved;
    tap_dtype dtype;
    const char *x, *cos, *sin;
    char *y;
    const int64_t *position;        /* [batch][length]; NULL: the caches are by token */
    int64_t x_batch, x_head, x_row; /* steps in elements                              */
    float *room;                    /* of each worker: cos, sin, a head and its result */
} job;

static void rotate(const job *j, const float *cos, const float *sin, const float *restrict x,
                   float *restrict y) {
    int64_t half = j->z.rotated / 2;
    for (int64_t i = 0; i < half; i++) {
        int64_t a = j->interleaved ? 2 * i : i, b = j->interleaved ? 2 * i + 1 : i + half;
        y[a] = cos[i] * x[a] - sin[i] * x[b];
        y[b] = sin[i] * x[a] + cos[i] * x[b];
    }
    for (int64_t i = j->z.rotated; i < j->z.d; i++) y[i] = x[i];
}

/* All heads of tokens begin to end, counted over the batch. */
static void tokens(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    size_t each = tap_dtype_bytes(j->dtype);
    int64_t half = j->z.rotated / 2, d = j->z.d;
    float *cos = j->room + worker * (j->z.rotated + 2 * d), *sin = cos + half, *x = sin + half, *y = x + d;
    for (int64_t t = begin; t < end; t++) {
        size_t row = (size_t)((j->position ? j->position[t] : t) * half) * each;
        tap_to_f32(j->dtype, half, j->cos + row, cos);
        tap_to_f32(j->dtype, half, j->sin + row, sin);
        for (int64_t h = 0; h < j->z.heads; h++) {
            size_t at =
                (size_t)(t / j->z.length * j->x_batch + h * j->x_head + t % j->z.length * j->x_row) * each;
            tap_to_f32(j->dtype, d, j->x + at, x);
            rotate(j, cos, sin, x, y);
            tap_from_f32(j->dtype, d, y, j->y + at);
        }
    }
}

static tap_status check_positions(tap_ctx *ctx, const job *j, int64_t n) {
    for (int64_t t = 0; j->position && t < j->z.batch * j->z.length; t++)
        if (j->position[t] < 0 || j->position[t] >= n)
            return tap_fail(ctx, TAP_RUN,
                            "position_ids has %lld at element %lld; the caches have %lld positions",
                            (long long)j->position[t], (long long)t, (long long)n);
    return TAP_OK;
}

static tap_status run(tap_ctx *ctx) {
    const rotary_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    job j = {.interleaved = s->interleaved,
             .dtype = x->dtype,
             .x = x->data,
             .cos = ctx->in[1]->data,
             .sin = ctx->in[2]->data,
             .y = ctx->out[0]->data};
    tap_status status = find_sizes(ctx, &j.z);
    if (status || x->count == 0) return status;
    if (ctx->n_in > 3 && ctx->in[3]) j.position = ctx->in[3]->data;
    int64_t least = tap_min64(ctx->in[1]->dims[0], ctx->in[2]->dims[0]);
    if ((status = check_positions(ctx, &j, least))) return status;
    j.x_batch = x->count / j.z.batch;
    j.x_head = x->rank == 4 ? j.z.length * j.z.d : j.z.d;
    j.x_row = x->rank == 4 ? j.z.d : j.z.heads * j.z.d;
    j.room = tap_scratch(ctx, (size_t)tap_workers(ctx) * (size_t)(j.z.rotated + 2 * j.z.d) * sizeof(float));
    if (!j.room) return TAP_MEMORY;
    tap_parallel(ctx, j.z.batch * j.z.length, tap_max64(1, TASK_ELEMENTS / tap_max64(1, j.z.heads * j.z.d)),
                 tokens, &j);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "RotaryEmbedding",
     .since = 23,
     .in_min = 3,
     .in_max = 4,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16),
     .prepare = prepare,
     .infer = infer,
     .run = run},
    {0},
};

TAP_DEFINE_FAMILY(rotary, ops);
