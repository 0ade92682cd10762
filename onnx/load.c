/* ModelProto -> tap_src_model. The bytes are guarded and unpacked by onnx/wire; here the messages become what
 * graph/source.h describes, and what no model may lack is asked for. */
#include "onnx/load.h"

#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "core/map.h"
#include "onnx/foreign.h"
#include "onnx/loader.h"
#include "onnx/wire.h"

enum { NEWEST_IR = TAP_ONNX__VERSION__IR_VERSION };

/* ---- values ---- */

/* what: "input", "output", "value"; those at a graph's border must have a type that operators know. */
static bool fill_value(tap_loader *l, const TapOnnx__ValueInfoProto *p, bool border, tap_src_value *v) {
    if (!p->name || !p->name[0]) return tap_load_fail(l, TAP_MODEL, "it has no name");
    v->n_metadata = p->n_metadata_props;
    v->name = tap_load_string(l, p->name);
    v->metadata = tap_load_pairs(l, p->metadata_props, p->n_metadata_props);
    if (!v->name || !v->metadata) return false;
    if (!tap_load_type(l, p->type, &v->type, &v->dim_names, &v->has_type)) return false;
    if (v->has_type || !border || !p->type || p->type->value_case == TAP_ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return true;
    return tap_load_fail(l, TAP_UNSUPPORTED,
                         "its type is a sparse tensor or opaque, which no ONNX operator takes");
}

static bool load_values(tap_loader *l, TapOnnx__ValueInfoProto *const *p, size_t n, const char *what,
                        const tap_src_value **out) {
    tap_src_value *v = tap_load_make(l, n, sizeof *v);
    *out = v;
    for (size_t i = 0; v && i < n; i++) {
        tap_where here = {l->where, what, p[i]->name, NULL, i};
        l->where = &here;
        bool fine = fill_value(l, p[i], strcmp(what, "value") != 0, &v[i]);
        l->where = here.up;
        if (!fine) return false;
    }
    return v != NULL;
}

/* ---- nodes ---- */

static bool fill_node(tap_loader *l, const TapOnnx__NodeProto *p, tap_src_node *x) {
    if (!p->op_type || !p->op_type[0]) return tap_load_fail(l, TAP_MODEL, "it names no operator");
    x->n_inputs = p->n_input;
    x->n_outputs = p->n_output;
    x->n_attrs = p->n_attribute;
    x->n_metadata = p->n_metadata_props;
    return (x->name = tap_load_string(l, p->name)) && (x->op = tap_load_string(l, p->op_type)) &&
           (x->domain = tap_load_domain(l, p->domain)) && (x->overload = tap_load_string(l, p->overload)) &&
           (x->inputs = tap_load_strings(l, p->input, p->n_input)) &&
           (x->outputs = tap_load_strings(l, p->output, p->n_output)) &&
           (x->metadata = tap_load_pairs(l, p->metadata_props, p->n_metadata_props)) &&
           tap_load_attributes(l, p->attribute, &x->n_attrs, &x->attrs);
}

static bool load_nodes(tap_loader *l, TapOnnx__NodeProto *const *p, size_t n, const tap_src_node **nodes) {
    tap_src_node *x = tap_load_make(l, n, sizeof *x);
    *nodes = x;
    for (size_t i = 0; x && i < n; i++) {
        tap_where here = {l->where, "node", p[i]->name, p[i]->op_type ? p[i]->op_type : "", i};
        l->where = &here;
        bool fine = fill_node(l, p[i], &x[i]);
        x[i].faulty = x[i].n_attrs < p[i]->n_attribute;
        l->where = here.up;
        if (!fine) return false;
    }
    return x != NULL;
}

/* ---- graphs ---- */

static bool load_initializer(tap_loader *l, const TapOnnx__TensorProto *p,
                             const TapOnnx__SparseTensorProto *sparse, size_t i, tap_src_tensor *t) {
    tap_where here = {l->where, sparse ? "sparse initializer" : "initializer", p ? p->name : NULL, NULL, i};
    l->where = &here;
    bool fine = p && p->name && p->name[0] ? true : tap_load_fail(l, TAP_MODEL, "it has no name");
    fine = fine && (sparse ? tap_load_sparse(l, sparse, t) : tap_load_tensor(l, p, t));
    l->where = here.up;
    bool external = p && p->data_location == TAP_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    if (fine || !t->name || !tap_load_goes_on(l, external ? "external-data" : "initializer")) return fine;
    t->missing = true;
    /* Which is wrong, the shape or the values, nobody knows: what follows from the shape is not told, too. */
    if (!external) t->rank = -1;
    return true;
}

static bool load_initializers(tap_loader *l, const TapOnnx__GraphProto *p, tap_src_graph *g) {
    size_t n = p->n_initializer;
    g->n_inits = n + p->n_sparse_initializer;
    tap_src_tensor *t = tap_load_make(l, g->n_inits, sizeof *t);
    g->inits = t;
    for (size_t i = 0; t && i < g->n_inits; i++) {
        const TapOnnx__SparseTensorProto *sparse = i < n ? NULL : p->sparse_initializer[i - n];
        if (!load_initializer(l, sparse ? sparse->values : p->initializer[i], sparse, i, &t[i])) return false;
    }
    return t != NULL;
}

static bool load_quants(tap_loader *l, const TapOnnx__GraphProto *p, tap_src_graph *g) {
    tap_src_quant *q = tap_load_make(l, p->n_quantization_annotation, sizeof *q);
    g->quants = q;
    g->n_quants = p->n_quantization_annotation;
    for (size_t i = 0; q && i < g->n_quants; i++) {
        const TapOnnx__TensorAnnotation *a = p->quantization_annotation[i];
        q[i].n_params = a->n_quant_parameter_tensor_names;
        q[i].tensor = tap_load_string(l, a->tensor_name);
        q[i].params = tap_load_pairs(l, a->quant_parameter_tensor_names, q[i].n_params);
        if (!q[i].tensor || !q[i].params) return false;
    }
    return q != NULL;
}

bool tap_load_graph(tap_loader *l, const TapOnnx__GraphProto *p, tap_src_graph *g) {
    g->n_nodes = p->n_node;
    g->n_inputs = p->n_input;
    g->n_outputs = p->n_output;
    g->n_infos = p->n_value_info;
    g->n_metadata = p->n_metadata_props;
    return (g->name = tap_load_string(l, p->name)) && (g->doc = tap_load_string(l, p->doc_string)) &&
           (g->metadata = tap_load_pairs(l, p->metadata_props, p->n_metadata_props)) &&
           load_values(l, p->input, p->n_input, "input", &g->inputs) &&
           load_values(l, p->output, p->n_output, "output", &g->outputs) &&
           load_values(l, p->value_info, p->n_value_info, "value", &g->infos) && load_initializers(l, p, g) &&
           load_quants(l, p, g) && load_nodes(l, p->node, p->n_node, &g->nodes);
}

/* ---- opsets and functions ---- */

static const char *shown_domain(const tap_src_opset *o) {
    return o->domain[0] ? o->domain : "ai.onnx";
}

/* seen: domains so far, with their place in the list. */
static bool check_opset(tap_loader *l, const tap_src_opset *opsets, int32_t i, tap_map *seen) {
    const tap_src_opset *o = &opsets[i], *before = &opsets[tap_map_get(seen, o->domain, i)];
    if (o->version < 1)
        return tap_load_fail(l, TAP_MODEL, "opset %" PRId64 " of domain '%s' does not exist", o->version,
                             shown_domain(o));
    if (before->version != o->version)
        return tap_load_fail(l, TAP_MODEL,
                             "domain '%s' is imported twice, as opset %" PRId64 " and as %" PRId64,
                             shown_domain(o), before->version, o->version);
    return tap_map_put(seen, o->domain, i) ||
           tap_load_fail(l, TAP_MEMORY, "no memory for the list of opsets");
}

static bool load_opsets(tap_loader *l, TapOnnx__OperatorSetIdProto *const *p, size_t n,
                        const tap_src_opset **opsets) {
    tap_map seen;
    tap_src_opset *o = tap_load_make(l, n, sizeof *o);
    bool fine = o != NULL;
    *opsets = o;
    tap_map_init(&seen, l->arena->budget);
    for (size_t i = 0; fine && i < n; i++) {
        o[i].version = p[i]->version;
        o[i].domain = tap_load_domain(l, p[i]->domain);
        fine = o[i].domain && check_opset(l, o, (int32_t)i, &seen);
    }
    tap_map_free(&seen);
    return fine;
}

static bool fill_function(tap_loader *l, const TapOnnx__FunctionProto *p, tap_src_function *f) {
    if (!p->name || !p->name[0]) return tap_load_fail(l, TAP_MODEL, "it has no name");
    f->n_inputs = p->n_input;
    f->n_outputs = p->n_output;
    f->n_attr_names = p->n_attribute;
    f->n_attr_defaults = p->n_attribute_proto;
    f->n_nodes = p->n_node;
    f->n_infos = p->n_value_info;
    f->n_opsets = p->n_opset_import;
    return (f->name = tap_load_string(l, p->name)) && (f->domain = tap_load_domain(l, p->domain)) &&
           (f->overload = tap_load_string(l, p->overload)) &&
           (f->inputs = tap_load_strings(l, p->input, p->n_input)) &&
           (f->outputs = tap_load_strings(l, p->output, p->n_output)) &&
           (f->attr_names = tap_load_strings(l, p->attribute, p->n_attribute)) &&
           load_opsets(l, p->opset_import, p->n_opset_import, &f->opsets) &&
           tap_load_attributes(l, p->attribute_proto, &f->n_attr_defaults, &f->attr_defaults) &&
           load_values(l, p->value_info, p->n_value_info, "value", &f->infos) &&
           load_nodes(l, p->node, p->n_node, &f->nodes);
}

static bool load_functions(tap_loader *l, const TapOnnx__ModelProto *p, tap_src_model *m) {
    tap_src_function *f = tap_load_make(l, p->n_functions, sizeof *f);
    m->functions = f;
    m->n_functions = p->n_functions;
    l->in_function = true;
    for (size_t i = 0; f && i < m->n_functions; i++) {
        tap_where here = {l->where, "function", p->functions[i]->name, NULL, i};
        l->where = &here;
        bool fine = fill_function(l, p->functions[i], &f[i]);
        l->where = here.up;
        if (!fine) return false;
    }
    l->in_function = false;
    return f != NULL;
}

/* ---- models ---- */

static bool check_model(tap_loader *l, const TapOnnx__ModelProto *p) {
    if (!p->has_ir_version) return tap_load_fail(l, TAP_MODEL, "the model has no ir_version");
    if (p->ir_version > NEWEST_IR)
        return tap_load_fail(l, TAP_UNSUPPORTED,
                             "the model has IR version %" PRId64 "; up to %d is supported. Export it for "
                             "an older one",
                             p->ir_version, NEWEST_IR);
    if (p->ir_version < 1)
        return tap_load_fail(l, TAP_MODEL, "IR version %" PRId64 " does not exist", p->ir_version);
    if (!p->graph) return tap_load_fail(l, TAP_MODEL, "the model has no graph");
    if (p->n_opset_import == 0 && p->ir_version >= 3)
        return tap_load_fail(l, TAP_MODEL,
                             "the model imports no opset, which its IR version %" PRId64 " asks for",
                             p->ir_version);
    return true;
}

/* Before IR 3 there was only one set of operators. */
static bool load_model_opsets(tap_loader *l, const TapOnnx__ModelProto *p, tap_src_model *m) {
    static const tap_src_opset first = {"", 1};
    m->n_opsets = p->n_opset_import;
    if (m->n_opsets > 0) return load_opsets(l, p->opset_import, p->n_opset_import, &m->opsets);
    m->opsets = &first;
    m->n_opsets = 1;
    return true;
}

static bool load_model(tap_loader *l, const TapOnnx__ModelProto *p, tap_src_model *m) {
    *m = (tap_src_model){.ir_version = p->ir_version, .model_version = p->model_version};
    m->n_metadata = p->n_metadata_props;
    return check_model(l, p) && (m->producer_name = tap_load_string(l, p->producer_name)) &&
           (m->producer_version = tap_load_string(l, p->producer_version)) &&
           (m->domain = tap_load_string(l, p->domain)) && (m->doc = tap_load_string(l, p->doc_string)) &&
           (m->metadata = tap_load_pairs(l, p->metadata_props, p->n_metadata_props)) &&
           load_model_opsets(l, p, m) && load_functions(l, p, m) && tap_load_graph(l, p->graph, &m->graph);
}

/* What is no protobuf, or not this one, is most often another kind of file. */
static tap_status explain(tap_status st, const void *bytes, size_t n_bytes, tap_error *err) {
    const char *foreign = tap_foreign_format(bytes, n_bytes);
    if (st != TAP_MODEL || !err) return st;
    if (foreign) return tap_error_set(err, st, "not an ONNX model: it is %s", foreign);
    if (n_bytes == 0) return tap_error_set(err, st, "not an ONNX model: it is empty");
    tap_error why = *err;
    return tap_error_set(err, st, "not a valid ONNX model, or cut off: %s", why.text);
}

tap_status tap_onnx_load(const void *bytes, size_t n_bytes, const tap_onnx_folder *folder, tap_arena *arena,
                         tap_mapping **mappings, tap_faults *faults, tap_src_model *out, tap_error *err) {
    tap_wire_message m;
    tap_status st =
        tap_wire_unpack(&tap_onnx__model_proto__descriptor, bytes, n_bytes, arena->budget, &m, err);
    if (st) return explain(st, bytes, n_bytes, err);
    const TapOnnx__ModelProto *p = (const TapOnnx__ModelProto *)m.root;
    tap_loader l = {.bytes = bytes, .folder = folder, .arena = arena, .mappings = mappings};
    l.faults = faults;
    l.err = err;
    tap_map_init(&l.strings, arena->budget);
    if (!load_model(&l, p, out)) st = l.status;
    tap_map_free(&l.strings);
    bool foreign = st == TAP_MODEL && !p->has_ir_version && !p->graph;
    tap_wire_free(&m);
    return foreign ? explain(st, bytes, n_bytes, err) : st;
}
