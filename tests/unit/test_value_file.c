/* Data files of values: reading, writing, and both in turn. */
#include "core/tensor.h"
#include "onnx/load.h"
#include "onnx/loader.h"
#include "pb_onnx.h"
#include "test.h"

static const tap_type any_tensor = {.kind = TAP_KIND_TENSOR, .dtype = TAP_FLOAT, .rank = -1};
static const tap_type tensors = {.kind = TAP_KIND_SEQUENCE, .rank = -1, .elem = &any_tensor};
static const tap_type maybe_tensor = {.kind = TAP_KIND_OPTIONAL, .rank = -1, .elem = &any_tensor};
static const tap_type maybe_tensors = {.kind = TAP_KIND_OPTIONAL, .rank = -1, .elem = &tensors};
static const tap_type numbers_by_name = {
    .kind = TAP_KIND_MAP, .dtype = TAP_STRING, .rank = -1, .elem = &any_tensor};
static const tap_type list_of_maps = {.kind = TAP_KIND_SEQUENCE, .rank = -1, .elem = &numbers_by_name};
static const tap_type list_of_maybes = {.kind = TAP_KIND_SEQUENCE, .rank = -1, .elem = &maybe_tensor};

/* ---- making values ---- */

static tap_value *floats(int64_t n, float first) {
    tap_value *v;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 1, &n, &v, NULL), TAP_OK);
    for (int64_t i = 0; i < n; i++) ((float *)tap_value_data(v))[i] = first + (float)i;
    return v;
}

static tap_value *words(int64_t n) {
    tap_value *v;
    CHECK_EQ(tap_value_new(TAP_STRING, 1, &n, &v, NULL), TAP_OK);
    for (int64_t i = 0; i < n; i++)
        CHECK_EQ(tap_value_set_string(v, i, "cat\0s", 3 + (size_t)i, NULL), TAP_OK);
    return v;
}

static tap_value *list_of(tap_value *a, tap_value *b) {
    tap_value *v;
    CHECK_EQ(tap_value_new_sequence((tap_value *[]){a, b}, 2, TAP_FLOAT, &v, NULL), TAP_OK);
    return v;
}

static tap_value *map_of(tap_value *keys, tap_value *values) {
    tap_value *v;
    CHECK_EQ(tap_value_new_map(keys, values, &v, NULL), TAP_OK);
    return v;
}

static bool same(const tap_value *a, const tap_value *b) {
    if (!a || !b) return a == b;
    if (a->kind != b->kind || a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same(a->items[i], b->items[i])) return false;
    const tap_tensor *x = &a->tensor, *y = &b->tensor;
    if (a->kind != TAP_KIND_TENSOR) return true;
    if (x->dtype != y->dtype || x->rank != y->rank || x->count != y->count) return false;
    if (memcmp(x->dims, y->dims, (size_t)x->rank * sizeof *x->dims) != 0) return false;
    if (x->dtype != TAP_STRING) return memcmp(x->data, y->data, tap_tensor_bytes(x)) == 0;
    const tap_string *s = x->data, *t = y->data;
    for (int64_t i = 0; i < x->count; i++)
        if (s[i].n != t[i].n || (s[i].n && memcmp(s[i].s, t[i].s, s[i].n) != 0)) return false;
    return true;
}

/* ---- both ways ---- */

/* Writes v as `type`, reads it as `type` and, where the bytes alone tell what they are, without. Releases v.
 */
static void round_trip(tap_value *v, const tap_type *type, bool bytes_tell) {
    void *bytes;
    size_t n;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_onnx_save_value(v, "name", type, &bytes, &n, &err), TAP_OK);
    for (int told = 0; told < (bytes_tell ? 2 : 1); told++) {
        tap_value *y;
        CHECK_EQ(tap_onnx_load_value(bytes, n, told ? NULL : type, 0, &y, &err), TAP_OK);
        CHECK_STR(err.text, "");
        CHECK(same(v, y));
        tap_value_release(y);
    }
    free(bytes);
    tap_value_release(v);
}

static void every_dtype(void) {
    for (int dtype = 1; dtype < TAP_DTYPE_COUNT; dtype++) {
        tap_value *v;
        if (dtype == TAP_STRING) continue;
        CHECK_EQ(tap_value_new((tap_dtype)dtype, 2, (int64_t[]){3, 3}, &v, NULL), TAP_OK);
        tap_type type = {.kind = TAP_KIND_TENSOR, .dtype = (tap_dtype)dtype, .rank = -1};
        size_t n = tap_tensor_bytes(&v->tensor);
        for (size_t i = 0; i < n; i++) ((uint8_t *)tap_value_data(v))[i] = i % 3 == 1;
        round_trip(v, &type, true);
    }
}

static void tensors_both_ways(void) {
    tap_value *scalar;
    CHECK_EQ(tap_value_new(TAP_DOUBLE, 0, NULL, &scalar, NULL), TAP_OK);
    round_trip(scalar, &any_tensor, true);
    round_trip(floats(0, 0), &any_tensor, true);
    round_trip(floats(7, 1), &any_tensor, true);
    round_trip(words(3), &any_tensor, true);
}

static void others_both_ways(void) {
    tap_value *empty;
    round_trip(list_of(floats(2, 1), floats(3, 5)), &tensors, true);
    round_trip(list_of(list_of(floats(1, 1), floats(0, 0)), list_of(words(1), words(2))), NULL, true);
    CHECK_EQ(tap_value_new_sequence(NULL, 0, TAP_FLOAT, &empty, NULL), TAP_OK);
    round_trip(empty, &tensors, true);
    round_trip(map_of(words(3), floats(3, 1)), &numbers_by_name, true);
    round_trip(map_of(words(2), words(2)), &numbers_by_name, true);
    round_trip(list_of(map_of(words(2), floats(2, 1)), map_of(words(1), floats(1, 4))), &list_of_maps, true);
    round_trip(floats(3, 1), &maybe_tensor, false);
    round_trip(NULL, &maybe_tensor, false);
    round_trip(NULL, NULL, true);
    round_trip(list_of(floats(2, 1), floats(3, 5)), &maybe_tensors, false);
    round_trip(list_of(floats(2, 1), NULL), &list_of_maybes, true);
}

static void int_keys(void) {
    tap_value *keys;
    CHECK_EQ(tap_value_new(TAP_INT64, 1, (int64_t[]){2}, &keys, NULL), TAP_OK);
    ((int64_t *)tap_value_data(keys))[1] = -5;
    tap_type type = {.kind = TAP_KIND_MAP, .dtype = TAP_INT64, .rank = -1, .elem = &any_tensor};
    round_trip(map_of(keys, floats(2, 1)), &type, true);
}

/* A plain tensor or sequence does for an optional one. */
static void optionals_may_be_given_plainly(void) {
    static const tap_type *const types[] = {&maybe_tensor, &maybe_tensors};
    for (int i = 0; i < 2; i++) {
        tap_value *v = i ? list_of(floats(2, 1), floats(1, 1)) : floats(2, 1), *y;
        void *bytes;
        size_t n;
        CHECK_EQ(tap_onnx_save_value(v, NULL, NULL, &bytes, &n, NULL), TAP_OK);
        CHECK_EQ(tap_onnx_load_value(bytes, n, types[i], 0, &y, NULL), TAP_OK);
        CHECK(same(v, y));
        tap_value_release(v);
        tap_value_release(y);
        free(bytes);
    }
}

static void names_are_written(void) {
    tap_value *v = floats(1, 1);
    void *bytes;
    size_t n;
    CHECK_EQ(tap_onnx_save_value(v, "my name", NULL, &bytes, &n, NULL), TAP_OK);
    TapOnnx__TensorProto *p = tap_onnx__tensor_proto__unpack(NULL, n, bytes);
    CHECK(p && strcmp(p->name, "my name") == 0 && p->raw_data.len == 4);
    tap_onnx__tensor_proto__free_unpacked(p, NULL);
    free(bytes);
    tap_value_release(v);
}

/* ---- refused ---- */

static void refused(pb *p, const tap_type *type, tap_status code, const char *part) {
    tap_value *v;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_onnx_load_value(p->b, p->n, type, 0, &v, &err), code);
    CHECK_HAS(err.text, part);
    CHECK(!v);
    free(p);
}

static pb *text(const char *s) {
    pb *p = pb_new();
    pb_raw(p, s, strlen(s));
    return p;
}

static pb *list(int elem_type, uint32_t field, pb *elem) {
    pb *p = pb_new();
    pb_int(p, 2, elem_type);
    pb_msg(p, field, elem);
    return p;
}

static void wrong_bytes(void) {
    refused(text("\x93NUMPY\x01"), NULL, TAP_DATA, "not a data file of ONNX: it is a NumPy .npy array");
    refused(text("hello"), &any_tensor, TAP_DATA, "not a valid TensorProto: byte 0, ");
    refused(text("hello"), &tensors, TAP_DATA, "not a valid SequenceProto: byte 2, ");
    refused(pb_raw_tensor("t", 1, 2, "0123", 4), &any_tensor, TAP_DATA,
            "float32[2] takes 8 bytes, but raw_data has 4");
    refused(pb_raw_tensor("t", 28, 2, "0123", 4), &any_tensor, TAP_DATA,
            "float6e3m2[2] takes 2 bytes, but raw_data has 4");
    refused(pb_new(), &any_tensor, TAP_DATA, "the element type is missing");
}

static void wrong_sequences(void) {
    refused(list(3, 3, pb_raw_tensor("t", 1, 1, "0123", 4)), &tensors, TAP_DATA, "not what elem_type says");
    refused(list(6, 3, pb_raw_tensor("t", 1, 1, "0123", 4)), &tensors, TAP_DATA, "not what elem_type says");
    refused(list(1, 3, pb_raw_tensor("t", 1, 1, "01", 2)), &tensors, TAP_DATA,
            "element #0: float32[1] takes 4 bytes");
    pb *p = pb_new();
    pb_int(p, 2, 9);
    refused(p, &tensors, TAP_DATA, "elem_type 9 of a sequence is none of ONNX's");
}

static void wrong_maps(void) {
    pb *p = pb_new();
    pb_int(p, 2, 7);
    pb_int(p, 3, 1);
    refused(p, &numbers_by_name, TAP_DATA, "a map with 1 keys and 0 values");
    p = pb_new();
    pb_int(p, 2, 7);
    pb_int(p, 3, 1);
    pb_str(p, 4, "a");
    refused(p, &numbers_by_name, TAP_DATA, "a map with keys of two types");
    p = pb_new();
    pb_int(p, 2, 7);
    pb_int(p, 3, 1);
    pb_msg(p, 5, list(1, 3, pb_raw_tensor("t", 1, 2, "01234567", 8)));
    refused(p, &numbers_by_name, TAP_UNSUPPORTED, "values of a map must be single numbers of one dtype");
}

static void wrong_kinds_to_write(void) {
    tap_value *v = floats(1, 1);
    void *bytes;
    size_t n;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_onnx_save_value(v, NULL, &tensors, &bytes, &n, &err), TAP_USAGE);
    CHECK(!bytes);
    tap_value *mixed = list_of(v, list_of(floats(1, 1), floats(1, 1)));
    CHECK_EQ(tap_onnx_save_value(mixed, NULL, NULL, &bytes, &n, &err), TAP_USAGE);
    CHECK_HAS(err.text, "of different kinds");
    tap_value_release(mixed);
}

/* Small bytes that ask for much. */
static void memory_is_limited(void) {
    pb *s = pb_new(), *p = pb_new();
    pb_msg(s, 1, pb_raw_tensor("v", 1, 1, "0123", 4));
    pb_msg(s, 2, pb_raw_tensor("i", 7, 1, "\0\0\0\0\0\0\0\0", 8));
    pb_int(s, 3, INT64_C(1) << 40);
    pb_int(p, 2, 2);
    pb_msg(p, 4, s);
    tap_value *v;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_onnx_load_value(p->b, p->n, &tensors, 1 << 20, &v, &err), TAP_MEMORY);
    free(p);
}

static void flips_and_cuts(void) {
    tap_value *v = list_of(map_of(words(3), floats(3, 1)), map_of(words(0), floats(0, 1))), *y;
    void *bytes;
    size_t n;
    CHECK_EQ(tap_onnx_save_value(v, "name", NULL, &bytes, &n, NULL), TAP_OK);
    uint8_t *b = bytes;
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            b[i] ^= (uint8_t)(1 << bit);
            for (int told = 0; told < 2; told++) {
                tap_onnx_load_value(bytes, n, told ? &list_of_maps : NULL, 1 << 20, &y, NULL);
                tap_value_release(y);
            }
            b[i] ^= (uint8_t)(1 << bit);
        }
    while (n-- > 0) {
        tap_onnx_load_value(bytes, n, NULL, 1 << 20, &y, NULL);
        tap_value_release(y);
    }
    free(bytes);
    tap_value_release(v);
}

int main(void) {
    static const test_case tests[] = {
        TEST(every_dtype),
        TEST(tensors_both_ways),
        TEST(others_both_ways),
        TEST(int_keys),
        TEST(optionals_may_be_given_plainly),
        TEST(names_are_written),
        TEST(wrong_bytes),
        TEST(wrong_sequences),
        TEST(wrong_maps),
        TEST(wrong_kinds_to_write),
        TEST(memory_is_limited),
        TEST(flips_and_cuts),
    };
    return test_main(tests, sizeof tests / sizeof *tests);
}
