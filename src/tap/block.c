/* Blocks of floats measured, by the widest vectors that the CPU has. */
#include "tap/block.h"

#include <string.h>

#include "core/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define UNROLL _Pragma("GCC unroll 8")

typedef float f32x2 __attribute__((vector_size(8)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef double f64x4 __attribute__((vector_size(32)));
typedef f32x2 f32x2_mem __attribute__((aligned(4), may_alias));
typedef f32x4 f32x4_mem __attribute__((aligned(4), may_alias));
typedef f32x8 f32x8_mem __attribute__((aligned(4), may_alias));
typedef i32x4 i32x4_mem __attribute__((aligned(4), may_alias));
typedef i32x8 i32x8_mem __attribute__((aligned(4), may_alias));

/* Of the 16 chains; element i is in chain i % 16. */
static double sum_of(const double *s) {
    double t[4];
    for (int k = 0; k < 4; k++) t[k] = (s[k] + s[4 + k]) + (s[8 + k] + s[12 + k]);
    return (t[0] + t[1]) + (t[2] + t[3]);
}

#define PICK(mask, a, b) (((a) & (mask)) | ((b) & ~(mask)))

#define TARGET
#define F(name)      name##_base
#define LARGER(a, b) PICK((a) > (b), a, b)
#define LEAST(v, lo) ((fx)PICK((v) < (lo), (ix)(v), (ix)(lo)))
#define MOST(v, hi)  ((fx)PICK((v) > (hi), (ix)(v), (ix)(hi)))
#define LANES        4
#define fx           f32x4
#define ix           i32x4
#define dx           f64x2
#define fx_mem       f32x4_mem
#define ix_mem       i32x4_mem
#define hx_mem       f32x2_mem
#include "tap/block.inc"
#if defined(__x86_64__)
#undef TARGET
#undef F
#undef LARGER
#undef LEAST
#undef MOST
#undef LANES
#undef fx
#undef ix
#undef dx
#undef fx_mem
#undef ix_mem
#undef hx_mem
#define TARGET       __attribute__((target("avx2")))
#define F(name)      name##_avx2
#define LARGER(a, b) ((ix)_mm256_max_epi32((__m256i)(a), (__m256i)(b)))
#define LEAST(v, lo) ((fx)_mm256_min_ps((__m256)(v), (__m256)(lo)))
#define MOST(v, hi)  ((fx)_mm256_max_ps((__m256)(v), (__m256)(hi)))
#define LANES        8
#define fx           f32x8
#define ix           i32x8
#define dx           f64x4
#define fx_mem       f32x8_mem
#define ix_mem       i32x8_mem
#define hx_mem       f32x4_mem
#include "tap/block.inc"
#endif

void tap_block_measure(const float *x, int64_t n, bool wide, tap_block *out, uint32_t *codes) {
#if defined(__x86_64__)
    if (wide) {
        measure_avx2(x, n, out, codes);
        return;
    }
#endif
    (void)wide;
    measure_base(x, n, out, codes);
}

bool tap_block_wide(void) {
    return tap_cpu_isa() >= TAP_ISA_LEVEL_AVX2;
}
