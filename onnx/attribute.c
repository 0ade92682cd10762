/* AttributeProto -> tap_src_attr. */
#include <string.h>

#include "onnx/loader.h"

typedef TapOnnx__AttributeProto proto;

/* ---- which value ---- */

static const char *kind_name(int kind) {
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value(&tap_onnx__attribute_proto__attribute_type__descriptor, kind);
    return v ? v->name : "unknown";
}

static bool has_value(const proto *p, tap_attr_kind kind) {
    switch (kind) {
    case TAP_ATTR_FLOAT: return p->has_f;
    case TAP_ATTR_INT: return p->has_i;
    case TAP_ATTR_STRING: return p->has_s;
    case TAP_ATTR_TENSOR: return p->t;
    case TAP_ATTR_GRAPH: return p->g;
    case TAP_ATTR_FLOATS: return p->n_floats;
    case TAP_ATTR_INTS: return p->n_ints;
    case TAP_ATTR_STRINGS: return p->n_strings;
    case TAP_ATTR_TENSORS: return p->n_tensors;
    case TAP_ATTR_GRAPHS: return p->n_graphs;
    case TAP_ATTR_SPARSE_TENSOR: return p->sparse_tensor;
    case TAP_ATTR_SPARSE_TENSORS: return p->n_sparse_tensors;
    case TAP_ATTR_TYPE: return p->tp;
    case TAP_ATTR_TYPES: return p->n_type_protos;
    default: return false;
    }
}

/* A value that is not there means zero, or an empty list: some writers leave out what is zero. A tensor,
 * graph or type has no such default. */
static bool has_default(tap_attr_kind kind) {
    return kind != TAP_ATTR_TENSOR && kind != TAP_ATTR_GRAPH && kind != TAP_ATTR_SPARSE_TENSOR &&
           kind != TAP_ATTR_TYPE;
}

/* The declared kind, or where none is (IR 1 and 2) that of the one value given. */
static bool find_kind(tap_loader *l, const proto *p, tap_attr_kind *kind) {
    int declared = p->has_type ? (int)p->type : 0;
    *kind = TAP_ATTR_NONE;
    if (declared < 0 || declared > TAP_ATTR_TYPES)
        return tap_load_fail(l, TAP_MODEL, "attribute type %d is none of ONNX's", declared);
    for (int k = TAP_ATTR_FLOAT; k <= TAP_ATTR_TYPES; k++) {
        if (!has_value(p, (tap_attr_kind)k)) continue;
        if (*kind)
            return tap_load_fail(l, TAP_MODEL, "it has two values, of type %s and %s", kind_name((int)*kind),
                                 kind_name(k));
        *kind = (tap_attr_kind)k;
    }
    if (!*kind) *kind = (tap_attr_kind)declared;
    if (declared && (int)*kind != declared)
        return tap_load_fail(l, TAP_MODEL, "it is declared %s, but its value is of type %s",
                             kind_name(declared), kind_name((int)*kind));
    return true;
}

static bool check_value(tap_loader *l, const proto *p, tap_attr_kind kind) {
    bool ref = p->ref_attr_name && p->ref_attr_name[0];
    if (!ref && !kind) return tap_load_fail(l, TAP_MODEL, "it has neither a type nor a value");
    if (!ref && !has_value(p, kind) && !has_default(kind))
        return tap_load_fail(l, TAP_MODEL, "its %s is missing", kind_name((int)kind));
    if (ref && has_value(p, kind))
        return tap_load_fail(l, TAP_MODEL, "it has a value, and refers to attribute '%s' too",
                             p->ref_attr_name);
    if (ref && !l->in_function)
        return tap_load_fail(l, TAP_MODEL, "it refers to attribute '%s' of a function, but is in none",
                             p->ref_attr_name);
    return true;
}

/* ---- values by kind ---- */

static bool load_bytes(tap_loader *l, const ProtobufCBinaryData *b, tap_string *s) {
    char *copy = tap_load_make(l, b->len, 1);
    if (!copy) return false;
    if (b->len) memcpy(copy, b->data, b->len);
    *s = (tap_string){copy, b->len};
    return true;
}

static bool load_strings(tap_loader *l, const proto *p, tap_src_attr *a) {
    tap_string *s = tap_load_make(l, p->n_strings, sizeof *s);
    a->u.strings = s;
    a->n = p->n_strings;
    for (size_t i = 0; s && i < a->n; i++)
        if (!load_bytes(l, &p->strings[i], &s[i])) return false;
    return s != NULL;
}

static const void *copy_numbers(tap_loader *l, const void *from, size_t n, size_t each) {
    void *copy = tap_load_make(l, n, each);
    if (copy && n) memcpy(copy, from, n * each);
    return copy;
}

static bool load_tensors(tap_loader *l, TapOnnx__TensorProto *const *p, size_t n, tap_src_attr *a) {
    tap_src_tensor *t = tap_load_make(l, n, sizeof *t);
    a->u.tensors = t;
    a->n = n;
    for (size_t i = 0; t && i < n; i++)
        if (!tap_load_tensor(l, p[i], &t[i])) return false;
    return t != NULL;
}

static bool load_sparse(tap_loader *l, TapOnnx__SparseTensorProto *const *p, size_t n, tap_src_attr *a) {
    tap_src_tensor *t = tap_load_make(l, n, sizeof *t);
    a->u.tensors = t;
    a->n = n;
    for (size_t i = 0; t && i < n; i++)
        if (!tap_load_sparse(l, p[i], &t[i])) return false;
    return t != NULL;
}

static bool load_graphs(tap_loader *l, TapOnnx__GraphProto *const *p, size_t n, tap_src_attr *a) {
    const tap_src_graph **list = tap_load_make(l, n, sizeof *list);
    tap_src_graph *g = tap_load_make(l, n, sizeof *g);
    a->u.graphs = list;
    a->n = n;
    for (size_t i = 0; list && g && i < n; i++) {
        if (!tap_load_graph(l, p[i], &g[i])) return false;
        list[i] = &g[i];
    }
    return list && g;
}

static bool load_types(tap_loader *l, TapOnnx__TypeProto *const *p, size_t n, tap_src_attr *a) {
    tap_type *t = tap_load_make(l, n, sizeof *t);
    a->u.types = t;
    a->n = n;
    for (size_t i = 0; t && i < n; i++) {
        bool known;
        if (!tap_load_type(l, p[i], &t[i], NULL, &known)) return false;
        if (!known) return tap_load_fail(l, TAP_UNSUPPORTED, "it names a type that no operator has");
    }
    return t != NULL;
}

static bool load_value(tap_loader *l, const proto *p, tap_src_attr *a) {
    switch (a->kind) {
    case TAP_ATTR_FLOAT: a->u.f = p->f; return true;
    case TAP_ATTR_INT: a->u.i = p->i; return true;
    case TAP_ATTR_STRING: return load_bytes(l, &p->s, &a->u.s);
    case TAP_ATTR_FLOATS:
        a->n = p->n_floats;
        return (a->u.floats = copy_numbers(l, p->floats, a->n, sizeof *p->floats)) != NULL;
    case TAP_ATTR_INTS:
        a->n = p->n_ints;
        return (a->u.ints = copy_numbers(l, p->ints, a->n, sizeof *p->ints)) != NULL;
    case TAP_ATTR_STRINGS: return load_strings(l, p, a);
    case TAP_ATTR_TENSOR: return load_tensors(l, &p->t, 1, a);
    case TAP_ATTR_TENSORS: return load_tensors(l, p->tensors, p->n_tensors, a);
    case TAP_ATTR_SPARSE_TENSOR: return load_sparse(l, &p->sparse_tensor, 1, a);
    case TAP_ATTR_SPARSE_TENSORS: return load_sparse(l, p->sparse_tensors, p->n_sparse_tensors, a);
    case TAP_ATTR_GRAPH: return load_graphs(l, &p->g, 1, a);
    case TAP_ATTR_GRAPHS: return load_graphs(l, p->graphs, p->n_graphs, a);
    case TAP_ATTR_TYPE: return load_types(l, &p->tp, 1, a);
    case TAP_ATTR_TYPES: return load_types(l, p->type_protos, p->n_type_protos, a);
    default: return true;
    }
}

/* ---- the list ---- */

static bool load_attribute(tap_loader *l, const proto *p, tap_src_attr *a) {
    if (!p->name || !p->name[0]) return tap_load_fail(l, TAP_MODEL, "it has no name");
    if (!find_kind(l, p, &a->kind) || !check_value(l, p, a->kind)) return false;
    a->n = 1;
    a->ref = "";
    if (!(a->name = tap_load_string(l, p->name))) return false;
    if (!p->ref_attr_name || !p->ref_attr_name[0]) return load_value(l, p, a);
    return (a->ref = tap_load_string(l, p->ref_attr_name)) != NULL;
}

bool tap_load_attributes(tap_loader *l, TapOnnx__AttributeProto *const *p, size_t *n,
                         const tap_src_attr **attrs) {
    size_t n_all = *n;
    tap_src_attr *a = tap_load_make(l, n_all, sizeof *a);
    *attrs = a;
    *n = 0;
    for (size_t i = 0; a && i < n_all; i++) {
        tap_where here = {l->where, "attribute", p[i]->name, NULL, i};
        l->where = &here;
        bool fine = load_attribute(l, p[i], &a[*n]);
        l->where = here.up;
        if (!fine && !tap_load_goes_on(l, "attribute")) return false;
        *n += fine;
    }
    return a != NULL;
}
