/* Floats to integers, defined for every value: the fraction is cut off; what the integer type has no room for
 * becomes what x86's instructions give, as in NumPy and ONNX Runtime there: the least int32 or int64, of
 * which narrower types take the low bits. */
#ifndef TAP_OPS_COMMON_CONVERT_H
#define TAP_OPS_COMMON_CONVERT_H

#include <stdint.h>

static inline int32_t tap_int32_of_float(float x) {
    return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN;
}
static inline int32_t tap_int32_of_double(double x) {
    return x > -0x1.00000002p31 && x < 0x1p31 ? (int32_t)x : INT32_MIN;
}
static inline int64_t tap_int64_of_double(double x) {
    return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}
static inline uint64_t tap_uint64_of_double(double x) {
    if (x >= 0x1p63) return x < 0x1p64 ? (uint64_t)x : UINT64_C(1) << 63;
    return (uint64_t)tap_int64_of_double(x);
}

#endif
