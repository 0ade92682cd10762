/* Tensors and values: made, wrapped, copied, put together, refused. */
#include "fixture.h"

#include <stdlib.h>

static void dtypes(void) {
    CHECK_STR(tap_dtype_name(TAP_BFLOAT16), "bfloat16");
    CHECK_STR(tap_dtype_name(TAP_UNDEFINED), "undefined");
    CHECK(tap_dtype_name((tap_dtype)99) == NULL);
    CHECK_EQ(tap_dtype_from_name("float8e4m3fn"), TAP_FLOAT8E4M3FN);
    CHECK_EQ(tap_dtype_from_name("float33"), TAP_UNDEFINED);
    for (int t = 1; t < TAP_DTYPE_COUNT; t++) CHECK_EQ(tap_dtype_from_name(tap_dtype_name((tap_dtype)t)), t);
    CHECK_EQ(tap_dtype_bytes(TAP_INT4), 1);
    CHECK_EQ(tap_dtype_bytes(TAP_COMPLEX128), 16);
    CHECK_EQ(tap_dtype_bytes(TAP_UNDEFINED), 0);
}

static void statuses(void) {
    CHECK_STR(tap_status_text(TAP_MEMORY), "out of memory");
    CHECK_EQ(tap_status_exit(TAP_CANCELLED), 130);
    CHECK_EQ(tap_status_exit(TAP_UNSUPPORTED), 4);
    CHECK_STR(tap_status_text((tap_status)77), "unknown status");
    CHECK_STR(tap_version(), "0.1.0");
}

static void new_is_zero(void) {
    int64_t dims[2] = {2, 3};
    tap_value *v;
    CHECK_EQ(tap_value_new(TAP_INT32, 2, dims, &v, NULL), TAP_OK);
    const tap_tensor *t = tap_value_tensor(v);
    CHECK_EQ(tap_tensor_rank(t), 2);
    CHECK_EQ(tap_tensor_count(t), 6);
    CHECK_EQ(tap_tensor_bytes(t), 24);
    CHECK_EQ(tap_tensor_dims(t)[1], 3);
    for (int i = 0; i < 6; i++) CHECK_EQ(((const int32_t *)tap_tensor_data(t))[i], 0);
    CHECK_EQ((uintptr_t)tap_tensor_data(t) % 64, 0);
    CHECK(tap_value_data(v) == tap_tensor_data(t));
    tap_value_release(v);
}

static void scalars_and_nothing(void) {
    int64_t none[2] = {0, 5};
    tap_value *scalar, *empty;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 0, NULL, &scalar, NULL), TAP_OK);
    CHECK_EQ(tap_tensor_count(tap_value_tensor(scalar)), 1);
    CHECK_EQ(tap_value_new(TAP_FLOAT, 2, none, &empty, NULL), TAP_OK);
    CHECK_EQ(tap_tensor_count(tap_value_tensor(empty)), 0);
    CHECK(tap_tensor_data(tap_value_tensor(empty)) != NULL);
    tap_value_release(scalar);
    tap_value_release(empty);
    tap_value_release(NULL);
    CHECK_EQ(tap_value_kind(NULL), TAP_KIND_NONE);
    CHECK(tap_value_tensor(NULL) == NULL);
}

static void refused_shape(tap_dtype dtype, int rank, const int64_t *dims, const char *part) {
    tap_error err = TAP_ERROR_INIT;
    tap_value *v = NULL;
    CHECK_EQ(tap_value_new(dtype, rank, dims, &v, &err), TAP_USAGE);
    CHECK_EQ(err.code, TAP_USAGE);
    CHECK_HAS(err.text, part);
    CHECK(v == NULL);
}

static void bad_shapes(void) {
    int64_t negative[2] = {2, -1}, huge[3] = {INT64_MAX / 2, 3, 5}, fine[1] = {1};
    refused_shape(TAP_FLOAT, 2, negative, "negative");
    refused_shape(TAP_FLOAT, 3, huge, "too large");
    refused_shape(TAP_FLOAT, TAP_RANK_MAX + 1, fine, "0 to 16");
    refused_shape(TAP_FLOAT, -1, fine, "rank -1");
    refused_shape((tap_dtype)55, 1, fine, "55 is not a dtype");
}

static void more_than_the_machine_has(void) {
    tap_error err = TAP_ERROR_INIT;
    int64_t dims[2] = {INT64_C(1) << 30, INT64_C(1) << 25};
    tap_value *v = NULL;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 2, dims, &v, &err), TAP_MEMORY);
    CHECK_HAS(err.text, "no memory for 144115188075855872 bytes");
    CHECK(v == NULL);
}

static void wrapping(void) {
    float data[4] = {1, 2, 3, 4};
    int64_t dims[2] = {2, 2};
    tap_error err = TAP_ERROR_INIT;
    tap_value *v, *copy;
    CHECK_EQ(tap_value_wrap(TAP_FLOAT, 2, dims, data, &v, NULL), TAP_OK);
    CHECK(tap_tensor_data(tap_value_tensor(v)) == data);
    CHECK(tap_value_data(v) == NULL); /* not ours to write */
    CHECK_EQ(tap_value_copy(v, &copy, NULL), TAP_OK);
    data[0] = 9;
    CHECK_EQ(((const float *)tap_tensor_data(tap_value_tensor(copy)))[0], 1);
    CHECK_EQ(((const float *)tap_tensor_data(tap_value_tensor(v)))[0], 9);
    tap_value_release(v);
    CHECK_EQ(tap_value_wrap(TAP_FLOAT, 2, dims, NULL, &v, &err), TAP_USAGE);
    CHECK_HAS(err.text, "data is NULL");
    tap_value_release(copy);
}

static void strings(void) {
    int64_t dims[1] = {2};
    tap_error err = TAP_ERROR_INIT;
    tap_value *v, *copy;
    char text[] = "a\0b";
    CHECK_EQ(tap_value_new(TAP_STRING, 1, dims, &v, NULL), TAP_OK);
    CHECK_EQ(tap_value_set_string(v, 1, text, 3, NULL), TAP_OK);
    text[0] = 'x'; /* a copy was taken */
    CHECK_EQ(tap_value_copy(v, &copy, NULL), TAP_OK);
    const tap_string *s = tap_tensor_data(tap_value_tensor(copy));
    CHECK_EQ(s[0].n, 0);
    CHECK_EQ(s[1].n, 3);
    CHECK(memcmp(s[1].s, "a\0b", 3) == 0);
    CHECK_EQ(tap_value_set_string(v, 2, "z", 1, &err), TAP_USAGE);
    CHECK_HAS(err.text, "out of range");
    tap_value_release(v);
    CHECK(memcmp(s[1].s, "a\0b", 3) == 0);
    tap_value_release(copy);
    tap_value *f = vector(1, (const float[]){1});
    CHECK_EQ(tap_value_set_string(f, 0, "z", 1, &err), TAP_USAGE);
    CHECK_HAS(err.text, "string tensor");
    tap_value_release(f);
}

static void sequences_and_maps(void) {
    tap_error err = TAP_ERROR_INIT;
    tap_value *items[2] = {vector(2, (const float[]){1, 2}), vector(1, (const float[]){3})}, *seq, *copy,
              *empty, *map;
    CHECK_EQ(tap_value_new_sequence(items, 2, TAP_FLOAT, &seq, NULL), TAP_OK);
    CHECK_EQ(tap_value_kind(seq), TAP_KIND_SEQUENCE);
    CHECK_EQ(tap_value_length(seq), 2);
    CHECK(tap_value_item(seq, 1) == items[1]);
    CHECK(tap_value_item(seq, 2) == NULL);
    CHECK(tap_value_tensor(seq) == NULL);
    CHECK_EQ(tap_value_copy(seq, &copy, NULL), TAP_OK);
    CHECK(values_same(seq, copy));
    CHECK(tap_value_item(copy, 0) != items[0]);
    tap_value_release(seq);
    tap_value_release(copy);
    CHECK_EQ(tap_value_new_sequence(NULL, 0, TAP_INT64, &empty, NULL), TAP_OK);
    CHECK_EQ(tap_value_length(empty), 0);
    CHECK_EQ(tap_value_copy(empty, &copy, NULL), TAP_OK);
    CHECK_EQ(tap_value_length(copy), 0);
    tap_value_release(empty);
    tap_value_release(copy);

    tap_value *keys = vector(2, (const float[]){1, 2}), *one = vector(1, (const float[]){1});
    CHECK_EQ(tap_value_new_map(keys, one, &map, &err), TAP_USAGE);
    CHECK_HAS(err.text, "equal length");
    tap_value_release(one);
    tap_value *values = vector(2, (const float[]){5, 6});
    CHECK_EQ(tap_value_new_map(keys, values, &map, NULL), TAP_OK);
    CHECK_EQ(tap_value_kind(map), TAP_KIND_MAP);
    CHECK_EQ(tap_value_length(map), 2);
    CHECK(tap_value_item(map, 0) == keys);
    tap_value_release(map);
}

static void sharing(void) {
    tap_value *v = vector(1, (const float[]){4});
    tap_value_retain(v);
    tap_value_release(v);
    CHECK_EQ(((const float *)tap_tensor_data(tap_value_tensor(v)))[0], 4);
    tap_value_release(v);
}

static const test_case tests[] = {
    TEST(dtypes),      TEST(statuses),
    TEST(new_is_zero), TEST(scalars_and_nothing),
    TEST(bad_shapes),  TEST(wrapping),
    TEST(strings),     TEST(sequences_and_maps),
    TEST(sharing),     TEST(more_than_the_machine_has),
};

int main(void) {
    return test_main(tests, sizeof tests / sizeof *tests);
}
