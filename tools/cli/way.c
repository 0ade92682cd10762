/* Parts of a run: values that --set gives on the way, where --stop-after ends, and what neither they nor
 * --partial let a run reach. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* ---- --stop-after ---- */

/* Taps the value, by its name, which no syntax of selectors comes before. */
static tap_status show(const tap_model *m, tap_session *s, size_t index, bool *picked, tap_error *err) {
    tap_value_info v = {.size = sizeof v};
    picked[index] = true;
    return tap_model_value(m, index, &v) ? tap_session_tap(s, v.name, NULL, err) : TAP_OK;
}

tap_status cli_stop_after(const cli_args *args, const tap_model *m, tap_session *s, bool *picked,
                          tap_error *err) {
    size_t *indices = NULL, n = 0;
    if (args->stops.n == 0) return TAP_OK;
    tap_status st = tap_model_select(m, args->stops.items, args->stops.n, &indices, &n, err);
    if (st == TAP_OK && n == 0)
        st = cli_error(err, TAP_NOT_FOUND, "--stop-after: what is picked is taken away again");
    if (st == TAP_OK) st = tap_session_stop_after(s, indices, n, err);
    for (size_t i = 0; st == TAP_OK && picked && i < n; i++) st = show(m, s, indices[i], picked, err);
    tap_free(indices);
    return st;
}

/* ---- --set: files ---- */

/* The value whose name and '=' text begins with, the longest such name. */
static size_t named(const tap_model *m, const char *text, const char **rest) {
    size_t found = SIZE_MAX, longest = 0;
    for (size_t i = 0; i < tap_model_value_count(m); i++) {
        tap_value_info v = {.size = sizeof v};
        if (!tap_model_value(m, i, &v)) continue;
        size_t n = strlen(v.name);
        if (n == 0 || strncmp(text, v.name, n) != 0 || text[n] != '=' || (found != SIZE_MAX && n <= longest))
            continue;
        found = i;
        longest = n;
        *rest = text + n + 1;
    }
    return found;
}

/* What the text in front of '=' names: a value, or by a selector one. */
static tap_status find_value(const tap_model *m, const char *text, size_t *index, const char **rest,
                             tap_error *err) {
    const char *equals = strchr(text, '=');
    *index = named(m, text, rest);
    if (*index != SIZE_MAX) return TAP_OK;
    if (!equals) return cli_error(err, TAP_USAGE, "--set %s: not of the form TENSOR=FILE", text);
    char *selector = cli_format("%.*s", (int)(equals - text), text);
    size_t *indices = NULL, n = 0;
    tap_status s = tap_model_select(m, (const char *const *)&selector, 1, &indices, &n, err);
    if (s == TAP_OK && n != 1)
        s = cli_error(err, TAP_USAGE, "--set %s: '%s' picks %zu values, and a file has one", text, selector,
                      n);
    if (s == TAP_OK) *index = indices[0];
    *rest = equals + 1;
    tap_free(indices);
    free(selector);
    return s;
}

/* FILE.npz without a key: the array of the value's name, where there is one. */
static tap_status load(const char *name, const char *path, const tap_load_options *o, tap_value **v,
                       tap_error *err) {
    size_t n = strlen(path);
    if (n < 4 || strcmp(path + n - 4, ".npz") != 0 || access(path, F_OK) != 0)
        return tap_value_load(path, o, v, err);
    tap_archive *a;
    tap_status s = tap_archive_open(path, &a, err);
    if (s != TAP_OK) return s;
    const char *key = tap_archive_find(a, name);
    s = key ? tap_archive_load(a, key, o, v, err) : tap_value_load(path, o, v, err);
    tap_archive_free(a);
    return s;
}

static tap_status load_set(const cli_args *args, const tap_model *m, const char *text, cli_sets *out,
                           tap_error *err) {
    const char *path = NULL;
    size_t k = out->n;
    tap_value_info v = {.size = sizeof v};
    tap_status s = find_value(m, text, &out->index[k], &path, err);
    if (s != TAP_OK) return s;
    for (size_t i = 0; i < k; i++)
        if (out->index[i] == out->index[k])
            return cli_error(err, TAP_USAGE, "--set %s: it is set twice", text);
    tap_model_value(m, out->index[k], &v);
    tap_load_options o = {.size = sizeof o,
                          .type = v.type->kind == TAP_KIND_NONE ? NULL : v.type,
                          .cast = args->cast,
                          .limit_bytes = args->memory_limit_bytes};
    s = load(v.name, path, &o, &out->values[k], err);
    if (s != TAP_OK) {
        char *told = cli_format("--set '%s': %s", v.name, err->text);
        snprintf(err->text, sizeof err->text, "%s", told);
        snprintf(err->tensor, sizeof err->tensor, "%s", v.name);
        free(told);
        return s;
    }
    out->axes[k] = -1;
    out->each[k] = 1;
    out->n++;
    return TAP_OK;
}

tap_status cli_load_sets(const cli_args *args, tap_model *m, cli_sets *out, tap_error *err) {
    size_t n = args->sets.n;
    *out = (cli_sets){.index = cli_alloc(n, sizeof *out->index),
                      .values = cli_alloc(n, sizeof *out->values),
                      .axes = cli_alloc(n, sizeof *out->axes),
                      .each = cli_alloc(n, sizeof *out->each)};
    tap_status s = TAP_OK;
    for (size_t i = 0; s == TAP_OK && i < n; i++) s = load_set(args, m, args->sets.items[i], out, err);
    return s;
}

void cli_free_sets(cli_sets *sets) {
    for (size_t i = 0; i < sets->n; i++) tap_value_release(sets->values[i]);
    free(sets->index);
    free(sets->values);
    free(sets->axes);
    free(sets->each);
    *sets = (cli_sets){.n = 0};
}

tap_status cli_set_whole(const cli_sets *sets, tap_session *s, tap_error *err) {
    tap_status st = TAP_OK;
    for (size_t i = 0; st == TAP_OK && i < sets->n; i++)
        st = tap_session_set(s, sets->index[i], sets->values[i], sets->axes[i], err);
    return st;
}

/* ---- --set: data sets ---- */

tap_status cli_sets_by_row(cli_sets *sets, const tap_model *m, const tap_dataset *d, const int *axes,
                           tap_error *err) {
    int64_t rows = tap_dataset_file_rows(d);
    for (size_t i = 0; i < sets->n; i++) {
        const tap_tensor *t = tap_value_tensor(sets->values[i]);
        int axis = axes[sets->index[i]];
        tap_value_info v = {.size = sizeof v};
        tap_model_value(m, sets->index[i], &v);
        /* Where nothing is known of the value: a file as long as the data set goes with it. */
        if (axis == TAP_BATCH_UNKNOWN && t && tap_tensor_rank(t) > 0 && tap_tensor_dims(t)[0] == rows)
            axis = 0;
        if (axis < 0 || !t || axis >= tap_tensor_rank(t)) continue;
        int64_t dim = tap_tensor_dims(t)[axis];
        if (rows == 0 || dim % rows != 0)
            return cli_error(err, TAP_DATA,
                             "--set '%s': its axis %d is the batch, and has %" PRId64
                             " places in the file, where the data set has %" PRId64 " rows",
                             v.name, axis, dim, rows);
        sets->axes[i] = axis;
        sets->each[i] = dim / rows;
    }
    return TAP_OK;
}

/* The batch's rows of t, along an axis that has `each` places a row. */
static tap_status take_rows(const tap_tensor *t, int axis, int64_t each, const tap_batch *batch,
                            tap_value **out, tap_error *err) {
    int64_t dims[TAP_RANK_MAX], before = 1;
    int rank = tap_tensor_rank(t);
    memcpy(dims, tap_tensor_dims(t), (size_t)rank * sizeof *dims);
    for (int i = 0; i < axis; i++) before *= dims[i];
    size_t all = before > 0 ? tap_tensor_bytes(t) / (size_t)before : 0,
           row = dims[axis] > 0 ? all / (size_t)(dims[axis] / each) : 0;
    dims[axis] = batch->n_rows * each;
    tap_status s = tap_value_new(tap_tensor_dtype(t), rank, dims, out, err);
    if (s != TAP_OK || tap_tensor_count(t) == 0) return s;
    char *to = tap_value_data(*out);
    for (int64_t b = 0; b < before; b++)
        for (int64_t i = 0; i < batch->n_rows; i++, to += row)
            memcpy(to, (const char *)tap_tensor_data(t) + (size_t)b * all + (size_t)batch->rows[i] * row,
                   row);
    return TAP_OK;
}

tap_status cli_set_batch(const cli_sets *sets, const tap_model *m, tap_session *s, const tap_batch *batch,
                         tap_error *err) {
    tap_status st = TAP_OK;
    for (size_t i = 0; st == TAP_OK && i < sets->n; i++) {
        tap_value *part = sets->values[i];
        tap_value_info v = {.size = sizeof v};
        tap_model_value(m, sets->index[i], &v);
        if (sets->axes[i] < 0)
            tap_value_retain(part);
        else
            st =
                take_rows(tap_value_tensor(sets->values[i]), sets->axes[i], sets->each[i], batch, &part, err);
        if (st == TAP_OK) st = tap_session_set(s, sets->index[i], part, sets->axes[i], err);
        tap_value_release(part);
    }
    return st;
}

/* ---- What is not reached ---- */

bool cli_is_unneeded(const tap_model *m, tap_session *s, const char *input) {
    bool reaches = true;
    for (size_t i = 0; s && i < tap_model_value_count(m); i++) {
        tap_value_info v = {.size = sizeof v};
        if (!tap_model_value(m, i, &v) || !v.is_input || strcmp(v.name, input) != 0) continue;
        tap_session_reaches(s, i, &reaches, NULL, NULL);
        return !reaches;
    }
    return false;
}

/* Calls `see` for each output and picked value that a run does not have. */
typedef void unreached_fn(void *user, const tap_value_info *v, const char *blocker);

static size_t each_unreached(const tap_model *m, tap_session *s, const bool *picked, unreached_fn *see,
                             void *user) {
    size_t n = 0;
    for (size_t i = 0; i < tap_model_value_count(m); i++) {
        tap_value_info v = {.size = sizeof v};
        const char *blocker = NULL;
        bool reaches = true;
        if (!tap_model_value(m, i, &v) || !(v.is_output || (picked && picked[i]))) continue;
        if (tap_session_reaches(s, i, &reaches, &blocker, NULL) != TAP_OK || reaches) continue;
        see(user, &v, blocker);
        n++;
    }
    return n;
}

/* Whether --set or --stop-after or --partial is there. */
static bool is_part(const cli_args *args) {
    return args->sets.n || args->stops.n || args->partial;
}

/* Outputs one by one; of taps the first few. */
typedef struct teller {
    size_t n_taps;
    char taps[1000];
} teller;

static void tell_one(void *user, const tap_value_info *v, const char *blocker) {
    teller *t = user;
    if (v->is_output && blocker)
        printf("output '%s' is not reached: it needs node '%s', which is not supported\n", v->name, blocker);
    else if (v->is_output)
        printf("output '%s' is not reached: the run ends before it\n", v->name);
    else if (t->n_taps++ < 3)
        cli_append(t->taps, sizeof t->taps, "%s'%s'", t->n_taps > 1 ? ", " : "", v->name);
}

static void tell_taps(const teller *t) {
    if (t->n_taps == 1) printf("tap %s is not reached\n", t->taps);
    if (t->n_taps > 1)
        printf("%zu taps are not reached: %s%s\n", t->n_taps, t->taps, t->n_taps > 3 ? ", ..." : "");
}

/* Whether all that the node gives is set. */
static bool is_fed(const tap_model *m, tap_session *s, const tap_node_info *n) {
    for (size_t k = 0; k < n->n_outputs; k++)
        for (size_t i = 0; *n->outputs[k] && i < tap_model_value_count(m); i++) {
            tap_value_info v = {.size = sizeof v};
            const char *blocker = NULL;
            bool reaches;
            if (!tap_model_value(m, i, &v) || strcmp(v.name, n->outputs[k]) != 0) continue;
            tap_session_reaches(s, i, &reaches, &blocker, NULL);
            if (blocker) return false;
        }
    return true;
}

/* Type of the value of that name, as far as the file tells. */
static void type_of(const tap_model *m, const char *name, char *out, size_t room) {
    out[0] = '\0';
    for (size_t i = 0; i < tap_model_value_count(m); i++) {
        tap_value_info v = {.size = sizeof v};
        if (tap_model_value(m, i, &v) && strcmp(v.name, name) == 0 && v.type->kind != TAP_KIND_NONE)
            cli_type_text(v.type, NULL, out, room);
    }
}

static void tell_unsupported(const tap_model *m, tap_session *s) {
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info n = {.size = sizeof n};
        char list[1500] = "";
        if (!tap_model_node(m, i, &n) || !n.unsupported || is_fed(m, s, &n)) continue;
        for (size_t k = 0; k < n.n_outputs; k++) {
            char type[256];
            if (!*n.outputs[k]) continue;
            type_of(m, n.outputs[k], type, sizeof type);
            cli_append(list, sizeof list, " --set '%s=FILE'%s%s%s", n.outputs[k], *type ? " (" : "", type,
                       *type ? ")" : "");
        }
        printf("node '%s' (%s%s%s) does not run: %s; to feed what it gives:%s\n", n.address, n.domain,
               *n.domain ? "." : "", n.op, n.unsupported, list);
    }
}

void cli_tell_unreached(const cli_args *args, const tap_model *m, tap_session *s, const bool *picked) {
    if (!is_part(args)) return;
    teller t = {.n_taps = 0};
    each_unreached(m, s, picked, tell_one, &t);
    tell_taps(&t);
    if (args->partial) tell_unsupported(m, s);
}

static void json_one(void *user, const tap_value_info *v, const char *blocker) {
    tap_json *j = user;
    tap_json_object(j, NULL);
    tap_json_string(j, "name", v->name);
    tap_json_bool(j, "output", v->is_output);
    tap_json_string(j, "reason", blocker ? "unsupported" : "not needed");
    tap_json_string(j, "node", blocker);
    tap_json_end(j);
}

void cli_json_unreached(const cli_args *args, const tap_model *m, tap_session *s, const bool *picked,
                        tap_json *j) {
    if (!is_part(args)) return;
    tap_json_array(j, "unreached");
    each_unreached(m, s, picked, json_one, j);
    tap_json_end(j);
    if (!args->partial) return;
    tap_json_array(j, "unsupported");
    for (size_t i = 0; i < tap_model_node_count(m); i++) {
        tap_node_info n = {.size = sizeof n};
        if (!tap_model_node(m, i, &n) || !n.unsupported) continue;
        tap_json_object(j, NULL);
        tap_json_string(j, "node", n.address);
        tap_json_string(j, "domain", *n.domain ? n.domain : "ai.onnx");
        tap_json_string(j, "op", n.op);
        tap_json_string(j, "reason", n.unsupported);
        tap_json_bool(j, "fed", is_fed(m, s, &n));
        tap_json_array(j, "outputs");
        for (size_t k = 0; k < n.n_outputs; k++) tap_json_string(j, NULL, n.outputs[k]);
        tap_json_end(j);
        tap_json_end(j);
    }
    tap_json_end(j);
}
