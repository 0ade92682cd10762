/* HannWindow, HammingWindow, BlackmanWindow, MelWeightMatrix: matrices of signal processing, made of a few
 * numbers. */
#include "common/convert.h"
#include "common/scalar.h"
#include "common/shape.h"

typedef struct window_state {
    tap_dtype dtype;
    bool periodic;
} window_state;

static tap_status window_prepare(tap_ctx *ctx, void **state) {
    window_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    /* MelWeightMatrix has no use for it. */
    s->periodic = tap_ctx_op(ctx)->in_max == 1 && tap_attr_int(ctx, "periodic", 1) != 0;
    int64_t dtype = tap_attr_int(ctx, "output_datatype", TAP_FLOAT);
    if (dtype <= 0 || dtype >= TAP_DTYPE_COUNT || !(TAP_BIT(dtype) & TAP_TYPES_NUMERIC))
        return tap_fail(ctx, TAP_MODEL, "attribute output_datatype is %lld, which is no type of numbers",
                        (long long)dtype);
    s->dtype = (tap_dtype)dtype;
    return TAP_OK;
}

/* y[i] = v; to an integer by cutting off the fraction. */
static void put(tap_tensor *y, int64_t i, double v) {
    switch (y->dtype) {
    case TAP_FLOAT: ((float *)y->data)[i] = (float)v; break;
    case TAP_DOUBLE: ((double *)y->data)[i] = v; break;
    case TAP_FLOAT16: ((uint16_t *)y->data)[i] = tap_f32_to_f16(tap_f64_to_f32_odd(v)); break;
    case TAP_BFLOAT16: ((uint16_t *)y->data)[i] = tap_f32_to_bf16(tap_f64_to_f32_odd(v)); break;
    case TAP_INT8:
    case TAP_UINT8: ((uint8_t *)y->data)[i] = (uint8_t)tap_int64_of_double(v); break;
    case TAP_INT16:
    case TAP_UINT16: ((uint16_t *)y->data)[i] = (uint16_t)tap_int64_of_double(v); break;
    case TAP_INT32:
    case TAP_UINT32: ((uint32_t *)y->data)[i] = (uint32_t)tap_int64_of_double(v); break;
    default: ((int64_t *)y->data)[i] = tap_int64_of_double(v); break;
    }
}

/* ---- windows ------------------------------------------------------------------------------------------- */

static const double tau = 6.28318530717958647693;

static double hann(double x) {
    return 0.5 - 0.5 * cos(tau * x);
}
static double hamming(double x) {
    return 25.0 / 46.0 - 21.0 / 46.0 * cos(tau * x);
}
static double blackman(double x) {
    return 0.42 - 0.5 * cos(tau * x) + 0.08 * cos(2 * tau * x);
}

typedef struct window_kind {
    double (*value)(double x); /* at x of the way, from 0 to 1 */
} window_kind;

static const window_kind hann_kind = {hann}, hamming_kind = {hamming}, blackman_kind = {blackman};

static tap_status window_infer(tap_ctx *ctx) {
    const window_state *s = ctx->state;
    const tap_tensor *size = tap_in_known(ctx, 0);
    int64_t n = -1;
    if (size && size->count != 1) return tap_fail(ctx, tap_misfit(ctx), "the size has to be one number");
    if (size) n = tap_int_at(size, 0);
    if (size && n < 0) return tap_fail(ctx, tap_misfit(ctx), "the size is %lld", (long long)n);
    return tap_out_type(ctx, 0, s->dtype, 1, &n);
}

static tap_status window_run(tap_ctx *ctx) {
    const window_state *s = ctx->state;
    const window_kind *kind = tap_ctx_op(ctx)->data;
    tap_tensor *y = ctx->out[0];
    int64_t n = y->count, steps = s->periodic ? n : n - 1;
    for (int64_t i = 0; i < n; i++) put(y, i, steps == 0 ? 1 : kind->value((double)i / (double)steps));
    return TAP_OK;
}

/* ---- MelWeightMatrix ----------------------------------------------------------------------------------- */

static tap_status mel_infer(tap_ctx *ctx) {
    const window_state *s = ctx->state;
    int64_t dims[2] = {-1, -1};
    tap_status status = TAP_OK;
    for (int i = 0; i < 5 && status == TAP_OK; i++) {
        const tap_tensor *t = tap_in_known(ctx, i);
        status = tap_need_dtype(ctx, i, i < 3 ? TAP_TYPES_INDEX : TAP_TYPES_FLOAT, "an input");
        if (status == TAP_OK) status = tap_need_same_dtype(ctx, i < 3 ? 0 : 3, i, "an input");
        if (status != TAP_OK || !t) continue;
        if (t->count != 1) return tap_fail(ctx, tap_misfit(ctx), "input %d has to be one number", i);
        if (i < 3 && tap_int_at(t, 0) < (i == 2))
            return tap_fail(ctx, tap_misfit(ctx), "input %d is %lld", i, (long long)tap_int_at(t, 0));
        if (i == 0) dims[1] = tap_int_at(t, 0);
        if (i == 1) dims[0] = tap_int_at(t, 0) / 2 + 1;
    }
    return status == TAP_OK ? tap_out_type(ctx, 0, s->dtype, 2, dims) : status;
}

/* The bin of the spectrum where band edge i of n + 2 lies, equally far apart on the mel scale. */
static int64_t edge_bin(const tap_ctx *ctx, int64_t i, int64_t n) {
    double length = tap_real_at(ctx->in[1], 0), rate = tap_real_at(ctx->in[2], 0);
    double low = log1p(tap_real_at(ctx->in[3], 0) / 700), high = log1p(tap_real_at(ctx->in[4], 0) / 700);
    double hertz = 700 * expm1(low + (double)i * (high - low) / (double)(n + 2));
    double bin = floor((length + 1) * hertz / rate);
    return bin >= 0 && bin < 0x1p53 ? (int64_t)bin : -1;
}

/* Band k rises from edge k to edge k + 1, where it is 1, and falls to edge k + 2. What lies outside of the
 * spectrum is left out. */
static void fill_band(tap_tensor *y, int64_t k, int64_t left, int64_t centre, int64_t right) {
    int64_t bins = y->dims[0], n = y->dims[1];
    for (int64_t j = tap_max64(0, left); j < tap_min64(bins, centre); j++)
        put(y, j * n + k, (double)(j - left) / (double)(centre - left));
    if (centre >= 0 && centre < bins) put(y, centre * n + k, 1);
    for (int64_t j = tap_max64(0, centre + 1); j < tap_min64(bins, right); j++)
        put(y, j * n + k, (double)(right - j) / (double)(right - centre));
}

static tap_status mel_run(tap_ctx *ctx) {
    tap_tensor *y = ctx->out[0];
    int64_t n = y->dims[1];
    memset(y->data, 0, (size_t)y->count * tap_dtype_bytes(y->dtype));
    for (int64_t k = 0; k < n && y->count > 0; k++) {
        int64_t left = edge_bin(ctx, k, n), centre = edge_bin(ctx, k + 1, n), right = edge_bin(ctx, k + 2, n);
        if (left < 0 || centre < left || right < centre)
            return tap_fail(ctx, TAP_RUN, "the band edges of %g to %g hertz do not make bands",
                            tap_real_at(ctx->in[3], 0), tap_real_at(ctx->in[4], 0));
        fill_band(y, k, left, centre, right);
    }
    return TAP_OK;
}

/* clang-format off */
static const tap_op ops[] = {
    {.name = "HannWindow", .since = 17, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_INDEX,
     .prepare = window_prepare, .infer = window_infer, .run = window_run, .data = &hann_kind},
    {.name = "HammingWindow", .since = 17, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_INDEX,
     .prepare = window_prepare, .infer = window_infer, .run = window_run, .data = &hamming_kind},
    {.name = "BlackmanWindow", .since = 17, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_INDEX,
     .prepare = window_prepare, .infer = window_infer, .run = window_run, .data = &blackman_kind},
    {.name = "MelWeightMatrix", .since = 17, .in_min = 5, .in_max = 5, .out_min = 1, .out_max = 1, .dtypes = TAP_TYPES_INDEX,
     .prepare = window_prepare, .infer = mel_infer, .run = mel_run},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(windows, ops);
