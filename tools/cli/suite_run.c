/* One test: its data sets run and compared, what is random by shape alone. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "suite.h"

/* ---- What is random ---- */

typedef struct names {
    const char **items;
    size_t n;
} names;

static bool has(const names *s, const char *name) {
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->items[i], name) == 0) return true;
    return false;
}

static void put(names *s, const char *const *added, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!*added[i] || has(s, added[i])) continue;
        s->items = cli_grow(s->items, s->n + 1, sizeof *s->items);
        s->items[s->n++] = added[i];
    }
}

static bool is_one_of(const char *op, const char *const *list) {
    for (; *list; list++)
        if (strcmp(op, *list) == 0) return true;
    return false;
}

static bool is_true(const tap_value *v) {
    const tap_tensor *t = tap_value_tensor(v);
    return t && tap_tensor_dtype(t) == TAP_BOOL && tap_tensor_count(t) == 1 &&
           *(const uint8_t *)tap_tensor_data(t) != 0;
}

/* Dropout draws numbers only where its third input says so: an input of the model, or a value that was
 * tapped. */
static bool is_training(const tap_session *s, const cli_values *in, const tap_node_info *node) {
    if (strcmp(node->op, "Dropout") != 0 || node->n_inputs < 3 || !*node->inputs[2]) return false;
    for (size_t i = 0; i < in->n; i++)
        if (strcmp(in->items[i].name, node->inputs[2]) == 0) return is_true(in->items[i].value);
    const tap_value *v = tap_session_value(s, node->inputs[2]);
    return !v || is_true(v);
}

/* Values that come from random numbers, in whatever way but by their shape; those of bodies are their node's.
 */
static names find_random(const tap_model *m, const tap_session *s, const cli_values *in) {
    static const char *const draws[] = {
        "Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial",
        NULL};
    static const char *const shape[] = {"Shape", "Size", NULL};
    names random = {NULL, 0};
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info node = {.size = sizeof node};
        if (!tap_model_node(m, i, &node)) continue;
        bool is_random = is_one_of(node.op, draws) || is_training(s, in, &node);
        for (size_t k = 0; k < node.n_inputs && !is_random && !is_one_of(node.op, shape); k++)
            is_random = has(&random, node.inputs[k]);
        if (!is_random) continue;
        put(&random, node.outputs, node.n_outputs);
        for (size_t k = i, depth = (size_t)node.depth; k > 0 && depth > 0; k--) {
            tap_node_info outer = {.size = sizeof outer};
            if (!tap_model_node(m, k - 1, &outer) || (size_t)outer.depth >= depth) continue;
            depth = (size_t)outer.depth;
            put(&random, outer.outputs, outer.n_outputs);
        }
    }
    return random;
}

static void tap_training_modes(const tap_model *m, tap_session *s) {
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info node = {.size = sizeof node};
        if (tap_model_node(m, i, &node) && strcmp(node.op, "Dropout") == 0 && node.n_inputs > 2 &&
            *node.inputs[2])
            tap_session_tap(s, node.inputs[2], NULL, NULL);
    }
}

/* ---- Data ---- */

static char *data_path(const char *set, const char *what, size_t i) {
    return cli_format("%s/%s_%zu.pb", set, what, i);
}

static size_t count_files(const char *set, const char *what) {
    for (size_t n = 0;; n++) {
        char *path = data_path(set, what, n);
        bool is_there = access(path, F_OK) == 0;
        free(path);
        if (!is_there) return n;
    }
}

/* The value of a data file, of the kind that type tells. */
static tap_status load_file(const cli_args *args, const char *set, const char *what, size_t i,
                            const tap_type *type, tap_value **v, tap_error *err) {
    tap_load_options o = {.size = sizeof o, .type = type, .limit_bytes = args->memory_limit_bytes};
    char *path = data_path(set, what, i);
    tap_status s = tap_value_load(path, &o, v, err);
    free(path);
    return s;
}

/* The same, of any dtype: that it is another than the model's is for the comparison to say. */
static tap_status load_expected(const cli_args *args, const char *set, size_t i, const tap_type *type,
                                tap_value **v, tap_error *err) {
    tap_type any = *type, elem;
    if (any.kind == TAP_KIND_TENSOR) any.dtype = TAP_UNDEFINED;
    if (any.kind == TAP_KIND_OPTIONAL && any.elem && any.elem->kind == TAP_KIND_TENSOR) {
        elem = *any.elem;
        elem.dtype = TAP_UNDEFINED;
        any.elem = &elem;
    }
    return load_file(args, set, "output", i, &any, v, err);
}

/* File i is for the i-th input that has no default, or, where there are more files than those, for the i-th
 * of all. */
static const tap_port *port_of_file(const tap_model *m, size_t i, size_t n_files) {
    size_t required = 0;
    for (size_t k = 0; k < tap_model_input_count(m); k++) required += !tap_model_input(m, k)->has_default;
    if (n_files > required) return tap_model_input(m, i);
    for (size_t k = 0; k < tap_model_input_count(m); k++) {
        const tap_port *p = tap_model_input(m, k);
        if (!p->has_default && i-- == 0) return p;
    }
    return NULL;
}

static tap_status load_inputs(const cli_args *args, const tap_model *m, const char *set, cli_values *in,
                              tap_error *err) {
    size_t n = count_files(set, "input");
    *in = (cli_values){.items = cli_alloc(n, sizeof *in->items)};
    for (size_t i = 0; i < n; i++) {
        const tap_port *p = port_of_file(m, i, n);
        tap_value *v;
        if (!p)
            return cli_error(err, TAP_DATA, "%s: %zu input files, the model has %zu inputs", set, n,
                             tap_model_input_count(m));
        tap_status s = load_file(args, set, "input", i, p->type, &v, err);
        if (s != TAP_OK) return s;
        in->items[in->n++] = (tap_input){p->name, v};
    }
    return TAP_OK;
}

static tap_status compare_output(const cli_args *args, const char *set, size_t i, const tap_session *s,
                                 const tap_port *p, const tolerance *tol, char *why, size_t room) {
    tap_value *want;
    tap_error err = TAP_ERROR_INIT;
    tap_status status = load_expected(args, set, i, p->type, &want, &err);
    if (status != TAP_OK) {
        cli_append(why, room, "%s", err.text);
        return status;
    }
    bool same = compare_values(p->name, tap_session_output(s, i), want, tol, why, room);
    tap_value_release(want);
    return same ? TAP_OK : TAP_DATA;
}

static tap_status compare_outputs(const cli_args *args, const char *set, const tap_model *m,
                                  const tap_session *s, const cli_values *in, const tolerance *tol, char *why,
                                  size_t room) {
    size_t n = count_files(set, "output");
    tap_status status = TAP_OK;
    if (n == 0 || n != tap_model_output_count(m)) {
        cli_append(why, room, "%s: %zu output files, the model has %zu outputs", set, n,
                   tap_model_output_count(m));
        return TAP_DATA;
    }
    names random = find_random(m, s, in);
    for (size_t i = 0; i < n && status == TAP_OK; i++) {
        const tap_port *p = tap_model_output(m, i);
        tolerance t = *tol;
        t.shape_only = has(&random, p->name);
        status = compare_output(args, set, i, s, p, &t, why, room);
    }
    free(random.items);
    return status;
}

static tap_status run_set(const cli_args *args, const char *set, const tap_model *m, tap_session *s,
                          const tolerance *tol, char *why, size_t room) {
    cli_values in;
    tap_error err = TAP_ERROR_INIT;
    tap_status status = load_inputs(args, m, set, &in, &err);
    if (status == TAP_OK) status = tap_session_run(s, in.items, in.n, &err);
    if (status == TAP_OK)
        status = compare_outputs(args, set, m, s, &in, tol, why, room);
    else
        cli_append(why, room, "%s", err.text);
    cli_free_inputs(&in);
    return status;
}

/* ---- A folder ---- */

static void read_tolerance(const char *folder, tolerance *tol) {
    char text[4096], *path = cli_format("%s/data.json", folder);
    tap_json_value *v;
    FILE *f = fopen(path, "rb");
    free(path);
    if (!f) return;
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    if (tap_json_parse(text, n, &v, NULL) != TAP_OK) return;
    tol->rtol = tap_json_number(tap_json_get(v, "rtol"), tol->rtol);
    tol->atol = tap_json_number(tap_json_get(v, "atol"), tol->atol);
    tap_json_value_free(v);
}

static tap_status run_sets(const cli_args *args, const char *folder, const tap_model *m, tap_session *s,
                           char *why, size_t room) {
    tolerance tol = {1e-3, 1e-7, false};
    tap_status status = TAP_OK;
    DIR *d = opendir(folder);
    read_tolerance(folder, &tol);
    tap_training_modes(m, s);
    for (struct dirent *e; d && status == TAP_OK && (e = readdir(d));) {
        if (strncmp(e->d_name, "test_data_set_", 14) != 0) continue;
        char *set = cli_format("%s/%s", folder, e->d_name);
        status = run_set(args, set, m, s, &tol, why, room);
        free(set);
    }
    if (d) closedir(d);
    return status;
}

tap_status suite_run_one(const cli_args *args, const char *folder, char *why, size_t room) {
    tap_model *m = NULL;
    tap_session *s = NULL;
    tap_error err = TAP_ERROR_INIT;
    tap_model_options o;
    cli_args one = *args;
    if (one.threads == 0) one.threads = 1;
    char *path = suite_model(folder);
    why[0] = '\0';
    tap_status status = cli_model_options(args, &o, &err);
    if (status == TAP_OK)
        status = path ? tap_model_open(path, &o, &m, &err)
                      : cli_error(&err, TAP_IO, "%s: several .onnx files, and none is model.onnx", folder);
    free(path);
    if (status == TAP_OK) status = cli_open_session(&one, m, &s, &err);
    if (status == TAP_OK)
        status = run_sets(&one, folder, m, s, why, room);
    else
        cli_append(why, room, "%s", err.text);
    tap_session_free(s);
    tap_model_free(m);
    return status;
}
