/* A growing buffer that protobuf records are written to. Nested messages are written without knowing their
 * length beforehand: it is put in when the message ends. */
#ifndef TAP_ONNX_WIRE_COPY_H
#define TAP_ONNX_WIRE_COPY_H

#include "core/memory.h"

enum { TAP_WIRE_VARINT = 0, TAP_WIRE_64BIT = 1, TAP_WIRE_LENGTH = 2, TAP_WIRE_32BIT = 5 }; /* wire types */

typedef struct tap_wire_copy {
    tap_budget *budget;
    void *bytes;
    size_t n, room;
} tap_wire_copy;

/* All return false where memory is exhausted, or 2 GiB are reached (the longest message there is), and then
 * leave the buffer as it was. */
bool tap_wire_put(tap_wire_copy *c, const void *bytes, size_t n);
bool tap_wire_put_varint(tap_wire_copy *c, uint64_t value);
bool tap_wire_put_tag(tap_wire_copy *c, uint32_t field, unsigned wire_type);

/* Begins something of unknown length, and ends it; between the two, the length takes five bytes. */
bool tap_wire_open(tap_wire_copy *c, uint32_t field, size_t *at);
void tap_wire_close(tap_wire_copy *c, size_t at);

#endif
