/* A session keeps its plan for maps, too, as long as their dtypes stay. */
#include "node.h"
#include "run/plan.h"
#include "run/session.h"

/* DictVectorizer of x, a map from strings to floats. */
static pb *model(void) {
    pb *node = pb_node("DictVectorizer", "n"), *words = pb_attr("string_vocabulary", 8), *g = pb_new();
    pb_str(node, 1, "x");
    pb_str(node, 2, "y");
    pb_str(node, 7, "ai.onnx.ml");
    pb_str(words, 9, "a");
    pb_str(words, 9, "b");
    pb_msg(node, 5, words);
    pb *map = pb_new(), *type = pb_new();
    pb_int(map, 1, TAP_STRING);
    pb_msg(map, 2, pb_tensor_type(TAP_FLOAT, 0, NULL));
    pb_msg(type, 5, map);
    pb_msg(g, 1, node);
    pb_msg(g, 11, pb_value("x", type));
    pb_msg(g, 12, pb_value("y", NULL));
    pb *m = pb_model(13, 17, g);
    pb_msg(m, 8, pb_opset("ai.onnx.ml", 1));
    return m;
}

static tap_value *map_of(const char *key, double v) {
    tap_value *m;
    if (tap_value_new_map(node_texts("1", &key), node_numbers(TAP_FLOAT, "1", &v), &m, NULL)) abort();
    return m;
}

static void one_plan_for_all(void) {
    pb *m = model();
    tap_model *t;
    tap_session *s;
    tap_error err = TAP_ERROR_INIT;
    tap_status status = tap_model_open_memory(m->b, m->n, NULL, &t, &err);
    if (!status) status = tap_session_new(t, NULL, &s, &err);
    CHECK_STR(err.text, "");
    if (status) abort();
    for (int i = 0; i < 5; i++) {
        tap_value *x = map_of("b", i);
        CHECK_EQ(tap_session_run(s, &(tap_input){"x", x}, 1, &err), TAP_OK);
        tap_value *want = node_numbers(TAP_FLOAT, "1,2", NUMS(0, i));
        node_same(tap_value_tensor(tap_session_output(s, 0)), &want->tensor);
        tap_value_release(want);
        tap_value_release(x);
    }
    CHECK_EQ(s->frames[0]->n_misses, 1);
    tap_session_free(s);
    tap_model_free(t);
    free(m);
}

int main(void) {
    static const test_case tests[] = {TEST(one_plan_for_all)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
