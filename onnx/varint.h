/* Protobuf's varint: seven bits a byte, low ones first, the top bit says that more follow. */
#ifndef TAP_ONNX_VARINT_H
#define TAP_ONNX_VARINT_H

#include <stddef.h>
#include <stdint.h>

enum { TAP_VARINT_MAX = 10 }; /* bytes; 64 bits fit, what is above them is dropped as protobuf says */

/* Reads one from [p, end). Returns the bytes it takes, 0 where it is cut off or longer than TAP_VARINT_MAX.
 */
static inline size_t tap_varint(const uint8_t *p, const uint8_t *end, uint64_t *value) {
    uint64_t v = 0;
    for (size_t i = 0; i < TAP_VARINT_MAX && p + i < end; i++) {
        v |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80) {
            *value = v;
            return i + 1;
        }
    }
    return 0;
}

#endif
