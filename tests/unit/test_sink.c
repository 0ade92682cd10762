/* Sinks: what they leave behind, when all goes well and when it does not. */
#include "files.h"
#include "test.h"

#include <math.h>
#include <sys/resource.h>
#include <signal.h>

#include "core/tensor.h"
#include "io/sink.h"

/* A .pb as far as a sink can tell. */
static tap_status encode(const tap_value *v, const char *name, const tap_type *type, void **bytes, size_t *n,
                         tap_error *err) {
    (void)type, (void)err;
    *n = strlen(name) + 2;
    char *p = malloc(*n + 1);
    snprintf(p, *n + 1, "%d:%s", (int)tap_value_kind(v), name);
    *bytes = p;
    return TAP_OK;
}

static tap_sink *sink_of(const char *path, const tap_sink_options *o) {
    tap_sink *s = NULL;
    tap_error err = TAP_ERROR_INIT;
    if (tap_sink_make(path, o, encode, &s, &err) != TAP_OK) printf("%s\n", err.text);
    CHECK(s != NULL);
    return s;
}

static tap_status add(tap_sink *s, const char *name, int output, const tap_value *v, tap_error *err) {
    tap_entry e = {.size = sizeof e, .name = name, .node = "node", .op = "Relu", .output = output};
    return tap_sink_add(s, &e, v, err);
}

static tap_value *floats(int64_t n, float first) {
    tap_value *v;
    CHECK_EQ(tap_value_new(TAP_FLOAT, 1, &n, &v, NULL), TAP_OK);
    float *x = tap_value_data(v);
    for (int64_t i = 0; i < n; i++) x[i] = first + (float)i;
    return v;
}

static void check_keys(const char *path, const char *const *want, size_t n) {
    tap_archive *a = NULL;
    CHECK_EQ(tap_archive_open(path, &a, NULL), TAP_OK);
    if (!a) return;
    CHECK_EQ(tap_archive_count(a), n);
    for (size_t i = 0; i < n && i < tap_archive_count(a); i++) CHECK_STR(tap_archive_key(a, i), want[i]);
    tap_archive_free(a);
}

static void npz_in_order_with_unique_keys(void) {
    tap_sink *s = sink_of(in_folder("a.npz"), NULL);
    tap_value *v = floats(3, 1);
    CHECK_EQ(add(s, "b", -1, v, NULL), TAP_OK);
    CHECK_EQ(add(s, "a", -1, v, NULL), TAP_OK);
    CHECK_EQ(add(s, "b", -1, v, NULL), TAP_OK);
    CHECK_EQ(add(s, "b", -1, v, NULL), TAP_OK);
    CHECK_EQ(add(s, "absent", -1, NULL, NULL), TAP_OK);
    CHECK(!file_exists(in_folder("a.npz")));
    CHECK(file_exists(in_folder("a.npz.tmp")));
    CHECK_EQ(tap_sink_close(s, NULL), TAP_OK);
    CHECK(!file_exists(in_folder("a.npz.tmp")));
    check_keys(in_folder("a.npz"), (const char *const[]){"b", "a", "b#1", "b#2"}, 4);
    tap_value_release(v);
}

static tap_value *map_of(float first, const char *second_key) {
    tap_value *keys, *map, *values = floats(2, first);
    CHECK_EQ(tap_value_new(TAP_STRING, 1, (int64_t[]){2}, &keys, NULL), TAP_OK);
    tap_value_set_string(keys, 0, "no", 2, NULL);
    tap_value_set_string(keys, 1, second_key, strlen(second_key), NULL);
    CHECK_EQ(tap_value_new_map(keys, values, &map, NULL), TAP_OK);
    return map;
}

static void sequences_and_maps_as_tensors(void) {
    const char *path = in_folder("s.npz");
    tap_sink *s = sink_of(path, NULL);
    tap_value *same[2] = {map_of(1, "yes"), map_of(5, "yes")}, *other[2] = {map_of(1, "yes"), map_of(5, "x")},
              *plain[2] = {floats(1, 1), floats(2, 1)}, *v[3];
    CHECK_EQ(tap_value_new_sequence(same, 2, TAP_UNDEFINED, &v[0], NULL), TAP_OK);
    CHECK_EQ(tap_value_new_sequence(other, 2, TAP_UNDEFINED, &v[1], NULL), TAP_OK);
    CHECK_EQ(tap_value_new_sequence(plain, 2, TAP_FLOAT, &v[2], NULL), TAP_OK);
    CHECK_EQ(add(s, "table", -1, v[0], NULL), TAP_OK);
    CHECK_EQ(add(s, "maps", -1, v[1], NULL), TAP_OK);
    CHECK_EQ(add(s, "list", -1, v[2], NULL), TAP_OK);
    CHECK_EQ(tap_sink_close(s, NULL), TAP_OK);
    check_keys(path,
               (const char *const[]){"table", "table.keys", "maps[0]", "maps[0].keys", "maps[1]",
                                     "maps[1].keys", "list[0]", "list[1]"},
               8);
    tap_archive *a;
    tap_value *m;
    CHECK_EQ(tap_archive_open(path, &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_load(a, "table", NULL, &m, NULL), TAP_OK);
    const tap_tensor *t = tap_value_tensor(m);
    CHECK(t->rank == 2 && t->dims[0] == 2 && t->dims[1] == 2 && ((const float *)t->data)[2] == 5);
    tap_value_release(m);
    /* And back. */
    tap_type value = {.kind = TAP_KIND_TENSOR, .dtype = TAP_FLOAT, .rank = -1};
    tap_type map = {.kind = TAP_KIND_MAP, .dtype = TAP_STRING, .elem = &value};
    tap_type maps = {.kind = TAP_KIND_SEQUENCE, .elem = &map};
    tap_load_options o = {.size = sizeof o, .type = &maps};
    CHECK_EQ(tap_archive_load(a, "table", &o, &m, NULL), TAP_OK);
    CHECK_EQ(tap_value_length(m), 2);
    CHECK_EQ(tap_value_kind(tap_value_item(m, 1)), TAP_KIND_MAP);
    tap_value_release(m);
    tap_archive_free(a);
    for (int i = 0; i < 3; i++) tap_value_release(v[i]);
}

static void an_aborted_npz_keeps_what_is_complete(void) {
    const char *path = in_folder("e.npz");
    tap_sink *s = sink_of(path, NULL);
    tap_value *v = floats(3, 1), *note;
    tap_error why = TAP_ERROR_INIT;
    why.code = TAP_RUN;
    snprintf(why.text, sizeof why.text, "node 'conv7' failed");
    CHECK_EQ(add(s, "a", -1, v, NULL), TAP_OK);
    CHECK_EQ(tap_sink_abort(s, &why), TAP_OK);
    check_keys(path, (const char *const[]){"a", "__error__"}, 2);
    tap_archive *a;
    CHECK_EQ(tap_archive_open(path, &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_load(a, "__error__", NULL, &note, NULL), TAP_OK);
    const tap_string *text = tap_tensor_data(tap_value_tensor(note));
    CHECK(text->n == strlen(why.text) && memcmp(text->s, why.text, text->n) == 0);
    tap_value_release(note);
    tap_archive_free(a);
    tap_value_release(v);
}

static void an_abort_with_nothing_leaves_nothing(void) {
    static const char *const names[] = {"n.npz", "n.json", "n.npy", "n.pb"};
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++) {
        tap_sink *s = sink_of(in_folder(names[i]), NULL);
        CHECK_EQ(tap_sink_abort(s, NULL), TAP_OK);
        char tmp[64];
        snprintf(tmp, sizeof tmp, "%s.tmp", names[i]);
        CHECK(!file_exists(in_folder(names[i])));
        CHECK(!file_exists(in_folder(tmp)));
    }
    tap_sink *s = sink_of(in_folder("nothing/"), NULL);
    CHECK_EQ(tap_sink_abort(s, NULL), TAP_OK);
    CHECK(!file_exists(in_folder("nothing/index.json")));
    CHECK(!file_exists(in_folder("nothing/index.json.tmp")));
}

/* A disk that is full: RLIMIT_FSIZE makes write fail, once the signal that comes with it is ignored. */
static void a_full_disk_keeps_what_fits(void) {
    const char *path = in_folder("full.npz");
    struct rlimit old, small;
    tap_sink *s = sink_of(path, NULL);
    tap_value *v = floats(1000, 1), *large = floats(100000, 1);
    tap_error err = TAP_ERROR_INIT;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 200000;
    CHECK_EQ(add(s, "a", -1, v, NULL), TAP_OK);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    CHECK_EQ(add(s, "large", -1, large, &err), TAP_IO);
    CHECK_EQ(tap_sink_abort(s, &err), TAP_OK);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
    check_keys(path, (const char *const[]){"a", "__error__"}, 2);
    tap_value_release(v);
    tap_value_release(large);
}

static tap_json_value *document(const char *path) {
    size_t n = 0;
    char *text = file_get(path, &n);
    tap_json_value *v = NULL;
    CHECK(text != NULL);
    if (!text) return NULL;
    CHECK_EQ(tap_json_parse(text, n, &v, NULL), TAP_OK);
    free(text);
    return v;
}

static const char *text_of(const tap_json_value *v, const char *key) {
    return tap_json_text(tap_json_get(v, key));
}

static void folders_have_safe_names_and_an_index(void) {
    static const char *const names[] = {"a/b:0",     "a_b_0",    "A_B_0",    "index",
                                        "../../etc", "\xC3\xA9", "loop/v[3]"};
    static const char *const files[] = {"a_b_0.npy",     "a_b_0_1.npy", "A_B_0_2.npy",  "index_1.npy",
                                        "_._.._etc.npy", "_.npy",       "loop_v_3_.npy"};
    tap_sink *s = sink_of(in_folder("out/"), NULL);
    tap_value *v = floats(2, 1);
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++) CHECK_EQ(add(s, names[i], -1, v, NULL), TAP_OK);
    CHECK_EQ(tap_sink_close(s, NULL), TAP_OK);
    tap_json_value *d = document(in_folder("out/index.json"));
    const tap_json_value *e = tap_json_first(tap_json_get(d, "values"));
    CHECK_EQ(tap_json_length(tap_json_get(d, "values")), TAP_COUNT_OF(names));
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++, e = tap_json_next(e)) {
        char path[128];
        snprintf(path, sizeof path, "out/%s", files[i]);
        CHECK_STR(text_of(e, "tensor"), names[i]);
        CHECK_STR(text_of(e, "file"), files[i]);
        snprintf(path, sizeof path, "out/%s", text_of(e, "file"));
        CHECK(file_exists(in_folder(path)));
        CHECK_STR(text_of(e, "node"), "node");
        CHECK_STR(text_of(e, "operator"), "Relu");
        CHECK_STR(text_of(e, "dtype"), "float32");
        CHECK(strchr(text_of(e, "file"), '/') == NULL);
    }
    CHECK(tap_json_true(tap_json_get(d, "complete")));
    tap_json_value_free(d);
    tap_value_release(v);
}

static void an_aborted_folder_names_the_node(void) {
    tap_sink *s = sink_of(in_folder("ab/"), NULL);
    tap_value *v = floats(2, 1);
    tap_error why = TAP_ERROR_INIT;
    why.code = TAP_RUN;
    snprintf(why.node, sizeof why.node, "#17:Conv");
    CHECK_EQ(add(s, "x", -1, v, NULL), TAP_OK);
    CHECK_EQ(tap_sink_abort(s, &why), TAP_OK);
    tap_json_value *d = document(in_folder("ab/index.json"));
    CHECK_STR(text_of(tap_json_get(d, "error"), "node"), "#17:Conv");
    CHECK(!tap_json_true(tap_json_get(d, "complete")));
    CHECK_EQ(tap_json_length(tap_json_get(d, "values")), 1);
    tap_json_value_free(d);
    tap_value_release(v);
}

static void pb_folders_number_the_outputs(void) {
    tap_sink_options o = {.size = sizeof o, .format = TAP_FORMAT_PB};
    tap_sink *s = sink_of(in_folder("pb/"), &o);
    tap_value *item = floats(2, 1), *v;
    CHECK_EQ(tap_value_new_sequence(&item, 1, TAP_FLOAT, &v, NULL), TAP_OK);
    CHECK_EQ(add(s, "t/x", -1, item, NULL), TAP_OK);
    CHECK_EQ(add(s, "y", 0, item, NULL), TAP_OK);
    CHECK_EQ(add(s, "z", 1, v, NULL), TAP_OK);
    CHECK_EQ(tap_sink_close(s, NULL), TAP_OK);
    size_t n = 0;
    char *text = file_get(in_folder("pb/output_1.pb"), &n);
    CHECK_STR(text ? text : "", "2:z");
    free(text);
    CHECK(file_exists(in_folder("pb/output_0.pb")));
    CHECK(file_exists(in_folder("pb/taps/t_x.pb")));
    tap_value_release(v);
}

static void json_has_taps_then_outputs(void) {
    tap_sink *s = sink_of(in_folder("v.json"), NULL);
    tap_value *v = floats(2, 1), *m = floats(6, 0);
    m->tensor.rank = 2;
    m->tensor.dims[0] = 2;
    m->tensor.dims[1] = 3;
    ((float *)tap_value_data(v))[1] = -INFINITY;
    CHECK_EQ(add(s, "y", 0, m, NULL), TAP_OK);
    CHECK_EQ(add(s, "t", -1, v, NULL), TAP_OK);
    CHECK_EQ(tap_sink_close(s, NULL), TAP_OK);
    tap_json_value *d = document(in_folder("v.json"));
    const tap_json_value *t = tap_json_first(tap_json_get(d, "taps")),
                         *y = tap_json_first(tap_json_get(d, "outputs"));
    CHECK_STR(text_of(t, "name"), "t");
    CHECK(tap_json_number(tap_json_get(t, "nonfinite"), 0) == 1);
    CHECK_STR(tap_json_text(tap_json_next(tap_json_first(tap_json_get(t, "data")))), "-Infinity");
    CHECK_STR(text_of(y, "name"), "y");
    const tap_json_value *row = tap_json_next(tap_json_first(tap_json_get(y, "data")));
    CHECK(tap_json_number(tap_json_first(row), 0) == 3);
    tap_json_value_free(d);
    tap_value_release(v);
    tap_value_release(m);
}

static void single_files_take_one_value(void) {
    tap_sink *s = sink_of(in_folder("one.npy"), NULL);
    tap_value *v = floats(2, 1);
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(add(s, "x", 0, v, NULL), TAP_OK);
    CHECK_EQ(add(s, "y", 1, v, &err), TAP_USAGE);
    CHECK_EQ(tap_sink_close(s, NULL), TAP_OK);
    CHECK(file_exists(in_folder("one.npy")));
    s = sink_of(in_folder("none.npy"), NULL);
    CHECK_EQ(tap_sink_close(s, &err), TAP_USAGE);
    CHECK(!file_exists(in_folder("none.npy")));
    tap_value_release(v);
}

static void what_no_format_fits_is_refused(void) {
    tap_sink *s;
    tap_sink_options npz = {.size = sizeof npz, .format = TAP_FORMAT_NPZ};
    tap_error err = TAP_ERROR_INIT;
    CHECK_EQ(tap_sink_make(in_folder("x.xyz"), NULL, encode, &s, &err), TAP_USAGE);
    CHECK_EQ(tap_sink_make(in_folder("x"), NULL, encode, &s, &err), TAP_USAGE);
    CHECK_EQ(tap_sink_make(in_folder("dir/"), &npz, encode, &s, &err), TAP_USAGE);
    CHECK_EQ(tap_sink_make("/no such folder/x.npz", NULL, encode, &s, &err), TAP_IO);
}

int main(void) {
    static const test_case tests[] = {TEST(npz_in_order_with_unique_keys),
                                      TEST(sequences_and_maps_as_tensors),
                                      TEST(an_aborted_npz_keeps_what_is_complete),
                                      TEST(an_abort_with_nothing_leaves_nothing),
                                      TEST(a_full_disk_keeps_what_fits),
                                      TEST(folders_have_safe_names_and_an_index),
                                      TEST(an_aborted_folder_names_the_node),
                                      TEST(pb_folders_number_the_outputs),
                                      TEST(json_has_taps_then_outputs),
                                      TEST(single_files_take_one_value),
                                      TEST(what_no_format_fits_is_refused)};
    folder_make();
    int failed = test_main(tests, TAP_COUNT_OF(tests));
    folder_remove_all(test_folder);
    return failed;
}
