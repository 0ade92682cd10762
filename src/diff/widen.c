/* Widening a source: weights, constants, Casts and types. */
#include "diff/widen.h"

#include <string.h>

#include "core/half.h"

static bool widen_graph(tap_arena *a, const tap_src_graph *from, tap_src_graph *to);

static double element(const tap_src_tensor *t, int64_t i) {
    uint16_t h;
    float f;
    if (t->dtype == TAP_FLOAT) {
        memcpy(&f, (const char *)t->data + 4 * i, 4);
        return (double)f;
    }
    memcpy(&h, (const char *)t->data + 2 * i, 2);
    return (double)(t->dtype == TAP_FLOAT16 ? tap_f16_to_f32(h) : tap_bf16_to_f32(h));
}

/* Both encodings of these types are the same bytes where the machine is little-endian, which the loader
 * requires. */
static bool widen_tensor(tap_arena *a, tap_src_tensor *t) {
    if (!tap_is_widened(t->dtype)) return true;
    double *y = tap_arena_array(a, (size_t)t->count + 1, sizeof *y);
    if (!y) return false;
    for (int64_t i = 0; i < t->count; i++) y[i] = element(t, i);
    t->data = y;
    t->n_bytes = (size_t)t->count * sizeof *y;
    t->dtype = TAP_DOUBLE;
    t->encoding = TAP_STORED;
    t->external = false;
    return true;
}

static bool widen_type(tap_arena *a, tap_type *t) {
    if (tap_is_widened(t->dtype)) t->dtype = TAP_DOUBLE;
    if (!t->elem) return true;
    tap_type *elem = tap_arena_alloc(a, sizeof *elem);
    if (!elem) return false;
    *elem = *t->elem;
    t->elem = elem;
    return widen_type(a, elem);
}

static bool widen_values(tap_arena *a, const tap_src_value **list, size_t n) {
    tap_src_value *v = tap_arena_array(a, n, sizeof *v);
    if (!v) return false;
    for (size_t i = 0; i < n; i++) {
        v[i] = (*list)[i];
        if (v[i].has_type && !widen_type(a, &v[i].type)) return false;
    }
    *list = v;
    return true;
}

/* ---- attributes ---- */

static bool names_a_type(const char *name) {
    static const char *const names[] = {
        "to", "dtype", "output_datatype", "output_dtype", "softmax_precision", "stash_type"};
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

/* Operators compute in double where their inputs are; what else they are told to stash in does not concern
 * them. */
static void widen_int(tap_src_attr *x) {
    if (!names_a_type(x->name) || x->u.i <= 0 || x->u.i >= TAP_DTYPE_COUNT) return;
    if (!tap_is_widened((tap_dtype)x->u.i)) return;
    bool stash = strcmp(x->name, "stash_type") == 0 || strcmp(x->name, "softmax_precision") == 0;
    x->u.i = stash ? TAP_FLOAT : TAP_DOUBLE;
}

static bool widen_tensors(tap_arena *a, tap_src_attr *x) {
    tap_src_tensor *t = tap_arena_array(a, x->n, sizeof *t);
    if (!t) return false;
    memcpy(t, x->u.tensors, x->n * sizeof *t);
    for (size_t i = 0; i < x->n; i++)
        if (!widen_tensor(a, &t[i])) return false;
    x->u.tensors = t;
    return true;
}

static bool widen_graphs(tap_arena *a, tap_src_attr *x) {
    const tap_src_graph **list = tap_arena_array(a, x->n, sizeof *list);
    tap_src_graph *graphs = tap_arena_array(a, x->n, sizeof *graphs);
    if (!list || !graphs) return false;
    for (size_t i = 0; i < x->n; i++) {
        if (!widen_graph(a, x->u.graphs[i], &graphs[i])) return false;
        list[i] = &graphs[i];
    }
    x->u.graphs = list;
    return true;
}

static bool widen_types(tap_arena *a, tap_src_attr *x) {
    tap_type *t = tap_arena_array(a, x->n, sizeof *t);
    if (!t) return false;
    memcpy(t, x->u.types, x->n * sizeof *t);
    for (size_t i = 0; i < x->n; i++)
        if (!widen_type(a, &t[i])) return false;
    x->u.types = t;
    return true;
}

static bool widen_attr(tap_arena *a, tap_src_attr *x) {
    switch (x->kind) {
    case TAP_ATTR_INT: widen_int(x); return true;
    case TAP_ATTR_TENSOR:
    case TAP_ATTR_TENSORS:
    case TAP_ATTR_SPARSE_TENSOR:
    case TAP_ATTR_SPARSE_TENSORS: return widen_tensors(a, x);
    case TAP_ATTR_GRAPH:
    case TAP_ATTR_GRAPHS: return widen_graphs(a, x);
    case TAP_ATTR_TYPE:
    case TAP_ATTR_TYPES: return widen_types(a, x);
    default: return true;
    }
}

/* A Constant that holds floats as an attribute of its own kind: as a tensor, which can be double. */
static bool widen_constant(tap_arena *a, tap_src_attr *x) {
    bool one = x->kind == TAP_ATTR_FLOAT && strcmp(x->name, "value_float") == 0;
    bool many = x->kind == TAP_ATTR_FLOATS && strcmp(x->name, "value_floats") == 0;
    if (!one && !many) return true;
    size_t n = one ? 1 : x->n;
    double *y = tap_arena_array(a, n + 1, sizeof *y);
    tap_src_tensor *t = tap_arena_zero(a, sizeof *t);
    if (!y || !t) return false;
    for (size_t i = 0; i < n; i++) y[i] = (double)(one ? x->u.f : x->u.floats[i]);
    *t = (tap_src_tensor){.name = "", .dtype = TAP_DOUBLE, .rank = many, .count = (int64_t)n, .data = y};
    t->dims[0] = (int64_t)n;
    t->n_bytes = n * sizeof *y;
    *x = (tap_src_attr){.name = "value", .ref = "", .kind = TAP_ATTR_TENSOR, .n = 1, .u.tensors = t};
    return true;
}

/* ---- nodes ---- */

/* What gives float32 where an attribute is absent, and the attribute that says otherwise. */
static const struct {
    const char *op, *attr;
} float_by_default[] = {
    {"HannWindow", "output_datatype"},
    {"HammingWindow", "output_datatype"},
    {"BlackmanWindow", "output_datatype"},
    {"MelWeightMatrix", "output_datatype"},
    {"RandomNormal", "dtype"},
    {"RandomUniform", "dtype"},
    {"ConstantOfShape", "value"},
};

static bool has_attr(const tap_src_node *n, const char *name) {
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0) return true;
    return false;
}

static bool fill_default(tap_arena *a, const char *name, tap_src_attr *x) {
    static const double zero = 0;
    if (strcmp(name, "value") != 0) {
        *x = (tap_src_attr){.name = name, .ref = "", .kind = TAP_ATTR_INT, .n = 1, .u.i = TAP_DOUBLE};
        return true;
    }
    tap_src_tensor *t = tap_arena_zero(a, sizeof *t);
    if (!t) return false;
    *t = (tap_src_tensor){
        .name = "", .dtype = TAP_DOUBLE, .rank = 1, .count = 1, .data = &zero, .n_bytes = sizeof zero};
    t->dims[0] = 1;
    *x = (tap_src_attr){.name = name, .ref = "", .kind = TAP_ATTR_TENSOR, .n = 1, .u.tensors = t};
    return true;
}

static bool widen_node(tap_arena *a, tap_src_node *n) {
    tap_src_attr *attrs = tap_arena_array(a, n->n_attrs + 1, sizeof *attrs);
    if (!attrs) return false;
    if (n->n_attrs) memcpy(attrs, n->attrs, n->n_attrs * sizeof *attrs);
    bool constant = strcmp(n->op, "Constant") == 0 && *n->domain == '\0';
    for (size_t i = 0; i < n->n_attrs; i++)
        if ((constant && !widen_constant(a, &attrs[i])) || !widen_attr(a, &attrs[i])) return false;
    size_t n_attrs = n->n_attrs;
    for (size_t i = 0; i < TAP_COUNT_OF(float_by_default) && *n->domain == '\0'; i++) {
        const char *name = float_by_default[i].attr;
        if (strcmp(float_by_default[i].op, n->op) != 0 || !name || has_attr(n, name)) continue;
        if (!fill_default(a, name, &attrs[n_attrs++])) return false;
    }
    n->attrs = attrs;
    n->n_attrs = n_attrs;
    return true;
}

/* Inputs that are float32 whatever the others are. */
static const struct {
    const char *op;
    size_t input;
} always_float[] = {{"Resize", 2}, {"Upsample", 1}};

static bool stays_float(const tap_src_node *n, size_t input) {
    for (size_t i = 0; i < TAP_COUNT_OF(always_float); i++)
        if (strcmp(always_float[i].op, n->op) == 0 && always_float[i].input == input && *n->domain == '\0')
            return input < n->n_inputs && *n->inputs[input] != '\0';
    return false;
}

/* The Cast back in front of such an input: exact, for the numbers came from float32. */
static bool narrow_input(tap_arena *a, tap_src_node *n, size_t input, tap_src_node *cast) {
    const char **inputs = tap_arena_array(a, n->n_inputs, sizeof *inputs);
    const char **in = tap_arena_array(a, 1, sizeof *in), **out = tap_arena_array(a, 1, sizeof *out);
    tap_src_attr *to = tap_arena_zero(a, sizeof *to);
    if (!inputs || !in || !out || !to) return false;
    memcpy(inputs, n->inputs, n->n_inputs * sizeof *inputs);
    in[0] = inputs[input];
    out[0] = inputs[input] = tap_arena_printf(a, "%s ~float32 for %s", in[0], n->name);
    *to = (tap_src_attr){.name = "to", .ref = "", .kind = TAP_ATTR_INT, .n = 1, .u.i = TAP_FLOAT};
    *cast = (tap_src_node){
        .name = out[0], .op = "Cast", .domain = "", .overload = "", .inputs = in, .outputs = out};
    cast->n_inputs = cast->n_outputs = cast->n_attrs = 1;
    cast->attrs = to;
    n->inputs = inputs;
    return out[0] != NULL;
}

static bool widen_nodes(tap_arena *a, const tap_src_node **list, size_t *n) {
    tap_src_node *y = tap_arena_array(a, 2 * *n, sizeof *y);
    if (!y) return false;
    size_t k = 0;
    for (size_t i = 0; i < *n; i++) {
        tap_src_node x = (*list)[i];
        if (!widen_node(a, &x)) return false;
        for (size_t j = 0; j < x.n_inputs; j++)
            if (stays_float(&x, j) && !narrow_input(a, &x, j, &y[k++])) return false;
        y[k++] = x;
    }
    *list = y;
    *n = k;
    return true;
}

static bool widen_graph(tap_arena *a, const tap_src_graph *from, tap_src_graph *to) {
    *to = *from;
    tap_src_tensor *inits = tap_arena_array(a, from->n_inits, sizeof *inits);
    if (!inits) return false;
    if (from->n_inits) memcpy(inits, from->inits, from->n_inits * sizeof *inits);
    for (size_t i = 0; i < from->n_inits; i++)
        if (!widen_tensor(a, &inits[i])) return false;
    to->inits = inits;
    return widen_values(a, &to->inputs, to->n_inputs) && widen_values(a, &to->outputs, to->n_outputs) &&
           widen_values(a, &to->infos, to->n_infos) && widen_nodes(a, &to->nodes, &to->n_nodes);
}

static bool widen_function(tap_arena *a, tap_src_function *f) {
    tap_src_attr *defaults = tap_arena_array(a, f->n_attr_defaults, sizeof *defaults);
    if (!defaults) return false;
    for (size_t i = 0; i < f->n_attr_defaults; i++) {
        defaults[i] = f->attr_defaults[i];
        if (!widen_attr(a, &defaults[i])) return false;
    }
    f->attr_defaults = defaults;
    return widen_nodes(a, &f->nodes, &f->n_nodes) && widen_values(a, &f->infos, f->n_infos);
}

bool tap_widen_model(tap_arena *arena, const tap_src_model *from, tap_src_model *to) {
    *to = *from;
    tap_src_function *functions = tap_arena_array(arena, from->n_functions, sizeof *functions);
    if (!functions) return false;
    for (size_t i = 0; i < from->n_functions; i++) {
        functions[i] = from->functions[i];
        if (!widen_function(arena, &functions[i])) return false;
    }
    to->functions = functions;
    return widen_graph(arena, &from->graph, &to->graph);
}
