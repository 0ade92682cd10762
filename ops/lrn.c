/* LRN, local response normalization: y = x / (bias + alpha / size * square_sum)^beta, where square_sum is
 * taken over `size` neighbouring channels. */
#include <math.h>

#include "common/elementwise.h"
#include "common/shape.h"
#include "common/widen.h"

/* Elements of a channel that are computed together. */
#define COLUMNS 256

typedef struct lrn_state {
    double alpha, beta, bias;
    int64_t size;
} lrn_state;

typedef struct job {
    const void *x;
    void *y;
    int64_t channels, pixels, blocks; /* pixels of an image; blocks of COLUMNS of them */
    int64_t before, after;            /* channels around the one computed              */
    double factor, beta, bias;        /* factor: alpha / size                          */
    bool last;                        /* channels are neighbours                       */
    char *room;
    size_t room_bytes; /* of a worker                                   */
} job;

/* b^beta: exponents that networks use by roots, which vectorise; others by the C library in float64. */
#define SCALE(NAME, T, ROOT)                                                                            \
    static void NAME(const job *j, int64_t n, const T *x, const T *sum, T *y) {                         \
        const T factor = (T)j->factor, bias = (T)j->bias;                                               \
        if (j->beta == 0.75) TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) {                          \
                T root = ROOT(bias + factor * sum[i]);                                                  \
                y[i] = x[i] / (root * ROOT(root));                                                      \
            }                                                                                           \
        else if (j->beta == 0.5)                                                                        \
            TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = x[i] / ROOT(bias + factor * sum[i]); \
        else                                                                                            \
            for (int64_t i = 0; i < n; i++)                                                             \
                y[i] = (T)((double)x[i] / pow((double)(bias + factor * sum[i]), j->beta));              \
    }
SCALE(scale_f32, float, sqrtf)
SCALE(scale_f64, double, sqrt)

#define T       float
#define F(name) name##_f32
#include "lrn.inc"
#define T       double
#define F(name) name##_f64
#include "lrn.inc"

static tap_status lrn_prepare(tap_ctx *ctx, void **state) {
    lrn_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->alpha = (double)tap_attr_float(ctx, "alpha", 1e-4f);
    s->beta = (double)tap_attr_float(ctx, "beta", 0.75f);
    s->bias = (double)tap_attr_float(ctx, "bias", 1);
    s->size = tap_attr_int(ctx, "size", 0);
    if (s->size < 1)
        return tap_fail(ctx, TAP_MODEL,
                        tap_attr_has(ctx, "size") ? "size is %lld; it must be positive" : "size is missing",
                        (long long)s->size);
    return TAP_OK;
}

static tap_status lrn_infer(tap_ctx *ctx) {
    tap_status status = tap_need_rank(ctx, 0, 2, TAP_RANK_MAX, "X");
    return status == TAP_OK ? tap_out_like(ctx, 0, tap_in_type(ctx, 0)) : status;
}

static tap_status lrn_run(tap_ctx *ctx) {
    const lrn_state *s = ctx->state;
    tap_tensor x, y;
    if (ctx->in[0]->count == 0) return TAP_OK;
    if (!tap_widen_tensor(ctx, ctx->in[0], &x) || !tap_widen_output(ctx, ctx->out[0], &y)) return TAP_MEMORY;
    job j = {
        .x = x.data, .y = y.data, .factor = s->alpha / (double)s->size, .beta = s->beta, .bias = s->bias};
    j.before = (s->size - 1) / 2;
    j.after = s->size / 2;
    j.last = ctx->channels_last || x.rank == 2;
    j.channels = x.dims[j.last ? x.rank - 1 : 1];
    j.pixels = x.count / x.dims[0] / j.channels;
    j.blocks = (j.pixels + COLUMNS - 1) / COLUMNS;
    j.room_bytes = tap_round_up(2 * (size_t)j.channels * tap_dtype_bytes(x.dtype), TAP_ALIGN);
    if (!(j.room = tap_scratch(ctx, j.room_bytes * (size_t)tap_workers(ctx)))) return TAP_MEMORY;
    int64_t n = x.dims[0] * (j.last ? j.pixels : j.blocks), each = j.channels * (j.last ? 1 : COLUMNS);
    tap_parallel(ctx, n, tap_max64(1, 8192 / each), x.dtype == TAP_DOUBLE ? task_f64 : task_f32, &j);
    tap_narrow_output(ctx, &y, ctx->out[0]);
    return TAP_OK;
}

static const tap_op ops[] = {
    {.name = "LRN",
     .since = 1,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_TAKES_CHANNELS_LAST,
     .image_inputs = 1,
     .dtypes = TAP_TYPES_FLOAT,
     .prepare = lrn_prepare,
     .infer = lrn_infer,
     .run = lrn_run},
    {0},
};

TAP_DEFINE_FAMILY(lrn, ops);
