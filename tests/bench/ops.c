/* Speed of operators, beside that of memory measured next to each: models of one node, made from the lines of
 * ops_cases.c, through the public library.
 *
 *     bench_ops [--threads 1,2] [--seconds 0.2] [--json] [--list] [WORD...]
 *     bench_ops --case 'Transpose perm=[1,0] | float32 1000x1000'
 *     bench_ops --write FOLDER           the cases, or that of --case, as models, case_N.onnx, for other
 * programs
 *
 * WORD: only cases whose line contains it, or whose family it is. A row has the time of one run; GB/s of what
 * is read and written, or GFLOPS; and how many per cent that is of what memory gives (or the cache that it
 * fits into): what is written at the speed of a copy, what is only read at that of reading; or, where
 * elements are picked at random, of a plain loop that does that. Each figure is the best of many runs, since
 * other programs disturb. ONNXTAP_ISA chooses the instruction set. */
#include "ops_cases.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "node_text.h"

enum { COUNTS_MAX = 8 };

typedef struct options {
    int threads[COUNTS_MAX], n_threads;
    double seconds;
    bool json, list;
    const char *folder, *line;
    char **words;
    int n_words;
} options;

typedef struct result {
    double seconds, rate, share; /* rate: GB/s or GFLOPS; share: of memory's speed; 0: of no meaning */
} result;

static double value_bytes(const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    return t ? (double)tap_tensor_bytes(t) : 0;
}

/* The best of at least three runs, in about `limit` seconds; < 0: it failed. */
static double best_run(tap_session *s, const node_case *c, double limit, tap_error *err) {
    double best = 1e9, end = now_seconds() + limit;
    if (tap_session_run(s, c->inputs, c->n_inputs, err)) return -1;
    for (int i = 0; i < 3 || now_seconds() < end; i++) {
        double start = now_seconds();
        if (tap_session_run(s, c->inputs, c->n_inputs, err)) return -1;
        double took = now_seconds() - start;
        if (took < best) best = took;
    }
    return best;
}

/* Bytes that were read, and written. */
static void traffic(const tap_model *m, const tap_session *s, const node_case *c, double measure, double *in,
                    double *out) {
    *in = *out = 0;
    for (size_t i = 0; i < c->n_inputs; i++) *in += value_bytes(c->inputs[i].value);
    for (size_t i = 0; i < tap_model_output_count(m); i++) *out += value_bytes(tap_session_output(s, i));
    if (measure < 0) *in = *out;
}

/* Seconds at memory's speed. */
static double copy_ideal(double in, double out, int threads, double limit) {
    memory_speed memory = memory_measure((size_t)(in + out), threads, limit);
    double ideal = out < in ? 2 * out / memory.copy + (in - out) / memory.read : 2 * out / memory.copy;
    return ideal * 1e-9;
}

/* Seconds of a plain loop that picks output 0 out of input 0. */
static double picks_ideal(const tap_session *s, const node_case *c, int threads, double limit) {
    const tap_tensor *x = tap_value_tensor(c->inputs[0].value),
                     *y = tap_value_tensor(tap_session_output(s, 0));
    size_t n = (size_t)tap_tensor_count(y);
    return memory_picks(tap_tensor_bytes(x), tap_tensor_bytes(y) / n, n, threads, limit);
}

static bool measure(tap_model *m, const node_case *c, double kind, int threads, double limit, result *r,
                    tap_error *err) {
    tap_session_options so = {.size = sizeof so, .threads = threads};
    tap_session *s;
    if (tap_session_new(m, &so, &s, err)) return false;
    r->seconds = best_run(s, c, limit, err);
    if (r->seconds > 0) {
        double in, out;
        traffic(m, s, c, kind, &in, &out);
        r->rate = (kind > 0 ? kind : in + out) / r->seconds * 1e-9;
        r->share = kind > 0            ? 0
                   : kind == OPS_PICKS ? picks_ideal(s, c, threads, limit / 2) / r->seconds
                                       : copy_ideal(in, out, threads, limit / 2) / r->seconds;
    }
    tap_session_free(s);
    return r->seconds > 0;
}

static void print_row(const options *o, const ops_case *k, const result *r) {
    const char *unit = k->measure > 0 ? "GFLOPS" : "GB/s";
    if (o->json) {
        printf("{\"family\": \"%s\", \"case\": \"%s\", \"unit\": \"%s\", \"results\": [", k->family, k->line,
               unit);
        for (int t = 0; t < o->n_threads; t++)
            printf("%s{\"threads\": %d, \"us\": %.3f, \"rate\": %.4f, \"share\": %.4f}", t ? ", " : "",
                   o->threads[t], r[t].seconds * 1e6, r[t].rate, r[t].share);
        printf("]}\n");
    } else {
        for (int t = 0; t < o->n_threads; t++) {
            printf("%10.1f us %7.2f %-6s", r[t].seconds * 1e6, r[t].rate, unit);
            if (r[t].share > 0)
                printf(" %4.0f%%", 100 * r[t].share);
            else
                printf("     -");
        }
        printf("  %s\n", k->line);
    }
    fflush(stdout);
}

static bool run_case(const options *o, const ops_case *k) {
    node_case c;
    tap_model *m = NULL;
    tap_error err = TAP_ERROR_INIT;
    result r[COUNTS_MAX];
    if (!node_case_from_text(k->line, &c)) return false;
    bool fine = tap_model_open_memory(c.model, c.n_model, NULL, &m, &err) == TAP_OK;
    for (int t = 0; fine && t < o->n_threads; t++)
        fine = measure(m, &c, k->measure, o->threads[t], o->seconds, &r[t], &err);
    if (fine)
        print_row(o, k, r);
    else
        fprintf(stderr, "%s\n    %s\n", k->line, err.text);
    tap_model_free(m);
    node_case_free(&c);
    return fine;
}

static bool write_case(const options *o, size_t number, const ops_case *k) {
    char path[4096];
    node_case c;
    if (!node_case_from_text(k->line, &c)) return false;
    snprintf(path, sizeof path, "%s/case_%zu.onnx", o->folder, number);
    FILE *f = fopen(path, "wb");
    bool fine = f && fwrite(c.model, 1, c.n_model, f) == c.n_model;
    if (f && fclose(f)) fine = false;
    if (!fine) perror(path);
    node_case_free(&c);
    return fine;
}

static bool wanted(const options *o, const ops_case *k) {
    for (int i = 0; i < o->n_words; i++)
        if (strcmp(o->words[i], k->family) == 0 || strstr(k->line, o->words[i])) return true;
    return o->n_words == 0;
}

static void one_case(const options *o, size_t number, const ops_case *k, int *failed) {
    if (o->list)
        printf("%zu %s: %s\n", number, k->family, k->line);
    else if (!(o->folder ? write_case(o, number, k) : run_case(o, k)))
        ++*failed;
}

static void read_threads(options *o, char *text) {
    o->n_threads = 0;
    for (char *s = strtok(text, ","); s && o->n_threads < COUNTS_MAX; s = strtok(NULL, ","))
        o->threads[o->n_threads++] = (int)strtol(s, NULL, 10);
}

int main(int argc, char **argv) {
    options o = {.threads = {1, 2}, .n_threads = 2, .seconds = 0.2};
    int i = 1, failed = 0;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--json") == 0)
            o.json = true;
        else if (strcmp(argv[i], "--list") == 0)
            o.list = true;
        else if (more && strcmp(argv[i], "--threads") == 0)
            read_threads(&o, argv[++i]);
        else if (more && strcmp(argv[i], "--seconds") == 0)
            o.seconds = strtod(argv[++i], NULL);
        else if (more && strcmp(argv[i], "--write") == 0)
            o.folder = argv[++i];
        else if (more && strcmp(argv[i], "--case") == 0)
            o.line = argv[++i];
        else {
            fprintf(stderr, "unknown or unfinished option: %s\n", argv[i]);
            return 2;
        }
    }
    o.words = argv + i;
    o.n_words = argc - i;
    if (o.line) {
        const ops_case k = {"own", o.line, OPS_ALL};
        one_case(&o, 0, &k, &failed);
        return failed ? 5 : 0;
    }
    for (size_t n = 0; n < n_ops_cases; n++) {
        if (!wanted(&o, &ops_cases[n])) continue;
        if (!o.json && !o.list && (n == 0 || strcmp(ops_cases[n - 1].family, ops_cases[n].family) != 0))
            printf("%s\n", ops_cases[n].family);
        one_case(&o, n, &ops_cases[n], &failed);
    }
    return failed ? 5 : 0;
}
