/* onnxtap stats: what values are like over a data set, without storing them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct job {
    cli_args *args;
    cli_pass pass;
    tap_stats *stats;
    tap_observer observer;
    tap_score score;
    int64_t rows;
} job;

/* ---- Gathering ---- */

/* Of --tap's picks; without, of the outputs. */
static int listen(const tap_event *e, void *user) {
    const job *b = user;
    return b->args->taps.n && !b->pass.picked[e->index] ? TAP_SKIP : TAP_WANT;
}

static tap_status options_of(const cli_args *a, tap_stats_options *o, tap_error *err) {
    static const char *const pers[] = {"tensor", "channel", "unit"}, *const averages[] = {"none", "samples",
                                                                                          "batches"};
    *o = (tap_stats_options){.size = sizeof *o, .channel_axis = (int)a->channel_axis};
    int per = a->health ? TAP_PER_CHANNEL : TAP_PER_TENSOR, average = TAP_AVERAGE_NONE;
    for (int i = 0; a->per && i < 3; i++)
        if (strcmp(a->per, pers[i]) == 0) per = i;
    for (int i = 0; a->average && i < 3; i++)
        if (strcmp(a->average, averages[i]) == 0) average = i;
    if (a->per && strcmp(a->per, pers[per]) != 0)
        return cli_error(err, TAP_USAGE, "--per %s: not one of tensor, channel, unit", a->per);
    if (a->average && strcmp(a->average, averages[average]) != 0)
        return cli_error(err, TAP_USAGE, "--average %s: not one of samples, batches", a->average);
    o->per = (tap_per)per;
    o->average = (tap_average)average;
    return TAP_OK;
}

static tap_status gather(job *b, tap_error *err) {
    tap_stats_options o;
    tap_status s = cli_check_layout(b->args, err);
    if (s == TAP_OK) s = options_of(b->args, &o, err);
    if (s == TAP_OK) s = cli_score_of(b->args, &b->score, err);
    if (s == TAP_OK) s = tap_stats_new(&o, &b->stats, err);
    if (s == TAP_OK) s = cli_pass_open(&b->pass, err);
    if (s != TAP_OK) return s;
    b->observer = (tap_observer){.size = sizeof b->observer,
                                 .stats = b->stats,
                                 .model = b->pass.model,
                                 .original_layout = b->args->layout != NULL};
    tap_pass_options pass = {.observer = &b->observer, .score = &b->score};
    s = cli_pass_run(&b->pass, &pass, err);
    b->rows = b->pass.pass ? tap_pass_rows(b->pass.pass) : 0;
    tap_stats_set_score(b->stats, &b->score);
    return s;
}

/* ---- Merging ---- */

/* What the parts do not tell cannot be asked of the whole. */
static tap_status check_merged(const job *b, tap_error *err) {
    const cli_args *a = b->args;
    bool single = true;
    for (size_t i = 0; i < tap_stats_count(b->stats); i++)
        single = single && tap_stats_units(b->stats, i) < 2;
    if (!a->health || !single) return TAP_OK;
    return cli_error(err, TAP_USAGE,
                     "--health: the parts have figures per tensor, which say nothing of units; "
                     "gather them with --health or --per channel");
}

static tap_status merge(job *b, tap_error *err) {
    tap_status s = TAP_OK;
    if (b->args->words.n == 0)
        return cli_error(err, TAP_USAGE, "--merge which files? Give those that stats -o wrote");
    for (size_t i = 0; s == TAP_OK && i < b->args->words.n; i++) {
        tap_stats *part = NULL;
        s = tap_stats_load(b->args->words.items[i], &part, err);
        if (s != TAP_OK) return s;
        if (!b->stats) {
            b->stats = part;
            continue;
        }
        s = tap_stats_merge(b->stats, part, err);
        tap_stats_free(part);
    }
    b->score.size = sizeof b->score;
    if (s == TAP_OK) tap_stats_get_score(b->stats, &b->score);
    return s == TAP_OK ? check_merged(b, err) : s;
}

/* ---- Results ---- */

static bool ends(const char *s, const char *with) {
    size_t n = strlen(s), m = strlen(with);
    return n >= m && strcmp(s + n - m, with) == 0;
}

/* What -o asks for: figures as .json, which can be merged; averages in any other format. */
static tap_status write_output(const job *b, tap_error *err) {
    const cli_args *a = b->args;
    tap_sink *sink = NULL;
    if (ends(a->output, ".json") && !a->format) return tap_stats_save(b->stats, a->output, err);
    tap_status s = cli_open_sink(a, &sink, err);
    for (size_t i = 0; s == TAP_OK && i < tap_stats_count(b->stats); i++) {
        tap_value *v = NULL;
        tap_stats_source source = {.size = sizeof source};
        tap_stats_source_of(b->stats, i, &source);
        tap_entry e = {
            .size = sizeof e, .name = source.name, .node = source.node, .op = source.op, .output = -1};
        e.layer = source.layer;
        s = tap_stats_average(b->stats, i, &v, err);
        if (s == TAP_USAGE)
            cli_error(err, s,
                      "%s: averages go there, with --average samples or batches; figures go to a .json",
                      a->output);
        if (s == TAP_OK) s = tap_sink_add(sink, &e, v, err);
        tap_value_release(v);
    }
    if (!sink) return s;
    return s == TAP_OK ? tap_sink_close(sink, err) : (tap_sink_abort(sink, err), s);
}

static int name_width(const tap_stats *s) {
    size_t most = 5;
    for (size_t i = 0; i < tap_stats_count(s); i++) {
        size_t n = strlen(tap_stats_name(s, i));
        if (n > most && n <= 60) most = n;
    }
    return (int)most;
}

static double share(int64_t part, int64_t of) {
    return of ? 100 * (double)part / (double)of : 0;
}

static void print_figures(const tap_stats *s) {
    int width = name_width(s);
    printf("%-*s %10s %11s %11s %11s %11s %11s %7s %7s %9s\n", width, "value", "count", "mean", "std", "min",
           "median", "max", "zeros", "below 0", "nonfinite");
    for (size_t i = 0; i < tap_stats_count(s); i++) {
        tap_stat x = {.size = sizeof x};
        tap_stats_get(s, i, SIZE_MAX, &x);
        printf("%-*s %10" PRId64 " %11.5g %11.5g %11.5g %11.5g %11.5g %6.1f%% %6.1f%% %9" PRId64 "\n", width,
               tap_stats_name(s, i), x.count, x.mean, sqrt(x.variance), x.min,
               tap_stats_quantile(s, i, SIZE_MAX, 0.5), x.max, share(x.zeros, x.count),
               share(x.negatives, x.count), x.nonfinite);
    }
}

static void print_units(const tap_stats *s) {
    for (size_t i = 0; i < tap_stats_count(s); i++) {
        printf("\n%s\n%8s %11s %11s %11s %11s %7s\n", tap_stats_name(s, i), "unit", "mean", "std", "min",
               "max", "zeros");
        for (size_t k = 0; k < tap_stats_units(s, i); k++) {
            tap_stat x = {.size = sizeof x};
            tap_stats_get(s, i, k, &x);
            printf("%8zu %11.5g %11.5g %11.5g %11.5g %6.1f%%\n", k, x.mean, sqrt(x.variance), x.min, x.max,
                   share(x.zeros, x.count));
        }
    }
}

static tap_ailment worst_of(const tap_stats *s, size_t *n_ill) {
    tap_ailment worst = TAP_WELL;
    *n_ill = 0;
    for (size_t i = 0; i < tap_stats_count(s); i++) {
        tap_health h = {.size = sizeof h};
        tap_stats_health(s, i, &h);
        *n_ill += h.ailment != TAP_WELL;
        if (h.ailment != TAP_WELL && (worst == TAP_WELL || h.ailment < worst)) worst = h.ailment;
    }
    return worst;
}

static void print_health(const tap_stats *s) {
    int width = name_width(s);
    size_t n_ill;
    printf("%-*s %11s %7s %7s  %s\n", width, "value", "scale", "zeros", "dead", "verdict");
    for (size_t i = 0; i < tap_stats_count(s); i++) {
        tap_health h = {.size = sizeof h};
        tap_stat x = {.size = sizeof x};
        tap_stats_get(s, i, SIZE_MAX, &x);
        tap_stats_health(s, i, &h);
        printf("%-*s %11.5g %6.1f%% %6.1f%%  %s%s%s\n", width, tap_stats_name(s, i), h.scale,
               share(x.zeros, x.count), 100 * h.dead,
               h.ailment == TAP_WELL ? "" : tap_ailment_name(h.ailment), h.ailment == TAP_WELL ? "" : ": ",
               h.text);
    }
    worst_of(s, &n_ill);
    if (n_ill == 0)
        printf("\nAll %zu values are well.\n", tap_stats_count(s));
    else
        printf("\n%zu of %zu values need a look; the first to be ill is where to begin.\n", n_ill,
               tap_stats_count(s));
}

static void json_health(const tap_stats *s, tap_json *j) {
    tap_json_array(j, "health");
    for (size_t i = 0; i < tap_stats_count(s); i++) {
        tap_health h = {.size = sizeof h};
        tap_stats_health(s, i, &h);
        tap_json_flat_object(j, NULL);
        tap_json_string(j, "tensor", tap_stats_name(s, i));
        tap_json_string(j, "verdict", tap_ailment_name(h.ailment));
        tap_json_string(j, "text", h.text);
        tap_json_double(j, "dead", h.dead);
        tap_json_double(j, "saturated", h.saturated);
        tap_json_double(j, "scale", h.scale);
        tap_json_end(j);
    }
    tap_json_end(j);
}

static void print_json(const job *b) {
    tap_json *j = cli_json();
    tap_json_object(j, NULL);
    tap_stats_write(b->stats, j, false);
    if (b->args->health) json_health(b->stats, j);
    if (!b->args->merge) tap_json_int(j, "rows", b->rows);
    tap_json_free(j);
}

static int report(const job *b) {
    const cli_args *a = b->args;
    size_t n_ill;
    if (a->json) {
        print_json(b);
    } else if (a->health) {
        print_health(b->stats);
    } else if (!a->output) {
        print_figures(b->stats);
        if (a->per && strcmp(a->per, "tensor") != 0) print_units(b->stats);
    }
    if (!a->json && b->score.n_predictions)
        printf("accuracy %.6g\n", (double)b->score.correct / (double)b->score.n_predictions);
    if (!a->json && b->score.n)
        printf("loss %.6g (%s)\n", b->score.loss_sum / (double)b->score.n, tap_loss_name(b->score.loss));
    return a->health && worst_of(b->stats, &n_ill) == TAP_NONFINITE ? 1 : 0;
}

static int run(cli_args *args) {
    job b = {.args = args};
    tap_error err = TAP_ERROR_INIT;
    tap_status s;
    int status = 0;
    b.pass = (cli_pass){.args = args, .listener = listen, .user = &b};
    if (args->merge) {
        s = args->usage.code == TAP_OK ? merge(&b, &err) : (err = args->usage, args->usage.code);
    } else {
        status = cli_open_model(args, false, &b.pass.model);
        if (status != 0) return status;
        s = gather(&b, &err);
    }
    if (s == TAP_OK && args->output) s = write_output(&b, &err);
    status = s == TAP_OK ? report(&b) : cli_fail(args, &err);
    cli_pass_close(&b.pass);
    tap_stats_free(b.stats);
    if (b.pass.model) cli_close_model(b.pass.model);
    return status;
}

static const cli_option options[] = {
    {"per", 0, CLI_TEXT, "WHAT", offsetof(cli_args, per), "figures for each tensor, channel or unit"},
    {"channel-axis", 0, CLI_INT, "N", offsetof(cli_args, channel_axis),
     "the channels' axis, counted from 0 (the second; of layers from Keras the one\n"
     "that is last there)"},
    {"average", 0, CLI_TEXT, "OVER", offsetof(cli_args, average),
     "element by element over samples, or over batches; -o FILE.npz takes them"},
    {"health", 0, CLI_FLAG, NULL, offsetof(cli_args, health),
     "dead units, saturation, vanishing or exploding scale, non-finite values"},
    {"merge", 0, CLI_FLAG, NULL, offsetof(cli_args, merge),
     "no run: the words are .json files that stats -o wrote, of shards, say"},
    {"output", 'o', CLI_TEXT, "FILE", offsetof(cli_args, output),
     "FILE.json: all figures, to read or to merge; .npz, .npy, folder/: averages"},
    {"layout", 0, CLI_TEXT, "original", offsetof(cli_args, layout),
     "tensors in the order of axes of the framework that the model came from"},
    {"format", 0, CLI_TEXT, "FORMAT", offsetof(cli_args, format),
     "of the averages, where the name does not tell"},
    {0}};
static const cli_group stats_group = {"Statistics", options};
static const cli_group *const groups[] = {&stats_group,   &cli_inputs, &cli_data, &cli_running,
                                          &cli_operators, &cli_common, NULL};

const cli_command cli_stats = {"stats",
                               "MODEL -i INPUT... [--tap SELECTOR]... [-o FILE]",
                               "what values are like over a data set, without storing them\n"
                               "Count, mean, standard deviation, extremes and where they are, quantiles, "
                               "histogram, of what --tap picks or\n"
                               "the outputs. Parts of a data set can be run by themselves (--shard) and "
                               "merged: stats --merge A.json B.json.",
                               "onnxtap stats model.onnx -i images.npy --batch 32 --tap 'op:Conv' --json",
                               groups,
                               run,
                               0};
