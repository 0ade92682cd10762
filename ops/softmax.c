/* Softmax, LogSoftmax. Below opset 13 the dimensions from `axis` on are one; from 13 on the axis is one
 * dimension. */
#include "common/softmax.h"

#include "common/shape.h"

typedef struct softmax_state {
    int64_t axis;
    bool log, flat;
} softmax_state;

static tap_status prepare(tap_ctx *ctx, void **state, bool flat) {
    softmax_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->flat = flat;
    s->axis = tap_attr_int(ctx, "axis", flat ? 1 : -1);
    s->log = tap_ctx_op(ctx)->name[0] == 'L';
    return TAP_OK;
}

static tap_status prepare_flat(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, true);
}
static tap_status prepare_axis(tap_ctx *ctx, void **state) {
    return prepare(ctx, state, false);
}

static tap_status infer(tap_ctx *ctx) {
    const softmax_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t axis = s->axis;
    if (x->rank >= 0) {
        tap_status status = tap_norm_axes(ctx, &axis, 1, x->rank, false);
        if (status) return status;
    }
    return tap_out_like(ctx, 0, x);
}

static tap_status run(tap_ctx *ctx) {
    const softmax_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_slices of = {.dtype = x->dtype};
    int axis;
    if (x->count == 0 || !tap_axis(s->axis, x->rank, &axis)) return TAP_OK;
    of.outer = tap_product(x->dims, axis);
    of.n = s->flat ? tap_product(x->dims + axis, x->rank - axis) : x->dims[axis];
    of.inner = x->count / of.outer / of.n;
    return tap_softmax_all(ctx, &of, x->data, ctx->out[0]->data, s->log);
}

#define SOFTMAX(op)                                                                                \
    {.name = op,                                                                                   \
     .since = 1,                                                                                   \
     .until = 12,                                                                                  \
     .in_min = 1,                                                                                  \
     .in_max = 1,                                                                                  \
     .out_min = 1,                                                                                 \
     .out_max = 1,                                                                                 \
     .flags = TAP_IN_PLACE,                                                                        \
     .dtypes = TAP_TYPES_FLOAT,                                                                    \
     .prepare = prepare_flat,                                                                      \
     .infer = infer,                                                                               \
     .run = run},                                                                                  \
    {                                                                                              \
        .name = op, .since = 13, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,             \
        .flags = TAP_IN_PLACE, .dtypes = TAP_TYPES_FLOAT, .prepare = prepare_axis, .infer = infer, \
        .run = run                                                                                 \
    }

static const tap_op ops[] = {SOFTMAX("Softmax"), SOFTMAX("LogSoftmax"), {0}};

TAP_DEFINE_FAMILY(softmax, ops);
