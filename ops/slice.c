/* Slice and Split: parts of a tensor. */
#include "common/move.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "core/move_few.h"

/* ---- Slice ---- */

typedef struct slice_state {
    bool old; /* Slice-1: attributes instead of inputs */
    const int64_t *starts, *ends, *axes;
    size_t n_starts, n_ends, n_axes;
} slice_state;

static tap_status slice_prepare(tap_ctx *ctx, void **state) {
    slice_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->old = tap_ctx_op(ctx)->in_max == 1;
    if (!s->old) return TAP_OK;
    if (!tap_attr_has(ctx, "starts") || !tap_attr_has(ctx, "ends"))
        return tap_fail(ctx, TAP_MODEL, "attributes starts and ends are required");
    s->starts = tap_attr_ints(ctx, "starts", &s->n_starts);
    s->ends = tap_attr_ints(ctx, "ends", &s->n_ends);
    s->axes = tap_attr_ints(ctx, "axes", &s->n_axes);
    return TAP_OK;
}

/* starts, ends, axes, steps as written; none of `axes`, `steps`: n == 0. */
typedef struct slice_args {
    tap_ints starts, ends, axes, steps;
} slice_args;

static tap_status read_args(tap_ctx *ctx, slice_args *a) {
    const slice_state *s = ctx->state;
    tap_status status;
    if (s->old) {
        a->steps = (tap_ints){.known = true};
        if ((status = tap_copy_ints(ctx, s->starts, s->n_starts, TAP_RANK_MAX, "starts", &a->starts)))
            return status;
        if ((status = tap_copy_ints(ctx, s->ends, s->n_ends, TAP_RANK_MAX, "ends", &a->ends))) return status;
        return tap_copy_ints(ctx, s->axes, s->n_axes, TAP_RANK_MAX, "axes", &a->axes);
    }
    if ((status = tap_read_ints(ctx, 1, TAP_RANK_MAX, "starts", &a->starts))) return status;
    if ((status = tap_read_ints(ctx, 2, TAP_RANK_MAX, "ends", &a->ends))) return status;
    if ((status = tap_read_ints(ctx, 3, TAP_RANK_MAX, "axes", &a->axes))) return status;
    return tap_read_ints(ctx, 4, TAP_RANK_MAX, "steps", &a->steps);
}

/* What is taken along one axis: count elements from `start` on, `step` apart. */
typedef struct cut {
    int64_t start, step, count;
} cut;

/* Clamps as the standard says: INT64_MIN and INT64_MAX mean "to the end", in either direction. */
static cut clamp(int64_t start, int64_t end, int64_t step, int64_t d) {
    int64_t lo = step > 0 ? 0 : -1, hi = step > 0 ? d : d - 1;
    if (start < 0) start += d;
    if (end < 0) end += d;
    start = tap_max64(step > 0 ? lo : 0, tap_min64(start, hi));
    end = tap_max64(lo, tap_min64(end, hi));
    int64_t way = step > 0 ? end - start : start - end;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    cut c = {start, step, way <= 0 || d == 0 ? 0 : (int64_t)((uint64_t)(way - 1) / stride) + 1};
    if (c.count <= 1) c.step = 1;
    return c;
}

/* One length for all lists; -1: unknown. */
static tap_status list_length(tap_ctx *ctx, const slice_args *a, int rank, int *n) {
    const tap_ints *lists[] = {&a->starts, &a->ends, &a->axes, &a->steps};
    static const char *const names[] = {"starts", "ends", "axes", "steps"};
    *n = -1;
    for (int i = 0; i < 4; i++) {
        if (i >= 2 && lists[i]->known && lists[i]->n == 0) continue;
        if (*n >= 0 && lists[i]->n >= 0 && lists[i]->n != *n)
            return tap_fail(ctx, tap_misfit(ctx), "%s has %d elements, starts has %d", names[i], lists[i]->n,
                            *n);
        if (*n < 0) *n = lists[i]->n;
    }
    if (*n > rank)
        return tap_fail(ctx, tap_misfit(ctx), "%d axes are sliced of a tensor of rank %d", *n, rank);
    return TAP_OK;
}

static tap_status cut_axis(tap_ctx *ctx, const slice_args *a, int i, int64_t d, cut *c) {
    bool stepped = a->steps.n != 0;
    if (stepped && a->steps.known && a->steps.v[i] == 0)
        return tap_fail(ctx, tap_misfit(ctx), "the step along axis %lld is 0", (long long)a->axes.v[i]);
    if (a->starts.known && a->ends.known && a->steps.known) {
        int64_t step = stepped ? a->steps.v[i] : 1;
        if (d >= 0)
            *c = clamp(a->starts.v[i], a->ends.v[i], step, d);
        else
            c->count = -1;
    } else {
        c->count = d == 0 ? 0 : -1;
    }
    return TAP_OK;
}

/* The cut of every axis of x (rank known); counts are -1 where unknown. */
static tap_status find_cuts(tap_ctx *ctx, const tap_type *x, cut *cuts) {
    slice_args a;
    int n;
    tap_status status = read_args(ctx, &a);
    if (status) return status;
    if ((status = list_length(ctx, &a, x->rank, &n))) return status;
    for (int i = 0; i < x->rank; i++) cuts[i] = (cut){0, 1, x->dims[i]};
    if (a.axes.known && a.axes.n == 0 && n >= 0) {
        for (int i = 0; i < n; i++) a.axes.v[i] = i;
    } else if (!a.axes.known || n < 0) {
        for (int i = 0; i < x->rank; i++) cuts[i].count = -1;
        return TAP_OK;
    }
    if ((status = tap_norm_axes(ctx, a.axes.v, n, x->rank, true))) return status;
    for (int i = 0; i < n; i++)
        if ((status = cut_axis(ctx, &a, i, x->dims[a.axes.v[i]], &cuts[a.axes.v[i]]))) return status;
    return TAP_OK;
}

static tap_status slice_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    cut cuts[TAP_RANK_MAX];
    int64_t dims[TAP_RANK_MAX];
    tap_status status = TAP_OK;
    for (int i = 2; i < ctx->n_in && !status; i++)
        status = tap_need_same_dtype(ctx, 1, i, "what says where to cut");
    if (status) return status;
    if (x->rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if ((status = find_cuts(ctx, x, cuts))) return status;
    for (int i = 0; i < x->rank; i++) dims[i] = cuts[i].count;
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

static tap_status slice_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *y = ctx->out[0];
    cut cuts[TAP_RANK_MAX];
    int64_t src_step[TAP_RANK_MAX], dst_step[TAP_RANK_MAX];
    size_t width = tap_dtype_bytes(x->dtype);
    const char *from = x->data;
    tap_status status = find_cuts(ctx, tap_in_type(ctx, 0), cuts);
    if (status) return status;
    if (y->count == 0) return TAP_OK;
    tap_dense_steps(width, x->rank, x->dims, src_step);
    tap_dense_steps(width, y->rank, y->dims, dst_step);
    for (int i = 0; i < x->rank; i++) {
        from += cuts[i].start * src_step[i];
        src_step[i] *= cuts[i].step;
    }
    tap_move_steps(ctx, width, y->rank, y->dims, src_step, dst_step, from, y->data);
    return TAP_OK;
}

/* ---- Split ---- */

typedef struct split_state {
    int64_t axis, num_outputs; /* num_outputs 0: not given */
    bool given;                /* lengths as an attribute */
    const int64_t *split;
    size_t n;
} split_state;

static tap_status split_prepare(tap_ctx *ctx, void **state) {
    split_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->axis = tap_attr_int(ctx, "axis", 0);
    if (tap_opset(ctx) < 13) {
        s->given = tap_attr_has(ctx, "split");
        s->split = tap_attr_ints(ctx, "split", &s->n);
    }
    if (tap_opset(ctx) < 18 || !tap_attr_has(ctx, "num_outputs")) return TAP_OK;
    s->num_outputs = tap_attr_int(ctx, "num_outputs", 0);
    if (s->num_outputs != ctx->n_out)
        return tap_fail(ctx, TAP_MODEL, "num_outputs is %lld, but the node has %d outputs",
                        (long long)s->num_outputs, ctx->n_out);
    if (tap_has_in(ctx, 1)) return tap_fail(ctx, TAP_MODEL, "both split and num_outputs are given");
    return TAP_OK;
}

/* Lengths of the outputs along the axis, by one of: an attribute, a tensor, equal parts. */
typedef struct lengths {
    const int64_t *attr;
    const tap_tensor *tensor;
    int64_t each, all; /* equal parts: the last ones are shorter, or empty, where they do not fit */
} lengths;

/* -1: unknown. */
static int64_t length_at(const lengths *l, int i) {
    if (l->attr) return l->attr[i];
    if (l->tensor) return tap_cut_at(l->tensor, i);
    return l->each < 0 ? -1 : tap_max64(0, tap_min64(l->each, l->all - i * l->each));
}

static tap_status check_lengths(tap_ctx *ctx, const lengths *l, int64_t n, int64_t d) {
    int64_t sum = 0, whole;
    if (n != ctx->n_out)
        return tap_fail(ctx, tap_misfit(ctx), "split has %lld elements for %d outputs", (long long)n,
                        ctx->n_out);
    for (int i = 0; i < ctx->n_out; i++) {
        int64_t len = length_at(l, i);
        if (l->tensor && !tap_whole_at(l->tensor, i, &whole))
            return tap_fail(ctx, tap_misfit(ctx), "split[%d] is no whole number", i);
        if (len < 0) return tap_fail(ctx, tap_misfit(ctx), "split[%d] is %lld", i, (long long)len);
        if (!tap_add64(sum, len, &sum))
            return tap_fail(ctx, tap_misfit(ctx), "the sum of split is too large");
    }
    if (d < 0 || sum == d) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "the lengths in split add up to %lld, the axis has %lld",
                    (long long)sum, (long long)d);
}

static tap_status equal_lengths(tap_ctx *ctx, int64_t d, lengths *l) {
    const split_state *s = ctx->state;
    int64_t n = ctx->n_out;
    if (d < 0) return TAP_OK;
    if (d % n && !s->num_outputs)
        return tap_fail(ctx, tap_misfit(ctx), "%lld elements do not fall into %lld equal parts", (long long)d,
                        (long long)n);
    l->each = d / n + (d % n != 0);
    l->all = d;
    return TAP_OK;
}

/* The lengths for an axis of d elements (-1: unknown), checked. */
static tap_status find_lengths(tap_ctx *ctx, int64_t d, lengths *l) {
    const split_state *s = ctx->state;
    tap_status status;
    *l = (lengths){.each = -1};
    if (s->given) {
        l->attr = s->split;
        return check_lengths(ctx, l, (int64_t)s->n, d);
    }
    if (!tap_has_in(ctx, 1)) return equal_lengths(ctx, d, l);
    /* Split-1 takes the lengths as numbers of the data's own type. */
    if (tap_opset(ctx) < 2)
        status = tap_need_same_dtype(ctx, 0, 1, "split");
    else
        status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "split");
    if (status) return status;
    l->tensor = tap_in_known(ctx, 1);
    return l->tensor ? check_lengths(ctx, l, l->tensor->count, d) : TAP_OK;
}

static tap_status split_infer(tap_ctx *ctx) {
    const split_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_type y = *x;
    lengths l;
    int axis = 0;
    if (x->rank >= 0 && !tap_axis(s->axis, x->rank, &axis))
        return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)s->axis,
                        x->rank);
    tap_status status = find_lengths(ctx, x->rank < 0 ? -1 : x->dims[axis], &l);
    for (int i = 0; i < ctx->n_out && !status; i++) {
        if (x->rank >= 0) y.dims[axis] = length_at(&l, i);
        status = tap_out_type(ctx, i, x->dtype, x->rank, y.dims);
    }
    return status;
}

/* A few outputs of one word each along the axis and behind it: shuffled apart. */
typedef struct few {
    tap_apart_loop *loop;
    int n;
    const char *x;
    char *y[TAP_FEW_MAX];
    int64_t word;
} few;

static void few_task(void *arg, int64_t begin, int64_t end, int worker) {
    const few *f = arg;
    char *y[TAP_FEW_MAX];
    (void)worker;
    for (int i = 0; i < f->n; i++) y[i] = f->y[i] + begin * f->word;
    f->loop(end - begin, f->x + begin * f->word * f->n, y);
}

static bool split_few(tap_ctx *ctx, int axis) {
    const tap_tensor *x = ctx->in[0];
    few f = {.n = ctx->n_out, .x = x->data, .word = (int64_t)tap_dtype_bytes(x->dtype)};
    if (f.n > TAP_FEW_MAX || x->count == 0) return false;
    for (int i = 0; i < f.n; i++) {
        if (!ctx->out[i] || ctx->out[i]->dims[axis] * f.n != x->dims[axis]) return false;
        f.y[i] = ctx->out[i]->data;
    }
    for (int d = axis; d < x->rank; d++) f.word *= ctx->out[0]->dims[d];
    f.loop = f.word <= 8 && (f.word & (f.word - 1)) == 0 ? tap_few_apart(tap_cpu_isa(), (size_t)f.word, f.n)
                                                         : NULL;
    if (!f.loop) return false;
    tap_parallel(ctx, tap_product(x->dims, axis), 1 << 16, few_task, &f);
    return true;
}

static tap_status split_run(tap_ctx *ctx) {
    const split_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    size_t width = tap_dtype_bytes(x->dtype);
    int64_t src_step[TAP_RANK_MAX], dst_step[TAP_RANK_MAX], from = 0;
    lengths l;
    int axis;
    if (!tap_axis(s->axis, x->rank, &axis)) return tap_fail(ctx, TAP_RUN, "axis out of range");
    tap_status status = find_lengths(ctx, x->dims[axis], &l);
    if (status || split_few(ctx, axis)) return status;
    tap_dense_steps(width, x->rank, x->dims, src_step);
    for (int i = 0; i < ctx->n_out; i++) {
        tap_tensor *y = ctx->out[i];
        const char *src = (const char *)x->data + from * src_step[axis];
        from += length_at(&l, i);
        if (!y || y->count == 0) continue;
        tap_dense_steps(width, y->rank, y->dims, dst_step);
        tap_move_steps(ctx, width, y->rank, y->dims, src_step, dst_step, src, y->data);
    }
    return TAP_OK;
}

#define PARTS(data_inputs, most) .in_min = data_inputs, .in_max = most, .out_min = 1, .dtypes = TAP_TYPES_ALL
#define SLICE                    .out_max = 1, .prepare = slice_prepare, .infer = slice_infer, .run = slice_run
#define SPLIT                    .out_max = -1, .prepare = split_prepare, .infer = split_infer, .run = split_run

static const tap_op ops[] = {
    {.name = "Slice", .since = 1, .until = 9, PARTS(1, 1), SLICE},
    {.name = "Slice", .since = 10, PARTS(3, 5), SLICE},
    {.name = "DynamicSlice",
     .since = 1,
     .until = 9,
     PARTS(3, 4),
     SLICE,
     .notes = "Experimental, in ONNX up to opset 9."},
    {.name = "Split", .since = 1, .until = 1, PARTS(1, 2), SPLIT},
    {.name = "Split", .since = 2, .until = 12, PARTS(1, 1), SPLIT},
    {.name = "Split", .since = 13, .until = 17, PARTS(1, 2), SPLIT},
    {.name = "Split", .since = 18, PARTS(1, 2), SPLIT},
    {0},
};

TAP_DEFINE_FAMILY(slice, ops);
