/* Cast, CastLike: values to another dtype; BitCast: the same bits under another dtype. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/cast.h"
#include "core/decimal.h"
#include "core/tensor.h"

/* ---- Numbers to text: floats as NumPy prints them, bools as True and False ------------------------- */

static bool is_integer(tap_dtype t) {
    const uint32_t small = TAP_BIT(TAP_INT4) | TAP_BIT(TAP_UINT4) | TAP_BIT(TAP_INT2) | TAP_BIT(TAP_UINT2);
    return (TAP_TYPES_INT | TAP_TYPES_UINT | small) >> t & 1;
}

/* Element i of x as text. */
static size_t format(const tap_tensor *x, int64_t i, char *text) {
    const char *at = (const char *)x->data + (size_t)i * tap_dtype_bytes(x->dtype);
    double d;
    int64_t v;
    if (x->dtype == TAP_BOOL) return (size_t)snprintf(text, TAP_DECIMAL_CHARS, *at ? "True" : "False");
    if (x->dtype == TAP_UINT64)
        return (size_t)snprintf(text, TAP_DECIMAL_CHARS, "%" PRIu64, ((const uint64_t *)x->data)[i]);
    if (is_integer(x->dtype)) {
        TAP_ISA_NAME(tap_cast_dense)(x->dtype, TAP_INT64, 1, at, &v);
        return (size_t)snprintf(text, TAP_DECIMAL_CHARS, "%" PRId64, v);
    }
    TAP_ISA_NAME(tap_cast_dense)(x->dtype, TAP_DOUBLE, 1, at, &d);
    return tap_decimal_format(x->dtype, d, text);
}

static tap_status to_strings(tap_ctx *ctx, const tap_tensor *x, tap_tensor *y) {
    tap_string *out = y->data;
    for (int64_t i = 0; i < x->count; i++) {
        char text[TAP_DECIMAL_CHARS];
        size_t n = format(x, i, text);
        char *s = tap_string_bytes(ctx, n);
        if (!s) return TAP_MEMORY;
        memcpy(s, text, n);
        out[i] = (tap_string){s, n};
    }
    return TAP_OK;
}

/* ---- Text to numbers ------------------------------------------------------------------------------- */

/* Stores n as element i of y. Integers are read exactly, "2.7" becomes 2; floats are rounded once. */
static void store(const tap_cast *c, const tap_decimal *n, tap_tensor *y, int64_t i) {
    char *at = (char *)y->data + (size_t)i * tap_dtype_bytes(y->dtype);
    uint64_t wrapped = n->is_negative ? 0 - n->magnitude : n->magnitude;
    const bool floats = y->dtype == TAP_FLOAT, ints = n->is_int && is_integer(y->dtype);
    tap_cast from = *c;
    from.from = floats ? TAP_FLOAT : ints ? TAP_UINT64 : TAP_DOUBLE;
    char *const p[2] = {(char *)(uintptr_t)(floats ? (const void *)&n->f
                                            : ints ? (const void *)&wrapped
                                                   : &n->d),
                        at};
    const int64_t step[2] = {0, 0};
    TAP_ISA_NAME(tap_cast_loop)(1, p, step, &from);
}

static tap_status from_strings(tap_ctx *ctx, const tap_cast *c, const tap_tensor *x, tap_tensor *y) {
    const tap_string *in = x->data;
    for (int64_t i = 0; i < x->count; i++) {
        tap_decimal n;
        if (!tap_decimal_parse(in[i].s, in[i].n, &n))
            return tap_fail(ctx, TAP_RUN, "element %" PRId64 " is no number: \"%.*s\"", i,
                            (int)tap_min64((int64_t)in[i].n, 80), in[i].s);
        store(c, &n, y, i);
    }
    return TAP_OK;
}

/* ---- Cast ------------------------------------------------------------------------------------------ */

#define CASTABLE (TAP_TYPES_ALL & ~(TAP_BIT(TAP_COMPLEX64) | TAP_BIT(TAP_COMPLEX128)))

static tap_status check_target(tap_ctx *ctx, int64_t to) {
    if (to <= 0 || to >= TAP_DTYPE_COUNT)
        return tap_fail(ctx, TAP_UNSUPPORTED, "attribute to is %" PRId64 ": no such dtype", to);
    if (!(CASTABLE >> to & 1))
        return tap_fail(ctx, TAP_MODEL, "nothing casts to %s", tap_dtype_name((tap_dtype)to));
    return TAP_OK;
}

/* Cast-1 names the dtype. */
static tap_dtype dtype_of(const char *name) {
#define TAP_X(id, number, text, bytes) \
    if (strcmp(name, #id) == 0) return TAP_##id;
    TAP_DTYPE_LIST(TAP_X)
#undef TAP_X
    return TAP_UNDEFINED;
}

/* NULL: no memory. */
static tap_cast *how_prepare(tap_ctx *ctx) {
    static const char *const modes[] = {"up", "down", "nearest", NULL};
    const int64_t opset = tap_opset(ctx);
    tap_cast *s = tap_state(ctx, sizeof *s);
    if (!s) return NULL;
    s->saturate = opset < 19 || tap_attr_int(ctx, "saturate", 1) != 0;
    s->round = opset < 24 ? TAP_E8M0_UP : (tap_e8m0_round)tap_attr_choice(ctx, "round_mode", "up", modes);
    return s;
}

static tap_status cast_prepare(tap_ctx *ctx, void **state) {
    tap_cast *s = how_prepare(ctx);
    if (!s) return TAP_MEMORY;
    *state = s;
    if (!tap_attr_has(ctx, "to")) return tap_fail(ctx, TAP_MODEL, "attribute to is missing");
    int64_t to = tap_opset(ctx) < 6 ? dtype_of(tap_attr_string(ctx, "to", "")) : tap_attr_int(ctx, "to", 0);
    s->to = (tap_dtype)to;
    return check_target(ctx, to);
}

static tap_status cast_like_prepare(tap_ctx *ctx, void **state) {
    *state = how_prepare(ctx);
    return *state ? TAP_OK : TAP_MEMORY;
}

static tap_status cast_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    const tap_cast *s = ctx->state;
    return tap_out_type(ctx, 0, s->to, x->rank, x->dims);
}

static tap_status cast_like_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0), *like = tap_in_type(ctx, 1);
    tap_status st = like->dtype ? check_target(ctx, like->dtype) : TAP_OK;
    return st == TAP_OK ? tap_out_type(ctx, 0, like->dtype, x->rank, x->dims) : st;
}

static tap_status cast_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    tap_cast c = *(const tap_cast *)ctx->state;
    c.from = x->dtype;
    c.to = y->dtype;
    if (c.from != c.to && c.to == TAP_STRING) return to_strings(ctx, x, y);
    if (c.from != c.to && c.from == TAP_STRING) return from_strings(ctx, &c, x, y);
    return tap_broadcast(ctx, TAP_ISA_NAME(tap_cast_loop), &c, &x, 1, &y, 1);
}

/* ---- BitCast --------------------------------------------------------------------------------------- */

static tap_status bit_cast_prepare(tap_ctx *ctx, void **state) {
    tap_cast *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    int64_t to = tap_attr_int(ctx, "to", 0);
    if (to <= 0 || to >= TAP_DTYPE_COUNT || to == TAP_STRING)
        return tap_fail(ctx, to == TAP_STRING ? TAP_MODEL : TAP_UNSUPPORTED,
                        "attribute to is %" PRId64 ": no such dtype", to);
    s->to = (tap_dtype)to;
    *state = s;
    return TAP_OK;
}

/* Of an element as the standard has it: sub-byte types lie in bytes here. */
static int bits(tap_dtype t) {
    return t == TAP_BOOL ? 8 : tap_dtype_bits(t);
}

static tap_status bit_cast_infer(tap_ctx *ctx) {
    const tap_type *x = tap_in_type(ctx, 0);
    const tap_cast *s = ctx->state;
    if (x->dtype && bits(x->dtype) != bits(s->to))
        return tap_fail(ctx, TAP_MODEL, "%s has %d bits, %s has %d", tap_dtype_name(x->dtype), bits(x->dtype),
                        tap_dtype_name(s->to), bits(s->to));
    return tap_out_type(ctx, 0, s->to, x->rank, x->dims);
}

static tap_status bit_cast_run(tap_ctx *ctx) {
    const tap_tensor *x = ctx->in[0];
    tap_tensor *y = ctx->out[0];
    if (bits(x->dtype) <
        8) { /* as int8 to int4 and the like: the low bits, with the sign that the dtype gives them */
        const tap_cast c = {TAP_INT8, y->dtype == TAP_FLOAT4E2M1 ? TAP_UINT4 : y->dtype, true, TAP_E8M0_UP};
        return tap_broadcast(ctx, TAP_ISA_NAME(tap_cast_loop), &c, &x, 1, &y, 1);
    }
    if (y->data != x->data) memcpy(y->data, x->data, (size_t)x->count * tap_dtype_bytes(x->dtype));
    return TAP_OK;
}

#define NOTES                                                                                               \
    .notes =                                                                                                \
        "A number that an integer type has no room for, and NaN, become what x86's conversions give: the "  \
        "least int32 or int64, of which narrower types take the low bits. Text is written as NumPy writes " \
        "numbers. The sign of what becomes float8e8m0 is ignored; NaN as a float of 4 or 6 bits is -0."

static const tap_op ops[] = {
    {.name = "Cast",
     .since = 1,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_IN_PLACE,
     .dtypes = CASTABLE,
     .prepare = cast_prepare,
     .infer = cast_infer,
     .run = cast_run,
     NOTES},
    {.name = "CastLike",
     .since = 15,
     .in_min = 2,
     .in_max = 2,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_IN_PLACE,
     .dtypes = CASTABLE,
     .prepare = cast_like_prepare,
     .infer = cast_like_infer,
     .run = cast_run,
     NOTES},
    {.name = "BitCast",
     .since = 26,
     .in_min = 1,
     .in_max = 1,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_IN_PLACE,
     .dtypes = TAP_TYPES_ALL & ~TAP_BIT(TAP_STRING),
     .prepare = bit_cast_prepare,
     .infer = bit_cast_infer,
     .run = bit_cast_run},
    {0},
};

TAP_DEFINE_FAMILY(cast, ops);
