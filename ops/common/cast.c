/* Conversion between dtypes: a loop for each pair of C types; small floats go through float32. */
#include "common/cast.h"

#include <string.h>

#include "common/convert.h"
#include "common/floats.h"
#include "core/tensor.h"

enum { BLOCK = 256 };

/* ---- Pairs of C types ------------------------------------------------------------------------------ */

#define CAST(FROM, X, TO, Y, EXPR) TAP_LOOP1(cast_##FROM##_##TO, X, Y, EXPR)
#define FROM_INTS(TO, Y, EXPR)          \
    CAST(INT8, int8_t, TO, Y, EXPR)     \
    CAST(INT16, int16_t, TO, Y, EXPR)   \
    CAST(INT32, int32_t, TO, Y, EXPR)   \
    CAST(INT64, int64_t, TO, Y, EXPR)   \
    CAST(UINT8, uint8_t, TO, Y, EXPR)   \
    CAST(UINT16, uint16_t, TO, Y, EXPR) \
    CAST(UINT32, uint32_t, TO, Y, EXPR) \
    CAST(UINT64, uint64_t, TO, Y, EXPR) \
    CAST(BOOL, uint8_t, TO, Y, x != 0)
#define FROM_FLOATS(TO, Y, OF_FLOAT, OF_DOUBLE) \
    CAST(FLOAT, float, TO, Y, OF_FLOAT)         \
    CAST(DOUBLE, double, TO, Y, OF_DOUBLE)

#define TO_INT(TO, Y)   \
    FROM_INTS(TO, Y, x) \
    FROM_FLOATS(TO, Y, tap_int32_of_float(x), tap_int32_of_double(x))
TO_INT(INT8, int8_t)
TO_INT(INT16, int16_t)
TO_INT(INT32, int32_t)
TO_INT(UINT8, uint8_t)
TO_INT(UINT16, uint16_t)
FROM_INTS(UINT32, uint32_t, x)
FROM_FLOATS(UINT32, uint32_t, tap_int64_of_double((double)x), tap_int64_of_double(x))
FROM_INTS(INT64, int64_t, x)
FROM_FLOATS(INT64, int64_t, tap_int64_of_double((double)x), tap_int64_of_double(x))
FROM_INTS(UINT64, uint64_t, x)
FROM_FLOATS(UINT64, uint64_t, tap_uint64_of_double((double)x), tap_uint64_of_double(x))
FROM_INTS(BOOL, uint8_t, x != 0)
FROM_FLOATS(BOOL, uint8_t, x != 0, x != 0)
FROM_INTS(FLOAT, float, x)
FROM_FLOATS(FLOAT, float, x, x)
FROM_INTS(DOUBLE, double, x)
FROM_FLOATS(DOUBLE, double, x, x)

#define ROW(FROM)                                                                             \
    [TAP_##FROM] = {[TAP_INT8] = cast_##FROM##_INT8,     [TAP_INT16] = cast_##FROM##_INT16,   \
                    [TAP_INT32] = cast_##FROM##_INT32,   [TAP_INT64] = cast_##FROM##_INT64,   \
                    [TAP_UINT8] = cast_##FROM##_UINT8,   [TAP_UINT16] = cast_##FROM##_UINT16, \
                    [TAP_UINT32] = cast_##FROM##_UINT32, [TAP_UINT64] = cast_##FROM##_UINT64, \
                    [TAP_BOOL] = cast_##FROM##_BOOL,     [TAP_FLOAT] = cast_##FROM##_FLOAT,   \
                    [TAP_DOUBLE] = cast_##FROM##_DOUBLE}
static tap_loop *const pairs[TAP_UINT64 + 1][TAP_UINT64 + 1] = {
    ROW(INT8),   ROW(INT16),  ROW(INT32), ROW(INT64), ROW(UINT8), ROW(UINT16),
    ROW(UINT32), ROW(UINT64), ROW(BOOL),  ROW(FLOAT), ROW(DOUBLE)};

/* ---- To float32 on the way to a small float: what a second rounding needs is kept ------------------ */

/* Integers beyond 2^53 get a sticky bit where float64 still has room; no small float has half as many digits.
 */
static inline float float_of_uint64(uint64_t x) {
    uint64_t sticky = (x & 0xFFF) != 0 ? 0x1000 : 0, y = x >> 53 ? (x >> 12 << 12) | sticky : x;
    return tap_f64_to_f32_odd((double)y);
}
static inline float float_of_int64(int64_t x) {
    float y = float_of_uint64(x < 0 ? 0 - (uint64_t)x : (uint64_t)x);
    return x < 0 ? -y : y;
}

CAST(INT32, int32_t, ODD, float, tap_f64_to_f32_odd(x))
CAST(UINT32, uint32_t, ODD, float, tap_f64_to_f32_odd(x))
CAST(INT64, int64_t, ODD, float, float_of_int64(x))
CAST(UINT64, uint64_t, ODD, float, float_of_uint64(x))
CAST(DOUBLE, double, ODD, float, tap_f64_to_f32_odd(x))

static tap_loop *to_float(tap_dtype from) {
    switch (from) {
    case TAP_INT32: return cast_INT32_ODD;
    case TAP_UINT32: return cast_UINT32_ODD;
    case TAP_INT64: return cast_INT64_ODD;
    case TAP_UINT64: return cast_UINT64_ODD;
    case TAP_DOUBLE: return cast_DOUBLE_ODD;
    default: return pairs[from][TAP_FLOAT]; /* exact */
    }
}

/* ---- All pairs ------------------------------------------------------------------------------------- */

static bool is_small_float(tap_dtype t) {
    return t == TAP_FLOAT16 || t == TAP_BFLOAT16 || t == TAP_FLOAT8E8M0 || tap_small_float_of(t);
}

/* The C type in which a small integer lies. */
static tap_dtype stored_as(tap_dtype t) {
    if (t == TAP_INT4 || t == TAP_INT2) return TAP_INT8;
    return t == TAP_UINT4 || t == TAP_UINT2 ? TAP_UINT8 : t;
}

/* Cuts int8 or uint8 down to what t has room for. */
static void cut(tap_dtype t, int64_t n, char *y, int64_t step) {
    const int bits = tap_dtype_bits(t);
    const bool is_signed = t == TAP_INT4 || t == TAP_INT2;
    for (int64_t i = 0; i < n; i++) {
        uint8_t *e = (uint8_t *)y + i * step, v = *e & (uint8_t)((1 << bits) - 1);
        *e = is_signed && v >> (bits - 1) ? (uint8_t)(v - (1 << bits)) : v;
    }
}

static void encode(const tap_cast *c, int64_t n, const float *x, char *y, int64_t step) {
    const tap_small_float *f = tap_small_float_of(c->to);
    if (f && step == 1)
        TAP_ISA_NAME(tap_small_out)(c->to, c->saturate, n, x, (uint8_t *)y);
    else if (f)
        for (int64_t i = 0; i < n; i++) *(uint8_t *)(y + i * step) = tap_small_from_f32(f, x[i], c->saturate);
    else if (c->to == TAP_FLOAT8E8M0)
        for (int64_t i = 0; i < n; i++)
            *(uint8_t *)(y + i * step) = tap_e8m0_from_f32(x[i], c->round, c->saturate);
    else
        TAP_ISA_NAME(tap_floats_out)(c->to, n, x, y, step);
}

/* At most BLOCK elements, one side at least a small float or a small integer. */
static void cast_block(const tap_cast *c, int64_t n, char *x, int64_t x_step, char *y, int64_t y_step) {
    float in[BLOCK], out[BLOCK];
    tap_dtype from = stored_as(c->from), to = stored_as(c->to);
    if (is_small_float(from)) {
        TAP_ISA_NAME(tap_floats_in)(from, n, x, x_step, in);
        from = TAP_FLOAT;
        x = (char *)in;
        x_step = sizeof *in;
    }
    const bool encoded = is_small_float(to);
    tap_loop *loop = encoded ? to_float(from) : pairs[from][to];
    char *const p[2] = {x, encoded ? (char *)out : y};
    const int64_t step[2] = {x_step, encoded ? (int64_t)sizeof *out : y_step};
    loop(n, p, step, NULL);
    if (encoded) encode(c, n, out, y, y_step);
    if (to != c->to) cut(c->to, n, y, y_step);
}

static void copy(int64_t n, char *const *p, const int64_t *step, size_t each) {
    if (step[0] == (int64_t)each && step[1] == (int64_t)each)
        memmove(p[1], p[0], (size_t)n * each);
    else
        TAP_EACH memmove(p[1] + i * step[1], p[0] + i * step[0], each);
}

void TAP_ISA_NAME(tap_cast_loop)(int64_t n, char *const *p, const int64_t *step, const void *state) {
    const tap_cast *c = state;
    if (c->from == c->to) {
        copy(n, p, step, tap_dtype_bytes(c->to));
        return;
    }
    if (c->to == stored_as(c->to) && !is_small_float(c->from) && !is_small_float(c->to)) {
        pairs[stored_as(c->from)][c->to](n, p, step, NULL);
        return;
    }
    if (c->to == TAP_FLOAT && is_small_float(c->from) && TAP_DENSE(1, float)) {
        TAP_ISA_NAME(tap_floats_in)(c->from, n, p[0], step[0], (float *)(void *)p[1]);
        return;
    }
    if (c->from == TAP_FLOAT && is_small_float(c->to) && TAP_DENSE(0, float)) {
        encode(c, n, (const float *)(const void *)p[0], p[1], step[1]);
        return;
    }
    for (int64_t i = 0; i < n; i += BLOCK)
        cast_block(c, tap_min64(BLOCK, n - i), p[0] + i * step[0], step[0], p[1] + i * step[1], step[1]);
}

void TAP_ISA_NAME(tap_cast_dense)(tap_dtype from, tap_dtype to, int64_t n, const void *x, void *y) {
    const tap_cast c = {from, to, true, TAP_E8M0_UP};
    char *const p[2] = {(char *)(uintptr_t)x, y};
    const int64_t step[2] = {(int64_t)tap_dtype_bytes(from), (int64_t)tap_dtype_bytes(to)};
    TAP_ISA_NAME(tap_cast_loop)(n, p, step, &c);
}
