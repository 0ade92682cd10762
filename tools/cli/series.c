/* onnxtap series: the same values of a model after each epoch of its training. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <onnxtap/series.h>

#include "cli.h"

#define SHOWN 6 /* values in a line; the tables have all */

typedef struct job {
    cli_args *args;
    cli_feed feed;
    cli_progress progress;
    int failed; /* exit status for the first checkpoint that failed */
} job;

static tap_status feed(void *user, tap_model *m, tap_series_feed *out, tap_error *err) {
    job *b = user;
    tap_status s = cli_open_feed(b->args, m, &b->feed, err);
    b->progress = (cli_progress){.begin_ms = 0};
    out->data = b->feed.data;
    out->inputs = b->feed.inputs.items;
    out->n_inputs = b->feed.inputs.n;
    b->feed.data = NULL; /* the series frees it */
    return s;
}

static void done(void *user) {
    job *b = user;
    cli_progress_end(&b->progress);
    cli_close_feed(&b->feed);
}

static void progress(void *user, int64_t rows, int64_t total) {
    cli_progress_show(&((job *)user)->progress, rows, total);
}

static void print_epoch(const tap_series *s, const tap_series_epoch *e) {
    const tap_score *x = &e->score;
    tap_series_value v = {.size = sizeof v};
    printf("epoch %" PRId64 "  %s", e->number, e->model);
    if (x->n_predictions) printf("  accuracy %.4f", (double)x->correct / (double)x->n_predictions);
    if (x->n) printf("  loss %.6g", x->loss_sum / (double)x->n);
    double as_before = e->weight_bytes ? 100 * (double)e->shared_bytes / (double)e->weight_bytes : 0;
    if (as_before >= 1) printf("  %.0f%% of the weights as before", as_before);
    size_t n = 0;
    for (size_t i = 0; tap_series_get_value(s, tap_series_count(s) - 1, i, &v); i++) {
        if (v.is_output || !v.has_drift) continue;
        if (n++ < SHOWN) printf("  %s moved %.3g", v.layer ? v.layer : v.tensor, v.drift_relative);
    }
    if (n > SHOWN) printf("  and %zu more", n - SHOWN);
    putchar('\n');
    fflush(stdout);
}

static void told(void *user, const tap_series *s, const tap_series_epoch *e) {
    job *b = user;
    if (e->status != TAP_OK) {
        bool is_told = e->status == TAP_CANCELLED || e->status == TAP_USAGE || e->status == TAP_NOT_FOUND;
        if (!is_told) /* the series ends with those, and says so */
            cli_say("epoch %" PRId64 ", %s: %s", e->number, e->model, e->error);
        if (!b->failed) b->failed = tap_status_exit(e->status);
    } else if (!b->args->json) {
        print_epoch(s, e);
    }
}

static tap_status options_of(job *b, tap_series_options *o, tap_model_options *model,
                             tap_session_options *session, tap_error *err) {
    const cli_args *a = b->args;
    tap_score score;
    tap_status s = cli_check_layout(a, err);
    if (s == TAP_OK) s = cli_score_of(a, &score, err);
    if (s != TAP_OK) return s;
    if (!a->output || !*a->output) return cli_error(err, TAP_USAGE, "where to? Give -o FOLDER/");
    if ((s = cli_model_options(a, model, err)) != TAP_OK) return s;
    *session = cli_session_options(a);
    *o = (tap_series_options){.size = sizeof *o,
                              .folder = a->output,
                              .selectors = a->taps.items,
                              .n_selectors = a->taps.n,
                              .feed = feed,
                              .done = done,
                              .told = told,
                              .progress = progress,
                              .stop = cli_stop,
                              .user = b,
                              .model = model,
                              .session = session,
                              .loss = score.loss,
                              .from_logits = a->from_logits,
                              .original_layout = a->layout != NULL,
                              .raw_types = a->raw_types,
                              .tensorboard = a->tensorboard,
                              .every = a->every};
    b->args->every = 0; /* it is of epochs, not of batches */
    return TAP_OK;
}

static tap_status check_words(cli_args *a) {
    if (!a->watch && a->words.n == 0)
        cli_wrong(a, "which checkpoints? Give MODEL_0 MODEL_1 ..., or --watch FOLDER");
    if (a->watch && a->words.n > 0) cli_wrong(a, "--watch finds the checkpoints: name none");
    if (!a->watch && (a->until || a->idle_s > 0)) cli_wrong(a, "--until and --idle are for --watch");
    return a->usage.code;
}

static tap_status take_all(const job *b, tap_series *series, tap_error *err) {
    const cli_args *a = b->args;
    tap_status s = TAP_OK;
    if (a->watch) return tap_series_watch(series, a->watch, a->until, a->idle_s, err);
    for (size_t i = 0; s == TAP_OK && i < a->words.n; i++) s = tap_series_add(series, a->words.items[i], err);
    return s;
}

static void print_json(const char *folder) {
    char *path = cli_format(folder[strlen(folder) - 1] == '/' ? "%sseries.json" : "%s/series.json", folder);
    FILE *f = fopen(path, "rb");
    char block[4096];
    for (size_t n; f && (n = fread(block, 1, sizeof block, f)) > 0;) fwrite(block, 1, n, stdout);
    if (f) fclose(f);
    free(path);
}

static int run(cli_args *args) {
    job b = {.args = args};
    tap_error err = TAP_ERROR_INIT;
    tap_series_options o;
    tap_model_options model;
    tap_session_options session;
    tap_series *series = NULL;
    tap_status s = check_words(args);
    if (s != TAP_OK) return cli_fail(args, &args->usage);
    s = options_of(&b, &o, &model, &session, &err);
    if (s == TAP_OK) s = tap_series_new(&o, &series, &err);
    cli_catch_interrupts(NULL, true);
    if (s == TAP_OK) s = take_all(&b, series, &err);
    int status = s == TAP_OK ? b.failed : cli_fail(args, &err);
    if (s == TAP_OK && args->json) print_json(args->output);
    tap_series_free(series);
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
static const cli_group *const groups[] = {&series_group,  &cli_inputs, &cli_data, &cli_running,
                                          &cli_operators, &cli_common, NULL};

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
