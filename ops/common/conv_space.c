/* The geometry of a convolution. */
#include "common/conv_space.h"

static bool is_pointwise(const tap_conv_axis *a) {
    return a->taps == 1 && a->first == 0 && a->step == 1 && a->out == a->in && a->out_step == 1 &&
           a->out_extent == a->out;
}

static tap_conv_axis pointwise_axis(int64_t n) {
    return (tap_conv_axis){
        .in = n, .step = 1, .taps = 1, .tap_step = 1, .out = n, .out_extent = n, .out_step = 1};
}

static void simplify_axes(tap_conv_space *s, const tap_conv *v) {
    int64_t pixels = v->images;
    s->images = v->images;
    s->pointwise = true;
    for (int i = 0; i < v->n_axes; i++) {
        const tap_conv_axis *a = &v->axes[i];
        s->pointwise = s->pointwise && is_pointwise(a);
        pixels *= a->in;
        if (a->in != 1 || !is_pointwise(a)) s->axes[s->n_axes++] = *a;
    }
    if (s->pointwise) {
        s->n_axes = 1;
        s->axes[0] = pointwise_axis(pixels);
        s->images = 1;
    }
}

/* What follows from the axes. */
static void measure(tap_conv_space *s, const tap_conv *v, int64_t elem) {
    int64_t in = 1, out = 1;
    s->x_pixel = v->groups * v->c * elem;
    s->y_pixel = v->groups * v->m * elem;
    s->last = s->axes[s->n_axes - 1];
    s->outer_taps = s->lines = 1;
    s->dense = true;
    for (int i = 0; i < s->n_axes; i++) {
        const tap_conv_axis *a = &s->axes[i];
        in *= a->in;
        out *= a->out_extent;
        s->dense = s->dense && a->out_step == 1 && a->out == a->out_extent;
        if (i + 1 < s->n_axes) s->outer_taps *= a->taps, s->lines *= a->out;
    }
    s->x_image = in * s->x_pixel;
    s->y_image = out * s->y_pixel;
}

void tap_conv_space_init(tap_conv_space *s, const tap_conv *v, int64_t elem) {
    *s = (tap_conv_space){0};
    simplify_axes(s, v);
    measure(s, v, elem);
}

void tap_conv_space_keep(tap_conv_space *s, const tap_conv *v, int64_t elem) {
    *s = (tap_conv_space){.n_axes = v->n_axes, .images = v->images};
    for (int i = 0; i < v->n_axes; i++) s->axes[i] = v->axes[i];
    measure(s, v, elem);
}

int64_t tap_conv_row(const tap_conv_space *s, int64_t l, int64_t tap) {
    int64_t row = 0, stride = s->last.in;
    for (int i = s->n_axes - 2; i >= 0; i--) {
        const tap_conv_axis *a = &s->axes[i];
        /* What is left for the first axis is its index: images need no division. */
        int64_t o = i ? l % a->out : l, t = i ? tap % a->taps : tap;
        int64_t x = o * a->step + a->first + t * a->tap_step;
        if (x < 0 || x >= a->in) return -1;
        row += x * stride;
        if (!i) break;
        stride *= a->in;
        l /= a->out;
        tap /= a->taps;
    }
    return row * s->x_pixel;
}

int64_t tap_conv_place(const tap_conv_space *s, int64_t l, int64_t o) {
    int64_t at = s->last.out_first + o * s->last.out_step, stride = s->last.out_extent;
    for (int i = s->n_axes - 2; i >= 0; i--) {
        const tap_conv_axis *a = &s->axes[i];
        at += (a->out_first + (i ? l % a->out : l) * a->out_step) * stride;
        stride *= a->out_extent;
        if (i) l /= a->out;
    }
    return at;
}
