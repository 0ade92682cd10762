/* Statistics where they meet models and files: the listener, and documents on disk. */
#include <stddef.h>
#include <string.h>

#include "api_layers.h"
#include "core/error.h"
#include "io/sink.h"
#include "onnxtap/stats.h"
#include "run/session.h"
#include "tap/stats.h"

typedef struct adding {
    tap_observer *o;
    tap_stats_source *source;
} adding;

static tap_status add_one(void *user, const char *name, const tap_value *v, tap_error *err) {
    adding *a = user;
    tap_stats_source source = *a->source;
    source.name = name;
    return tap_stats_add(a->o->stats, &source, tap_value_tensor(v), err);
}

/* TensorFlow has its channels last; where that axis is in the tensor. 0: not known. */
static int channel_axis_of(const tap_model *m, size_t index, bool turned) {
    int32_t perm[TAP_RANK_MAX];
    int32_t rank = m ? tap_model_layout(m, index, perm) : -1;
    bool last = m && m->src.producer_name && strncmp(m->src.producer_name, "tf2onnx", 7) == 0;
    if (rank < 3) return 0;
    if (last) return turned ? rank - 1 : perm[rank - 1];
    for (int32_t i = 0; turned && i < rank; i++)
        if (perm[i] == 1) return i;
    return 0;
}

static void run_pieces(void *pool, int64_t n, int64_t grain, void (*fn)(void *, int64_t, int64_t, int),
                       void *arg) {
    tap_pool_run(pool, n, grain, fn, arg);
}

int tap_observe(const tap_event *event, void *user) {
    tap_observer *o = user;
    tap_value_info info = {.size = sizeof info};
    if (event->ask) return TAP_WANT;
    tap_settle(event->tensor);
    tap_stats_source source = {
        .size = sizeof source, .name = event->name, .node = event->node, .op = event->op};
    source.batch = o->batch;
    source.axis = o->axes && event->n_iterations == 0 ? o->axes[event->index] : TAP_BATCH_UNKNOWN;
    source.is_output = o->model && tap_model_value(o->model, event->index, &info) && info.is_output;
    tap_layer_info layer = {.size = sizeof layer};
    size_t l = o->model && event->n_iterations == 0 ? tap_model_layer_of(o->model, event->index) : SIZE_MAX;
    if (l != SIZE_MAX && tap_model_layer(o->model, l, &layer)) source.layer = layer.key;
    bool threads = o->size >= offsetof(tap_observer, session) + sizeof o->session && o->session;
    if (threads) tap_stats_use(o->stats, run_pieces, o->session->pool, tap_pool_threads(o->session->pool));
    adding a = {o, &source};
    tap_value *turned = NULL;
    tap_status s = TAP_OK;
    bool original =
        o->size >= offsetof(tap_observer, original_layout) + sizeof o->original_layout && o->original_layout;
    source.channel_axis = event->n_iterations == 0 ? channel_axis_of(o->model, event->index, original) : 0;
    if (original && event->tensor)
        s = tap_turn_back(o->model, event->index, event->tensor, &source.axis, &turned, o->err);
    if (s == TAP_OK) s = tap_value_each(turned ? turned : event->value, event->name, add_one, &a, o->err);
    tap_value_release(turned);
    if (threads) tap_stats_use(o->stats, NULL, NULL, 1);
    if (s == TAP_OK) return TAP_WANT;
    if (o->status == TAP_OK) o->status = s;
    return TAP_STOP;
}

tap_status tap_stats_save(const tap_stats *s, const char *path, tap_error *err) {
    tap_writer *w;
    tap_status status = tap_writer_open(path, &w, err);
    if (status != TAP_OK) return status;
    tap_json *j = tap_json_to(w, 1);
    if (!j) {
        tap_writer_discard(w);
        return tap_error_no_memory(err, 1);
    }
    tap_json_object(j, NULL);
    tap_stats_write(s, j, true);
    tap_json_free(j);
    return tap_writer_commit(w, true, err);
}

tap_status tap_stats_load(const char *path, tap_stats **out, tap_error *err) {
    tap_file *f;
    tap_json_value *doc = NULL;
    *out = NULL;
    tap_status s = tap_file_open(path, 0, &f, err);
    if (s != TAP_OK) return s;
    s = tap_json_parse((const char *)f->data, f->n_bytes, &doc, err);
    if (s == TAP_OK) s = tap_stats_read(doc, out, err);
    tap_json_value_free(doc);
    tap_file_release(f);
    if (s != TAP_OK && err) {
        char why[600];
        strncpy(why, err->text, sizeof why - 1);
        why[sizeof why - 1] = '\0';
        tap_error_set(err, s, "%s: %s", path, why);
    }
    return s;
}
