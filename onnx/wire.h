/* The guard between a file's bytes and protobuf-c.
 *
 * protobuf-c recurses without a limit, allocates what the bytes tell it to, copies every payload, cuts
 * strings at an embedded NUL and merges split messages not quite as protobuf defines it. So it never sees the
 * bytes of a file: they are checked here, and what it gets is a canonical copy of them in which
 *
 *   - every length, varint, wire type, nesting and string has been checked, and the memory that unpacking
 * takes is known;
 *   - a singular message that comes in pieces is one message, a singular value that comes twice is the last
 * one, and of a oneof only the member that counts is left (what protobuf specifies, independent of
 * protobuf-c);
 *   - unknown fields are left out, and unpacked lists of numbers are packed;
 *   - the numbers of tensors are absent. A TensorProto's raw_data, float_data, int32_data, int64_data,
 * double_data and uint64_data are replaced by one raw_data of tap_wire_span records that say where in the
 * file they lie. All raw_data is replaced, so whatever raw_data comes out of protobuf-c was written here: a
 * file cannot forge a span. */
#ifndef TAP_ONNX_WIRE_H
#define TAP_ONNX_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "core/memory.h"
#include "onnxtap/onnxtap.h"

enum { TAP_WIRE_DEPTH = 100 }; /* messages inside messages; the limit of other protobuf readers, too */

/* Where numbers of a tensor lie. Spans follow the order in which their elements count; a chunk of packed
 * varints was checked to be whole varints, a chunk of fixed-width numbers to be a multiple of their width. */
typedef struct tap_wire_span {
    uint64_t offset; /* from the first byte given to tap_wire_unpack */
    uint64_t n_bytes;
    uint64_t field; /* number of the TensorProto field that they were given in */
} tap_wire_span;

/* Of a TensorProto's raw_data as tap_wire_unpack left it. i < tap_wire_span_count(raw). */
size_t tap_wire_span_count(const ProtobufCBinaryData *raw);
tap_wire_span tap_wire_span_at(const ProtobufCBinaryData *raw, size_t i);

/* An unpacked message. All its memory is the arena's. */
typedef struct tap_wire_message {
    ProtobufCMessage *root;
    tap_arena arena;
} tap_wire_message;

/* Checks n_bytes at `bytes` as a message of `kind`, and unpacks the canonical copy of it.
 * Memory, the copy's too, is under `budget`; what does not fit is found before protobuf-c begins.
 * Ownership: tap_wire_free frees what *out holds; on failure it holds nothing.
 * Errors: TAP_MODEL with the byte and the path (`graph.node[17].attribute[2].t`) of what is wrong;
 * TAP_MEMORY. */
tap_status tap_wire_unpack(const ProtobufCMessageDescriptor *kind, const void *bytes, size_t n_bytes,
                           tap_budget *budget, tap_wire_message *out, tap_error *err);
void tap_wire_free(tap_wire_message *m);

/* The first half of tap_wire_unpack: only the canonical copy.
 * Ownership: the caller frees *copy with tap_mem_free; it may be NULL where *n_copy is 0. */
tap_status tap_wire_strip(const ProtobufCMessageDescriptor *kind, const void *bytes, size_t n_bytes,
                          tap_budget *budget, uint8_t **copy, size_t *n_copy, tap_error *err);

#endif
