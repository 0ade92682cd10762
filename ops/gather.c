/* Gather, GatherElements, GatherND, Compress: elements and slices picked by index. */
#include "common/indices.h"
#include "common/move.h"
#include "common/walk.h"

#define TAP_WORD_LOOPS "gather.inc"
#include "common/words.inc"

typedef void take_loop(int64_t n, const char *x, const int64_t *at, char *y);
typedef void take_across_loop(int64_t n, const char *x, const int64_t *at, int64_t step, char *y);

static take_loop *const take[] = {take_w1, take_w2, take_w4, take_w8, take_w16};
static take_across_loop *const take_across[] = {take_across_w1, take_across_w2, take_across_w4,
                                                take_across_w8, take_across_w16};

static bool is_word(int64_t n_bytes) {
    return n_bytes <= 16 && (n_bytes & (n_bytes - 1)) == 0 && n_bytes > 0;
}

/* Bytes a task should move; blocks of indices, or rows, that make that many. */
static int64_t grain_for(int64_t unit_bytes) {
    return tap_max64(1, 131072 / tap_max64(unit_bytes, 1));
}

static tap_status axis_prepare(tap_ctx *ctx, void **state) {
    int64_t *axis = tap_state(ctx, sizeof *axis);
    if (!axis) return TAP_MEMORY;
    *axis = tap_attr_int(ctx, "axis", 0);
    *state = axis;
    return TAP_OK;
}

static tap_status resolve_axis(tap_ctx *ctx, int64_t wanted, int rank, int *axis) {
    if (tap_axis(wanted, rank, axis)) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)wanted, rank);
}

/* ---- Slices along one axis: y[pre][n][row] = x[pre][d][row] at n positions ---- */

typedef struct slices {
    const char *x;
    char *y;
    const tap_tensor *at;
    int64_t n, d, row_bytes, blocks; /* blocks of TAP_INDEX_BLOCK positions in n */
} slices;

static void slices_task(void *arg, int64_t begin, int64_t end, int worker) {
    const slices *s = arg;
    int64_t at[TAP_INDEX_BLOCK], pre = begin / s->blocks, block = begin % s->blocks;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t from = block * TAP_INDEX_BLOCK, n = tap_min64(TAP_INDEX_BLOCK, s->n - from);
        const char *x = s->x + pre * s->d * s->row_bytes;
        char *y = s->y + (pre * s->n + from) * s->row_bytes;
        tap_read_indices(s->at, from, n, s->d, at);
        if (is_word(s->row_bytes))
            take[__builtin_ctzll((uint64_t)s->row_bytes)](n, x, at, y);
        else
            for (int64_t i = 0; i < n; i++)
                tap_copy_row(x + at[i] * s->row_bytes, y + i * s->row_bytes, (size_t)s->row_bytes);
        if (++block == s->blocks) {
            block = 0;
            pre++;
        }
    }
}

/* One position for all: a strided copy. */
static void take_one(tap_ctx *ctx, const slices *s, int64_t pre) {
    int64_t at, dims[2] = {pre, s->row_bytes}, src_step[2] = {s->d * s->row_bytes, 1},
                dst_step[2] = {s->row_bytes, 1};
    tap_read_indices(s->at, 0, 1, s->d, &at);
    tap_move_steps(ctx, 1, 2, dims, src_step, dst_step, s->x + at * s->row_bytes, s->y);
}

/* x is x[pre][d][row]; positions are in range. */
static void take_slices(tap_ctx *ctx, const tap_tensor *x, int64_t pre, int64_t d, int64_t row,
                        const tap_tensor *at, tap_tensor *y) {
    int64_t row_bytes = row * (int64_t)tap_dtype_bytes(x->dtype), n = at->count;
    slices s = {x->data, y->data, at, n, d, row_bytes, (n + TAP_INDEX_BLOCK - 1) / TAP_INDEX_BLOCK};
    if (y->count == 0) return;
    if (n == 1)
        take_one(ctx, &s, pre);
    else
        tap_parallel(ctx, pre * s.blocks, grain_for(tap_min64(n, TAP_INDEX_BLOCK) * row_bytes), slices_task,
                     &s);
}

/* ---- Gather ---- */

static tap_status gather_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *at = tap_in_type(ctx, 1);
    int64_t dims[2 * TAP_RANK_MAX];
    int axis, n = 0;
    tap_status status = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "indices");
    if (status) return status;
    if (x->rank >= 0 && (status = resolve_axis(ctx, *(const int64_t *)ctx->state, x->rank, &axis)))
        return status;
    if (x->rank < 0 || at->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    for (int i = 0; i < axis; i++) dims[n++] = x->dims[i];
    for (int i = 0; i < at->rank; i++) dims[n++] = at->dims[i];
    for (int i = axis + 1; i < x->rank; i++) dims[n++] = x->dims[i];
    if (n > TAP_RANK_MAX) return tap_fail(ctx, tap_misfit(ctx), "rank %d is more than %d", n, TAP_RANK_MAX);
    return tap_out_type(ctx, 0, x->dtype, n, dims);
}

static tap_status gather_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    int axis;
    tap_status status = resolve_axis(ctx, *(const int64_t *)ctx->state, x->rank, &axis);
    if (status || (status = tap_check_indices(ctx, 1, x->dims[axis]))) return status;
    take_slices(ctx, x, tap_product(x->dims, axis), x->dims[axis],
                tap_product(x->dims + axis + 1, x->rank - axis - 1), ctx->in[1], ctx->out[0]);
    return TAP_OK;
}

/* ---- Compress ---- */

typedef struct compress_state {
    bool flat;
    int64_t axis;
} compress_state;

static tap_status compress_prepare(tap_ctx *ctx, void **state) {
    compress_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->flat = !tap_attr_has(ctx, "axis");
    s->axis = tap_attr_int(ctx, "axis", 0);
    return TAP_OK;
}

/* How many of the conditions are true; each must have one of d elements (-1: unknown) to pick. */
static tap_status count_true(tap_ctx *ctx, const tap_tensor *condition, int64_t d, int64_t *n) {
    const uint8_t *c = condition->data;
    *n = 0;
    for (int64_t i = 0; i < condition->count; i++) *n += c[i] != 0;
    for (int64_t i = d < 0 ? condition->count : d; i < condition->count; i++)
        if (c[i])
            return tap_fail(ctx, tap_misfit(ctx), "condition[%lld] is true, but there are only %lld elements",
                            (long long)i, (long long)d);
    return TAP_OK;
}

static tap_status compress_infer(tap_ctx *ctx) {
    const compress_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    const tap_tensor *condition = tap_in_known(ctx, 1);
    tap_type y = *x;
    int axis = 0;
    int64_t n = -1;
    tap_status status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_BOOL), "condition");
    if (status || (status = tap_need_rank(ctx, 1, 1, 1, "condition"))) return status;
    if (!s->flat && x->rank >= 0 && (status = resolve_axis(ctx, s->axis, x->rank, &axis))) return status;
    int64_t d = x->rank < 0 ? -1 : s->flat ? tap_product(x->dims, x->rank) : x->dims[axis];
    if (condition && (status = count_true(ctx, condition, d, &n))) return status;
    if (s->flat) y.rank = 1;
    if (y.rank >= 0) y.dims[axis] = n;
    return tap_out_type(ctx, 0, x->dtype, y.rank, y.dims);
}

static tap_status compress_run(tap_ctx *ctx) {
    const compress_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *condition = ctx->in[1];
    tap_tensor *y = ctx->out[0], at = {.dtype = TAP_INT64, .rank = 1};
    const uint8_t *c = condition->data;
    int axis = 0;
    if (!s->flat && !tap_axis(s->axis, x->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis out of range");
    int64_t d = s->flat ? x->count : x->dims[axis], n = s->flat ? y->count : y->dims[axis];
    int64_t *v = tap_scratch(ctx, (size_t)(n + 1) * sizeof *v);
    if (!v) return TAP_MEMORY;
    for (int64_t i = 0; i < condition->count; i++) { /* without a branch that nobody can foresee */
        v[at.count] = i;
        at.count += c[i] != 0;
    }
    at.data = v;
    take_slices(ctx, x, s->flat ? 1 : tap_product(x->dims, axis), d,
                s->flat ? 1 : tap_product(x->dims + axis + 1, x->rank - axis - 1), &at, y);
    return TAP_OK;
}

/* ---- GatherElements ---- */

static tap_status elements_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *at = tap_in_type(ctx, 1);
    int64_t dims[TAP_RANK_MAX];
    int axis;
    tap_status status = tap_need_dtype(ctx, 1, TAP_TYPES_INDEX, "indices");
    if (status) return status;
    if (x->rank >= 0 && (status = resolve_axis(ctx, *(const int64_t *)ctx->state, x->rank, &axis)))
        return status;
    if (x->rank >= 0 && at->rank >= 0 && x->rank != at->rank)
        return tap_fail(ctx, tap_misfit(ctx), "indices have rank %d, the data has %d", at->rank, x->rank);
    for (int i = 0; x->rank >= 0 && i < at->rank; i++)
        if (i != axis && x->dims[i] >= 0 && at->dims[i] > x->dims[i])
            return tap_fail(ctx, tap_misfit(ctx),
                            "indices have %lld elements along axis %d, the data has %lld",
                            (long long)at->dims[i], i, (long long)x->dims[i]);
    if (at->rank >= 0) return tap_out_type(ctx, 0, x->dtype, at->rank, at->dims);
    for (int i = 0; i < x->rank; i++) dims[i] = -1;
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

typedef struct elements {
    const char *x;
    char *y;
    const tap_tensor *at;
    tap_walk rows; /* over all axes of the indices but the last one; steps in x, 0 along the axis */
    int64_t n, d;  /* elements in a row; of the axis */
    int64_t step;  /* of the axis in x; 0: it is the last one */
    size_t width;
} elements;

static void elements_task(void *arg, int64_t begin, int64_t end, int worker) {
    const elements *e = arg;
    tap_walk rows = e->rows;
    int w = __builtin_ctzll(e->width);
    int64_t at[TAP_INDEX_BLOCK];
    (void)worker;
    tap_walk_to(&rows, begin);
    for (int64_t r = begin; r < end; r++, tap_walk_next(&rows)) {
        const char *x = e->x + rows.offset;
        char *y = e->y + r * e->n * (int64_t)e->width;
        for (int64_t i = 0; i < e->n; i += TAP_INDEX_BLOCK) {
            int64_t n = tap_min64(TAP_INDEX_BLOCK, e->n - i), from = i * (int64_t)e->width;
            tap_read_indices(e->at, r * e->n + i, n, e->d, at);
            if (e->step)
                take_across[w](n, x + from, at, e->step, y + from);
            else
                take[w](n, x, at, y + from);
        }
    }
}

static tap_status elements_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *at = ctx->in[1];
    elements e = {x->data, ctx->out[0]->data, at, .width = tap_dtype_bytes(x->dtype)};
    int64_t step[TAP_RANK_MAX];
    int axis, last = x->rank - 1;
    tap_status status = resolve_axis(ctx, *(const int64_t *)ctx->state, x->rank, &axis);
    if (status) return status;
    e.d = x->dims[axis];
    if ((status = tap_check_indices(ctx, 1, e.d)) || at->count == 0) return status;
    tap_dense_steps(e.width, x->rank, x->dims, step);
    e.n = at->dims[last];
    e.step = axis == last ? 0 : step[axis] / (int64_t)e.width;
    e.rows.rank = last;
    for (int i = 0; i < last; i++) {
        e.rows.dims[i] = at->dims[i];
        e.rows.step[i] = i == axis ? 0 : step[i];
    }
    tap_parallel(ctx, at->count / e.n, grain_for(e.n * (int64_t)e.width), elements_task, &e);
    return TAP_OK;
}

/* ---- GatherND ---- */

static tap_status nd_prepare(tap_ctx *ctx, void **state) {
    int64_t *batch_dims = tap_state(ctx, sizeof *batch_dims);
    if (!batch_dims) return TAP_MEMORY;
    *state = batch_dims;
    if (tap_opset(ctx) >= 12) *batch_dims = tap_attr_int(ctx, "batch_dims", 0);
    if (*batch_dims < 0 || *batch_dims >= TAP_RANK_MAX)
        return tap_fail(ctx, TAP_MODEL, "batch_dims is %lld", (long long)*batch_dims);
    return TAP_OK;
}

static tap_status nd_check(tap_ctx *ctx, const tap_type *x, const tap_type *at, int b, int64_t k) {
    if (x->rank < b + 1 || at->rank < b + 1)
        return tap_fail(ctx, tap_misfit(ctx), "ranks %d and %d are too small for batch_dims %d", x->rank,
                        at->rank, b);
    for (int i = 0; i < b; i++)
        if (x->dims[i] >= 0 && at->dims[i] >= 0 && x->dims[i] != at->dims[i])
            return tap_fail(ctx, tap_misfit(ctx),
                            "batch dimension %d is %lld in the data and %lld in the indices", i,
                            (long long)x->dims[i], (long long)at->dims[i]);
    if (k > x->rank - b || k == 0)
        return tap_fail(ctx, tap_misfit(ctx),
                        "an index has %lld entries; the data has %d dimensions for them", (long long)k,
                        x->rank - b);
    return TAP_OK;
}

static tap_status nd_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *at = tap_in_type(ctx, 1);
    int b = (int)*(const int64_t *)ctx->state, n = 0;
    int64_t dims[2 * TAP_RANK_MAX];
    tap_status status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "indices");
    if (status) return status;
    if (x->rank < 0 || at->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    int64_t k = at->rank < 1 ? 0 : at->dims[at->rank - 1];
    if ((status = nd_check(ctx, x, at, b, k))) return status;
    if (k < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    for (int i = 0; i < at->rank - 1; i++) dims[n++] = i < b && at->dims[i] < 0 ? x->dims[i] : at->dims[i];
    for (int i = b + (int)k; i < x->rank; i++) dims[n++] = x->dims[i];
    if (n > TAP_RANK_MAX) return tap_fail(ctx, tap_misfit(ctx), "rank %d is more than %d", n, TAP_RANK_MAX);
    return tap_out_type(ctx, 0, x->dtype, n, dims);
}

typedef struct tuples {
    const char *x;
    char *y;
    const int64_t *at; /* at[batches][n][k]                  */
    int64_t n, k, blocks, batch_bytes, row_bytes;
    int64_t dims[TAP_RANK_MAX], step[TAP_RANK_MAX]; /* steps in rows */
} tuples;

/* row[n] = the rows of x that n tuples name, an axis at a time. */
static void rows_of_tuples(const tuples *t, const int64_t *at, int64_t n, int64_t *row) {
    for (int64_t i = 0; i < n; i++) row[i] = 0;
    for (int64_t j = 0; j < t->k; j++) {
        const int64_t d = t->dims[j], step = t->step[j];
        for (int64_t i = 0; i < n; i++) {
            const int64_t v = at[i * t->k + j];
            row[i] += (v < 0 ? v + d : v) * step;
        }
    }
}

static void tuples_task(void *arg, int64_t begin, int64_t end, int worker) {
    const tuples *t = arg;
    int64_t row[TAP_INDEX_BLOCK];
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t batch = unit / t->blocks, from = unit % t->blocks * TAP_INDEX_BLOCK;
        int64_t n = tap_min64(TAP_INDEX_BLOCK, t->n - from);
        const char *x = t->x + batch * t->batch_bytes;
        char *y = t->y + (batch * t->n + from) * t->row_bytes;
        rows_of_tuples(t, t->at + (batch * t->n + from) * t->k, n, row);
        if (is_word(t->row_bytes))
            take[__builtin_ctzll((uint64_t)t->row_bytes)](n, x, row, y);
        else
            for (int64_t i = 0; i < n; i++)
                tap_copy_row(x + row[i] * t->row_bytes, y + i * t->row_bytes, (size_t)t->row_bytes);
    }
}

static tap_status nd_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *at = ctx->in[1];
    int b = (int)*(const int64_t *)ctx->state;
    tuples t = {x->data, ctx->out[0]->data, at->data, .k = at->dims[at->rank - 1]};
    int64_t step[TAP_RANK_MAX], batches = tap_product(at->dims, b);
    for (int j = 0; j < t.k; j++) {
        int64_t bad = tap_index_outside(at, j, t.k, at->count / t.k, x->dims[b + j]);
        if (bad >= 0)
            return tap_fail(
                ctx, TAP_RUN,
                "indices[%lld] (counted flat) is %lld, out of range for %lld elements along axis %d",
                (long long)bad, (long long)tap_int_at(at, bad), (long long)x->dims[b + j], b + j);
    }
    if (ctx->out[0]->count == 0) return TAP_OK;
    tap_dense_steps(tap_dtype_bytes(x->dtype), x->rank, x->dims, step);
    t.row_bytes = step[b + t.k - 1];
    for (int j = 0; j < t.k; j++) {
        t.dims[j] = x->dims[b + j];
        t.step[j] = step[b + j] / t.row_bytes;
    }
    t.batch_bytes = t.dims[0] * step[b];
    t.n = at->count / t.k / batches;
    t.blocks = (t.n + TAP_INDEX_BLOCK - 1) / TAP_INDEX_BLOCK;
    tap_parallel(ctx, batches * t.blocks, grain_for(tap_min64(t.n, TAP_INDEX_BLOCK) * t.row_bytes),
                 tuples_task, &t);
    return TAP_OK;
}

#define PICKS    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_ALL
#define ELEMENTS .infer = elements_infer, .run = elements_run
#define COMPRESS .prepare = compress_prepare, .infer = compress_infer, .run = compress_run

static const tap_op ops[] = {
    {.name = "Gather", .since = 1, PICKS, .prepare = axis_prepare, .infer = gather_infer, .run = gather_run},
    {.name = "GatherElements", .since = 11, PICKS, .prepare = axis_prepare, ELEMENTS},
    {.name = "GatherND", .since = 11, PICKS, .prepare = nd_prepare, .infer = nd_infer, .run = nd_run},
    {.name = "Compress", .since = 9, PICKS, COMPRESS},
    {0},
};

TAP_DEFINE_FAMILY(gather, ops);
