/* Softmax for float32, with its sums in float64, and for float64. */
#include "common/softmax.h"

#include <float.h>
#include <math.h>

#include "common/exp.h"

/* Elements whose exponentials are summed while they are in cache. */
#define CHUNK 4096

/* A row of so few elements is less work than what the general loops do around it. */
#define SHORT_ROW 512

#if defined(TAP_ISA_avx512)
/* Elements i .. i + 16 of n; bits of those that there are. */
VECTOR_INLINE __mmask16 here(int64_t n, int64_t i) {
    return (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffffu);
}

/* A row in 16 lanes, which are put together at the end; their sums in float64 then. */
static void short_row_f32(const float *x, float *y, int64_t n, bool take_log) {
    __m512 top = _mm512_set1_ps(-INFINITY), sums = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 k = here(n, i);
        top = _mm512_mask_max_ps(top, k, _mm512_maskz_loadu_ps(k, x + i), top);
    }
    const __m512 m = _mm512_set1_ps(_mm512_reduce_max_ps(top));
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 k = here(n, i);
        const __m512 e = tap_exp_vector(_mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i), m));
        sums = _mm512_mask_add_ps(sums, k, sums, e);
        if (!take_log) _mm512_mask_storeu_ps(y + i, k, e);
    }
    const double sum = _mm512_reduce_add_pd(_mm512_add_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(sums)),
                                                          _mm512_cvtps_pd(_mm512_extractf32x8_ps(sums, 1))));
    const __m512 r = _mm512_set1_ps((float)(take_log ? log(sum) : 1 / sum));
    for (int64_t i = 0; i < n; i += 16) {
        const __mmask16 k = here(n, i);
        const __m512 of = _mm512_maskz_loadu_ps(k, (take_log ? x : y) + i);
        _mm512_mask_storeu_ps(y + i, k,
                              take_log ? _mm512_sub_ps(_mm512_sub_ps(of, m), r) : _mm512_mul_ps(of, r));
    }
}
#endif

#define T       float
#define F(name) name##_f32
#define LARGEST FLT_MAX
#ifdef TAP_ISA_avx512
#define SHORT_ROW_LOOP short_row_f32
#endif
#include "common/softmax.inc"
#undef SHORT_ROW_LOOP

#define T       double
#define F(name) name##_f64
#define LARGEST DBL_MAX
#include "common/softmax.inc"

void tap_exp_map_f16(int64_t n, const void *x, void *y, const void *shift, int64_t step) {
    tap_reduce_f16(n, x, y, NULL, 0);
    tap_exp_less_f32(n, y, shift, step, y);
}

void tap_exp_map_bf16(int64_t n, const void *x, void *y, const void *shift, int64_t step) {
    tap_reduce_bf16(n, x, y, NULL, 0);
    tap_exp_less_f32(n, y, shift, step, y);
}
