/* What -i asks for: files by name, archives by key, and data that is made. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

typedef struct binder {
    const cli_args *args;
    const tap_model *model;
    tap_value **values; /* by position of the input; borrowed names below */
    bool *given;
    tap_error *err;
} binder;

static const tap_port *port(const binder *b, size_t i) {
    return tap_model_input(b->model, i);
}
static size_t n_ports(const binder *b) {
    return tap_model_input_count(b->model);
}

static tap_status wrong(const binder *b, tap_status code, const char *what, const char *input,
                        const char *hint) {
    char list[1500] = "";
    for (size_t i = 0; i < n_ports(b); i++) {
        char type[256];
        cli_type_text(port(b, i)->type, port(b, i)->dim_names, type, sizeof type);
        cli_append(list, sizeof list, "%s%s %s", i ? ", " : "", port(b, i)->name, type);
    }
    cli_error(b->err, code, "%s%s; the model's inputs: %s", what, hint, list[0] ? list : "none");
    if (input) snprintf(b->err->tensor, sizeof b->err->tensor, "%s", input);
    return code;
}

/* ---- Names ---- */

/* Position of the input whose name and '=' text begins with, the longest such name; *rest behind the '='. */
static size_t named(const binder *b, const char *text, const char **rest) {
    size_t found = SIZE_MAX, longest = 0;
    for (size_t i = 0; i < n_ports(b); i++) {
        size_t n = strlen(port(b, i)->name);
        if (strncmp(text, port(b, i)->name, n) != 0 || text[n] != '=' || (found != SIZE_MAX && n <= longest))
            continue;
        found = i;
        longest = n;
        *rest = text + n + 1;
    }
    return found;
}

/* The value that an option of the form NAME=TEXT (or TEXT, for all inputs) gives input i; the last one
 * counts. */
static const char *setting(const binder *b, const text_list *list, size_t i) {
    const char *found = NULL;
    for (size_t k = 0; k < list->n; k++) {
        const char *rest = list->items[k];
        size_t at = named(b, list->items[k], &rest);
        if (at == i || (at == SIZE_MAX && !strchr(list->items[k], '='))) found = rest;
    }
    return found;
}

static tap_status check_settings(const binder *b, const text_list *list, const char *option) {
    for (size_t k = 0; k < list->n; k++) {
        const char *rest;
        char what[300];
        if (named(b, list->items[k], &rest) != SIZE_MAX || !strchr(list->items[k], '=')) continue;
        snprintf(what, sizeof what, "--%s %s: no input of that name", option, list->items[k]);
        return wrong(b, TAP_USAGE, what, NULL, "");
    }
    return TAP_OK;
}

static bool dim_is_known(const binder *b, const char *name, size_t n) {
    for (size_t i = 0; i < n_ports(b); i++) {
        const tap_port *p = port(b, i);
        for (int d = 0; p->dim_names && d < p->type->rank; d++)
            if (p->dim_names[d] && strlen(p->dim_names[d]) == n && memcmp(p->dim_names[d], name, n) == 0)
                return true;
    }
    return false;
}

static tap_status check_dims(const binder *b) {
    for (size_t k = 0; k < b->args->dims.n; k++) {
        const char *text = b->args->dims.items[k], *equals = strrchr(text, '=');
        char *end, what[300];
        if (!equals || equals == text || strtoll(equals + 1, &end, 10) < 0 || !equals[1] || *end)
            return cli_error(b->err, TAP_USAGE, "--dim %s: not of the form NAME=N", text);
        if (dim_is_known(b, text, (size_t)(equals - text))) continue;
        snprintf(what, sizeof what, "--dim %s: no dimension of that name", text);
        return wrong(b, TAP_USAGE, what, NULL, "");
    }
    return TAP_OK;
}

/* ---- Data that is made ---- */

static bool parse_shape(const char *text, int64_t *dims, int *rank) {
    *rank = 0;
    while (*text && *rank < TAP_RANK_MAX) {
        char *end;
        dims[*rank] = strtoll(text, &end, 10);
        if (end == text || dims[*rank] < 0 || (*end && *end != ',')) return false;
        ++*rank;
        text = *end ? end + 1 : end;
    }
    return *text == '\0';
}

static int64_t dim_option(const cli_args *args, const char *name) {
    size_t n = name ? strlen(name) : 0;
    for (size_t k = args->dims.n; name && k > 0; k--) {
        const char *text = args->dims.items[k - 1];
        if (strncmp(text, name, n) == 0 && text[n] == '=') return strtoll(text + n + 1, NULL, 10);
    }
    return -1;
}

static tap_status shape_of(const binder *b, size_t i, const tap_type *t, int64_t *dims, int *rank) {
    const tap_port *p = port(b, i);
    const char *shape = setting(b, &b->args->shapes, i);
    char type[256];
    if (shape)
        return parse_shape(shape, dims, rank)
                   ? TAP_OK
                   : cli_error(b->err, TAP_USAGE, "--shape %s: not of the form NAME=N,N,...", shape);
    cli_type_text(p->type, p->dim_names, type, sizeof type);
    *rank = t->rank;
    if (t->rank < 0)
        return cli_error(b->err, TAP_USAGE, "input '%s' is %s, of any rank: give --shape %s=N,N,...", p->name,
                         type, p->name);
    for (int d = 0; d < t->rank; d++) {
        const char *name = p->dim_names ? p->dim_names[d] : NULL;
        dims[d] = t->dims[d] >= 0 ? t->dims[d] : dim_option(b->args, name);
        if (dims[d] < 0)
            return cli_error(b->err, TAP_USAGE,
                             "input '%s' is %s: to make data for it, give --shape %s=N,N,... or --dim NAME=N",
                             p->name, type, p->name);
    }
    return TAP_OK;
}

static bool parse_range(const char *text, double *lo, double *hi) {
    char *end;
    *lo = strtod(text, &end);
    if (end == text || *end != ',') return false;
    text = end + 1;
    *hi = strtod(text, &end);
    return end != text && !*end;
}

/* random, random:SEED, zeros, ones */
static bool is_made(const char *text, tap_fill *fill, bool *seeded, uint64_t *seed) {
    static const struct {
        const char *word;
        tap_fill fill;
    } words[] = {{"zeros", TAP_FILL_ZEROS}, {"ones", TAP_FILL_ONES}, {"random", TAP_FILL_RANDOM}};
    *seeded = strncmp(text, "random:", 7) == 0;
    if (*seeded) {
        char *end;
        *fill = TAP_FILL_RANDOM;
        *seed = strtoull(text + 7, &end, 10);
        return text[7] && !*end;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].word) == 0) {
            *fill = words[i].fill;
            return true;
        }
    return false;
}

static tap_status make(const binder *b, size_t i, tap_fill fill, uint64_t seed) {
    const tap_port *p = port(b, i);
    const tap_type *t = p->type->kind == TAP_KIND_OPTIONAL && p->type->elem ? p->type->elem : p->type;
    const char *range = setting(b, &b->args->ranges, i);
    int64_t dims[TAP_RANK_MAX];
    int rank;
    if (t->kind != TAP_KIND_TENSOR || !t->dtype)
        return wrong(b, TAP_USAGE, "data can be made for tensors only", p->name, ", give a file");
    tap_fill_options o = {
        .size = sizeof o, .fill = fill, .seed = tap_seed_for(seed, p->name), .ranged = range != NULL};
    if (range && !parse_range(range, &o.lo, &o.hi))
        return cli_error(b->err, TAP_USAGE, "--range %s: not of the form LO,HI or NAME=LO,HI", range);
    tap_status s = shape_of(b, i, t, dims, &rank);
    if (s == TAP_OK) s = tap_value_fill(t->dtype, rank, dims, &o, &b->values[i], b->err);
    b->given[i] = s == TAP_OK;
    return s;
}

/* ---- Files ---- */

static tap_status twice(const binder *b, size_t i) {
    cli_error(b->err, TAP_USAGE, "input '%s' is given twice", port(b, i)->name);
    return TAP_USAGE;
}

static tap_load_options options_for(const binder *b, size_t i) {
    return (tap_load_options){.size = sizeof(tap_load_options),
                              .type = port(b, i)->type,
                              .cast = b->args->cast,
                              .limit_bytes = b->args->memory_limit_bytes};
}

/* Names the input in front of what is wrong with its data. */
static tap_status at_input(const binder *b, size_t i, tap_status s) {
    if (s == TAP_OK) return s;
    char *text = cli_format("input '%s': %s", port(b, i)->name, b->err->text);
    snprintf(b->err->text, sizeof b->err->text, "%s", text);
    snprintf(b->err->tensor, sizeof b->err->tensor, "%s", port(b, i)->name);
    free(text);
    return s;
}

static bool ends(const char *s, const char *with) {
    size_t n = strlen(s), m = strlen(with);
    return n >= m && strcmp(s + n - m, with) == 0;
}

/* NAME=FILE.npz: the array of that name, where there is one. */
static tap_status load_by_name(const binder *b, size_t i, const char *path, const tap_load_options *o) {
    tap_archive *a;
    tap_status s = tap_archive_open(path, &a, b->err);
    if (s != TAP_OK) return s;
    const char *key = tap_archive_find(a, port(b, i)->name);
    s = key ? tap_archive_load(a, key, o, &b->values[i], b->err)
            : tap_value_load(path, o, &b->values[i], b->err);
    tap_archive_free(a);
    return s;
}

static tap_status load(const binder *b, size_t i, const char *path) {
    if (b->given[i]) return twice(b, i);
    tap_load_options o = options_for(b, i);
    bool by_name = ends(path, ".npz") && access(path, F_OK) == 0;
    tap_status s = by_name ? load_by_name(b, i, path, &o) : tap_value_load(path, &o, &b->values[i], b->err);
    b->given[i] = s == TAP_OK;
    return at_input(b, i, s);
}

/* The one input that FILE without a NAME is for; SIZE_MAX where there are several. */
static size_t only_input(const binder *b) {
    size_t found = SIZE_MAX, n = 0;
    for (size_t i = 0; i < n_ports(b); i++)
        if (!port(b, i)->has_default && port(b, i)->type->kind != TAP_KIND_OPTIONAL) found = i, n++;
    if (n == 0 && n_ports(b) == 1) return 0;
    return n == 1 ? found : SIZE_MAX;
}

static tap_status load_keys(const binder *b, const tap_archive *a, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < n_ports(b); i++) {
        const char *key = tap_archive_find(a, port(b, i)->name);
        if (!key) continue;
        if (b->given[i]) return twice(b, i);
        tap_load_options o = options_for(b, i);
        tap_status s = tap_archive_load(a, key, &o, &b->values[i], b->err);
        if (s != TAP_OK) return at_input(b, i, s);
        b->given[i] = true;
        ++*n;
    }
    return TAP_OK;
}

static void warn_of_others(const binder *b, const tap_archive *a, const char *path) {
    for (size_t k = 0; k < tap_archive_count(a); k++) {
        bool used = false;
        const char *key = tap_archive_key(a, k);
        for (size_t i = 0; i < n_ports(b) && !used; i++) {
            const char *name = port(b, i)->name, *found = tap_archive_find(a, name);
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
    s = load_keys(b, a, &n);
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
    return one ? load(b, only_input(b), path) : wrong(b, TAP_USAGE, what, NULL, "");
}

static tap_status bind_unnamed(const binder *b, const char *text) {
    char what[600];
    if (ends(text, ".npz") && access(text, F_OK) == 0) return load_archive(b, text);
    const char *equals = strchr(text, '=');
    if (equals && access(text, F_OK) != 0) {
        snprintf(what, sizeof what, "-i %s: the model has no input '%.*s'", text, (int)(equals - text), text);
        return wrong(b, TAP_USAGE, what, NULL, "");
    }
    if (only_input(b) != SIZE_MAX) return load(b, only_input(b), text);
    snprintf(what, sizeof what, "-i %s: for which input? Give NAME=FILE", text);
    return wrong(b, TAP_USAGE, what, NULL, "");
}

static tap_status bind(const binder *b, const char *text) {
    const char *rest = text;
    size_t i = named(b, text, &rest);
    tap_fill fill;
    bool seeded;
    uint64_t seed;
    bool made = is_made(rest, &fill, &seeded, &seed);
    if (made && !seeded) seed = (uint64_t)b->args->seed;
    if (i == SIZE_MAX) return made ? TAP_OK : bind_unnamed(b, text);
    if (!made) return load(b, i, rest);
    return b->given[i] ? twice(b, i) : make(b, i, fill, seed);
}

/* "-i random" and the like, for all inputs that nothing else was said about. */
static tap_status make_rest(const binder *b, const char *text) {
    tap_fill fill = TAP_FILL_RANDOM;
    bool seeded = false;
    uint64_t seed = (uint64_t)b->args->seed;
    if (text && !is_made(text, &fill, &seeded, &seed)) return TAP_OK;
    for (size_t i = 0; i < n_ports(b); i++) {
        bool optional = port(b, i)->has_default || port(b, i)->type->kind == TAP_KIND_OPTIONAL;
        if (b->given[i] || optional) continue;
        tap_status s = make(b, i, fill, seed);
        if (s != TAP_OK) return s;
    }
    return TAP_OK;
}

/* All inputs that are missing, and what to do. */
static tap_status check_missing(const binder *b) {
    char list[1500] = "";
    const char *first = NULL;
    for (size_t i = 0; i < n_ports(b); i++) {
        char type[256];
        if (b->given[i] || port(b, i)->has_default || port(b, i)->type->kind == TAP_KIND_OPTIONAL) continue;
        cli_type_text(port(b, i)->type, port(b, i)->dim_names, type, sizeof type);
        cli_append(list, sizeof list, "%s'%s' %s", first ? ", " : "", port(b, i)->name, type);
        if (!first) first = port(b, i)->name;
    }
    if (!first) return TAP_OK;
    cli_error(b->err, TAP_USAGE, "input missing: %s; give -i '%s=FILE', or -i '%s=random'", list, first,
              first);
    snprintf(b->err->tensor, sizeof b->err->tensor, "%s", first);
    return TAP_USAGE;
}

tap_status cli_load_inputs(const cli_args *args, const tap_model *m, bool make_missing, cli_values *out,
                           tap_error *err) {
    size_t n = tap_model_input_count(m);
    binder b = {args, m, cli_alloc(n, sizeof(tap_value *)), cli_alloc(n, sizeof(bool)), err};
    *out = (cli_values){cli_alloc(n, sizeof(tap_input)), 0};
    tap_status s = check_settings(&b, &args->shapes, "shape");
    if (s == TAP_OK) s = check_settings(&b, &args->ranges, "range");
    if (s == TAP_OK) s = check_dims(&b);
    for (size_t k = 0; k < args->inputs.n && s == TAP_OK; k++) s = bind(&b, args->inputs.items[k]);
    for (size_t k = 0; k < args->inputs.n && s == TAP_OK; k++) s = make_rest(&b, args->inputs.items[k]);
    if (s == TAP_OK && make_missing) s = make_rest(&b, NULL);
    if (s == TAP_OK) s = check_missing(&b);
    for (size_t i = 0; i < n; i++)
        if (b.given[i]) out->items[out->n++] = (tap_input){port(&b, i)->name, b.values[i]};
    free(b.values);
    free(b.given);
    if (s != TAP_OK) cli_free_inputs(out);
    return s;
}

void cli_free_inputs(cli_values *v) {
    for (size_t i = 0; i < v->n; i++) tap_value_release((tap_value *)(uintptr_t)v->items[i].value);
    free(v->items);
    *v = (cli_values){NULL, 0};
}
