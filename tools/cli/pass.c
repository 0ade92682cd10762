/* A run over a data set, batch by batch. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static tap_status pick_prints(cli_pass *p, tap_error *err) {
    size_t *indices = NULL, n = 0;
    tap_status s = tap_model_select(p->model, p->args->prints.items, p->args->prints.n, &indices, &n, err);
    p->printed = cli_alloc(tap_model_value_count(p->model), sizeof *p->printed);
    for (size_t i = 0; s == TAP_OK && i < n; i++) p->printed[indices[i]] = true;
    tap_free(indices);
    return s;
}

/* --tap's and --print's picks and all outputs. */
static tap_status set_taps(cli_pass *p, tap_error *err) {
    size_t n_values = tap_model_value_count(p->model), n = 0, n_all = 0;
    size_t *indices = NULL, *all = cli_alloc(n_values, sizeof *all);
    p->picked = cli_alloc(n_values, sizeof *p->picked);
    tap_status s = TAP_OK;
    if (p->args->taps.n)
        s = tap_model_select(p->model, p->args->taps.items, p->args->taps.n, &indices, &n, err);
    for (size_t i = 0; s == TAP_OK && i < n; i++) p->picked[indices[i]] = true;
    if (s == TAP_OK && p->args->prints.n) s = pick_prints(p, err);
    for (size_t i = 0; s == TAP_OK && i < n_values; i++) {
        tap_value_info info = {.size = sizeof info};
        if (p->picked[i] || (p->printed && p->printed[i]) ||
            (tap_model_value(p->model, i, &info) && info.is_output))
            all[n_all++] = i;
    }
    if (s == TAP_OK) s = tap_session_set_taps(p->session, all, n_all, err);
    tap_free(indices);
    free(all);
    return s;
}

static tap_status open_inputs(cli_pass *p, tap_error *err) {
    tap_status s = cli_open_data(p->args, p->model, &p->data, err);
    if (s == TAP_OK || !p->or_plain || cli_wants_data(p->args, p->model)) return s;
    tap_error plain = TAP_ERROR_INIT;
    s = cli_load_inputs(p->args, p->model, false, &p->inputs, &plain);
    if (s != TAP_OK) *err = plain;
    return s;
}

tap_status cli_pass_open(cli_pass *p, tap_error *err) {
    tap_status s = cli_open_session(p->args, p->model, &p->session, err);
    if (s == TAP_OK) s = set_taps(p, err);
    if (s == TAP_OK) s = open_inputs(p, err);
    p->axes = cli_alloc(tap_model_value_count(p->model), sizeof *p->axes);
    return s;
}

void cli_pass_close(cli_pass *p) {
    tap_session_free(p->session);
    tap_dataset_free(p->data);
    cli_free_inputs(&p->inputs);
    free(p->axes);
    free(p->picked);
    free(p->printed);
}

static tap_status run_batch(cli_pass *p, bool first, tap_error *err) {
    tap_status s = first ? tap_session_batch_axes(p->session, &p->batch, p->data, p->axes, err) : TAP_OK;
    if (s != TAP_OK) return s;
    double begin = cli_now_ms();
    s = tap_session_run(p->session, p->batch.inputs, p->batch.n_inputs, err);
    p->ms += cli_now_ms() - begin;
    return s == TAP_OK && p->after ? p->after(p, err) : s;
}

/* Inputs that are no data set. */
static tap_status run_plain(cli_pass *p, tap_error *err) {
    double begin = cli_now_ms();
    tap_status s = tap_session_run(p->session, p->inputs.items, p->inputs.n, err);
    p->ms = cli_now_ms() - begin;
    return s == TAP_OK && p->after ? p->after(p, err) : s;
}

static tap_status run_batches(cli_pass *p, tap_error *err) {
    tap_status s = TAP_OK;
    cli_progress_show(&p->progress, 0, tap_dataset_rows(p->data));
    for (bool first = true; s == TAP_OK; first = false) {
        if (cli_interrupted()) s = cli_error(err, TAP_CANCELLED, "interrupted; what was complete is kept");
        if (s == TAP_OK) s = tap_dataset_next(p->data, &p->batch, err);
        if (s != TAP_OK || p->batch.n_rows == 0) break;
        s = run_batch(p, first, err);
        cli_progress_show(&p->progress, p->batch.first + p->batch.n_rows, p->batch.total);
    }
    cli_progress_end(&p->progress);
    return s;
}

tap_status cli_pass_run(cli_pass *p, tap_error *err) {
    p->progress = (cli_progress){.begin_ms = 0};
    p->batch.size = sizeof p->batch;
    if (p->listener) tap_session_listen(p->session, p->listener, p->user);
    cli_catch_interrupts(NULL, true);
    tap_status s = p->data ? run_batches(p, err) : run_plain(p, err);
    cli_catch_interrupts(NULL, false);
    return s;
}

const tap_tensor *cli_pass_prediction(const cli_pass *p) {
    for (size_t i = 0; i < tap_model_output_count(p->model); i++) {
        const tap_tensor *t = tap_value_tensor(tap_session_output(p->session, i));
        if (t && tap_tensor_rank(t) > 0 && tap_tensor_dims(t)[0] == p->batch.n_rows) return t;
    }
    return NULL;
}

tap_status cli_score_of(const cli_args *args, tap_score *s, tap_error *err) {
    *s = (tap_score){.size = sizeof *s, .from_logits = args->from_logits};
    if (args->loss && !args->labels) return cli_error(err, TAP_USAGE, "--loss needs --labels");
    if (!args->loss) return TAP_OK;
    s->loss = tap_loss_from_name(args->loss);
    if (s->loss != TAP_LOSS_AUTO) return TAP_OK;
    return cli_error(err, TAP_USAGE, "--loss %s: not one of mse, cross_entropy, sparse_cross_entropy",
                     args->loss);
}
