/* The file of pairs that a user writes, or that a dump helper wrote. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "diff/pairs.h"
#include "onnxtap/json.h"

#define FILE_MAX ((size_t)64 << 20)

typedef struct reader {
    const tap_model *model;
    const tap_reference *reference;
    const char *path;
    tap_match_list *list;
    tap_error *err;
} reader;

static tap_status read_text(const char *path, char **out, size_t *n, tap_error *err) {
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t room = 0;
    *n = 0;
    *out = NULL;
    if (!f) return tap_error_set(err, TAP_IO, "%s: the file cannot be read", path);
    tap_status st = TAP_OK;
    for (size_t got = 1; got && st == TAP_OK; *n += got) {
        if (*n > FILE_MAX) st = tap_error_set(err, TAP_DATA, "%s: too large for a list of pairs", path);
        if (!tap_mem_reserve(NULL, (void **)&text, &room, *n + (1 << 16), 1))
            st = tap_error_no_memory(err, *n);
        got = st == TAP_OK ? fread(text + *n, 1, (1 << 16) - 1, f) : 0;
    }
    fclose(f);
    if (st == TAP_OK) text[*n] = '\0';
    if (st != TAP_OK) tap_mem_free(NULL, text);
    *out = st == TAP_OK ? text : NULL;
    return st;
}

static tap_status add(reader *x, const char *name, const char *tensor, const int *perm, int rank) {
    size_t ref = tap_reference_find(x->reference, name), value = tap_value_named(x->model, tensor);
    if (ref == SIZE_MAX)
        return tap_error_set(x->err, TAP_NOT_FOUND, "%s: the reference has no '%s'", x->path, name);
    if (value == SIZE_MAX)
        return tap_error_set(x->err, TAP_NOT_FOUND, "%s: the model has no value '%s' (for '%s')", x->path,
                             tensor, name);
    tap_match m = {.ref = ref, .value = value, .by = TAP_BY_MAP, .rank = rank};
    tap_layer_info info = {.size = sizeof info};
    size_t layer = tap_model_layer_of(x->model, value);
    m.layer = layer != SIZE_MAX && tap_model_layer(x->model, layer, &info) ? info.key
                                                                           : x->reference->items[ref].name;
    for (int i = 0; i < rank; i++) m.perm[i] = perm[i];
    return tap_match_add(x->list, m) ? TAP_OK : tap_error_no_memory(x->err, sizeof m);
}

static tap_status wrong_perm(const reader *x, const char *name) {
    return tap_error_set(x->err, TAP_DATA, "%s: the perm of '%s' is no permutation", x->path, name);
}

static bool is_permutation(const int *perm, int rank) {
    unsigned seen = 0;
    for (int i = 0; i < rank; i++) {
        if (perm[i] < 0 || perm[i] >= rank || seen >> perm[i] & 1) return false;
        seen |= 1u << perm[i];
    }
    return true;
}

/* {"tensor", "perm"}, or a tensor's name */
static tap_status add_json(reader *x, const char *name, const tap_json_value *v) {
    bool object = tap_json_kind_of(v) == TAP_JSON_OBJECT;
    const char *tensor = tap_json_text(object ? tap_json_get(v, "tensor") : v);
    const tap_json_value *list = object ? tap_json_get(v, "perm") : NULL;
    int perm[TAP_RANK_MAX], rank = tap_json_kind_of(list) == TAP_JSON_ARRAY ? 0 : -1;
    if (*tensor == '\0') return TAP_OK; /* null: the writer knew of no tensor */
    for (const tap_json_value *p = rank == 0 ? tap_json_first(list) : NULL; p; p = tap_json_next(p)) {
        if (rank == TAP_RANK_MAX) return wrong_perm(x, name);
        double d = tap_json_number(p, -1);
        perm[rank++] = d >= 0 && d < TAP_RANK_MAX ? (int)d : -1;
    }
    if (rank > 0 && !is_permutation(perm, rank)) return wrong_perm(x, name);
    return add(x, name, tensor, perm, rank);
}

static tap_status read_json(reader *x, const tap_json_value *root) {
    bool list = tap_json_kind_of(root) == TAP_JSON_ARRAY;
    tap_status st = TAP_OK;
    for (const tap_json_value *v = tap_json_first(root); v && st == TAP_OK; v = tap_json_next(v)) {
        const char *name = list ? tap_json_text(tap_json_get(v, "reference")) : tap_json_key(v);
        if (list && *name == '\0') name = tap_json_text(tap_json_get(v, "name"));
        /* A list of layers may tell of some that nobody recorded, and of another export's tensors. */
        const char *tensor = list ? tap_json_text(tap_json_get(v, "tensor")) : "";
        if (list && (tap_reference_find(x->reference, name) == SIZE_MAX ||
                     tap_value_named(x->model, tensor) == SIZE_MAX))
            continue;
        st = add_json(x, name, v);
    }
    return st;
}

static tap_status read_line(reader *x, char *line, size_t number) {
    const char *blanks = " \t\r";
    char *rest = NULL, *name = strtok_r(line, blanks, &rest);
    if (!name || *name == '#') return TAP_OK;
    char *tensor = strtok_r(NULL, blanks, &rest), *list = strtok_r(NULL, blanks, &rest);
    int perm[TAP_RANK_MAX], rank = list ? 0 : -1;
    if (!tensor)
        return tap_error_set(x->err, TAP_DATA,
                             "%s: line %zu has one word; a pair is: reference tensor [perm]", x->path,
                             number);
    char *more = NULL;
    for (char *p = list ? strtok_r(list, ",", &more) : NULL; p; p = strtok_r(NULL, ",", &more)) {
        if (rank == TAP_RANK_MAX) return wrong_perm(x, name);
        perm[rank++] = (int)strtol(p, NULL, 10);
    }
    if (rank > 0 && !is_permutation(perm, rank)) return wrong_perm(x, name);
    return add(x, name, tensor, perm, rank);
}

static tap_status read_lines(reader *x, char *text) {
    tap_status st = TAP_OK;
    size_t number = 1;
    for (char *line = text; line && st == TAP_OK; number++) {
        char *end = strchr(line, '\n');
        if (end) *end++ = '\0';
        st = read_line(x, line, number);
        line = end;
    }
    return st;
}

tap_status tap_match_file(const tap_model *m, const tap_reference *r, const char *path, tap_match_list *l,
                          tap_error *err) {
    char *text;
    size_t n;
    tap_status st = read_text(path, &text, &n, err);
    if (st != TAP_OK) return st;
    reader x = {m, r, path, l, err};
    tap_json_value *root = NULL;
    const char *first = text + strspn(text, " \t\r\n");
    if (*first == '{' || *first == '[') {
        st = tap_json_parse(text, n, &root, err);
        if (st == TAP_OK) st = read_json(&x, root);
        tap_json_value_free(root);
    } else {
        st = read_lines(&x, text);
    }
    tap_mem_free(NULL, text);
    return st;
}
