/* From names to values: graphs, nodes and bodies. Functions are written out by functions.c. */
#include <inttypes.h>
#include <string.h>

#include "graph/expand.h"
#include "graph/scope.h"

#define DEPTH_MAX 100

tap_graph *tap_graph_new(tap_binder *bd, tap_graph *parent, tap_node *owner, const tap_src_graph *src) {
    tap_bound *b = bd->b;
    tap_graph *g = tap_arena_zero(b->arena, sizeof *g);
    if (g && b->n_graphs == b->room_graphs) {
        size_t room = b->room_graphs ? b->room_graphs * 2 : 8;
        tap_graph **wider = tap_arena_array(b->arena, room, sizeof *wider);
        if (wider && b->n_graphs) memcpy(wider, b->graphs, b->n_graphs * sizeof *wider);
        b->graphs = wider;
        b->room_graphs = room;
    }
    if (!g || !b->graphs) {
        tap_error_no_memory(bd->err, sizeof *g);
        return NULL;
    }
    g->src = src;
    g->parent = parent;
    g->owner = owner;
    g->depth = parent ? parent->depth + 1 : 0;
    g->number = (int32_t)b->n_graphs;
    b->graphs[b->n_graphs++] = g;
    if (g->depth > DEPTH_MAX) {
        tap_error_set(bd->err, TAP_MODEL, "node '%s': bodies are nested more than %d deep", owner->address,
                      DEPTH_MAX);
        return NULL;
    }
    return g;
}

bool tap_graph_add_node(tap_binder *bd, tap_graph *g, tap_node *n) {
    tap_bound *b = bd->b;
    /* Bodies that functions are given are not counted ahead. */
    if (++b->n_nodes > bd->nodes_max) {
        tap_error_set(bd->err, TAP_MODEL,
                      "the model has more than %" PRIu64 " nodes once its functions are written out",
                      bd->nodes_max);
        return false;
    }
    if (g->n_nodes == g->room_nodes) {
        size_t room = g->room_nodes ? g->room_nodes * 2 : 16;
        tap_node **wider = tap_arena_array(b->arena, room, sizeof *wider);
        if (!wider) {
            tap_error_no_memory(bd->err, room * sizeof *wider);
            return false;
        }
        if (g->n_nodes) memcpy(wider, g->nodes, g->n_nodes * sizeof *wider);
        g->nodes = wider;
        g->room_nodes = room;
    }
    g->nodes[g->n_nodes++] = n;
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != TAP_NO_VALUE) {
            g->values[n->out[i]].producer = n;
            g->values[n->out[i]].slot = i;
        }
    return true;
}

/* n: the node that makes it again, at `index`; NULL: `by` does. */
static tap_status made_twice(tap_binder *bd, const tap_scope *s, const char *name, const char *by,
                             const tap_src_node *n, size_t index) {
    char address[256] = "", text[600];
    tap_text a = {address, sizeof address, 0}, t = {text, sizeof text, 0};
    if (n && *n->name)
        tap_text_add(&a, "%s%s", s->prefix, n->name);
    else if (n)
        tap_text_add(&a, "%s#%zu:%s", s->prefix, index, n->op);
    if (n)
        tap_text_add(&t, "node '%s' (%s)", address, n->op);
    else
        tap_text_add(&t, "%s", by);
    tap_error_set(bd->err, TAP_MODEL,
                  "value '%s%s' is made twice: the second time by %s. Every name may be given once",
                  s->prefix, name, text);
    tap_error_where(bd->err, address, n ? n->op : "", name);
    return TAP_MODEL;
}

/* Whether binding goes on after a failure: it is noted as a fault. */
static bool goes_on(tap_binder *bd, const char *code, tap_status st) {
    return tap_fault_note(bd->b->faults, code, st, bd->err) == TAP_OK;
}

static bool defined_here(const tap_scope *s, const char *name) {
    return tap_map_get(&s->names, name, -2) != -2;
}

static bool add_alias(tap_binder *bd, const tap_scope *s, tap_vid v, const char *name) {
    tap_gvalue *x = &s->graph->values[v];
    tap_alias *a = tap_arena_alloc(bd->b->arena, sizeof *a);
    if (!a) return false;
    *a = (tap_alias){tap_arena_printf(bd->b->arena, "%s%s", s->prefix, name), x->aliases};
    x->aliases = a;
    return a->path != NULL;
}

static tap_status define_outputs(tap_binder *bd, tap_scope *s, const tap_src_node *n, size_t index) {
    for (size_t k = 0; k < n->n_outputs; k++) {
        const char *name = n->outputs[k];
        if (!*name) continue;
        tap_vid v = tap_map_get(&s->names, name, TAP_NO_VALUE);
        /* An output of a function is there already, waiting for the node that makes it: slot -1 marks it. */
        if (v != TAP_NO_VALUE && s->graph->values[v].slot == -1) {
            if (!add_alias(bd, s, v, name)) return tap_error_no_memory(bd->err, sizeof(tap_alias));
            s->graph->values[v].slot = 0;
            continue;
        }
        if (defined_here(s, name)) {
            tap_status st = made_twice(bd, s, name, NULL, n, index);
            if (!goes_on(bd, "made-twice", st)) return st;
            continue;
        }
        if (tap_scope_define(bd, s, name) == TAP_NO_VALUE) return bd->err ? bd->err->code : TAP_MEMORY;
    }
    return TAP_OK;
}

static tap_status bind_graph(tap_binder *bd, tap_graph *g, tap_scope *s);

/* What the attribute says once a reference to the function's attribute is replaced. NULL: not given by the
 * call. */
static const tap_src_attr *dereference(const tap_scope *s, const tap_src_attr *a, tap_scope **home) {
    if (!*a->ref) return a;
    if (!s->call) return NULL;
    const tap_node *given = s->call->node;
    for (int32_t i = 0; i < given->n_attrs; i++)
        if (strcmp(given->attrs[i].src->name, a->ref) == 0) {
            *home = s->call->caller;
            return given->attrs[i].src;
        }
    const tap_src_function *f = s->call->function;
    for (size_t i = 0; i < f->n_attr_defaults; i++)
        if (strcmp(f->attr_defaults[i].name, a->ref) == 0) return &f->attr_defaults[i];
    return NULL;
}

static tap_status bind_bodies(tap_binder *bd, tap_scope *s, tap_node *n, tap_attr *a, const char *name) {
    size_t count = a->src->n;
    a->bodies = tap_arena_array(bd->b->arena, count, sizeof *a->bodies);
    if (!a->bodies) return tap_error_no_memory(bd->err, count * sizeof *a->bodies);
    n->has_bodies = true;
    for (size_t i = 0; i < count; i++) {
        tap_graph *g = tap_graph_new(bd, n->graph, n, a->src->u.graphs[i]);
        if (!g) return bd->err ? bd->err->code : TAP_MEMORY;
        g->prefix = count == 1 ? tap_arena_printf(bd->b->arena, "%s/%s/", n->address, name)
                               : tap_arena_printf(bd->b->arena, "%s/%s[%zu]/", n->address, name, i);
        tap_scope *inner = tap_scope_new(bd, g, s, g->prefix);
        if (!inner) return TAP_MEMORY;
        a->bodies[i] = g;
        tap_status st = bind_graph(bd, g, inner);
        if (st != TAP_OK) return st;
    }
    return TAP_OK;
}

static tap_status bind_attrs(tap_binder *bd, tap_scope *s, tap_node *n, bool with_bodies) {
    const tap_src_node *src = n->src;
    n->attrs = tap_arena_array(bd->b->arena, src->n_attrs, sizeof *n->attrs);
    if (!n->attrs) return tap_error_no_memory(bd->err, src->n_attrs * sizeof *n->attrs);
    for (size_t i = 0; i < src->n_attrs; i++) {
        tap_scope *home = s;
        const tap_src_attr *a = dereference(s, &src->attrs[i], &home);
        if (!a) continue; /* the call did not give it: as if the node had not written it */
        if (a != &src->attrs[i]) {
            tap_src_attr *renamed = tap_arena_alloc(bd->b->arena, sizeof *renamed);
            if (!renamed) return tap_error_no_memory(bd->err, sizeof *renamed);
            *renamed = *a;
            renamed->name = src->attrs[i].name;
            a = renamed;
        }
        for (int32_t k = 0; k < n->n_attrs; k++)
            if (strcmp(n->attrs[k].src->name, a->name) == 0) {
                tap_error_set(bd->err, TAP_MODEL, "node '%s' (%s): attribute '%s' is given twice", n->address,
                              src->op, a->name);
                tap_error_where(bd->err, n->address, src->op, NULL);
                if (!goes_on(bd, "attribute", TAP_MODEL)) return TAP_MODEL;
                n->faulty = true;
            }
        tap_attr *out = &n->attrs[n->n_attrs++];
        out->src = a;
        if (with_bodies && (a->kind == TAP_ATTR_GRAPH || a->kind == TAP_ATTR_GRAPHS)) {
            tap_status st = bind_bodies(bd, home, n, out, a->name);
            if (st != TAP_OK) return st;
        }
    }
    return TAP_OK;
}

static tap_status bind_inputs(tap_binder *bd, tap_scope *s, tap_node *n) {
    for (int32_t i = 0; i < n->n_in; i++) {
        const char *name = n->src->inputs[i];
        bool found = true;
        n->in[i] = *name ? tap_scope_resolve(bd, s, name, &found) : TAP_NO_VALUE;
        if (found) continue;
        tap_error_set(bd->err, TAP_MODEL,
                      "node '%s' (%s): input %" PRId32
                      " is '%s', which no input, initializer or node of the model makes",
                      n->address, n->src->op, i, name);
        tap_error_where(bd->err, n->address, n->src->op, name);
        if (!goes_on(bd, "undefined-name", TAP_MODEL)) return TAP_MODEL;
        n->in[i] = tap_scope_define(bd, s, name); /* of unknown type; told of once */
        n->faulty = true;
        if (n->in[i] == TAP_NO_VALUE) return TAP_MEMORY;
    }
    for (int32_t i = 0; i < n->n_out; i++)
        n->out[i] =
            *n->src->outputs[i] ? tap_map_get(&s->names, n->src->outputs[i], TAP_NO_VALUE) : TAP_NO_VALUE;
    return TAP_OK;
}

const tap_src_function *tap_find_function(const tap_binder *bd, const tap_src_node *n) {
    if (!bd->b->src->n_functions) return NULL;
    char key[512] = "";
    tap_text t = {key, sizeof key, 0};
    tap_text_add(&t, "%s:%s:%s", n->domain, n->op, n->overload);
    int32_t i = tap_map_get(&bd->functions, key, -1);
    if (i < 0 && bd->b->tf_ops) return tap_find_called(bd, n);
    return i < 0 ? NULL : &bd->b->src->functions[i];
}

static tap_node *new_node(tap_binder *bd, tap_scope *s, const tap_src_node *src, size_t index) {
    tap_arena *a = bd->b->arena;
    tap_node *n = tap_arena_zero(a, sizeof *n);
    if (!n || src->n_inputs > INT32_MAX || src->n_outputs > INT32_MAX) return NULL;
    n->src = src;
    n->graph = s->graph;
    n->index = (int32_t)index;
    n->n_in = (int32_t)src->n_inputs;
    n->n_out = (int32_t)src->n_outputs;
    n->in = tap_arena_array(a, src->n_inputs, sizeof *n->in);
    n->out = tap_arena_array(a, src->n_outputs, sizeof *n->out);
    n->address = *src->name ? (*s->prefix ? tap_arena_printf(a, "%s%s", s->prefix, src->name) : src->name)
                            : tap_arena_printf(a, "%s#%zu:%s", s->prefix, index, src->op);
    return n->in && n->out && n->address ? n : NULL;
}

static void find_operator(tap_binder *bd, const tap_scope *s, tap_node *n) {
    n->opset = tap_scope_opset(s, n->src->domain);
    if (n->opset > 0) {
        n->op = tap_lookup_find(bd->b->lookup, n->src->domain, n->src->op, n->opset, bd->b->arena,
                                &n->unsupported);
    } else {
        n->unsupported = tap_arena_printf(bd->b->arena, "domain %s is not among the opset imports",
                                          *n->src->domain ? n->src->domain : "ai.onnx");
    }
    if (!n->op && !n->unsupported) n->unsupported = "no operator";
    if (!n->op) tap_find_foreign(bd, n);
}

/* The function that the node calls: one of the file's, or what its operator stands for; NULL: neither. */
static tap_status find_function(tap_binder *bd, const tap_scope *s, tap_node *n, const tap_src_function **f) {
    if (*f) return TAP_OK;
    find_operator(bd, s, n);
    return n->op && n->op->expand ? tap_expand(bd, n, f) : TAP_OK;
}

/* Exporters leave weights in Constants, too: they lie where initializers do. */
static void find_stored(tap_node *n) {
    if (!n->op || !(n->op->flags & TAP_STORED_VALUE) || n->faulty || n->n_attrs != 1) return;
    const tap_src_attr *a = n->attrs[0].src;
    if (a->kind != TAP_ATTR_TENSOR || strcmp(a->name, "value") != 0 || a->u.tensors->missing) return;
    if (n->n_in || n->n_out != 1 || n->out[0] == TAP_NO_VALUE) return;
    n->graph->values[n->out[0]].stored = a->u.tensors;
}

static tap_status bind_node(tap_binder *bd, tap_scope *s, const tap_src_node *src, size_t index) {
    tap_node *n = new_node(bd, s, src, index);
    if (!n) return tap_error_no_memory(bd->err, sizeof *n);
    const tap_src_function *f = tap_find_function(bd, src);
    tap_status st = bind_attrs(bd, s, n, !f);
    if (st == TAP_OK) st = bind_inputs(bd, s, n);
    if (st != TAP_OK) return st;
    n->faulty |= src->faulty;
    st = find_function(bd, s, n, &f);
    if (st == TAP_OK && f) {
        st = tap_bind_call(bd, s, n, f);
        if (st == TAP_OK) return st;
    }
    if (st != TAP_OK) {
        if (!goes_on(bd, "function", st)) return st;
        n->faulty = true;
    }
    if (!n->op) find_operator(bd, s, n);
    if (!tap_graph_add_node(bd, s->graph, n)) return TAP_MEMORY;
    find_stored(n);
    return TAP_OK;
}

tap_status tap_bind_identity(tap_binder *bd, tap_scope *s, const char *address, tap_vid x, tap_vid y) {
    tap_arena *a = bd->b->arena;
    tap_node *n = tap_arena_zero(a, sizeof *n);
    tap_src_node *src = tap_arena_zero(a, sizeof *src);
    if (!n || !src) return tap_error_no_memory(bd->err, sizeof *n);
    *src = (tap_src_node){
        .name = address, .op = "Identity", .domain = "", .overload = "", .n_inputs = 1, .n_outputs = 1};
    n->in = tap_arena_array(a, 1, sizeof *n->in);
    n->out = tap_arena_array(a, 1, sizeof *n->out);
    if (!n->in || !n->out) return tap_error_no_memory(bd->err, sizeof *n);
    n->src = src;
    n->graph = s->graph;
    n->address = address;
    n->in[0] = x;
    n->out[0] = y;
    n->n_in = n->n_out = 1;
    n->opset = 25; /* Identity takes every type from opset 16 on */
    n->op = tap_lookup_find(bd->b->lookup, "", "Identity", n->opset, a, &n->unsupported);
    return tap_graph_add_node(bd, s->graph, n) ? TAP_OK : TAP_MEMORY;
}

tap_status tap_bind_nodes(tap_binder *bd, tap_scope *s, const tap_src_node *nodes, size_t n) {
    tap_status st = TAP_OK;
    for (size_t i = 0; i < n && st == TAP_OK; i++) st = define_outputs(bd, s, &nodes[i], i);
    for (size_t i = 0; i < n && st == TAP_OK; i++) st = bind_node(bd, s, &nodes[i], i);
    return st;
}

tap_status tap_bind_infos(tap_binder *bd, tap_scope *s, const tap_src_value *infos, size_t n) {
    (void)bd;
    for (size_t i = 0; i < n; i++) {
        tap_vid v = tap_map_get(&s->names, infos[i].name, TAP_NO_VALUE);
        if (v == TAP_NO_VALUE || !infos[i].has_type) continue;
        tap_gvalue *x = &s->graph->values[v];
        if (x->declared) continue;
        x->declared = &infos[i].type;
        x->dim_names = infos[i].dim_names;
    }
    return TAP_OK;
}

/* A body's inputs come from its node; those with a value are constants, which files of IR version 3 had to
 * list as inputs, too. */
static void drop_constant_inputs(tap_graph *g) {
    size_t n = 0;
    for (size_t i = 0; i < g->n_inputs; i++) {
        tap_gvalue *x = &g->values[g->inputs[i]];
        if (x->init)
            x->is_input = false;
        else
            g->inputs[n++] = g->inputs[i];
    }
    g->n_inputs = n;
}

static tap_status bind_borders(tap_binder *bd, tap_graph *g, tap_scope *s) {
    const tap_src_graph *src = g->src;
    g->n_inputs = src->n_inputs;
    g->n_outputs = src->n_outputs;
    g->inputs = tap_arena_array(bd->b->arena, src->n_inputs, sizeof *g->inputs);
    g->outputs = tap_arena_array(bd->b->arena, src->n_outputs, sizeof *g->outputs);
    if (!g->inputs || !g->outputs) return tap_error_no_memory(bd->err, src->n_inputs * sizeof *g->inputs);
    for (size_t i = 0; i < src->n_inputs; i++) {
        const char *name = src->inputs[i].name;
        if (!*name)
            return tap_error_set(bd->err, TAP_MODEL, "graph '%s': input %zu has no name", src->name, i);
        if (defined_here(s, name)) {
            tap_status st = made_twice(bd, s, name, "the graph's inputs", NULL, 0);
            if (!goes_on(bd, "made-twice", st)) return st;
        }
        g->inputs[i] = tap_scope_define(bd, s, name);
        if (g->inputs[i] == TAP_NO_VALUE) return TAP_MEMORY;
        g->values[g->inputs[i]].is_input = true;
    }
    for (size_t i = 0; i < src->n_inits; i++) {
        const char *name = src->inits[i].name;
        if (!*name)
            return tap_error_set(bd->err, TAP_MODEL, "graph '%s': initializer %zu has no name", src->name, i);
        tap_vid v = tap_map_get(&s->names, name, TAP_NO_VALUE);
        if (v != TAP_NO_VALUE && g->values[v].init) {
            tap_status st = made_twice(bd, s, name, "the initializers", NULL, 0);
            if (!goes_on(bd, "made-twice", st)) return st;
        }
        if (v == TAP_NO_VALUE) v = tap_scope_define(bd, s, name);
        if (v == TAP_NO_VALUE) return TAP_MEMORY;
        const tap_src_tensor *t = &src->inits[i];
        if (!t->missing) {
            g->values[v].init = g->values[v].stored = t;
            continue;
        }
        g->values[v].type = (tap_type){.kind = TAP_KIND_TENSOR, .dtype = t->dtype, .rank = t->rank};
        memcpy(g->values[v].type.dims, t->dims, sizeof t->dims);
    }
    if (g->owner) drop_constant_inputs(g);
    return TAP_OK;
}

static tap_status bind_outputs(tap_binder *bd, tap_graph *g, tap_scope *s) {
    for (size_t i = 0; i < g->src->n_outputs; i++) {
        const char *name = g->src->outputs[i].name;
        bool found = false;
        g->outputs[i] = *name ? tap_scope_resolve(bd, s, name, &found) : TAP_NO_VALUE;
        if (!found) {
            tap_error_set(bd->err, TAP_MODEL,
                          "output %zu of graph '%s' is '%s', which nothing in the model makes", i,
                          g->src->name, name);
            tap_error_where(bd->err, NULL, NULL, name);
            if (!goes_on(bd, "undefined-name", TAP_MODEL)) return TAP_MODEL;
            if ((g->outputs[i] = tap_scope_define(bd, s, name)) == TAP_NO_VALUE) return TAP_MEMORY;
        }
        if (g->outputs[i] != TAP_NO_VALUE) g->values[g->outputs[i]].is_output = true;
    }
    return TAP_OK;
}

/* For what the file lists: functions that are written out, and captured values, come on top. */
static bool reserve_values(tap_binder *bd, tap_graph *g) {
    size_t n = g->src->n_inputs + g->src->n_inits;
    for (size_t i = 0; i < g->src->n_nodes; i++) n += g->src->nodes[i].n_outputs;
    return tap_scope_reserve(bd, g, n);
}

static tap_status bind_graph(tap_binder *bd, tap_graph *g, tap_scope *s) {
    const tap_src_graph *src = g->src;
    const tap_src_node *nodes = src->nodes;
    tap_status st =
        reserve_values(bd, g) ? TAP_OK : tap_error_no_memory(bd->err, src->n_inits * sizeof(tap_gvalue));
    if (st == TAP_OK) st = bind_borders(bd, g, s);
    if (st == TAP_OK) st = tap_bind_nchwc(bd, src, &nodes);
    if (st == TAP_OK) st = tap_bind_nodes(bd, s, nodes, src->n_nodes);
    if (st == TAP_OK) st = bind_outputs(bd, g, s);
    if (st == TAP_OK) st = tap_bind_infos(bd, s, src->inputs, src->n_inputs);
    if (st == TAP_OK) st = tap_bind_infos(bd, s, src->outputs, src->n_outputs);
    if (st == TAP_OK) st = tap_bind_infos(bd, s, src->infos, src->n_infos);
    if (st == TAP_OK && bd->b->tf_ops) st = tap_bind_merges(bd, g);
    if (st != TAP_OK) return st;
    st = tap_graph_order(bd->b, g, bd->err);
    return goes_on(bd, "cycle", st) ? TAP_OK : st;
}

static tap_status index_functions(tap_binder *bd) {
    const tap_src_model *m = bd->b->src;
    for (size_t i = 0; i < m->n_functions; i++) {
        const tap_src_function *f = &m->functions[i];
        char *key = tap_arena_printf(bd->b->arena, "%s:%s:%s", f->domain, f->name, f->overload);
        if (!key) return tap_error_no_memory(bd->err, 64);
        if (tap_map_get(&bd->functions, key, -1) >= 0)
            return tap_error_set(bd->err, TAP_MODEL, "function %s of domain '%s' is defined twice", f->name,
                                 f->domain);
        char *called = tap_arena_printf(bd->b->arena, TAP_CALLED "%s", f->name);
        bool put = called && tap_map_put(&bd->functions, key, (int32_t)i);
        if (put && tap_map_get(&bd->functions, called, -1) < 0)
            put = tap_map_put(&bd->functions, called, (int32_t)i);
        if (!put) return tap_error_no_memory(bd->err, 64);
    }
    return TAP_OK;
}

/* Numbers all values of the model as they come to be when it runs: a graph's borders, then what its nodes
 * make, each after what its bodies make. */
static void number_values(tap_graph *g, int32_t *next) {
    for (size_t v = 0; v < g->n_values; v++) {
        tap_gvalue *x = &g->values[v];
        if (!x->producer)
            x->global = x->outer == TAP_NO_VALUE ? (*next)++ : g->parent->values[x->outer].global;
    }
    for (size_t k = 0; k < g->n_nodes; k++) {
        const tap_node *n = g->nodes[k];
        for (int32_t i = 0; i < n->n_attrs; i++)
            for (size_t b = 0; n->attrs[i].bodies && b < n->attrs[i].src->n; b++)
                number_values(n->attrs[i].bodies[b], next);
        for (int32_t i = 0; i < n->n_out; i++)
            if (n->out[i] != TAP_NO_VALUE) g->values[n->out[i]].global = (*next)++;
    }
}

tap_status tap_graph_bind(tap_bound *b, tap_error *err) {
    tap_error own = TAP_ERROR_INIT;
    tap_binder bd = {.b = b, .err = err ? err : &own};
    bd.err->code = TAP_OK;
    tap_map_init(&bd.functions, b->budget);
    b->main = tap_graph_new(&bd, NULL, NULL, &b->src->graph);
    tap_scope *s = b->main ? tap_scope_new(&bd, b->main, NULL, "") : NULL;
    tap_status st = TAP_MEMORY;
    if (s) {
        b->main->prefix = "";
        s->opsets = b->src->opsets;
        s->n_opsets = b->src->n_opsets;
        st = index_functions(&bd);
        if (st == TAP_OK) st = tap_check_expansion(&bd);
        if (st == TAP_OK) st = bind_graph(&bd, b->main, s);
        /* Where a helper could only say "failed", the message holds the kind of failure. */
        if (st != TAP_OK && bd.err->code != TAP_OK) st = bd.err->code;
    }
    tap_scopes_free(&bd);
    tap_map_free(&bd.functions);
    if (st == TAP_OK) number_values(b->main, &b->n_values);
    return st;
}
