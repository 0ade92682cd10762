/* record.h where it joins src/io with onnx/ and with models: .pb files, and the listener that records taps.
 */
#include <string.h>

#include "core/error.h"
#include "io/load.h"
#include "io/sink.h"
#include "onnx/load.h"

tap_status tap_value_load(const char *path, const tap_load_options *options, tap_value **out,
                          tap_error *err) {
    return tap_load_any(path, options, tap_onnx_load_value, out, err);
}

tap_status tap_sink_open(const char *path, const tap_sink_options *options, tap_sink **out, tap_error *err) {
    return tap_sink_make(path, options, tap_onnx_save_value, out, err);
}

/* Position among the model's outputs; -1 for any other value. */
static int output_of(const tap_model *m, const tap_event *event) {
    for (size_t i = 0; m && event->n_iterations == 0 && i < tap_model_output_count(m); i++)
        if (strcmp(tap_model_output(m, i)->name, event->name) == 0) return (int)i;
    return -1;
}

int tap_record(const tap_event *event, void *user) {
    tap_recorder *r = user;
    if (event->ask) return TAP_WANT;
    tap_value_info info = {.size = sizeof info};
    bool known = r->model && tap_model_value(r->model, event->index, &info);
    tap_entry e = {.size = sizeof e,
                   .name = event->name,
                   .node = event->node,
                   .op = event->op,
                   .type = known ? info.type : NULL,
                   .iterations = event->iterations,
                   .n_iterations = event->n_iterations,
                   .output = output_of(r->model, event)};
    tap_status s = tap_sink_add(r->sink, &e, event->value, r->err);
    if (s == TAP_OK) return TAP_WANT;
    if (r->status == TAP_OK) r->status = s;
    return TAP_STOP;
}
