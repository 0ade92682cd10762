/* TensorProto -> tap_src_tensor. Numbers that lie in the file as they lie in memory are used there; only what
 * is written in another way (varints, several chunks, strings) is decoded into the model's arena. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnx/loader.h"
#include "onnx/varint.h"
#include "onnx/wire.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Weights are used where they lie in the file, which is little-endian."
#endif

enum { FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, RAW_DATA = 9, DOUBLE_DATA = 10, UINT64_DATA = 11 };

static const char nothing[TAP_ALIGN]; /* data of tensors without elements */

static const char *field_name(uint64_t field) {
    return protobuf_c_message_descriptor_get_field(&tap_onnx__tensor_proto__descriptor, (unsigned)field)
        ->name;
}

/* The *_data list that the standard assigns to a dtype; 0 for strings. */
static uint64_t field_of(tap_dtype dtype) {
    switch (dtype) {
    case TAP_FLOAT:
    case TAP_COMPLEX64: return FLOAT_DATA;
    case TAP_DOUBLE:
    case TAP_COMPLEX128: return DOUBLE_DATA;
    case TAP_INT64: return INT64_DATA;
    case TAP_UINT32:
    case TAP_UINT64: return UINT64_DATA;
    case TAP_STRING: return 0;
    default: return INT32_DATA;
    }
}

/* "float32[2,3]" in a buffer of the caller. */
static const char *type_text(const tap_src_tensor *t, char *buffer, size_t room) {
    tap_text text = {buffer, room, 0};
    buffer[0] = '\0';
    tap_text_add(&text, "%s", tap_dtype_name(t->dtype));
    tap_text_dims(&text, t->rank, t->dims);
    return buffer;
}

/* ---- shape ---- */

static bool load_shape(tap_loader *l, const TapOnnx__TensorProto *p, tap_src_tensor *t) {
    tap_tensor shape;
    char text[256];
    if (!tap_load_dtype(l, p->data_type, &t->dtype)) return false;
    if (p->n_dims > TAP_RANK_MAX)
        return tap_load_fail(l, TAP_UNSUPPORTED, "it has %zu dimensions; %d are supported", p->n_dims,
                             TAP_RANK_MAX);
    t->rank = (int32_t)p->n_dims;
    for (size_t i = 0; i < p->n_dims; i++) t->dims[i] = p->dims[i];
    if (!tap_tensor_shape(&shape, t->dtype, t->rank, t->dims))
        return tap_load_fail(l, TAP_MODEL, "%s: a dimension is negative, or their product is too large",
                             type_text(t, text, sizeof text));
    t->count = shape.count;
    return true;
}

/* ---- where the numbers are ---- */

typedef struct payload {
    const ProtobufCBinaryData *raw; /* of spans */
    size_t first, end;              /* spans that count */
    uint64_t field;                 /* 0: there are none */
    uint64_t n_bytes;
} payload;

/* Finds the one field that holds the numbers. An empty raw_data beside another field holds none. */
static bool find_payload(tap_loader *l, const TapOnnx__TensorProto *p, payload *out) {
    *out = (payload){.raw = &p->raw_data};
    size_t n = p->has_raw_data ? tap_wire_span_count(&p->raw_data) : 0;
    for (size_t i = 0; i < n; i++) {
        tap_wire_span s = tap_wire_span_at(&p->raw_data, i);
        if (s.field == RAW_DATA && s.n_bytes == 0 && n > 1) continue;
        if (out->field && out->field != s.field)
            return tap_load_fail(l, TAP_MODEL, "its values are given twice, in %s and in %s",
                                 field_name(out->field), field_name(s.field));
        out->field = s.field;
        out->n_bytes += s.n_bytes;
        if (out->end == 0) out->first = i;
        out->end = i + 1;
    }
    return true;
}

/* Walks over the spans that count; an empty raw_data may lie between them. */
static bool next_span(const payload *p, size_t *i, tap_wire_span *s) {
    while (*i < p->end) {
        *s = tap_wire_span_at(p->raw, (*i)++);
        if (s->field == p->field) return true;
    }
    return false;
}

static bool wrong_size(tap_loader *l, const tap_src_tensor *t, const char *field, uint64_t has,
                       uint64_t wants, const char *unit) {
    char text[256];
    return tap_load_fail(l, TAP_MODEL, "%s takes %" PRIu64 " %s, but %s has %" PRIu64,
                         type_text(t, text, sizeof text), wants, unit, field, has);
}

/* ---- numbers as they lie in memory ---- */

static bool load_in_place(tap_loader *l, const payload *p, tap_src_tensor *t) {
    size_t i = p->first;
    tap_wire_span s;
    next_span(p, &i, &s);
    t->data = l->bytes + s.offset;
    t->encoding = TAP_LITTLE_ENDIAN;
    return true;
}

static bool load_chunks(tap_loader *l, const payload *p, tap_src_tensor *t) {
    uint8_t *y = tap_load_make(l, t->n_bytes, 1);
    tap_wire_span s;
    if (!y) return false;
    t->data = y;
    for (size_t i = p->first; next_span(p, &i, &s); y += s.n_bytes) memcpy(y, l->bytes + s.offset, s.n_bytes);
    return true;
}

/* ---- numbers as varints ---- */

static uint64_t count_varints(tap_loader *l, const payload *p) {
    uint64_t n = 0;
    tap_wire_span s;
    for (size_t i = p->first; next_span(p, &i, &s);)
        for (uint64_t k = 0; k < s.n_bytes; k++) n += l->bytes[s.offset + k] < 0x80;
    return n;
}

/* Stores v as element i of `bits` wide elements. Values of the type's width are taken, signed or unsigned:
 * writers differ in how they widen the bits of a uint8 or a float16 to int32. */
static bool store_number(void *y, size_t i, int bits, int64_t v) {
    if (bits < 64 && (v < -(INT64_C(1) << (bits - 1)) || v >> bits > 0)) return false;
    switch (bits) {
    case 8: ((uint8_t *)y)[i] = (uint8_t)v; break;
    case 16: ((uint16_t *)y)[i] = (uint16_t)v; break;
    case 32: ((uint32_t *)y)[i] = (uint32_t)v; break;
    default: ((uint64_t *)y)[i] = (uint64_t)v; break;
    }
    return true;
}

/* The number that a varint of this field stands for; of uint64_data, the same bits. */
static int64_t field_value(uint64_t field, tap_dtype dtype, uint64_t v) {
    if (dtype == TAP_BOOL) return (uint32_t)v != 0;
    return field == INT32_DATA ? (int32_t)(uint32_t)v : (int64_t)v;
}

/* y has room for that many elements. */
static bool decode_varints(tap_loader *l, const payload *p, const tap_src_tensor *t, int bits, size_t room,
                           void *y) {
    size_t n = 0;
    tap_wire_span s;
    for (size_t i = p->first; next_span(p, &i, &s);) {
        const uint8_t *at = l->bytes + s.offset, *end = at + s.n_bytes;
        for (uint64_t v = 0; at < end && n < room; n++) {
            at += tap_varint(at, end, &v); /* whole: the scan saw to that */
            int64_t number = field_value(p->field, t->dtype, v);
            if (!store_number(y, n, bits, number))
                return tap_load_fail(l, TAP_MODEL, "element %zu of %s is %" PRId64 ", which is no %s", n,
                                     field_name(p->field), number, tap_dtype_name(t->dtype));
        }
    }
    return true;
}

/* Elements of 6 bits come one in each number; they are packed here, so that there is one form in memory. */
static bool pack_sixes(tap_loader *l, const uint8_t *x, const payload *p, tap_src_tensor *t) {
    for (int64_t i = 0; i < t->count; i++)
        if (x[i] > 0x3F)
            return tap_load_fail(l, TAP_MODEL, "element %" PRId64 " of %s is %d, which is no %s", i,
                                 field_name(p->field), x[i], tap_dtype_name(t->dtype));
    void *y = tap_load_make(l, t->n_bytes, 1);
    if (!y) return false;
    tap_pack_bits(t->dtype, t->count, x, y);
    t->data = y;
    return true;
}

/* Types of 2 and 4 bits come as their packed bytes, one in each number. */
static bool load_varints(tap_loader *l, const payload *p, tap_src_tensor *t) {
    const int bits = tap_dtype_bits(t->dtype), each = bits > 8 ? bits : 8;
    const uint64_t wants = bits == 2 || bits == 4 ? t->n_bytes : (uint64_t)t->count,
                   has = count_varints(l, p);
    if (has != wants) return wrong_size(l, t, field_name(p->field), has, wants, "numbers");
    void *y = tap_load_make(l, (size_t)wants, (size_t)each / 8);
    if (!y || !decode_varints(l, p, t, each, (size_t)wants, y)) return false;
    t->data = y;
    if (bits < 8) t->encoding = TAP_LITTLE_ENDIAN;
    return bits == 6 ? pack_sixes(l, y, p, t) : true;
}

/* ---- strings ---- */

static bool load_strings(tap_loader *l, const TapOnnx__TensorProto *p, tap_src_tensor *t) {
    size_t all = 0;
    if (p->n_string_data != (uint64_t)t->count)
        return wrong_size(l, t, "string_data", p->n_string_data, (uint64_t)t->count, "strings");
    for (size_t i = 0; i < p->n_string_data; i++) all += p->string_data[i].len;
    tap_string *y = tap_load_make(l, p->n_string_data, sizeof *y);
    char *text = y ? tap_load_make(l, all + 1, 1) : NULL;
    if (!text) return false;
    for (size_t i = 0; i < p->n_string_data; i++) {
        y[i] = (tap_string){text, p->string_data[i].len};
        if (y[i].n) memcpy(text, p->string_data[i].data, y[i].n);
        text += y[i].n;
    }
    t->data = y;
    t->n_bytes = p->n_string_data * sizeof *y;
    return true;
}

/* ---- the whole ---- */

/* A bool is 0 or 1 in memory; other bytes are made 1 in a copy. */
static bool clean_bools(tap_loader *l, tap_src_tensor *t) {
    const uint8_t *x = t->data;
    size_t i = 0, n = (size_t)t->count;
    while (i < n && x[i] <= 1) i++;
    if (i == n) return true;
    uint8_t *y = tap_load_make(l, n, 1);
    if (!y) return false;
    for (i = 0; i < n; i++) y[i] = x[i] != 0;
    t->data = y;
    return true;
}

static bool check_field(tap_loader *l, const payload *p, const tap_src_tensor *t) {
    uint64_t own = field_of(t->dtype);
    if (!own)
        return tap_load_fail(l, TAP_MODEL, "strings belong in string_data, but %s has values",
                             field_name(p->field));
    if (p->field == RAW_DATA || p->field == own) return true;
    return tap_load_fail(l, TAP_MODEL, "%s values belong in raw_data or %s, but %s has some",
                         tap_dtype_name(t->dtype), field_name(own), field_name(p->field));
}

static bool load_numbers(tap_loader *l, const payload *p, tap_src_tensor *t) {
    if (!p->field && t->count == 0) return true;
    if (!p->field) return wrong_size(l, t, "the tensor", 0, t->n_bytes, "bytes of values");
    if (!check_field(l, p, t)) return false;
    if (p->field != RAW_DATA && p->field != FLOAT_DATA && p->field != DOUBLE_DATA)
        return load_varints(l, p, t);
    if (p->n_bytes != t->n_bytes)
        return wrong_size(l, t, field_name(p->field), p->n_bytes, t->n_bytes, "bytes");
    if (t->count == 0) return true;
    return p->end == p->first + 1 ? load_in_place(l, p, t) : load_chunks(l, p, t);
}

static bool load_values(tap_loader *l, const TapOnnx__TensorProto *p, tap_src_tensor *t) {
    payload numbers;
    if (!find_payload(l, p, &numbers)) return false;
    bool given = numbers.field || p->n_string_data;
    if (p->data_location == TAP_ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        if (given)
            return tap_load_fail(l, TAP_MODEL, "its values are given twice, here and in an external file");
        return tap_load_external(l, p, t->n_bytes, t);
    }
    if (t->dtype == TAP_STRING && !numbers.field) return load_strings(l, p, t);
    if (p->n_string_data)
        return tap_load_fail(l, TAP_MODEL, "string_data has values, but the tensor is of %s",
                             tap_dtype_name(t->dtype));
    return load_numbers(l, &numbers, t);
}

bool tap_load_tensor(tap_loader *l, const TapOnnx__TensorProto *p, tap_src_tensor *t) {
    *t = (tap_src_tensor){.data = nothing, .encoding = TAP_STORED};
    if (!(t->name = tap_load_string(l, p->name))) return false;
    if (p->segment)
        return tap_load_fail(l, TAP_UNSUPPORTED, "it is a segment of a larger tensor; write it in one piece");
    if (!load_shape(l, p, t)) return false;
    if (t->dtype != TAP_STRING) tap_packed_bytes(t->dtype, t->count, &t->n_bytes);
    if (!load_values(l, p, t)) return false;
    return t->dtype != TAP_BOOL || t->encoding == TAP_STORED || clean_bools(l, t);
}

void tap_src_store(const tap_src_tensor *t, void *out) {
    if (t->count == 0) return;
    if (t->encoding == TAP_LITTLE_ENDIAN && tap_dtype_bits(t->dtype) < 8)
        tap_unpack_bits(t->dtype, t->count, t->data, out);
    else
        memcpy(out, t->data, (size_t)t->count * tap_dtype_bytes(t->dtype));
}
