/* TensorFlow's branches: Switch and _SwitchN hand their value to all branches, Merge takes the result of the
 * one that was meant (its last input, which binding has added, tells). */
#include "common/scalar.h"
#include "common/shape.h"
#include "tensorflow/tensorflow.h"

static tap_status switch_prepare(tap_ctx *ctx, void **state) {
    tap_attr_ignore(ctx, "num_outs");
    *state = NULL;
    return TAP_OK;
}

static tap_status switch_infer(tap_ctx *ctx) {
    tap_status st = tap_need_one(ctx, 1, "what decides");
    for (int i = 0; i < ctx->n_out && !st; i++) st = tap_out_like(ctx, i, tap_in_type(ctx, 0));
    return st;
}

static tap_status switch_run(tap_ctx *ctx) {
    tap_status st = TAP_OK;
    for (int i = 0; i < ctx->n_out && !st; i++)
        if (tap_has_out(ctx, i)) st = tap_set_out(ctx, i, tap_keep_in(ctx, 0));
    return st;
}

/* Sizes in which the branches differ are known once one was taken. */
static tap_status merge_infer(tap_ctx *ctx) {
    tap_type t = *tap_in_type(ctx, 0);
    for (int i = 1; i < ctx->n_in - 1; i++) {
        const tap_type *x = tap_in_type(ctx, i);
        if (x->kind != t.kind || x->dtype != t.dtype) t.dtype = TAP_UNDEFINED;
        if (x->rank != t.rank) t.rank = -1;
        for (int d = 0; d < t.rank; d++)
            if (x->dims[d] != t.dims[d]) t.dims[d] = -1;
    }
    tap_status st = tap_need_one(ctx, ctx->n_in - 1, "what decides");
    if (!st) st = t.kind == TAP_KIND_TENSOR ? tap_out_type(ctx, 0, t.dtype, t.rank, t.dims) : TAP_OK;
    return st ? st : tap_out_type(ctx, 1, TAP_INT32, 0, NULL);
}

static tap_status merge_run(tap_ctx *ctx) {
    const int n = ctx->n_in - 1;
    int64_t at = tap_cut_at(ctx->in[n], 0);
    if (at < 0 || at >= n) at = n - 1; /* as TensorFlow has it */
    if (tap_has_out(ctx, 1)) {
        tap_tensor *index = tap_out(ctx, 1, TAP_INT32, 0, NULL);
        if (!index) return TAP_MEMORY;
        *(int32_t *)index->data = (int32_t)at;
    }
    return tap_set_out(ctx, 0, tap_keep_in(ctx, (int)at));
}

#define NOTES .notes = "All branches are computed, and the one that was meant is taken."

static const tap_op ops[] = {
    {TAP_TF_ROW("Switch", 2, 2), .dtypes = TAP_TYPES_ALL, .infer = switch_infer, .run = switch_run, NOTES},
    {.name = "_SwitchN",
     .domain = TAP_TENSORFLOW,
     .since = 1,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = -1,
     .dtypes = TAP_TYPES_ALL,
     .prepare = switch_prepare,
     .infer = switch_infer,
     .run = switch_run,
     NOTES},
    {.name = "Merge",
     .domain = TAP_TENSORFLOW,
     .since = 1,
     .in_min = 2,
     .in_max = -1,
     .out_min = 1,
     .out_max = 2,
     .dtypes = TAP_TYPES_ALL,
     .infer = merge_infer,
     .run = merge_run,
     NOTES},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_branches, ops);
