/* Integer quotients, cut towards zero, and remainders, as vector code: of up to 16 bits through float32, of
 * 32 bits through float64, times the divisor's inverse; of 64 bits through float64 where both numbers are
 * near, that is below 2^50 in size. x / 0 is 0; the least integer through -1 wraps.
 *
 * The quotient lies at least 1 / 2b away from every integer once half a unit is added to the dividend's size.
 * An inverse that is right to less than 1 / 2a of itself therefore gives a number on the right side of each.
 */
#ifndef TAP_OPS_COMMON_INT_DIVIDE_H
#define TAP_OPS_COMMON_INT_DIVIDE_H

#include <stdbool.h>

#include "common/math.h"

/* 1 / b; 0 for 0. One step gives 1 / 600 of it, each further step doubles the digits. */
static inline float tap_inverse_of_int(float b, int steps) {
    float y = tap_near_reciprocal(b);
    if (steps > 1) y *= tap_fma(-b, y, 2.0f);
    return tap_select(b == 0, 0.0f, y);
}

static inline double tap_inverse_of_int64(double b) {
    double y = tap_from_bits64(UINT64_C(0x7fde65a000000000) - tap_bits64(b));
    y *= tap_fma64(-b, y, 2.001);
    y *= tap_fma64(-b, y, 2.0);
    y *= tap_fma64(-b, y, 2.0);
    return tap_select64(b == 0, 0.0, y);
}

#define TAP_QUOTIENT_SMALL(T, STEPS)                                  \
    static inline T tap_quotient_##T(T a, T b) {                      \
        const float x = (float)a + copysignf(0.5f, (float)a);         \
        return (T)(int32_t)(x * tap_inverse_of_int((float)b, STEPS)); \
    }
TAP_QUOTIENT_SMALL(int8_t, 1)
TAP_QUOTIENT_SMALL(uint8_t, 1)
TAP_QUOTIENT_SMALL(int16_t, 2)
TAP_QUOTIENT_SMALL(uint16_t, 2)

/* The integer comes from the low digits of a sum, which wrap: minus half of a unit makes rounding cut. */
#define TAP_QUOTIENT_32(T)                                                  \
    static inline T tap_quotient_##T(T a, T b) {                            \
        const double x = (double)a + copysign(0.5, (double)a);              \
        const double q = x * tap_inverse_of_int64((double)b);               \
        return (T)(uint32_t)tap_bits64((q - copysign(0.5, q)) + 0x1.8p+52); \
    }
TAP_QUOTIENT_32(int32_t)
TAP_QUOTIENT_32(uint32_t)

static inline int64_t tap_quotient_int64_t(int64_t a, int64_t b) {
    return b == 0 ? 0 : b == -1 ? (int64_t)(0u - (uint64_t)a) : a / b;
}

static inline uint64_t tap_quotient_uint64_t(uint64_t a, uint64_t b) {
    return b == 0 ? 0 : a / b;
}

/* What a quotient leaves; its sign is the dividend's. 0 where b is 0. */
#define TAP_REMAINDER(T, U)                                                         \
    static inline T tap_remainder_##T(T a, T b) {                                   \
        return (T)(((U)a - (U)tap_quotient_##T(a, b) * (U)b) & (0u - (U)(b != 0))); \
    }
TAP_REMAINDER(int8_t, uint32_t)
TAP_REMAINDER(uint8_t, uint32_t)
TAP_REMAINDER(int16_t, uint32_t)
TAP_REMAINDER(uint16_t, uint32_t)
TAP_REMAINDER(int32_t, uint32_t)
TAP_REMAINDER(uint32_t, uint32_t)
TAP_REMAINDER(int64_t, uint64_t)
TAP_REMAINDER(uint64_t, uint64_t)

/* ---- Near ones of 64 bits -------------------------------------------------------------------------- */

/* In the low digits of a sum. */
static inline double tap_near_to_f64(uint64_t a) {
    return tap_from_bits64(a + tap_bits64(0x1.8p+52)) - 0x1.8p+52;
}

static inline uint64_t tap_near_of_f64(double x) {
    return tap_bits64(x + 0x1.8p+52) - tap_bits64(0x1.8p+52);
}

/* The quotient that is nearest to a / b, then the one towards zero. Everything is exact but the first
 * product, which is off by less than 1/4. */
static inline uint64_t tap_near_divide(uint64_t a, uint64_t b, uint64_t *remainder) {
    const double x = tap_near_to_f64(a), y = tap_near_to_f64(b);
    const double q = x * tap_select64(y == 0, 0.0, 1.0 / y), n = (q + 0x1.8p+52) - 0x1.8p+52;
    const double rest = x - n * y;
    const int over = x * rest < 0;
    *remainder = tap_near_of_f64(tap_select64(y == 0, 0.0, tap_select64(over, rest + copysign(y, x), rest)));
    return tap_near_of_f64(tap_select64(over, n - copysign(1.0, q), n));
}

#define TAP_NEAR(T)                                                                               \
    static inline T tap_near_quotient_##T(T a, T b) {                                             \
        uint64_t rest;                                                                            \
        return (T)tap_near_divide((uint64_t)a, (uint64_t)b, &rest);                               \
    }                                                                                             \
    static inline T tap_near_remainder_##T(T a, T b) {                                            \
        uint64_t rest;                                                                            \
        (void)tap_near_divide((uint64_t)a, (uint64_t)b, &rest);                                   \
        return (T)rest;                                                                           \
    }                                                                                             \
    /* Whether n of them, step bytes apart, are near. */                                          \
    static inline bool tap_all_near_##T(int64_t n, const char *p, int64_t step) {                 \
        const uint64_t limit = UINT64_C(1) << 50, from = (T)-1 < 1 ? limit : 0;                   \
        uint64_t all = 0;                                                                         \
        if (step == 0) n = 1;                                                                     \
        if (step == (int64_t)sizeof(T))                                                           \
            for (int64_t i = 0; i < n; i++) all |= (uint64_t)((const T *)p)[i] + from;            \
        else                                                                                      \
            for (int64_t i = 0; i < n; i++) all |= (uint64_t) * (const T *)(p + i * step) + from; \
        return all < limit + from;                                                                \
    }
TAP_NEAR(int64_t)
TAP_NEAR(uint64_t)

/* Without vectors of four float64 the processor's own division is the quicker one. */
#if defined(__AVX2__)
#define TAP_NEAR_IS_QUICK true
#else
#define TAP_NEAR_IS_QUICK false
#endif

/* The loop NAME of two T from NAME_near and NAME_any: each block takes the one that its numbers allow, with
 * the same result. */
#define TAP_LOOP2_NEAR(NAME, T)                                                          \
    TAP_LOOP(NAME) {                                                                     \
        enum { BLOCK_OF_NEAR = 512 };                                                    \
        for (int64_t i = 0; i < n; i += BLOCK_OF_NEAR) {                                 \
            char *q[3] = {p[0] + i * step[0], p[1] + i * step[1], p[2] + i * step[2]};   \
            const int64_t m = tap_min64(BLOCK_OF_NEAR, n - i);                           \
            const bool near = TAP_NEAR_IS_QUICK && tap_all_near_##T(m, q[0], step[0]) && \
                              tap_all_near_##T(m, q[1], step[1]);                        \
            (near ? NAME##_near : NAME##_any)(m, q, step, state);                        \
        }                                                                                \
    }

#endif
