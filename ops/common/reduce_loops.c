/* The combinations that reductions use: sum, product, maximum, minimum, over their block types. */
#include <math.h>

#include "common/math.h"
#include "common/reduce.h"
#include "common/vector.h"

/* As wide as a register: a wider vector is taken apart by the compiler, slowly and badly. The 256 bytes of a
 * row of lanes are the same for all, so the order of the sums is, too. */
#define VECTORS (256 / VECTOR_BYTES)
#define UNROLL  _Pragma("GCC unroll 16")

/* Not TAP_PASTE: what it makes here is a macro that needs TAP_PASTE itself. */
#define GLUE_(a, b) a##_##b
#define GLUE(a, b)  GLUE_(a, b)

#define ADD(a, b)        ((a) + (b))
#define ADD_VECTOR(s, x) ((s) += (x))

#define NAME          sum_f32
#define B             float
#define A             double
#define START         0
#define VECTOR(s, x)  ADD_VECTOR(s, x)
#define COMBINE(a, b) ADD(a, b)
#include "common/reduce_loops.inc"

#define NAME          sum_f64
#define B             double
#define A             double
#define START         0
#define VECTOR(s, x)  ADD_VECTOR(s, x)
#define COMBINE(a, b) ADD(a, b)
#include "common/reduce_loops.inc"

#define NAME          sum_u32
#define B             uint32_t
#define A             uint32_t
#define START         0
#define VECTOR(s, x)  ADD_VECTOR(s, x)
#define COMBINE(a, b) ADD(a, b)
#include "common/reduce_loops.inc"

#define NAME          sum_u64
#define B             uint64_t
#define A             uint64_t
#define START         0
#define VECTOR(s, x)  ADD_VECTOR(s, x)
#define COMBINE(a, b) ADD(a, b)
#include "common/reduce_loops.inc"

#define TIMES(a, b)        ((a) * (b))
#define TIMES_VECTOR(s, x) ((s) *= (x))

#define NAME          prod_f64
#define B             double
#define A             double
#define START         1
#define VECTOR(s, x)  TIMES_VECTOR(s, x)
#define COMBINE(a, b) TIMES(a, b)
#include "common/reduce_loops.inc"

#define NAME          prod_u32
#define B             uint32_t
#define A             uint32_t
#define START         1
#define VECTOR(s, x)  TIMES_VECTOR(s, x)
#define COMBINE(a, b) TIMES(a, b)
#include "common/reduce_loops.inc"

#define NAME          prod_u64
#define B             uint64_t
#define A             uint64_t
#define START         1
#define VECTOR(s, x)  TIMES_VECTOR(s, x)
#define COMBINE(a, b) TIMES(a, b)
#include "common/reduce_loops.inc"

/* s where mask is 0, x where it is -1. */
#define PICK(mask, s, x) \
    ((s) = (__typeof__(s))(((mask) & (__typeof__(mask))(x)) | (~(mask) & (__typeof__(mask))(s))))

/* With NaN: it replaces whatever was there, and nothing compares greater than it afterwards. Without a
 * branch. */
static inline float max_f32(float a, float b) {
    return tap_select((int)(b > a) | (int)(b != b), b, a);
}
static inline float min_f32(float a, float b) {
    return tap_select((int)(b < a) | (int)(b != b), b, a);
}
static inline double max_f64(double a, double b) {
    return tap_select64((int)(b > a) | (int)(b != b), b, a);
}
static inline double min_f64(double a, double b) {
    return tap_select64((int)(b < a) | (int)(b != b), b, a);
}
#define MAX_FLOAT_VECTOR(s, x) PICK(((x) > (s)) | ((x) != (x)), s, x)
#define MIN_FLOAT_VECTOR(s, x) PICK(((x) < (s)) | ((x) != (x)), s, x)
#define MAX_INT(a, b)          ((b) > (a) ? (b) : (a))
#define MIN_INT(a, b)          ((b) < (a) ? (b) : (a))
#define MAX_INT_VECTOR(s, x)   PICK((x) > (s), s, x)
#define MIN_INT_VECTOR(s, x)   PICK((x) < (s), s, x)

#define NAME          max_f32
#define B             float
#define A             float
#define START         (-INFINITY)
#define VECTOR(s, x)  MAX_FLOAT_VECTOR(s, x)
#define COMBINE(a, b) max_f32(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_f32
#define B             float
#define A             float
#define START         INFINITY
#define VECTOR(s, x)  MIN_FLOAT_VECTOR(s, x)
#define COMBINE(a, b) min_f32(a, b)
#include "common/reduce_loops.inc"

#define NAME          max_f64
#define B             double
#define A             double
#define START         ((double)-INFINITY)
#define VECTOR(s, x)  MAX_FLOAT_VECTOR(s, x)
#define COMBINE(a, b) max_f64(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_f64
#define B             double
#define A             double
#define START         ((double)INFINITY)
#define VECTOR(s, x)  MIN_FLOAT_VECTOR(s, x)
#define COMBINE(a, b) min_f64(a, b)
#include "common/reduce_loops.inc"

/* Without NaN: an instruction of its own. */
#if defined(TAP_ISA_avx512)
#define HIGH_F32(s, x) ((s) = (__typeof__(s))_mm512_max_ps((__m512)(x), (__m512)(s)))
#define HIGH_F64(s, x) ((s) = (__typeof__(s))_mm512_max_pd((__m512d)(x), (__m512d)(s)))
#elif defined(TAP_ISA_avx2)
#define HIGH_F32(s, x) ((s) = (__typeof__(s))_mm256_max_ps((__m256)(x), (__m256)(s)))
#define HIGH_F64(s, x) ((s) = (__typeof__(s))_mm256_max_pd((__m256d)(x), (__m256d)(s)))
#else
#define HIGH_F32(s, x) PICK((x) > (s), s, x)
#define HIGH_F64(s, x) PICK((x) > (s), s, x)
#endif

#define NAME           high_f32
#define B              float
#define A              float
#define START          (-INFINITY)
#define VECTOR(s, x)   HIGH_F32(s, x)
#define COMBINE(a, b)  ((b) > (a) ? (b) : (a))
#define REGISTERS_ONLY 1
#include "common/reduce_loops.inc"

#define NAME           high_f64
#define B              double
#define A              double
#define START          ((double)-INFINITY)
#define VECTOR(s, x)   HIGH_F64(s, x)
#define COMBINE(a, b)  ((b) > (a) ? (b) : (a))
#define REGISTERS_ONLY 1
#include "common/reduce_loops.inc"

#define NAME          max_i8
#define B             int8_t
#define A             int8_t
#define START         INT8_MIN
#define VECTOR(s, x)  MAX_INT_VECTOR(s, x)
#define COMBINE(a, b) MAX_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_i8
#define B             int8_t
#define A             int8_t
#define START         INT8_MAX
#define VECTOR(s, x)  MIN_INT_VECTOR(s, x)
#define COMBINE(a, b) MIN_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          max_u8
#define B             uint8_t
#define A             uint8_t
#define START         0
#define VECTOR(s, x)  MAX_INT_VECTOR(s, x)
#define COMBINE(a, b) MAX_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_u8
#define B             uint8_t
#define A             uint8_t
#define START         UINT8_MAX
#define VECTOR(s, x)  MIN_INT_VECTOR(s, x)
#define COMBINE(a, b) MIN_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          max_i32
#define B             int32_t
#define A             int32_t
#define START         INT32_MIN
#define VECTOR(s, x)  MAX_INT_VECTOR(s, x)
#define COMBINE(a, b) MAX_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_i32
#define B             int32_t
#define A             int32_t
#define START         INT32_MAX
#define VECTOR(s, x)  MIN_INT_VECTOR(s, x)
#define COMBINE(a, b) MIN_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          max_u32
#define B             uint32_t
#define A             uint32_t
#define START         0
#define VECTOR(s, x)  MAX_INT_VECTOR(s, x)
#define COMBINE(a, b) MAX_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_u32
#define B             uint32_t
#define A             uint32_t
#define START         UINT32_MAX
#define VECTOR(s, x)  MIN_INT_VECTOR(s, x)
#define COMBINE(a, b) MIN_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          max_i64
#define B             int64_t
#define A             int64_t
#define START         INT64_MIN
#define VECTOR(s, x)  MAX_INT_VECTOR(s, x)
#define COMBINE(a, b) MAX_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_i64
#define B             int64_t
#define A             int64_t
#define START         INT64_MAX
#define VECTOR(s, x)  MIN_INT_VECTOR(s, x)
#define COMBINE(a, b) MIN_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          max_u64
#define B             uint64_t
#define A             uint64_t
#define START         0
#define VECTOR(s, x)  MAX_INT_VECTOR(s, x)
#define COMBINE(a, b) MAX_INT(a, b)
#include "common/reduce_loops.inc"

#define NAME          min_u64
#define B             uint64_t
#define A             uint64_t
#define START         UINT64_MAX
#define VECTOR(s, x)  MIN_INT_VECTOR(s, x)
#define COMBINE(a, b) MIN_INT(a, b)
#include "common/reduce_loops.inc"
