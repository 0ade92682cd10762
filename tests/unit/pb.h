/* Protobuf bytes written by hand, right or wrong, for the tests of onnx/. */
#ifndef TAP_TESTS_UNIT_PB_H
#define TAP_TESTS_UNIT_PB_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a message at most; a program may choose before it includes this. */
#ifndef PB_ROOM
#define PB_ROOM ((size_t)1 << 17)
#endif

/* Large: keep it static or on the heap where there are many. */
typedef struct pb {
    size_t n;
    uint8_t b[PB_ROOM];
} pb;

static inline pb *pb_new(void) {
    return calloc(1, sizeof(pb));
}

static inline void pb_raw(pb *p, const void *bytes, size_t n) {
    if (n > PB_ROOM - p->n) abort();
    if (n) memcpy(p->b + p->n, bytes, n);
    p->n += n;
}

static inline void pb_varint(pb *p, uint64_t v) {
    for (;; v >>= 7) {
        uint8_t byte = (uint8_t)(v & 0x7f) | (v >= 0x80 ? 0x80 : 0);
        pb_raw(p, &byte, 1);
        if (v < 0x80) return;
    }
}

static inline void pb_tag(pb *p, uint32_t field, unsigned wire_type) {
    pb_varint(p, (uint64_t)field << 3 | wire_type);
}

static inline void pb_int(pb *p, uint32_t field, int64_t v) {
    pb_tag(p, field, 0);
    pb_varint(p, (uint64_t)v);
}

static inline void pb_float(pb *p, uint32_t field, float v) {
    pb_tag(p, field, 5);
    pb_raw(p, &v, sizeof v);
}

static inline void pb_bytes(pb *p, uint32_t field, const void *bytes, size_t n) {
    pb_tag(p, field, 2);
    pb_varint(p, n);
    pb_raw(p, bytes, n);
}

static inline void pb_str(pb *p, uint32_t field, const char *s) {
    pb_bytes(p, field, s, strlen(s));
}

/* Writes `part` as a field, and frees it. */
static inline void pb_msg(pb *p, uint32_t field, pb *part) {
    pb_bytes(p, field, part->b, part->n);
    free(part);
}

#endif
