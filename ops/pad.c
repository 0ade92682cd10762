/* Pad and CenterCropPad: borders added or cut off. */
#include <math.h>

#include "common/move.h"
#include "common/shape.h"
#include "core/half.h"
#include "core/move_pattern.h"

#define TAP_WORD_LOOPS "pad.inc"
#include "common/words.inc"

typedef void fill_loop(int64_t n, const void *value, char *y);
typedef void pick_loop(int64_t n, const char *x, const int64_t *at, char *y);

static fill_loop *const fill[] = {fill_w1, fill_w2, fill_w4, fill_w8, fill_w16};
static pick_loop *const pick[] = {pick_w1, pick_w2, pick_w4, pick_w8, pick_w16};

typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;

/* Elements added before and after, per axis; negative: cut off. */
typedef struct borders {
    int64_t before[TAP_RANK_MAX], after[TAP_RANK_MAX];
} borders;

/* ---- The copy ---- */

/* Output positions from `from` to `end` of an axis are those of the input from `start` on; what lies around
 * them is found by `map` (positions in the input), or is the constant where map is NULL. */
typedef struct axis_map {
    int64_t n, d, from, end, start;
    int64_t *map;
} axis_map;

/* Position p of a border in the axis of n elements that starts at 0. */
static int64_t reflect(int64_t p, int64_t n) {
    int64_t period = 2 * (n - 1);
    if (n == 1) return 0;
    p %= period;
    if (p < 0) p += period;
    return p < n ? p : period - p;
}

static int64_t around(pad_mode mode, int64_t p, int64_t n) {
    if (mode == PAD_EDGE) return p < 0 ? 0 : tap_min64(p, n - 1);
    if (mode == PAD_REFLECT) return reflect(p, n);
    p %= n;
    return p < 0 ? p + n : p;
}

/* Cuts are made first; borders are of what is left. */
static tap_status plan_axis(tap_ctx *ctx, pad_mode mode, int64_t d, int64_t before, int64_t after,
                            axis_map *m) {
    int64_t cut = tap_max64(-before, 0), left = d - cut - tap_max64(-after, 0);
    *m = (axis_map){.n = d + before + after, .d = d, .from = tap_max64(before, 0), .start = cut};
    m->from = tap_min64(m->from, m->n);
    m->end = tap_max64(m->from, tap_min64(m->n, m->from + tap_max64(left, 0)));
    if (mode == PAD_CONSTANT || (m->from == 0 && m->end == m->n)) return TAP_OK;
    if (left <= 0)
        return tap_fail(ctx, TAP_RUN, "an axis without elements has nothing to repeat in its border");
    m->map = tap_scratch(ctx, (size_t)m->n * sizeof *m->map);
    if (!m->map) return TAP_MEMORY;
    for (int64_t i = 0; i < m->n; i++) m->map[i] = cut + around(mode, i - m->from, left);
    return TAP_OK;
}

/* The last padded axis makes rows of blocks; the axes in front of it are walked. */
typedef struct pad_job {
    const char *x;
    char *y;
    const void *value;
    axis_map axis[TAP_RANK_MAX];
    int64_t step[TAP_RANK_MAX]; /* of x, bytes          */
    int last;                   /* the axis of the rows */
    size_t width;
    int64_t block_bytes;
    const char *x_end;
    const tap_pattern *pattern; /* of short rows; NULL: there is none */
} pad_job;

/* Where row r of the output comes from in x; -1: it is constant. */
static int64_t row_source(const pad_job *j, int64_t r) {
    int64_t offset = 0;
    for (int i = j->last - 1; i >= 0; i--) {
        const axis_map *m = &j->axis[i];
        int64_t p = r % m->n, at = m->map ? m->map[p] : p - m->from + m->start;
        if (!m->map && (p < m->from || p >= m->end)) return -1;
        offset += at * j->step[i];
        r /= m->n;
    }
    return offset;
}

static void fill_blocks(const pad_job *j, int64_t n, char *y) {
    if (n == 0) return;
    fill[__builtin_ctzll(j->width)](n * j->block_bytes / (int64_t)j->width, j->value, y);
}

/* Blocks from..end of a row's border. */
static void border(const pad_job *j, const char *x, int64_t from, int64_t end, char *y) {
    const axis_map *m = &j->axis[j->last];
    int64_t block = j->block_bytes;
    y += from * block;
    if (!m->map) {
        fill_blocks(j, end - from, y);
    } else if (block == (int64_t)j->width) {
        pick[__builtin_ctzll(j->width)](end - from, x, m->map + from, y);
    } else {
        for (int64_t i = from; i < end; i++, y += block)
            tap_copy_row(x + m->map[i] * block, y, (size_t)block);
    }
}

static void pad_row(const pad_job *j, const char *x, char *y) {
    const axis_map *m = &j->axis[j->last];
    if (m->from > 0) border(j, x, 0, m->from, y);
    tap_copy_row(x + m->start * j->block_bytes, y + m->from * j->block_bytes,
                 (size_t)((m->end - m->from) * j->block_bytes));
    if (m->end < m->n) border(j, x, m->end, m->n, y);
}

/* How many rows from r on, of at most n, come from rows of the input that follow each other. */
static int64_t rows_in_line(const pad_job *j, int64_t r, int64_t n) {
    if (j->last == 0) return 1;
    const axis_map *m = &j->axis[j->last - 1];
    const int64_t p = r % m->n;
    return p < m->from || p >= m->end ? 1 : tap_min64(n, m->end - p);
}

static void pad_task(void *arg, int64_t begin, int64_t end, int worker) {
    const pad_job *j = arg;
    const axis_map *m = &j->axis[j->last];
    int64_t row_bytes = m->n * j->block_bytes, n = 1;
    (void)worker;
    for (int64_t r = begin; r < end; r += n) {
        int64_t offset = row_source(j, r);
        char *y = j->y + r * row_bytes;
        const char *x = j->x + offset;
        n = offset < 0 ? 1 : rows_in_line(j, r, end - r);
        if (offset < 0)
            fill_blocks(j, m->n, y);
        else if (j->pattern)
            tap_pattern_run(j->pattern, n, &x, &j->x, &j->x_end, y);
        else
            for (int64_t k = 0; k < n; k++)
                pad_row(j, x + k * j->step[tap_max64(j->last - 1, 0)], y + k * row_bytes);
    }
}

/* Rows of a few words, border and all, as shuffles. */
static bool plan_rows(const pad_job *j, int64_t n_rows, tap_pattern *p) {
    const axis_map *m = &j->axis[j->last];
    const int64_t each = j->block_bytes / (int64_t)j->width, row = m->n * j->block_bytes;
    tap_rows r = {.width = j->width, .n_sources = 1};
    if (j->last == 0 || row > 128 || m->n * each > TAP_PATTERN_WORDS || n_rows * row < 32768) return false;
    if ((j->axis[j->last - 1].end - j->axis[j->last - 1].from) * row < 512) return false;
    r.step[0] = j->step[j->last - 1];
    memcpy(&r.value, j->value, j->width);
    for (int64_t i = 0; i < m->n; i++) {
        const bool inside = i >= m->from && i < m->end;
        const int64_t at = inside ? i - m->from + m->start : m->map ? m->map[i] : -1;
        for (int64_t k = 0; k < each; k++)
            r.from[r.n_words++] =
                at < 0 ? (tap_from){-1, 0} : (tap_from){0, at * j->block_bytes + k * (int64_t)j->width};
    }
    return tap_pattern_plan(p, &r, TAP_PATTERN_LOADS);
}

static tap_status pad_copy(tap_ctx *ctx, pad_mode mode, const borders *b, const void *value) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    pad_job j = {.x = x->data, .y = y->data, .value = value, .width = tap_dtype_bytes(x->dtype)};
    int64_t rows = 1;
    if (y->count == 0) return TAP_OK;
    tap_dense_steps(j.width, x->rank, x->dims, j.step);
    j.block_bytes = (int64_t)j.width;
    j.last = x->rank - 1;
    while (j.last > 0 && b->before[j.last] == 0 && b->after[j.last] == 0) j.block_bytes *= x->dims[j.last--];
    if (x->rank == 0) {
        memcpy(y->data, x->data, j.width);
        return TAP_OK;
    }
    for (int i = 0; i <= j.last; i++) {
        tap_status status = plan_axis(ctx, mode, x->dims[i], b->before[i], b->after[i], &j.axis[i]);
        if (status) return status;
        if (i < j.last) rows *= y->dims[i];
    }
    tap_pattern pattern;
    j.x_end = j.x + x->count * (int64_t)j.width;
    if (plan_rows(&j, rows, &pattern)) j.pattern = &pattern;
    tap_parallel(ctx, rows, tap_max64(1, 131072 / (j.axis[j.last].n * j.block_bytes)), pad_task, &j);
    return TAP_OK;
}

/* ---- Pad ---- */

typedef struct pad_state {
    bool old; /* Pad-1, Pad-2: attributes */
    pad_mode mode;
    float value;
    const int64_t *pads;
    size_t n;
} pad_state;

static tap_status pad_prepare(tap_ctx *ctx, void **state) {
    static const char *const modes[] = {"constant", "reflect", "edge", "wrap", NULL};
    static const char *const old_modes[] = {"constant", "reflect", "edge", NULL};
    pad_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->mode = (pad_mode)tap_attr_choice(ctx, "mode", "constant", tap_opset(ctx) >= 19 ? modes : old_modes);
    s->old = tap_opset(ctx) < 11;
    if (!s->old) return TAP_OK;
    const char *name = tap_opset(ctx) < 2 ? "paddings" : "pads";
    if (!tap_attr_has(ctx, name)) return tap_fail(ctx, TAP_MODEL, "attribute %s is required", name);
    s->pads = tap_attr_ints(ctx, name, &s->n);
    s->value = tap_attr_float(ctx, "value", 0);
    return TAP_OK;
}

/* Puts `pads`, for n axes, in order of the axes of x. */
static void spread_pads(const tap_ints *pads, const int64_t *axes, int n, int rank, borders *b) {
    *b = (borders){{0}, {0}};
    for (int i = 0; i < n && rank; i++) {
        b->before[axes[i]] = pads->v[i];
        b->after[axes[i]] = pads->v[n + i];
    }
}

/* The borders of x, whose rank is known; *known: they are. touched: bits of the axes that may have any. */
static tap_status read_pads(tap_ctx *ctx, int rank, borders *b, bool *known, uint64_t *touched) {
    const pad_state *s = ctx->state;
    tap_ints pads, axes = {.known = true};
    tap_status status;
    if (s->old)
        status = tap_copy_ints(ctx, s->pads, s->n, 2 * TAP_RANK_MAX, "pads", &pads);
    else
        status = tap_read_ints(ctx, 1, 2 * TAP_RANK_MAX, "pads", &pads);
    if (!status && !s->old && tap_opset(ctx) >= 18)
        status = tap_read_ints(ctx, 3, TAP_RANK_MAX, "axes", &axes);
    if (status) return status;
    bool all = s->old || tap_opset(ctx) < 18 || !tap_has_in(ctx, 3);
    if (all) axes.n = rank;
    for (int i = 0; all && i < rank; i++) axes.v[i] = i;
    if (pads.n >= 0 && axes.n >= 0 && pads.n != 2 * axes.n)
        return tap_fail(ctx, tap_misfit(ctx), "pads has %d elements for %d axes", pads.n, axes.n);
    if (axes.known && (status = tap_norm_axes(ctx, axes.v, axes.n, rank, true))) return status;
    *touched = axes.known ? 0 : UINT64_MAX;
    for (int i = 0; axes.known && i < axes.n; i++) *touched |= UINT64_C(1) << axes.v[i];
    *known = pads.known && axes.known;
    if (*known) spread_pads(&pads, axes.v, axes.n, rank, b);
    return TAP_OK;
}

static tap_status pad_types(tap_ctx *ctx) {
    const pad_state *s = ctx->state;
    tap_status status;
    if (s->old) return tap_need_dtype(ctx, 0, TAP_TYPES_FLOAT, "what this opset pads");
    if ((status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "pads"))) return status;
    if ((status = tap_need_same_dtype(ctx, 0, 2, "constant_value"))) return status;
    return tap_need_one(ctx, 2, "constant_value");
}

static tap_status pad_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_type y = *x;
    borders b;
    bool known;
    uint64_t touched;
    tap_status status = pad_types(ctx);
    if (status || x->rank < 0) return status ? status : tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if ((status = read_pads(ctx, x->rank, &b, &known, &touched))) return status;
    for (int i = 0; i < x->rank; i++) {
        if (!known) y.dims[i] = touched >> i & 1 ? -1 : x->dims[i];
        if (!known || x->dims[i] < 0) continue;
        if (!tap_add64(x->dims[i], b.before[i], &y.dims[i]) ||
            !tap_add64(y.dims[i], b.after[i], &y.dims[i]) || y.dims[i] < 0)
            return tap_fail(ctx, tap_misfit(ctx),
                            "pads %lld and %lld do not suit the %lld elements of axis %d",
                            (long long)b.before[i], (long long)b.after[i], (long long)x->dims[i], i);
    }
    return tap_out_type(ctx, 0, x->dtype, x->rank, y.dims);
}

/* Images that are channels-last have the borders of their channels last, too. */
static void borders_channels_last(borders *b, int rank) {
    int64_t before = b->before[1], after = b->after[1];
    for (int i = 1; i < rank - 1; i++) {
        b->before[i] = b->before[i + 1];
        b->after[i] = b->after[i + 1];
    }
    b->before[rank - 1] = before;
    b->after[rank - 1] = after;
}

static tap_status pad_run(tap_ctx *ctx) {
    const pad_state *s = ctx->state;
    tap_dtype dtype = ctx->in[0]->dtype;
    int rank = ctx->in[0]->rank;
    borders b;
    bool known;
    uint64_t touched;
    tap_w16 zero = {0, 0};
    const void *value = &zero;
    union {
        uint16_t half;
        float f;
        double d;
    } old;
    tap_status status = read_pads(ctx, rank, &b, &known, &touched);
    if (status) return status;
    if (s->old) {
        if (dtype == TAP_FLOAT)
            old.f = s->value;
        else if (dtype == TAP_DOUBLE)
            old.d = (double)s->value;
        else
            tap_floats_from_f32(dtype, 1, &s->value, &old.half);
        value = &old;
    } else if (ctx->n_in > 2 && ctx->in[2]) {
        value = ctx->in[2]->data;
    }
    if (ctx->channels_last && rank >= 3) borders_channels_last(&b, rank);
    return pad_copy(ctx, s->mode, &b, value);
}

static bool is_zero(tap_ctx *ctx) {
    const pad_state *s = ctx->state;
    static const char zero[16];
    if (s->old) return s->value == 0 && !signbit(s->value);
    if (!tap_has_in(ctx, 2)) return true;
    const tap_tensor *value = tap_in_known(ctx, 2);
    return value && value->dtype != TAP_STRING && value->count == 1 &&
           memcmp(value->data, zero, tap_dtype_bytes(value->dtype)) == 0;
}

static bool pad_gives_zeros(tap_ctx *ctx, int rank, int64_t *zeros) {
    const pad_state *s = ctx->state;
    borders b;
    bool known;
    uint64_t touched;
    if (s->mode != PAD_CONSTANT || !is_zero(ctx)) return false;
    if (read_pads(ctx, rank, &b, &known, &touched) != TAP_OK || !known) return false;
    for (int i = 0; i < rank; i++) {
        if (b.before[i] < 0 || b.after[i] < 0 || (i < 2 && (b.before[i] || b.after[i]))) return false;
        if (i < 2) continue;
        zeros[2 * (i - 2)] = b.before[i];
        zeros[2 * (i - 2) + 1] = b.after[i];
    }
    return true;
}

/* ---- CenterCropPad ---- */

typedef struct center_state {
    const int64_t *axes; /* NULL: all */
    size_t n;
} center_state;

static tap_status center_prepare(tap_ctx *ctx, void **state) {
    center_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    if (tap_attr_has(ctx, "axes")) s->axes = tap_attr_ints(ctx, "axes", &s->n);
    return TAP_OK;
}

/* dims = the wanted shape of x (rank known), -1 where unknown. */
static tap_status center_dims(tap_ctx *ctx, const int64_t *x_dims, int rank, int64_t *dims) {
    const center_state *s = ctx->state;
    tap_ints shape, axes = {.known = true, .n = rank};
    tap_status status = tap_read_ints(ctx, 1, TAP_RANK_MAX, "shape", &shape);
    for (int i = 0; i < rank; i++) axes.v[i] = i;
    if (!status && s->axes) status = tap_copy_ints(ctx, s->axes, s->n, TAP_RANK_MAX, "axes", &axes);
    if (!status) status = tap_norm_axes(ctx, axes.v, axes.n, rank, true);
    if (status) return status;
    if (shape.n >= 0 && shape.n != axes.n)
        return tap_fail(ctx, tap_misfit(ctx), "shape has %d elements for %d axes", shape.n, axes.n);
    for (int i = 0; i < rank; i++) dims[i] = x_dims[i];
    for (int i = 0; i < axes.n; i++) {
        dims[axes.v[i]] = shape.known ? shape.v[i] : -1;
        if (shape.known && shape.v[i] < 0)
            return tap_fail(ctx, tap_misfit(ctx), "shape[%d] is %lld", i, (long long)shape.v[i]);
    }
    return TAP_OK;
}

static tap_status center_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[TAP_RANK_MAX];
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    tap_status status = center_dims(ctx, x->dims, x->rank, dims);
    return status ? status : tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

/* The odd element of a difference is added, or cut off, at the end. */
static tap_status center_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    tap_w16 zero = {0, 0};
    borders b;
    for (int i = 0; i < x->rank; i++) {
        int64_t more = y->dims[i] - x->dims[i];
        b.before[i] = more / 2;
        b.after[i] = more - b.before[i];
    }
    return pad_copy(ctx, PAD_CONSTANT, &b, &zero);
}

#define ONE_OUT .out_min = 1, .out_max = 1
#define ANY     ONE_OUT, .dtypes = TAP_TYPES_ALL
#define PAD                                                                                          \
    .flags = TAP_TAKES_CHANNELS_LAST, .image_inputs = 1, .prepare = pad_prepare, .infer = pad_infer, \
    .run = pad_run, .gives_zeros = pad_gives_zeros

static const tap_op ops[] = {
    {.name = "Pad",
     .since = 1,
     .until = 10,
     .in_min = 1,
     .in_max = 1,
     ONE_OUT,
     .dtypes = TAP_TYPES_FLOAT,
     PAD},
    {.name = "Pad", .since = 11, .until = 17, .in_min = 2, .in_max = 3, ANY, PAD},
    {.name = "Pad", .since = 18, .in_min = 2, .in_max = 4, ANY, PAD},
    {.name = "CenterCropPad",
     .since = 18,
     .in_min = 2,
     .in_max = 2,
     ANY,
     .prepare = center_prepare,
     .infer = center_infer,
     .run = center_run},
    {0},
};

TAP_DEFINE_FAMILY(pad, ops);
