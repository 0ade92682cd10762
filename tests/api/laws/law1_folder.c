/* Law 1 on the models of folders, for a look by hand:
 *
 *     law1_folder FOLDER...
 *
 * Every FOLDER/.../model*.onnx is run with test_data_set_0/input_N.pb, else with inputs_TAG.npz or inputs.npz
 * beside it (TAG from model_TAG.onnx), else with made-up data, where an unknown dimension is 2. A line a
 * model; exit status 1 where one broke the law. */
#include "bits.h"

#include <onnxtap/record.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUTS_MAX = 256 };

typedef struct counts {
    int kept, broken, not_run;
} counts;

static bool exists(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

/* ---- inputs ---- */

static tap_status from_pb(const char *folder, size_t i, const tap_port *port, tap_value **out,
                          tap_error *err) {
    char path[4096];
    tap_load_options o = {.size = sizeof o, .type = port->type};
    snprintf(path, sizeof path, "%s/test_data_set_0/input_%zu.pb", folder, i);
    return exists(path) ? tap_value_load(path, &o, out, err) : TAP_NOT_FOUND;
}

static tap_status from_npz(const char *folder, const char *file, const tap_port *port, tap_value **out,
                           tap_error *err) {
    char path[4096];
    tap_archive *a = NULL;
    tap_load_options o = {.size = sizeof o, .type = port->type};
    const char *tag = strchr(file, '_');
    snprintf(path, sizeof path, "%s/inputs%.*s.npz", folder, tag ? (int)strcspn(tag, ".") : 0,
             tag ? tag : "");
    if (!exists(path)) snprintf(path, sizeof path, "%s/inputs.npz", folder);
    if (!exists(path)) return TAP_NOT_FOUND;
    tap_status st = tap_archive_open(path, &a, err);
    if (st != TAP_OK) return st;
    const char *key = tap_archive_find(a, port->name);
    st = key ? tap_archive_load(a, key, &o, out, err) : TAP_NOT_FOUND;
    tap_archive_free(a);
    return st;
}

static tap_status made_up(const tap_port *port, tap_value **out, tap_error *err) {
    int64_t dims[TAP_RANK_MAX];
    tap_fill_options o = {.size = sizeof o, .fill = TAP_FILL_RANDOM, .seed = tap_seed_for(5, port->name)};
    if (port->type->kind != TAP_KIND_TENSOR || port->type->rank < 0) return TAP_NOT_FOUND;
    for (int k = 0; k < port->type->rank; k++) dims[k] = port->type->dims[k] < 0 ? 2 : port->type->dims[k];
    return tap_value_fill(port->type->dtype, port->type->rank, dims, &o, out, err);
}

static bool find_inputs(const tap_model *m, const char *folder, const char *file, tap_input *in, size_t *n,
                        tap_error *err) {
    for (size_t i = 0; i < tap_model_input_count(m) && *n < INPUTS_MAX; i++) {
        const tap_port *port = tap_model_input(m, i);
        tap_value *v = NULL;
        tap_status st = from_pb(folder, i, port, &v, err);
        if (st == TAP_NOT_FOUND) st = from_npz(folder, file, port, &v, err);
        if (st == TAP_NOT_FOUND && port->has_default) continue;
        if (st == TAP_NOT_FOUND) st = made_up(port, &v, err);
        if (st != TAP_OK) return false;
        in[(*n)++] = (tap_input){port->name, v};
    }
    return true;
}

/* ---- models ---- */

static bool runs(tap_model *m, const tap_input *in, size_t n, tap_error *err) {
    tap_session *s = NULL;
    tap_status st = tap_session_new(m, NULL, &s, err);
    if (st == TAP_OK) st = tap_session_run(s, in, n, err);
    tap_session_free(s);
    return st == TAP_OK;
}

static void check(const char *folder, const char *file, counts *c) {
    char path[4096];
    tap_error err = TAP_ERROR_INIT;
    tap_input in[INPUTS_MAX];
    size_t n = 0;
    tap_model *m = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (tap_model_open(path, NULL, &m, &err) != TAP_OK || !find_inputs(m, folder, file, in, &n, &err) ||
        !runs(m, in, n, &err)) {
        printf("not run  %s: %.*s\n", path, (int)strcspn(err.text, "\n"), err.text);
        c->not_run++;
    } else {
        bits_subject x = {path, m, in, n, NULL, 12};
        int bad = bits_check(&x);
        printf("%s  %s\n", bad ? "BROKEN " : "kept   ", path);
        *(bad ? &c->broken : &c->kept) += 1;
    }
    fflush(stdout);
    for (size_t i = 0; i < n; i++) tap_value_release((tap_value *)(uintptr_t)in[i].value);
    tap_model_free(m);
}

static bool is_model(const char *file) {
    size_t n = strlen(file);
    return strncmp(file, "model", 5) == 0 && n > 5 && strcmp(file + n - 5, ".onnx") == 0;
}

static int no_dots(const struct dirent *e) {
    return e->d_name[0] != '.';
}

static void walk(const char *folder, counts *c) {
    struct dirent **entries;
    int n = scandir(folder, &entries, no_dots, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat st;
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            walk(path, c);
        else if (is_model(entries[i]->d_name))
            check(folder, entries[i]->d_name, c);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

int main(int argc, char **argv) {
    counts c = {0, 0, 0};
    for (int i = 1; i < argc; i++) walk(argv[i], &c);
    printf("%d kept the law, %d broke it, %d did not run\n", c.kept, c.broken, c.not_run);
    return c.broken || !c.kept;
}
