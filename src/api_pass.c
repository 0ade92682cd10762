/* Passes: data set, session and those who look at what it computes, joined. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "onnxtap/pass.h"
#include "run/plan.h"

struct tap_pass {
    tap_pass_options options;
    tap_model *model;
    int *axes; /* by value; TAP_BATCH_UNKNOWN until a batch was seen */
    tap_batch batch;
    int64_t rows;
    double ms;
    tap_status told;
    tap_error error; /* of those who look */
};

tap_status tap_session_tap_outputs(tap_session *s, tap_error *err) {
    const tap_model *m = s->model;
    size_t *all = calloc(m->n_values + 1, sizeof *all), n = 0;
    if (!all) return tap_error_no_memory(err, m->n_values * sizeof *all);
    for (size_t i = 0; i < m->n_values; i++) {
        tap_value_info info = {.size = sizeof info};
        if (s->tapped[i] || (tap_model_value(m, i, &info) && info.is_output)) all[n++] = i;
    }
    tap_status st = tap_session_set_taps(s, all, n, err);
    free(all);
    return st;
}

tap_status tap_pass_new(const tap_pass_options *options, tap_pass **out, tap_error *err) {
    tap_pass *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return tap_error_no_memory(err, sizeof *p);
    memcpy(&p->options, options, options->size < sizeof p->options ? options->size : sizeof p->options);
    p->model = p->options.session->model;
    p->batch.size = sizeof p->batch;
    p->error = (tap_error)TAP_ERROR_INIT;
    p->axes = calloc(p->model->n_values + 1, sizeof *p->axes);
    if (!p->axes) {
        tap_error_no_memory(err, p->model->n_values * sizeof *p->axes);
        free(p);
        return TAP_MEMORY;
    }
    for (size_t i = 0; i < p->model->n_values; i++) p->axes[i] = TAP_BATCH_UNKNOWN;
    *out = p;
    return TAP_OK;
}

void tap_pass_free(tap_pass *p) {
    if (!p) return;
    free(p->axes);
    free(p);
}

const tap_batch *tap_pass_batch(const tap_pass *p) {
    return p->options.data ? &p->batch : NULL;
}
const int *tap_pass_axes(const tap_pass *p) {
    return p->axes;
}
int64_t tap_pass_rows(const tap_pass *p) {
    return p->rows;
}
double tap_pass_ms(const tap_pass *p) {
    return p->ms;
}

const tap_tensor *tap_pass_prediction(const tap_pass *p) {
    for (size_t i = 0; i < p->model->n_outputs; i++) {
        const tap_tensor *t = tap_value_tensor(tap_session_output(p->options.session, i));
        if (t && t->rank > 0 && t->dims[0] == p->batch.n_rows) return t;
    }
    return NULL;
}

/* ---- While it runs ---- */

static bool is_stopped(const tap_pass *p) {
    return p->options.stop && p->options.stop(p->options.user);
}

static int told(tap_pass *p, tap_status s) {
    p->told = s;
    return TAP_STOP;
}

static int listen(const tap_event *e, void *user) {
    tap_pass *p = user;
    const tap_pass_options *o = &p->options;
    if (is_stopped(p)) return TAP_STOP;
    int answer = o->listener ? o->listener(e, o->user) : TAP_WANT;
    if (answer != TAP_WANT) return answer == TAP_STOP || e->ask ? answer : TAP_WANT;
    if (e->ask) return TAP_WANT;
    if (o->recorder && tap_record(e, o->recorder) != TAP_WANT) return told(p, o->recorder->status);
    if (o->observer && tap_observe(e, o->observer) != TAP_WANT) return told(p, o->observer->status);
    /* It takes initializers once, and says so when it is asked. */
    if (o->boarder && tap_board_listen(e, o->boarder) != TAP_WANT) return told(p, o->boarder->status);
    return TAP_WANT;
}

/* What those who look need to know of the batch. */
static void show_batch(tap_pass *p) {
    const tap_pass_options *o = &p->options;
    const tap_batch *batch = tap_pass_batch(p);
    if (o->recorder) {
        o->recorder->batch = batch;
        o->recorder->axes = batch ? p->axes : NULL;
        o->recorder->err = &p->error;
    }
    if (o->observer) {
        o->observer->batch = batch;
        o->observer->axes = batch ? p->axes : NULL;
        o->observer->err = &p->error;
        if (o->observer->size >= offsetof(tap_observer, session) + sizeof o->observer->session)
            o->observer->session = o->session;
    }
    if (o->boarder) {
        o->boarder->step = batch ? batch->index : 0;
        if (p->rows == 0) o->boarder->first_step = o->boarder->step;
        o->boarder->err = &p->error;
    }
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static tap_status score(tap_pass *p, tap_error *err) {
    tap_score *s = p->options.score;
    const tap_tensor *labels = s && p->options.data ? tap_value_tensor(p->batch.labels) : NULL;
    if (!labels) return TAP_OK;
    const tap_tensor *y = tap_pass_prediction(p);
    if (!y) return tap_error_set(err, TAP_DATA, "labels are given, and no output has a row for each sample");
    bool numbers = y->dtype != TAP_STRING && labels->dtype != TAP_STRING;
    return numbers || s->loss != TAP_LOSS_AUTO ? tap_score_add(s, y, labels, err) : TAP_OK;
}

static tap_status run(tap_pass *p, const tap_input *inputs, size_t n, tap_error *err) {
    const tap_pass_options *o = &p->options;
    show_batch(p);
    double begin = now_ms();
    tap_status s = tap_session_run(o->session, inputs, n, err);
    p->ms += now_ms() - begin;
    if (s == TAP_CANCELLED && p->told != TAP_OK) {
        if (err) memcpy(err, &p->error, err->size < sizeof p->error ? err->size : sizeof p->error);
        return p->told;
    }
    if (s == TAP_CANCELLED) tap_error_set(err, s, "interrupted; what was complete is kept");
    if (s == TAP_OK) s = score(p, err);
    if (s == TAP_OK && o->recorder && o->data) s = tap_sink_end_batch(o->recorder->sink, err);
    p->rows += s == TAP_OK ? p->batch.n_rows : 0;
    return s == TAP_OK && o->step ? o->step(p, o->user, err) : s;
}

static tap_status run_batches(tap_pass *p, tap_error *err) {
    const tap_pass_options *o = &p->options;
    for (bool first = true;; first = false) {
        if (is_stopped(p)) return tap_error_set(err, TAP_CANCELLED, "interrupted; what was complete is kept");
        tap_status s = tap_dataset_next(o->data, &p->batch, err);
        if (s != TAP_OK || p->batch.n_rows == 0) return s;
        if (first) s = tap_session_batch_axes(o->session, &p->batch, o->data, p->axes, err);
        if (s == TAP_OK && o->before) s = o->before(p, o->user, err);
        if (s == TAP_OK && o->before && first)
            s = tap_session_batch_axes(o->session, &p->batch, o->data, p->axes, err);
        if (s == TAP_OK) s = run(p, p->batch.inputs, p->batch.n_inputs, err);
        if (s != TAP_OK) return s;
    }
}

tap_status tap_pass_run(tap_pass *p, tap_error *err) {
    const tap_pass_options *o = &p->options;
    p->told = TAP_OK;
    p->rows = 0;
    tap_session_listen(o->session, listen, p);
    tap_status s = o->data ? run_batches(p, err) : run(p, o->inputs, o->n_inputs, err);
    tap_session_listen(o->session, NULL, NULL);
    return s;
}
