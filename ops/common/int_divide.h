/* Integer quotients, cut towards zero, and remainders, as vector code: of up to 16 bits through float32, of
 * 32 bits through float64, whose rounded quotients lie on the right side of every integer. x / 0 is 0; the
 * least integer through -1 wraps. */
#ifndef TAP_OPS_COMMON_INT_DIVIDE_H
#define TAP_OPS_COMMON_INT_DIVIDE_H

#include <stdint.h>

#define TAP_QUOTIENT_THROUGH(NAME, T, F, WIDE) \
    static inline T NAME(T a, T b) {           \
        const T by = b == 0 ? 1 : b;           \
        const T q = (T)(WIDE)((F)a / (F)by);   \
        return b == 0 ? 0 : q;                 \
    }
#define TAP_QUOTIENT_SIGNED(NAME, T, U, F)                \
    static inline T NAME(T a, T b) {                      \
        const T by = b == 0 || b == -1 ? 1 : b;           \
        const T q = (T)((F)a / (F)by);                    \
        return b == 0 ? 0 : b == -1 ? (T)(0u - (U)a) : q; \
    }

TAP_QUOTIENT_THROUGH(tap_quotient_int8_t, int8_t, float, int32_t)
TAP_QUOTIENT_THROUGH(tap_quotient_uint8_t, uint8_t, float, int32_t)
TAP_QUOTIENT_THROUGH(tap_quotient_int16_t, int16_t, float, int32_t)
TAP_QUOTIENT_THROUGH(tap_quotient_uint16_t, uint16_t, float, int32_t)
TAP_QUOTIENT_THROUGH(tap_quotient_uint32_t, uint32_t, double, uint32_t)
TAP_QUOTIENT_SIGNED(tap_quotient_int32_t, int32_t, uint32_t, double)

static inline int64_t tap_quotient_int64_t(int64_t a, int64_t b) {
    return b == 0 ? 0 : b == -1 ? (int64_t)(0u - (uint64_t)a) : a / b;
}

static inline uint64_t tap_quotient_uint64_t(uint64_t a, uint64_t b) {
    return b == 0 ? 0 : a / b;
}

/* What a quotient leaves; its sign is the dividend's. 0 where b is 0. */
#define TAP_REMAINDER(T, U)                                               \
    static inline T tap_remainder_##T(T a, T b) {                         \
        return b == 0 ? 0 : (T)((U)a - (U)tap_quotient_##T(a, b) * (U)b); \
    }
TAP_REMAINDER(int8_t, uint32_t)
TAP_REMAINDER(uint8_t, uint32_t)
TAP_REMAINDER(int16_t, uint32_t)
TAP_REMAINDER(uint16_t, uint32_t)
TAP_REMAINDER(int32_t, uint32_t)
TAP_REMAINDER(uint32_t, uint32_t)
TAP_REMAINDER(int64_t, uint64_t)
TAP_REMAINDER(uint64_t, uint64_t)

#endif
