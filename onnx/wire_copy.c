/* Writing protobuf records into a growing buffer. */
#include "onnx/wire_copy.h"

#include "onnx/varint.h"

#include <string.h>

enum {
    LENGTH_BYTES = 5
}; /* a varint padded to five bytes holds any length that protobuf allows, and is legal */

static bool reserve(tap_wire_copy *c, size_t n) {
    size_t all;
    return tap_add_size(c->n, n, &all) && all <= INT32_MAX &&
           tap_mem_reserve(c->budget, &c->bytes, &c->room, all, 1);
}

bool tap_wire_put(tap_wire_copy *c, const void *bytes, size_t n) {
    if (!reserve(c, n)) return false;
    if (n) memcpy((uint8_t *)c->bytes + c->n, bytes, n);
    c->n += n;
    return true;
}

bool tap_wire_put_varint(tap_wire_copy *c, uint64_t value) {
    uint8_t b[TAP_VARINT_MAX];
    size_t n = 0;
    for (; value >= 0x80; value >>= 7) b[n++] = (uint8_t)(value | 0x80);
    b[n++] = (uint8_t)value;
    return tap_wire_put(c, b, n);
}

bool tap_wire_put_tag(tap_wire_copy *c, uint32_t field, unsigned wire_type) {
    return tap_wire_put_varint(c, (uint64_t)field << 3 | wire_type);
}

bool tap_wire_open(tap_wire_copy *c, uint32_t field, size_t *at) {
    size_t begin = c->n;
    if (tap_wire_put_tag(c, field, TAP_WIRE_LENGTH) && reserve(c, LENGTH_BYTES)) {
        *at = c->n;
        c->n += LENGTH_BYTES;
        return true;
    }
    c->n = begin;
    return false;
}

void tap_wire_close(tap_wire_copy *c, size_t at) {
    size_t n = c->n - at - LENGTH_BYTES;
    uint8_t *length = (uint8_t *)c->bytes + at;
    if (n < 0x80) { /* most messages are short, and would grow by a third from padding */
        *length = (uint8_t)n;
        memmove(length + 1, length + LENGTH_BYTES, n);
        c->n = at + 1 + n;
        return;
    }
    for (int i = 0; i < LENGTH_BYTES - 1; i++) length[i] = (uint8_t)(n >> (7 * i) | 0x80);
    length[LENGTH_BYTES - 1] = (uint8_t)(n >> 28);
}
