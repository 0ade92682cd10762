/* Widening and narrowing: a loop per dtype, made from the list of those that are plain C types. */
#include "io/element.h"

#include <math.h>

#include "core/half.h"

/* X(dtype, C type, member of tap_wide) */
#define PLAIN_LIST(X)          \
    X(TAP_UINT8, uint8_t, u)   \
    X(TAP_UINT16, uint16_t, u) \
    X(TAP_UINT32, uint32_t, u) \
    X(TAP_UINT64, uint64_t, u) \
    X(TAP_UINT4, uint8_t, u)   \
    X(TAP_UINT2, uint8_t, u)   \
    X(TAP_INT8, int8_t, i)     \
    X(TAP_INT16, int16_t, i)   \
    X(TAP_INT32, int32_t, i)   \
    X(TAP_INT64, int64_t, i)   \
    X(TAP_INT4, int8_t, i)     \
    X(TAP_INT2, int8_t, i)     \
    X(TAP_FLOAT, float, f)     \
    X(TAP_DOUBLE, double, f)   \
    X(TAP_COMPLEX64, float, f) \
    X(TAP_COMPLEX128, double, f)

tap_class tap_class_of(tap_dtype t) {
    switch (t) {
    case TAP_STRING: return TAP_CLASS_STRING;
    case TAP_COMPLEX64:
    case TAP_COMPLEX128: return TAP_CLASS_COMPLEX;
    case TAP_INT8:
    case TAP_INT16:
    case TAP_INT32:
    case TAP_INT64:
    case TAP_INT4:
    case TAP_INT2: return TAP_CLASS_SIGNED;
    case TAP_BOOL:
    case TAP_UINT8:
    case TAP_UINT16:
    case TAP_UINT32:
    case TAP_UINT64:
    case TAP_UINT4:
    case TAP_UINT2: return TAP_CLASS_UNSIGNED;
    default: return TAP_CLASS_REAL;
    }
}

static void widen_bools(const uint8_t *x, int64_t n, tap_wide *w) {
    for (int64_t k = 0; k < n; k++) w->u[k] = x[k] != 0;
}

static void widen_floats(tap_dtype t, const void *x, int64_t n, tap_wide *w) {
    float block[TAP_WIDE_BLOCK];
    tap_floats_to_f32(t, n, x, block);
    for (int64_t k = 0; k < n; k++) w->f[k] = (double)block[k];
}

void tap_widen(tap_dtype t, const void *x, int64_t n, tap_wide *w) {
    switch (t) {
#define TAP_X(dtype, type, member)                           \
    case dtype: {                                            \
        const type *p = x;                                   \
        for (int64_t k = 0; k < n; k++) w->member[k] = p[k]; \
        break;                                               \
    }
        PLAIN_LIST(TAP_X)
#undef TAP_X
    case TAP_BOOL: widen_bools(x, n, w); break;
    default: widen_floats(t, x, n, w); break;
    }
}

/* The integers a dtype holds, as the limits of a clamp. */
static void range_of(tap_dtype t, int64_t *least, uint64_t *most) {
    int bits = tap_dtype_bits(t);
    bool is_signed = tap_class_of(t) == TAP_CLASS_SIGNED;
    *most = UINT64_MAX >> (64 - bits + is_signed);
    *least = is_signed ? -(int64_t)*most - 1 : 0;
    if (t == TAP_BOOL) *most = 1;
}

/* Elements of any class as the bits of an integer from least to most. */
static void clamp_all(tap_class c, const tap_wide *w, int64_t n, int64_t least, uint64_t most, uint64_t *y) {
    for (int64_t k = 0; k < n; k++) {
        if (c == TAP_CLASS_UNSIGNED) {
            y[k] = w->u[k] < most ? w->u[k] : most;
        } else if (c == TAP_CLASS_SIGNED) {
            int64_t x = w->i[k] > least ? w->i[k] : least;
            y[k] = x > 0 && (uint64_t)x > most ? most : (uint64_t)x;
        } else {
            double x = w->f[k];
            if (isnan(x))
                y[k] = 0;
            else if (x <= (double)least)
                y[k] = (uint64_t)least;
            else if (x >= (double)most)
                y[k] = most;
            else
                y[k] = x < 0 ? (uint64_t)(int64_t)x : (uint64_t)x;
        }
    }
}

static void not_zero(tap_class c, const tap_wide *w, int64_t n, uint64_t *y) {
    for (int64_t k = 0; k < n; k++) y[k] = c == TAP_CLASS_REAL ? w->f[k] != 0 : w->u[k] != 0;
}

static double as_double(tap_class c, const tap_wide *w, int64_t k) {
    return c == TAP_CLASS_REAL ? w->f[k] : c == TAP_CLASS_SIGNED ? (double)w->i[k] : (double)w->u[k];
}

/* A 64-bit integer rounds once to float32, and not by way of float64. */
static float as_float(tap_class c, const tap_wide *w, int64_t k) {
    return c == TAP_CLASS_REAL ? (float)w->f[k] : c == TAP_CLASS_SIGNED ? (float)w->i[k] : (float)w->u[k];
}

static void narrow_floats(tap_dtype t, tap_class c, const tap_wide *w, int64_t n, void *y) {
    float block[TAP_WIDE_BLOCK];
    for (int64_t k = 0; k < n; k++) block[k] = tap_f64_to_f32_odd(as_double(c, w, k));
    tap_floats_from_f32(t, n, block, y);
}

static void narrow_ints(tap_dtype t, tap_class c, const tap_wide *w, int64_t n, void *y) {
    uint64_t block[TAP_WIDE_BLOCK], most;
    int64_t least;
    range_of(t, &least, &most);
    if (t == TAP_BOOL)
        not_zero(c, w, n, block);
    else
        clamp_all(c, w, n, least, most, block);
    switch (tap_dtype_bytes(t)) {
    case 1:
        for (int64_t k = 0; k < n; k++) ((uint8_t *)y)[k] = (uint8_t)block[k];
        break;
    case 2:
        for (int64_t k = 0; k < n; k++) ((uint16_t *)y)[k] = (uint16_t)block[k];
        break;
    case 4:
        for (int64_t k = 0; k < n; k++) ((uint32_t *)y)[k] = (uint32_t)block[k];
        break;
    default:
        for (int64_t k = 0; k < n; k++) ((uint64_t *)y)[k] = block[k];
        break;
    }
}

void tap_narrow(tap_dtype t, tap_class c, const tap_wide *w, int64_t n, void *y) {
    switch (t) {
    case TAP_DOUBLE:
    case TAP_COMPLEX128:
        for (int64_t k = 0; k < n; k++) ((double *)y)[k] = as_double(c, w, k);
        break;
    case TAP_FLOAT:
    case TAP_COMPLEX64:
        for (int64_t k = 0; k < n; k++) ((float *)y)[k] = as_float(c, w, k);
        break;
    default:
        if (tap_class_of(t) == TAP_CLASS_REAL)
            narrow_floats(t, c, w, n, y);
        else
            narrow_ints(t, c, w, n, y);
        break;
    }
}
