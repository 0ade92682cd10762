/* A part of a model, written as a file would say it. */
#include <inttypes.h>
#include <string.h>

#include "graph/part.h"

#define FUNCTION_DOMAIN "onnxtap.part"
/* The first IR version whose initializers need not be inputs, and the first with functions. */
#define IR_INITIALIZERS 4
#define IR_FUNCTIONS    8

typedef struct writer {
    const tap_part_nodes *part;
    tap_arena *arena;
    tap_error *err;
    tap_src_model *out;
    tap_src_opset *opsets; /* room for each domain there is */
    size_t n_opsets;
    tap_src_function *functions;
    size_t n_functions, n_names; /* n_names: for functions */
    tap_status status;
} writer;

static void *make(writer *w, size_t n, size_t each) {
    void *p = w->status == TAP_OK ? tap_arena_array(w->arena, n, each) : NULL;
    if (!p && w->status == TAP_OK) w->status = tap_error_no_memory(w->err, n * each);
    return p;
}

/* The name of the value where it is defined. */
static const char *name_of(const tap_graph *g, tap_vid v) {
    if (v == TAP_NO_VALUE) return "";
    while (g->values[v].outer != TAP_NO_VALUE) {
        v = g->values[v].outer;
        g = g->parent;
    }
    return g->values[v].full;
}

static const char *const *names_of(writer *w, const tap_graph *g, const tap_vid *ids, int32_t n) {
    const char **names = make(w, (size_t)n, sizeof *names);
    for (int32_t i = 0; names && i < n; i++) names[i] = name_of(g, ids[i]);
    return names;
}

static tap_src_value border(const tap_gvalue *v, const tap_type *type) {
    const tap_type *t = type ? type : &v->type;
    bool known = t->kind != TAP_KIND_NONE && (t->kind != TAP_KIND_TENSOR || t->dtype != TAP_UNDEFINED);
    tap_src_value x = {.name = v->full, .has_type = known, .type = *t};
    if (v->declared && v->declared->kind == t->kind && v->declared->rank == t->rank)
        x.dim_names = v->dim_names;
    return x;
}

/* ---- opsets ---- */

/* What the part imports of a domain: what the model does, or else what its first node of it wants. */
static int64_t *import(writer *w, const char *domain, int64_t wanted) {
    for (size_t i = 0; i < w->n_opsets; i++)
        if (strcmp(w->opsets[i].domain, domain) == 0) return &w->opsets[i].version;
    const tap_src_model *src = w->part->bound->src;
    for (size_t i = 0; i < src->n_opsets; i++)
        if (strcmp(src->opsets[i].domain, domain) == 0) wanted = src->opsets[i].version;
    w->opsets[w->n_opsets] = (tap_src_opset){domain, wanted};
    return &w->opsets[w->n_opsets++].version;
}

static bool is_identity(const tap_node *n) {
    return !*n->src->domain && strcmp(n->src->op, "Identity") == 0;
}

/* Splits the names of a node's values into parameters, as its function calls them, and arguments. An absent
 * one is absent in the function, too. */
static size_t split_names(writer *w, size_t n, const char *letter, const char *const *names,
                          const char *const **inner, const char *const **parameters,
                          const char *const **arguments) {
    const char **in = make(w, n, sizeof *in), **formal = make(w, n, sizeof *formal),
               **given = make(w, n, sizeof *given);
    size_t count = 0;
    for (size_t i = 0; given && formal && in && i < n; i++) {
        in[i] = *names[i] ? tap_arena_printf(w->arena, "%s%zu", letter, i) : "";
        if (!in[i]) w->status = tap_error_no_memory(w->err, n);
        if (!*names[i]) continue;
        formal[count] = in[i];
        given[count++] = names[i];
    }
    *inner = in;
    *parameters = formal;
    *arguments = given;
    return count;
}

/* The node becomes the body of a function that imports the node's opset; *n the call of it. */
static void write_call(writer *w, const tap_node *node, tap_src_node *n) {
    tap_src_function *f = &w->functions[w->n_functions++];
    tap_src_node *inner = make(w, 1, sizeof *inner);
    tap_src_opset *opset = make(w, 1, sizeof *opset);
    if (!inner || !opset) return;
    if (node->has_bodies) {
        w->status = tap_error_set(w->err, TAP_UNSUPPORTED,
                                  "node '%s' (%s) has bodies and comes from a function with opset %" PRId64
                                  " of its own; a part cannot have it beside the model's opset",
                                  node->address, node->src->op, node->opset);
        tap_error_where(w->err, node->address, node->src->op, NULL);
        return;
    }
    *opset = (tap_src_opset){n->domain, node->opset};
    *inner = *n;
    *f = (tap_src_function){.domain = FUNCTION_DOMAIN, .overload = "", .nodes = inner, .opsets = opset};
    f->n_nodes = f->n_opsets = 1;
    f->name = tap_arena_printf(w->arena, "%s_opset%" PRId64 "_%zu", n->op, node->opset, w->n_names++);
    if (!f->name) w->status = tap_error_no_memory(w->err, 64);
    f->n_inputs = split_names(w, n->n_inputs, "x", n->inputs, &inner->inputs, &f->inputs, &n->inputs);
    f->n_outputs = split_names(w, n->n_outputs, "y", n->outputs, &inner->outputs, &f->outputs, &n->outputs);
    n->n_inputs = f->n_inputs;
    n->n_outputs = f->n_outputs;
    n->op = f->name;
    n->domain = FUNCTION_DOMAIN;
    n->attrs = NULL;
    n->n_attrs = 0;
    import(w, FUNCTION_DOMAIN, 1);
}

/* ---- graphs ---- */

static const tap_src_graph *write_body(writer *w, const tap_graph *g);

static const tap_src_attr *write_attrs(writer *w, const tap_node *n) {
    tap_src_attr *attrs = make(w, (size_t)n->n_attrs, sizeof *attrs);
    for (int32_t i = 0; attrs && i < n->n_attrs; i++) {
        const tap_src_attr *src = n->attrs[i].src;
        attrs[i] = *src;
        attrs[i].ref = "";
        if (!n->attrs[i].bodies) continue;
        const tap_src_graph **graphs = make(w, src->n, sizeof *graphs);
        for (size_t k = 0; graphs && k < src->n; k++) graphs[k] = write_body(w, n->attrs[i].bodies[k]);
        attrs[i].u.graphs = graphs;
    }
    return attrs;
}

static tap_src_node write_node(writer *w, const tap_node *n) {
    tap_src_node x = {.name = n->address, .op = n->src->op, .domain = n->src->domain, .overload = ""};
    x.inputs = names_of(w, n->graph, n->in, n->n_in);
    x.outputs = names_of(w, n->graph, n->out, n->n_out);
    x.n_inputs = (size_t)n->n_in;
    x.n_outputs = (size_t)n->n_out;
    x.attrs = write_attrs(w, n);
    x.n_attrs = (size_t)n->n_attrs;
    x.metadata = n->src->metadata;
    x.n_metadata = n->src->n_metadata;
    int64_t version = *import(w, x.domain, n->opset);
    if (w->status == TAP_OK && n->opset > 0 && n->opset != version && !is_identity(n)) write_call(w, n, &x);
    return x;
}

static const tap_src_node *write_nodes(writer *w, tap_node *const *nodes, size_t n) {
    tap_src_node *out = make(w, n, sizeof *out);
    for (size_t i = 0; out && i < n; i++) out[i] = write_node(w, nodes[i]);
    return out;
}

static const tap_src_tensor *write_inits(writer *w, const tap_vref *values, size_t n) {
    tap_src_tensor *out = make(w, n, sizeof *out);
    for (size_t i = 0; out && i < n; i++) {
        const tap_gvalue *v = tap_vref_value(values[i]);
        out[i] = *v->init;
        out[i].name = v->full;
    }
    return out;
}

/* A body of a node, whole. */
static const tap_src_graph *write_body(writer *w, const tap_graph *g) {
    tap_src_graph *out = make(w, 1, sizeof *out);
    tap_src_value *inputs = make(w, g->n_inputs, sizeof *inputs),
                  *outputs = make(w, g->n_outputs, sizeof *outputs);
    tap_vref *inits = make(w, g->n_values, sizeof *inits);
    if (!out || !inputs || !outputs || !inits) return NULL;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const tap_gvalue *v = &g->values[g->inputs[i]];
        inputs[i] = border(v, v->declared ? v->declared : &v->type);
    }
    /* What a body hands out of the graph around it takes that name. */
    for (size_t i = 0; i < g->n_outputs; i++) {
        outputs[i] = border(&g->values[g->outputs[i]], NULL);
        outputs[i].name = name_of(g, g->outputs[i]);
        outputs[i].has_type &= g->values[g->outputs[i]].declared != NULL;
    }
    out->name = g->src->name;
    out->doc = "";
    out->nodes = write_nodes(w, g->nodes, g->n_nodes);
    out->n_nodes = g->n_nodes;
    out->inputs = inputs;
    out->n_inputs = g->n_inputs;
    out->outputs = outputs;
    out->n_outputs = g->n_outputs;
    for (size_t v = 0; v < g->n_values; v++)
        if (g->values[v].init) inits[out->n_inits++] = (tap_vref){(tap_graph *)(uintptr_t)g, (tap_vid)v};
    out->inits = write_inits(w, inits, out->n_inits);
    return out;
}

/* ---- the part ---- */

/* Initializers that the part's nodes, or bodies in them, take from graphs that are not written with them. */
static void collect_inits(writer *w, tap_src_graph *out) {
    const tap_part_nodes *p = w->part;
    size_t n_refs = 0, n = 0;
    for (size_t k = 0; k < p->n_nodes; k++) n_refs += (size_t)(p->nodes[k]->n_in + p->nodes[k]->n_captures);
    tap_vref *inits = make(w, n_refs, sizeof *inits);
    bool *listed = make(w, (size_t)p->bound->n_values, sizeof *listed);
    if (!inits || !listed) return;
    for (size_t k = 0; k < p->n_nodes; k++) {
        const tap_node *node = p->nodes[k];
        for (int32_t i = 0; i < node->n_in + node->n_captures; i++) {
            tap_vref r = {node->graph, i < node->n_in ? node->in[i] : node->captures[i - node->n_in]};
            if (r.v == TAP_NO_VALUE) continue;
            while (tap_vref_value(r)->outer != TAP_NO_VALUE)
                r = (tap_vref){r.graph->parent, tap_vref_value(r)->outer};
            const tap_gvalue *v = tap_vref_value(r);
            if (!v->init || listed[v->global]) continue;
            listed[v->global] = true;
            inits[n++] = r;
        }
    }
    out->inits = write_inits(w, inits, n);
    out->n_inits = n;
}

static const tap_src_value *write_borders(writer *w, const tap_vref *values, const tap_type *const *types,
                                          size_t n) {
    tap_src_value *out = make(w, n, sizeof *out);
    for (size_t i = 0; out && i < n; i++) out[i] = border(tap_vref_value(values[i]), types ? types[i] : NULL);
    return out;
}

static tap_status check_inputs(writer *w, const tap_src_graph *g) {
    for (size_t i = 0; i < g->n_inputs; i++) {
        if (g->inputs[i].has_type) continue;
        tap_error_set(w->err, TAP_USAGE,
                      "the part begins at '%s', whose type is not known from the file alone; run the model "
                      "for it (onnxtap repro), or begin elsewhere",
                      g->inputs[i].name);
        tap_error_where(w->err, NULL, NULL, g->inputs[i].name);
        return TAP_USAGE;
    }
    return TAP_OK;
}

tap_status tap_part_source(const tap_part_nodes *p, const tap_type *const *input_types,
                           const tap_type *const *output_types, tap_arena *arena, tap_src_model *out,
                           tap_error *err) {
    const tap_src_model *src = p->bound->src;
    writer w = {.part = p, .arena = arena, .err = err, .out = out};
    size_t n_nodes = p->bound->n_nodes; /* of all graphs: bounds domains and functions */
    *out = (tap_src_model){.ir_version = src->ir_version, .model_version = src->model_version};
    out->producer_name = src->producer_name;
    out->producer_version = src->producer_version;
    out->domain = src->domain;
    out->doc = "";
    out->metadata = src->metadata;
    out->n_metadata = src->n_metadata;
    w.opsets = make(&w, n_nodes + 2, sizeof *w.opsets);
    w.functions = make(&w, n_nodes, sizeof *w.functions);
    if (w.status != TAP_OK) return w.status;
    import(&w, "", 1);
    tap_src_graph *g = &out->graph;
    g->name = p->graph->src->name;
    g->doc = "";
    g->nodes = write_nodes(&w, p->nodes, p->n_nodes);
    g->n_nodes = p->n_nodes;
    g->inputs = write_borders(&w, p->inputs, input_types, p->n_inputs);
    g->n_inputs = p->n_inputs;
    g->outputs = write_borders(&w, p->outputs, output_types, p->n_outputs);
    g->n_outputs = p->n_outputs;
    collect_inits(&w, g);
    if (w.status != TAP_OK) return w.status;
    out->opsets = w.opsets;
    out->n_opsets = w.n_opsets;
    out->functions = w.functions;
    out->n_functions = w.n_functions;
    int64_t least = w.n_functions ? IR_FUNCTIONS : IR_INITIALIZERS;
    if (out->ir_version < least) out->ir_version = least;
    return check_inputs(&w, g);
}
