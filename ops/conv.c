/* Conv. */
#include <math.h>

#include "common/conv_op.h"
#include "common/finish.h"
#include "common/widen.h"

typedef struct conv_state {
    tap_conv_attrs attrs;
    void *packed; /* W; NULL: it is not constant */
    size_t packed_bytes;
    tap_dtype packed_dtype;
} conv_state;

static tap_status conv_prepare(tap_ctx *ctx, void **state) {
    conv_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    return tap_conv_attrs_prepare(ctx, &s->attrs, TAP_WINDOW_AUTO_PAD | TAP_WINDOW_DILATIONS);
}

static tap_status conv_infer(tap_ctx *ctx) {
    const conv_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *w = tap_in_type(ctx, 1), *b = tap_in_type(ctx, 2);
    tap_dtype dtype = x->dtype ? x->dtype : w->dtype;
    if ((w->dtype && w->dtype != dtype) || (b && b->dtype && b->dtype != dtype))
        return tap_fail(ctx, TAP_MODEL, "X, W and B must be of the same type");
    return tap_conv_infer(ctx, &s->attrs, x, w, b, dtype);
}

static bool packed_bytes(const conv_state *s, const tap_tensor *w, size_t *n) {
    int64_t k = w->count / tap_max64(1, w->dims[0]);
    return tap_conv_packed_bytes(w->dtype == TAP_DOUBLE ? TAP_TILE_F64 : TAP_TILE_F32, s->attrs.group, k,
                                 w->dims[0] / s->attrs.group, n);
}

static tap_status conv_pack(tap_ctx *ctx, void *state) {
    conv_state *s = state;
    const tap_tensor *w = tap_in_known(ctx, 1);
    size_t n;
    if (!w || w->rank < 3) return TAP_OK;
    if (!packed_bytes(s, w, &n)) return tap_fail(ctx, TAP_MEMORY, "W is too large");
    bool ready;
    void *packed = tap_packed(ctx, n, &ready);
    if (!packed) return TAP_MEMORY;
    tap_conv_weights p = tap_conv_weights_of(&s->attrs, w);
    if (!ready) tap_conv_pack(&p, packed);
    s->packed = packed;
    s->packed_bytes = n;
    s->packed_dtype = p.dtype;
    return TAP_OK;
}

/* Taps on zeros are left out, which gives what adding them gives unless a weight is infinite or NaN. */
static bool conv_takes_zeros(tap_ctx *ctx) {
    const conv_state *s = ctx->state;
    if (!s->packed) return false;
    bool finite = true;
    if (s->packed_dtype == TAP_DOUBLE)
        for (size_t i = 0; i < s->packed_bytes / sizeof(double); i++)
            finite &= isfinite(((const double *)s->packed)[i]) != 0;
    else
        for (size_t i = 0; i < s->packed_bytes / sizeof(float); i++)
            finite &= isfinite(((const float *)s->packed)[i]) != 0;
    return finite;
}

/* W in packed form: what pack left, or packed into scratch now. */
static const void *packed_weights(tap_ctx *ctx) {
    const conv_state *s = ctx->state;
    const tap_tensor *w = ctx->in[1];
    size_t n;
    if (s->packed) return s->packed;
    if (!packed_bytes(s, w, &n)) {
        tap_fail(ctx, TAP_MEMORY, "W is too large");
        return NULL;
    }
    void *packed = tap_scratch(ctx, n);
    if (!packed) return NULL;
    tap_conv_weights p = tap_conv_weights_of(&s->attrs, w);
    tap_conv_pack(&p, packed);
    return packed;
}

typedef struct finish {
    const tap_ctx *ctx;
    int n_applied;     /* stages that the tiles have applied                */
    const float *wide; /* halves: what y is narrowed from; else NULL */
    tap_tensor *y;
} finish;

static void finish_pixels(void *arg, int64_t row, int64_t n_rows, int64_t col, int64_t n_cols) {
    const finish *f = arg;
    int64_t channels = f->y->dims[f->y->rank - 1];
    if (f->wide) tap_narrow_rows(f->y->dtype, f->wide, f->y->data, channels, row, n_rows, col, n_cols);
    tap_epilogue_from(f->ctx, f->n_applied, row, n_rows, col, n_cols);
}

/* y = sum + b: one addition after the sum, so that a Conv with a bias and one without before an Add are the
 * same. */
static tap_status conv_run(tap_ctx *ctx) {
    const conv_state *s = ctx->state;
    const tap_tensor *b = ctx->n_in > 2 ? ctx->in[2] : NULL;
    tap_tensor *y = ctx->out[0];
    if (y->count == 0) return TAP_OK;
    finish f = {.ctx = ctx, .y = y};
    tap_conv v = {.kind = y->dtype == TAP_DOUBLE ? TAP_TILE_F64 : TAP_TILE_F32, .y = y->data};
    tap_status status = tap_conv_axes(ctx, &s->attrs, ctx->in[0], ctx->in[1], &v);
    if (status != TAP_OK) return status;
    if (!(v.x = tap_widen(ctx, ctx->in[0])) || !(v.packed = packed_weights(ctx))) return TAP_MEMORY;
    if (b && !(v.bias = tap_widen(ctx, b))) return TAP_MEMORY;
    if (tap_is_half(y->dtype)) {
        if (!(v.y = tap_scratch(ctx, (size_t)y->count * sizeof(float)))) return TAP_MEMORY;
        f.wide = v.y;
    }
    tap_finish stages;
    bool all_applied = tap_finish_stages(ctx, &stages, &f.n_applied);
    v.finish = &stages;
    if (f.wide || !all_applied) {
        v.done = finish_pixels;
        v.arg = &f;
    }
    return tap_conv_run(ctx, &v);
}

static const tap_op ops[] = {
    {.name = "Conv",
     .since = 1,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_PACKS | TAP_EPILOGUE | TAP_WANTS_CHANNELS_LAST,
     .image_inputs = 1 << 0,
     .packed_inputs = 1 << 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = conv_prepare,
     .infer = conv_infer,
     .pack = conv_pack,
     .run = conv_run,
     .takes_zeros = conv_takes_zeros},
    {0},
};

TAP_DEFINE_FAMILY(conv, ops);
