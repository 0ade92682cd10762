/* TopK, Unique, NonZero, Compress, CumSum, OneHot, Range, Constant, Dropout, NonMaxSuppression and their kin.
 */
#include "node.h"

static void topk_orders_nan_and_ties(void) {
    node_test t;
    node_begin(&t, "TopK", 11, 2);
    node_in(&t, TAP_FLOAT, "6", NUMS(1, NAN, 3, 3, -0.0, 0));
    node_const(&t, TAP_INT64, "1", NUMS(6));
    node_gives(&t, 0, TAP_FLOAT, "6", NUMS(NAN, 3, 3, 1, 0, 0));
    node_gives(&t, 1, TAP_INT64, "6", NUMS(1, 2, 3, 0, 4, 5));
    node_end(&t);
    node_begin(&t, "TopK", 11, 2);
    node_int(&t, "largest", 0);
    node_int(&t, "axis", 0);
    node_in(&t, TAP_UINT64, "3,2", NUMS(5, 0x1p63, 5, 1, 2, 1));
    node_const(&t, TAP_INT64, "1", NUMS(2));
    node_gives(&t, 0, TAP_UINT64, "2,2", NUMS(2, 1, 5, 1));
    node_gives(&t, 1, TAP_INT64, "2,2", NUMS(2, 1, 0, 2));
    node_end(&t);
    node_begin(&t, "TopK", 1, 2);
    node_int(&t, "k", 1);
    node_in(&t, TAP_FLOAT16, "2", NUMS(1, 2));
    node_gives(&t, 0, TAP_FLOAT16, "1", NUMS(2));
    node_end(&t);
    node_begin(&t, "TopK", 10, 2);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_in(&t, TAP_INT64, "1", NUMS(3));
    node_fails(&t, TAP_RUN, "K is 3, but the axis has only 2 elements");
    node_end(&t);
}

/* More elements than the heap is used for, against a count of those in front. */
static void topk_of_many(void) {
    enum { N = 3000, K = 1000 };
    static double x[N];
    static bool taken[N];
    uint32_t seed = 1;
    for (int i = 0; i < N; i++) x[i] = (double)((seed = seed * 1664525u + 1013904223u) >> 20);
    node_test t;
    node_begin(&t, "TopK", 11, 2);
    node_in(&t, TAP_INT32, "3000", x);
    node_const(&t, TAP_INT64, "1", NUMS(K));
    node_run(&t);
    const int64_t *at =
        t.session ? tap_tensor_data(tap_value_tensor(tap_session_output(t.session, 1))) : NULL;
    CHECK(at != NULL);
    for (int i = 0; at && i < K; i++) {
        CHECK(!taken[at[i]]);
        taken[at[i]] = true;
        if (i) CHECK(x[at[i - 1]] > x[at[i]] || (x[at[i - 1]] == x[at[i]] && at[i - 1] < at[i]));
    }
    for (int i = 0; at && i < N; i++)
        if (!taken[i]) CHECK(x[i] < x[at[K - 1]] || (x[i] == x[at[K - 1]] && i > at[K - 1]));
    node_end(&t);
}

static void unique_in_both_orders(void) {
    node_test t;
    node_begin(&t, "Unique", 11, 4);
    node_int(&t, "sorted", 0);
    node_in_strings(&t, "5", STRS("b", "a", "", "a", "b"));
    node_gives_strings(&t, 0, "3", STRS("b", "a", ""));
    node_gives(&t, 1, TAP_INT64, "3", NUMS(0, 1, 2));
    node_gives(&t, 2, TAP_INT64, "5", NUMS(0, 1, 2, 1, 0));
    node_gives(&t, 3, TAP_INT64, "3", NUMS(2, 2, 1));
    node_end(&t);
    node_begin(&t, "Unique", 11, 4);
    node_in(&t, TAP_FLOAT, "2,3", NUMS(NAN, 1, NAN, -0.0, 0, -1));
    node_gives(&t, 0, TAP_FLOAT, "4", NUMS(-1, 0, 1, NAN));
    node_gives(&t, 1, TAP_INT64, "4", NUMS(5, 3, 1, 0));
    node_gives(&t, 3, TAP_INT64, "4", NUMS(1, 2, 1, 2));
    node_end(&t);
    node_begin(&t, "Unique", 11, 3);
    node_int(&t, "axis", -1);
    node_in(&t, TAP_INT8, "2,4", NUMS(2, 1, 2, 1, 0, 5, 0, -5));
    node_gives(&t, 0, TAP_INT8, "2,3", NUMS(1, 1, 2, -5, 5, 0));
    node_gives(&t, 1, TAP_INT64, "3", NUMS(3, 1, 0));
    node_gives(&t, 2, TAP_INT64, "4", NUMS(2, 1, 2, 0));
    node_end(&t);
    node_begin(&t, "Unique", 11, 2);
    node_in(&t, TAP_FLOAT, "0,2", NULL);
    node_gives(&t, 0, TAP_FLOAT, "0", NULL);
    node_gives(&t, 1, TAP_INT64, "0", NULL);
    node_end(&t);
}

static void nonzero_of_odd_types(void) {
    node_test t;
    node_begin(&t, "NonZero", 13, 1);
    node_in(&t, TAP_FLOAT, "2,2", NUMS(-0.0, NAN, 1e-45, 0));
    node_gives(&t, 0, TAP_INT64, "2,2", NUMS(0, 1, 1, 0));
    node_end(&t);
    node_begin(&t, "NonZero", 13, 1);
    node_in_strings(&t, "3", STRS("", "x", ""));
    node_gives(&t, 0, TAP_INT64, "1,1", NUMS(1));
    node_end(&t);
    node_begin(&t, "NonZero", 13, 1);
    node_in(&t, TAP_FLOAT16, "", NUMS(2));
    node_gives(&t, 0, TAP_INT64, "0,1", NULL);
    node_end(&t);
}

static void compress_counts(void) {
    node_test t;
    node_begin(&t, "Compress", 11, 1);
    node_in(&t, TAP_INT16, "2,2", NUMS(1, 2, 3, 4));
    node_const(&t, TAP_BOOL, "3", NUMS(0, 1, 1));
    node_is_known_as(&t, 0, "int16[2]");
    node_gives(&t, 0, TAP_INT16, "2", NUMS(2, 3));
    node_end(&t);
    node_begin(&t, "Compress", 11, 1);
    node_int(&t, "axis", 1);
    node_in(&t, TAP_INT16, "2,2", NUMS(1, 2, 3, 4));
    node_in(&t, TAP_BOOL, "3", NUMS(0, 0, 1));
    node_fails(&t, TAP_RUN, "condition[2] is true, but there are only 2 elements");
    node_end(&t);
}

static void cumulative_sums_and_products(void) {
    node_test t;
    node_begin(&t, "CumSum", 14, 1);
    node_int(&t, "exclusive", 1);
    node_int(&t, "reverse", 1);
    node_in(&t, TAP_FLOAT16, "3", NUMS(2048, 1, 1));
    node_const(&t, TAP_INT32, "", NUMS(-1));
    node_gives(&t, 0, TAP_FLOAT16, "3", NUMS(2, 1, 0));
    node_end(&t);
    node_begin(&t, "CumProd", 26, 1);
    node_in(&t, TAP_INT32, "2,2", NUMS(1 << 30, 3, 4, 5));
    node_const(&t, TAP_INT64, "", NUMS(0));
    node_gives(&t, 0, TAP_INT32, "2,2", NUMS(1 << 30, 3, 0, 15));
    node_end(&t);
    node_begin(&t, "CumSum", 14, 1);
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_in(&t, TAP_INT64, "", NUMS(1));
    node_fails(&t, TAP_RUN, "axis 1 is out of range for rank 1");
    node_end(&t);
}

static void onehot_before_and_after_11(void) {
    for (int64_t opset = 9; opset <= 11; opset += 2) {
        node_test t;
        node_begin(&t, "OneHot", opset, 1);
        node_int(&t, "axis", 0);
        node_in(&t, TAP_FLOAT, "3", NUMS(-1, 1.9, 2));
        node_const(&t, TAP_DOUBLE, "1", NUMS(2));
        node_in_strings(&t, "2", STRS("off", "on"));
        node_gives_strings(&t, 0, "2,3",
                           opset < 11 ? STRS("off", "off", "off", "off", "on", "off")
                                      : STRS("off", "off", "off", "on", "on", "off"));
        node_end(&t);
    }
}

static void ranges(void) {
    node_test t;
    node_begin(&t, "Range", 11, 1);
    node_const(&t, TAP_FLOAT, "", NUMS(2.4));
    node_const(&t, TAP_FLOAT, "", NUMS(-0.1));
    node_const(&t, TAP_FLOAT, "", NUMS(-1));
    node_gives(&t, 0, TAP_FLOAT, "3", NUMS(2.4, 1.4, 0.4));
    node_end(&t);
    node_begin(&t, "Range", 11, 1);
    node_in(&t, TAP_INT64, "", NUMS(-0x1p63));
    node_in(&t, TAP_INT64, "", NUMS(0x1p62));
    node_in(&t, TAP_INT64, "", NUMS(0x1p62));
    node_gives(&t, 0, TAP_INT64, "3", NUMS(-0x1p63, -0x1p62, 0));
    node_end(&t);
    node_begin(&t, "Range", 27, 1);
    node_in(&t, TAP_FLOAT16, "", NUMS(2048));
    node_in(&t, TAP_FLOAT16, "", NUMS(2054));
    node_in(&t, TAP_FLOAT16, "", NUMS(1));
    node_gives(&t, 0, TAP_FLOAT16, "6", NUMS(2048, 2048, 2050, 2052, 2052, 2052));
    node_end(&t);
    node_begin(&t, "Range", 11, 1);
    node_const(&t, TAP_INT32, "", NUMS(0));
    node_const(&t, TAP_INT32, "", NUMS(1));
    node_const(&t, TAP_INT32, "", NUMS(0));
    node_fails(&t, TAP_MODEL, "delta is 0");
    node_end(&t);
    node_begin(&t, "Range", 11, 1);
    node_in(&t, TAP_FLOAT, "", NUMS(0));
    node_in(&t, TAP_FLOAT, "", NUMS(INFINITY));
    node_in(&t, TAP_FLOAT, "", NUMS(1));
    node_fails(&t, TAP_RUN, "no finite range");
    node_end(&t);
}

static void constants(void) {
    node_test t;
    node_begin(&t, "Constant", 12, 1);
    node_floats(&t, "value_floats", 2, NUMS(1.5, -2));
    node_gives(&t, 0, TAP_FLOAT, "2", NUMS(1.5, -2));
    node_end(&t);
    node_begin(&t, "Constant", 12, 1);
    node_string(&t, "value_string", "hello");
    node_gives_strings(&t, 0, "", STRS("hello"));
    node_end(&t);
    node_begin(&t, "Constant", 12, 1);
    node_int(&t, "value_int", 7);
    node_float(&t, "value_float", 7);
    node_fails(&t, TAP_MODEL, "2 attributes give a value");
    node_end(&t);
    node_begin(&t, "ConstantOfShape", 9, 1);
    node_const(&t, TAP_INT64, "0", NULL);
    node_gives(&t, 0, TAP_FLOAT, "", NUMS(0));
    node_end(&t);
    node_begin(&t, "ConstantOfShape", 9, 1);
    node_const(&t, TAP_INT64, "2", NUMS(3, -1));
    node_fails(&t, TAP_MODEL, "dimension 1 is -1");
    node_end(&t);
    node_begin(&t, "EyeLike", 9, 1);
    node_int(&t, "dtype", TAP_FLOAT16);
    node_int(&t, "k", -1);
    node_in(&t, TAP_INT32, "2,3", NUMS(0, 0, 0, 0, 0, 0));
    node_gives(&t, 0, TAP_FLOAT16, "2,3", NUMS(0, 0, 0, 1, 0, 0));
    node_end(&t);
    node_begin(&t, "Trilu", 14, 1);
    node_in(&t, TAP_INT32, "2,2", NUMS(1, 2, 3, 4));
    node_const(&t, TAP_INT64, "", NUMS(-0x1p63));
    node_gives(&t, 0, TAP_INT32, "2,2", NUMS(1, 2, 3, 4));
    node_end(&t);
}

/* Test mode hands on its input; training drops about the given share and scales the rest. */
static void dropout_modes(void) {
    node_test t;
    for (int64_t opset = 1; opset <= 10; opset += 3) {
        node_begin(&t, "Dropout", opset, 2);
        if (opset < 7) node_int(&t, "is_test", 1);
        node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
        node_gives(&t, 0, TAP_FLOAT, "2", NUMS(1, 2));
        node_gives(&t, 1, opset < 10 ? TAP_FLOAT : TAP_BOOL, "2", NUMS(1, 1));
        node_end(&t);
    }
    enum { N = 4000 };
    static double ones[N];
    for (int i = 0; i < N; i++) ones[i] = 1;
    node_begin(&t, "Dropout", 13, 2);
    node_in(&t, TAP_DOUBLE, "4000", ones);
    node_const(&t, TAP_FLOAT, "", NUMS(0.25));
    node_const(&t, TAP_BOOL, "", NUMS(1));
    node_run(&t);
    const double *y = t.session ? tap_tensor_data(tap_value_tensor(tap_session_output(t.session, 0))) : NULL;
    const uint8_t *mask =
        t.session ? tap_tensor_data(tap_value_tensor(tap_session_output(t.session, 1))) : NULL;
    CHECK(y && mask);
    int dropped = 0;
    for (int i = 0; y && mask && i < N; i++) {
        dropped += !mask[i];
        CHECK(mask[i] ? fabs(y[i] - 1 / 0.75) < 1e-12 : y[i] == 0);
    }
    CHECK(dropped > N / 5 && dropped < N * 3 / 10);
    node_end(&t);
    node_begin(&t, "Dropout", 13, 1);
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_in(&t, TAP_FLOAT, "", NUMS(1));
    node_in(&t, TAP_BOOL, "", NUMS(1));
    node_fails(&t, TAP_RUN, "ratio is 1");
    node_end(&t);
}

static void boxes(void) {
    /* The second box overlaps the first by 9/11, the third by nothing; equal scores go by index. */
    static const double corners[] = {0, 0, 1, 1, 1, 1, 0, 0.1, 2, 2, 3, 3};
    node_test t;
    node_begin(&t, "NonMaxSuppression", 11, 1);
    node_in(&t, TAP_FLOAT, "1,3,4", corners);
    node_in(&t, TAP_FLOAT, "1,1,3", NUMS(0.5, 0.5, 0.75));
    node_const(&t, TAP_INT64, "", NUMS(10));
    node_const(&t, TAP_FLOAT, "", NUMS(0.8));
    node_gives(&t, 0, TAP_INT64, "2,3", NUMS(0, 0, 2, 0, 0, 0));
    node_end(&t);
    node_begin(&t, "NonMaxSuppression", 11, 1);
    node_in(&t, TAP_FLOAT, "1,3,4", corners);
    node_in(&t, TAP_FLOAT, "1,1,3", NUMS(0.5, 0.5, 0.75));
    node_gives(&t, 0, TAP_INT64, "0,3", NULL);
    node_end(&t);
    node_begin(&t, "NonMaxSuppression", 11, 1);
    node_in(&t, TAP_FLOAT, "1,3,4", corners);
    node_in(&t, TAP_FLOAT, "1,1,2", NUMS(0.5, 0.5));
    node_fails(&t, TAP_MODEL, "boxes and scores are for 3 and 2 boxes");
    node_end(&t);
}

int main(void) {
    static const test_case tests[] = {TEST(topk_orders_nan_and_ties),
                                      TEST(topk_of_many),
                                      TEST(unique_in_both_orders),
                                      TEST(nonzero_of_odd_types),
                                      TEST(compress_counts),
                                      TEST(cumulative_sums_and_products),
                                      TEST(onehot_before_and_after_11),
                                      TEST(ranges),
                                      TEST(constants),
                                      TEST(dropout_modes),
                                      TEST(boxes)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
