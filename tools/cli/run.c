/* onnxtap run: a model's outputs, and any value inside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finite.h"

/* A run and everything that looks at it. */
typedef struct job {
    cli_args *args;
    tap_model *model;
    tap_session *session;
    cli_values inputs;
    bool *picked;   /* by value: --tap asks for it                    */
    bool *recorded; /* by output: the sink has it                     */
    tap_sink *sink; /* NULL without -o                                */
    tap_json *json; /* NULL without --json; "taps" is open            */
    cli_table table;
    tap_recorder recorder;
    tap_error sink_error;
    tap_finite *finite;    /* NULL without --check-finite */
    cli_findings findings; /* of it */
    cli_sets sets;         /* of --set */
    double ms;
} job;

/* ---- Before ---- */

/* -o FILE.npy and FILE.pb take one value: better said before the run than after it. */
static tap_status check_single(const job *b, tap_error *err) {
    size_t n = strlen(b->args->output), n_taps = 0, n_outputs = 0;
    tap_format format = b->args->format ? tap_format_from_name(b->args->format) : TAP_FORMAT_AUTO;
    const char *end = n > 3 ? b->args->output + n - 4 : "";
    bool folder = n > 0 && b->args->output[n - 1] == '/';
    bool single = !folder && (format == TAP_FORMAT_NPY || strcmp(end, ".npy") == 0 ||
                              strcmp(end + (*end != 0), ".pb") == 0);
    for (size_t i = 0; i < tap_model_value_count(b->model); i++) {
        tap_value_info info = {.size = sizeof info};
        bool reaches = true;
        tap_session_reaches(b->session, i, &reaches, NULL, NULL);
        if (!reaches || !tap_model_value(b->model, i, &info)) continue;
        n_taps += b->picked[i] && !info.is_output;
        n_outputs += info.is_output;
    }
    if (!single || n_outputs + n_taps <= 1) return TAP_OK;
    return cli_error(
        err, TAP_USAGE,
        "%s takes one value, and there are %zu outputs and %zu taps: write .npz, .json or a folder/",
        b->args->output, n_outputs, n_taps);
}

tap_status cli_open_sink(const cli_args *a, tap_sink **out, tap_error *err) {
    tap_sink_options o = {
        .size = sizeof o, .raw_types = a->raw_types, .compress = a->compress, .append = a->append};
    if (a->cast_output && !(o.cast_output = tap_dtype_from_name(a->cast_output)))
        return cli_error(err, TAP_USAGE, "--cast-output %s: no type of that name", a->cast_output);
    if (a->format) {
        o.format = tap_format_from_name(a->format);
        if (o.format == TAP_FORMAT_AUTO)
            return cli_error(err, TAP_USAGE,
                             "--format %s: not one of npz, npy, pb, csv, png, json, jsonl, sqlite",
                             a->format);
    }
    return tap_sink_open(a->output, &o, out, err);
}

static tap_status open_sink(job *b, tap_error *err) {
    if (!b->args->output) return TAP_OK;
    tap_status s = check_single(b, err);
    return s == TAP_OK ? cli_open_sink(b->args, &b->sink, err) : s;
}

tap_status cli_check_layout(const cli_args *a, tap_error *err) {
    if (!a->layout || strcmp(a->layout, "original") == 0) return TAP_OK;
    return cli_error(err, TAP_USAGE, "--layout %s: only 'original' is known", a->layout);
}

tap_status cli_check_naming(const cli_args *a, tap_error *err) {
    if (a->loss && !a->labels) return cli_error(err, TAP_USAGE, "--loss needs --labels");
    if (a->keys && strcmp(a->keys, "layer") != 0)
        return cli_error(err, TAP_USAGE, "--keys %s: only 'layer' is known", a->keys);
    if (cli_check_layout(a, err) != TAP_OK) return TAP_USAGE;
    if ((a->keys || a->layout) && !a->output)
        return cli_error(err, TAP_USAGE, "--keys and --layout are for what is written: give -o");
    return TAP_OK;
}

/* Wide enough for the names that are known, within reason. */
static int name_width(const job *b) {
    size_t most = 4;
    for (size_t i = 0; i < tap_model_value_count(b->model); i++) {
        tap_value_info info = {.size = sizeof info};
        if (!tap_model_value(b->model, i, &info) || !(b->picked[i] || info.is_output)) continue;
        size_t n = strlen(info.name) + (info.in_body ? strlen("[0]") : 0);
        if (n > most && n <= 60) most = n;
    }
    return (int)most;
}

static tap_status prepare(job *b, tap_error *err) {
    tap_status s = cli_open_session(b->args, b->model, &b->session, err);
    if (s == TAP_OK)
        s = cli_set_taps(b->args, b->session, b->model, b->args->output != NULL, &b->picked, err);
    if (s == TAP_OK && b->args->check_finite) s = tap_finite_new(b->model, &b->finite, err);
    if (s == TAP_OK && b->finite) s = cli_watch_finite(b->session, err);
    if (s == TAP_OK) s = cli_stop_after(b->args, b->model, b->session, b->picked, err);
    if (s == TAP_OK) s = cli_load_sets(b->args, b->model, &b->sets, err);
    if (s == TAP_OK) s = cli_set_whole(&b->sets, b->session, err);
    for (size_t i = 0; s == TAP_OK && b->finite && i < b->sets.n; i++)
        tap_finite_given(b->finite, b->sets.index[i]);
    if (s == TAP_OK) s = cli_load_inputs_for(b->args, b->model, b->session, &b->inputs, err);
    if (s == TAP_OK) s = cli_check_naming(b->args, err);
    if (s == TAP_OK) s = open_sink(b, err);
    if (s != TAP_OK) return s;
    b->recorded = cli_alloc(tap_model_output_count(b->model), sizeof *b->recorded);
    b->table.name_width = name_width(b);
    return TAP_OK;
}

/* ---- While it runs ---- */

static bool shows_text(const job *b) {
    return !b->args->output && !b->json;
}

static int output_position(const job *b, const tap_event *e) {
    tap_value_info info = {.size = sizeof info};
    if (!tap_model_value(b->model, e->index, &info) || !info.is_output) return -1;
    for (size_t i = 0; i < tap_model_output_count(b->model); i++)
        if (strcmp(tap_model_output(b->model, i)->name, info.name) == 0) return (int)i;
    return -1;
}

static bool has_taps(const job *b) {
    return b->args->taps.n > 0 || b->args->stops.n > 0;
}

static int listen(const tap_event *e, void *user) {
    job *b = user;
    if (cli_interrupted()) return TAP_STOP;
    if (e->ask) return TAP_WANT;
    if (b->finite && tap_finite_listen(e, b->finite) != TAP_WANT) return TAP_STOP;
    int output = output_position(b, e);
    if (!b->picked[e->index] && (output < 0 || !has_taps(b))) return TAP_WANT;
    if (b->sink) {
        if (tap_record(e, &b->recorder) != TAP_WANT) return TAP_STOP;
        if (output >= 0) b->recorded[output] = true;
    }
    cli_about about = {.node = e->node, .op = e->op, .is_tap = true};
    if (b->json) about.layer = cli_layer_of(b->model, e->index);
    if (b->json && b->picked[e->index]) cli_show_json(b->json, e->name, e->value, &about);
    if (shows_text(b) && output < 0) cli_show_line(&b->table, e->name, e->value, &about);
    return TAP_WANT;
}

/* Keys and layouts of what is recorded. */
static tap_recorder make_recorder(job *b) {
    tap_recorder r = {.size = sizeof r, .sink = b->sink, .model = b->model, .err = &b->sink_error};
    r.layer_keys = b->args->keys != NULL;
    r.original_layout = b->args->layout != NULL;
    return r;
}

static tap_status run_once(job *b, tap_error *err) {
    char tmp[4096] = "";
    const char *output = b->args->output;
    size_t n = output ? strlen(output) : 0;
    if (output) snprintf(tmp, sizeof tmp, n && output[n - 1] == '/' ? "%sindex.json.tmp" : "%s.tmp", output);
    cli_catch_interrupts(output ? tmp : NULL, has_taps(b) || b->finite);
    b->recorder = make_recorder(b);
    tap_status named = cli_name_layers(b->args, b->model, &b->recorder, err);
    if (named != TAP_OK) return named;
    cli_say_layouts(b->args, b->model, b->picked);

    if (has_taps(b) || b->finite) tap_session_listen(b->session, listen, b);
    double begin = cli_now_ms();
    tap_status s = tap_session_run(b->session, b->inputs.items, b->inputs.n, err);
    b->ms = cli_now_ms() - begin;
    cli_catch_interrupts(NULL, false);
    if (s == TAP_CANCELLED && b->recorder.status != TAP_OK) {
        *err = b->sink_error;
        return b->recorder.status;
    }
    if (s == TAP_CANCELLED) cli_error(err, s, "interrupted; what was complete is kept");
    return s;
}

/* ---- Afterwards ---- */

/* The node and operator that make output i; its number among the values, SIZE_MAX: it has none. */
static size_t fill_maker(const job *b, const char *name, tap_entry *e) {
    for (size_t i = 0; i < tap_model_value_count(b->model); i++) {
        tap_value_info info = {.size = sizeof info};
        if (!tap_model_value(b->model, i, &info) || info.in_body || strcmp(info.name, name) != 0) continue;
        e->node = info.node;
        e->op = info.op;
        return i;
    }
    return SIZE_MAX;
}

/* Whether the run comes to the output, absent as it may be. */
static bool reaches_output(const job *b, const char *name) {
    bool reaches = true;
    tap_entry e = {.size = sizeof e};
    size_t index = fill_maker(b, name, &e);
    if (index != SIZE_MAX) tap_session_reaches(b->session, index, &reaches, NULL, NULL);
    return reaches;
}

static tap_status record_outputs(job *b, tap_error *err) {
    tap_status s = TAP_OK;
    for (size_t i = 0; b->sink && s == TAP_OK && i < tap_model_output_count(b->model); i++) {
        const tap_port *p = tap_model_output(b->model, i);
        tap_entry e = {.size = sizeof e, .name = p->name, .type = p->type, .output = (int)i};
        size_t index = fill_maker(b, p->name, &e);
        if (!b->recorded[i] && reaches_output(b, p->name))
            s = tap_recorder_add(&b->recorder, &e, index, tap_session_output(b->session, i), err);
    }
    return s;
}

static void show_outputs(job *b) {
    cli_about about = {.is_output = true};
    for (size_t i = 0; i < tap_model_output_count(b->model); i++) {
        const char *name = tap_model_output(b->model, i)->name;
        const tap_value *v = tap_session_output(b->session, i);
        if (!v && !reaches_output(b, name)) continue;
        if (b->json) cli_show_json(b->json, name, v, &about);
        if (shows_text(b)) cli_show_line(&b->table, name, v, &about);
    }
}

/* Runs again without taps in a session of its own, and compares the outputs. */
static tap_status verify(const job *b, const char **differs, tap_error *err) {
    tap_session *plain;
    *differs = NULL;
    tap_status s = cli_open_session(b->args, b->model, &plain, err);
    if (s != TAP_OK) return s;
    s = cli_stop_after(b->args, b->model, plain, NULL, err);
    if (s == TAP_OK) s = cli_set_whole(&b->sets, plain, err);
    if (s == TAP_OK) s = tap_session_run(plain, b->inputs.items, b->inputs.n, err);
    for (size_t i = 0; s == TAP_OK && !*differs && i < tap_model_output_count(b->model); i++)
        if (!cli_same_bits(tap_session_output(b->session, i), tap_session_output(plain, i)))
            *differs = tap_model_output(b->model, i)->name;
    tap_session_free(plain);
    return s;
}

/* The rest of the JSON document, or the message. */
static int report(job *b, tap_status s, const tap_error *err, const char *differs) {
    bool verified = b->args->verify && s == TAP_OK;
    if (b->finite) cli_findings_add_run(&b->findings, b->finite);
    if (b->json) {
        tap_json_end(b->json);
        tap_json_array(b->json, "outputs");
        if (s == TAP_OK) show_outputs(b);
        tap_json_end(b->json);
        cli_json_unreached(b->args, b->model, b->session, b->picked, b->json);
        if (b->finite) cli_findings_json(&b->findings, b->json);
        tap_json_double(b->json, "ms", b->ms);
        cli_json_foreign(b->json, b->model);
        if (verified) tap_json_bool(b->json, "verified", differs == NULL);
        if (s != TAP_OK) tap_json_error(b->json, err);
        tap_json_free(b->json);
    } else {
        if (s == TAP_OK) show_outputs(b);
        if (b->finite) cli_findings_show(&b->findings);
        if (s == TAP_OK) cli_tell_unreached(b->args, b->model, b->session, b->picked);
    }
    if (s != TAP_OK) {
        cli_say("%s", err->text);
        return tap_status_exit(s);
    }
    if (differs) cli_say("--verify: output '%s' differs without taps", differs);
    if (verified && !differs) cli_say("--verify: the outputs are the same without taps, bit by bit");
    return differs || cli_findings_nonfinite(&b->findings);
}

/* After a failure: what is complete stays. */
static void keep(const job *b, tap_error *err) {
    size_t n = tap_sink_count(b->sink);
    if (tap_sink_abort(b->sink, err) == TAP_OK && n > 0)
        cli_say("%s: the %zu values that were complete are in it", b->args->output, n);
}

static int run_and_report(job *b) {
    tap_error err = TAP_ERROR_INIT;
    const char *differs = NULL;
    if (b->args->json) {
        b->json = cli_json();
        tap_json_object(b->json, NULL);
        tap_json_array(b->json, "taps");
    }
    tap_status s = run_once(b, &err);
    if (s == TAP_OK) s = record_outputs(b, &err);
    if (b->sink) {
        if (s == TAP_OK)
            s = tap_sink_close(b->sink, &err);
        else
            keep(b, &err);
        b->sink = NULL;
    }
    if (s == TAP_OK && b->args->verify) s = verify(b, &differs, &err);
    return report(b, s, &err, differs);
}

static int run(cli_args *args) {
    job b = {.args = args, .sink_error = TAP_ERROR_INIT};
    tap_error err = TAP_ERROR_INIT;
    int status = cli_open_model(args, args->partial, &b.model);
    if (status != 0) return status;
    if (args->tensorboard || args->prints.n || cli_wants_data(args, b.model)) {
        status = cli_run_data(args, b.model);
        cli_close_model(b.model);
        return status;
    }
    status = prepare(&b, &err) == TAP_OK ? run_and_report(&b) : cli_fail(args, &err);
    cli_free_inputs(&b.inputs);
    tap_session_free(b.session);
    cli_free_sets(&b.sets);
    tap_finite_free(b.finite);
    cli_findings_free(&b.findings);
    cli_close_model(b.model);
    free(b.picked);
    free(b.recorded);
    tap_free((void *)(uintptr_t)b.recorder.layers);
    return status;
}

static const cli_option output[] = {
    {"output", 'o', CLI_TEXT, "FILE", offsetof(cli_args, output),
     "write the values: .npz, .npy, .pb, .csv, .png, .json, .jsonl, .sqlite, or\n"
     "folder/ (a file each and index.json); without -o a table is printed"},
    {"format", 0, CLI_TEXT, "FORMAT", offsetof(cli_args, format),
     "one of these, where the name does not tell (folder/: npy, pb or png)"},
    {"append", 0, CLI_FLAG, NULL, offsetof(cli_args, append), "add lines to a .csv that is there"},
    {"cast-output", 0, CLI_TEXT, "TYPE", offsetof(cli_args, cast_output),
     "write floating-point values as float32, say"},
    {"tensorboard", 0, CLI_TEXT, "FOLDER", offsetof(cli_args, tensorboard),
     "what --tap picks and the outputs for TensorBoard: scalars, histograms, pictures,\n"
     "a step a batch"},
    {"print", 0, CLI_LIST, "SELECTOR", offsetof(cli_args, prints),
     "print values as they are computed, as NumPy prints arrays; repeatable"},
    {"edge-items", 0, CLI_INT, "N", offsetof(cli_args, edge_items),
     "elements at each end of an axis, for --print (3)"},
    {"precision", 0, CLI_INT, "N", offsetof(cli_args, precision), "places behind the point, for --print (8)"},
    {"compress", 0, CLI_FLAG, NULL, offsetof(cli_args, compress), "deflate the arrays of an .npz"},
    {"raw-types", 0, CLI_FLAG, NULL, offsetof(cli_args, raw_types),
     "bfloat16 and 8-bit floats as their bits, not as float32"},
    {"keys", 0, CLI_TEXT, "layer", offsetof(cli_args, keys),
     "name what is a layer's output after the layer, not after the tensor"},
    {"layout", 0, CLI_TEXT, "original", offsetof(cli_args, layout),
     "write tensors in the order of axes of the framework that the model came\n"
     "from; those whose order is not known stay as they are"},
    {"verify", 0, CLI_FLAG, NULL, offsetof(cli_args, verify),
     "run again without taps and compare the outputs bit by bit"},
    {"set", 0, CLI_LIST, "TENSOR=FILE", offsetof(cli_args, sets),
     "replace a value on the way by what is in the file (.npy, FILE.npz:KEY, .pb);\n"
     "with --batch a row of the file for each row of the data; repeatable"},
    {"stop-after", 0, CLI_LIST, "SELECTOR", offsetof(cli_args, stops),
     "end there: nothing runs that these values do not need; repeatable"},
    {"partial", 0, CLI_FLAG, NULL, offsetof(cli_args, partial),
     "run what is supported, and tell what cannot be reached and why; --set feeds\n"
     "what is not supported"},
    {"check-finite", 0, CLI_FLAG, NULL, offsetof(cli_args, check_finite),
     "tell each place where values stop being finite, and why; exit status 1\n"
     "where there is one"},
    {"split", 0, CLI_TEXT, "batch", offsetof(cli_args, split),
     "batches are kept apart, as NAME/batch_0, NAME/batch_1, ..."},
    {0}};
static const cli_group output_group = {"Output", output};
static const cli_group *const groups[] = {&cli_inputs,    &cli_data,   &output_group, &cli_running,
                                          &cli_operators, &cli_common, NULL};

const cli_command cli_run = {.name = "run",
                             .synopsis = "MODEL -i INPUT... [--tap SELECTOR]... [-o FILE]",
                             .about = "runs a model: its outputs, and any value inside it\n"
                                      "With -o taps stream to the file as they are computed. On an error or "
                                      "Ctrl-C what is complete is kept.",
                             .example = "onnxtap run model.onnx -i x=input.npy --tap 'op:Conv' -o trace.npz",
                             .groups = groups,
                             .run = run};
