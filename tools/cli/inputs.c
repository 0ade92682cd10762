/* What -i asks for: files by name, and archives by key. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inputs.h"

tap_status binder_wrong(const binder *b, tap_status code, const char *what, const char *input,
                        const char *hint) {
    char list[1500] = "";
    for (size_t i = 0; i < binder_n(b); i++) {
        char type[256];
        cli_type_text(binder_port(b, i)->type, binder_port(b, i)->dim_names, type, sizeof type);
        cli_append(list, sizeof list, "%s%s %s", i ? ", " : "", binder_port(b, i)->name, type);
    }
    cli_error(b->err, code, "%s%s; the model's inputs: %s", what, hint, list[0] ? list : "none");
    if (input) snprintf(b->err->tensor, sizeof b->err->tensor, "%s", input);
    return code;
}

size_t binder_named(const binder *b, const char *text, const char **rest) {
    size_t found = SIZE_MAX, longest = 0;
    for (size_t i = 0; i < binder_n(b); i++) {
        size_t n = strlen(binder_port(b, i)->name);
        if (strncmp(text, binder_port(b, i)->name, n) != 0 || text[n] != '=' ||
            (found != SIZE_MAX && n <= longest))
            continue;
        found = i;
        longest = n;
        *rest = text + n + 1;
    }
    return found;
}

tap_status binder_hold(const binder *b, uint64_t n_bytes) {
    tap_status s = tap_model_hold(b->model, n_bytes, b->err);
    if (s == TAP_OK) *b->held_bytes += n_bytes;
    return s;
}

/* ---- Files ---- */

static tap_status twice(const binder *b, size_t i) {
    cli_error(b->err, TAP_USAGE, "input '%s' is given twice", binder_port(b, i)->name);
    return TAP_USAGE;
}

static tap_load_options options_for(const binder *b, size_t i) {
    return (tap_load_options){.size = sizeof(tap_load_options),
                              .type = binder_port(b, i)->type,
                              .cast = b->args->cast,
                              .limit_bytes = b->args->memory_limit_bytes};
}

/* Names the input in front of what is wrong with its data. */
static tap_status at_input(const binder *b, size_t i, tap_status s) {
    if (s == TAP_OK) return s;
    char *text = cli_format("input '%s': %s", binder_port(b, i)->name, b->err->text);
    snprintf(b->err->text, sizeof b->err->text, "%s", text);
    snprintf(b->err->tensor, sizeof b->err->tensor, "%s", binder_port(b, i)->name);
    free(text);
    return s;
}

static bool ends(const char *s, const char *with) {
    size_t n = strlen(s), m = strlen(with);
    return n >= m && strcmp(s + n - m, with) == 0;
}

/* Counts what is in memory; what is mapped, the file's pages, can be taken back at any time. */
static tap_status hold_value(const binder *b, tap_value *v) {
    tap_status s = TAP_OK;
    for (size_t i = 0; i < tap_value_length(v) && s == TAP_OK; i++)
        s = hold_value(b, (tap_value *)(uintptr_t)tap_value_item(v, i));
    if (s == TAP_OK && tap_value_data(v)) s = binder_hold(b, tap_tensor_bytes(tap_value_tensor(v)));
    return s;
}

/* NAME=FILE.npz: the array of that name, where there is one. */
static tap_status load_by_name(const binder *b, size_t i, const char *path, const tap_load_options *o) {
    tap_archive *a;
    tap_status s = tap_archive_open(path, &a, b->err);
    if (s != TAP_OK) return s;
    const char *key = tap_archive_find(a, binder_port(b, i)->name);
    s = key ? tap_archive_load(a, key, o, &b->values[i], b->err)
            : tap_value_load(path, o, &b->values[i], b->err);
    tap_archive_free(a);
    return s;
}

static tap_status load(const binder *b, size_t i, const char *path) {
    if (b->given[i]) return twice(b, i);
    if (b->data) {
        b->given[i] = true;
        return at_input(b, i, tap_dataset_add_file(b->data, binder_port(b, i)->name, path, b->err));
    }
    tap_load_options o = options_for(b, i);
    bool by_name = ends(path, ".npz") && access(path, F_OK) == 0;
    tap_status s = by_name ? load_by_name(b, i, path, &o) : tap_value_load(path, &o, &b->values[i], b->err);
    if (s == TAP_OK) s = hold_value(b, b->values[i]);
    b->given[i] = s == TAP_OK || b->values[i];
    return at_input(b, i, s);
}

/* The one input that FILE without a NAME is for; SIZE_MAX where there are several. */
static size_t only_input(const binder *b) {
    size_t found = SIZE_MAX, n = 0;
    for (size_t i = 0; i < binder_n(b); i++)
        if (!binder_port(b, i)->has_default && binder_port(b, i)->type->kind != TAP_KIND_OPTIONAL)
            found = i, n++;
    if (n == 0 && binder_n(b) == 1) return 0;
    return n == 1 ? found : SIZE_MAX;
}

/* The array of that key for input i. */
static tap_status load_key(const binder *b, size_t i, const tap_archive *a, const char *path,
                           const char *key) {
    if (b->given[i]) return twice(b, i);
    if (b->data) {
        char *whole = cli_format("%s:%s", path, key);
        tap_status s = load(b, i, whole);
        free(whole);
        return s;
    }
    tap_load_options o = options_for(b, i);
    tap_status s = tap_archive_load(a, key, &o, &b->values[i], b->err);
    if (s == TAP_OK) s = hold_value(b, b->values[i]);
    b->given[i] = s == TAP_OK || b->values[i];
    return at_input(b, i, s);
}

static tap_status load_keys(const binder *b, const tap_archive *a, const char *path, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < binder_n(b); i++) {
        const char *key = tap_archive_find(a, binder_port(b, i)->name);
        if (!key) continue;
        tap_status s = load_key(b, i, a, path, key);
        if (s != TAP_OK) return s;
        ++*n;
    }
    return TAP_OK;
}

static void warn_of_others(const binder *b, const tap_archive *a, const char *path) {
    for (size_t k = 0; k < tap_archive_count(a); k++) {
        bool used = false;
        const char *key = tap_archive_key(a, k);
        for (size_t i = 0; i < binder_n(b) && !used; i++) {
            const char *name = binder_port(b, i)->name, *found = tap_archive_find(a, name);
            size_t n = strlen(name);
            used = (found && strcmp(found, key) == 0) ||
                   (strncmp(key, name, n) == 0 && (key[n] == '[' || key[n] == '.'));
        }
        if (!used) cli_say("%s: '%s' is no input of the model and is ignored", path, key);
    }
}

static tap_status load_archive(const binder *b, const char *path) {
    tap_archive *a;
    size_t n;
    tap_status s = tap_archive_open(path, &a, b->err);
    if (s != TAP_OK) return s;
    s = load_keys(b, a, path, &n);
    if (s == TAP_OK && n > 0) warn_of_others(b, a, path);
    bool one = tap_archive_count(a) == 1 && only_input(b) != SIZE_MAX;
    char what[600] = "";
    if (s == TAP_OK && n == 0) {
        snprintf(what, sizeof what, "%s: none of its arrays has the name of an input (", path);
        for (size_t k = 0; k < tap_archive_count(a); k++)
            cli_append(what, sizeof what - 2, "%s%s", k ? ", " : "", tap_archive_key(a, k));
        cli_append(what, sizeof what, ")");
    }
    tap_archive_free(a);
    if (s != TAP_OK || n > 0) return s;
    return one ? load(b, only_input(b), path) : binder_wrong(b, TAP_USAGE, what, NULL, "");
}

/* A table has columns for all inputs. */
static tap_status load_columns(const binder *b, const char *path) {
    tap_status s = TAP_OK;
    for (size_t i = 0; s == TAP_OK && i < binder_n(b); i++)
        if (!b->given[i]) s = load(b, i, path);
    return s;
}

static tap_status bind_unnamed(const binder *b, const char *text) {
    char what[600];
    if (ends(text, ".npz") && access(text, F_OK) == 0) return load_archive(b, text);
    const char *equals = strchr(text, '=');
    if (equals && access(text, F_OK) != 0) {
        snprintf(what, sizeof what, "-i %s: the model has no input '%.*s'", text, (int)(equals - text), text);
        return binder_wrong(b, TAP_USAGE, what, NULL, "");
    }
    if (only_input(b) != SIZE_MAX) return load(b, only_input(b), text);
    if (b->data && ends(text, ".csv")) return load_columns(b, text);
    snprintf(what, sizeof what, "-i %s: for which input? Give NAME=FILE", text);
    return binder_wrong(b, TAP_USAGE, what, NULL, "");
}

static tap_status bind(const binder *b, const char *text) {
    const char *rest = text;
    size_t i = binder_named(b, text, &rest);
    tap_fill fill;
    bool seeded;
    uint64_t seed;
    bool made = is_made(rest, &fill, &seeded, &seed);
    if (made && !seeded) seed = (uint64_t)b->args->seed;
    if (i == SIZE_MAX) return made ? TAP_OK : bind_unnamed(b, text);
    if (!made) return load(b, i, rest);
    return b->given[i] ? twice(b, i) : make_input(b, i, fill, seed);
}

/* "-i random" and the like, for all inputs that nothing else was said about. */
static tap_status make_rest(const binder *b, const char *text) {
    tap_fill fill = TAP_FILL_RANDOM;
    bool seeded = false;
    uint64_t seed = (uint64_t)b->args->seed;
    if (text && !is_made(text, &fill, &seeded, &seed)) return TAP_OK;
    for (size_t i = 0; i < binder_n(b); i++) {
        bool optional = binder_port(b, i)->has_default || binder_port(b, i)->type->kind == TAP_KIND_OPTIONAL;
        if (b->given[i] || optional || cli_is_unneeded(b->model, b->session, binder_port(b, i)->name))
            continue;
        tap_status s = make_input(b, i, fill, seed);
        if (s != TAP_OK) return s;
    }
    return TAP_OK;
}

/* All inputs that are missing, and what to do. */
static tap_status check_missing(const binder *b) {
    char list[1500] = "";
    const char *first = NULL;
    for (size_t i = 0; i < binder_n(b); i++) {
        char type[256];
        if (b->given[i] || binder_port(b, i)->has_default ||
            binder_port(b, i)->type->kind == TAP_KIND_OPTIONAL ||
            cli_is_unneeded(b->model, b->session, binder_port(b, i)->name))
            continue;
        cli_type_text(binder_port(b, i)->type, binder_port(b, i)->dim_names, type, sizeof type);
        cli_append(list, sizeof list, "%s'%s' %s", first ? ", " : "", binder_port(b, i)->name, type);
        if (!first) first = binder_port(b, i)->name;
    }
    if (!first) return TAP_OK;
    cli_error(b->err, TAP_USAGE, "input missing: %s; give -i '%s=FILE', or -i '%s=random'", list, first,
              first);
    snprintf(b->err->tensor, sizeof b->err->tensor, "%s", first);
    return TAP_USAGE;
}

static tap_status ask_for_rest(binder *b) {
    tap_status s = TAP_OK;
    for (size_t i = 0; b->otherwise && s == TAP_OK && i < binder_n(b); i++) {
        if (b->given[i]) continue;
        s = b->otherwise(b->user, i, &b->values[i], b->err);
        b->given[i] = s == TAP_OK && b->values[i];
    }
    return s;
}

tap_status bind_inputs(binder *b, bool make_missing) {
    const text_list *list = &b->args->inputs;
    tap_status s = check_made_options(b);
    for (size_t k = 0; k < list->n && s == TAP_OK; k++) s = bind(b, list->items[k]);
    for (size_t k = 0; k < list->n && s == TAP_OK; k++) s = make_rest(b, list->items[k]);
    if (s == TAP_OK && make_missing) s = make_rest(b, NULL);
    if (s == TAP_OK) s = ask_for_rest(b);
    return s == TAP_OK ? check_missing(b) : s;
}

static tap_status load_inputs(const cli_args *args, tap_model *m, tap_session *session, bool make_missing,
                              cli_otherwise_fn *otherwise, void *user, cli_values *out, tap_error *err) {
    size_t n = tap_model_input_count(m);
    *out = (cli_values){.items = cli_alloc(n, sizeof(tap_input)), .model = m};
    binder b = {.args = args,
                .model = m,
                .values = cli_alloc(n, sizeof(tap_value *)),
                .given = cli_alloc(n, sizeof(bool)),
                .held_bytes = &out->held_bytes,
                .session = session,
                .otherwise = otherwise,
                .user = user,
                .err = err};
    tap_status s = bind_inputs(&b, make_missing);
    for (size_t i = 0; i < n; i++)
        if (b.given[i]) out->items[out->n++] = (tap_input){binder_port(&b, i)->name, b.values[i]};
    free(b.values);
    free(b.given);
    return s;
}

tap_status cli_load_inputs(const cli_args *args, tap_model *m, bool make_missing, cli_values *out,
                           tap_error *err) {
    return load_inputs(args, m, NULL, make_missing, NULL, NULL, out, err);
}

tap_status cli_load_inputs_for(const cli_args *args, tap_model *m, tap_session *s, cli_values *out,
                               tap_error *err) {
    return load_inputs(args, m, s, false, NULL, NULL, out, err);
}

tap_status cli_load_inputs_or(const cli_args *args, tap_model *m, cli_otherwise_fn *otherwise, void *user,
                              cli_values *out, tap_error *err) {
    return load_inputs(args, m, NULL, false, otherwise, user, out, err);
}

void cli_free_inputs(cli_values *v) {
    for (size_t i = 0; i < v->n; i++) tap_value_release((tap_value *)(uintptr_t)v->items[i].value);
    if (v->model) tap_model_let_go(v->model, v->held_bytes);
    free(v->items);
    *v = (cli_values){.items = NULL};
}
