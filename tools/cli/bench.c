/* onnxtap bench: how long a model takes, and how much memory. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "cli.h"
#include "onnxtap/profile.h"
#include "profile.h"

#define SECONDS_UNLESS_TOLD 3.0
#define RUNS_LEAST          5
#define RUNS_MOST           100000

typedef struct figures {
    double load_ms, first_ms, min_ms, median_ms, p10_ms, p90_ms, peak_rss_mb;
    size_t runs, n_taps;
    int threads;
} figures;

/* Taps are computed and handed over; nobody reads them. */
static int ignore(const tap_event *event, void *user) {
    (void)event;
    size_t *n = user;
    ++*n;
    return cli_interrupted() ? TAP_STOP : TAP_WANT;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n sorted numbers, interpolated between neighbours. */
static double quantile(const double *x, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? x[i] + (at - (double)i) * (x[i + 1] - x[i]) : x[i];
}

/* getrusage counts what the process held before it became this program, its parent's memory that is: Linux
 * tells better. */
static double peak_rss_mb(void) {
    struct rusage u;
    char line[256];
    double kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && kb < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %lf", &kb) != 1) kb = -1;
    if (f) fclose(f);
    getrusage(RUSAGE_SELF, &u);
    return (kb < 0 ? (double)u.ru_maxrss : kb) / 1024;
}

static tap_status time_run(tap_session *s, const cli_values *in, double *ms, tap_error *err) {
    double begin = cli_now_ms();
    tap_status status = tap_session_run(s, in->items, in->n, err);
    *ms = cli_now_ms() - begin;
    return status;
}

static tap_status measure(const cli_args *args, tap_session *s, const cli_values *in, figures *f,
                          tap_error *err) {
    double *ms = NULL, limit = (args->seconds > 0 ? args->seconds : SECONDS_UNLESS_TOLD) * 1e3, spent = 0;
    tap_status status = time_run(s, in, &f->first_ms, err);
    while (status == TAP_OK && (f->runs < RUNS_LEAST || spent < limit) && f->runs < RUNS_MOST &&
           !cli_interrupted()) {
        if ((f->runs & (f->runs + 1)) == 0) ms = cli_grow(ms, 2 * f->runs + 2, sizeof *ms);
        status = time_run(s, in, &ms[f->runs], err);
        spent += ms[f->runs++];
        /* The list of times of a model that takes a microsecond is larger than the model. */
        if (f->runs == RUNS_LEAST) f->peak_rss_mb = peak_rss_mb();
    }
    if (status == TAP_OK && f->runs == 0) status = cli_error(err, TAP_CANCELLED, "interrupted");
    if (status == TAP_OK) {
        qsort(ms, f->runs, sizeof *ms, by_size);
        f->min_ms = ms[0];
        f->median_ms = quantile(ms, f->runs, 0.5);
        f->p10_ms = quantile(ms, f->runs, 0.1);
        f->p90_ms = quantile(ms, f->runs, 0.9);
    }
    free(ms);
    return status;
}

static void print_figures(const cli_args *args, const figures *f, profile *p) {
    if (args->json) {
        tap_json *j = cli_json();
        tap_json_object(j, NULL);
        tap_json_double(j, "load_ms", f->load_ms);
        tap_json_double(j, "first_ms", f->first_ms);
        tap_json_double(j, "min_ms", f->min_ms);
        tap_json_double(j, "median_ms", f->median_ms);
        tap_json_double(j, "p10_ms", f->p10_ms);
        tap_json_double(j, "p90_ms", f->p90_ms);
        tap_json_uint(j, "runs", f->runs);
        tap_json_double(j, "peak_rss_mb", f->peak_rss_mb);
        tap_json_int(j, "threads", f->threads);
        tap_json_uint(j, "taps", f->n_taps);
        if (args->profile) profile_json(j, p);
        tap_json_free(j);
        return;
    }
    printf("load    %10.3f ms\nfirst   %10.3f ms\nmedian  %10.3f ms\np10     %10.3f ms\np90     %10.3f ms\n",
           f->load_ms, f->first_ms, f->median_ms, f->p10_ms, f->p90_ms);
    printf("runs    %10zu\npeak    %10.1f MB\nthreads %10d\n", f->runs, f->peak_rss_mb, f->threads);
    if (args->profile) profile_print(p);
}

/* Runs that are looked at come behind those that are timed: to look costs a little. */
static tap_status take_profile(const cli_args *args, tap_session *s, const cli_values *in, profile *p,
                               tap_error *err) {
    double limit = (args->seconds > 0 ? args->seconds : SECONDS_UNLESS_TOLD) * 1e3 / 3, begin = cli_now_ms(),
           ms;
    tap_status status = TAP_OK;
    tap_session_profile(s, true);
    do {
        status = time_run(s, in, &ms, err);
        if (status == TAP_OK) profile_add(p, s, ms);
    } while (status == TAP_OK && cli_now_ms() - begin < limit && !cli_interrupted());
    if (status == TAP_OK) status = tap_session_write_trace(s, args->profile, err);
    return status;
}

static tap_status prepare(const cli_args *args, tap_model *m, tap_session **s, cli_values *in, figures *f,
                          tap_error *err) {
    bool *picked = NULL;
    tap_status status = cli_open_session(args, m, s, err);
    if (status == TAP_OK) status = cli_set_taps(args, *s, m, false, &picked, err);
    for (size_t i = 0; status == TAP_OK && i < tap_model_value_count(m); i++) f->n_taps += picked[i];
    free(picked);
    if (status == TAP_OK) status = cli_load_inputs(args, m, true, in, err);
    return status;
}

static int bench(cli_args *args) {
    tap_model *m;
    tap_session *s = NULL;
    cli_values in = {.items = NULL};
    figures f = {.load_ms = 0};
    tap_error err = TAP_ERROR_INIT;
    size_t calls = 0;
    profile *p = profile_new();
    double begin = cli_now_ms();
    int status = cli_open_model(args, false, &m);
    if (status != 0) {
        profile_free(p);
        return status;
    }
    f.load_ms = cli_now_ms() - begin;
    tap_status result = prepare(args, m, &s, &in, &f, &err);
    if (result == TAP_OK) {
        cli_catch_interrupts(NULL, true);
        if (f.n_taps) tap_session_listen(s, ignore, &calls);
        result = measure(args, s, &in, &f, &err);
        tap_runtime_info info = {.size = sizeof info};
        tap_session_get_info(s, &info);
        f.threads = info.threads;
    }
    if (result == TAP_OK && args->profile) result = take_profile(args, s, &in, p, &err);
    if (result == TAP_OK)
        print_figures(args, &f, p);
    else
        status = cli_fail(args, &err);
    profile_free(p);
    cli_free_inputs(&in);
    tap_session_free(s);
    cli_close_model(m);
    return status;
}

static const cli_option time_options[] = {{"seconds", 0, CLI_NUMBER, "S", offsetof(cli_args, seconds),
                                           "how long to run again and again (3); 5 runs at least"},
                                          {"profile", 0, CLI_TEXT, "FILE", offsetof(cli_args, profile),
                                           "where the time goes, by operator and by node; FILE: a run as a\n"
                                           "trace for chrome://tracing or Perfetto"},
                                          {0}};
static const cli_group time_group = {"Time", time_options};
static const cli_group *const groups[] = {&time_group,    &cli_inputs, &cli_running,
                                          &cli_operators, &cli_common, NULL};

const cli_command cli_bench = {
    .name = "bench",
    .synopsis = "MODEL [-i INPUT]... [--tap SELECTOR]...",
    .about = "how long a model takes: load, first run, median, p10 and p90 of the others, memory\n"
             "Inputs that are not given are random. Taps go to a listener that reads nothing.",
    .example = "onnxtap bench model.onnx --threads 1 --seconds 5",
    .groups = groups,
    .run = bench};
