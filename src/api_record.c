/* record.h where it joins src/io with onnx/ and with models: .pb files, and the listener that records taps.
 */
#include <stddef.h>
#include <string.h>

#include "api_layers.h"
#include "core/error.h"
#include "core/permute.h"
#include "core/tensor.h"
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

#define recorder_has(r, field) ((r)->size >= offsetof(tap_recorder, field) + sizeof(r)->field)

/* Maps come as a sequence with one for each row (ZipMap): their values are a matrix whose first axis is the
 * batch. */
static bool is_map_a_row(const tap_recorder *r, const tap_event *e) {
    return tap_value_kind(e->value) == TAP_KIND_SEQUENCE &&
           (int64_t)tap_value_length(e->value) == r->batch->n_rows && r->batch->n_rows > 0 &&
           tap_value_kind(tap_value_item(e->value, 0)) == TAP_KIND_MAP;
}

static int axis_of(const tap_recorder *r, const tap_event *e, bool is_constant) {
    if (is_constant) return TAP_SINK_ONCE;
    if (is_map_a_row(r, e)) return 0;
    return r->axes && e->n_iterations == 0 ? r->axes[e->index] : TAP_BATCH_UNKNOWN;
}

/* ---- Layers and layouts ---- */

static bool is_identity(int32_t rank, const int32_t *perm) {
    for (int32_t i = 0; i < rank; i++)
        if (perm[i] != i) return false;
    return true;
}

/* "NCHW" of a tensor whose channels the framework has last, "NHWC" once it is turned back. NULL: of any other
 * order. */
static const char *layout_name(int32_t rank, const int32_t *perm, bool turned) {
    static const char *const first[] = {"NCW", "NCHW", "NCDHW"}, *const last[] = {"NWC", "NHWC", "NDHWC"};
    int channels_last[TAP_RANK_MAX];
    if (rank < 3 || rank > 5) return NULL;
    tap_perm_to_channels_last(rank, channels_last);
    for (int32_t i = 0; i < rank; i++)
        if (perm[i] != channels_last[i]) return NULL;
    return turned ? last[rank - 3] : first[rank - 3];
}

/* Where an axis is once the tensor is turned. */
static int turned_axis(int32_t rank, const int32_t *perm, int axis) {
    for (int i = 0; i < rank; i++)
        if (perm[i] == axis) return i;
    return axis;
}

static tap_status turn(const tap_tensor *t, const int32_t *perm, tap_value **out, tap_error *err) {
    int64_t dims[TAP_RANK_MAX];
    int p[TAP_RANK_MAX];
    for (int i = 0; i < t->rank; i++) {
        p[i] = perm[i];
        dims[i] = t->dims[p[i]];
    }
    if (t->dtype == TAP_STRING) return tap_error_set(err, TAP_DATA, "a tensor of strings is not turned");
    tap_status st = tap_value_new(t->dtype, t->rank, dims, out, err);
    if (st == TAP_OK)
        tap_copy_permuted(tap_dtype_bytes(t->dtype), t->rank, t->dims, p, t->data, tap_value_data(*out));
    return st;
}

/* Adds the value as the output of a layer; SIZE_MAX: of none. */
static tap_status add_as(tap_recorder *r, const tap_entry *entry, size_t index, size_t l, const tap_value *v,
                         tap_error *err) {
    tap_entry e = *entry;
    tap_layer_info layer = {.size = sizeof layer};
    int32_t perm[TAP_RANK_MAX];
    bool options = recorder_has(r, original_layout);
    if (l != SIZE_MAX && tap_model_layer(r->model, l, &layer)) e.layer = layer.key;
    if (options && r->layer_keys && e.layer && e.n_iterations == 0) {
        e.tensor = e.tensor ? e.tensor : e.name;
        e.name = e.layer;
    }

    const tap_tensor *t = tap_value_tensor(v);
    int32_t rank = t && r->model ? tap_model_layout(r->model, index, perm) : -1;
    if (!t || rank != t->rank) return tap_sink_add(r->sink, &e, v, err);
    bool turns = options && r->original_layout && !is_identity(rank, perm) && t->dtype != TAP_STRING;
    e.layout = layout_name(rank, perm, turns);
    if (!turns) return tap_sink_add(r->sink, &e, v, err);
    tap_value *turned;
    tap_status s = turn(t, perm, &turned, err);
    if (s != TAP_OK) return s;
    e.type = NULL;
    e.axis = turned_axis(rank, perm, e.axis);
    s = tap_sink_add(r->sink, &e, turned, err);
    tap_value_release(turned);
    return s;
}

tap_status tap_recorder_add(tap_recorder *r, const tap_entry *entry, size_t index, const tap_value *v,
                            tap_error *err) {
    tap_entry e = {.size = sizeof e};
    tap_layer_info layer = {.size = sizeof layer};
    tap_status s = TAP_OK;
    size_t asked = 0;
    memcpy(&e, entry, entry->size < sizeof e ? entry->size : sizeof e);
    tap_settle(tap_value_tensor(v));
    bool by_layer = recorder_has(r, n_layers) && r->layer_keys && r->model;
    for (size_t i = 0; by_layer && s == TAP_OK && i < r->n_layers; i++) {
        if (!tap_model_layer(r->model, r->layers[i], &layer) || layer.value != index) continue;
        s = add_as(r, &e, index, r->layers[i], v, err);
        asked++;
    }
    if (asked) return s;
    return add_as(r, &e, index, r->model ? tap_model_layer_of(r->model, index) : SIZE_MAX, v, err);
}

int tap_record(const tap_event *event, void *user) {
    tap_recorder *r = user;
    tap_value_info info = {.size = sizeof info};
    if (event->ask) return TAP_WANT;
    bool known = r->model && tap_model_value(r->model, event->index, &info);
    const tap_batch *batch = recorder_has(r, batch) ? r->batch : NULL;
    tap_entry e = {.size = sizeof e,
                   .name = event->name,
                   .node = event->node,
                   .op = event->op,
                   .type = known ? info.type : NULL,
                   .iterations = event->iterations,
                   .n_iterations = event->n_iterations,
                   .output = output_of(r->model, event)};
    if (batch) {
        e.batch = batch;
        e.apart = r->apart;
        e.axis = axis_of(r, event, known && info.is_initializer && !info.is_input);
    }
    tap_status s = tap_recorder_add(r, &e, event->index, event->value, r->err);
    if (s == TAP_OK) return TAP_WANT;
    if (r->status == TAP_OK) r->status = s;
    return TAP_STOP;
}
