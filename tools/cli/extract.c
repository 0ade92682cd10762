/* onnxtap extract: a part of a model as a model of its own. */
#include <stdio.h>

#include "part.h"

static void report(const cli_args *args, const tap_model *m, const tap_part *p) {
    char names[2][2048];
    for (int i = 0; i < 2; i++) cli_part_names(m, p, i == 0, names[i], sizeof names[i]);
    if (!args->json) {
        printf("%s: from %s to %s\n", args->output, *names[0] ? names[0] : "nothing", names[1]);
        return;
    }
    tap_json *j = cli_json();
    tap_json_object(j, NULL);
    tap_json_string(j, "file", args->output);
    for (int i = 0; i < 2; i++) {
        tap_json_array(j, i == 0 ? "inputs" : "outputs");
        size_t n = i == 0 ? tap_part_input_count(p) : tap_part_output_count(p);
        for (size_t k = 0; k < n; k++) {
            tap_value_info info = {.size = sizeof info};
            tap_model_value(m, i == 0 ? tap_part_input(p, k) : tap_part_output(p, k), &info);
            tap_json_string(j, NULL, info.name);
        }
        tap_json_end(j);
    }
    tap_json_end(j);
    tap_json_free(j);
}

static int extract(cli_args *args) {
    tap_model *m;
    tap_part *p = NULL;
    tap_error err = TAP_ERROR_INIT;
    int status = cli_open_model(args, true, &m);
    if (status != 0) return status;
    tap_part_options o = {.size = sizeof o, .external_above_bytes = args->external_above_bytes};
    tap_status s = cli_pick_part(args, m, &p, &err);
    if (s == TAP_OK) s = tap_part_save(p, args->output, &o, &err);
    if (s == TAP_OK)
        report(args, m, p);
    else
        status = cli_fail(args, &err);
    tap_part_free(p);
    cli_close_model(m);
    return status;
}

static const cli_option part_options[] = {
    {"output", 'o', CLI_TEXT, "FILE", offsetof(cli_args, output), "the model to write"},
    {"external-above", 0, CLI_BYTES, "N[K|M|G]", offsetof(cli_args, external_above_bytes),
     "larger weights go into FILE.data beside it (1M)"},
    {0}};
static const cli_group part_group = {"Output", part_options};
static const cli_group *const groups[] = {&part_group, &cli_operators, &cli_common, NULL};

const cli_command cli_extract = {
    .name = "extract",
    .synopsis = "MODEL SELECTOR... -o FILE",
    .about =
        "a part of a model as a model of its own\n"
        "SELECTOR: a node (#17, its name), A..B for what lies between two values, or any other.\n"
        "Weights come along; what else the part uses are its inputs. Unsupported operators may be in it.",
    .example = "onnxtap extract model.onnx 'conv1/BiasAdd:0..conv3/Relu:0' -o part.onnx",
    .groups = groups,
    .run = extract,
    .words = 64};
