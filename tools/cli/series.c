/* onnxtap series: the same values of a model after each epoch of its training. */
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "series.h"

/* A value that goes to a file of its own. */
typedef struct track {
    size_t index; /* of the model's value */
    tap_sink *sink;
    tap_recorder recorder;
    char *path;
    bool is_output;
} track;

typedef struct job {
    cli_args *args;
    series series;
    tap_model *model; /* of the last checkpoint, kept for one that is the same */
    char *model_path;
    bool several; /* more than one value is tapped */
    /* Of the epoch at hand. */
    cli_pass pass;
    track *tracks;
    size_t n_tracks;
    tap_stats *stats;
    tap_observer observer;
    tap_score score;
    tap_sink *labels;
    tap_error listener_error;
    int64_t number, every;
    int failed;
} job;

/* ---- Names of files ---- */

static char *safe(const char *name) {
    char *s = cli_format("%s", name);
    for (char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-' && *p != '_') *p = '_';
    return s;
}

/* epoch_N.npy of the one value, epoch_N_LAYER.npy of several, epoch_N_predictions.npy of the output. */
static char *path_of(const job *b, size_t index, int output) {
    tap_value_info info = {.size = sizeof info};
    tap_model_value(b->pass.model, index, &info);
    const char *layer = cli_layer_of(b->pass.model, index), *folder = b->series.folder;
    if (output == 0) return cli_format("%sepoch_%" PRId64 "_predictions.npy", folder, b->number);
    if (output > 0) return cli_format("%sepoch_%" PRId64 "_predictions_%d.npy", folder, b->number, output);
    if (!b->several) return cli_format("%sepoch_%" PRId64 ".npy", folder, b->number);
    char *name = safe(layer ? layer : info.name);
    char *path = cli_format("%sepoch_%" PRId64 "_%s.npy", folder, b->number, name);
    free(name);
    return path;
}

static bool is_taken(const job *b, const char *path) {
    for (size_t i = 0; i < b->n_tracks; i++)
        if (strcmp(b->tracks[i].path, path) == 0) return true;
    return false;
}

static tap_status add_track(job *b, size_t index, int output, tap_error *err) {
    const cli_args *a = b->args;
    char *path = path_of(b, index, output);
    for (int k = 1; is_taken(b, path); k++) {
        char *other = cli_format("%.*s_%d.npy", (int)strlen(path) - 4, path, k);
        free(path);
        path = other;
    }
    b->tracks = cli_grow(b->tracks, b->n_tracks + 1, sizeof *b->tracks);
    track *t = &b->tracks[b->n_tracks++];
    tap_sink_options o = {.size = sizeof o, .format = TAP_FORMAT_NPY, .raw_types = a->raw_types};
    *t = (track){.index = index, .path = path, .is_output = output >= 0};
    tap_status s = tap_sink_open(path, &o, &t->sink, err);
    t->recorder = (tap_recorder){.size = sizeof t->recorder,
                                 .sink = t->sink,
                                 .model = b->pass.model,
                                 .err = &b->listener_error,
                                 .original_layout = a->layout != NULL,
                                 .axes = b->pass.axes};
    return s;
}

static tap_status open_tracks(job *b, tap_error *err) {
    tap_status s = TAP_OK;
    size_t n = 0;
    int output = 0;
    for (size_t i = 0; i < tap_model_value_count(b->pass.model); i++) n += b->pass.picked[i];
    b->several = n > 1;
    for (size_t i = 0; s == TAP_OK && i < tap_model_value_count(b->pass.model); i++) {
        tap_value_info info = {.size = sizeof info};
        tap_model_value(b->pass.model, i, &info);
        if (b->pass.picked[i]) s = add_track(b, i, -1, err);
        if (s == TAP_OK && info.is_output) s = add_track(b, i, output++, err);
    }
    return s;
}

/* ---- One epoch ---- */

static int listen(const tap_event *e, void *user) {
    job *b = user;
    const tap_batch *batch = b->pass.batch.n_rows > 0 ? &b->pass.batch : NULL;
    if (cli_interrupted()) return TAP_STOP;
    if (e->ask) return TAP_WANT;
    b->observer.batch = batch;
    b->observer.axes = batch ? b->pass.axes : NULL;
    if (tap_observe(e, &b->observer) != TAP_WANT) return TAP_STOP;
    for (size_t i = 0; i < b->n_tracks; i++) {
        if (b->tracks[i].index != e->index) continue;
        b->tracks[i].recorder.batch = batch;
        if (tap_record(e, &b->tracks[i].recorder) != TAP_WANT) {
            b->observer.status = b->tracks[i].recorder.status;
            return TAP_STOP;
        }
    }
    return TAP_WANT;
}

static tap_status after(cli_pass *p, tap_error *err) {
    job *b = p->user;
    if (!p->batch.labels || p->batch.n_rows == 0) return TAP_OK;
    const tap_tensor *y = cli_pass_prediction(p), *labels = tap_value_tensor(p->batch.labels);
    tap_entry e = {.size = sizeof e, .name = "labels", .batch = &p->batch, .output = -1};
    if (!y) return cli_error(err, TAP_DATA, "labels are given, and no output has a row for each sample");
    tap_status s = tap_score_add(&b->score, y, labels, err);
    return s == TAP_OK ? tap_sink_add(b->labels, &e, p->batch.labels, err) : s;
}

static tap_status open_epoch(job *b, tap_error *err) {
    tap_stats_options o = {.size = sizeof o};
    b->pass = (cli_pass){.args = b->args, .model = b->model, .listener = listen, .after = after, .user = b};
    b->pass.or_plain = true;
    b->listener_error = (tap_error)TAP_ERROR_INIT;
    tap_status s = cli_score_of(b->args, &b->score, err);
    if (s == TAP_OK) s = tap_stats_new(&o, &b->stats, err);
    if (s == TAP_OK) s = cli_pass_open(&b->pass, err);
    if (s == TAP_OK) s = open_tracks(b, err);
    if (s == TAP_OK && b->args->labels) {
        char *path = cli_format("%sepoch_%" PRId64 "_labels.npy", b->series.folder, b->number);
        s = tap_sink_open(path, NULL, &b->labels, err);
        free(path);
    }
    b->observer = (tap_observer){
        .size = sizeof b->observer, .stats = b->stats, .model = b->pass.model, .err = &b->listener_error};
    return s;
}

/* Half an epoch is none: its files go. */
static tap_status close_sink(tap_sink **sink, const char *path, tap_status s, tap_error *err) {
    if (!*sink) return s;
    if (s == TAP_OK) {
        s = tap_sink_close(*sink, err);
    } else {
        tap_sink_abort(*sink, NULL);
        if (path) remove(path);
    }
    *sink = NULL;
    return s;
}

static const series_value *value_before(const job *b, const char *tensor) {
    for (size_t e = b->series.n; e > 0; e--) {
        const series_epoch *x = &b->series.epochs[e - 1];
        if (x->error) continue;
        for (size_t i = 0; i < x->n; i++)
            if (strcmp(x->values[i].tensor, tensor) == 0) return &x->values[i];
        return NULL;
    }
    return NULL;
}

static const char *path_of_value(const job *b, const char *tensor) {
    for (size_t i = 0; i < b->n_tracks; i++) {
        tap_value_info info = {.size = sizeof info};
        tap_model_value(b->pass.model, b->tracks[i].index, &info);
        if (strcmp(info.name, tensor) == 0) return b->tracks[i].path;
    }
    return NULL;
}

static void note_values(const job *b, series_epoch *e) {
    e->n = tap_stats_count(b->stats);
    e->values = cli_alloc(e->n, sizeof *e->values);
    for (size_t i = 0; i < e->n; i++) {
        series_value *v = &e->values[i];
        tap_stats_source source = {.size = sizeof source};
        tap_stats_source_of(b->stats, i, &source);
        v->tensor = cli_format("%s", source.name);
        v->layer = source.layer ? cli_format("%s", source.layer) : NULL;
        v->is_output = source.is_output;
        v->stat.size = sizeof v->stat;
        tap_stats_get(b->stats, i, SIZE_MAX, &v->stat);
        v->median = tap_stats_quantile(b->stats, i, SIZE_MAX, 0.5);
        const char *path = path_of_value(b, v->tensor);
        const series_value *before = value_before(b, v->tensor);
        v->path = path ? cli_format("%s", path) : NULL;
        if (v->path && before && before->path) v->drift = series_compare(v->path, before->path);
    }
}

static void close_epoch(job *b) {
    for (size_t i = 0; i < b->n_tracks; i++) free(b->tracks[i].path);
    free(b->tracks);
    b->tracks = NULL;
    b->n_tracks = 0;
    cli_pass_close(&b->pass);
    tap_stats_free(b->stats);
    b->stats = NULL;
}

/* An event file an epoch, so that TensorBoard shows them as they come. */
static tap_status show_epoch(const job *b, const series_epoch *e, tap_error *err) {
    tap_board *board;
    tap_status s = tap_board_open(b->args->tensorboard, NULL, &board, err);
    if (s != TAP_OK) return s;
    for (size_t i = 0; s == TAP_OK && i < e->n; i++) {
        const char *tag = e->values[i].layer ? e->values[i].layer : e->values[i].tensor;
        s = tap_board_stats(board, tag, b->number, b->stats, i, err);
        if (s == TAP_OK && e->values[i].drift.known) {
            char *drift = cli_format("%s/drift", tag);
            s = tap_board_scalar(board, drift, b->number, e->values[i].drift.relative, err);
            free(drift);
        }
    }
    const tap_score *x = &e->score;
    if (s == TAP_OK && x->n_predictions)
        s = tap_board_scalar(board, "accuracy", b->number, (double)x->correct / (double)x->n_predictions,
                             err);
    if (s == TAP_OK && x->n) s = tap_board_scalar(board, "loss", b->number, x->loss_sum / (double)x->n, err);
    tap_status closed = tap_board_close(board, s == TAP_OK ? err : NULL);
    return s == TAP_OK ? closed : s;
}

static tap_status record_epoch(job *b, series_epoch *e, tap_error *err) {
    tap_status s = open_epoch(b, err);
    if (s == TAP_OK) s = cli_pass_run(&b->pass, err);
    if (s == TAP_CANCELLED && b->observer.status != TAP_OK) {
        *err = b->listener_error;
        s = b->observer.status;
    }
    for (size_t i = 0; i < b->n_tracks; i++) s = close_sink(&b->tracks[i].sink, b->tracks[i].path, s, err);
    char *path = cli_format("%sepoch_%" PRId64 "_labels.npy", b->series.folder, b->number);
    s = close_sink(&b->labels, path, s, err);
    free(path);
    if (s == TAP_OK) {
        note_values(b, e);
        e->score = b->score;
        e->ms = b->pass.ms;
    }
    if (s == TAP_OK && b->args->tensorboard) s = show_epoch(b, e, err);
    close_epoch(b);
    return s;
}

/* ---- Checkpoints ---- */

static bool same_bytes(const char *a, const char *b) {
    static char x[1 << 16], y[1 << 16];
    FILE *f = fopen(a, "rb"), *g = fopen(b, "rb");
    bool same = f && g;
    for (size_t n = 1; same && n > 0;) {
        n = fread(x, 1, sizeof x, f);
        same = fread(y, 1, sizeof y, g) == n && memcmp(x, y, n) == 0;
    }
    if (f) fclose(f);
    if (g) fclose(g);
    return same;
}

static tap_status open_checkpoint(job *b, const char *path, bool *same, tap_error *err) {
    tap_model_options o = {.size = sizeof o,
                           .memory_limit_bytes = b->args->memory_limit_bytes,
                           .layer_list = b->args->layer_list};
    *same = b->model && same_bytes(path, b->model_path);
    if (*same) return TAP_OK;
    tap_model *m = NULL;
    tap_status s = tap_model_open(path, &o, &m, err);
    if (s != TAP_OK) return s;
    tap_model_free(b->model);
    free(b->model_path);
    b->model = m;
    b->model_path = cli_format("%s", path);
    return TAP_OK;
}

static void print_epoch(const job *b, const series_epoch *e) {
    if (b->args->json) return;
    printf("epoch %" PRId64 "  %s", e->number, e->model);
    if (e->score.n_predictions)
        printf("  accuracy %.4f", (double)e->score.correct / (double)e->score.n_predictions);
    if (e->score.n) printf("  loss %.6g", e->score.loss_sum / (double)e->score.n);
    for (size_t i = 0; i < e->n; i++)
        if (!e->values[i].is_output && e->values[i].drift.known)
            printf("  %s moved %.3g", e->values[i].layer ? e->values[i].layer : e->values[i].tensor,
                   e->values[i].drift.relative);
    putchar('\n');
    fflush(stdout);
}

/* A checkpoint that fails is said and noted; the others go on. */
static tap_status take_checkpoint(job *b, const char *path, int64_t number, tap_error *err) {
    series_epoch e = {.number = number, .model = cli_format("%s", path)};
    tap_error why = TAP_ERROR_INIT;
    b->number = number;
    tap_status s = open_checkpoint(b, path, &e.same_model, &why);
    if (s == TAP_OK) s = record_epoch(b, &e, &why);
    if (s != TAP_OK) {
        e.error = cli_format("%s", why.text);
        cli_say("epoch %" PRId64 ", %s: %s", number, path, why.text);
        if (!b->failed) b->failed = tap_status_exit(s);
    }
    b->series.epochs = cli_grow(b->series.epochs, b->series.n + 1, sizeof *b->series.epochs);
    b->series.epochs[b->series.n++] = e;
    if (s == TAP_OK) print_epoch(b, &e);
    tap_status written = series_write(&b->series, err);
    if (s == TAP_CANCELLED || s == TAP_USAGE || s == TAP_NOT_FOUND) { /* the next would fail as well */
        *err = why;
        return s;
    }
    return written;
}

static tap_status take_all(job *b, tap_error *err) {
    tap_status s = TAP_OK;
    int64_t every = b->every;
    for (size_t i = 0; s == TAP_OK && i < b->args->words.n; i++)
        if ((int64_t)i % every == 0) s = take_checkpoint(b, b->args->words.items[i], (int64_t)i, err);
    return s;
}

/* ---- Watching ---- */

/* Files that were there at the last look, with what tells whether one is still being written. */
typedef struct seen {
    char *path;
    off_t size;
    time_t time;
    bool ready, recorded;
} seen;

static bool is_model(const char *name) {
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".onnx") == 0;
}

static int by_time(const void *a, const void *b) {
    const seen *x = a, *y = b;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return strcmp(x->path, y->path);
}

static seen *find_seen(seen *list, size_t n, const char *path) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].path, path) == 0) return &list[i];
    return NULL;
}

/* Notes a file that is there; whether it is as it was at the last look, complete that is. */
static void note_file(seen **list, size_t *n, char *path, const struct stat *st, double *last_ms) {
    seen *s = find_seen(*list, *n, path);
    if (s) {
        free(path);
    } else {
        *list = cli_grow(*list, *n + 1, sizeof **list);
        s = &(*list)[(*n)++];
        *s = (seen){.path = path, .size = -1};
    }
    if (s->recorded) return;
    s->ready = s->size == st->st_size && s->time == st->st_mtime;
    if (!s->ready) *last_ms = cli_now_ms();
    s->size = st->st_size;
    s->time = st->st_mtime;
}

static tap_status look(const job *b, seen **list, size_t *n, double *last_ms, tap_error *err) {
    DIR *d = opendir(b->args->watch);
    if (!d) return cli_error(err, TAP_IO, "--watch %s: the folder cannot be read", b->args->watch);
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!is_model(e->d_name)) continue;
        char *path = cli_format("%s/%s", b->args->watch, e->d_name);
        if (stat(path, &st) == 0 && st.st_size > 0)
            note_file(list, n, path, &st, last_ms);
        else
            free(path);
    }
    closedir(d);
    if (*n > 1) qsort(*list, *n, sizeof **list, by_time);
    return TAP_OK;
}

static void wait_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
}

static bool is_enough(const job *b, int64_t number) {
    return b->args->until > 0 && number >= b->args->until;
}

static tap_status watch(job *b, tap_error *err) {
    seen *list = NULL;
    size_t n = 0;
    int64_t number = 0, every = b->every;
    double last_ms = cli_now_ms();
    tap_status s = TAP_OK;
    cli_catch_interrupts(NULL, true);
    while (s == TAP_OK && !is_enough(b, number) && !cli_interrupted()) {
        s = look(b, &list, &n, &last_ms, err);
        for (size_t i = 0; s == TAP_OK && i < n && !is_enough(b, number); i++) {
            if (!list[i].ready || list[i].recorded) continue;
            list[i].recorded = true;
            if (number % every == 0) s = take_checkpoint(b, list[i].path, number, err);
            number++;
            last_ms = cli_now_ms();
            cli_catch_interrupts(NULL, true);
        }
        if (b->args->idle_s > 0 && cli_now_ms() - last_ms > b->args->idle_s * 1e3) break;
        if (s == TAP_OK && !is_enough(b, number)) wait_a_little();
    }
    for (size_t i = 0; i < n; i++) free(list[i].path);
    free(list);
    return s;
}

/* ---- The command ---- */

static tap_status make_folder(job *b, char **folder, tap_error *err) {
    const char *out = b->args->output;
    size_t n = out ? strlen(out) : 0;
    if (n == 0) return cli_error(err, TAP_USAGE, "where to? Give -o FOLDER/");
    *folder = cli_format(out[n - 1] == '/' ? "%s" : "%s/", out);
    b->series.folder = *folder;
    if (mkdir(*folder, 0777) == 0 || access(*folder, W_OK) == 0) return TAP_OK;
    return cli_error(err, TAP_IO, "%s: the folder cannot be made or written to", *folder);
}

static void print_json(const job *b) {
    char *path = cli_format("%sseries.json", b->series.folder);
    FILE *f = fopen(path, "rb");
    char block[4096];
    for (size_t n; f && (n = fread(block, 1, sizeof block, f)) > 0;) fwrite(block, 1, n, stdout);
    if (f) fclose(f);
    free(path);
}

static int run(cli_args *args) {
    job b = {.args = args, .every = args->every > 1 ? args->every : 1};
    tap_error err = TAP_ERROR_INIT;
    args->every = 0; /* epochs, not batches */
    char *folder = NULL;
    if (!args->watch && args->words.n == 0)
        cli_wrong(args, "which checkpoints? Give MODEL_0 MODEL_1 ..., or --watch FOLDER");
    if (args->watch && args->words.n > 0) cli_wrong(args, "--watch finds the checkpoints: name none");
    tap_status s = args->usage.code;
    if (s == TAP_OK)
        s = make_folder(&b, &folder, &err);
    else
        err = args->usage;
    if (s == TAP_OK) s = cli_check_layout(args, &err);
    if (s == TAP_OK) s = args->watch ? watch(&b, &err) : take_all(&b, &err);
    int status = s == TAP_OK ? b.failed : cli_fail(args, &err);
    if (s == TAP_OK && args->json) print_json(&b);
    series_free(&b.series);
    tap_model_free(b.model);
    free(b.model_path);
    free(folder);
    return status;
}

static const cli_option options[] = {
    {"output", 'o', CLI_TEXT, "FOLDER/", offsetof(cli_args, output),
     "epoch_N.npy of the tapped value, or epoch_N_LAYER.npy of several;\n"
     "epoch_N_predictions.npy, epoch_N_labels.npy; series.csv and series.json"},
    {"layout", 0, CLI_TEXT, "original", offsetof(cli_args, layout),
     "tensors in the framework's order of axes"},
    {"layer-list", 0, CLI_TEXT, "FILE", offsetof(cli_args, layer_list), "the framework's own list of layers"},
    {"raw-types", 0, CLI_FLAG, NULL, offsetof(cli_args, raw_types),
     "bfloat16 and 8-bit floats as their bits"},
    {"tensorboard", 0, CLI_TEXT, "FOLDER", offsetof(cli_args, tensorboard),
     "figures for TensorBoard, a step an epoch"},
    {"watch", 0, CLI_TEXT, "FOLDER", offsetof(cli_args, watch), "record each .onnx file that appears there"},
    {"until", 0, CLI_INT, "N", offsetof(cli_args, until), "watch until there were N"},
    {"idle", 0, CLI_NUMBER, "SECONDS", offsetof(cli_args, idle_s), "watch until nothing came for so long"},
    {0}};
static const cli_group series_group = {"Series", options};
static const cli_group *const groups[] = {&series_group, &cli_inputs, &cli_data,
                                          &cli_running,  &cli_common, NULL};

const cli_command cli_series = {
    "series",
    "MODEL_0 MODEL_1 ... -i INPUT... --tap SELECTOR... -o FOLDER/",
    "checkpoints of one model: the same values after each epoch\n"
    "N counts the checkpoints from 0. A checkpoint that fails is reported, and the rest go on. With --labels "
    "also\n"
    "accuracy and loss. --every K takes each K-th checkpoint.",
    "onnxtap series epoch_*.onnx -i images.npy --labels labels.npy --tap layer:dense -o epochs/",
    groups,
    run,
    SIZE_MAX};
