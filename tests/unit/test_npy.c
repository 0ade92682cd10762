/* .npy: what NumPy writes is read, what is written reads back, and damaged files are refused. */
#include "files.h"
#include "test.h"

#include "core/error.h"
#include "core/half.h"
#include "io/npy.h"
#include "io/unicode.h"

/* The bytes of an array: header of a version around a dictionary, then data. */
static size_t npy(char *out, int version, const char *dict, const void *data, size_t n_data) {
    size_t n = strlen(dict), at = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (char)version;
    out[7] = 0;
    for (size_t i = 8; i < at; i++) out[i] = (char)(n >> (8 * (i - 8)) & 255);
    memcpy(out + at, dict, n);
    if (n_data) memcpy(out + at + n, data, n_data);
    return at + n + n_data;
}

static tap_status read_bytes(const char *bytes, size_t n, tap_dtype want, tap_value **v, tap_error *err) {
    tap_file file = {.data = (const uint8_t *)bytes, .n_bytes = n};
    tap_source s = tap_source_of(&file, "x.npy", 0);
    return tap_npy_read(&s, want, v, err);
}

static tap_status read_dict(int version, const char *dict, const void *data, size_t n_data, tap_value **v) {
    static char bytes[4096];
    return read_bytes(bytes, npy(bytes, version, dict, data, n_data), TAP_UNDEFINED, v, NULL);
}

typedef struct blob {
    char *p;
    size_t n;
} blob;

static void append(void *user, const void *p, size_t n) {
    blob *b = user;
    b->p = realloc(b->p, b->n + n + 1);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

static blob written(const tap_value *v, bool raw) {
    tap_npy_plan plan;
    blob b = {NULL, 0};
    CHECK_EQ(tap_npy_plan_of(tap_value_tensor(v), raw, 0, &plan, NULL), TAP_OK);
    tap_npy_emit(&plan, append, &b);
    CHECK_EQ(b.n, plan.n_bytes);
    CHECK_EQ(plan.header_bytes % 64, 0);
    return b;
}

static void header_versions(void) {
    static const float x[3] = {1, 2.5f, -3};
    for (int version = 1; version <= 3; version++) {
        tap_value *v;
        CHECK_EQ(read_dict(version, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", x,
                           sizeof x, &v),
                 TAP_OK);
        const tap_tensor *t = tap_value_tensor(v);
        CHECK_EQ(t->dtype, TAP_FLOAT);
        CHECK_EQ(t->rank, 1);
        CHECK_EQ(t->dims[0], 3);
        CHECK(memcmp(t->data, x, sizeof x) == 0);
        tap_value_release(v);
    }
}

static void dictionaries_as_python_takes_them(void) {
    static const char *const good[] = {"{'shape':(2L,),'fortran_order':False,'descr':'|u1'}",
                                       "{\"descr\": \"u1\", \"fortran_order\": False, \"shape\": (2,)}   \n",
                                       "{'descr':'|u1','descr':'|u1','fortran_order':True,'shape':(2,),}"};
    static const char *const bad[] = {
        "",
        "{",
        "{}",
        "[]",
        "{'descr': '|u1', 'fortran_order': False}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': [2]}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,) 'x': 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'x': 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,)}",
        "{'descr': '', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': 'O', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|O8', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f16', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<i3', 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (0,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}"};
    tap_value *v;
    for (size_t i = 0; i < TAP_COUNT_OF(good); i++) {
        CHECK_EQ(read_dict(1, good[i], "\x05\x06", 2, &v), TAP_OK);
        CHECK_EQ(((const uint8_t *)tap_tensor_data(tap_value_tensor(v)))[1], 6);
        tap_value_release(v);
    }
    for (size_t i = 0; i < TAP_COUNT_OF(bad); i++) {
        tap_status s = read_dict(1, bad[i], "\x05\x06", 2, &v);
        if (s != TAP_DATA) printf("bad[%zu]: %s\n", i, bad[i]);
        CHECK_EQ(s, TAP_DATA);
        CHECK(v == NULL);
    }
}

static void big_endian_and_fortran(void) {
    static const uint8_t be[12] = {0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6};
    tap_value *v;
    CHECK_EQ(read_dict(1, "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3)}", be, 12, &v), TAP_OK);
    static const int16_t want[6] = {1, 3, 5, 2, 4, 6};
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(v)), want, sizeof want) == 0);
    tap_value_release(v);
    static const uint8_t complex_be[8] = {0x3F, 0x80, 0, 0, 0x40, 0, 0, 0};
    CHECK_EQ(read_dict(1, "{'descr': '>c8', 'fortran_order': False, 'shape': ()}", complex_be, 8, &v),
             TAP_OK);
    const float *c = tap_tensor_data(tap_value_tensor(v));
    CHECK(c[0] == 1 && c[1] == 2);
    tap_value_release(v);
}

static void any_byte_is_a_bool(void) {
    tap_value *v;
    CHECK_EQ(read_dict(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (3,)}", "\x00\x01\xFF", 3, &v),
             TAP_OK);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(v)), "\0\1\1", 3) == 0);
    tap_value_release(v);
}

static void check_string(const tap_value *v, int64_t i, const char *want) {
    const tap_string *x = tap_tensor_data(tap_value_tensor(v));
    CHECK_EQ(x[i].n, strlen(want));
    CHECK(x[i].n == strlen(want) && memcmp(x[i].s, want, x[i].n) == 0);
}

static void strings_of_both_kinds(void) {
    static const uint32_t u[4] = {'a', 0xE9, 0x1F600, 0};
    tap_value *v;
    CHECK_EQ(read_dict(1, "{'descr': '<U2', 'fortran_order': False, 'shape': (2,)}", u, sizeof u, &v),
             TAP_OK);
    check_string(v, 0, "a\xC3\xA9");
    check_string(v, 1, "\xF0\x9F\x98\x80");
    tap_value_release(v);
    CHECK_EQ(read_dict(1, "{'descr': '|S3', 'fortran_order': True, 'shape': (2, 2)}", "ab\0c\0\0\0\0\0def",
                       12, &v),
             TAP_OK);
    check_string(v, 0, "ab");
    check_string(v, 1, "");
    check_string(v, 2, "c");
    check_string(v, 3, "def");
    tap_value_release(v);
    static const uint32_t no_text[1] = {0x110000};
    CHECK_EQ(read_dict(1, "{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", no_text, 4, &v),
             TAP_DATA);
}

static void raw_bytes_of_what_numpy_lacks(void) {
    static char bytes[256];
    tap_value *v;
    size_t n = npy(bytes, 1, "{'descr': '<V2', 'fortran_order': False, 'shape': (1,)}", "\x80\x3F", 2);
    CHECK_EQ(read_bytes(bytes, n, TAP_BFLOAT16, &v, NULL), TAP_OK);
    CHECK_EQ(tap_value_tensor(v)->dtype, TAP_BFLOAT16);
    tap_value_release(v);
    CHECK_EQ(read_bytes(bytes, n, TAP_FLOAT, &v, NULL), TAP_DATA);
    n = npy(bytes, 1, "{'descr': '<f1', 'fortran_order': False, 'shape': (1,)}", "\x3C", 1);
    CHECK_EQ(read_bytes(bytes, n, TAP_FLOAT8E5M2, &v, NULL), TAP_OK);
    tap_value_release(v);
}

static tap_value *counting(tap_dtype t, int rank, const int64_t *dims) {
    tap_value *v;
    CHECK_EQ(tap_value_new(t, rank, dims, &v, NULL), TAP_OK);
    uint8_t *p = tap_value_data(v);
    for (size_t i = 0; i < tap_tensor_bytes(tap_value_tensor(v)); i++)
        p[i] = (uint8_t)(t == TAP_BOOL ? i % 2 : i * 7 + 1);
    return v;
}

static void every_plain_dtype_round_trips(void) {
    static const tap_dtype plain[] = {TAP_FLOAT,  TAP_UINT8,  TAP_INT8,      TAP_UINT16,    TAP_INT16,
                                      TAP_INT32,  TAP_INT64,  TAP_BOOL,      TAP_FLOAT16,   TAP_DOUBLE,
                                      TAP_UINT32, TAP_UINT64, TAP_COMPLEX64, TAP_COMPLEX128};
    static const int64_t dims[3] = {3, 1, 50};
    for (size_t i = 0; i < TAP_COUNT_OF(plain); i++)
        for (int rank = 0; rank <= 3; rank++) {
            tap_value *v = counting(plain[i], rank, dims), *w;
            blob b = written(v, false);
            CHECK_EQ(read_bytes(b.p, b.n, TAP_UNDEFINED, &w, NULL), TAP_OK);
            const tap_tensor *x = tap_value_tensor(v), *y = tap_value_tensor(w);
            CHECK_EQ(x->dtype, y->dtype);
            CHECK_EQ(x->rank, y->rank);
            CHECK(memcmp(x->data, y->data, tap_tensor_bytes(x)) == 0);
            tap_value_release(v);
            tap_value_release(w);
            free(b.p);
        }
}

static void what_numpy_lacks_becomes_float32_or_int8(void) {
    const uint16_t bf[2] = {0x3FC0, 0xC000};
    const int8_t nibbles[2] = {-8, 7};
    tap_value *v, *w;
    CHECK_EQ(tap_value_wrap(TAP_BFLOAT16, 1, (int64_t[]){2}, bf, &v, NULL), TAP_OK);
    blob b = written(v, false);
    CHECK_EQ(read_bytes(b.p, b.n, TAP_UNDEFINED, &w, NULL), TAP_OK);
    const float *f = tap_tensor_data(tap_value_tensor(w));
    CHECK_EQ(tap_value_tensor(w)->dtype, TAP_FLOAT);
    CHECK(f[0] == 1.5f && f[1] == -2.0f);
    tap_value_release(w);
    free(b.p);
    b = written(v, true);
    CHECK_EQ(read_bytes(b.p, b.n, TAP_UNDEFINED, &w, NULL), TAP_OK);
    CHECK_EQ(tap_value_tensor(w)->dtype, TAP_UINT16);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(w)), bf, sizeof bf) == 0);
    tap_value_release(v);
    tap_value_release(w);
    free(b.p);
    CHECK_EQ(tap_value_wrap(TAP_INT4, 1, (int64_t[]){2}, nibbles, &v, NULL), TAP_OK);
    b = written(v, false);
    CHECK_EQ(read_bytes(b.p, b.n, TAP_UNDEFINED, &w, NULL), TAP_OK);
    CHECK_EQ(tap_value_tensor(w)->dtype, TAP_INT8);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(w)), nibbles, 2) == 0);
    tap_value_release(v);
    tap_value_release(w);
    free(b.p);
}

static void any_bytes_survive_as_text(void) {
    static const char *const texts[5] = {"", "plain", "\xC3\xA9\xF0\x9F\x98\x80", "\xFF\xC0\x80 \xED\xA0\x80",
                                         "\xE2\x82"};
    tap_value *v, *w;
    CHECK_EQ(tap_value_new(TAP_STRING, 1, (int64_t[]){5}, &v, NULL), TAP_OK);
    for (int64_t i = 0; i < 5; i++)
        CHECK_EQ(tap_value_set_string(v, i, texts[i], strlen(texts[i]), NULL), TAP_OK);
    blob b = written(v, false);
    CHECK_EQ(read_bytes(b.p, b.n, TAP_UNDEFINED, &w, NULL), TAP_OK);
    for (int64_t i = 0; i < 5; i++) check_string(w, i, texts[i]);
    tap_value_release(v);
    tap_value_release(w);
    free(b.p);
}

/* A short tensor of strings must not be able to fill the disk. */
static void padded_strings_have_a_limit(void) {
    tap_value *v;
    tap_npy_plan plan;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_value_new(TAP_STRING, 1, (int64_t[]){1000}, &v, NULL), TAP_OK);
    char text[5000];
    memset(text, 'x', sizeof text);
    CHECK_EQ(tap_value_set_string(v, 0, text, sizeof text, NULL), TAP_OK);
    CHECK_EQ(tap_npy_plan_of(tap_value_tensor(v), false, 1 << 20, &plan, &err), TAP_DATA);
    CHECK(strstr(err.text, "1000 strings") != NULL);
    tap_value_release(v);
}

static void memory_for_an_array_has_a_limit(void) {
    static char bytes[256];
    tap_value *v;
    tap_error err = TAP_ERROR_INIT;
    size_t n = npy(bytes, 1, "{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000,)}", "", 0);
    tap_file file = {.data = (const uint8_t *)bytes, .n_bytes = n};
    tap_source s = tap_source_of(&file, "x.npy", 1 << 20);
    CHECK_EQ(tap_npy_read(&s, TAP_UNDEFINED, &v, &err), TAP_MEMORY);
}

static void every_cut_is_refused(void) {
    static char bytes[256];
    size_t n =
        npy(bytes, 1, "{'descr': '<i4', 'fortran_order': False, 'shape': (2,)}\n", "\1\0\0\0\2\0\0\0", 8);
    for (size_t cut = 0; cut < n; cut++) {
        tap_value *v;
        char *exact = malloc(cut + 1);
        memcpy(exact, bytes, cut);
        CHECK_EQ(read_bytes(exact, cut, TAP_UNDEFINED, &v, NULL), TAP_DATA);
        free(exact);
    }
}

static void large_arrays_stay_in_the_file(void) {
    tap_value *v = counting(TAP_FLOAT, 1, (int64_t[]){100000}), *w;
    blob b = written(v, false);
    const char *path = in_folder("large.npy");
    tap_file *file;
    file_put(path, b.p, b.n);
    CHECK_EQ(tap_file_open(path, 0, &file, NULL), TAP_OK);
    tap_source s = tap_source_of(file, path, 0);
    CHECK_EQ(tap_npy_read(&s, TAP_UNDEFINED, &w, NULL), TAP_OK);
    CHECK((const uint8_t *)tap_tensor_data(tap_value_tensor(w)) == file->data + 128 ||
          (const uint8_t *)tap_tensor_data(tap_value_tensor(w)) == file->data + 64);
    tap_file_release(file);
    CHECK(memcmp(tap_tensor_data(tap_value_tensor(v)), tap_tensor_data(tap_value_tensor(w)), 400000) == 0);
    tap_value_release(v);
    tap_value_release(w);
    free(b.p);
}

static void utf8_takes_only_what_is_valid(void) {
    static const struct {
        const char *s;
        uint32_t c;
        size_t n;
    } cases[] = {{"a", 'a', 1},
                 {"\xC2\x80", 0x80, 2},
                 {"\xDF\xBF", 0x7FF, 2},
                 {"\xE0\xA0\x80", 0x800, 3},
                 {"\xEF\xBF\xBF", 0xFFFF, 3},
                 {"\xF0\x90\x80\x80", 0x10000, 4},
                 {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4},
                 {"\xF4\x90\x80\x80", 0xDCF4, 1},
                 {"\xC1\xBF", 0xDCC1, 1},
                 {"\xE0\x9F\xBF", 0xDCE0, 1},
                 {"\xED\xB2\x80", 0xDCED, 1},
                 {"\xF0\x8F\xBF\xBF", 0xDCF0, 1},
                 {"\x80", 0xDC80, 1},
                 {"\xE2\x82", 0xDCE2, 1}};
    for (size_t i = 0; i < TAP_COUNT_OF(cases); i++) {
        const char *p = cases[i].s;
        char back[4];
        CHECK_EQ(tap_utf8_next(&p, p + strlen(p)), cases[i].c);
        CHECK_EQ(p - cases[i].s, cases[i].n);
        CHECK_EQ(tap_utf8_put(cases[i].c, back), cases[i].n);
        CHECK(memcmp(back, cases[i].s, cases[i].n) == 0);
    }
}

int main(void) {
    static const test_case tests[] = {TEST(header_versions),
                                      TEST(dictionaries_as_python_takes_them),
                                      TEST(big_endian_and_fortran),
                                      TEST(any_byte_is_a_bool),
                                      TEST(strings_of_both_kinds),
                                      TEST(raw_bytes_of_what_numpy_lacks),
                                      TEST(every_plain_dtype_round_trips),
                                      TEST(what_numpy_lacks_becomes_float32_or_int8),
                                      TEST(any_bytes_survive_as_text),
                                      TEST(padded_strings_have_a_limit),
                                      TEST(memory_for_an_array_has_a_limit),
                                      TEST(every_cut_is_refused),
                                      TEST(large_arrays_stay_in_the_file),
                                      TEST(utf8_takes_only_what_is_valid)};
    folder_make();
    int failed = test_main(tests, TAP_COUNT_OF(tests));
    folder_remove_all(test_folder);
    return failed;
}
