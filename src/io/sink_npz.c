/* An .npz archive: a member a tensor. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/npy.h"
#include "io/sink.h"
#include "io/zip.h"

static tap_status npz_open(tap_sink *s, tap_error *err) {
    tap_writer *w;
    tap_status status = tap_writer_open(s->path, &w, err);
    if (status != TAP_OK) return status;
    tap_zip_writer *zip = NULL;
    status = tap_zip_create(w, s->options.compress, &zip, err);
    s->state = zip;
    return status;
}

static tap_status add_tensor(tap_zip_writer *zip, const char *key, const tap_tensor *t, bool raw,
                             tap_error *err) {
    tap_npy_plan plan;
    size_t n = strlen(key);
    char *name = malloc(n + 5);
    if (!name) return tap_error_no_memory(err, n);
    memcpy(name, key, n);
    memcpy(name + n, ".npy", 5);
    tap_status s = tap_npy_plan_of(t, raw, 0, &plan, err);
    if (s == TAP_OK) s = tap_zip_begin(zip, name, plan.n_bytes, err);
    if (s == TAP_OK) {
        tap_npy_emit(&plan, tap_zip_write, zip);
        s = tap_zip_end(zip, err);
    }
    free(name);
    return s;
}

static tap_status npz_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                          tap_error *err) {
    (void)e;
    return add_tensor(s->state, key, &v->tensor, s->options.raw_types, err);
}

static tap_status add_note(tap_zip_writer *zip, const tap_error *reason, tap_error *err) {
    tap_value *note;
    tap_status s = tap_value_new(TAP_STRING, 0, NULL, &note, err);
    if (s != TAP_OK) return s;
    s = tap_value_set_string(note, 0, reason->text, strlen(reason->text), err);
    if (s == TAP_OK) s = add_tensor(zip, "__error__", &note->tensor, false, err);
    tap_value_release(note);
    return s;
}

/* A note that does not fit any more (a full disk) is no reason to lose the archive. */
static tap_status npz_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    if (reason) add_note(s->state, reason, NULL);
    return tap_zip_finish(s->state, err);
}

static void npz_discard(tap_sink *s) {
    tap_zip_discard(s->state);
}

const tap_sink_kind tap_sink_npz = {false, npz_open, npz_add, npz_finish, npz_discard};
