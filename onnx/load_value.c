/* Data files of values: TensorProto, SequenceProto, OptionalProto, MapProto -> tap_value. */
#include <string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnx/foreign.h"
#include "onnx/load.h"
#include "onnx/loader.h"
#include "onnx/wire.h"

/* All readers below: *out is the caller's; NULL where it is an empty optional, or on failure. `type` may be
 * NULL. */

static bool no_memory(tap_loader *l) {
    return tap_load_fail(l, TAP_MEMORY, "no memory for the value");
}

static tap_dtype element_dtype(const tap_type *type) {
    return type && type->elem ? type->elem->dtype : TAP_UNDEFINED;
}

static bool known_kind(const tap_type *type) {
    return type && type->kind != TAP_KIND_NONE;
}

/* ---- tensors ---- */

static bool copy_strings(const tap_src_tensor *t, tap_value *v) {
    const tap_string *s = t->data;
    for (int64_t i = 0; i < t->count; i++)
        if (tap_value_set_string(v, i, s[i].s, s[i].n, NULL)) return false;
    return true;
}

static bool make_tensor(tap_loader *l, const tap_src_tensor *t, tap_value **out) {
    tap_value *v = tap_value_make(NULL, t->dtype, t->rank, t->dims);
    if (v && t->dtype != TAP_STRING) tap_src_store(t, v->tensor.data);
    if (v && (t->dtype != TAP_STRING || copy_strings(t, v))) {
        *out = v;
        return true;
    }
    tap_value_release(v);
    return no_memory(l);
}

static bool read_tensor(tap_loader *l, const TapOnnx__TensorProto *p, tap_value **out) {
    tap_src_tensor t;
    return tap_load_tensor(l, p, &t) && make_tensor(l, &t, out);
}

static bool read_sparse(tap_loader *l, const TapOnnx__SparseTensorProto *p, tap_value **out) {
    tap_src_tensor t;
    return tap_load_sparse(l, p, &t) && make_tensor(l, &t, out);
}

/* ---- sequences ---- */

typedef TapOnnx__SequenceProto sequence;

static bool read_sequence(tap_loader *l, const sequence *p, const tap_type *type, tap_value **out);
static bool read_optional(tap_loader *l, const TapOnnx__OptionalProto *p, const tap_type *type,
                          tap_value **out);
static bool read_map(tap_loader *l, const TapOnnx__MapProto *p, tap_value **out);

/* Which list holds the elements, and how many they are. Its number is that of SequenceProto.DataType. */
static bool find_list(tap_loader *l, const sequence *p, const tap_type *type, int *list, size_t *n) {
    size_t lengths[] = {0,
                        p->n_tensor_values,
                        p->n_sparse_tensor_values,
                        p->n_sequence_values,
                        p->n_map_values,
                        p->n_optional_values};
    *n = 0;
    *list = p->has_elem_type ? p->elem_type : 0;
    for (int k = 1; k < (int)TAP_COUNT_OF(lengths); k++) {
        if (!lengths[k]) continue;
        if (*list && *list != k)
            return tap_load_fail(l, TAP_MODEL, "elements of a sequence are not what elem_type says");
        *list = k;
    }
    if (*list < 0 || *list >= (int)TAP_COUNT_OF(lengths))
        return tap_load_fail(l, TAP_MODEL, "elem_type %d of a sequence is none of ONNX's", *list);
    if (!*list && !known_kind(type)) return tap_load_fail(l, TAP_MODEL, "a sequence without elem_type");
    *n = lengths[*list];
    return true;
}

static bool read_element(tap_loader *l, const sequence *p, int list, size_t i, const tap_type *type,
                         tap_value **out) {
    tap_where here = {l->where, "element", NULL, NULL, i};
    const tap_type *elem = type ? type->elem : NULL;
    l->where = &here;
    bool fine = list == 1   ? read_tensor(l, p->tensor_values[i], out)
                : list == 2 ? read_sparse(l, p->sparse_tensor_values[i], out)
                : list == 3 ? read_sequence(l, p->sequence_values[i], elem, out)
                : list == 4 ? read_map(l, p->map_values[i], out)
                            : read_optional(l, p->optional_values[i], elem, out);
    l->where = here.up;
    return fine;
}

static bool read_sequence(tap_loader *l, const sequence *p, const tap_type *type, tap_value **out) {
    int list;
    size_t n, done = 0;
    if (!find_list(l, p, type, &list, &n)) return false;
    tap_value **items = tap_load_make(l, n, sizeof *items);
    if (!items) return false;
    while (done < n && read_element(l, p, list, done, type, &items[done])) done++;
    if (done == n) {
        bool tensors = n > 0 && tap_value_kind(items[0]) == TAP_KIND_TENSOR;
        *out =
            tap_value_make_sequence(NULL, items, n, tensors ? items[0]->tensor.dtype : element_dtype(type));
        if (*out) return true;
        no_memory(l);
    }
    while (done > 0) tap_value_release(items[--done]);
    return false;
}

/* ---- optionals ---- */

static bool read_optional(tap_loader *l, const TapOnnx__OptionalProto *p, const tap_type *type,
                          tap_value **out) {
    const tap_type *elem = type && type->kind == TAP_KIND_OPTIONAL ? type->elem : NULL;
    *out = NULL;
    if (p->tensor_value) return read_tensor(l, p->tensor_value, out);
    if (p->sparse_tensor_value) return read_sparse(l, p->sparse_tensor_value, out);
    if (p->sequence_value) return read_sequence(l, p->sequence_value, elem, out);
    if (p->map_value) return read_map(l, p->map_value, out);
    if (p->optional_value) return read_optional(l, p->optional_value, elem, out);
    return true;
}

/* ---- maps ---- */

static bool read_keys(tap_loader *l, const TapOnnx__MapProto *p, tap_value **out) {
    bool text = p->key_type == TAP_STRING;
    size_t n = text ? p->n_string_keys : p->n_keys;
    if (p->n_keys && p->n_string_keys) return tap_load_fail(l, TAP_MODEL, "a map with keys of two types");
    *out = tap_value_make(NULL, text ? TAP_STRING : TAP_INT64, 1, (int64_t[]){(int64_t)n});
    if (!*out) return no_memory(l);
    if (!text && n) memcpy((*out)->tensor.data, p->keys, n * sizeof *p->keys);
    for (size_t i = 0; text && i < n; i++) {
        const ProtobufCBinaryData *k = &p->string_keys[i];
        if (tap_value_set_string(*out, (int64_t)i, (const char *)k->data, k->len, NULL)) return no_memory(l);
    }
    return true;
}

/* Values of a map are numbers of one dtype, each in a tensor; they become one tensor. */
static bool read_number(tap_loader *l, const TapOnnx__TensorProto *p, size_t i, size_t n, tap_value **out) {
    tap_src_tensor t;
    if (!tap_load_tensor(l, p, &t)) return false;
    if (!*out && !(*out = tap_value_make(NULL, t.dtype, 1, (int64_t[]){(int64_t)n}))) return no_memory(l);
    if (t.count != 1 || t.dtype != (*out)->tensor.dtype)
        return tap_load_fail(l, TAP_UNSUPPORTED, "values of a map must be single numbers of one dtype");
    if (t.dtype != TAP_STRING) {
        tap_src_store(&t, (char *)(*out)->tensor.data + i * tap_dtype_bytes(t.dtype));
        return true;
    }
    const tap_string *s = t.data;
    return tap_value_set_string(*out, (int64_t)i, s->s, s->n, NULL) == TAP_OK ? true : no_memory(l);
}

static bool read_values(tap_loader *l, const sequence *p, size_t n, tap_value **out) {
    size_t has = p ? p->n_tensor_values : 0;
    if (has != n) return tap_load_fail(l, TAP_MODEL, "a map with %zu keys and %zu values", n, has);
    for (size_t i = 0; i < n; i++)
        if (!read_number(l, p->tensor_values[i], i, n, out)) return false;
    if (n == 0 && !(*out = tap_value_make(NULL, TAP_FLOAT, 1, (int64_t[]){0}))) return no_memory(l);
    return true;
}

static bool read_map(tap_loader *l, const TapOnnx__MapProto *p, tap_value **out) {
    tap_value *keys = NULL, *values = NULL;
    *out = NULL;
    if (read_keys(l, p, &keys) && read_values(l, p->values, (size_t)keys->tensor.count, &values)) {
        *out = tap_value_make_map(NULL, keys, values);
        if (*out) return true;
        no_memory(l);
    }
    tap_value_release(keys);
    tap_value_release(values);
    return false;
}

/* ---- files ---- */

static const ProtobufCMessageDescriptor *descriptor_of(tap_kind kind) {
    switch (kind) {
    case TAP_KIND_SEQUENCE: return &tap_onnx__sequence_proto__descriptor;
    case TAP_KIND_MAP: return &tap_onnx__map_proto__descriptor;
    case TAP_KIND_OPTIONAL: return &tap_onnx__optional_proto__descriptor;
    default: return &tap_onnx__tensor_proto__descriptor;
    }
}

static bool read_root(tap_loader *l, const ProtobufCMessage *root, tap_kind kind, const tap_type *type,
                      tap_value **out) {
    switch (kind) {
    case TAP_KIND_SEQUENCE: return read_sequence(l, (const sequence *)root, type, out);
    case TAP_KIND_MAP: return read_map(l, (const TapOnnx__MapProto *)root, out);
    case TAP_KIND_OPTIONAL: return read_optional(l, (const TapOnnx__OptionalProto *)root, type, out);
    default: return read_tensor(l, (const TapOnnx__TensorProto *)root, out);
    }
}

/* Reads the bytes as one kind of message. */
static tap_status read_as(tap_loader *l, size_t n_bytes, tap_kind kind, const tap_type *type,
                          tap_value **out) {
    tap_wire_message m;
    l->status = tap_wire_unpack(descriptor_of(kind), l->bytes, n_bytes, l->arena->budget, &m, l->err);
    if (l->status) return l->status;
    read_root(l, m.root, kind, type, out);
    tap_wire_free(&m);
    return l->status;
}

/* Kinds to try, in this order. An optional may be given as the plain value. */
static size_t kinds_to_try(const tap_type *type, tap_kind kinds[4]) {
    static const tap_kind all[4] = {TAP_KIND_TENSOR, TAP_KIND_SEQUENCE, TAP_KIND_OPTIONAL, TAP_KIND_MAP};
    if (!known_kind(type)) {
        memcpy(kinds, all, sizeof all);
        return TAP_COUNT_OF(all);
    }
    kinds[0] = type->kind;
    if (type->kind != TAP_KIND_OPTIONAL || !type->elem) return 1;
    kinds[1] = type->elem->kind;
    return 2;
}

static tap_status explain(tap_status st, const void *bytes, size_t n_bytes, tap_kind kind, tap_error *err) {
    const char *foreign = tap_foreign_format(bytes, n_bytes);
    if (st != TAP_MODEL) return st;
    if (foreign) return tap_error_set(err, TAP_DATA, "not a data file of ONNX: it is %s", foreign);
    tap_error why = *err;
    return tap_error_set(err, TAP_DATA, "not a valid %s: %s", descriptor_of(kind)->short_name, why.text);
}

tap_status tap_onnx_load_value(const void *bytes, size_t n_bytes, const tap_type *type, uint64_t limit_bytes,
                               tap_value **out, tap_error *err) {
    tap_budget budget;
    tap_arena arena;
    tap_kind kinds[4];
    tap_error first = TAP_ERROR_INIT, later = TAP_ERROR_INIT;
    tap_budget_init(&budget, limit_bytes ? limit_bytes : tap_memory_default_limit());
    tap_arena_init(&arena, &budget);
    tap_loader l = {.bytes = bytes, .arena = &arena, .err = &first};
    tap_map_init(&l.strings, &budget);
    *out = NULL;
    tap_status st = TAP_OK;
    size_t n = kinds_to_try(type, kinds);
    for (size_t i = 0; i < n; i++, l.err = &later) {
        const tap_type *inner = i > 0 && known_kind(type) ? type->elem : type;
        tap_status tried = read_as(&l, n_bytes, kinds[i], inner, out);
        if (i == 0 || tried == TAP_OK || tried == TAP_MEMORY) st = tried;
        if (tried == TAP_OK || tried == TAP_MEMORY) break;
    }
    tap_map_free(&l.strings);
    tap_arena_clear(&arena);
    if (st == TAP_OK) return TAP_OK;
    tap_error *shown = st == TAP_MEMORY && l.err == &later ? &later : &first;
    st = explain(st, bytes, n_bytes, kinds[0], shown);
    tap_error_set(err, st, "%s", shown->text);
    return st;
}
