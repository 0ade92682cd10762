/* The public functions on models: joins loading, graph and preparing. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api_layers.h"
#include "api.h"
#include "api_model.h"
#include "api_share.h"
#include "onnx/load.h"
#include "ops/registry.h"
#include "run/plan.h"
#include "tap/select.h"

#define STRINGIFY_(x) #x
#define STRINGIFY(x)  STRINGIFY_(x)

const char *tap_version(void) {
    return STRINGIFY(TAP_VERSION_MAJOR) "." STRINGIFY(TAP_VERSION_MINOR) "." STRINGIFY(TAP_VERSION_PATCH);
}

/* ---- models ---- */

static tap_model_options options_or_default(const tap_model_options *given) {
    tap_model_options o = {.size = sizeof o};
    if (given) memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    if (!o.memory_limit_bytes) o.memory_limit_bytes = tap_memory_default_limit();
    return o;
}

static tap_model *model_new(const tap_model_options *o) {
    /* The model itself is outside its budget: what counts is what the file makes it hold. */
    tap_model *m = tap_mem_alloc_zero(NULL, sizeof *m);
    if (!m) return NULL;
    atomic_init(&m->refs, 1);
    tap_budget_init(&m->budget, o->memory_limit_bytes);
    tap_arena_init(&m->arena, &m->budget);
    pthread_mutex_init(&m->lock, NULL);
    m->isa = tap_cpu_isa();
    return m;
}

static void model_release(tap_model *m) {
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1) return;
    tap_model_release_nodes(m);
    tap_lookup_free(&m->lookup);
    tap_unmap_all(m->mappings);
    tap_arena_clear(&m->arena);
    pthread_mutex_destroy(&m->lock);
    tap_mem_free(NULL, m);
}

void tap_model_free(tap_model *m) {
    model_release(m);
}

tap_status tap_model_hold(tap_model *m, uint64_t n_bytes, tap_error *err) {
    return tap_budget_take(&m->budget, n_bytes) ? TAP_OK : tap_error_no_memory(err, n_bytes);
}

void tap_model_let_go(tap_model *m, uint64_t n_bytes) {
    tap_budget_give(&m->budget, n_bytes);
}

static tap_status make_ports(tap_model *m, const tap_vid *ids, size_t n, tap_port **out, tap_error *err) {
    *out = tap_arena_array(&m->arena, n, sizeof **out);
    if (!*out) return tap_error_no_memory(err, n * sizeof **out);
    for (size_t i = 0; i < n; i++) {
        const tap_gvalue *v = &m->bound.main->values[ids[i]];
        (*out)[i] =
            (tap_port){v->name, v->declared ? v->declared : &v->type, v->dim_names, v->is_input && v->init};
    }
    return TAP_OK;
}

static void list_nodes(tap_model *m, const tap_graph *g) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        tap_node *n = g->nodes[i];
        m->all_nodes[m->n_all_nodes++] = n;
        for (int32_t a = 0; a < n->n_attrs; a++)
            for (size_t b = 0; n->attrs[a].bodies && b < n->attrs[a].src->n; b++)
                list_nodes(m, n->attrs[a].bodies[b]);
    }
}

static tap_status make_lists(tap_model *m, tap_error *err) {
    size_t n = (size_t)m->bound.n_values;
    m->values = tap_arena_array(&m->arena, n, sizeof *m->values);
    m->all_nodes = tap_arena_array(&m->arena, m->bound.n_nodes, sizeof *m->all_nodes);
    if (!m->values || !m->all_nodes) return tap_error_no_memory(err, n * sizeof *m->values);
    m->n_values = n;
    for (size_t i = 0; i < m->bound.n_graphs; i++) {
        tap_graph *g = m->bound.graphs[i];
        for (size_t v = 0; v < g->n_values; v++)
            if (g->values[v].outer == TAP_NO_VALUE)
                m->values[g->values[v].global] = (tap_vref){g, (tap_vid)v};
    }
    list_nodes(m, m->bound.main);
    m->n_inputs = m->bound.main->n_inputs;
    m->n_outputs = m->bound.main->n_outputs;
    tap_status st = make_ports(m, m->bound.main->inputs, m->n_inputs, &m->inputs, err);
    return st == TAP_OK ? make_ports(m, m->bound.main->outputs, m->n_outputs, &m->outputs, err) : st;
}

static tap_status model_build(tap_model *m, const tap_model_options *o, tap_error *err) {
    size_t n;
    const tap_family *const *own = tap_families(m->isa, &n);
    size_t n_first = o->ops ? o->ops->n_families : 0;
    if (o->ops && o->ops->abi != TAP_OP_ABI)
        return tap_error_set(err, TAP_USAGE, "the operators were built for ABI %d, this library has %d",
                             o->ops->abi, TAP_OP_ABI);
    const tap_family **first = tap_arena_array(&m->arena, n_first, sizeof *first);
    if (!first) return tap_error_no_memory(err, n_first * sizeof *first);
    for (size_t i = 0; i < n_first; i++) first[i] = &o->ops->families[i];
    if (!tap_lookup_init(&m->lookup, &m->budget, first, n_first, own, n))
        return tap_error_no_memory(err, sizeof m->lookup);
    m->bound.src = &m->src;
    m->bound.budget = &m->budget;
    m->bound.arena = &m->arena;
    m->bound.lookup = &m->lookup;
    m->bound.tf_ops = o->tf_ops;
    m->ops = o->ops;
    tap_status st = tap_graph_bind(&m->bound, err);
    if (st == TAP_OK) st = tap_model_prepare(m, err);
    if (st == TAP_OK && !o->allow_unsupported) st = tap_graph_check_supported(&m->bound, err);
    if (st == TAP_OK) st = make_lists(m, err);
    return st == TAP_OK && o->layer_list ? tap_model_load_layer_list(m, o->layer_list, err) : st;
}

static tap_status model_load(tap_model *m, const void *bytes, size_t n_bytes, const tap_onnx_folder *folder,
                             const tap_model_options *o, tap_error *err) {
    tap_status st = tap_onnx_load(bytes, n_bytes, folder, &m->arena, &m->mappings, m->bound.faults, &m->src, err);
    if (st == TAP_OK && o->like) st = tap_share_initializers(m, o->like, err);
    if (st == TAP_OK) st = model_build(m, o, err);
    return st == TAP_OK && o->like ? tap_share_packed(m, o->like, err) : st;
}

tap_status tap_model_open_memory(const void *bytes, size_t n_bytes, const tap_model_options *options,
                                 tap_model **out, tap_error *err) {
    tap_model_options o = options_or_default(options);
    tap_model *m = model_new(&o);
    *out = NULL;
    if (!m) return tap_error_no_memory(err, sizeof *m);
    tap_onnx_folder folder = {.path = o.folder};
    tap_status st = model_load(m, bytes, n_bytes, o.folder ? &folder : NULL, &o, err);
    if (st == TAP_OK)
        *out = m;
    else
        model_release(m);
    return st;
}

tap_status tap_model_of_source(const tap_src_model *src, const tap_model *like, uint64_t memory_limit_bytes,
                               tap_model **out, tap_error *err) {
    tap_model_options o = options_or_default(NULL);
    o.ops = like->ops;
    o.tf_ops = like->bound.tf_ops;
    o.memory_limit_bytes = memory_limit_bytes;
    o.allow_unsupported = true;
    tap_model *m = model_new(&o);
    *out = NULL;
    if (!m) return tap_error_no_memory(err, sizeof *m);
    m->src = *src;
    m->beyond_standard = true;
    tap_status st = model_build(m, &o, err);
    if (st == TAP_OK)
        *out = m;
    else
        model_release(m);
    return st;
}

/* "a/b/model.onnx" -> "a/b", "model.onnx" -> "." */
static const char *folder_of(tap_arena *a, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    return slash == path ? "/" : tap_arena_string(a, path, (size_t)(slash - path));
}

static tap_status open_file(const char *path, const tap_model_options *options, bool collect, tap_model **out,
                            tap_error *err) {
    tap_model_options o = options_or_default(options);
    tap_model *m = model_new(&o);
    *out = NULL;
    if (!m) return tap_error_no_memory(err, sizeof *m);
    m->faults.arena = &m->arena;
    if (collect) m->bound.faults = &m->faults;
    tap_status st = tap_map_file(path, &m->arena, &m->mappings, err);
    if (st == TAP_OK) {
        char *real = realpath(path, NULL);
        tap_onnx_folder folder = {folder_of(&m->arena, path), real ? folder_of(&m->arena, real) : NULL};
        free(real);
        st = folder.path ? model_load(m, m->mappings->data, m->mappings->n_bytes, &folder, &o, err)
                         : tap_error_no_memory(err, strlen(path));
    }
    if (st == TAP_OK)
        *out = m;
    else
        model_release(m);
    return st;
}

tap_status tap_model_open(const char *path, const tap_model_options *options, tap_model **out,
                          tap_error *err) {
    return open_file(path, options, false, out, err);
}

tap_status tap_model_look_at(const char *path, const tap_model_options *options, tap_model **out,
                             tap_error *err) {
    tap_model_options o = options_or_default(options);
    o.allow_unsupported = true;
    return open_file(path, &o, true, out, err);
}

size_t tap_model_input_count(const tap_model *m) {
    return m->n_inputs;
}
const tap_port *tap_model_input(const tap_model *m, size_t i) {
    return i < m->n_inputs ? &m->inputs[i] : NULL;
}
size_t tap_model_output_count(const tap_model *m) {
    return m->n_outputs;
}
const tap_port *tap_model_output(const tap_model *m, size_t i) {
    return i < m->n_outputs ? &m->outputs[i] : NULL;
}

static bool is_float(tap_dtype t) {
    return t == TAP_FLOAT || t == TAP_DOUBLE || t == TAP_FLOAT16 || t == TAP_BFLOAT16;
}

void tap_model_get_info(const tap_model *m, tap_model_info *info) {
    tap_model_info x = {
        .size = info->size, .ir_version = m->src.ir_version, .producer_name = m->src.producer_name};
    x.producer_version = m->src.producer_version;
    x.domain = m->src.domain;
    x.graph_name = m->src.graph.name;
    x.doc_string = m->src.doc;
    x.model_version = m->src.model_version;
    x.n_nodes = m->bound.main->n_nodes;
    x.n_all_nodes = m->bound.n_nodes;
    for (size_t i = 0; i < m->bound.n_graphs; i++) {
        const tap_src_graph *g = m->bound.graphs[i]->src;
        for (size_t k = 0; k < g->n_inits; k++) {
            if (is_float(g->inits[k].dtype)) x.n_parameters += g->inits[k].count;
            x.parameter_bytes += g->inits[k].n_bytes;
            if (g->inits[k].shared) x.shared_bytes += g->inits[k].n_bytes;
        }
    }
    memcpy(info, &x, info->size < sizeof x ? info->size : sizeof x);
}

size_t tap_model_opset_count(const tap_model *m) {
    return m->src.n_opsets;
}
const char *tap_model_opset(const tap_model *m, size_t i, int64_t *version) {
    if (i >= m->src.n_opsets) return NULL;
    *version = m->src.opsets[i].version;
    return m->src.opsets[i].domain;
}

size_t tap_model_metadata_count(const tap_model *m) {
    return m->src.n_metadata;
}
const char *tap_model_metadata(const tap_model *m, size_t i, const char **value) {
    if (i >= m->src.n_metadata) return NULL;
    *value = m->src.metadata[i].value;
    return m->src.metadata[i].key;
}

size_t tap_model_node_count(const tap_model *m) {
    return m->n_all_nodes;
}

/* Names of a node's values, made when first asked for. */
static const char **names_of(tap_model *m, const tap_graph *g, const tap_vid *ids, int32_t n) {
    const char **names = tap_arena_array(&m->arena, (size_t)n, sizeof *names);
    for (int32_t i = 0; names && i < n; i++) names[i] = ids[i] == TAP_NO_VALUE ? "" : g->values[ids[i]].full;
    return names;
}

bool tap_model_node(const tap_model *m, size_t i, tap_node_info *info) {
    if (i >= m->n_all_nodes) return false;
    tap_model *w = (tap_model *)(uintptr_t)m;
    const tap_node *n = m->all_nodes[i];
    tap_node_info x = {.size = info->size,
                       .address = n->address,
                       .op = n->src->op,
                       .domain = n->src->domain,
                       .opset = n->opset};
    x.n_inputs = (size_t)n->n_in;
    x.n_outputs = (size_t)n->n_out;
    pthread_mutex_lock(&w->lock);
    x.inputs = names_of(w, n->graph, n->in, n->n_in);
    x.outputs = names_of(w, n->graph, n->out, n->n_out);
    pthread_mutex_unlock(&w->lock);
    x.unsupported = n->unsupported;
    x.foreign = n->op ? n->foreign : NULL;
    x.depth = n->graph->depth;
    if (!x.inputs || !x.outputs) return false;
    memcpy(info, &x, info->size < sizeof x ? info->size : sizeof x);
    return true;
}

size_t tap_model_value_count(const tap_model *m) {
    return m->n_values;
}

bool tap_model_value(const tap_model *m, size_t i, tap_value_info *info) {
    if (i >= m->n_values) return false;
    const tap_gvalue *v = tap_vref_value(m->values[i]);
    tap_value_info x = {
        .size = info->size, .name = v->full, .node = "", .op = "", .domain = "", .type = &v->type};
    if (v->producer) {
        x.node = v->producer->address;
        x.op = v->producer->src->op;
        x.domain = v->producer->src->domain;
    }
    bool top = m->values[i].graph == m->bound.main;
    x.is_input = top && v->is_input;
    x.is_output = top && v->is_output;
    x.is_initializer = v->init != NULL;
    x.in_body = !top;
    memcpy(info, &x, info->size < sizeof x ? info->size : sizeof x);
    return true;
}

tap_status tap_model_select(const tap_model *m, const char *const *selectors, size_t n, size_t **indices,
                            size_t *n_indices, tap_error *err) {
    tap_layer_source layers = {tap_model_layer_index, (void *)(uintptr_t)m};
    return tap_select(&m->bound, m->values, m->n_values, &layers, selectors, n, indices, n_indices, err);
}

/* ---- operators ---- */

static const tap_op *op_at(size_t i) {
    size_t n;
    const tap_family *const *f = tap_families(TAP_ISA_LEVEL_BASE, &n);
    for (size_t k = 0; k < n; k++)
        for (const tap_op *op = f[k]->ops; op->name; op++)
            if (i-- == 0) return op;
    return NULL;
}

size_t tap_op_count(void) {
    size_t n = 0;
    while (op_at(n)) n++;
    return n;
}

bool tap_op_at(size_t i, tap_op_info *info) {
    const tap_op *op = op_at(i);
    if (!op) return false;
    tap_op_info x = {.size = info->size, .domain = op->domain ? op->domain : "ai.onnx", .name = op->name};
    x.since = op->since;
    x.until = op->until;
    x.dtypes = tap_op_dtypes(op) & ~op->beyond;
    x.operand = op->typed_by;
    x.notes = op->notes;
    memcpy(info, &x, info->size < sizeof x ? info->size : sizeof x);
    return true;
}
