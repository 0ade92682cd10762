/* Law 6: nothing is lost and nothing is half-written. A run that fails at one node leaves what came before
 * it, and an index that names the node. */
#include "fixture.h"

#include <onnxtap/json.h>
#include <onnxtap/record.h>

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[256];

static const char *in_folder(const char *name) {
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool is_there(const char *name) {
    return access(in_folder(name), F_OK) == 0;
}

/* Files in the folder whose name ends in .tmp. */
static size_t leftovers(void) {
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t k = strlen(e->d_name);
        n += k > 4 && strcmp(e->d_name + k - 4, ".tmp") == 0;
    }
    if (d) closedir(d);
    return n;
}

/* Runs the model of that name with these positions for its Gather, all its values recorded in path. */
static tap_status record(const char *path, int64_t first, int64_t deep, tap_error *err) {
    tap_model *m = fixture_open("fails");
    tap_session *s = m ? fixture_session(m, NULL) : NULL;
    tap_sink *sink = NULL;
    tap_value *v[4] = {vector(3, (const float[]){1, 2, 3}), vector(3, (const float[]){1, 2, 3})};
    CHECK_EQ(tap_value_new(TAP_INT64, 1, (int64_t[]){2}, &v[2], NULL), TAP_OK);
    CHECK_EQ(tap_value_new(TAP_INT64, 1, (int64_t[]){1}, &v[3], NULL), TAP_OK);
    memcpy(tap_value_data(v[2]), (int64_t[]){0, first}, 16);
    memcpy(tap_value_data(v[3]), &deep, 8);
    tap_input in[4] = {{"x", v[0]}, {"w", v[1]}, {"at", v[2]}, {"deep", v[3]}};
    tap_status status = TAP_USAGE;
    if (s && tap_session_tap(s, "all", NULL, err) == TAP_OK &&
        tap_sink_open(path, NULL, &sink, err) == TAP_OK) {
        tap_recorder r = {.size = sizeof r, .sink = sink, .model = m, .err = err};
        tap_session_listen(s, tap_record, &r);
        status = tap_session_run(s, in, 4, err);
        CHECK_EQ(status == TAP_OK ? tap_sink_close(sink, err) : tap_sink_abort(sink, err), TAP_OK);
    }
    for (size_t i = 0; i < 4; i++) tap_value_release(v[i]);
    tap_session_free(s);
    tap_model_free(m);
    return status;
}

static void check_floats(const tap_archive *a, const char *key, int n, const float *want) {
    tap_value *v = NULL;
    CHECK_EQ(tap_archive_load(a, key, NULL, &v, NULL), TAP_OK);
    const tap_tensor *t = tap_value_tensor(v);
    CHECK(t && tap_tensor_count(t) == n && memcmp(tap_tensor_data(t), want, (size_t)n * sizeof *want) == 0);
    tap_value_release(v);
}

static void archive_keeps_what_came_before(void) {
    tap_error err = TAP_ERROR_INIT;
    tap_archive *a = NULL;
    CHECK_EQ(record(in_folder("pick.npz"), 7, 0, &err), TAP_RUN);
    CHECK_STR(err.node, "pick");
    CHECK_EQ(tap_archive_open(in_folder("pick.npz"), &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_count(a), 2);
    CHECK_STR(tap_archive_key(a, 0), "sum");
    CHECK_STR(tap_archive_key(a, 1), "__error__");
    check_floats(a, "sum", 3, (const float[]){2, 4, 6});
    tap_value *note = NULL;
    CHECK_EQ(tap_archive_load(a, "__error__", NULL, &note, NULL), TAP_OK);
    const tap_string *text = note ? tap_tensor_data(tap_value_tensor(note)) : NULL;
    CHECK(text && text->n < 400 && strstr(text->s, "pick"));
    tap_value_release(note);
    tap_archive_free(a);
    CHECK_EQ(leftovers(), 0);
}

/* The node lies in a function that the branch of an If calls. */
static void archive_of_a_body_that_fails(void) {
    tap_error err = TAP_ERROR_INIT;
    tap_archive *a = NULL;
    CHECK_EQ(record(in_folder("deep.npz"), 2, 9, &err), TAP_RUN);
    CHECK_HAS(err.node, "gather");
    CHECK_EQ(tap_archive_open(in_folder("deep.npz"), &a, NULL), TAP_OK);
    CHECK_EQ(tap_archive_count(a), 3);
    check_floats(a, "taken", 2, (const float[]){2, 6});
    tap_archive_free(a);
}

static void folder_index_names_the_node(void) {
    tap_error err = TAP_ERROR_INIT;
    tap_json_value *doc = NULL;
    char text[8192];
    CHECK_EQ(record(in_folder("folder/"), 7, 0, &err), TAP_RUN);
    CHECK(is_there("folder/sum.npy") && !is_there("folder/taken.npy") && !is_there("folder/index.json.tmp"));
    FILE *f = fopen(in_folder("folder/index.json"), "rb");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;
    if (f) fclose(f);
    CHECK_EQ(tap_json_parse(text, n, &doc, NULL), TAP_OK);
    CHECK(tap_json_get(doc, "complete") && !tap_json_true(tap_json_get(doc, "complete")));
    CHECK_EQ(tap_json_length(tap_json_get(doc, "values")), 1);
    CHECK_STR(tap_json_text(tap_json_get(tap_json_get(doc, "error"), "node")), "pick");
    CHECK_STR(tap_json_text(tap_json_get(tap_json_get(doc, "error"), "op")), "Gather");
    tap_json_value_free(doc);
}

static void whole_run_has_no_note(void) {
    tap_error err = TAP_ERROR_INIT;
    tap_archive *a = NULL;
    CHECK_EQ(record(in_folder("whole.npz"), 2, 0, &err), TAP_OK);
    CHECK_EQ(tap_archive_open(in_folder("whole.npz"), &a, NULL), TAP_OK);
    CHECK(tap_archive_find(a, "__error__") == NULL && tap_archive_find(a, "inner") != NULL);
    tap_archive_free(a);
}

static const test_case tests[] = {
    {"archive_keeps_what_came_before", archive_keeps_what_came_before},
    {"archive_of_a_body_that_fails", archive_of_a_body_that_fails},
    {"folder_index_names_the_node", folder_index_names_the_node},
    {"whole_run_has_no_note", whole_run_has_no_note},
};

int main(void) {
    snprintf(folder, sizeof folder, "/tmp/onnxtap-law6-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    int status = test_main(tests, sizeof tests / sizeof *tests);
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? status : 1;
}
