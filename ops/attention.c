/* Attention: softmax(Q K' scale + mask) V for each head.
 *
 * The queries of all heads that share a key head are rows of one matrix. Blocks of BLOCK_ROWS of them are
 * tasks; a task has its scores for itself and computes none beyond the last key that its rows may see. With
 * FEW_ROWS rows or less (a step of generation) keys and values are read where they lie, else they are packed
 * once for all tasks. Halves are computed with in float32. */
#include <math.h>

#include "common/gemm.h"
#include "common/math.h"
#include "common/math64.h"
#include "common/real.h"
#include "common/reduce.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "common/softmax.h"
#include "common/widen.h"

#define BLOCK_ROWS 64
#define FEW_ROWS   4
#define VALUE_ROWS 256 /* values that are packed together */

typedef struct attention_state {
    int64_t q_heads, kv_heads; /* 0: not given (4-D inputs) */
    int64_t left, right;       /* window; -1: unbounded     */
    bool causal, has_scale;
    float scale, softcap;
    int mode;            /* what output 3 shows       */
    tap_dtype precision; /* of the softmax; UNDEFINED: as computed */
    int since;           /* the opset                 */
} attention_state;

static tap_status prepare(tap_ctx *ctx, void **state) {
    attention_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->since = (int)tap_min64(tap_opset(ctx), 1000);
    s->q_heads = tap_attr_int(ctx, "q_num_heads", 0);
    s->kv_heads = tap_attr_int(ctx, "kv_num_heads", 0);
    s->left = s->since >= 25 ? tap_attr_int(ctx, "left_window_size", -1) : -1;
    s->right = s->since >= 25 ? tap_attr_int(ctx, "right_window_size", -1) : -1;
    s->causal = tap_attr_int(ctx, "is_causal", 0) != 0;
    s->has_scale = tap_attr_has(ctx, "scale");
    s->scale = tap_attr_float(ctx, "scale", 0);
    s->softcap = tap_attr_float(ctx, "softcap", 0);
    int64_t mode = tap_attr_int(ctx, "qk_matmul_output_mode", 0),
            precision = tap_attr_int(ctx, "softmax_precision", 0);
    if (mode < 0 || mode > 3)
        return tap_fail(ctx, TAP_MODEL, "qk_matmul_output_mode %lld is not from 0 to 3", (long long)mode);
    if (precision < 0 || precision >= TAP_DTYPE_COUNT ||
        (precision && !(TAP_BIT(precision) & TAP_TYPES_FLOAT)))
        return tap_fail(ctx, TAP_MODEL, "softmax_precision %lld is no float type; use 1, 10, 11 or 16",
                        (long long)precision);
    if (s->q_heads < 0 || s->kv_heads < 0)
        return tap_fail(ctx, TAP_MODEL, "numbers of heads may not be negative");
    if (s->left < -1 || s->right < -1)
        return tap_fail(ctx, TAP_MODEL, "a window is -1 (unbounded) or not negative");
    s->mode = (int)mode;
    s->precision = (tap_dtype)precision;
    return TAP_OK;
}

/* ---- Shapes ---- */

enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_K, IN_PAST_V, IN_NONPAD };

/* Sizes as far as known; -1: unknown. */
typedef struct sizes {
    int64_t batch, heads, kv_heads, queries, keys, past, d, dv;
} sizes;

/* *a = b unless b is unknown; fails where they differ. */
static tap_status agree(tap_ctx *ctx, int64_t *a, int64_t b, const char *what) {
    if (b < 0) return TAP_OK;
    if (*a >= 0 && *a != b)
        return tap_fail(ctx, tap_misfit(ctx), "%s: %lld and %lld do not fit together", what, (long long)*a,
                        (long long)b);
    *a = b;
    return TAP_OK;
}

static tap_status divide(tap_ctx *ctx, int64_t hidden, int64_t heads, const char *what, int64_t *size) {
    *size = -1;
    if (hidden < 0) return TAP_OK;
    if (heads <= 0)
        return tap_fail(ctx, TAP_MODEL, "q_num_heads and kv_num_heads must be given for inputs of rank 3");
    if (hidden % heads)
        return tap_fail(ctx, tap_misfit(ctx), "%s of %lld elements cannot be shared out to %lld heads", what,
                        (long long)hidden, (long long)heads);
    *size = hidden / heads;
    return TAP_OK;
}

/* One of Q, K, V: [batch][heads][n][d], or [batch][n][heads * d]. */
static tap_status read_matrix(tap_ctx *ctx, int i, int64_t *batch, int64_t *heads, int64_t *n, int64_t *d) {
    static const char *const names[] = {"Q", "K", "V"};
    const tap_type *t = tap_in_type(ctx, i);
    int64_t size;
    tap_status status = tap_need_rank(ctx, i, 3, 4, names[i]);
    if (status || t->rank < 0) return status;
    if (t->rank == 3) {
        const attention_state *s = ctx->state;
        status = divide(ctx, t->dims[2], i == IN_Q ? s->q_heads : s->kv_heads, names[i], &size);
        if (!status) status = agree(ctx, n, t->dims[1], "sequence length");
    } else {
        size = t->dims[3];
        status = agree(ctx, heads, t->dims[1], "heads");
        if (!status) status = agree(ctx, n, t->dims[2], "sequence length");
    }
    if (!status) status = agree(ctx, batch, t->dims[0], "batch size");
    return status ? status : agree(ctx, d, size, "head size");
}

/* past_key, past_value: [batch][kv_heads][past][d]. */
static tap_status read_past(tap_ctx *ctx, int i, sizes *z, int64_t *d) {
    const tap_type *t = tap_in_type(ctx, i);
    tap_status status = tap_need_rank(ctx, i, 4, 4, i == IN_PAST_K ? "past_key" : "past_value");
    if (status || !t || t->rank < 0) return status;
    if (!status) status = agree(ctx, &z->batch, t->dims[0], "batch size of past and new keys");
    if (!status) status = agree(ctx, &z->kv_heads, t->dims[1], "heads of past and new keys");
    if (!status) status = agree(ctx, &z->past, t->dims[2], "length of past_key and past_value");
    return status ? status : agree(ctx, d, t->dims[3], "head size of past and new");
}

static tap_status find_sizes(tap_ctx *ctx, sizes *z) {
    const attention_state *s = ctx->state;
    const tap_type *q = tap_in_type(ctx, IN_Q), *k = tap_in_type(ctx, IN_K), *v = tap_in_type(ctx, IN_V);
    *z = (sizes){-1, -1, -1, -1, -1, -1, -1, -1};
    if (s->q_heads) z->heads = s->q_heads;
    if (s->kv_heads) z->kv_heads = s->kv_heads;
    if ((q->rank >= 0 && k->rank >= 0 && q->rank != k->rank) ||
        (k->rank >= 0 && v->rank >= 0 && k->rank != v->rank))
        return tap_fail(ctx, tap_misfit(ctx), "Q, K and V must have the same rank");
    tap_status status = read_matrix(ctx, IN_Q, &z->batch, &z->heads, &z->queries, &z->d);
    if (!status) status = read_matrix(ctx, IN_K, &z->batch, &z->kv_heads, &z->keys, &z->d);
    if (!status) status = read_matrix(ctx, IN_V, &z->batch, &z->kv_heads, &z->keys, &z->dv);
    if (!status) status = read_past(ctx, IN_PAST_K, z, &z->d);
    if (!status) status = read_past(ctx, IN_PAST_V, z, &z->dv);
    if (!tap_has_in(ctx, IN_PAST_K)) z->past = 0;
    if (!status && z->heads >= 0 && z->kv_heads >= 0 &&
        (z->kv_heads == 0 ? z->heads > 0 : z->heads % z->kv_heads != 0))
        return tap_fail(ctx, tap_misfit(ctx), "%lld query heads cannot share %lld key heads",
                        (long long)z->heads, (long long)z->kv_heads);
    return status;
}

static int64_t total_of(const sizes *z) {
    return z->keys < 0 || z->past < 0 ? -1 : z->keys + z->past;
}

static tap_status check_mask(tap_ctx *ctx, const sizes *z) {
    const tap_type *m = tap_in_type(ctx, IN_MASK);
    tap_dims_text text;
    if (!m || m->rank < 0) return TAP_OK;
    const int64_t want[4] = {z->batch, z->heads, z->queries, total_of(z)};
    bool fits = m->rank >= 1 && m->rank <= 4;
    for (int i = 0; fits && i < m->rank; i++) {
        int64_t n = m->dims[m->rank - 1 - i], to = want[3 - i];
        fits = n < 0 || to < 0 || n == 1 || n == to || (i == 0 && n < to);
    }
    if (fits) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "attn_mask does not broadcast to %s",
                    tap_show_dims(&text, 4, want));
}

static tap_status check_others(tap_ctx *ctx, const sizes *z) {
    const tap_type *n = tap_in_type(ctx, IN_NONPAD);
    tap_status status = tap_need_same_dtype(ctx, IN_Q, IN_K, "K");
    if (!status) status = tap_need_dtype(ctx, IN_V, TAP_TYPES_FLOAT, "V");
    if (!status) status = tap_need_dtype(ctx, IN_MASK, TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL), "attn_mask");
    if (!status) status = tap_need_same_dtype(ctx, IN_Q, IN_PAST_K, "past_key");
    if (!status) status = tap_need_same_dtype(ctx, IN_V, IN_PAST_V, "past_value");
    if (!status) status = tap_need_dtype(ctx, IN_NONPAD, TAP_BIT(TAP_INT64), "nonpad_kv_seqlen");
    if (!status) status = tap_need_rank(ctx, IN_NONPAD, 1, 1, "nonpad_kv_seqlen");
    if (status) return status;
    if (tap_has_in(ctx, IN_PAST_K) != tap_has_in(ctx, IN_PAST_V))
        return tap_fail(ctx, TAP_MODEL, "past_key and past_value must be given together");
    if (tap_has_in(ctx, IN_PAST_K) && tap_has_in(ctx, IN_NONPAD))
        return tap_fail(ctx, TAP_MODEL, "nonpad_kv_seqlen cannot be used together with past_key");
    if (n && n->rank == 1 && n->dims[0] >= 0 && z->batch >= 0 && n->dims[0] != z->batch)
        return tap_fail(ctx, tap_misfit(ctx), "nonpad_kv_seqlen must have %lld elements",
                        (long long)z->batch);
    return check_mask(ctx, z);
}

static tap_status infer(tap_ctx *ctx) {
    const tap_type *q = tap_in_type(ctx, IN_Q), *v = tap_in_type(ctx, IN_V);
    sizes z;
    tap_status status = find_sizes(ctx, &z);
    if (!status) status = check_others(ctx, &z);
    if (status) return status;
    int64_t y4[4] = {z.batch, z.heads, z.queries, z.dv};
    int64_t y3[3] = {z.batch, z.queries, z.heads < 0 || z.dv < 0 ? -1 : z.heads * z.dv};
    int64_t k[4] = {z.batch, z.kv_heads, total_of(&z), z.d}, w[4] = {z.batch, z.kv_heads, total_of(&z), z.dv};
    int64_t qk[4] = {z.batch, z.heads, z.queries, total_of(&z)};
    status = tap_out_type(ctx, 0, q->dtype, q->rank, q->rank == 3 ? y3 : y4);
    if (!status) status = tap_out_type(ctx, 1, q->dtype, 4, k);
    if (!status) status = tap_out_type(ctx, 2, v->dtype, 4, w);
    return status ? status : tap_out_type(ctx, 3, q->dtype, 4, qk);
}

/* ---- Run ---- */

/* Rows of heads: steps in elements. */
typedef struct view {
    const char *data;
    tap_dtype dtype;
    int64_t batch, head, row;
} view;

static const char *view_at(const view *v, int64_t b, int64_t h, int64_t r) {
    return v->data + (size_t)(b * v->batch + h * v->head + r * v->row) * tap_dtype_bytes(v->dtype);
}

typedef struct job {
    const attention_state *s;
    tap_dtype dtype; /* of Q and Y                                    */
    int64_t batch, heads, kv_heads, group, queries, total, past, d, dv;
    int64_t rows, blocks; /* rows of a block; blocks of a key head         */
    bool few;
    double scale;
    view q, k, v, y;
    const tap_tensor *mask;       /* NULL: none                                    */
    int64_t mask_step[4], mask_n; /* steps; keys that it covers                    */
    const int64_t *nonpad;        /* valid keys of each batch; NULL: all           */
    char *qk;                     /* NULL: nobody wants it                         */
    char *packed_k, *packed_v;    /* [batch * kv_heads] of so many bytes           */
    size_t packed_k_bytes, packed_v_bytes, packed_v_block;
    char *room;
    size_t room_bytes; /* of a worker                                   */
} job;

static void *carve(char **memory, int64_t n, size_t bytes) {
    void *p = *memory;
    *memory += tap_round_up((size_t)n * bytes, TAP_ALIGN);
    return p;
}

static tap_status check_nonpad(tap_ctx *ctx, const job *j) {
    for (int64_t b = 0; j->nonpad && b < j->batch; b++)
        if (j->nonpad[b] < 0 || j->nonpad[b] > j->total)
            return tap_fail(ctx, TAP_RUN, "nonpad_kv_seqlen[%lld] is %lld; there are %lld keys", (long long)b,
                            (long long)j->nonpad[b], (long long)j->total);
    return TAP_OK;
}

/* Keys *lo .. *hi - 1 are those that window, order and padding let query i of batch b see. */
static void visible(const job *j, int64_t b, int64_t i, int64_t *lo, int64_t *hi) {
    int64_t at = i + (j->nonpad ? j->nonpad[b] - j->queries : j->past);
    *lo = 0;
    *hi = j->nonpad ? j->nonpad[b] : j->total;
    if (j->s->causal) *hi = tap_min64(*hi, at + 1);
    if (j->s->right >= 0) *hi = tap_min64(*hi, at + tap_min64(j->s->right, j->total) + 1);
    if (j->s->left >= 0) *lo = tap_max64(0, at - tap_min64(j->s->left, j->total + j->queries));
    *hi = tap_max64(*hi, 0);
}

/* s[n] = s[n] + s[n .. 2 n], as one vector. */
#define FOLD(T, n, s)                                                                                     \
    do {                                                                                                  \
        typedef T fold_part __attribute__((vector_size((n) * sizeof(T)), aligned(sizeof(T)), may_alias)); \
        *(fold_part *)(s) += *(const fold_part *)((s) + (n));                                             \
    } while (0)

#define T       float
#define F(name) name##_f32
#define DTYPE   TAP_FLOAT
#define TO      tap_to_f32
#define FROM    tap_from_f32
#define FMA     tap_fma
#define TANH    tap_tanhf
#define HIGH    tap_loops_high_f32
#define MAX     tap_loops_max_f32
#define SOFTMAX tap_softmax_f32
#include "attention.inc"

#define T       double
#define F(name) name##_f64
#define DTYPE   TAP_DOUBLE
#define TO      tap_to_f64
#define FROM    tap_from_f64
#define FMA     tap_fma64
#define TANH    tap_tanh64
#define HIGH    tap_loops_high_f64
#define MAX     tap_loops_max_f64
#define SOFTMAX tap_softmax_f64
#include "attention.inc"

static void block_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    char *room = j->room + (size_t)worker * j->room_bytes;
    for (int64_t t = begin; t < end; t++) {
        int64_t head = t / j->blocks, first = t % j->blocks * j->rows;
        int64_t rows = tap_min64(j->rows, j->group * j->queries - first);
        int64_t b = head / j->kv_heads, kv = head % j->kv_heads;
        if (tap_wide(j->q.dtype) == TAP_DOUBLE || j->v.dtype == TAP_DOUBLE)
            block_f64(j, b, kv, first, rows, room);
        else
            block_f32(j, b, kv, first, rows, room);
    }
}

static void pack_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    (void)worker;
    for (int64_t head = begin; head < end; head++) {
        int64_t b = head / j->kv_heads, kv = head % j->kv_heads;
        char *v = j->packed_v + (size_t)head * j->packed_v_bytes;
        tap_gemm_pack(tap_wide(j->k.dtype), j->k.dtype, j->d, j->total, view_at(&j->k, b, kv, 0), j->k.row,
                      true, j->packed_k + (size_t)head * j->packed_k_bytes);
        for (int64_t r = 0; r < j->total; r += VALUE_ROWS, v += j->packed_v_block)
            tap_gemm_pack(tap_wide(j->v.dtype), j->v.dtype, tap_min64(VALUE_ROWS, j->total - r), j->dv,
                          view_at(&j->v, b, kv, r), j->v.row, false, v);
    }
}

static tap_status pack_all(tap_ctx *ctx, job *j) {
    int64_t heads = j->batch * j->kv_heads, n_blocks = (j->total + VALUE_ROWS - 1) / VALUE_ROWS;
    size_t k_bytes, v_bytes;
    bool fits = tap_gemm_packed_bytes(tap_wide(j->k.dtype), j->d, j->total, &j->packed_k_bytes) &&
                tap_gemm_packed_bytes(tap_wide(j->v.dtype), tap_min64(VALUE_ROWS, j->total), j->dv,
                                      &j->packed_v_block);
    j->packed_k_bytes = tap_round_up(j->packed_k_bytes, TAP_ALIGN);
    j->packed_v_block = tap_round_up(j->packed_v_block, TAP_ALIGN);
    fits = fits && tap_mul_size(j->packed_v_block, (size_t)n_blocks, &j->packed_v_bytes) &&
           tap_mul_size(j->packed_k_bytes, (size_t)heads, &k_bytes) &&
           tap_mul_size(j->packed_v_bytes, (size_t)heads, &v_bytes);
    if (!fits) return tap_fail(ctx, TAP_MEMORY, "keys and values do not fit in memory");
    j->packed_k = tap_scratch(ctx, k_bytes);
    j->packed_v = tap_scratch(ctx, v_bytes);
    if (!j->packed_k || !j->packed_v) return TAP_MEMORY;
    tap_parallel(ctx, heads, 1, pack_task, j);
    return TAP_OK;
}

/* Memory of a task: see room. */
static tap_status make_room(tap_ctx *ctx, job *j) {
    bool wide = tap_wide(j->q.dtype) == TAP_DOUBLE || j->v.dtype == TAP_DOUBLE;
    tap_dtype dtype = wide ? TAP_DOUBLE : TAP_FLOAT;
    size_t each = tap_dtype_bytes(dtype), work[2] = {0, 0}, n;
    int64_t most = tap_max64(tap_max64(j->d, j->dv), j->total);
    const char dummy = 0;
    tap_gemm qk = {.dtype = dtype,
                   .m = j->rows,
                   .n = j->total,
                   .k = j->d,
                   .lda = j->d,
                   .packed = &dummy,
                   .ldc = j->total};
    tap_gemm pv = {.dtype = dtype,
                   .m = j->rows,
                   .n = j->dv,
                   .k = tap_min64(VALUE_ROWS, j->total),
                   .lda = j->total,
                   .packed = &dummy,
                   .ldc = j->dv};
    bool fits = tap_gemm_work_bytes(&qk, &work[0]) && tap_gemm_work_bytes(&pv, &work[1]);
    const int64_t parts[] = {j->rows * j->d, j->rows * j->dv, j->rows * j->total, most, 2 * j->total};
    j->room_bytes = tap_round_up(work[0] > work[1] ? work[0] : work[1], TAP_ALIGN);
    for (size_t i = 0; i < TAP_COUNT_OF(parts); i++)
        fits = fits && tap_mul_size((size_t)parts[i], each, &n) &&
               tap_add_size(j->room_bytes, tap_round_up(n, TAP_ALIGN), &j->room_bytes);
    if (!fits || !tap_mul_size(j->room_bytes, (size_t)tap_workers(ctx), &n))
        return tap_fail(ctx, TAP_MEMORY, "scores of %lld keys do not fit in memory", (long long)j->total);
    j->room = tap_scratch(ctx, n);
    return j->room ? TAP_OK : TAP_MEMORY;
}

/* Q, K, V or Y: [batch][heads][n][d], or [batch][n][heads * d]. */
static view view_of(const tap_tensor *t, int64_t heads) {
    view v = {.data = t->data, .dtype = t->dtype};
    v.batch = tap_product(t->dims + 1, t->rank - 1);
    v.row = t->dims[t->rank - 1];
    v.head = t->rank == 4 ? t->dims[2] * t->dims[3] : t->dims[2] / tap_max64(1, heads);
    return v;
}

/* to[batch][kv_heads][total][d] = past rows and the new ones. */
static void join(const job *j, const tap_tensor *past, const view *new, int64_t d, char *to) {
    size_t row = (size_t)d * tap_dtype_bytes(new->dtype);
    for (int64_t b = 0; b < j->batch; b++)
        for (int64_t h = 0; h < j->kv_heads; h++) {
            if (past && j->past > 0)
                memcpy(to, (const char *)past->data + (size_t)((b * j->kv_heads + h) * j->past) * row,
                       (size_t)j->past * row);
            to += (size_t)j->past * row;
            for (int64_t r = j->past; r < j->total; r++, to += row)
                memcpy(to, view_at(new, b, h, r - j->past), row);
        }
}

/* Keys or values as one tensor with the past in front: in the output, if there is one. */
static tap_status add_past(tap_ctx *ctx, const job *j, view *v, int64_t d, const tap_tensor *past,
                           tap_tensor *present) {
    if (!past && !present) return TAP_OK;
    size_t n = (size_t)(j->batch * j->kv_heads * j->total * d) * tap_dtype_bytes(v->dtype);
    char *to = present ? present->data : tap_scratch(ctx, n);
    if (!to) return TAP_MEMORY;
    join(j, past, v, d, to);
    *v = (view){to, v->dtype, j->kv_heads * j->total * d, j->total * d, d};
    return TAP_OK;
}

/* In float64 where float64 is computed with, in the exceptional case that only some inputs are float64. */
static tap_status to_double(tap_ctx *ctx, const job *j, view *v, int64_t d) {
    if (v->dtype == TAP_DOUBLE) return TAP_OK;
    int64_t n = j->batch * j->kv_heads * j->total * d;
    double *to = tap_scratch(ctx, (size_t)n * sizeof *to), *p = to;
    if (!to) return TAP_MEMORY;
    for (int64_t b = 0; b < j->batch; b++)
        for (int64_t h = 0; h < j->kv_heads; h++)
            for (int64_t r = 0; r < j->total; r++, p += d) tap_to_f64(v->dtype, d, view_at(v, b, h, r), p);
    *v = (view){(char *)to, TAP_DOUBLE, j->kv_heads * j->total * d, j->total * d, d};
    return TAP_OK;
}

static tap_status set_keys(tap_ctx *ctx, job *j) {
    const tap_tensor *past_k = ctx->n_in > IN_PAST_K ? ctx->in[IN_PAST_K] : NULL;
    const tap_tensor *past_v = ctx->n_in > IN_PAST_V ? ctx->in[IN_PAST_V] : NULL;
    j->k = view_of(ctx->in[IN_K], j->kv_heads);
    j->v = view_of(ctx->in[IN_V], j->kv_heads);
    tap_status status = add_past(ctx, j, &j->k, j->d, past_k, ctx->n_out > 1 ? ctx->out[1] : NULL);
    if (!status) status = add_past(ctx, j, &j->v, j->dv, past_v, ctx->n_out > 2 ? ctx->out[2] : NULL);
    if (status || (j->dtype != TAP_DOUBLE && j->v.dtype != TAP_DOUBLE)) return status;
    status = to_double(ctx, j, &j->k, j->d);
    return status ? status : to_double(ctx, j, &j->v, j->dv);
}

/* The mask's steps. One that ends early hides the keys behind it; before opset 24 a single one is for all
 * keys. */
static void set_mask(job *j, const tap_tensor *mask) {
    int64_t step = 1;
    j->mask = mask;
    if (!mask) return;
    for (int i = 3; i >= 0; i--) {
        int k = i - (4 - mask->rank);
        int64_t n = k >= 0 ? mask->dims[k] : 1;
        j->mask_step[i] = n > 1 || (i == 3 && j->s->since >= 24) ? step : 0;
        step *= n;
    }
    j->mask_n = mask->dims[mask->rank - 1];
}

static tap_status run(tap_ctx *ctx) {
    const attention_state *s = ctx->state;
    sizes z;
    tap_status status = find_sizes(ctx, &z);
    if (status) return status;
    job j = {.s = s,
             .dtype = ctx->in[IN_Q]->dtype,
             .batch = z.batch,
             .heads = z.heads,
             .kv_heads = z.kv_heads,
             .queries = z.queries,
             .total = z.keys + z.past,
             .past = z.past,
             .d = z.d,
             .dv = z.dv};
    j.group = j.heads / tap_max64(1, j.kv_heads);
    j.scale = s->has_scale ? (double)s->scale : 1 / sqrt((double)j.d);
    j.q = view_of(ctx->in[IN_Q], j.heads);
    j.y = view_of(ctx->out[0], j.heads);
    j.rows = tap_max64(1, tap_min64(BLOCK_ROWS, j.group * j.queries));
    j.blocks = (j.group * j.queries + j.rows - 1) / j.rows;
    j.few = j.group * j.queries <= FEW_ROWS;
    if (ctx->n_in > IN_NONPAD && ctx->in[IN_NONPAD]) j.nonpad = ctx->in[IN_NONPAD]->data;
    if (ctx->n_out > 3 && ctx->out[3]) j.qk = ctx->out[3]->data;
    set_mask(&j, ctx->n_in > IN_MASK ? ctx->in[IN_MASK] : NULL);
    if ((status = check_nonpad(ctx, &j))) return status;
    status = set_keys(ctx, &j);
    if (status || j.batch * j.heads * j.queries == 0) return status;
    if (!j.few) status = pack_all(ctx, &j);
    if (!status) status = make_room(ctx, &j);
    if (!status) tap_parallel(ctx, j.batch * j.kv_heads * j.blocks, 1, block_task, &j);
    return status;
}

#define NOTES .notes = "A query that may see no key gives 0."

static const tap_op ops[] = {
    {.name = "Attention",
     .since = 23,
     .until = 23,
     .in_min = 3,
     .in_max = 6,
     .out_min = 1,
     .out_max = 4,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare,
     .infer = infer,
     .run = run,
     NOTES},
    {.name = "Attention",
     .since = 24,
     .in_min = 3,
     .in_max = 7,
     .out_min = 1,
     .out_max = 4,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = prepare,
     .infer = infer,
     .run = run,
     NOTES},
    {0},
};

TAP_DEFINE_FAMILY(attention, ops);
