/* onnxtap check: everything that is wrong with a model, at once. */
#include "finite.h"

/* failure: NULL, or what ended the run that was watched. */
static void show_json(const cli_findings *all, const tap_error *failure) {
    tap_json *j = cli_json();
    tap_json_object(j, NULL);
    cli_findings_json(all, j);
    if (failure) tap_json_error(j, failure);
    tap_json_end(j);
    tap_json_free(j);
}

/* With inputs, where the file has no error: a run that is watched for values that are not finite. */
static tap_status watch_run(cli_args *args, tap_model *m, tap_finite *finite, cli_findings *all,
                            tap_error *err) {
    tap_session *s = NULL;
    cli_values in = {.items = NULL};
    tap_status status = cli_open_session(args, m, &s, err);
    if (status == TAP_OK) status = cli_watch_finite(s, err);
    if (status == TAP_OK) status = cli_load_inputs(args, m, false, &in, err);
    if (status == TAP_OK) {
        tap_session_listen(s, tap_finite_listen, finite);
        status = tap_session_run(s, in.items, in.n, err);
    }
    cli_findings_add_run(all, finite);
    cli_free_inputs(&in);
    tap_session_free(s);
    return status;
}

static tap_status check_run(cli_args *args, cli_findings *all, tap_finite **finite, tap_model *m,
                            tap_error *err) {
    tap_status s = tap_finite_new(m, finite, err);
    return s == TAP_OK ? watch_run(args, m, *finite, all, err) : s;
}

/* What was found before a run failed is told, too. */
static int tell(const cli_args *args, const cli_findings *all, const tap_error *failure) {
    if (args->json)
        show_json(all, failure);
    else
        cli_findings_show(all);
    if (!failure) return all->worst == TAP_SEVERITY_ERROR;
    cli_say("%s", failure->text);
    return tap_status_exit(failure->code);
}

static int check(cli_args *args) {
    tap_check *c;
    tap_model *m = NULL;
    tap_finite *finite = NULL;
    cli_findings all = {.worst = TAP_SEVERITY_NOTE};
    tap_error err = TAP_ERROR_INIT;
    tap_finding f = {.size = sizeof f};
    int status = 0;
    tap_status s = TAP_OK;
    if (args->words.n == 0) cli_wrong(args, "which model? Give the file's name");
    if (args->words.n > 1) cli_wrong(args, "%s: one model at a time", args->words.items[1]);
    if (args->usage.code != TAP_OK) return cli_fail(args, &args->usage);
    tap_model_options o;
    if (cli_model_options(args, &o, &err) != TAP_OK ||
        tap_check_file(args->words.items[0], &o, &c, &err) != TAP_OK)
        return cli_fail(args, &err);
    for (size_t i = 0; tap_check_at(c, i, &f); i++) cli_findings_add(&all, &f, 0, false);
    bool runs = args->inputs.n > 0 && all.worst != TAP_SEVERITY_ERROR;
    if (runs) status = cli_open_model(args, false, &m);
    if (m) s = check_run(args, &all, &finite, m, &err);
    if (status == 0) status = tell(args, &all, s == TAP_OK ? NULL : &err);
    tap_finite_free(finite);
    cli_close_model(m);
    tap_check_free(c);
    cli_findings_free(&all);
    return status;
}

static const cli_group *const groups[] = {&cli_inputs, &cli_running, &cli_operators, &cli_common, NULL};

const cli_command cli_check = {
    .name = "check",
    .synopsis = "MODEL [-i INPUT]...",
    .about = "everything that is wrong with a model, at once\n"
             "With inputs it is also run, and each place is told where values stop being finite.\n"
             "Each finding: severity, code, where and what, and what to do. docs/CHECK.md lists the codes.\n"
             "Exit status 1 where a finding is an error.",
    .example = "onnxtap check model.onnx",
    .groups = groups,
    .run = check};
