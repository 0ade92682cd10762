/* Reading the records of protobuf messages from bytes that may be anything, and saying where they are wrong.
 */
#ifndef TAP_ONNX_WIRE_RECORD_H
#define TAP_ONNX_WIRE_RECORD_H

#include <protobuf-c/protobuf-c.h>

#include "onnxtap/onnxtap.h"
#include "onnx/wire_copy.h"

typedef ProtobufCFieldDescriptor tap_wire_field;
typedef ProtobufCMessageDescriptor tap_wire_kind;

enum {
    TAP_WIRE_MAX_FIELDS = 32, /* of a message; the largest of ONNX has 18 */
    TAP_WIRE_NO_INDEX = -1,
};

/* The bytes that are scanned, and what is known so far. */
typedef struct tap_wire_scan {
    const uint8_t *base;
    tap_wire_copy out;
    tap_budget *budget;
    uint64_t need_bytes; /* that unpacking the copy will take */
    tap_status status;   /* of the failure */
    tap_error *err;
} tap_wire_scan;

/* Where the scan is: a chain of fields up to the root, whose field is NULL. */
typedef struct tap_wire_place {
    const struct tap_wire_place *up;
    const tap_wire_field *field;
    int64_t index; /* among the occurrences of a repeated field, or TAP_WIRE_NO_INDEX */
    int depth;
} tap_wire_place;

static inline tap_wire_place tap_wire_in(const tap_wire_place *up, const tap_wire_field *f, int64_t index) {
    return (tap_wire_place){up, f, index, up->depth + 1};
}

/* Both record what is wrong at byte p of `at`, and return false. */
TAP_COLD bool tap_wire_fail(tap_wire_scan *s, const tap_wire_place *at, const uint8_t *p, const char *fmt,
                            ...) TAP_PRINTF(4, 5);
TAP_COLD bool tap_wire_fail_memory(tap_wire_scan *s, const tap_wire_place *at, const uint8_t *p);
/* Books memory that unpacking will need; false above the budget. */
bool tap_wire_charge(tap_wire_scan *s, const tap_wire_place *at, const uint8_t *p, uint64_t n_bytes);

typedef struct tap_wire_segment {
    const uint8_t *p, *end;
} tap_wire_segment;

/* A message's bytes: usually one segment, several where its pieces are to be merged. */
typedef struct tap_wire_body {
    const tap_wire_segment *segs;
    size_t n;
} tap_wire_body;

/* First byte, for messages about the body. */
static inline const uint8_t *tap_wire_first(const tap_wire_scan *s, tap_wire_body in) {
    return in.n ? in.segs[0].p : s->base;
}

/* A field with its value, within bounds. */
typedef struct tap_wire_record {
    const uint8_t *at;   /* its tag */
    const uint8_t *data; /* its value; behind the length where there is one */
    size_t n_bytes;      /* of data */
    uint32_t number;
    unsigned wire;
    size_t ordinal; /* from 1, among the records of its message */
    size_t field;   /* index in the descriptor; TAP_WIRE_MAX_FIELDS where the number is unknown */
} tap_wire_record;

typedef struct tap_wire_cursor {
    tap_wire_body in;
    const uint8_t *p;
    size_t seg, ordinal;
} tap_wire_cursor;

tap_wire_cursor tap_wire_begin(tap_wire_body in);
bool tap_wire_at_end(tap_wire_cursor *c);
/* The next record, a message of `kind` being read. Not at the end. */
bool tap_wire_next(tap_wire_scan *s, const tap_wire_place *at, const tap_wire_kind *kind, tap_wire_cursor *c,
                   tap_wire_record *r);

static inline bool tap_wire_is_message(const tap_wire_field *f) {
    return f->type == PROTOBUF_C_TYPE_MESSAGE;
}
static inline bool tap_wire_is_repeated(const tap_wire_field *f) {
    return f->label == PROTOBUF_C_LABEL_REPEATED;
}
static inline bool tap_wire_is_number(const tap_wire_field *f) {
    return f->type < PROTOBUF_C_TYPE_STRING;
}
/* Wire type of a single value. */
unsigned tap_wire_type(const tap_wire_field *f);

#endif
