/* tap_value -> bytes of a TensorProto, SequenceProto, OptionalProto or MapProto. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnx/saver.h"

typedef tap_saver saver;

static TapOnnx__TensorProto *save_tensor(saver *s, const tap_value *v) {
    const tap_tensor *t = &v->tensor;
    return tap_save_tensor(s, t->dtype, t->rank, t->dims, t->count, t->data);
}

/* ---- the others ---- */

static TapOnnx__SequenceProto *save_sequence(saver *s, const tap_value *v, const tap_type *type);
static TapOnnx__MapProto *save_map(saver *s, const tap_value *v);

/* As SequenceProto.DataType and OptionalProto.DataType. */
static int elem_type(tap_kind kind) {
    switch (kind) {
    case TAP_KIND_TENSOR: return TAP_ONNX__SEQUENCE_PROTO__DATA_TYPE__TENSOR;
    case TAP_KIND_SEQUENCE: return TAP_ONNX__SEQUENCE_PROTO__DATA_TYPE__SEQUENCE;
    case TAP_KIND_MAP: return TAP_ONNX__SEQUENCE_PROTO__DATA_TYPE__MAP;
    case TAP_KIND_OPTIONAL: return TAP_ONNX__SEQUENCE_PROTO__DATA_TYPE__OPTIONAL;
    default: return TAP_ONNX__SEQUENCE_PROTO__DATA_TYPE__UNDEFINED;
    }
}

static TapOnnx__OptionalProto *save_optional(saver *s, const tap_value *v, const tap_type *type) {
    TapOnnx__OptionalProto *p = tap_load_make(s, 1, sizeof *p);
    const tap_type *elem = type && type->kind == TAP_KIND_OPTIONAL ? type->elem : NULL;
    if (!p) return NULL;
    tap_onnx__optional_proto__init(p);
    tap_kind kind = v ? v->kind : elem ? elem->kind : TAP_KIND_NONE;
    p->has_elem_type = true;
    p->elem_type = elem_type(kind);
    bool fine = true;
    if (v && kind == TAP_KIND_TENSOR) fine = (p->tensor_value = save_tensor(s, v)) != NULL;
    if (v && kind == TAP_KIND_SEQUENCE) fine = (p->sequence_value = save_sequence(s, v, elem)) != NULL;
    if (v && kind == TAP_KIND_MAP) fine = (p->map_value = save_map(s, v)) != NULL;
    return fine ? p : NULL;
}

static void *save_element(saver *s, const tap_value *v, tap_kind kind, const tap_type *type) {
    switch (kind) {
    case TAP_KIND_TENSOR: return save_tensor(s, v);
    case TAP_KIND_SEQUENCE: return save_sequence(s, v, type);
    case TAP_KIND_MAP: return save_map(s, v);
    default: return save_optional(s, v, type);
    }
}

/* What the elements are written as: what they are, or optionals where one of them is empty. */
static tap_kind kind_of_elements(const tap_value *v, const tap_type *elem) {
    tap_kind kind = elem ? elem->kind : TAP_KIND_NONE;
    for (size_t i = 0; i < v->n; i++) {
        if (!v->items[i] || v->items[i]->kind == TAP_KIND_NONE) return TAP_KIND_OPTIONAL;
        if (kind == TAP_KIND_NONE) kind = v->items[i]->kind;
    }
    return kind == TAP_KIND_NONE ? TAP_KIND_TENSOR : kind;
}

static bool fill_list(saver *s, const tap_value *v, tap_kind kind, const tap_type *elem, void **list) {
    for (size_t i = 0; list && i < v->n; i++) {
        if (kind != TAP_KIND_OPTIONAL && v->items[i]->kind != kind)
            return tap_load_fail(s, TAP_USAGE, "the elements of a sequence are of different kinds");
        if (!(list[i] = save_element(s, v->items[i], kind, elem))) return false;
    }
    return list != NULL;
}

static TapOnnx__SequenceProto *save_sequence(saver *s, const tap_value *v, const tap_type *type) {
    TapOnnx__SequenceProto *p = tap_load_make(s, 1, sizeof *p);
    const tap_type *elem = type ? type->elem : NULL;
    tap_kind kind = kind_of_elements(v, elem);
    void **list = tap_load_make(s, v->n, sizeof *list);
    if (!p || !fill_list(s, v, kind, elem, list)) return NULL;
    tap_onnx__sequence_proto__init(p);
    p->has_elem_type = true;
    p->elem_type = elem_type(kind);
    switch (kind) {
    case TAP_KIND_TENSOR: p->n_tensor_values = v->n, p->tensor_values = (TapOnnx__TensorProto **)list; break;
    case TAP_KIND_SEQUENCE:
        p->n_sequence_values = v->n, p->sequence_values = (TapOnnx__SequenceProto **)list;
        break;
    case TAP_KIND_MAP: p->n_map_values = v->n, p->map_values = (TapOnnx__MapProto **)list; break;
    default: p->n_optional_values = v->n, p->optional_values = (TapOnnx__OptionalProto **)list; break;
    }
    return p;
}

/* The values of a map: a sequence of single numbers. */
static TapOnnx__SequenceProto *save_numbers(saver *s, const tap_tensor *t) {
    TapOnnx__SequenceProto *p = tap_load_make(s, 1, sizeof *p);
    TapOnnx__TensorProto **list = tap_load_make(s, (size_t)t->count, sizeof *list);
    if (!p || !list) return NULL;
    tap_onnx__sequence_proto__init(p);
    p->has_elem_type = true;
    p->elem_type = TAP_ONNX__SEQUENCE_PROTO__DATA_TYPE__TENSOR;
    p->n_tensor_values = (size_t)t->count;
    p->tensor_values = list;
    const char *x = t->data;
    for (size_t i = 0; i < p->n_tensor_values; i++, x += tap_dtype_bytes(t->dtype))
        if (!(list[i] = tap_save_tensor(s, t->dtype, 0, NULL, 1, x))) return NULL;
    return p;
}

static TapOnnx__MapProto *save_map(saver *s, const tap_value *v) {
    TapOnnx__MapProto *p = tap_load_make(s, 1, sizeof *p);
    const tap_tensor *keys = &v->items[0]->tensor;
    if (!p) return NULL;
    tap_onnx__map_proto__init(p);
    p->has_key_type = true;
    p->key_type = (int32_t)keys->dtype;
    if (keys->dtype == TAP_STRING) {
        if (!tap_save_strings(s, keys->data, (size_t)keys->count, &p->n_string_keys, &p->string_keys))
            return NULL;
    } else {
        p->n_keys = (size_t)keys->count;
        p->keys = keys->data;
    }
    p->values = save_numbers(s, &v->items[1]->tensor);
    return p->values ? p : NULL;
}

/* ---- files ---- */

static const ProtobufCMessage *save_root(saver *s, const tap_value *v, const char *name, tap_kind kind,
                                         const tap_type *type) {
    void *root = save_element(s, v, kind, type);
    if (!root) return NULL;
    switch (kind) {
    case TAP_KIND_TENSOR: ((TapOnnx__TensorProto *)root)->name = tap_unconst(name); break;
    case TAP_KIND_SEQUENCE: ((TapOnnx__SequenceProto *)root)->name = tap_unconst(name); break;
    case TAP_KIND_MAP: ((TapOnnx__MapProto *)root)->name = tap_unconst(name); break;
    default: ((TapOnnx__OptionalProto *)root)->name = tap_unconst(name); break;
    }
    return root;
}

static tap_status pack(const ProtobufCMessage *root, void **bytes, size_t *n_bytes, tap_error *err) {
    *n_bytes = protobuf_c_message_get_packed_size(root);
    if (*n_bytes > INT32_MAX)
        return tap_error_set(err, TAP_DATA,
                             "the value takes %zu bytes, but a .pb file ends at 2 GiB; write .npy instead",
                             *n_bytes);
    *bytes = malloc(*n_bytes ? *n_bytes : 1);
    if (!*bytes) return tap_error_no_memory(err, *n_bytes);
    protobuf_c_message_pack(root, *bytes);
    return TAP_OK;
}

tap_status tap_onnx_save_value(const tap_value *v, const char *name, const tap_type *type, void **bytes,
                               size_t *n_bytes, tap_error *err) {
    tap_budget budget;
    tap_arena arena;
    tap_kind has = tap_value_kind(v), kind = type && type->kind != TAP_KIND_NONE ? type->kind : has;
    if (kind == TAP_KIND_NONE) kind = TAP_KIND_OPTIONAL;
    *bytes = NULL;
    *n_bytes = 0;
    if (kind != TAP_KIND_OPTIONAL && kind != has)
        return tap_error_set(err, TAP_USAGE, "the value is not of the kind that is to be written");
    tap_budget_init(&budget, UINT64_MAX);
    tap_arena_init(&arena, &budget);
    saver s = {.arena = &arena, .err = err};
    const ProtobufCMessage *root = save_root(&s, has == TAP_KIND_NONE ? NULL : v, name, kind, type);
    tap_status st = root ? pack(root, bytes, n_bytes, err) : s.status;
    tap_arena_clear(&arena);
    return st;
}
