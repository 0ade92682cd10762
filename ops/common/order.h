/* Numbers in order: keys that compare as the numbers do, and stable sorting by them. */
#ifndef TAP_OPS_COMMON_ORDER_H
#define TAP_OPS_COMMON_ORDER_H

#include <string.h>

#include "common/ops.h"
#include "core/half.h"

/* Keys of floats: -0 and 0 are one, NaN is the largest and one. */
static inline uint64_t tap_key_of_double(double v) {
    uint64_t u;
    if (v != v) return UINT64_MAX;
    v += 0.0;
    memcpy(&u, &v, sizeof u);
    return u >> 63 ? ~u : u | UINT64_C(1) << 63;
}

/* The same in 32 bits: half the work of sorting. */
static inline uint64_t tap_key_of_float(float v) {
    uint32_t u;
    v += 0.0f;
    memcpy(&u, &v, sizeof u);
    return v != v ? UINT32_MAX : u >> 31 ? ~u : u | UINT32_C(1) << 31;
}

static inline uint64_t tap_key_of_int(int64_t v) {
    return (uint64_t)v ^ UINT64_C(1) << 63;
}

/* out[i] = key of x[i * step], for i < n. Numeric types and bool; complex ones are two numbers each: see
 * tap_key_parts. */
static inline void tap_order_keys(tap_dtype t, int64_t n, const void *x, int64_t step, uint64_t *out) {
#define TAP_KEYS(T, KEY)                           \
    for (int64_t i = 0; i < n && step == 1; i++) { \
        T v = ((const T *)x)[i];                   \
        out[i] = KEY;                              \
    }                                              \
    for (int64_t i = 0; i < n && step != 1; i++) { \
        T v = ((const T *)x)[i * step];            \
        out[i] = KEY;                              \
    }                                              \
    break
    switch (t) {
    case TAP_COMPLEX64:
    case TAP_FLOAT: TAP_KEYS(float, tap_key_of_float(v));
    case TAP_COMPLEX128:
    case TAP_DOUBLE: TAP_KEYS(double, tap_key_of_double(v));
    case TAP_FLOAT16: TAP_KEYS(uint16_t, tap_key_of_float(tap_f16_to_f32(v)));
    case TAP_BFLOAT16: TAP_KEYS(uint16_t, tap_key_of_float(tap_bf16_to_f32(v)));
    case TAP_INT8: TAP_KEYS(int8_t, tap_key_of_int(v));
    case TAP_INT16: TAP_KEYS(int16_t, tap_key_of_int(v));
    case TAP_INT32: TAP_KEYS(int32_t, tap_key_of_int(v));
    case TAP_INT64: TAP_KEYS(int64_t, tap_key_of_int(v));
    case TAP_BOOL:
    case TAP_UINT8: TAP_KEYS(uint8_t, v);
    case TAP_UINT16: TAP_KEYS(uint16_t, v);
    case TAP_UINT32: TAP_KEYS(uint32_t, v);
    case TAP_UINT64: TAP_KEYS(uint64_t, v);
    default: break;
    }
#undef TAP_KEYS
}

/* Numbers in an element. */
static inline int tap_key_parts(tap_dtype t) {
    return t == TAP_COMPLEX64 || t == TAP_COMPLEX128 ? 2 : 1;
}

typedef struct tap_keyed {
    uint64_t key;
    int64_t at;
} tap_keyed;

/* Sorts p by key, byte by byte, keeping the order of equals. room: n more. Returns where the result is: p or
 * room. */
static inline tap_keyed *tap_sort_keyed(tap_keyed *p, tap_keyed *room, int64_t n) {
    int64_t start[8][256] = {{0}};
    uint64_t used = 0;
    for (int64_t i = 0; i < n; i++) {
        used |= p[i].key ^ p[0].key;
        for (int b = 0; b < 8; b++) start[b][p[i].key >> 8 * b & 0xFF]++;
    }
    for (int b = 0; b < 8; b++) {
        int64_t *at = start[b], before = 0;
        if (!(used >> 8 * b & 0xFF)) continue;
        for (int i = 0; i < 256; i++) {
            const int64_t count = at[i];
            at[i] = before;
            before += count;
        }
        for (int64_t i = 0; i < n; i++) room[at[p[i].key >> 8 * b & 0xFF]++] = p[i];
        tap_keyed *other = p;
        p = room;
        room = other;
    }
    return p;
}

/* < 0, 0, > 0 as item a comes before, with or behind item b. */
typedef int tap_compare(const void *arg, int64_t a, int64_t b);

/* Sorts the items 0 .. n - 1, whose numbers are written to p, by merging; equals stay in order. room: n more.
 * Returns where the result is: p or room. */
static inline int64_t *tap_sort_items(int64_t *p, int64_t *room, int64_t n, tap_compare *compare,
                                      const void *arg) {
    for (int64_t i = 0; i < n; i++) p[i] = i;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t from = 0; from < n; from += 2 * width) {
            int64_t a = from, mid = tap_min64(from + width, n), b = mid, end = tap_min64(mid + width, n),
                    k = from;
            while (a < mid && b < end) room[k++] = compare(arg, p[a], p[b]) <= 0 ? p[a++] : p[b++];
            while (a < mid) room[k++] = p[a++];
            while (b < end) room[k++] = p[b++];
        }
        int64_t *other = p;
        p = room;
        room = other;
    }
    return p;
}

#endif
