/* A file for one value: .npy or .pb. It is written when the value comes. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/npy.h"
#include "io/sink.h"

static void write_bytes(void *user, const void *p, size_t n) {
    tap_writer_write(user, p, n);
}

tap_status tap_write_npy(const char *path, const tap_tensor *t, bool raw, bool sync, tap_error *err) {
    tap_npy_plan plan;
    tap_writer *w;
    tap_status s = tap_npy_plan_of(t, raw, 0, &plan, err);
    if (s == TAP_OK) s = tap_writer_open(path, &w, err);
    if (s != TAP_OK) return s;
    tap_npy_emit(&plan, write_bytes, w);
    return tap_writer_commit(w, sync, err);
}

tap_status tap_write_pb(const tap_sink *sink, const char *path, const tap_entry *e, const tap_value *v,
                        bool sync, tap_error *err) {
    void *bytes = NULL;
    size_t n = 0;
    tap_writer *w;
    tap_status s = sink->encode(v, e->name, e->type, &bytes, &n, err);
    if (s == TAP_OK) s = tap_writer_open(path, &w, err);
    if (s == TAP_OK) {
        tap_writer_write(w, bytes, n);
        s = tap_writer_commit(w, sync, err);
    }
    free(bytes);
    return s;
}

static tap_status file_open(tap_sink *s, tap_error *err) {
    (void)s, (void)err;
    return TAP_OK;
}

static tap_status second(const tap_sink *s, const char *key, tap_error *err) {
    return tap_error_set(err, TAP_USAGE,
                         "%s takes one value, and '%s' is a second: write .npz, .json or a folder", s->path,
                         key);
}

static tap_status file_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                           tap_error *err) {
    if (s->state) return second(s, key, err);
    tap_status status = s->options.format == TAP_FORMAT_PB
                            ? tap_write_pb(s, s->path, e, v, true, err)
                            : tap_write_npy(s->path, &v->tensor, s->options.raw_types, true, err);
    if (status == TAP_OK) s->state = s;
    return status;
}

static tap_status file_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    if (s->state || reason) return TAP_OK;
    return tap_error_set(err, TAP_USAGE, "%s: there is no value to write", s->path);
}

static void file_discard(tap_sink *s) {
    (void)s;
}

static tap_status file_join(tap_sink *s, tap_part *p, const tap_entry *e, const tap_tensor *t,
                            tap_error *err) {
    (void)e;
    if (t->dtype == TAP_STRING) return TAP_OK;
    if (s->state && s->state != p) return second(s, p->key, err);
    s->state = p;
    return tap_npy_join(p, s->path, t, s->options.raw_types, err);
}

static tap_status file_end_part(tap_sink *s, tap_part *p, tap_error *err) {
    return tap_npy_end_part(p, s->options.raw_types, err);
}

/* .npy takes tensors only: sequences and maps come in parts, and are refused if they have more than one. A
 * .pb holds any kind, so tap_sink_add hands a sequence over whole. */
const tap_sink_kind tap_sink_npy_file = {.open = file_open,
                                         .add = file_add,
                                         .join = file_join,
                                         .end_part = file_end_part,
                                         .finish = file_finish,
                                         .discard = file_discard};
const tap_sink_kind tap_sink_pb_file = {
    .takes_any = true, .open = file_open, .add = file_add, .finish = file_finish, .discard = file_discard};
