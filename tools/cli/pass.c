/* What the command line says of a pass: its taps, its data, its score, and the bar while it runs. */
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
    for (size_t i = 0; s == TAP_OK && i < n_values; i++)
        if (p->picked[i] || (p->printed && p->printed[i])) all[n_all++] = i;
    if (s == TAP_OK) s = tap_session_set_taps(p->session, all, n_all, err);
    tap_free(indices);
    free(all);
    return s == TAP_OK ? tap_session_tap_outputs(p->session, err) : s;
}

tap_status cli_open_feed_for(const cli_args *args, tap_model *m, tap_session *session, const cli_sets *sets,
                             cli_feed *f, tap_error *err) {
    tap_status s = cli_open_data(args, m, session, &f->data, err);
    if (s == TAP_OK || cli_wants_data(args, m)) return s;
    tap_error plain = TAP_ERROR_INIT;
    s = sets ? cli_set_whole(sets, session, &plain) : TAP_OK;
    if (s == TAP_OK) s = cli_load_inputs_for(args, m, session, &f->inputs, &plain);
    if (s != TAP_OK) *err = plain;
    return s;
}

tap_status cli_open_feed(const cli_args *args, tap_model *m, cli_feed *f, tap_error *err) {
    return cli_open_feed_for(args, m, NULL, NULL, f, err);
}

void cli_close_feed(cli_feed *f) {
    tap_dataset_free(f->data);
    cli_free_inputs(&f->inputs);
    *f = (cli_feed){.data = NULL};
}

tap_status cli_pass_open(cli_pass *p, tap_error *err) {
    tap_status s = cli_open_session(p->args, p->model, &p->session, err);
    if (s == TAP_OK) s = set_taps(p, err);
    if (s == TAP_OK) s = cli_stop_after(p->args, p->model, p->session, p->picked, err);
    if (s == TAP_OK) s = cli_load_sets(p->args, p->model, &p->sets, err);
    return s == TAP_OK ? cli_open_feed_for(p->args, p->model, p->session, &p->sets, &p->feed, err) : s;
}

void cli_pass_close(cli_pass *p) {
    tap_pass_free(p->pass);
    tap_session_free(p->session);
    cli_close_feed(&p->feed);
    cli_free_sets(&p->sets);
    free(p->picked);
    free(p->printed);
}

/* A batch's rows of what --set gives. */
static tap_status before(tap_pass *pass, void *user, tap_error *err) {
    cli_pass *p = user;
    tap_status s = TAP_OK;
    if (tap_pass_rows(pass) == 0)
        s = cli_sets_by_row(&p->sets, p->model, p->feed.data, tap_pass_axes(pass), err);
    return s == TAP_OK ? cli_set_batch(&p->sets, p->model, p->session, tap_pass_batch(pass), err) : s;
}

static tap_status step(tap_pass *pass, void *user, tap_error *err) {
    cli_pass *p = user;
    const tap_batch *batch = tap_pass_batch(pass);
    if (batch) cli_progress_show(&p->progress, tap_pass_rows(pass), batch->total);
    return p->after ? p->after(p, err) : TAP_OK;
}

static int listen(const tap_event *e, void *user) {
    cli_pass *p = user;
    return p->listener ? p->listener(e, p->user) : TAP_WANT;
}

bool cli_stop(void *user) {
    (void)user;
    return cli_interrupted();
}

tap_status cli_pass_run(cli_pass *p, tap_pass_options *o, tap_error *err) {
    o->size = sizeof *o;
    o->session = p->session;
    o->data = p->feed.data;
    o->inputs = p->feed.inputs.items;
    o->n_inputs = p->feed.inputs.n;
    o->listener = listen;
    o->step = step;
    if (p->sets.n > 0) o->before = before;
    o->stop = cli_stop;
    o->user = p;
    tap_status s = tap_pass_new(o, &p->pass, err);
    if (s != TAP_OK) return s;
    cli_catch_interrupts(NULL, true);
    if (p->feed.data) cli_progress_show(&p->progress, 0, tap_dataset_rows(p->feed.data));
    s = tap_pass_run(p->pass, err);
    cli_progress_end(&p->progress);
    cli_catch_interrupts(NULL, false);
    return s;
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
