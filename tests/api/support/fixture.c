/* Fixtures: opening models, reading references, comparing values. */
#include "fixture.h"

#include <math.h>
#include <stdlib.h>

const char *fixture_path(const char *name, const char *suffix) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/graphs/%s%s", TAP_TEST_DATA, name, suffix);
    return path;
}

tap_model *fixture_open(const char *name) {
    tap_error err = TAP_ERROR_INIT;
    tap_model *m = NULL;
    if (tap_model_open(fixture_path(name, ".onnx"), NULL, &m, &err) == TAP_OK) return m;
    printf("%s: %s\n", name, err.text);
    FAIL("not so: the model opens");
    return NULL;
}

tap_session *fixture_session(tap_model *m, const tap_session_options *options) {
    tap_error err = TAP_ERROR_INIT;
    tap_session_options one = {.size = sizeof one, .threads = 1};
    tap_session *s = NULL;
    if (m && tap_session_new(m, options ? options : &one, &s, &err) == TAP_OK) return s;
    printf("%s\n", err.text);
    FAIL("not so: the session starts");
    return NULL;
}

/* ---- references ---- */

/* The next word of *at, cut out; NULL at the end of the line. A word in quotes loses them. */
static char *word(char **at) {
    char *w = *at;
    while (*w == ' ') w++;
    if (!*w || *w == '\n') return NULL;
    char end = ' ';
    if (*w == '"') {
        end = '"';
        w++;
    }
    char *to = w;
    while (*to && *to != end && *to != '\n') to++;
    *at = *to ? to + 1 : to;
    *to = '\0';
    return w;
}

static int read_dims(const char *text, int64_t *dims) {
    int rank = 0;
    while (*text && *text != '-' && rank < TAP_RANK_MAX) {
        char *end;
        dims[rank++] = strtoll(text, &end, 10);
        text = *end ? end + 1 : end;
    }
    return rank;
}

static void set_element(tap_value *v, int64_t i, const char *text) {
    void *data = tap_value_data(v);
    switch (tap_tensor_dtype(tap_value_tensor(v))) {
    case TAP_FLOAT: ((float *)data)[i] = strtof(text, NULL); break;
    case TAP_DOUBLE: ((double *)data)[i] = strtod(text, NULL); break;
    case TAP_INT32: ((int32_t *)data)[i] = (int32_t)strtol(text, NULL, 10); break;
    case TAP_INT64: ((int64_t *)data)[i] = strtoll(text, NULL, 10); break;
    case TAP_BOOL: ((uint8_t *)data)[i] = *text == '1'; break;
    case TAP_STRING: CHECK_EQ(tap_value_set_string(v, i, text, strlen(text), NULL), TAP_OK); break;
    default: FAIL("not so: a dtype of the references");
    }
}

/* DTYPE DIMS ELEMENT... */
static tap_value *read_tensor(char **at) {
    const char *dtype = word(at), *shape = word(at);
    int64_t dims[TAP_RANK_MAX];
    tap_value *v = NULL;
    tap_error err = TAP_ERROR_INIT;
    if (!dtype || !shape) return NULL;
    tap_status st = tap_value_new(tap_dtype_from_name(dtype), read_dims(shape, dims), dims, &v, &err);
    if (st != TAP_OK) printf("%s %s: %s\n", dtype, shape, err.text);
    CHECK_EQ(st, TAP_OK);
    for (int64_t i = 0; v && i < tap_tensor_count(tap_value_tensor(v)); i++) {
        const char *w = word(at);
        CHECK(w != NULL);
        if (w) set_element(v, i, w);
    }
    return v;
}

static tap_value *read_sequence(char **line, size_t *room, FILE *f, size_t n) {
    tap_value *items[16] = {NULL}, *v = NULL;
    CHECK(n <= 16);
    for (size_t i = 0; i < n && i < 16 && getline(line, room, f) > 0; i++) {
        char *at = *line;
        word(&at);
        items[i] = read_tensor(&at);
    }
    CHECK_EQ(tap_value_new_sequence(items, n, TAP_FLOAT, &v, NULL), TAP_OK);
    return v;
}

static tap_value *read_value(char **line, size_t *room, FILE *f, char *at) {
    char *kind = at;
    while (*kind == ' ') kind++;
    if (strncmp(kind, "none", 4) == 0) return NULL;
    if (strncmp(kind, "sequence", 8) != 0) return read_tensor(&at);
    word(&at);
    const char *n = word(&at);
    return read_sequence(line, room, f, n ? (size_t)strtoull(n, NULL, 10) : 0);
}

reference reference_load(const char *name) {
    reference r = {NULL, 0};
    FILE *f = fopen(fixture_path(name, ".ref"), "r");
    char *line = NULL;
    size_t room = 0;
    CHECK(f != NULL);
    while (f && getline(&line, &room, f) > 0) {
        char *at = line, *role = word(&at), *of = word(&at);
        if (!role || !of) continue;
        ref_value *wider = realloc(r.values, (r.n + 1) * sizeof *wider);
        if (!wider) break;
        r.values = wider;
        ref_value *v = &r.values[r.n++];
        v->role = *role;
        v->name = strdup(of);
        v->value = read_value(&line, &room, f, at);
    }
    free(line);
    if (f) fclose(f);
    return r;
}

void reference_free(reference *r) {
    for (size_t i = 0; i < r->n; i++) {
        free(r->values[i].name);
        tap_value_release(r->values[i].value);
    }
    free(r->values);
    *r = (reference){NULL, 0};
}

const tap_value *reference_find(const reference *r, char role, const char *name, bool *found) {
    for (size_t i = 0; i < r->n; i++)
        if (r->values[i].role == role && strcmp(r->values[i].name, name) == 0) {
            if (found) *found = true;
            return r->values[i].value;
        }
    if (found) *found = false;
    return NULL;
}

size_t reference_inputs(const reference *r, tap_input *in, size_t room) {
    size_t n = 0;
    for (size_t i = 0; i < r->n && n < room; i++)
        if (r->values[i].role == 'i') in[n++] = (tap_input){r->values[i].name, r->values[i].value};
    return n;
}

bool fixture_run(tap_session *s, const reference *r) {
    tap_input in[8];
    tap_error err = TAP_ERROR_INIT;
    if (tap_session_run(s, in, reference_inputs(r, in, 8), &err) == TAP_OK) return true;
    printf("%s\n", err.text);
    FAIL("not so: the run succeeds");
    return false;
}

/* ---- comparing ---- */

static bool same_shape(const tap_tensor *a, const tap_tensor *b) {
    int rank = tap_tensor_rank(a);
    if (tap_tensor_dtype(a) != tap_tensor_dtype(b) || rank != tap_tensor_rank(b)) return false;
    return rank == 0 || memcmp(tap_tensor_dims(a), tap_tensor_dims(b), (size_t)rank * sizeof(int64_t)) == 0;
}

static bool strings_same(const tap_string *a, const tap_string *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (a[i].n != b[i].n || (a[i].n && memcmp(a[i].s, b[i].s, a[i].n) != 0)) return false;
    return true;
}

static bool tensors_same(const tap_tensor *a, const tap_tensor *b) {
    if (!same_shape(a, b)) return false;
    if (tap_tensor_dtype(a) == TAP_STRING)
        return strings_same(tap_tensor_data(a), tap_tensor_data(b), tap_tensor_count(a));
    return memcmp(tap_tensor_data(a), tap_tensor_data(b), tap_tensor_bytes(a)) == 0;
}

static double number(const tap_tensor *t, int64_t i) {
    const void *p = tap_tensor_data(t);
    return tap_tensor_dtype(t) == TAP_FLOAT ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static bool tensors_close(const char *name, const tap_tensor *y, const tap_tensor *x, double rtol,
                          double atol) {
    bool is_float = tap_tensor_dtype(x) == TAP_FLOAT || tap_tensor_dtype(x) == TAP_DOUBLE;
    if (!same_shape(y, x)) {
        printf("%s: %s of rank %d, wanted %s of rank %d, or the dims differ\n", name,
               tap_dtype_name(tap_tensor_dtype(y)), tap_tensor_rank(y), tap_dtype_name(tap_tensor_dtype(x)),
               tap_tensor_rank(x));
        return false;
    }
    if (!is_float) {
        if (tensors_same(y, x)) return true;
        printf("%s: elements differ\n", name);
        return false;
    }
    for (int64_t i = 0; i < tap_tensor_count(x); i++) {
        double a = number(y, i), b = number(x, i);
        if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= atol + rtol * fabs(b)) continue;
        printf("%s: element %lld is %.9g, wanted %.9g\n", name, (long long)i, a, b);
        return false;
    }
    return true;
}

bool values_close(const char *name, const tap_value *y, const tap_value *x, double rtol, double atol) {
    if (tap_value_kind(y) != tap_value_kind(x) || tap_value_length(y) != tap_value_length(x)) {
        printf("%s: kind %d with %zu items, wanted kind %d with %zu\n", name, (int)tap_value_kind(y),
               tap_value_length(y), (int)tap_value_kind(x), tap_value_length(x));
        return false;
    }
    if (tap_value_kind(x) == TAP_KIND_TENSOR)
        return tensors_close(name, tap_value_tensor(y), tap_value_tensor(x), rtol, atol);
    for (size_t i = 0; i < tap_value_length(x); i++)
        if (!values_close(name, tap_value_item(y, i), tap_value_item(x, i), rtol, atol)) return false;
    return true;
}

bool values_same(const tap_value *a, const tap_value *b) {
    if (tap_value_kind(a) != tap_value_kind(b) || tap_value_length(a) != tap_value_length(b)) return false;
    if (tap_value_kind(a) == TAP_KIND_TENSOR) return tensors_same(tap_value_tensor(a), tap_value_tensor(b));
    for (size_t i = 0; i < tap_value_length(a); i++)
        if (!values_same(tap_value_item(a, i), tap_value_item(b, i))) return false;
    return true;
}

/* ---- making ---- */

tap_value *floats(int rank, const int64_t *dims, const float *data) {
    tap_value *v = NULL;
    CHECK_EQ(tap_value_new(TAP_FLOAT, rank, dims, &v, NULL), TAP_OK);
    if (v) memcpy(tap_value_data(v), data, tap_tensor_bytes(tap_value_tensor(v)));
    return v;
}

tap_value *vector(int n, const float *data) {
    int64_t dims = n;
    return floats(1, &dims, data);
}
