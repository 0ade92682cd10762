/* InstanceNormalization and MeanVarianceNormalization: each element less the mean of its slice, over its
 * deviation. */
#include <math.h>

#include "common/elementwise.h"
#include "common/moments.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "common/widen.h"

/* y = (x - mean) * a + b: inputs x, mean, a, b. */
#define NORMALIZE(NAME, T)                                                                       \
    TAP_LOOP(NAME) {                                                                             \
        (void)state;                                                                             \
        const T *px = (const T *)p[0];                                                           \
        T *py = (T *)p[4];                                                                       \
        if (TAP_DENSE(0, T) && TAP_DENSE(4, T) && !step[1] && !step[2] && !step[3]) {            \
            const T mean = *(const T *)p[1], a = *(const T *)p[2], b = *(const T *)p[3];         \
            TAP_INDEPENDENT TAP_EACH py[i] = (px[i] - mean) * a + b;                             \
            return;                                                                              \
        }                                                                                        \
        TAP_INDEPENDENT TAP_EACH TAP_AT(4, T) =                                                  \
            (TAP_AT(0, const T) - TAP_AT(1, const T)) * TAP_AT(2, const T) + TAP_AT(3, const T); \
    }
NORMALIZE(normalize_f32, float)
NORMALIZE(normalize_f64, double)

/* A tensor of `like`'s rank with extent 1 where axes has a bit. */
static tap_tensor reduced(const tap_tensor *like, uint32_t axes, void *data) {
    tap_tensor t = *like;
    t.data = data;
    t.count = 1;
    for (int i = 0; i < t.rank; i++) {
        if (axes >> i & 1) t.dims[i] = 1;
        t.count *= t.dims[i];
    }
    return t;
}

static double get(const tap_tensor *t, int64_t i) {
    return t->dtype == TAP_DOUBLE ? ((const double *)t->data)[i] : (double)((const float *)t->data)[i];
}

static void put(const tap_tensor *t, int64_t i, double x) {
    if (t->dtype == TAP_DOUBLE)
        ((double *)t->data)[i] = x;
    else
        ((float *)t->data)[i] = (float)x;
}

/* in: x, mean, a, b, all wide. */
static tap_status normalize(tap_ctx *ctx, const tap_tensor in[4]) {
    const tap_tensor *p[4] = {&in[0], &in[1], &in[2], &in[3]};
    tap_tensor y;
    if (!tap_widen_output(ctx, ctx->out[0], &y)) return TAP_MEMORY;
    tap_tensor *out[1] = {&y};
    tap_status status =
        tap_broadcast(ctx, y.dtype == TAP_DOUBLE ? normalize_f64 : normalize_f32, NULL, p, 4, out, 1);
    if (status == TAP_OK) tap_narrow_output(ctx, &y, ctx->out[0]);
    return status;
}

/* ---- InstanceNormalization ------------------------------------------------------------------- */

typedef struct instance_state {
    double epsilon;
} instance_state;

static tap_status instance_prepare(tap_ctx *ctx, void **state) {
    instance_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->epsilon = (double)tap_attr_float(ctx, "epsilon", 1e-5f);
    if (tap_opset(ctx) < 6) tap_attr_ints(ctx, "consumed_inputs", &(size_t){0});
    *state = s;
    return TAP_OK;
}

static tap_status instance_infer(tap_ctx *ctx) {
    static const char *const names[] = {"input", "scale", "B"};
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_rank(ctx, 0, 3, TAP_RANK_MAX, "input");
    for (int i = 1; i < 3 && status == TAP_OK; i++) {
        const tap_type *t = tap_in_type(ctx, i);
        if ((status = tap_need_same_dtype(ctx, 0, i, names[i])) ||
            (status = tap_need_rank(ctx, i, 1, 1, names[i])))
            break;
        if (t->rank == 1 && t->dims[0] >= 0 && x->rank >= 0 && x->dims[1] >= 0 && t->dims[0] != x->dims[1])
            status = tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements, input has %lld channels", names[i],
                              (long long)t->dims[0], (long long)x->dims[1]);
    }
    return status == TAP_OK ? tap_out_like(ctx, 0, x) : status;
}

/* a = scale / sqrt(var + epsilon), computed in float64 and rounded. */
static tap_status instance_run(tap_ctx *ctx) {
    const instance_state *s = ctx->state;
    tap_tensor in[4];
    if (ctx->in[0]->count == 0) return TAP_OK;
    if (!tap_widen_tensor(ctx, ctx->in[0], &in[0])) return TAP_MEMORY;
    const tap_tensor *x = &in[0];
    int channel = ctx->channels_last ? x->rank - 1 : 1;
    int64_t channels = x->dims[channel];
    uint32_t all = (UINT32_C(1) << x->rank) - 1, keep = 1 | UINT32_C(1) << channel;
    int64_t n = x->dims[0] * channels;
    size_t each = tap_dtype_bytes(x->dtype);
    char *stats = tap_moments(ctx, x, all & ~keep, n), *b = tap_scratch(ctx, (size_t)channels * each);
    if (!stats || !b) return TAP_MEMORY;
    in[1] = reduced(x, all & ~keep, stats);
    in[2] = reduced(x, all & ~keep, stats + (size_t)n * each);
    in[3] = reduced(x, all & ~(UINT32_C(1) << channel), b);
    for (int64_t i = 0; i < n; i++)
        put(&in[2], i, tap_real_at(ctx->in[1], i % channels) / sqrt(get(&in[2], i) + s->epsilon));
    for (int64_t c = 0; c < channels; c++) put(&in[3], c, tap_real_at(ctx->in[2], c));
    return normalize(ctx, in);
}

/* ---- MeanVarianceNormalization --------------------------------------------------------------- */

typedef struct mvn_state {
    tap_ints axes;
    bool mean_only;
} mvn_state;

static tap_status mvn_prepare(tap_ctx *ctx, void **state) {
    static const int64_t usual[] = {0, 2, 3};
    mvn_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    size_t n;
    const int64_t *axes = tap_attr_ints(ctx, "axes", &n);
    if (!tap_attr_has(ctx, "axes")) axes = usual, n = TAP_COUNT_OF(usual);
    return tap_copy_ints(ctx, axes, n, TAP_RANK_MAX, "axes", &s->axes);
}

/* As it was while experimental: all images, per channel or across the channels. */
static tap_status mvn_1_prepare(tap_ctx *ctx, void **state) {
    static const int64_t usual[] = {0, 2, 3, 1};
    tap_status status = mvn_prepare(ctx, state);
    mvn_state *s = *state;
    if (status != TAP_OK) return status;
    const bool across = tap_attr_int(ctx, "across_channels", 0) != 0;
    s->mean_only = tap_attr_int(ctx, "normalize_variance", 1) == 0;
    if (tap_attr_has(ctx, "axes")) return TAP_OK;
    return tap_copy_ints(ctx, usual, across ? 4 : 3, TAP_RANK_MAX, "axes", &s->axes);
}

static tap_status mvn_axes(tap_ctx *ctx, int rank, uint32_t *axes) {
    const mvn_state *s = ctx->state;
    tap_ints own = s->axes;
    tap_status status = tap_norm_axes(ctx, own.v, own.n, rank, true);
    *axes = 0;
    for (int i = 0; i < own.n && status == TAP_OK; i++) *axes |= UINT32_C(1) << own.v[i];
    return status;
}

static tap_status mvn_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    uint32_t axes;
    tap_status status = x->rank >= 0 ? mvn_axes(ctx, x->rank, &axes) : TAP_OK;
    return status == TAP_OK ? tap_out_like(ctx, 0, x) : status;
}

/* y = (x - mean) / (deviation + 1e-9), as the function body of the standard has it. */
static tap_status mvn_run(tap_ctx *ctx) {
    const mvn_state *s = ctx->state;
    tap_tensor in[4];
    uint32_t axes;
    if (ctx->in[0]->count == 0) return TAP_OK;
    tap_status status = mvn_axes(ctx, ctx->in[0]->rank, &axes);
    if (status != TAP_OK) return status;
    if (!tap_widen_tensor(ctx, ctx->in[0], &in[0])) return TAP_MEMORY;
    size_t each = tap_dtype_bytes(in[0].dtype);
    int64_t n = reduced(&in[0], axes, NULL).count;
    char *stats = tap_moments(ctx, &in[0], axes, n);
    void *zero = tap_scratch(ctx, each);
    if (!stats || !zero) return TAP_MEMORY;
    in[1] = reduced(&in[0], axes, stats);
    in[2] = reduced(&in[0], axes, stats + (size_t)n * each);
    in[3] = reduced(&in[0], ~UINT32_C(0), zero);
    for (int64_t i = 0; i < n; i++) put(&in[2], i, s->mean_only ? 1 : 1 / (sqrt(get(&in[2], i)) + 1e-9));
    put(&in[3], 0, 0);
    return normalize(ctx, in);
}

static const tap_op ops[] = {
    {.name = "InstanceNormalization",
     .since = 1,
     .in_min = 3,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_TAKES_CHANNELS_LAST,
     .image_inputs = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = instance_prepare,
     .infer = instance_infer,
     .run = instance_run},
    {.name = "MeanVarianceNormalization",
     .since = 1,
     .until = 8,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = mvn_1_prepare,
     .notes = "Experimental: attributes across_channels and normalize_variance, or axes.",
     .infer = mvn_infer,
     .run = mvn_run},
    {.name = "MeanVarianceNormalization",
     .since = 9,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = mvn_prepare,
     .infer = mvn_infer,
     .run = mvn_run},
    {0},
};

TAP_DEFINE_FAMILY(instance_norm, ops);
