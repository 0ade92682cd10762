/* Single numbers out of small tensors of any numeric type and at any address: limits, thresholds, counts. */
#ifndef TAP_OPS_COMMON_SCALAR_H
#define TAP_OPS_COMMON_SCALAR_H

#include <string.h>

#include "common/convert.h"
#include "common/ops.h"
#include "core/half.h"

/* Element i of a float, integer or bool tensor; 64-bit integers are rounded. 0 for other types. */
static inline double tap_real_at(const tap_tensor *t, int64_t i) {
    union {
        float f;
        double d;
        int8_t i8;
        uint8_t u8;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t u64;
    } v = {.u64 = 0};
    float small;
    memcpy(&v, (const char *)t->data + (size_t)i * tap_dtype_bytes(t->dtype),
           t->dtype == TAP_STRING || tap_dtype_bytes(t->dtype) > sizeof v ? 0 : tap_dtype_bytes(t->dtype));
    switch (t->dtype) {
    case TAP_FLOAT: return (double)v.f;
    case TAP_DOUBLE: return v.d;
    case TAP_FLOAT16:
    case TAP_BFLOAT16:
    case TAP_FLOAT8E4M3FN:
    case TAP_FLOAT8E4M3FNUZ:
    case TAP_FLOAT8E5M2:
    case TAP_FLOAT8E5M2FNUZ: tap_floats_to_f32(t->dtype, 1, &v, &small); return (double)small;
    case TAP_BOOL:
    case TAP_UINT4:
    case TAP_UINT8: return v.u8;
    case TAP_INT4:
    case TAP_INT8: return v.i8;
    case TAP_UINT16: return v.u16;
    case TAP_INT16: return v.i16;
    case TAP_UINT32: return v.u32;
    case TAP_INT32: return v.i32;
    case TAP_UINT64: return (double)v.u64;
    case TAP_INT64: return (double)v.i64;
    default: return 0;
    }
}

/* Element i as an integer, fractions cut off; NaN and what is out of range give INT64_MIN. */
static inline int64_t tap_cut_at(const tap_tensor *t, int64_t i) {
    int64_t v;
    if (t->dtype != TAP_INT64) return tap_int64_of_double(tap_real_at(t, i));
    memcpy(&v, (const char *)t->data + i * 8, 8);
    return v;
}

/* Element i as an integer; false where it is none. */
static inline bool tap_whole_at(const tap_tensor *t, int64_t i, int64_t *out) {
    *out = tap_cut_at(t, i);
    return t->dtype == TAP_INT64 || (double)*out == tap_real_at(t, i);
}

#endif
