/* Pow and Mod.
 *
 * Pow: the exponent has a dtype of its own. It becomes float32 where the base is at most that wide and
 * float32 holds every such exponent, float64 for other floats and mixtures, int64 between integers; the
 * result is rounded or cut to the base's dtype. */
#include <float.h>
#include <math.h>

#include "common/axis_broadcast.h"
#include "common/cast.h"
#include "common/convert.h"
#include "common/int_divide.h"
#include "common/math64.h"
#include "common/math_pow.h"
#include "common/math_wide.h"

/* ---- Pow: loops by base and by what the exponent became -------------------------------------------- */

static inline double power_double(double a, double b) {
    return b == 2 ? a * a : pow(a, b);
}

/* One exponent for all is the usual case; squares and cubes are quicker then, with the same result. */
#define POW_ONE(NAME, B)                                                                          \
    TAP_LOOP(NAME) {                                                                              \
        const B one = step[1] == 0 ? *(const B *)p[1] : 0;                                        \
        if (one == 2 || one == 3)                                                                 \
            (one == 2 ? NAME##_square : NAME##_cube)(n, (char *const[]){p[0], p[2]},              \
                                                     (const int64_t[]){step[0], step[2]}, state); \
        else                                                                                      \
            NAME##_any(n, p, step, state);                                                        \
    }

enum { BLOCK = 1024, POWERS = 512 };

#define T    int32_t
#define U    uint32_t
#define F(f) pow_INT32_INT64_##f
#include "power.inc"
#define T    int64_t
#define U    uint64_t
#define F(f) pow_INT64_INT64_##f
#include "power.inc"
POW_ONE(pow_INT32_INT64, int64_t)
POW_ONE(pow_INT64_INT64, int64_t)

TAP_LOOP1(square_FLOAT, float, float, x *x)
TAP_LOOP1(cube_FLOAT, float, float, copysignf(tap_cubef(x), x))
TAP_LOOP1(root_FLOAT, float, float, fabsf(x) < INFINITY ? sqrtf(x + 0.0f) : x * x)
TAP_LOOP2(any_FLOAT, float, float, tap_powf(a, b))
/* The same for normal bases above 0 and finite exponents, and for one exponent that is none of the above. */
TAP_LOOP2(plain_FLOAT, float, float, tap_pow_simple(a, b, tap_pow_plain(a, 0, b)))
TAP_LOOP2(plain_one_FLOAT, float, float, tap_pow_plain(a, 0, b))

/* Whether all lie between the two, neither below 0; bits of `sign` do not count. */
static bool all_between(int64_t n, const char *p, int64_t step, float least, float most, uint32_t sign) {
    const uint32_t from = tap_bits(least), range = tap_bits(most) - from;
    uint32_t outside = 0;
    if (step == 0) n = 1;
    if (step == (int64_t)sizeof(float)) {
        const float *x = (const float *)p;
        TAP_EACH outside |= (tap_bits(x[i]) & ~sign) - from > range;
    } else
        TAP_EACH outside |= (tap_bits(*(const float *)(p + i * step)) & ~sign) - from > range;
    return outside == 0;
}

TAP_LOOP(power_FLOAT) {
    for (int64_t i = 0; i < n; i += BLOCK) {
        char *q[3] = {p[0] + i * step[0], p[1] + i * step[1], p[2] + i * step[2]};
        const int64_t m = tap_min64(BLOCK, n - i);
        const bool plain = all_between(m, q[0], step[0], FLT_MIN, FLT_MAX, 0) &&
                           all_between(m, q[1], step[1], 0, FLT_MAX, 0x80000000u);
        tap_loop *loop = !plain ? any_FLOAT : step[1] == 0 ? plain_one_FLOAT : plain_FLOAT;
        loop(m, q, step, state);
    }
}

TAP_LOOP(pow_FLOAT) {
    char *const q[2] = {p[0], p[2]};
    const int64_t to_step[2] = {step[0], step[2]};
    const float b = step[1] == 0 ? *(const float *)p[1] : NAN;
    if (b == 2)
        square_FLOAT(n, q, to_step, state);
    else if (b == 3)
        cube_FLOAT(n, q, to_step, state);
    else if (b == 0.5f)
        root_FLOAT(n, q, to_step, state);
    else
        power_FLOAT(n, p, step, state);
}

TAP_LOOP1(pow_DOUBLE_square, double, double, x *x)
TAP_LOOP1(pow_DOUBLE_cube, double, double, tap_cube64(x))
TAP_LOOP2(pow_DOUBLE_any, double, double, power_double(a, b))
POW_ONE(pow_DOUBLE, double)

TAP_HALVES_(pow, 2, 5) /* the exponent is float32 */
static const tap_widening pow_1_widening = {pow_FLOAT, TAP_FLOAT16, 2,
                                            7}; /* Pow until opset 6: a half, too */
TAP_LOOP(pow_1_FLOAT16) {
    TAP_ISA_NAME(tap_widened)(n, p, step, state, &pow_1_widening);
}
TAP_LOOP2_MIXED(pow_wide_FLOAT, float, double, float, power_double((double)a, b))
TAP_HALVES_(pow_wide, 2, 5) /* the exponent is float64 */
/* An integer's square or cube that fits into its type is rounded once at most. */
#define POW_INT_DOUBLE(NAME, T, CONVERT)                                           \
    TAP_LOOP1(NAME##_square, T, T, CONVERT((double)x *(double)x))                  \
    TAP_LOOP1(NAME##_cube, T, T, CONVERT((double)x *(double)x *(double)x))         \
    TAP_LOOP2_MIXED(NAME##_any, T, double, T, CONVERT(power_double((double)a, b))) \
    POW_ONE(NAME, double)
POW_INT_DOUBLE(pow_INT32_DOUBLE, int32_t, tap_int32_of_double)
POW_INT_DOUBLE(pow_INT64_DOUBLE, int64_t, tap_int64_of_double)

/* By the dtype of the base: exponents of float32, of float64, of int64. */
typedef struct power {
    tap_loop *by_float, *by_double, *by_int;
} power;
static const power powers[TAP_DTYPE_COUNT] = {[TAP_FLOAT] = {pow_FLOAT, pow_wide_FLOAT, NULL},
                                              [TAP_DOUBLE] = {NULL, pow_DOUBLE, NULL},
                                              [TAP_FLOAT16] = {pow_FLOAT16, pow_wide_FLOAT16, NULL},
                                              [TAP_BFLOAT16] = {pow_BFLOAT16, pow_wide_BFLOAT16, NULL},
                                              [TAP_INT32] = {NULL, pow_INT32_DOUBLE, pow_INT32_INT64},
                                              [TAP_INT64] = {NULL, pow_INT64_DOUBLE, pow_INT64_INT64}};

/* Exponents of 2^63 and more, which came out negative, become smaller ones with the same power: modulo 2^64
 * that of an odd number repeats after 2^62, that of an even one is 0. */
static void fold_great(int64_t n, int64_t *b) {
    const int64_t period = INT64_C(1) << 62;
    for (int64_t i = 0; i < n; i++)
        if (b[i] < 0) b[i] = (b[i] & (period - 1)) | period;
}

/* The exponents as the loop takes them; in scratch memory where that is not how they come. NULL: no memory.
 */
static const tap_tensor *exponents(tap_ctx *ctx, tap_dtype base, const tap_tensor *b, tap_tensor *room,
                                   tap_loop **loop) {
    const power *w = &powers[base];
    const bool is_int = (TAP_TYPES_INT | TAP_TYPES_UINT) >> b->dtype & 1;
    const bool wide = b->dtype == TAP_DOUBLE || (is_int && tap_dtype_bytes(b->dtype) >= 4);
    tap_dtype to = is_int && w->by_int                      ? TAP_INT64
                   : w->by_float && !(wide && w->by_double) ? TAP_FLOAT
                                                            : TAP_DOUBLE;
    *loop = to == TAP_INT64 ? w->by_int : to == TAP_FLOAT ? w->by_float : w->by_double;
    if (b->dtype == to) return b;
    *room = *b;
    room->dtype = to;
    room->data = tap_scratch(ctx, (size_t)b->count * tap_dtype_bytes(to));
    if (!room->data) return NULL;
    TAP_ISA_NAME(tap_cast_dense)(b->dtype, to, b->count, b->data, room->data);
    if (b->dtype == TAP_UINT64 && to == TAP_INT64) fold_great(b->count, room->data);
    return room;
}

static tap_status pow_run(tap_ctx *ctx) {
    tap_tensor room;
    tap_loop *loop;
    const tap_tensor *in[2] = {ctx->in[0], exponents(ctx, ctx->in[0]->dtype, ctx->in[1], &room, &loop)};
    return in[1] ? tap_broadcast(ctx, loop, NULL, in, 2, ctx->out, 1) : TAP_MEMORY;
}

static tap_status pow_infer(tap_ctx *ctx) {
    const tap_type *a = tap_in_type(ctx, 0), *b = tap_in_type(ctx, 1);
    if (b->dtype != TAP_UNDEFINED && !(TAP_TYPES_NUMERIC >> b->dtype & 1))
        return tap_fail(ctx, TAP_MODEL, "the exponent must be a number and is %s", tap_dtype_name(b->dtype));
    tap_status st = tap_opset(ctx) < 12 ? tap_same_dtypes(ctx, 0) : TAP_OK;
    return st == TAP_OK ? tap_out_broadcast(ctx, 0, a->dtype, 0, 1) : st;
}

/* ---- Mod ------------------------------------------------------------------------------------------- */

typedef struct mod_state {
    bool truncates; /* fmod: the result has the sign of the dividend, else that of the divisor */
} mod_state;

/* By 0 the standard leaves it open: 0. A remainder whose sign differs from the divisor's moves by it. */
#define MOD_SIGNED(NAME, T, REMAINDER)                                                      \
    static inline T NAME##_one(T a, T b, bool truncates) {                                  \
        const T r = REMAINDER(a, b), moves = (T) - ((r != 0) & ((r ^ b) < 0) & !truncates); \
        return (T)(r + (b & moves));                                                        \
    }                                                                                       \
    TAP_LOOP2_WITH(NAME, mod_state, T, T, T, NAME##_one(a, b, s.truncates))
#define MOD_UNSIGNED(NAME, T, REMAINDER) TAP_LOOP2(NAME, T, T, REMAINDER(a, b))
MOD_SIGNED(mod_INT8, int8_t, tap_remainder_int8_t)
MOD_SIGNED(mod_INT16, int16_t, tap_remainder_int16_t)
MOD_SIGNED(mod_INT32, int32_t, tap_remainder_int32_t)
MOD_SIGNED(mod_INT64_near, int64_t, tap_near_remainder_int64_t)
MOD_SIGNED(mod_INT64_any, int64_t, tap_remainder_int64_t)
TAP_LOOP2_NEAR(mod_INT64, int64_t)
MOD_UNSIGNED(mod_UINT8, uint8_t, tap_remainder_uint8_t)
MOD_UNSIGNED(mod_UINT16, uint16_t, tap_remainder_uint16_t)
MOD_UNSIGNED(mod_UINT32, uint32_t, tap_remainder_uint32_t)
MOD_UNSIGNED(mod_UINT64_near, uint64_t, tap_near_remainder_uint64_t)
MOD_UNSIGNED(mod_UINT64_any, uint64_t, tap_remainder_uint64_t)
TAP_LOOP2_NEAR(mod_UINT64, uint64_t)

/* Quotients whose digits fit into a double are quick; others are the C library's. Both are exact: half of the
 * limit, so that no division is needed to tell. The signs' rules are those of Mod-28; a zero takes the
 * divisor's sign. */
#define MOD_REAL(NAME, T, SELECT, SIGNED, LIMIT, QUICK, ANY)                                   \
    static inline T NAME##_signs(T r, T b, bool truncates) {                                   \
        const T moved = SELECT((int)(r < 0) ^ (int)(b < 0), r + b, r);                         \
        return SELECT(truncates, r, SELECT(r != 0, moved, SIGNED(0, b)));                      \
    }                                                                                          \
    TAP_LOOP2(NAME##_is_far, T, uint8_t, !(fabs((double)a) < LIMIT / 2 * fabs((double)b)))     \
    TAP_LOOP2_WITH(NAME##_near, mod_state, T, T, T, NAME##_signs(QUICK(a, b), b, s.truncates)) \
    TAP_LOOP2_WITH(NAME##_any, mod_state, T, T, T, NAME##_signs(ANY(a, b), b, s.truncates))    \
    TAP_LOOP(NAME) {                                                                           \
        mod_blocks((tap_loop *[]){NAME##_is_far, NAME##_near, NAME##_any}, n, p, step, state); \
    }

/* loops: which are far, the loop for blocks without such, that for others. */
static void mod_blocks(tap_loop *const *loops, int64_t n, char *const *p, const int64_t *step,
                       const void *state) {
    uint8_t far[BLOCK];
    for (int64_t i = 0; i < n; i += BLOCK) {
        char *q[3] = {p[0] + i * step[0], p[1] + i * step[1], p[2] + i * step[2]};
        const int64_t m = tap_min64(BLOCK, n - i);
        uint8_t any = 0;
        loops[0](m, (char *[]){q[0], q[1], (char *)far}, (int64_t[]){step[0], step[1], 1}, state);
        for (int64_t k = 0; k < m; k++) any |= far[k];
        loops[any ? 2 : 1](m, q, step, state);
    }
}
MOD_REAL(mod_FLOAT, float, tap_select, copysignf, TAP_FMOD_LIMIT, tap_fmodf, fmodf)
MOD_REAL(mod_DOUBLE, double, tap_select64, copysign, TAP_FMOD64_LIMIT, tap_fmod64, fmod)
TAP_HALVES2(mod)

static tap_loop *const mod[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(mod), TAP_ROW_INTS(mod)};

static tap_status mod_prepare(tap_ctx *ctx, void **state) {
    mod_state *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->truncates = tap_attr_int(ctx, "fmod", 0) != 0;
    *state = s;
    return TAP_OK;
}

static tap_status mod_infer(tap_ctx *ctx) {
    const mod_state *s = ctx->state;
    const tap_dtype t = tap_in_type(ctx, 0)->dtype;
    if (tap_opset(ctx) < 28 && !s->truncates && (TAP_TYPES_FLOAT >> t & 1))
        return tap_fail(ctx, TAP_MODEL, "below opset 28 attribute fmod must be 1 for %s", tap_dtype_name(t));
    tap_status st = tap_same_dtypes(ctx, 0);
    return st == TAP_OK ? tap_out_broadcast(ctx, 0, t, 0, 1) : st;
}

static tap_loop *const pow_1[TAP_DTYPE_COUNT] = {
    [TAP_FLOAT] = pow_FLOAT, [TAP_DOUBLE] = pow_DOUBLE, [TAP_FLOAT16] = pow_1_FLOAT16};

static const tap_op ops[] = {
    {TAP_ROW_AXIS_BROADCAST("Pow", 6, pow_1)},
    {.name = "Pow",
     .since = 7,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_IN_PLACE,
     .dtypes = TAP_TYPES_FLOAT | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64),
     .infer = pow_infer,
     .run = pow_run,
     .notes = "Integers wrap. Of a negative power the real quotient is cut towards 0; that of 0 is 0."},
    {TAP_ROW_ELEMENTWISE("Mod", 10, 0, 2, mod), .prepare = mod_prepare, .infer = mod_infer,
     .notes = "An integer modulo 0 is 0."},
    {0},
};

TAP_DEFINE_FAMILY(power, ops);
