/* Type inference of values that a body carries from one run to the next. */
#include "common/bodies.h"

tap_body *tap_required_body(tap_ctx *ctx, const char *name, size_t n_in, size_t n_out) {
    tap_body *body = tap_attr_body(ctx, name);
    if (!body) {
        tap_fail(ctx, TAP_MODEL, "attribute %s, a graph, is missing", name);
        return NULL;
    }
    if (tap_body_n_in(body) != n_in || tap_body_n_out(body) < n_out) {
        tap_fail(ctx, TAP_MODEL,
                 "graph %s has %zu inputs and %zu outputs; this node gives it %zu and wants at least %zu",
                 name, tap_body_n_in(body), tap_body_n_out(body), n_in, n_out);
        return NULL;
    }
    return body;
}

tap_status tap_carry_make(tap_ctx *ctx, tap_carry *c) {
    c->in = tap_scratch(ctx, c->n_in * sizeof *c->in);
    c->out = tap_scratch(ctx, c->n_out * sizeof *c->out);
    c->carried = tap_scratch(ctx, c->n * sizeof *c->carried);
    return c->in && c->out && c->carried ? TAP_OK : TAP_MEMORY;
}

static tap_status check_dtype(tap_ctx *ctx, const tap_carry *c, size_t k) {
    const tap_type *before = tap_type_tensor(tap_type_given(&c->carried[k]));
    const tap_type *after = tap_type_tensor(&c->out[c->first_out + k]);
    if (!before || !after || before->dtype == after->dtype) return TAP_OK;
    if (before->dtype == TAP_UNDEFINED || after->dtype == TAP_UNDEFINED) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL,
                    "carried value %zu is %s when it enters the body and %s when it leaves it", k,
                    tap_dtype_name(before->dtype), tap_dtype_name(after->dtype));
}

/* One round. *changed: what came out was wider than what went in. */
static tap_status carry_once(tap_ctx *ctx, tap_carry *c, bool *changed) {
    for (size_t k = 0; k < c->n; k++) c->in[c->first_in + k] = tap_type_given(&c->carried[k]);
    tap_status s = tap_body_infer(ctx, c->body, c->in, c->n_in, c->n_out, c->out);
    *changed = false;
    for (size_t k = 0; k < c->n && s == TAP_OK; k++) {
        s = check_dtype(ctx, c, k);
        if (tap_type_widen(&c->carried[k], &c->out[c->first_out + k])) *changed = true;
    }
    return s;
}

tap_status tap_carry_infer(tap_ctx *ctx, tap_carry *c) {
    /* A type can only widen, so this ends. Shapes that still grow after a few rounds grow with the number of
     * runs: they are given up at once, and not a dimension a round. */
    bool changed = true;
    for (int round = 0; changed; round++) {
        tap_status s = carry_once(ctx, c, &changed);
        if (s != TAP_OK) return s;
        for (size_t k = 0; k < c->n && changed && round >= 3; k++) tap_type_forget_shape(&c->carried[k]);
    }
    return TAP_OK;
}
