/* Numbers of 2, 4 or 8 bits in bytes, the low bits first. */
#ifndef TAP_OPS_COMMON_BITS_H
#define TAP_OPS_COMMON_BITS_H

#include <stdint.h>

/* Number i of those at p. */
static inline uint8_t tap_bits_at(const uint8_t *p, int bits, int64_t i) {
    const int64_t at = i * bits;
    return (uint8_t)(p[at / 8] >> at % 8 & ((1 << bits) - 1));
}

#endif
