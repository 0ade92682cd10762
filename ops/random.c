/* Random numbers: RandomNormal, RandomUniform and their Like forms, Bernoulli, Multinomial. Element i of an
 * output takes number i of the node's seed (common/philox.h), whatever the dtype: one seed gives the same
 * numbers in any precision. */
#include <string.h>

#include "common/cast.h"
#include "common/philox.h"
#include "common/shape.h"
#include "core/half.h"
#include "core/move.h"

enum { BLOCK = 256, GRAIN = 16 * BLOCK };

typedef struct random_state {
    bool has_seed;
    float seed;
    tap_dtype dtype; /* TAP_UNDEFINED: that of the input                               */
    double a, b;     /* mean and scale, or low and high                                */
    int rank;        /* of the attribute shape                                         */
    const int64_t *dims;
    int64_t sample_size;
} random_state;

static uint64_t seed_of(tap_ctx *ctx, const random_state *s) {
    return tap_seed_of(ctx, s->has_seed ? &s->seed : NULL);
}

/* What all of them have: seed, and dtype out of a set. */
static random_state *common_attributes(tap_ctx *ctx, uint32_t dtypes, tap_dtype otherwise) {
    random_state *s = tap_state(ctx, sizeof *s);
    if (!s) return NULL;
    s->has_seed = tap_attr_has(ctx, "seed");
    s->seed = tap_attr_float(ctx, "seed", 0);
    int64_t dtype = tap_attr_int(ctx, "dtype", otherwise);
    if (tap_attr_has(ctx, "dtype") &&
        (dtype <= 0 || dtype >= TAP_DTYPE_COUNT || !(TAP_BIT(dtype) & dtypes))) {
        const char *name =
            dtype > 0 && dtype < TAP_DTYPE_COUNT ? tap_dtype_name((tap_dtype)dtype) : "no dtype";
        tap_fail(ctx, TAP_MODEL, "attribute dtype is %lld, %s, which this operator does not give",
                 (long long)dtype, name);
        return NULL;
    }
    s->dtype = (tap_dtype)dtype;
    return s;
}

/* The dtype of the output: as the attribute says, or as the input has it. */
static tap_dtype out_dtype(tap_ctx *ctx, const random_state *s) {
    const tap_type *x = tap_in_type(ctx, 0);
    return s->dtype != TAP_UNDEFINED || !x ? s->dtype : x->dtype;
}

/* ---- storing ------------------------------------------------------------------------------------------- */

/* The number below h, a float16 or bfloat16: both order as sign and magnitude. */
static uint16_t below16(uint16_t h) {
    if (h == 0 || h == 0x8000) return 0x8001;
    return (uint16_t)(h & 0x8000 ? h + 1 : h - 1);
}

/* y[i] = x[i], rounded; where that reaches `limit`, which x never does, the number below. */
static void store_float(int64_t n, const double *restrict x, double limit, float *restrict y) {
    const float past = nextafterf((float)limit, -INFINITY);
    for (int64_t i = 0; i < n; i++) y[i] = (double)(float)x[i] >= limit ? past : (float)x[i];
}

static void store_half(tap_dtype dtype, int64_t n, const double *x, double limit, uint16_t *y) {
    for (int64_t i = 0; i < n; i++) {
        const float f = tap_f64_to_f32_odd(x[i]);
        const uint16_t h = dtype == TAP_BFLOAT16 ? tap_f32_to_bf16(f) : tap_f32_to_f16(f);
        const float back = dtype == TAP_BFLOAT16 ? tap_bf16_to_f32(h) : tap_f16_to_f32(h);
        y[i] = (double)back >= limit ? below16(h) : h;
    }
}

static void store(tap_dtype dtype, int64_t n, const double *x, double limit, void *y) {
    if (dtype == TAP_DOUBLE)
        memcpy(y, x, (size_t)n * sizeof *x);
    else if (dtype == TAP_FLOAT)
        store_float(n, x, limit, y);
    else
        store_half(dtype, n, x, limit, y);
}

/* ---- RandomNormal, RandomUniform, and the same like another tensor ------------------------------------- */

static tap_status shaped_prepare(tap_ctx *ctx, void **state, const char *a, float a_default, const char *b,
                                 float b_default) {
    bool like = tap_ctx_op(ctx)->in_max == 1;
    random_state *s = common_attributes(ctx, TAP_TYPES_FLOAT, like ? TAP_UNDEFINED : TAP_FLOAT);
    if (!s) return TAP_MODEL;
    *state = s;
    s->a = (double)tap_attr_float(ctx, a, a_default);
    s->b = (double)tap_attr_float(ctx, b, b_default);
    if (like) return TAP_OK;
    size_t rank;
    if (!tap_attr_has(ctx, "shape")) return tap_fail(ctx, TAP_MODEL, "attribute shape is missing");
    s->dims = tap_attr_ints(ctx, "shape", &rank);
    if (rank > TAP_RANK_MAX)
        return tap_fail(ctx, TAP_UNSUPPORTED, "rank %zu; the limit is %d", rank, TAP_RANK_MAX);
    s->rank = (int)rank;
    for (size_t i = 0; i < rank; i++)
        if (s->dims[i] < 0) return tap_fail(ctx, TAP_MODEL, "shape[%zu] is %lld", i, (long long)s->dims[i]);
    return TAP_OK;
}

static tap_status normal_prepare(tap_ctx *ctx, void **state) {
    return shaped_prepare(ctx, state, "mean", 0, "scale", 1);
}

static tap_status uniform_prepare(tap_ctx *ctx, void **state) {
    return shaped_prepare(ctx, state, "low", 0, "high", 1);
}

static tap_status shaped_infer(tap_ctx *ctx) {
    const random_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    if (ctx->n_in == 0) return tap_out_type(ctx, 0, s->dtype, s->rank, s->dims);
    tap_dtype dtype = out_dtype(ctx, s);
    if (dtype != TAP_UNDEFINED && !(TAP_BIT(dtype) & TAP_TYPES_FLOAT))
        return tap_fail(ctx, TAP_MODEL,
                        "the input is %s; without the attribute dtype it has to be a float type",
                        tap_dtype_name(dtype));
    return x ? tap_out_type(ctx, 0, dtype, x->rank, x->dims) : tap_out_type(ctx, 0, dtype, -1, NULL);
}

typedef struct fill {
    const random_state *s;
    uint64_t seed;
    tap_tensor *y;
} fill;

static void fill_uniform(void *arg, int64_t begin, int64_t end, int worker) {
    const fill *f = arg;
    double x[BLOCK], low = f->s->a, high = f->s->b;
    (void)worker;
    for (int64_t i = begin; i < end; i += BLOCK) {
        int64_t n = tap_min64(BLOCK, end - i);
        tap_random_uniform(f->seed, i, n, x);
        for (int64_t k = 0; k < n; k++) x[k] = low + x[k] * (high - low);
        store(f->y->dtype, n, x, low < high ? high : INFINITY,
              (char *)f->y->data + i * (int64_t)tap_dtype_bytes(f->y->dtype));
    }
}

static void fill_normal(void *arg, int64_t begin, int64_t end, int worker) {
    const fill *f = arg;
    double x[BLOCK];
    (void)worker;
    for (int64_t i = begin; i < end; i += BLOCK) {
        int64_t n = tap_min64(BLOCK, end - i);
        tap_random_normal(f->seed, i, n, x);
        for (int64_t k = 0; k < n; k++) x[k] = f->s->a + x[k] * f->s->b;
        store(f->y->dtype, n, x, (double)NAN, (char *)f->y->data + i * (int64_t)tap_dtype_bytes(f->y->dtype));
    }
}

static tap_status normal_run(tap_ctx *ctx) {
    fill f = {ctx->state, seed_of(ctx, ctx->state), ctx->out[0]};
    tap_parallel(ctx, f.y->count, GRAIN, fill_normal, &f);
    return TAP_OK;
}

static tap_status uniform_run(tap_ctx *ctx) {
    fill f = {ctx->state, seed_of(ctx, ctx->state), ctx->out[0]};
    tap_parallel(ctx, f.y->count, GRAIN, fill_uniform, &f);
    return TAP_OK;
}

/* ---- Bernoulli ----------------------------------------------------------------------------------------- */

static tap_status bernoulli_prepare(tap_ctx *ctx, void **state) {
    random_state *s = common_attributes(ctx, TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL), TAP_UNDEFINED);
    *state = s;
    return s ? TAP_OK : TAP_MODEL;
}

static tap_status bernoulli_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_dtype dtype = out_dtype(ctx, ctx->state);
    return x ? tap_out_type(ctx, 0, dtype, x->rank, x->dims) : tap_out_type(ctx, 0, dtype, -1, NULL);
}

/* The bytes of a one. */
static void one_of(tap_dtype dtype, void *one) {
    double d = 1;
    float f = 1;
    uint16_t f16 = 0x3C00, bf16 = 0x3F80, u16 = 1;
    uint64_t u64 = 1;
    uint32_t u32 = 1;
    uint8_t u8 = 1;
    switch (dtype) {
    case TAP_DOUBLE: memcpy(one, &d, 8); break;
    case TAP_FLOAT: memcpy(one, &f, 4); break;
    case TAP_FLOAT16: memcpy(one, &f16, 2); break;
    case TAP_BFLOAT16: memcpy(one, &bf16, 2); break;
    case TAP_INT64:
    case TAP_UINT64: memcpy(one, &u64, 8); break;
    case TAP_INT32:
    case TAP_UINT32: memcpy(one, &u32, 4); break;
    case TAP_INT16:
    case TAP_UINT16: memcpy(one, &u16, 2); break;
    default: memcpy(one, &u8, 1); break;
    }
}

typedef struct bernoulli {
    const tap_tensor *p;
    tap_tensor *y;
    uint64_t seed;
} bernoulli;

static double real_at(const tap_tensor *t, int64_t i) {
    switch (t->dtype) {
    case TAP_DOUBLE: return ((const double *)t->data)[i];
    case TAP_FLOAT: return (double)((const float *)t->data)[i];
    case TAP_FLOAT16: return (double)tap_f16_to_f32(((const uint16_t *)t->data)[i]);
    default: return (double)tap_bf16_to_f32(((const uint16_t *)t->data)[i]);
    }
}

/* y[i] = x[i] < p[i] ? one : 0, for words of one width. No branch: nobody could foresee it. */
#define TAP_WORD_LOOPS "random.inc"
#include "common/words.inc"

static void bernoulli_piece(void *arg, int64_t begin, int64_t end, int worker) {
    static void (*const below[])(int64_t, const double *, const double *, const void *,
                                 char *) = {below_w1, below_w2, below_w4, below_w8, below_w16};
    const bernoulli *b = arg;
    const tap_dtype from = b->p->dtype;
    const size_t width = tap_dtype_bytes(b->y->dtype);
    char one[8] = {0};
    double u[BLOCK], p[BLOCK];
    (void)worker;
    one_of(b->y->dtype, one);
    for (int64_t i = begin; i < end; i += BLOCK) {
        const int64_t n = tap_min64(BLOCK, end - i);
        tap_random_uniform(b->seed, i, n, u);
        TAP_ISA_NAME(tap_cast_dense)
        (from, TAP_DOUBLE, n, (const char *)b->p->data + (size_t)i * tap_dtype_bytes(from), p);
        below[__builtin_ctzll(width)](n, u, p, one, (char *)b->y->data + (size_t)i * width);
    }
}

static tap_status bernoulli_run(tap_ctx *ctx) {
    bernoulli b = {ctx->in[0], ctx->out[0], seed_of(ctx, ctx->state)};
    tap_parallel(ctx, b.y->count, GRAIN, bernoulli_piece, &b);
    return TAP_OK;
}

/* ---- Multinomial --------------------------------------------------------------------------------------- */

static tap_status multinomial_prepare(tap_ctx *ctx, void **state) {
    random_state *s = common_attributes(ctx, TAP_TYPES_INDEX, TAP_INT32);
    if (!s) return TAP_MODEL;
    *state = s;
    s->sample_size = tap_attr_int(ctx, "sample_size", 1);
    if (s->sample_size >= 0) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "attribute sample_size is %lld", (long long)s->sample_size);
}

static tap_status multinomial_infer(tap_ctx *ctx) {
    const random_state *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status status = tap_need_rank(ctx, 0, 2, 2, "the input");
    if (status != TAP_OK) return status;
    int64_t dims[2] = {x && x->rank == 2 ? x->dims[0] : -1, s->sample_size};
    if (x && x->rank == 2 && x->dims[1] == 0 && dims[0] != 0)
        return tap_fail(ctx, tap_misfit(ctx), "there are no classes to draw from");
    return tap_out_type(ctx, 0, s->dtype, 2, dims);
}

/* sum[c] = how likely the classes 0 .. c are, up to a factor; x: unnormalised logarithms. */
static bool cumulate(const tap_tensor *x, int64_t row, double *sum) {
    int64_t n = x->dims[1];
    double top = -INFINITY, all = 0;
    for (int64_t c = 0; c < n; c++) top = fmax(top, real_at(x, row * n + c));
    for (int64_t c = 0; c < n; c++) {
        double v = real_at(x, row * n + c);
        if (isnan(v) || isinf(top)) return false;
        all += tap_plain_exp(v - top);
        sum[c] = all;
    }
    return true;
}

/* The first class with sum[c] > u. */
static int64_t class_of(const double *sum, int64_t n, double u) {
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (sum[mid] > u)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static tap_status multinomial_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    int64_t n = x->dims[1], samples = y->dims[1];
    uint64_t seed = seed_of(ctx, ctx->state);
    double *sum = tap_scratch(ctx, (size_t)n * sizeof *sum), u = 0;
    if (!sum) return TAP_MEMORY;
    for (int64_t row = 0; row < x->dims[0]; row++) {
        if (!cumulate(x, row, sum))
            return tap_fail(ctx, TAP_RUN, "row %lld has a NaN, an infinity or no class that is possible",
                            (long long)row);
        for (int64_t i = row * samples; i < (row + 1) * samples; i++) {
            tap_random_uniform(seed, i, 1, &u);
            int64_t c = class_of(sum, n, u * sum[n - 1]);
            if (y->dtype == TAP_INT64)
                ((int64_t *)y->data)[i] = c;
            else
                ((int32_t *)y->data)[i] = (int32_t)c;
        }
    }
    return TAP_OK;
}

#define LIKE_TYPES                                                                          \
    (TAP_TYPES_NUMERIC | TAP_BIT(TAP_BOOL) | TAP_BIT(TAP_STRING) | TAP_BIT(TAP_COMPLEX64) | \
     TAP_BIT(TAP_COMPLEX128))

/* clang-format off */
static const tap_op ops[] = {
    {.name = "RandomNormal", .since = 1, .out_min = 1, .out_max = 1, .flags = TAP_RANDOM,
     .typed_by = -1, .dtypes = TAP_TYPES_FLOAT, .prepare = normal_prepare, .infer = shaped_infer, .run = normal_run, TAP_RANDOM_NOTES},
    {.name = "RandomUniform", .since = 1, .out_min = 1, .out_max = 1, .flags = TAP_RANDOM,
     .typed_by = -1, .dtypes = TAP_TYPES_FLOAT, .prepare = uniform_prepare, .infer = shaped_infer, .run = uniform_run, TAP_RANDOM_NOTES},
    {.name = "RandomNormalLike", .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .flags = TAP_RANDOM,
     .dtypes = LIKE_TYPES, .prepare = normal_prepare, .infer = shaped_infer, .run = normal_run, TAP_RANDOM_NOTES},
    {.name = "RandomUniformLike", .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .flags = TAP_RANDOM,
     .dtypes = LIKE_TYPES, .prepare = uniform_prepare, .infer = shaped_infer, .run = uniform_run, TAP_RANDOM_NOTES},
    {.name = "Bernoulli", .since = 15, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .flags = TAP_RANDOM,
     .dtypes = TAP_TYPES_FLOAT, .prepare = bernoulli_prepare, .infer = bernoulli_infer, .run = bernoulli_run, TAP_RANDOM_NOTES},
    {.name = "Multinomial", .since = 7, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1, .flags = TAP_RANDOM,
     .dtypes = TAP_TYPES_FLOAT, .prepare = multinomial_prepare, .infer = multinomial_infer, .run = multinomial_run, TAP_RANDOM_NOTES},
    {0},
};
/* clang-format on */

TAP_DEFINE_FAMILY(random, ops);
