/* onnxtap run over a data set: values joined or kept apart, a table of what they are like, predictions and
 * labels. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finite.h"

#define FIRST 5

/* What the table says of a value beside its figures. */
typedef struct line {
    char *name;
    char first[120];
    tap_dtype dtype;
    int rank;
    int64_t dims[TAP_RANK_MAX];
    bool is_tap, is_output, joins;
} line;

/* What was predicted for a sample. */
typedef struct sample {
    int64_t row, label, prediction;
    char label_text[60], prediction_text[60];
    double score; /* the output for the class */
} sample;

typedef struct job {
    cli_pass pass;
    tap_sink *sink;
    tap_recorder recorder;
    tap_stats *stats; /* NULL where no table is shown */
    tap_observer observer;
    tap_board *board; /* NULL without --tensorboard */
    tap_boarder boarder;
    tap_printer printer;
    tap_print_options prints;
    line *lines;
    size_t n_lines;
    sample *samples;
    size_t n_samples;
    bool wants_samples;
    tap_score score;
    tap_finite *finite;    /* NULL without --check-finite */
    cli_findings findings; /* of it */
    tap_session *plain;    /* --verify */
    const char *differs;
} job;

/* ---- While it runs ---- */

static void put_first(const tap_tensor *t, char *out, size_t room) {
    for (int64_t i = 0; i < tap_tensor_count(t) && i < FIRST; i++) {
        char text[40];
        double x;
        tap_dtype d = tap_tensor_dtype(t);
        if ((d == TAP_FLOAT || d == TAP_DOUBLE) && tap_tensor_doubles(t, i, 1, &x))
            snprintf(text, sizeof text, "%.5g", x);
        else
            tap_tensor_text(t, i, text, sizeof text);
        cli_append(out, room, "%s%s", i ? " " : "", text);
    }
    if (tap_tensor_count(t) > FIRST) cli_append(out, room, " ...");
}

typedef struct seeing {
    job *b;
    const tap_event *e;
} seeing;

static line *find_line(job *b, const char *name) {
    for (size_t i = 0; i < b->n_lines; i++)
        if (strcmp(b->lines[i].name, name) == 0) return &b->lines[i];
    return NULL;
}

static tap_status see(void *user, const char *name, const tap_value *v, tap_error *err) {
    (void)err;
    const seeing *x = user;
    job *b = x->b;
    const tap_tensor *t = tap_value_tensor(v);
    line *l = find_line(b, name);
    if (l) {
        if (l->joins) l->dims[0] += tap_tensor_dims(t)[0];
        return TAP_OK;
    }
    tap_value_info info = {.size = sizeof info};
    tap_model_value(b->pass.model, x->e->index, &info);
    b->lines = cli_grow(b->lines, b->n_lines + 1, sizeof *b->lines);
    l = &b->lines[b->n_lines++];
    *l = (line){.name = cli_format("%s", name), .dtype = tap_tensor_dtype(t), .rank = tap_tensor_rank(t)};
    for (int d = 0; d < l->rank; d++) l->dims[d] = tap_tensor_dims(t)[d];
    l->joins = l->rank > 0 && x->e->n_iterations == 0 && tap_pass_axes(b->pass.pass)[x->e->index] == 0;
    l->is_tap = b->pass.picked[x->e->index];
    l->is_output = info.is_output;
    put_first(t, l->first, sizeof l->first);
    return TAP_OK;
}

/* What --print or --check-finite alone look at. */
static bool is_only_looked_at(const job *b, size_t index) {
    tap_value_info info = {.size = sizeof info};
    bool output = tap_model_value(b->pass.model, index, &info) && info.is_output;
    return !b->pass.picked[index] && !output;
}

static int listen(const tap_event *e, void *user) {
    job *b = user;
    if (e->ask) return TAP_WANT;
    seeing s = {b, e};
    if (b->finite && tap_finite_listen(e, b->finite) != TAP_WANT) return TAP_STOP;
    if (b->pass.printed && b->pass.printed[e->index] && tap_print(e, &b->printer) != TAP_WANT)
        return TAP_STOP;
    if (is_only_looked_at(b, e->index)) return TAP_SKIP;
    return !b->stats || tap_value_each(e->value, e->name, see, &s, NULL) == TAP_OK ? TAP_WANT : TAP_STOP;
}

static void print_text(void *file, const char *text, size_t n) {
    fwrite(text, 1, n, file);
    fflush(file);
}

/* ---- Samples ---- */

static void put_class(const tap_tensor *t, int64_t row, int64_t number, char *out, size_t room) {
    int64_t n = tap_tensor_dims(t)[0], c = n > 0 ? tap_tensor_count(t) / n : 0;
    double x;
    out[0] = '\0';
    if (tap_tensor_dtype(t) == TAP_STRING && c == 1) {
        const tap_string *s = (const tap_string *)tap_tensor_data(t) + row;
        snprintf(out, room, "%.*s", (int)s->n, s->s);
    } else if (number >= 0) {
        snprintf(out, room, "%" PRId64, number);
    } else if (c == 1 && tap_tensor_doubles(t, row, 1, &x)) {
        snprintf(out, room, "%.6g", x);
    }
}

static void take_samples(job *b, const tap_tensor *y, const tap_tensor *labels) {
    const tap_batch *batch = tap_pass_batch(b->pass.pass);
    int64_t c = tap_tensor_count(y) / batch->n_rows;
    b->samples = cli_grow(b->samples, b->n_samples + (size_t)batch->n_rows, sizeof *b->samples);
    for (int64_t r = 0; r < batch->n_rows; r++) {
        sample *s = &b->samples[b->n_samples++];
        *s = (sample){.row = batch->rows[r],
                      .label = tap_labelled(labels, r),
                      .prediction = tap_predicted(y, r, b->score.from_logits)};
        put_class(labels, r, s->label, s->label_text, sizeof s->label_text);
        put_class(y, r, s->prediction, s->prediction_text, sizeof s->prediction_text);
        if (s->prediction >= 0 && c > 1) tap_tensor_doubles(y, r * c + s->prediction, 1, &s->score);
    }
}

static tap_status verify(job *b, tap_error *err) {
    const cli_pass *p = &b->pass;
    const tap_batch *batch = tap_pass_batch(p->pass);
    const tap_input *inputs = batch ? batch->inputs : p->feed.inputs.items;
    tap_status s = b->plain ? TAP_OK : cli_open_session(p->args, p->model, &b->plain, err);
    if (s == TAP_OK) s = cli_stop_after(p->args, p->model, b->plain, NULL, err);
    if (s == TAP_OK)
        s = batch ? cli_set_batch(&p->sets, p->model, b->plain, batch, err)
                  : cli_set_whole(&p->sets, b->plain, err);
    if (s == TAP_OK) s = tap_session_run(b->plain, inputs, batch ? batch->n_inputs : p->feed.inputs.n, err);
    for (size_t i = 0; s == TAP_OK && !b->differs && i < tap_model_output_count(p->model); i++)
        if (!cli_same_bits(tap_session_output(p->session, i), tap_session_output(b->plain, i)))
            b->differs = tap_model_output(p->model, i)->name;
    return s;
}

static tap_status after(cli_pass *p, tap_error *err) {
    job *b = p->user;
    const tap_batch *batch = tap_pass_batch(p->pass);
    const tap_tensor *labels = batch ? tap_value_tensor(batch->labels) : NULL;
    const tap_tensor *y = labels && b->wants_samples ? tap_pass_prediction(p->pass) : NULL;
    tap_status s = p->args->verify ? verify(b, err) : TAP_OK;
    if (s == TAP_OK && y) take_samples(b, y, labels);
    return s;
}

/* ---- Afterwards ---- */

static void put_shape(const line *l, char *out, size_t room) {
    cli_append(out, room, "[");
    for (int d = 0; d < l->rank; d++) cli_append(out, room, "%s%" PRId64, d ? "," : "", l->dims[d]);
    cli_append(out, room, "]");
}

static void number_text(double x, char *out, size_t room) {
    if (x == x) /* NaN: there is no finite element */
        snprintf(out, room, "%.5g", x);
    else
        snprintf(out, room, "-");
}

static void print_table(const job *b) {
    int width = 4;
    for (size_t i = 0; i < b->n_lines; i++) {
        size_t n = strlen(b->lines[i].name);
        if (n > (size_t)width && n <= 60) width = (int)n;
    }
    printf("%-*s  %-8s  %-14s %11s %11s %11s  %s\n", width, "name", "dtype", "shape", "min", "max", "mean",
           "values");
    for (size_t i = 0; i < b->n_lines; i++) {
        const line *l = &b->lines[i];
        tap_stat s = {.size = sizeof s};
        char shape[200] = "", min[32], max[32], mean[32];
        tap_stats_get(b->stats, i, SIZE_MAX, &s);
        put_shape(l, shape, sizeof shape);
        number_text(s.min, min, sizeof min);
        number_text(s.max, max, sizeof max);
        number_text(s.mean, mean, sizeof mean);
        printf("%-*s  %-8s  %-14s %11s %11s %11s  %s", width, l->name, tap_dtype_name(l->dtype), shape, min,
               max, mean, l->first);
        if (s.nonfinite) printf("  (%" PRId64 " NaN, %" PRId64 " infinite)", s.nan, s.nonfinite - s.nan);
        putchar('\n');
    }
}

static void print_samples(const job *b) {
    printf("%8s  %12s  %12s\n", "row", "label", "prediction");
    for (size_t i = 0; i < b->n_samples; i++) {
        const sample *s = &b->samples[i];
        printf("%8" PRId64 "  %12s  %12s", s->row, s->label_text, s->prediction_text);
        if (s->score != 0) printf("  %.4f", s->score);
        if (strcmp(s->label_text, s->prediction_text) != 0) printf("  wrong");
        putchar('\n');
    }
}

static void print_score(const job *b) {
    const tap_score *s = &b->score;
    if (s->n_predictions)
        printf("accuracy %.6g (%" PRId64 " of %" PRId64 ")\n", (double)s->correct / (double)s->n_predictions,
               s->correct, s->n_predictions);
    if (s->n) printf("loss %.6g (%s)\n", s->loss_sum / (double)s->n, tap_loss_name(s->loss));
}

static void json_line(const job *b, tap_json *j, size_t i) {
    const line *l = &b->lines[i];
    tap_stat s = {.size = sizeof s};
    tap_stats_source source = {.size = sizeof source};
    tap_stats_get(b->stats, i, SIZE_MAX, &s);
    tap_stats_source_of(b->stats, i, &source);
    tap_json_object(j, NULL);
    tap_json_string(j, "name", l->name);
    tap_json_string(j, "dtype", tap_dtype_name(l->dtype));
    tap_json_flat_array(j, "shape");
    for (int d = 0; d < l->rank; d++) tap_json_int(j, NULL, l->dims[d]);
    tap_json_end(j);
    tap_json_double(j, "min", s.min);
    tap_json_double(j, "max", s.max);
    tap_json_double(j, "mean", s.mean);
    tap_json_int(j, "nonfinite", s.nonfinite);
    tap_json_string(j, "node", source.node);
    tap_json_string(j, "op", source.op);
    tap_json_string(j, "layer", source.layer);
    tap_json_end(j);
}

static void json_samples(const job *b, tap_json *j) {
    tap_json_array(j, "samples");
    for (size_t i = 0; i < b->n_samples; i++) {
        const sample *s = &b->samples[i];
        tap_json_flat_object(j, NULL);
        tap_json_int(j, "row", s->row);
        tap_json_string(j, "label", s->label_text);
        tap_json_string(j, "prediction", s->prediction_text);
        tap_json_double(j, "score", s->score);
        tap_json_end(j);
    }
    tap_json_end(j);
}

static void print_json(const job *b, tap_status s, const tap_error *err) {
    tap_json *j = cli_json();
    tap_json_object(j, NULL);
    tap_json_array(j, "taps");
    for (size_t i = 0; i < b->n_lines; i++)
        if (b->lines[i].is_tap) json_line(b, j, i);
    tap_json_end(j);
    tap_json_array(j, "outputs");
    for (size_t i = 0; i < b->n_lines; i++)
        if (b->lines[i].is_output) json_line(b, j, i);
    tap_json_end(j);
    if (b->wants_samples) json_samples(b, j);
    if (b->score.n_predictions)
        tap_json_double(j, "accuracy", (double)b->score.correct / (double)b->score.n_predictions);
    if (b->score.n) tap_json_double(j, "loss", b->score.loss_sum / (double)b->score.n);
    if (b->score.n) tap_json_string(j, "loss_kind", tap_loss_name(b->score.loss));
    cli_json_unreached(b->pass.args, b->pass.model, b->pass.session, b->pass.picked, j);
    if (b->finite) cli_findings_json(&b->findings, j);
    tap_json_int(j, "rows", tap_pass_rows(b->pass.pass));
    tap_json_double(j, "ms", tap_pass_ms(b->pass.pass));
    cli_json_foreign(j, b->pass.model);
    if (b->pass.args->verify && s == TAP_OK) tap_json_bool(j, "verified", b->differs == NULL);
    if (s != TAP_OK) tap_json_error(j, err);
    tap_json_free(j);
}

static int report(job *b, tap_status s, const tap_error *err) {
    const cli_args *a = b->pass.args;
    if (b->finite) cli_findings_add_run(&b->findings, b->finite);
    if (a->json) print_json(b, s, err);
    if (s != TAP_OK) {
        if (b->finite && !a->json) cli_findings_show(&b->findings);
        cli_say("%s", err->text);
        return tap_status_exit(s);
    }
    if (!a->json && !a->output) {
        if (b->stats) print_table(b);
        if (b->wants_samples) print_samples(b);
    }
    if (!a->json) print_score(b);
    if (b->finite && !a->json) cli_findings_show(&b->findings);
    if (!a->json) cli_tell_unreached(a, b->pass.model, b->pass.session, b->pass.picked);
    if (b->differs) cli_say("--verify: output '%s' differs without taps", b->differs);
    if (a->verify && !b->differs) cli_say("--verify: the outputs are the same without taps, bit by bit");
    return b->differs || cli_findings_nonfinite(&b->findings);
}

static tap_status finish_sink(job *b, tap_status s, tap_error *err) {
    if (!b->sink) return s;
    if (s == TAP_OK) return tap_sink_close(b->sink, err);
    size_t n = tap_sink_count(b->sink);
    int64_t rows = b->pass.pass ? tap_pass_rows(b->pass.pass) : 0;
    if (tap_sink_abort(b->sink, err) == TAP_OK && n > 0 && rows > 0)
        cli_say("%s: what was complete is in it, %" PRId64 " rows", b->pass.args->output, rows);
    return s;
}

static tap_status prepare(job *b, tap_error *err) {
    const cli_args *a = b->pass.args;
    tap_stats_options o = {.size = sizeof o, .plain = true};
    if (a->split && strcmp(a->split, "batch") != 0)
        return cli_error(err, TAP_USAGE, "--split %s: only batch can be split by", a->split);
    tap_status s = cli_check_naming(a, err);
    if (s == TAP_OK) s = cli_score_of(a, &b->score, err);
    if (s == TAP_OK) s = cli_pass_open(&b->pass, err);
    if (s == TAP_OK && a->check_finite) s = tap_finite_new(b->pass.model, &b->finite, err);
    if (s == TAP_OK && b->finite) s = cli_watch_finite(b->pass.session, err);
    for (size_t i = 0; s == TAP_OK && b->finite && i < b->pass.sets.n; i++)
        tap_finite_given(b->finite, b->pass.sets.index[i]);
    if (s == TAP_OK && a->output) s = cli_open_sink(a, &b->sink, err);
    if (s == TAP_OK && ((!a->output && !a->tensorboard) || a->json)) s = tap_stats_new(&o, &b->stats, err);
    tap_board_options board = {.size = sizeof board, .images = true};
    if (s == TAP_OK && a->tensorboard) s = tap_board_open(a->tensorboard, &board, &b->board, err);
    b->wants_samples = a->sample > 0 && a->labels && (!a->output || a->json);
    b->recorder = (tap_recorder){.size = sizeof b->recorder,
                                 .sink = b->sink,
                                 .model = b->pass.model,
                                 .layer_keys = a->keys != NULL,
                                 .original_layout = a->layout != NULL,
                                 .apart = a->split != NULL};
    if (s == TAP_OK) s = cli_name_layers(a, b->pass.model, &b->recorder, err);
    if (s == TAP_OK) cli_say_layouts(a, b->pass.model, b->pass.picked);
    b->boarder = (tap_boarder){.size = sizeof b->boarder, .board = b->board, .model = b->pass.model};
    b->observer = (tap_observer){.size = sizeof b->observer, .stats = b->stats, .model = b->pass.model};
    b->prints = (tap_print_options){
        .size = sizeof b->prints, .edge_items = a->edge_items, .precision = (int)a->precision};
    b->printer = (tap_printer){.size = sizeof b->printer,
                               .model = b->pass.model,
                               .options = &b->prints,
                               .text = print_text,
                               .user = a->json ? stderr : stdout};
    return s;
}

static tap_status run(job *b, tap_error *err) {
    tap_pass_options o = {.recorder = b->sink ? &b->recorder : NULL,
                          .observer = b->stats ? &b->observer : NULL,
                          .boarder = b->board ? &b->boarder : NULL,
                          .score = &b->score};
    tap_status s = cli_pass_run(&b->pass, &o, err);
    s = finish_sink(b, s, err);
    tap_error board = TAP_ERROR_INIT; /* what was shown before a failure stays */
    tap_status closed = b->board ? tap_board_close(b->board, &board) : TAP_OK;
    if (s == TAP_OK && closed != TAP_OK) *err = board;
    return s == TAP_OK ? closed : s;
}

int cli_run_data(cli_args *args, tap_model *m) {
    job b = {.pass = {.args = args, .model = m, .listener = listen, .after = after}};
    tap_error err = TAP_ERROR_INIT;
    b.pass.user = &b;
    int status;
    if (prepare(&b, &err) == TAP_OK) {
        tap_status s = run(&b, &err);
        status = report(&b, s, &err);
    } else {
        status = cli_fail(args, &err);
    }
    cli_pass_close(&b.pass);
    tap_session_free(b.plain);
    tap_finite_free(b.finite);
    cli_findings_free(&b.findings);
    tap_stats_free(b.stats);
    tap_free((void *)(uintptr_t)b.recorder.layers);
    for (size_t i = 0; i < b.n_lines; i++) free(b.lines[i].name);
    free(b.lines);
    free(b.samples);
    return status;
}
