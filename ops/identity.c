/* Identity: a value under another name. */
#include "common/ops.h"

static tap_status identity_infer(tap_ctx *ctx) {
    return tap_out_like(ctx, 0, tap_in_type(ctx, 0));
}

static const tap_op ops[] = {
    {.name = "Identity",
     .since = 1,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_VIEW | TAP_ANY_KIND,
     .dtypes = TAP_TYPES_ALL,
     .infer = identity_infer},
    {0},
};

TAP_DEFINE_FAMILY(identity, ops);
