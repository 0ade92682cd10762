/* Pictures: one for each sample of an output that is a picture; the feature maps of each sample of a tapped
 * value of rank 4; a heat map of anything else, over all samples. A folder, with an index.json; or a file for
 * one picture. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/picture.h"
#include "io/sink.h"

typedef struct album {
    bool folder;
    tap_writer *index;
    tap_json *json;
    tap_names *files;
    tap_arena arena;
    size_t n; /* pictures */
} album;

static void album_free(album *a) {
    tap_json_free(a->json);
    tap_names_free(a->files);
    tap_arena_clear(&a->arena);
    free(a);
}

static tap_status open_index(tap_sink *s, album *a, tap_error *err) {
    size_t n = strlen(s->path);
    tap_status status = tap_make_folder(s->path, err);
    const char *path =
        tap_arena_printf(&a->arena, n && s->path[n - 1] == '/' ? "%sindex.json" : "%s/index.json", s->path);
    if (status == TAP_OK && !path) status = tap_error_no_memory(err, n);
    if (status == TAP_OK) status = tap_writer_open(path, &a->index, err);
    if (status != TAP_OK) return status;
    a->json = tap_json_to(a->index, 2);
    a->files = tap_names_new();
    if (!a->json || !a->files) {
        tap_writer_discard(a->index);
        return tap_error_no_memory(err, sizeof *a);
    }
    tap_json_object(a->json, NULL);
    tap_json_string(a->json, "format", "png");
    tap_json_array(a->json, "values");
    return TAP_OK;
}

static tap_status png_open(tap_sink *s, tap_error *err, bool folder) {
#ifndef TAP_HAVE_PNG
    return tap_error_set(err, TAP_UNSUPPORTED, "%s: writing .png takes libpng, which this build lacks",
                         s->path);
#endif
    album *a = calloc(1, sizeof *a);
    if (!a) return tap_error_no_memory(err, sizeof *a);
    tap_arena_init(&a->arena, NULL);
    a->folder = folder;
    tap_status status = folder ? open_index(s, a, err) : TAP_OK;
    if (status == TAP_OK)
        s->state = a;
    else
        album_free(a);
    return status;
}

static tap_status open_folder(tap_sink *s, tap_error *err) {
    return png_open(s, err, true);
}

static tap_status open_file(tap_sink *s, tap_error *err) {
    return png_open(s, err, false);
}

/* The file of a picture: NAME_ROW.png, NAME.png where row is -1. */
static const char *file_of(album *a, const char *name, int64_t row) {
    char *safe = tap_safe_name(&a->arena, name);
    const char *base = safe && row >= 0 ? tap_arena_printf(&a->arena, "%s_%" PRId64, safe, row) : safe;
    base = base ? tap_names_unique(a->files, base, '_', true) : NULL;
    return base ? tap_arena_printf(&a->arena, "%s.png", base) : NULL;
}

static tap_status write_file(const char *path, const tap_image *i, tap_error *err) {
    void *bytes;
    size_t n;
    tap_writer *w;
    tap_status s = tap_png_encode(i, &bytes, &n, err);
    if (s != TAP_OK) return s;
    s = tap_writer_open(path, &w, err);
    if (s == TAP_OK) {
        tap_writer_write(w, bytes, n);
        s = tap_writer_commit(w, false, err);
    }
    free(bytes);
    return s;
}

static tap_status put(tap_sink *s, const tap_entry *e, const char *name, int64_t row, const char *kind,
                      tap_image *i, tap_error *err) {
    album *a = s->state;
    tap_status status;
    if (!a->folder) {
        if (a->n++ == 0) return write_file(s->path, i, err);
        return tap_error_set(err, TAP_USAGE,
                             "%s takes one picture, and there are more: write a folder/ --format png",
                             s->path);
    }
    const char *file = file_of(a, name, row);
    size_t n = strlen(s->path);
    const char *path =
        file ? tap_arena_printf(&a->arena, n && s->path[n - 1] == '/' ? "%s%s" : "%s/%s", s->path, file)
             : NULL;
    if (!path) return tap_error_no_memory(err, n);
    status = write_file(path, i, err);
    if (status != TAP_OK) return status;
    a->n++;
    tap_json_flat_object(a->json, NULL);
    tap_json_string(a->json, "file", file);
    tap_json_string(a->json, "name", name);
    tap_json_string(a->json, "tensor", e->tensor);
    tap_json_string(a->json, "layer", e->layer);
    tap_json_string(a->json, "kind", kind);
    if (row >= 0) tap_json_int(a->json, "row", row);
    tap_json_int(a->json, "width", i->width);
    tap_json_int(a->json, "height", i->height);
    tap_json_end(a->json);
    return tap_writer_check(a->index, err);
}

/* Whether the value's layout says that channels are last. */
static bool is_last(const tap_entry *e) {
    return e->layout && strcmp(e->layout, "NHWC") == 0;
}

static tap_status put_sample(tap_sink *s, const tap_entry *e, const char *name, const tap_tensor *t,
                             int64_t r, int64_t row, tap_error *err) {
    tap_image i = {.data = NULL};
    bool picture = e->output >= 0 && tap_is_picture(t);
    tap_status status = picture        ? tap_picture_of(t, r, &i, err)
                        : t->rank == 4 ? tap_picture_maps(t, r, is_last(e), &i, err)
                                       : tap_picture_heat_of(t, r, &i, err);
    if (status == TAP_OK)
        status = put(s, e, name, row, picture ? "picture" : t->rank == 4 ? "maps" : "heat", &i, err);
    tap_image_free(&i);
    return status;
}

static tap_status put_samples(tap_sink *s, const tap_entry *e, const char *name, const tap_tensor *t,
                              tap_error *err) {
    const tap_batch *b = e->batch;
    tap_status status = TAP_OK;
    for (int64_t r = 0; status == TAP_OK && r < t->dims[0]; r++) {
        int64_t row = b && r < b->n_rows ? b->rows[r] : r;
        status = put_sample(s, e, name, t, r, row, err);
    }
    return status;
}

static tap_status put_heat(tap_sink *s, const tap_entry *e, const char *name, const tap_tensor *t,
                           tap_error *err) {
    tap_image i = {.data = NULL};
    tap_status status = tap_picture_heat(t, &i, err);
    if (status == TAP_OK) status = put(s, e, name, -1, "heat", &i, err);
    tap_image_free(&i);
    return status;
}

typedef struct adding {
    tap_sink *sink;
    const tap_entry *e;
} adding;

/* Strings and empty tensors have no picture. */
static tap_status add_tensor(void *user, const char *name, const tap_value *v, tap_error *err) {
    const adding *a = user;
    const tap_tensor *t = &v->tensor;
    if (t->dtype == TAP_STRING || t->count == 0) return TAP_OK;
    if (t->rank == 3 || t->rank == 4) return put_samples(a->sink, a->e, name, t, err);
    if (a->e->batch && !a->e->apart) return tap_sink_join(a->sink, name, a->e, v, err);
    return put_heat(a->sink, a->e, name, t, err);
}

static tap_status png_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                          tap_error *err) {
    adding a = {s, e};
    return tap_value_each(v, e->batch ? e->name : key, add_tensor, &a, err);
}

static tap_status png_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    album *a = s->state;
    if (!a->folder) {
        bool none = a->n == 0;
        album_free(a);
        return none && !reason ? tap_error_set(err, TAP_USAGE, "%s: there is no picture to write", s->path)
                               : TAP_OK;
    }
    tap_json_end(a->json);
    tap_json_bool(a->json, "complete", reason == NULL);
    if (reason) tap_json_error(a->json, reason);
    tap_json_end(a->json);
    tap_writer *index = a->index;
    album_free(a);
    return tap_writer_commit(index, true, err);
}

static void png_discard(tap_sink *s) {
    album *a = s->state;
    tap_writer *index = a->index;
    album_free(a);
    if (index) tap_writer_discard(index);
}

const tap_sink_kind tap_sink_png_folder = {.takes_any = true,
                                           .takes_batches = true,
                                           .open = open_folder,
                                           .add = png_add,
                                           .finish = png_finish,
                                           .discard = png_discard};
const tap_sink_kind tap_sink_png_file = {.takes_any = true,
                                         .takes_batches = true,
                                         .open = open_file,
                                         .add = png_add,
                                         .finish = png_finish,
                                         .discard = png_discard};
