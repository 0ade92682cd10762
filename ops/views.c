/* Reshape, Flatten, Squeeze, Unsqueeze: the same elements under another shape. No memory moves. */
#include "common/shape.h"

/* ---- Reshape ---- */

typedef struct reshape_state {
    const int64_t *shape; /* Reshape-1: the attribute; else NULL */
    size_t n;
    bool allowzero;
} reshape_state;

static tap_status reshape_prepare(tap_ctx *ctx, void **state) {
    reshape_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    if (tap_opset(ctx) < 5) {
        s->shape = tap_attr_ints(ctx, "shape", &s->n);
        tap_attr_ints(ctx, "consumed_inputs", &(size_t){0});
    }
    if (tap_opset(ctx) >= 14) s->allowzero = tap_attr_int(ctx, "allowzero", 0) != 0;
    return TAP_OK;
}

/* What is wanted: dims[i] >= 0, -1 = unknown. */
typedef struct target {
    int rank, free; /* free: the dim that follows from the others, -1: none                              */
    uint64_t kept;  /* bits of the dims that are taken over from x                                        */
    int64_t dims[TAP_RANK_MAX];
} target;

static tap_status reshape_target(tap_ctx *ctx, const tap_type *x, const tap_ints *shape, target *t) {
    const reshape_state *s = ctx->state;
    *t = (target){.rank = shape->n, .free = -1};
    for (int i = 0; i < t->rank; i++) {
        int64_t d = shape->v[i];
        if (d < -1) return tap_fail(ctx, tap_misfit(ctx), "shape[%d] is %lld", i, (long long)d);
        if (d == -1 && t->free >= 0) return tap_fail(ctx, tap_misfit(ctx), "shape has -1 twice");
        if (d == -1) t->free = i;
        t->dims[i] = d;
        if (d != 0 || s->allowzero) continue;
        t->kept |= UINT64_C(1) << i;
        if (x->rank >= 0 && i >= x->rank)
            return tap_fail(ctx, tap_misfit(ctx),
                            "shape[%d] is 0, \"as in the input\", but the input has rank %d", i, x->rank);
        t->dims[i] = x->rank < 0 ? -1 : x->dims[i];
    }
    if (t->free >= 0 && s->allowzero)
        for (int i = 0; i < t->rank; i++)
            if (shape->v[i] == 0)
                return tap_fail(ctx, tap_misfit(ctx), "shape has both 0 and -1, which allowzero forbids");
    return TAP_OK;
}

/* Elements in those dims of a list whose bit in `without` is not set; -1: unknown. */
static int64_t count_without(const int64_t *dims, int rank, uint64_t without) {
    int64_t rest[TAP_RANK_MAX];
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (!(without >> i & 1)) rest[n++] = dims[i];
    return tap_product(rest, n);
}

/* Checks the element counts and finds the free dim. Dims that are taken over cancel on both sides: [?,8,8] as
 * [0,-1] is
 * [?,64], and an empty batch stays one. */
static tap_status reshape_count(tap_ctx *ctx, const tap_type *x, target *t) {
    if (x->rank < 0) return TAP_OK;
    uint64_t free_bit = t->free < 0 ? 0 : UINT64_C(1) << t->free;
    int64_t have = count_without(x->dims, x->rank, t->kept),
            want = count_without(t->dims, t->rank, t->kept | free_bit);
    tap_dims_text a, b;
    if (have < 0 || want < 0) return TAP_OK;
    if (t->free < 0 ? have == want : want > 0 && have % want == 0) {
        if (t->free >= 0) t->dims[t->free] = have / want;
        return TAP_OK;
    }
    if (t->free < 0 && count_without(x->dims, x->rank, 0) == 0 && count_without(t->dims, t->rank, 0) == 0)
        return TAP_OK;
    tap_show_dims(&a, x->rank, x->dims);
    tap_show_dims(&b, t->rank, t->dims);
    if (t->free >= 0 && want == 0)
        return tap_fail(ctx, tap_misfit(ctx), "%s cannot become %s: any number in place of -1 would do", a.s,
                        b.s);
    return tap_fail(ctx, tap_misfit(ctx), "%s cannot become %s: the numbers of elements differ", a.s, b.s);
}

static tap_status reshape_infer(tap_ctx *ctx) {
    const reshape_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_ints shape = {.n = 0};
    target t;
    tap_status status;
    if (s->shape || tap_opset(ctx) < 5)
        status = tap_copy_ints(ctx, s->shape, s->n, TAP_RANK_MAX, "shape", &shape);
    else
        status = tap_read_ints(ctx, 1, TAP_RANK_MAX, "shape", &shape);
    if (status) return status;
    if (!shape.known) {
        for (int i = 0; i < shape.n; i++) t.dims[i] = -1;
        return tap_out_type(ctx, 0, x->dtype, shape.n, t.dims);
    }
    if ((status = reshape_target(ctx, x, &shape, &t))) return status;
    if ((status = reshape_count(ctx, x, &t))) return status;
    return tap_out_type(ctx, 0, x->dtype, t.rank, t.dims);
}

/* ---- Flatten ---- */

static tap_status axis_prepare(tap_ctx *ctx, void **state) {
    int64_t *axis = tap_state(ctx, sizeof *axis);
    if (!axis) return TAP_MEMORY;
    *axis = tap_attr_int(ctx, "axis", 1);
    *state = axis;
    return TAP_OK;
}

static tap_status flatten_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t axis = *(const int64_t *)ctx->state, dims[2] = {-1, -1};
    if (axis < 0 && tap_opset(ctx) < 11)
        return tap_fail(ctx, TAP_MODEL, "axis %lld is negative", (long long)axis);
    if (x->rank >= 0) {
        if (axis < -x->rank || axis > x->rank)
            return tap_fail(ctx, tap_misfit(ctx), "axis %lld is out of range for rank %d", (long long)axis,
                            x->rank);
        int cut = (int)(axis < 0 ? axis + x->rank : axis);
        dims[0] = tap_product(x->dims, cut);
        dims[1] = tap_product(x->dims + cut, x->rank - cut);
    }
    return tap_out_type(ctx, 0, x->dtype, 2, dims);
}

/* ---- Squeeze, Unsqueeze ---- */

typedef struct axes_state {
    bool given; /* as an attribute */
    const int64_t *axes;
    size_t n;
} axes_state;

static tap_status axes_prepare(tap_ctx *ctx, void **state) {
    axes_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    if (tap_opset(ctx) >= 13) return TAP_OK;
    s->given = tap_attr_has(ctx, "axes");
    s->axes = tap_attr_ints(ctx, "axes", &s->n);
    return TAP_OK;
}

/* The axes of either form; *given: there are any. */
static tap_status read_axes(tap_ctx *ctx, tap_ints *axes, bool *given) {
    const axes_state *s = ctx->state;
    *given = s->given || tap_has_in(ctx, 1);
    if (s->given) return tap_copy_ints(ctx, s->axes, s->n, TAP_RANK_MAX, "axes", axes);
    return tap_read_ints(ctx, 1, TAP_RANK_MAX, "axes", axes);
}

static tap_status squeeze_some(tap_ctx *ctx, const tap_type *x, tap_ints *axes) {
    uint64_t gone = 0;
    int64_t dims[TAP_RANK_MAX];
    int rank = 0;
    tap_status status = tap_norm_axes(ctx, axes->v, axes->n, x->rank, false);
    if (status) return status;
    for (int i = 0; i < axes->n; i++) {
        int64_t d = x->dims[axes->v[i]];
        if (d >= 0 && d != 1)
            return tap_fail(ctx, tap_misfit(ctx),
                            "dimension %lld is %lld, not 1, and cannot be squeezed away",
                            (long long)axes->v[i], (long long)d);
        gone |= UINT64_C(1) << axes->v[i];
    }
    for (int i = 0; i < x->rank; i++)
        if (!(gone >> i & 1)) dims[rank++] = x->dims[i];
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

static tap_status squeeze_all(tap_ctx *ctx, const tap_type *x) {
    int64_t dims[TAP_RANK_MAX];
    int rank = 0;
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
        if (x->dims[i] != 1) dims[rank++] = x->dims[i];
    }
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

static tap_status squeeze_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_ints axes;
    bool given;
    tap_status status = read_axes(ctx, &axes, &given);
    if (status) return status;
    if (x->rank < 0 || !axes.known) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    return given ? squeeze_some(ctx, x, &axes) : squeeze_all(ctx, x);
}

static tap_status unsqueeze_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_ints axes;
    bool given;
    int64_t dims[TAP_RANK_MAX];
    uint64_t added = 0;
    tap_status status = read_axes(ctx, &axes, &given);
    if (status) return status;
    if (!given) return tap_fail(ctx, TAP_MODEL, "axes are missing");
    if (x->rank < 0 || axes.n < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    int rank = x->rank + axes.n;
    if (rank > TAP_RANK_MAX)
        return tap_fail(ctx, tap_misfit(ctx), "rank %d is more than %d", rank, TAP_RANK_MAX);
    if (axes.known && (status = tap_norm_axes(ctx, axes.v, axes.n, rank, true))) return status;
    for (int i = 0; i < axes.n && axes.known; i++) added |= UINT64_C(1) << axes.v[i];
    for (int i = 0, k = 0; i < rank; i++) dims[i] = !axes.known ? -1 : added >> i & 1 ? 1 : x->dims[k++];
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

#define VIEW .out_min = 1, .out_max = 1, .flags = TAP_VIEW, .dtypes = TAP_TYPES_ALL

static const tap_op ops[] = {
    {.name = "Reshape",
     .since = 1,
     .until = 4,
     .in_min = 1,
     .in_max = 1,
     VIEW,
     .prepare = reshape_prepare,
     .infer = reshape_infer},
    {.name = "Reshape",
     .since = 5,
     .in_min = 2,
     .in_max = 2,
     VIEW,
     .prepare = reshape_prepare,
     .infer = reshape_infer},
    {.name = "Flatten",
     .since = 1,
     .in_min = 1,
     .in_max = 1,
     VIEW,
     .prepare = axis_prepare,
     .infer = flatten_infer},
    {.name = "Squeeze",
     .since = 1,
     .until = 12,
     .in_min = 1,
     .in_max = 1,
     VIEW,
     .prepare = axes_prepare,
     .infer = squeeze_infer},
    {.name = "Squeeze",
     .since = 13,
     .in_min = 1,
     .in_max = 2,
     VIEW,
     .prepare = axes_prepare,
     .infer = squeeze_infer},
    {.name = "Unsqueeze",
     .since = 1,
     .until = 12,
     .in_min = 1,
     .in_max = 1,
     VIEW,
     .prepare = axes_prepare,
     .infer = unsqueeze_infer},
    {.name = "Unsqueeze",
     .since = 13,
     .in_min = 2,
     .in_max = 2,
     VIEW,
     .prepare = axes_prepare,
     .infer = unsqueeze_infer},
    {0},
};

TAP_DEFINE_FAMILY(views, ops);
