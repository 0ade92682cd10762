/* References: named values from files, or from a run of another model. */
#include "diff/reference.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/tensor.h"
#include "onnxtap/json.h"

static tap_reference *reference_new(void) {
    tap_reference *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    tap_arena_init(&r->arena, NULL);
    tap_map_init(&r->by_name, NULL);
    return r;
}

void tap_reference_free(tap_reference *r) {
    if (!r) return;
    tap_archive_free(r->archive);
    tap_map_free(&r->by_name);
    tap_mem_free(NULL, r->items);
    tap_arena_clear(&r->arena);
    free(r);
}

static tap_ref_item *add(tap_reference *r, const char *name) {
    if (!tap_mem_reserve(NULL, (void **)&r->items, &r->room, r->n + 1, sizeof *r->items)) return NULL;
    char *own = tap_arena_string(&r->arena, name, strlen(name));
    if (!own || !tap_map_put(&r->by_name, own, (int32_t)r->n)) return NULL;
    tap_ref_item *x = &r->items[r->n++];
    *x = (tap_ref_item){.name = own, .input = -1, .output = -1, .value = SIZE_MAX};
    return x;
}

size_t tap_reference_count(const tap_reference *r) {
    return r->n;
}

const char *tap_reference_name(const tap_reference *r, size_t i) {
    return i < r->n ? r->items[i].name : NULL;
}

static char plain(char c) {
    bool is =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    return is ? c : '_';
}

static bool alike(const char *a, const char *b) {
    while (*a && plain(*a) == plain(*b)) a++, b++;
    return *a == *b;
}

size_t tap_reference_find(const tap_reference *r, const char *name) {
    int32_t at = tap_map_get(&r->by_name, name, -1);
    if (at >= 0) return (size_t)at;
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < r->n; i++) {
        if (!alike(r->items[i].name, name)) continue;
        if (found != SIZE_MAX) return SIZE_MAX;
        found = i;
    }
    return found;
}

size_t tap_reference_input(const tap_reference *r, const tap_model *m, size_t input) {
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i].input == (int)input) return i;
    const tap_port *p = tap_model_input(m, input);
    return p ? tap_reference_find(r, p->name) : SIZE_MAX;
}

tap_status tap_reference_load(const tap_reference *r, size_t i, tap_value **out, tap_error *err) {
    tap_load_options o = {.size = sizeof o};
    *out = NULL;
    if (i >= r->n) return tap_error_set(err, TAP_USAGE, "the reference has %zu values", r->n);
    const tap_ref_item *x = &r->items[i];
    return x->path ? tap_value_load(x->path, &o, out, err)
                   : tap_archive_load(r->archive, x->name, &o, out, err);
}

/* ---- archives ---- */

static tap_status open_archive(tap_reference *r, const char *path, tap_error *err) {
    tap_status st = tap_archive_open(path, &r->archive, err);
    for (size_t i = 0; st == TAP_OK && i < tap_archive_count(r->archive); i++) {
        const char *key = tap_archive_key(r->archive, i);
        if (strcmp(key, "__error__") != 0 && !add(r, key)) st = tap_error_no_memory(err, 64);
    }
    return st;
}

/* ---- folders ---- */

static bool ends_in(const char *s, const char *end) {
    size_t n = strlen(s), k = strlen(end);
    return n > k && strcmp(s + n - k, end) == 0;
}

static tap_status add_file(tap_reference *r, const char *folder, const char *file, const char *name,
                           tap_error *err) {
    tap_ref_item *x = add(r, name);
    if (!x || !(x->path = tap_arena_printf(&r->arena, "%s/%s", folder, file)))
        return tap_error_no_memory(err, 64);
    return TAP_OK;
}

/* NULL: there is none that can be read. */
static tap_json_value *read_index(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/index.json", folder);
    FILE *f = fopen(path, "rb");
    tap_json_value *json = NULL;
    char *text = f ? malloc(1 << 26) : NULL;
    size_t n = text ? fread(text, 1, 1 << 26, f) : 0;
    if (n && tap_json_parse(text, n, &json, NULL) != TAP_OK) json = NULL;
    free(text);
    if (f) fclose(f);
    return json;
}

/* A file name out of an index must not lead out of the folder. */
static bool stays_inside(const char *file) {
    return *file && *file != '/' && !strstr(file, "..");
}

static tap_status open_indexed(tap_reference *r, const char *folder, const tap_json_value *json,
                               tap_error *err) {
    tap_status st = TAP_OK;
    const tap_json_value *list = tap_json_get(json, "values");
    for (const tap_json_value *v = tap_json_first(list); v && st == TAP_OK; v = tap_json_next(v)) {
        const char *file = tap_json_text(tap_json_get(v, "file")),
                   *name = tap_json_text(tap_json_get(v, "name"));
        if (stays_inside(file) && *name) st = add_file(r, folder, file, name, err);
    }
    return st;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "output_3.pb": 3; -1: no such name. */
static int position_in(const char *file, const char *what) {
    size_t n = strlen(what);
    char *end;
    if (strncmp(file, what, n) != 0 || file[n] < '0' || file[n] > '9') return -1;
    long k = strtol(file + n, &end, 10);
    return strcmp(end, ".pb") == 0 && k < 1000000 ? (int)k : -1;
}

static tap_status add_plain_file(tap_reference *r, const tap_model *m, const char *folder, const char *file,
                                 tap_error *err) {
    int in = position_in(file, "input_"), out = position_in(file, "output_");
    const tap_port *p = in >= 0    ? tap_model_input(m, (size_t)in)
                        : out >= 0 ? tap_model_output(m, (size_t)out)
                                   : NULL;
    char name[512];
    const char *dot = strrchr(file, '.');
    snprintf(name, sizeof name, "%.*s", (int)(dot - file), file);
    tap_status st = add_file(r, folder, file, p ? p->name : name, err);
    if (st == TAP_OK && p) {
        r->items[r->n - 1].input = in;
        r->items[r->n - 1].output = out;
    }
    return st;
}

static tap_status open_folder(tap_reference *r, const tap_model *m, const char *path, tap_error *err) {
    tap_json_value *index = read_index(path);
    tap_status st = index ? open_indexed(r, path, index, err) : TAP_OK;
    tap_json_value_free(index);
    if (st != TAP_OK || r->n) return st;
    DIR *dir = opendir(path);
    if (!dir) return tap_error_set(err, TAP_IO, "%s: the folder cannot be read", path);
    const char **files = NULL;
    size_t n = 0, room = 0;
    for (struct dirent *e; st == TAP_OK && (e = readdir(dir));) {
        if (!ends_in(e->d_name, ".npy") && !ends_in(e->d_name, ".pb")) continue;
        char *own = tap_arena_string(&r->arena, e->d_name, strlen(e->d_name));
        if (!own || !tap_mem_reserve(NULL, (void **)&files, &room, n + 1, sizeof *files))
            st = tap_error_no_memory(err, 64);
        else
            files[n++] = own;
    }
    closedir(dir);
    if (n) qsort(files, n, sizeof *files, by_text);
    for (size_t i = 0; i < n && st == TAP_OK; i++) st = add_plain_file(r, m, path, files[i], err);
    tap_mem_free(NULL, files);
    return st;
}

/* ---- one file ---- */

static tap_status open_single(tap_reference *r, const tap_model *m, const char *path, tap_error *err) {
    if (tap_model_output_count(m) != 1)
        return tap_error_set(err, TAP_USAGE,
                             "%s is one value, but the model has %zu outputs; give an .npz or a folder", path,
                             tap_model_output_count(m));
    tap_ref_item *x = add(r, tap_model_output(m, 0)->name);
    if (!x || !(x->path = tap_arena_string(&r->arena, path, strlen(path))))
        return tap_error_no_memory(err, 64);
    x->output = 0;
    return TAP_OK;
}

tap_status tap_reference_open(const char *path, const tap_model *m, tap_reference **out, tap_error *err) {
    struct stat info;
    *out = NULL;
    if (stat(path, &info) != 0) return tap_error_set(err, TAP_IO, "%s: no such file or folder", path);
    tap_reference *r = reference_new();
    if (!r) return tap_error_no_memory(err, sizeof *r);
    tap_status st = S_ISDIR(info.st_mode)                           ? open_folder(r, m, path, err)
                    : ends_in(path, ".npy") || ends_in(path, ".pb") ? open_single(r, m, path, err)
                                                                    : open_archive(r, path, err);
    if (st == TAP_OK)
        *out = r;
    else
        tap_reference_free(r);
    return st;
}

/* ---- another model ---- */

/* Writes what another model computes to a file that has no name any more once it is open. */
typedef struct recording {
    tap_recorder recorder;
    char path[4096];
} recording;

static tap_status begin(recording *rec, tap_model *other, tap_error *err) {
    const char *folder = getenv("TMPDIR");
    snprintf(rec->path, sizeof rec->path, "%s/onnxtap-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkstemp(rec->path);
    if (fd < 0) return tap_error_set(err, TAP_IO, "%s: no temporary file can be made there", rec->path);
    close(fd);
    tap_sink_options o = {.size = sizeof o, .format = TAP_FORMAT_NPZ};
    rec->recorder = (tap_recorder){.size = sizeof rec->recorder, .model = other, .err = err};
    return tap_sink_open(rec->path, &o, &rec->recorder.sink, err);
}

static int record_tensors(const tap_event *e, void *user) {
    recording *rec = user;
    if (e->ask) return e->n_iterations ? TAP_SKIP : TAP_WANT;
    return e->tensor ? tap_record(e, &rec->recorder) : TAP_WANT;
}

static tap_status run_other(recording *rec, tap_model *other, const tap_input *inputs, size_t n, int threads,
                            tap_error *err) {
    static const char *const all = "all";
    tap_session_options o = {.size = sizeof o, .threads = threads};
    tap_session *s;
    tap_status st = tap_session_new(other, &o, &s, err);
    if (st != TAP_OK) return st;
    st = tap_session_tap(s, all, NULL, err);
    tap_session_listen(s, record_tensors, rec);
    if (st == TAP_OK) st = tap_session_run(s, inputs, n, err);
    if (st == TAP_CANCELLED && rec->recorder.status != TAP_OK) st = rec->recorder.status;
    tap_session_free(s);
    return st;
}

static void link_values(tap_reference *r) {
    for (size_t i = 0; i < tap_model_value_count(r->other); i++) {
        tap_value_info info = {.size = sizeof info};
        int32_t at = tap_model_value(r->other, i, &info) ? tap_map_get(&r->by_name, info.name, -1) : -1;
        if (at >= 0) r->items[at].value = i;
    }
}

tap_status tap_reference_run(tap_model *other, const tap_input *inputs, size_t n_inputs, int threads,
                             tap_reference **out, tap_error *err) {
    recording rec = {.path = ""};
    *out = NULL;
    tap_status st = begin(&rec, other, err);
    if (st == TAP_OK) {
        st = run_other(&rec, other, inputs, n_inputs, threads, err);
        tap_status closed = tap_sink_close(rec.recorder.sink, st == TAP_OK ? err : NULL);
        if (st == TAP_OK) st = closed;
    }
    tap_reference *r = st == TAP_OK ? reference_new() : NULL;
    if (st == TAP_OK && !r) st = tap_error_no_memory(err, sizeof *r);
    if (st == TAP_OK) st = open_archive(r, rec.path, err);
    if (*rec.path) unlink(rec.path);
    if (st != TAP_OK) {
        tap_reference_free(r);
        return st;
    }
    r->other = other;
    link_values(r);
    *out = r;
    return TAP_OK;
}
