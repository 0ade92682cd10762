/* Cutting a piece out of the main graph. */
#include "diff/segment.h"

#include <string.h>

static void need(uint8_t *needed, const tap_vid *ids, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (ids[i] != TAP_NO_VALUE) needed[ids[i]] = 1;
}

static bool computed(const uint8_t *marks, tap_vid v) {
    return !(marks[v] & TAP_CUT_GIVEN) || marks[v] & TAP_CUT_WANTED;
}

/* A node whose bodies name outer values by other names than their paths lies in a function: it cannot be
 * moved. */
static tap_status check_node(const tap_bound *b, const tap_node *n, tap_error *err) {
    for (int32_t i = 0; i < n->n_captures; i++) {
        const tap_gvalue *v = &n->graph->values[n->captures[i]];
        if (strcmp(v->name, v->full) != 0)
            return tap_error_set(err, TAP_UNSUPPORTED, "node '%s' has a body and lies in a function",
                                 n->address);
    }
    for (size_t i = 0; i < b->src->n_opsets; i++) {
        const tap_src_opset *o = &b->src->opsets[i];
        if (strcmp(o->domain, n->src->domain) == 0 && o->version != n->opset)
            return tap_error_set(err, TAP_UNSUPPORTED, "node '%s' is of another opset than the model",
                                 n->address);
    }
    return TAP_OK;
}

/* Marks what is needed, from the back to the front; keep[i]: node i is part of it. */
static tap_status trace(const tap_bound *b, const uint8_t *marks, uint8_t *needed, uint8_t *keep,
                        size_t *n_keep, tap_error *err) {
    const tap_graph *g = b->main;
    for (size_t v = 0; v < g->n_values; v++) needed[v] = (marks[v] & TAP_CUT_WANTED) != 0;
    *n_keep = 0;
    for (size_t i = g->n_nodes; i-- > 0;) {
        const tap_node *n = g->nodes[i];
        for (int32_t o = 0; o < n->n_out && !keep[i]; o++)
            keep[i] = n->out[o] != TAP_NO_VALUE && needed[n->out[o]] && computed(marks, n->out[o]);
        if (!keep[i]) continue;
        tap_status st = check_node(b, n, err);
        if (st != TAP_OK) return st;
        need(needed, n->in, n->n_in);
        need(needed, n->captures, n->n_captures);
        ++*n_keep;
    }
    return TAP_OK;
}

static const char *const *names_of(tap_arena *a, const tap_graph *g, const tap_vid *ids, int32_t n,
                                   const uint8_t *hidden) {
    const char **names = tap_arena_array(a, (size_t)n, sizeof *names);
    for (int32_t i = 0; names && i < n; i++)
        names[i] = ids[i] == TAP_NO_VALUE || (hidden && hidden[ids[i]]) ? "" : g->values[ids[i]].full;
    return names;
}

/* hidden: values that are given, so that no node may make them. */
static bool copy_node(tap_segment *s, size_t at, const tap_node *n, const uint8_t *hidden) {
    tap_src_node *x = &s->nodes[at];
    *x = *n->src;
    x->name = n->address;
    x->inputs = names_of(s->arena, s->graph, n->in, n->n_in, NULL);
    x->outputs = names_of(s->arena, s->graph, n->out, n->n_out, hidden);
    x->n_inputs = (size_t)n->n_in;
    x->n_outputs = (size_t)n->n_out;
    tap_src_attr *attrs = tap_arena_array(s->arena, (size_t)n->n_attrs, sizeof *attrs);
    if (!x->inputs || !x->outputs || !attrs) return false;
    for (int32_t i = 0; i < n->n_attrs; i++) attrs[i] = *n->attrs[i].src;
    x->attrs = attrs;
    x->n_attrs = (size_t)n->n_attrs;
    s->from[at] = (tap_node *)(uintptr_t)n;
    return true;
}

/* Initializers that are needed, inputs that are. An input with a default is given where it is marked so. */
static bool list_borders(tap_segment *s, const uint8_t *marks, const uint8_t *needed, uint8_t *hidden) {
    const tap_graph *g = s->graph;
    size_t n = g->n_values, n_inits = 0;
    tap_src_tensor *inits = tap_arena_array(s->arena, n, sizeof *inits);
    tap_src_value *in = tap_arena_array(s->arena, n, sizeof *in),
                  *out = tap_arena_array(s->arena, n, sizeof *out);
    s->in = tap_arena_array(s->arena, n, sizeof *s->in);
    s->out = tap_arena_array(s->arena, n, sizeof *s->out);
    if (!inits || !in || !out || !s->in || !s->out) return false;
    for (size_t v = 0; v < n; v++) {
        const tap_gvalue *x = &g->values[v];
        bool wanted = marks[v] & TAP_CUT_WANTED, given = marks[v] & TAP_CUT_GIVEN && !wanted;
        if (wanted) {
            out[s->n_out] = (tap_src_value){.name = x->full};
            s->out[s->n_out++] = (tap_vid)v;
        }
        if (!needed[v]) continue;
        if (given || (!x->producer && !x->init)) {
            hidden[v] = 1;
            in[s->n_in] = (tap_src_value){.name = x->full};
            s->in[s->n_in++] = (tap_vid)v;
        } else if (x->init) {
            inits[n_inits] = *x->init;
            inits[n_inits++].name = x->full;
        }
    }
    s->model.graph.inits = inits;
    s->model.graph.n_inits = n_inits;
    s->model.graph.inputs = in;
    s->model.graph.n_inputs = s->n_in;
    s->model.graph.outputs = out;
    s->model.graph.n_outputs = s->n_out;
    return true;
}

/* What the file says of the types of values: for operators that cannot tell by themselves. */
static bool list_infos(tap_segment *s, const uint8_t *needed, const uint8_t *hidden) {
    const tap_graph *g = s->graph;
    tap_src_value *infos = tap_arena_array(s->arena, g->n_values, sizeof *infos);
    if (!infos) return false;
    size_t n = 0;
    for (size_t v = 0; v < g->n_values; v++) {
        const tap_gvalue *x = &g->values[v];
        bool tells = x->declared && x->producer && needed[v] && !hidden[v];
        if (!tells || x->declared->kind == TAP_KIND_TENSOR) continue;
        infos[n++] = (tap_src_value){.name = x->full, .has_type = true, .type = *x->declared};
    }
    s->model.graph.infos = infos;
    s->model.graph.n_infos = n;
    return true;
}

static bool build(const tap_bound *b, tap_segment *s, const uint8_t *marks, const uint8_t *needed,
                  const uint8_t *keep, uint8_t *hidden) {
    s->model = *b->src;
    s->model.graph = (tap_src_graph){.name = "segment", .doc = ""};
    s->nodes = tap_arena_array(s->arena, s->n_nodes, sizeof *s->nodes);
    s->from = tap_arena_array(s->arena, s->n_nodes, sizeof *s->from);
    if (!s->nodes || !s->from || !list_borders(s, marks, needed, hidden) || !list_infos(s, needed, hidden))
        return false;
    size_t at = 0;
    for (size_t i = 0; i < s->graph->n_nodes; i++)
        if (keep[i] && !copy_node(s, at++, s->graph->nodes[i], hidden)) return false;
    s->model.graph.nodes = s->nodes;
    s->model.graph.n_nodes = s->n_nodes;
    return true;
}

tap_status tap_segment_cut(const tap_bound *b, tap_arena *arena, const uint8_t *marks, tap_segment *out,
                           tap_error *err) {
    *out = (tap_segment){.arena = arena, .graph = b->main};
    uint8_t *needed = tap_arena_array(arena, b->main->n_values, 1);
    uint8_t *hidden = tap_arena_array(arena, b->main->n_values, 1);
    uint8_t *keep = tap_arena_array(arena, b->main->n_nodes, 1);
    if (!needed || !keep || !hidden) return tap_error_no_memory(err, b->main->n_values);
    tap_status st = trace(b, marks, needed, keep, &out->n_nodes, err);
    if (st != TAP_OK) return st;
    return build(b, out, marks, needed, keep, hidden) ? TAP_OK : tap_error_no_memory(err, sizeof *out);
}

/* ---- copies and changes ---- */

static void *copy_of(tap_arena *a, const void *p, size_t n, size_t each) {
    void *q = tap_arena_array(a, n, each);
    if (q && n) memcpy(q, p, n * each);
    return q;
}

bool tap_segment_copy(const tap_segment *s, tap_arena *arena, tap_segment *out) {
    *out = *s;
    out->arena = arena;
    out->nodes = copy_of(arena, s->nodes, s->n_nodes, sizeof *s->nodes);
    out->from = copy_of(arena, s->from, s->n_nodes, sizeof *s->from);
    tap_src_graph *g = &out->model.graph;
    g->inits = copy_of(arena, g->inits, g->n_inits, sizeof *g->inits);
    if (!out->nodes || !out->from || !g->inits) return false;
    for (size_t i = 0; i < s->n_nodes; i++) {
        tap_src_node *n = &out->nodes[i];
        n->inputs = copy_of(arena, n->inputs, n->n_inputs, sizeof *n->inputs);
        n->outputs = copy_of(arena, n->outputs, n->n_outputs, sizeof *n->outputs);
        n->attrs = copy_of(arena, n->attrs, n->n_attrs, sizeof *n->attrs);
        if (!n->inputs || !n->outputs || !n->attrs) return false;
    }
    g->nodes = out->nodes;
    return true;
}

tap_src_node *tap_segment_insert(tap_segment *s, size_t at) {
    tap_src_node *nodes = tap_arena_array(s->arena, s->n_nodes + 1, sizeof *nodes);
    tap_node **from = tap_arena_array(s->arena, s->n_nodes + 1, sizeof *from);
    if (!nodes || !from) return NULL;
    memcpy(nodes, s->nodes, at * sizeof *nodes);
    memcpy(from, s->from, at * sizeof *from);
    if (s->n_nodes > at) {
        memcpy(nodes + at + 1, s->nodes + at, (s->n_nodes - at) * sizeof *nodes);
        memcpy(from + at + 1, s->from + at, (s->n_nodes - at) * sizeof *from);
    }
    nodes[at] = (tap_src_node){.name = "", .op = "", .domain = "", .overload = ""};
    s->nodes = nodes;
    s->from = from;
    s->model.graph.nodes = nodes;
    s->model.graph.n_nodes = ++s->n_nodes;
    return &nodes[at];
}

tap_src_tensor *tap_segment_init(tap_segment *s, const char *name, tap_dtype dtype, int rank,
                                 const int64_t *dims, const void *data) {
    tap_src_graph *g = &s->model.graph;
    tap_tensor shape;
    if (!tap_tensor_shape(&shape, dtype, rank, dims)) return NULL;
    tap_src_tensor *inits = tap_arena_array(s->arena, g->n_inits + 1, sizeof *inits);
    if (!inits) return NULL;
    size_t n = 0;
    for (size_t i = 0; i < g->n_inits; i++)
        if (strcmp(g->inits[i].name, name) != 0) inits[n++] = g->inits[i];
    tap_src_tensor *t = &inits[n++];
    *t = (tap_src_tensor){.name = name, .dtype = dtype, .rank = rank, .count = shape.count, .data = data};
    memcpy(t->dims, shape.dims, sizeof t->dims);
    t->n_bytes = (size_t)shape.count * tap_dtype_bytes(dtype);
    t->encoding = TAP_STORED;
    g->inits = inits;
    g->n_inits = n;
    return t;
}

const tap_src_tensor *tap_segment_find_init(const tap_segment *s, const char *name) {
    for (size_t i = 0; i < s->model.graph.n_inits; i++)
        if (strcmp(s->model.graph.inits[i].name, name) == 0) return &s->model.graph.inits[i];
    return NULL;
}

const tap_src_attr *tap_segment_attr(const tap_segment *s, size_t node, const char *name) {
    const tap_src_node *n = &s->nodes[node];
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0) return &n->attrs[i];
    return NULL;
}

bool tap_segment_drop_attr(tap_segment *s, size_t node, const char *name) {
    tap_src_node *n = &s->nodes[node];
    tap_src_attr *attrs = tap_arena_array(s->arena, n->n_attrs + 1, sizeof *attrs);
    if (!attrs) return false;
    size_t k = 0;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) != 0) attrs[k++] = n->attrs[i];
    n->attrs = attrs;
    n->n_attrs = k;
    return true;
}

bool tap_segment_set_attr(tap_segment *s, size_t node, tap_src_attr attr) {
    if (!tap_segment_drop_attr(s, node, attr.name)) return false;
    /* Room for one more was made there. */
    tap_src_node *n = &s->nodes[node];
    ((tap_src_attr *)(uintptr_t)n->attrs)[n->n_attrs++] = attr;
    return true;
}

bool tap_segment_rename_uses(tap_segment *s, size_t from, const char *a, const char *b) {
    for (size_t i = from; i < s->n_nodes; i++) {
        tap_src_node *n = &s->nodes[i];
        const char **names = copy_of(s->arena, n->inputs, n->n_inputs, sizeof *names);
        if (!names) return false;
        for (size_t k = 0; k < n->n_inputs; k++)
            if (strcmp(names[k], a) == 0) names[k] = b;
        n->inputs = names;
    }
    return true;
}

bool tap_segment_add_input(tap_segment *s, const char *name) {
    tap_src_graph *g = &s->model.graph;
    tap_src_value *in = tap_arena_array(s->arena, s->n_in + 1, sizeof *in);
    tap_vid *ids = tap_arena_array(s->arena, s->n_in + 1, sizeof *ids);
    if (!in || !ids) return false;
    if (s->n_in) {
        memcpy(in, g->inputs, s->n_in * sizeof *in);
        memcpy(ids, s->in, s->n_in * sizeof *ids);
    }
    in[s->n_in] = (tap_src_value){.name = name};
    ids[s->n_in] = TAP_NO_VALUE;
    g->inputs = in;
    s->in = ids;
    g->n_inputs = ++s->n_in;
    return true;
}

bool tap_segment_replace(tap_segment *s, size_t at, const char *a, const char *b) {
    if (!tap_segment_rename_uses(s, at, a, b)) return false;
    tap_src_graph *g = &s->model.graph;
    tap_src_value *out = copy_of(s->arena, g->outputs, g->n_outputs, sizeof *out);
    if (!out) return false;
    for (size_t i = 0; i < g->n_outputs; i++)
        if (strcmp(out[i].name, a) == 0) out[i].name = b;
    g->outputs = out;
    return true;
}

tap_src_node *tap_segment_node(tap_segment *s, size_t at, const char *op, const char *const *in, size_t n_in,
                               const char *out) {
    const char **names = tap_arena_array(s->arena, n_in + 1, sizeof *names);
    tap_src_node *n = names ? tap_segment_insert(s, at) : NULL;
    if (!n) return NULL;
    memcpy(names, in, n_in * sizeof *names);
    names[n_in] = out;
    n->op = op;
    n->name = out;
    n->inputs = names;
    n->n_inputs = n_in;
    n->outputs = names + n_in;
    n->n_outputs = 1;
    return n;
}

const char *tap_segment_name(tap_segment *s, const char *base) {
    return tap_arena_printf(s->arena, "%s ~%zu.%zu", base, s->n_nodes, s->model.graph.n_inits);
}
