/* BatchNormalization: y = x * a + b for each channel, with a = scale / sqrt(var + epsilon) and b = B - mean *
 * a.
 *
 * a and b are computed in float64 and rounded to what x is computed with (float32, or float64 for float64);
 * then two roundings for each element, the product's and the sum's. The same expression serves alone and
 * behind a convolution. */
#include <math.h>

#include "common/elementwise.h"
#include "common/moments.h"
#include "common/real.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "common/widen.h"

/* Factors are laid out as rows of about so many elements, for images of few channels. */
#define REPEATED 512

typedef struct batch_norm_state {
    double epsilon, momentum;
    bool training;
    bool per_element;    /* opsets below 9, spatial = 0: statistics for each element of an image */
    const void *factors; /* where all parameters are constants: `repeats` rows of a, then of b   */
    int64_t repeats;
    int64_t n; /* of each                                                              */
} batch_norm_state;

/* ---- Loops: x, a, b -> y --------------------------------------------------------------------- */

#define BATCH_NORM_LOOP(NAME, T)                                                                  \
    TAP_LOOP(NAME) {                                                                              \
        const T *x = (const T *)p[0], *pa = (const T *)p[1], *pb = (const T *)p[2];               \
        T *y = (T *)p[3];                                                                         \
        (void)state;                                                                              \
        bool dense = TAP_DENSE(0, T) && TAP_DENSE(3, T);                                          \
        if (dense && TAP_DENSE(1, T) && TAP_DENSE(2, T)) {                                        \
            TAP_INDEPENDENT TAP_EACH y[i] = x[i] * pa[i] + pb[i];                                 \
        } else if (dense && step[1] == 0 && step[2] == 0) {                                       \
            const T a = *pa, b = *pb;                                                             \
            TAP_INDEPENDENT TAP_EACH y[i] = x[i] * a + b;                                         \
        } else                                                                                    \
            TAP_EACH TAP_AT(3, T) = TAP_AT(0, const T) * TAP_AT(1, const T) + TAP_AT(2, const T); \
    }
BATCH_NORM_LOOP(batch_norm_FLOAT, float)
BATCH_NORM_LOOP(batch_norm_DOUBLE, double)
TAP_HALVES_(batch_norm, 3, 9)

static tap_loop *const loops[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(batch_norm)};

/* ---- prepare, infer -------------------------------------------------------------------------- */

/* Below opset 14 the further outputs are what training adds; is_test, until opset 6, may say no to it. */
static bool is_training(tap_ctx *ctx, int64_t opset) {
    if (opset >= 14) return tap_attr_int(ctx, "training_mode", 0) != 0;
    bool test = opset < 7 && tap_attr_int(ctx, "is_test", 0) != 0;
    bool more = false;
    for (int i = 1; i < ctx->n_out; i++) more = more || tap_has_out(ctx, i);
    return more && !test;
}

static tap_status batch_norm_prepare(tap_ctx *ctx, void **state) {
    batch_norm_state *s = tap_state(ctx, sizeof *s);
    int64_t opset = tap_opset(ctx);
    if (!s) return TAP_MEMORY;
    s->epsilon = (double)tap_attr_float(ctx, "epsilon", 1e-5f);
    s->momentum = (double)tap_attr_float(ctx, "momentum", 0.9f);
    if (opset < 9) s->per_element = tap_attr_int(ctx, "spatial", 1) == 0;
    if (opset < 6) tap_attr_ints(ctx, "consumed_inputs", &(size_t){0});
    s->training = is_training(ctx, opset);
    *state = s;
    return TAP_OK;
}

/* Elements of scale; -1 unknown. */
static int64_t parameters_of(const batch_norm_state *s, const tap_type *x) {
    if (x->rank < 0) return -1;
    if (s->per_element) return tap_product(x->dims + 1, x->rank - 1);
    return x->rank > 1 ? x->dims[1] : 1;
}

static tap_status batch_norm_infer(tap_ctx *ctx) {
    static const char *const names[] = {"X", "scale", "B", "mean", "var"};
    const batch_norm_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *mean = tap_in_type(ctx, 3), *var = tap_in_type(ctx, 4);
    tap_status status = tap_need_rank(ctx, 0, 1, TAP_RANK_MAX, "X");
    int64_t n = parameters_of(s, x);
    for (int i = 1; i < 5 && status == TAP_OK; i++) {
        const tap_type *t = tap_in_type(ctx, i);
        int64_t count = t->rank < 0 ? -1 : tap_product(t->dims, t->rank);
        if ((status = tap_need_dtype(ctx, i, TAP_TYPES_FLOAT, names[i])) != TAP_OK) break;
        /* X and the others until 13; from 15 on scale and B, mean and var; in between the former are X's. */
        int like = tap_opset(ctx) < 14 ? 0 : i > 2 ? 3 : tap_opset(ctx) < 15 ? 0 : 1;
        if ((status = tap_need_same_dtype(ctx, like, i, names[i])) != TAP_OK) break;
        if (n >= 0 && count >= 0 && count != n)
            status = tap_fail(ctx, tap_misfit(ctx), "%s has %lld elements, X has %lld channels", names[i],
                              (long long)count, (long long)n);
    }
    if (status == TAP_OK) status = tap_out_like(ctx, 0, x);
    for (int i = 1; i < ctx->n_out && status == TAP_OK; i++)
        status = tap_out_like(ctx, i, i % 2 ? mean : var);
    return status;
}

/* ---- Factors --------------------------------------------------------------------------------- */

/* Element i of a and b, as `dtype`, from float64. */
static void set_factors(tap_dtype dtype, void *factors, int64_t n, int64_t i, double a, double b) {
    if (dtype == TAP_DOUBLE) {
        ((double *)factors)[i] = a;
        ((double *)factors)[n + i] = b;
    } else {
        ((float *)factors)[i] = (float)a;
        ((float *)factors)[n + i] = (float)b;
    }
}

static void factors_of(const batch_norm_state *s, tap_dtype dtype, const tap_tensor *scale,
                       const tap_tensor *bias, const tap_tensor *mean, const tap_tensor *var, void *factors) {
    for (int64_t i = 0; i < scale->count; i++) {
        double a = tap_real_at(scale, i) / sqrt(tap_real_at(var, i) + s->epsilon);
        set_factors(dtype, factors, scale->count, i, a, tap_real_at(bias, i) - tap_real_at(mean, i) * a);
    }
}

static tap_status batch_norm_pack(tap_ctx *ctx, void *state) {
    batch_norm_state *s = state;
    const tap_tensor *in[5];
    const tap_type *x = tap_in_type(ctx, 0);
    if (s->training || !x || x->dtype == TAP_UNDEFINED) return TAP_OK;
    for (int i = 1; i < 5; i++) {
        in[i] = tap_in_known(ctx, i);
        if (!in[i] || in[i]->count != in[1]->count) return TAP_OK;
    }
    tap_dtype wide = tap_wide(x->dtype);
    s->n = in[1]->count;
    s->repeats = s->per_element ? 1 : tap_max64(1, REPEATED / tap_max64(1, s->n));
    size_t row = (size_t)s->n * tap_dtype_bytes(wide), rows = (size_t)s->repeats;
    char *factors = tap_state(ctx, 2 * row * rows);
    if (!factors) return TAP_MEMORY;
    factors_of(s, wide, in[1], in[2], in[3], in[4], factors);
    for (size_t i = 2 * rows; i-- > 1;) memmove(factors + i * row, factors + i / rows * row, row);
    s->factors = factors;
    return TAP_OK;
}

static bool batch_norm_stage(tap_ctx *ctx, tap_stage *stage) {
    const batch_norm_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    if (!s->factors || s->per_element || x->rank < 2 || (x->rank > 2 && !ctx->channels_last)) return false;
    int64_t bytes = (int64_t)tap_dtype_bytes(tap_wide(x->dtype));
    *stage = (tap_stage){.kind = TAP_STAGE_SCALE,
                         .loop = loops[x->dtype],
                         .n_operands = 2,
                         .running = 0,
                         .repeats = s->repeats};
    for (int k = 0; k < 2; k++) {
        stage->operand[k] = (const char *)s->factors + k * s->repeats * s->n * bytes;
        stage->bytes[k] = bytes;
        stage->last_axis[k] = true;
    }
    return stage->loop != NULL;
}

/* ---- run ------------------------------------------------------------------------------------- */

/* X as rows of channels of `inner` elements each, which share a factor. */
typedef struct batch_norm_job {
    int64_t repeats; /* rows of a, and of b, in factors           */

    const tap_ctx *ctx;
    const tap_tensor *x;
    tap_tensor *y;
    const char *factors;
    int64_t channels, inner, piece, wide_bytes;
} batch_norm_job;

static batch_norm_job job_of(tap_ctx *ctx) {
    const batch_norm_state *s = ctx->state;
    const tap_tensor *x = ctx->in[0];
    batch_norm_job j = {.ctx = ctx,
                        .repeats = 1,
                        .x = x,
                        .y = ctx->out[0],
                        .channels = x->rank > 1 ? x->dims[1] : 1,
                        .inner = 1};
    j.wide_bytes = (int64_t)tap_dtype_bytes(tap_wide(x->dtype));
    if (s->per_element) {
        j.channels = tap_product(x->dims + 1, x->rank - 1);
    } else if (ctx->channels_last && x->rank > 2) {
        j.channels = x->dims[x->rank - 1];
    } else if (x->rank == 1) {
        j.inner = x->dims[0];
    } else {
        j.inner = tap_product(x->dims + 2, x->rank - 2);
    }
    return j;
}

/* Elements first .. first + n of X, in rows of channels (`repeats` at most) or in one channel, with factors
 * from index k on. */
static void run_piece(const batch_norm_job *j, int64_t first, int64_t n, int64_t k) {
    int64_t each = (int64_t)tap_dtype_bytes(j->x->dtype), wide = j->inner == 1 ? j->wide_bytes : 0;
    char *a = (char *)(uintptr_t)j->factors + k * j->wide_bytes,
         *b = a + j->repeats * j->channels * j->wide_bytes;
    char *p[4] = {(char *)j->x->data + first * each, a, b, (char *)j->y->data + first * each};
    const int64_t step[4] = {each, wide, wide, each};
    loops[j->x->dtype](n, p, step, NULL);
}

/* Pieces are `repeats` rows of channels, or channels of `inner` elements. */
static void batch_norm_task(void *arg, int64_t begin, int64_t end, int worker) {
    const batch_norm_job *j = arg;
    int64_t width = j->y->rank ? j->y->dims[j->y->rank - 1] : 1;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i * j->piece, n = tap_min64(j->piece, j->x->count - first);
        run_piece(j, first, n, j->inner == 1 ? 0 : i % j->channels);
        if (j->ctx->has_epilogue) tap_epilogue(j->ctx, first / width, n / width, 0, width);
    }
}

/* per_element, channels-last: factors follow the elements. */
static const char *turned_factors(tap_ctx *ctx, const batch_norm_job *j) {
    const tap_tensor *x = j->x;
    int64_t c = x->dims[x->rank - 1], pixels = j->channels / c, e = j->wide_bytes;
    char *to = tap_scratch(ctx, 2 * (size_t)(j->channels * e));
    if (!to) return NULL;
    for (int64_t i = 0; i < 2 * j->channels; i++) {
        int64_t half = i / j->channels, at = i % j->channels;
        memcpy(to + i * e, j->factors + (half * j->channels + at % c * pixels + at / c) * e, (size_t)e);
    }
    return to;
}

static tap_status run_with_factors(tap_ctx *ctx, batch_norm_job *j) {
    const batch_norm_state *s = ctx->state;
    if (s->per_element && ctx->channels_last && j->x->rank > 2 && !(j->factors = turned_factors(ctx, j)))
        return TAP_MEMORY;
    j->piece = j->inner == 1 ? j->repeats * j->channels : j->inner;
    tap_parallel(ctx, (j->x->count + j->piece - 1) / j->piece, tap_max64(1, 16384 / j->piece),
                 batch_norm_task, j);
    return TAP_OK;
}

/* ---- Training: the statistics of the batch --------------------------------------------------- */

/* Axes that a statistic is taken over. */
static uint32_t axes_of(tap_ctx *ctx, const tap_tensor *x) {
    const batch_norm_state *s = ctx->state;
    int channel = ctx->channels_last && x->rank > 2 ? x->rank - 1 : 1;
    if (s->per_element) return 1;
    return ((UINT32_C(1) << x->rank) - 1) & ~(UINT32_C(1) << channel);
}

/* Element i of a parameter-sized output. */
static void put_real(const tap_tensor *t, int64_t i, double x) {
    tap_from_f64(t->dtype, 1, &x, (char *)t->data + (size_t)i * tap_dtype_bytes(t->dtype));
}

/* Where, counted as the parameters are, element i of the statistics belongs: they lie as X does. */
static int64_t parameter_of(tap_ctx *ctx, const batch_norm_job *j, int64_t i) {
    const batch_norm_state *s = ctx->state;
    if (!s->per_element || !ctx->channels_last || j->x->rank < 3) return i;
    int64_t c = j->x->dims[j->x->rank - 1];
    return i % c * (j->channels / c) + i / c;
}

static tap_status run_training(tap_ctx *ctx, batch_norm_job *j) {
    const batch_norm_state *s = ctx->state;
    int64_t n = j->channels;
    tap_dtype wide = tap_wide(j->x->dtype);
    tap_tensor x_wide;
    if (!tap_widen_tensor(ctx, j->x, &x_wide)) return TAP_MEMORY;
    const void *stats = tap_moments(ctx, &x_wide, axes_of(ctx, j->x), n);
    void *factors = tap_scratch(ctx, 2 * (size_t)(n * j->wide_bytes));
    if (!stats || !factors) return TAP_MEMORY;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = parameter_of(ctx, j, i);
        double mean = wide == TAP_DOUBLE ? ((const double *)stats)[i] : (double)((const float *)stats)[i];
        double var =
            wide == TAP_DOUBLE ? ((const double *)stats)[n + i] : (double)((const float *)stats)[n + i];
        double a = tap_real_at(ctx->in[1], at) / sqrt(var + s->epsilon), now[2] = {mean, var};
        set_factors(wide, factors, n, at, a, tap_real_at(ctx->in[2], at) - mean * a);
        for (int k = 1; k < ctx->n_out; k++) {
            if (!ctx->out[k]) continue;
            double x = now[(k - 1) % 2];
            put_real(ctx->out[k], at,
                     k < 3 ? tap_real_at(ctx->in[2 + k], at) * s->momentum + x * (1 - s->momentum) : x);
        }
    }
    j->factors = factors;
    return run_with_factors(ctx, j);
}

/* Not training, but asked for: what came in. */
static void copy_statistics(tap_ctx *ctx) {
    for (int k = 1; k < ctx->n_out; k++)
        for (int64_t i = 0; ctx->out[k] && i < ctx->out[k]->count; i++)
            put_real(ctx->out[k], i, tap_real_at(ctx->in[4 - k % 2], i));
}

static tap_status batch_norm_run(tap_ctx *ctx) {
    const batch_norm_state *s = ctx->state;
    batch_norm_job j = job_of(ctx);
    if (s->training && j.x->count) return run_training(ctx, &j);
    copy_statistics(ctx);
    if (j.x->count == 0) return TAP_OK;
    j.factors = s->factors;
    if (j.factors) j.repeats = s->repeats;
    if (!j.factors) {
        void *factors = tap_scratch(ctx, 2 * (size_t)(j.channels * j.wide_bytes));
        if (!factors) return TAP_MEMORY;
        factors_of(s, tap_wide(j.x->dtype), ctx->in[1], ctx->in[2], ctx->in[3], ctx->in[4], factors);
        j.factors = factors;
    }
    return run_with_factors(ctx, &j);
}

#define BATCH_NORM(SINCE, UNTIL, OUTPUTS)                                                                    \
    {                                                                                                        \
        .name = "BatchNormalization", .since = SINCE, .until = UNTIL, .in_min = 5, .in_max = 5,              \
        .out_min = 1, .out_max = OUTPUTS, .flags = TAP_IN_PLACE | TAP_EPILOGUE | TAP_TAKES_CHANNELS_LAST,    \
        .image_inputs = 1, .dtypes = TAP_TYPES_FLOAT, .prepare = batch_norm_prepare,                         \
        .infer = batch_norm_infer, .pack = batch_norm_pack, .run = batch_norm_run, .stage = batch_norm_stage \
    }

static const tap_op ops[] = {
    BATCH_NORM(1, 13, 5),
    BATCH_NORM(14, 0, 3),
    {0},
};

TAP_DEFINE_FAMILY(batch_norm, ops);
