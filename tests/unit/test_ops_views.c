/* Reshape, Flatten, Squeeze, Unsqueeze, Shape: shapes from known, half known and wrong numbers. */
#include "node.h"

static void reshape_infers_through_unknown_dims(void) {
    node_test t;
    /* 0 takes the batch over, -1 follows from the rest. */
    node_begin(&t, "Reshape", 14, 1);
    node_in(&t, TAP_FLOAT, "2,3,4", (const double[24]){0});
    node_const(&t, TAP_INT64, "2", NUMS(0, -1));
    node_is_known_as(&t, 0, "float32[2,12]");
    node_end(&t);
    /* An empty batch stays one. */
    node_begin(&t, "Reshape", 14, 1);
    node_in(&t, TAP_FLOAT, "0,3,4", NULL);
    node_const(&t, TAP_INT64, "2", NUMS(0, -1));
    node_gives(&t, 0, TAP_FLOAT, "0,12", NULL);
    node_end(&t);
    /* Nothing is known of the input, but where the shape says so. */
    node_begin(&t, "Reshape", 14, 1);
    node_in_open(&t, TAP_FLOAT, "2,3", NUMS(1, 2, 3, 4, 5, 6));
    node_const(&t, TAP_INT64, "3", NUMS(0, -1, 1));
    node_is_known_as(&t, 0, "float32[?,?,1]");
    node_gives(&t, 0, TAP_FLOAT, "2,3,1", NUMS(1, 2, 3, 4, 5, 6));
    node_end(&t);
}

static void reshape_refuses(void) {
    static const struct {
        double shape[2];
        const char *why;
    } cases[] = {
        {{4, 2}, "the numbers of elements differ"},
        {{-1, 4}, "the numbers of elements differ"},
        {{-1, -1}, "-1 twice"},
        {{-2, 3}, "shape[0] is -2"},
        {{0, -1}, ""},
    };
    for (size_t i = 0; i < TAP_COUNT_OF(cases); i++) {
        node_test t;
        node_begin(&t, "Reshape", 14, 1);
        node_in(&t, TAP_FLOAT, "2,3", NUMS(1, 2, 3, 4, 5, 6));
        node_const(&t, TAP_INT64, "2", cases[i].shape);
        if (*cases[i].why)
            node_fails(&t, TAP_MODEL, cases[i].why);
        else
            node_gives(&t, 0, TAP_FLOAT, "2,3", NUMS(1, 2, 3, 4, 5, 6));
        node_end(&t);
    }
    node_test t;
    node_begin(&t, "Reshape", 14, 1);
    node_int(&t, "allowzero", 1);
    node_in(&t, TAP_FLOAT, "0,3", NULL);
    node_const(&t, TAP_INT64, "2", NUMS(0, -1));
    node_fails(&t, TAP_MODEL, "allowzero");
    node_end(&t);
}

static void old_forms(void) {
    node_test t;
    node_begin(&t, "Reshape", 1, 1);
    node_ints(&t, "shape", INTS(3, -1));
    node_ints(&t, "consumed_inputs", INTS(0));
    node_in(&t, TAP_FLOAT, "2,3", NUMS(1, 2, 3, 4, 5, 6));
    node_gives(&t, 0, TAP_FLOAT, "3,2", NUMS(1, 2, 3, 4, 5, 6));
    node_end(&t);
    node_begin(&t, "Squeeze", 11, 1);
    node_ints(&t, "axes", INTS(0, -1));
    node_in(&t, TAP_INT8, "1,2,1", NUMS(7, 8));
    node_gives(&t, 0, TAP_INT8, "2", NUMS(7, 8));
    node_end(&t);
    node_begin(&t, "Squeeze", 1, 1);
    node_in(&t, TAP_INT8, "1,2,1", NUMS(7, 8));
    node_gives(&t, 0, TAP_INT8, "2", NUMS(7, 8));
    node_end(&t);
    node_begin(&t, "Unsqueeze", 1, 1);
    node_ints(&t, "axes", INTS(0, 2));
    node_in(&t, TAP_INT8, "2", NUMS(7, 8));
    node_gives(&t, 0, TAP_INT8, "1,2,1", NUMS(7, 8));
    node_end(&t);
}

static void squeeze_and_unsqueeze_refuse(void) {
    node_test t;
    node_begin(&t, "Squeeze", 13, 1);
    node_in(&t, TAP_FLOAT, "1,2", NUMS(1, 2));
    node_const(&t, TAP_INT64, "1", NUMS(1));
    node_fails(&t, TAP_MODEL, "dimension 1 is 2, not 1");
    node_end(&t);
    node_begin(&t, "Unsqueeze", 13, 1);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_const(&t, TAP_INT64, "2", NUMS(0, -3));
    node_fails(&t, TAP_MODEL, "given twice");
    node_end(&t);
    node_begin(&t, "Unsqueeze", 13, 1);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_const(&t, TAP_INT64, "1", NUMS(2));
    node_fails(&t, TAP_MODEL, "axis 2 is out of range for rank 2");
    node_end(&t);
}

static void flatten_and_shape(void) {
    node_test t;
    node_begin(&t, "Flatten", 13, 1);
    node_int(&t, "axis", -1);
    node_in(&t, TAP_INT32, "1,2,2", NUMS(1, 2, 3, 4));
    node_gives(&t, 0, TAP_INT32, "2,2", NUMS(1, 2, 3, 4));
    node_end(&t);
    node_begin(&t, "Flatten", 9, 1);
    node_int(&t, "axis", -1);
    node_in(&t, TAP_INT32, "1,2,2", NUMS(1, 2, 3, 4));
    node_fails(&t, TAP_MODEL, "negative");
    node_end(&t);
    node_begin(&t, "Shape", 15, 1);
    node_int(&t, "start", -2);
    node_int(&t, "end", 100);
    node_in(&t, TAP_BOOL, "5,0,7", NULL);
    node_gives(&t, 0, TAP_INT64, "2", NUMS(0, 7));
    node_end(&t);
    node_begin(&t, "Size", 13, 1);
    node_in_strings(&t, "2,1", STRS("a", "b"));
    node_gives(&t, 0, TAP_INT64, "", NUMS(2));
    node_end(&t);
}

int main(void) {
    static const test_case tests[] = {TEST(reshape_infers_through_unknown_dims), TEST(reshape_refuses),
                                      TEST(old_forms), TEST(squeeze_and_unsqueeze_refuse),
                                      TEST(flatten_and_shape)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
