/* Small floats: the formats, FLOAT8E8M0, blocks. */
#include "core/half.h"

const tap_small_float *tap_small_float_of(tap_dtype t) {
    static const tap_small_float e4m3fn = {3, 7, 0x80, 0x7E, 0x7F, 0x7F, 0x80, false},
                                 e4m3fnuz = {3, 8, 0x80, 0x7F, 0x80, 0x80, 0, true},
                                 e5m2 = {2, 15, 0x80, 0x7B, 0x7C, 0x7E, 0x80, false},
                                 e5m2fnuz = {2, 16, 0x80, 0x7F, 0x80, 0x80, 0, true},
                                 e2m3 = {3, 1, 0x20, 0x1F, 0x1F, 0x20, 0x20, false},
                                 e3m2 = {2, 3, 0x20, 0x1F, 0x1F, 0x20, 0x20, false},
                                 e2m1 = {1, 1, 0x08, 0x07, 0x07, 0x08, 0x08, false};
    switch (t) {
    case TAP_FLOAT8E4M3FN: return &e4m3fn;
    case TAP_FLOAT8E4M3FNUZ: return &e4m3fnuz;
    case TAP_FLOAT8E5M2: return &e5m2;
    case TAP_FLOAT8E5M2FNUZ: return &e5m2fnuz;
    case TAP_FLOAT6E2M3: return &e2m3;
    case TAP_FLOAT6E3M2: return &e3m2;
    case TAP_FLOAT4E2M1: return &e2m1;
    default: return NULL;
    }
}

float tap_e8m0_to_f32(uint8_t code) {
    if (code == 0xFF) return NAN;
    return tap_f32_from_bits(code == 0 ? 0x400000 : (uint32_t)code << 23);
}

uint8_t tap_e8m0_from_f32(float x, tap_e8m0_round round, bool saturate) {
    uint32_t a = tap_f32_bits(x) & 0x7FFFFFFF, fraction = a & 0x7FFFFF, code = a >> 23;
    if (a > 0x7F800000) return 0xFF;
    if (a == 0x7F800000) return saturate ? 0xFE : 0xFF;
    if (a < 0x400000) return saturate ? 0x00 : 0xFF;
    if (code == 0) { /* 2^-127 and above: subnormal here */
        fraction = (a - 0x400000) << 1;
    }
    code += round == TAP_E8M0_UP ? fraction > 0 : round == TAP_E8M0_NEAREST ? fraction >= 0x400000 : 0;
    return (uint8_t)(saturate && code > 0xFE ? 0xFE : code);
}

/* Packing reads weights where they lie in the file: at any address. */
typedef uint16_t half_anywhere __attribute__((aligned(1), may_alias));

void tap_floats_to_f32(tap_dtype t, int64_t n, const void *x, float *y) {
    const half_anywhere *h = x;
    const uint8_t *b = x;
    const tap_small_float *f = tap_small_float_of(t);
    if (t == TAP_FLOAT16)
        for (int64_t i = 0; i < n; i++) y[i] = tap_f16_to_f32(h[i]);
    else if (t == TAP_BFLOAT16)
        for (int64_t i = 0; i < n; i++) y[i] = tap_bf16_to_f32(h[i]);
    else if (f)
        for (int64_t i = 0; i < n; i++) y[i] = tap_small_to_f32(f, b[i]);
    else
        for (int64_t i = 0; i < n; i++) y[i] = tap_e8m0_to_f32(b[i]);
}

void tap_floats_from_f32(tap_dtype t, int64_t n, const float *x, void *y) {
    uint16_t *h = y;
    uint8_t *b = y;
    const tap_small_float *f = tap_small_float_of(t);
    if (t == TAP_FLOAT16)
        for (int64_t i = 0; i < n; i++) h[i] = tap_f32_to_f16(x[i]);
    else if (t == TAP_BFLOAT16)
        for (int64_t i = 0; i < n; i++) h[i] = tap_f32_to_bf16(x[i]);
    else if (f)
        for (int64_t i = 0; i < n; i++) b[i] = tap_small_from_f32(f, x[i], true);
    else
        for (int64_t i = 0; i < n; i++) b[i] = tap_e8m0_from_f32(x[i], TAP_E8M0_UP, true);
}
