/* Operators on images that take many channels at once: what each channel gives by itself, to the bit. */
#include "node.h"

enum { IMAGES = 2, HEIGHT = 13, WIDTH = 11, PIXELS = HEIGHT * WIDTH, CHANNELS = 45, REGIONS = 9 };
static double image[IMAGES * CHANNELS * PIXELS], some[IMAGES * CHANNELS * PIXELS],
    places[IMAGES * PIXELS * 2], regions[REGIONS * 5], batch[REGIONS];

static uint32_t rng = 1;
static double between(double lo, double hi) {
    rng = rng * 1664525u + 1013904223u;
    return lo + (hi - lo) * (double)(rng >> 8) / 0x1p24;
}

static void draw(void) {
    for (int i = 0; i < IMAGES * CHANNELS * PIXELS; i++) {
        image[i] = between(-2, 2);
        if (i % 701 == 5) image[i] = i % 2 ? (double)NAN : (double)INFINITY;
    }
    for (int i = 0; i < IMAGES * PIXELS * 2; i++) places[i] = i % 97 == 3 ? (double)NAN : between(-1.3, 1.3);
    for (int r = 0; r < REGIONS; r++) {
        double *v = &regions[r * 5];
        batch[r] = v[0] = r % IMAGES;
        v[1] = between(-3, 8);
        v[2] = between(-3, 9);
        v[3] = v[1] + (r == 0 ? 0 : between(0, 9));
        v[4] = v[2] + (r == 1 ? -4 : r == 2 ? 200 : between(0, 9)); /* upside down; far beyond the image */
    }
}

/* Channels first .. first + n of each image, [pixel][channel] where `last`. */
static const double *channels(int first, int n, bool last) {
    for (int i = 0; i < IMAGES; i++)
        for (int c = 0; c < n; c++)
            for (int p = 0; p < PIXELS; p++)
                some[i * n * PIXELS + (last ? p * n + c : c * PIXELS + p)] =
                    image[(i * CHANNELS + first + c) * PIXELS + p];
    return some;
}

static const char *image_shape(int n, bool last) {
    static char text[64];
    const int plane[] = {HEIGHT, WIDTH};
    snprintf(text, sizeof text, "%d,%d,%d,%d", IMAGES, last ? plane[0] : n, last ? plane[1] : plane[0],
             last ? n : plane[1]);
    return text;
}

typedef void make_node(node_test *t, tap_dtype dtype, const char *shape, const double *x, const char *mode);

static void grid_sample(node_test *t, tap_dtype dtype, const char *shape, const double *x, const char *mode) {
    node_begin(t, "GridSample", 20, 1);
    node_string(t, "mode", mode);
    node_string(t, "padding_mode", mode[0] == 'c' ? "reflection" : "zeros");
    node_in(t, dtype, shape, x);
    node_in(t, TAP_FLOAT, "2,11,13,2", places);
}

static void roi_align(node_test *t, tap_dtype dtype, const char *shape, const double *x, const char *mode) {
    double corners[REGIONS * 4];
    for (int i = 0; i < REGIONS * 4; i++) corners[i] = regions[i / 4 * 5 + 1 + i % 4];
    node_begin(t, "RoiAlign", 16, 1);
    node_string(t, "mode", mode);
    node_int(t, "output_height", 5);
    node_int(t, "output_width", 3);
    node_in(t, dtype, shape, x);
    node_in(t, dtype, "9,4", corners);
    node_in(t, TAP_INT64, "9", batch);
}

static void max_roi_pool(node_test *t, tap_dtype dtype, const char *shape, const double *x,
                         const char *mode) {
    (void)mode;
    node_begin(t, "MaxRoiPool", 1, 1);
    node_ints(t, "pooled_shape", INTS(5, 3));
    node_in(t, dtype, shape, x);
    node_in(t, dtype, "9,5", regions);
}

static void resize(node_test *t, tap_dtype dtype, const char *shape, const double *x, const char *mode) {
    node_begin(t, "Resize", 13, 1);
    node_string(t, "mode", mode);
    node_in(t, dtype, shape, x);
    node_absent(t);
    node_const(t, TAP_FLOAT, "4", NUMS(1, 1.5, 2.25, 1));
}

static const tap_tensor *output_of(node_test *t) {
    node_run(t);
    CHECK_STR(t->err.text, "");
    return t->session ? tap_value_tensor(tap_session_output(t->session, 0)) : NULL;
}

/* Channel c of `all` and `one`, whose only channel it is, are the same. */
static void same_channel(const tap_tensor *all, const tap_tensor *one, int n, int c, bool last) {
    const size_t width = tap_dtype_bytes(one->dtype);
    const int64_t outer = one->dims[0], each = one->count / outer;
    int64_t wrong = 0;
    CHECK_EQ(all->count, one->count * n);
    if (all->count != one->count * n) return;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t p = 0; p < each; p++) {
            const int64_t at = o * n * each + (last ? p * n + c : c * each + p);
            wrong += memcmp((const char *)all->data + (size_t)at * width,
                            (const char *)one->data + (size_t)(o * each + p) * width, width) != 0;
        }
    CHECK_EQ(wrong, 0);
}

static void compare(make_node *make, const char *mode, bool last, int n, tap_dtype dtype) {
    node_test t, one;
    make(&t, dtype, image_shape(n, last), channels(0, n, last), mode);
    const tap_tensor *all = output_of(&t);
    for (int c = 0; all && c < n; c++) {
        make(&one, dtype, image_shape(1, last), channels(c, 1, last), mode);
        const tap_tensor *y = output_of(&one);
        if (y) same_channel(all, y, n, c, last);
        node_end(&one);
    }
    node_end(&t);
}

static void compare_all(make_node *make, const char *mode, bool last) {
    static const int counts[] = {2, 3, 7, 8, 9, 33, CHANNELS};
    static const tap_dtype types[] = {TAP_FLOAT, TAP_DOUBLE, TAP_FLOAT16};
    draw();
    for (size_t k = 0; k < TAP_COUNT_OF(counts); k++)
        for (size_t i = 0; i < (counts[k] == 9 ? TAP_COUNT_OF(types) : 1); i++)
            compare(make, mode, last, counts[k], types[i]);
}

static void grids_of_places(void) {
    compare_all(grid_sample, "linear", false);
    compare_all(grid_sample, "cubic", false);
    compare_all(grid_sample, "nearest", false);
}

static void regions_of_images(void) {
    compare_all(roi_align, "avg", false);
    compare_all(roi_align, "max", false);
    compare_all(max_roi_pool, "", false);
}

static void channels_last(void) {
    compare_all(resize, "linear", true);
    compare_all(resize, "cubic", true);
}

int main(void) {
    static const test_case tests[] = {TEST(grids_of_places), TEST(regions_of_images), TEST(channels_last)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
