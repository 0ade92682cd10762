/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
 *
 * Scale and zero point are one for the whole tensor, one for each index of an axis, or one for each block
 * along an axis. Elements go through float32 in blocks:
 *
 *     quantize     x / scale, in the precision asked for; integers: rounded to even, + zero point, saturated
 *     dequantize   (x - zero point) * scale, rounded to the output's dtype */
#include <inttypes.h>
#include <math.h>

#include "common/axis_broadcast.h"
#include "common/cast.h"
#include "common/floats.h"
#include "common/math.h"
#include "common/reduce.h"
#include "common/shape.h"
#include "core/tensor.h"

enum { BLOCK = 256 };

/* ---- Loops: x, scale, zero point (or none) to y ---------------------------------------------------- */

typedef struct recipe {
    tap_dtype x, scale, zero, y; /* dtypes                                                          */
    tap_dtype precision;         /* of the division: FLOAT, FLOAT16, BFLOAT16, INT32                */
    bool saturate, is_int;       /* y of 8-bit floats saturates; y is an integer                    */
    float least, most;           /* of an integer y                                                 */
} recipe;

/* Elements of an operand as dense values of dtype `to`, or the one element that it is. */
static const void *operand(tap_dtype from, tap_dtype to, int64_t n, const char *p, int64_t step, void *room) {
    const int64_t each = (int64_t)tap_dtype_bytes(to);
    if (from == to && (step == 0 || step == each)) return p;
    const tap_cast c = {from, to, false, TAP_E8M0_UP};
    char *const q[2] = {(char *)(uintptr_t)p, room};
    const int64_t steps[2] = {step, each};
    TAP_ISA_NAME(tap_cast_loop)(step == 0 ? 1 : n, q, steps, &c);
    return room;
}

/* y[i] = x[i] OP s[i], or s[0] for all. */
#define COMBINE(NAME, OP)                                                             \
    static void NAME(int64_t n, const float *x, const float *s, bool one, float *y) { \
        const float first = *s;                                                       \
        if (one)                                                                      \
            TAP_INDEPENDENT TAP_EACH y[i] = x[i] OP first;                            \
        else                                                                          \
            TAP_INDEPENDENT TAP_EACH y[i] = x[i] OP s[i];                             \
    }
COMBINE(divide, /)
COMBINE(multiply, *)
COMBINE(add, +)
COMBINE(subtract, -)

/* Whether tap_quotientf takes it. Subnormal quotients, which it may miss, are no others than 0 to an integer.
 */
static bool is_easy_divisor(float s) {
    return fabsf(s) >= 0x1p-125f && fabsf(s) <= 0x1p125f;
}

static void divide_by_one(int64_t n, const float *x, float s, float *y) {
    const float inverse = 1 / s;
    TAP_INDEPENDENT TAP_EACH y[i] = tap_quotientf(x[i], s, inverse);
}

static void divide_int32(int64_t n, const int32_t *x, const int32_t *s, bool one, float *y) {
    TAP_EACH y[i] = (float)nearbyint((double)x[i] / (double)s[one ? 0 : i]);
}

/* Rounds to a half and back. */
static void through_half(tap_dtype t, int64_t n, float *x) {
    uint16_t room[BLOCK];
    TAP_ISA_NAME(tap_floats_out)(t, n, x, (char *)room, sizeof *room);
    TAP_ISA_NAME(tap_floats_in)(t, n, (const char *)room, sizeof *room, x);
}

/* A block of x / scale. */
static void quotient(const recipe *r, int64_t n, const char *x, int64_t x_step, const char *s, int64_t s_step,
                     float *y) {
    float room[BLOCK], scales[BLOCK];
    const tap_dtype t = r->precision == TAP_INT32 ? TAP_INT32 : TAP_FLOAT;
    const void *a = operand(r->x, t, n, x, x_step, room), *b = operand(r->scale, t, n, s, s_step, scales);
    const bool half = t == TAP_FLOAT && r->precision != TAP_FLOAT;
    if (t == TAP_INT32) {
        divide_int32(n, a, b, s_step == 0, y);
        return;
    }
    if (half && r->x != r->precision) {
        TAP_EACH y[i] = ((const float *)a)[i];
        through_half(r->precision, n, y);
        a = y;
    }
    if (half && r->scale != r->precision) {
        const int64_t m = s_step == 0 ? 1 : n;
        for (int64_t i = 0; i < m; i++) scales[i] = ((const float *)b)[i];
        through_half(r->precision, m, scales);
        b = scales;
    }
    if (r->is_int && s_step == 0 && is_easy_divisor(*(const float *)b))
        divide_by_one(n, a, *(const float *)b, y);
    else
        divide(n, a, b, s_step == 0, y);
    if (half) through_half(r->precision, n, y);
}

/* To the nearest integer, ties to even, up to 2^22: what is larger saturates anyway. */
static inline float nearest(float x) {
    const float big = 0x1.8p23f, a = fabsf(x), y = (a + big) - big;
    return copysignf(a < 0x1p22f ? y : a, x);
}

static void saturate(const recipe *r, int64_t n, float *x) {
    const float least = r->least, most = r->most;
    TAP_INDEPENDENT TAP_EACH {
        const float v = x[i] > least ? x[i] : least; /* NaN too */
        x[i] = v < most ? v : most;
    }
}

static void store(const recipe *r, int64_t n, const float *x, char *y, int64_t step) {
    const tap_cast c = {TAP_FLOAT, r->y, r->saturate, TAP_E8M0_UP};
    char *const q[2] = {(char *)(uintptr_t)x, y};
    const int64_t steps[2] = {sizeof *x, step};
    TAP_ISA_NAME(tap_cast_loop)(n, q, steps, &c);
}

/* ---- To 8 bits, which is most common, in one loop ---- */

/* The ends of an 8-bit y and its zero point, for byte_of: the ends are moved by the zero point, which is
 * added behind them. */
typedef struct byte_range {
    float least, most;
    uint32_t zero;
} byte_range;

static byte_range byte_range_of(const recipe *r, float zero) {
    return (byte_range){r->least - zero, r->most - zero, (uint32_t)(int32_t)zero};
}

/* To the nearest integer, ties to even, in the low digits of a sum. NaN gives the least. */
static inline uint8_t byte_of(float x, byte_range r) {
    const float low = x > r.least ? x : r.least, v = low < r.most ? low : r.most;
    return (uint8_t)(tap_bits(v + 0x1.8p23f) + r.zero);
}

static void quantize_bytes(byte_range r, int64_t n, const float *x, float scale, uint8_t *y) {
    const float inverse = 1 / scale;
    if (is_easy_divisor(scale))
        TAP_INDEPENDENT TAP_EACH y[i] = byte_of(tap_quotientf(x[i], scale, inverse), r);
    else
        TAP_INDEPENDENT TAP_EACH y[i] = byte_of(x[i] / scale, r);
}

static float zero_byte(tap_dtype t, const char *p) {
    return !p ? 0 : t == TAP_INT8 ? (float)*(const int8_t *)p : (float)*(const uint8_t *)p;
}

/* Rows of n elements, with a scale and a zero point (or none) each. */
static void quantize_rows(const recipe *r, int64_t rows, int64_t n, const float *x, const float *scale,
                          const char *zero, uint8_t *y) {
    for (int64_t k = 0; k < rows; k++)
        quantize_bytes(byte_range_of(r, zero_byte(r->y, zero ? zero + k : NULL)), n, x + k * n, scale[k],
                       y + k * n);
}

/* zero: one for all, or one for each. */
static void finish_bytes(const recipe *r, int64_t n, const float *x, const float *zero, bool one,
                         uint8_t *y) {
    const byte_range all = byte_range_of(r, *zero);
    const float least = r->least, most = r->most;
    if (one)
        TAP_INDEPENDENT TAP_EACH y[i] = byte_of(x[i], all);
    else
        TAP_INDEPENDENT TAP_EACH y[i] =
            byte_of(x[i], (byte_range){least - zero[i], most - zero[i], (uint32_t)(int32_t)zero[i]});
}

static bool is_plain(const recipe *r) {
    return r->x == TAP_FLOAT && r->scale == TAP_FLOAT && r->precision == TAP_FLOAT;
}

static bool is_byte(tap_dtype t) {
    return t == TAP_INT8 || t == TAP_UINT8;
}

/* Dense bytes. */
static void quantize_to_bytes(const recipe *r, int64_t n, char *const *p, const int64_t *step) {
    const bool one_zero = !p[2] || step[2] == 0;
    float v[BLOCK], zeros[BLOCK];
    if (is_plain(r) && one_zero && step[0] == sizeof(float) && step[1] == 0) {
        quantize_bytes(byte_range_of(r, zero_byte(r->y, p[2])), n, (const float *)(void *)p[0],
                       *(const float *)(void *)p[1], (uint8_t *)p[3]);
        return;
    }
    const float *zero = p[2] ? operand(r->zero, TAP_FLOAT, n, p[2], step[2], zeros) : &(const float){0};
    quotient(r, n, p[0], step[0], p[1], step[1], v);
    finish_bytes(r, n, v, zero, one_zero, (uint8_t *)p[3]);
}

static void quantize_block(const recipe *r, int64_t n, char *const *p, const int64_t *step) {
    if (is_byte(r->y) && step[3] == 1) {
        quantize_to_bytes(r, n, p, step);
        return;
    }
    float v[BLOCK], zeros[BLOCK];
    quotient(r, n, p[0], step[0], p[1], step[1], v);
    if (r->is_int) TAP_INDEPENDENT TAP_EACH v[i] = nearest(v[i]);
    if (p[2]) add(n, v, operand(r->zero, TAP_FLOAT, n, p[2], step[2], zeros), step[2] == 0, v);
    if (r->is_int) saturate(r, n, v);
    store(r, n, v, p[3], step[3]);
}

/* From 8 bits with one float32 scale, in one loop. */
#define OF_BYTES(NAME, T)                                                        \
    static void NAME(int64_t n, const T *x, float scale, float zero, float *y) { \
        TAP_INDEPENDENT TAP_EACH y[i] = ((float)x[i] - zero) * scale;            \
    }
OF_BYTES(of_int8, int8_t)
OF_BYTES(of_uint8, uint8_t)

static bool dequantize_bytes(const recipe *r, int64_t n, char *const *p, const int64_t *step) {
    const bool is_signed = r->x == TAP_INT8;
    if ((!is_signed && r->x != TAP_UINT8) || r->scale != TAP_FLOAT || r->y != TAP_FLOAT) return false;
    if (step[0] != 1 || step[1] != 0 || (p[2] && step[2] != 0) || step[3] != sizeof(float)) return false;
    const float zero = zero_byte(r->x, p[2]), scale = *(const float *)(void *)p[1];
    if (is_signed)
        of_int8(n, (const int8_t *)p[0], scale, zero, (float *)(void *)p[3]);
    else
        of_uint8(n, (const uint8_t *)p[0], scale, zero, (float *)(void *)p[3]);
    return true;
}

static void dequantize_block(const recipe *r, int64_t n, char *const *p, const int64_t *step) {
    if (dequantize_bytes(r, n, p, step)) return;
    float v[BLOCK], others[BLOCK];
    const float *x = operand(r->x, TAP_FLOAT, n, p[0], step[0], v);
    if (p[2]) {
        subtract(n, x, operand(r->zero, TAP_FLOAT, n, p[2], step[2], others), step[2] == 0, v);
        x = v;
    }
    multiply(n, x, operand(r->scale, TAP_FLOAT, n, p[1], step[1], others), step[1] == 0, v);
    store(r, n, v, p[3], step[3]);
}

#define BLOCKWISE(NAME)                                                                                   \
    TAP_LOOP(NAME##_loop) {                                                                               \
        for (int64_t i = 0; i < n; i += BLOCK) {                                                          \
            char *const q[4] = {p[0] + i * step[0], p[1] + i * step[1], p[2] ? p[2] + i * step[2] : NULL, \
                                p[3] + i * step[3]};                                                      \
            NAME##_block(state, tap_min64(BLOCK, n - i), q, step);                                        \
        }                                                                                                 \
    }
BLOCKWISE(quantize)
BLOCKWISE(dequantize)

/* ---- Where scales and zero points lie -------------------------------------------------------------- */

typedef struct linear {
    int64_t axis, block_size;
    bool saturate;
    tap_dtype output, precision; /* TAP_UNDEFINED: not said */
} linear;

/* The axis of scales that are not one for all. false: there is none. */
static bool axis_of(const linear *s, int rank, int *axis) {
    *axis = 0;
    return (rank == 1 && s->block_size == 0) || tap_axis(s->axis, rank, axis);
}

/* Blocks of x[outer][extent][inner] along the axis; scales lie as [outer][n_blocks][inner]. */
typedef struct blocked {
    tap_loop *loop;
    const recipe *r;
    char *x, *scale, *zero, *y;
    int64_t extent, inner, block, n_blocks;
    int64_t x_bytes, scale_bytes, zero_bytes, y_bytes; /* of an element */
} blocked;

/* Those along the last axis, all as long: rows. */
static void rows_of_bytes(void *arg, int64_t first, int64_t last, int worker) {
    const blocked *b = arg;
    const int64_t at = first * b->block;
    (void)worker;
    quantize_rows(b->r, last - first, b->block, (const float *)(void *)b->x + at,
                  (const float *)(void *)b->scale + first, b->zero ? b->zero + first : NULL,
                  (uint8_t *)b->y + at);
}

/* Blocks first .. last, counted over outer and n_blocks. */
static void blocks(void *arg, int64_t first, int64_t last, int worker) {
    const blocked *b = arg;
    (void)worker;
    for (int64_t k = first; k < last; k++) {
        const int64_t begin = k % b->n_blocks * b->block, n = tap_min64(b->block, b->extent - begin);
        const int64_t at = (k / b->n_blocks * b->extent + begin) * b->inner, s = k * b->inner;
        const bool lines =
            b->inner > 1; /* one call a line with a scale for each element, else one with one scale */
        const int64_t step[4] = {b->x_bytes, lines ? b->scale_bytes : 0, lines ? b->zero_bytes : 0,
                                 b->y_bytes};
        for (int64_t j = 0; j < (lines ? n : 1); j++) {
            const int64_t i = at + j * b->inner;
            char *const p[4] = {b->x + i * b->x_bytes, b->scale + s * b->scale_bytes,
                                b->zero ? b->zero + s * b->zero_bytes : NULL, b->y + i * b->y_bytes};
            b->loop(lines ? b->inner : n, p, step, b->r);
        }
    }
}

static tap_status run_blocked(tap_ctx *ctx, tap_loop *loop, const recipe *r, int axis) {
    const linear *s = ctx->state;
    const tap_tensor *x = ctx->in[0], *scale = ctx->in[1], *zero = ctx->n_in > 2 ? ctx->in[2] : NULL;
    tap_tensor *y = ctx->out[0];
    blocked b = {.loop = loop,
                 .r = r,
                 .x = x->data,
                 .scale = scale->data,
                 .y = y->data,
                 .extent = x->dims[axis],
                 .inner = 1,
                 .block = s->block_size,
                 .n_blocks = scale->dims[axis],
                 .x_bytes = (int64_t)tap_dtype_bytes(x->dtype),
                 .y_bytes = (int64_t)tap_dtype_bytes(y->dtype),
                 .scale_bytes = (int64_t)tap_dtype_bytes(scale->dtype)};
    if (zero) b.zero = zero->data, b.zero_bytes = (int64_t)tap_dtype_bytes(zero->dtype);
    int64_t outer = 1;
    for (int d = 0; d < axis; d++) outer *= x->dims[d];
    for (int d = axis + 1; d < x->rank; d++) b.inner *= x->dims[d];
    if (b.inner == 1 && b.extent % b.block == 0) {
        const int64_t n = outer * b.n_blocks;
        if (loop == quantize_loop && is_plain(r) && is_byte(r->y)) {
            tap_parallel(ctx, n, tap_max64(1, 16384 / b.block), rows_of_bytes, &b);
            return TAP_OK;
        }
        const tap_tensor tx = {
            .dtype = x->dtype, .rank = 2, .dims = {n, b.block}, .count = x->count, .data = x->data};
        const tap_tensor ts = {
            .dtype = scale->dtype, .rank = 2, .dims = {n, 1}, .count = n, .data = scale->data};
        const tap_tensor tz = {
            .dtype = zero ? zero->dtype : TAP_FLOAT, .rank = 2, .dims = {n, 1}, .count = n, .data = b.zero};
        tap_tensor ty = tx;
        ty.dtype = y->dtype;
        ty.data = y->data;
        const tap_tensor *in[3] = {&tx, &ts, zero ? &tz : NULL};
        return tap_broadcast(ctx, loop, r, in, 3, &(tap_tensor *){&ty}, 1);
    }
    if (x->count > 0)
        tap_parallel(ctx, outer * b.n_blocks, tap_max64(1, 16384 / tap_max64(1, b.block * b.inner)), blocks,
                     &b);
    return TAP_OK;
}

static tap_status run_linear(tap_ctx *ctx, tap_loop *loop, const recipe *r) {
    const tap_tensor *x = ctx->in[0], *scale = ctx->in[1], *zero = ctx->n_in > 2 ? ctx->in[2] : NULL;
    int axis;
    if (((const linear *)ctx->state)->block_size > 0 && scale->rank > 0 && scale->count != 1) {
        axis_of(ctx->state, x->rank, &axis);
        return run_blocked(ctx, loop, r, axis);
    }
    tap_tensor views[2] = {*scale, zero ? *zero : *scale};
    for (int k = 0; k < 2; k++) {
        if (views[k].count == 1)
            views[k].rank = 0;
        else if (axis_of(ctx->state, x->rank, &axis))
            views[k] = TAP_ISA_NAME(tap_axis_view)(&views[k], axis, x->rank);
    }
    const tap_tensor *in[3] = {x, &views[0], zero ? &views[1] : NULL};
    return tap_broadcast(ctx, loop, r, in, 3, ctx->out, 1);
}

/* ---- Types ----------------------------------------------------------------------------------------- */

#define INTEGERS                                                                         \
    (TAP_BIT(TAP_UINT8) | TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT16) | TAP_BIT(TAP_INT16) | \
     TAP_BIT(TAP_UINT4) | TAP_BIT(TAP_INT4) | TAP_BIT(TAP_UINT2) | TAP_BIT(TAP_INT2))
#define QUANTIZED (INTEGERS | TAP_TYPES_FLOAT8 | TAP_TYPES_FLOAT6 | TAP_BIT(TAP_FLOAT4E2M1))
#define REAL      (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))
#define SCALES    (REAL | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_FLOAT8E8M0))

static tap_status prepare(tap_ctx *ctx, linear *s) {
    const int64_t opset = tap_opset(ctx);
    s->axis = opset < 13 ? 0 : tap_attr_int(ctx, "axis", 1);
    s->block_size = opset < 21 ? 0 : tap_attr_int(ctx, "block_size", 0);
    if (s->block_size < 0) return tap_fail(ctx, TAP_MODEL, "attribute block_size is %" PRId64, s->block_size);
    return TAP_OK;
}

/* A dtype attribute; 0: not said. */
static tap_status dtype_attribute(tap_ctx *ctx, const char *name, uint32_t allowed, tap_dtype *out) {
    int64_t t = tap_attr_int(ctx, name, 0);
    if (t < 0 || t >= TAP_DTYPE_COUNT)
        return tap_fail(ctx, TAP_UNSUPPORTED, "attribute %s is %" PRId64 ": no such dtype", name, t);
    if (t != 0 && !(allowed >> t & 1))
        return tap_fail(ctx, TAP_MODEL, "attribute %s may not be %s", name, tap_dtype_name((tap_dtype)t));
    *out = (tap_dtype)t;
    return TAP_OK;
}

static tap_status quantize_prepare(tap_ctx *ctx, void **state) {
    const int64_t opset = tap_opset(ctx);
    linear *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    tap_status st = prepare(ctx, s);
    s->saturate = opset < 19 || tap_attr_int(ctx, "saturate", 1) != 0;
    if (st == TAP_OK && opset >= 21) st = dtype_attribute(ctx, "output_dtype", QUANTIZED, &s->output);
    if (st == TAP_OK && opset >= 23)
        st = dtype_attribute(ctx, "precision", REAL | TAP_BIT(TAP_INT32), &s->precision);
    return st;
}

static tap_status dequantize_prepare(tap_ctx *ctx, void **state) {
    linear *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    *state = s;
    s->saturate = true;
    tap_status st = prepare(ctx, s);
    if (st == TAP_OK && tap_opset(ctx) >= 23) st = dtype_attribute(ctx, "output_dtype", REAL, &s->output);
    return st;
}

static tap_status check_blocks(tap_ctx *ctx, const linear *s, const tap_type *x, const tap_type *scale,
                               int axis) {
    for (int d = 0; d < x->rank; d++) {
        int64_t want = x->dims[d], have = scale->dims[d];
        if (want < 0 || have < 0) continue;
        if (d == axis) want = want / s->block_size + (want % s->block_size != 0);
        if (want != have)
            return tap_fail(ctx, TAP_MODEL, "dimension %d of the scale must be %" PRId64 " and is %" PRId64,
                            d, want, have);
    }
    return TAP_OK;
}

/* Is it, or may it turn out to be, a scalar or a list of one? Either may stand beside the other. */
static bool maybe_one(const tap_type *t) {
    return t->rank == 0 || (t->rank == 1 && (t->dims[0] == 1 || t->dims[0] < 0));
}

/* The scale's shape fits x, the attributes and the zero point. */
static tap_status check_shapes(tap_ctx *ctx) {
    const linear *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *scale = tap_in_type(ctx, 1), *zero = tap_in_type(ctx, 2);
    int axis;
    if (zero && zero->rank >= 0 && scale->rank >= 0) {
        bool same = zero->rank == scale->rank;
        for (int d = 0; same && d < zero->rank; d++)
            same = zero->dims[d] < 0 || scale->dims[d] < 0 || zero->dims[d] == scale->dims[d];
        if (!same && !(maybe_one(zero) && maybe_one(scale)))
            return tap_fail(ctx, TAP_MODEL, "scale and zero point must have one shape");
    }
    if (x->rank < 0 || scale->rank <= 0 || (scale->rank == 1 && scale->dims[0] == 1)) return TAP_OK;
    if (tap_opset(ctx) < 13) return tap_fail(ctx, TAP_MODEL, "below opset 13 the scale must be a scalar");
    if (!axis_of(s, x->rank, &axis))
        return tap_fail(ctx, TAP_MODEL, "attribute axis is %" PRId64 ", the input has %d dimensions", s->axis,
                        x->rank);
    if (scale->rank == 1 && s->block_size == 0) {
        if (scale->dims[0] >= 0 && x->dims[axis] >= 0 && scale->dims[0] != x->dims[axis])
            return tap_fail(ctx, TAP_MODEL,
                            "there must be a scale for each index of axis %d: %" PRId64 ", not %" PRId64,
                            axis, x->dims[axis], scale->dims[0]);
        return TAP_OK;
    }
    if (s->block_size == 0)
        return tap_fail(ctx, TAP_MODEL, "a scale of %d dimensions needs attribute block_size", scale->rank);
    if (scale->rank != x->rank)
        return tap_fail(ctx, TAP_MODEL, "scales of blocks must have the input's rank");
    return check_blocks(ctx, s, x, scale, axis);
}

static tap_status check_dtype(tap_ctx *ctx, int i, const char *what, uint32_t allowed) {
    const tap_type *t = tap_in_type(ctx, i);
    if (!t || !t->dtype || allowed >> t->dtype & 1) return TAP_OK;
    return tap_fail(ctx, TAP_MODEL, "%s may not be %s", what, tap_dtype_name(t->dtype));
}

static tap_status quantize_infer(tap_ctx *ctx) {
    const linear *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *zero = tap_in_type(ctx, 2);
    const int64_t opset = tap_opset(ctx);
    tap_dtype to = zero ? zero->dtype : s->output ? s->output : TAP_UINT8;
    if (zero && zero->dtype && s->output && zero->dtype != s->output)
        return tap_fail(ctx, TAP_MODEL, "attribute output_dtype is %s and the zero point %s",
                        tap_dtype_name(s->output), tap_dtype_name(zero->dtype));
    tap_status st = check_dtype(ctx, 1, "the scale", SCALES);
    if (st == TAP_OK) st = check_dtype(ctx, 2, "the zero point", QUANTIZED);
    if (st == TAP_OK && opset >= 19 && opset < 23 && x->dtype != TAP_INT32)
        st = tap_need_same_dtype(ctx, 0, 1, "the scale");
    if (st == TAP_OK) st = check_shapes(ctx);
    return st == TAP_OK ? tap_out_type(ctx, 0, to, x->rank, x->dims) : st;
}

static tap_status dequantize_infer(tap_ctx *ctx) {
    const linear *s = ctx->state;
    const tap_type *x = tap_in_type(ctx, 0), *scale = tap_in_type(ctx, 1), *zero = tap_in_type(ctx, 2);
    tap_dtype to = s->output ? s->output : scale->dtype;
    if (to == TAP_FLOAT8E8M0)
        return tap_fail(ctx, TAP_MODEL, "a scale of float8e8m0 needs attribute output_dtype");
    if (zero && zero->dtype && x->dtype && zero->dtype != x->dtype)
        return tap_fail(ctx, TAP_MODEL, "input is %s and zero point %s", tap_dtype_name(x->dtype),
                        tap_dtype_name(zero->dtype));
    tap_status st = check_dtype(ctx, 1, "the scale", REAL | TAP_BIT(TAP_FLOAT8E8M0));
    if (st == TAP_OK) st = check_shapes(ctx);
    return st == TAP_OK ? tap_out_type(ctx, 0, to, x->rank, x->dims) : st;
}

/* ---- QuantizeLinear, DequantizeLinear -------------------------------------------------------------- */

static void set_limits(recipe *r) {
    const bool is_signed = r->y == TAP_INT8 || r->y == TAP_INT16 || r->y == TAP_INT4 || r->y == TAP_INT2;
    const int bits = tap_dtype_bits(r->y);
    r->is_int = INTEGERS >> r->y & 1;
    r->least = is_signed ? -(float)(1 << (bits - 1)) : 0;
    r->most = (float)((1 << (is_signed ? bits - 1 : bits)) - 1);
}

static recipe recipe_of(const tap_ctx *ctx) {
    const linear *s = ctx->state;
    const tap_tensor *zero = ctx->n_in > 2 ? ctx->in[2] : NULL;
    recipe r = {.x = ctx->in[0]->dtype,
                .scale = ctx->in[1]->dtype,
                .y = ctx->out[0]->dtype,
                .saturate = s->saturate,
                .precision = s->precision ? s->precision : ctx->in[1]->dtype};
    if (zero) r.zero = zero->dtype;
    if (r.precision == TAP_FLOAT8E8M0) r.precision = TAP_FLOAT;
    return r;
}

static tap_status quantize_run(tap_ctx *ctx) {
    recipe r = recipe_of(ctx);
    set_limits(&r);
    return run_linear(ctx, quantize_loop, &r);
}

static tap_status dequantize_run(tap_ctx *ctx) {
    const recipe r = recipe_of(ctx);
    return run_linear(ctx, dequantize_loop, &r);
}

/* ---- DynamicQuantizeLinear: the range of x, with 0 in it, becomes 0 .. 255 ------------------------- */

enum { PIECE = 1 << 15 };

typedef struct range {
    float least, most;
} range;

typedef struct ranges {
    const float *x;
    range *pieces;
} ranges;

static void find_range(void *arg, int64_t begin, int64_t end, int worker) {
    const ranges *r = arg;
    range y = {0, 0};
    (void)worker;
    tap_loops_min_f32.run(&y.least, (const char *)(r->x + begin), end - begin, NULL, sizeof(float), NULL);
    tap_loops_max_f32.run(&y.most, (const char *)(r->x + begin), end - begin, NULL, sizeof(float), NULL);
    r->pieces[begin / PIECE] = y;
}

static tap_status dynamic_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    const int64_t n = (x->count + PIECE - 1) / PIECE;
    ranges all = {x->data, tap_scratch(ctx, (size_t)(n + 1) * sizeof(range))};
    tap_tensor *y = ctx->out[0], *out_scale = ctx->out[1], *out_zero = ctx->out[2];
    range r = {0, 0};
    if (!all.pieces) return TAP_MEMORY;
    tap_parallel(ctx, x->count, PIECE, find_range, &all);
    for (int64_t k = 0; k < n; k++) {
        const range p = all.pieces[k];
        r.least = ((p.least < r.least) | (p.least != p.least)) ? p.least : r.least;
        r.most = ((p.most > r.most) | (p.most != p.most)) ? p.most : r.most;
    }
    float scale = (r.most == r.least ? 1 : r.most - r.least) / 255;
    const float zero = 0 - r.least / scale, kept = zero > 0 ? zero : 0;
    uint8_t point = (uint8_t)nearest(kept < 255 ? kept : 255);
    if (out_scale) *(float *)out_scale->data = scale;
    if (out_zero) *(uint8_t *)out_zero->data = point;
    if (!y) return TAP_OK;
    recipe how = {
        .x = TAP_FLOAT, .scale = TAP_FLOAT, .zero = TAP_UINT8, .y = TAP_UINT8, .precision = TAP_FLOAT};
    const tap_tensor scales = {.dtype = TAP_FLOAT, .count = 1, .data = &scale},
                     zeros = {.dtype = TAP_UINT8, .count = 1, .data = &point};
    const tap_tensor *in[3] = {x, &scales, &zeros};
    set_limits(&how);
    return tap_broadcast(ctx, quantize_loop, &how, in, 3, &y, 1);
}

static tap_status dynamic_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    tap_status st = tap_out_type(ctx, 0, TAP_UINT8, x->rank, x->dims);
    if (st == TAP_OK) st = tap_out_type(ctx, 1, TAP_FLOAT, 0, NULL);
    return st == TAP_OK ? tap_out_type(ctx, 2, TAP_UINT8, 0, NULL) : st;
}

static const tap_op ops[] = {
    {.name = "QuantizeLinear",
     .since = 10,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .dtypes = REAL | TAP_BIT(TAP_INT32),
     .prepare = quantize_prepare,
     .infer = quantize_infer,
     .run = quantize_run},
    {.name = "DequantizeLinear",
     .since = 10,
     .in_min = 2,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .dtypes = QUANTIZED | TAP_BIT(TAP_INT32),
     .prepare = dequantize_prepare,
     .infer = dequantize_infer,
     .run = dequantize_run},
    {.name = "DynamicQuantizeLinear",
     .since = 11,
     .in_min = 1,
     .in_max = 1,
     .out_min = 3,
     .out_max = 3,
     .dtypes = TAP_BIT(TAP_FLOAT),
     .infer = dynamic_infer,
     .run = dynamic_run},
    {0},
};

TAP_DEFINE_FAMILY(quantize, ops);
