/* .jsonl: a JSON object on a line of its own for each value (of each batch), in the order in which they are
 * computed. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/sink.h"

static tap_status jsonl_open(tap_sink *s, tap_error *err) {
    tap_writer *w;
    tap_status status = tap_writer_open(s->path, &w, err);
    if (status == TAP_OK) s->state = w;
    return status;
}

static void put_batch(tap_json *j, const tap_batch *b) {
    tap_json_int(j, "batch", b->index);
    tap_json_flat_array(j, "rows");
    for (int64_t i = 0; i < b->n_rows; i++) tap_json_int(j, NULL, b->rows[i]);
    tap_json_end(j);
}

static tap_status jsonl_add(tap_sink *s, const char *key, const tap_entry *e, const tap_value *v,
                            tap_error *err) {
    tap_writer *w = s->state;
    uint64_t at = tap_writer_at(w);
    tap_json *j = tap_json_to(w, 0);
    if (!j) return tap_error_no_memory(err, 1);
    tap_json_object(j, NULL);
    tap_json_string(j, "name", e->batch ? e->name : key);
    if (e->batch) put_batch(j, e->batch);
    tap_json_string(j, "tensor", e->tensor);
    tap_json_string(j, "node", e->node);
    tap_json_string(j, "op", e->op);
    tap_json_string(j, "layer", e->layer);
    tap_json_bool(j, "output", e->output >= 0);
    tap_json_value_body(j, v);
    tap_json_free(j);
    tap_writer_flush(w);
    tap_status status = tap_writer_check(w, err);
    if (status != TAP_OK) tap_writer_cut(w, at);
    return status;
}

static tap_status jsonl_finish(tap_sink *s, const tap_error *reason, tap_error *err) {
    tap_writer *w = s->state;
    tap_json *j = reason ? tap_json_to(w, 0) : NULL;
    if (j) {
        tap_json_object(j, NULL);
        tap_json_error(j, reason);
        tap_json_free(j);
    }
    return tap_writer_commit(w, true, err);
}

static void jsonl_discard(tap_sink *s) {
    tap_writer_discard(s->state);
}

const tap_sink_kind tap_sink_jsonl = {.takes_any = true,
                                      .takes_batches = true,
                                      .open = jsonl_open,
                                      .add = jsonl_add,
                                      .finish = jsonl_finish,
                                      .discard = jsonl_discard};
