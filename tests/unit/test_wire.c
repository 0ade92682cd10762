/* onnx/wire: what it refuses, and that what it lets through means what protobuf says. */
#include "onnx/wire.h"

#include "onnx.pb-c.h"
#include "pb.h"
#include "test.h"

#define MODEL  (&tap_onnx__model_proto__descriptor)
#define TENSOR (&tap_onnx__tensor_proto__descriptor)

static tap_budget plenty;

/* ---- helpers ---- */

typedef struct read {
    tap_wire_message m;
    tap_error err;
    tap_status st;
} read;

static void unpack(read *r, const ProtobufCMessageDescriptor *kind, const pb *p) {
    r->err = (tap_error)TAP_ERROR_INIT;
    r->st = tap_wire_unpack(kind, p->b, p->n, &plenty, &r->m, &r->err);
}

/* Unpacks, frees p, and returns the root. */
static void *read_as(read *r, const ProtobufCMessageDescriptor *kind, pb *p) {
    unpack(r, kind, p);
    free(p);
    CHECK_STR(r->err.text, "");
    CHECK_EQ(r->st, TAP_OK);
    return r->m.root;
}

/* Expects p to be refused as `kind` with a message that contains `text`; frees p. */
static void refused(const ProtobufCMessageDescriptor *kind, pb *p, const char *text) {
    read r;
    unpack(&r, kind, p);
    CHECK_EQ(r.st, TAP_MODEL);
    CHECK_HAS(r.err.text, text);
    tap_wire_free(&r.m);
    free(p);
}

static bool protobuf_c_takes(const uint8_t *bytes, size_t n) {
    ProtobufCMessage *m = protobuf_c_message_unpack(MODEL, NULL, n, bytes);
    if (!m) return false;
    protobuf_c_message_free_unpacked(m, NULL);
    return true;
}

static pb *string_pair(const char *key, const char *value) {
    pb *p = pb_new();
    pb_str(p, 1, key);
    pb_str(p, 2, value);
    return p;
}

static pb *dims(const int64_t *d, size_t n) {
    pb *p = pb_new();
    for (size_t i = 0; i < n; i++) pb_int(p, 1, d[i]);
    return p;
}

static pb *tensor(const char *name, const void *raw, size_t n) {
    pb *p = dims((int64_t[]){2, 3}, 2);
    pb_int(p, 2, 1);
    pb_str(p, 8, name);
    pb_bytes(p, 9, raw, n);
    return p;
}

static pb *attribute(const char *name) {
    pb *p = pb_new();
    pb_str(p, 1, name);
    for (int i = 0; i < 5; i++) pb_int(p, 8, i * 1000 - 2000);
    for (int i = 0; i < 3; i++) pb_float(p, 7, (float)i / 4);
    pb_bytes(p, 4, "any\0\xff bytes", 11);
    pb_msg(p, 5, tensor("t", "0123456789abcdefghijklmn", 24));
    pb_int(p, 20, 7);
    return p;
}

static pb *node(const char *name) {
    pb *p = pb_new();
    pb_str(p, 1, "x");
    pb_str(p, 1, "");
    pb_str(p, 2, name);
    pb_str(p, 3, name);
    pb_str(p, 4, "Conv");
    pb_msg(p, 5, attribute("strides"));
    pb_msg(p, 5, attribute("pads"));
    pb_msg(p, 9, string_pair("where", "na\xc3\xafve"));
    return p;
}

static pb *value_info(const char *name) {
    pb *dim = pb_new(), *shape = pb_new(), *t = pb_new(), *type = pb_new(), *p = pb_new();
    pb_int(dim, 1, 7);
    pb_msg(shape, 1, dim);
    dim = pb_new();
    pb_str(dim, 2, "batch");
    pb_msg(shape, 1, dim);
    pb_int(t, 1, 1);
    pb_msg(t, 2, shape);
    pb_msg(type, 1, t);
    pb_str(p, 1, name);
    pb_msg(p, 2, type);
    return p;
}

static pb *graph(void) {
    pb *p = pb_new();
    pb_msg(p, 1, node("a"));
    pb_str(p, 2, "g");
    pb_msg(p, 5, tensor("w", "ABCDEFGHIJKLMNOPQRSTUVWX", 24));
    pb_msg(p, 11, value_info("x"));
    pb_msg(p, 12, value_info("b"));
    pb_msg(p, 1, node("b"));
    return p;
}

static pb *model_of(pb *g) {
    pb *p = pb_new(), *opset = pb_new();
    pb_int(p, 1, 14);
    pb_str(p, 2, "tests");
    pb_int(opset, 2, 24);
    pb_msg(p, 8, opset);
    pb_msg(p, 7, g);
    pb_msg(p, 14, string_pair("k", "v"));
    return p;
}

static const TapOnnx__TensorProto *first_tensor(const TapOnnx__ModelProto *m) {
    return m->graph->initializer[0];
}

static bool strip(const pb *p, uint8_t **copy, size_t *n) {
    return tap_wire_strip(MODEL, p->b, p->n, &plenty, copy, n, NULL) == TAP_OK;
}

/* ---- what comes out ---- */

static void reads_a_model(void) {
    read r;
    pb *p = model_of(graph());
    size_t at = 0;
    TapOnnx__ModelProto *m;
    while (memcmp(p->b + at, "ABCDEF", 6) != 0) at++;
    m = read_as(&r, MODEL, p);
    CHECK_EQ(m->ir_version, 14);
    CHECK_EQ(m->graph->n_node, 2);
    CHECK_STR(m->graph->node[1]->name, "b");
    CHECK_STR(m->graph->node[0]->metadata_props[0]->value, "na\xc3\xafve");
    const TapOnnx__AttributeProto *a = m->graph->node[0]->attribute[1];
    CHECK_EQ(a->n_ints, 5);
    CHECK_EQ(a->ints[1], -1000);
    CHECK_EQ(a->n_floats, 3);
    CHECK(a->floats[2] == 0.5f);
    CHECK_EQ(a->s.len, 11);
    CHECK(memcmp(a->s.data, "any\0\xff bytes", 11) == 0);
    const TapOnnx__TensorProto *w = first_tensor(m);
    CHECK_EQ(w->n_dims, 2);
    CHECK_EQ(w->dims[1], 3);
    CHECK_EQ(tap_wire_span_count(&w->raw_data), 1);
    tap_wire_span s = tap_wire_span_at(&w->raw_data, 0);
    CHECK_EQ(s.offset, at);
    CHECK_EQ(s.n_bytes, 24);
    CHECK_EQ(s.field, 9);
    const TapOnnx__TypeProto *type = m->graph->input[0]->type;
    CHECK_EQ(type->value_case, TAP_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE);
    CHECK_STR(type->tensor_type->shape->dim[1]->dim_param, "batch");
    tap_wire_free(&r.m);
}

static void empty_input_is_an_empty_message(void) {
    read r;
    TapOnnx__ModelProto *m = read_as(&r, MODEL, pb_new());
    CHECK(m && !m->has_ir_version && !m->graph && m->n_functions == 0);
    tap_wire_free(&r.m);
}

static void leaves_unknown_fields_out(void) {
    pb *p = pb_new();
    pb_int(p, 1, 8);
    pb_int(p, 1000, 1);
    pb_str(p, 30, "\xff");
    pb_tag(p, 31, 5);
    pb_raw(p, "abcd", 4);
    pb_tag(p, 32, 1);
    pb_raw(p, "abcdefgh", 8);
    pb_str(p, 2, "me");
    read r;
    TapOnnx__ModelProto *m = read_as(&r, MODEL, p);
    CHECK_EQ(m->base.n_unknown_fields, 0);
    CHECK_STR(m->producer_name, "me");
    tap_wire_free(&r.m);
}

/* Without weights, protobuf-c must read the same from the file's bytes as from the canonical copy. */
static void agrees_with_protobuf_c(void) {
    pb *g = pb_new(), *a = pb_new(), *n = node("n");
    pb_str(a, 1, "a");
    for (int i = 0; i < 300; i++) pb_int(a, 8, (int64_t)1 << (i % 63));
    pb_bytes(a, 8, "\x01\x02\xff\x01", 4);
    pb_int(a, 8, -1);
    pb_int(a, 20, 7);
    free(n);
    n = pb_new();
    pb_str(n, 4, "Op");
    pb_msg(n, 5, a);
    pb_msg(g, 1, n);
    pb_msg(g, 11, value_info("x"));
    pb *p = model_of(g);
    ProtobufCMessage *direct = protobuf_c_message_unpack(MODEL, NULL, p->n, p->b);
    uint8_t *one = malloc(PB_ROOM), *two = malloc(PB_ROOM);
    read r;
    ProtobufCMessage *m = read_as(&r, MODEL, p);
    size_t n_one = protobuf_c_message_pack(direct, one), n_two = protobuf_c_message_pack(m, two);
    CHECK_EQ(n_one, n_two);
    CHECK(memcmp(one, two, n_one) == 0);
    protobuf_c_message_free_unpacked(direct, NULL);
    tap_wire_free(&r.m);
    free(one);
    free(two);
}

/* ---- what protobuf says of repetition ---- */

static void last_value_wins(void) {
    pb *p = pb_new();
    pb_int(p, 1, 3);
    pb_str(p, 2, "first");
    pb_int(p, 1, 9);
    pb_str(p, 2, "second");
    read r;
    TapOnnx__ModelProto *m = read_as(&r, MODEL, p);
    CHECK_EQ(m->ir_version, 9);
    CHECK_STR(m->producer_name, "second");
    tap_wire_free(&r.m);
}

/* End of the record at p. */
static size_t record_end(const uint8_t *p, size_t at) {
    unsigned wire = p[at] & 7;
    while (p[at++] & 0x80) {
    }
    uint64_t n = 0;
    for (int shift = 0;; shift += 7) {
        n |= (uint64_t)(p[at] & 0x7f) << shift;
        if (!(p[at++] & 0x80)) break;
    }
    return wire == 2 ? at + n : at;
}

/* A graph in two or three pieces, cut between any two fields, is the graph in one. */
static void pieces_make_one_message(void) {
    pb *whole = graph(), *p = pb_new();
    uint8_t *expected, *copy;
    size_t n_expected, n;
    pb_bytes(p, 7, whole->b, whole->n);
    CHECK(strip(p, &expected, &n_expected));
    read one, many;
    TapOnnx__ModelProto *m = read_as(&one, MODEL, p);
    uint8_t *x = malloc(PB_ROOM), *y = malloc(PB_ROOM);
    for (size_t cut = record_end(whole->b, 0); cut < whole->n; cut = record_end(whole->b, cut)) {
        p = pb_new();
        pb_bytes(p, 7, whole->b, cut);
        pb_bytes(p, 7, "", 0);
        pb_int(p, 5, 1);
        pb_bytes(p, 7, whole->b + cut, whole->n - cut);
        CHECK(strip(p, &copy, &n));
        tap_mem_free(&plenty, copy);
        TapOnnx__ModelProto *pieces = read_as(&many, MODEL, p);
        for (size_t i = 0; i < m->graph->n_initializer; i++) /* the weights lie elsewhere then */
            memcpy(pieces->graph->initializer[i]->raw_data.data, m->graph->initializer[i]->raw_data.data, 24);
        for (size_t i = 0; i < m->graph->n_node; i++)
            for (size_t k = 0; k < 2; k++)
                memcpy(pieces->graph->node[i]->attribute[k]->t->raw_data.data,
                       m->graph->node[i]->attribute[k]->t->raw_data.data, 24);
        size_t n_x = tap_onnx__graph_proto__pack(m->graph, x),
               n_y = tap_onnx__graph_proto__pack(pieces->graph, y);
        CHECK_EQ(n_x, n_y);
        CHECK(memcmp(x, y, n_x) == 0);
        tap_wire_free(&many.m);
    }
    tap_wire_free(&one.m);
    tap_mem_free(&plenty, expected);
    free(x);
    free(y);
    free(whole);
}

/* Pieces of a tensor inside pieces of an attribute: lists go on, singular fields are the last, even where
 * that is empty. */
static void pieces_of_pieces(void) {
    pb *t1 = tensor("one", "ABCDEFGH", 8), *t2 = tensor("two", "", 0), *a = pb_new(), *n = pb_new(),
       *g = pb_new();
    pb_msg(a, 5, t1);
    pb_str(a, 1, "v");
    pb_msg(a, 5, t2);
    pb_msg(n, 5, a);
    pb_msg(g, 1, n);
    read r;
    TapOnnx__ModelProto *m = read_as(&r, MODEL, model_of(g));
    TapOnnx__TensorProto *t = m->graph->node[0]->attribute[0]->t;
    CHECK_STR(t->name, "two");
    CHECK_EQ(t->n_dims, 4);
    CHECK_EQ(tap_wire_span_count(&t->raw_data), 1);
    CHECK_EQ(tap_wire_span_at(&t->raw_data, 0).n_bytes, 0);
    tap_wire_free(&r.m);
}

static pb *tensor_type(int elem, int64_t dim) {
    pb *p = pb_new(), *d = pb_new(), *shape = pb_new();
    if (elem) pb_int(p, 1, elem);
    pb_int(d, 1, dim);
    pb_msg(shape, 1, d);
    if (dim)
        pb_msg(p, 2, shape);
    else
        free(shape);
    return p;
}

static pb *sequence_type(int elem) {
    pb *p = pb_new(), *type = pb_new();
    pb_msg(type, 1, tensor_type(elem, 0));
    pb_msg(p, 1, type);
    return p;
}

static void oneof_keeps_its_last_member(void) {
    pb *type = pb_new();
    pb_msg(type, 1, tensor_type(1, 5));
    pb_msg(type, 4, sequence_type(7));
    pb_msg(type, 1, tensor_type(9, 0));
    pb_msg(type, 1, tensor_type(0, 6));
    read r;
    TapOnnx__TypeProto *t = read_as(&r, &tap_onnx__type_proto__descriptor, type);
    CHECK_EQ(t->value_case, TAP_ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE);
    CHECK_EQ(t->tensor_type->elem_type, 9);
    CHECK_EQ(t->tensor_type->shape->n_dim, 1);
    CHECK_EQ(t->tensor_type->shape->dim[0]->dim_value, 6);
    tap_wire_free(&r.m);
}

static void oneof_of_scalars(void) {
    pb *d = pb_new(), *shape = pb_new();
    pb_str(d, 2, "n");
    pb_int(d, 1, 4);
    pb_msg(shape, 1, d);
    d = pb_new();
    pb_int(d, 1, 4);
    pb_str(d, 2, "n");
    pb_msg(shape, 1, d);
    read r;
    TapOnnx__TensorShapeProto *s = read_as(&r, &tap_onnx__tensor_shape_proto__descriptor, shape);
    CHECK_EQ(s->dim[0]->value_case, TAP_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE);
    CHECK_EQ(s->dim[0]->dim_value, 4);
    CHECK_EQ(s->dim[1]->value_case, TAP_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM);
    CHECK_STR(s->dim[1]->dim_param, "n");
    tap_wire_free(&r.m);
}

static void void_members_are_checked_too(void) {
    pb *type = pb_new(), *bad = pb_new();
    pb_tag(bad, 1, 5);
    pb_raw(bad, "abcd", 4);
    pb_msg(type, 1, bad);
    pb_msg(type, 4, sequence_type(7));
    refused(&tap_onnx__type_proto__descriptor, type, "tensor_type.elem_type: wire type 5");
}

/* ---- payloads ---- */

static void payloads_in_chunks(void) {
    float v[3] = {1, 2, 3};
    pb *p = pb_new();
    pb_bytes(p, 4, v, 8);
    pb_str(p, 8, "w");
    pb_bytes(p, 4, v, 0);
    pb_float(p, 4, 3);
    pb_bytes(p, 4, v, 12);
    read r;
    TapOnnx__TensorProto *t = read_as(&r, TENSOR, p);
    CHECK_EQ(t->n_float_data, 0);
    CHECK_EQ(tap_wire_span_count(&t->raw_data), 3);
    CHECK_EQ(tap_wire_span_at(&t->raw_data, 0).n_bytes, 8);
    CHECK_EQ(tap_wire_span_at(&t->raw_data, 1).n_bytes, 4);
    CHECK_EQ(tap_wire_span_at(&t->raw_data, 2).n_bytes, 12);
    CHECK_EQ(tap_wire_span_at(&t->raw_data, 2).field, 4);
    tap_wire_free(&r.m);
}

static void payloads_of_all_fields(void) {
    static const uint32_t fields[] = {4, 5, 7, 9, 10, 11};
    pb *p = pb_new();
    for (size_t i = 0; i < 6; i++) pb_bytes(p, fields[i], "\1\1\1\1\1\1\1\1", 8);
    read r;
    TapOnnx__TensorProto *t = read_as(&r, TENSOR, p);
    CHECK_EQ(tap_wire_span_count(&t->raw_data), 6);
    for (size_t i = 0; i < 6; i++) CHECK_EQ(tap_wire_span_at(&t->raw_data, i).field, fields[i]);
    CHECK(!t->n_float_data && !t->n_int32_data && !t->n_int64_data && !t->n_double_data && !t->n_uint64_data);
    tap_wire_free(&r.m);
}

static void spans_cannot_be_forged(void) {
    tap_wire_span forged = {0, UINT64_C(1) << 40, 4};
    pb *p = pb_new(), *spans = pb_new();
    pb_raw(spans, &forged, sizeof forged);
    pb_raw(spans, &forged, sizeof forged);
    pb_msg(p, 9, spans);
    read r;
    TapOnnx__TensorProto *t = read_as(&r, TENSOR, p);
    CHECK_EQ(tap_wire_span_count(&t->raw_data), 1);
    tap_wire_span s = tap_wire_span_at(&t->raw_data, 0);
    CHECK_EQ(s.offset, 2);
    CHECK_EQ(s.n_bytes, sizeof forged * 2);
    CHECK_EQ(s.field, 9);
    tap_wire_free(&r.m);
}

static void broken_payloads(void) {
    pb *p = pb_new();
    pb_bytes(p, 4, "1234567", 7);
    refused(TENSOR, p, "byte 0, float_data: 7 bytes are not a whole number of elements of 4");
    p = pb_new();
    pb_bytes(p, 10, "123456789012", 12);
    refused(TENSOR, p, "double_data: 12 bytes are not a whole number of elements of 8");
    p = pb_new();
    pb_bytes(p, 7, "\x01\x80", 2);
    refused(TENSOR, p, "byte 3, int64_data: a number is cut off");
}

/* ---- what is refused ---- */

static void truncation_at_every_byte(void) {
    pb *p = model_of(graph());
    read r;
    for (size_t n = p->n; p->n-- > 0;) {
        unpack(&r, MODEL, p);
        CHECK(r.st == TAP_OK || r.st == TAP_MODEL);
        CHECK((r.st == TAP_OK) == protobuf_c_takes(p->b, p->n));
        CHECK(r.st == TAP_OK || strncmp(r.err.text, "byte ", 5) == 0);
        tap_wire_free(&r.m);
        if (n == 0) break;
    }
    free(p);
    CHECK_EQ(atomic_load(&plenty.used), 0);
}

/* Whatever a flipped byte makes, what is let through is something that protobuf-c takes. */
static void flips_of_every_byte(void) {
    static const uint8_t flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 255};
    pb *p = model_of(graph());
    read r;
    for (size_t i = 0; i < p->n; i++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            p->b[i] ^= flips[k];
            unpack(&r, MODEL, p);
            CHECK(r.st == TAP_OK ? protobuf_c_takes(p->b, p->n) : r.st == TAP_MODEL);
            tap_wire_free(&r.m);
            p->b[i] ^= flips[k];
        }
    }
    free(p);
    CHECK_EQ(atomic_load(&plenty.used), 0);
}

/* A type of n sequences around a tensor: two messages for each sequence. */
static pb *nested_type(int n) {
    pb *p = pb_new();
    pb_msg(p, 1, tensor_type(1, 0));
    while (n--) {
        pb *s = pb_new(), *t = pb_new();
        pb_msg(s, 1, p);
        pb_msg(t, 4, s);
        p = t;
    }
    return p;
}

static void nesting_has_a_limit(void) {
    read r;
    read_as(&r, &tap_onnx__type_proto__descriptor, nested_type(49)); /* 2 x 49, and the tensor: 99 */
    tap_wire_free(&r.m);
    refused(&tap_onnx__type_proto__descriptor, nested_type(50), "messages are nested deeper than 100 levels");
    refused(&tap_onnx__type_proto__descriptor, nested_type(3000),
            "messages are nested deeper than 100 levels");
}

static void lengths_over_the_end(void) {
    pb *p = pb_new();
    pb_tag(p, 7, 2);
    pb_varint(p, 5);
    pb_raw(p, "\x12\x01z", 3);
    refused(MODEL, p, "byte 1, top level: length 5 goes past the end of what contains it (3 bytes are left)");
    p = pb_new();
    pb_tag(p, 2, 2);
    pb_varint(p, UINT64_MAX);
    refused(MODEL, p, "length 18446744073709551615 goes past the end");
    pb *n = pb_new(), *g = pb_new(); /* a node's attribute that reaches into the graph's next field */
    pb_str(n, 4, "Op");
    pb_tag(n, 5, 2);
    pb_varint(n, 3);
    pb_raw(n, "\n", 1);
    pb_str(g, 2, "g");
    pb_msg(g, 1, node("ok"));
    pb_msg(g, 1, n);
    pb_str(g, 2, "g");
    p = pb_new();
    pb_msg(p, 7, g);
    refused(MODEL, p, "graph.node[1]: length 3 goes past the end");
}

static void numbers_over_ten_bytes(void) {
    static const char eleven[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    pb *p = pb_new();
    pb_tag(p, 1, 0);
    pb_raw(p, eleven, 11);
    refused(MODEL, p, "byte 1, top level: a number is cut off, or longer than ten bytes");
    p = pb_new();
    pb_tag(p, 2, 2);
    pb_raw(p, eleven, 11);
    refused(MODEL, p, "a length is cut off, or longer than ten bytes");
    p = pb_new();
    pb_raw(p, eleven, 11);
    refused(MODEL, p, "a field is cut off");
    p = pb_new();
    pb_tag(p, 1, 0);
    pb_raw(p, eleven + 1, 10);
    read r;
    TapOnnx__ModelProto *m = read_as(&r, MODEL, p);
    CHECK_EQ(m->ir_version, -1);
    tap_wire_free(&r.m);
}

static void impossible_tags(void) {
    pb *p = pb_new();
    pb_raw(p, "\x00\x01", 2);
    refused(MODEL, p, "field number 0 is not possible");
    p = pb_new();
    pb_varint(p, UINT64_C(1) << 40);
    refused(MODEL, p, "is not possible");
    for (unsigned wire = 3; wire <= 7; wire++) {
        if (wire == 5) continue;
        p = pb_new();
        pb_tag(p, 7, wire);
        refused(MODEL, p, "is not used by ONNX");
        p = pb_new();
        pb_tag(p, 77, wire);
        refused(MODEL, p, "is not used by ONNX");
    }
}

static void wire_types_must_fit(void) {
    pb *p = pb_new();
    pb_str(p, 1, "ir");
    refused(MODEL, p, "byte 0, ir_version: wire type 2 does not fit this field, which has wire type 0");
    p = pb_new();
    pb_int(p, 7, 0);
    refused(MODEL, p, "graph: wire type 0 does not fit");
    pb *t = pb_new();
    pb_int(t, 4, 0);
    refused(TENSOR, t, "float_data[0]: wire type 0 does not fit");
}

static pb *named(const char *name, size_t n) {
    pb *p = pb_new(), *g = pb_new(), *x = pb_new();
    pb_str(x, 4, "Relu");
    pb_str(x, 1, "fine");
    pb_bytes(x, 1, name, n);
    pb_msg(g, 1, x);
    pb_msg(p, 7, g);
    return p;
}

static void names_are_clean_text(void) {
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xff",
                                      "abc\xe2\x82",
                                      "\xf8\x88\x80\x80\x80"};
    static const char *const good[] = {"",
                                       "plain",
                                       "na\xc3\xafve",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refused(MODEL, named(bad[i], strlen(bad[i])), "graph.node[0].input[1]: byte 0x");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        read r;
        TapOnnx__ModelProto *m = read_as(&r, MODEL, named(good[i], strlen(good[i])));
        CHECK_STR(m->graph->node[0]->input[1], good[i]);
        tap_wire_free(&r.m);
    }
    refused(MODEL, named("x\0y", 3), "graph.node[0].input[1]: a NUL byte (0x00) inside a name");
}

static void documentation_is_cleaned(void) {
    pb *p = pb_new();
    pb_bytes(p, 6, "a\0b\xff\xc3\xaf\xe2", 7);
    read r;
    TapOnnx__ModelProto *m = read_as(&r, MODEL, p);
    CHECK_STR(m->doc_string, "a?b?\xc3\xaf?");
    tap_wire_free(&r.m);
}

/* ---- memory ---- */

/* With every smaller limit the answer is TAP_MEMORY, and nothing stays allocated. */
static void any_limit(void) {
    pb *p = model_of(graph());
    bool through = false;
    for (uint64_t limit = 0; limit < 1 << 20 && !through; limit += limit < 4096 ? 64 : 1024) {
        tap_budget b;
        tap_wire_message m;
        tap_error err = TAP_ERROR_INIT;
        tap_budget_init(&b, limit);
        tap_status st = tap_wire_unpack(MODEL, p->b, p->n, &b, &m, &err);
        CHECK(st == TAP_OK || st == TAP_MEMORY);
        through = st == TAP_OK;
        tap_wire_free(&m);
        CHECK_EQ(atomic_load(&b.used), 0);
        CHECK(atomic_load(&b.peak) <= limit);
    }
    CHECK(through);
    free(p);
}

static void any_failing_allocation(void) {
    pb *p = model_of(graph());
    for (long k = 0;; k++) {
        tap_budget b;
        tap_wire_message m;
        tap_budget_init(&b, UINT64_MAX);
        atomic_store(&b.fail_after, k);
        tap_status st = tap_wire_unpack(MODEL, p->b, p->n, &b, &m, NULL);
        tap_wire_free(&m);
        CHECK_EQ(atomic_load(&b.used), 0);
        if (st == TAP_OK) break;
        CHECK_EQ(st, TAP_MEMORY);
        CHECK(k < 10000);
    }
    free(p);
}

/* Two bytes of file make a node of two hundred bytes: that is seen before it is allocated. */
static void small_files_that_would_be_large(void) {
    enum { N = 50000 };
    pb *g = pb_new(), *p = pb_new();
    for (int i = 0; i < N; i++) pb_raw(g, "\x0a\x00", 2);
    pb_msg(p, 7, g);
    tap_budget b;
    tap_wire_message m;
    tap_error err = TAP_ERROR_INIT;
    tap_budget_init(&b, 2 << 20);
    CHECK_EQ(tap_wire_unpack(MODEL, p->b, p->n, &b, &m, &err), TAP_MEMORY);
    CHECK_HAS(err.text, "takes more than the memory limit (2097152 bytes)");
    CHECK(atomic_load(&b.peak) < 1 << 20);
    free(p);
}

int main(void) {
    static const test_case tests[] = {
        TEST(reads_a_model),
        TEST(empty_input_is_an_empty_message),
        TEST(leaves_unknown_fields_out),
        TEST(agrees_with_protobuf_c),
        TEST(last_value_wins),
        TEST(pieces_make_one_message),
        TEST(pieces_of_pieces),
        TEST(oneof_keeps_its_last_member),
        TEST(oneof_of_scalars),
        TEST(void_members_are_checked_too),
        TEST(payloads_in_chunks),
        TEST(payloads_of_all_fields),
        TEST(spans_cannot_be_forged),
        TEST(broken_payloads),
        TEST(truncation_at_every_byte),
        TEST(flips_of_every_byte),
        TEST(nesting_has_a_limit),
        TEST(lengths_over_the_end),
        TEST(numbers_over_ten_bytes),
        TEST(impossible_tags),
        TEST(wire_types_must_fit),
        TEST(names_are_clean_text),
        TEST(documentation_is_cleaned),
        TEST(any_limit),
        TEST(any_failing_allocation),
        TEST(small_files_that_would_be_large),
    };
    tap_budget_init(&plenty, UINT64_MAX);
    return test_main(tests, sizeof tests / sizeof *tests);
}
