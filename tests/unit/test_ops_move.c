/* Operators that move data: old forms, ends of ranges, every width, and what they refuse. */
#include "node.h"

/* ---- Transpose, Slice, Split, Concat, Expand, Tile ---- */

static void transpose_moves_strings_and_refuses(void) {
    node_test t;
    node_begin(&t, "Transpose", 13, 1);
    node_in_strings(&t, "2,3", STRS("a", "b", "", "d", "e", "fff"));
    node_gives_strings(&t, 0, "3,2", STRS("a", "d", "b", "e", "", "fff"));
    node_end(&t);
    node_begin(&t, "Transpose", 13, 1);
    node_ints(&t, "perm", INTS(0, 0));
    node_in(&t, TAP_FLOAT, "1,1", NUMS(1));
    node_fails(&t, TAP_MODEL, "entry 1 is 0");
    node_end(&t);
    node_begin(&t, "Transpose", 13, 1);
    node_ints(&t, "perm", INTS(1, 0));
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_fails(&t, TAP_MODEL, "perm has 2 entries, but the input has rank 1");
    node_end(&t);
}

/* Narrow inputs of Concat and outputs of Split: two to five of one or two elements, more rows than a vector
 * has, for every width of an element. */
static void narrow_parts(void) {
    static const tap_dtype types[] = {TAP_INT8, TAP_INT16, TAP_FLOAT, TAP_INT64};
    enum { ROWS = 53, MOST = 5 };
    for (size_t t = 0; t < TAP_COUNT_OF(types); t++)
        for (int n = 2; n <= MOST; n++)
            for (int each = 1; each <= 2; each++) {
                static double part[MOST][ROWS * 2], whole[ROWS * 2 * MOST];
                char part_dims[16], whole_dims[16];
                node_test concat, split;
                for (int i = 0; i < ROWS * n * each; i++) {
                    whole[i] = i % 113;
                    part[i / each % n][i / (n * each) * each + i % each] = i % 113;
                }
                snprintf(part_dims, sizeof part_dims, "%d,%d", ROWS, each);
                snprintf(whole_dims, sizeof whole_dims, "%d,%d", ROWS, each * n);
                node_begin(&concat, "Concat", 13, 1);
                node_int(&concat, "axis", 1);
                for (int k = 0; k < n; k++) node_in(&concat, types[t], part_dims, part[k]);
                node_gives(&concat, 0, types[t], whole_dims, whole);
                node_end(&concat);
                node_begin(&split, "Split", 18, n);
                node_int(&split, "axis", 1);
                node_int(&split, "num_outputs", n);
                node_in(&split, types[t], whole_dims, whole);
                for (int k = 0; k < n; k++) node_gives(&split, k, types[t], part_dims, part[k]);
                node_end(&split);
            }
}

static void slice_clamps(void) {
    static const struct {
        double start, end, step;
        const char *shape;
        double y[5];
    } cases[] = {
        {1, INT32_MAX, 1, "4", {1, 2, 3, 4}},
        {-2, 0x1p63, 1, "2", {3, 4}},
        {-1, -0x1p62, -1, "5", {4, 3, 2, 1, 0}},
        {100, -100, -2, "3", {4, 2, 0}},
        {0, 5, 0x1p62, "1", {0}},
        {4, 0, -0x1p62, "1", {4}},
        {3, 1, 1, "0", {0}},
        {0, 0, -1, "0", {0}},
    };
    for (size_t i = 0; i < TAP_COUNT_OF(cases); i++) {
        node_test t;
        node_begin(&t, "Slice", 13, 1);
        node_in(&t, TAP_INT16, "5", NUMS(0, 1, 2, 3, 4));
        node_const(&t, TAP_INT64, "1", &cases[i].start);
        node_in(&t, TAP_INT64, "1", &cases[i].end);
        node_absent(&t);
        node_const(&t, TAP_INT64, "1", &cases[i].step);
        node_gives(&t, 0, TAP_INT16, cases[i].shape, cases[i].y);
        node_end(&t);
    }
}

static void slice_of_nothing(void) {
    node_test t;
    node_begin(&t, "Slice", 13, 1);
    node_in(&t, TAP_FLOAT, "2,0", NULL);
    node_const(&t, TAP_INT64, "1", NUMS(-1));
    node_const(&t, TAP_INT64, "1", NUMS(-100));
    node_const(&t, TAP_INT64, "1", NUMS(1));
    node_const(&t, TAP_INT64, "1", NUMS(-1));
    node_gives(&t, 0, TAP_FLOAT, "2,0", NULL);
    node_end(&t);
}

static void slice_refuses(void) {
    static const struct {
        double axis[2], step[2];
        const char *why;
    } cases[] = {{{0, 0}, {1, 1}, "axis 0 is given twice"},
                 {{0, 1}, {1, 0}, "step along axis 1 is 0"},
                 {{0, 2}, {1, 1}, "axis 2 is out of range for rank 2"}};
    for (size_t i = 0; i < TAP_COUNT_OF(cases); i++) {
        node_test t;
        node_begin(&t, "Slice", 13, 1);
        node_in(&t, TAP_FLOAT, "1,1", NUMS(5));
        node_const(&t, TAP_INT32, "2", NUMS(0, 0));
        node_const(&t, TAP_INT32, "2", NUMS(1, 1));
        node_const(&t, TAP_INT32, "2", cases[i].axis);
        node_const(&t, TAP_INT32, "2", cases[i].step);
        node_fails(&t, TAP_MODEL, cases[i].why);
        node_end(&t);
    }
    node_test t;
    node_begin(&t, "Slice", 1, 1);
    node_ints(&t, "starts", INTS(0));
    node_in(&t, TAP_FLOAT, "1", NUMS(5));
    node_fails(&t, TAP_MODEL, "starts and ends are required");
    node_end(&t);
}

/* What is known before running: only the sliced axes change. */
static void slice_infers_what_it_can(void) {
    node_test t;
    node_begin(&t, "Slice", 13, 1);
    node_in(&t, TAP_FLOAT, "4,6", (const double[24]){0});
    node_in(&t, TAP_INT64, "1", NUMS(1));
    node_in(&t, TAP_INT64, "1", NUMS(3));
    node_const(&t, TAP_INT64, "1", NUMS(0));
    node_is_known_as(&t, 0, "float32[?,6]");
    node_gives(&t, 0, TAP_FLOAT, "2,6", (const double[12]){0});
    node_end(&t);
}

static void split_versions(void) {
    node_test t;
    node_begin(&t, "Split", 1, 2);
    node_in(&t, TAP_FLOAT, "3", NUMS(1, 2, 3));
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_gives(&t, 0, TAP_FLOAT, "1", NUMS(1));
    node_gives(&t, 1, TAP_FLOAT, "2", NUMS(2, 3));
    node_end(&t);
    node_begin(&t, "Split", 18, 4);
    node_int(&t, "num_outputs", 4);
    node_in(&t, TAP_UINT8, "5", NUMS(1, 2, 3, 4, 5));
    node_gives(&t, 2, TAP_UINT8, "1", NUMS(5));
    node_gives(&t, 3, TAP_UINT8, "0", NULL);
    node_end(&t);
    node_begin(&t, "Split", 13, 2);
    node_in(&t, TAP_UINT8, "5", NUMS(1, 2, 3, 4, 5));
    node_fails(&t, TAP_MODEL, "5 elements do not fall into 2 equal parts");
    node_end(&t);
    node_begin(&t, "Split", 13, 2);
    node_in(&t, TAP_UINT8, "5", NUMS(1, 2, 3, 4, 5));
    node_const(&t, TAP_INT64, "2", NUMS(4, 2));
    node_fails(&t, TAP_MODEL, "add up to 6, the axis has 5");
    node_end(&t);
    node_begin(&t, "Split", 13, 2);
    node_in(&t, TAP_UINT8, "5", NUMS(1, 2, 3, 4, 5));
    node_in(&t, TAP_INT64, "2", NUMS(-1, 6));
    node_fails(&t, TAP_RUN, "split[0] is -1");
    node_end(&t);
}

static void concat_versions(void) {
    node_test t;
    node_begin(&t, "Concat", 1, 1);
    node_in(&t, TAP_FLOAT, "1,1", NUMS(1));
    node_in(&t, TAP_FLOAT, "1,2", NUMS(2, 3));
    node_gives(&t, 0, TAP_FLOAT, "1,3", NUMS(1, 2, 3));
    node_end(&t);
    node_begin(&t, "Concat", 13, 1);
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_fails(&t, TAP_MODEL, "axis is required");
    node_end(&t);
    node_begin(&t, "Concat", 13, 1);
    node_int(&t, "axis", -1);
    node_in_strings(&t, "2,1", STRS("a", "b"));
    node_in_strings(&t, "2,2", STRS("c", "d", "e", "f"));
    node_gives_strings(&t, 0, "2,3", STRS("a", "c", "d", "b", "e", "f"));
    node_end(&t);
    node_begin(&t, "Concat", 13, 1);
    node_int(&t, "axis", 0);
    node_in(&t, TAP_FLOAT, "1,1", NUMS(1));
    node_in(&t, TAP_FLOAT, "1,2", NUMS(2, 3));
    node_fails(&t, TAP_MODEL, "input 1, [1,2], does not fit to the others, [?,1], along axis 0");
    node_end(&t);
}

static void tile_and_expand(void) {
    node_test t;
    node_begin(&t, "Tile", 1, 1);
    node_in(&t, TAP_FLOAT, "1,2", NUMS(1, 2));
    node_const(&t, TAP_FLOAT, "1", NUMS(2));
    node_const(&t, TAP_FLOAT, "1", NUMS(1));
    node_gives(&t, 0, TAP_FLOAT, "1,4", NUMS(1, 2, 1, 2));
    node_end(&t);
    node_begin(&t, "Tile", 13, 1);
    node_in(&t, TAP_COMPLEX64, "0", NULL);
    node_const(&t, TAP_INT64, "1", NUMS(3));
    node_end(&t);
    CHECK_STR(t.err.text, "");
    node_begin(&t, "Tile", 13, 1);
    node_in(&t, TAP_INT8, "2", NUMS(1, 2));
    node_const(&t, TAP_INT64, "1", NUMS(0x1p62));
    node_fails(&t, TAP_MODEL, "are too many");
    node_end(&t);
    node_begin(&t, "Expand", 13, 1);
    node_in(&t, TAP_BFLOAT16, "2,1", NUMS(1, 2));
    node_const(&t, TAP_INT64, "3", NUMS(2, 1, 2));
    node_gives(&t, 0, TAP_BFLOAT16, "2,2,2", NUMS(1, 1, 2, 2, 1, 1, 2, 2));
    node_end(&t);
    node_begin(&t, "Expand", 13, 1);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_const(&t, TAP_INT64, "1", NUMS(3));
    node_fails(&t, TAP_MODEL, "[2] cannot be expanded to [3]");
    node_end(&t);
    node_begin(&t, "Expand", 13, 1);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_in(&t, TAP_INT64, "1", NUMS(3));
    node_fails(&t, TAP_RUN, "[2] cannot be expanded to [3]");
    node_end(&t);
}

/* ---- Gather, Scatter ---- */

static void gather_of_every_width(void) {
    static const tap_dtype types[] = {TAP_INT8, TAP_FLOAT16, TAP_FLOAT, TAP_DOUBLE};
    for (size_t i = 0; i < TAP_COUNT_OF(types); i++) {
        node_test t;
        node_begin(&t, "Gather", 13, 1);
        node_int(&t, "axis", -1);
        node_in(&t, types[i], "2,3", NUMS(1, 2, 3, 4, 5, 6));
        node_in(&t, TAP_INT32, "2", NUMS(-1, 0));
        node_gives(&t, 0, types[i], "2,2", NUMS(3, 1, 6, 4));
        node_end(&t);
    }
    node_test t;
    node_begin(&t, "Gather", 13, 1);
    node_in_strings(&t, "3", STRS("a", "b", "c"));
    node_in(&t, TAP_INT64, "", NUMS(-3));
    node_gives_strings(&t, 0, "", STRS("a"));
    node_end(&t);
}

static void indices_out_of_range(void) {
    static const char *const ops[] = {"Gather", "GatherElements"};
    for (size_t i = 0; i < TAP_COUNT_OF(ops); i++)
        for (int bad = 0; bad < 2; bad++) {
            node_test t;
            node_begin(&t, ops[i], 13, 1);
            node_in(&t, TAP_FLOAT, "3", NUMS(1, 2, 3));
            node_in(&t, TAP_INT64, "2", bad ? NUMS(0, 3) : NUMS(0, -4));
            node_fails(&t, TAP_RUN,
                       bad ? "indices[1] (counted flat) is 3, out of range for an axis of 3"
                           : "indices[1] (counted flat) is -4, out of range for an axis of 3");
            node_end(&t);
        }
    node_test t;
    node_begin(&t, "GatherND", 13, 1);
    node_in(&t, TAP_FLOAT, "2,2", NUMS(1, 2, 3, 4));
    node_in(&t, TAP_INT64, "1,2", NUMS(0, 2));
    node_fails(&t, TAP_RUN, "indices[1] (counted flat) is 2, out of range for 2 elements along axis 1");
    node_end(&t);
    node_begin(&t, "ScatterND", 18, 1);
    node_in(&t, TAP_FLOAT, "2,2", NUMS(1, 2, 3, 4));
    node_in(&t, TAP_INT64, "1,1", NUMS(-0x1p63));
    node_in(&t, TAP_FLOAT, "1,2", NUMS(1, 2));
    node_fails(&t, TAP_RUN, "is -9223372036854775808, out of range for 2 elements along axis 0");
    node_end(&t);
}

/* Each update is for all of the data then. */
static void scatter_without_entries(void) {
    node_test t;
    node_begin(&t, "ScatterND", 18, 1);
    node_string(&t, "reduction", "add");
    node_in(&t, TAP_FLOAT, "2,2", NUMS(1, 2, 3, 4));
    node_in(&t, TAP_INT64, "2,0", NUMS(0));
    node_in(&t, TAP_FLOAT, "2,2,2", NUMS(1, 1, 1, 1, 10, 20, 30, 40));
    node_gives(&t, 0, TAP_FLOAT, "2,2", NUMS(12, 23, 34, 45));
    node_end(&t);
    node_begin(&t, "ScatterND", 18, 1);
    node_in(&t, TAP_INT8, "3", NUMS(1, 2, 3));
    node_in_open(&t, TAP_INT64, "0", NUMS(0));
    node_in_open(&t, TAP_INT8, "3", NUMS(4, 5, 6));
    node_gives(&t, 0, TAP_INT8, "3", NUMS(4, 5, 6));
    node_end(&t);
}

static void scatter_combines(void) {
    node_test t;
    /* 2048 + 1 is 2048 in float16, and so it would stay at each step: the sum is made in float32. */
    node_begin(&t, "ScatterElements", 18, 1);
    node_string(&t, "reduction", "add");
    node_in(&t, TAP_FLOAT16, "2", NUMS(2048, 0));
    node_in(&t, TAP_INT64, "4", NUMS(0, -2, 0, 0));
    node_in(&t, TAP_FLOAT16, "4", NUMS(1, 1, 1, 1));
    node_gives(&t, 0, TAP_FLOAT16, "2", NUMS(2052, 0));
    node_end(&t);
    node_begin(&t, "ScatterND", 18, 1);
    node_string(&t, "reduction", "max");
    node_in(&t, TAP_FLOAT, "2,2", NUMS(1, 2, 3, 4));
    node_in(&t, TAP_INT64, "2,1", NUMS(1, 1));
    node_in(&t, TAP_FLOAT, "2,2", NUMS(NAN, 5, 9, 1));
    node_gives(&t, 0, TAP_FLOAT, "2,2", NUMS(1, 2, NAN, 5));
    node_end(&t);
    node_begin(&t, "ScatterND", 18, 1);
    node_string(&t, "reduction", "mul");
    node_in(&t, TAP_INT8, "1", NUMS(100));
    node_in(&t, TAP_INT64, "1,1", NUMS(0));
    node_in(&t, TAP_INT8, "1", NUMS(3));
    node_gives(&t, 0, TAP_INT8, "1", NUMS(44));
    node_end(&t);
    node_begin(&t, "ScatterElements", 16, 1);
    node_string(&t, "reduction", "max");
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_in(&t, TAP_INT64, "1", NUMS(0));
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_fails(&t, TAP_MODEL, "reduction");
    node_end(&t);
    /* The last of several updates of one element wins, with any number of threads. */
    node_begin(&t, "Scatter", 9, 1);
    node_int(&t, "axis", 0);
    node_in_strings(&t, "2,2", STRS("a", "b", "c", "d"));
    node_in(&t, TAP_INT32, "2,2", NUMS(1, 0, 1, -1));
    node_in_strings(&t, "2,2", STRS("1", "2", "3", "4"));
    node_gives_strings(&t, 0, "2,2", STRS("a", "2", "3", "4"));
    node_end(&t);
}

static void caches_wrap_or_refuse(void) {
    for (int circular = 0; circular < 2; circular++) {
        node_test t;
        node_begin(&t, "TensorScatter", 24, 1);
        node_string(&t, "mode", circular ? "circular" : "linear");
        node_in(&t, TAP_FLOAT, "1,3,1", NUMS(1, 2, 3));
        node_in(&t, TAP_FLOAT, "1,2,1", NUMS(8, 9));
        node_in(&t, TAP_INT64, "1", NUMS(2));
        if (circular)
            node_gives(&t, 0, TAP_FLOAT, "1,3,1", NUMS(9, 2, 8));
        else
            node_fails(&t, TAP_RUN, "write index 2 of sample 0 leaves no room for 2 in a cache of 3");
        node_end(&t);
    }
}

/* ---- Pad ---- */

static void pads_of_every_form(void) {
    node_test t;
    node_begin(&t, "Pad", 1, 1);
    node_ints(&t, "paddings", INTS(1, 0));
    node_float(&t, "value", 7);
    node_in(&t, TAP_FLOAT16, "2", NUMS(1, 2));
    node_gives(&t, 0, TAP_FLOAT16, "3", NUMS(7, 1, 2));
    node_end(&t);
    node_begin(&t, "Pad", 2, 1);
    node_ints(&t, "pads", INTS(-1, 1));
    node_string(&t, "mode", "edge");
    node_in(&t, TAP_DOUBLE, "3", NUMS(1, 2, 3));
    node_gives(&t, 0, TAP_DOUBLE, "3", NUMS(2, 3, 3));
    node_end(&t);
    /* A border that is longer than the data is reflected again and again. */
    node_begin(&t, "Pad", 19, 1);
    node_string(&t, "mode", "reflect");
    node_in(&t, TAP_INT32, "3", NUMS(1, 2, 3));
    node_const(&t, TAP_INT64, "2", NUMS(5, 4));
    node_gives(&t, 0, TAP_INT32, "12", NUMS(2, 1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3));
    node_end(&t);
    node_begin(&t, "Pad", 19, 1);
    node_string(&t, "mode", "wrap");
    node_in_strings(&t, "1,2", STRS("a", "b"));
    node_const(&t, TAP_INT64, "2", NUMS(1, 3));
    node_absent(&t);
    node_const(&t, TAP_INT32, "1", NUMS(-1));
    node_gives_strings(&t, 0, "1,6", STRS("b", "a", "b", "a", "b", "a"));
    node_end(&t);
    node_begin(&t, "Pad", 13, 1);
    node_in_strings(&t, "1", STRS("a"));
    node_const(&t, TAP_INT64, "2", NUMS(1, 0));
    node_gives_strings(&t, 0, "2", STRS("", "a"));
    node_end(&t);
}

static void pads_that_cannot_be(void) {
    node_test t;
    node_begin(&t, "Pad", 13, 1);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_const(&t, TAP_INT64, "2", NUMS(-2, -1));
    node_fails(&t, TAP_MODEL, "pads -2 and -1 do not suit the 2 elements of axis 0");
    node_end(&t);
    node_begin(&t, "Pad", 13, 1);
    node_string(&t, "mode", "reflect");
    node_in(&t, TAP_FLOAT, "0", NULL);
    node_const(&t, TAP_INT64, "2", NUMS(1, 1));
    node_fails(&t, TAP_RUN, "nothing to repeat");
    node_end(&t);
    node_begin(&t, "Pad", 13, 1);
    node_in(&t, TAP_FLOAT, "1", NUMS(1));
    node_const(&t, TAP_INT64, "2", NUMS(0x1p63, 1));
    node_fails(&t, TAP_MODEL, "do not suit");
    node_end(&t);
    node_begin(&t, "Pad", 13, 1);
    node_in(&t, TAP_FLOAT, "1,1", NUMS(1));
    node_const(&t, TAP_INT64, "2", NUMS(1, 1));
    node_fails(&t, TAP_MODEL, "pads has 2 elements for 2 axes");
    node_end(&t);
}

int main(void) {
    static const test_case tests[] = {TEST(transpose_moves_strings_and_refuses),
                                      TEST(narrow_parts),
                                      TEST(slice_clamps),
                                      TEST(slice_of_nothing),
                                      TEST(slice_refuses),
                                      TEST(slice_infers_what_it_can),
                                      TEST(split_versions),
                                      TEST(concat_versions),
                                      TEST(tile_and_expand),
                                      TEST(gather_of_every_width),
                                      TEST(indices_out_of_range),
                                      TEST(scatter_without_entries),
                                      TEST(scatter_combines),
                                      TEST(caches_wrap_or_refuse),
                                      TEST(pads_of_every_form),
                                      TEST(pads_that_cannot_be)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
