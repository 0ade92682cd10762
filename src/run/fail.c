/* A node's failure, told so that a reader can find it: the node, its operator and opset, its inputs with
 * types and makers. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "run/work.h"

void tap_work_init(tap_work *w, tap_phase phase, tap_model *m, tap_node *n, tap_error *err) {
    *w = (tap_work){.phase = phase, .node = n, .model = m, .err = err};
    w->pub.n_in = n->n_in;
    w->pub.n_out = n->n_out;
    w->pub.state = n->state;
}

static void describe_input(tap_text *t, const tap_work *w, int i) {
    const tap_node *n = w->node;
    if (n->in[i] == TAP_NO_VALUE) return;
    const tap_gvalue *v = &n->graph->values[n->in[i]];
    tap_text_add(t, "%s%s ", t->n ? ", " : "", v->full);
    /* Before inference: as the file declares it. */
    const tap_type *type = w->in_types                                    ? w->in_types[i]
                           : v->type.kind == TAP_KIND_NONE && v->declared ? v->declared
                                                                          : &v->type;
    tap_text_type(t, type);
    if (v->producer) tap_text_add(t, " by %s", v->producer->address);
}

tap_status tap_fail(tap_ctx *ctx, tap_status code, const char *fmt, ...) {
    tap_work *w = tap_work_of(ctx);
    const tap_node *n = w->node;
    if (w->failed != TAP_OK) return w->failed; /* the first failure is the one that tells */
    /* What the file alone did not show is no fault of the file. */
    if (code == TAP_MODEL && w->frame) code = TAP_RUN;
    w->failed = code;
    if (!w->err) return code;
    char message[1600] = "", inputs[1200] = "";
    tap_text m = {message, sizeof message, 0}, in = {inputs, sizeof inputs, 0};
    va_list args;
    va_start(args, fmt);
    tap_text_addv(&m, fmt, args);
    va_end(args);
    for (int i = 0; i < n->n_in; i++) describe_input(&in, w, i);
    tap_error_set(w->err, code, "node '%s' (%s%s%s, opset %" PRId64 "): %s%s%s%s", n->address, n->src->domain,
                  *n->src->domain ? "." : "", n->src->op, n->opset, message, in.n ? " [inputs: " : "", inputs,
                  in.n ? "]" : "");
    char op[64];
    snprintf(op, sizeof op, "%s%s%s", n->src->domain, *n->src->domain ? "." : "", n->src->op);
    const char *out = n->n_out && n->out[0] != TAP_NO_VALUE ? n->graph->values[n->out[0]].full : NULL;
    tap_error_where(w->err, n->address, op, out);
    return code;
}

int64_t tap_opset(const tap_ctx *ctx) {
    const tap_node *n = tap_work_of(ctx)->node;
    return n->op && n->op->since > n->opset ? n->op->since : n->opset;
}
const tap_op *tap_ctx_op(const tap_ctx *ctx) {
    return tap_work_of(ctx)->node->op;
}

bool tap_has_in(const tap_ctx *ctx, int i) {
    const tap_node *n = tap_work_of(ctx)->node;
    return i >= 0 && i < n->n_in && n->in[i] != TAP_NO_VALUE;
}

bool tap_has_out(const tap_ctx *ctx, int i) {
    const tap_node *n = tap_work_of(ctx)->node;
    return i >= 0 && i < n->n_out && n->out[i] != TAP_NO_VALUE;
}
