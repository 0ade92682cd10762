/* GridSample and AffineGrid: images read at given places, and the places of an affine transformation. */
#include <math.h>

#include "common/cast.h"
#include "common/channels.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef enum sample_mode { SAMPLE_LINEAR, SAMPLE_NEAREST, SAMPLE_CUBIC } sample_mode;
typedef enum padding_mode { PADDING_ZEROS, PADDING_BORDER, PADDING_REFLECTION } padding_mode;

typedef struct sample_state {
    sample_mode mode;
    padding_mode padding;
    bool align;
} sample_state;

static tap_status sample_prepare(tap_ctx *ctx, void **state) {
    static const char *const old_modes[] = {"bilinear", "nearest", "bicubic", NULL};
    static const char *const modes[] = {"linear", "nearest", "cubic", NULL};
    static const char *const paddings[] = {"zeros", "border", "reflection", NULL};
    sample_state *s = tap_state(ctx, sizeof *s);
    bool old = tap_opset(ctx) < 20;
    if (!s) return TAP_MEMORY;
    *state = s;
    s->mode = (sample_mode)tap_attr_choice(ctx, "mode", old ? "bilinear" : "linear", old ? old_modes : modes);
    s->padding = (padding_mode)tap_attr_choice(ctx, "padding_mode", "zeros", paddings);
    s->align = tap_attr_int(ctx, "align_corners", 0) != 0;
    return TAP_OK;
}

static tap_status sample_infer(tap_ctx *ctx) {
    const sample_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *grid = tap_in_type(ctx, 1);
    int rank = x->rank >= 0 ? x->rank : grid->rank, old = tap_opset(ctx) < 20;
    int64_t dims[TAP_RANK_MAX];
    tap_status status = tap_need_dtype(ctx, 1, TAP_TYPES_FLOAT, "grid");
    if (!status) status = tap_need_rank(ctx, 0, old ? 4 : 3, old ? 4 : TAP_RANK_MAX, "the input");
    if (status) return status;
    if (x->rank >= 0 && grid->rank >= 0 && x->rank != grid->rank)
        return tap_fail(ctx, tap_misfit(ctx), "the grid has rank %d, the input %d", grid->rank, x->rank);
    if (x->dtype == TAP_STRING && s->mode != SAMPLE_NEAREST)
        return tap_fail(ctx, TAP_UNSUPPORTED, "strings cannot be interpolated, only copied (mode nearest)");
    if (rank < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    if (grid->rank >= 0 && grid->dims[rank - 1] >= 0 && grid->dims[rank - 1] != rank - 2)
        return tap_fail(ctx, tap_misfit(ctx),
                        "places in the grid have %lld coordinates, the input %d spatial axes",
                        (long long)grid->dims[rank - 1], rank - 2);
    if (x->rank >= 0 && grid->rank >= 0 && x->dims[0] >= 0 && grid->dims[0] >= 0 &&
        x->dims[0] != grid->dims[0])
        return tap_fail(ctx, tap_misfit(ctx), "the grid is for %lld images, there are %lld",
                        (long long)grid->dims[0], (long long)x->dims[0]);
    dims[0] = x->rank >= 0 && x->dims[0] >= 0 ? x->dims[0] : grid->rank >= 0 ? grid->dims[0] : -1;
    dims[1] = x->rank >= 0 ? x->dims[1] : -1;
    for (int i = 2; i < rank; i++) dims[i] = grid->rank >= 0 ? grid->dims[i - 1] : -1;
    return tap_out_type(ctx, 0, x->dtype, rank, dims);
}

/* ---- Where ---- */

/* v reflected at lo and hi until it lies between them. */
static double reflect(double v, double lo, double hi) {
    double span = hi - lo;
    if (span <= 0 || isnan(v) || isinf(v)) return lo < 0 ? 0 : lo;
    v = fmod(fabs(v - lo), 2 * span);
    return lo + (v > span ? 2 * span - v : v);
}

/* Coordinate c of the grid along an axis of d elements, in elements. In float32 unless the grid is of
 * float64: halves decide between neighbours. */
static double place_of(const sample_state *s, double c, int64_t d, bool wide) {
    float f = (float)c;
    if (wide) return s->align ? (c + 1) / 2 * (double)(d - 1) : ((c + 1) * (double)d - 1) / 2;
    return (double)(s->align ? (f + 1) / 2 * (float)(d - 1) : ((f + 1) * (float)d - 1) / 2);
}

/* The same, moved into the image as the padding says. */
static double padded_place(const sample_state *s, double c, int64_t d, bool wide) {
    double v = place_of(s, c, d, wide), lo = s->align ? 0 : -0.5, hi = (double)d - (s->align ? 1 : 0.5);
    if (s->mode == SAMPLE_NEAREST) v = nearbyint(v);
    if (v >= lo && v <= hi) return v;
    /* The border goes on for ever: a cubic that reaches into the image is not moved to its edge. */
    double beyond = s->mode == SAMPLE_CUBIC ? 3 : 0;
    if (s->padding == PADDING_BORDER) return isnan(v) ? 0 : fmin(fmax(v, -beyond), (double)(d - 1) + beyond);
    return s->padding == PADDING_REFLECTION ? reflect(v, lo, hi) : v;
}

/* The element that stands for position p of an axis of d elements; -1: zero. */
static int64_t element_at(const sample_state *s, double p, int64_t d) {
    if (p >= 0 && p <= (double)(d - 1)) return (int64_t)p;
    if (s->padding == PADDING_ZEROS) return -1;
    if (s->padding == PADDING_REFLECTION)
        p = reflect(p, s->align ? 0 : -0.5, (double)d - (s->align ? 1 : 0.5));
    return (int64_t)fmin(fmax(p, 0), (double)(d - 1));
}

/* Keys' cubic with a = -0.75, at a distance from 0 to 2. */
static double cubic(double x) {
    const double a = -0.75;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

/* Elements along one axis and their weights; returns how many (up to 4). */
static int axis_taps(const sample_state *s, double v, int64_t d, int64_t *at, double *weight) {
    double base = floor(v), r = v - base;
    int first = s->mode == SAMPLE_CUBIC ? -1 : 0, last = s->mode == SAMPLE_CUBIC ? 2 : 1, n = 0;
    if (isnan(v) || isinf(v)) return 0;
    if (s->mode == SAMPLE_NEAREST) {
        at[0] = element_at(s, v, d);
        weight[0] = 1;
        return at[0] >= 0;
    }
    for (int k = first; k <= last; k++) {
        double distance = fabs(r - k);
        at[n] = element_at(s, base + k, d);
        weight[n] = s->mode == SAMPLE_CUBIC ? cubic(distance) : 1 - distance;
        if (at[n] >= 0) n++;
    }
    return n;
}

/* ---- Sampling ---- */

/* For each place of a block: the elements of an image that are in it, and their weights. */
typedef struct taps {
    int64_t *n, *at; /* n[block], at[block][taps_max] */
    double *weight;
} taps;

typedef struct sampler {
    const sample_state *s;
    const tap_tensor *grid;
    int axes, parts;                  /* spatial; numbers in an element          */
    int64_t dims[TAP_RANK_MAX];       /* spatial                                 */
    int64_t channels, pixels, places; /* an image's elements; its places in y    */
    int64_t taps_max, block, blocks;
    tap_dtype dtype; /* of x and y below                        */
    size_t width;
    bool together; /* x has the channels of a pixel together          */
    const char *x;
    char *y;
    char *room;
    size_t room_bytes, tile_at; /* of a worker; where in it y's channels are together */
} sampler;

#define AT_ONCE 32 /* channels whose sums are in registers */

#define TAP_WORD_LOOPS "grid_copy.inc"
#include "common/words.inc"
#define T     float
#define FN(f) f##_float
#include "grid_sample.inc"
#define T     double
#define FN(f) f##_double
#include "grid_sample.inc"

/* The product of the taps of all axes. coordinates are listed from the last axis to the first. */
static int64_t place_taps(const sampler *s, int64_t place, int64_t *at, double *weight) {
    bool wide = s->grid->dtype == TAP_DOUBLE;
    int64_t n = 1;
    at[0] = 0;
    weight[0] = 1;
    for (int i = 0; i < s->axes; i++) {
        int64_t a[4];
        double w[4], c = tap_real_at(s->grid, place * s->axes + s->axes - 1 - i);
        int more = axis_taps(s->s, padded_place(s->s, c, s->dims[i], wide), s->dims[i], a, w);
        /* From the back: what is still to be read is not yet overwritten. */
        for (int64_t k = n - 1; k >= 0; k--) {
            int64_t base = at[k] * s->dims[i];
            double factor = weight[k];
            for (int j = 0; j < more; j++) {
                at[k * more + j] = base + a[j];
                weight[k * more + j] = factor * w[j];
            }
        }
        n *= more;
    }
    return n;
}

static void sample_channel(const sampler *s, const taps *t, int64_t n, const char *x, char *y) {
    static void (*const copy[])(const taps *, int64_t, const char *, char *) = {copy_w1, copy_w2, copy_w4,
                                                                                copy_w8, copy_w16};
    if (s->s->mode == SAMPLE_NEAREST)
        copy[__builtin_ctzll(s->width)](t, n, x, y);
    else
        (s->dtype == TAP_FLOAT ? mix_float : mix_double)(s, t, n, x, y);
}

/* Positions from .. from + n of an image. */
static void sample_block(const sampler *s, const taps *t, int64_t image, int64_t from, int64_t n,
                         char *tile) {
    const char *x = s->x + (size_t)(image * s->channels * s->pixels) * s->width;
    char *y = s->y + (size_t)(image * s->channels * s->places + from) * s->width;
    if (s->together) {
        (s->dtype == TAP_FLOAT ? mix_together_float : mix_together_double)(s, t, n, x, tile);
        tap_channels_apart(s->width, n, s->channels, tile, s->places, y);
        return;
    }
    for (int64_t c = 0; c < s->channels; c++)
        sample_channel(s, t, n, x + (size_t)(c * s->pixels) * s->width,
                       y + (size_t)(c * s->places) * s->width);
}

static void sample_task(void *arg, int64_t begin, int64_t end, int worker) {
    const sampler *s = arg;
    const int64_t all = s->block * s->taps_max;
    taps t;
    t.at = (int64_t *)(void *)(s->room + (size_t)worker * s->room_bytes);
    t.weight = (double *)(void *)(t.at + all);
    t.n = (int64_t *)(void *)(t.weight + all);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t image = unit / s->blocks, from = unit % s->blocks * s->block,
                n = tap_min64(s->block, s->places - from);
        for (int64_t q = 0; q < n; q++)
            t.n[q] = place_taps(s, image * s->places + from + q, t.at + q * s->taps_max,
                                t.weight + q * s->taps_max);
        sample_block(s, &t, image, from, n, s->room + (size_t)worker * s->room_bytes + s->tile_at);
    }
}

static tap_status find_sizes(tap_ctx *ctx, sampler *s) {
    const tap_tensor *x = ctx->in[0];
    s->axes = x->rank - 2;
    s->channels = x->dims[1];
    s->taps_max = s->places = s->pixels = 1;
    for (int i = 0; i < s->axes; i++) {
        s->dims[i] = x->dims[i + 2];
        s->pixels *= s->dims[i];
        s->places *= ctx->out[0]->dims[i + 2];
        s->taps_max *= s->s->mode == SAMPLE_CUBIC ? 4 : s->s->mode == SAMPLE_LINEAR ? 2 : 1;
    }
    if (s->taps_max > 1 << 20)
        return tap_fail(ctx, TAP_UNSUPPORTED, "cubic interpolation along %d axes", s->axes);
    if (s->pixels == 0) return tap_fail(ctx, TAP_RUN, "images without elements cannot be sampled");
    s->block = tap_max64(1, tap_min64(256, 4096 / s->taps_max));
    /* Worth it for sums, where most pixels are read. Complex numbers have parts of their own. */
    s->together = s->taps_max > 1 && s->parts == 1 && s->channels >= TAP_CHANNELS_FEW &&
                  s->places * s->taps_max >= s->pixels / 2;
    if (s->together) s->block = tap_max64(16, tap_min64(s->block, 16384 / s->channels));
    s->blocks = (s->places + s->block - 1) / s->block;
    s->tile_at = tap_round_up((size_t)s->block * (2 * (size_t)s->taps_max + 1) * 8, TAP_ALIGN);
    s->room_bytes = s->tile_at;
    if (s->together) s->room_bytes += tap_round_up((size_t)(s->block * s->channels) * s->width, TAP_ALIGN);
    s->room = tap_scratch(ctx, s->room_bytes * (size_t)tap_workers(ctx));
    return s->room ? TAP_OK : TAP_MEMORY;
}

/* The type that is computed in, of which x and y are made copies where they are not of it. */
static tap_dtype sampled_type(tap_dtype t) {
    switch (t) {
    case TAP_FLOAT:
    case TAP_FLOAT16:
    case TAP_BFLOAT16:
    case TAP_COMPLEX64: return TAP_FLOAT;
    default: return TAP_DOUBLE;
    }
}

static tap_status sample_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    sampler s = {
        .s = ctx->state, .grid = ctx->in[1], .parts = 1, .dtype = x->dtype, .x = x->data, .y = y->data};
    tap_status status;
    if (y->count == 0) return TAP_OK;
    bool copies = s.s->mode == SAMPLE_NEAREST,
         pairs = x->dtype == TAP_COMPLEX64 || x->dtype == TAP_COMPLEX128;
    if (!copies) {
        s.dtype = sampled_type(x->dtype);
        s.parts = pairs ? 2 : 1;
    }
    bool widened = !copies && !pairs && s.dtype != x->dtype;
    s.width = tap_dtype_bytes(widened ? s.dtype : x->dtype);
    if ((status = find_sizes(ctx, &s))) return status;
    if (widened) {
        char *wide = tap_scratch(ctx, (size_t)x->count * s.width);
        s.x = wide;
        s.y = tap_scratch(ctx, (size_t)y->count * s.width);
        if (!wide || !s.y) return TAP_MEMORY;
        TAP_ISA_NAME(tap_cast_dense)(x->dtype, s.dtype, x->count, x->data, wide);
    }
    if (s.together && !(s.x = tap_channels_together(ctx, s.width, x->dims[0], s.channels, s.pixels, s.x)))
        return TAP_MEMORY;
    tap_parallel(ctx, x->dims[0] * s.blocks,
                 tap_max64(1, 8192 / (s.block * s.taps_max * tap_max64(s.channels, 1))), sample_task, &s);
    if (widened) TAP_ISA_NAME(tap_cast_dense)(s.dtype, y->dtype, y->count, s.y, y->data);
    return TAP_OK;
}

/* ---- AffineGrid ---- */

static tap_status affine_prepare(tap_ctx *ctx, void **state) {
    bool *align = tap_state(ctx, sizeof *align);
    if (!align) return TAP_MEMORY;
    *align = tap_attr_int(ctx, "align_corners", 0) != 0;
    *state = align;
    return TAP_OK;
}

static tap_status affine_infer(tap_ctx *ctx) {
    const tap_type *theta = tap_in_type(ctx, 0);
    tap_ints size;
    int64_t dims[5];
    tap_status status = tap_need_rank(ctx, 0, 3, 3, "theta");
    if (!status) status = tap_need_dtype(ctx, 1, TAP_BIT(TAP_INT64), "size");
    if (!status) status = tap_read_ints(ctx, 1, 5, "size", &size);
    if (status) return status;
    if (size.n >= 0 && size.n < 4)
        return tap_fail(ctx, tap_misfit(ctx), "size has %d elements, not 4 or 5", size.n);
    int axes = size.n >= 0                               ? size.n - 2
               : theta->rank == 3 && theta->dims[1] >= 0 ? (int)tap_min64(theta->dims[1], 4)
                                                         : -1;
    if (axes < 0) return tap_out_type(ctx, 0, theta->dtype, -1, NULL);
    if (theta->rank == 3 && ((theta->dims[1] >= 0 && theta->dims[1] != axes) ||
                             (theta->dims[2] >= 0 && theta->dims[2] != axes + 1) || axes < 2 || axes > 3))
        return tap_fail(ctx, tap_misfit(ctx),
                        "theta must be of shape [N, 2, 3] or [N, 3, 4], and size suit it");
    for (int i = 0; i < size.n && size.known; i++)
        if (size.v[i] < 0) return tap_fail(ctx, tap_misfit(ctx), "size[%d] is %lld", i, (long long)size.v[i]);
    dims[0] = size.known ? size.v[0] : theta->rank == 3 ? theta->dims[0] : -1;
    if (size.known && theta->rank == 3 && theta->dims[0] >= 0 && theta->dims[0] != size.v[0])
        return tap_fail(ctx, tap_misfit(ctx), "size is for %lld images, theta for %lld", (long long)size.v[0],
                        (long long)theta->dims[0]);
    for (int i = 0; i < axes; i++) dims[1 + i] = size.known ? size.v[2 + i] : -1;
    dims[1 + axes] = axes;
    return tap_out_type(ctx, 0, theta->dtype, axes + 2, dims);
}

typedef struct affine {
    const tap_tensor *theta;
    tap_tensor *y;
    int axes;
    bool align;
} affine;

/* Element i of an axis of n, from -1 to 1. */
static double even_place(bool align, int64_t i, int64_t n) {
    if (align) return n == 1 ? 0 : -1 + 2 * (double)i / (double)(n - 1);
    return (double)(2 * i + 1) / (double)n - 1;
}

enum { AFFINE_BLOCK = 128 }; /* places that are computed before they are rounded */

/* result[n][axes]: base + slope place. */
static inline __attribute__((always_inline)) void affine_places(const int axes, const double *base,
                                                                const double *slope, const double *place,
                                                                int64_t n, double *restrict result) {
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < axes; k++) result[i * axes + k] = base[k] + slope[k] * place[i];
}

/* What a row of y has in common: base[axes] and slope[axes] of its places along the last axis. */
static void affine_row(const affine *a, int64_t row, double *base, double *slope) {
    const int axes = a->axes;
    const int64_t *dims = a->y->dims;
    double place[3] = {0, 0, 0};
    for (int i = axes - 2; i >= 0; i--) {
        place[axes - 1 - i] = even_place(a->align, row % dims[1 + i], dims[1 + i]);
        row /= dims[1 + i];
    }
    for (int k = 0; k < axes; k++) {
        const int64_t at = (row * axes + k) * (axes + 1);
        slope[k] = tap_real_at(a->theta, at);
        base[k] = tap_real_at(a->theta, at + axes);
        for (int i = 1; i < axes; i++) base[k] += tap_real_at(a->theta, at + i) * place[i];
    }
}

/* Rows of y: all places along the last spatial axis. */
static void affine_task(void *arg, int64_t begin, int64_t end, int worker) {
    const affine *a = arg;
    const int axes = a->axes;
    const int64_t width = a->y->dims[axes];
    const size_t bytes = tap_dtype_bytes(a->y->dtype);
    (void)worker;
    for (int64_t q = 0; q < width; q += AFFINE_BLOCK) {
        const int64_t n = tap_min64(AFFINE_BLOCK, width - q);
        double place[AFFINE_BLOCK], base[3], slope[3], result[AFFINE_BLOCK * 3];
        for (int64_t i = 0; i < n; i++) place[i] = even_place(a->align, q + i, width);
        for (int64_t row = begin; row < end; row++) {
            affine_row(a, row, base, slope);
            if (axes == 2)
                affine_places(2, base, slope, place, n, result);
            else
                affine_places(3, base, slope, place, n, result);
            TAP_ISA_NAME(tap_cast_dense)
            (TAP_DOUBLE, a->y->dtype, n * axes, result,
             (char *)a->y->data + (size_t)((row * width + q) * axes) * bytes);
        }
    }
}

static tap_status affine_run(tap_ctx *ctx) {
    affine a = {ctx->in[0], ctx->out[0], ctx->out[0]->rank - 2, *(const bool *)ctx->state};
    if (a.y->count == 0) return TAP_OK;
    int64_t width = a.y->dims[a.axes];
    tap_parallel(ctx, a.y->count / a.axes / width, tap_max64(1, 4096 / width), affine_task, &a);
    return TAP_OK;
}

/* The standard's "all types" before the 8-bit floats. */
#define PLAIN_TYPES                                                                         \
    (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL) | TAP_BIT(TAP_STRING) | TAP_BIT(TAP_COMPLEX64) | \
     TAP_BIT(TAP_COMPLEX128))
#define TWO_IN .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1
#define SAMPLE .dtypes = PLAIN_TYPES, .prepare = sample_prepare, .infer = sample_infer, .run = sample_run
#define AFFINE .dtypes = TAP_TYPES_FLOAT, .prepare = affine_prepare, .infer = affine_infer, .run = affine_run

static const tap_op ops[] = {
    {.name = "GridSample", .since = 16, TWO_IN, SAMPLE},
    {.name = "AffineGrid", .since = 20, TWO_IN, AFFINE},
    {0},
};

TAP_DEFINE_FAMILY(grid_sample, ops);
