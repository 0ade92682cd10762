/* What comes in, what goes out, and what leads nowhere. */
#include <string.h>

#include "check/check.h"

/* ---- Inputs that an exporter forgot to fill ---- */

#define FORGOTTEN                                                                                          \
    "a constant of the framework's layer became an input: give it its value with an initializer, or make " \
    "the "                                                                                                 \
    "constant a weight of the layer before exporting"

/* The name without its last n parts; 0 where it has no more. */
static size_t scope_of(const char *name, int n) {
    size_t len = strlen(name);
    while (n-- > 0) {
        while (len > 0 && name[len - 1] != '/') len--;
        if (len > 0) len--;
    }
    return len;
}

/* TensorFlow's names for what an operation takes: x, y, a, b, Const. */
static bool is_operand_name(const char *name) {
    const char *last = name + scope_of(name, 1);
    last += *last == '/';
    size_t n = strcspn(last, ":");
    return (n == 1 && strchr("xyab", *last)) || strncmp(last, "Const", 5) == 0 ||
           strncmp(last, "ReadVariableOp", 14) == 0;
}

/* "a/b/Sub/y:0" is an operand of the node "a/b/Sub", a constant that lost its value on the way; or of a node
 * of the layer "a/b" that Sub was merged into. */
static bool is_operand_of(const char *input, const tap_node *n) {
    const char *node = n->src->name;
    size_t operation = scope_of(input, 1), layer = scope_of(input, 2);
    if (operation > 0 && strlen(node) == operation && memcmp(node, input, operation) == 0) return true;
    return layer > 0 && is_operand_name(input) && strncmp(node, input, layer + 1) == 0;
}

static const tap_node *consumer_of(const tap_graph *g, tap_vid v, const char *name) {
    for (size_t k = 0; k < g->n_nodes; k++)
        for (int32_t i = 0; i < g->nodes[k]->n_in; i++)
            if (g->nodes[k]->in[i] == v && is_operand_of(name, g->nodes[k])) return g->nodes[k];
    return NULL;
}

void tap_check_forgotten_inputs(tap_checker *c) {
    const tap_graph *g = c->b->main;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const tap_gvalue *v = &g->values[g->inputs[i]];
        if (v->init || !strchr(v->name, '/')) continue;
        const tap_node *n = consumer_of(g, g->inputs[i], v->name);
        bool merged = !n && c->uses[v->global] == 0 && scope_of(v->name, 2) > 0 && is_operand_name(v->name);
        if (merged)
            tap_check_add(c, TAP_SEVERITY_ERROR, "input-without-value", NULL, v, FORGOTTEN,
                          "input '%s' is by its name an operand of an operation inside the model; no node "
                          "uses it, and it "
                          "has no value",
                          v->full);
        if (!n) continue;
        tap_check_add(c, TAP_SEVERITY_ERROR, "input-without-value", n, v, FORGOTTEN,
                      "input '%s' is by its name an operand of node '%s' (%s), and has no value", v->full,
                      n->address, n->src->op);
    }
}

/* ---- Sizes ---- */

void tap_check_fixed_batch(tap_checker *c) {
    const tap_graph *g = c->b->main;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const tap_gvalue *v = &g->values[g->inputs[i]];
        const tap_type *t = v->declared ? v->declared : &v->type;
        if (v->init || t->kind != TAP_KIND_TENSOR || t->rank < 2 || t->dims[0] != 1) continue;
        tap_check_add(c, TAP_SEVERITY_NOTE, "fixed-batch", NULL, v,
                      "if it is the batch: export with a dynamic first axis (dynamic_axes, dynamic_shapes, "
                      "an input signature with None)",
                      "input '%s' has a first axis of exactly 1", v->full);
    }
}

static bool agrees(const tap_type *a, const tap_type *b) {
    if (a->kind != b->kind || a->kind != TAP_KIND_TENSOR) return true;
    if (a->dtype && b->dtype && a->dtype != b->dtype) return false;
    if (a->rank < 0 || b->rank < 0) return true;
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] >= 0 && b->dims[i] >= 0 && a->dims[i] != b->dims[i]) return false;
    return true;
}

/* What the file says of a value, beside what its node makes. */
void tap_check_declared(tap_checker *c) {
    for (size_t i = 0; i < c->b->n_graphs; i++) {
        const tap_graph *g = c->b->graphs[i];
        for (size_t k = 0; k < g->n_values; k++) {
            const tap_gvalue *v = &g->values[k];
            char text[2][256];
            if (!v->declared || agrees(v->declared, &v->type)) continue;
            for (int j = 0; j < 2; j++) {
                tap_text t = {text[j], sizeof text[j], 0};
                text[j][0] = '\0';
                tap_text_type(&t, j == 0 ? v->declared : &v->type);
            }
            tap_check_add(c, TAP_SEVERITY_WARNING, "declared-type", v->producer, v,
                          "the declaration is stale: what runs is what the node makes",
                          "'%s' is declared %s, but it is %s", v->full, text[0], text[1]);
        }
    }
}

/* ---- What leads nowhere ---- */

void tap_check_dead_nodes(tap_checker *c) {
    for (size_t i = 0; i < c->b->n_graphs; i++) {
        const tap_graph *g = c->b->graphs[i];
        for (size_t k = 0; k < g->n_nodes; k++) {
            const tap_node *n = g->nodes[k];
            bool used = n->n_out == 0;
            for (int32_t j = 0; j < n->n_out; j++)
                used |= n->out[j] != TAP_NO_VALUE && c->uses[g->values[n->out[j]].global] > 0;
            if (used) continue;
            tap_check_add(c, TAP_SEVERITY_NOTE, "dead-node", n, NULL,
                          "it costs time for nothing: remove it, or make its output one of the model's if it "
                          "was meant to be",
                          "nobody uses what node '%s' (%s) makes", n->address, n->src->op);
        }
    }
}

/* ---- Names ---- */

/* Nodes are found by their names: by tools, and by who reads their messages. */
void tap_check_node_names(tap_checker *c) {
    tap_map seen;
    tap_map_init(&seen, c->arena->budget);
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes && !c->no_memory; k++) {
            const tap_node *n = c->b->graphs[i]->nodes[k];
            if (!*n->src->name) continue;
            if (tap_map_get(&seen, n->address, 0) == 1)
                tap_check_add(c, TAP_SEVERITY_WARNING, "duplicate-node-name", n, NULL,
                              "names of nodes are unique in a graph: some runtimes refuse others",
                              "several nodes have the name '%s'", n->address);
            int32_t times = tap_map_get(&seen, n->address, 0) + 1;
            if (!tap_map_put(&seen, n->address, times)) c->no_memory = true;
        }
    tap_map_free(&seen);
}
