/* Data sets as the command line asks for them, and the bar that shows how far a run over one is. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inputs.h"

/* Whether what -i says is a file that only a data set reads. */
static bool is_rows(const char *text, const tap_model *m) {
    for (size_t i = 0; i < tap_model_input_count(m); i++) {
        const char *name = tap_model_input(m, i)->name;
        size_t n = strlen(name);
        if (strncmp(text, name, n) == 0 && text[n] == '=' && tap_dataset_only(text + n + 1)) return true;
    }
    return tap_dataset_only(text);
}

bool cli_wants_data(const cli_args *a, const tap_model *m) {
    if (a->batch || a->limit || a->sample || a->every || a->shard || a->labels || a->split) return true;
    for (size_t i = 0; i < a->inputs.n; i++)
        if (is_rows(a->inputs.items[i], m)) return true;
    return false;
}

static tap_status read_scale(const char *text, tap_image_scale *scale, tap_error *err) {
    static const char *const names[] = {"0..255", "0..1", "-1..1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *scale = (tap_image_scale)i;
            return TAP_OK;
        }
    return cli_error(err, TAP_USAGE, "--image-scale %s: not one of 0..1, -1..1, 0..255", text);
}

static tap_status read_shard(const char *text, tap_dataset_options *o, tap_error *err) {
    int end = 0;
    if (sscanf(text, "%" SCNd64 "/%" SCNd64 "%n", &o->shard, &o->n_shards, &end) == 2 && !text[end] &&
        o->shard >= 0 && o->shard < o->n_shards)
        return TAP_OK;
    return cli_error(err, TAP_USAGE, "--shard %s: not of the form I/N, with I from 0 to N-1", text);
}

static tap_status options_of(const cli_args *a, tap_dataset_options *o, tap_error *err) {
    *o = (tap_dataset_options){.size = sizeof *o,
                               .batch = a->batch,
                               .limit = a->limit,
                               .sample = a->sample,
                               .seed = (uint64_t)a->seed,
                               .every = a->every,
                               .no_map = a->no_map,
                               .cast = a->cast,
                               .limit_bytes = a->memory_limit_bytes};
    tap_status s = a->image_scale ? read_scale(a->image_scale, &o->image_scale, err) : TAP_OK;
    return s == TAP_OK && a->shard ? read_shard(a->shard, o, err) : s;
}

/* What was made goes in, too, and is the data set's from now on. */
static tap_status add_made(const binder *b) {
    tap_status s = TAP_OK;
    for (size_t i = 0; i < binder_n(b); i++) {
        if (s == TAP_OK && b->values[i])
            s = tap_dataset_add_value(b->data, binder_port(b, i)->name, b->values[i], false, b->err);
        tap_value_release(b->values[i]);
    }
    return s;
}

tap_status cli_open_data(const cli_args *args, tap_model *m, tap_session *session, tap_dataset **out,
                         tap_error *err) {
    tap_dataset_options o;
    uint64_t held = 0;
    size_t n = tap_model_input_count(m);
    *out = NULL;
    tap_status s = options_of(args, &o, err);
    if (s == TAP_OK) s = tap_dataset_new(m, &o, out, err);
    if (s != TAP_OK) return s;
    binder b = {.args = args,
                .model = m,
                .values = cli_alloc(n, sizeof(tap_value *)),
                .given = cli_alloc(n, sizeof(bool)),
                .held_bytes = &held,
                .session = session,
                .data = *out,
                .err = err};
    s = bind_inputs(&b, false);
    tap_status added = add_made(&b);
    if (s == TAP_OK) s = added;
    if (s == TAP_OK && args->labels) s = tap_dataset_add_labels(*out, args->labels, err);
    if (s == TAP_OK) s = tap_dataset_start(*out, err);
    free(b.values);
    free(b.given);
    if (s == TAP_OK) return s;
    tap_dataset_free(*out);
    *out = NULL;
    return s;
}

/* ---- Progress ---- */

#define BAR_WIDTH 24

static void print_time(double s) {
    int64_t t = (int64_t)(s + 0.5);
    if (t >= 3600)
        fprintf(stderr, "%" PRId64 ":%02" PRId64 ":%02" PRId64, t / 3600, t / 60 % 60, t % 60);
    else
        fprintf(stderr, "%" PRId64 ":%02" PRId64, t / 60, t % 60);
}

void cli_progress_show(cli_progress *p, int64_t done, int64_t total) {
    double now = cli_now_ms();
    if (p->begin_ms <= 0) p->begin_ms = p->shown_ms = now;
    if (now - p->shown_ms < 100 || total <= 0 || !isatty(STDERR_FILENO)) return;
    double rate = (double)done / (now - p->begin_ms) * 1e3;
    int full = (int)(BAR_WIDTH * done / total);
    p->shown_ms = now;
    p->shown = true;
    fputs("\r[", stderr);
    for (int i = 0; i < BAR_WIDTH; i++) fputc(i < full ? '#' : ' ', stderr);
    fprintf(stderr, "] %" PRId64 "/%" PRId64 " rows  %.4g/s  ", done, total, rate);
    print_time(rate > 0 ? (double)(total - done) / rate : 0);
    fputs(" left \x1b[K", stderr);
    fflush(stderr);
}

void cli_progress_end(cli_progress *p) {
    if (p->shown) fputs("\r\x1b[K", stderr);
    p->shown = false;
}
