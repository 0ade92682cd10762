/* Pooling over windows: MaxPool, AveragePool, LpPool, and GlobalLpPool, whose window is the whole image. */
#include <math.h>
#include <string.h>

#include "common/conv_space.h"
#include "common/floats.h"
#include "common/math.h"
#include "common/reduce.h"
#include "common/shape.h"
#include "common/tile.h"
#include "common/vector.h"
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

/* Outputs along the last axis, of one plane: what they are made of. */
typedef struct strip {
    const char **row; /* of the window, those that are inside: elements of the wide type */
    int64_t n_rows;
    double rows_count; /* rows to be counted: of elements, it is this x count[output] */
    const double *count;
    int64_t in, out, before, padded; /* elements; those of a row begin at `before` */
    int64_t taps, step, tap_step;    /* of the last axis */
    double p;
} strip;

/* Combines them into y. room: what `clear` has cleared, and behind it room for the outputs. */
typedef void pool_line(const strip *l, void *room, void *y);
typedef void pool_clear(const strip *l, void *room);
typedef struct pool_lines {
    pool_line *line;
    pool_clear *clear;
    size_t bytes; /* of an element of room */
} pool_lines;

/* y[first .. last) of the channels of one pixel. */
typedef void pool_fold(const window *w, int64_t first, int64_t last, void *y);
typedef void pool_fold_taps(const window *w, int64_t first, int64_t last, void *y, int64_t *taps);
/* n <= PIXELS_OF_UNIT outputs of a plane, `step` elements apart, with no tap outside: y, and where in the
 * plane the largest is, counted from its window's first tap. */
typedef void pool_fold_places(const window *w, int64_t n, int64_t step, void *y, int32_t *place);

/* ---- Where the maxima of float32 planes are, in vectors ---- */

enum { PLACES = VECTOR_BYTES / 4 };
typedef float floats __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t numbers __attribute__((vector_size(VECTOR_BYTES)));

/* Every second element of a and of b, from the first of a and from the second of b on. */
#if VECTOR_BYTES == 64
#define EVERY_SECOND(a, b) \
    __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 17, 19, 21, 23, 25, 27, 29, 31)
#elif VECTOR_BYTES == 32
#define EVERY_SECOND(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 9, 11, 13, 15)
#else
#define EVERY_SECOND(a, b) __builtin_shufflevector(a, b, 0, 2, 5, 7)
#endif

/* x[0], x[step], ...; nothing behind the last one is read. step: 1 or 2. */
POOL_INLINE floats elements_apart(const float *x, int64_t step) {
    floats a, b;
    memcpy(&a, x, sizeof a);
    if (step == 1) return a;
    memcpy(&b, x + PLACES - 1, sizeof b);
    return EVERY_SECOND(a, b);
}

POOL_INLINE void places_of_vector(const window *w, int64_t from, int64_t step, float *y, int32_t *place) {
    floats best = elements_apart((const float *)(const void *)(w->x + w->outer[0]) + from * step, step);
    numbers where = (numbers){0} + (int32_t)(w->outer[0] / (int64_t)sizeof(float));
    for (int64_t o = 0; o < w->n_outer; o++)
        for (int64_t t = o == 0; t < w->taps; t++) {
            const int64_t tap = w->outer[o] + t * w->tap_bytes;
            const floats x = elements_apart((const float *)(const void *)(w->x + tap) + from * step, step);
            const numbers takes = (x > best) | ((x != x) & (best == best));
            best = (floats)(((numbers)x & takes) | ((numbers)best & ~takes));
            where = (((int32_t)(tap / (int64_t)sizeof(float)) + (numbers){0}) & takes) | (where & ~takes);
        }
    memcpy(y + from, &best, sizeof best);
    memcpy(place + from, &where, sizeof where);
}

/* As pool_fold_places; false where outputs are too few, or too far apart. The last vector begins earlier
 * rather than being narrow. */
POOL_INLINE bool places_in_vectors(const window *w, int64_t n, int64_t step, float *y, int32_t *place) {
    if (n < PLACES || step > 2) return false;
    for (int64_t i = 0; i < n; i += PLACES) {
        if (step == 1)
            places_of_vector(w, tap_min64(i, n - PLACES), 1, y, place);
        else
            places_of_vector(w, tap_min64(i, n - PLACES), 2, y, place);
    }
    return true;
}

/* ---- Maxima of few float32 channels: what a block of channels leaves, in vectors ---- */

/* The first n elements; others are zero. */
POOL_INLINE floats some_elements(const char *x, int64_t n) {
    floats v = {0};
    if (n >= PLACES)
        memcpy(&v, x, sizeof v);
    else
#ifdef VECTOR_LOAD_PART
        v = VECTOR_LOAD_PART(floats, float, (1u << n) - 1, x);
#else
        memcpy(&v, x, (size_t)n * sizeof(float));
#endif
    return v;
}

/* y[0 .. n), n <= PLACES, from `at` on. */
POOL_INLINE void max_of_some(const window *w, int64_t at, int64_t n, float *y) {
    floats best = (floats){0} - INFINITY;
    for (int64_t o = 0; o < w->n_outer; o++) {
        const char *row = w->x + w->outer[o] + at * (int64_t)sizeof(float);
        for (int64_t t = 0; t < w->taps; t++, row += w->tap_bytes) {
            const floats x = some_elements(row, n);
            const numbers takes = (x > best) | ((x != x) & (best == best));
            best = (floats)(((numbers)x & takes) | ((numbers)best & ~takes));
        }
    }
#ifdef VECTOR_STORE_PART
    VECTOR_STORE_PART(float, y, n < PLACES ? (1u << n) - 1 : ~0u, best);
#else
    memcpy(y, &best, (size_t)n * sizeof(float));
#endif
}

POOL_INLINE void max_in_vectors(const window *w, int64_t at, int64_t last, float *y) {
    for (; at < last; at += PLACES) max_of_some(w, at, tap_min64(PLACES, last - at), y + at);
}

/* ---- The loops of each type ---- */

#define T        float
#define WIDE     double
#define F(name)  name##_f32
#define LEAST    (-INFINITY)
#define IN_LANES places_in_vectors
#define MAX_REST max_in_vectors
#define SELECT   tap_select
#include "pool.inc"
#define T       double
#define WIDE    double
#define F(name) name##_f64
#define LEAST   (-(double)INFINITY)
#define SELECT  tap_select64
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
    pool_fold_places *places[TAP_DTYPE_COUNT];
    bool counts; /* the number of elements matters: AveragePool */
    /* Of planes: the usual way, and those for few elements, or for p = 1 and p = 2. */
    const pool_lines *lines, *few, *p1, *p2;
} pool_kind;

#define LINES_OF(name, S, bytes) \
    { name##_line_##S, name##_clear_##S, bytes }
#define FLOAT_LINES(name, bytes)                              \
    static const pool_lines name##_lines[TAP_DTYPE_COUNT] = { \
        [TAP_FLOAT] = LINES_OF(name, f32, bytes), [TAP_DOUBLE] = LINES_OF(name, f64, 8)};
FLOAT_LINES(mean_few, 4)
FLOAT_LINES(mean_many, 8)
FLOAT_LINES(length, 8)
FLOAT_LINES(size, 8)
FLOAT_LINES(norm, 8)
static const pool_lines max_lines[TAP_DTYPE_COUNT] = {[TAP_FLOAT] = LINES_OF(max, f32, 4),
                                                      [TAP_DOUBLE] = LINES_OF(max, f64, 8),
                                                      [TAP_INT8] = LINES_OF(max, i8, 1),
                                                      [TAP_UINT8] = LINES_OF(max, u8, 1)};

static const pool_kind pool_max = {
    .fold = {[TAP_FLOAT] = max_f32, [TAP_DOUBLE] = max_f64, [TAP_INT8] = max_i8, [TAP_UINT8] = max_u8},
    .taps = {[TAP_FLOAT] = max_taps_f32,
             [TAP_DOUBLE] = max_taps_f64,
             [TAP_INT8] = max_taps_i8,
             [TAP_UINT8] = max_taps_u8},
    .places = {[TAP_FLOAT] = max_places_f32,
               [TAP_DOUBLE] = max_places_f64,
               [TAP_INT8] = max_places_i8,
               [TAP_UINT8] = max_places_u8},
    .lines = max_lines,
};
static const pool_kind pool_mean = {.fold = {[TAP_FLOAT] = mean_f32, [TAP_DOUBLE] = mean_f64},
                                    .counts = true,
                                    .lines = mean_many_lines,
                                    .few = mean_few_lines};
static const pool_kind pool_norm = {.fold = {[TAP_FLOAT] = norm_f32, [TAP_DOUBLE] = norm_f64},
                                    .lines = norm_lines,
                                    .p1 = size_lines,
                                    .p2 = length_lines};

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
    pool_fold_taps *fold_taps;     /* NULL: nobody wants the indices                        */
    pool_fold_places *fold_places; /* the same for planes, if they are not too large    */
    tap_conv_space space;          /* of a depthwise convolution with this window           */
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
    const pool_lines *lines; /* planes */
    const double *counts;    /* planes: AveragePool's elements along the last axis, by output */
} job;

/* Pads before, input and pads after, for the count of a window that includes padding. */
static int64_t taps_in_padded(const tap_window_axis *a, int64_t o) {
    int64_t start = o * a->stride - a->begin, room = a->in + a->end - start;
    return tap_min64(a->kernel, (room + a->dilation - 1) / a->dilation);
}

/* Rows of the window of line l, padding included. */
static double rows_with_padding(const job *j, int64_t l) {
    double n = 1;
    for (int i = j->n_axes - 2; i >= 0; i--) {
        n *= (double)taps_in_padded(&j->axes[i], l % j->axes[i].out);
        l /= j->axes[i].out;
    }
    return n;
}

/* Elements of the window at output o of line l, padding included. */
static double count_with_padding(const job *j, int64_t l, int64_t o) {
    return rows_with_padding(j, l) * (double)taps_in_padded(&j->axes[j->n_axes - 1], o);
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

/* Outputs o .. stop of line l of a plane, with indices: those whose window is inside all at once. */
static void plane_pixels(const job *j, window *w, int64_t *taps, int64_t image, int64_t l, int64_t o,
                         int64_t stop) {
    const tap_conv_axis *a = &j->space.last;
    int64_t x_pixels = j->space.x_image / j->space.x_pixel, y_pixels = j->space.y_image / j->space.y_pixel;
    int64_t reach = (a->taps - 1) * a->tap_step, first = o, last = stop;
    int32_t place[PIXELS_OF_UNIT];
    while (first < stop && first * a->step + a->first < 0) first++;
    while (last > first && (last - 1) * a->step + a->first + reach >= a->in) last--;
    for (int64_t i = o; i < first; i++) pool_pixel(j, w, taps, image, l, i, 0, 1);
    for (int64_t i = last; i < stop; i++) pool_pixel(j, w, taps, image, l, i, 0, 1);
    if (first == last) return;
    int64_t pixel = tap_conv_place(&j->space, l, first), at = first * a->step + a->first;
    int64_t *to = (int64_t *)j->indices->data + image * y_pixels + pixel;
    w->taps = a->taps;
    w->tap_bytes = a->tap_step * j->space.x_pixel;
    w->x = j->x + image * j->space.x_image + at * j->space.x_pixel;
    j->fold_places(w, last - first, a->step, j->y + image * j->space.y_image + pixel * j->space.y_pixel,
                   place);
    if (!j->s->column_major)
        for (int64_t i = 0; i < last - first; i++) to[i] = image * x_pixels + at + i * a->step + place[i];
    else
        for (int64_t i = 0; i < last - first; i++)
            to[i] = image * x_pixels + stored_place(j, at + i * a->step + place[i]);
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
        if (j->fold_places && w.n_outer > 0)
            plane_pixels(j, &w, taps, image, l, o, stop);
        else
            for (int64_t i = o; i < stop; i++) pool_pixel(j, &w, taps, image, l, i, first, last);
        int64_t row = image * (j->space.y_image / j->space.y_pixel) + tap_conv_place(&j->space, l, o);
        if ((void *)j->y != j->out->data)
            tap_narrow_rows(j->out->dtype, (const float *)(void *)j->y, j->out->data, j->channels, row,
                            stop - o, first, last - first);
        if (j->ctx->channels_last)
            tap_epilogue(j->ctx, row, stop - o, first, last - first);
        else
            tap_epilogue(j->ctx, row / j->space.last.out, 1, o, stop - o);
    }
}

/* ---- Planes: channels apart, as ONNX has them ---- */

/* What a worker needs for lines, and where it begins in its memory. */
typedef struct line_room {
    size_t rows, wide, y, each; /* room itself is at 0 */
} line_room;

static const pool_lines *lines_of(const job *j, tap_dtype wide) {
    const pool_kind *k = j->kind;
    const pool_lines *l = k->lines;
    if (k->few && j->window_size <= FEW) l = k->few;
    if (k->p1 && j->s->p == 1) l = k->p1;
    if (k->p2 && j->s->p == 2) l = k->p2;
    return &l[wide];
}

/* Rows that a window has inside: all that it can be given. */
static int64_t most_rows(const job *j) {
    int64_t rows = 1;
    for (int i = 0; i < j->n_axes - 1; i++) rows *= tap_min64(j->axes[i].kernel, j->axes[i].in);
    return rows;
}

static bool room_for_lines(const job *j, strip *l, line_room *r) {
    const tap_window_axis *a = &j->axes[j->n_axes - 1];
    bool half = tap_is_half(j->out->dtype);
    *l = (strip){.in = a->in,
                 .out = a->out,
                 .before = a->begin,
                 .padded = tap_max64(a->begin + a->in, (a->out - 1) * a->stride + tap_window_extent(a)),
                 .taps = a->kernel,
                 .step = a->stride,
                 .tap_step = a->dilation,
                 .p = j->s->p};
    size_t row = (size_t)a->in * sizeof(float), n;
    r->rows = tap_round_up((size_t)(2 * (l->padded + 1) + l->out) * j->lines->bytes, TAP_ALIGN);
    r->wide = r->rows + tap_round_up((size_t)most_rows(j) * sizeof(char *), TAP_ALIGN);
    if (!tap_mul_size(half ? (size_t)most_rows(j) : 0, row, &n)) return false;
    r->y = r->wide + tap_round_up(n, TAP_ALIGN);
    r->each = r->y + (half ? tap_round_up((size_t)l->out * sizeof(float), TAP_ALIGN) : 0);
    return true;
}

/* Lines of outputs, counted over all planes. */
static void lines_task(void *arg, int64_t begin, int64_t end, int worker) {
    const job *j = arg;
    strip l;
    line_room r;
    room_for_lines(j, &l, &r);
    char *room = (char *)j->memory + (size_t)worker * r.each, *wide = room + r.wide;
    bool half = tap_is_half(j->out->dtype);
    l.row = (const char **)(void *)(room + r.rows);
    l.count = j->counts;
    j->lines->clear(&l, room);
    for (int64_t i = begin; i < end; i++) {
        int64_t plane = i / j->space.lines, at = i % j->space.lines;
        const char *x = j->x + plane * j->space.x_image;
        char *y = j->y + (plane * j->space.y_image + at * l.out * j->space.y_pixel);
        l.n_rows = 0;
        for (int64_t t = 0; t < j->space.outer_taps; t++) {
            int64_t row = tap_conv_row(&j->space, at, t);
            if (row < 0) continue;
            l.row[l.n_rows] = x + row;
            if (half) {
                float *to = (float *)(void *)wide + l.n_rows * l.in;
                TAP_ISA_NAME(tap_floats_in)(j->out->dtype, l.in, x + row, 2, to);
                l.row[l.n_rows] = (const char *)to;
            }
            l.n_rows++;
        }
        l.rows_count = j->s->include_pad ? rows_with_padding(j, at) : (double)l.n_rows;
        j->lines->line(&l, room, half ? room + r.y : y);
        if (half) TAP_ISA_NAME(tap_floats_out)(j->out->dtype, l.out, (float *)(void *)(room + r.y), y, 2);
        tap_epilogue(j->ctx, i, 1, 0, l.out);
    }
}

/* Elements along the last axis that an output's window has: those inside, or with padding. */
static bool count_elements(tap_ctx *ctx, job *j) {
    const tap_window_axis *a = &j->axes[j->n_axes - 1];
    double *n = j->kind->counts ? tap_scratch(ctx, (size_t)a->out * sizeof *n) : NULL;
    if (j->kind->counts && !n) return false;
    for (int64_t o = 0; n && o < a->out; o++) {
        int64_t t0, t1;
        inside(&j->space.last, o, &t0, &t1);
        n[o] = (double)(j->s->include_pad ? taps_in_padded(a, o) : t1 - t0);
    }
    j->counts = n;
    return true;
}

/* Padding that a line has room for: a window that is mostly padding goes pixel by pixel. */
static bool lines_fit(const job *j) {
    const tap_window_axis *a = &j->axes[j->n_axes - 1];
    return a->begin + a->end + tap_window_extent(a) <= 4 * (a->in + a->out) + 1024;
}

static tap_status run_lines(tap_ctx *ctx, job *j) {
    strip l;
    line_room r;
    size_t bytes;
    j->x = ctx->in[0]->data;
    j->y = j->out->data;
    j->lines = lines_of(j, tap_wide(j->out->dtype));
    if (!room_for_lines(j, &l, &r) || !tap_mul_size(r.each, (size_t)tap_workers(ctx), &bytes))
        return tap_fail(ctx, TAP_MEMORY, "the window is too large");
    if (!(j->memory = tap_scratch(ctx, bytes)) || !count_elements(ctx, j)) return TAP_MEMORY;
    double each = (double)l.out * j->window_size;
    tap_parallel(ctx, j->space.images * j->space.lines,
                 each >= WORK_OF_JOB ? 1 : (int64_t)(WORK_OF_JOB / each), lines_task, j);
    return TAP_OK;
}

/* ---- Running ---- */

/* The axes of X under the window. */
static tap_status resolve_axes(tap_ctx *ctx, job *j) {
    const tap_tensor *x = ctx->in[0];
    const int64_t *dims = x->dims + (ctx->channels_last ? 1 : 2);
    j->n_axes = x->rank - 2;
    if (!j->s->global) return tap_window_resolve(ctx, &j->s->window, j->n_axes, dims, NULL, j->axes);
    for (int i = 0; i < j->n_axes; i++)
        j->axes[i] =
            (tap_window_axis){.in = dims[i], .kernel = dims[i], .stride = 1, .dilation = 1, .out = 1};
    if (j->n_axes == 0) {
        j->axes[0] = (tap_window_axis){.in = 1, .kernel = 1, .stride = 1, .dilation = 1, .out = 1};
        j->n_axes = 1;
    }
    return TAP_OK;
}

/* The window as that of a convolution that leaves channels apart; planes are images of one channel. */
static void lay_out(job *j, int64_t images) {
    tap_conv v = {.n_axes = j->n_axes, .images = images, .groups = j->channels, .c = 1, .m = 1};
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
    const bool planes = !ctx->channels_last;
    j.channels = planes ? 1 : x->dims[x->rank - 1];
    tap_status status = resolve_axes(ctx, &j);
    if (status != TAP_OK) return status;
    const bool by_lines = planes && !j.indices && lines_fit(&j);
    j.elem = (int64_t)tap_dtype_bytes(by_lines ? x->dtype : wide);
    lay_out(&j, x->dims[0] * (planes ? x->dims[1] : 1));
    if (by_lines) return run_lines(ctx, &j);
    if (planes && j.indices && j.space.x_image / j.elem <= INT32_MAX) j.fold_places = j.kind->places[wide];
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

/* ---- GlobalLpPool: a reduction, for the exponents that there are loops for ---- */

#define MAGNITUDES(S, T)                                                                             \
    static void square_##S(int64_t n, const void *px, void *py, const void *shift, int64_t step) {   \
        const T *restrict x = px;                                                                    \
        double *restrict y = py;                                                                     \
        (void)shift, (void)step;                                                                     \
        for (int64_t i = 0; i < n; i++) y[i] = (double)x[i] * (double)x[i];                          \
    }                                                                                                \
    static void absolute_##S(int64_t n, const void *px, void *py, const void *shift, int64_t step) { \
        const T *restrict x = px;                                                                    \
        double *restrict y = py;                                                                     \
        (void)shift, (void)step;                                                                     \
        for (int64_t i = 0; i < n; i++) y[i] = fabs((double)x[i]);                                   \
    }                                                                                                \
    static void root_##S(int64_t n, const void *acc, double count, const void *shift, void *y) {     \
        (void)count, (void)shift;                                                                    \
        for (int64_t i = 0; i < n; i++) ((T *)y)[i] = (T)sqrt(((const double *)acc)[i]);             \
    }                                                                                                \
    static void sum_##S(int64_t n, const void *acc, double count, const void *shift, void *y) {      \
        (void)count, (void)shift;                                                                    \
        for (int64_t i = 0; i < n; i++) ((T *)y)[i] = (T)((const double *)acc)[i];                   \
    }                                                                                                \
    static const tap_reducer norms_##S[] = {                                                         \
        {&tap_loops_sum_f64, absolute_##S, sum_##S, sizeof(T), sizeof(T), NULL, NULL},               \
        {&tap_loops_sum_f64, square_##S, root_##S, sizeof(T), sizeof(T), NULL, NULL}};
MAGNITUDES(f32, float)
MAGNITUDES(f64, double)

static tap_status global_norm_run(tap_ctx *ctx) {
    const pool_state *s = ctx->state;
    tap_tensor x, y;
    uint32_t axes = 0;
    if ((s->p != 1 && s->p != 2) || ctx->out[0]->count == 0) return pool_run(ctx);
    if (!tap_widen_tensor(ctx, ctx->in[0], &x) || !tap_widen_output(ctx, ctx->out[0], &y)) return TAP_MEMORY;
    for (int i = 2; i < x.rank; i++) axes |= UINT32_C(1) << (ctx->channels_last ? i - 1 : i);
    const tap_reducer *norms = x.dtype == TAP_DOUBLE ? norms_f64 : norms_f32;
    tap_status status = tap_reduce(ctx, &norms[s->p == 2], &x, axes, y.data);
    if (status != TAP_OK) return status;
    tap_narrow_output(ctx, &y, ctx->out[0]);
    int64_t row = y.dims[y.rank - 1];
    tap_epilogue(ctx, 0, y.count / row, 0, row);
    return TAP_OK;
}

#define TYPES_MAX (TAP_TYPES_FLOAT | TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8))
#define POOL(NAME, SINCE, KIND, TYPES, PREPARE, INFER, RUN, OUT_MAX)                              \
    {                                                                                             \
        .name = NAME, .since = SINCE, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = OUT_MAX, \
        .flags = TAP_EPILOGUE | TAP_TAKES_CHANNELS_LAST, .image_inputs = 1, .dtypes = TYPES,      \
        .prepare = PREPARE, .infer = INFER, .run = RUN, .data = &KIND                             \
    }

static const tap_op ops[] = {
    POOL("MaxPool", 1, pool_max, TYPES_MAX, prepare_max, infer_windows, pool_run, 2),
    POOL("AveragePool", 1, pool_mean, TAP_TYPES_FLOAT, prepare_average, infer_windows, pool_run, 1),
    POOL("LpPool", 1, pool_norm, TAP_TYPES_FLOAT, prepare_norm, infer_windows, pool_run, 1),
    POOL("GlobalLpPool", 1, pool_norm, TAP_TYPES_FLOAT, prepare_global_norm, tap_infer_global_pool,
         global_norm_run, 1),
    {0},
};

TAP_DEFINE_FAMILY(pool, ops);
