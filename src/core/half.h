/* Small floats as storage: float16, bfloat16, those of 8, 6 and 4 bits, to float32 and back.
 *
 * From a small float everything is exact. To one there is a single rounding, to the nearest, ties to even;
 * from float64 by way of tap_f64_to_f32_odd, which keeps what the second rounding needs. Signalling NaNs
 * become quiet, the rest of a NaN's payload stays as far as it fits: what F16C does, so that code with and
 * without it gives the same bits. The functions are written without branches: a loop over one of them becomes
 * vector code. */
#ifndef TAP_CORE_HALF_H
#define TAP_CORE_HALF_H

#include <math.h>
#include <string.h>

#include "core/base.h"
#include "onnxtap/onnxtap.h"

static inline uint32_t tap_f32_bits(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float tap_f32_from_bits(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* ---- float16, bfloat16 ----------------------------------------------------------------------------- */

static inline float tap_f16_to_f32(uint16_t h) {
    uint32_t a = (uint32_t)(h & 0x7FFF) << 13, sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t finite =
        tap_f32_bits(tap_f32_from_bits(a) * 0x1p112f); /* moves the exponent; exact, subnormals too */
    uint32_t other = 0x7F800000 | a | (a > 0x0F800000 ? 0x400000u : 0u);
    return tap_f32_from_bits(sign | (a >= 0x0F800000 ? other : finite));
}

static inline uint16_t tap_f32_to_f16(float x) {
    uint32_t u = tap_f32_bits(x), a = u & 0x7FFFFFFF;
    uint32_t normal = (a - (112u << 23) + 0xFFF + ((a >> 13) & 1)) >> 13;
    uint32_t tiny =
        tap_f32_bits(tap_f32_from_bits(a) + 0.5f) - 0x3F000000; /* 0.5 + x: the sum rounds at 2^-24 */
    uint32_t nan = 0x7E00 | ((a >> 13) & 0x3FF);
    uint32_t r = a < 0x38800000 ? tiny : normal;
    r = a >= 0x477FF000 ? 0x7C00 : r;
    r = a > 0x7F800000 ? nan : r;
    return (uint16_t)((u >> 16 & 0x8000) | r);
}

static inline float tap_bf16_to_f32(uint16_t h) {
    uint32_t u = (uint32_t)h << 16;
    return tap_f32_from_bits((u & 0x7FFFFFFF) > 0x7F800000 ? u | 0x400000 : u);
}

static inline uint16_t tap_f32_to_bf16(float x) {
    uint32_t u = tap_f32_bits(x);
    return (uint16_t)((u & 0x7FFFFFFF) > 0x7F800000 ? (u >> 16) | 0x40
                                                    : (u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

/* float64 to float32, rounded to odd: what is not exact gets an odd last bit, so that rounding the result
 * once more, to a format narrower by two bits or more, is right. */
static inline float tap_f64_to_f32_odd(double x) {
    float near = (float)x;
    double back = (double)near;
    uint32_t u = tap_f32_bits(near);
    uint32_t cut = (fabs(back) > fabs(x) ? u - 1 : u) | 1;
    cut = fabs(x) >= 0x1p128 ? u : cut; /* infinity: no format here has room for that */
    return tap_f32_from_bits(back == x || x != x ? u : cut);
}

/* ---- Floats of 8, 6 and 4 bits with sign, exponent and mantissa ---------------------------------- */

typedef struct tap_small_float {
    int32_t mantissa, bias; /* bits of mantissa; exponent bias */
    uint32_t sign;          /* the sign's bit */
    uint32_t max;           /* code of the largest finite number */
    uint32_t over; /* code beyond it where nothing saturates: infinity or NaN; max where neither is */
    uint32_t nan, nan_sign; /* code of NaN; nan_sign = sign where NaN takes over its sign, else 0 */
    bool unsigned_zero;     /* no -0: its code is NaN */
} tap_small_float;

/* NULL where t is no such type. Types: FLOAT8E4M3FN, FLOAT8E4M3FNUZ, FLOAT8E5M2, FLOAT8E5M2FNUZ, FLOAT6E2M3,
 * FLOAT6E3M2, FLOAT4E2M1. */
const tap_small_float *tap_small_float_of(tap_dtype t);

static inline float tap_small_to_f32(const tap_small_float *f, uint32_t code) {
    const uint32_t none = 256; /* no code */
    const uint32_t last = f->unsigned_zero ? none : f->max, nan = f->unsigned_zero ? f->sign : none;
    const uint32_t inf = f->over == f->nan || f->over <= f->max ? none : f->over;
    uint32_t a = code & (f->sign - 1), sign = (0u - (uint32_t)((code & f->sign) != 0)) & 0x80000000;
    uint32_t normal = (a << (23 - f->mantissa)) + ((uint32_t)(127 - f->bias) << 23);
    float least = tap_f32_from_bits((uint32_t)(128 - f->bias - f->mantissa) << 23);
    uint32_t tiny = tap_f32_bits((float)(int32_t)a * least), is_tiny = 0u - (uint32_t)(a >> f->mantissa == 0);
    uint32_t is_nan = 0u - (uint32_t)((a > last) | (code == nan)), is_inf = 0u - (uint32_t)(a == inf);
    uint32_t r = (tiny & is_tiny) | (normal & ~is_tiny);
    r = (0x7FC00000 & is_nan) | (r & ~is_nan);
    r = (0x7F800000 & is_inf) | (r & ~is_inf);
    return tap_f32_from_bits(sign | r);
}

/* What is too large becomes the largest number where saturate, else infinity or NaN, as the type has it
 * (ONNX, Cast). */
static inline uint8_t tap_small_from_f32(const tap_small_float *f, float x, bool saturate) {
    uint32_t u = tap_f32_bits(x), a = u & 0x7FFFFFFF, sign = u >> 31 ? f->sign : 0;
    int32_t shift = 23 - f->mantissa;
    uint32_t least = (uint32_t)(128 - f->bias) << 23; /* the smallest normal number */
    uint32_t normal =
        (a - ((uint32_t)(127 - f->bias) << 23) + (1u << (shift - 1)) - 1 + (a >> shift & 1)) >> shift;
    float step =
        tap_f32_from_bits(least + ((uint32_t)shift << 23)); /* a sum with it rounds as a subnormal does */
    uint32_t tiny = tap_f32_bits(tap_f32_from_bits(a) + step) - tap_f32_bits(step);
    uint32_t r = a < least ? tiny : normal;
    bool over = r > f->max;
    uint32_t beyond = saturate ? f->max : f->over;
    r = over ? beyond : r;
    sign = f->unsigned_zero & ((r == 0) | (r == f->nan)) ? 0 : sign;
    uint32_t nan = f->nan ^ (u >> 31 ? f->nan_sign : 0);
    return (uint8_t)(a > 0x7F800000 ? nan : sign | r);
}

/* ---- FLOAT8E8M0: powers of two from 2^-127 to 2^127, and NaN --------------------------------------- */

typedef enum tap_e8m0_round { TAP_E8M0_UP, TAP_E8M0_DOWN, TAP_E8M0_NEAREST } tap_e8m0_round;

float tap_e8m0_to_f32(uint8_t code);
/* Up: to the next power of two not below; down: not above; nearest: ties up. Out of range (0 and infinity
 * are): the nearest end of the range where saturate, else NaN. The sign is ignored, as the standard leaves
 * negative numbers open. */
uint8_t tap_e8m0_from_f32(float x, tap_e8m0_round round, bool saturate);

/* ---- Blocks ---------------------------------------------------------------------------------------- */

/* n elements of any small float (float16, bfloat16, 8, 6 and 4 bits) at x, dense, to float32. */
void tap_floats_to_f32(tap_dtype t, int64_t n, const void *x, float *y);
/* Back; saturating. FLOAT8E8M0 rounds up. */
void tap_floats_from_f32(tap_dtype t, int64_t n, const float *x, void *y);

#endif
