/* FlexAttention: attention whose scores and probabilities pass through graphs of the model.
 *
 * A graph sees all scores at once, [batch][heads][queries][keys], so they are held in memory as a whole. */
#include <math.h>

#include "common/bodies.h"
#include "common/cast.h"
#include "common/gemm.h"
#include "common/shape.h"
#include "common/softmax.h"
#include "common/widen.h"

/* Scores that a task of the softmax should have. */
#define TASK_ELEMENTS 16384

enum { IN_Q, IN_K, IN_V };

typedef struct flex_state {
    tap_body *score_mod, *prob_mod; /* NULL: none                               */
    bool has_scale;
    float scale;
    tap_dtype precision; /* of scores and probabilities; UNDEFINED: float64 for float64, else float32 */
} flex_state;

static tap_status take_body(tap_ctx *ctx, const char *name, tap_body **body) {
    *body = tap_attr_has(ctx, name) ? tap_required_body(ctx, name, 1, 1) : NULL;
    if (!*body) return TAP_OK; /* what is wrong with it is recorded */
    if (tap_body_n_out(*body) == 1) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "%s has %zu outputs; it takes one tensor and gives one", name,
                    tap_body_n_out(*body));
}

static tap_status flex_prepare(tap_ctx *ctx, void **state) {
    flex_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    tap_status status = take_body(ctx, "score_mod", &s->score_mod);
    if (!status) status = take_body(ctx, "prob_mod", &s->prob_mod);
    s->has_scale = tap_attr_has(ctx, "scale");
    s->scale = tap_attr_float(ctx, "scale", 0);
    const int64_t precision = tap_attr_int(ctx, "softmax_precision", 0);
    if (precision < 0 || precision >= TAP_DTYPE_COUNT ||
        (precision && !(TAP_BIT(precision) & TAP_TYPES_FLOAT)))
        return tap_fail(ctx, TAP_MODEL, "softmax_precision %lld is no float type; use 1, 10, 11 or 16",
                        (long long)precision);
    s->precision = (tap_dtype)precision;
    return status;
}

/* ---- Shapes ---------------------------------------------------------------------------------------- */

static tap_dtype precision_of(const flex_state *s, tap_dtype q) {
    if (s->precision || !q) return s->precision;
    return q == TAP_DOUBLE ? TAP_DOUBLE : TAP_FLOAT;
}

/* dims[axis] of input i; -1: unknown. */
static int64_t dim(const tap_ctx *ctx, int i, int axis) {
    const tap_type *t = tap_in_type(ctx, i);
    return t && t->rank == 4 ? t->dims[axis] : -1;
}

/* The dimension that two inputs share; fails where they differ. */
static tap_status shared(tap_ctx *ctx, int a, int b, int axis, const char *what, int64_t *size) {
    const int64_t x = dim(ctx, a, axis), y = dim(ctx, b, axis);
    *size = x < 0 ? y : x;
    if (x < 0 || y < 0 || x == y) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s of %c and %c differ: %lld and %lld", what, "QKV"[a], "QKV"[b],
                    (long long)x, (long long)y);
}

typedef struct sizes {
    int64_t batch, heads, kv_heads, queries, keys, d, dv; /* -1: unknown */
} sizes;

static tap_status find_sizes(tap_ctx *ctx, sizes *z) {
    static const char *const names[] = {"Q", "K", "V"};
    tap_status status = TAP_OK;
    for (int i = IN_Q; i <= IN_V && !status; i++) status = tap_need_rank(ctx, i, 4, 4, names[i]);
    if (!status) status = shared(ctx, IN_K, IN_V, 0, "batch sizes", &z->batch);
    if (!status) status = shared(ctx, IN_Q, IN_V, 0, "batch sizes", &z->batch);
    if (!status) status = shared(ctx, IN_Q, IN_K, 0, "batch sizes", &z->batch);
    if (!status) status = shared(ctx, IN_K, IN_V, 1, "numbers of heads", &z->kv_heads);
    if (!status) status = shared(ctx, IN_K, IN_V, 2, "lengths", &z->keys);
    if (!status) status = shared(ctx, IN_Q, IN_K, 3, "head sizes", &z->d);
    z->heads = dim(ctx, IN_Q, 1);
    z->queries = dim(ctx, IN_Q, 2);
    z->dv = dim(ctx, IN_V, 3);
    if (!status && z->heads >= 0 && z->kv_heads >= 0 &&
        (z->kv_heads == 0 ? z->heads > 0 : z->heads % z->kv_heads != 0))
        return tap_fail(ctx, tap_misfit(ctx), "%lld heads of Q cannot share %lld heads of K",
                        (long long)z->heads, (long long)z->kv_heads);
    return status;
}

/* What a graph gives has the type of what it took. */
static tap_status check_modified(tap_ctx *ctx, const char *name, const tap_type *got, const tap_type *want) {
    tap_dims_text a, b;
    if (got->kind == TAP_KIND_NONE) return TAP_OK;
    if (got->kind != TAP_KIND_TENSOR || (got->dtype && want->dtype && got->dtype != want->dtype))
        return tap_fail(ctx, tap_misfit(ctx), "%s has to give a tensor of %s", name,
                        tap_dtype_name(want->dtype));
    bool same = got->rank < 0 || got->rank == 4;
    for (int i = 0; same && i < got->rank; i++)
        same = got->dims[i] < 0 || want->dims[i] < 0 || got->dims[i] == want->dims[i];
    if (same) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s takes %s and gives %s; the shape has to stay", name,
                    tap_show_dims(&b, 4, want->dims), tap_show_dims(&a, got->rank, got->dims));
}

static tap_status infer_body(tap_ctx *ctx, tap_body *body, const char *name, const tap_type *scores) {
    tap_type out;
    if (!body) return TAP_OK;
    tap_status status = tap_body_infer(ctx, body, &scores, 1, 1, &out);
    return status ? status : check_modified(ctx, name, &out, scores);
}

static tap_status flex_infer(tap_ctx *ctx) {
    const flex_state *s = ctx->state;
    const tap_type *q = tap_in_type(ctx, IN_Q);
    sizes z;
    tap_status status = tap_need_same_dtype(ctx, IN_Q, IN_K, "K");
    if (!status) status = tap_need_same_dtype(ctx, IN_Q, IN_V, "V");
    if (!status) status = find_sizes(ctx, &z);
    if (status) return status;
    const tap_type scores = {.kind = TAP_KIND_TENSOR,
                             .dtype = precision_of(s, q->dtype),
                             .rank = 4,
                             .dims = {z.batch, z.heads, z.queries, z.keys}};
    status = infer_body(ctx, s->score_mod, "score_mod", &scores);
    if (!status) status = infer_body(ctx, s->prob_mod, "prob_mod", &scores);
    return status ? status
                  : tap_out_type(ctx, 0, q->dtype, 4, (int64_t[]){z.batch, z.heads, z.queries, z.dv});
}

/* ---- Run ------------------------------------------------------------------------------------------- */

/* The elements of x as dtype to: where they lie, or converted in scratch. NULL: no memory. */
static const void *as(tap_ctx *ctx, const tap_tensor *x, tap_dtype to) {
    if (x->dtype == to) return x->data;
    void *y = tap_scratch(ctx, (size_t)x->count * tap_dtype_bytes(to));
    if (y) TAP_ISA_NAME(tap_cast_dense)(x->dtype, to, x->count, x->data, y);
    return y;
}

/* c[batch][heads][m][n] = a[batch][heads][m][k] times b[batch][kv_heads], each b shared by a group of heads.
 */
static tap_status products(tap_ctx *ctx, const sizes *z, tap_gemm *g) {
    const int64_t n = z->batch * z->heads, group = z->heads / tap_max64(1, z->kv_heads);
    size_t bytes;
    if (!tap_mul_size((size_t)n, 3 * sizeof(int64_t), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "%lld heads do not fit in memory", (long long)n);
    int64_t(*at)[3] = tap_scratch(ctx, bytes);
    if (!at) return TAP_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        at[i][0] = i * g->m * g->k;
        at[i][1] = (i / z->heads * z->kv_heads + i % z->heads / group) * g->k * g->n;
        at[i][2] = i * g->m * g->n;
    }
    return tap_gemm_batch(ctx, g, n, (const int64_t(*)[3])at);
}

/* y = Q times scale, in the dtype that is computed with. NULL: no memory. */
static const void *scaled_queries(tap_ctx *ctx, const sizes *z, tap_dtype wide) {
    const flex_state *s = ctx->state;
    const tap_tensor *q = ctx->in[IN_Q];
    const double scale = s->has_scale ? (double)s->scale : 1 / sqrt((double)tap_max64(1, z->d));
    void *y = tap_scratch(ctx, (size_t)q->count * tap_dtype_bytes(wide));
    if (!y) return NULL;
    TAP_ISA_NAME(tap_cast_dense)(q->dtype, wide, q->count, q->data, y);
    if (wide == TAP_DOUBLE)
        for (int64_t i = 0; i < q->count; i++) ((double *)y)[i] *= scale;
    else
        for (int64_t i = 0; i < q->count; i++) ((float *)y)[i] *= (float)scale;
    return y;
}

/* Q K' scale, in the softmax's precision. */
static tap_status find_scores(tap_ctx *ctx, const sizes *z, tap_tensor *scores) {
    const tap_dtype wide = tap_wide(ctx->in[IN_Q]->dtype);
    const bool direct = scores->dtype == wide;
    tap_gemm g = {.dtype = wide,
                  .m = z->queries,
                  .n = z->keys,
                  .k = z->d,
                  .lda = z->d,
                  .ldb = z->d,
                  .trans_b = true,
                  .ldc = z->keys};
    g.a = scaled_queries(ctx, z, wide);
    g.b = as(ctx, ctx->in[IN_K], wide);
    g.c = direct ? scores->data : tap_scratch(ctx, (size_t)scores->count * tap_dtype_bytes(wide));
    if (!g.a || !g.b || !g.c) return TAP_MEMORY;
    tap_status status = products(ctx, z, &g);
    if (!status && !direct)
        TAP_ISA_NAME(tap_cast_dense)(wide, scores->dtype, scores->count, g.c, scores->data);
    return status;
}

/* Puts what the graph makes of *v in its place. */
static tap_status modify(tap_ctx *ctx, tap_body *body, const char *name, tap_value **v) {
    if (!body) return TAP_OK;
    const tap_tensor *x = tap_value_tensor(*v);
    const tap_value *in = *v;
    tap_value *out = NULL;
    tap_type want = {.kind = TAP_KIND_TENSOR, .dtype = x->dtype, .rank = 4},
             got = {.kind = TAP_KIND_SEQUENCE};
    memcpy(want.dims, x->dims, 4 * sizeof *x->dims);
    tap_status status = tap_body_run(ctx, body, -1, &in, 1, &out, 1);
    if (status) return status;
    const tap_tensor *y = tap_value_tensor(out);
    if (y) {
        got = (tap_type){.kind = TAP_KIND_TENSOR, .dtype = y->dtype, .rank = y->rank};
        memcpy(got.dims, y->dims, (size_t)y->rank * sizeof *y->dims);
    }
    status = check_modified(ctx, name, &got, &want);
    tap_value_release(status ? out : *v);
    if (!status) *v = out;
    return status;
}

typedef struct rows {
    const void *x;
    void *y;
    tap_dtype dtype; /* FLOAT, DOUBLE */
    int64_t n;       /* elements of a row */
} rows;

static void softmax_rows(void *arg, int64_t begin, int64_t end, int worker) {
    const rows *r = arg;
    (void)worker;
    for (int64_t i = begin * r->n; i < end * r->n; i += r->n)
        if (r->dtype == TAP_DOUBLE)
            tap_softmax_f64((const double *)r->x + i, (double *)r->y + i, r->n, 1, 1, false);
        else
            tap_softmax_f32((const float *)r->x + i, (float *)r->y + i, r->n, 1, 1, false);
}

/* A new tensor in place of *v: what a graph gave may be a weight of the model. */
static tap_status softmax(tap_ctx *ctx, tap_value **v) {
    const tap_tensor *x = tap_value_tensor(*v);
    const tap_dtype wide = tap_wide(x->dtype);
    tap_tensor *y;
    tap_value *made = tap_make(ctx, x->dtype, x->rank, x->dims, &y);
    if (!made) return TAP_MEMORY;
    rows r = {.x = as(ctx, x, wide), .dtype = wide, .n = x->dims[3]};
    r.y = wide == y->dtype ? y->data : tap_scratch(ctx, (size_t)x->count * tap_dtype_bytes(wide));
    const bool ok = r.x && r.y;
    if (ok) {
        tap_parallel(ctx, x->count / r.n, tap_max64(1, TASK_ELEMENTS / r.n), softmax_rows, &r);
        if (wide != y->dtype) TAP_ISA_NAME(tap_cast_dense)(wide, y->dtype, y->count, r.y, y->data);
    }
    tap_value_release(ok ? *v : made);
    if (ok) *v = made;
    return ok ? TAP_OK : TAP_MEMORY;
}

/* The product with V is of the softmax's precision, too, and rounded to it. */
static tap_status weigh(tap_ctx *ctx, const sizes *z, const tap_tensor *probs, tap_tensor *y) {
    const tap_dtype wide = tap_wide(probs->dtype);
    const bool direct = y->dtype == wide && probs->dtype == wide;
    tap_gemm g = {
        .dtype = wide, .m = z->queries, .n = z->dv, .k = z->keys, .lda = z->keys, .ldb = z->dv, .ldc = z->dv};
    g.a = as(ctx, probs, wide);
    g.b = as(ctx, ctx->in[IN_V], wide);
    g.c = direct ? y->data : tap_scratch(ctx, (size_t)y->count * tap_dtype_bytes(wide));
    if (!g.a || !g.b || !g.c) return TAP_MEMORY;
    tap_status status = products(ctx, z, &g);
    if (status || direct) return status;
    const tap_tensor sums = {.dtype = wide, .count = y->count, .data = g.c};
    tap_tensor rounded = {.dtype = probs->dtype, .count = y->count};
    if (!(rounded.data = (void *)(uintptr_t)as(ctx, &sums, probs->dtype))) return TAP_MEMORY;
    TAP_ISA_NAME(tap_cast_dense)(rounded.dtype, y->dtype, y->count, rounded.data, y->data);
    return TAP_OK;
}

static tap_status flex_run(tap_ctx *ctx) {
    const flex_state *s = ctx->state;
    const tap_dtype dtype = ctx->in[IN_Q]->dtype;
    tap_tensor *y, *scores;
    sizes z;
    tap_status status = find_sizes(ctx, &z);
    if (status) return status;
    y = tap_out(ctx, 0, dtype, 4, (int64_t[]){z.batch, z.heads, z.queries, z.dv});
    if (!y) return TAP_MEMORY;
    if (y->count == 0) return TAP_OK;
    if (z.keys == 0) { /* the sum over no key */
        memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
        return TAP_OK;
    }
    tap_value *v =
        tap_make(ctx, precision_of(s, dtype), 4, (int64_t[]){z.batch, z.heads, z.queries, z.keys}, &scores);
    if (!v) return TAP_MEMORY;
    status = find_scores(ctx, &z, scores);
    if (!status) status = modify(ctx, s->score_mod, "score_mod", &v);
    if (!status) status = softmax(ctx, &v);
    if (!status) status = modify(ctx, s->prob_mod, "prob_mod", &v);
    if (!status) status = weigh(ctx, &z, tap_value_tensor(v), y);
    tap_value_release(v);
    return status;
}

static const tap_op ops[] = {
    {.name = "FlexAttention",
     .domain = "ai.onnx.preview",
     .since = 1,
     .in_min = 3,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_HAS_BODY,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = flex_prepare,
     .infer = flex_infer,
     .run = flex_run,
     .notes = "A query all of whose scores are -inf gives NaN, as Softmax does."},
    {0},
};

TAP_DEFINE_FAMILY(flex_attention, ops);
