/* External data: found, mapped once, and kept within the model's folder. */
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"

/* A folder that the tests make files in: `model` is the model's, `outside` lies beside it. */
static char root[PATH_MAX], folder[PATH_MAX + 8];

static const char *in_root(const char *name) {
    static char path[PATH_MAX + 300];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void write_file(const char *name, const void *bytes, size_t n) {
    FILE *f = fopen(in_root(name), "wb");
    CHECK(f && fwrite(bytes, 1, n, f) == n);
    if (f) fclose(f);
}

static void link_to(const char *target, const char *name) {
    CHECK(symlink(target, in_root(name)) == 0);
}

static void make_files(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/onnxtap-test-XXXXXX", tmp ? tmp : "/tmp");
    CHECK(mkdtemp(root) != NULL);
    snprintf(folder, sizeof folder, "%s/model", root);
    CHECK(mkdir(folder, 0700) == 0);
    CHECK(mkdir(in_root("model/sub"), 0700) == 0);
    CHECK(mkdir(in_root("outside"), 0700) == 0);
    CHECK(mkdir(in_root("model-2"), 0700) == 0);
    write_file("model/w.bin", "0123456789abcdef", 16);
    write_file("model/sub/w.bin", "ABCDEFGH", 8);
    write_file("model/empty.bin", "", 0);
    write_file("outside/w.bin", "secret!!", 8);
    write_file("model-2/w.bin", "secret!!", 8);
    link_to("w.bin", "model/inside.bin");
    link_to("../outside/w.bin", "model/out.bin");
    link_to("../outside", "model/out");
    link_to("../model-2/w.bin", "model/sibling.bin");
    link_to("loop.bin", "model/loop.bin");
    CHECK(mkfifo(in_root("model/pipe.bin"), 0600) == 0);
}

static void remove_files(void) {
    static const char *const files[] = {"model/w.bin",    "model/sub/w.bin", "model/empty.bin",
                                        "outside/w.bin",  "model-2/w.bin",   "model/inside.bin",
                                        "model/out.bin",  "model/out",       "model/sibling.bin",
                                        "model/loop.bin", "model/pipe.bin"};
    static const char *const folders[] = {"model/sub", "model", "outside", "model-2"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) CHECK(unlink(in_root(files[i])) == 0);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) CHECK(rmdir(in_root(folders[i])) == 0);
    CHECK(rmdir(root) == 0);
}

/* uint8[n] at a location; NULL where an entry is left out. */
static pb *external(int64_t n, const char *location, const char *offset, const char *length) {
    pb *t = pb_tensor("w", 2, 1, &n);
    if (location) pb_msg(t, 13, pb_pair("location", location));
    if (offset) pb_msg(t, 13, pb_pair("offset", offset));
    if (length) pb_msg(t, 13, pb_pair("length", length));
    pb_int(t, 14, 1);
    return t;
}

static void found(pb *t, const char *expected) {
    loaded x;
    tap_onnx_folder at = {folder, NULL};
    load_in(&x, pb_model_with_initializer(t), &at);
    CHECK_STR(x.err.text, "");
    CHECK_EQ(x.st, TAP_OK);
    const tap_src_tensor *w = x.st ? NULL : x.model.graph.inits;
    CHECK(w && w->external && w->data && memcmp(w->data, expected, w->n_bytes) == 0);
    CHECK(w && (w->count == 0 || w->encoding == TAP_LITTLE_ENDIAN));
    unload(&x);
}

static void refused_external(pb *t, tap_status code, const char *part) {
    loaded x;
    tap_onnx_folder at = {folder, NULL};
    load_in(&x, pb_model_with_initializer(t), &at);
    CHECK_EQ(x.st, code);
    CHECK_HAS(x.err.text, "initializer 'w': ");
    CHECK_HAS(x.err.text, part);
    CHECK_STR(x.err.tensor, "w");
    unload(&x);
}

static void offsets_and_lengths(void) {
    found(external(16, "w.bin", NULL, NULL), "0123456789abcdef");
    found(external(4, "w.bin", NULL, NULL), "0123");
    found(external(4, "w.bin", "3", NULL), "3456");
    found(external(4, "w.bin", "12", "4"), "cdef");
    found(external(8, "sub/w.bin", "0", "8"), "ABCDEFGH");
    found(external(8, "./sub/w.bin", "", ""), "ABCDEFGH");
    found(external(0, "w.bin", "16", "0"), "");
    found(external(0, "empty.bin", NULL, NULL), "");
    found(external(16, "inside.bin", NULL, NULL), "0123456789abcdef");
}

static void each_file_is_mapped_once(void) {
    pb *g = pb_new();
    pb_msg(g, 5, external(4, "w.bin", "0", NULL));
    pb_msg(g, 5, external(4, "inside.bin", "4", NULL));
    pb_msg(g, 5, external(4, "./w.bin", "8", NULL));
    pb_msg(g, 5, external(4, "sub/w.bin", NULL, NULL));
    loaded x;
    tap_onnx_folder at = {folder, NULL};
    load_in(&x, pb_model(14, 24, g), &at);
    CHECK_EQ(x.st, TAP_OK);
    size_t n = 0;
    for (const tap_mapping *m = x.mappings; m; m = m->next) n++;
    CHECK_EQ(n, 2);
    CHECK(memcmp(x.model.graph.inits[2].data, "89ab", 4) == 0);
    unload(&x);
}

static void what_leads_outside_is_refused(void) {
    char absolute[PATH_MAX + 32];
    snprintf(absolute, sizeof absolute, "%s/w.bin", folder);
    refused_external(external(8, absolute, NULL, NULL), TAP_MODEL, "an absolute path is not allowed");
    refused_external(external(8, "../outside/w.bin", NULL, NULL), TAP_MODEL,
                     "'../outside/w.bin': `..` is not allowed");
    refused_external(external(8, "sub/../../outside/w.bin", NULL, NULL), TAP_MODEL, "`..` is not allowed");
    refused_external(external(8, "sub/..", NULL, NULL), TAP_MODEL, "`..` is not allowed");
    refused_external(external(8, "..", NULL, NULL), TAP_MODEL, "`..` is not allowed");
    refused_external(external(8, "out.bin", NULL, NULL), TAP_MODEL,
                     "'out.bin', a link that leads out of the model's");
    refused_external(external(8, "out/w.bin", NULL, NULL), TAP_MODEL,
                     "a link that leads out of the model's folder");
    refused_external(external(8, "sibling.bin", NULL, NULL), TAP_MODEL,
                     "a link that leads out of the model's folder");
}

static void names_that_only_look_like_going_up(void) {
    write_file("model/..w.bin", "dots", 4);
    found(external(4, "..w.bin", NULL, NULL), "dots");
    CHECK(unlink(in_root("model/..w.bin")) == 0);
}

/* A model that is itself a link, with its data linked into the same other folder. */
static void where_the_model_really_lies(void) {
    char real[PATH_MAX + 32];
    snprintf(real, sizeof real, "%s/outside", root);
    tap_onnx_folder at = {folder, real};
    loaded x;
    load_in(&x, pb_model_with_initializer(external(8, "out.bin", NULL, NULL)), &at);
    CHECK_EQ(x.st, TAP_OK);
    unload(&x);
    load_in(&x, pb_model_with_initializer(external(8, "sibling.bin", NULL, NULL)), &at);
    CHECK_EQ(x.st, TAP_MODEL);
    unload(&x);
}

static void files_that_cannot_be_used(void) {
    refused_external(external(8, "none.bin", NULL, NULL), TAP_IO, "'none.bin' in folder");
    refused_external(external(8, "none.bin", NULL, NULL), TAP_IO, "is missing");
    refused_external(external(8, "loop.bin", NULL, NULL), TAP_IO, "cannot be read: ");
    refused_external(external(8, "sub", NULL, NULL), TAP_IO, "is a folder");
    refused_external(external(8, "pipe.bin", NULL, NULL), TAP_IO, "is not a regular file");
}

static void ranges_that_do_not_fit(void) {
    refused_external(external(17, "w.bin", NULL, NULL), TAP_MODEL,
                     "takes 17 bytes from byte 0 of 'w.bin', which has only 16");
    refused_external(external(4, "w.bin", "13", "4"), TAP_MODEL,
                     "takes 4 bytes from byte 13 of 'w.bin', which has only 16");
    refused_external(external(4, "w.bin", "18446744073709551615", NULL), TAP_MODEL,
                     "takes 4 bytes from byte 18446744073");
    refused_external(external(4, "w.bin", "0", "5"), TAP_MODEL,
                     "takes 4 bytes, but its external data in 'w.bin' has length 5");
    refused_external(external(4, "w.bin", "-1", NULL), TAP_MODEL,
                     "offset of its external data is '-1', which is no number");
    refused_external(external(4, "w.bin", "18446744073709551616", NULL), TAP_MODEL,
                     "which is no number of bytes");
    refused_external(external(4, "w.bin", "0", "4 "), TAP_MODEL, "length of its external data is '4 '");
}

static void entries_that_are_missing_or_too_many(void) {
    refused_external(external(4, NULL, "0", "4"), TAP_MODEL, "its external data has no location");
    refused_external(external(4, "", NULL, NULL), TAP_MODEL, "its external data has no location");
    pb *t = external(4, "w.bin", NULL, NULL);
    pb_bytes(t, 9, "0123", 4);
    refused_external(t, TAP_MODEL, "its values are given twice, here and in an external file");
    t = pb_tensor("w", 8, 1, (int64_t[]){1});
    pb_msg(t, 13, pb_pair("location", "w.bin"));
    pb_int(t, 14, 1);
    refused_external(t, TAP_MODEL, "strings cannot be external data");
    refused(pb_model_with_initializer(external(4, "w.bin", NULL, NULL)), TAP_MODEL,
            "the model was opened without a folder to look in");
}

static void mapping_a_file(void) {
    tap_budget b;
    tap_arena a;
    tap_mapping *m = NULL;
    tap_error err = TAP_ERROR_INIT;
    tap_budget_init(&b, UINT64_MAX);
    tap_arena_init(&a, &b);
    CHECK_EQ(tap_map_file(in_root("model/none"), &a, &m, &err), TAP_IO);
    CHECK_HAS(err.text, "cannot open '");
    CHECK(!m);
    CHECK_EQ(tap_map_file(in_root("model/w.bin"), &a, &m, &err), TAP_OK);
    CHECK(m && m->n_bytes == 16 && memcmp(m->data, "0123", 4) == 0);
    CHECK_EQ(tap_map_file(in_root("model/empty.bin"), &a, &m, &err), TAP_OK);
    CHECK(m && m->n_bytes == 0 && m->data && m->next);
    tap_unmap_all(m);
    tap_arena_clear(&a);
}

int main(void) {
    static const test_case tests[] = {
        TEST(offsets_and_lengths),
        TEST(each_file_is_mapped_once),
        TEST(what_leads_outside_is_refused),
        TEST(names_that_only_look_like_going_up),
        TEST(where_the_model_really_lies),
        TEST(files_that_cannot_be_used),
        TEST(ranges_that_do_not_fit),
        TEST(entries_that_are_missing_or_too_many),
        TEST(mapping_a_file),
    };
    make_files();
    int status = test_main(tests, sizeof tests / sizeof *tests);
    remove_files();
    return status || test_failures;
}
