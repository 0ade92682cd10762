/* onnx/load: what the graph's source says of a model, and what is refused. */
#include "load.h"

/* ---- structure ---- */

static pb *whole_model(void) {
    pb *g = pb_new(), *n = pb_node("Conv", "conv"), *v = pb_value("y", NULL), *q = pb_new(), *p;
    pb_str(n, 1, "x");
    pb_str(n, 1, "");
    pb_str(n, 1, "w");
    pb_str(n, 2, "y");
    pb_str(n, 7, "ai.onnx");
    pb_str(n, 8, "over");
    pb_msg(n, 9, pb_pair("scope", "m/conv"));
    pb_msg(g, 1, n);
    pb_str(g, 2, "main");
    pb_str(g, 10, "about");
    pb_msg(g, 5, pb_raw_tensor("w", 1, 2, "01234567", 8));
    pb_msg(g, 11, pb_value("x", pb_tensor_type(1, 2, (int64_t[]){1, 3})));
    pb_msg(v, 4, pb_pair("a", "b"));
    pb_msg(g, 12, v);
    pb_msg(g, 13, pb_value("between", pb_tensor_type(7, -1, NULL)));
    pb_str(q, 1, "y");
    pb_msg(q, 2, pb_pair("SCALE_TENSOR", "s"));
    pb_msg(g, 14, q);
    pb_msg(g, 16, pb_pair("gk", "gv"));
    p = pb_model(9, 19, g);
    pb_str(p, 2, "maker");
    pb_str(p, 3, "2.1");
    pb_str(p, 4, "org.example");
    pb_int(p, 5, 77);
    pb_str(p, 6, "doc");
    pb_msg(p, 8, pb_opset("com.example", 3));
    pb_msg(p, 14, pb_pair("mk", "mv"));
    return p;
}

static void model_fields(void) {
    loaded x;
    load(&x, whole_model());
    const tap_src_model *m = &x.model;
    CHECK_EQ(m->ir_version, 9);
    CHECK_EQ(m->model_version, 77);
    CHECK_STR(m->producer_name, "maker");
    CHECK_STR(m->producer_version, "2.1");
    CHECK_STR(m->domain, "org.example");
    CHECK_STR(m->doc, "doc");
    CHECK_EQ(m->n_opsets, 2);
    CHECK_STR(m->opsets[0].domain, "");
    CHECK_EQ(m->opsets[1].version, 3);
    CHECK_STR(m->metadata[0].value, "mv");
    unload(&x);
}

static void graph_fields(void) {
    loaded x;
    const tap_src_graph *g = load(&x, whole_model());
    CHECK_STR(g->name, "main");
    CHECK_STR(g->doc, "about");
    CHECK_EQ(g->n_inputs, 1);
    CHECK_STR(g->inputs[0].name, "x");
    CHECK(g->inputs[0].has_type);
    CHECK_EQ(g->inputs[0].type.rank, 2);
    CHECK(!g->outputs[0].has_type);
    CHECK_STR(g->outputs[0].metadata[0].key, "a");
    CHECK_EQ(g->infos[0].type.rank, -1);
    CHECK_EQ(g->infos[0].type.dtype, TAP_INT64);
    CHECK_STR(g->quants[0].tensor, "y");
    CHECK_STR(g->quants[0].params[0].key, "SCALE_TENSOR");
    CHECK_STR(g->metadata[0].value, "gv");
    unload(&x);
}

static void node_fields(void) {
    loaded x;
    const tap_src_node *n = load(&x, whole_model())->nodes;
    CHECK_STR(n->op, "Conv");
    CHECK_STR(n->name, "conv");
    CHECK_STR(n->domain, "");
    CHECK_STR(n->overload, "over");
    CHECK_EQ(n->n_inputs, 3);
    CHECK_STR(n->inputs[1], "");
    CHECK_STR(n->inputs[2], "w");
    CHECK_STR(n->outputs[0], "y");
    CHECK_STR(n->metadata[0].value, "m/conv");
    unload(&x);
}

static void weights_stay_in_the_file(void) {
    loaded x;
    const tap_src_tensor *w = load(&x, whole_model())->inits;
    CHECK_EQ(w->encoding, TAP_LITTLE_ENDIAN);
    CHECK((const uint8_t *)w->data > x.bytes->b && (const uint8_t *)w->data < x.bytes->b + x.bytes->n);
    CHECK(memcmp(w->data, "01234567", 8) == 0);
    CHECK_EQ(w->n_bytes, 8);
    CHECK_EQ(w->count, 2);
    CHECK(!w->external);
    unload(&x);
}

static void functions(void) {
    pb *f = pb_new(), *n = pb_node("Relu", NULL), *a = pb_attr("alpha", 1), *p = pb_model(8, 16, pb_new());
    pb_str(a, 21, "outer_alpha");
    pb_msg(n, 5, a);
    pb_str(f, 1, "Act");
    pb_str(f, 4, "X");
    pb_str(f, 5, "Y");
    pb_str(f, 6, "outer_alpha");
    a = pb_attr("beta", 1);
    pb_float(a, 2, 0.5f);
    pb_msg(f, 11, a);
    pb_msg(f, 7, n);
    pb_msg(f, 9, pb_opset("", 15));
    pb_str(f, 10, "custom");
    pb_msg(f, 12, pb_value("Y", pb_tensor_type(1, -1, NULL)));
    pb_str(f, 13, "one");
    pb_msg(p, 25, f);
    loaded x;
    load(&x, p);
    const tap_src_function *s = x.model.functions;
    CHECK_EQ(x.model.n_functions, 1);
    CHECK_STR(s->name, "Act");
    CHECK_STR(s->domain, "custom");
    CHECK_STR(s->overload, "one");
    CHECK_STR(s->inputs[0], "X");
    CHECK_STR(s->outputs[0], "Y");
    CHECK_STR(s->attr_names[0], "outer_alpha");
    CHECK_STR(s->attr_defaults[0].name, "beta");
    CHECK(s->attr_defaults[0].u.f == 0.5f);
    CHECK_EQ(s->opsets[0].version, 15);
    CHECK_STR(s->infos[0].name, "Y");
    CHECK_STR(s->nodes[0].attrs[0].ref, "outer_alpha");
    CHECK_EQ(s->nodes[0].attrs[0].kind, TAP_ATTR_FLOAT);
    unload(&x);
}

static void versions(void) {
    loaded x;
    load(&x, pb_model(1, 0, pb_new()));
    CHECK_EQ(x.model.n_opsets, 1);
    CHECK_EQ(x.model.opsets[0].version, 1);
    unload(&x);
    for (int64_t ir = 3; ir <= 14; ir++) {
        load(&x, pb_model(ir, 8, pb_new()));
        unload(&x);
    }
    refused(pb_model(15, 8, pb_new()), TAP_UNSUPPORTED, "the model has IR version 15; up to 14 is supported");
    refused(pb_model(0, 8, pb_new()), TAP_MODEL, "IR version 0 does not exist");
    refused(pb_model(8, 0, pb_new()), TAP_MODEL, "the model imports no opset");
    refused(pb_model(8, 8, NULL), TAP_MODEL, "the model has no graph");
    pb *p = pb_new();
    pb_msg(p, 7, pb_new());
    refused(p, TAP_MODEL, "the model has no ir_version");
    p = pb_model(8, 12, pb_new());
    pb_msg(p, 8, pb_opset("ai.onnx", 13));
    refused(p, TAP_MODEL, "domain 'ai.onnx' is imported twice, as opset 12 and as 13");
    refused(pb_model(8, -1, pb_new()), TAP_MODEL, "opset -1 of domain 'ai.onnx' does not exist");
}

static void names_that_are_needed(void) {
    pb *g = pb_new();
    pb_msg(g, 11, pb_new());
    refused(pb_model(8, 12, g), TAP_MODEL, "input #0: it has no name");
    g = pb_new();
    pb_msg(g, 5, pb_raw_tensor(NULL, 1, 1, "0123", 4));
    refused(pb_model(8, 12, g), TAP_MODEL, "initializer #0: it has no name");
    refused(pb_model_with_node(pb_new()), TAP_MODEL, "node #0:: it names no operator");
    pb *n = pb_node("Relu", "r");
    pb_msg(n, 5, pb_new());
    refused(pb_model_with_node(n), TAP_MODEL, "node 'r' (Relu), attribute #0: it has no name");
}

/* An error deep inside says the whole way there, and tap_error names the innermost node. */
static void errors_say_where(void) {
    pb *t = pb_tensor("weights", 1, 1, (int64_t[]){3}), *a = pb_attr("value", 4),
       *inner = pb_node("Constant", NULL);
    pb_msg(a, 5, t);
    pb_msg(inner, 5, a);
    pb *body = pb_new(), *branch = pb_attr("then_branch", 5), *outer = pb_node("If", "choose");
    pb_msg(body, 1, inner);
    pb_msg(branch, 6, body);
    pb_msg(outer, 5, branch);
    loaded x;
    load_in(&x, pb_model_with_node(outer), NULL);
    CHECK_EQ(x.st, TAP_MODEL);
    CHECK_HAS(x.err.text,
              "node 'choose' (If), attribute 'then_branch', node #0:Constant, attribute 'value': float32[3] "
              "takes 12 bytes of values, but the tensor has 0");
    CHECK_STR(x.err.node, "#0:Constant");
    CHECK_STR(x.err.op, "Constant");
    unload(&x);
}

/* ---- types ---- */

static void types(void) {
    pb *g = pb_new(), *dim = pb_new(), *shape = pb_new(), *t = pb_new(), *type = pb_new(), *map = pb_new();
    pb_str(dim, 2, "batch");
    pb_msg(shape, 1, dim);
    dim = pb_new();
    pb_int(dim, 1, -1);
    pb_msg(shape, 1, dim);
    pb_msg(shape, 1, pb_new());
    pb_int(t, 1, 10);
    pb_msg(t, 2, shape);
    pb_msg(type, 1, t);
    pb_msg(g, 11, pb_value("named", type));
    pb_msg(g, 11, pb_value("sequence", pb_type_of(4, pb_tensor_type(7, 0, NULL))));
    pb_msg(g, 11, pb_value("optional", pb_type_of(9, pb_type_of(4, pb_tensor_type(1, -1, NULL)))));
    pb_int(map, 1, 8);
    pb_msg(map, 2, pb_tensor_type(1, 0, NULL));
    type = pb_new();
    pb_msg(type, 5, map);
    pb_msg(g, 11, pb_value("map", type));
    loaded x;
    const tap_src_value *v = load(&x, pb_model(8, 12, g))->inputs;
    CHECK_EQ(v[0].type.dtype, TAP_FLOAT16);
    CHECK_EQ(v[0].type.rank, 3);
    for (int i = 0; i < 3; i++) CHECK_EQ(v[0].type.dims[i], -1);
    CHECK_STR(v[0].dim_names[0], "batch");
    CHECK(!v[0].dim_names[1] && !v[0].dim_names[2]);
    CHECK_EQ(v[1].type.kind, TAP_KIND_SEQUENCE);
    CHECK_EQ(v[1].type.elem->dtype, TAP_INT64);
    CHECK_EQ(v[1].type.elem->rank, 0);
    CHECK_EQ(v[2].type.kind, TAP_KIND_OPTIONAL);
    CHECK_EQ(v[2].type.elem->elem->rank, -1);
    CHECK_EQ(v[3].type.kind, TAP_KIND_MAP);
    CHECK_EQ(v[3].type.dtype, TAP_STRING);
    CHECK_EQ(v[3].type.elem->dtype, TAP_FLOAT);
    unload(&x);
}

static void types_that_no_operator_has(void) {
    for (uint32_t field = 7; field <= 8; field++) { /* opaque, sparse tensor */
        pb *g = pb_new(), *type = pb_new();
        pb_msg(type, field, pb_new());
        pb_msg(g, 13, pb_value("v", type));
        loaded x;
        CHECK(!load(&x, pb_model(8, 12, g))->infos[0].has_type);
        unload(&x);
        g = pb_new();
        type = pb_new();
        pb_msg(type, field, pb_new());
        pb_msg(g, 11, pb_value("v", type));
        refused(pb_model(8, 12, g), TAP_UNSUPPORTED, "input 'v': its type is a sparse tensor or opaque");
    }
    pb *g = pb_new();
    pb_msg(g, 11, pb_value("v", pb_tensor_type(99, 0, NULL)));
    refused(pb_model(8, 12, g), TAP_MODEL, "input 'v': element type 99 is none of ONNX's");
    g = pb_new();
    pb_msg(g, 11, pb_value("v", pb_tensor_type(1, 17, (int64_t[17]){0})));
    refused(pb_model(8, 12, g), TAP_UNSUPPORTED, "17 dimensions; 16 are supported");
}

/* ---- attributes ---- */

static const tap_src_attr *load_attr(loaded *x, pb *attr) {
    pb *n = pb_node("Op", "n");
    pb_msg(n, 5, attr);
    return load(x, pb_model_with_node(n))->nodes[0].attrs;
}

static void scalar_attributes(void) {
    loaded x;
    for (int typed = 0; typed < 2; typed++) { /* IR 1 and 2 leave the type out */
        pb *a = pb_attr("f", typed ? 1 : 0);
        pb_float(a, 2, 1.5f);
        CHECK(load_attr(&x, a)->u.f == 1.5f && x.model.graph.nodes[0].attrs[0].kind == TAP_ATTR_FLOAT);
        unload(&x);
        a = pb_attr("i", typed ? 2 : 0);
        pb_int(a, 3, INT64_MIN);
        CHECK(load_attr(&x, a)->u.i == INT64_MIN && x.model.graph.nodes[0].attrs[0].kind == TAP_ATTR_INT);
        unload(&x);
        a = pb_attr("s", typed ? 3 : 0);
        pb_bytes(a, 4, "a\0b", 3);
        const tap_src_attr *s = load_attr(&x, a);
        CHECK(s->kind == TAP_ATTR_STRING && s->u.s.n == 3 && memcmp(s->u.s.s, "a\0b", 3) == 0);
        unload(&x);
    }
}

static void list_attributes(void) {
    loaded x;
    pb *a = pb_attr("ints", 7);
    for (int i = 0; i < 40; i++) pb_int(a, 8, i - 20);
    const tap_src_attr *y = load_attr(&x, a);
    CHECK_EQ(y->n, 40);
    for (int i = 0; i < 40; i++) CHECK_EQ(y->u.ints[i], i - 20);
    unload(&x);
    a = pb_attr("floats", 6);
    pb_float(a, 7, 1);
    pb_bytes(a, 7, &(float){2}, 4);
    y = load_attr(&x, a);
    CHECK(y->n == 2 && y->u.floats[0] == 1 && y->u.floats[1] == 2);
    unload(&x);
    a = pb_attr("strings", 8);
    pb_str(a, 9, "one");
    pb_str(a, 9, "");
    y = load_attr(&x, a);
    CHECK(y->n == 2 && y->u.strings[0].n == 3 && y->u.strings[1].n == 0);
    unload(&x);
    a = pb_attr("tensors", 9);
    pb_msg(a, 10, pb_raw_tensor(NULL, 2, 3, "abc", 3));
    pb_msg(a, 10, pb_raw_tensor("t", 2, 2, "de", 2));
    y = load_attr(&x, a);
    CHECK(y->n == 2 && y->u.tensors[1].count == 2);
    unload(&x);
    a = pb_attr("graphs", 10);
    pb *g = pb_new();
    pb_str(g, 2, "body");
    pb_msg(a, 11, g);
    y = load_attr(&x, a);
    CHECK_EQ(y->n, 1);
    CHECK_STR(y->u.graphs[0]->name, "body");
    unload(&x);
    a = pb_attr("type", 13);
    pb_msg(a, 14, pb_tensor_type(1, 1, (int64_t[]){4}));
    CHECK_EQ(load_attr(&x, a)->u.types[0].dims[0], 4);
    unload(&x);
    a = pb_attr("types", 14);
    pb_msg(a, 15, pb_type_of(4, pb_tensor_type(1, -1, NULL)));
    pb_msg(a, 15, pb_tensor_type(7, 0, NULL));
    y = load_attr(&x, a);
    CHECK(y->n == 2 && y->u.types[0].kind == TAP_KIND_SEQUENCE && y->u.types[1].dtype == TAP_INT64);
    unload(&x);
}

static void sparse_attributes(void) {
    for (int many = 0; many < 2; many++) {
        pb *s = pb_new(), *a = pb_attr("sparse", many ? 12 : 11);
        pb_msg(s, 1, pb_raw_tensor(NULL, 2, 1, "\5", 1));
        pb_msg(s, 2, pb_raw_tensor(NULL, 7, 1, "\2\0\0\0\0\0\0\0", 8));
        pb_int(s, 3, 4);
        pb_msg(a, many ? 23 : 22, s);
        loaded x;
        const tap_src_attr *y = load_attr(&x, a);
        CHECK_EQ(y->n, 1);
        CHECK_EQ(y->u.tensors[0].count, 4);
        CHECK(memcmp(y->u.tensors[0].data, "\0\0\5\0", 4) == 0);
        unload(&x);
    }
}

/* A declared list without elements is empty; a declared number that is left out is zero. */
static void absent_attribute_values(void) {
    loaded x;
    for (int type = 1; type <= 3; type++) {
        const tap_src_attr *a = load_attr(&x, pb_attr("a", type));
        CHECK_EQ(a->kind, type);
        CHECK(type == 3 ? a->u.s.n == 0 : type == 2 ? a->u.i == 0 : a->u.f == 0);
        unload(&x);
    }
    for (int type = 6; type <= 10; type++) {
        CHECK_EQ(load_attr(&x, pb_attr("a", type))->n, 0);
        unload(&x);
    }
}

static void refused_attr(pb *a, const char *part) {
    pb *n = pb_node("Op", "n");
    pb_msg(n, 5, a);
    refused(pb_model_with_node(n), TAP_MODEL, part);
}

static void wrong_attributes(void) {
    static const int without_default[] = {4, 5, 11, 13};
    for (size_t i = 0; i < 4; i++) refused_attr(pb_attr("a", without_default[i]), "is missing");
    refused_attr(pb_attr("a", 0), "node 'n' (Op), attribute 'a': it has neither a type nor a value");
    refused_attr(pb_attr("a", 15), "attribute type 15 is none of ONNX's");
    pb *a = pb_attr("a", 1);
    pb_int(a, 3, 1);
    refused_attr(a, "it is declared FLOAT, but its value is of type INT");
    a = pb_attr("a", 2);
    pb_int(a, 3, 1);
    pb_float(a, 2, 1);
    refused_attr(a, "it has two values, of type FLOAT and INT");
    a = pb_attr("a", 1);
    pb_str(a, 21, "outer");
    refused_attr(a, "it refers to attribute 'outer' of a function, but is in none");
    pb *f = pb_new(), *n = pb_node("Op", "n"), *p = pb_model(8, 16, pb_new());
    a = pb_attr("a", 2);
    pb_int(a, 3, 1);
    pb_str(a, 21, "outer");
    pb_msg(n, 5, a);
    pb_str(f, 1, "F");
    pb_msg(f, 7, n);
    pb_msg(p, 25, f);
    refused(p, TAP_MODEL,
            "function 'F', node 'n' (Op), attribute 'a': it has a value, and refers to attribute 'outer'");
    a = pb_attr("a", 13);
    pb *type = pb_new();
    pb_msg(type, 7, pb_new());
    pb_msg(a, 14, type);
    n = pb_node("Op", "n");
    pb_msg(n, 5, a);
    refused(pb_model_with_node(n), TAP_UNSUPPORTED, "it names a type that no operator has");
}

/* ---- other files ---- */

static void other_formats(void) {
    static const struct {
        const char *bytes;
        size_t n;
        const char *part;
    } files[] = {
        {"version https://git-lfs.github.com/spec/v1\noid sha256:00", 56, "a Git LFS pointer"},
        {"\x89HDF\r\n\x1a\n", 8, "an HDF5 file"},
        {"\x1c\0\0\0TFL3\0", 9, "a TensorFlow Lite model"},
        {"PK\x03\x04\x14", 5, "a zip archive"},
        {"<!DOCTYPE html><html>", 21, "a web page"},
        {"", 0, "it is empty"},
        {"not a model", 11, "not a valid ONNX model, or cut off: byte 0, top level:"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        pb *p = pb_new();
        pb_raw(p, files[i].bytes, files[i].n);
        refused(p, TAP_MODEL, files[i].part);
    }
}

/* ---- hostile input ---- */

static void loads_or_refuses(const pb *p, uint64_t limit, long fail_after) {
    loaded x = {.bytes = NULL, .err = TAP_ERROR_INIT};
    tap_budget_init(&x.budget, limit);
    tap_arena_init(&x.arena, &x.budget);
    atomic_store(&x.budget.fail_after, fail_after);
    x.st = tap_onnx_load(p->b, p->n, NULL, &x.arena, &x.mappings, NULL, &x.model, &x.err);
    CHECK((x.st == TAP_OK) == (x.err.text[0] == '\0'));
    CHECK(x.st != TAP_MEMORY || limit != UINT64_MAX || fail_after >= 0);
    CHECK(atomic_load(&x.budget.peak) <= limit);
    unload(&x);
}

static void flips_and_cuts(void) {
    static const uint8_t flips[] = {1, 4, 16, 128, 255};
    pb *p = whole_model();
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < sizeof flips; k++) {
            p->b[i] ^= flips[k];
            loads_or_refuses(p, UINT64_MAX, -1);
            p->b[i] ^= flips[k];
        }
    while (p->n-- > 0) loads_or_refuses(p, UINT64_MAX, -1);
    free(p);
}

static void any_limit_and_any_failing_allocation(void) {
    pb *p = whole_model();
    for (uint64_t limit = 0; limit < 1 << 18; limit += 512) loads_or_refuses(p, limit, -1);
    for (long k = 0; k < 200; k++) loads_or_refuses(p, UINT64_MAX, k);
    free(p);
}

int main(void) {
    static const test_case tests[] = {
        TEST(model_fields),
        TEST(graph_fields),
        TEST(node_fields),
        TEST(weights_stay_in_the_file),
        TEST(functions),
        TEST(versions),
        TEST(names_that_are_needed),
        TEST(errors_say_where),
        TEST(types),
        TEST(types_that_no_operator_has),
        TEST(scalar_attributes),
        TEST(list_attributes),
        TEST(sparse_attributes),
        TEST(absent_attribute_values),
        TEST(wrong_attributes),
        TEST(other_formats),
        TEST(flips_and_cuts),
        TEST(any_limit_and_any_failing_allocation),
    };
    return test_main(tests, sizeof tests / sizeof *tests);
}
