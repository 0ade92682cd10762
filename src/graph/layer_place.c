/* Nodes whose names do not say where they belong: placed by their weights' names, by what is around them. */
#include <string.h>

#include "graph/layer_tree.h"

static bool is_op(const tap_node *n, const char *op) {
    return strcmp(n->src->op, op) == 0;
}

static bool is_recurrent(const tap_node *n) {
    return is_op(n, "LSTM") || is_op(n, "GRU") || is_op(n, "RNN");
}

/* ---- By weights ---- */

typedef struct placer {
    const tap_graph *g;
    tap_arena *arena;
    tap_layer_tree *t;
    int32_t *position; /* by value: the node that makes it; -1: none */
    int32_t *n_uses;   /* by value */
} placer;

/* The module in the name of the initializer that a node has as input k, if it is this node's alone; -1: none.
 * Equal constants are one after the exporter's optimiser, under any of their names. */
static int32_t module_of_weight(placer *p, const tap_node *n, int32_t k) {
    if (k >= n->n_in || n->in[k] == TAP_NO_VALUE) return -1;
    const tap_gvalue *v = &p->g->values[n->in[k]];
    tap_path path;
    char raw[1024] = "";
    tap_text t = {raw, sizeof raw, 0};
    if (!v->init || p->n_uses[n->in[k]] != 1) return -1;
    if (!tap_path_of_name(v->name, p->arena, &path) || !path.n) return -1;
    for (size_t i = 0; i < path.n; i++) tap_text_add(&t, "%s%s", i ? "/" : "", path.pieces[i]);
    return tap_map_get(&p->t->by_raw, raw, -1);
}

/* A kernel into which the exporter multiplied what comes behind the convolution. */
static bool is_merged_kernel(const placer *p, const tap_node *n) {
    if (n->n_in < 2 || n->in[1] == TAP_NO_VALUE) return false;
    const char *name = p->g->values[n->in[1]].name;
    return tap_name_is_merged(name) || tap_name_is_made_up(name);
}

/* The last weights that are applied tell: a bias from a BatchNormalization makes the whole its output. */
static int32_t by_weights(placer *p, const tap_node *n) {
    int32_t kernel = module_of_weight(p, n, 1), bias = module_of_weight(p, n, 2);
    if (strncmp(n->src->op, "Conv", 4) == 0 || is_op(n, "Gemm")) {
        if (bias >= 0) return bias;
        return is_merged_kernel(p, n) ? -1 : kernel;
    }
    for (int32_t k = 1; k < n->n_in; k++) {
        int32_t m = module_of_weight(p, n, k);
        if (m >= 0) return m;
    }
    return -1;
}

/* ---- By what is computed for a node alone ---- */

#define STEPS_BEHIND 64

/* The module that input k comes from, through nodes that have none. */
static int32_t module_behind(const placer *p, tap_vid v, int32_t *steps) {
    if (v == TAP_NO_VALUE || p->position[v] < 0 || --*steps < 0) return -1;
    int32_t at = p->position[v];
    if (p->t->of_node[at] >= 0) return p->t->of_node[at];
    const tap_node *n = p->g->nodes[at];
    for (int32_t k = 0; k < n->n_in; k++) {
        int32_t m = module_behind(p, n->in[k], steps);
        if (m >= 0) return m;
    }
    return -1;
}

static int32_t around_both(const tap_layer_tree *t, int32_t a, int32_t b) {
    while (a >= 0 && !tap_module_has(t, a, b)) a = t->modules[a].parent;
    return a;
}

/* A recurrent node belongs where its first state comes from; the two directions of one that has both, to what
 * is around them. */
static int32_t by_state(const placer *p, const tap_node *n) {
    int32_t steps_x = STEPS_BEHIND, steps_state = STEPS_BEHIND;
    int32_t x = n->n_in ? module_behind(p, n->in[0], &steps_x) : -1;
    int32_t state = n->n_in > 5 ? module_behind(p, n->in[5], &steps_state) : -1;
    if (state < 0 || x < 0 || state == x) return state < 0 ? x : state;
    int32_t both = around_both(p->t, x, state);
    bool directions = both >= 0 && p->t->modules[both].parent >= 0;
    return directions ? both : state;
}

static int32_t by_sizes(const placer *p, const tap_node *n) {
    int32_t steps = STEPS_BEHIND;
    for (int32_t k = n->n_in - 1; k > 0; k--) {
        int32_t m = module_behind(p, n->in[k], &steps);
        if (m >= 0) return m;
    }
    return -1;
}

static bool moves_elements(const tap_node *n) {
    return is_op(n, "Transpose") || is_op(n, "Reshape") || is_op(n, "Squeeze") || is_op(n, "Unsqueeze");
}

static bool moves(const tap_node *n) {
    return is_op(n, "Transpose") || is_op(n, "Shape") || is_op(n, "Reshape");
}

/* What takes the axis of directions off a recurrent node's output, or a part of it, belongs to it. */
static int32_t by_recurrence(const placer *p, const tap_node *n, const bool *follows) {
    if (!n->n_in || n->in[0] == TAP_NO_VALUE || (!is_op(n, "Squeeze") && !is_op(n, "Slice"))) return -1;
    int32_t from = p->position[n->in[0]];
    return from >= 0 && follows[from] ? p->t->of_node[from] : -1;
}

/* The module of the operation that a group's name tells. */
static int32_t module_of_step(placer *p, const char *group, bool activates) {
    char name[1024] = "";
    tap_text t = {name, sizeof name, 0};
    tap_path path;
    size_t length;
    const char *one = tap_name_of_step(group, activates, &length);
    tap_text_add(&t, "%.*s", (int)length, one);
    if (!tap_path_of_name(name, p->arena, &path) || !path.n) return -1;
    name[0] = '\0';
    t.n = 0;
    for (size_t i = 0; i < path.n; i++) tap_text_add(&t, "%s%s", i ? "/" : "", path.pieces[i]);
    return tap_map_get(&p->t->by_raw, name, -1);
}

/* What moves the elements of an activation, under the name of the whole group, is the activation's. */
static int32_t behind_activation(placer *p, const tap_node *n) {
    if (!n->n_in || !n->n_out || n->in[0] == TAP_NO_VALUE || n->out[0] == TAP_NO_VALUE) return -1;
    const char *name = p->g->values[n->out[0]].name;
    int32_t from = p->position[n->in[0]];
    if (from < 0 || !strchr(name, ';')) return -1;
    int32_t m = module_of_step(p, name, true);
    return m >= 0 && m == p->t->of_node[from] ? m : -1;
}

/* The rest of a group that TFLite runs as one: a bias, an activation. */
static int32_t by_group(placer *p, const tap_node *n) {
    tap_vid v = n->n_in ? n->in[0] : TAP_NO_VALUE;
    while (v != TAP_NO_VALUE && p->position[v] >= 0 && !strchr(p->g->values[v].name, ';')) {
        const tap_node *up = p->g->nodes[p->position[v]];
        if (!tap_name_is_made_up(up->src->name) || !up->n_in) return -1;
        v = up->in[0];
    }
    if (v == TAP_NO_VALUE || p->position[v] < 0) return -1;
    bool activates = n->n_in == 1 || is_op(n, "Clip") || is_op(n, "Min") || is_op(n, "Max");
    return module_of_step(p, p->g->values[v].name, activates);
}

/* The graph's output is a convolution that has what comes behind it in its kernel: the node's name is the
 * convolution's, and the name of what it became is lost. */
static bool is_renamed_normalisation(const placer *p, const tap_node *n) {
    if (strncmp(n->src->op, "Conv", 4) != 0 || n->n_in < 2 || n->in[1] == TAP_NO_VALUE) return false;
    bool merged = tap_name_is_merged(p->g->values[n->in[1]].name);
    return merged && n->n_out && n->out[0] != TAP_NO_VALUE && p->g->values[n->out[0]].is_output;
}

static bool place_by_inputs(placer *p) {
    bool *follows = tap_arena_array(p->arena, p->g->n_nodes, sizeof *follows);
    if (!follows) return false;
    for (size_t i = 0; i < p->g->n_nodes; i++) {
        const tap_node *n = p->g->nodes[i];
        int32_t *of = &p->t->of_node[i];
        if (is_recurrent(n)) follows[i] = true;
        if (*of >= 0 && is_renamed_normalisation(p, n)) *of = -1;

        if (p->t->grouped && *of >= 0 && moves_elements(n)) {
            int32_t m = behind_activation(p, n);
            if (m >= 0) *of = m;
        }
        if (*of >= 0) continue;
        if (is_recurrent(n))
            *of = by_state(p, n);
        else
            *of = by_weights(p, n);
        if (*of < 0 && (is_op(n, "Resize") || is_op(n, "Upsample"))) *of = by_sizes(p, n);
        if (*of < 0 && tap_name_is_made_up(n->src->name) && !moves(n)) *of = by_group(p, n);
        if (*of < 0 && (*of = by_recurrence(p, n, follows)) >= 0) follows[i] = true;
    }
    return true;
}

/* ---- By what is around them ---- */

/* Neighbours of a group of nodes without a module: what feeds it and what it feeds. */
typedef struct group {
    int32_t around; /* the innermost module that all neighbours lie in */
    bool seen;      /* a neighbour */
} group;

static int32_t leader(int32_t *of, int32_t i) {
    while (of[i] != i) i = of[i] = of[of[i]];
    return i;
}

static void meet(const tap_layer_tree *t, group *g, int32_t module) {
    g->around = g->seen ? around_both(t, g->around, module) : module;
    g->seen = true;
}

/* Calls fn for each pair of nodes of which the second uses what the first makes; the graph's outputs have the
 * second -1. */
typedef void each_edge(void *user, int32_t from, int32_t to);

static void for_edges(const tap_graph *g, const int32_t *position, each_edge *fn, void *user) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *n = g->nodes[i];
        for (int32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != TAP_NO_VALUE && position[n->in[k]] >= 0) fn(user, position[n->in[k]], (int32_t)i);
        for (int32_t k = 0; k < n->n_captures; k++)
            if (position[n->captures[k]] >= 0) fn(user, position[n->captures[k]], (int32_t)i);
    }
    for (size_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] != TAP_NO_VALUE && position[g->outputs[i]] >= 0)
            fn(user, position[g->outputs[i]], -1);
}

typedef struct placing {
    tap_layer_tree *t;
    const tap_graph *g;
    int32_t *of; /* by node: its group's leader */
    group *groups;
} placing;

static bool is_source(const placing *p, int32_t node) {
    return p->g->nodes[node]->n_in == 0;
}

static void join_edge(void *user, int32_t from, int32_t to) {
    placing *p = user;
    if (to < 0 || p->t->of_node[from] >= 0 || p->t->of_node[to] >= 0 || is_source(p, from)) return;
    p->of[leader(p->of, from)] = leader(p->of, to);
}

static void meet_edge(void *user, int32_t from, int32_t to) {
    placing *p = user;
    bool from_placed = p->t->of_node[from] >= 0, to_placed = to < 0 || p->t->of_node[to] >= 0;
    if (!from_placed && to_placed)
        meet(p->t, &p->groups[leader(p->of, from)], to < 0 ? -1 : p->t->of_node[to]);
    if (from_placed && !to_placed) meet(p->t, &p->groups[leader(p->of, to)], p->t->of_node[from]);
}

static bool place_between(const tap_graph *g, tap_arena *a, tap_layer_tree *t, const int32_t *position) {
    placing p = {.t = t, .g = g, .of = tap_arena_array(a, g->n_nodes, sizeof *p.of)};
    p.groups = tap_arena_array(a, g->n_nodes, sizeof *p.groups);
    if (!p.of || !p.groups) return false;
    for (size_t i = 0; i < g->n_nodes; i++) p.of[i] = (int32_t)i;
    for_edges(g, position, join_edge, &p);
    for_edges(g, position, meet_edge, &p);
    for (size_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; t->of_node[i] < 0 && k < g->nodes[i]->n_in; k++)
            if (g->nodes[i]->in[k] != TAP_NO_VALUE && g->values[g->nodes[i]->in[k]].is_input)
                meet(t, &p.groups[leader(p.of, (int32_t)i)], -1);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (t->of_node[i] < 0) p.of[i] = leader(p.of, (int32_t)i);
    for (size_t i = 0; i < g->n_nodes; i++)
        if (t->of_node[i] < 0 && p.groups[p.of[i]].seen) t->of_node[i] = p.groups[p.of[i]].around;
    return true;
}

bool tap_place_unnamed(const tap_bound *b, tap_arena *a, tap_layer_tree *t) {
    const tap_graph *g = b->main;
    placer p = {.g = g, .arena = a, .t = t};
    p.position = tap_arena_array(a, g->n_values, sizeof *p.position);
    p.n_uses = tap_arena_array(a, g->n_values, sizeof *p.n_uses);
    if (!p.position || !p.n_uses) return false;
    for (size_t v = 0; v < g->n_values; v++) p.position[v] = -1;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *n = g->nodes[i];
        for (int32_t k = 0; k < n->n_out; k++)
            if (n->out[k] != TAP_NO_VALUE) p.position[n->out[k]] = (int32_t)i;
        for (int32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != TAP_NO_VALUE) p.n_uses[n->in[k]]++;
    }
    if (t->dialect == TAP_DIALECT_TF && !place_by_inputs(&p)) return false;
    return place_between(g, a, t, p.position);
}
