/* Facts about element types: names, sizes, and how sub-byte ones lie in a file. */
#include <string.h>

#include "core/tensor.h"

static const struct {
    const char *name;
    size_t n_bytes;
} dtypes[TAP_DTYPE_COUNT] = {[TAP_UNDEFINED] = {"undefined", 0},
#define TAP_X(id, number, text, bytes) [number] = {text, bytes},
                             TAP_DTYPE_LIST(TAP_X)
#undef TAP_X
};

const char *tap_dtype_name(tap_dtype t) {
    return (size_t)t < TAP_COUNT_OF(dtypes) ? dtypes[t].name : NULL;
}

size_t tap_dtype_bytes(tap_dtype t) {
    return (size_t)t < TAP_COUNT_OF(dtypes) ? dtypes[t].n_bytes : 0;
}

tap_dtype tap_dtype_from_name(const char *name) {
    for (size_t i = 1; i < TAP_COUNT_OF(dtypes); i++)
        if (strcmp(dtypes[i].name, name) == 0) return (tap_dtype)i;
    return TAP_UNDEFINED;
}

int tap_dtype_bits(tap_dtype t) {
    switch (t) {
    case TAP_INT2:
    case TAP_UINT2: return 2;
    case TAP_INT4:
    case TAP_UINT4:
    case TAP_FLOAT4E2M1: return 4;
    case TAP_FLOAT6E2M3:
    case TAP_FLOAT6E3M2: return 6;
    case TAP_STRING: return 0;
    default: return (int)(8 * tap_dtype_bytes(t));
    }
}

bool tap_packed_bytes(tap_dtype t, int64_t n, size_t *n_bytes) {
    int bits = tap_dtype_bits(t);
    if (n < 0 || bits == 0) return false;
    if (bits >= 8) return tap_mul_size((size_t)n, (size_t)bits / 8, n_bytes);
    *n_bytes = (size_t)n / 8 * (size_t)bits + ((size_t)n % 8 * (size_t)bits + 7) / 8;
    return true;
}

static bool is_signed(tap_dtype t) {
    return t == TAP_INT4 || t == TAP_INT2;
}

/* Elements follow each other from the lowest bit on; one of 6 bits may begin in one byte and end in the next.
 */
void tap_unpack_bits(tap_dtype t, int64_t n, const void *packed, void *out) {
    const uint8_t *p = packed;
    uint8_t *y = out;
    const int64_t bits = tap_dtype_bits(t);
    const int mask = (1 << bits) - 1, sign = is_signed(t) ? 1 << (bits - 1) : 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = i * bits / 8, shift = i * bits % 8;
        int v = p[at] >> shift;
        if (shift + bits > 8) v |= p[at + 1] << (8 - shift);
        v &= mask;
        y[i] = (uint8_t)(v & sign ? v | ~mask : v);
    }
}

void tap_pack_bits(tap_dtype t, int64_t n, const void *in, void *packed) {
    const uint8_t *x = in;
    uint8_t *p = packed;
    const int64_t bits = tap_dtype_bits(t);
    size_t n_bytes = 0;
    if (tap_packed_bytes(t, n, &n_bytes)) memset(p, 0, n_bytes);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = i * bits / 8, shift = i * bits % 8;
        const int v = (x[i] & ((1 << bits) - 1)) << shift;
        p[at] = (uint8_t)(p[at] | v);
        if (v > 0xFF) p[at + 1] = (uint8_t)(p[at + 1] | v >> 8);
    }
}
