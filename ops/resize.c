/* Resize and Upsample: nearest, linear and cubic interpolation along any axes. */
#include <math.h>

#include "common/cast.h"
#include "common/move.h"
#include "common/resample.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC } resize_mode;
/* How a coordinate between two elements picks one. SIMPLE is that of the versions before the attribute: down
 * when the axis grows, up when it shrinks. */
typedef enum nearest_mode {
    PREFER_FLOOR,
    PREFER_CEIL,
    NEAREST_FLOOR,
    NEAREST_CEIL,
    NEAREST_SIMPLE
} nearest_mode;
typedef enum aspect { ASPECT_STRETCH, ASPECT_NOT_LARGER, ASPECT_NOT_SMALLER } aspect;

typedef struct resize_state {
    resize_mode mode;
    nearest_mode nearest;
    tap_place place;
    tap_kernel kernel;
    aspect policy;
    float extrapolation;
    int scales_in, sizes_in, roi_in; /* positions of the inputs; -1: there is none */
    const float *scales;             /* Upsample-1, -7: as attributes              */
    size_t n_scales;
    float old_scales[4];
    const int64_t *axes; /* NULL: all                                  */
    size_t n_axes;
} resize_state;

/* ---- Attributes ---- */

static void prepare_from_11(tap_ctx *ctx, resize_state *s) {
    static const char *const places[] = {"half_pixel",
                                         "pytorch_half_pixel",
                                         "align_corners",
                                         "asymmetric",
                                         "tf_half_pixel_for_nn",
                                         "tf_crop_and_resize",
                                         NULL,
                                         NULL};
    static const char *const places_19[] = {
        "half_pixel",           "pytorch_half_pixel", "align_corners",        "asymmetric",
        "tf_half_pixel_for_nn", "tf_crop_and_resize", "half_pixel_symmetric", NULL};
    static const char *const picks[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", NULL};
    static const char *const modes[] = {"nearest", "linear", "cubic", NULL};
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller", NULL};
    s->mode = (resize_mode)tap_attr_choice(ctx, "mode", "nearest", modes);
    s->place = (tap_place)tap_attr_choice(ctx, "coordinate_transformation_mode", "half_pixel",
                                          tap_opset(ctx) >= 19 ? places_19 : places);
    s->nearest = (nearest_mode)tap_attr_choice(ctx, "nearest_mode", "round_prefer_floor", picks);
    s->kernel.cubic = s->mode == RESIZE_CUBIC;
    s->kernel.a = (double)tap_attr_float(ctx, "cubic_coeff_a", -0.75f);
    s->kernel.exclude_outside = tap_attr_int(ctx, "exclude_outside", 0) != 0;
    s->extrapolation = tap_attr_float(ctx, "extrapolation_value", 0);
    if (tap_opset(ctx) < 18) return;
    s->kernel.antialias = tap_attr_int(ctx, "antialias", 0) != 0;
    s->policy = (aspect)tap_attr_choice(ctx, "keep_aspect_ratio_policy", "stretch", policies);
    if (tap_attr_has(ctx, "axes")) s->axes = tap_attr_ints(ctx, "axes", &s->n_axes);
}

static tap_status resize_prepare(tap_ctx *ctx, void **state) {
    static const char *const old_modes[] = {"nearest", "linear", NULL};
    resize_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    if (tap_opset(ctx) < 11) {
        s->mode = (resize_mode)tap_attr_choice(ctx, "mode", "nearest", old_modes);
        s->place = TAP_PLACE_ASYMMETRIC;
        s->nearest = NEAREST_SIMPLE;
        s->scales_in = 1;
        s->sizes_in = s->roi_in = -1;
        return TAP_OK;
    }
    s->roi_in = 1;
    s->scales_in = 2;
    s->sizes_in = 3;
    prepare_from_11(ctx, s);
    if (s->kernel.antialias && s->mode == RESIZE_NEAREST)
        return tap_fail(ctx, TAP_MODEL, "antialias has no meaning for the mode nearest");
    if (s->place == TAP_PLACE_TF_CROP_AND_RESIZE && !tap_has_in(ctx, 1))
        return tap_fail(ctx, TAP_MODEL, "tf_crop_and_resize needs the input roi");
    return TAP_OK;
}

static tap_status upsample_prepare(tap_ctx *ctx, void **state) {
    static const char *const first_modes[] = {"nearest", "bilinear", NULL};
    static const char *const modes[] = {"nearest", "linear", "bilinear", NULL};
    resize_state *s = tap_state(ctx, sizeof *s);
    int64_t opset = tap_opset(ctx);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->mode = tap_attr_choice(ctx, "mode", "nearest", opset < 7 ? first_modes : modes) ? RESIZE_LINEAR
                                                                                       : RESIZE_NEAREST;
    s->place = TAP_PLACE_ASYMMETRIC;
    s->nearest = NEAREST_SIMPLE;
    s->roi_in = s->sizes_in = -1;
    s->scales_in = opset >= 9 ? 1 : -1;
    if (opset < 7) {
        s->old_scales[0] = s->old_scales[1] = 1;
        s->old_scales[2] = tap_attr_float(ctx, "height_scale", 0);
        s->old_scales[3] = tap_attr_float(ctx, "width_scale", 0);
        s->scales = s->old_scales;
        s->n_scales = 4;
    } else if (opset < 9) {
        s->scales = tap_attr_floats(ctx, "scales", &s->n_scales);
    }
    for (size_t i = 0; i < s->n_scales; i++)
        if (!(s->scales[i] >= 1))
            return tap_fail(ctx, TAP_MODEL, "a scale is missing, or less than 1: %g", (double)s->scales[i]);
    return TAP_OK;
}

/* ---- Shapes ---- */

/* A list of numbers given by an input or by attributes; n -1: unknown, 0: absent. */
typedef struct numbers {
    const tap_tensor *t;
    const float *v;
    int64_t n;
} numbers;

static numbers numbers_in(const tap_ctx *ctx, int i) {
    numbers l = {NULL, NULL, 0};
    const tap_tensor *t = i < 0 || !tap_has_in(ctx, i) ? NULL : tap_in_known(ctx, i);
    const tap_type *type = i < 0 ? NULL : tap_in_type(ctx, i);
    if (i < 0 || !tap_has_in(ctx, i)) return l;
    l.t = t;
    l.n = t ? t->count : type && type->rank == 1 ? type->dims[0] : -1;
    return l;
}

static double number(const numbers *l, int i) {
    return l->v ? (double)l->v[i] : tap_real_at(l->t, i);
}

static bool known(const numbers *l) {
    return l->v || l->t;
}

typedef struct resize_plan {
    int rank;
    bool known; /* of every axis, what follows; else out is -1 where it is not */
    tap_resample_axis axis[TAP_RANK_MAX];
} resize_plan;

static tap_status check_length(tap_ctx *ctx, const numbers *l, int64_t n, const char *what) {
    if (l->n <= 0 || l->n == n) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements, not %lld", what, (long long)l->n,
                    (long long)n);
}

/* The scale that keeps the aspect ratio: the least, or the greatest, of size / in. */
static double common_scale(const resize_state *s, const numbers *sizes, const tap_ints *axes,
                           const int64_t *dims) {
    double scale = 0;
    for (int i = 0; i < axes->n; i++) {
        double r = number(sizes, i) / (double)dims[axes->v[i]];
        if (i == 0 || (s->policy == ASPECT_NOT_LARGER ? r < scale : r > scale)) scale = r;
    }
    return scale;
}

static tap_status size_axis(tap_ctx *ctx, const numbers *sizes, int i, double common, tap_resample_axis *a) {
    double size = number(sizes, i);
    if (!(size >= 0 && size < 0x1p62)) return tap_fail(ctx, tap_misfit(ctx), "sizes[%d] is %g", i, size);
    a->out = tap_cut_at(sizes->t, i);
    if (common > 0 && a->in >= 0) {
        double out = floor(common * (double)a->in + 0.5);
        if (!(out < 0x1p62)) return tap_fail(ctx, tap_misfit(ctx), "axis %d would have %g elements", i, out);
        a->out = (int64_t)out;
        a->scale = common;
    }
    return TAP_OK;
}

static tap_status scale_axis(tap_ctx *ctx, const numbers *scales, int i, tap_resample_axis *a) {
    double scale = number(scales, i);
    if (!(scale > 0 && scale < 0x1p62)) return tap_fail(ctx, tap_misfit(ctx), "scales[%d] is %g", i, scale);
    a->scale = scale;
    if (a->in < 0) return TAP_OK;
    float out = floorf((float)scale * (float)a->in);
    if (!(out < 0x1p62f))
        return tap_fail(ctx, tap_misfit(ctx), "axis %d would have %g elements", i, (double)out);
    a->out = (int64_t)out;
    return TAP_OK;
}

static tap_status find_axes(tap_ctx *ctx, int rank, tap_ints *axes) {
    const resize_state *s = ctx->state;
    tap_status status;
    *axes = (tap_ints){.known = true, .n = rank};
    for (int i = 0; i < rank; i++) axes->v[i] = i;
    if (s->axes && (status = tap_copy_ints(ctx, s->axes, s->n_axes, TAP_RANK_MAX, "axes", axes)))
        return status;
    return tap_norm_axes(ctx, axes->v, axes->n, rank, true);
}

static void set_region(const resize_state *s, const numbers *roi, const tap_ints *axes, resize_plan *p) {
    for (int i = 0; i < axes->n; i++) {
        tap_resample_axis *a = &p->axis[axes->v[i]];
        if (s->place != TAP_PLACE_TF_CROP_AND_RESIZE || !known(roi) || roi->n < 2 * axes->n) continue;
        a->start = number(roi, i);
        a->end = number(roi, axes->n + i);
    }
}

/* What each of the dims (rank of them, -1: unknown) becomes. */
static tap_status make_plan(tap_ctx *ctx, int rank, const int64_t *dims, resize_plan *p) {
    const resize_state *s = ctx->state;
    numbers scales = numbers_in(ctx, s->scales_in), sizes = numbers_in(ctx, s->sizes_in);
    numbers roi = numbers_in(ctx, s->roi_in);
    tap_ints axes;
    tap_status status = find_axes(ctx, rank, &axes);
    if (s->scales) scales = (numbers){NULL, s->scales, (int64_t)s->n_scales};
    if (!status) status = check_length(ctx, &scales, axes.n, "scales");
    if (!status) status = check_length(ctx, &sizes, axes.n, "sizes");
    if (!status && s->place == TAP_PLACE_TF_CROP_AND_RESIZE)
        status = check_length(ctx, &roi, 2 * axes.n, "roi");
    if (status) return status;
    if (scales.n == 0 && sizes.n == 0)
        return tap_fail(ctx, tap_misfit(ctx), "neither scales nor sizes are given");
    if (scales.n > 0 && sizes.n > 0) return tap_fail(ctx, tap_misfit(ctx), "both scales and sizes are given");
    p->rank = rank;
    for (int i = 0; i < rank; i++)
        p->axis[i] = (tap_resample_axis){.in = dims[i], .out = dims[i], .end = 1, .place = s->place};
    const numbers *given = sizes.n > 0 || (sizes.n < 0 && scales.n == 0) ? &sizes : &scales;
    p->known = known(given);
    if (scales.n < 0 && sizes.n < 0) p->known = false;
    for (int i = 0; i < axes.n; i++)
        if (!p->known || dims[axes.v[i]] < 0) p->axis[axes.v[i]].out = -1;
    if (!p->known) return TAP_OK;
    bool common = given == &sizes && s->policy != ASPECT_STRETCH;
    for (int i = 0; i < axes.n; i++)
        if (common && dims[axes.v[i]] < 0) return TAP_OK;
    double scale = common ? common_scale(s, &sizes, &axes, dims) : 0;
    for (int i = 0; i < axes.n && !status; i++) {
        tap_resample_axis *a = &p->axis[axes.v[i]];
        status = given == &sizes ? size_axis(ctx, &sizes, i, scale, a) : scale_axis(ctx, &scales, i, a);
    }
    set_region(s, &roi, &axes, p);
    return status;
}

static tap_status check_types(tap_ctx *ctx) {
    const resize_state *s = ctx->state;
    tap_status status = TAP_OK;
    if (s->scales_in >= 0) status = tap_need_dtype(ctx, s->scales_in, TAP_BIT(TAP_FLOAT), "scales");
    if (!status && s->sizes_in >= 0) status = tap_need_dtype(ctx, s->sizes_in, TAP_BIT(TAP_INT64), "sizes");
    if (!status && s->roi_in >= 0) status = tap_need_dtype(ctx, s->roi_in, TAP_TYPES_FLOAT, "roi");
    if (!status && tap_in_type(ctx, 0)->dtype == TAP_STRING && s->mode != RESIZE_NEAREST)
        return tap_fail(ctx, TAP_UNSUPPORTED, "strings cannot be interpolated, only copied (mode nearest)");
    return status;
}

static tap_status resize_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    resize_plan p;
    int64_t dims[TAP_RANK_MAX];
    tap_status status = check_types(ctx);
    if (status || x->rank < 0) return status ? status : tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if ((status = make_plan(ctx, x->rank, x->dims, &p))) return status;
    for (int i = 0; i < x->rank; i++) dims[i] = p.axis[i].out;
    return tap_out_type(ctx, 0, x->dtype, x->rank, dims);
}

/* ---- Which axes ---- */

/* Whether an axis is taken as it is. */
static bool unchanged(const tap_resample_axis *a) {
    return a->in == a->out && (a->scale == 0 || a->scale == 1) && a->start == 0 && a->end == 1;
}

/* Numbers that are to become integers are rounded and kept in range first. */
static void range_of(tap_dtype t, double *lo, double *hi) {
    const int bits = (int)(8 * tap_dtype_bytes(t));
    const bool sign = (TAP_BIT(t) & TAP_TYPES_INT) != 0;
    const double end = ldexp(1, sign ? bits - 1 : bits);
    *lo = sign ? -end : 0;
    *hi = bits == 64 ? nextafter(end, 0) : end - 1;
}

/* The constant around the image, as it is in the output. */
static double extrapolated(tap_dtype t, float v) {
    double lo, hi;
    if (!(TAP_BIT(t) & (TAP_TYPES_INT | TAP_TYPES_UINT))) return (double)v;
    range_of(t, &lo, &hi);
    return fmin(fmax(nearbyint((double)v), lo), hi);
}

/* ---- Nearest: rows of blocks, as in Pad ---- */

/* One element; of complex numbers the real part. */
static void store_constant(tap_dtype t, double value, void *to) {
    const bool complex_number = t == TAP_COMPLEX64 || t == TAP_COMPLEX128;
    const tap_dtype part = t == TAP_COMPLEX64 ? TAP_FLOAT : TAP_DOUBLE;
    memset(to, 0, tap_dtype_bytes(t));
    TAP_ISA_NAME(tap_cast_dense)(TAP_DOUBLE, complex_number ? part : t, 1, &value, to);
}

#define TAP_WORD_LOOPS "resize.inc"
#include "common/words.inc"

static int64_t nearest_of(const resize_state *s, const tap_resample_axis *a, int64_t o) {
    double c = tap_source_of(a, o, true), p;
    bool shrinks = (a->scale > 0 ? a->scale : (double)a->out / (double)a->in) < 1;
    switch (s->nearest) {
    case PREFER_CEIL: p = floor(c + 0.5); break;
    case NEAREST_FLOOR: p = floor(c); break;
    case NEAREST_CEIL: p = ceil(c); break;
    case NEAREST_SIMPLE: p = shrinks ? ceil(c) : floor(c); break;
    default: p = ceil(c - 0.5); break;
    }
    return (int64_t)fmin(fmax(p, 0), (double)(a->in - 1));
}

typedef struct nearest {
    const char *x;
    char *y;
    int last; /* the axis of the rows                              */
    int64_t out[TAP_RANK_MAX];
    int64_t *at[TAP_RANK_MAX]; /* offsets in bytes, of the last axis in words; -1: outside */
    bool words;                /* a block is one word                               */
    size_t width;
    int64_t block_bytes;
    uint64_t constant[2];
} nearest;

static int64_t row_source(const nearest *j, int64_t r) {
    int64_t offset = 0;
    for (int i = j->last - 1; i >= 0; i--) {
        int64_t at = j->at[i][r % j->out[i]];
        if (at < 0) return -1;
        offset += at;
        r /= j->out[i];
    }
    return offset;
}

static void fill_constant(const nearest *j, int64_t n_bytes, char *y) {
    for (int64_t i = 0; i < n_bytes; i += (int64_t)j->width) memcpy(y + i, j->constant, j->width);
}

static void nearest_row(const nearest *j, const char *x, char *y) {
    static void (*const pick[])(int64_t, const char *, const int64_t *, char *) = {pick_w1, pick_w2, pick_w4,
                                                                                   pick_w8, pick_w16};
    const int64_t *at = j->at[j->last];
    int64_t n = j->out[j->last], block = j->block_bytes;
    if (j->words) {
        pick[__builtin_ctzll((uint64_t)block)](n, x, at, y);
        return;
    }
    for (int64_t i = 0; i < n; i++, y += block) {
        if (at[i] < 0)
            fill_constant(j, block, y);
        else
            tap_copy_row(x + at[i] * block, y, (size_t)block);
    }
}

static void nearest_task(void *arg, int64_t begin, int64_t end, int worker) {
    const nearest *j = arg;
    int64_t row_bytes = j->out[j->last] * j->block_bytes, before = -2;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        int64_t offset = row_source(j, r);
        char *y = j->y + r * row_bytes;
        if (offset == before)
            memcpy(y, y - row_bytes, (size_t)row_bytes);
        else if (offset < 0)
            fill_constant(j, row_bytes, y);
        else
            nearest_row(j, j->x + offset, y);
        before = offset;
    }
}

/* The offsets of one axis. *all: none is outside. */
static int64_t *axis_offsets(tap_ctx *ctx, const tap_resample_axis *a, int64_t step, bool *all) {
    const resize_state *s = ctx->state;
    int64_t *at = tap_scratch(ctx, (size_t)a->out * sizeof *at);
    for (int64_t o = 0; at && o < a->out; o++) {
        bool outside = !unchanged(a) && tap_source_outside(a, tap_source_of(a, o, true));
        at[o] = outside ? -1 : (unchanged(a) ? o : nearest_of(s, a, o)) * step;
        if (outside) *all = false;
    }
    return at;
}

static tap_status run_nearest(tap_ctx *ctx, const resize_plan *p) {
    const resize_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    nearest j = {.x = x->data, .y = y->data, .width = tap_dtype_bytes(x->dtype), .last = x->rank - 1};
    int64_t step[TAP_RANK_MAX], rows = 1;
    bool all = true;
    double value = extrapolated(x->dtype, s->extrapolation);
    j.block_bytes = (int64_t)j.width;
    tap_dense_steps(j.width, x->rank, x->dims, step);
    while (j.last > 0 && unchanged(&p->axis[j.last])) j.block_bytes *= x->dims[j.last--];
    for (int i = 0; i <= j.last; i++) {
        j.out[i] = p->axis[i].out;
        j.at[i] = axis_offsets(ctx, &p->axis[i], i == j.last ? 1 : step[i], &all);
        if (!j.at[i]) return TAP_MEMORY;
        if (i < j.last) rows *= j.out[i];
    }
    if (!all && x->dtype != TAP_STRING) store_constant(x->dtype, value, j.constant);
    j.words = all && j.block_bytes <= 16 && (j.block_bytes & (j.block_bytes - 1)) == 0;
    tap_parallel(ctx, rows, tap_max64(1, 65536 / (j.out[j.last] * j.block_bytes)), nearest_task, &j);
    return TAP_OK;
}

/* ---- Linear and cubic: a pass for each axis that changes ---- */

/* The result in the output's dtype. */
static tap_resampled resampled_as(tap_dtype t) {
    tap_resampled r = {.dtype = t, .round = (TAP_BIT(t) & (TAP_TYPES_INT | TAP_TYPES_UINT)) != 0};
    if (r.round) range_of(t, &r.lo, &r.hi);
    return r;
}

/* The axes that change, those first that make the data smaller; of equals, the inner one. */
static int order_passes(const resize_plan *p, int *order) {
    int n = 0;
    for (int i = p->rank - 1; i >= 0; i--) {
        if (unchanged(&p->axis[i])) continue;
        double growth = (double)p->axis[i].out / (double)p->axis[i].in;
        int k = n++;
        for (; k > 0; k--) {
            const tap_resample_axis *b = &p->axis[order[k - 1]];
            if ((double)b->out / (double)b->in <= growth) break;
            order[k] = order[k - 1];
        }
        order[k] = i;
    }
    return n;
}

/* What is interpolated in: complex numbers are two neighbouring numbers each. */
static tap_dtype compute_type(tap_dtype t) {
    switch (t) {
    case TAP_FLOAT:
    case TAP_FLOAT16:
    case TAP_BFLOAT16:
    case TAP_COMPLEX64: return TAP_FLOAT;
    default: return TAP_DOUBLE;
    }
}

static tap_dtype part_type(tap_dtype t) {
    return t == TAP_COMPLEX64 ? TAP_FLOAT : t == TAP_COMPLEX128 ? TAP_DOUBLE : t;
}

static tap_status run_passes(tap_ctx *ctx, const resize_plan *p) {
    const resize_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    tap_dtype stored = part_type(x->dtype), wide = compute_type(x->dtype);
    int64_t dims[TAP_RANK_MAX], parts = stored == x->dtype ? 1 : 2;
    size_t width = tap_dtype_bytes(wide);
    int order[TAP_RANK_MAX], n = order_passes(p, order);
    const void *from = x->data;
    void *to = NULL;
    memcpy(dims, x->dims, sizeof dims);
    if (n == 0) {
        tap_move_bytes(ctx, x->count * (int64_t)tap_dtype_bytes(x->dtype), x->data, y->data);
        return TAP_OK;
    }
    for (int i = 0; i < n; i++) {
        int axis = order[i];
        tap_taps t;
        tap_status status = tap_make_taps(ctx, &p->axis[axis], &s->kernel, &t);
        if (status) return status;
        dims[axis] = t.out;
        int64_t pre = tap_product(dims, axis),
                post = tap_product(dims + axis + 1, x->rank - axis - 1) * parts;
        if (pre < 0 || post < 0) return tap_fail(ctx, TAP_RUN, "an intermediate image is too large");
        const bool last = i == n - 1;
        const tap_resampled as = resampled_as(last ? stored : wide);
        to = last ? y->data : tap_scratch(ctx, (size_t)pre * (size_t)t.out * (size_t)post * width);
        if (!to) return TAP_MEMORY;
        status = tap_resample_pass(ctx, wide == TAP_DOUBLE, &t, pre, post,
                                   extrapolated(x->dtype, s->extrapolation), i == 0 ? stored : wide, from,
                                   &as, to);
        if (status) return status;
        from = to;
    }
    return TAP_OK;
}

/* ---- Running ---- */

static tap_status resize_run(tap_ctx *ctx) {
    const resize_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const tap_type *type = tap_in_type(ctx, 0);
    resize_plan p;
    tap_status status = make_plan(ctx, type->rank, type->dims, &p);
    if (status || ctx->out[0]->count == 0) return status;
    if (x->count == 0) return tap_fail(ctx, TAP_RUN, "an image without elements cannot be made larger");
    for (int i = 0; i < p.rank; i++)
        if (p.axis[i].in > INT32_MAX || p.axis[i].out > INT32_MAX)
            return tap_fail(ctx, TAP_RUN, "axis %d is too long to be resized", i);
    if (ctx->channels_last && p.rank >= 3) {
        tap_resample_axis channels = p.axis[1];
        for (int i = 1; i < p.rank - 1; i++) p.axis[i] = p.axis[i + 1];
        p.axis[p.rank - 1] = channels;
    }
    if (p.rank == 0) {
        memcpy(ctx->out[0]->data, x->data, tap_dtype_bytes(x->dtype));
        return TAP_OK;
    }
    return s->mode == RESIZE_NEAREST ? run_nearest(ctx, &p) : run_passes(ctx, &p);
}

/* The standard's "all types" before the 8-bit floats. */
#define PLAIN_TYPES                                                                         \
    (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL) | TAP_BIT(TAP_STRING) | TAP_BIT(TAP_COMPLEX64) | \
     TAP_BIT(TAP_COMPLEX128))
#define RESIZE                                                                                              \
    .out_min = 1, .out_max = 1, .flags = TAP_TAKES_CHANNELS_LAST, .image_inputs = 1, .dtypes = PLAIN_TYPES, \
    .infer = resize_infer, .run = resize_run

#define ROUNDED "Interpolated integers are rounded, half to even, and kept in range."
#define ALIGNED                                                                                             \
    " align_corners: with scales, the resized length is input * scale before it is cut to a whole number, " \
    "as the standard's own tests have it (ONNX Runtime and PyTorch take the whole number)."

static const tap_op ops[] = {
    {.name = "Upsample",
     .since = 1,
     .until = 8,
     .in_min = 1,
     .in_max = 1,
     RESIZE,
     .prepare = upsample_prepare},
    {.name = "Upsample",
     .notes = "Deprecated since opset 10, and the same there.",
     .since = 9,
     .in_min = 2,
     .in_max = 2,
     RESIZE,
     .prepare = upsample_prepare},
    {.name = "Resize",
     .since = 10,
     .until = 10,
     .in_min = 2,
     .in_max = 2,
     RESIZE,
     .notes = ROUNDED,
     .prepare = resize_prepare},
    {.name = "Resize",
     .since = 11,
     .until = 12,
     .in_min = 3,
     .in_max = 4,
     RESIZE,
     .notes = ROUNDED ALIGNED,
     .prepare = resize_prepare},
    {.name = "Resize",
     .since = 13,
     .in_min = 1,
     .in_max = 4,
     RESIZE,
     .notes = ROUNDED ALIGNED,
     .prepare = resize_prepare},
    {0},
};

TAP_DEFINE_FAMILY(resize, ops);
