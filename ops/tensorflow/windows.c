/* TensorFlow's windows over images in the order [batch][y][x][channel]: MaxPoolWithArgmax, Dilation2D,
 * CropAndResize, ScaleAndTranslate. */
#include <float.h>
#include <math.h>

#include "common/scalar.h"
#include "common/shape.h"
#include "tensorflow/numbers.h"
#include "tensorflow/tensorflow.h"

/* ---- Windows of MaxPoolWithArgmax and Dilation2D ---- */

typedef struct window_state {
    int64_t kernel[2], strides[2], rates[2];
    bool same, with_batch;
    tap_dtype index;
} window_state;

/* The two middle numbers of four; the outer ones are 1. */
static tap_status middle(tap_ctx *ctx, const char *name, int64_t *v) {
    size_t n;
    const int64_t *given = tap_attr_ints(ctx, name, &n);
    if (n != 4 || given[0] != 1 || given[3] != 1)
        return tap_fail(ctx, TAP_MODEL, "attribute %s must have four numbers, the outer ones 1", name);
    for (int i = 0; i < 2; i++) {
        v[i] = given[i + 1];
        if (v[i] < 1 || v[i] > INT32_MAX)
            return tap_fail(ctx, TAP_MODEL, "attribute %s has %lld", name, (long long)v[i]);
    }
    return TAP_OK;
}

static tap_status window_prepare(tap_ctx *ctx, void **state) {
    static const char *const paddings[] = {"SAME", "VALID", NULL};
    window_state *s = tap_state(ctx, sizeof *s);
    const bool pool = strcmp(tap_ctx_op(ctx)->name, "MaxPoolWithArgmax") == 0;
    if (!s) return TAP_MEMORY;
    *state = s;
    *s = (window_state){.rates = {1, 1}, .index = TAP_INT64};
    tap_status st = middle(ctx, "strides", s->strides);
    if (!st && pool) st = middle(ctx, "ksize", s->kernel);
    if (!st && !pool) st = middle(ctx, "rates", s->rates);
    s->same = tap_attr_choice(ctx, "padding", "VALID", paddings) == 0;
    if (pool) {
        s->with_batch = tap_attr_int(ctx, "include_batch_in_index", 0) != 0;
        if (tap_attr_int(ctx, "Targmax", TAP_INT64) == TAP_INT32) s->index = TAP_INT32;
    }
    return st;
}

/* Places of the output along axis a, and how much is padded in front. */
static int64_t places(const window_state *s, int a, int64_t size, int64_t kernel, int64_t *front) {
    const int64_t span = (kernel - 1) * s->rates[a] + 1;
    *front = 0;
    if (!s->same) return size < span ? 0 : (size - span) / s->strides[a] + 1;
    const int64_t n = (size + s->strides[a] - 1) / s->strides[a];
    *front = tap_max64(0, (n - 1) * s->strides[a] + span - size) / 2;
    return n;
}

static tap_status window_shape(tap_ctx *ctx, const int64_t *kernel, int64_t *dims) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t front;
    for (int i = 0; i < 4; i++) dims[i] = x->rank == 4 ? x->dims[i] : -1;
    for (int i = 0; i < 2; i++) {
        if (dims[i + 1] > INT32_MAX) return tap_fail(ctx, tap_misfit(ctx), "the images are too large");
        dims[i + 1] =
            dims[i + 1] < 0 || kernel[i] < 0 ? -1 : places(ctx->state, i, dims[i + 1], kernel[i], &front);
    }
    return TAP_OK;
}

static tap_status pool_infer(tap_ctx *ctx) {
    const window_state *s = ctx->state;
    int64_t dims[4];
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "the images");
    if (!st) st = window_shape(ctx, s->kernel, dims);
    if (!st) st = tap_out_type(ctx, 0, tap_in_type(ctx, 0)->dtype, 4, dims);
    const tap_type *declared = tap_out_declared(ctx, 1);
    const tap_dtype index = declared && declared->dtype == TAP_INT32 ? TAP_INT32 : s->index;
    return st ? st : tap_out_type(ctx, 1, index, 4, dims);
}

static void put_index(tap_tensor *t, int64_t at, int64_t index) {
    if (t->dtype == TAP_INT32)
        ((int32_t *)t->data)[at] = (int32_t)index;
    else
        ((int64_t *)t->data)[at] = index;
}

/* The largest number of one window and channel, and where in the images it is; the first of several. */
static void pool_one(const window_state *s, const tap_tensor *x, int64_t n, const int64_t *first, int64_t c,
                     tap_tf_number *most, int64_t *index) {
    const int64_t *d = x->dims;
    const bool floats = tap_tf_is_float(x->dtype);
    *index = -1;
    for (int64_t i = tap_max64(0, first[0]); i < tap_min64(d[1], first[0] + s->kernel[0]); i++)
        for (int64_t j = tap_max64(0, first[1]); j < tap_min64(d[2], first[1] + s->kernel[1]); j++) {
            const int64_t at = ((n * d[1] + i) * d[2] + j) * d[3] + c;
            const tap_tf_number v = tap_tf_get(x, at);
            if (*index >= 0 && !(floats ? v.f > most->f : v.i > most->i)) continue;
            *most = v;
            *index = at;
        }
}

static tap_status pool_run(tap_ctx *ctx) {
    const window_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0], *where = ctx->n_out > 1 ? ctx->out[1] : NULL;
    const tap_tensor *shape = y ? y : where;
    int64_t front[2];
    if (!shape || shape->count == 0) return TAP_OK;
    for (int a = 0; a < 2; a++) places(s, a, x->dims[a + 1], s->kernel[a], &front[a]);
    const int64_t *o = shape->dims, image = x->dims[1] * x->dims[2] * x->dims[3];
    for (int64_t e = 0; e < shape->count; e++) {
        const int64_t c = e % o[3], n = e / o[3] / o[2] / o[1];
        const int64_t first[2] = {e / o[3] / o[2] % o[1] * s->strides[0] - front[0],
                                  e / o[3] % o[2] * s->strides[1] - front[1]};
        tap_tf_number most = {.i = 0};
        int64_t index;
        pool_one(s, x, n, first, c, &most, &index);
        if (y) tap_tf_put(y, e, most);
        if (where) put_index(where, e, s->with_batch ? index : index - n * image);
    }
    return TAP_OK;
}

/* ---- Dilation2D: y = the largest of x + filter[h][w][channel] in the window ---- */

static tap_status dilation_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *w = tap_in_type(ctx, 1);
    int64_t dims[4];
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "the images");
    if (!st) st = tap_need_rank(ctx, 1, 3, 3, "the filter");
    if (!st) st = tap_need_same_dtype(ctx, 0, 1, "the filter");
    if (!st)
        st = tap_need_shape(ctx, 1, 3, (int64_t[]){-1, -1, x->rank == 4 ? x->dims[3] : -1}, "the filter");
    const int64_t kernel[2] = {w->rank == 3 ? w->dims[0] : -1, w->rank == 3 ? w->dims[1] : -1};
    if (!st && (kernel[0] == 0 || kernel[1] == 0 || kernel[0] > INT32_MAX || kernel[1] > INT32_MAX))
        st = tap_fail(ctx, tap_misfit(ctx), "the filter is empty, or too large");
    if (!st) st = window_shape(ctx, kernel, dims);
    return st ? st : tap_out_type(ctx, 0, x->dtype, 4, dims);
}

static tap_status dilation_run(tap_ctx *ctx) {
    const window_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *w = ctx->in[1];
    tap_tensor *y = ctx->out[0];
    const int64_t *d = x->dims, *o = y->dims, *k = w->dims;
    const bool floats = tap_tf_is_float(x->dtype);
    int64_t front[2];
    if (y->count == 0) return TAP_OK;
    for (int a = 0; a < 2; a++) places(s, a, d[a + 1], k[a], &front[a]);
    for (int64_t e = 0; e < y->count; e++) {
        const int64_t c = e % o[3], n = e / o[3] / o[2] / o[1];
        const int64_t top = e / o[3] / o[2] % o[1] * s->strides[0] - front[0];
        const int64_t left = e / o[3] % o[2] * s->strides[1] - front[1];
        tap_tf_number most = {.i = 0};
        bool any = false;
        for (int64_t u = 0; u < k[0] * k[1]; u++) {
            const int64_t i = top + u / k[1] * s->rates[0], j = left + u % k[1] * s->rates[1];
            if (i < 0 || i >= d[1] || j < 0 || j >= d[2]) continue;
            tap_tf_number v = tap_tf_get(x, ((n * d[1] + i) * d[2] + j) * d[3] + c);
            const tap_tf_number add = tap_tf_get(w, u * d[3] + c);
            if (floats)
                v.f = x->dtype == TAP_DOUBLE ? v.f + add.f : (double)((float)v.f + (float)add.f);
            else
                v.i = (int64_t)((uint64_t)v.i + (uint64_t)add.i);
            if (any && !(floats ? v.f > most.f : v.i > most.i)) continue;
            most = v;
            any = true;
        }
        tap_tf_put(y, e, most);
    }
    return TAP_OK;
}

/* ---- CropAndResize: images, boxes[n][y1, x1, y2, x2] from 0 to 1, which image each is of, crop_size ---- */

typedef struct crop_state {
    bool nearest;
    float outside;
} crop_state;

static tap_status crop_prepare(tap_ctx *ctx, void **state) {
    static const char *const methods[] = {"bilinear", "nearest", NULL};
    crop_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->nearest = tap_attr_choice(ctx, "method", "bilinear", methods) == 1;
    s->outside = tap_attr_float(ctx, "extrapolation_value", 0);
    return TAP_OK;
}

/* Height and width of pictures, from input i; dims stay where it is unknown. */
static tap_status read_image_size(tap_ctx *ctx, int i, const char *name, int64_t *dims) {
    tap_ints size;
    tap_status st = tap_read_ints(ctx, i, 2, name, &size);
    if (!st && size.n >= 0 && size.n != 2)
        st = tap_fail(ctx, tap_misfit(ctx), "%s has %d elements, not 2", name, size.n);
    for (int k = 0; !st && size.known && k < 2; k++) {
        dims[k] = size.v[k];
        if (size.v[k] < 1 || size.v[k] > INT32_MAX)
            st = tap_fail(ctx, tap_misfit(ctx), "%s has %lld", name, (long long)size.v[k]);
    }
    return st;
}

static tap_status crop_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *boxes = tap_in_type(ctx, 1);
    int64_t dims[4] = {-1, -1, -1, x->rank == 4 ? x->dims[3] : -1};
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "the images");
    if (!st) st = tap_need_dtype(ctx, 1, TAP_BIT(TAP_FLOAT), "the boxes");
    if (!st) st = tap_need_shape(ctx, 1, 2, (int64_t[]){-1, 4}, "the boxes");
    if (!st) st = tap_need_dtype(ctx, 2, TAP_BIT(TAP_INT32), "box_ind");
    if (st) return st;
    if (boxes->rank == 2) dims[0] = boxes->dims[0];
    st = tap_need_shape(ctx, 2, 1, dims, "box_ind");
    if (!st) st = read_image_size(ctx, 3, "crop_size", dims + 1);
    return st ? st : tap_out_type(ctx, 0, TAP_FLOAT, 4, dims);
}

/* Where place k of n lies between a and b of an axis of `size` pixels; false: outside. */
static bool crop_place(float a, float b, int64_t size, int64_t n, int64_t k, float *at) {
    const float last = (float)(size - 1), step = n > 1 ? (b - a) * last / (float)(n - 1) : 0;
    *at = n > 1 ? a * last + (float)k * step : 0.5f * (a + b) * last;
    return *at >= 0 && *at <= last;
}

static float crop_pixel(const crop_state *s, const tap_tensor *x, int64_t n, float v, float u, int64_t c) {
    const int64_t *d = x->dims;
#define PIXEL(i, j) ((float)tap_real_at(x, ((n * d[1] + (i)) * d[2] + (j)) * d[3] + c))
    if (s->nearest) return PIXEL((int64_t)roundf(v), (int64_t)roundf(u));
    const int64_t top = (int64_t)floorf(v), bottom = (int64_t)ceilf(v);
    const int64_t left = (int64_t)floorf(u), right = (int64_t)ceilf(u);
    const float down = v - (float)top, across = u - (float)left;
    const float upper = PIXEL(top, left) + (PIXEL(top, right) - PIXEL(top, left)) * across;
    const float lower = PIXEL(bottom, left) + (PIXEL(bottom, right) - PIXEL(bottom, left)) * across;
    return upper + (lower - upper) * down;
#undef PIXEL
}

static tap_status crop_run(tap_ctx *ctx) {
    const crop_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const float *boxes = ctx->in[1]->data;
    const int64_t n = ctx->in[1]->dims[0], h = tap_int_at(ctx->in[3], 0), w = tap_int_at(ctx->in[3], 1);
    const int64_t dims[4] = {n, h, w, x->dims[3]};
    if (h < 1 || w < 1)
        return tap_fail(ctx, TAP_RUN, "crop_size is %lld by %lld", (long long)h, (long long)w);
    tap_tensor *t = tap_out(ctx, 0, TAP_FLOAT, 4, dims);
    if (!t) return TAP_MEMORY;
    float *y = t->data;
    for (int64_t b = 0; b < n; b++) {
        const int64_t image = tap_int_at(ctx->in[2], b);
        const float *box = boxes + 4 * b;
        if (image < 0 || image >= x->dims[0])
            return tap_fail(ctx, TAP_RUN, "box_ind[%lld] is %lld; there are %lld images", (long long)b,
                            (long long)image, (long long)x->dims[0]);
        for (int64_t i = 0; i < h * w; i++) {
            float v, u;
            const bool in = crop_place(box[0], box[2], x->dims[1], h, i / w, &v);
            const bool inside = crop_place(box[1], box[3], x->dims[2], w, i % w, &u) && in;
            for (int64_t c = 0; c < dims[3]; c++)
                *y++ = inside ? crop_pixel(s, x, image, v, u, c) : s->outside;
        }
    }
    return TAP_OK;
}

/* ---- ScaleAndTranslate: images, size, scale[2], translation[2] ---- */

typedef enum kernel_type {
    LANCZOS1,
    LANCZOS3,
    LANCZOS5,
    GAUSSIAN,
    BOX,
    TRIANGLE,
    KEYSCUBIC,
    MITCHELL
} kernel_type;

typedef struct scale_state {
    int kernel;
    bool antialias;
} scale_state;

static tap_status scale_prepare(tap_ctx *ctx, void **state) {
    static const char *const names[] = {"lanczos1", "lanczos3",  "lanczos5",      "gaussian", "box",
                                        "triangle", "keyscubic", "mitchellcubic", NULL};
    scale_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->kernel = tap_attr_choice(ctx, "kernel_type", "lanczos3", names);
    s->antialias = tap_attr_int(ctx, "antialias", 1) != 0;
    return TAP_OK;
}

static tap_status scale_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    int64_t dims[4] = {x->rank == 4 ? x->dims[0] : -1, -1, -1, x->rank == 4 ? x->dims[3] : -1};
    tap_status st = tap_need_rank(ctx, 0, 4, 4, "the images");
    if (!st) st = read_image_size(ctx, 1, "size", dims + 1);
    for (int i = 2; i < 4 && !st; i++) {
        st = tap_need_dtype(ctx, i, TAP_BIT(TAP_FLOAT), i == 2 ? "scale" : "translation");
        if (!st) st = tap_need_shape(ctx, i, 1, (int64_t[]){2}, i == 2 ? "scale" : "translation");
    }
    return st ? st : tap_out_type(ctx, 0, TAP_FLOAT, 4, dims);
}

static float kernel_radius(int k) {
    static const float radii[] = {1, 3, 5, 1.5f, 1, 1, 2, 2};
    return radii[k];
}

static float lanczos(float x, float radius) {
    static const float pi = 3.14159265359f;
    if (x > radius) return 0;
    if (x <= 1e-3f) return 1;
    return radius * sinf(pi * x) * sinf(pi * x / radius) / (pi * pi * x * x);
}

static float kernel_at(int k, float x) {
    x = fabsf(x);
    switch (k) {
    case GAUSSIAN: return x >= 1.5f ? 0 : expf(-x * x / (2 * 0.5f * 0.5f));
    case BOX: return x < 0.5f ? 1 : x == 0.5f ? 0.5f : 0;
    case TRIANGLE: return x < 1 ? 1 - x : 0;
    case KEYSCUBIC:
        if (x >= 2) return 0;
        return x >= 1 ? ((-0.5f * x + 2.5f) * x - 4) * x + 2 : (1.5f * x - 2.5f) * x * x + 1;
    case MITCHELL:
        if (x >= 2) return 0;
        return x >= 1 ? (((-7.0f / 18) * x + 2) * x - 10.0f / 3) * x + 16.0f / 9
                      : ((7.0f / 6) * x - 2) * x * x + 8.0f / 9;
    default: return lanczos(x, kernel_radius(k));
    }
}

/* What pixels one output pixel is made of. */
typedef struct span {
    int64_t first, n;
    float *weights;
} span;

/* Of output place k along an axis of `size` pixels. weights: room for span_room. */
static void find_span(const scale_state *s, float scale, float translation, int64_t size, int64_t k,
                      span *out) {
    const float inverse = 1 / scale, offset = -inverse * translation;
    const float stretch = s->antialias ? fmaxf(inverse, 1) : 1, reach = kernel_radius(s->kernel) * stretch;
    const float at = ((float)k + 0.5f) * inverse + offset;
    float total = 0;
    out->n = 0;
    out->first = 0;
    if (!(at >= 0 && at <= (float)size)) return;
    const int64_t from = tap_max64(0, tap_min64(size - 1, (int64_t)ceilf(fmaxf(at - reach - 0.5f, -1))));
    const int64_t to =
        tap_max64(0, tap_min64(size - 1, (int64_t)floorf(fminf(at + reach - 0.5f, (float)size))));
    out->first = from;
    out->n = tap_max64(0, to - from + 1);
    for (int64_t i = 0; i < out->n; i++) {
        out->weights[i] = kernel_at(s->kernel, ((float)(from + i) + 0.5f - at) * (1 / stretch));
        total += out->weights[i];
    }
    for (int64_t i = 0; i < out->n && fabsf(total) >= 1000 * FLT_MIN; i++) out->weights[i] *= 1 / total;
}

static tap_status scale_run(tap_ctx *ctx) {
    const scale_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    const float *scale = ctx->in[2]->data, *shift = ctx->in[3]->data;
    const int64_t h = tap_int_at(ctx->in[1], 0), w = tap_int_at(ctx->in[1], 1);
    const int64_t *d = x->dims, dims[4] = {d[0], h, w, d[3]};
    if (h < 1 || w < 1 || !(scale[0] > 0) || !(scale[1] > 0))
        return tap_fail(ctx, TAP_RUN, "size and scale must be positive");
    tap_tensor *t = tap_out(ctx, 0, TAP_FLOAT, 4, dims);
    float *rooms = tap_scratch(ctx, ((size_t)d[1] + (size_t)d[2]) * sizeof *rooms + 8);
    if (!t || !rooms) return TAP_MEMORY;
    float *y = t->data;
    for (int64_t e = 0; e < d[0] * h * w; e++) {
        span v = {.weights = rooms}, u = {.weights = rooms + d[1]};
        find_span(s, scale[0], shift[0], d[1], e / w % h, &v);
        find_span(s, scale[1], shift[1], d[2], e % w, &u);
        for (int64_t c = 0; c < d[3]; c++) {
            float sum = 0;
            for (int64_t i = 0; i < v.n; i++) {
                float row = 0;
                for (int64_t j = 0; j < u.n; j++)
                    row += u.weights[j] *
                           (float)tap_real_at(
                               x, ((e / w / h * d[1] + v.first + i) * d[2] + u.first + j) * d[3] + c);
                sum += v.weights[i] * row;
            }
            *y++ = sum;
        }
    }
    return TAP_OK;
}

#define PICTURES (TAP_TF_REALS & ~TAP_BIT(TAP_BFLOAT16))

static const tap_op ops[] = {
    {TAP_TF_ROW("MaxPoolWithArgmax", 1, 2), .dtypes = TAP_TF_REALS, .prepare = window_prepare,
     .infer = pool_infer, .run = pool_run},
    {TAP_TF_ROW("Dilation2D", 2, 1), .dtypes = TAP_TF_REALS, .prepare = window_prepare,
     .infer = dilation_infer, .run = dilation_run},
    {TAP_TF_ROW("CropAndResize", 4, 1), .dtypes = PICTURES, .prepare = crop_prepare, .infer = crop_infer,
     .run = crop_run},
    {TAP_TF_ROW("ScaleAndTranslate", 4, 1), .dtypes = PICTURES, .prepare = scale_prepare,
     .infer = scale_infer, .run = scale_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_windows, ops);
