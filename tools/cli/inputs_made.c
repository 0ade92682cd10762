/* Data that is made for inputs: zeros, ones, random numbers, of the shape that the model or the line gives.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inputs.h"

/* ---- Options that are about inputs ---- */

/* The value that an option of the form NAME=TEXT (or TEXT, for all inputs) gives input i; the last one
 * counts. */
static const char *setting(const binder *b, const text_list *list, size_t i) {
    const char *found = NULL;
    for (size_t k = 0; k < list->n; k++) {
        const char *rest = list->items[k];
        size_t at = binder_named(b, list->items[k], &rest);
        if (at == i || (at == SIZE_MAX && !strchr(list->items[k], '='))) found = rest;
    }
    return found;
}

static tap_status check_settings(const binder *b, const text_list *list, const char *option) {
    for (size_t k = 0; k < list->n; k++) {
        const char *rest;
        char what[300];
        if (binder_named(b, list->items[k], &rest) != SIZE_MAX || !strchr(list->items[k], '=')) continue;
        snprintf(what, sizeof what, "--%s %s: no input of that name", option, list->items[k]);
        return binder_wrong(b, TAP_USAGE, what, NULL, "");
    }
    return TAP_OK;
}

static bool dim_is_known(const binder *b, const char *name, size_t n) {
    for (size_t i = 0; i < binder_n(b); i++) {
        const tap_port *p = binder_port(b, i);
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
        return binder_wrong(b, TAP_USAGE, what, NULL, "");
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
    const tap_port *p = binder_port(b, i);
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

bool is_made(const char *text, tap_fill *fill, bool *seeded, uint64_t *seed) {
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

/* Of a tensor; the largest number where the product does not fit. */
static uint64_t bytes_of(tap_dtype dtype, int rank, const int64_t *dims) {
    uint64_t n = tap_dtype_bytes(dtype);
    for (int d = 0; d < rank; d++) {
        if (dims[d] == 0) return 0;
        if ((uint64_t)dims[d] > UINT64_MAX / n) return UINT64_MAX;
        n *= (uint64_t)dims[d];
    }
    return n;
}

tap_status make_input(const binder *b, size_t i, tap_fill fill, uint64_t seed) {
    const tap_port *p = binder_port(b, i);
    const tap_type *t = p->type->kind == TAP_KIND_OPTIONAL && p->type->elem ? p->type->elem : p->type;
    const char *range = setting(b, &b->args->ranges, i);
    int64_t dims[TAP_RANK_MAX];
    int rank;
    if (t->kind != TAP_KIND_TENSOR || !t->dtype)
        return binder_wrong(b, TAP_USAGE, "data can be made for tensors only", p->name, ", give a file");
    tap_fill_options o = {
        .size = sizeof o, .fill = fill, .seed = tap_seed_for(seed, p->name), .ranged = range != NULL};
    if (range && !parse_range(range, &o.lo, &o.hi))
        return cli_error(b->err, TAP_USAGE, "--range %s: not of the form LO,HI or NAME=LO,HI", range);
    tap_status s = shape_of(b, i, t, dims, &rank);
    /* A product that does not fit is refused by tap_value_fill, in words about the shape. */
    uint64_t n_bytes = s == TAP_OK ? bytes_of(t->dtype, rank, dims) : 0;
    if (s == TAP_OK && n_bytes < UINT64_MAX) s = binder_hold(b, n_bytes);
    if (s == TAP_OK) s = tap_value_fill(t->dtype, rank, dims, &o, &b->values[i], b->err);
    b->given[i] = s == TAP_OK;
    return s;
}

tap_status check_made_options(const binder *b) {
    tap_status s = check_settings(b, &b->args->shapes, "shape");
    if (s == TAP_OK) s = check_settings(b, &b->args->ranges, "range");
    return s == TAP_OK ? check_dims(b) : s;
}
