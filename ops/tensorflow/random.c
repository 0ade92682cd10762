/* TensorFlow's stateless random numbers, bit for bit: Philox4x32-10 from a key and a counter. */
#include <math.h>
#include <string.h>

#include "common/philox.h"
#include "common/scalar.h"
#include "common/shape.h"
#include "core/half.h"
#include "tensorflow/tensorflow.h"

enum { PHILOX = 1, THREEFRY = 2, AUTO = 3 };

/* ---- The generator: blocks of four words, a counter of 128 bits -------------------------------------- */

typedef struct stream {
    uint32_t key[2], counter[4];
} stream;

static void skip(stream *s, uint64_t n) {
    const uint64_t low = ((uint64_t)s->counter[1] << 32 | s->counter[0]) + n;
    const bool carry = low < n;
    s->counter[0] = (uint32_t)low;
    s->counter[1] = (uint32_t)(low >> 32);
    if (carry && ++s->counter[2] == 0) s->counter[3]++;
}

static void next(stream *s, uint32_t out[4]) {
    tap_philox(s->key, s->counter, out);
    skip(s, 1);
}

/* A seed's key and counter: the seed is scrambled, so that any two are as good as any other two. */
static stream scramble(uint64_t a, uint64_t b) {
    const uint32_t key[2] = {0x3ec8f720, 0x02461e29};
    const uint32_t counter[4] = {(uint32_t)a, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32)};
    uint32_t mix[4];
    tap_philox(key, counter, mix);
    return (stream){{mix[0], mix[1]}, {0, 0, mix[2], mix[3]}};
}

/* ---- Bits to numbers --------------------------------------------------------------------------------- */

static float unit_float(uint32_t x) {
    uint32_t bits = UINT32_C(0x3f800000) | (x & 0x7fffff);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f - 1.0F;
}

static double unit_double(const uint32_t *x) {
    uint64_t bits = UINT64_C(0x3ff0000000000000) | (uint64_t)(x[0] & 0xfffff) << 32 | x[1];
    double d;
    memcpy(&d, &bits, sizeof d);
    return d - 1.0;
}

static float unit_half(uint32_t x) {
    return tap_f16_to_f32((uint16_t)(0x3c00 | (x & 0x3ff))) - 1.0F;
}

static float unit_bfloat(uint32_t x) {
    return tap_bf16_to_f32((uint16_t)(0x3f80 | (x & 0x7f))) - 1.0F;
}

/* Box and Muller: sine first. */
static void normal_floats(const uint32_t *x, float *out) {
    float u = unit_float(x[0]);
    if (u < 1e-7F) u = 1e-7F;
    const double v = 2.0 * 3.14159265358979323846 * (double)unit_float(x[1]);
    const double r = sqrt(-2.0 * (double)(float)log((double)u));
    out[0] = (float)sin((double)(float)v) * (float)r;
    out[1] = (float)cos((double)(float)v) * (float)r;
}

static void normal_doubles(const uint32_t *x, double *out) {
    double u = unit_double(x);
    if (u < 1e-7) u = 1e-7;
    const double v = 2.0 * 3.14159265358979323846 * unit_double(x + 2), r = sqrt(-2.0 * log(u));
    out[0] = sin(v) * r;
    out[1] = cos(v) * r;
}

/* ---- One block's numbers ----------------------------------------------------------------------------- */

static void store(tap_dtype dtype, float x, void *y, int64_t i) {
    if (dtype == TAP_FLOAT)
        ((float *)y)[i] = x;
    else
        ((uint16_t *)y)[i] = dtype == TAP_FLOAT16 ? tap_f32_to_f16(x) : tap_f32_to_bf16(x);
}

static float unit_of(tap_dtype dtype, uint32_t x) {
    return dtype == TAP_FLOAT ? unit_float(x) : dtype == TAP_FLOAT16 ? unit_half(x) : unit_bfloat(x);
}

static void fill_uniform(stream *s, tap_tensor *y) {
    uint32_t x[4];
    const int each = y->dtype == TAP_DOUBLE ? 2 : 4;
    for (int64_t i = 0; i < y->count; i += each) {
        next(s, x);
        for (int k = 0; k < each && i + k < y->count; k++) {
            if (each == 2)
                ((double *)y->data)[i + k] = unit_double(x + 2 * k);
            else
                store(y->dtype, unit_of(y->dtype, x[k]), y->data, i + k);
        }
    }
}

static void fill_normal(stream *s, tap_tensor *y) {
    uint32_t x[4];
    float f[4];
    double d[2];
    const int each = y->dtype == TAP_DOUBLE ? 2 : 4;
    for (int64_t i = 0; i < y->count; i += each) {
        next(s, x);
        if (each == 2) {
            normal_doubles(x, d);
        } else {
            normal_floats(x, f);
            normal_floats(x + 2, f + 2);
        }
        for (int k = 0; k < each && i + k < y->count; k++) {
            if (each == 2)
                ((double *)y->data)[i + k] = d[k];
            else
                store(y->dtype, f[k], y->data, i + k);
        }
    }
}

/* A word at a time of blocks, where how many a number takes is not known. */
typedef struct words {
    stream *s;
    uint32_t x[4];
    int used;
} words;

static uint32_t word(words *w) {
    if (w->used == 4) {
        next(w->s, w->x);
        w->used = 0;
    }
    return w->x[w->used++];
}

/* Numbers beyond two standard deviations are drawn again. TensorFlow cuts the output in groups of four (two),
 * each of which may take 256 blocks. */
static void fill_truncated(stream *from, tap_tensor *y) {
    const bool wide = y->dtype == TAP_DOUBLE;
    const int each = wide ? 2 : 4;
    for (int64_t g = 0; g * each < y->count; g++) {
        stream s = *from;
        skip(&s, (uint64_t)g * 256);
        words w = {&s, {0}, 4};
        for (int k = 0; k < each;) {
            uint32_t x[4];
            double d[2];
            float f[2];
            for (int b = 0; b < (wide ? 4 : 2); b++) x[b] = word(&w);
            if (wide) {
                normal_doubles(x, d);
            } else {
                normal_floats(x, f);
                d[0] = (double)f[0], d[1] = (double)f[1];
            }
            for (int b = 0; b < 2 && k < each; b++) {
                if (!(fabs(d[b]) < 2.0)) continue;
                if (g * each + k < y->count) {
                    if (wide)
                        ((double *)y->data)[g * each + k] = d[b];
                    else
                        store(y->dtype, f[b], y->data, g * each + k);
                }
                k++;
            }
        }
    }
}

static void put_int(tap_tensor *y, int64_t i, uint64_t v) {
    if (tap_dtype_bytes(y->dtype) == 4)
        ((uint32_t *)y->data)[i] = (uint32_t)v;
    else
        ((uint64_t *)y->data)[i] = v;
}

/* lo + x modulo (hi - lo); without a range all bits. */
static void fill_ints(stream *s, tap_tensor *y, bool ranged, uint64_t lo, uint64_t range) {
    uint32_t x[4];
    const int each = tap_dtype_bytes(y->dtype) == 8 ? 2 : 4;
    for (int64_t i = 0; i < y->count; i += each) {
        next(s, x);
        for (int k = 0; k < each && i + k < y->count; k++) {
            uint64_t v = each == 4 ? x[k] : (uint64_t)x[2 * k + 1] << 32 | x[2 * k];
            put_int(y, i + k, ranged ? lo + v % range : v);
        }
    }
}

/* ---- The operators ----------------------------------------------------------------------------------- */

typedef enum kind { UNIFORM, NORMAL, TRUNCATED, INTS, FULL_INTS } kind;

typedef struct drawing {
    kind kind;
    bool by_seed; /* inputs: shape, seed; else shape, key, counter, algorithm */
} drawing;

typedef struct drawing_state {
    tap_dtype dtype;
} drawing_state;

static tap_status drawing_prepare(tap_ctx *ctx, void **state) {
    const drawing *d = tap_ctx_op(ctx)->data;
    drawing_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    const bool ints = d->kind == INTS || d->kind == FULL_INTS;
    const int64_t dtype = tap_attr_int(ctx, "dtype", ints ? TAP_INT32 : TAP_FLOAT);
    const uint32_t may =
        ints ? TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64)
             : TAP_TYPES_FLOAT;
    if (dtype <= 0 || dtype >= TAP_DTYPE_COUNT || !(may >> dtype & 1))
        return tap_fail(ctx, TAP_MODEL, "attribute dtype is %lld, which this operator does not give",
                        (long long)dtype);
    s->dtype = (tap_dtype)dtype;
    return TAP_OK;
}

static tap_status drawing_infer(tap_ctx *ctx) {
    const drawing_state *s = ctx->state;
    tap_ints shape;
    tap_status st = tap_read_ints(ctx, 0, TAP_RANK_MAX, "the shape", &shape);
    if (st) return st;
    for (int i = 0; i < shape.n; i++) {
        if (!shape.known)
            shape.v[i] = -1;
        else if (shape.v[i] < 0)
            return tap_fail(ctx, tap_misfit(ctx), "size %d of the shape is %lld", i, (long long)shape.v[i]);
    }
    return tap_out_type(ctx, 0, s->dtype, shape.n, shape.v);
}

static uint64_t u64_at(const tap_tensor *t, int64_t i) {
    if (t->dtype == TAP_UINT64 || t->dtype == TAP_INT64) return ((const uint64_t *)t->data)[i];
    return (uint64_t)(int64_t)((const int32_t *)t->data)[i];
}

#define SEED_TYPES (TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT64) | TAP_BIT(TAP_UINT32))

/* Elements of input i, at least n, of an integer type. */
static tap_status need_words(tap_ctx *ctx, int i, int64_t n, const char *what) {
    const tap_tensor *t = ctx->in[i];
    if (!(TAP_BIT(t->dtype) & SEED_TYPES))
        return tap_fail(ctx, TAP_RUN, "%s is of type %s, not of an integer type", what,
                        tap_dtype_name(t->dtype));
    return t->count >= n ? TAP_OK
                         : tap_fail(ctx, TAP_RUN, "%s has %lld elements; %lld are needed", what,
                                    (long long)t->count, (long long)n);
}

static tap_status read_stream(tap_ctx *ctx, const drawing *d, stream *s) {
    tap_status st;
    if (d->by_seed) {
        if ((st = need_words(ctx, 1, 2, "the seed"))) return st;
        *s = scramble(u64_at(ctx->in[1], 0), u64_at(ctx->in[1], 1));
        return TAP_OK;
    }
    if ((st = need_words(ctx, 1, 1, "the key")) || (st = need_words(ctx, 2, 2, "the counter"))) return st;
    const int64_t algorithm =
        ctx->n_in > 3 && ctx->in[3] && ctx->in[3]->count ? tap_cut_at(ctx->in[3], 0) : AUTO;
    if (algorithm != PHILOX && algorithm != AUTO)
        return tap_fail(ctx, TAP_RUN, "algorithm %lld: TensorFlow has Philox (1) alone on a CPU",
                        (long long)algorithm);
    const uint64_t key = u64_at(ctx->in[1], 0), c0 = u64_at(ctx->in[2], 0), c1 = u64_at(ctx->in[2], 1);
    *s = (stream){{(uint32_t)key, (uint32_t)(key >> 32)},
                  {(uint32_t)c0, (uint32_t)(c0 >> 32), (uint32_t)c1, (uint32_t)(c1 >> 32)}};
    return TAP_OK;
}

static tap_status fill_range(tap_ctx *ctx, const drawing *d, stream *s) {
    const int at = d->by_seed ? 2 : 4;
    tap_status st;
    if ((st = need_words(ctx, at, 1, "minval")) || (st = need_words(ctx, at + 1, 1, "maxval"))) return st;
    const uint64_t lo = u64_at(ctx->in[at], 0), hi = u64_at(ctx->in[at + 1], 0);
    if ((int64_t)lo >= (int64_t)hi)
        return tap_fail(ctx, TAP_RUN, "minval %lld is not below maxval %lld", (long long)lo, (long long)hi);
    fill_ints(s, ctx->out[0], true, lo, hi - lo);
    return TAP_OK;
}

static tap_status drawing_run(tap_ctx *ctx) {
    const drawing *d = tap_ctx_op(ctx)->data;
    stream s = {{0}, {0}};
    tap_status st = read_stream(ctx, d, &s);
    if (st) return st;
    switch (d->kind) {
    case UNIFORM: fill_uniform(&s, ctx->out[0]); break;
    case NORMAL: fill_normal(&s, ctx->out[0]); break;
    case TRUNCATED: fill_truncated(&s, ctx->out[0]); break;
    case INTS: return fill_range(ctx, d, &s);
    case FULL_INTS: fill_ints(&s, ctx->out[0], false, 0, 0); break;
    }
    return TAP_OK;
}

/* ---- Key and counter of a seed ------------------------------------------------------------------------ */

static tap_status key_infer(tap_ctx *ctx) {
    tap_status st = tap_need_dtype(ctx, 0, SEED_TYPES, "the seed");
    if (!st) st = tap_out_type(ctx, 0, TAP_UINT64, 1, (int64_t[]){1});
    if (!st && ctx->n_out > 1) st = tap_out_type(ctx, 1, TAP_UINT64, 1, (int64_t[]){2});
    if (!st && ctx->n_out > 2) st = tap_out_type(ctx, 2, TAP_INT32, 0, NULL);
    return st;
}

static tap_status key_run(tap_ctx *ctx) {
    tap_status st = need_words(ctx, 0, 2, "the seed");
    if (st) return st;
    const stream s = scramble(u64_at(ctx->in[0], 0), u64_at(ctx->in[0], 1));
    if (ctx->out[0]) ((uint64_t *)ctx->out[0]->data)[0] = (uint64_t)s.key[1] << 32 | s.key[0];
    if (ctx->n_out > 1 && ctx->out[1]) {
        uint64_t *c = ctx->out[1]->data;
        c[0] = 0;
        c[1] = (uint64_t)s.counter[3] << 32 | s.counter[2];
    }
    if (ctx->n_out > 2 && ctx->out[2]) *(int32_t *)ctx->out[2]->data = PHILOX;
    return TAP_OK;
}

static tap_status alg_infer(tap_ctx *ctx) {
    return tap_out_type(ctx, 0, TAP_INT32, 0, NULL);
}

static tap_status alg_run(tap_ctx *ctx) {
    *(int32_t *)ctx->out[0]->data = PHILOX;
    return TAP_OK;
}

/* ---- Rows --------------------------------------------------------------------------------------------- */

#define BITS .notes = "The bits of TensorFlow's on a CPU; normal numbers to the last bit or two."
#define DRAWING(NAME, KIND, BY_SEED, IN)                                                                 \
    {                                                                                                    \
        TAP_TF_ROW(NAME, IN, 1), .typed_by = -1, .dtypes = (KIND) >= INTS ? INTEGERS : TAP_TYPES_FLOAT,  \
                                 .prepare = drawing_prepare, .infer = drawing_infer, .run = drawing_run, \
                                 .data = &(const drawing){KIND, BY_SEED}, BITS                           \
    }
#define INTEGERS (TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))

static const tap_op ops[] = {
    DRAWING("StatelessRandomUniformV2", UNIFORM, false, 4),
    DRAWING("StatelessRandomNormalV2", NORMAL, false, 4),
    DRAWING("StatelessTruncatedNormalV2", TRUNCATED, false, 4),
    DRAWING("StatelessRandomUniformIntV2", INTS, false, 6),
    DRAWING("StatelessRandomUniformFullIntV2", FULL_INTS, false, 4),
    DRAWING("StatelessRandomUniform", UNIFORM, true, 2),
    DRAWING("StatelessRandomNormal", NORMAL, true, 2),
    DRAWING("StatelessTruncatedNormal", TRUNCATED, true, 2),
    DRAWING("StatelessRandomUniformInt", INTS, true, 4),
    DRAWING("StatelessRandomUniformFullInt", FULL_INTS, true, 2),
    {TAP_TF_ROW("StatelessRandomGetKeyCounter", 1, 2), .dtypes = INTEGERS, .infer = key_infer,
     .run = key_run},
    {TAP_TF_ROW("StatelessRandomGetKeyCounterAlg", 1, 3), .dtypes = INTEGERS, .infer = key_infer,
     .run = key_run},
    {TAP_TF_ROW("StatelessRandomGetAlg", 0, 1), .typed_by = -1, .dtypes = TAP_BIT(TAP_INT32),
     .infer = alg_infer, .run = alg_run},
    {0},
};

TAP_DEFINE_FAMILY(tensorflow_random, ops);
