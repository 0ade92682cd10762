/* Reading protobuf records within bounds. */
#include "onnx/wire_record.h"

#include <inttypes.h>
#include <stdarg.h>

#include "core/error.h"
#include "onnx/varint.h"

/* ---- failing ---- */

enum { SHOWN_LEVELS = 16 }; /* of a path; the innermost say most */

static void add_place(tap_text *t, const tap_wire_place *at, int levels) {
    if (at->up->field && levels == 1) {
        tap_text_add(t, "...");
    } else if (at->up->field) {
        add_place(t, at->up, levels - 1);
        tap_text_add(t, ".");
    }
    tap_text_add(t, "%s", at->field->name);
    if (tap_wire_is_repeated(at->field) && at->index != TAP_WIRE_NO_INDEX)
        tap_text_add(t, "[%" PRId64 "]", at->index);
}

static void fail(tap_wire_scan *s, tap_status code, const tap_wire_place *at, const uint8_t *p,
                 const char *fmt, va_list args) {
    char message[1024] = "";
    tap_text t = {message, sizeof message, 0};
    tap_text_add(&t, "byte %zu, ", (size_t)(p - s->base));
    if (at->field)
        add_place(&t, at, SHOWN_LEVELS);
    else
        tap_text_add(&t, "top level");
    tap_text_add(&t, ": ");
    tap_text_addv(&t, fmt, args);
    s->status = tap_error_set(s->err, code, "%s", message);
}

bool tap_wire_fail(tap_wire_scan *s, const tap_wire_place *at, const uint8_t *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fail(s, TAP_MODEL, at, p, fmt, args);
    va_end(args);
    return false;
}

TAP_PRINTF(4, 5)
static bool no_memory(tap_wire_scan *s, const tap_wire_place *at, const uint8_t *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fail(s, TAP_MEMORY, at, p, fmt, args);
    va_end(args);
    return false;
}

bool tap_wire_fail_memory(tap_wire_scan *s, const tap_wire_place *at, const uint8_t *p) {
    return no_memory(s, at, p,
                     "what the file holds up to here takes more than the memory limit (%" PRIu64
                     " bytes) leaves; "
                     "raise the limit if the file is to be trusted",
                     s->budget->limit);
}

bool tap_wire_charge(tap_wire_scan *s, const tap_wire_place *at, const uint8_t *p, uint64_t n_bytes) {
    uint64_t used = atomic_load(&s->budget->used), limit = s->budget->limit;
    s->need_bytes += n_bytes;
    return used <= limit && s->need_bytes <= limit - used ? true : tap_wire_fail_memory(s, at, p);
}

/* ---- records ---- */

unsigned tap_wire_type(const tap_wire_field *f) {
    switch (f->type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return TAP_WIRE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return TAP_WIRE_64BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return TAP_WIRE_LENGTH;
    default: return TAP_WIRE_VARINT;
    }
}

tap_wire_cursor tap_wire_begin(tap_wire_body in) {
    return (tap_wire_cursor){in, in.n ? in.segs[0].p : NULL, 0, 0};
}

bool tap_wire_at_end(tap_wire_cursor *c) {
    while (c->seg < c->in.n && c->p == c->in.segs[c->seg].end) {
        if (++c->seg < c->in.n) c->p = c->in.segs[c->seg].p;
    }
    return c->seg == c->in.n;
}

static bool read_tag(tap_wire_scan *s, const tap_wire_place *at, tap_wire_record *r, const uint8_t *p,
                     const uint8_t *end) {
    uint64_t tag = 0;
    size_t n = tap_varint(p, end, &tag);
    r->at = p;
    r->data = p + n;
    r->number = (uint32_t)(tag >> 3);
    r->wire = (unsigned)(tag & 7);
    if (!n) return tap_wire_fail(s, at, p, "a field is cut off");
    if (tag > UINT32_MAX || r->number == 0)
        return tap_wire_fail(s, at, p, "field number %" PRIu64 " is not possible", tag >> 3);
    return true;
}

static bool read_length(tap_wire_scan *s, const tap_wire_place *at, tap_wire_record *r, const uint8_t *end) {
    uint64_t v;
    size_t n = tap_varint(r->data, end, &v), left = (size_t)(end - r->data) - n;
    if (!n) return tap_wire_fail(s, at, r->data, "a length is cut off, or longer than ten bytes");
    if (v > left)
        return tap_wire_fail(s, at, r->data,
                             "length %" PRIu64 " goes past the end of what contains it (%zu bytes are left)",
                             v, left);
    r->data += n;
    r->n_bytes = (size_t)v;
    return true;
}

/* Extent of the value, which begins at r->data. */
static bool read_extent(tap_wire_scan *s, const tap_wire_place *at, tap_wire_record *r, const uint8_t *end) {
    uint64_t v;
    switch (r->wire) {
    case TAP_WIRE_VARINT:
        r->n_bytes = tap_varint(r->data, end, &v);
        if (r->n_bytes) return true;
        return tap_wire_fail(s, at, r->data, "a number is cut off, or longer than ten bytes");
    case TAP_WIRE_64BIT:
    case TAP_WIRE_32BIT:
        r->n_bytes = r->wire == TAP_WIRE_64BIT ? 8 : 4;
        if (r->n_bytes <= (size_t)(end - r->data)) return true;
        return tap_wire_fail(s, at, r->data, "a number is cut off");
    case TAP_WIRE_LENGTH: return read_length(s, at, r, end);
    default: return tap_wire_fail(s, at, r->at, "wire type %u is not used by ONNX", r->wire);
    }
}

bool tap_wire_next(tap_wire_scan *s, const tap_wire_place *at, const tap_wire_kind *kind, tap_wire_cursor *c,
                   tap_wire_record *r) {
    const uint8_t *end = c->in.segs[c->seg].end;
    if (!read_tag(s, at, r, c->p, end)) return false;
    const tap_wire_field *f = protobuf_c_message_descriptor_get_field(kind, r->number);
    r->field = f ? (size_t)(f - kind->fields) : TAP_WIRE_MAX_FIELDS;
    r->ordinal = ++c->ordinal;
    if (!read_extent(s, at, r, end)) return false;
    c->p = r->data + r->n_bytes;
    return true;
}
