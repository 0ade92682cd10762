/* .npz: archives round trip stored and deflated, with zip64 records, and damaged ones are refused. */
#include "files.h"
#include "test.h"

#include "core/tensor.h"
#include "io/load.h"
#include "io/npy.h"
#include "io/zip.h"

static void crc_of_known_texts(void) {
    tap_crc_tables t;
    tap_crc_init(&t);
    CHECK_EQ(tap_crc32(&t, 0, "123456789", 9), 0xCBF43926);
    CHECK_EQ(tap_crc32(&t, 0, "", 0), 0);
    CHECK_EQ(tap_crc32(&t, tap_crc32(&t, 0, "1234", 4), "56789", 5), 0xCBF43926);
}

static void add(tap_zip_writer *zip, const char *name, const tap_value *v) {
    tap_npy_plan plan;
    CHECK_EQ(tap_npy_plan_of(tap_value_tensor(v), false, 0, &plan, NULL), TAP_OK);
    CHECK_EQ(tap_zip_begin(zip, name, plan.n_bytes, NULL), TAP_OK);
    tap_npy_emit(&plan, tap_zip_write, zip);
    CHECK_EQ(tap_zip_end(zip, NULL), TAP_OK);
}

/* NULL: to be compressed, and the library was built without zlib. */
static tap_zip_writer *create(const char *path, bool compress) {
    tap_writer *w;
    tap_zip_writer *zip = NULL;
    CHECK_EQ(tap_writer_open(path, &w, NULL), TAP_OK);
    tap_status s = tap_zip_create(w, compress, &zip, NULL);
    CHECK(s == TAP_OK || (s == TAP_UNSUPPORTED && compress));
    return zip;
}

static tap_value *ramp(int64_t n) {
    tap_value *v;
    CHECK_EQ(tap_value_new(TAP_INT32, 1, &n, &v, NULL), TAP_OK);
    int32_t *x = tap_value_data(v);
    for (int64_t i = 0; i < n; i++) x[i] = (int32_t)i;
    return v;
}

static void check_ramp(const tap_archive *a, const char *key, int64_t n) {
    tap_value *v = NULL;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_archive_load(a, key, NULL, &v, &err), TAP_OK);
    const tap_tensor *t = tap_value_tensor(v);
    CHECK(t && t->count == n);
    for (int64_t i = 0; t && i < t->count; i++)
        if (((const int32_t *)t->data)[i] != i) {
            CHECK_EQ(((const int32_t *)t->data)[i], i);
            break;
        }
    tap_value_release(v);
}

static void round_trip(bool compress, bool force64) {
    const char *path = in_folder("a.npz");
    tap_zip_writer *zip = create(path, compress);
    unlink(path);
    if (!zip) return;
    tap_value *small = ramp(5), *large = ramp(100000), *none = ramp(0);
    if (force64) tap_zip_force64(zip);
    add(zip, "a/b:0.npy", small);
    add(zip, "caf\xC3\xA9.npy", large);
    add(zip, "none.npy", none);
    CHECK(!file_exists(path));
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    CHECK(!file_exists(in_folder("a.npz.tmp")));
    tap_archive *a = NULL;
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_archive_open(path, &a, &err), TAP_OK);
    if (a) {
        CHECK_EQ(tap_archive_count(a), 3);
        CHECK_STR(tap_archive_key(a, 1), "caf\xC3\xA9");
        check_ramp(a, "a/b:0", 5);
        check_ramp(a, "caf\xC3\xA9", 100000);
        check_ramp(a, "none", 0);
    }
    tap_archive_free(a);
    tap_value_release(small);
    tap_value_release(large);
    tap_value_release(none);
}

static void stored(void) {
    round_trip(false, false);
}
static void stored_zip64(void) {
    round_trip(false, true);
}
static void deflated(void) {
    round_trip(true, false);
}
static void deflated_zip64(void) {
    round_trip(true, true);
}

/* Stored members are placed so that they can be used where they are. */
static void large_members_are_mapped(void) {
    const char *path = in_folder("m.npz");
    tap_zip_writer *zip = create(path, false);
    tap_value *x = ramp(3), *y = ramp(50000), *v;
    add(zip, "x.npy", x);
    add(zip, "y.npy", y);
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    tap_file *file;
    tap_archive *a;
    CHECK_EQ(tap_file_open(path, 0, &file, NULL), TAP_OK);
    CHECK_EQ(tap_archive_of(file, path, &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_load(a, "y", NULL, &v, NULL), TAP_OK);
    const uint8_t *p = tap_tensor_data(tap_value_tensor(v));
    CHECK(p > file->data && p < file->data + file->n_bytes);
    tap_archive_free(a);
    tap_file_release(file);
    CHECK_EQ(((const int32_t *)tap_tensor_data(tap_value_tensor(v)))[49999], 49999);
    tap_value_release(v);
    tap_value_release(x);
    tap_value_release(y);
}

static void a_member_without_an_end_is_taken_back(void) {
    const char *path = in_folder("c.npz");
    tap_zip_writer *zip = create(path, false);
    tap_value *x = ramp(7);
    tap_npy_plan plan;
    add(zip, "x.npy", x);
    tap_npy_plan_of(tap_value_tensor(x), false, 0, &plan, NULL);
    CHECK_EQ(tap_zip_begin(zip, "half.npy", plan.n_bytes, NULL), TAP_OK);
    tap_zip_write(zip, plan.header, 20);
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    tap_archive *a;
    CHECK_EQ(tap_archive_open(path, &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_count(a), 1);
    check_ramp(a, "x", 7);
    tap_archive_free(a);
    tap_value_release(x);
}

static void more_members_than_16_bits_count(void) {
    const char *path = in_folder("many.npz");
    tap_zip_writer *zip = create(path, false);
    for (int i = 0; i < 70000; i++) {
        char name[32];
        snprintf(name, sizeof name, "m%d", i);
        CHECK_EQ(tap_zip_begin(zip, name, 1, NULL), TAP_OK);
        tap_zip_write(zip, "x", 1);
        CHECK_EQ(tap_zip_end(zip, NULL), TAP_OK);
    }
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    tap_archive *a;
    CHECK_EQ(tap_archive_open(path, &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_count(a), 70000);
    CHECK_STR(tap_archive_key(a, 69999), "m69999");
    tap_archive_free(a);
}

/* An archive in memory; nothing may be read outside of it, whatever is changed. */
static void open_and_load_all(const char *bytes, size_t n, int *loaded) {
    char *exact = malloc(n ? n : 1);
    memcpy(exact, bytes, n);
    tap_file file = {.data = (const uint8_t *)exact, .n_bytes = n};
    tap_archive *a = NULL;
    atomic_init(&file.refs, 1000);
    tap_load_options o = {.size = sizeof o, .limit_bytes = 1 << 24};
    if (tap_archive_of(&file, "x.npz", &a, NULL) == TAP_OK)
        for (size_t i = 0; i < tap_archive_count(a); i++) {
            tap_value *v = NULL;
            *loaded += tap_archive_load(a, tap_archive_key(a, i), &o, &v, NULL) == TAP_OK;
            tap_value_release(v);
        }
    tap_archive_free(a);
    free(exact);
}

static void damage(bool compress) {
    const char *path = in_folder("d.npz");
    tap_zip_writer *zip = create(path, compress);
    if (!zip) return;
    tap_value *x = ramp(9);
    size_t n = 0;
    add(zip, "x.npy", x);
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    tap_value_release(x);
    char *bytes = file_get(path, &n);
    int loaded = 0;
    open_and_load_all(bytes, n, &loaded);
    CHECK_EQ(loaded, 1);
    loaded = 0;
    for (size_t cut = 0; cut < n; cut++) open_and_load_all(bytes, cut, &loaded);
    CHECK_EQ(loaded, 0);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            open_and_load_all(bytes, n, &loaded);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    free(bytes);
}

static void damage_to_stored(void) {
    damage(false);
}
static void damage_to_deflated(void) {
    damage(true);
}

static void checksums_are_compared(void) {
    const char *path = in_folder("s.npz");
    tap_zip_writer *zip = create(path, false);
    tap_value *x = ramp(9), *v;
    size_t n = 0;
    tap_error err = TAP_ERROR_INIT;
    add(zip, "x.npy", x);
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    tap_value_release(x);
    char *bytes = file_get(path, &n);
    for (size_t i = 0; i + 8 < n; i++)
        if (memcmp(bytes + i, "\4\0\0\0\5\0\0\0", 8) == 0) bytes[i + 5] = 1;
    file_put(path, bytes, n);
    free(bytes);
    tap_archive *a;
    CHECK_EQ(tap_archive_open(path, &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_load(a, "x", NULL, &v, &err), TAP_DATA);
    CHECK(strstr(err.text, "checksum") != NULL);
    tap_archive_free(a);
}

static void keys_are_found(void) {
    const char *path = in_folder("k.npz");
    tap_zip_writer *zip = create(path, false);
    tap_value *x = ramp(1);
    add(zip, "a/b:0.npy", x);
    add(zip, "c_d.npy", x);
    add(zip, "c:d.npy", x);
    add(zip, "s[0].npy", x);
    add(zip, "s[1].npy", x);
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    tap_archive *a;
    CHECK_EQ(tap_archive_open(path, &a, NULL), TAP_OK);
    CHECK_STR(tap_archive_find(a, "a_b_0"), "a/b:0");
    CHECK_STR(tap_archive_find(a, "c:d"), "c:d");
    CHECK(tap_archive_find(a, "c/d") == NULL);
    CHECK(tap_archive_find(a, "absent") == NULL);
    CHECK_STR(tap_archive_find(a, "s"), "s");
    tap_type elem = {.kind = TAP_KIND_TENSOR, .dtype = TAP_INT32, .rank = -1};
    tap_type sequence = {.kind = TAP_KIND_SEQUENCE, .elem = &elem};
    tap_load_options o = {.size = sizeof o, .type = &sequence};
    tap_value *v;
    CHECK_EQ(tap_archive_load(a, "s", &o, &v, NULL), TAP_OK);
    CHECK_EQ(tap_value_length(v), 2);
    tap_value_release(v);
    tap_archive_free(a);
    tap_value_release(x);
}

static tap_status no_pb(const void *bytes, size_t n, const tap_type *type, uint64_t limit, tap_value **out,
                        tap_error *err) {
    (void)bytes, (void)n, (void)type, (void)limit, (void)out, (void)err;
    return TAP_UNSUPPORTED;
}

static void paths_with_keys(void) {
    const char *path = in_folder("p.npz");
    char with_key[600];
    tap_zip_writer *zip = create(path, false);
    tap_value *x = ramp(4), *v = NULL;
    tap_error err = TAP_ERROR_INIT;
    add(zip, "in:0.npy", x);
    add(zip, "y.npy", x);
    CHECK_EQ(tap_zip_finish(zip, NULL), TAP_OK);
    snprintf(with_key, sizeof with_key, "%s:in:0", path);
    CHECK_EQ(tap_load_any(with_key, NULL, no_pb, &v, NULL), TAP_OK);
    tap_value_release(v);
    CHECK_EQ(tap_load_any(path, NULL, no_pb, &v, &err), TAP_USAGE);
    CHECK(strstr(err.text, "in:0, y") != NULL);
    snprintf(with_key, sizeof with_key, "%s:absent", path);
    CHECK_EQ(tap_load_any(with_key, NULL, no_pb, &v, &err), TAP_DATA);
    CHECK(strstr(err.text, "in:0, y") != NULL);
    CHECK_EQ(tap_load_any(in_folder("not there.npy"), NULL, no_pb, &v, &err), TAP_IO);
    file_put(in_folder("text.npy"), "hello", 5);
    CHECK_EQ(tap_load_any(in_folder("text.npy"), NULL, no_pb, &v, &err), TAP_DATA);
    tap_value_release(x);
}

int main(void) {
    static const test_case tests[] = {TEST(crc_of_known_texts),
                                      TEST(stored),
                                      TEST(stored_zip64),
                                      TEST(deflated),
                                      TEST(deflated_zip64),
                                      TEST(damage_to_deflated),
                                      TEST(large_members_are_mapped),
                                      TEST(a_member_without_an_end_is_taken_back),
                                      TEST(more_members_than_16_bits_count),
                                      TEST(damage_to_stored),
                                      TEST(checksums_are_compared),
                                      TEST(keys_are_found),
                                      TEST(paths_with_keys)};
    folder_make();
    int failed = test_main(tests, TAP_COUNT_OF(tests));
    folder_remove_all(test_folder);
    return failed;
}
