/* Scatter, ScatterElements, ScatterND, TensorScatter: a copy of a tensor with some elements replaced or
 * combined. */
#include "common/elements.h"
#include "common/move.h"
#include "common/widen.h"

typedef enum fold_op { FOLD_NONE, FOLD_ADD, FOLD_MUL, FOLD_MAX, FOLD_MIN } fold_op;

/* ---- Loops ---- */

#define TAP_WORD_LOOPS "scatter_put.inc"
#include "common/words.inc"
#define TAP_NUMBER_LOOPS "scatter_fold.inc"
#include "common/numbers.inc"

typedef void put_loop(int64_t n, char *y, const int64_t *at, const char *u);
typedef void fold_at_loop(fold_op op, int64_t n, void *y, const int64_t *at, const void *u);
typedef void fold_row_loop(fold_op op, int64_t n, void *y, const void *u);

static put_loop *const put[] = {put_w1, put_w2, put_w4, put_w8, put_w16};
static fold_at_loop *const fold_at[TAP_DTYPE_COUNT] = TAP_NUMBER_TABLE(fold_at);
static fold_row_loop *const fold_row[TAP_DTYPE_COUNT] = TAP_NUMBER_TABLE(fold_row);

/* Combining truth values: or, and. */
static fold_op bool_op(fold_op op) {
    return op == FOLD_ADD ? FOLD_MAX : op == FOLD_MUL ? FOLD_MIN : op;
}

/* ---- What both forms share: the target ---- */

/* y[...] = updates, combined as data of dtype. Small floats are combined as float32 and narrowed once. */
typedef struct target {
    fold_op op;
    tap_dtype dtype;
    size_t width;
    char *y;
    const char *updates;
} target;

static tap_status target_begin(tap_ctx *ctx, fold_op op, target *t) {
    const tap_tensor *x = ctx->in[0], *u = ctx->in[2];
    *t = (target){op, x->dtype, tap_dtype_bytes(x->dtype), ctx->out[0]->data, u->data};
    if (op == FOLD_NONE || !tap_is_half(x->dtype)) {
        if (x->dtype == TAP_BOOL) {
            t->op = bool_op(op);
            t->dtype = TAP_UINT8;
        }
        tap_move_bytes(ctx, x->count * (int64_t)t->width, x->data, t->y);
        return TAP_OK;
    }
    t->dtype = TAP_FLOAT;
    t->width = sizeof(float);
    t->y = (char *)(uintptr_t)tap_widen(ctx, x);
    t->updates = tap_widen(ctx, u);
    return t->y && t->updates ? TAP_OK : TAP_MEMORY;
}

static void target_end(tap_ctx *ctx, const target *t) {
    tap_tensor wide = *ctx->out[0];
    wide.data = t->y;
    tap_narrow_output(ctx, &wide, ctx->out[0]);
}

/* ---- Attributes ---- */

typedef struct scatter_state {
    int64_t axis;
    fold_op op;
} scatter_state;

static tap_status scatter_prepare(tap_ctx *ctx, void **state) {
    static const char *const all[] = {"none", "add", "mul", "max", "min", NULL};
    static const char *const first[] = {"none", "add", "mul", NULL}; /* until opset 17 */
    scatter_state *s = tap_state(ctx, sizeof *s);
    bool nd = tap_ctx_op(ctx)->data != NULL;
    if (!s) return TAP_MEMORY;
    *state = s;
    if (!nd) s->axis = tap_attr_int(ctx, "axis", 0);
    if (tap_opset(ctx) >= 16)
        s->op = (fold_op)tap_attr_choice(ctx, "reduction", "none", tap_opset(ctx) >= 18 ? all : first);
    return TAP_OK;
}

static tap_status check_types(tap_ctx *ctx, uint32_t index_dtypes) {
    const scatter_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_dtype(ctx, 1, index_dtypes, "indices");
    if (!status) status = tap_need_same_dtype(ctx, 0, 2, "updates");
    if (!status && s->op != FOLD_NONE && x->dtype &&
        !(TAP_BIT(x->dtype) & (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL))))
        return tap_fail(ctx, TAP_UNSUPPORTED, "a reduction of %s has no meaning", tap_dtype_name(x->dtype));
    return status;
}

/* ---- ScatterElements ---- */

static tap_status elements_infer(tap_ctx *ctx) {
    const scatter_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *at = tap_in_type(ctx, 1), *u = tap_in_type(ctx, 2);
    int axis = 0;
    tap_status status = check_types(ctx, TAP_TYPES_INDEX);
    if (status) return status;
    if (x->rank >= 0 && !tap_axis(s->axis, x->rank, &axis))
        return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)s->axis,
                        x->rank);
    if ((x->rank >= 0 && at->rank >= 0 && x->rank != at->rank) ||
        (at->rank >= 0 && u->rank >= 0 && at->rank != u->rank))
        return tap_fail(ctx, tap_misfit(ctx), "data, indices and updates must have the same rank");
    for (int i = 0; i < at->rank; i++) {
        if (u->rank >= 0 && at->dims[i] >= 0 && u->dims[i] >= 0 && at->dims[i] != u->dims[i])
            return tap_fail(ctx, tap_misfit(ctx), "indices and updates have different shapes");
        if (x->rank >= 0 && i != axis && x->dims[i] >= 0 && at->dims[i] > x->dims[i])
            return tap_fail(ctx, tap_misfit(ctx),
                            "indices have %lld elements along axis %d, the data has %lld",
                            (long long)at->dims[i], i, (long long)x->dims[i]);
    }
    return tap_out_like(ctx, 0, x);
}

/* Updates from `from` on go to the elements at[0..n). */
static void target_put(const target *t, int64_t n, const int64_t *at, int64_t from) {
    const char *u = t->updates + from * (int64_t)t->width;
    if (t->op == FOLD_NONE)
        put[__builtin_ctzll(t->width)](n, t->y, at, u);
    else
        fold_at[t->dtype](t->op, n, t->y, at, u);
}

static void elements_put(void *arg, int64_t n, const int64_t *at, int64_t from) {
    target_put(arg, n, at, from);
}

static tap_status elements_run(tap_ctx *ctx) {
    const scatter_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    target t;
    int axis;
    if (!tap_axis(s->axis, x->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis out of range");
    tap_status status = target_begin(ctx, s->op, &t);
    if (!status && ctx->in[1]->count > 0)
        status = tap_elements_run(ctx, x, axis, (int64_t)t.width, elements_put, &t);
    if (!status) target_end(ctx, &t);
    return status;
}

/* ---- ScatterND ---- */

/* An index of no entries stands for all of the data, as in ONNX Runtime and the reference; only GatherND asks
 * for one at least. */
static tap_status nd_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *at = tap_in_type(ctx, 1), *u = tap_in_type(ctx, 2);
    tap_status status = check_types(ctx, TAP_BIT(TAP_INT64));
    if (status || (status = tap_need_rank(ctx, 1, 1, TAP_RANK_MAX, "indices"))) return status;
    int64_t k = at->rank < 0 ? -1 : at->dims[at->rank - 1];
    if (x->rank == 0 || (x->rank > 0 && k > x->rank))
        return tap_fail(ctx, tap_misfit(ctx), "an index has %lld entries, the data has rank %d", (long long)k,
                        x->rank);
    if (x->rank < 0 || k < 0 || u->rank < 0) return tap_out_like(ctx, 0, x);
    if (u->rank != at->rank - 1 + x->rank - k)
        return tap_fail(ctx, tap_misfit(ctx), "updates must have rank %lld, not %d",
                        (long long)(at->rank - 1 + x->rank - k), u->rank);
    for (int i = 0; i < u->rank; i++) {
        int64_t want = i < at->rank - 1 ? at->dims[i] : x->dims[i - (at->rank - 1) + k];
        if (want >= 0 && u->dims[i] >= 0 && want != u->dims[i])
            return tap_fail(ctx, tap_misfit(ctx),
                            "dimension %d of updates is %lld, indices and data need %lld", i,
                            (long long)u->dims[i], (long long)want);
    }
    return tap_out_like(ctx, 0, x);
}

/* Rows are written in order, each by all units: a unit has some columns of every row. */
typedef struct tuples {
    target t;
    const int64_t *at; /* at[n][k]        */
    int64_t n, k, row, columns;
    int64_t dims[TAP_RANK_MAX], step[TAP_RANK_MAX];
    atomic_bool outside;
} tuples;

/* Columns from .. from + n_columns of the rows that begin at the elements at[0..n). */
static void put_rows(const tuples *s, int64_t first, int64_t n, const int64_t *at, int64_t from,
                     int64_t n_columns) {
    const int64_t width = (int64_t)s->t.width;
    const char *u = s->t.updates + (first * s->row + from) * width;
    char *y = s->t.y + from * width;
    for (int64_t i = 0; i < n; i++, u += s->row * width) {
        if (s->t.op == FOLD_NONE)
            tap_copy_row(u, y + at[i] * width, (size_t)(n_columns * width));
        else
            fold_row[s->t.dtype](s->t.op, n_columns, y + at[i] * width, u);
    }
}

static void tuples_task(void *arg, int64_t begin, int64_t end, int worker) {
    tuples *s = arg;
    const int64_t from = begin * s->columns, n_columns = tap_min64(end * s->columns, s->row) - from;
    int64_t at[TAP_INDEX_BLOCK];
    (void)worker;
    for (int64_t i = 0; i < s->n; i += TAP_INDEX_BLOCK) {
        const int64_t n = tap_min64(TAP_INDEX_BLOCK, s->n - i);
        if (!tap_read_tuples(s->at + i * s->k, n, s->k, s->dims, s->step, at)) {
            atomic_store_explicit(&s->outside, true, memory_order_relaxed);
            return;
        }
        if (s->row == 1)
            target_put(&s->t, n, at, i);
        else
            put_rows(s, i, n, at, from, n_columns);
    }
}

static tap_status nd_run(tap_ctx *ctx) {
    const scatter_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *at = ctx->in[1];
    tuples t = {.at = at->data, .k = at->dims[at->rank - 1], .columns = 4096};
    int64_t step[TAP_RANK_MAX];
    tap_status status = target_begin(ctx, s->op, &t.t);
    if (status) return status;
    tap_dense_steps(1, x->rank, x->dims, step);
    for (int j = 0; j < t.k; j++) {
        t.dims[j] = x->dims[j];
        t.step[j] = step[j];
    }
    t.n = tap_product(at->dims, at->rank - 1);
    t.row = t.k > 0 ? step[t.k - 1] : x->count;
    if (ctx->in[2]->count > 0) tap_parallel(ctx, (t.row + t.columns - 1) / t.columns, 1, tuples_task, &t);
    if (ctx->in[2]->count == 0 || atomic_load(&t.outside)) status = tap_tuple_fail(ctx, t.k, 0, x->dims);
    if (!status) target_end(ctx, &t.t);
    return status;
}

/* ---- TensorScatter ---- */

typedef struct cache_state {
    int64_t axis;
    bool circular;
} cache_state;

static tap_status cache_prepare(tap_ctx *ctx, void **state) {
    static const char *const modes[] = {"linear", "circular", NULL};
    cache_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->axis = tap_attr_int(ctx, "axis", -2);
    s->circular = tap_attr_choice(ctx, "mode", "linear", modes) == 1;
    return TAP_OK;
}

static tap_status cache_infer(tap_ctx *ctx) {
    const cache_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *u = tap_in_type(ctx, 1), *w = tap_in_type(ctx, 2);
    int axis;
    tap_status status = tap_need_same_dtype(ctx, 0, 1, "update");
    if (!status) status = tap_need_dtype(ctx, 2, TAP_BIT(TAP_INT64), "write_indices");
    if (!status) status = tap_need_rank(ctx, 2, 1, 1, "write_indices");
    if (status || x->rank < 0) return status ? status : tap_out_like(ctx, 0, x);
    if (!tap_axis(s->axis, x->rank, &axis) || axis == 0)
        return tap_fail(ctx, tap_misfit(ctx), "axis %lld is no sequence axis of rank %d", (long long)s->axis,
                        x->rank);
    if (u->rank >= 0 && u->rank != x->rank)
        return tap_fail(ctx, tap_misfit(ctx), "the update has another rank than the cache");
    for (int i = 0; i < u->rank; i++)
        if (x->dims[i] >= 0 &&
            (i == axis ? u->dims[i] > x->dims[i] : u->dims[i] >= 0 && u->dims[i] != x->dims[i]))
            return tap_fail(ctx, tap_misfit(ctx), "dimension %d of the update is %lld, of the cache %lld", i,
                            (long long)u->dims[i], (long long)x->dims[i]);
    if (w && w->rank == 1 && w->dims[0] >= 0 && x->dims[0] >= 0 && w->dims[0] != x->dims[0])
        return tap_fail(ctx, tap_misfit(ctx), "%lld write indices for a batch of %lld", (long long)w->dims[0],
                        (long long)x->dims[0]);
    return tap_out_like(ctx, 0, x);
}

typedef struct cache {
    const tap_tensor *at; /* NULL: write at 0                          */
    const char *update;
    char *y;
    int64_t length, n, row_bytes, in_batch; /* y[batch][in_batch][length][row], update n */
} cache;

static void cache_task(void *arg, int64_t begin, int64_t end, int worker) {
    const cache *c = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t at = c->at ? tap_int_at(c->at, i / c->in_batch) % c->length : 0;
        if (at < 0) at += c->length;
        char *y = c->y + i * c->length * c->row_bytes;
        const char *u = c->update + i * c->n * c->row_bytes;
        int64_t head = tap_min64(c->n, c->length - at);
        memcpy(y + at * c->row_bytes, u, (size_t)(head * c->row_bytes));
        memcpy(y, u + head * c->row_bytes, (size_t)((c->n - head) * c->row_bytes));
    }
}

static tap_status cache_run(tap_ctx *ctx) {
    const cache_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *u = ctx->in[1];
    size_t width = tap_dtype_bytes(x->dtype);
    int axis;
    if (!tap_axis(s->axis, x->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis out of range");
    cache c = {.at = ctx->n_in > 2 ? ctx->in[2] : NULL,
               .update = u->data,
               .y = ctx->out[0]->data,
               .length = x->dims[axis],
               .n = u->dims[axis]};
    for (int64_t i = 0; c.at && !s->circular && i < c.at->count; i++) {
        int64_t at = tap_int_at(c.at, i);
        if (at < 0 || at > c.length - c.n)
            return tap_fail(ctx, TAP_RUN,
                            "write index %lld of sample %lld leaves no room for %lld in a cache of %lld",
                            (long long)at, (long long)i, (long long)c.n, (long long)c.length);
    }
    tap_move_bytes(ctx, x->count * (int64_t)width, x->data, c.y);
    if (u->count == 0) return TAP_OK;
    c.row_bytes = tap_product(x->dims + axis + 1, x->rank - axis - 1) * (int64_t)width;
    c.in_batch = tap_product(x->dims + 1, axis - 1);
    tap_parallel(ctx, x->dims[0] * c.in_batch, tap_max64(1, 131072 / (c.n * c.row_bytes)), cache_task, &c);
    return TAP_OK;
}

#define THREE \
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_ALL, .prepare = scatter_prepare
#define ELEMENTS THREE, .infer = elements_infer, .run = elements_run
#define CACHE    .prepare = cache_prepare, .infer = cache_infer, .run = cache_run

static const tap_op ops[] = {
    {.name = "Scatter", .since = 9, ELEMENTS, .notes = "Deprecated since opset 11, and the same there."},
    {.name = "ScatterElements", .since = 11, ELEMENTS},
    {.name = "ScatterND", .since = 11, THREE, .infer = nd_infer, .run = nd_run, .data = "nd"},
    {.name = "TensorScatter",
     .since = 24,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_ALL,
     CACHE},
    {0},
};

TAP_DEFINE_FAMILY(scatter, ops);
