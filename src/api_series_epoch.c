/* One epoch of a series: its values to their files, its figures, its page in TensorBoard. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_series.h"
#include "core/error.h"
#include "io/sink.h"

/* A value that goes to a file of its own. */
typedef struct track {
    size_t index; /* of the model's value */
    tap_sink *sink;
    tap_recorder recorder;
    const char *path;
} track;

typedef struct epoch {
    tap_series *s;
    tap_model *model;
    tap_series_record *r;
    tap_session *session;
    tap_series_feed feed;
    bool fed;
    tap_pass *pass;
    tap_stats *stats;
    tap_observer observer;
    tap_score score;
    track *tracks;
    size_t n_tracks;
    tap_names *names;
    tap_sink *labels;
    const char *labels_path;
    tap_status status; /* of a file that took no more */
    tap_error why;
} epoch;

/* ---- Files ---- */

static const char *path_of(epoch *e, const char *what) {
    tap_arena *a = &e->s->arena;
    const char *stem = tap_arena_printf(a, "epoch_%" PRId64 "%s", e->r->epoch.number, what);
    const char *name = stem ? tap_names_unique(e->names, stem, '_', true) : NULL;
    return name ? tap_arena_printf(a, "%s%s.npy", e->s->folder, name) : NULL;
}

static const char *path_of_tap(epoch *e, size_t index, bool several) {
    tap_value_info info = {.size = sizeof info};
    tap_layer_info layer = {.size = sizeof layer};
    if (!several) return path_of(e, "");
    size_t l = tap_model_layer_of(e->model, index);
    bool has_layer = l != SIZE_MAX && tap_model_layer(e->model, l, &layer);
    tap_model_value(e->model, index, &info);
    const char *name = tap_safe_name(&e->s->arena, has_layer ? layer.key : info.name);
    const char *what = name ? tap_arena_printf(&e->s->arena, "_%s", name) : NULL;
    return what ? path_of(e, what) : NULL;
}

static const char *path_of_output(epoch *e, int output) {
    char what[48] = "_predictions";
    if (output > 0) snprintf(what, sizeof what, "_predictions_%d", output);
    return path_of(e, what);
}

static tap_status add_track(epoch *e, size_t index, const char *path, tap_error *err) {
    track *t = &e->tracks[e->n_tracks];
    tap_sink_options o = {.size = sizeof o, .format = TAP_FORMAT_NPY, .raw_types = e->s->options.raw_types};
    if (!path) return tap_error_no_memory(err, 1);
    *t = (track){.index = index, .path = path};
    tap_status s = tap_sink_open(path, &o, &t->sink, err);
    if (s != TAP_OK) return s;
    e->n_tracks++;
    t->recorder = (tap_recorder){.size = sizeof t->recorder,
                                 .sink = t->sink,
                                 .model = e->model,
                                 .err = &e->why,
                                 .original_layout = e->s->options.original_layout};
    return TAP_OK;
}

/* The outputs have their names first, so that no layer called "predictions" takes them. */
static tap_status open_outputs(epoch *e, tap_error *err) {
    tap_status s = TAP_OK;
    int output = 0;
    for (size_t i = 0; s == TAP_OK && i < tap_model_output_count(e->model); i++)
        for (size_t v = 0; s == TAP_OK && v < tap_model_value_count(e->model); v++) {
            tap_value_info info = {.size = sizeof info};
            tap_model_value(e->model, v, &info);
            if (!info.is_output || strcmp(info.name, tap_model_output(e->model, i)->name) != 0) continue;
            s = add_track(e, v, path_of_output(e, output++), err);
            break;
        }
    return s;
}

static tap_status open_labels(epoch *e, tap_error *err) {
    e->labels_path = path_of(e, "_labels");
    if (!e->labels_path) return tap_error_no_memory(err, 1);
    return tap_sink_open(e->labels_path, NULL, &e->labels, err);
}

static tap_status open_files(epoch *e, const size_t *picked, size_t n, tap_error *err) {
    e->names = tap_names_new();
    e->tracks = calloc(n + tap_model_output_count(e->model) + 1, sizeof *e->tracks);
    if (!e->names || !e->tracks) return tap_error_no_memory(err, n * sizeof *e->tracks);
    tap_status s = open_outputs(e, err);
    if (s == TAP_OK && e->feed.data && tap_dataset_has_labels(e->feed.data)) s = open_labels(e, err);
    for (size_t i = 0; s == TAP_OK && i < n; i++)
        s = add_track(e, picked[i], path_of_tap(e, picked[i], n > 1), err);
    return s;
}

/* Half an epoch is none: its files go. */
static tap_status close_sink(tap_sink **sink, const char *path, tap_status s, tap_error *err) {
    if (!*sink) return s;
    if (s == TAP_OK) {
        s = tap_sink_close(*sink, err);
    } else {
        tap_sink_abort(*sink, NULL);
        remove(path);
    }
    *sink = NULL;
    return s;
}

static tap_status close_files(epoch *e, tap_status s, tap_error *err) {
    for (size_t i = 0; i < e->n_tracks; i++) s = close_sink(&e->tracks[i].sink, e->tracks[i].path, s, err);
    s = close_sink(&e->labels, e->labels_path, s, err);
    for (size_t i = 0; s != TAP_OK && i < e->n_tracks; i++) remove(e->tracks[i].path);
    if (s != TAP_OK && e->labels_path) remove(e->labels_path);
    return s;
}

/* ---- The run ---- */

static int listen(const tap_event *event, void *user) {
    epoch *e = user;
    const tap_batch *batch = tap_pass_batch(e->pass);
    if (event->ask) return TAP_WANT;
    for (size_t i = 0; i < e->n_tracks; i++) {
        tap_recorder *r = &e->tracks[i].recorder;
        if (e->tracks[i].index != event->index) continue;
        r->batch = batch;
        r->axes = batch ? tap_pass_axes(e->pass) : NULL;
        if (tap_record(event, r) == TAP_WANT) continue;
        e->status = r->status;
        return TAP_STOP;
    }
    return TAP_WANT;
}

static tap_status step(tap_pass *p, void *user, tap_error *err) {
    epoch *e = user;
    const tap_batch *batch = tap_pass_batch(p);
    const tap_series_options *o = &e->s->options;
    if (batch && o->progress) o->progress(o->user, tap_pass_rows(p), batch->total);
    if (!batch || !batch->labels) return TAP_OK;
    tap_entry entry = {.size = sizeof entry, .name = "labels", .batch = batch, .output = -1};
    return tap_sink_add(e->labels, &entry, batch->labels, err);
}

static bool stop(void *user) {
    const tap_series_options *o = &((epoch *)user)->s->options;
    return o->stop && o->stop(o->user);
}

static tap_status open_session(epoch *e, size_t **picked, size_t *n, tap_error *err) {
    const tap_series_options *o = &e->s->options;
    tap_status s = tap_session_new(e->model, o->session, &e->session, err);
    if (s == TAP_OK && o->n_selectors)
        s = tap_model_select(e->model, o->selectors, o->n_selectors, picked, n, err);
    if (s == TAP_OK) s = tap_session_set_taps(e->session, *picked, *n, err);
    return s == TAP_OK ? tap_session_tap_outputs(e->session, err) : s;
}

static tap_status open_pass(epoch *e, tap_error *err) {
    e->observer = (tap_observer){.size = sizeof e->observer,
                                 .stats = e->stats,
                                 .model = e->model,
                                 .original_layout = e->s->options.original_layout};
    e->score = (tap_score){
        .size = sizeof e->score, .loss = e->s->options.loss, .from_logits = e->s->options.from_logits};
    tap_pass_options o = {.size = sizeof o,
                          .session = e->session,
                          .data = e->feed.data,
                          .inputs = e->feed.inputs,
                          .n_inputs = e->feed.n_inputs,
                          .observer = &e->observer,
                          .score = &e->score,
                          .listener = listen,
                          .step = step,
                          .stop = stop,
                          .user = e};
    return tap_pass_new(&o, &e->pass, err);
}

static tap_status open_epoch(epoch *e, tap_error *err) {
    tap_stats_options o = {.size = sizeof o};
    size_t *picked = NULL, n = 0;
    e->feed.size = sizeof e->feed;
    tap_status s = open_session(e, &picked, &n, err);
    e->fed = s == TAP_OK;
    if (s == TAP_OK) s = e->s->options.feed(e->s->options.user, e->model, &e->feed, err);
    if (s == TAP_OK) s = tap_stats_new(&o, &e->stats, err);
    if (s == TAP_OK) s = open_pass(e, err);
    if (s == TAP_OK) s = open_files(e, picked, n, err);
    tap_free(picked);
    return s;
}

static void close_epoch(epoch *e) {
    tap_pass_free(e->pass);
    tap_session_free(e->session);
    tap_dataset_free(e->feed.data);
    if (e->fed && e->s->options.done) e->s->options.done(e->s->options.user);
    tap_stats_free(e->stats);
    tap_names_free(e->names);
    free(e->tracks);
}

/* ---- Notes ---- */

static const tap_series_value *value_before(const tap_series *s, const char *tensor) {
    for (size_t k = s->n; k > 0; k--) {
        const tap_series_record *r = s->epochs[k - 1];
        if (r->epoch.status != TAP_OK) continue;
        for (size_t i = 0; i < r->epoch.n_values; i++)
            if (strcmp(r->values[i].tensor, tensor) == 0) return &r->values[i];
        return NULL;
    }
    return NULL;
}

/* Of a value that is tapped and an output the tap's file. */
static const char *path_of_value(const epoch *e, const char *tensor) {
    for (size_t i = e->n_tracks; i > 0; i--) {
        tap_value_info info = {.size = sizeof info};
        tap_model_value(e->model, e->tracks[i - 1].index, &info);
        if (strcmp(info.name, tensor) == 0) return e->tracks[i - 1].path;
    }
    return NULL;
}

static bool note_value(epoch *e, size_t i, tap_series_value *v) {
    tap_arena *a = &e->s->arena;
    tap_stats_source source = {.size = sizeof source};
    tap_stats_source_of(e->stats, i, &source);
    *v = (tap_series_value){.size = sizeof *v, .is_output = source.is_output};
    v->tensor = tap_arena_string(a, source.name, strlen(source.name));
    v->layer = source.layer ? tap_arena_string(a, source.layer, strlen(source.layer)) : NULL;
    if (!v->tensor || (source.layer && !v->layer)) return false;
    v->stat.size = sizeof v->stat;
    tap_stats_get(e->stats, i, SIZE_MAX, &v->stat);
    v->median = tap_stats_quantile(e->stats, i, SIZE_MAX, 0.5);
    v->path = path_of_value(e, v->tensor);
    const tap_series_value *before = value_before(e->s, v->tensor);
    if (v->path && before && before->path) tap_series_compare(v, before->path);
    return true;
}

static tap_status note_values(epoch *e, tap_error *err) {
    size_t n = tap_stats_count(e->stats);
    e->r->values = tap_arena_array(&e->s->arena, n, sizeof *e->r->values);
    bool good = e->r->values;
    for (size_t i = 0; good && i < n; i++) good = note_value(e, i, &e->r->values[i]);
    if (!good) return tap_error_no_memory(err, n * sizeof *e->r->values);
    e->r->epoch.n_values = n;
    e->r->epoch.score = e->score;
    e->r->epoch.ms = tap_pass_ms(e->pass);
    return TAP_OK;
}

/* ---- TensorBoard ---- */

static tap_status show_value(epoch *e, tap_board *board, size_t i, tap_error *err) {
    const tap_series_value *v = &e->r->values[i];
    const char *tag = v->layer ? v->layer : v->tensor;
    int64_t step = e->r->epoch.number;
    tap_status s = tap_board_stats(board, tag, step, e->stats, i, err);
    if (s != TAP_OK || !v->has_drift) return s;
    char *drift = tap_arena_printf(&e->s->arena, "%s/drift", tag);
    return drift ? tap_board_scalar(board, drift, step, v->drift_relative, err)
                 : tap_error_no_memory(err, strlen(tag));
}

/* An event file an epoch, so that TensorBoard shows them as they come. */
static tap_status show_epoch(epoch *e, tap_error *err) {
    const tap_score *x = &e->score;
    int64_t step = e->r->epoch.number;
    tap_board *board;
    tap_status s = tap_board_open(e->s->options.tensorboard, NULL, &board, err);
    if (s != TAP_OK) return s;
    for (size_t i = 0; s == TAP_OK && i < e->r->epoch.n_values; i++) s = show_value(e, board, i, err);
    if (s == TAP_OK && x->n_predictions)
        s = tap_board_scalar(board, "accuracy", step, (double)x->correct / (double)x->n_predictions, err);
    if (s == TAP_OK && x->n) s = tap_board_scalar(board, "loss", step, x->loss_sum / (double)x->n, err);
    tap_status closed = tap_board_close(board, s == TAP_OK ? err : NULL);
    return s == TAP_OK ? closed : s;
}

tap_status tap_series_record_epoch(tap_series *s, tap_model *m, tap_series_record *r, tap_error *err) {
    epoch e = {.s = s, .model = m, .r = r, .why = TAP_ERROR_INIT};
    tap_status st = open_epoch(&e, err);
    if (st == TAP_OK) st = tap_pass_run(e.pass, err);
    if (st == TAP_CANCELLED && e.status != TAP_OK) {
        st = e.status;
        if (err) memcpy(err->text, e.why.text, sizeof err->text);
    }
    st = close_files(&e, st, err);
    if (st == TAP_OK) st = note_values(&e, err);
    if (st == TAP_OK && s->options.tensorboard) st = show_epoch(&e, err);
    close_epoch(&e);
    return st;
}
