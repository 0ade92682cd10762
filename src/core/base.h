/* Small things that every file needs: checked arithmetic on sizes, array length, minimum and maximum. */
#ifndef TAP_CORE_BASE_H
#define TAP_CORE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAP_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/* Every tensor starts at a multiple of this many bytes, where onnxtap chose the place. */
#define TAP_ALIGN 64

static inline int64_t tap_min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static inline int64_t tap_max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* *r = a op b; false where that does not fit. */
static inline bool tap_mul_size(size_t a, size_t b, size_t *r) {
    return !__builtin_mul_overflow(a, b, r);
}
static inline bool tap_add_size(size_t a, size_t b, size_t *r) {
    return !__builtin_add_overflow(a, b, r);
}
static inline bool tap_mul64(int64_t a, int64_t b, int64_t *r) {
    return !__builtin_mul_overflow(a, b, r);
}
static inline bool tap_add64(int64_t a, int64_t b, int64_t *r) {
    return !__builtin_add_overflow(a, b, r);
}

static inline size_t tap_round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

#endif
