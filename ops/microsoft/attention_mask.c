/* Pieces of functions of com.microsoft: what attention adds to its scores, as one tensor; biases of packed
 * projections. */
#include <float.h>
#include <math.h>

#include "common/move.h"
#include "common/elementwise.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

/* ---- AttentionMask: mask[batch][1 or heads][queries][total] ----
 *
 * Of keys that the mask takes out the filter's value, of others 0; keys behind a query's own place, where
 * that is asked for, the least float32; then the attention bias is added. The mask is by its rank
 *
 *     1   [batch] keys that count, or [2 batch] where they end and where they begin, or [3 batch + 2], whose
 *         first part is keys that count
 *     2   [batch][total], 0 takes out; [batch][1]: all count
 *     3   [batch][queries][total]
 *     4   [batch][1][most][most], by place in the whole sequence */

enum { IN_Q, IN_K, IN_MASK, IN_BIAS, IN_PAST };

typedef struct mask_state {
    bool causal;
    float filter;
} mask_state;

static tap_status mask_prepare(tap_ctx *ctx, void **state) {
    mask_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->causal = tap_attr_int(ctx, "causal", 0) != 0;
    s->filter = tap_attr_float(ctx, "filter", -10000);
    return TAP_OK;
}

typedef struct sizes {
    int64_t batch, heads, queries, past, total; /* -1: unknown */
} sizes;

static void find_sizes(tap_ctx *ctx, sizes *z) {
    const tap_type *q = tap_in_type(ctx, IN_Q), *k = tap_in_type(ctx, IN_K),
                   *past = tap_in_type(ctx, IN_PAST);
    const bool none = !tap_has_in(ctx, IN_PAST);
    const int64_t keys = k->rank == 4 ? k->dims[2] : -1;
    *z = (sizes){-1, -1, -1, none ? 0 : past && past->rank == 4 ? past->dims[2] : -1, -1};
    if (q->rank == 4) z->batch = q->dims[0], z->heads = q->dims[1], z->queries = q->dims[2];
    if (keys >= 0 && z->past >= 0 && !tap_add64(keys, z->past, &z->total)) z->total = -1;
}

static tap_status mask_misfit(tap_ctx *ctx, const tap_type *m, const sizes *z) {
    tap_dims_text text;
    return tap_fail(ctx, tap_misfit(ctx),
                    "the mask is %s, which does not fit to %lld batches of %lld queries and %lld keys",
                    tap_show_dims(&text, m->rank, m->dims), (long long)z->batch, (long long)z->queries,
                    (long long)z->total);
}

static bool may_be(int64_t have, int64_t want) {
    return have < 0 || want < 0 || have == want;
}

static bool mask_fits(const tap_type *m, const sizes *z) {
    const int64_t *d = m->dims, b = z->batch;
    switch (m->rank) {
    case 1:
        return b < 0 || b > INT32_MAX || may_be(d[0], b) || may_be(d[0], 2 * b) || may_be(d[0], 3 * b + 2);
    case 2: return d[1] == 1 ? may_be(d[0], b) || d[0] == 1 : may_be(d[0], b) && may_be(d[1], z->total);
    case 3: return may_be(d[0], b) && may_be(d[1], z->queries) && may_be(d[2], z->total);
    case 4:
        return may_be(d[0], b) && may_be(d[1], 1) && may_be(d[2], d[3]) &&
               (d[3] < 0 || z->total < 0 || d[3] >= z->total);
    default: return false;
    }
}

/* [batch or 1][heads or 1][queries][total] */
static tap_status check_bias(tap_ctx *ctx, const sizes *z, int64_t *heads) {
    const tap_type *t = tap_in_type(ctx, IN_BIAS);
    *heads = tap_has_in(ctx, IN_BIAS) ? -1 : 1;
    tap_status status = tap_need_same_dtype(ctx, IN_Q, IN_BIAS, "attention_bias");
    if (!status) status = tap_need_rank(ctx, IN_BIAS, 4, 4, "attention_bias");
    if (status || !t || t->rank < 0) return status;
    const int64_t want[4] = {t->dims[0] == 1 ? 1 : z->batch, t->dims[1] == 1 ? 1 : z->heads, z->queries,
                             z->total};
    *heads = t->dims[1];
    return tap_need_shape(ctx, IN_BIAS, 4, want, "attention_bias");
}

static tap_status mask_infer(tap_ctx *ctx) {
    const tap_type *m = tap_in_type(ctx, IN_MASK);
    sizes z;
    int64_t heads;
    find_sizes(ctx, &z);
    tap_status status = tap_need_dtype(ctx, IN_MASK, TAP_BIT(TAP_INT32), "the mask");
    if (!status && m && m->rank >= 0 && !mask_fits(m, &z)) status = mask_misfit(ctx, m, &z);
    if (!status) status = check_bias(ctx, &z, &heads);
    if (status) return status;
    return tap_out_type(ctx, 0, TAP_FLOAT, 4, (int64_t[]){z.batch, heads, z.queries, z.total});
}

typedef struct mask_job {
    const mask_state *s;
    const tap_tensor *mask, *bias, *y;
    int64_t past, batch;
} mask_job;

/* Of query i of batch b: what the mask adds to its keys. */
static void mask_row(const mask_job *j, int64_t b, int64_t i, float *row) {
    const tap_tensor *m = j->mask;
    const int64_t n = j->y->dims[3], queries = j->y->dims[2];
    const int32_t *v = m ? m->data : NULL;
    const float filter = j->s->filter;
    memset(row, 0, (size_t)n * sizeof *row);
    if (m && m->rank == 1) {
        const int64_t end = v[b], begin = m->dims[0] == 2 * j->batch ? v[j->batch + b] : 0;
        for (int64_t k = 0; k < n; k++) row[k] = k < begin || k >= end ? filter : 0;
    } else if (m && !(m->rank == 2 && m->dims[1] == 1 && n != 1)) {
        const int64_t most = m->dims[m->rank - 1];
        if (m->rank == 2) v += m->dims[0] == 1 ? 0 : b * n;
        if (m->rank == 3) v += (b * queries + i) * n;
        if (m->rank == 4) v += (b * most + tap_min64(j->past + i, most - 1)) * most;
        for (int64_t k = 0; k < n; k++) row[k] = v[k] > 0 ? 0 : filter;
    }
    if (j->s->causal)
        for (int64_t k = j->past + i + 1; k < n; k++) row[k] = -FLT_MAX;
}

/* Rows of queries first .. last, counted over batches and heads. */
static void mask_task(void *arg, int64_t first, int64_t last, int worker) {
    const mask_job *j = arg;
    const tap_tensor *y = j->y, *t = j->bias;
    const int64_t heads = y->dims[1], queries = y->dims[2], n = y->dims[3];
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        float *row = (float *)y->data + r * n;
        const int64_t i = r % queries, h = r / queries % heads, b = r / queries / heads;
        mask_row(j, b, i, row);
        if (!t) continue;
        const int64_t at = (((t->dims[0] == 1 ? 0 : b) * t->dims[1] + h) * queries + i) * n;
        for (int64_t k = 0; k < n; k++) row[k] += (float)tap_real_at(t, at + k);
    }
}

static tap_status mask_run(tap_ctx *ctx) {
    sizes z;
    find_sizes(ctx, &z);
    const tap_tensor *m = ctx->n_in > IN_MASK ? ctx->in[IN_MASK] : NULL;
    mask_job j = {.s = ctx->state,
                  .mask = m,
                  .bias = ctx->n_in > IN_BIAS ? ctx->in[IN_BIAS] : NULL,
                  .y = ctx->out[0],
                  .past = z.past,
                  .batch = z.batch};
    const int64_t n = j.y->dims[3];
    if (j.y->count) tap_parallel(ctx, j.y->count / n, tap_max64(1, 16384 / n), mask_task, &j);
    return TAP_OK;
}

/* ---- AddPart: x + a part of bias[queries + keys + values] (0: the first, 1: from there on, 2: the last), by
 * x's last axis; x is [batch][length][n]. Where x has heads already, it stays as it is, but queries. ---- */

static tap_status part_prepare(tap_ctx *ctx, void **state) {
    int *part = tap_state(ctx, sizeof *part);
    if (!part) return TAP_MEMORY;
    *state = part;
    *part = (int)tap_attr_int(ctx, "part", 0);
    return TAP_OK;
}

static tap_status part_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *bias = tap_in_type(ctx, 1);
    const int part = *(const int *)ctx->state;
    tap_status status = tap_need_same_dtype(ctx, 0, 1, "bias");
    if (!status) status = tap_need_rank(ctx, 0, 3, 5, "query, key or value");
    if (!status) status = tap_need_rank(ctx, 1, 1, 1, "bias");
    if (status) return status;
    if (x->rank == 5)
        return tap_fail(ctx, tap_misfit(ctx), "bias goes with queries, keys and values that are not packed");
    if (x->rank == 3 && x->dims[2] >= 0 && bias->rank == 1 && bias->dims[0] >= 0 &&
        (bias->dims[0] / (part < 2 ? part + 1 : 1) < x->dims[2]))
        return tap_fail(ctx, tap_misfit(ctx), "bias has %lld elements, which do not fit to %lld of the input",
                        (long long)bias->dims[0], (long long)x->dims[2]);
    return tap_out_like(ctx, 0, x);
}

TAP_LOOP2(add_FLOAT, float, float, a + b)
TAP_LOOP2(add_DOUBLE, double, double, a + b)
TAP_HALVES2(add)
static tap_loop *const add_loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(add)};

static tap_status part_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *bias = ctx->in[1];
    const int part = *(const int *)ctx->state;
    const size_t width = tap_dtype_bytes(x->dtype);
    if (x->rank != 3) {
        tap_move_bytes(ctx, x->count * (int64_t)width, x->data, ctx->out[0]->data);
        return TAP_OK;
    }
    const int64_t n = x->dims[2], at = part == 2 ? bias->count - n : part * n;
    const tap_tensor some = {.dtype = x->dtype,
                             .rank = 1,
                             .dims = {n},
                             .count = n,
                             .data = (char *)bias->data + (size_t)at * width};
    const tap_tensor *in[2] = {x, &some};
    return tap_broadcast(ctx, add_loops[x->dtype], NULL, in, 2, ctx->out, 1);
}

/* ---- FromBeams: y[b * beams + j][heads][place][d] = x of beam indirection[b][j][place] of batch b, for
 * places before `length`; others are not looked at ---- */

static tap_status beams_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *t = tap_in_type(ctx, 1);
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "past_key or past_value");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT32), "cache_indirection");
    if (!st) st = tap_need_rank(ctx, 1, 3, 3, "cache_indirection");
    if (!st) st = tap_need_one(ctx, 2, "past_sequence_length");
    if (st) return st;
    if (x->rank == 4 && t->rank == 3) {
        const int64_t rows = tap_product(t->dims, 2);
        if ((rows >= 0 && x->dims[0] >= 0 && rows != x->dims[0]) ||
            (t->dims[2] >= 0 && t->dims[2] < x->dims[2]))
            return tap_fail(ctx, tap_misfit(ctx),
                            "cache_indirection does not fit to %lld rows of %lld places",
                            (long long)x->dims[0], (long long)x->dims[2]);
    }
    return tap_out_like(ctx, 0, x);
}

static tap_status beams_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *t = ctx->in[1];
    const int64_t *d = x->dims, beams = t->dims[1];
    const size_t row = (size_t)d[3] * tap_dtype_bytes(x->dtype);
    const int32_t *from = t->data;
    const int64_t length = tap_min64(d[2], tap_int_at(ctx->in[2], 0));
    if (x->count) memset(ctx->out[0]->data, 0, (size_t)x->count * tap_dtype_bytes(x->dtype));
    for (int64_t r = 0; r < d[0] && x->count; r++)
        for (int64_t p = 0; p < length; p++) {
            const int64_t beam = from[r * t->dims[2] + p];
            if (beam < 0 || beam >= beams)
                return tap_fail(ctx, TAP_RUN, "cache_indirection has beam %lld; there are %lld",
                                (long long)beam, (long long)beams);
            for (int64_t h = 0; h < d[1]; h++)
                memcpy((char *)ctx->out[0]->data + (size_t)((r * d[1] + h) * d[2] + p) * row,
                       (const char *)x->data +
                           (size_t)(((r / beams * beams + beam) * d[1] + h) * d[2] + p) * row,
                       row);
        }
    return TAP_OK;
}

#define PIECE "A piece of functions of com.microsoft."

static const tap_op ops[] = {
    {TAP_MS_PIECE("AttentionMask", 2, 5, 1, 1), .dtypes = TAP_TYPES_FLOAT, .prepare = mask_prepare,
     .infer = mask_infer, .run = mask_run, .notes = PIECE},
    {TAP_MS_PIECE("AddPart", 2, 2, 1, 1), .loops = add_loops, .prepare = part_prepare, .infer = part_infer,
     .run = part_run, .notes = PIECE},
    {TAP_MS_PIECE("FromBeams", 3, 3, 1, 1), .dtypes = TAP_TYPES_FLOAT, .infer = beams_infer, .run = beams_run,
     .notes = PIECE},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_attention_mask, ops);
