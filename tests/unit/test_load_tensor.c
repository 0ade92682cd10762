/* Tensors of a model: every dtype in every way in which it may be written, sparse ones, and what is refused.
 */
#include "core/tensor.h"
#include "load.h"
#include "onnx/loader.h"

/* Loads the tensor as an initializer and stores its elements in out. */
static void stored(pb *tensor, void *out, const char *expected_name) {
    loaded x;
    const tap_src_graph *g = load(&x, pb_model_with_initializer(tensor));
    if (x.st == TAP_OK) {
        tap_src_store(&g->inits[0], out);
        CHECK_STR(g->inits[0].name, expected_name);
    }
    unload(&x);
}

static void refused_tensor(pb *t, const char *part) {
    refused(pb_model_with_initializer(t), TAP_MODEL, part);
}

/* ---- encodings ---- */

enum { N = 5, MOST_BYTES = N * 16 };

/* Five elements of a dtype as they lie in memory, and in raw_data where that differs. */
typedef struct sample {
    tap_dtype dtype;
    const void *memory;
    const void *raw; /* NULL: as in memory */
    uint32_t field;  /* of the typed list */
} sample;

static const sample samples[] = {
    {TAP_FLOAT, (float[]){1, -2, 3.5f, 0, 1e30f}, NULL, 4},
    {TAP_UINT8, (uint8_t[]){0, 1, 127, 128, 255}, NULL, 5},
    {TAP_INT8, (int8_t[]){0, 1, 127, -128, -1}, NULL, 5},
    {TAP_UINT16, (uint16_t[]){0, 1, 32767, 32768, 65535}, NULL, 5},
    {TAP_INT16, (int16_t[]){0, 1, 32767, -32768, -1}, NULL, 5},
    {TAP_INT32, (int32_t[]){0, 1, INT32_MAX, INT32_MIN, -1}, NULL, 5},
    {TAP_INT64, (int64_t[]){0, 1, INT64_MAX, INT64_MIN, -1}, NULL, 7},
    {TAP_BOOL, (uint8_t[]){0, 1, 1, 0, 1}, NULL, 5},
    {TAP_FLOAT16, (uint16_t[]){0, 0x3c00, 0xbc00, 0x7c00, 0xffff}, NULL, 5},
    {TAP_DOUBLE, (double[]){1, -2, 3.5, 0, 1e300}, NULL, 10},
    {TAP_UINT32, (uint32_t[]){0, 1, INT32_MAX, UINT32_MAX, 7}, NULL, 11},
    {TAP_UINT64, (uint64_t[]){0, 1, INT64_MAX, UINT64_MAX, 7}, NULL, 11},
    {TAP_COMPLEX64, (float[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, NULL, 4},
    {TAP_COMPLEX128, (double[]){1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, NULL, 10},
    {TAP_BFLOAT16, (uint16_t[]){0, 0x3f80, 0xbf80, 0x7f80, 0xffff}, NULL, 5},
    {TAP_FLOAT8E4M3FN, (uint8_t[]){0, 1, 127, 128, 255}, NULL, 5},
    {TAP_FLOAT8E4M3FNUZ, (uint8_t[]){0, 1, 127, 128, 255}, NULL, 5},
    {TAP_FLOAT8E5M2, (uint8_t[]){0, 1, 127, 128, 255}, NULL, 5},
    {TAP_FLOAT8E5M2FNUZ, (uint8_t[]){0, 1, 127, 128, 255}, NULL, 5},
    {TAP_FLOAT8E8M0, (uint8_t[]){0, 1, 127, 128, 255}, NULL, 5},
    {TAP_UINT4, (uint8_t[]){0, 1, 7, 8, 15}, (uint8_t[]){0x10, 0x87, 0x0f}, 5},
    {TAP_INT4, (int8_t[]){0, 1, 7, -8, -1}, (uint8_t[]){0x10, 0x87, 0x0f}, 5},
    {TAP_FLOAT4E2M1, (uint8_t[]){0, 1, 7, 8, 15}, (uint8_t[]){0x10, 0x87, 0x0f}, 5},
    {TAP_FLOAT6E2M3, (uint8_t[]){0, 1, 31, 32, 63}, (uint8_t[]){0x40, 0xf0, 0x81, 0x3f}, 5},
    {TAP_FLOAT6E3M2, (uint8_t[]){0, 1, 31, 32, 63}, (uint8_t[]){0x40, 0xf0, 0x81, 0x3f}, 5},
    {TAP_UINT2, (uint8_t[]){0, 1, 2, 3, 1}, (uint8_t[]){0xe4, 0x01}, 5},
    {TAP_INT2, (int8_t[]){0, 1, -2, -1, 1}, (uint8_t[]){0xe4, 0x01}, 5},
};

static pb *tensor_of(const sample *s) {
    return pb_tensor("t", (int)s->dtype, 1, (int64_t[]){N});
}

static void check_sample(const sample *s, pb *t) {
    uint8_t out[MOST_BYTES];
    stored(t, out, "t");
    CHECK(memcmp(out, s->memory, N * tap_dtype_bytes(s->dtype)) == 0);
}

static const void *raw_of(const sample *s, size_t *n_bytes) {
    CHECK(tap_packed_bytes(s->dtype, N, n_bytes));
    return s->raw ? s->raw : s->memory;
}

/* Elements of 2 and 4 bits come packed in typed lists, too; those of 6 bits do not. */
static bool lists_packed(const sample *s) {
    return s->raw && tap_dtype_bits(s->dtype) != 6;
}

/* Number i of the typed list: an element, or a byte of packed ones. */
static int64_t number_of(const sample *s, size_t i) {
    const void *p = lists_packed(s) ? s->raw : s->memory;
    switch (s->raw ? 1 : tap_dtype_bytes(s->dtype)) {
    case 1: return s->dtype == TAP_INT8 ? ((const int8_t *)p)[i] : (int64_t)((const uint8_t *)p)[i];
    case 2: return s->dtype == TAP_INT16 ? ((const int16_t *)p)[i] : (int64_t)((const uint16_t *)p)[i];
    case 4: return s->dtype == TAP_INT32 ? ((const int32_t *)p)[i] : (int64_t)((const uint32_t *)p)[i];
    default: return ((const int64_t *)p)[i];
    }
}

static void every_dtype_is_here(void) {
    CHECK_EQ(sizeof samples / sizeof *samples, TAP_DTYPE_COUNT - 2); /* but undefined and string */
}

static void raw_data(void) {
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t n;
        const void *raw = raw_of(&samples[i], &n);
        pb *t = tensor_of(&samples[i]);
        pb_bytes(t, 9, raw, n);
        check_sample(&samples[i], t);
    }
}

/* Packed in one chunk, packed in two, and not packed at all. */
static void typed_lists(void) {
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const sample *s = &samples[i];
        size_t n;
        const uint8_t *raw = raw_of(s, &n);
        pb *one = tensor_of(s), *two = tensor_of(s), *each = tensor_of(s);
        if (s->field == 4 || s->field == 10) {
            size_t width = s->field == 4 ? 4 : 8, half = n / width / 2 * width;
            pb_bytes(one, s->field, raw, n);
            pb_bytes(two, s->field, raw, half);
            pb_bytes(two, s->field, raw + half, n - half);
            for (size_t k = 0; k < n; k += width) {
                pb_tag(each, s->field, s->field == 4 ? 5 : 1);
                pb_raw(each, raw + k, width);
            }
        } else {
            size_t numbers = lists_packed(s) ? n : N;
            pb *all = pb_new(), *first = pb_new();
            for (size_t k = 0; k < numbers; k++) {
                pb_varint(all, (uint64_t)number_of(s, k));
                pb_int(each, s->field, number_of(s, k));
                if (k == 0) pb_varint(first, (uint64_t)number_of(s, 0));
            }
            pb_bytes(two, s->field, first->b, first->n);
            pb_bytes(two, s->field, all->b + first->n, all->n - first->n);
            pb_msg(one, s->field, all);
            free(first);
        }
        check_sample(s, one);
        check_sample(s, two);
        check_sample(s, each);
    }
}

static void strings(void) {
    loaded x;
    pb *t = pb_tensor("t", 8, 1, (int64_t[]){3});
    pb_bytes(t, 6, "a\0b", 3);
    pb_bytes(t, 6, "", 0);
    pb_bytes(t, 6, "\xff", 1);
    const tap_src_tensor *s = load(&x, pb_model_with_initializer(t))->inits;
    const tap_string *y = s->data;
    CHECK_EQ(s->encoding, TAP_STORED);
    CHECK(y[0].n == 3 && memcmp(y[0].s, "a\0b", 3) == 0);
    CHECK_EQ(y[1].n, 0);
    CHECK(y[2].n == 1 && y[2].s[0] == '\xff');
    unload(&x);
}

static void empty_tensors(void) {
    loaded x;
    for (int with_raw = 0; with_raw < 2; with_raw++) {
        pb *t = pb_tensor("t", 1, 2, (int64_t[]){0, 7});
        if (with_raw) pb_bytes(t, 9, "", 0);
        const tap_src_tensor *s = load(&x, pb_model_with_initializer(t))->inits;
        CHECK(s->count == 0 && s->n_bytes == 0 && s->data);
        unload(&x);
    }
    const tap_src_tensor *s =
        load(&x, pb_model_with_initializer(pb_tensor("t", 8, 1, (int64_t[]){0})))->inits;
    CHECK(s->count == 0 && s->data);
    unload(&x);
}

static void bools_become_clean(void) {
    uint8_t out[3];
    stored(pb_raw_tensor("t", 9, 3, "\x00\xff\x02", 3), out, "t");
    CHECK(out[0] == 0 && out[1] == 1 && out[2] == 1);
}

static void empty_raw_data_beside_a_list(void) {
    float out;
    pb *t = pb_tensor("t", 1, 0, NULL);
    pb_bytes(t, 9, "", 0);
    pb_float(t, 4, 2.5f);
    stored(t, &out, "t");
    CHECK(out == 2.5f);
}

/* ---- refused ---- */

static void wrong_sizes(void) {
    pb *t = pb_raw_tensor("w", 1, 6, "01234567890123456789", 20);
    refused_tensor(t, "initializer 'w': float32[6] takes 24 bytes, but raw_data has 20");
    refused_tensor(pb_raw_tensor("w", 22, 5, "abcd", 4), "int4[5] takes 3 bytes, but raw_data has 4");
    refused_tensor(pb_tensor("w", 1, 1, (int64_t[]){6}),
                   "float32[6] takes 24 bytes of values, but the tensor has 0");
    t = pb_tensor("w", 7, 1, (int64_t[]){6});
    pb_bytes(t, 7, "\1\2\3", 3);
    refused_tensor(t, "int64[6] takes 6 numbers, but int64_data has 3");
    t = pb_tensor("w", 8, 1, (int64_t[]){2});
    pb_str(t, 6, "one");
    refused_tensor(t, "string[2] takes 2 strings, but string_data has 1");
    refused_tensor(pb_raw_tensor("w", 1, 0, "0123", 4), "float32[0] takes 0 bytes, but raw_data has 4");
}

static void wrong_shapes(void) {
    refused_tensor(pb_tensor("w", 1, 2, (int64_t[]){2, -1}),
                   "a dimension is negative, or their product is too large");
    refused_tensor(pb_tensor("w", 1, 2, (int64_t[]){INT64_MAX, 2}), "their product is too large");
    refused_tensor(pb_tensor("w", 1, 1, (int64_t[]){INT64_MAX / 2}), "their product is too large");
    refused_tensor(pb_tensor("w", 7, 1, (int64_t[]){INT64_C(1) << 50}), "but the tensor has 0");
    refused(pb_model_with_initializer(pb_tensor("w", 1, 17, (int64_t[17]){0})), TAP_UNSUPPORTED,
            "17 dimensions");
}

static void wrong_fields(void) {
    pb *t = pb_tensor("w", 1, 1, (int64_t[]){1});
    pb_int(t, 5, 1);
    refused_tensor(t, "float32 values belong in raw_data or float_data, but int32_data has some");
    t = pb_raw_tensor("w", 1, 1, "0123", 4);
    pb_float(t, 4, 1);
    refused_tensor(t, "its values are given twice, in raw_data and in float_data");
    refused_tensor(pb_raw_tensor("w", 8, 1, "0123", 4),
                   "strings belong in string_data, but raw_data has values");
    t = pb_raw_tensor("w", 1, 1, "0123", 4);
    pb_str(t, 6, "s");
    refused_tensor(t, "string_data has values, but the tensor is of float32");
    t = pb_tensor("w", 2, 1, (int64_t[]){1});
    pb_int(t, 5, 256);
    refused_tensor(t, "element 0 of int32_data is 256, which is no uint8");
    t = pb_tensor("w", 12, 1, (int64_t[]){1});
    pb_int(t, 11, INT64_C(1) << 32);
    refused_tensor(t, "element 0 of uint64_data is 4294967296, which is no uint32");
    t = pb_raw_tensor("w", 1, 1, "0123", 4);
    pb_msg(t, 3, pb_new());
    refused(pb_model_with_initializer(t), TAP_UNSUPPORTED, "it is a segment of a larger tensor");
    refused_tensor(pb_tensor("w", 0, 0, NULL), "the element type is missing");
    refused_tensor(pb_tensor("w", 29, 0, NULL), "element type 29 is none of ONNX's");
    t = pb_tensor("w", 27, 1, (int64_t[]){1});
    pb_int(t, 5, 64);
    refused_tensor(t, "element 0 of int32_data is 64, which is no float6e2m3");
}

/* ---- sparse ---- */

static pb *sparse_model(pb *values, pb *indices, int n, const int64_t *dims) {
    pb *s = pb_new(), *g = pb_new();
    if (values) pb_msg(s, 1, values);
    if (indices) pb_msg(s, 2, indices);
    for (int i = 0; i < n; i++) pb_int(s, 3, dims[i]);
    pb_msg(g, 15, s);
    return pb_model(14, 24, g);
}

static pb *indices(int rank, const int64_t *dims, const int64_t *x, size_t n) {
    pb *p = pb_tensor("i", 7, rank, dims);
    pb_bytes(p, 9, x, n * sizeof *x);
    return p;
}

static void sparse_initializers(void) {
    static const int64_t flat[] = {1, 5}, by_axis[] = {0, 1, 1, 2};
    float v[2] = {3, 4}, expected[6] = {0, 3, 0, 0, 0, 4};
    for (int two = 0; two < 2; two++) {
        pb *i = two ? indices(2, (int64_t[]){2, 2}, by_axis, 4) : indices(1, (int64_t[]){2}, flat, 2);
        loaded x;
        const tap_src_graph *g =
            load(&x, sparse_model(pb_raw_tensor("s", 1, 2, v, sizeof v), i, 2, (int64_t[]){2, 3}));
        CHECK_EQ(g->n_inits, 1);
        CHECK_STR(g->inits[0].name, "s");
        CHECK_EQ(g->inits[0].rank, 2);
        CHECK(memcmp(g->inits[0].data, expected, sizeof expected) == 0);
        unload(&x);
    }
}

static void refused_sparse(pb *i, int n, const int64_t *dims, const char *part) {
    float v[2] = {3, 4};
    refused(sparse_model(pb_raw_tensor("s", 1, 2, v, sizeof v), i, n, dims), TAP_MODEL, part);
}

static void wrong_sparse_tensors(void) {
    int64_t shape[] = {2, 3}, two[] = {2};
    refused_sparse(NULL, 2, shape, "sparse initializer 's': the sparse tensor has no indices");
    refused_sparse(indices(1, two, (int64_t[]){1, 6}, 2), 2, shape,
                   "index 1 of the sparse tensor lies outside");
    refused_sparse(indices(1, two, (int64_t[]){-1, 5}, 2), 2, shape,
                   "index 0 of the sparse tensor lies outside");
    refused_sparse(indices(1, two, (int64_t[]){5, 5}, 2), 2, shape,
                   "index 1 of the sparse tensor is not behind");
    refused_sparse(indices(2, (int64_t[]){2, 2}, (int64_t[]){0, 3, 1, 0}, 4), 2, shape,
                   "index 0 of the sparse tensor");
    refused_sparse(indices(2, (int64_t[]){2, 3}, (int64_t[6]){0}, 6), 2, shape,
                   "takes values of shape [N] and int64");
    refused_sparse(indices(1, (int64_t[]){1}, (int64_t[]){0}, 1), 2, shape,
                   "takes values of shape [N] and int64");
    refused_sparse(indices(1, two, (int64_t[]){0, 1}, 2), 2, (int64_t[]){INT64_MAX, 3},
                   "product is too large");
}

/* A few bytes that ask for a petabyte. */
static void sparse_tensors_are_within_the_limit(void) {
    float v[1] = {1};
    pb *p = sparse_model(pb_raw_tensor("s", 1, 1, v, 4), indices(1, (int64_t[]){1}, (int64_t[]){0}, 1), 1,
                         (int64_t[]){INT64_C(1) << 48});
    loaded x = {.bytes = p, .err = TAP_ERROR_INIT};
    tap_budget_init(&x.budget, 1 << 20);
    tap_arena_init(&x.arena, &x.budget);
    CHECK_EQ(tap_onnx_load(p->b, p->n, NULL, &x.arena, &x.mappings, NULL, &x.model, &x.err), TAP_MEMORY);
    unload(&x);
}

int main(void) {
    static const test_case tests[] = {
        TEST(every_dtype_is_here),
        TEST(raw_data),
        TEST(typed_lists),
        TEST(strings),
        TEST(empty_tensors),
        TEST(bools_become_clean),
        TEST(empty_raw_data_beside_a_list),
        TEST(wrong_sizes),
        TEST(wrong_shapes),
        TEST(wrong_fields),
        TEST(sparse_initializers),
        TEST(wrong_sparse_tensors),
        TEST(sparse_tensors_are_within_the_limit),
    };
    return test_main(tests, sizeof tests / sizeof *tests);
}
