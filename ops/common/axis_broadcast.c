/* Broadcasting before opset 7. */
#include "common/axis_broadcast.h"

#include <inttypes.h>

typedef struct axis_state {
    bool broadcast, has_axis;
    int64_t axis;
} axis_state;

tap_status TAP_ISA_NAME(tap_axis_prepare)(tap_ctx *ctx, void **state) {
    axis_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->broadcast = tap_attr_int(ctx, "broadcast", 0) != 0;
    s->has_axis = tap_attr_has(ctx, "axis");
    s->axis = tap_attr_int(ctx, "axis", 0);
    if (tap_opset(ctx) < 6) tap_attr_ints(ctx, "consumed_inputs", &(size_t){0});
    *state = s;
    return TAP_OK;
}

/* Where B's first dimension lies in A; a scalar lies anywhere. false: nowhere. */
static bool first_axis(const axis_state *s, int rank_a, int rank_b, int *axis) {
    if (rank_b > rank_a) return false;
    int64_t first = !s->has_axis || rank_b == 0 ? rank_a - rank_b : s->axis < 0 ? s->axis + rank_a : s->axis;
    *axis = (int)tap_max64(-1, tap_min64(first, rank_a));
    return *axis >= 0 && *axis + rank_b <= rank_a;
}

static tap_status check(tap_ctx *ctx, const tap_type *a, const tap_type *b) {
    const axis_state *s = ctx->state;
    int axis;
    if (!s->broadcast && a->rank != b->rank)
        return tap_fail(ctx, TAP_MODEL, "ranks differ, and attribute broadcast is not 1");
    if (!first_axis(s, a->rank, b->rank, &axis))
        return tap_fail(ctx, TAP_MODEL, "B does not lie within A from axis %" PRId64,
                        s->has_axis ? s->axis : 0);
    for (int d = 0; d < b->rank; d++) {
        int64_t x = a->dims[axis + d], y = b->dims[d];
        if (x >= 0 && y >= 0 && x != y && (y != 1 || !s->broadcast))
            return tap_fail(ctx, TAP_MODEL,
                            "dimension %d of B is %" PRId64 " and dimension %d of A, below it, is %" PRId64,
                            d, y, axis + d, x);
    }
    return TAP_OK;
}

tap_status TAP_ISA_NAME(tap_axis_infer)(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1);
    const tap_dtype gives = tap_ctx_op(ctx)->gives;
    tap_status st = tap_same_dtypes(ctx, 0);
    if (st == TAP_OK && a->rank >= 0 && b->rank >= 0) st = check(ctx, a, b);
    if (st != TAP_OK) return st;
    return tap_out_type(ctx, 0, gives ? gives : a->dtype, a->rank, a->dims);
}

tap_tensor TAP_ISA_NAME(tap_axis_view)(const tap_tensor *in, int axis, int rank) {
    tap_tensor t = *in;
    t.rank = rank - axis;
    for (int d = in->rank; d < t.rank; d++) t.dims[d] = 1;
    return t;
}

tap_status TAP_ISA_NAME(tap_axis_run)(tap_ctx *ctx) {
    const tap_tensor *a = ctx->in[0], *b = ctx->in[1];
    int axis = 0;
    first_axis(ctx->state, a->rank, b->rank, &axis);
    tap_tensor view = TAP_ISA_NAME(tap_axis_view)(b, axis, a->rank);
    const tap_tensor *in[2] = {a, &view};
    return tap_broadcast(ctx, tap_ctx_op(ctx)->loops[a->dtype], NULL, in, 2, ctx->out, 1);
}
