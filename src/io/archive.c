/* An .npz as a table of values: keys as NumPy has them, and sequences and maps put together again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "io/cast.h"
#include "io/load.h"
#include "io/npy.h"
#include "io/zip.h"

struct tap_archive {
    char *path;
    tap_zip zip;
    const char **keys; /* a member's name without .npy */
    tap_arena arena;
};

static const char *key_of(tap_archive *a, const tap_zip_member *m) {
    size_t n = m->name_bytes;
    if (n >= 4 && memcmp(m->name + n - 4, ".npy", 4) == 0) n -= 4;
    return tap_arena_string(&a->arena, m->name, n);
}

tap_status tap_archive_of(tap_file *file, const char *name, tap_archive **out, tap_error *err) {
    *out = NULL;
    tap_archive *a = calloc(1, sizeof *a);
    if (!a) return tap_error_no_memory(err, sizeof *a);
    tap_arena_init(&a->arena, NULL);
    a->path = tap_arena_string(&a->arena, name, strlen(name));
    tap_status s =
        a->path ? tap_zip_open(file, a->path, &a->zip, err) : tap_error_no_memory(err, strlen(name));
    if (s != TAP_OK) {
        tap_arena_clear(&a->arena);
        free(a);
        return s;
    }
    a->keys = tap_arena_array(&a->arena, a->zip.n, sizeof *a->keys);
    for (size_t i = 0; a->keys && i < a->zip.n; i++)
        if (!(a->keys[i] = key_of(a, &a->zip.members[i]))) a->keys = NULL;
    if (!a->keys) {
        size_t n = a->zip.n;
        tap_archive_free(a);
        return tap_error_no_memory(err, 64 * n);
    }
    *out = a;
    return TAP_OK;
}

tap_status tap_archive_open(const char *path, tap_archive **out, tap_error *err) {
    tap_file *file;
    *out = NULL;
    tap_status s = tap_file_open(path, 0, &file, err);
    if (s != TAP_OK) return s;
    s = tap_archive_of(file, path, out, err);
    tap_file_release(file);
    return s;
}

void tap_archive_free(tap_archive *a) {
    if (!a) return;
    tap_zip_close(&a->zip);
    tap_arena_clear(&a->arena);
    free(a);
}

size_t tap_archive_count(const tap_archive *a) {
    return a->zip.n;
}
const char *tap_archive_key(const tap_archive *a, size_t i) {
    return i < a->zip.n ? a->keys[i] : NULL;
}

/* Position of the last array of that key, as Python's zipfile takes it; -1 where there is none. */
static int64_t position(const tap_archive *a, const char *key) {
    for (size_t i = a->zip.n; i > 0; i--)
        if (strcmp(a->keys[i - 1], key) == 0) return (int64_t)i - 1;
    return -1;
}

static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

static bool alike(const char *a, const char *b) {
    for (; *a && *b; a++, b++)
        if ((is_plain(*a) ? *a : '_') != (is_plain(*b) ? *b : '_')) return false;
    return *a == *b;
}

static bool has_parts(const tap_archive *a, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < a->zip.n; i++)
        if (strncmp(a->keys[i], name, n) == 0 &&
            (strcmp(a->keys[i] + n, "[0]") == 0 || strcmp(a->keys[i] + n, ".keys") == 0))
            return true;
    return false;
}

const char *tap_archive_find(const tap_archive *a, const char *name) {
    if (position(a, name) >= 0 || has_parts(a, name)) return name;
    const char *found = NULL;
    for (size_t i = 0; i < a->zip.n; i++) {
        if (!alike(a->keys[i], name)) continue;
        if (found) return NULL;
        found = a->keys[i];
    }
    return found;
}

tap_status tap_archive_source(const tap_archive *a, const char *key, const char *label, uint64_t limit_bytes,
                              tap_source *out, tap_error *err) {
    int64_t at = position(a, key);
    if (at < 0) return tap_error_set(err, TAP_USAGE, "%s: there is no array '%s'", a->path, key);
    return tap_zip_source(&a->zip, (size_t)at, label, limit_bytes, out, err);
}

/* ---- Loading ---- */

/* A key with something behind it. */
typedef struct part_name {
    char *s;
    size_t n;
} part_name;

static bool part_name_init(part_name *p, const char *key) {
    p->n = strlen(key);
    p->s = malloc(p->n + 32);
    if (p->s) memcpy(p->s, key, p->n + 1);
    return p->s != NULL;
}

static const char *numbered(part_name *p, size_t i) {
    snprintf(p->s + p->n, 32, "[%zu]", i);
    return p->s;
}

static const char *keys_of(part_name *p) {
    memcpy(p->s + p->n, ".keys", 6);
    return p->s;
}

static tap_status missing(const tap_archive *a, const char *key, tap_error *err) {
    char text[1024] = "";
    tap_text t = {text, sizeof text, 0};
    for (size_t i = 0; i < a->zip.n; i++) tap_text_add(&t, "%s%s", i ? ", " : "", a->keys[i]);
    return tap_error_set(err, TAP_DATA, "%s: no array '%s' in it; there are: %s", a->path, key,
                         a->zip.n ? text : "none");
}

static tap_status load_tensor(const tap_archive *a, const char *key, tap_dtype want,
                              const tap_load_options *o, tap_value **out, tap_error *err) {
    int64_t i = position(a, key);
    if (i < 0) return missing(a, key, err);
    size_t n = strlen(a->path) + strlen(key) + 2;
    char *label = malloc(n);
    if (!label) return tap_error_no_memory(err, n);
    snprintf(label, n, "%s:%s", a->path, key);
    tap_source source;
    tap_status s = tap_zip_source(&a->zip, (size_t)i, label, o->limit_bytes, &source, err);
    if (s == TAP_OK) {
        s = tap_npy_read(&source, want, out, err);
        tap_source_close(&source);
    }
    if (s == TAP_OK) s = tap_fit(out, want, o->cast, label, err);
    free(label);
    return s;
}

static tap_status load(const tap_archive *a, const char *key, const tap_type *type, const tap_load_options *o,
                       tap_value **out, tap_error *err);

static tap_status load_map(const tap_archive *a, part_name *name, const char *key, const tap_type *type,
                           const tap_load_options *o, tap_value **out, tap_error *err) {
    tap_value *keys = NULL, *values = NULL;
    tap_status s = load_tensor(a, key, type->elem ? type->elem->dtype : TAP_UNDEFINED, o, &values, err);
    if (s == TAP_OK) s = load_tensor(a, keys_of(name), type->dtype, o, &keys, err);
    if (s == TAP_OK) s = tap_value_new_map(keys, values, out, err);
    if (s == TAP_USAGE)
        s = tap_error_set(err, TAP_DATA, "%s:%s: no map: the array and its .keys differ in length", a->path,
                          key);
    /* The map holds references of its own only if it was made. */
    if (s != TAP_OK) {
        tap_value_release(keys);
        tap_value_release(values);
    }
    return s;
}

static void release_all(tap_value **items, size_t n) {
    for (size_t i = 0; i < n; i++) tap_value_release(items[i]);
    free(items);
}

static tap_status finish_sequence(tap_value **items, size_t n, tap_dtype dtype, tap_value **out,
                                  tap_error *err) {
    tap_status s = tap_value_new_sequence(items, n, dtype, out, err);
    if (s != TAP_OK)
        release_all(items, n);
    else
        free(items);
    return s;
}

static tap_status load_items(const tap_archive *a, part_name *name, const tap_type *elem,
                             const tap_load_options *o, tap_value **out, tap_error *err) {
    size_t n = 0;
    while (position(a, numbered(name, n)) >= 0) n++;
    tap_value **items = calloc(n + 1, sizeof *items);
    if (!items) return tap_error_no_memory(err, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        tap_status s = load(a, numbered(name, i), elem, o, &items[i], err);
        if (s == TAP_OK) continue;
        release_all(items, i);
        return s;
    }
    return finish_sequence(items, n,
                           elem ? elem->dtype
                           : n  ? tap_value_tensor(items[0])->dtype
                                : TAP_UNDEFINED,
                           out, err);
}

/* Row i of a matrix as a map of these keys. */
static tap_status row_map(tap_value *keys, const tap_tensor *matrix, int64_t i, tap_value **out,
                          tap_error *err) {
    tap_value *row = NULL;
    tap_status s = tap_value_new(matrix->dtype, 1, &matrix->dims[1], &row, err);
    if (s != TAP_OK) return s;
    size_t n_bytes = (size_t)matrix->dims[1] * tap_dtype_bytes(matrix->dtype);
    memcpy(row->tensor.data, (const char *)matrix->data + (size_t)i * n_bytes, n_bytes);
    tap_value_retain(keys);
    s = tap_value_new_map(keys, row, out, err);
    if (s == TAP_OK) return s;
    tap_value_release(keys);
    tap_value_release(row);
    return s;
}

static tap_status split_rows(tap_value *keys, const tap_tensor *m, tap_value **out, tap_error *err) {
    size_t n = (size_t)m->dims[0];
    tap_value **items = calloc(n + 1, sizeof *items);
    if (!items) return tap_error_no_memory(err, n * sizeof *items);
    for (size_t i = 0; i < n; i++) {
        tap_status s = row_map(keys, m, (int64_t)i, &items[i], err);
        if (s == TAP_OK) continue;
        release_all(items, i);
        return s;
    }
    return finish_sequence(items, n, m->dtype, out, err);
}

/* A matrix NAME and NAME.keys as a sequence of maps. */
static tap_status load_maps(const tap_archive *a, part_name *name, const char *key, const tap_type *map,
                            const tap_load_options *o, tap_value **out, tap_error *err) {
    tap_value *keys = NULL, *values = NULL;
    tap_status s = load_tensor(a, key, map->elem ? map->elem->dtype : TAP_UNDEFINED, o, &values, err);
    if (s == TAP_OK) s = load_tensor(a, keys_of(name), map->dtype, o, &keys, err);
    if (s == TAP_OK) {
        const tap_tensor *m = tap_value_tensor(values);
        if (m->rank != 2 || m->dtype == TAP_STRING)
            s = tap_error_set(err, TAP_DATA, "%s:%s: a sequence of maps is a matrix of numbers, a row a map",
                              a->path, key);
        else
            s = split_rows(keys, m, out, err);
    }
    tap_value_release(keys);
    tap_value_release(values);
    return s;
}

static tap_status load(const tap_archive *a, const char *key, const tap_type *type, const tap_load_options *o,
                       tap_value **out, tap_error *err) {
    if (type && type->kind == TAP_KIND_OPTIONAL) {
        *out = NULL;
        return tap_archive_find(a, key) ? load(a, key, type->elem, o, out, err) : TAP_OK;
    }
    if (!type || (type->kind != TAP_KIND_SEQUENCE && type->kind != TAP_KIND_MAP))
        return load_tensor(a, key, type ? type->dtype : TAP_UNDEFINED, o, out, err);
    part_name name;
    if (!part_name_init(&name, key)) return tap_error_no_memory(err, strlen(key));
    tap_status s;
    if (type->kind == TAP_KIND_MAP)
        s = load_map(a, &name, key, type, o, out, err);
    else if (type->elem && type->elem->kind == TAP_KIND_MAP)
        s = load_maps(a, &name, key, type->elem, o, out, err);
    else
        s = load_items(a, &name, type->elem, o, out, err);
    free(name.s);
    return s;
}

tap_status tap_archive_load(const tap_archive *a, const char *key, const tap_load_options *options,
                            tap_value **out, tap_error *err) {
    tap_load_options o = tap_load_options_of(options);
    *out = NULL;
    return load(a, key, o.type, &o, out, err);
}
