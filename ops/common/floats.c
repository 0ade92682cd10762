/* Blocks of small floats to float32 and back. */
#include "common/floats.h"

#include "core/half.h"
#include "core/move.h"

#ifdef __F16C__
#include <immintrin.h>
#endif

static void f16_in(int64_t n, const tap_w2 *x, float *y) {
    int64_t i = 0;
#ifdef __AVX512F__
    for (; i + 16 <= n; i += 16)
        _mm512_storeu_ps(y + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(x + i))));
#endif
#ifdef __F16C__
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
#endif
    for (; i < n; i++) y[i] = tap_f16_to_f32(x[i]);
}

static void f16_out(int64_t n, const float *x, uint16_t *y) {
    int64_t i = 0;
#ifdef __AVX512F__
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(y + i),
                            _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
#ifdef __F16C__
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(y + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++) y[i] = tap_f32_to_f16(x[i]);
}

/* The format is a copy, which what is stored cannot be thought to change. */
static void small_in(tap_small_float f, int64_t n, const uint8_t *restrict x, float *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] = tap_small_to_f32(&f, x[i]);
}

static void small_out(tap_small_float f, bool saturate, int64_t n, const float *restrict x,
                      uint8_t *restrict y) {
    for (int64_t i = 0; i < n; i++) y[i] = tap_small_from_f32(&f, x[i], saturate);
}

void TAP_ISA_NAME(tap_small_out)(tap_dtype t, bool saturate, int64_t n, const float *x, uint8_t *y) {
    small_out(*tap_small_float_of(t), saturate, n, x, y);
}

void TAP_ISA_NAME(tap_floats_in)(tap_dtype t, int64_t n, const char *x, int64_t step, float *y) {
    const tap_small_float *f = tap_small_float_of(t);
    if (step != (int64_t)tap_dtype_bytes(t) && n > 1)
        for (int64_t i = 0; i < n; i++) tap_floats_to_f32(t, 1, x + i * step, y + i);
    else if (t == TAP_FLOAT16)
        f16_in(n, (const tap_w2 *)x, y);
    else if (t == TAP_BFLOAT16)
        for (int64_t i = 0; i < n; i++) y[i] = tap_bf16_to_f32(((const tap_w2 *)x)[i]);
    else if (f)
        small_in(*f, n, (const uint8_t *)x, y);
    else
        tap_floats_to_f32(t, n, x, y);
}

void TAP_ISA_NAME(tap_floats_out)(tap_dtype t, int64_t n, const float *x, char *y, int64_t step) {
    const tap_small_float *f = tap_small_float_of(t);
    if (step != (int64_t)tap_dtype_bytes(t) && n > 1)
        for (int64_t i = 0; i < n; i++) tap_floats_from_f32(t, 1, x + i, y + i * step);
    else if (t == TAP_FLOAT16)
        f16_out(n, x, (uint16_t *)y);
    else if (t == TAP_BFLOAT16)
        for (int64_t i = 0; i < n; i++) ((uint16_t *)y)[i] = tap_f32_to_bf16(x[i]);
    else if (f)
        small_out(*f, true, n, x, (uint8_t *)y);
    else
        tap_floats_from_f32(t, n, x, y);
}
