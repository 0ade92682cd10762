/* ConvInteger, QLinearConv: convolution of 8-bit numbers less their zero points.
 *
 * The input becomes int16 less its zero point, channels of a group in pairs, and so do the weights: sums are
 * exact. Padding is zero, which is the zero point less itself. Groups of few channels take 32-bit lanes
 * (conv_lanes.h) instead of pairs. */
#include "common/conv_lanes.h"
#include "common/conv_op.h"
#include "common/gemm_internal.h"
#include "common/quant.h"
#include "common/scalar.h"
#include "common/shape.h"

/* Positions of inputs; -1: the operator has none. */
typedef struct places {
    int x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias;
} places;

static const places integer_places = {0, -1, 2, 1, -1, 3, -1, -1, -1};
static const places linear_places = {0, 1, 2, 3, 4, 5, 6, 7, 8};

typedef struct integer_state {
    tap_conv_attrs attrs;
    void *packed; /* W less its zero points; NULL: not both are constant */
} integer_state;

static const places *places_of(const tap_ctx *ctx) {
    return tap_ctx_op(ctx)->data;
}

static tap_status integer_prepare(tap_ctx *ctx, void **state) {
    integer_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    return tap_conv_attrs_prepare(ctx, &s->attrs, TAP_WINDOW_AUTO_PAD | TAP_WINDOW_DILATIONS);
}

/* ---- infer ----------------------------------------------------------------------------------- */

/* Input i is one number, or, where `each`, one for each of W's output channels. */
static tap_status check_count(tap_ctx *ctx, int i, const char *what, bool each) {
    const tap_type *t = tap_in_type(ctx, i), *w = tap_in_type(ctx, places_of(ctx)->w);
    int64_t n = t && t->rank >= 0 ? tap_product(t->dims, t->rank) : -1, m = w->rank > 0 ? w->dims[0] : -1;
    if (n < 0 || n == 1 || (each && (m < 0 || n == m))) return TAP_OK;
    return tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements; it must have 1%s", what, (long long)n,
                    each ? ", or one for each output channel" : "");
}

static tap_status check_scales(tap_ctx *ctx, const places *p) {
    const int at[] = {p->x_scale, p->w_scale, p->y_scale};
    const char *what[] = {"x_scale", "w_scale", "y_scale"};
    tap_status s = TAP_OK;
    for (int i = 0; i < 3 && s == TAP_OK; i++) {
        s = tap_need_dtype(ctx, at[i], TAP_BIT(TAP_FLOAT), what[i]);
        if (s == TAP_OK) s = check_count(ctx, at[i], what[i], i == 1);
    }
    if (s == TAP_OK) s = tap_need_dtype(ctx, p->y_zero, TAP_TYPES_QUANT8, "y_zero_point");
    if (s == TAP_OK) s = check_count(ctx, p->y_zero, "y_zero_point", false);
    return s == TAP_OK ? tap_need_dtype(ctx, p->bias, TAP_BIT(TAP_INT32), "B") : s;
}

static tap_status integer_infer(tap_ctx *ctx) {
    const integer_state *s = ctx->state;
    const places *p = places_of(ctx);
    const tap_type *bias = p->bias >= 0 ? tap_in_type(ctx, p->bias) : NULL;
    tap_dtype dtype = p->y_zero >= 0 ? tap_in_type(ctx, p->y_zero)->dtype : TAP_INT32;
    tap_status status;
    if ((status = tap_need_dtype(ctx, p->w, TAP_TYPES_QUANT8, "W")) ||
        (status = tap_need_same_dtype(ctx, p->x, p->x_zero, "x_zero_point")) ||
        (status = tap_need_same_dtype(ctx, p->w, p->w_zero, "w_zero_point")) ||
        (status = check_count(ctx, p->x_zero, "x_zero_point", false)) ||
        (status = check_count(ctx, p->w_zero, "w_zero_point", true)))
        return status;
    if (p->x_scale >= 0 && (status = check_scales(ctx, p))) return status;
    return tap_conv_infer(ctx, &s->attrs, tap_in_type(ctx, p->x), tap_in_type(ctx, p->w), bias, dtype);
}

/* ---- Weights --------------------------------------------------------------------------------- */

/* How groups of W are computed. */
typedef struct form {
    bool narrow;
    tap_tile_kind kind;
    int64_t groups, m, c, taps;
    int64_t k_channels; /* channels, or pairs of them, that k counts for each tap */
} form;

static form form_of(const integer_state *s, const tap_tensor *w) {
    form f = {.groups = s->attrs.group, .m = w->dims[0] / s->attrs.group, .c = w->dims[1]};
    f.taps = tap_product(w->dims + 2, w->rank - 2);
    f.narrow = tap_conv_is_narrow(TAP_TILE_U32, f.groups, f.m);
    f.kind = f.narrow ? TAP_TILE_U32 : TAP_TILE_I16X2;
    f.k_channels = f.narrow ? f.c : tap_pairs(f.c);
    return f;
}

/* Weight less its zero point; 0 outside of the group's channels. */
static int32_t weight_at(const form *f, const tap_tensor *w, const tap_tensor *zero, int64_t channel,
                         int64_t i, int64_t t) {
    if (i >= f->c || channel < 0) return 0;
    int32_t z = zero ? tap_quant_at(w->dtype, zero->data, zero->count > 1 ? channel : 0) : 0;
    return tap_quant_at(w->dtype, w->data, (channel * f->c + i) * f->taps + t) - z;
}

/* w[taps][c][groups * m], as tap_conv_lanes_pack has it. */
static void pack_lanes(const form *f, const tap_tensor *w, const tap_tensor *zero, int32_t *to) {
    for (int64_t t = 0; t < f->taps; t++)
        for (int64_t i = 0; i < f->c; i++)
            for (int64_t channel = 0; channel < f->groups * f->m; channel++)
                *to++ = weight_at(f, w, zero, channel, i, t);
}

/* For each group the panels of B[taps * pairs][m], as tap_conv_pack_panels has it. */
static void pack_pairs(const form *f, const tap_tensor *w, const tap_tensor *zero, int16_t *to) {
    int64_t columns = tap_tiles(TAP_TILE_I16X2, f->m)->columns;
    for (int64_t g = 0; g < f->groups; g++)
        for (int64_t col = 0; col < f->m; col += columns)
            for (int64_t t = 0; t < f->taps; t++)
                for (int64_t i = 0; i < 2 * f->k_channels; i += 2)
                    for (int64_t j = col; j < col + columns; j++) {
                        int64_t channel = j < f->m ? g * f->m + j : -1;
                        *to++ = (int16_t)weight_at(f, w, zero, channel, i, t);
                        *to++ = (int16_t)weight_at(f, w, zero, channel, i + 1, t);
                    }
}

static void pack_weights(const form *f, const tap_tensor *w, const tap_tensor *zero, void *packed) {
    if (f->narrow)
        pack_lanes(f, w, zero, packed);
    else
        pack_pairs(f, w, zero, packed);
}

static bool packed_bytes(const form *f, size_t *n) {
    return tap_conv_packed_bytes(f->kind, f->groups, f->taps * f->k_channels, f->m, n);
}

static tap_status integer_pack(tap_ctx *ctx, void *state) {
    integer_state *s = state;
    const places *p = places_of(ctx);
    const tap_tensor *w = tap_in_known(ctx, p->w), *zero = tap_in_known(ctx, p->w_zero);
    size_t n;
    if (!w || w->rank < 3 || (tap_has_in(ctx, p->w_zero) && !zero)) return TAP_OK;
    form f = form_of(s, w);
    if (!packed_bytes(&f, &n)) return tap_fail(ctx, TAP_MEMORY, "W is too large");
    bool ready;
    void *packed = tap_packed(ctx, n, &ready);
    if (!packed) return TAP_MEMORY;
    if (!ready) pack_weights(&f, w, zero, packed);
    s->packed = packed;
    return TAP_OK;
}

static const void *packed_weights(tap_ctx *ctx, const form *f) {
    const integer_state *s = ctx->state;
    const places *p = places_of(ctx);
    const tap_tensor *w, *zero;
    size_t n;
    if (s->packed) return s->packed;
    if (!packed_bytes(f, &n)) {
        tap_fail(ctx, TAP_MEMORY, "W is too large");
        return NULL;
    }
    void *packed = tap_scratch(ctx, n);
    if (!packed) return NULL;
    w = tap_in_known(ctx, p->w);
    zero = tap_in_known(ctx, p->w_zero);
    if (w) pack_weights(f, w, zero, packed);
    return w ? packed : NULL;
}

/* ---- Input ----------------------------------------------------------------------------------- */

typedef struct widening {
    tap_dtype dtype;
    const void *x;
    int32_t zero;
    int32_t *to;
} widening;

static void widen_task(void *arg, int64_t begin, int64_t end, int worker) {
    const widening *w = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++) w->to[i] = tap_quant_at(w->dtype, w->x, i) - w->zero;
}

/* X less its zero point: as int32, or with each group's channels in pairs. NULL: no memory. */
static const void *input_of(tap_ctx *ctx, const form *f) {
    const places *p = places_of(ctx);
    const tap_tensor *x = ctx->in[p->x], *zero = p->x_zero < ctx->n_in ? ctx->in[p->x_zero] : NULL;
    int64_t rows = f->c ? x->count / f->c : 0;
    size_t bytes;
    if (!tap_mul_size((size_t)rows, (size_t)f->k_channels * 4, &bytes)) {
        tap_fail(ctx, TAP_MEMORY, "X is too large");
        return NULL;
    }
    void *to = tap_scratch(ctx, bytes);
    if (!to) return NULL;
    if (f->narrow) {
        widening w = {x->dtype, x->data, zero ? tap_quant_at(x->dtype, zero->data, 0) : 0, to};
        tap_parallel(ctx, x->count, 1 << 15, widen_task, &w);
    } else {
        tap_quant_rows(ctx, x->dtype, rows, f->c, x->data, zero ? zero->data : NULL, 1, to);
    }
    return to;
}

/* ---- run ------------------------------------------------------------------------------------- */

/* Pixels of few channels are scaled together, for their channels leave vectors half empty: so many numbers.
 */
#define SCALED_AT_ONCE 256

/* From sums to y, for QLinearConv. */
typedef struct rescale {
    const int32_t *sums;
    float *scale; /* x's * w's / y's, for each output channel of `pixels` pixels */
    int64_t channels, pixels;
    int32_t zero;
    tap_tensor *y;
} rescale;

static void rescale_pixels(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const rescale *r = arg;
    int64_t at_once = n_cols == r->channels ? r->pixels : 1;
    for (int64_t i = row, n; i < row + n_rows; i += n) {
        int64_t at = i * r->channels + col;
        n = tap_min64(at_once, row + n_rows - i);
        tap_quant_scale_back(r->y->dtype, n * n_cols, r->sums + at, r->scale + col, 1, r->zero,
                             (char *)r->y->data + at);
    }
}

static tap_status rescale_init(tap_ctx *ctx, rescale *r) {
    const places *p = places_of(ctx);
    const tap_tensor *w_scale = ctx->in[p->w_scale];
    float x_scale = (float)tap_real_at(ctx->in[p->x_scale], 0),
          y_scale = (float)tap_real_at(ctx->in[p->y_scale], 0);
    r->y = ctx->out[0];
    r->channels = r->y->dims[r->y->rank - 1];
    r->zero = tap_quant_at(r->y->dtype, ctx->in[p->y_zero]->data, 0);
    r->pixels = tap_max64(1, SCALED_AT_ONCE / r->channels);
    int64_t n = r->pixels * r->channels;
    r->scale = tap_scratch(ctx, (size_t)n * sizeof *r->scale);
    if (!r->scale) return TAP_MEMORY;
    for (int64_t i = 0; i < r->channels; i++)
        r->scale[i] = x_scale * (float)tap_real_at(w_scale, w_scale->count > 1 ? i : 0) / y_scale;
    for (int64_t i = r->channels; i < n; i++) r->scale[i] = r->scale[i - r->channels];
    return TAP_OK;
}

static tap_status integer_run(tap_ctx *ctx) {
    const integer_state *s = ctx->state;
    const places *p = places_of(ctx);
    tap_tensor *y = ctx->out[0];
    rescale r = {0};
    if (y->count == 0) return TAP_OK;
    form f = form_of(s, ctx->in[p->w]);
    tap_conv v = {.kind = f.kind, .y = y->data};
    tap_status status = tap_conv_axes(ctx, &s->attrs, ctx->in[p->x], ctx->in[p->w], &v);
    if (status != TAP_OK) return status;
    v.c = f.k_channels;
    if (!(v.x = input_of(ctx, &f)) || !(v.packed = packed_weights(ctx, &f))) return TAP_MEMORY;
    if (p->y_scale >= 0) {
        const tap_tensor *bias = p->bias < ctx->n_in ? ctx->in[p->bias] : NULL;
        if ((status = rescale_init(ctx, &r)) != TAP_OK) return status;
        if (!(v.y = tap_scratch(ctx, (size_t)y->count * sizeof(int32_t)))) return TAP_MEMORY;
        v.bias = bias ? bias->data : NULL;
        r.sums = v.y;
        v.done = rescale_pixels;
        v.arg = &r;
    }
    return tap_conv_run(ctx, &v);
}

static const tap_op ops[] = {
    {.name = "ConvInteger",
     .since = 10,
     .in_min = 2,
     .in_max = 4,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS | TAP_WANTS_CHANNELS_LAST,
     .image_inputs = 1 << 0,
     .packed_inputs = 1 << 1 | 1 << 3,
     .dtypes = TAP_TYPES_QUANT8,
     .prepare = integer_prepare,
     .infer = integer_infer,
     .pack = integer_pack,
     .run = integer_run,
     .data = &integer_places},
    {.name = "QLinearConv",
     .since = 10,
     .in_min = 8,
     .in_max = 9,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS | TAP_WANTS_CHANNELS_LAST,
     .image_inputs = 1 << 0,
     .packed_inputs = 1 << 3 | 1 << 5,
     .dtypes = TAP_TYPES_QUANT8,
     .prepare = integer_prepare,
     .infer = integer_infer,
     .pack = integer_pack,
     .run = integer_run,
     .data = &linear_places},
    {0},
};

TAP_DEFINE_FAMILY(conv_integer, ops);
