/* What models of other tools say in ways of their own, and what of it is an error all the same. */
#include "node.h"

static void empty_auto_pad(void) {
    node_test t;
    node_begin(&t, "MaxPool", 11, 1);
    node_string(&t, "auto_pad", "");
    node_ints(&t, "kernel_shape", INTS(2));
    node_ints(&t, "pads", INTS(1, 0));
    node_in(&t, TAP_FLOAT, "1,1,3", NUMS(3, 1, 2));
    node_gives(&t, 0, TAP_FLOAT, "1,1,3", NUMS(3, 3, 2));
    node_end(&t);
    node_begin(&t, "MaxPool", 11, 1);
    node_string(&t, "auto_pad", "SAME");
    node_ints(&t, "kernel_shape", INTS(2));
    node_in(&t, TAP_FLOAT, "1,1,3", NUMS(3, 1, 2));
    node_fails(&t, TAP_MODEL, "auto_pad");
    node_end(&t);
}

/* With the batch and the channels in front. */
static void whole_output_shape(void) {
    node_test t;
    node_begin(&t, "ConvTranspose", 11, 1);
    node_ints(&t, "output_shape", INTS(1, 1, 3));
    node_in(&t, TAP_FLOAT, "1,1,3", NUMS(1, 2, 3));
    node_const(&t, TAP_FLOAT, "1,1,3", NUMS(1, 1, 1));
    node_gives(&t, 0, TAP_FLOAT, "1,1,3", NUMS(3, 6, 5));
    node_end(&t);
    node_begin(&t, "ConvTranspose", 11, 1);
    node_ints(&t, "output_shape", INTS(1, 2, 3));
    node_in(&t, TAP_FLOAT, "1,1,3", NUMS(1, 2, 3));
    node_const(&t, TAP_FLOAT, "1,1,3", NUMS(1, 1, 1));
    node_fails(&t, TAP_MODEL, "output_shape[1] is 2");
    node_end(&t);
}

static void unpool(node_test *t, const double *at) {
    node_begin(t, "MaxUnpool", 11, 1);
    node_ints(t, "kernel_shape", INTS(2));
    node_ints(t, "strides", INTS(2));
    node_ints(t, "pads", INTS(0, 1));
    node_in(t, TAP_FLOAT, "1,1,2", NUMS(5, 6));
    node_in(t, TAP_INT64, "1,1,2", at);
    node_const(t, TAP_INT64, "3", NUMS(1, 1, 5));
}

/* An output_shape silences pads; an index beyond the inferred image counts in it. */
static void unpooled_sizes(void) {
    node_test t;
    unpool(&t, NUMS(1, 3));
    node_gives(&t, 0, TAP_FLOAT, "1,1,5", NUMS(0, 5, 0, 6, 0));
    node_end(&t);
    unpool(&t, NUMS(0, 4));
    node_gives(&t, 0, TAP_FLOAT, "1,1,5", NUMS(5, 0, 0, 0, 6));
    node_end(&t);
    unpool(&t, NUMS(0, 5));
    node_fails(&t, TAP_RUN, "index 5");
    node_end(&t);
    unpool(&t, NUMS(-1, 4));
    node_fails(&t, TAP_RUN, "index -1");
    node_end(&t);
}

/* clip holds back what enters the gates, not what the cell gives: i = c = o = 1, C = 1 + tanh(1)... */
static void lstm_clip(void) {
    node_test t;
    node_begin(&t, "LSTM", 14, 3);
    node_int(&t, "hidden_size", 1);
    node_float(&t, "clip", 0.5f);
    pb *a = pb_attr("activations", 8);
    for (int i = 0; i < 3; i++) pb_str(a, 9, "Affine");
    pb_msg(t.node, 5, a);
    node_in(&t, TAP_FLOAT, "1,1,1", NUMS(2));
    node_const(&t, TAP_FLOAT, "1,4,1", NUMS(1, 1, 1, 1));
    node_const(&t, TAP_FLOAT, "1,4,1", NUMS(0, 0, 0, 0));
    node_absent(&t);
    node_absent(&t);
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "1,1,1", NUMS(4));
    node_gives(&t, 2, TAP_FLOAT, "1,1,1", NUMS(2.25));
    node_gives(&t, 1, TAP_FLOAT, "1,1,1", NUMS(1.125));
    node_end(&t);
}

/* An absent output at the end is as good as none. */
static void absent_output(void) {
    node_test t;
    node_begin(&t, "Relu", 13, 1);
    node_in(&t, TAP_FLOAT, "2", NUMS(-1, 2));
    pb_str(t.node, 2, "y0");
    pb_str(t.node, 2, "");
    t.n_out = 0;
    pb_msg(t.graph, 12, pb_value("y0", NULL));
    node_gives(&t, 0, TAP_FLOAT, "2", NUMS(0, 2));
    node_end(&t);
}

/* A graph of one Squeeze of x, or one Identity. */
static pb *branch(const char *op, const char *out) {
    pb *g = pb_new(), *n = pb_node(op, NULL);
    pb_str(n, 1, "x1");
    pb_str(n, 2, out);
    pb_msg(g, 1, n);
    pb_str(g, 2, "branch");
    pb_msg(g, 12, pb_value(out, NULL));
    return g;
}

static void squeeze_if(node_test *t, double condition) {
    node_begin(t, "If", 13, 1);
    pb *yes = pb_attr("then_branch", 5), *no = pb_attr("else_branch", 5), *squeeze = branch("Softmax", "s");
    pb_msg(yes, 6, squeeze);
    pb_msg(no, 6, branch("Identity", "i"));
    pb_msg(t->node, 5, yes);
    pb_msg(t->node, 5, no);
    node_in(t, TAP_BOOL, "", &condition);
    pb_msg(t->graph, 11, pb_value("x1", pb_tensor_type(TAP_FLOAT, 0, NULL)));
    t->fed[1] = true;
    t->values[1] = node_numbers(TAP_FLOAT, "", NUMS(3));
    t->n_in = 2;
}

/* What does not fit is an error where the branch is taken. */
static void branch_not_taken(void) {
    node_test t;
    squeeze_if(&t, 0);
    node_gives(&t, 0, TAP_FLOAT, "", NUMS(3));
    node_end(&t);
    squeeze_if(&t, 1);
    node_fails(&t, TAP_RUN, "Softmax");
    node_end(&t);
}

/* As IR version 3 has it: a body's constants are among its inputs. */
static void constants_among_inputs(void) {
    node_test t;
    double yes = 1;
    node_begin(&t, "If", 8, 1);
    pb *attrs[] = {pb_attr("then_branch", 5), pb_attr("else_branch", 5)};
    for (int i = 0; i < 2; i++) {
        pb *g = pb_new(), *n = pb_node("Neg", NULL);
        pb_str(n, 1, "k");
        pb_str(n, 2, "y");
        pb_msg(g, 1, n);
        pb_msg(g, 11, pb_value("k", pb_tensor_type(TAP_FLOAT, 1, (const int64_t[]){1})));
        pb_msg(g, 5, pb_raw_tensor("k", TAP_FLOAT, 1, (const float[]){i ? 7 : 5}, sizeof(float)));
        pb_msg(g, 12, pb_value("y", NULL));
        pb_msg(attrs[i], 6, g);
        pb_msg(t.node, 5, attrs[i]);
    }
    node_in(&t, TAP_BOOL, "", &yes);
    node_gives(&t, 0, TAP_FLOAT, "1", NUMS(-5));
    node_end(&t);
}

/* Declared a scalar, given as one element in a list; several elements are no scalar. */
static void scalar_in_a_list(void) {
    for (int n = 1; n <= 2; n++) {
        node_test t;
        node_begin(&t, "Neg", 13, 1);
        pb_str(t.node, 1, "x0");
        pb_msg(t.graph, 11, pb_value("x0", pb_tensor_type(TAP_FLOAT, 0, NULL)));
        t.fed[0] = true;
        t.values[0] = node_numbers(TAP_FLOAT, n == 1 ? "1" : "2", NUMS(3, 4));
        t.n_in = 1;
        if (n == 1)
            node_gives(&t, 0, TAP_FLOAT, "1", NUMS(-3));
        else
            node_fails(&t, TAP_DATA, "input 'x0' is float32[2], the model takes float32[]");
        node_end(&t);
    }
}

/* A zero point in a list of one beside a scale that is a scalar, where the list's length is known only from
 * the input. */
static void zero_point_in_an_open_list(void) {
    for (int n = 1; n <= 2; n++) {
        node_test t;
        node_begin(&t, "DequantizeLinear", 19, 1);
        node_in_open(&t, TAP_UINT8, "3", NUMS(1, 2, 4));
        node_in(&t, TAP_FLOAT, "", NUMS(2));
        node_in_open(&t, TAP_UINT8, n == 1 ? "1" : "2", NUMS(1, 1));
        if (n == 1)
            node_gives(&t, 0, TAP_FLOAT, "3", NUMS(0, 2, 6));
        else
            node_fails(&t, TAP_RUN, "one shape");
        node_end(&t);
    }
}

int main(void) {
    static const test_case tests[] = {
        TEST(empty_auto_pad),   TEST(whole_output_shape),     TEST(unpooled_sizes),
        TEST(lstm_clip),        TEST(absent_output),          TEST(branch_not_taken),
        TEST(scalar_in_a_list), TEST(constants_among_inputs), TEST(zero_point_in_an_open_list)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
