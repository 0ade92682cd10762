/* Bounded scan of protobuf bytes into a canonical copy without weights. Driven by the descriptors that
 * protoc-c makes, so that there is no second table of fields.
 *
 * Each message is gone over twice. The first pass (`count_fields`) looks at its own records only, checks that
 * they are well formed, and counts. The second (`write_fields`) knows from the counts which records matter,
 * and writes them. A message that comes in pieces is a body of several segments, and is treated like any
 * other. */
#include "onnx/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "core/error.h"
#include "onnx.pb-c.h"
#include "onnx/varint.h"
#include "onnx/wire_record.h"

typedef tap_wire_scan scan;
typedef tap_wire_place place;
typedef tap_wire_body body;
typedef tap_wire_record record;
typedef tap_wire_cursor cursor;

/* What protobuf-c allocates beside the message itself. */
enum {
    FREE_RECORDS = 16, /* records of a message for which it has room on its stack ... */
    RECORD_BYTES = 96, /* ... and what each costs where there are more */
    BLOCK_BYTES = 16,  /* by which a block may be larger than what was asked for */
};

/* What the first pass found, by index of field. */
typedef struct tally {
    size_t n[TAP_WIRE_MAX_FIELDS];    /* occurrences */
    size_t last[TAP_WIRE_MAX_FIELDS]; /* ordinal of the last one */
    size_t n_records;                 /* of known fields */
} tally;

/* ---- first pass ---- */

static bool check_wire_type(scan *s, const place *up, const tap_wire_field *f, const record *r,
                            size_t index) {
    unsigned wire = tap_wire_type(f);
    if (r->wire == wire) return true;
    if (r->wire == TAP_WIRE_LENGTH && tap_wire_is_repeated(f) && tap_wire_is_number(f)) return true;
    place at = tap_wire_in(up, f, (int64_t)index);
    return tap_wire_fail(s, &at, r->at, "wire type %u does not fit this field, which has wire type %u",
                         r->wire, wire);
}

static bool count_fields(scan *s, const place *at, const tap_wire_kind *kind, body in, tally *t) {
    record r;
    for (cursor c = tap_wire_begin(in); !tap_wire_at_end(&c);) {
        if (!tap_wire_next(s, at, kind, &c, &r)) return false;
        if (r.field == TAP_WIRE_MAX_FIELDS) continue;
        if (!check_wire_type(s, at, &kind->fields[r.field], &r, t->n[r.field])) return false;
        t->n[r.field]++;
        t->n_records++;
        t->last[r.field] = r.ordinal;
    }
    return true;
}

/* Bytes that one element of a repeated field takes after unpacking. */
static size_t unpacked_bytes(const tap_wire_field *f) {
    switch (f->type) {
    case PROTOBUF_C_TYPE_MESSAGE: return sizeof(ProtobufCMessage *);
    case PROTOBUF_C_TYPE_STRING: return sizeof(char *);
    case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return 8;
    default: return 4;
    }
}

/* The message itself and the lists in it; elements of lists of numbers are booked when they are counted. */
static bool charge_message(scan *s, const place *at, const uint8_t *p, const tap_wire_kind *kind,
                           const tally *t) {
    uint64_t n = BLOCK_BYTES + (uint64_t)kind->sizeof_message;
    for (size_t i = 0; i < kind->n_fields; i++) {
        const tap_wire_field *f = &kind->fields[i];
        if (!tap_wire_is_repeated(f) || !t->n[i]) continue;
        n += BLOCK_BYTES;
        if (!tap_wire_is_number(f)) n += (uint64_t)t->n[i] * unpacked_bytes(f);
    }
    if (t->n_records > FREE_RECORDS) n += (uint64_t)t->n_records * RECORD_BYTES;
    return tap_wire_charge(s, at, p, n);
}

/* ---- second pass: text ---- */

/* Length of the UTF-8 sequence at p, 0 where it is none (overlong, a surrogate, above U+10FFFF) or a NUL. */
static size_t utf8_length(const uint8_t *p, size_t left) {
    static const struct {
        uint8_t mask, lead;
        uint32_t from;
    } forms[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    if (*p < 0x80) return *p != 0;
    for (size_t i = 0, n = 2; i < TAP_COUNT_OF(forms); i++, n++) {
        if ((*p & forms[i].mask) != forms[i].lead || left < n) continue;
        uint32_t v = *p & (0xffu ^ forms[i].mask);
        for (size_t k = 1; k < n; k++) {
            if ((p[k] & 0xc0) != 0x80) return 0;
            v = v << 6 | (p[k] & 0x3fu);
        }
        return v < forms[i].from || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : n;
    }
    return 0;
}

/* Bytes of valid text at the beginning of p[n]. */
static size_t text_length(const uint8_t *p, size_t n) {
    size_t i = 0, step;
    while (i < n && (step = utf8_length(p + i, n - i)) > 0) i += step;
    return i;
}

/* Documentation is for people and names nothing, so a broken byte in it is no reason to refuse a model. */
static bool is_prose(const tap_wire_field *f) {
    return strcmp(f->name, "doc_string") == 0;
}

static bool put_prose(tap_wire_copy *out, const uint8_t *p, size_t n) {
    while (n > 0) {
        size_t good = text_length(p, n), bad = good < n;
        if (!tap_wire_put(out, p, good) || !tap_wire_put(out, "?", bad)) return false;
        p += good + bad;
        n -= good + bad;
    }
    return true;
}

static bool check_text(scan *s, const place *at, const record *r) {
    size_t good = text_length(r->data, r->n_bytes);
    if (good == r->n_bytes || is_prose(at->field)) return true;
    uint8_t bad = r->data[good];
    return tap_wire_fail(s, at, r->data + good,
                         bad ? "byte 0x%02x is not UTF-8" : "a NUL byte (0x%02x) inside a name", bad);
}

/* ---- second pass: values ---- */

static bool write_bytes(scan *s, const place *at, const record *r) {
    const tap_wire_field *f = at->field;
    bool prose = f->type == PROTOBUF_C_TYPE_STRING && is_prose(f);
    if (!tap_wire_charge(s, at, r->at, BLOCK_BYTES + (uint64_t)r->n_bytes + 1)) return false;
    bool fine =
        tap_wire_put_tag(&s->out, f->id, TAP_WIRE_LENGTH) && tap_wire_put_varint(&s->out, r->n_bytes) &&
        (prose ? put_prose(&s->out, r->data, r->n_bytes) : tap_wire_put(&s->out, r->data, r->n_bytes));
    return fine ? true : tap_wire_fail_memory(s, at, r->at);
}

static bool write_number(scan *s, const place *at, const record *r) {
    bool fine =
        tap_wire_put_tag(&s->out, at->field->id, r->wire) && tap_wire_put(&s->out, r->data, r->n_bytes);
    return fine ? true : tap_wire_fail_memory(s, at, r->at);
}

/* Counts the varints of a packed record. */
static bool check_varints(scan *s, const place *at, const record *r, size_t *n) {
    uint64_t v;
    *n = 0;
    for (size_t i = 0, step; i < r->n_bytes; i += step, ++*n) {
        step = tap_varint(r->data + i, r->data + r->n_bytes, &v);
        if (!step) return tap_wire_fail(s, at, r->data + i, "a number is cut off, or longer than ten bytes");
    }
    return true;
}

/* Numbers in a record of a repeated field, packed or not. *n = how many. */
static bool check_numbers(scan *s, const place *up, const tap_wire_field *f, const record *r, size_t *n) {
    unsigned wire = tap_wire_type(f);
    size_t width = wire == TAP_WIRE_64BIT ? 8 : 4;
    place at = tap_wire_in(up, f, TAP_WIRE_NO_INDEX);
    *n = 1;
    if (r->wire != TAP_WIRE_LENGTH) return true;
    if (wire == TAP_WIRE_VARINT) return check_varints(s, &at, r, n);
    *n = r->n_bytes / width;
    if (r->n_bytes % width == 0) return true;
    return tap_wire_fail(s, &at, r->at, "%zu bytes are not a whole number of elements of %zu", r->n_bytes,
                         width);
}

/* ---- second pass: payloads of tensors ---- */

enum { RAW_DATA = 9, SPAN_BYTES = sizeof(tap_wire_span) };

static bool is_payload(const tap_wire_kind *kind, uint32_t number) {
    if (kind != &tap_onnx__tensor_proto__descriptor) return false;
    return number == 4 || number == 5 || number == 7 || number == RAW_DATA || number == 10 || number == 11;
}

static bool has_payload(const tap_wire_kind *kind, const tally *t) {
    if (kind != &tap_onnx__tensor_proto__descriptor) return false;
    for (size_t i = 0; i < kind->n_fields; i++)
        if (t->n[i] && is_payload(kind, kind->fields[i].id)) return true;
    return false;
}

static bool write_span(scan *s, const place *at, const tap_wire_field *f, const record *r, const tally *t) {
    size_t n;
    if (f->id == RAW_DATA ? r->ordinal != t->last[r->field] : r->n_bytes == 0) return true;
    if (f->id != RAW_DATA && !check_numbers(s, at, f, r, &n)) return false;
    tap_wire_span span = {(uint64_t)(r->data - s->base), r->n_bytes, f->id};
    return tap_wire_put(&s->out, &span, SPAN_BYTES) ? true : tap_wire_fail_memory(s, at, r->at);
}

/* Replaces all payloads of the tensor by one raw_data of spans. */
static bool write_spans(scan *s, const place *at, const tap_wire_kind *kind, body in, const tally *t) {
    record r;
    size_t open;
    cursor c = tap_wire_begin(in);
    const uint8_t *p = tap_wire_first(s, in);
    if (!has_payload(kind, t)) return true;
    if (!tap_wire_open(&s->out, RAW_DATA, &open)) return tap_wire_fail_memory(s, at, p);
    size_t from = s->out.n;
    while (!tap_wire_at_end(&c)) {
        if (!tap_wire_next(s, at, kind, &c, &r)) return false;
        if (r.field == TAP_WIRE_MAX_FIELDS || !is_payload(kind, r.number)) continue;
        if (!write_span(s, at, &kind->fields[r.field], &r, t)) return false;
    }
    if (!tap_wire_charge(s, at, p, BLOCK_BYTES + (uint64_t)(s->out.n - from))) return false;
    tap_wire_close(&s->out, open);
    return true;
}

size_t tap_wire_span_count(const ProtobufCBinaryData *raw) {
    return raw->len / SPAN_BYTES;
}

tap_wire_span tap_wire_span_at(const ProtobufCBinaryData *raw, size_t i) {
    tap_wire_span span;
    memcpy(&span, raw->data + i * SPAN_BYTES, SPAN_BYTES);
    return span;
}

/* ---- second pass: messages ---- */

static bool write_message(scan *s, const place *at, const tap_wire_kind *kind, body in);

/* Whether a later member of the same oneof makes this record void. */
static bool is_superseded(const tap_wire_kind *kind, const tally *t, const record *r) {
    const tap_wire_field *f = &kind->fields[r->field];
    if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)) return false;
    for (size_t i = 0; i < kind->n_fields; i++) {
        const tap_wire_field *g = &kind->fields[i];
        bool sibling =
            (g->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && g->quantifier_offset == f->quantifier_offset;
        if (sibling && g != f && t->last[i] > r->ordinal) return true;
    }
    return false;
}

static bool write_nested(scan *s, const place *at, body in) {
    size_t open;
    const uint8_t *p = tap_wire_first(s, in);
    if (at->depth > TAP_WIRE_DEPTH)
        return tap_wire_fail(s, at, p, "messages are nested deeper than %d levels", TAP_WIRE_DEPTH);
    if (!tap_wire_open(&s->out, at->field->id, &open)) return tap_wire_fail_memory(s, at, p);
    if (!write_message(s, at, at->field->descriptor, in)) return false;
    tap_wire_close(&s->out, open);
    return true;
}

/* A void message is checked like any other and leaves nothing behind. */
static bool check_only(scan *s, const place *at, body in) {
    size_t n = s->out.n;
    uint64_t need = s->need_bytes;
    if (!write_nested(s, at, in)) return false;
    s->out.n = n;
    s->need_bytes = need;
    return true;
}

/* Writes a singular message whose pieces lie in several records of `in`. */
static bool write_merged(scan *s, const place *up, const tap_wire_kind *kind, body in, const tally *t,
                         size_t field) {
    place at = tap_wire_in(up, &kind->fields[field], TAP_WIRE_NO_INDEX);
    tap_wire_segment *segs = tap_mem_alloc(s->budget, t->n[field] * sizeof *segs);
    if (!segs) return tap_wire_fail_memory(s, &at, tap_wire_first(s, in));
    size_t n = 0;
    record r;
    for (cursor c = tap_wire_begin(in); !tap_wire_at_end(&c) && tap_wire_next(s, up, kind, &c, &r);) {
        if (r.field == field && !is_superseded(kind, t, &r))
            segs[n++] = (tap_wire_segment){r.data, r.data + r.n_bytes};
    }
    bool fine = write_nested(s, &at, (body){segs, n});
    tap_mem_free(s->budget, segs);
    return fine;
}

/* at->field is the record's. Of what a singular field is given several times, the last one counts. */
static bool write_singular(scan *s, const place *at, const tap_wire_kind *kind, body in, const tally *t,
                           const record *r) {
    tap_wire_segment seg = {r->data, r->data + r->n_bytes};
    bool message = tap_wire_is_message(at->field), superseded = is_superseded(kind, t, r);
    if (message && superseded) return check_only(s, at, (body){&seg, 1});
    if (superseded || r->ordinal != t->last[r->field]) return true;
    if (message && t->n[r->field] > 1) return write_merged(s, at->up, kind, in, t, r->field);
    if (message) return write_nested(s, at, (body){&seg, 1});
    return tap_wire_is_number(at->field) ? write_number(s, at, r) : write_bytes(s, at, r);
}

/* A run of numbers, packed or not, on its way into one packed record. */
typedef struct run {
    const tap_wire_field *field; /* NULL where none is open */
    size_t open;
} run;

static void end_run(scan *s, run *u) {
    if (u->field) tap_wire_close(&s->out, u->open);
    u->field = NULL;
}

static bool write_numbers(scan *s, const place *at, const record *r, run *u) {
    size_t n;
    const tap_wire_field *f = at->field;
    if (!check_numbers(s, at->up, f, r, &n)) return false;
    if (!tap_wire_charge(s, at, r->at, (uint64_t)n * unpacked_bytes(f))) return false;
    if (u->field != f) {
        end_run(s, u);
        if (!tap_wire_open(&s->out, f->id, &u->open)) return tap_wire_fail_memory(s, at, r->at);
        u->field = f;
    }
    return tap_wire_put(&s->out, r->data, r->n_bytes) ? true : tap_wire_fail_memory(s, at, r->at);
}

/* at->field is the record's. */
static bool write_record(scan *s, const place *at, const tap_wire_kind *kind, body in, const tally *t,
                         const record *r, run *u) {
    const tap_wire_field *f = at->field;
    tap_wire_segment seg = {r->data, r->data + r->n_bytes};
    if (f->type == PROTOBUF_C_TYPE_STRING && !check_text(s, at, r)) return false;
    if (tap_wire_is_repeated(f) && tap_wire_is_number(f)) return write_numbers(s, at, r, u);
    end_run(s, u);
    if (!tap_wire_is_repeated(f)) return write_singular(s, at, kind, in, t, r);
    return tap_wire_is_message(f) ? write_nested(s, at, (body){&seg, 1}) : write_bytes(s, at, r);
}

static bool write_fields(scan *s, const place *at, const tap_wire_kind *kind, body in, const tally *t) {
    int64_t seen[TAP_WIRE_MAX_FIELDS] = {0};
    record r;
    run u = {NULL, 0};
    for (cursor c = tap_wire_begin(in); !tap_wire_at_end(&c);) {
        if (!tap_wire_next(s, at, kind, &c, &r)) return false;
        if (r.field == TAP_WIRE_MAX_FIELDS || is_payload(kind, r.number)) continue;
        place here = tap_wire_in(at, &kind->fields[r.field], seen[r.field]++);
        if (!write_record(s, &here, kind, in, t, &r, &u)) return false;
    }
    end_run(s, &u);
    return true;
}

static bool write_message(scan *s, const place *at, const tap_wire_kind *kind, body in) {
    tally t = {0};
    assert(kind->n_fields <= TAP_WIRE_MAX_FIELDS);
    return count_fields(s, at, kind, in, &t) && charge_message(s, at, tap_wire_first(s, in), kind, &t) &&
           write_fields(s, at, kind, in, &t) && write_spans(s, at, kind, in, &t);
}

/* ---- the whole ---- */

tap_status tap_wire_strip(const ProtobufCMessageDescriptor *kind, const void *bytes, size_t n_bytes,
                          tap_budget *budget, uint8_t **copy, size_t *n_copy, tap_error *err) {
    scan s = {.base = bytes, .out.budget = budget, .budget = budget, .err = err};
    place root = {NULL, NULL, TAP_WIRE_NO_INDEX, 0};
    tap_wire_segment seg = {s.base, s.base + n_bytes};
    bool fine = write_message(&s, &root, kind, (body){&seg, n_bytes > 0});
    if (!fine) tap_mem_free(budget, s.out.bytes);
    *copy = fine ? s.out.bytes : NULL;
    *n_copy = fine ? s.out.n : 0;
    return fine ? TAP_OK : s.status;
}

/* protobuf-c's memory: an arena, so that freeing is done once, at the end. */
static void *take(void *arena, size_t n_bytes) {
    return tap_arena_alloc(arena, n_bytes);
}

static void leave(void *arena, void *block) {
    (void)arena, (void)block;
}

tap_status tap_wire_unpack(const ProtobufCMessageDescriptor *kind, const void *bytes, size_t n_bytes,
                           tap_budget *budget, tap_wire_message *out, tap_error *err) {
    uint8_t *copy;
    size_t n_copy;
    ProtobufCAllocator memory = {take, leave, &out->arena};
    tap_arena_init(&out->arena, budget);
    out->root = NULL;
    tap_status st = tap_wire_strip(kind, bytes, n_bytes, budget, &copy, &n_copy, err);
    if (st) return st;
    out->root = protobuf_c_message_unpack(kind, &memory, n_copy, copy);
    tap_mem_free(budget, copy);
    if (out->root) return TAP_OK;
    tap_arena_clear(&out->arena);
    /* The scan lets nothing through that protobuf-c refuses, so that only memory is left as a reason. */
    return tap_error_set(err, TAP_MEMORY,
                         "unpacking the %s takes more than the memory limit (%" PRIu64 " bytes) leaves",
                         kind->short_name, budget->limit);
}

void tap_wire_free(tap_wire_message *m) {
    m->root = NULL;
    tap_arena_clear(&m->arena);
}
