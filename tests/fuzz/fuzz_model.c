/* Any bytes as a model: refused with a message, or loaded, with all that was loaded readable, within the
 * budget. */
#include <stdatomic.h>
#include <string.h>

#include "core/tensor.h"
#include "fuzz.h"
#include "onnx/load.h"

enum { BUDGET = 64 << 20 };

static volatile unsigned sink;

static void read_bytes(const void *p, size_t n) {
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) sum += ((const uint8_t *)p)[i];
    sink = sum;
}

static void read_text(const char *s) {
    read_bytes(s, strlen(s));
}

static void read_pairs(const tap_src_pair *p, size_t n) {
    for (size_t i = 0; i < n; i++) read_text(p[i].key), read_text(p[i].value);
}

static void read_tensor(const tap_src_tensor *t) {
    size_t n = t->n_bytes;
    int64_t count;
    read_text(t->name);
    PROMISE(t->data && tap_dims_count(t->rank, t->dims, &count) && count == t->count);
    read_bytes(t->data, n);
    const tap_string *s = t->data;
    for (int64_t i = 0; t->dtype == TAP_STRING && i < t->count; i++) read_bytes(s[i].s, s[i].n);
}

static void read_graph(const tap_src_graph *g);

static void read_attrs(const tap_src_attr *a, size_t n) {
    for (; n > 0; n--, a++) {
        read_text(a->name);
        read_text(a->ref);
        if (a->ref[0]) continue;
        bool tensors = a->kind == TAP_ATTR_TENSOR || a->kind == TAP_ATTR_TENSORS ||
                       a->kind == TAP_ATTR_SPARSE_TENSOR || a->kind == TAP_ATTR_SPARSE_TENSORS;
        if (a->kind == TAP_ATTR_STRING) read_bytes(a->u.s.s, a->u.s.n);
        if (a->kind == TAP_ATTR_FLOATS) read_bytes(a->u.floats, a->n * sizeof *a->u.floats);
        if (a->kind == TAP_ATTR_INTS) read_bytes(a->u.ints, a->n * sizeof *a->u.ints);
        for (size_t i = 0; i < a->n; i++) {
            if (tensors) read_tensor(&a->u.tensors[i]);
            if (a->kind == TAP_ATTR_STRINGS) read_bytes(a->u.strings[i].s, a->u.strings[i].n);
            if (a->kind == TAP_ATTR_GRAPH || a->kind == TAP_ATTR_GRAPHS) read_graph(a->u.graphs[i]);
        }
    }
}

static void read_names(const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++) read_text(names[i]);
}

static void read_nodes(const tap_src_node *x, size_t n) {
    for (; n > 0; n--, x++) {
        read_text(x->name), read_text(x->op), read_text(x->domain), read_text(x->overload);
        read_names(x->inputs, x->n_inputs);
        read_names(x->outputs, x->n_outputs);
        read_pairs(x->metadata, x->n_metadata);
        read_attrs(x->attrs, x->n_attrs);
    }
}

static void read_values(const tap_src_value *v, size_t n) {
    for (; n > 0; n--, v++) {
        read_text(v->name);
        for (int i = 0; v->has_type && v->dim_names && i < v->type.rank; i++)
            if (v->dim_names[i]) read_text(v->dim_names[i]);
    }
}

static void read_graph(const tap_src_graph *g) {
    read_text(g->name);
    read_values(g->inputs, g->n_inputs);
    read_values(g->outputs, g->n_outputs);
    read_values(g->infos, g->n_infos);
    for (size_t i = 0; i < g->n_inits; i++) read_tensor(&g->inits[i]);
    for (size_t i = 0; i < g->n_quants; i++) read_pairs(g->quants[i].params, g->quants[i].n_params);
    read_pairs(g->metadata, g->n_metadata);
    read_nodes(g->nodes, g->n_nodes);
}

static void read_model(const tap_src_model *m) {
    read_text(m->producer_name);
    read_pairs(m->metadata, m->n_metadata);
    for (size_t i = 0; i < m->n_functions; i++) {
        const tap_src_function *f = &m->functions[i];
        read_names(f->inputs, f->n_inputs);
        read_names(f->outputs, f->n_outputs);
        read_names(f->attr_names, f->n_attr_names);
        read_attrs(f->attr_defaults, f->n_attr_defaults);
        read_nodes(f->nodes, f->n_nodes);
    }
    read_graph(&m->graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    tap_budget budget;
    tap_arena arena;
    tap_mapping *mappings = NULL;
    tap_src_model model;
    tap_error err = TAP_ERROR_INIT;
    tap_budget_init(&budget, BUDGET);
    tap_arena_init(&arena, &budget);
    tap_status st = tap_onnx_load(bytes, n, NULL, &arena, &mappings, NULL, &model, &err);
    PROMISE(!mappings);
    PROMISE((st == TAP_OK) == (err.text[0] == '\0'));
    if (st == TAP_OK) read_model(&model);
    PROMISE(atomic_load(&budget.peak) <= BUDGET);
    tap_arena_clear(&arena);
    PROMISE(atomic_load(&budget.used) == 0);
    return 0;
}
