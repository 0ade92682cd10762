/* onnxtap repro: a part of a model with the values that meet it in a run, as a test of its own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "part.h"

#define DATA_SET "test_data_set_0"

/* A value at the part's border, kept from the run. */
typedef struct kept {
    size_t index;
    bool seen;
    tap_value *value; /* NULL: an absent optional, or not seen */
} kept;

typedef struct job {
    cli_args *args;
    tap_model *model;
    tap_part *part;
    kept *values; /* inputs, then outputs */
    size_t n_inputs, n;
    int64_t *iterations; /* asked for, outermost first; 0 beyond n_iterations */
    size_t n_iterations;
    tap_status failed; /* of the listener */
    tap_error *err;
} job;

/* ---- The run ---- */

/* "3" or "3,0": the iterations of the bodies around the part, outermost first. */
static tap_status parse_iterations(job *b) {
    const char *text = b->args->iteration ? b->args->iteration : "";
    b->iterations = cli_alloc(strlen(text) + 1, sizeof *b->iterations);
    while (*text) {
        char *end;
        long long i = strtoll(text, &end, 10);
        if (end == text || i < 0 || (*end && *end != ','))
            return cli_error(b->err, TAP_USAGE, "--iteration %s: not of the form N or N,N,...",
                             b->args->iteration);
        b->iterations[b->n_iterations++] = i;
        text = *end ? end + 1 : end;
    }
    return TAP_OK;
}

static bool is_wanted(const job *b, const tap_event *e) {
    for (size_t i = 0; i < e->n_iterations; i++)
        if (e->iterations[i] != (i < b->n_iterations ? b->iterations[i] : 0)) return false;
    return true;
}

static int listen(const tap_event *e, void *user) {
    job *b = user;
    if (cli_interrupted()) return TAP_STOP;
    if (!is_wanted(b, e)) return e->ask ? TAP_SKIP : TAP_WANT;
    if (e->ask) return TAP_WANT;
    for (size_t i = 0; i < b->n; i++) {
        kept *k = &b->values[i];
        if (k->index != e->index || k->seen) continue;
        k->seen = true;
        if (e->value) b->failed = tap_value_copy(e->value, &k->value, b->err);
        if (b->failed != TAP_OK) return TAP_STOP;
    }
    return TAP_WANT;
}

static tap_status run(job *b) {
    tap_session *s = NULL;
    cli_values in = {.items = NULL};
    size_t *taps = cli_alloc(b->n + 1, sizeof *taps);
    for (size_t i = 0; i < b->n; i++) taps[i] = b->values[i].index;
    tap_status status = cli_open_session(b->args, b->model, &s, b->err);
    if (status == TAP_OK) status = tap_session_set_taps(s, taps, b->n, b->err);
    if (status == TAP_OK) status = cli_load_inputs(b->args, b->model, false, &in, b->err);
    if (status == TAP_OK) {
        cli_catch_interrupts(NULL, true);
        tap_session_listen(s, listen, b);
        status = tap_session_run(s, in.items, in.n, b->err);
        if (b->failed != TAP_OK) status = b->failed;
    }
    cli_free_inputs(&in);
    tap_session_free(s);
    free(taps);
    return status;
}

static tap_status check_seen(const job *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (b->values[i].seen) continue;
        tap_value_info info = {.size = sizeof info};
        tap_model_value(b->model, b->values[i].index, &info);
        return cli_error(b->err, TAP_NOT_FOUND, "'%s' was not computed in this run%s", info.name,
                         info.in_body ? ": the body around it did not come to that iteration, or not at all"
                                      : "");
    }
    return TAP_OK;
}

/* ---- The test ---- */

static tap_status make_folder(char *path, tap_error *err) {
    for (char *p = path + 1;; p++) {
        char c = *p;
        if (c && c != '/') continue;
        *p = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST) {
            tap_status s = cli_error(err, TAP_IO, "cannot make the folder '%s': %s", path, strerror(errno));
            *p = c;
            return s;
        }
        *p = c;
        if (!c) return TAP_OK;
    }
}

static tap_status write_value(const job *b, const kept *k, const char *kind, size_t number) {
    tap_value_info info = {.size = sizeof info};
    tap_sink *sink;
    char *path = cli_format("%s/" DATA_SET "/%s_%zu.pb", b->args->output, kind, number);
    tap_model_value(b->model, k->index, &info);
    tap_status s = tap_sink_open(path, NULL, &sink, b->err);
    free(path);
    if (s != TAP_OK) return s;
    tap_entry e = {.size = sizeof e, .name = info.name, .type = info.type, .output = -1};
    s = tap_sink_add(sink, &e, k->value, b->err);
    if (s == TAP_OK) return tap_sink_close(sink, b->err);
    tap_sink_abort(sink, b->err);
    return s;
}

static tap_status write_test(job *b, bool with_outputs) {
    tap_status s = TAP_OK;
    char *folder = cli_format("%s/" DATA_SET, b->args->output),
         *model = cli_format("%s/model.onnx", b->args->output);
    for (size_t i = 0; i < b->n && s == TAP_OK; i++)
        if (b->values[i].value) s = tap_part_declare(b->part, b->values[i].index, b->values[i].value, b->err);
    if (s == TAP_OK) s = make_folder(folder, b->err);
    tap_part_options o = {.size = sizeof o, .external_above_bytes = b->args->external_above_bytes};
    if (s == TAP_OK) s = tap_part_save(b->part, model, &o, b->err);
    for (size_t i = 0; i < b->n_inputs && s == TAP_OK; i++) s = write_value(b, &b->values[i], "input", i);
    for (size_t i = b->n_inputs; with_outputs && i < b->n && s == TAP_OK; i++)
        s = write_value(b, &b->values[i], "output", i - b->n_inputs);
    free(folder);
    free(model);
    return s;
}

static void report(const job *b, bool with_outputs) {
    char names[2][2048];
    for (int i = 0; i < 2; i++) cli_part_names(b->model, b->part, i == 0, names[i], sizeof names[i]);
    if (b->args->json) {
        tap_json *j = cli_json();
        tap_json_object(j, NULL);
        tap_json_string(j, "folder", b->args->output);
        tap_json_int(j, "inputs", (int64_t)b->n_inputs);
        tap_json_int(j, "outputs", with_outputs ? (int64_t)(b->n - b->n_inputs) : 0);
        tap_json_end(j);
        tap_json_free(j);
        return;
    }
    printf("%s: model.onnx and " DATA_SET ", from %s to %s%s\n", b->args->output,
           *names[0] ? names[0] : "nothing", names[1],
           with_outputs ? "" : "; no outputs, for the run failed before them");
}

/* ---- Together ---- */

static void list_border(job *b) {
    b->n_inputs = tap_part_input_count(b->part);
    b->n = b->n_inputs + tap_part_output_count(b->part);
    b->values = cli_alloc(b->n, sizeof *b->values);
    for (size_t i = 0; i < b->n; i++)
        b->values[i].index =
            i < b->n_inputs ? tap_part_input(b->part, i) : tap_part_output(b->part, i - b->n_inputs);
}

/* A part that fails is still a test: its inputs are written, and the failure is told. */
static int repro(cli_args *args) {
    tap_error err = TAP_ERROR_INIT, later = TAP_ERROR_INIT;
    job b = {.args = args, .err = &err};
    int status = cli_open_model(args, false, &b.model);
    if (status != 0) return status;
    tap_status s = cli_pick_part(args, b.model, &b.part, &err);
    if (s == TAP_OK) s = parse_iterations(&b);
    if (s == TAP_OK) {
        list_border(&b);
        s = run(&b);
        bool failed_inside = s == TAP_RUN || s == TAP_MEMORY;
        b.err = failed_inside ? &later : &err;
        bool ready = s == TAP_OK || failed_inside;
        tap_status seen = ready ? check_seen(&b, failed_inside ? b.n_inputs : b.n) : s;
        if (ready && seen == TAP_OK) seen = write_test(&b, !failed_inside);
        if (ready && seen == TAP_OK) report(&b, !failed_inside);
        if (s == TAP_OK) s = seen;
    }
    if (s != TAP_OK) status = cli_fail(args, &err);
    for (size_t i = 0; i < b.n; i++) tap_value_release(b.values[i].value);
    free(b.values);
    free(b.iterations);
    tap_part_free(b.part);
    cli_close_model(b.model);
    return status;
}

static const cli_option part_options[] = {
    {"output", 'o', CLI_TEXT, "FOLDER", offsetof(cli_args, output), "the folder to write"},
    {"iteration", 0, CLI_TEXT, "N[,N...]", offsetof(cli_args, iteration),
     "in a body: which iteration of it, and of the bodies around it first (0)"},
    {"external-above", 0, CLI_BYTES, "N[K|M|G]", offsetof(cli_args, external_above_bytes),
     "larger weights go into model.onnx.data (1M)"},
    {0}};
static const cli_group part_group = {"Output", part_options};
static const cli_group *const groups[] = {&part_group,    &cli_inputs, &cli_running,
                                          &cli_operators, &cli_common, NULL};

const cli_command cli_repro = {
    .name = "repro",
    .synopsis = "MODEL SELECTOR... -i INPUT... -o FOLDER",
    .about =
        "a node, or a part of a model, with its values in this run, as a test that others can run\n"
        "Writes FOLDER/model.onnx and FOLDER/" DATA_SET "/input_N.pb, output_N.pb. A node that fails is\n"
        "written with its inputs alone.",
    .example = "onnxtap repro model.onnx '#17' -i x=input.npy -o bug/",
    .groups = groups,
    .run = repro,
    .words = 64};
