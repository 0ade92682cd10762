/* Single numbers of any real type, for operators whose time is not in them: floats as double, whole numbers
 * as int64 that wrap. */
#ifndef TAP_OPS_TENSORFLOW_NUMBERS_H
#define TAP_OPS_TENSORFLOW_NUMBERS_H

#include <string.h>

#include "common/scalar.h"
#include "core/half.h"

#define TAP_TF_INTS                                                                                          \
    (TAP_BIT(TAP_INT8) | TAP_BIT(TAP_INT16) | TAP_BIT(TAP_INT32) | TAP_BIT(TAP_INT64) | TAP_BIT(TAP_UINT8) | \
     TAP_BIT(TAP_UINT16) | TAP_BIT(TAP_UINT32) | TAP_BIT(TAP_UINT64))
#define TAP_TF_REALS (TAP_TYPES_FLOAT | TAP_TF_INTS)

typedef union tap_tf_number {
    double f;
    int64_t i;
} tap_tf_number;

static inline bool tap_tf_is_float(tap_dtype t) {
    return (TAP_BIT(t) & TAP_TYPES_FLOAT) != 0;
}

static inline tap_tf_number tap_tf_get(const tap_tensor *t, int64_t i) {
    tap_tf_number v = {.i = 0};
    if (tap_tf_is_float(t->dtype))
        v.f = tap_real_at(t, i);
    else if (t->dtype == TAP_UINT64)
        memcpy(&v.i, (const char *)t->data + i * 8, 8);
    else
        v.i = tap_cut_at(t, i);
    return v;
}

static inline void tap_tf_put(tap_tensor *t, int64_t i, tap_tf_number v) {
    const size_t width = tap_dtype_bytes(t->dtype);
    char *to = (char *)t->data + (size_t)i * width;
    const float f = (float)(tap_tf_is_float(t->dtype) ? v.f : 0);
    if (t->dtype == TAP_DOUBLE)
        memcpy(to, &v.f, width);
    else if (t->dtype == TAP_FLOAT)
        memcpy(to, &f, width);
    else if (tap_tf_is_float(t->dtype))
        tap_floats_from_f32(t->dtype, 1, &f, to);
    else
        memcpy(to, &v.i, width); /* the low bytes come first */
}

#endif
