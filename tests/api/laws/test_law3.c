/* Law 3: nothing is guessed. What is wrong with a model is said with the node, its operator and opset, the
 * tensors with their types, and what made them; all that is unsupported is listed at once. */
#include "fixture.h"

#include <stdlib.h>

static tap_status open_broken(const char *name, tap_error *err) {
    tap_model *m = NULL;
    tap_status st = tap_model_open(fixture_path(name, ".onnx"), NULL, &m, err);
    CHECK((st == TAP_OK) == (m != NULL));
    tap_model_free(m);
    return st;
}

/* An invalid model, with the whole message. */
static void invalid(const char *name, const char *node, const char *op, const char *tensor,
                    const char *text) {
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(open_broken(name, &err), TAP_MODEL);
    CHECK_EQ(err.code, TAP_MODEL);
    CHECK_STR(err.node, node);
    CHECK_STR(err.op, op);
    CHECK_STR(err.tensor, tensor);
    CHECK_STR(err.text, text);
}

static void attributes(void) {
    invalid(
        "broken_attribute", "lrelu", "LeakyRelu", "y",
        "node 'lrelu' (LeakyRelu, opset 21): attribute 'beta' is not one of this operator's in this opset "
        "[inputs: x float32[2,3]]");
    invalid(
        "broken_attribute_kind", "lrelu", "LeakyRelu", "y",
        "node 'lrelu' (LeakyRelu, opset 21): attribute 'alpha' is of kind string, it must be of kind float "
        "[inputs: x float32[2,3]]");
    invalid("broken_attribute_value", "conv", "Conv", "y",
            "node 'conv' (Conv, opset 21): attribute 'auto_pad' is 'SAME', it must be one of: NOTSET, "
            "SAME_UPPER, "
            "SAME_LOWER, VALID [inputs: x float32[1,1,4,4], w float32[1,1,3,3]]");
}

static void names(void) {
    invalid("broken_undefined", "add", "Add", "nowhere",
            "node 'add' (Add): input 1 is 'nowhere', which no input, initializer or node of the model makes");
    invalid("broken_output", "", "", "y", "output 0 of graph 'g' is 'y', which nothing in the model makes");
    invalid("broken_twice", "again", "Abs", "y",
            "value 'y' is made twice: the second time by node 'again' (Abs). Every name may be given once");
    invalid("broken_cycle", "one", "Add", "",
            "the graph has a cycle: each of these nodes needs the next: 'one' (Add) -> 'three' (Abs) -> "
            "'two' (Neg) -> 'one'");
}

static void operands(void) {
    invalid(
        "broken_inputs", "product", "MatMul", "y",
        "node 'product' (MatMul, opset 21): it has 1 input, this operator takes 2 [inputs: x float32[2,3]]");
    invalid(
        "broken_shapes", "product", "MatMul", "y",
        "node 'product' (MatMul, opset 21): the last dimension of A (3) and the last but one of B (2) differ "
        "[inputs: x float32[2,3], w float32[2,3]]");
    invalid("broken_types", "add", "Add", "y",
            "node 'add' (Add, opset 21): inputs must have one dtype: input 0 is float32, input 1 is int64 "
            "[inputs: x float32[2], n int64[2]]");
}

static void functions(void) {
    invalid("broken_call", "call", "f", "",
            "node 'call' calls function f with 2 inputs and 1 outputs, it takes 1 and gives 1");
    invalid("broken_recursion", "start/to/fro", "ping", "",
            "node 'start/to/fro': function ping of domain 'local' calls itself");
    invalid("broken_explosion", "", "", "",
            "the model would have 2199023255551 nodes once its functions are written out: for a file of 81 "
            "nodes at most "
            "136256 are allowed");
}

static const char *const unsupported_lines[] = {
    "Frobnicate",   "3 nodes",        "first 'first'", /* main graph and a body, counted together */
    "my.own.Twist", "first 'second'", "Trilu",         "first 'early'", "opset 14",          "declares 9",
    "Thing",        "first 'stray'",  "other",         "Missing",       "first 'call/deep'",
};

static void all_unsupported_at_once(void) {
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(open_broken("broken_unsupported", &err), TAP_UNSUPPORTED);
    CHECK_EQ(err.code, TAP_UNSUPPORTED);
    CHECK_STR(err.node, "first");
    CHECK_STR(err.op, "Frobnicate");
    for (size_t i = 0; i < sizeof unsupported_lines / sizeof *unsupported_lines; i++)
        CHECK_HAS(err.text, unsupported_lines[i]);
    CHECK_EQ(open_broken("broken_unsupported", NULL), TAP_UNSUPPORTED);
}

/* To be looked at, but not run. */
static void unsupported_but_opened(void) {
    tap_model_options o = {.size = sizeof o, .allow_unsupported = true};
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = NULL;
    tap_session *s = NULL;
    size_t unsupported = 0;
    CHECK_EQ(tap_model_open(fixture_path("broken_unsupported", ".onnx"), &o, &m, &err), TAP_OK);
    if (!m) return;
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info n = {.size = sizeof n};
        CHECK(tap_model_node(m, i, &n));
        unsupported += n.unsupported != NULL;
    }
    CHECK_EQ(unsupported, 7);
    CHECK_EQ(tap_session_new(m, NULL, &s, &err), TAP_UNSUPPORTED);
    CHECK(s == NULL);
    CHECK_HAS(err.text, "Frobnicate");
    tap_model_free(m);
}

/* ---- while running ---- */

static tap_value *indices(int n, const int64_t *data) {
    int64_t dims = n;
    tap_value *v = NULL;
    CHECK_EQ(tap_value_new(TAP_INT64, 1, &dims, &v, NULL), TAP_OK);
    if (v && n) memcpy(tap_value_data(v), data, (size_t)n * sizeof *data);
    return v;
}

static void fails(tap_value *x, tap_value *w, tap_value *at, tap_value *deep, const char *node,
                  const char *op, const char *tensor, const char *const *parts) {
    tap_model *m = fixture_open("fails");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    tap_error err = TAP_ERROR_INIT;
    tap_input in[4] = {{"x", x}, {"w", w}, {"at", at}, {"deep", deep}};
    if (s) {
        tap_status st = tap_session_run(s, in, 4, &err);
        CHECK_EQ(st, TAP_RUN); /* the model is fine */
        CHECK_EQ(err.code, st);
        CHECK_STR(err.node, node);
        CHECK_STR(err.op, op);
        CHECK_STR(err.tensor, tensor);
        for (; *parts; parts++) CHECK_HAS(err.text, *parts);
    }
    tap_session_free(s);
    tap_model_free(m);
    tap_value_release(x);
    tap_value_release(w);
    tap_value_release(at);
    tap_value_release(deep);
}

static const float numbers[4] = {1, 2, 3, 4};

static void shapes_of_a_run(void) {
    static const char *const parts[] = {"node 'sum' (Add, opset 21): ", "[3] and [4]",
                                        "x float32[3], w float32[4]", NULL};
    fails(vector(3, numbers), vector(4, numbers), indices(1, (int64_t[]){0}), indices(1, (int64_t[]){0}),
          "sum", "Add", "sum", parts);
}

static void an_index_beyond_the_end(void) {
    static const char *const parts[] = {"node 'pick' (Gather, opset 21): ", "7",
                                        "sum float32[3] by sum, at int64[2]", NULL};
    fails(vector(3, numbers), vector(3, numbers), indices(2, (int64_t[]){0, 7}), indices(1, (int64_t[]){0}),
          "pick", "Gather", "taken", parts);
}

/* The node inside is named, not the If around it. */
static void in_a_function_in_a_body(void) {
    static const char *const parts[] = {"node 'fork/then_branch/look/gather' (Gather, opset 21): ", "-9",
                                        "taken float32[2]", "deep int64[1]", NULL};
    fails(vector(3, numbers), vector(3, numbers), indices(2, (int64_t[]){0, 1}), indices(1, (int64_t[]){-9}),
          "fork/then_branch/look/gather", "Gather", "fork/then_branch/t", parts);
}

static const test_case tests[] = {
    TEST(attributes),
    TEST(names),
    TEST(operands),
    TEST(functions),
    TEST(all_unsupported_at_once),
    TEST(unsupported_but_opened),
    TEST(shapes_of_a_run),
    TEST(an_index_beyond_the_end),
    TEST(in_a_function_in_a_body),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
