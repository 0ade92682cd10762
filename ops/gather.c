/* Gather, GatherElements, GatherND, Compress: elements and slices picked by index. */
#include "common/elements.h"
#include "common/move.h"
#include "core/move_pattern.h"

#define TAP_WORD_LOOPS "gather.inc"
#include "common/words.inc"

typedef void take_loop(int64_t n, const char *x, const int64_t *at, char *y);
typedef void squeeze_loop(int64_t n, const char *x, const uint8_t *flags, char *y);

static take_loop *const take[] = {take_w1, take_w2, take_w4, take_w8, take_w16};
static squeeze_loop *const squeeze[] = {squeeze_w1, squeeze_w2, squeeze_w4, squeeze_w8, squeeze_w16};

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

/* y[i] = x[at[i]], rows of row_bytes. */
static void take_rows(int64_t n, const char *x, const int64_t *at, int64_t row_bytes, char *y) {
    if (is_word(row_bytes))
        take[__builtin_ctzll((uint64_t)row_bytes)](n, x, at, y);
    else
        for (int64_t i = 0; i < n; i++)
            tap_copy_row(x + at[i] * row_bytes, y + i * row_bytes, (size_t)row_bytes);
}

/* ---- Slices along one axis: y[pre][n][row] = x[pre][d][row] at n positions ---- */

typedef struct slices {
    const char *x;
    char *y;
    const tap_tensor *indices;
    const int64_t *at; /* the positions, where several places in front take the same ones; else NULL */
    int64_t pre, n, d, row_bytes, blocks; /* blocks of TAP_INDEX_BLOCK positions in n */
    atomic_bool outside;
} slices;

static void slices_task(void *arg, int64_t begin, int64_t end, int worker) {
    slices *s = arg;
    int64_t room[TAP_INDEX_BLOCK], pre = begin / s->blocks, block = begin % s->blocks;
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t from = block * TAP_INDEX_BLOCK, n = tap_min64(TAP_INDEX_BLOCK, s->n - from);
        const int64_t *at = s->at ? s->at + from : room;
        if (s->at || tap_read_indices(s->indices, from, n, s->d, room))
            take_rows(n, s->x + pre * s->d * s->row_bytes, at, s->row_bytes,
                      s->y + (pre * s->n + from) * s->row_bytes);
        else
            atomic_store_explicit(&s->outside, true, memory_order_relaxed);
        if (++block == s->blocks) {
            block = 0;
            pre++;
        }
    }
}

/* One position for all: a strided copy. */
static void take_one(tap_ctx *ctx, const slices *s) {
    int64_t dims[2] = {s->pre, s->row_bytes}, src_step[2] = {s->d * s->row_bytes, 1},
            dst_step[2] = {s->row_bytes, 1};
    tap_move_steps(ctx, 1, 2, dims, src_step, dst_step, s->x + *s->at * s->row_bytes, s->y);
}

/* A few positions that make short rows: shuffled. */
typedef struct shuffle {
    tap_pattern p;
    const char *x, *x_end;
    char *y;
    int64_t x_step, y_step;
} shuffle;

static void shuffle_task(void *arg, int64_t begin, int64_t end, int worker) {
    const shuffle *s = arg;
    const char *x = s->x + begin * s->x_step;
    (void)worker;
    tap_pattern_run(&s->p, end - begin, &x, &s->x, &s->x_end, s->y + begin * s->y_step);
}

static bool take_shuffled(tap_ctx *ctx, const slices *s) {
    shuffle h = {.x = s->x, .x_end = s->x + s->pre * s->d * s->row_bytes, .y = s->y};
    tap_rows r = {.width = (size_t)(s->row_bytes & -s->row_bytes), .n_sources = 1};
    if (r.width > 8) return false;
    const int64_t words = s->row_bytes / (int64_t)r.width;
    h.x_step = r.step[0] = s->d * s->row_bytes;
    h.y_step = s->n * s->row_bytes;
    if (h.y_step > 64 || words * s->n > TAP_PATTERN_WORDS || s->pre * h.y_step < 32768) return false;
    for (int64_t i = 0; i < s->n; i++)
        for (int64_t k = 0; k < words; k++)
            r.from[r.n_words++] = (tap_from){0, s->at[i] * s->row_bytes + k * (int64_t)r.width};
    if (!tap_pattern_plan(&h.p, &r, r.width == 1 ? 4 : r.width == 8 ? 1 : 2)) return false;
    tap_parallel(ctx, s->pre, grain_for(h.y_step), shuffle_task, &h);
    return true;
}

/* The positions, checked. */
static tap_status find_positions(tap_ctx *ctx, slices *s) {
    int64_t *at = tap_scratch(ctx, (size_t)s->n * sizeof *at);
    if (!at) return TAP_MEMORY;
    s->at = at;
    return tap_read_indices(s->indices, 0, s->n, s->d, at) ? TAP_OK : tap_index_fail(ctx, 1, s->d);
}

static tap_status take_all(tap_ctx *ctx, slices *s) {
    tap_status status = TAP_OK;
    if (!s->at && (s->pre > 1 || s->n == 1)) status = find_positions(ctx, s);
    if (status) return status;
    if (s->n == 1)
        take_one(ctx, s);
    else if (!s->at || !take_shuffled(ctx, s))
        tap_parallel(ctx, s->pre * s->blocks, grain_for(tap_min64(s->n, TAP_INDEX_BLOCK) * s->row_bytes),
                     slices_task, s);
    return atomic_load(&s->outside) ? tap_index_fail(ctx, 1, s->d) : TAP_OK;
}

/* x is x[pre][d][row]. Positions: n at `at`, checked, or where that is NULL those of the tensor. */
static tap_status take_slices(tap_ctx *ctx, const tap_tensor *x, int64_t pre, int64_t d, int64_t row,
                              const tap_tensor *indices, const int64_t *at, int64_t n, tap_tensor *y) {
    slices s = {x->data,
                y->data,
                indices,
                at,
                pre,
                n,
                d,
                row * (int64_t)tap_dtype_bytes(x->dtype),
                (n + TAP_INDEX_BLOCK - 1) / TAP_INDEX_BLOCK,
                false};
    if (n == 0) return TAP_OK;
    if (y->count == 0) return at ? TAP_OK : tap_index_fail(ctx, 1, d);
    return take_all(ctx, &s);
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
    if (status) return status;
    return take_slices(ctx, x, tap_product(x->dims, axis), x->dims[axis],
                       tap_product(x->dims + axis + 1, x->rank - axis - 1), ctx->in[1], NULL,
                       ctx->in[1]->count, ctx->out[0]);
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

static int64_t count_flags(const uint8_t *flags, int64_t n) {
    int64_t found = 0;
    for (int64_t i = 0; i < n; i += 128) { /* sums of bytes, which are many at once */
        const int64_t end = tap_min64(128, n - i);
        uint8_t sum = 0;
        for (int64_t k = 0; k < end; k++) sum = (uint8_t)(sum + (flags[i + k] != 0));
        found += sum;
    }
    return found;
}

/* How many of the conditions are true; each must have one of d elements (-1: unknown) to pick. */
static tap_status count_true(tap_ctx *ctx, const tap_tensor *condition, int64_t d, int64_t *n) {
    const uint8_t *c = condition->data;
    *n = count_flags(c, condition->count);
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

/* Elements one by one, in blocks whose places in the output are counted first. */
typedef struct flat {
    const char *x;
    const uint8_t *flags;
    char *y;
    int64_t *begin; /* of block b's elements; one more than there are blocks */
    int64_t count, width;
} flat;

#define FLAT_BLOCK 16384

static void flat_task(void *arg, int64_t begin, int64_t end, int worker) {
    const flat *f = arg;
    (void)worker;
    for (int64_t b = begin; b < end; b++)
        squeeze[__builtin_ctzll((uint64_t)f->width)](
            f->begin[b + 1] - f->begin[b], f->x + b * FLAT_BLOCK * f->width, f->flags + b * FLAT_BLOCK,
            f->y + f->begin[b] * f->width);
}

static tap_status compress_flat(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *condition = ctx->in[1];
    flat f = {x->data,
              condition->data,
              ctx->out[0]->data,
              NULL,
              tap_min64(condition->count, x->count),
              (int64_t)tap_dtype_bytes(x->dtype)};
    const int64_t blocks = (f.count + FLAT_BLOCK - 1) / FLAT_BLOCK;
    f.begin = tap_scratch(ctx, (size_t)(blocks + 1) * sizeof *f.begin);
    if (!f.begin) return TAP_MEMORY;
    f.begin[0] = 0;
    for (int64_t b = 0; b < blocks; b++)
        f.begin[b + 1] = f.begin[b] + count_flags(f.flags + b * FLAT_BLOCK,
                                                  tap_min64(FLAT_BLOCK, f.count - b * FLAT_BLOCK));
    tap_parallel(ctx, blocks, 4, flat_task, &f);
    return TAP_OK;
}

static tap_status compress_run(tap_ctx *ctx) {
    const compress_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *condition = ctx->in[1];
    tap_tensor *y = ctx->out[0];
    const uint8_t *c = condition->data;
    int axis = 0;
    if (s->flat) return compress_flat(ctx);
    if (!tap_axis(s->axis, x->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis out of range");
    int64_t *v = tap_scratch(ctx, (size_t)(y->dims[axis] + 1) * sizeof *v), n = 0;
    if (!v) return TAP_MEMORY;
    for (int64_t i = 0; i < condition->count; i++) { /* without a branch that nobody can foresee */
        v[n] = i;
        n += c[i] != 0;
    }
    return take_slices(ctx, x, tap_product(x->dims, axis), x->dims[axis],
                       tap_product(x->dims + axis + 1, x->rank - axis - 1), NULL, v, n, y);
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

typedef struct picked {
    const char *x;
    char *y;
    int width; /* its log2 */
} picked;

static void elements_take(void *arg, int64_t n, const int64_t *at, int64_t from) {
    const picked *p = arg;
    take[p->width](n, p->x, at, p->y + (from << p->width));
}

static tap_status elements_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    const size_t width = tap_dtype_bytes(x->dtype);
    picked p = {x->data, ctx->out[0]->data, __builtin_ctzll(width)};
    int axis;
    tap_status status = resolve_axis(ctx, *(const int64_t *)ctx->state, x->rank, &axis);
    if (status || ctx->in[1]->count == 0) return status;
    return tap_elements_run(ctx, x, axis, (int64_t)width, elements_take, &p);
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
    atomic_bool outside;
} tuples;

static void tuples_task(void *arg, int64_t begin, int64_t end, int worker) {
    tuples *t = arg;
    int64_t row[TAP_INDEX_BLOCK];
    (void)worker;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t batch = unit / t->blocks, from = unit % t->blocks * TAP_INDEX_BLOCK;
        int64_t n = tap_min64(TAP_INDEX_BLOCK, t->n - from);
        const int64_t at = batch * t->n + from;
        if (tap_read_tuples(t->at + at * t->k, n, t->k, t->dims, t->step, row))
            take_rows(n, t->x + batch * t->batch_bytes, row, t->row_bytes, t->y + at * t->row_bytes);
        else
            atomic_store_explicit(&t->outside, true, memory_order_relaxed);
    }
}

static tap_status nd_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *at = ctx->in[1];
    int b = (int)*(const int64_t *)ctx->state;
    tuples t = {x->data, ctx->out[0]->data, at->data, .k = at->dims[at->rank - 1]};
    int64_t step[TAP_RANK_MAX], batches = tap_product(at->dims, b);
    if (ctx->out[0]->count == 0) return tap_tuple_fail(ctx, t.k, b, x->dims + b);
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
    return atomic_load(&t.outside) ? tap_tuple_fail(ctx, t.k, b, x->dims + b) : TAP_OK;
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
