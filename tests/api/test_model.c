/* Models: opened from a file and from memory; what they say about themselves, their ports, nodes and values.
 */
#include "fixture.h"

#include <stdlib.h>

static void *read_all(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    void *bytes = size > 0 ? malloc((size_t)size) : NULL;
    *n = bytes ? fread(bytes, 1, (size_t)size, f) : 0;
    fclose(f);
    return bytes;
}

static void ports(void) {
    tap_model *m = fixture_open("arith");
    if (!m) return;
    CHECK_EQ(tap_model_input_count(m), 2);
    const tap_port *x = tap_model_input(m, 0), *bias = tap_model_input(m, 1);
    CHECK_STR(x->name, "x");
    CHECK(!x->has_default);
    CHECK_EQ(x->type->kind, TAP_KIND_TENSOR);
    CHECK_EQ(x->type->dtype, TAP_FLOAT);
    CHECK_EQ(x->type->rank, 2);
    CHECK_EQ(x->type->dims[0], -1);
    CHECK_EQ(x->type->dims[1], 3);
    CHECK_STR(x->dim_names[0], "N");
    CHECK(x->dim_names[1] == NULL);
    CHECK(bias->has_default);
    CHECK(tap_model_input(m, 2) == NULL);
    CHECK_EQ(tap_model_output_count(m), 2);
    CHECK_STR(tap_model_output(m, 1)->name, "squared");
    CHECK(tap_model_output(m, 2) == NULL);
    tap_model_free(m);
}

static void info(void) {
    tap_model *m = fixture_open("functions");
    if (!m) return;
    tap_model_info i = {.size = sizeof i};
    tap_model_get_info(m, &i);
    CHECK_EQ(i.ir_version, 10);
    CHECK_STR(i.graph_name, "functions");
    CHECK_EQ(i.n_nodes, 16);     /* functions written out */
    CHECK_EQ(i.n_all_nodes, 19); /* with both branches of the If */
    int64_t version = 0;
    CHECK_EQ(tap_model_opset_count(m), 2);
    CHECK_STR(tap_model_opset(m, 0, &version), "");
    CHECK_EQ(version, 21);
    CHECK_STR(tap_model_opset(m, 1, &version), "local");
    CHECK_EQ(version, 1);
    CHECK(tap_model_opset(m, 2, &version) == NULL);
    CHECK_EQ(tap_model_metadata_count(m), 0);
    tap_model_free(m);
    m = fixture_open("arith");
    if (!m) return;
    tap_model_get_info(m, &i);
    CHECK_EQ(i.n_parameters, 6);
    CHECK_EQ(i.parameter_bytes, 24);
    tap_model_free(m);
}

static void an_older_program_has_a_shorter_struct(void) {
    tap_model *m = fixture_open("arith");
    if (!m) return;
    tap_model_info i = {.size = offsetof(tap_model_info, n_parameters), .n_parameters = 77};
    tap_model_get_info(m, &i);
    CHECK_EQ(i.n_nodes, 4);
    CHECK_EQ(i.n_parameters, 77);
    tap_model_free(m);
}

static bool node_at(const tap_model *m, const char *address, tap_node_info *info) {
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        info->size = sizeof *info;
        if (tap_model_node(m, i, info) && strcmp(info->address, address) == 0) return true;
    }
    return false;
}

static void nodes(void) {
    tap_model *m = fixture_open("functions");
    tap_node_info n;
    if (!m) return;
    CHECK_EQ(tap_model_node_count(m), 19);
    n.size = sizeof n;
    CHECK(!tap_model_node(m, 19, &n));
    CHECK(node_at(m, "first/again/times", &n));
    CHECK_STR(n.op, "Mul");
    CHECK_EQ(n.opset, 21);
    CHECK_EQ(n.n_inputs, 2);
    CHECK_STR(n.inputs[0], "first/q");
    CHECK_STR(n.inputs[1], "first/again/k");
    CHECK_STR(n.outputs[0], "first/again/s");
    CHECK_EQ(n.depth, 0);
    CHECK(n.unsupported == NULL);
    CHECK(node_at(m, "#1:inner/times", &n));
    CHECK(node_at(m, "branchy/fork/then_branch/#1:Add", &n));
    CHECK_EQ(n.depth, 1);
    CHECK_STR(n.outputs[0], "branchy/fork/then_branch/e");
    tap_model_free(m);
}

static void values(void) {
    tap_model *m = fixture_open("loops");
    if (!m) return;
    size_t inputs = 0, initializers = 0, outputs = 0, inside = 0;
    for (size_t i = 0; i < tap_model_value_count(m); i++) {
        tap_value_info v = {.size = sizeof v};
        CHECK(tap_model_value(m, i, &v));
        inputs += v.is_input;
        initializers += v.is_initializer;
        outputs += v.is_output;
        inside += v.in_body;
        if (strcmp(v.name, "grow/body/pick/then_branch/t") == 0) {
            CHECK_STR(v.op, "Mul");
            CHECK_STR(v.node, "grow/body/pick/then_branch/#1:Mul");
            CHECK(v.in_body);
            CHECK_EQ(v.type->dtype, TAP_FLOAT);
        }
        if (strcmp(v.name, "x") == 0) CHECK_STR(v.node, "");
    }
    CHECK_EQ(inputs, 2);
    CHECK_EQ(initializers, 4);
    CHECK_EQ(outputs, 5);
    CHECK(inside > 20);
    tap_value_info v = {.size = sizeof v};
    CHECK(!tap_model_value(m, tap_model_value_count(m), &v));
    tap_model_free(m);
}

static void from_memory(void) {
    size_t n;
    void *bytes = read_all(fixture_path("arith", ".onnx"), &n);
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = NULL;
    CHECK(bytes != NULL);
    CHECK_EQ(tap_model_open_memory(bytes, n, NULL, &m, &err), TAP_OK);
    CHECK_STR(err.text, "");
    reference r = reference_load("arith");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    if (s && fixture_run(s, &r))
        CHECK(values_close("y", tap_session_output(s, 0), reference_find(&r, 'o', "y", NULL), 1e-6, 1e-6));
    tap_session_free(s);
    tap_model_free(m);
    reference_free(&r);
    free(bytes);
}

/* Every prefix of a model is refused or is a model; none is read past its end (AddressSanitizer watches). */
static void cut_short(void) {
    size_t n;
    char *bytes = read_all(fixture_path("arith", ".onnx"), &n);
    CHECK(bytes != NULL);
    for (size_t k = 0; bytes && k < n; k++) {
        tap_error err = TAP_ERROR_INIT;
        tap_model *m = NULL;
        char *part = malloc(k ? k : 1);
        memcpy(part, bytes, k);
        tap_status st = tap_model_open_memory(part, k, NULL, &m, &err);
        CHECK((st == TAP_OK) == (m != NULL));
        CHECK(st == TAP_OK || (err.code == st && err.text[0]));
        tap_model_free(m);
        free(part);
    }
    free(bytes);
}

/* One bit of the file at a time: refused or a model, and what opens can be planned and run or refused. */
static void bits_turned(void) {
    size_t n;
    char *bytes = read_all(fixture_path("functions", ".onnx"), &n);
    reference r = reference_load("functions");
    tap_input in[4];
    size_t n_in = reference_inputs(&r, in, 4), opened = 0;
    CHECK(bytes != NULL);
    for (size_t k = 0; bytes && k < n * 8; k++) {
        tap_error err = TAP_ERROR_INIT;
        tap_model *m = NULL;
        tap_session *s = NULL;
        bytes[k / 8] ^= (char)(1 << k % 8);
        if (tap_model_open_memory(bytes, n, NULL, &m, &err) == TAP_OK &&
            tap_session_new(m, &(tap_session_options){.size = sizeof(tap_session_options), .threads = 1}, &s,
                            &err) == TAP_OK) {
            tap_status st = tap_session_run(s, in, n_in, &err);
            CHECK(st == TAP_OK || (err.code == st && err.text[0]));
            opened++;
        }
        tap_session_free(s);
        tap_model_free(m);
        bytes[k / 8] ^= (char)(1 << k % 8);
    }
    CHECK(opened > 100); /* names, numbers: much of a file may be another */
    reference_free(&r);
    free(bytes);
}

static void no_file(void) {
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = (tap_model *)&err;
    CHECK_EQ(tap_model_open("/no/such/model.onnx", NULL, &m, &err), TAP_IO);
    CHECK(m == NULL);
    CHECK_HAS(err.text, "/no/such/model.onnx");
    CHECK_EQ(tap_model_open(TAP_TEST_DATA, NULL, &m, &err), TAP_IO); /* a folder */
    CHECK_EQ(tap_model_open("/no/such/model.onnx", NULL, &m, NULL), TAP_IO);
    CHECK_EQ(tap_model_open_memory("", 0, NULL, &m, &err), TAP_MODEL);
    tap_model_free(NULL);
}

static void outlived_by_its_sessions(void) {
    tap_model *m = fixture_open("arith");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    reference r = reference_load("arith");
    tap_model_free(m);
    if (s && fixture_run(s, &r))
        CHECK(values_close("y", tap_session_output(s, 0), reference_find(&r, 'o', "y", NULL), 1e-6, 1e-6));
    tap_session_free(s);
    reference_free(&r);
}

static void operators(void) {
    size_t n = tap_op_count();
    bool add = false;
    for (size_t i = 0; i < n; i++) {
        tap_op_info o = {.size = sizeof o};
        CHECK(tap_op_at(i, &o));
        CHECK(o.since >= 1 && (o.until == 0 || o.until >= o.since));
        CHECK(o.domain[0] && o.name[0]);
        if (strcmp(o.name, "Add") == 0 && o.until == 0) {
            add = true;
            CHECK_STR(o.domain, "ai.onnx");
            CHECK(o.dtypes & (1u << TAP_BFLOAT16));
            CHECK(!(o.dtypes & (1u << TAP_STRING)));
        }
    }
    tap_op_info o = {.size = sizeof o};
    CHECK(add);
    CHECK(!tap_op_at(n, &o));
}

static const test_case tests[] = {
    TEST(ports),
    TEST(info),
    TEST(an_older_program_has_a_shorter_struct),
    TEST(nodes),
    TEST(values),
    TEST(from_memory),
    TEST(cut_short),
    TEST(bits_turned),
    TEST(no_file),
    TEST(outlived_by_its_sessions),
    TEST(operators),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
