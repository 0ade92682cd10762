/* One value from one file: the format is told by the first bytes, the key by what follows FILE.npz: . */
#include "io/load.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "io/cast.h"
#include "io/npy.h"

tap_load_options tap_load_options_of(const tap_load_options *o) {
    tap_load_options all = {.size = sizeof all};
    if (o) memcpy(&all, o, o->size < sizeof all ? o->size : sizeof all);
    return all;
}

static bool exists(const char *path, size_t n) {
    struct stat st;
    char *p = malloc(n + 1);
    if (!p) return false;
    memcpy(p, path, n);
    p[n] = '\0';
    bool yes = stat(p, &st) == 0;
    free(p);
    return yes;
}

const char *tap_split_key(const char *path) {
    if (strncmp(path, "-:", 2) == 0) return path + 2;
    if (exists(path, strlen(path))) return NULL;
    for (const char *p = path; (p = strstr(p, ".npz:")); p++)
        if (exists(path, (size_t)(p - path) + 4)) return p + 5;
    const char *p = strstr(path, ".npz:");
    return p ? p + 5 : NULL;
}

static bool starts(const tap_file *f, const char *magic, size_t n) {
    return f->n_bytes >= n && memcmp(f->data, magic, n) == 0;
}

static bool ends(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n >= m && strcmp(path + n - m, suffix) == 0;
}

static tap_status load_npz(tap_file *file, const char *path, const char *key, const tap_load_options *o,
                           tap_value **out, tap_error *err) {
    tap_archive *a;
    tap_status s = tap_archive_of(file, path, &a, err);
    if (s != TAP_OK) return s;
    if (!key && tap_archive_count(a) == 1) key = tap_archive_key(a, 0);
    if (key) {
        const char *found = tap_archive_find(a, key);
        s = tap_archive_load(a, found ? found : key, o, out, err);
    } else {
        char text[1024] = "";
        tap_text t = {text, sizeof text, 0};
        for (size_t i = 0; i < tap_archive_count(a); i++)
            tap_text_add(&t, "%s%s", i ? ", " : "", tap_archive_key(a, i));
        s = tap_error_set(err, TAP_USAGE, "%s: say which of its arrays, as %s:KEY: %s", path, path, text);
    }
    tap_archive_free(a);
    return s;
}

static tap_dtype wanted(const tap_load_options *o) {
    const tap_type *t = o->type;
    while (t && t->kind == TAP_KIND_OPTIONAL) t = t->elem;
    return t && t->kind == TAP_KIND_TENSOR ? t->dtype : TAP_UNDEFINED;
}

static tap_status load_file(tap_file *file, const char *path, const char *key, const tap_load_options *o,
                            tap_pb_decode *decode, tap_value **out, tap_error *err) {
    if (starts(file, "PK\3\4", 4) || starts(file, "PK\5\6", 4)) return load_npz(file, path, key, o, out, err);
    if (key) return tap_error_set(err, TAP_DATA, "%s: is no .npz archive, so it has no '%s'", path, key);
    tap_status s;
    if (starts(file, "\x93NUMPY", 6)) {
        tap_source source = tap_source_of(file, path, o->limit_bytes);
        s = tap_npy_read(&source, wanted(o), out, err);
    } else if (ends(path, ".pb") || strcmp(path, "standard input") == 0) {
        s = decode(file->data, file->n_bytes, o->type, o->limit_bytes, out, err);
        if (s != TAP_OK && err) {
            char why[1024];
            strncpy(why, err->text, sizeof why - 1);
            why[sizeof why - 1] = '\0';
            tap_error_set(err, s, "%s: %s", path, why);
        }
    } else {
        return tap_error_set(err, TAP_DATA, "%s: neither .npy, .npz nor .pb (ONNX TensorProto)", path);
    }
    return s == TAP_OK ? tap_fit(out, wanted(o), o->cast, path, err) : s;
}

tap_status tap_load_any(const char *path, const tap_load_options *options, tap_pb_decode *decode,
                        tap_value **out, tap_error *err) {
    tap_load_options o = tap_load_options_of(options);
    const char *key = tap_split_key(path);
    size_t n = key ? (size_t)(key - path) - 1 : strlen(path);
    tap_file *file;
    *out = NULL;
    char *name = malloc(n + 1);
    if (!name) return tap_error_no_memory(err, n);
    memcpy(name, path, n);
    name[n] = '\0';
    tap_status s = tap_file_open(name, o.limit_bytes, &file, err);
    if (s == TAP_OK) {
        s = load_file(file, strcmp(name, "-") == 0 ? "standard input" : name, key, &o, decode, out, err);
        tap_file_release(file);
    }
    free(name);
    return s;
}
