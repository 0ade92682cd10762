/* The face of all sinks: which kind a path asks for, and values that a format lacks taken apart into tensors.
 */
#include "io/sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "io/element.h"

static const struct {
    const char *name;
    tap_format format;
} formats[] = {{"npz", TAP_FORMAT_NPZ},     {"npy", TAP_FORMAT_NPY},      {"pb", TAP_FORMAT_PB},
               {"json", TAP_FORMAT_JSON},   {"csv", TAP_FORMAT_CSV},      {"png", TAP_FORMAT_PNG},
               {"jsonl", TAP_FORMAT_JSONL}, {"sqlite", TAP_FORMAT_SQLITE}};

tap_format tap_format_from_name(const char *name) {
    for (size_t i = 0; i < TAP_COUNT_OF(formats); i++)
        if (strcmp(name, formats[i].name) == 0) return formats[i].format;
    return TAP_FORMAT_AUTO;
}

static bool is_folder(const char *path) {
    struct stat st;
    size_t n = strlen(path);
    return (n > 0 && path[n - 1] == '/') || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static tap_format by_extension(const char *path) {
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    return dot && (!slash || dot > slash) ? tap_format_from_name(dot + 1) : TAP_FORMAT_AUTO;
}

static const tap_sink_kind *kind_of(tap_format format, bool folder) {
    switch (format) {
    case TAP_FORMAT_NPZ: return folder ? NULL : &tap_sink_npz;
    case TAP_FORMAT_JSON: return folder ? NULL : &tap_sink_json;
    case TAP_FORMAT_JSONL: return folder ? NULL : &tap_sink_jsonl;
    case TAP_FORMAT_CSV: return folder ? NULL : &tap_sink_csv;
    case TAP_FORMAT_SQLITE: return folder ? NULL : &tap_sink_sqlite;
    case TAP_FORMAT_PNG: return folder ? &tap_sink_png_folder : &tap_sink_png_file;
    case TAP_FORMAT_NPY: return folder ? &tap_sink_npy_folder : &tap_sink_npy_file;
    case TAP_FORMAT_PB: return folder ? &tap_sink_pb_folder : &tap_sink_pb_file;
    default: return NULL;
    }
}

static tap_status choose(tap_sink *s, tap_error *err) {
    bool folder = is_folder(s->path);
    if (s->options.format == TAP_FORMAT_AUTO)
        s->options.format = folder ? TAP_FORMAT_NPY : by_extension(s->path);
    s->kind = kind_of(s->options.format, folder);
    if (s->kind) return TAP_OK;
    if (folder)
        return tap_error_set(err, TAP_USAGE, "%s: a folder takes the formats npy, pb and png", s->path);
    return tap_error_set(err, TAP_USAGE,
                         "%s: which format? Its name should end in .npz, .npy, .pb, .csv, .png, .json, "
                         ".jsonl, .sqlite, or in / for a folder",
                         s->path);
}

static void sink_free(tap_sink *s) {
    tap_sink_drop_parts(s);
    tap_names_free(s->keys);
    free(s->path);
    free(s);
}

tap_status tap_sink_make(const char *path, const tap_sink_options *options, tap_pb_encode *encode,
                         tap_sink **out, tap_error *err) {
    *out = NULL;
    tap_sink *s = calloc(1, sizeof *s);
    if (!s) return tap_error_no_memory(err, sizeof *s);
    if (options)
        memcpy(&s->options, options, options->size < sizeof *options ? options->size : sizeof *options);
    s->encode = encode;
    s->keys = tap_names_new();
    tap_map_init(&s->part_of, NULL);
    s->path = strdup(path);
    tap_status status = s->keys && s->path ? choose(s, err) : tap_error_no_memory(err, strlen(path));
    if (status == TAP_OK) status = s->kind->open(s, err);
    if (status == TAP_OK)
        *out = s;
    else
        sink_free(s);
    return status;
}

typedef struct adding {
    tap_sink *sink;
    const tap_entry *entry;
} adding;

static tap_status join_one(void *user, const char *name, const tap_value *v, tap_error *err) {
    const adding *a = user;
    return tap_sink_join(a->sink, name, a->entry, v, err);
}

static tap_status add_any(tap_sink *s, const tap_entry *e, const tap_value *v, tap_error *err);

/* A batch by itself, under a name with its number. */
static tap_status add_apart(tap_sink *s, const tap_entry *e, const tap_value *v, tap_error *err) {
    size_t n = strlen(e->name) + 40;
    char *name = malloc(n);
    if (!name) return tap_error_no_memory(err, n);
    snprintf(name, n, "%s/batch_%" PRId64, e->name, e->batch->index);
    tap_entry one = *e;
    one.name = name;
    tap_status status = add_any(s, &one, v, err);
    free(name);
    return status;
}

static tap_status add_one(void *user, const char *name, const tap_value *v, tap_error *err) {
    const adding *a = user;
    bool again = a->entry->batch && a->sink->kind->takes_batches; /* a name comes once a batch */
    const char *key = again ? name : tap_names_unique(a->sink->keys, name, '#', false);
    if (!key) return tap_error_no_memory(err, strlen(name));
    return a->sink->kind->add(a->sink, key, a->entry, v, err);
}

static tap_status add_any(tap_sink *s, const tap_entry *e, const tap_value *v, tap_error *err) {
    adding a = {s, e};
    bool whole = s->kind->takes_any && tap_value_kind(v) != TAP_KIND_NONE;
    return whole ? add_one(&a, e->name, v, err) : tap_value_each(v, e->name, add_one, &a, err);
}

static bool is_float(const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    return t && tap_class_of(t->dtype) == TAP_CLASS_REAL;
}

tap_status tap_sink_add(tap_sink *s, const tap_entry *entry, const tap_value *v, tap_error *err) {
    tap_entry e = {.output = -1};
    memcpy(&e, entry, entry->size < sizeof e ? entry->size : sizeof e);
    if (!e.name) return tap_error_set(err, TAP_USAGE, "an entry without a name");
    tap_settle(tap_value_tensor(v));
    if (!e.tensor) e.tensor = e.name;
    adding a = {s, &e};
    tap_status status;
    tap_value *cast = NULL;
    if (s->options.cast_output && is_float(v)) {
        status = tap_value_cast(v, s->options.cast_output, &cast, err);
        if (status != TAP_OK) return status;
        v = cast;
        e.type = NULL;
    }
    if (!e.batch || s->kind->takes_batches)
        status = add_any(s, &e, v, err);
    else if (e.apart)
        status = add_apart(s, &e, v, err);
    else
        status = tap_value_each(v, e.name, join_one, &a, err);
    tap_value_release(cast);
    if (status == TAP_OK) s->n++;
    return status;
}

tap_status tap_sink_end_batch(tap_sink *s, tap_error *err) {
    return s->kind->end_batch ? s->kind->end_batch(s, err) : TAP_OK;
}

size_t tap_sink_count(const tap_sink *s) {
    return s->n;
}

tap_status tap_sink_close(tap_sink *s, tap_error *err) {
    tap_status status = tap_sink_end_parts(s, err);
    if (status == TAP_OK)
        status = s->kind->finish(s, NULL, err);
    else
        s->kind->discard(s);
    sink_free(s);
    return status;
}

tap_status tap_sink_abort(tap_sink *s, tap_error *reason) {
    tap_status status = TAP_OK;
    tap_error why = TAP_ERROR_INIT;
    if (s->n == 0)
        s->kind->discard(s);
    else {
        tap_sink_end_parts(s, &why);
        status = s->kind->finish(s, reason ? reason : &why, &why);
    }
    sink_free(s);
    if (status != TAP_OK && reason) {
        tap_text t = {reason->text, sizeof reason->text, strlen(reason->text)};
        tap_text_add(&t, "; what was complete could not be kept: %s", why.text);
    }
    return status;
}
