/* Nodes that no row of ONNX fits: what a framework, a runtime or a converter left in the file. They are named
 * as what they are, and run where the model's options ask for it. */
#include <inttypes.h>
#include <string.h>

#include "graph/origin.h"
#include "graph/scope.h"

#define OPTION "--tf-ops (tap_model_options.tf_ops)"

static const tap_string *name_in(const tap_src_node *n, const char *attribute) {
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, attribute) == 0 && n->attrs[i].kind == TAP_ATTR_STRING)
            return &n->attrs[i].u.s;
    return NULL;
}

/* The function that a call of TensorFlow's names; NULL: no such call. */
static const tap_string *called(const tap_src_node *n) {
    bool call = !*n->domain &&
                (strcmp(n->op, "StatefulPartitionedCall") == 0 || strcmp(n->op, "PartitionedCall") == 0);
    return call ? name_in(n, "f") : NULL;
}

const tap_src_function *tap_find_called(const tap_binder *bd, const tap_src_node *n) {
    const tap_string *name = bd->b->src->n_functions ? called(n) : NULL;
    if (!name || name->n > 400) return NULL;
    char key[512] = "";
    tap_text t = {key, sizeof key, 0};
    tap_text_add(&t, TAP_CALLED "%.*s", (int)name->n, name->s);
    int32_t i = tap_map_get(&bd->functions, key, -1);
    return i < 0 ? NULL : &bd->b->src->functions[i];
}

/* A call without the option, or of what is not there. */
static const char *why_not_called(const tap_binder *bd, tap_node *n, const tap_string *name) {
    const char *fmt =
        "it calls the function '%.*s', which the file does not have: the converter did not write it out";
    if (tap_find_called(bd, n->src)) {
        fmt = "it calls the function '%.*s' of the file as TensorFlow does, which " OPTION " runs";
        n->foreign = "a call of a function as TensorFlow has it";
    }
    return tap_arena_printf(bd->b->arena, fmt, (int)(name->n < 200 ? name->n : 200), name->s);
}

/* What the node runs as. */
static const char *meaning_of(const tap_binder *bd, const tap_node *n, const tap_op *op) {
    if (op->domain && strcmp(op->domain, TAP_TENSORFLOW) == 0)
        return "an operator of TensorFlow, not of ONNX";
    return tap_arena_printf(bd->b->arena, "ONNX's of opset %d, the model declares %" PRId64, (int)op->since,
                            n->opset);
}

static const char *why_left(const tap_binder *bd, const tap_node *n, const tap_op *op) {
    if (op->domain && strcmp(op->domain, TAP_TENSORFLOW) == 0)
        return tap_arena_printf(bd->b->arena, "an operator of TensorFlow, not of ONNX; " OPTION " runs it");
    return tap_arena_printf(bd->b->arena, "%s; " OPTION " runs it with the meaning that it has there",
                            n->unsupported);
}

void tap_find_foreign(tap_binder *bd, tap_node *n) {
    tap_arena *a = bd->b->arena;
    const bool standard = !*n->src->domain && n->opset > 0;
    const tap_op *op = standard ? tap_lookup_left_behind(bd->b->lookup, n->src->op, n->opset) : NULL;
    const tap_string *name = called(n->src);
    const char *why = n->unsupported;
    if (op) {
        n->foreign = meaning_of(bd, n, op);
        why = why_left(bd, n, op);
        if (bd->b->tf_ops) n->op = op;
    } else if (name) {
        why = why_not_called(bd, n, name);
    } else {
        const char *what = tap_origin_of(n->src, a).what;
        if (what) why = tap_arena_printf(a, "%s: %s", n->unsupported, what);
    }
    n->unsupported = n->op ? NULL : why ? why : "no operator";
}
