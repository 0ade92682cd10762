/* Which nodes a part of a model has, and what crosses its border. */
#include "graph/part.h"

#include <string.h>

typedef struct finder {
    tap_part_nodes *out;
    tap_arena *arena;
    tap_error *err;
    bool *in;         /* by position in the graph's nodes */
    int32_t *made_at; /* by value: position of the node that makes it, -1 */
    bool *listed;     /* by value: is an input already */
} finder;

static tap_node *owner_in(const tap_graph *g, const tap_graph *body) {
    while (body && body->parent != g) body = body->parent;
    return body ? body->owner : NULL;
}

/* The graph that holds the values: the outermost that any of them is in. */
static tap_graph *graph_of(const tap_vref *values, size_t n) {
    tap_graph *g = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!tap_vref_value(values[i])->producer) continue;
        if (!g || values[i].graph->depth < g->depth) g = values[i].graph;
    }
    return g;
}

static tap_status init_finder(finder *f, tap_graph *g) {
    f->out->graph = g;
    f->in = tap_arena_array(f->arena, g->n_nodes, sizeof *f->in);
    f->made_at = tap_arena_array(f->arena, g->n_values, sizeof *f->made_at);
    f->listed = tap_arena_array(f->arena, g->n_values, sizeof *f->listed);
    if (!f->in || !f->made_at || !f->listed) return tap_error_no_memory(f->err, g->n_values);
    for (size_t v = 0; v < g->n_values; v++) f->made_at[v] = -1;
    for (size_t k = 0; k < g->n_nodes; k++)
        for (int32_t i = 0; i < g->nodes[k]->n_out; i++)
            if (g->nodes[k]->out[i] != TAP_NO_VALUE) f->made_at[g->nodes[k]->out[i]] = (int32_t)k;
    return TAP_OK;
}

static tap_status mark_nodes(finder *f, const tap_vref *values, size_t n) {
    tap_graph *g = f->out->graph;
    for (size_t i = 0; i < n; i++)
        if (values[i].graph == g && f->made_at[values[i].v] >= 0) f->in[f->made_at[values[i].v]] = true;
    for (size_t i = 0; i < n; i++) {
        const tap_gvalue *v = tap_vref_value(values[i]);
        if (values[i].graph == g || !v->producer) continue;
        const tap_node *owner = owner_in(g, values[i].graph);
        bool belongs = false;
        for (int32_t k = 0; owner && k < owner->n_out; k++)
            belongs |= owner->out[k] != TAP_NO_VALUE && f->in[f->made_at[owner->out[k]]];
        if (belongs) continue;
        tap_error_set(f->err, TAP_USAGE,
                      "'%s' lies in another body than the other values: a part is of one graph", v->full);
        tap_error_where(f->err, v->producer->address, v->producer->src->op, v->full);
        return TAP_USAGE;
    }
    return TAP_OK;
}

static bool is_constant_node(const tap_node *n) {
    return n->n_in == 0 && !*n->src->domain && strcmp(n->src->op, "Constant") == 0;
}

/* Values that node n needs from its graph: i-th input, then what its bodies capture. */
static int32_t n_needs(const tap_node *n) {
    return n->n_in + n->n_captures;
}
static tap_vid need(const tap_node *n, int32_t i) {
    return i < n->n_in ? n->in[i] : n->captures[i - n->n_in];
}

static void mark_constants(finder *f) {
    const tap_graph *g = f->out->graph;
    for (size_t k = 0; k < g->n_nodes; k++)
        for (int32_t i = 0; f->in[k] && i < n_needs(g->nodes[k]); i++) {
            tap_vid v = need(g->nodes[k], i);
            int32_t at = v == TAP_NO_VALUE ? -1 : f->made_at[v];
            if (at >= 0 && is_constant_node(g->nodes[at])) f->in[at] = true;
        }
}

static tap_vref defined_at(tap_graph *g, tap_vid v) {
    while (g->values[v].outer != TAP_NO_VALUE) {
        v = g->values[v].outer;
        g = g->parent;
    }
    return (tap_vref){g, v};
}

/* A Constant of a graph around the part. */
static void add_outer(tap_part_nodes *p, tap_node *n) {
    for (size_t i = 0; i < p->n_nodes; i++)
        if (p->nodes[i] == n) return;
    p->nodes[p->n_nodes++] = n;
}

/* What comes from around the part: Constants of outer graphs as nodes, initializers as they are, the rest as
 * inputs. */
static tap_status find_inputs(finder *f) {
    tap_part_nodes *p = f->out;
    tap_graph *g = p->graph;
    size_t room = g->n_values;
    p->inputs = tap_arena_array(f->arena, room, sizeof *p->inputs);
    p->nodes = tap_arena_array(f->arena, g->n_nodes + room, sizeof *p->nodes);
    if (!p->inputs || !p->nodes) return tap_error_no_memory(f->err, room * sizeof *p->inputs);
    for (size_t k = 0; k < g->n_nodes; k++)
        for (int32_t i = 0; f->in[k] && i < n_needs(g->nodes[k]); i++) {
            tap_vid v = need(g->nodes[k], i);
            if (v == TAP_NO_VALUE || f->listed[v] || (f->made_at[v] >= 0 && f->in[f->made_at[v]])) continue;
            f->listed[v] = true;
            tap_vref from = defined_at(g, v);
            tap_gvalue *x = tap_vref_value(from);
            if (x->init) continue;
            if (from.graph != g && x->producer && is_constant_node(x->producer))
                add_outer(p, x->producer);
            else
                p->inputs[p->n_inputs++] = from;
        }
    return TAP_OK;
}

static tap_status find_outputs(finder *f) {
    tap_part_nodes *p = f->out;
    tap_graph *g = p->graph;
    enum { USED_INSIDE = 1, USED_OUTSIDE = 2 };
    uint8_t *use = tap_arena_array(f->arena, g->n_values, 1);
    p->outputs = tap_arena_array(f->arena, g->n_values, sizeof *p->outputs);
    if (!use || !p->outputs) return tap_error_no_memory(f->err, g->n_values);
    for (size_t k = 0; k < g->n_nodes; k++)
        for (int32_t i = 0; i < n_needs(g->nodes[k]); i++)
            if (need(g->nodes[k], i) != TAP_NO_VALUE)
                use[need(g->nodes[k], i)] |= f->in[k] ? USED_INSIDE : USED_OUTSIDE;
    for (size_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] != TAP_NO_VALUE) use[g->outputs[i]] |= USED_OUTSIDE;
    for (size_t k = 0; k < g->n_nodes; k++) {
        if (!f->in[k]) continue;
        const tap_node *n = g->nodes[k];
        p->nodes[p->n_nodes++] = g->nodes[k];
        for (int32_t i = 0; i < n->n_out && !is_constant_node(n); i++)
            if (n->out[i] != TAP_NO_VALUE && use[n->out[i]] != USED_INSIDE)
                p->outputs[p->n_outputs++] = (tap_vref){g, n->out[i]};
    }
    return TAP_OK;
}

tap_status tap_part_find(const tap_bound *b, const tap_vref *values, size_t n, tap_arena *arena,
                         tap_part_nodes *out, tap_error *err) {
    finder f = {.out = out, .arena = arena, .err = err};
    *out = (tap_part_nodes){.bound = b};
    tap_graph *g = graph_of(values, n);
    if (!g) return tap_error_set(err, TAP_USAGE, "no value is picked that a node makes");
    tap_status st = init_finder(&f, g);
    if (st == TAP_OK) st = mark_nodes(&f, values, n);
    if (st != TAP_OK) return st;
    mark_constants(&f);
    st = find_inputs(&f);
    return st == TAP_OK ? find_outputs(&f) : st;
}
