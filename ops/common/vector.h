/* Vectors of the instruction set that a file is compiled for, and the explicit multiply-add on them: one
 * rounding where the set has it, two on the base set. GREATER(V, a, b) is a > b ? a : b, LESSER a < b ? a :
 * b: b where one of them is NaN, or both are zero. */
#ifndef TAP_OPS_COMMON_VECTOR_H
#define TAP_OPS_COMMON_VECTOR_H

#include "common/ops.h"

#if defined(TAP_ISA_avx2) || defined(TAP_ISA_avx512)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

#define VECTOR_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define VECTOR_UNROLL _Pragma("clang loop unroll(full)")
#else
#define VECTOR_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(TAP_ISA_avx512)
#define VECTOR_BYTES                64
#define VECTOR_FMA_F32(V, x, b, s)  ((V)_mm512_fmadd_ps((__m512)(x), (__m512)(b), (__m512)(s)))
#define VECTOR_FMA_F64(V, x, b, s)  ((V)_mm512_fmadd_pd((__m512d)(x), (__m512d)(b), (__m512d)(s)))
#define VECTOR_GREATER_F32(V, a, b) ((V)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define VECTOR_GREATER_F64(V, a, b) ((V)_mm512_max_pd((__m512d)(a), (__m512d)(b)))
#define VECTOR_LESSER_F32(V, a, b)  ((V)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define VECTOR_LESSER_F64(V, a, b)  ((V)_mm512_min_pd((__m512d)(a), (__m512d)(b)))
#elif defined(TAP_ISA_avx2)
#define VECTOR_BYTES                32
#define VECTOR_FMA_F32(V, x, b, s)  ((V)_mm256_fmadd_ps((__m256)(x), (__m256)(b), (__m256)(s)))
#define VECTOR_FMA_F64(V, x, b, s)  ((V)_mm256_fmadd_pd((__m256d)(x), (__m256d)(b), (__m256d)(s)))
#define VECTOR_GREATER_F32(V, a, b) ((V)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define VECTOR_GREATER_F64(V, a, b) ((V)_mm256_max_pd((__m256d)(a), (__m256d)(b)))
#define VECTOR_LESSER_F32(V, a, b)  ((V)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define VECTOR_LESSER_F64(V, a, b)  ((V)_mm256_min_pd((__m256d)(a), (__m256d)(b)))
#else
#define VECTOR_BYTES                 16
#define VECTOR_FMA_F32(V, x, b, s)   ((s) + (x) * (b))
#define VECTOR_FMA_F64(V, x, b, s)   ((s) + (x) * (b))
/* Comparing gives lanes of ones or zeros, as integers of the lanes' width. */
#define VECTOR_CHOOSE(V, I, c, a, b) ((V)(((I)(c) & (I)(a)) | (~(I)(c) & (I)(b))))
typedef int32_t tap_lanes32 __attribute__((vector_size(16)));
typedef int64_t tap_lanes64 __attribute__((vector_size(16)));
#define VECTOR_GREATER_F32(V, a, b)  VECTOR_CHOOSE(V, tap_lanes32, (a) > (b), a, b)
#define VECTOR_GREATER_F64(V, a, b)  VECTOR_CHOOSE(V, tap_lanes64, (a) > (b), a, b)
#define VECTOR_LESSER_F32(V, a, b)   VECTOR_CHOOSE(V, tap_lanes32, (a) < (b), a, b)
#define VECTOR_LESSER_F64(V, a, b)   VECTOR_CHOOSE(V, tap_lanes64, (a) < (b), a, b)
#endif

/* s = FMA(x, b, s) in the register where s is, in the order written: where sums fill the registers, compilers
 * else copy and spill them. */
#if defined(TAP_ISA_avx512)
#define VECTOR_FMA_IN_PLACE(op, x, b, s) \
    __asm__ volatile("vfmadd231" op " %2, %1, %0" : "+v"(s) : "v"(x), "v"(b))
#elif defined(TAP_ISA_avx2)
#define VECTOR_FMA_IN_PLACE(op, x, b, s) \
    __asm__ volatile("vfmadd231" op " %2, %1, %0" : "+x"(s) : "x"(x), "x"(b))
#endif
/* Those lanes of a vector of T in memory, at any alignment, whose bits the mask has; others read as zero, and
 * their memory is not touched. */
#if defined(TAP_ISA_avx512)
#define VECTOR_LOAD_PART(V, T, mask, p)                                 \
    (sizeof(T) == 4 ? (V)_mm512_maskz_loadu_epi32((__mmask16)(mask), p) \
                    : (V)_mm512_maskz_loadu_epi64((__mmask8)(mask), p))
#define VECTOR_STORE_PART(T, p, mask, x)                                  \
    do {                                                                  \
        if (sizeof(T) == 4)                                               \
            _mm512_mask_storeu_epi32(p, (__mmask16)(mask), (__m512i)(x)); \
        else                                                              \
            _mm512_mask_storeu_epi64(p, (__mmask8)(mask), (__m512i)(x));  \
    } while (0)
#endif

#ifdef VECTOR_FMA_IN_PLACE
#define VECTOR_ADD_F32(V, x, b, s) VECTOR_FMA_IN_PLACE("ps", x, b, s)
#define VECTOR_ADD_F64(V, x, b, s) VECTOR_FMA_IN_PLACE("pd", x, b, s)
#else
#define VECTOR_ADD_F32(V, x, b, s) ((s) = VECTOR_FMA_F32(V, x, b, s))
#define VECTOR_ADD_F64(V, x, b, s) ((s) = VECTOR_FMA_F64(V, x, b, s))
#endif

#endif
