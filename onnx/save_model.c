/* tap_src_model -> ModelProto, written in pieces. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnx/save.h"
#include "onnx/saver.h"

/* Data of a tensor in a data file begins at a multiple of this. */
#define DATA_ALIGN 64

typedef struct model_saver {
    tap_saver base; /* first */
    const tap_onnx_out *out;
    uint64_t data_bytes; /* written to the data file */
} model_saver;

static char *text(const char *s) {
    return s && *s ? tap_unconst(s) : NULL;
}

/* An array of n messages of `each` bytes as protobuf-c has them: pointers to them. */
static void *messages(tap_saver *s, size_t n, size_t each, void ***list) {
    *list = tap_load_make(s, n, sizeof **list);
    char *m = tap_load_make(s, n, each);
    if (!*list || !m) return NULL;
    for (size_t i = 0; i < n; i++) (*list)[i] = m + i * each;
    return m;
}

static bool save_pairs(tap_saver *s, const tap_src_pair *pairs, size_t n, size_t *n_out,
                       TapOnnx__StringStringEntryProto ***out) {
    void **list;
    TapOnnx__StringStringEntryProto *p = messages(s, n, sizeof *p, &list);
    *out = (TapOnnx__StringStringEntryProto **)list;
    *n_out = n;
    for (size_t i = 0; p && i < n; i++) {
        tap_onnx__string_string_entry_proto__init(&p[i]);
        p[i].key = tap_unconst(pairs[i].key);
        p[i].value = tap_unconst(pairs[i].value);
    }
    return p != NULL;
}

/* ---- types ---- */

static TapOnnx__TypeProto *save_type(tap_saver *s, const tap_type *t, const char *const *dim_names);

static TapOnnx__TensorShapeProto *save_shape(tap_saver *s, const tap_type *t, const char *const *dim_names) {
    TapOnnx__TensorShapeProto *p = tap_load_make(s, 1, sizeof *p);
    void **list;
    TapOnnx__TensorShapeProto__Dimension *d = messages(s, (size_t)t->rank, sizeof *d, &list);
    if (!p || !d) return NULL;
    tap_onnx__tensor_shape_proto__init(p);
    p->n_dim = (size_t)t->rank;
    p->dim = (TapOnnx__TensorShapeProto__Dimension **)list;
    for (int i = 0; i < t->rank; i++) {
        tap_onnx__tensor_shape_proto__dimension__init(&d[i]);
        if (t->dims[i] >= 0) {
            d[i].value_case = TAP_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            d[i].dim_value = t->dims[i];
        } else if (dim_names && dim_names[i]) {
            d[i].value_case = TAP_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            d[i].dim_param = tap_unconst(dim_names[i]);
        }
    }
    return p;
}

static bool save_tensor_type(tap_saver *s, const tap_type *t, const char *const *dim_names,
                             TapOnnx__TypeProto *p) {
    TapOnnx__TypeProto__Tensor *x = tap_load_make(s, 1, sizeof *x);
    if (!x) return false;
    tap_onnx__type_proto__tensor__init(x);
    x->has_elem_type = true;
    x->elem_type = (int32_t)t->dtype;
    if (t->rank >= 0 && !(x->shape = save_shape(s, t, dim_names))) return false;
    p->value_case = TAP_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->tensor_type = x;
    return true;
}

static bool save_map_type(tap_saver *s, const tap_type *t, TapOnnx__TypeProto *p) {
    TapOnnx__TypeProto__Map *x = tap_load_make(s, 1, sizeof *x);
    if (!x) return false;
    tap_onnx__type_proto__map__init(x);
    x->has_key_type = true;
    x->key_type = (int32_t)t->dtype;
    p->value_case = TAP_ONNX__TYPE_PROTO__VALUE_MAP_TYPE;
    p->map_type = x;
    return (x->value_type = save_type(s, t->elem, NULL)) != NULL;
}

/* A sequence or an optional. */
static bool save_outer_type(tap_saver *s, const tap_type *t, TapOnnx__TypeProto *p) {
    TapOnnx__TypeProto *elem = save_type(s, t->elem, NULL);
    if (!elem) return false;
    if (t->kind == TAP_KIND_SEQUENCE) {
        if (!(p->sequence_type = tap_load_make(s, 1, sizeof *p->sequence_type))) return false;
        tap_onnx__type_proto__sequence__init(p->sequence_type);
        p->value_case = TAP_ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
        p->sequence_type->elem_type = elem;
    } else {
        if (!(p->optional_type = tap_load_make(s, 1, sizeof *p->optional_type))) return false;
        tap_onnx__type_proto__optional__init(p->optional_type);
        p->value_case = TAP_ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE;
        p->optional_type->elem_type = elem;
    }
    return true;
}

/* An empty message where t is NULL or says nothing. */
static TapOnnx__TypeProto *save_type(tap_saver *s, const tap_type *t, const char *const *dim_names) {
    TapOnnx__TypeProto *p = tap_load_make(s, 1, sizeof *p);
    if (!p) return NULL;
    tap_onnx__type_proto__init(p);
    bool fine = true;
    switch (t ? t->kind : TAP_KIND_NONE) {
    case TAP_KIND_TENSOR: fine = save_tensor_type(s, t, dim_names, p); break;
    case TAP_KIND_MAP: fine = save_map_type(s, t, p); break;
    case TAP_KIND_SEQUENCE:
    case TAP_KIND_OPTIONAL: fine = save_outer_type(s, t, p); break;
    default: break;
    }
    return fine ? p : NULL;
}

static bool save_infos(tap_saver *s, const tap_src_value *v, size_t n, size_t *n_out,
                       TapOnnx__ValueInfoProto ***out) {
    void **list;
    TapOnnx__ValueInfoProto *p = messages(s, n, sizeof *p, &list);
    *out = (TapOnnx__ValueInfoProto **)list;
    *n_out = n;
    for (size_t i = 0; p && i < n; i++) {
        tap_onnx__value_info_proto__init(&p[i]);
        p[i].name = tap_unconst(v[i].name);
        if (v[i].has_type && !(p[i].type = save_type(s, &v[i].type, v[i].dim_names))) return false;
        if (!save_pairs(s, v[i].metadata, v[i].n_metadata, &p[i].n_metadata_props, &p[i].metadata_props))
            return false;
    }
    return p != NULL;
}

/* ---- tensors ---- */

static TapOnnx__TensorProto *save_stored(tap_saver *s, const tap_src_tensor *t) {
    if (t->encoding == TAP_STORED) return tap_save_tensor(s, t->dtype, t->rank, t->dims, t->count, t->data);
    TapOnnx__TensorProto *p = tap_save_tensor(s, TAP_UINT8, t->rank, t->dims, 0, t->data);
    if (!p) return NULL;
    p->data_type = (int32_t)t->dtype;
    p->raw_data.data = tap_unconst(t->data);
    p->raw_data.len = t->n_bytes;
    return p;
}

/* The tensor's bytes into the data file; what is left says where they are. */
static bool move_out(model_saver *m, TapOnnx__TensorProto *p) {
    static const char zeros[DATA_ALIGN];
    size_t pad = (size_t)(-m->data_bytes % DATA_ALIGN);
    uint64_t offset = m->data_bytes + pad;
    tap_src_pair *where = tap_load_make(&m->base, 3, sizeof *where);
    if (!where) return false;
    where[0] = (tap_src_pair){"location", m->out->location};
    where[1] = (tap_src_pair){"offset", tap_arena_printf(m->base.arena, "%" PRIu64, offset)};
    where[2] = (tap_src_pair){"length", tap_arena_printf(m->base.arena, "%zu", p->raw_data.len)};
    if (!where[1].value || !where[2].value) return tap_load_fail(&m->base, TAP_MEMORY, "no memory");
    if (!m->out->write_data(m->out->data_user, zeros, pad) ||
        !m->out->write_data(m->out->data_user, p->raw_data.data, p->raw_data.len)) {
        m->base.status = TAP_IO;
        return false;
    }
    m->data_bytes = offset + p->raw_data.len;
    p->has_raw_data = false;
    p->has_data_location = true;
    p->data_location = TAP_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    return save_pairs(&m->base, where, 3, &p->n_external_data, &p->external_data);
}

static bool save_inits(model_saver *m, const tap_src_tensor *t, size_t n, size_t *n_out,
                       TapOnnx__TensorProto ***out) {
    *out = tap_load_make(&m->base, n, sizeof **out);
    *n_out = n;
    for (size_t i = 0; *out && i < n; i++) {
        TapOnnx__TensorProto *p = (*out)[i] = save_stored(&m->base, &t[i]);
        if (!p) return false;
        p->name = tap_unconst(t[i].name);
        if (m->out->location && p->has_raw_data && p->raw_data.len > m->out->above_bytes && !move_out(m, p))
            return false;
    }
    return *out != NULL;
}

/* A sparse attribute, which loading made dense: every element with its place. */
static TapOnnx__SparseTensorProto *save_sparse(tap_saver *s, const tap_src_tensor *t) {
    TapOnnx__SparseTensorProto *p = tap_load_make(s, 1, sizeof *p);
    tap_src_tensor *flat = tap_load_make(s, 1, sizeof *flat);
    int64_t *at = tap_load_make(s, (size_t)t->count, sizeof *at), *n = tap_load_make(s, 1, sizeof *n);
    if (!p || !flat || !at || !n) return NULL;
    for (int64_t i = 0; i < t->count; i++) at[i] = i;
    tap_onnx__sparse_tensor_proto__init(p);
    *flat = *t;
    flat->rank = 1;
    flat->dims[0] = *n = t->count;
    p->n_dims = (size_t)t->rank;
    p->dims = tap_unconst(t->dims);
    p->values = save_stored(s, flat);
    p->indices = tap_save_tensor(s, TAP_INT64, 1, n, t->count, at);
    return p->values && p->indices ? p : NULL;
}

/* ---- attributes ---- */

static TapOnnx__GraphProto *save_graph(model_saver *m, const tap_src_graph *g);

static bool save_single(model_saver *m, const tap_src_attr *a, TapOnnx__AttributeProto *p) {
    tap_saver *s = &m->base;
    switch (a->kind) {
    case TAP_ATTR_FLOAT: p->has_f = true, p->f = a->u.f; return true;
    case TAP_ATTR_INT: p->has_i = true, p->i = a->u.i; return true;
    case TAP_ATTR_STRING:
        p->has_s = true, p->s = (ProtobufCBinaryData){a->u.s.n, tap_unconst(a->u.s.s)};
        return true;
    case TAP_ATTR_TENSOR: return (p->t = save_stored(s, a->u.tensors)) != NULL;
    case TAP_ATTR_GRAPH: return (p->g = save_graph(m, a->u.graphs[0])) != NULL;
    case TAP_ATTR_SPARSE_TENSOR: return (p->sparse_tensor = save_sparse(s, a->u.tensors)) != NULL;
    case TAP_ATTR_TYPE: return (p->tp = save_type(s, a->u.types, NULL)) != NULL;
    default: return true;
    }
}

static bool save_lists(model_saver *m, const tap_src_attr *a, TapOnnx__AttributeProto *p) {
    tap_saver *s = &m->base;
    void **list = tap_load_make(s, a->n, sizeof *list);
    if (!list) return false;
    for (size_t i = 0; i < a->n; i++) {
        switch (a->kind) {
        case TAP_ATTR_TENSORS: list[i] = save_stored(s, &a->u.tensors[i]); break;
        case TAP_ATTR_GRAPHS: list[i] = save_graph(m, a->u.graphs[i]); break;
        case TAP_ATTR_SPARSE_TENSORS: list[i] = save_sparse(s, &a->u.tensors[i]); break;
        default: list[i] = save_type(s, &a->u.types[i], NULL); break;
        }
        if (!list[i]) return false;
    }
    switch (a->kind) {
    case TAP_ATTR_TENSORS: p->n_tensors = a->n, p->tensors = (TapOnnx__TensorProto **)list; break;
    case TAP_ATTR_GRAPHS: p->n_graphs = a->n, p->graphs = (TapOnnx__GraphProto **)list; break;
    case TAP_ATTR_SPARSE_TENSORS:
        p->n_sparse_tensors = a->n, p->sparse_tensors = (TapOnnx__SparseTensorProto **)list;
        break;
    default: p->n_type_protos = a->n, p->type_protos = (TapOnnx__TypeProto **)list; break;
    }
    return true;
}

static bool save_attribute(model_saver *m, const tap_src_attr *a, TapOnnx__AttributeProto *p) {
    tap_onnx__attribute_proto__init(p);
    p->name = tap_unconst(a->name);
    p->has_type = true;
    p->type = (TapOnnx__AttributeProto__AttributeType)a->kind;
    p->ref_attr_name = text(a->ref);
    if (p->ref_attr_name) return true;
    switch (a->kind) {
    case TAP_ATTR_FLOATS: p->n_floats = a->n, p->floats = tap_unconst(a->u.floats); return true;
    case TAP_ATTR_INTS: p->n_ints = a->n, p->ints = tap_unconst(a->u.ints); return true;
    case TAP_ATTR_STRINGS: return tap_save_strings(&m->base, a->u.strings, a->n, &p->n_strings, &p->strings);
    case TAP_ATTR_TENSORS:
    case TAP_ATTR_GRAPHS:
    case TAP_ATTR_SPARSE_TENSORS:
    case TAP_ATTR_TYPES: return save_lists(m, a, p);
    default: return save_single(m, a, p);
    }
}

static bool save_attributes(model_saver *m, const tap_src_attr *a, size_t n, size_t *n_out,
                            TapOnnx__AttributeProto ***out) {
    void **list;
    TapOnnx__AttributeProto *p = messages(&m->base, n, sizeof *p, &list);
    *out = (TapOnnx__AttributeProto **)list;
    *n_out = n;
    for (size_t i = 0; p && i < n; i++)
        if (!save_attribute(m, &a[i], &p[i])) return false;
    return p != NULL;
}

/* ---- graphs ---- */

static bool save_node(model_saver *m, const tap_src_node *n, TapOnnx__NodeProto *p) {
    tap_onnx__node_proto__init(p);
    p->n_input = n->n_inputs;
    p->input = tap_unconst(n->inputs);
    p->n_output = n->n_outputs;
    p->output = tap_unconst(n->outputs);
    p->name = text(n->name);
    p->op_type = tap_unconst(n->op);
    p->domain = text(n->domain);
    p->overload = text(n->overload);
    return save_attributes(m, n->attrs, n->n_attrs, &p->n_attribute, &p->attribute) &&
           save_pairs(&m->base, n->metadata, n->n_metadata, &p->n_metadata_props, &p->metadata_props);
}

static bool save_nodes(model_saver *m, const tap_src_node *nodes, size_t n, size_t *n_out,
                       TapOnnx__NodeProto ***out) {
    void **list;
    TapOnnx__NodeProto *p = messages(&m->base, n, sizeof *p, &list);
    *out = (TapOnnx__NodeProto **)list;
    *n_out = n;
    for (size_t i = 0; p && i < n; i++)
        if (!save_node(m, &nodes[i], &p[i])) return false;
    return p != NULL;
}

static bool save_quants(tap_saver *s, const tap_src_quant *q, size_t n, TapOnnx__GraphProto *g) {
    void **list;
    TapOnnx__TensorAnnotation *p = messages(s, n, sizeof *p, &list);
    g->n_quantization_annotation = n;
    g->quantization_annotation = (TapOnnx__TensorAnnotation **)list;
    for (size_t i = 0; p && i < n; i++) {
        tap_onnx__tensor_annotation__init(&p[i]);
        p[i].tensor_name = tap_unconst(q[i].tensor);
        if (!save_pairs(s, q[i].params, q[i].n_params, &p[i].n_quant_parameter_tensor_names,
                        &p[i].quant_parameter_tensor_names))
            return false;
    }
    return p != NULL;
}

static TapOnnx__GraphProto *save_graph(model_saver *m, const tap_src_graph *g) {
    tap_saver *s = &m->base;
    TapOnnx__GraphProto *p = tap_load_make(s, 1, sizeof *p);
    if (!p) return NULL;
    tap_onnx__graph_proto__init(p);
    p->name = tap_unconst(*g->name ? g->name : "graph");
    p->doc_string = text(g->doc);
    bool fine = save_nodes(m, g->nodes, g->n_nodes, &p->n_node, &p->node) &&
                save_infos(s, g->inputs, g->n_inputs, &p->n_input, &p->input) &&
                save_infos(s, g->outputs, g->n_outputs, &p->n_output, &p->output) &&
                save_infos(s, g->infos, g->n_infos, &p->n_value_info, &p->value_info) &&
                save_inits(m, g->inits, g->n_inits, &p->n_initializer, &p->initializer) &&
                save_quants(s, g->quants, g->n_quants, p) &&
                save_pairs(s, g->metadata, g->n_metadata, &p->n_metadata_props, &p->metadata_props);
    return fine ? p : NULL;
}

/* ---- the model ---- */

static bool save_opsets(tap_saver *s, const tap_src_opset *o, size_t n, size_t *n_out,
                        TapOnnx__OperatorSetIdProto ***out) {
    void **list;
    TapOnnx__OperatorSetIdProto *p = messages(s, n, sizeof *p, &list);
    *out = (TapOnnx__OperatorSetIdProto **)list;
    *n_out = n;
    for (size_t i = 0; p && i < n; i++) {
        tap_onnx__operator_set_id_proto__init(&p[i]);
        p[i].domain = tap_unconst(o[i].domain);
        p[i].has_version = true;
        p[i].version = o[i].version;
    }
    return p != NULL;
}

static bool save_function(model_saver *m, const tap_src_function *f, TapOnnx__FunctionProto *p) {
    tap_onnx__function_proto__init(p);
    p->name = tap_unconst(f->name);
    p->domain = tap_unconst(f->domain);
    p->overload = text(f->overload);
    p->n_input = f->n_inputs;
    p->input = tap_unconst(f->inputs);
    p->n_output = f->n_outputs;
    p->output = tap_unconst(f->outputs);
    p->n_attribute = f->n_attr_names;
    p->attribute = tap_unconst(f->attr_names);
    return save_attributes(m, f->attr_defaults, f->n_attr_defaults, &p->n_attribute_proto,
                           &p->attribute_proto) &&
           save_nodes(m, f->nodes, f->n_nodes, &p->n_node, &p->node) &&
           save_infos(&m->base, f->infos, f->n_infos, &p->n_value_info, &p->value_info) &&
           save_opsets(&m->base, f->opsets, f->n_opsets, &p->n_opset_import, &p->opset_import);
}

static bool save_functions(model_saver *m, const tap_src_model *src, TapOnnx__ModelProto *p) {
    void **list;
    TapOnnx__FunctionProto *f = messages(&m->base, src->n_functions, sizeof *f, &list);
    p->n_functions = src->n_functions;
    p->functions = (TapOnnx__FunctionProto **)list;
    for (size_t i = 0; f && i < src->n_functions; i++)
        if (!save_function(m, &src->functions[i], &f[i])) return false;
    return f != NULL;
}

static TapOnnx__ModelProto *save_model(model_saver *m, const tap_src_model *src) {
    TapOnnx__ModelProto *p = tap_load_make(&m->base, 1, sizeof *p);
    if (!p) return NULL;
    tap_onnx__model_proto__init(p);
    p->has_ir_version = true;
    p->ir_version = src->ir_version;
    p->producer_name = text(src->producer_name);
    p->producer_version = text(src->producer_version);
    p->domain = text(src->domain);
    p->has_model_version = src->model_version != 0;
    p->model_version = src->model_version;
    p->doc_string = text(src->doc);
    bool fine =
        save_opsets(&m->base, src->opsets, src->n_opsets, &p->n_opset_import, &p->opset_import) &&
        save_functions(m, src, p) &&
        save_pairs(&m->base, src->metadata, src->n_metadata, &p->n_metadata_props, &p->metadata_props) &&
        (p->graph = save_graph(m, &src->graph)) != NULL;
    return fine ? p : NULL;
}

/* ---- pieces ---- */

typedef struct piecewise {
    ProtobufCBuffer base; /* first */
    const tap_onnx_out *out;
    bool refused;
} piecewise;

static void append(ProtobufCBuffer *buffer, size_t n, const uint8_t *bytes) {
    piecewise *p = (piecewise *)(void *)buffer;
    if (!p->refused && n > 0) p->refused = !p->out->write(p->out->user, bytes, n);
}

static tap_status write_model(const TapOnnx__ModelProto *p, const tap_onnx_out *out, tap_error *err) {
    size_t n = tap_onnx__model_proto__get_packed_size(p);
    if (n > INT32_MAX)
        return tap_error_set(err, TAP_DATA,
                             "the model takes %zu bytes, but an ONNX file ends at 2 GiB; keep weights in a "
                             "data file beside it",
                             n);
    piecewise to = {.base = {append}, .out = out};
    tap_onnx__model_proto__pack_to_buffer(p, &to.base);
    return to.refused ? TAP_IO : TAP_OK;
}

tap_status tap_onnx_save_model(const tap_src_model *src, const tap_onnx_out *out, tap_error *err) {
    tap_budget budget;
    tap_arena arena;
    tap_budget_init(&budget, UINT64_MAX);
    tap_arena_init(&arena, &budget);
    model_saver m = {.base = {.arena = &arena, .err = err}, .out = out};
    const TapOnnx__ModelProto *p = save_model(&m, src);
    tap_status st = p ? write_model(p, out, err) : m.base.status;
    tap_arena_clear(&arena);
    return st;
}
