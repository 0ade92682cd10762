/* Resize, Upsample, GridSample, RoiAlign, MaxRoiPool, Col2Im, DepthToSpace: the odd corners. */
#include "node.h"

static void resize(node_test *t, int64_t opset, const char *mode, const char *place) {
    node_begin(t, "Resize", opset, 1);
    node_string(t, "mode", mode);
    if (place) node_string(t, "coordinate_transformation_mode", place);
}

static void nearest_of_any_type(void) {
    node_test t;
    resize(&t, 13, "nearest", "asymmetric");
    node_string(&t, "nearest_mode", "floor");
    node_in_strings(&t, "1,2", STRS("a", "b"));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "2", NUMS(2, 2));
    node_gives_strings(&t, 0, "2,4", STRS("a", "a", "b", "b", "a", "a", "b", "b"));
    node_end(&t);
    resize(&t, 13, "linear", NULL);
    node_in_strings(&t, "2", STRS("a", "b"));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "1", NUMS(2));
    node_fails(&t, TAP_UNSUPPORTED, "strings cannot be interpolated");
    node_end(&t);
    /* 10 * 0.7 as float32: 7 elements, not 6. */
    resize(&t, 13, "nearest", NULL);
    node_in(&t, TAP_BOOL, "10", NUMS(0, 1, 0, 1, 0, 1, 0, 1, 0, 1));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "1", NUMS(0.7));
    node_gives(&t, 0, TAP_BOOL, "7", NUMS(0, 0, 1, 0, 0, 1, 1));
    node_end(&t);
}

/* Between 10 and 20: exact places by `place`, rounded and kept in range for integers. */
static void linear_places(void) {
    static const struct {
        const char *place;
        double y[4];
    } cases[] = {{"half_pixel", {10, 12.5, 17.5, 20}},
                 {"pytorch_half_pixel", {10, 12.5, 17.5, 20}},
                 {"half_pixel_symmetric", {10, 12.5, 17.5, 20}},
                 {"asymmetric", {10, 15, 20, 20}},
                 {"align_corners", {10, 10 + 10.0 / 3, 10 + 20.0 / 3, 20}}};
    for (size_t i = 0; i < TAP_COUNT_OF(cases); i++) {
        node_test t;
        resize(&t, 19, "linear", cases[i].place);
        node_in(&t, TAP_FLOAT, "2", NUMS(10, 20));
        node_absent(&t);
        node_absent(&t);
        node_const(&t, TAP_INT64, "1", NUMS(4));
        node_gives(&t, 0, TAP_FLOAT, "4", cases[i].y);
        node_end(&t);
    }
    node_test t;
    resize(&t, 13, "linear", NULL);
    node_in(&t, TAP_UINT8, "2", NUMS(10, 20));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "1", NUMS(2));
    node_gives(&t, 0, TAP_UINT8, "4", NUMS(10, 12, 18, 20));
    node_end(&t);
    resize(&t, 13, "cubic", NULL);
    node_in(&t, TAP_UINT8, "4", NUMS(0, 255, 255, 0));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "1", NUMS(2));
    node_run(&t);
    const uint8_t *y = t.session ? tap_tensor_data(tap_value_tensor(tap_session_output(t.session, 0))) : NULL;
    CHECK(y && y[0] == 0 && y[3] == 255 && y[4] == 255);
    node_end(&t);
}

static void crops_extrapolate(void) {
    node_test t;
    resize(&t, 13, "linear", "tf_crop_and_resize");
    node_float(&t, "extrapolation_value", -1);
    node_in(&t, TAP_FLOAT, "3", NUMS(1, 2, 3));
    node_const(&t, TAP_FLOAT, "2", NUMS(0.5, 1.5));
    node_absent(&t);
    node_const(&t, TAP_INT64, "1", NUMS(3));
    node_gives(&t, 0, TAP_FLOAT, "3", NUMS(2, 3, -1));
    node_end(&t);
    static const tap_dtype dtypes[] = {TAP_INT16,  TAP_UINT64,    TAP_FLOAT16,
                                       TAP_DOUBLE, TAP_COMPLEX64, TAP_COMPLEX128};
    for (size_t i = 0; i < TAP_COUNT_OF(dtypes); i++) {
        resize(&t, 11, "nearest", "tf_crop_and_resize");
        node_float(&t, "extrapolation_value", i < 2 ? 9.6f : 9.5f); /* integers round it */
        node_in(&t, dtypes[i], "3", NUMS(1, 2, 3));
        node_const(&t, TAP_FLOAT, "2", NUMS(0.5, 1.5));
        node_const(&t, TAP_FLOAT, "0", NULL);
        node_const(&t, TAP_INT64, "1", NUMS(3));
        node_gives(&t, 0, dtypes[i], "3", NUMS(2, 3, i < 2 ? 10 : 9.5));
        node_end(&t);
    }
}

static void aspect_ratio_and_axes(void) {
    node_test t;
    resize(&t, 18, "nearest", NULL);
    node_string(&t, "keep_aspect_ratio_policy", "not_larger");
    node_ints(&t, "axes", INTS(2, 1));
    node_in(&t, TAP_INT8, "1,2,4", NUMS(1, 2, 3, 4, 5, 6, 7, 8));
    node_absent(&t);
    node_absent(&t);
    node_const(&t, TAP_INT64, "2", NUMS(8, 3));
    node_gives(&t, 0, TAP_INT8, "1,3,6", NUMS(1, 1, 2, 3, 3, 4, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8));
    node_end(&t);
}

static void resize_refuses(void) {
    node_test t;
    resize(&t, 13, "nearest", NULL);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "1", NUMS(-1));
    node_fails(&t, TAP_MODEL, "scales[0] is -1");
    node_end(&t);
    resize(&t, 13, "nearest", NULL);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "1", NUMS(2));
    node_const(&t, TAP_INT64, "1", NUMS(2));
    node_fails(&t, TAP_MODEL, "both scales and sizes");
    node_end(&t);
    resize(&t, 13, "nearest", NULL);
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_absent(&t);
    node_const(&t, TAP_FLOAT, "2", NUMS(2, 2));
    node_fails(&t, TAP_MODEL, "scales has 2 elements, not 1");
    node_end(&t);
    resize(&t, 13, "nearest", NULL);
    node_in(&t, TAP_FLOAT, "0", NULL);
    node_absent(&t);
    node_absent(&t);
    node_in(&t, TAP_INT64, "1", NUMS(2));
    node_fails(&t, TAP_RUN, "without elements");
    node_end(&t);
    node_begin(&t, "Upsample", 7, 1);
    node_floats(&t, "scales", 1, NUMS(0.5));
    node_in(&t, TAP_FLOAT, "2", NUMS(1, 2));
    node_fails(&t, TAP_MODEL, "less than 1");
    node_end(&t);
}

static void old_upsampling(void) {
    node_test t;
    node_begin(&t, "Upsample", 1, 1);
    node_string(&t, "mode", "bilinear");
    node_float(&t, "height_scale", 1);
    node_float(&t, "width_scale", 2);
    node_in(&t, TAP_FLOAT, "1,1,1,2", NUMS(1, 3));
    node_gives(&t, 0, TAP_FLOAT, "1,1,1,4", NUMS(1, 2, 3, 3));
    node_end(&t);
    /* Resize-10 rounds places up where it shrinks, down where it grows. */
    node_begin(&t, "Resize", 10, 1);
    node_in(&t, TAP_FLOAT, "4", NUMS(1, 2, 3, 4));
    node_const(&t, TAP_FLOAT, "1", NUMS(0.6));
    node_gives(&t, 0, TAP_FLOAT, "2", NUMS(1, 3));
    node_end(&t);
}

static void grids(void) {
    node_test t;
    node_begin(&t, "GridSample", 16, 1);
    node_in(&t, TAP_FLOAT, "1,1,1,2", NUMS(INFINITY, 4));
    node_in(&t, TAP_FLOAT, "1,1,3,2", NUMS(1.25, 0, NAN, 0, 1.5, 0));
    /* Three quarters out: a quarter of 4; nowhere, and outside: 0, into which no infinity leaks. */
    node_gives(&t, 0, TAP_FLOAT, "1,1,1,3", NUMS(1, 0, 0));
    node_end(&t);
    node_begin(&t, "GridSample", 20, 1);
    node_string(&t, "mode", "nearest");
    node_string(&t, "padding_mode", "reflection");
    node_in_strings(&t, "1,1,3", STRS("a", "b", "c"));
    node_in(&t, TAP_DOUBLE, "1,2,1", NUMS(-1.5, 2));
    node_gives_strings(&t, 0, "1,1,2", STRS("a", "b"));
    node_end(&t);
    node_begin(&t, "AffineGrid", 20, 1);
    node_int(&t, "align_corners", 1);
    node_in(&t, TAP_DOUBLE, "1,2,3", NUMS(1, 0, 0, 0, 1, 0.5));
    node_const(&t, TAP_INT64, "4", NUMS(1, 1, 1, 2));
    node_gives(&t, 0, TAP_DOUBLE, "1,1,2,2", NUMS(-1, 0.5, 1, 0.5));
    node_end(&t);
}

static void regions(void) {
    node_test t;
    node_begin(&t, "RoiAlign", 16, 1);
    node_in(&t, TAP_FLOAT, "1,1,1,1", NUMS(1));
    node_in(&t, TAP_FLOAT, "1,4", NUMS(0, 0, 1e30, 1e30));
    node_in(&t, TAP_INT64, "1", NUMS(0));
    node_fails(&t, TAP_RUN, "region 0 is too large");
    node_end(&t);
    node_begin(&t, "RoiAlign", 16, 1);
    node_in(&t, TAP_FLOAT16, "1,1,2,2", NUMS(1, 2, 3, 4));
    node_in(&t, TAP_FLOAT16, "1,4", NUMS(0, 0, 2, 2));
    node_in(&t, TAP_INT64, "1", NUMS(0));
    node_gives(&t, 0, TAP_FLOAT16, "1,1,1,1", NUMS(2.5));
    node_end(&t);
    node_begin(&t, "RoiAlign", 10, 1);
    node_in(&t, TAP_FLOAT, "1,1,1,1", NUMS(1));
    node_in(&t, TAP_FLOAT, "1,4", NUMS(0, 0, 1, 1));
    node_in(&t, TAP_INT64, "1", NUMS(1));
    node_fails(&t, TAP_RUN, "region 0 is of image 1; there are 1");
    node_end(&t);
    node_begin(&t, "MaxRoiPool", 1, 1);
    node_ints(&t, "pooled_shape", INTS(1, 2));
    node_in(&t, TAP_DOUBLE, "1,1,2,2", NUMS(1, 2, 3, -4));
    node_in(&t, TAP_DOUBLE, "2,5", NUMS(0, 0, 0, 1, 1, 0, 5, 5, 9, 9));
    node_gives(&t, 0, TAP_DOUBLE, "2,1,1,2", NUMS(3, 2, 0, 0));
    node_end(&t);
}

static void columns_to_images(void) {
    node_test t;
    node_begin(&t, "Col2Im", 18, 1);
    node_ints(&t, "pads", INTS(1, 0));
    node_ints(&t, "strides", INTS(INT32_MAX));
    node_in(&t, TAP_FLOAT16, "1,2,1", NUMS(5, 6));
    node_const(&t, TAP_INT64, "1", NUMS(3));
    node_const(&t, TAP_INT64, "1", NUMS(2));
    node_gives(&t, 0, TAP_FLOAT16, "1,1,3", NUMS(6, 0, 0));
    node_end(&t);
    node_begin(&t, "Col2Im", 18, 1);
    node_in(&t, TAP_BOOL, "1,2,2", NUMS(1, 0, 1, 0));
    node_const(&t, TAP_INT64, "1", NUMS(3));
    node_const(&t, TAP_INT64, "1", NUMS(2));
    node_gives(&t, 0, TAP_BOOL, "1,1,3", NUMS(1, 1, 0));
    node_end(&t);
    node_begin(&t, "Col2Im", 18, 1);
    node_in(&t, TAP_FLOAT, "1,2,3", NUMS(1, 2, 3, 4, 5, 6));
    node_const(&t, TAP_INT64, "1", NUMS(3));
    node_const(&t, TAP_INT64, "1", NUMS(2));
    node_fails(&t, TAP_MODEL, "3 columns for 2 places");
    node_end(&t);
}

int main(void) {
    static const test_case tests[] = {TEST(nearest_of_any_type),
                                      TEST(linear_places),
                                      TEST(crops_extrapolate),
                                      TEST(aspect_ratio_and_axes),
                                      TEST(resize_refuses),
                                      TEST(old_upsampling),
                                      TEST(grids),
                                      TEST(regions),
                                      TEST(columns_to_images)};
    return test_main(tests, sizeof tests / sizeof *tests);
}
