/* e^(x - m) over blocks of float32, as softmax and its relatives need it: tap_expf's bits, in fewer
 * instructions where the set has any for it. */
#ifndef TAP_OPS_COMMON_EXP_H
#define TAP_OPS_COMMON_EXP_H

#include "common/elementwise.h"
#include "common/math.h"
#include "common/math64.h"
#include "common/vector.h"

#if defined(TAP_ISA_avx512)
/* Scaling by 2^n rounds once, as the product with two halves of it does; min and max let NaN through. */
VECTOR_INLINE __m512 tap_exp_vector(__m512 x) {
    const __m512 shift = _mm512_set1_ps(0x1.8p+23f);
    __m512 y = _mm512_max_ps(_mm512_set1_ps(-104.0f), _mm512_min_ps(_mm512_set1_ps(89.0f), x));
    __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(y, _mm512_set1_ps(0x1.715476p+0f), shift), shift);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-0x1.63p-1f), y);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(0x1.bd0106p-13f), r);
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0x1.6a4508p-10f), r, _mm512_set1_ps(0x1.1239aap-7f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5558b8p-5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555492p-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.fffffcp-2f));
    p = _mm512_fmadd_ps(p, _mm512_mul_ps(r, r), r);
    return _mm512_scalef_ps(_mm512_add_ps(_mm512_set1_ps(1.0f), p), n);
}

/* y[i] = e^(x[i] - m[i * step]); step 0 or 1. y may be x. */
static inline void tap_exp_less_f32(int64_t n, const float *x, const float *m, int64_t step, float *y) {
    __m512 shift = _mm512_set1_ps(m[0]);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        if (step) shift = _mm512_loadu_ps(m + i);
        _mm512_storeu_ps(y + i, tap_exp_vector(_mm512_sub_ps(_mm512_loadu_ps(x + i), shift)));
    }
    if (i == n) return;
    __mmask16 rest = (__mmask16)((1u << (n - i)) - 1);
    if (step) shift = _mm512_maskz_loadu_ps(rest, m + i);
    _mm512_mask_storeu_ps(y + i, rest,
                          tap_exp_vector(_mm512_sub_ps(_mm512_maskz_loadu_ps(rest, x + i), shift)));
}
#else
static inline void tap_exp_less_f32(int64_t n, const float *x, const float *m, int64_t step, float *y) {
    if (step == 0) {
        const float m0 = m[0];
        TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = tap_expf(x[i] - m0);
    } else {
        TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = tap_expf(x[i] - m[i]);
    }
}
#endif

static inline void tap_exp_less_f64(int64_t n, const double *x, const double *m, int64_t step, double *y) {
    if (step == 0) {
        const double m0 = m[0];
        TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = tap_exp64(x[i] - m0);
    } else {
        TAP_INDEPENDENT for (int64_t i = 0; i < n; i++) y[i] = tap_exp64(x[i] - m[i]);
    }
}

#endif
