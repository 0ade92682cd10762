/* An .npz archive: a member a tensor. */
#include <stdio.h>
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

/* A member for the value is reserved: its size follows from the rows that the data set has. */
static tap_status reserve(tap_sink *s, tap_part *p, const tap_entry *e, const tap_tensor *t, tap_error *err) {
    int64_t each = e->batch->n_rows > 0 ? t->dims[0] / e->batch->n_rows : 0, rows;
    tap_tensor all = *t;
    int64_t dims[TAP_RANK_MAX];
    tap_npy_plan plan;
    memcpy(dims, t->dims, sizeof dims);
    if (t->dims[0] != each * e->batch->n_rows || !tap_mul64(each, e->batch->total, &rows)) return TAP_OK;
    dims[0] = rows;
    if (!tap_tensor_shape(&all, t->dtype, t->rank, dims)) return TAP_OK;
    tap_status status = tap_npy_plan_of(&all, s->options.raw_types, 0, &plan, err);
    char *name = malloc(strlen(p->key) + 5);
    if (status == TAP_OK && !name) status = tap_error_no_memory(err, strlen(p->key));
    if (status == TAP_OK) {
        sprintf(name, "%s.npy", p->key);
        status = tap_zip_reserve(s->state, name, plan.n_bytes, &p->member, err);
        p->own = status == TAP_OK;
    }
    free(name);
    if (status == TAP_OK) status = tap_zip_put(s->state, p->member, plan.header, plan.header_bytes, err);
    p->header_bytes = plan.header_bytes;
    return status;
}

typedef struct putting {
    tap_zip_writer *zip;
    size_t member;
    tap_status status;
    tap_error *err;
} putting;

static void put(void *user, const void *p, size_t n) {
    putting *u = user;
    if (u->status == TAP_OK) u->status = tap_zip_put(u->zip, u->member, p, n, u->err);
}

static tap_status npz_join(tap_sink *s, tap_part *p, const tap_entry *e, const tap_tensor *t,
                           tap_error *err) {
    tap_npy_plan plan;
    tap_status status = TAP_OK;
    if (s->options.compress || t->dtype == TAP_STRING || !e->batch || e->batch->total <= 0) return TAP_OK;
    if (!p->own) status = reserve(s, p, e, t, err);
    if (status != TAP_OK || !p->own) return status;
    uint64_t before = tap_zip_given(s->state, p->member);
    status = tap_npy_plan_of(t, s->options.raw_types, 0, &plan, err);
    putting u = {s->state, p->member, TAP_OK, err};
    if (status == TAP_OK) tap_npy_emit_data(&plan, put, &u);
    if (u.status == TAP_OK) return status;
    tap_zip_back(s->state, p->member, before);
    return u.status;
}

static tap_status npz_end_part(tap_sink *s, tap_part *p, tap_error *err) {
    tap_npy_plan plan;
    tap_tensor all = {.data = NULL};
    if (!tap_tensor_shape(&all, p->dtype, p->rank, p->dims)) return TAP_DATA;
    tap_status status = tap_npy_plan_of(&all, s->options.raw_types, 0, &plan, err);
    size_t n = tap_npy_pad(plan.header, plan.header_bytes, p->header_bytes);
    return status == TAP_OK ? tap_zip_seal(s->state, p->member, plan.header, n, err) : status;
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
    if (reason) tap_zip_shrink(s->state);
    if (reason) add_note(s->state, reason, NULL);
    return tap_zip_finish(s->state, err);
}

static void npz_discard(tap_sink *s) {
    tap_zip_discard(s->state);
}

const tap_sink_kind tap_sink_npz = {.open = npz_open,
                                    .add = npz_add,
                                    .finish = npz_finish,
                                    .join = npz_join,
                                    .end_part = npz_end_part,
                                    .discard = npz_discard};
