/* Optionals. A value that is there is the element itself, and an empty one is no value. */
#include "common/types.h"

typedef struct optional_state {
    const tap_type *type; /* of the element; NULL: that of the input */
} optional_state;

static tap_status optional_prepare(tap_ctx *ctx, void **state) {
    optional_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->type = tap_attr_type(ctx, "type");
    if (s->type || tap_has_in(ctx, 0)) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "an empty optional needs the attribute type");
}

static tap_status optional_infer(tap_ctx *ctx) {
    const optional_state *s = ctx->state;
    const tap_type *elem = tap_has_in(ctx, 0) ? tap_in_type(ctx, 0) : s->type;
    tap_type t = {.kind = TAP_KIND_OPTIONAL, .rank = -1, .elem = elem};
    if (elem && elem->kind == TAP_KIND_OPTIONAL) return tap_out_like(ctx, 0, elem);
    return tap_out_like(ctx, 0, &t);
}

static tap_status optional_run(tap_ctx *ctx) {
    if (!tap_in_value(ctx, 0)) return tap_set_out(ctx, 0, NULL);
    tap_value *v = tap_keep_in(ctx, 0);
    return v ? tap_set_out(ctx, 0, v) : TAP_MEMORY;
}

static tap_status element_infer(tap_ctx *ctx) {
    const tap_type *t = tap_in_type(ctx, 0);
    return tap_out_like(ctx, 0, t && t->kind == TAP_KIND_OPTIONAL ? t->elem : t);
}

static tap_status element_run(tap_ctx *ctx) {
    if (tap_value_kind(tap_in_value(ctx, 0)) == TAP_KIND_NONE)
        return tap_fail(ctx, TAP_RUN, "the optional is empty; OptionalHasElement tells so beforehand");
    tap_value *v = tap_keep_in(ctx, 0);
    return v ? tap_set_out(ctx, 0, v) : TAP_MEMORY;
}

static tap_status has_infer(tap_ctx *ctx) {
    return tap_out_type(ctx, 0, TAP_BOOL, 0, NULL);
}

static tap_status has_run(tap_ctx *ctx) {
    *(bool *)ctx->out[0]->data = tap_value_kind(tap_in_value(ctx, 0)) != TAP_KIND_NONE;
    return TAP_OK;
}

/* From opset 18 what is no optional is taken, too, and OptionalHasElement without an input: older models
 * cannot tell. */
/* clang-format off */
static const tap_op ops[] = {
    {.name = "Optional", .since = 15, .in_min = 0, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL,
     .prepare = optional_prepare, .infer = optional_infer, .run = optional_run},
    {.name = "OptionalGetElement", .since = 15, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .infer = element_infer, .run = element_run},
    {.name = "OptionalHasElement", .since = 15, .in_min = 0, .in_max = 1, .out_min = 1, .out_max = 1,
     .flags = TAP_ANY_KIND, .dtypes = TAP_TYPES_ALL, .infer = has_infer, .run = has_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(optional, ops);
