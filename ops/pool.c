/* Pooling over windows: MaxPool, AveragePool, LpPool, and GlobalLpPool, whose window is the whole image. */
#include <math.h>
#include <string.h>

#include "common/conv_space.h"
#include "common/shape.h"
#include "common/widen.h"
#include "common/window.h"

#define POOL_INLINE static inline __attribute__((always_inline))

/* Output pixels of a line that are a job's unit, and elements that are worth a job. */
#define PIXELS_OF_UNIT 64
#define WORK_OF_JOB    (1 << 15)
/* Elements of a window that may be added up in the type they have. */
#define FEW 16

/* The elements under one output pixel. */
typedef struct window {
    const char *x;        /* its first tap of the last axis that is inside, channel 0, on no row yet */
    const int64_t *outer; /* by row of the window that is inside: bytes                              */
    int64_t n_outer, taps, tap_bytes;
    bool few;
    double divisor, p;
} window;

/* y[first .. last) of the channels of one pixel. */
typedef void pool_fold(const window *w, int64_t first, int64_t last, void *y);
typedef void pool_fold_taps(const window *w, int64_t first, int64_t last, void *y, int64_t *taps);

#define T       float
#define WIDE    double
#define F(name) name##_f32
#define LEAST   (-INFINITY)
#include "pool.inc"
#define T       double
#define WIDE    double
#define F(name) name##_f64
#define LEAST   (-(double)INFINITY)
#include "pool.inc"
#define T       int8_t
#define F(name) name##_i8
#define LEAST   INT8_MIN
#define INTEGER
#include "pool.inc"
#define T       uint8_t
#define F(name) name##_u8
#define LEAST   0
#define INTEGER
#include "pool.inc"

/* By what is computed with; halves go through float32. */
typedef struct pool_kind {
    pool_fold *fold[TAP_DTYPE_COUNT];
    pool_fold_taps *taps[TAP_DTYPE_COUNT];
    bool counts; /* the number of elements matters: AveragePool */
} pool_kind;

static const pool_kind pool_max = {
    .fold = {[TAP_FLOAT] = max_f32, [TAP_DOUBLE] = max_f64, [TAP_INT8] = max_i8, [TAP_UINT8] = max_u8},
    .taps = {[TAP_FLOAT] = max_taps_f32,
             [TAP_DOUBLE] = max_taps_f64,
             [TAP_INT8] = max_taps_i8,
             [TAP_UINT8] = max_taps_u8},
};
static const pool_kind pool_mean = {.fold = {[TAP_FLOAT] = mean_f32, [TAP_DOUBLE] = mean_f64},
                                    .counts = true};
static const pool_kind pool_norm = {.fold = {[TAP_FLOAT] = norm_f32, [TAP_DOUBLE] = norm_f64}};

/* ---- prepare --------------------------------------------------------------------------------- */

typedef struct pool_state {
    tap_window window;
    double p;
    bool include_pad, column_major, global;
} pool_state;

static tap_status prepare_windows(tap_ctx *ctx, unsigned has, pool_state **state) {
    pool_state *s = *state = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    tap_status status = tap_window_prepare(ctx, &s->window, has | TAP_WINDOW_AUTO_PAD);
    if (status == TAP_OK && !s->window.n_kernel) status = tap_fail(ctx, TAP_MODEL, "kernel_shape is missing");
    return status;
}

static tap_status prepare_max(tap_ctx *ctx, void **state) {
    pool_state *s;
    int64_t opset = tap_opset(ctx);
    tap_status status =
        prepare_windows(ctx, opset >= 10 ? TAP_WINDOW_DILATIONS | TAP_WINDOW_CEIL_MODE : 0, &s);
    if (status != TAP_OK) return status;
    if (opset < 8 && ctx->n_out > 1)
        return tap_fail(ctx, TAP_MODEL, "it has %d outputs; indices are an output from opset 8 on",
                        ctx->n_out);
    if (opset >= 8) s->column_major = tap_attr_int(ctx, "storage_order", 0) != 0;
    *state = s;
    return TAP_OK;
}

static tap_status prepare_average(tap_ctx *ctx, void **state) {
    pool_state *s;
    int64_t opset = tap_opset(ctx);
    unsigned has = (opset >= 10 ? TAP_WINDOW_CEIL_MODE : 0) | (opset >= 19 ? TAP_WINDOW_DILATIONS : 0);
    tap_status status = prepare_windows(ctx, has, &s);
    if (status != TAP_OK) return status;
    if (opset >= 7) s->include_pad = tap_attr_int(ctx, "count_include_pad", 0) != 0;
    *state = s;
    return TAP_OK;
}

/* The exponent: a float in opset 1, an integer from 2 on. */
static tap_status prepare_p(tap_ctx *ctx, pool_state *s) {
    s->p = tap_opset(ctx) < 2 ? (double)tap_attr_float(ctx, "p", 2) : (double)tap_attr_int(ctx, "p", 2);
    return s->p > 0 ? TAP_OK : tap_fail(ctx, TAP_MODEL, "p is %g; it must be positive", s->p);
}

static tap_status prepare_norm(tap_ctx *ctx, void **state) {
    pool_state *s;
    unsigned has = tap_opset(ctx) >= 18 ? TAP_WINDOW_DILATIONS | TAP_WINDOW_CEIL_MODE : 0;
    tap_status status = prepare_windows(ctx, has, &s);
    if (status == TAP_OK) status = prepare_p(ctx, s);
    if (status == TAP_OK) *state = s;
    return status;
}

static tap_status prepare_global_norm(tap_ctx *ctx, void **state) {
    pool_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->global = true;
    *state = s;
    return prepare_p(ctx, s);
}

/* ---- infer ----------------------------------------------------------------------------------- */

static tap_status infer_windows(tap_ctx *ctx) {
    const pool_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_type y = *x;
    tap_window_axis axes[TAP_RANK_MAX];
    int n = x->rank >= 0 ? x->rank - 2 : (int)s->window.n_kernel;
    tap_status status = tap_need_rank(ctx, 0, 3, TAP_RANK_MAX, "X");
    if (status == TAP_OK) status = tap_window_check(ctx, &s->window, n);
    if (status == TAP_OK && x->rank >= 0)
        status = tap_window_resolve(ctx, &s->window, n, x->dims + 2, NULL, axes);
    if (status != TAP_OK) return status;
    for (int i = 2; i < y.rank; i++) y.dims[i] = axes[i - 2].out;
    status = tap_out_like(ctx, 0, &y);
    y.dtype = TAP_INT64;
    return status == TAP_OK ? tap_out_like(ctx, 1, &y) : status;
}

/* ---- run ------------------------------------------------------------------------------------- */

typedef struct job {
    const tap_ctx *ctx;
    const pool_state *s;
    const pool_kind *kind;
    pool_fold *fold;
    pool_fold_taps *fold_taps; /* NULL: nobody wants the indices                        */
    tap_conv_space space;      /* of a depthwise convolution with this window           */
    tap_window_axis axes[TAP_RANK_MAX];
    int n_axes;
    const char *x; /* wide                                                  */
    char *y;       /* wide: y's own memory but for halves                   */
    tap_tensor *out, *indices;
    int64_t channels, elem;
    int64_t units_of_line, blocks, block; /* channels are split in blocks         */
    int64_t *memory;                      /* for each worker: outer taps, and a tap per channel    */
    int64_t memory_each;
    double window_size;
} job;

/* Pads before, input and pads after, for the count of a window that includes padding. */
static int64_t taps_in_padded(const tap_window_axis *a, int64_t o) {
    int64_t start = o * a->stride - a->begin, room = a->in + a->end - start;
    return tap_min64(a->kernel, (room + a->dilation - 1) / a->dilation);
}

/* Elements of the window at output o of line l, padding included. */
static double count_with_padding(const job *j, int64_t l, int64_t o) {
    int last = j->n_axes - 1;
    double n = (double)taps_in_padded(&j->axes[last], o);
    for (int i = last - 1; i >= 0; i--) {
        n *= (double)taps_in_padded(&j->axes[i], l % j->axes[i].out);
        l /= j->axes[i].out;
    }
    return n;
}

/* The place in the image, row-major or column-major over the spatial axes, of input pixel `at` counted
 * row-major. */
static int64_t stored_place(const job *j, int64_t at) {
    int64_t place = 0, before[TAP_RANK_MAX], stride = 1;
    if (!j->s->column_major) return at;
    for (int i = 0; i < j->n_axes; i++) before[i] = stride, stride *= j->axes[i].in;
    for (int i = j->n_axes - 1; i >= 0; i--) {
        place += at % j->axes[i].in * before[i];
        at /= j->axes[i].in;
    }
    return place;
}

/* Indices are those of the tensor as ONNX has it, and lie so: indices[image][channel][pixel]. */
static void put_indices(const job *j, const window *w, const int64_t *taps, int64_t image, int64_t pixel,
                        int64_t first, int64_t last) {
    int64_t x_pixels = j->space.x_image / j->space.x_pixel, y_pixels = j->space.y_image / j->space.y_pixel;
    int64_t *to = j->indices->data;
    const char *origin = j->x + image * j->space.x_image;
    for (int64_t c = first; c < last; c++) {
        int64_t at = -1;
        if (taps[c] >= 0) {
            const char *where = w->x + w->outer[taps[c] / w->taps] + taps[c] % w->taps * w->tap_bytes;
            at = (image * j->channels + c) * x_pixels + stored_place(j, (where - origin) / j->space.x_pixel);
        }
        to[(image * j->channels + c) * y_pixels + pixel] = at;
    }
}

/* Taps of the last axis that are inside for output o, as [*t0, *t1). */
static void inside(const tap_conv_axis *w, int64_t o, int64_t *t0, int64_t *t1) {
    int64_t at = o * w->step + w->first;
    *t0 = at >= 0 ? 0 : tap_min64(w->taps, (-at + w->tap_step - 1) / w->tap_step);
    *t1 = at >= w->in ? 0 : tap_min64(w->taps, (w->in - 1 - at) / w->tap_step + 1);
    if (*t1 < *t0) *t1 = *t0;
}

static void pool_pixel(const job *j, window *w, int64_t *taps, int64_t image, int64_t l, int64_t o,
                       int64_t first, int64_t last) {
    const tap_conv_axis *a = &j->space.last;
    int64_t t0, t1, pixel = tap_conv_place(&j->space, l, o);
    char *y = j->y + image * j->space.y_image + pixel * j->space.y_pixel;
    inside(a, o, &t0, &t1);
    w->taps = t1 - t0;
    w->x = j->x + image * j->space.x_image;
    if (w->taps) w->x += (o * a->step + a->first + t0 * a->tap_step) * j->space.x_pixel;
    w->tap_bytes = a->tap_step * j->space.x_pixel;
    if (j->kind->counts)
        w->divisor = j->s->include_pad ? count_with_padding(j, l, o) : (double)(w->n_outer * w->taps);
    if (j->fold_taps) {
        j->fold_taps(w, first, last, y, taps);
        put_indices(j, w, taps, image, pixel, first, last);
    } else {
        j->fold(w, first, last, y);
    }
}

/* A unit: some output pixels of a line x a block of channels. */
static void pool_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    int64_t *outer = j->memory + worker * j->memory_each, *taps = outer + j->space.outer_taps;
    for (int64_t u = begin; u < end; u++) {
        int64_t first = u % j->blocks * j->block, last = tap_min64(first + j->block, j->channels);
        int64_t at = u / j->blocks, o = at % j->units_of_line * PIXELS_OF_UNIT, line = at / j->units_of_line;
        int64_t image = line / j->space.lines, l = line % j->space.lines;
        int64_t stop = tap_min64(o + PIXELS_OF_UNIT, j->space.last.out);
        window w = {.outer = outer, .few = j->window_size <= FEW, .p = j->s->p};
        for (int64_t t = 0; t < j->space.outer_taps; t++)
            if ((outer[w.n_outer] = tap_conv_row(&j->space, l, t)) >= 0) w.n_outer++;
        for (int64_t i = o; i < stop; i++) pool_pixel(j, &w, taps, image, l, i, first, last);
        int64_t row = image * (j->space.y_image / j->space.y_pixel) + tap_conv_place(&j->space, l, o);
        if ((void *)j->y != j->out->data)
            tap_narrow_rows(j->out->dtype, (const float *)(void *)j->y, j->out->data, j->channels, row,
                            stop - o, first, last - first);
        tap_epilogue(j->ctx, row, stop - o, first, last - first);
    }
}

/* The axes of X (channels-last, or of rank 2) under the window. */
static tap_status resolve_axes(tap_ctx *ctx, job *j) {
    const tap_tensor *x = ctx->in[0];
    j->n_axes = x->rank - 2;
    if (!j->s->global) return tap_window_resolve(ctx, &j->s->window, j->n_axes, x->dims + 1, NULL, j->axes);
    for (int i = 0; i < j->n_axes; i++)
        j->axes[i] = (tap_window_axis){
            .in = x->dims[1 + i], .kernel = x->dims[1 + i], .stride = 1, .dilation = 1, .out = 1};
    if (j->n_axes == 0) {
        j->axes[0] = (tap_window_axis){.in = 1, .kernel = 1, .stride = 1, .dilation = 1, .out = 1};
        j->n_axes = 1;
    }
    return TAP_OK;
}

/* The window as that of a convolution that leaves channels apart. */
static void lay_out(job *j, const tap_tensor *x) {
    tap_conv v = {.n_axes = j->n_axes, .images = x->dims[0], .groups = j->channels, .c = 1, .m = 1};
    j->window_size = 1;
    for (int i = 0; i < j->n_axes; i++) {
        const tap_window_axis *a = &j->axes[i];
        v.axes[i] = (tap_conv_axis){.in = a->in,
                                    .step = a->stride,
                                    .first = -a->begin,
                                    .taps = a->kernel,
                                    .tap_step = a->dilation,
                                    .out = a->out,
                                    .out_extent = a->out,
                                    .out_step = 1};
        j->window_size *= (double)a->kernel;
    }
    tap_conv_space_keep(&j->space, &v, j->elem);
}

static tap_status take_memory(tap_ctx *ctx, job *j) {
    size_t bytes, each = (size_t)(j->space.outer_taps + (j->fold_taps ? j->channels : 0));
    j->memory_each = (int64_t)each;
    if (!tap_mul_size(each, sizeof(int64_t), &bytes) ||
        !tap_mul_size(bytes, (size_t)tap_workers(ctx), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "the window is too large");
    if (!(j->memory = tap_scratch(ctx, bytes))) return TAP_MEMORY;
    if (!(j->x = tap_widen(ctx, ctx->in[0]))) return TAP_MEMORY;
    j->y = j->out->data;
    if (tap_is_half(j->out->dtype)) j->y = tap_scratch(ctx, (size_t)j->out->count * sizeof(float));
    return j->y ? TAP_OK : TAP_MEMORY;
}

static tap_status pool_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    tap_dtype wide = tap_wide(x->dtype);
    job j = {.ctx = ctx, .s = ctx->state, .kind = tap_ctx_op(ctx)->data, .out = ctx->out[0]};
    if (j.out->count == 0) return TAP_OK;
    j.indices = ctx->n_out > 1 ? ctx->out[1] : NULL;
    j.fold = j.kind->fold[wide];
    j.fold_taps = j.indices ? j.kind->taps[wide] : NULL;
    j.channels = x->dims[x->rank - 1];
    j.elem = (int64_t)tap_dtype_bytes(wide);
    tap_status status = resolve_axes(ctx, &j);
    if (status != TAP_OK) return status;
    lay_out(&j, x);
    if ((status = take_memory(ctx, &j)) != TAP_OK) return status;
    int64_t lines = j.space.images * j.space.lines;
    j.units_of_line = (j.space.last.out + PIXELS_OF_UNIT - 1) / PIXELS_OF_UNIT;
    j.block = lines * j.units_of_line < 16 ? 64 : j.channels;
    j.blocks = (j.channels + j.block - 1) / j.block;
    double unit = (double)tap_min64(PIXELS_OF_UNIT, j.space.last.out) * (double)j.block * j.window_size;
    int64_t grain = unit >= WORK_OF_JOB ? 1 : (int64_t)(WORK_OF_JOB / unit);
    tap_parallel(ctx, lines * j.units_of_line * j.blocks, grain, pool_task, &j);
    return TAP_OK;
}

#define TYPES_MAX (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8))
#define POOL(NAME, SINCE, KIND, TYPES, PREPARE, INFER, OUT_MAX)                                   \
    {                                                                                             \
        .name = NAME, .since = SINCE, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = OUT_MAX, \
        .flags = TAP_EPILOGUE | TAP_WANTS_CHANNELS_LAST, .image_inputs = 1, .dtypes = TYPES,      \
        .prepare = PREPARE, .infer = INFER, .run = pool_run, .data = &KIND                        \
    }

static const tap_op ops[] = {
    POOL("MaxPool", 1, pool_max, TYPES_MAX, prepare_max, infer_windows, 2),
    POOL("AveragePool", 1, pool_mean, TAP_TYPES_FLOAT, prepare_average, infer_windows, 1),
    POOL("LpPool", 1, pool_norm, TAP_TYPES_FLOAT, prepare_norm, infer_windows, 1),
    POOL("GlobalLpPool", 1, pool_norm, TAP_TYPES_FLOAT, prepare_global_norm, tap_infer_global_pool, 1),
    {0},
};

TAP_DEFINE_FAMILY(pool, ops);
