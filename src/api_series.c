/* Series of checkpoints: which are taken, what of the one before is used again, and the notes on each. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "api_series.h"
#include "core/error.h"
#include "io/file.h"

tap_status tap_series_new(const tap_series_options *options, tap_series **out, tap_error *err) {
    tap_series *s = *out = calloc(1, sizeof *s);
    if (!s) return tap_error_no_memory(err, sizeof *s);
    memcpy(&s->options, options, options->size < sizeof s->options ? options->size : sizeof s->options);
    tap_arena_init(&s->arena, NULL);
    const char *folder = s->options.folder;
    size_t n = strlen(folder);
    s->folder = tap_arena_printf(&s->arena, n > 0 && folder[n - 1] == '/' ? "%s" : "%s/", folder);
    tap_status st = s->folder ? tap_make_folder(s->folder, err) : tap_error_no_memory(err, n);
    if (st == TAP_OK) return TAP_OK;
    tap_series_free(s);
    *out = NULL;
    return st;
}

void tap_series_free(tap_series *s) {
    if (!s) return;
    tap_model_free(s->model);
    free(s->epochs);
    tap_arena_clear(&s->arena);
    free(s);
}

size_t tap_series_count(const tap_series *s) {
    return s->n;
}

bool tap_series_get_epoch(const tap_series *s, size_t i, tap_series_epoch *out) {
    if (i >= s->n) return false;
    tap_series_epoch e = s->epochs[i]->epoch;
    e.size = out->size;
    memcpy(out, &e, out->size < sizeof e ? out->size : sizeof e);
    return true;
}

bool tap_series_get_value(const tap_series *s, size_t epoch, size_t i, tap_series_value *out) {
    if (epoch >= s->n || i >= s->epochs[epoch]->epoch.n_values) return false;
    tap_series_value v = s->epochs[epoch]->values[i];
    v.size = out->size;
    memcpy(out, &v, out->size < sizeof v ? out->size : sizeof v);
    return true;
}

/* ---- Checkpoints ---- */

static bool same_bytes(const char *a, const char *b) {
    tap_file *f = NULL, *g = NULL;
    bool same = tap_file_open(a, 0, &f, NULL) == TAP_OK && tap_file_open(b, 0, &g, NULL) == TAP_OK &&
                f->n_bytes == g->n_bytes && memcmp(f->data, g->data, f->n_bytes) == 0;
    tap_file_release(f);
    tap_file_release(g);
    return same;
}

/* Opens it with what it shares with the one before, which is let go of then. */
static tap_status open_checkpoint(tap_series *s, tap_series_epoch *e, tap_error *err) {
    tap_model_options o = {.size = sizeof o};
    const tap_model_options *given = s->options.model;
    if (given) memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    o.size = sizeof o;
    o.like = s->model;
    tap_model *m = NULL;
    tap_status st = tap_model_open(e->model, &o, &m, err);
    if (st != TAP_OK) return st;
    tap_model_info info = {.size = sizeof info};
    tap_model_get_info(m, &info);
    e->weight_bytes = info.parameter_bytes;
    e->shared_bytes = info.shared_bytes;
    e->same_model =
        s->model && info.shared_bytes == info.parameter_bytes && same_bytes(e->model, s->model_path);
    tap_model_free(s->model);
    s->model = m;
    s->model_path = e->model;
    return TAP_OK;
}

static tap_status append(tap_series *s, const tap_series_record *r, tap_error *err) {
    if (s->n == s->room) {
        size_t room = s->room ? 2 * s->room : 16;
        const tap_series_record **more = realloc(s->epochs, room * sizeof *more);
        if (!more) return tap_error_no_memory(err, room * sizeof *more);
        s->epochs = more;
        s->room = room;
    }
    s->epochs[s->n++] = r;
    return TAP_OK;
}

static tap_status copy_error(tap_error *err, const tap_error *from) {
    if (err) {
        size_t size = err->size;
        memcpy(err, from, size < sizeof *from ? size : sizeof *from);
        err->size = size;
    }
    return from->code;
}

/* The next checkpoint would fail as well. */
static bool is_everyones(tap_status s) {
    return s == TAP_CANCELLED || s == TAP_USAGE || s == TAP_NOT_FOUND;
}

static tap_status take(tap_series *s, tap_series_record *r, int64_t number, const char *path,
                       tap_error *err) {
    tap_series_epoch *e = &r->epoch;
    tap_error why = TAP_ERROR_INIT;
    *e = (tap_series_epoch){.size = sizeof *e, .number = number};
    e->model = tap_arena_string(&s->arena, path, strlen(path));
    if (!e->model) return tap_error_no_memory(err, strlen(path));
    e->status = open_checkpoint(s, e, &why);
    if (e->status == TAP_OK) e->status = tap_series_record_epoch(s, s->model, r, &why);
    if (e->status != TAP_OK) {
        e->n_values = 0;
        e->error = tap_arena_string(&s->arena, why.text, strlen(why.text));
    }
    tap_status st = append(s, r, err);
    if (st == TAP_OK && s->options.told) s->options.told(s->options.user, s, e);
    if (st == TAP_OK) st = tap_series_write(s->folder, s->epochs, s->n, err);
    return is_everyones(e->status) ? copy_error(err, &why) : st;
}

tap_status tap_series_add(tap_series *s, const char *path, tap_error *err) {
    int64_t every = s->options.every > 1 ? s->options.every : 1, number = s->number++;
    if (number % every != 0) return TAP_OK;
    tap_series_record *r = tap_arena_zero(&s->arena, sizeof *r);
    return r ? take(s, r, number, path, err) : tap_error_no_memory(err, sizeof *r);
}
