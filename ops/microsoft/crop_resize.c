/* CropAndResize of com.microsoft: regions of pictures, sampled to one size. */
#include <math.h>

#include "common/real.h"
#include "common/shape.h"
#include "microsoft/microsoft.h"

enum { IN_X, IN_ROIS, IN_IMAGES, IN_SIZE };

typedef struct crop {
    bool nearest;
    float outside;
} crop;

static tap_status prepare(tap_ctx *ctx, void **state) {
    static const char *const modes[] = {"bilinear", "nearest", NULL};
    crop *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->nearest = tap_attr_choice(ctx, "mode", "bilinear", modes) == 1;
    s->outside = tap_attr_float(ctx, "extrapolation_value", 0);
    return TAP_OK;
}

static tap_status infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, IN_X), *rois = tap_in_type(ctx, IN_ROIS);
    const tap_tensor *size = tap_in_known(ctx, IN_SIZE);
    int64_t dims[4] = {rois->rank == 2 ? rois->dims[0] : -1, x->rank == 4 ? x->dims[1] : -1, -1, -1};
    tap_status st = tap_need_rank(ctx, IN_X, 4, 4, "X");
    if (!st) st = tap_need_same_dtype(ctx, IN_X, IN_ROIS, "rois");
    if (!st) st = tap_need_dtype(ctx, IN_IMAGES, TAP_BIT(TAP_INT32), "batch_indices");
    if (!st) st = tap_need_dtype(ctx, IN_SIZE, TAP_BIT(TAP_INT32), "crop_size");
    if (!st) st = tap_need_shape(ctx, IN_ROIS, 2, (int64_t[]){-1, 4}, "rois");
    if (!st) st = tap_need_shape(ctx, IN_IMAGES, 1, dims, "batch_indices");
    if (!st) st = tap_need_shape(ctx, IN_SIZE, 1, (int64_t[]){2}, "crop_size");
    for (int i = 0; i < 2 && size && !st; i++) {
        dims[2 + i] = tap_int_at(size, i);
        if (dims[2 + i] < 1)
            st = tap_fail(ctx, tap_misfit(ctx), "crop_size[%d] is %lld; it must be positive", i,
                          (long long)dims[2 + i]);
    }
    return st ? st : tap_out_type(ctx, 0, x->dtype, 4, dims);
}

typedef struct job {
    const crop *s;
    const tap_tensor *x, *rois, *y;
    const int32_t *images;
} job;

static float element(const tap_tensor *t, int64_t i) {
    float v;
    tap_to_f32(t->dtype, 1, (const char *)t->data + (size_t)i * tap_dtype_bytes(t->dtype), &v);
    return v;
}

/* Where output o of `out` lies among `in` pixels, from share a to share b. */
static float place(int64_t o, int64_t out, int64_t in, float a, float b) {
    const float last = (float)(in - 1);
    if (out == 1) return 0.5f * (a + b) * last;
    return a * last + (float)o * ((b - a) * last / (float)(out - 1));
}

static float sample(const job *j, int64_t plane, float y, float x) {
    const int64_t h = j->x->dims[2], w = j->x->dims[3], at = plane * h * w;
    if (j->s->nearest) return element(j->x, at + (int64_t)roundf(y) * w + (int64_t)roundf(x));
    const int64_t top = (int64_t)floorf(y), left = (int64_t)floorf(x);
    const int64_t bottom = (int64_t)ceilf(y), right = (int64_t)ceilf(x);
    const float dy = y - (float)top, dx = x - (float)left;
    const float a = element(j->x, at + top * w + left), b = element(j->x, at + top * w + right);
    const float c = element(j->x, at + bottom * w + left), d = element(j->x, at + bottom * w + right);
    const float up = a + (b - a) * dx, down = c + (d - c) * dx;
    return up + (down - up) * dy;
}

/* Rows of the output, counted over regions and channels. */
static void task(void *arg, int64_t first, int64_t last, int worker) {
    const job *j = arg;
    const int64_t channels = j->y->dims[1], oh = j->y->dims[2], ow = j->y->dims[3];
    const int64_t h = j->x->dims[2], w = j->x->dims[3];
    const size_t width = tap_dtype_bytes(j->y->dtype);
    (void)worker;
    for (int64_t r = first; r < last; r++) {
        const int64_t roi = r / oh / channels, plane = j->images[roi] * channels + r / oh % channels;
        const float y = place(r % oh, oh, h, element(j->rois, roi * 4), element(j->rois, roi * 4 + 2));
        for (int64_t o = 0; o < ow; o++) {
            const float x = place(o, ow, w, element(j->rois, roi * 4 + 1), element(j->rois, roi * 4 + 3));
            const bool inside = y >= 0 && y <= (float)(h - 1) && x >= 0 && x <= (float)(w - 1);
            const float v = inside ? sample(j, plane, y, x) : j->s->outside;
            tap_from_f32(j->y->dtype, 1, &v, (char *)j->y->data + (size_t)(r * ow + o) * width);
        }
    }
}

static tap_status run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[IN_X], *images = ctx->in[IN_IMAGES], *size = ctx->in[IN_SIZE];
    job j = {.s = ctx->state, .x = x, .rois = ctx->in[IN_ROIS], .images = images->data};
    const int64_t dims[4] = {images->count, x->dims[1], tap_int_at(size, 0), tap_int_at(size, 1)};
    for (int64_t i = 0; i < images->count; i++)
        if (j.images[i] < 0 || j.images[i] >= x->dims[0])
            return tap_fail(ctx, TAP_RUN, "batch_indices[%lld] is %d; X has %lld pictures", (long long)i,
                            j.images[i], (long long)x->dims[0]);
    if (!(j.y = tap_out(ctx, 0, x->dtype, 4, dims))) return TAP_MEMORY;
    if (j.y->count) tap_parallel(ctx, j.y->count / dims[3], tap_max64(1, 4096 / dims[3]), task, &j);
    return TAP_OK;
}

static const tap_op ops[] = {
    {TAP_MS_ROW("CropAndResize", 4, 4, 1, 1), .dtypes = TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16),
     .prepare = prepare, .infer = infer, .run = run},
    {0},
};

TAP_DEFINE_FAMILY(microsoft_crop_resize, ops);
