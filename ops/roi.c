/* RoiAlign and MaxRoiPool: regions of images, pooled to a fixed size. */
#include <math.h>

#include "common/cast.h"
#include "common/channels.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "common/widen.h"

/* Samples along an axis of a bin, and samples of a whole region in one channel, beyond which a region is
 * refused. */
#define GRID_MAX    (1 << 20)
#define SAMPLES_MAX 0x1p26

typedef struct align_state {
    bool max, half_pixel;
    int64_t height, width, ratio; /* bins; samples along an axis of a bin, 0: as many as it has elements */
    float scale;
} align_state;

typedef struct roi_align {
    const align_state *s;
    const void *x, *rois;
    void *y;
    const int64_t *batch;
    int64_t channels, image_height, image_width;
    bool wide;
    char *room;
    size_t room_bytes; /* of a worker */
    size_t tile_at;    /* where in it a region's channels are together; 0: they are apart, in x too */
} roi_align;

typedef struct pool_state {
    int64_t height, width;
    float scale;
} pool_state;

typedef struct roi_pool {
    const pool_state *s;
    const void *x, *rois;
    void *y;
    int64_t channels, image_height, image_width;
    bool wide;
    char *room; /* for a region with its channels together, as they are in x then; NULL: they are apart */
    size_t room_bytes; /* of a worker */
} roi_pool;

/* A rounded coordinate, kept where arithmetic with it does not overflow. */
static int64_t pixel_of(double v) {
    return isnan(v) ? 0 : (int64_t)fmin(fmax(v, -0x1p40), 0x1p40);
}

/* Channels whose results are in registers. */
#define AT_ONCE 32

#define MAX(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))

#define T        float
#define FN(f)    f##_float
#define CEIL(v)  ceilf(v)
#define FLOOR(v) floorf(v)
#define ROUND(v) (double)roundf(v)
#include "roi.inc"
#define T        double
#define FN(f)    f##_double
#define CEIL(v)  ceil(v)
#define FLOOR(v) floor(v)
#define ROUND(v) round(v)
#include "roi.inc"

/* The output of a kernel that computes in float: itself, or, for halves, scratch. */
static void *wide_output(tap_ctx *ctx) {
    tap_tensor *y = ctx->out[0];
    return tap_is_half(y->dtype) ? tap_scratch(ctx, (size_t)y->count * sizeof(float)) : y->data;
}

static void narrow_output(tap_ctx *ctx, const void *wide) {
    tap_tensor *y = ctx->out[0];
    if (wide != y->data) tap_narrow_rows(y->dtype, wide, y->data, y->count, 0, 1, 0, y->count);
}

/* Whether the channels of a pixel are put together: not for few of them, nor where regions may be expected to
 * read much less than all pixels. bins: of all regions. */
static bool worth_together(const tap_tensor *x, int64_t channels, int64_t bins) {
    return channels >= TAP_CHANNELS_FEW && x->count / channels / 32 <= bins;
}

/* ---- RoiAlign ---- */

static tap_status align_prepare(tap_ctx *ctx, void **state) {
    static const char *const modes[] = {"avg", "max", NULL};
    static const char *const places[] = {"half_pixel", "output_half_pixel", NULL};
    align_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->max = tap_attr_choice(ctx, "mode", "avg", modes) == 1;
    s->height = tap_attr_int(ctx, "output_height", 1);
    s->width = tap_attr_int(ctx, "output_width", 1);
    s->ratio = tap_attr_int(ctx, "sampling_ratio", 0);
    s->scale = tap_attr_float(ctx, "spatial_scale", 1);
    if (tap_opset(ctx) >= 16)
        s->half_pixel = tap_attr_choice(ctx, "coordinate_transformation_mode", "half_pixel", places) == 0;
    if (s->height < 1 || s->width < 1 || s->height > 1 << 20 || s->width > 1 << 20)
        return tap_fail(ctx, TAP_MODEL, "an output of %lld by %lld", (long long)s->height,
                        (long long)s->width);
    if (s->ratio < 0 || s->ratio > 1 << 20)
        return tap_fail(ctx, TAP_MODEL, "sampling_ratio is %lld", (long long)s->ratio);
    return TAP_OK;
}

static tap_status align_infer(tap_ctx *ctx) {
    const align_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *rois = tap_in_type(ctx, 1), *batch = tap_in_type(ctx, 2);
    tap_status status = tap_need_rank(ctx, 0, 4, 4, "the input");
    if (!status) status = tap_need_rank(ctx, 1, 2, 2, "rois");
    if (!status) status = tap_need_rank(ctx, 2, 1, 1, "batch_indices");
    if (!status) status = tap_need_same_dtype(ctx, 0, 1, "rois");
    if (!status) status = tap_need_dtype(ctx, 2, TAP_BIT(TAP_INT64), "batch_indices");
    if (status) return status;
    int64_t n = rois->rank == 2 ? rois->dims[0] : -1, m = batch->rank == 1 ? batch->dims[0] : -1;
    if (n >= 0 && m >= 0 && n != m)
        return tap_fail(ctx, tap_misfit(ctx), "%lld batch indices for %lld regions", (long long)m,
                        (long long)n);
    if (rois->rank == 2 && rois->dims[1] >= 0 && rois->dims[1] != 4)
        return tap_fail(ctx, tap_misfit(ctx), "a region has 4 numbers, not %lld", (long long)rois->dims[1]);
    return tap_out_type(ctx, 0, x->dtype, 4,
                        (int64_t[]){n >= 0 ? n : m, x->rank == 4 ? x->dims[1] : -1, s->height, s->width});
}

static void align_task(void *arg, int64_t begin, int64_t end, int worker) {
    const roi_align *j = arg;
    char *room = j->room + (size_t)worker * j->room_bytes;
    for (int64_t r = begin; r < end; r++) (j->wide ? align_double : align_float)(j, r, room);
}

static tap_status align_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *batch = ctx->in[2];
    int64_t bad = 0;
    roi_align j = {.s = ctx->state,
                   .batch = batch->data,
                   .channels = x->dims[1],
                   .image_height = x->dims[2],
                   .image_width = x->dims[3],
                   .wide = x->dtype == TAP_DOUBLE};
    for (int64_t r = 0; r < batch->count; r++)
        if (j.batch[r] < 0 || j.batch[r] >= x->dims[0])
            return tap_fail(ctx, TAP_RUN, "region %lld is of image %lld; there are %lld", (long long)r,
                            (long long)j.batch[r], (long long)x->dims[0]);
    if (ctx->out[0]->count == 0) return TAP_OK;
    if (x->count == 0) return tap_fail(ctx, TAP_RUN, "images without elements have no regions");
    j.x = tap_widen(ctx, x);
    j.rois = tap_widen(ctx, ctx->in[1]);
    j.y = wide_output(ctx);
    if (!j.x || !j.rois || !j.y) return TAP_MEMORY;
    j.room_bytes = tap_round_up((j.wide ? room_double : room_float)(&j, batch->count, &bad), TAP_ALIGN);
    if (j.room_bytes == 0)
        return tap_fail(ctx, TAP_RUN, "region %lld is too large to be sampled", (long long)bad);
    const size_t width = j.wide ? sizeof(double) : sizeof(float);
    const int64_t bins = j.s->height * j.s->width;
    if (worth_together(x, j.channels, bins * batch->count)) {
        j.x = tap_channels_together(ctx, width, x->dims[0], j.channels, j.image_height * j.image_width, j.x);
        if (!j.x) return TAP_MEMORY;
        j.tile_at = j.room_bytes;
        j.room_bytes += tap_round_up((size_t)(bins * j.channels) * width, TAP_ALIGN);
    }
    j.room = tap_scratch(ctx, j.room_bytes * (size_t)tap_workers(ctx));
    if (!j.room) return TAP_MEMORY;
    tap_parallel(ctx, batch->count, 1, align_task, &j);
    narrow_output(ctx, j.y);
    return TAP_OK;
}

/* ---- MaxRoiPool ---- */

static tap_status pool_prepare(tap_ctx *ctx, void **state) {
    pool_state *s = tap_state(ctx, sizeof *s);
    size_t n;
    if (!s) return TAP_MEMORY;
    *state = s;
    const int64_t *shape = tap_attr_ints(ctx, "pooled_shape", &n);
    s->scale = tap_attr_float(ctx, "spatial_scale", 1);
    if (n != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > 1 << 20 || shape[1] > 1 << 20)
        return tap_fail(ctx, TAP_MODEL, "pooled_shape must be two positive numbers");
    s->height = shape[0];
    s->width = shape[1];
    return TAP_OK;
}

static tap_status pool_infer(tap_ctx *ctx) {
    const pool_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *rois = tap_in_type(ctx, 1);
    tap_status status = tap_need_rank(ctx, 0, 4, 4, "the input");
    if (!status) status = tap_need_rank(ctx, 1, 2, 2, "rois");
    if (!status) status = tap_need_same_dtype(ctx, 0, 1, "rois");
    if (status) return status;
    if (rois->rank == 2 && rois->dims[1] >= 0 && rois->dims[1] != 5)
        return tap_fail(ctx, tap_misfit(ctx), "a region has 5 numbers, not %lld", (long long)rois->dims[1]);
    return tap_out_type(ctx, 0, x->dtype, 4,
                        (int64_t[]){rois->rank == 2 ? rois->dims[0] : -1, x->rank == 4 ? x->dims[1] : -1,
                                    s->height, s->width});
}

static void pool_task(void *arg, int64_t begin, int64_t end, int worker) {
    const roi_pool *j = arg;
    char *room = j->room ? j->room + (size_t)worker * j->room_bytes : NULL;
    for (int64_t r = begin; r < end; r++) (j->wide ? pool_double : pool_float)(j, r, room);
}

static tap_status pool_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0], *rois = ctx->in[1];
    roi_pool j = {.s = ctx->state,
                  .channels = x->dims[1],
                  .image_height = x->dims[2],
                  .image_width = x->dims[3],
                  .wide = x->dtype == TAP_DOUBLE};
    for (int64_t r = 0; r < rois->dims[0]; r++) {
        int64_t image;
        if (!tap_whole_at(rois, r * 5, &image) || image < 0 || image >= x->dims[0])
            return tap_fail(ctx, TAP_RUN, "region %lld is of image %g; there are %lld", (long long)r,
                            tap_real_at(rois, r * 5), (long long)x->dims[0]);
    }
    if (ctx->out[0]->count == 0) return TAP_OK;
    j.x = tap_widen(ctx, x);
    j.rois = tap_widen(ctx, rois);
    j.y = wide_output(ctx);
    if (!j.x || !j.rois || !j.y) return TAP_MEMORY;
    const size_t width = j.wide ? sizeof(double) : sizeof(float);
    const int64_t bins = j.s->height * j.s->width;
    if (worth_together(x, j.channels, bins * rois->dims[0])) {
        j.x = tap_channels_together(ctx, width, x->dims[0], j.channels, j.image_height * j.image_width, j.x);
        j.room_bytes = tap_round_up((size_t)(bins * j.channels) * width, TAP_ALIGN);
        j.room = tap_scratch(ctx, j.room_bytes * (size_t)tap_workers(ctx));
        if (!j.x || !j.room) return TAP_MEMORY;
    }
    tap_parallel(ctx, rois->dims[0], 1, pool_task, &j);
    narrow_output(ctx, j.y);
    return TAP_OK;
}

#define ONE_OUT .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_FLOAT

static const tap_op ops[] = {
    {.name = "RoiAlign",
     .since = 10,
     .in_min = 3,
     .in_max = 3,
     ONE_OUT,
     .prepare = align_prepare,
     .infer = align_infer,
     .run = align_run},
    {.name = "MaxRoiPool",
     .since = 1,
     .in_min = 2,
     .in_max = 2,
     ONE_OUT,
     .prepare = pool_prepare,
     .infer = pool_infer,
     .run = pool_run},
    {0},
};

TAP_DEFINE_FAMILY(roi, ops);
