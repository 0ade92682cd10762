/* Col2Im: blocks of columns put back into an image; where they overlap they are added. */
#include "common/floats.h"
#include "common/shape.h"

#define TAP_NUMBER_LOOPS "col2im.inc"
#include "common/numbers.inc"

typedef void add_loop(int64_t n, const void *x, int64_t x_step, void *y, int64_t y_step);
static add_loop *const add[TAP_DTYPE_COUNT] = TAP_NUMBER_TABLE(add);

/* Truth values are added by "or". */
static void add_bool(int64_t n, const void *x, int64_t x_step, void *y, int64_t y_step) {
    for (int64_t i = 0; i < n; i++) ((uint8_t *)y)[i * y_step] |= ((const uint8_t *)x)[i * x_step] != 0;
}

/* ---- Attributes ---- */

#define SPATIAL_MAX (TAP_RANK_MAX - 2)

typedef struct col2im_state {
    const int64_t *strides, *dilations, *pads; /* NULL: 1, 1, 0 */
    size_t n_strides, n_dilations, n_pads;
} col2im_state;

static const int64_t *ints_or_null(tap_ctx *ctx, const char *name, size_t *n) {
    const int64_t *v = tap_attr_ints(ctx, name, n);
    return *n ? v : NULL;
}

static tap_status col2im_prepare(tap_ctx *ctx, void **state) {
    col2im_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->strides = ints_or_null(ctx, "strides", &s->n_strides);
    s->dilations = ints_or_null(ctx, "dilations", &s->n_dilations);
    s->pads = ints_or_null(ctx, "pads", &s->n_pads);
    for (size_t i = 0; i < s->n_strides; i++)
        if (s->strides[i] < 1 || s->strides[i] > INT32_MAX)
            return tap_fail(ctx, TAP_MODEL, "strides[%zu] is %lld", i, (long long)s->strides[i]);
    for (size_t i = 0; i < s->n_dilations; i++)
        if (s->dilations[i] < 1 || s->dilations[i] > INT32_MAX)
            return tap_fail(ctx, TAP_MODEL, "dilations[%zu] is %lld", i, (long long)s->dilations[i]);
    for (size_t i = 0; i < s->n_pads; i++)
        if (s->pads[i] < 0) return tap_fail(ctx, TAP_MODEL, "pads[%zu] is %lld", i, (long long)s->pads[i]);
    return TAP_OK;
}

/* One spatial axis: blocks of `block` elements, `dilation` apart, start at -pad, -pad + stride, ... */
typedef struct spatial {
    int64_t image, block, stride, dilation, pad, places;
} spatial;

/* All axes, of known sizes. */
static tap_status read_axes(tap_ctx *ctx, const tap_ints *image, const tap_ints *block, spatial *a) {
    const col2im_state *s = ctx->state;
    size_t n = (size_t)image->n;
    if ((s->strides && s->n_strides != n) || (s->dilations && s->n_dilations != n) ||
        (s->pads && s->n_pads != 2 * n))
        return tap_fail(ctx, tap_misfit(ctx), "strides, dilations and pads must be for %zu axes", n);
    for (size_t i = 0; i < n; i++) {
        a[i] = (spatial){image->v[i],
                         block->v[i],
                         s->strides ? s->strides[i] : 1,
                         s->dilations ? s->dilations[i] : 1,
                         s->pads ? s->pads[i] : 0,
                         0};
        int64_t room, reach;
        if (a[i].image < 0 || a[i].block < 1)
            return tap_fail(ctx, tap_misfit(ctx), "axis %zu: an image of %lld and a block of %lld", i,
                            (long long)a[i].image, (long long)a[i].block);
        if (!tap_add64(a[i].image, a[i].pad, &room) ||
            !tap_add64(room, s->pads ? s->pads[n + i] : 0, &room) ||
            !tap_mul64(a[i].block - 1, a[i].dilation, &reach) || room <= reach)
            return tap_fail(ctx, tap_misfit(ctx),
                            "axis %zu: a block of %lld does not fit into an image of %lld", i,
                            (long long)a[i].block, (long long)a[i].image);
        a[i].places = (room - reach - 1) / a[i].stride + 1;
    }
    return TAP_OK;
}

/* Checks dims 1 and 2 of the columns against the axes; *channels = -1: unknown. */
static tap_status check_columns(tap_ctx *ctx, const tap_type *x, const spatial *a, int n, int64_t *channels) {
    int64_t elements = 1, places = 1;
    *channels = -1;
    for (int i = 0; i < n; i++)
        if (!tap_mul64(elements, a[i].block, &elements) || !tap_mul64(places, a[i].places, &places))
            return tap_fail(ctx, tap_misfit(ctx), "the blocks are too large");
    if (x->rank < 0) return TAP_OK;
    if (x->dims[1] >= 0 && x->dims[1] % elements)
        return tap_fail(ctx, tap_misfit(ctx), "%lld rows are no multiple of the %lld elements of a block",
                        (long long)x->dims[1], (long long)elements);
    if (x->dims[2] >= 0 && x->dims[2] != places)
        return tap_fail(ctx, tap_misfit(ctx), "there are %lld columns for %lld places of the block",
                        (long long)x->dims[2], (long long)places);
    if (x->dims[1] >= 0) *channels = x->dims[1] / elements;
    return TAP_OK;
}

static tap_status col2im_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_ints image, block;
    spatial a[SPATIAL_MAX];
    int64_t dims[TAP_RANK_MAX] = {x->rank == 3 ? x->dims[0] : -1, -1};
    tap_status status = tap_need_rank(ctx, 0, 3, 3, "the input");
    if (!status) status = tap_read_ints(ctx, 1, SPATIAL_MAX, "image_shape", &image);
    if (!status) status = tap_read_ints(ctx, 2, SPATIAL_MAX, "block_shape", &block);
    if (status) return status;
    if (image.n >= 0 && block.n >= 0 && image.n != block.n)
        return tap_fail(ctx, tap_misfit(ctx), "image_shape has %d elements, block_shape %d", image.n,
                        block.n);
    int n = image.n >= 0 ? image.n : block.n;
    if (n == 0) return tap_fail(ctx, tap_misfit(ctx), "image_shape is empty");
    if (n < 0) return tap_out_type(ctx, 0, x->dtype, -1, NULL);
    for (int i = 0; i < n; i++) dims[2 + i] = image.known ? image.v[i] : -1;
    if (image.known && block.known) {
        if ((status = read_axes(ctx, &image, &block, a))) return status;
        if ((status = check_columns(ctx, x, a, n, &dims[1]))) return status;
    }
    return tap_out_type(ctx, 0, x->dtype, n + 2, dims);
}

/* ---- Running ---- */

typedef struct col2im {
    const tap_tensor *x;
    tap_tensor *y;
    add_loop *add;
    tap_dtype dtype; /* in which is added: float for halves, else the data's */
    int n, parts;    /* axes; numbers in an element */
    spatial axis[SPATIAL_MAX];
    int64_t elements, places, pixels; /* of a block, an image's columns, an image */
    float *wide;                      /* halves: an image for each worker */
} col2im;

/* Adds one element of the block, at all its places, to an image. k: its index in the block. */
static void add_element(const col2im *c, const int64_t *k, const char *x, char *image) {
    int last = c->n - 1;
    const spatial *w = &c->axis[last];
    int64_t place[SPATIAL_MAX] = {0}, rows = c->places / w->places, shift = k[last] * w->dilation - w->pad;
    size_t width = tap_dtype_bytes(c->dtype), part = width / (size_t)c->parts;
    /* Places 0 <= i < w->places with 0 <= shift + i * stride < w->image. */
    int64_t from = shift >= 0 ? 0 : (-shift - 1) / w->stride + 1;
    int64_t end = tap_min64(w->places, shift >= w->image ? 0 : (w->image - shift - 1) / w->stride + 1);
    for (int64_t r = 0; r < rows && from < end; r++) {
        int64_t at = 0;
        bool inside = true;
        for (int i = 0; i < last; i++) {
            int64_t p = place[i] * c->axis[i].stride + k[i] * c->axis[i].dilation - c->axis[i].pad;
            inside = inside && p >= 0 && p < c->axis[i].image;
            at = at * c->axis[i].image + p;
        }
        at = at * w->image + shift + from * w->stride;
        const char *row = x + (size_t)(r * w->places + from) * width;
        for (int i = 0; inside && i < c->parts; i++)
            c->add(end - from, row + (size_t)i * part, c->parts,
                   image + (size_t)at * width + (size_t)i * part, w->stride * c->parts);
        for (int i = last - 1; i >= 0 && ++place[i] == c->axis[i].places; i--) place[i] = 0;
    }
}

static void col2im_task(void *arg, int64_t begin, int64_t end, int worker) {
    const col2im *c = arg;
    size_t width = tap_dtype_bytes(c->x->dtype);
    float *wide = c->wide ? c->wide + (c->pixels + c->places) * worker : NULL;
    float *column = wide ? wide + c->pixels : NULL;
    for (int64_t i = begin; i < end; i++) {
        char *y = (char *)c->y->data + (size_t)(i * c->pixels) * width, *image = wide ? (char *)wide : y;
        const char *x = (const char *)c->x->data + (size_t)(i * c->elements * c->places) * width;
        int64_t k[SPATIAL_MAX] = {0};
        memset(image, 0, (size_t)c->pixels * (wide ? sizeof *wide : width));
        for (int64_t e = 0; e < c->elements; e++, x += (size_t)c->places * width) {
            if (wide) TAP_ISA_NAME(tap_floats_in)(c->x->dtype, c->places, x, (int64_t)width, column);
            add_element(c, k, wide ? (const char *)column : x, image);
            for (int j = c->n - 1; j >= 0 && ++k[j] == c->axis[j].block; j--) k[j] = 0;
        }
        if (wide) TAP_ISA_NAME(tap_floats_out)(c->y->dtype, c->pixels, wide, y, (int64_t)width);
    }
}

static tap_status col2im_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    col2im c = {.x = x, .y = ctx->out[0], .dtype = x->dtype, .parts = 1, .elements = 1, .places = x->dims[2]};
    tap_ints image, block;
    tap_status status = tap_read_ints(ctx, 1, SPATIAL_MAX, "image_shape", &image);
    if (!status) status = tap_read_ints(ctx, 2, SPATIAL_MAX, "block_shape", &block);
    if (!status) status = read_axes(ctx, &image, &block, c.axis);
    if (status) return status;
    if (c.y->count == 0) return TAP_OK;
    c.n = image.n;
    for (int i = 0; i < c.n; i++) c.elements *= c.axis[i].block;
    c.pixels = c.y->count / c.y->dims[0] / c.y->dims[1];
    c.parts = x->dtype == TAP_COMPLEX64 || x->dtype == TAP_COMPLEX128 ? 2 : 1;
    if (x->dtype == TAP_FLOAT16 || x->dtype == TAP_BFLOAT16) {
        c.dtype = TAP_FLOAT;
        c.wide = tap_scratch(ctx, (size_t)(c.pixels + c.places) * (size_t)tap_workers(ctx) * sizeof *c.wide);
        if (!c.wide) return TAP_MEMORY;
    }
    c.add = x->dtype == TAP_BOOL         ? add_bool
            : x->dtype == TAP_COMPLEX64  ? add[TAP_FLOAT]
            : x->dtype == TAP_COMPLEX128 ? add[TAP_DOUBLE]
                                         : add[c.dtype];
    int64_t images = c.y->dims[0] * c.y->dims[1];
    tap_parallel(ctx, images, tap_max64(1, 16384 / (c.elements * tap_max64(c.places, 1))), col2im_task, &c);
    return TAP_OK;
}

/* Strings, which the standard lists too, have no sum. */
#define TYPES (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL) | TAP_BIT(TAP_COMPLEX64) | TAP_BIT(TAP_COMPLEX128))

static const tap_op ops[] = {
    {.name = "Col2Im",
     .since = 18,
     .in_min = 3,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TYPES,
     .prepare = col2im_prepare,
     .infer = col2im_infer,
     .run = col2im_run},
    {0},
};

TAP_DEFINE_FAMILY(col2im, ops);
