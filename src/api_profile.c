/* Public functions of profile.h. */
#include <string.h>

#include "core/error.h"
#include "io/sink.h"
#include "run/session.h"

const char *tap_span_kind_name(tap_span_kind k) {
    static const char *const names[] = {"node", "layout", "tap", "begin", "end"};
    return (size_t)k < sizeof names / sizeof *names ? names[k] : NULL;
}

void tap_session_profile(tap_session *s, bool on) {
    s->trace.on = on;
}

bool tap_session_span(const tap_session *s, size_t i, tap_span *out) {
    const tap_trace *t = &s->trace;
    if (i >= t->n) return false;
    const tap_mark *m = &t->marks[i];
    tap_span x = {.size = out->size, .kind = m->kind, .node = "", .op = "", .domain = ""};
    if (m->node) {
        x.node = m->node->address;
        x.op = m->node->src->op;
        x.domain = m->node->src->domain;
    }
    x.with = t->names + m->with;
    x.with_ops = t->ops + m->with;
    x.n_with = m->n_with;
    x.depth = m->depth;
    x.begin_ns = m->begin - t->begin;
    x.end_ns = m->end - t->begin;
    memcpy(out, &x, out->size < sizeof x ? out->size : sizeof x);
    return true;
}

/* ---- The trace file ---- */

static void write_event(tap_json *j, const tap_span *s) {
    tap_json_flat_object(j, NULL);
    tap_json_string(j, "name", s->kind == TAP_SPAN_NODE ? s->op : tap_span_kind_name(s->kind));
    tap_json_string(j, "cat", tap_span_kind_name(s->kind));
    tap_json_string(j, "ph", "X");
    tap_json_double(j, "ts", (double)s->begin_ns / 1e3);
    tap_json_double(j, "dur", (double)(s->end_ns - s->begin_ns) / 1e3);
    tap_json_int(j, "pid", 1);
    tap_json_int(j, "tid", 1);
    tap_json_object(j, "args");
    if (s->node[0]) tap_json_string(j, "node", s->node);
    if (s->n_with) {
        tap_json_array(j, "with");
        for (size_t i = 0; i < s->n_with; i++) tap_json_string(j, NULL, s->with[i]);
        tap_json_end(j);
    }
    tap_json_end(j);
    tap_json_end(j);
}

tap_status tap_session_write_trace(const tap_session *s, const char *path, tap_error *err) {
    tap_writer *w;
    tap_status st = tap_writer_open(path, &w, err);
    if (st != TAP_OK) return st;
    tap_json *j = tap_json_to(w, 1);
    if (!j) {
        tap_writer_discard(w);
        return tap_error_no_memory(err, 0);
    }
    tap_json_object(j, NULL);
    tap_json_string(j, "displayTimeUnit", "ms");
    tap_json_array(j, "traceEvents");
    tap_span span = {.size = sizeof span};
    for (size_t i = 0; tap_session_span(s, i, &span); i++) write_event(j, &span);
    tap_json_free(j);
    return tap_writer_commit(w, false, err);
}
