/* onnxtap diff: where a model and a reference part, and why. */
#include <math.h>
#include <onnxtap/diff.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diff_report.h"

typedef struct job {
    cli_args *args;
    tap_model *model, *other;
    tap_reference *reference;
    cli_values inputs, other_inputs;
    tap_diff_limit *limits;
    tap_diff_options options;
} job;

/* ---- limits ---- */

/* "R" or "GLOB=R" */
static bool parse_limit(cli_args *args, const char *option, const char *text, tap_diff_limit *l,
                        double *number) {
    const char *eq = strrchr(text, '=');
    char *end;
    *l = (tap_diff_limit){NULL, NAN, NAN};
    *number = strtod(eq ? eq + 1 : text, &end);
    if (*end || end == text || !(*number >= 0)) {
        cli_wrong(args, "--%s %s: not of the form R or GLOB=R", option, text);
        return false;
    }
    if (eq) {
        char *glob = cli_alloc((size_t)(eq - text) + 1, 1);
        memcpy(glob, text, (size_t)(eq - text));
        l->glob = glob;
    }
    return true;
}

static void read_limits(job *b) {
    const text_list *r = &b->args->rtol, *a = &b->args->atol;
    double x;
    b->limits = cli_alloc(r->n + a->n + 1, sizeof *b->limits);
    for (size_t i = 0; i < r->n; i++) {
        tap_diff_limit *l = &b->limits[b->options.n_limits];
        if (parse_limit(b->args, "rtol", r->items[i], l, &x)) l->rtol = x, b->options.n_limits++;
    }
    for (size_t i = 0; i < a->n; i++) {
        tap_diff_limit *l = &b->limits[b->options.n_limits];
        if (parse_limit(b->args, "atol", a->items[i], l, &x)) l->atol = x, b->options.n_limits++;
    }
    b->options.limits = b->limits;
}

static void read_options(job *b) {
    cli_args *a = b->args;
    b->options.size = sizeof b->options;
    if (a->tolerance && !tap_tolerance_from_name(a->tolerance, &b->options.tolerance))
        cli_wrong(a, "--tol %s: there are numpy, onnx and polygraphy", a->tolerance);
    b->options.by_tolerance = a->no_oracle || (a->tolerance && !a->oracle);
    b->options.no_why = a->no_why;
    b->options.map = a->map;
    b->options.selectors = a->taps.items;
    b->options.n_selectors = a->taps.n;
    b->options.threads = a->threads > 1024 ? 1024 : (int)a->threads;
    read_limits(b);
}

/* ---- reference ---- */

static bool is_model(const char *path) {
    size_t n = strlen(path);
    return n > 5 && (strcmp(path + n - 5, ".onnx") == 0 || (n > 3 && strcmp(path + n - 4, ".ort") == 0));
}

/* An input that the reference has, where -i says nothing. */
static tap_status borrow_input(void *user, size_t i, tap_value **v, tap_error *err) {
    job *b = user;
    size_t at = b->reference ? tap_reference_input(b->reference, b->model, i) : SIZE_MAX;
    return at == SIZE_MAX ? TAP_OK : tap_reference_load(b->reference, at, v, err);
}

/* numpy.transpose of a tensor of numbers. */
static tap_status transpose(const tap_value *v, const int *perm, tap_value **out, tap_error *err) {
    const tap_tensor *t = tap_value_tensor(v);
    int rank = tap_tensor_rank(t);
    int64_t dims[TAP_RANK_MAX], step[TAP_RANK_MAX], at[TAP_RANK_MAX] = {0};
    size_t each = tap_dtype_bytes(tap_tensor_dtype(t));
    for (int i = 0; i < rank; i++) {
        dims[i] = tap_tensor_dims(t)[perm[i]];
        step[i] = 1;
        for (int k = perm[i] + 1; k < rank; k++) step[i] *= tap_tensor_dims(t)[k];
    }
    tap_status s = tap_value_new(tap_tensor_dtype(t), rank, dims, out, err);
    if (s != TAP_OK) return s;
    char *y = tap_value_data(*out);
    const char *x = tap_tensor_data(t);
    for (int64_t n = 0; n < tap_tensor_count(t); n++) {
        int64_t from = 0;
        for (int i = 0; i < rank; i++) from += at[i] * step[i];
        memcpy(y + (size_t)n * each, x + (size_t)from * each, each);
        for (int i = rank - 1; i >= 0 && ++at[i] == dims[i]; i--) at[i] = 0;
    }
    return TAP_OK;
}

/* The same data for another model's input: as it is, or with its channels moved where the shape asks for
 * that. */
static tap_status fit_input(const tap_value *v, const tap_port *port, tap_value **out, tap_error *err) {
    const tap_tensor *t = tap_value_tensor(v);
    const tap_type *type = port->type;
    bool fits = !t || type->rank != tap_tensor_rank(t) || tap_tensor_dtype(t) == TAP_STRING;
    int rank = t ? tap_tensor_rank(t) : 0, to_last[TAP_RANK_MAX], to_first[TAP_RANK_MAX];
    *out = NULL;
    for (int way = 0; !fits && way < 3 && rank >= 3; way++) {
        to_last[0] = to_first[0] = 0;
        for (int i = 1; i < rank; i++) {
            to_last[i] = i < rank - 1 ? i + 1 : 1;
            to_first[i] = i == 1 ? rank - 1 : i - 1;
        }
        const int *perm = way == 1 ? to_last : to_first;
        fits = true;
        for (int i = 0; i < rank; i++) {
            int64_t dim = tap_tensor_dims(t)[way == 0 ? i : perm[i]];
            if (type->dims[i] >= 0 && type->dims[i] != dim) fits = false;
        }
        if (fits && way > 0) return transpose(v, perm, out, err);
    }
    return tap_value_copy(v, out, err);
}

/* Inputs of the other model: by name, else by position. */
static tap_status share_inputs(job *b, tap_error *err) {
    size_t n = tap_model_input_count(b->other);
    tap_status s = TAP_OK;
    b->other_inputs = (cli_values){.items = cli_alloc(n + 1, sizeof(tap_input)), .model = b->other};
    for (size_t i = 0; s == TAP_OK && i < n; i++) {
        const tap_port *port = tap_model_input(b->other, i);
        size_t at = SIZE_MAX;
        for (size_t k = 0; k < b->inputs.n; k++)
            if (strcmp(b->inputs.items[k].name, port->name) == 0) at = k;
        for (size_t k = 0; at == SIZE_MAX && k < b->inputs.n && n == tap_model_input_count(b->model); k++)
            if (strcmp(b->inputs.items[k].name, tap_model_input(b->model, i)->name) == 0) at = k;
        if (at == SIZE_MAX) continue;
        tap_value *v = NULL;
        s = fit_input(b->inputs.items[at].value, port, &v, err);
        if (v) b->other_inputs.items[b->other_inputs.n++] = (tap_input){port->name, v};
    }
    return s;
}

static tap_status open_reference(job *b, const char *path, tap_error *err) {
    if (!is_model(path)) return tap_reference_open(path, b->model, &b->reference, err);
    tap_model_options o;
    tap_status s = cli_model_options(b->args, &o, err);
    o.layer_list = NULL; /* the model's, not the reference's */
    return s == TAP_OK ? tap_model_open(path, &o, &b->other, err) : s;
}

static tap_status load(job *b, tap_error *err) {
    tap_status s = cli_load_inputs_or(b->args, b->model, borrow_input, b, &b->inputs, err);
    if (s != TAP_OK || !b->other) return s;
    s = share_inputs(b, err);
    return s == TAP_OK ? tap_reference_run(b->other, b->other_inputs.items, b->other_inputs.n,
                                           b->options.threads, &b->reference, err)
                       : s;
}

static void clear(job *b) {
    cli_free_inputs(&b->inputs);
    cli_free_inputs(&b->other_inputs);
    tap_reference_free(b->reference);
    tap_model_free(b->other);
    cli_close_model(b->model);
    for (size_t i = 0; i < b->options.n_limits; i++) free((char *)(uintptr_t)b->limits[i].glob);
    free(b->limits);
}

static int stop(const tap_diff_pair *pair, void *user) {
    (void)pair;
    (void)user;
    return cli_interrupted();
}

static int compare(job *b, const char *path) {
    tap_error err = TAP_ERROR_INIT;
    tap_diff *d = NULL;
    tap_status s = load(b, &err);
    cli_catch_interrupts(NULL, true);
    b->options.show = stop;
    if (s == TAP_OK)
        s = tap_diff_run(b->model, b->inputs.items, b->inputs.n, b->reference, &b->options, &d, &err);
    cli_catch_interrupts(NULL, false);
    if (s != TAP_OK) return cli_fail(b->args, &err);
    int status = diff_report(b->args, d, &b->options, path);
    tap_diff_free(d);
    return status;
}

static int run(cli_args *args) {
    job b = {.args = args};
    const char *path = args->words.n > 1 ? args->words.items[1] : NULL;
    tap_error err = TAP_ERROR_INIT;
    if (!path) cli_wrong(args, "what to compare with? onnxtap diff MODEL REFERENCE");
    read_options(&b);
    int status = cli_open_model(args, false, &b.model);
    if (status != 0) b.model = NULL;
    if (status == 0 && open_reference(&b, path, &err) != TAP_OK)
        status = cli_fail(args, &err);
    else if (status == 0)
        status = compare(&b, path);
    clear(&b);
    return status;
}

static const cli_option comparing[] = {
    {"map", 0, CLI_TEXT, "FILE", offsetof(cli_args, map),
     "pairs: lines \"reference tensor [perm]\", or JSON {\"reference\": \"tensor\"}"},
    {"tol", 0, CLI_TEXT, "PROFILE", offsetof(cli_args, tolerance),
     "let a tolerance decide: numpy (rtol 1e-5, atol 1e-8), onnx (1e-3, 1e-7),\n"
     "polygraphy (1e-5, 1e-5; the larger of both bounds)"},
    {"rtol", 0, CLI_LIST, "[GLOB=]R", offsetof(cli_args, rtol), "differences that are accepted: relative"},
    {"atol", 0, CLI_LIST, "[GLOB=]A", offsetof(cli_args, atol),
     "and absolute; for values or layers that GLOB fits"},
    {"oracle", 0, CLI_FLAG, NULL, offsetof(cli_args, oracle),
     "let the same graph in double precision decide, also with --tol (the default without)"},
    {"no-oracle", 0, CLI_FLAG, NULL, offsetof(cli_args, no_oracle), "let the tolerance decide"},
    {"no-why", 0, CLI_FLAG, NULL, offsetof(cli_args, no_why), "do not look for the reason"},
    {"all", 0, CLI_FLAG, NULL, offsetof(cli_args, all), "list every pair, not only those that differ"},
    {"csv", 0, CLI_TEXT, "FILE", offsetof(cli_args, csv), "write a line per pair"},
    {0}};
static const cli_group comparing_group = {"Comparing", comparing};
static const cli_group *const groups[] = {&cli_inputs,    &comparing_group, &cli_running,
                                          &cli_operators, &cli_common,      NULL};

const cli_command cli_diff = {
    "diff",
    "MODEL REFERENCE [-i INPUT]...",
    "the first layer in which a model and a reference differ, and why\n"
    "REFERENCE: an .npz or a folder of .npy and .pb files, named by tensors or layers; a test data set;\n"
    "another model. Inputs that -i does not give are taken from the reference.",
    "onnxtap diff model.onnx keras.npz -i inputs.npz",
    groups,
    run,
    .words = 2};
