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

/* The value's elements as they lie, and where its axes are in them: in ONNX's order, or in the framework's.
 */
static const tap_tensor *lying(const tap_observer *o, const tap_event *e, bool original, int32_t *perm,
                               int *axis) {
    int32_t back[TAP_RANK_MAX];
    bool lies = e->size >= offsetof(tap_event, perm) + sizeof e->perm && e->lying;
    const tap_tensor *t = lies ? e->lying : e->tensor;
    int rank = tap_tensor_rank(t);
    int32_t turns = original && o->model ? tap_model_layout(o->model, e->index, back) : -1;
    for (int i = 0; i < rank; i++) {
        int32_t from = turns == rank ? back[i] : i;
        perm[i] = lies ? e->perm[from] : from;
    }
    for (int i = 0; turns == rank && i < rank; i++)
        if (back[i] == *axis) {
            *axis = i;
            break;
        }
    return t;
}

static bool observer_has(const tap_observer *o, size_t offset, size_t n) {
    return o->size >= offset + n;
}
#define HAS(o, field) observer_has(o, offsetof(tap_observer, field), sizeof(o)->field)

static void describe(const tap_observer *o, const tap_event *e, tap_stats_source *source) {
    tap_value_info info = {.size = sizeof info};
    tap_layer_info layer = {.size = sizeof layer};
    size_t l = o->model && e->n_iterations == 0 ? tap_model_layer_of(o->model, e->index) : SIZE_MAX;
    source->batch = o->batch;
    source->axis = o->axes && e->n_iterations == 0 ? o->axes[e->index] : TAP_BATCH_UNKNOWN;
    source->is_output = o->model && tap_model_value(o->model, e->index, &info) && info.is_output;
    if (l != SIZE_MAX && tap_model_layer(o->model, l, &layer)) source->layer = layer.key;
}

int tap_observe(const tap_event *event, void *user) {
    tap_observer *o = user;
    int32_t perm[TAP_RANK_MAX];
    if (event->ask) return TAP_WANT;
    tap_stats_source source = {
        .size = sizeof source, .name = event->name, .node = event->node, .op = event->op};
    describe(o, event, &source);
    bool threads = HAS(o, session) && o->session, original = HAS(o, original_layout) && o->original_layout;
    if (threads) tap_stats_use(o->stats, run_pieces, o->session->pool, tap_pool_threads(o->session->pool));
    source.channel_axis = event->n_iterations == 0 ? channel_axis_of(o->model, event->index, original) : 0;
    tap_status s;
    if (event->tensor) {
        const tap_tensor *t = lying(o, event, original, perm, &source.axis);
        source.perm = perm;
        s = tap_stats_add(o->stats, &source, t, o->err);
    } else {
        adding a = {o, &source};
        s = tap_value_each(event->value, event->name, add_one, &a, o->err);
    }
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
