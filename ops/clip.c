/* Clip: the limits are attributes until opset 10, inputs from 11 on. NaN stays NaN. */
#include <float.h>
#include <math.h>

#include "common/elementwise.h"

/* ---- Inputs: x, lowest, highest; a limit that is absent is the least or greatest number of the type ---- */

#define CLIP(NAME, T, LEAST, MOST)                                                              \
    TAP_LOOP(NAME) {                                                                            \
        (void)state;                                                                            \
        const T least = p[1] ? *(const T *)p[1] : LEAST, most = p[2] ? *(const T *)p[2] : MOST; \
        const T *x = (const T *)p[0];                                                           \
        T *y = (T *)p[3];                                                                       \
        if (TAP_DENSE(0, T) && TAP_DENSE(3, T)) {                                               \
            TAP_INDEPENDENT TAP_EACH {                                                          \
                const T a = x[i], b = a < least ? least : a;                                    \
                y[i] = b > most ? most : b;                                                     \
            }                                                                                   \
        } else                                                                                  \
            TAP_EACH {                                                                          \
                const T a = TAP_AT(0, const T), b = a < least ? least : a;                      \
                TAP_AT(3, T) = b > most ? most : b;                                             \
            }                                                                                   \
    }

CLIP(clip_FLOAT, float, -FLT_MAX, FLT_MAX)
CLIP(clip_DOUBLE, double, -DBL_MAX, DBL_MAX)
CLIP(clip_INT8, int8_t, INT8_MIN, INT8_MAX)
CLIP(clip_INT16, int16_t, INT16_MIN, INT16_MAX)
CLIP(clip_INT32, int32_t, INT32_MIN, INT32_MAX)
CLIP(clip_INT64, int64_t, INT64_MIN, INT64_MAX)
CLIP(clip_UINT8, uint8_t, 0, UINT8_MAX)
CLIP(clip_UINT16, uint16_t, 0, UINT16_MAX)
CLIP(clip_UINT32, uint32_t, 0, UINT32_MAX)
CLIP(clip_UINT64, uint64_t, 0, UINT64_MAX)

/* Halves have limits of their own, as codes. */
#define CLIP_HALF(DTYPE, LEAST, MOST)                                                               \
    TAP_LOOP(clip_##DTYPE) {                                                                        \
        static const tap_widening w = {clip_FLOAT, TAP_##DTYPE, 3, 15};                             \
        uint16_t least = LEAST, most = MOST;                                                        \
        char *const q[4] = {p[0], p[1] ? p[1] : (char *)&least, p[2] ? p[2] : (char *)&most, p[3]}; \
        TAP_ISA_NAME(tap_widened)(n, q, step, state, &w);                                           \
    }
CLIP_HALF(FLOAT16, 0xFBFF, 0x7BFF)
CLIP_HALF(BFLOAT16, 0xFF7F, 0x7F7F)

static tap_loop *const clip[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(clip), TAP_ROW_INTS(clip)};

static tap_status clip_infer(tap_ctx *ctx) {
    for (int i = 1; i < ctx->n_in; i++) {
        const tap_type *t = tap_in_type(ctx, i);
        if (t && (t->rank > 1 || (t->rank == 1 && t->dims[0] >= 0 && t->dims[0] != 1)))
            return tap_fail(ctx, TAP_MODEL, "%s must be a scalar", i == 1 ? "min" : "max");
    }
    tap_status st = tap_same_dtypes(ctx, 0);
    return st == TAP_OK ? tap_out_like(ctx, 0, tap_in_type(ctx, 0)) : st;
}

/* ---- Attributes ------------------------------------------------------------------------------------ */

typedef struct limits {
    float least, most;
} limits;

#define AT_LEAST (x < s.least ? s.least : x)
#define CLIPPED  (AT_LEAST > s.most ? s.most : AT_LEAST)
TAP_LOOP1_WITH(clip_attributes_FLOAT, limits, float, float, CLIPPED)
TAP_LOOP1_WITH(clip_attributes_DOUBLE, limits, double, double, CLIPPED)
TAP_HALVES1(clip_attributes)
static tap_loop *const clip_attributes[TAP_DTYPE_COUNT] = {TAP_ROW_FLOATS(clip_attributes)};

static tap_status clip_prepare(tap_ctx *ctx, void **state) {
    const float none = tap_opset(ctx) < 6 ? (float)INFINITY : FLT_MAX;
    limits *s = tap_state(ctx, sizeof *s);
    if (!s) return TAP_MEMORY;
    s->least = tap_attr_float(ctx, "min", -none);
    s->most = tap_attr_float(ctx, "max", none);
    *state = s;
    void *nothing;
    return tap_prepare_consumed(ctx, &nothing);
}

static const tap_op ops[] = {
    {TAP_ROW_ELEMENTWISE("Clip", 1, 10, 1, clip_attributes), .prepare = clip_prepare},
    {.name = "Clip",
     .since = 11,
     .in_min = 1,
     .in_max = 3,
     .out_min = 1,
     .out_max = 1,
     .flags = TAP_ELEMENTWISE | TAP_IN_PLACE,
     .loops = clip,
     .stage_kind = TAP_STAGE_CLIP,
     .infer = clip_infer},
    {0},
};

TAP_DEFINE_FAMILY(clip, ops);
