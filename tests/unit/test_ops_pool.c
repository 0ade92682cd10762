/* MaxPool against a plain loop: with indices, of lines of every length, stride and border; of every number of
 * channels where they lie last. */
#include "node.h"

enum { PLANES = 3, HEIGHT = 7, MOST = 75 };
static double x[PLANES * HEIGHT * MOST], y[PLANES * (HEIGHT + 2) * (MOST + 2)],
    at[PLANES * (HEIGHT + 2) * (MOST + 2)];

typedef struct pool_case {
    int width, kernel, stride, pad, dilation;
    bool column_major;
} pool_case;

static int outputs(const pool_case *c, int in) {
    const int room = in + 2 * c->pad - (c->kernel - 1) * c->dilation - 1;
    return room < 0 ? 0 : room / c->stride + 1;
}

/* Of equal elements the first in the window, of NaNs too. */
static void largest(const pool_case *c, int plane, int oy, int ox, double *best, double *place) {
    bool found = false;
    for (int ky = 0; ky < c->kernel; ky++)
        for (int kx = 0; kx < c->kernel; kx++) {
            const int h = oy * c->stride - c->pad + ky * c->dilation,
                      w = ox * c->stride - c->pad + kx * c->dilation;
            if (h < 0 || h >= HEIGHT || w < 0 || w >= c->width) continue;
            const double v = x[(plane * HEIGHT + h) * c->width + w];
            if (found && !(v > *best || (isnan(v) && !isnan(*best)))) continue;
            found = true;
            *best = v;
            *place = plane * HEIGHT * c->width + (c->column_major ? w * HEIGHT + h : h * c->width + w);
        }
}

static void check(const pool_case *c, tap_dtype dtype) {
    const int oh = outputs(c, HEIGHT), ow = outputs(c, c->width);
    char in[64], out[64];
    node_test t;
    if (oh < 1 || ow < 1) return;
    for (int i = 0; i < PLANES * HEIGHT * c->width; i++)
        x[i] = dtype != TAP_INT8 && i % 53 == 17 ? (double)NAN : (double)(i * 37 % 23) - 11;
    for (int p = 0, i = 0; p < PLANES; p++)
        for (int o = 0; o < oh * ow; o++, i++) largest(c, p, o / ow, o % ow, &y[i], &at[i]);
    snprintf(in, sizeof in, "1,%d,%d,%d", PLANES, HEIGHT, c->width);
    snprintf(out, sizeof out, "1,%d,%d,%d", PLANES, oh, ow);
    node_begin(&t, "MaxPool", 12, 2);
    node_ints(&t, "kernel_shape", INTS(c->kernel, c->kernel));
    node_ints(&t, "strides", INTS(c->stride, c->stride));
    node_ints(&t, "pads", INTS(c->pad, c->pad, c->pad, c->pad));
    node_ints(&t, "dilations", INTS(c->dilation, c->dilation));
    node_int(&t, "storage_order", c->column_major);
    node_in(&t, dtype, in, x);
    node_gives(&t, 0, dtype, out, y);
    node_gives(&t, 1, TAP_INT64, out, at);
    node_end(&t);
}

static void indices_of_maxima(void) {
    static const tap_dtype types[] = {TAP_FLOAT, TAP_DOUBLE, TAP_FLOAT16, TAP_INT8};
    for (int width = 1; width <= MOST; width += width < 40 ? 1 : 5)
        for (int stride = 1; stride <= 3; stride++)
            for (int kernel = 1; kernel <= 3; kernel++) {
                const pool_case c = {
                    width, kernel, stride, kernel / 2 * (width % 2), 1 + width % 3 / 2, width % 4 == 1};
                check(&c, TAP_FLOAT);
                if (width % 17 == 0) check(&c, types[1 + width / 17 % 3]);
            }
}

/* The largest of channel `c` under an output of a window of 3 with a pad of 1; a NaN is. */
static double largest_last(int channels, int oy, int ox, int c) {
    double best = -(double)INFINITY;
    for (int h = oy * 2 - 1; h < oy * 2 + 2; h++)
        for (int w = ox * 2 - 1; w < ox * 2 + 2; w++) {
            if (h < 0 || h >= HEIGHT || w < 0 || w >= HEIGHT) continue;
            const double v = x[(h * HEIGHT + w) * channels + c];
            if (v > best || isnan(v)) best = v;
            if (isnan(v)) return v;
        }
    return best;
}

static void channels_last(void) {
    const int out = (HEIGHT + 1) / 2;
    for (int channels = 1; channels <= 26; channels += 1) {
        char in[32], shape[32];
        node_test t;
        for (int i = 0; i < HEIGHT * HEIGHT * channels; i++)
            x[i] = i % 53 == 17 ? (double)NAN : i % 5 ? (double)(i * 37 % 23) - 11 : -(double)INFINITY;
        for (int i = 0; i < out * out * channels; i++) {
            const int c = i / (out * out), pixel = i % (out * out);
            y[i] = largest_last(channels, pixel / out, pixel % out, c);
        }
        snprintf(in, sizeof in, "1,%d,%d,%d", HEIGHT, HEIGHT, channels);
        snprintf(shape, sizeof shape, "1,%d,%d,%d", channels, out, out);
        node_begin(&t, "Transpose", 12, 1);
        node_ints(&t, "perm", INTS(0, 3, 1, 2));
        node_in(&t, TAP_FLOAT, in, x);
        pb_str(t.node, 2, "turned");
        pb_msg(t.graph, 1, t.node);
        t.node = pb_node("MaxPool", "pool");
        pb_str(t.node, 1, "turned");
        node_ints(&t, "kernel_shape", INTS(3, 3));
        node_ints(&t, "strides", INTS(2, 2));
        node_ints(&t, "pads", INTS(1, 1, 1, 1));
        node_gives(&t, 0, TAP_FLOAT, shape, y);
        node_end(&t);
    }
}

int main(void) {
    static const test_case tests[] = {TEST(indices_of_maxima), TEST(channels_last)};
    return test_main(tests, TAP_COUNT_OF(tests));
}
