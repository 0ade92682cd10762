/* A JSON document: taps as they come, the outputs behind them, each with its elements as nested lists; and
 * what all sinks that write JSON share. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/half.h"
#include "io/element.h"
#include "io/sink.h"

static void write_text(void *user, const char *text, size_t n) {
    tap_writer_write(user, text, n);
}

tap_json *tap_json_to(tap_writer *w, int indent) {
    return tap_json_new(write_text, w, indent);
}

static void put_shape(tap_json *j, const tap_tensor *t) {
    tap_json_flat_array(j, "shape");
    for (int i = 0; i < t->rank; i++) tap_json_int(j, NULL, t->dims[i]);
    tap_json_end(j);
}

static void put_type(tap_json *j, const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    tap_json_string(j, "dtype", t ? tap_dtype_name(t->dtype) : v->kind == TAP_KIND_MAP ? "map" : "sequence");
    if (t)
        put_shape(j, t);
    else
        tap_json_null(j, "shape");
}

void tap_json_entry(tap_json *j, const tap_entry *e, const tap_value *v) {
    tap_json_string(j, "tensor", e->tensor);
    tap_json_string(j, "node", e->node);
    tap_json_string(j, "operator", e->op);
    tap_json_string(j, "layer", e->layer);
    put_type(j, v);
    tap_json_string(j, "layout", e->layout);
    tap_json_flat_array(j, "iteration");
    for (size_t i = 0; i < e->n_iterations; i++) tap_json_int(j, NULL, e->iterations[i]);
    tap_json_end(j);
    if (e->output >= 0) tap_json_int(j, "output", e->output);
}

/* ---- Elements ---- */

static void put_real(tap_json *j, tap_dtype t, double x) {
    if (t == TAP_DOUBLE || t == TAP_COMPLEX128)
        tap_json_double(j, NULL, x);
    else
        tap_json_float(j, NULL, (float)x);
}

static void put_wide(tap_json *j, tap_dtype t, const tap_wide *w, int64_t k) {
    switch (tap_class_of(t)) {
    case TAP_CLASS_SIGNED: tap_json_int(j, NULL, w->i[k]); break;
    case TAP_CLASS_UNSIGNED:
        if (t == TAP_BOOL)
            tap_json_bool(j, NULL, w->u[k] != 0);
        else
            tap_json_uint(j, NULL, w->u[k]);
        break;
    case TAP_CLASS_COMPLEX:
        tap_json_flat_array(j, NULL);
        put_real(j, t, w->f[2 * k]);
        put_real(j, t, w->f[2 * k + 1]);
        tap_json_end(j);
        break;
    default: put_real(j, t, w->f[k]); break;
    }
}

/* Elements first to first + n, a block at a time. */
static void put_elements(tap_json *j, const tap_tensor *t, int64_t first, int64_t n) {
    const tap_string *strings = t->data;
    bool parts = tap_class_of(t->dtype) == TAP_CLASS_COMPLEX;
    int64_t step = parts ? TAP_WIDE_BLOCK / 2 : TAP_WIDE_BLOCK;
    tap_wide w;
    for (int64_t i = 0; i < n; i += step) {
        int64_t m = tap_min64(step, n - i);
        if (t->dtype != TAP_STRING)
            tap_widen(t->dtype, (const char *)t->data + (size_t)(first + i) * tap_dtype_bytes(t->dtype),
                      parts ? 2 * m : m, &w);
        for (int64_t k = 0; k < m; k++)
            if (t->dtype == TAP_STRING)
                tap_json_bytes(j, NULL, strings[first + i + k].s, strings[first + i + k].n);
            else
                put_wide(j, t->dtype, &w, k);
    }
}

/* The lists from axis on, whose first element is *at. */
static void put_axis(tap_json *j, const char *key, const tap_tensor *t, int axis, int64_t *at) {
    bool last = axis == t->rank - 1;
    if (last)
        tap_json_flat_array(j, key);
    else
        tap_json_array(j, key);
    if (last) {
        put_elements(j, t, *at, t->dims[axis]);
        *at += t->dims[axis];
    } else {
        for (int64_t i = 0; i < t->dims[axis] && t->count > 0; i++) put_axis(j, NULL, t, axis + 1, at);
    }
    tap_json_end(j);
}

static void put_data(tap_json *j, const tap_tensor *t) {
    int64_t at = 0;
    if (t->rank > 0) {
        put_axis(j, "data", t, 0, &at);
        return;
    }
    tap_json_flat_array(j, "data");
    put_elements(j, t, 0, 1);
    tap_json_end(j);
}

static void put_summary(tap_json *j, const tap_tensor *t) {
    tap_summary s = {.size = sizeof s};
    tap_tensor_summary(t, &s);
    tap_json_double(j, "min", s.min);
    tap_json_double(j, "max", s.max);
    tap_json_double(j, "mean", s.mean);
    tap_json_int(j, "nonfinite", s.nonfinite);
}

void tap_json_value_body(tap_json *j, const tap_value *v) {
    static const char *const names[2] = {"keys", "values"};
    put_type(j, v);
    if (v->kind == TAP_KIND_TENSOR) {
        put_summary(j, &v->tensor);
        put_data(j, &v->tensor);
        return;
    }
    if (v->kind == TAP_KIND_SEQUENCE) tap_json_array(j, "items");
    for (size_t i = 0; i < v->n; i++) {
        tap_json_object(j, v->kind == TAP_KIND_MAP ? names[i % 2] : NULL);
        if (v->items[i]) tap_json_value_body(j, v->items[i]);
        tap_json_end(j);
    }
    if (v->kind == TAP_KIND_SEQUENCE) tap_json_end(j);
}

/* ---- The sink ---- */

/* An output that came while "taps" was open. */
typedef struct held {
    struct held *next;
    tap_value *value;
    char *name;
} held;

typedef struct document {
    tap_writer *w;
    tap_json *json;
    held *first, **last;
} document;

static void document_free(document *d) {
    for (held *h = d->first, *next; h; h = next) {
        next = h->next;
        tap_value_release(h->value);
        free(h->name);
        free(h);
    }
    tap_json_free(d->json);
    free(d);
}

static tap_status json_open(tap_sink *s, tap_error *err) {
    document *d = calloc(1, sizeof *d);
    if (!d) return tap_error_no_memory(err, sizeof *d);
    d->last = &d->first;
    tap_status status = tap_writer_open(s->path, &d->w, err);
    if (status == TAP_OK && !(d->json = tap_json_to(d->w, 2))) {
        tap_writer_discard(d->w);
        status = tap_error_no_memory(err, sizeof *d);
    }
    if (status != TAP_OK) {
        free(d);
        return status;
    }
    tap_json_object(d->json, NULL);
    tap_json_array(d->json, "taps");
    s->state = d;
    return TAP_OK;
}

static tap_status hold(document *d, const char *key, const tap_value *v, tap_error *err) {
    held *h = calloc(1, sizeof *h);
    if (!h) return tap_error_no_memory(err, sizeof *h);
    *d->last = h;
    d->last = &h->next;
    h->name = strdup(key);
    return h->name ? tap_value_copy(v, &h->value, err) : tap_error_no_memory(err, strlen(key));
}

static tap_status json_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                           tap_error *err) {
    document *d = s->state;
    if (e->output >= 0) return hold(d, key, v, err);
    uint64_t at = tap_writer_at(d->w);
    tap_json_object(d->json, NULL);
    tap_json_string(d->json, "name", key);
    tap_json_string(d->json, "node", e->node);
    tap_json_string(d->json, "op", e->op);
    tap_json_string(d->json, "layer", e->layer);
    tap_json_value_body(d->json, v);
    tap_json_end(d->json);
    tap_status status = tap_writer_check(d->w, err);
    if (status != TAP_OK) tap_writer_cut(d->w, at);
    return status;
}

static tap_status json_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    document *d = s->state;
    tap_json_end(d->json);
    tap_json_array(d->json, "outputs");
    for (const held *h = d->first; h; h = h->next) {
        if (!h->value) continue;
        tap_json_object(d->json, NULL);
        tap_json_string(d->json, "name", h->name);
        tap_json_value_body(d->json, h->value);
        tap_json_end(d->json);
    }
    tap_json_end(d->json);
    if (reason) tap_json_error(d->json, reason);
    tap_json_end(d->json);
    tap_writer *w = d->w;
    document_free(d);
    return tap_writer_commit(w, true, err);
}

static void json_discard(tap_sink *s) {
    document *d = s->state;
    tap_writer *w = d->w;
    document_free(d);
    tap_writer_discard(w);
}

const tap_sink_kind tap_sink_json = {
    .takes_any = true, .open = json_open, .add = json_add, .finish = json_finish, .discard = json_discard};
