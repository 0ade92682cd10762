/* A folder: a file a value, .npy or .pb, and index.json, which tells what each is. Files appear one by one,
 * whole; the index at the end. Only the index is waited for on its way to the disk: a trace has thousands of
 * files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/npy.h"
#include "io/sink.h"

typedef struct folder {
    tap_writer *index;
    tap_json *json;
    tap_names *files;
    tap_arena arena;
    bool has_taps;
} folder;

static const char *join(folder *f, const char *a, const char *b) {
    size_t n = strlen(a);
    return tap_arena_printf(&f->arena, n > 0 && a[n - 1] == '/' ? "%s%s" : "%s/%s", a, b);
}

static void folder_free(folder *f) {
    tap_json_free(f->json);
    tap_names_free(f->files);
    tap_arena_clear(&f->arena);
    free(f);
}

static tap_status folder_open(tap_sink *s, tap_error *err) {
    tap_status status = tap_make_folder(s->path, err);
    if (status != TAP_OK) return status;
    folder *f = calloc(1, sizeof *f);
    if (!f) return tap_error_no_memory(err, sizeof *f);
    tap_arena_init(&f->arena, NULL);
    f->files = tap_names_new();
    const char *path = join(f, s->path, "index.json");
    if (!path || !f->files || !tap_names_unique(f->files, "index", '_', true))
        status = tap_error_no_memory(err, sizeof *f);
    if (status == TAP_OK) status = tap_writer_open(path, &f->index, err);
    if (status == TAP_OK && !(f->json = tap_json_to(f->index, 2))) {
        tap_writer_discard(f->index);
        status = tap_error_no_memory(err, sizeof *f);
    }
    if (status != TAP_OK) {
        folder_free(f);
        return status;
    }
    tap_json_object(f->json, NULL);
    tap_json_string(f->json, "format", s->options.format == TAP_FORMAT_PB ? "pb" : "npy");
    tap_json_array(f->json, "values");
    s->state = f;
    return TAP_OK;
}

/* The file of a value, relative to the folder. */
static const char *file_of(tap_sink *s, const char *key, const tap_entry *e, tap_error *err) {
    folder *f = s->state;
    bool pb = s->options.format == TAP_FORMAT_PB;
    const char *file = NULL;
    if (pb && e->output >= 0) {
        file = tap_arena_printf(&f->arena, "output_%d.pb", e->output);
    } else {
        const char *name = tap_safe_name(&f->arena, key);
        name = name ? tap_names_unique(f->files, name, '_', true) : NULL;
        if (name) file = tap_arena_printf(&f->arena, pb ? "taps/%s.pb" : "%s.npy", name);
    }
    if (!file) tap_error_no_memory(err, strlen(key));
    return file;
}

static tap_status make_taps(tap_sink *s, tap_error *err) {
    folder *f = s->state;
    if (f->has_taps) return TAP_OK;
    f->has_taps = true;
    const char *path = join(f, s->path, "taps");
    return path ? tap_make_folder(path, err) : tap_error_no_memory(err, strlen(s->path));
}

static tap_status index_value(folder *f, const char *file, const char *key, const tap_entry *e,
                              const tap_value *v, tap_error *err) {
    uint64_t at = tap_writer_at(f->index);
    tap_json_flat_object(f->json, NULL);
    tap_json_string(f->json, "file", file);
    tap_json_string(f->json, "name", key);
    tap_json_entry(f->json, e, v);
    tap_json_end(f->json);
    tap_status status = tap_writer_check(f->index, err);
    if (status != TAP_OK) tap_writer_cut(f->index, at);
    return status;
}

static tap_status folder_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                             tap_error *err) {
    folder *f = s->state;
    bool pb = s->options.format == TAP_FORMAT_PB;
    tap_status status = pb && e->output < 0 ? make_taps(s, err) : TAP_OK;
    const char *file = status == TAP_OK ? file_of(s, key, e, err) : NULL;
    if (status != TAP_OK || !file) return status != TAP_OK ? status : TAP_MEMORY;
    const char *path = join(f, s->path, file);
    if (!path) return tap_error_no_memory(err, strlen(file));
    status = pb ? tap_write_pb(s, path, e, v, false, err)
                : tap_write_npy(path, &v->tensor, s->options.raw_types, false, err);
    return status == TAP_OK ? index_value(f, file, key, e, v, err) : status;
}

/* ---- Values of a data set ---- */

static tap_status folder_join(tap_sink *s, tap_part *p, const tap_entry *e, const tap_tensor *t,
                              tap_error *err) {
    folder *f = s->state;
    if (s->options.format == TAP_FORMAT_PB || t->dtype == TAP_STRING) return TAP_OK;
    if (!p->own) p->file = file_of(s, p->key, e, err);
    const char *path = p->file ? join(f, s->path, p->file) : NULL;
    if (!path) return tap_error_no_memory(err, strlen(p->key));
    return tap_npy_join(p, path, t, s->options.raw_types, err);
}

static tap_status folder_end_part(tap_sink *s, tap_part *p, tap_error *err) {
    tap_status status = tap_npy_end_part(p, s->options.raw_types, err);
    tap_value shape = {.kind = TAP_KIND_TENSOR};
    tap_tensor_shape(&shape.tensor, p->dtype, p->rank, p->dims);
    return status == TAP_OK ? index_value(s->state, p->file, p->key, &p->entry, &shape, err) : status;
}

static tap_status folder_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    folder *f = s->state;
    tap_json_end(f->json);
    tap_json_bool(f->json, "complete", reason == NULL);
    if (reason) tap_json_error(f->json, reason);
    tap_json_end(f->json);
    tap_writer *index = f->index;
    folder_free(f);
    return tap_writer_commit(index, true, err);
}

static void folder_discard(tap_sink *s) {
    folder *f = s->state;
    tap_writer *index = f->index;
    folder_free(f);
    tap_writer_discard(index);
}

const tap_sink_kind tap_sink_npy_folder = {.open = folder_open,
                                           .add = folder_add,
                                           .join = folder_join,
                                           .end_part = folder_end_part,
                                           .finish = folder_finish,
                                           .discard = folder_discard};
const tap_sink_kind tap_sink_pb_folder = {.takes_any = true,
                                          .open = folder_open,
                                          .add = folder_add,
                                          .finish = folder_finish,
                                          .discard = folder_discard};
