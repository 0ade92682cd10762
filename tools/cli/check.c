/* onnxtap check: everything that is wrong with a model, at once. */
#include <onnxtap/check.h>
#include <stdio.h>

#include "cli.h"

static void show_text(const tap_check *c) {
    size_t counts[3] = {0};
    tap_finding f = {.size = sizeof f};
    for (size_t i = 0; tap_check_at(c, i, &f); i++) {
        counts[f.severity]++;
        printf("%s: %s: %s", tap_severity_name(f.severity), f.code, f.message);
        if (f.count > 1) printf(" (%zu nodes)", f.count);
        if (*f.hint) printf("\n    %s", f.hint);
        putchar('\n');
    }
    printf("%zu error%s, %zu warning%s, %zu note%s\n", counts[TAP_SEVERITY_ERROR],
           counts[TAP_SEVERITY_ERROR] == 1 ? "" : "s", counts[TAP_SEVERITY_WARNING],
           counts[TAP_SEVERITY_WARNING] == 1 ? "" : "s", counts[TAP_SEVERITY_NOTE],
           counts[TAP_SEVERITY_NOTE] == 1 ? "" : "s");
}

static void show_json(const tap_check *c) {
    tap_json *j = cli_json();
    tap_finding f = {.size = sizeof f};
    tap_json_object(j, NULL);
    tap_json_array(j, "findings");
    for (size_t i = 0; tap_check_at(c, i, &f); i++) {
        tap_json_object(j, NULL);
        tap_json_string(j, "severity", tap_severity_name(f.severity));
        tap_json_string(j, "code", f.code);
        tap_json_string(j, "node", f.node);
        tap_json_string(j, "op", f.op);
        tap_json_string(j, "tensor", f.tensor);
        tap_json_string(j, "message", f.message);
        tap_json_string(j, "hint", f.hint);
        tap_json_uint(j, "count", f.count);
        tap_json_end(j);
    }
    tap_json_end(j);
    tap_json_end(j);
    tap_json_free(j);
}

static int check(cli_args *args) {
    tap_check *c;
    tap_error err = TAP_ERROR_INIT;
    if (args->words.n == 0) cli_wrong(args, "which model? Give the file's name");
    if (args->words.n > 1) cli_wrong(args, "%s: one model at a time", args->words.items[1]);
    if (args->usage.code != TAP_OK) return cli_fail(args, &args->usage);
    tap_model_options o = {.size = sizeof o, .memory_limit_bytes = args->memory_limit_bytes};
    if (tap_check_file(args->words.items[0], &o, &c, &err) != TAP_OK) return cli_fail(args, &err);
    if (args->json)
        show_json(c);
    else
        show_text(c);
    int status = tap_check_worst(c) == TAP_SEVERITY_ERROR;
    tap_check_free(c);
    return status;
}

static const cli_option check_options[] = {{"memory-limit", 0, CLI_BYTES, "N[K|M|G]",
                                            offsetof(cli_args, memory_limit_bytes),
                                            "memory for the model (half of the machine's)"},
                                           {0}};
static const cli_group check_group = {"Running", check_options};
static const cli_group *const groups[] = {&check_group, &cli_common, NULL};

const cli_command cli_check = {
    .name = "check",
    .synopsis = "MODEL",
    .about = "everything that is wrong with a model, at once, without running it\n"
             "Each finding: severity, code, where and what, and what to do. docs/CHECK.md lists the codes.\n"
             "Exit status 1 where a finding is an error.",
    .example = "onnxtap check model.onnx",
    .groups = groups,
    .run = check};
