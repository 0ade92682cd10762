/* Blocks of floats measured, by the widest vectors that the CPU has. */
#include "tap/block.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define AHEAD  512 /* floats: counting fills the queues of a core, so that it does not look ahead itself */
#define UNROLL _Pragma("GCC unroll 16")
#define INLINE static inline __attribute__((always_inline))

typedef float f32x2 __attribute__((vector_size(8)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef double f64x4 __attribute__((vector_size(32)));
typedef double f64x8 __attribute__((vector_size(64)));
typedef f32x2 f32x2_mem __attribute__((aligned(4), may_alias));
typedef f32x4 f32x4_mem __attribute__((aligned(4), may_alias));
typedef f32x8 f32x8_mem __attribute__((aligned(4), may_alias));
typedef f32x16 f32x16_mem __attribute__((aligned(4), may_alias));
typedef i32x4 i32x4_mem __attribute__((aligned(4), may_alias));
typedef i32x8 i32x8_mem __attribute__((aligned(4), may_alias));
typedef i32x16 i32x16_mem __attribute__((aligned(4), may_alias));

/* Of the 16 chains; element i is in chain i % 16. */
static double sum_of(const double *s) {
    double t[4];
    for (int k = 0; k < 4; k++) t[k] = (s[k] + s[4 + k]) + (s[8 + k] + s[12 + k]);
    return (t[0] + t[1]) + (t[2] + t[3]);
}

static uint32_t code_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits << 1 == 0 ? TAP_CODE_ZERO : bits >> 16;
}

/* From the sums of n distances and of their squares. Floats are too small for a sum of finite ones to
 * overflow a double. An extreme that is 0 is the positive one, whichever came first. */
static void finish(tap_block *b, double shift, int64_t n, double sum, double squares) {
    double mean = sum / (double)n, m2 = squares - sum * mean;
    b->finite = isfinite(sum);
    b->mean = shift + mean;
    b->m2 = m2 > 0 ? m2 : 0;
    b->min += 0.0F;
    b->max += 0.0F;
}

#define PICK(mask, a, b) (((a) & (mask)) | ((b) & ~(mask)))

#define TARGET
#define F(name)        name##_base
#define LEAST(v, lo)   ((fx)PICK((v) < (lo), (ix)(v), (ix)(lo)))
#define MOST(v, hi)    ((fx)PICK((v) > (hi), (ix)(v), (ix)(hi)))
#define CODES(v, zero) PICK(((v)&0x7FFFFFFF) == 0, zero, ((v) >> 16) & 0xFFFF)
#define LANES          4
#define fx             f32x4
#define ix             i32x4
#define dx             f64x2
#define fx_mem         f32x4_mem
#define ix_mem         i32x4_mem
#define WIDE(p)        __builtin_convertvector(*(const f32x2_mem *)(p), dx)
#include "tap/block.inc"
#if defined(__x86_64__)
#define TARGET       __attribute__((target("avx2")))
#define F(name)      name##_avx2
#define LEAST(v, lo) ((fx)_mm256_min_ps((__m256)(v), (__m256)(lo)))
#define MOST(v, hi)  ((fx)_mm256_max_ps((__m256)(v), (__m256)(hi)))
#define LANES        8
#define fx           f32x8
#define ix           i32x8
#define dx           f64x4
#define fx_mem       f32x8_mem
#define ix_mem       i32x8_mem
#define WIDE(p)      ((dx)_mm256_cvtps_pd(_mm_loadu_ps(p)))
#include "tap/block.inc"
#undef CODES
#define TARGET       __attribute__((target("avx512f")))
#define F(name)      name##_avx512
#define LEAST(v, lo) ((fx)_mm512_min_ps((__m512)(v), (__m512)(lo)))
#define MOST(v, hi)  ((fx)_mm512_max_ps((__m512)(v), (__m512)(hi)))
#define CODES(v, zero)                                                                                 \
    ((ix)_mm512_mask_blend_epi32(_mm512_testn_epi32_mask((__m512i)(v), _mm512_set1_epi32(0x7FFFFFFF)), \
                                 _mm512_srli_epi32((__m512i)(v), 16), (__m512i)(zero)))
#define LANES   16
#define fx      f32x16
#define ix      i32x16
#define dx      f64x8
#define fx_mem  f32x16_mem
#define ix_mem  i32x16_mem
#define WIDE(p) ((dx)_mm512_cvtps_pd(_mm256_loadu_ps(p)))
#include "tap/block.inc"
#endif

#if defined(__x86_64__)
#define BEST(name, isa, ...)                                    \
    ((isa) >= TAP_ISA_LEVEL_AVX512 ? name##_avx512(__VA_ARGS__) \
     : (isa) >= TAP_ISA_LEVEL_AVX2 ? name##_avx2(__VA_ARGS__)   \
                                   : name##_base(__VA_ARGS__))
#else
#define BEST(name, isa, ...) ((void)(isa), name##_base(__VA_ARGS__))
#endif

void tap_block_measure(const float *x, int64_t n, tap_isa isa, tap_block *out, uint32_t *codes) {
    BEST(measure, isa, x, n, out, codes);
}

void tap_block_count(const float *x, int64_t n, tap_isa isa, tap_block *out, uint32_t *table) {
    BEST(count, isa, x, n, out, table);
}
