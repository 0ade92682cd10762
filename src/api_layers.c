/* The public functions on layers: the index made when first asked for, and the framework's list read. */
#include "api_layers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxtap/json.h"

#define LIST_BYTES_MAX ((size_t)256 << 20)

const tap_layer_index *tap_model_layer_index(void *model, tap_error *err) {
    tap_model *m = model;
    tap_layer_index *x = atomic_load(&m->layers);
    if (x) return x;
    pthread_mutex_lock(&m->lock);
    x = atomic_load(&m->layers);
    if (!x && tap_layers_build(&m->bound, m->layer_list, &m->arena, &x, err) == TAP_OK)
        atomic_store(&m->layers, x);
    pthread_mutex_unlock(&m->lock);
    return x;
}

static const tap_layer_index *index_of(const tap_model *m, tap_error *err) {
    return tap_model_layer_index((void *)(uintptr_t)m, err);
}

/* ---- Public ---- */

const char *tap_layer_status_name(tap_layer_status s) {
    switch (s) {
    case TAP_LAYER_FOUND: return "found";
    case TAP_LAYER_ALIAS: return "alias";
    case TAP_LAYER_FOLDED: return "folded";
    case TAP_LAYER_UNKNOWN: break;
    }
    return "unknown";
}

tap_status tap_model_layers(const tap_model *m, size_t *n, tap_error *err) {
    tap_error own = TAP_ERROR_INIT;
    const tap_layer_index *x = index_of(m, err ? err : &own);
    *n = x ? x->n : 0;
    return x ? TAP_OK : err ? err->code : own.code;
}

bool tap_model_layer(const tap_model *m, size_t i, tap_layer_info *info) {
    const tap_layer_index *x = index_of(m, NULL);
    if (!x || i >= x->n) return false;
    const tap_layer *l = &x->layers[i];
    tap_layer_info y = {.size = info->size, .key = l->key, .layer = l->name, .kind = l->kind, .rank = -1};
    y.call = l->call;
    y.output = l->output;
    y.status = l->status;
    y.value = l->value < 0 ? SIZE_MAX : (size_t)l->value;
    if (l->value >= 0 && x->axes[l->value].rank >= 0) {
        y.perm = x->axes[l->value].perm;
        y.rank = x->axes[l->value].rank;
    }
    if (l->dims) {
        y.dims = l->dims;
        y.rank = l->rank;
    }
    y.merged = l->merged;
    y.n_merged = l->n_merged;
    memcpy(info, &y, info->size < sizeof y ? info->size : sizeof y);
    return true;
}

static void mark_layers(const tap_layer_index *x, const char *name, bool asked, bool *set) {
    size_t count = 0;
    for (int glob = 0; glob < 2 && !count; glob++)
        for (size_t i = 0; i < x->n; i++) {
            if (!tap_layer_is_called(&x->layers[i], name, glob)) continue;
            set[i] = asked;
            count++;
        }
}

tap_status tap_model_select_layers(const tap_model *m, const char *const *selectors, size_t n,
                                   size_t **indices, size_t *n_indices, tap_error *err) {
    tap_error own = TAP_ERROR_INIT;
    const tap_layer_index *x = index_of(m, err ? err : &own);
    *indices = NULL;
    *n_indices = 0;
    if (!x) return err ? err->code : own.code;
    bool *set = calloc(x->n + 1, sizeof *set);
    *indices = calloc(x->n + 1, sizeof **indices);
    for (size_t i = 0; set && *indices && i < n; i++) {
        bool asked = selectors[i][0] != '!';
        const char *s = selectors[i] + !asked;
        if (strncmp(s, "layer:", 6) == 0) mark_layers(x, s + 6, asked, set);
    }
    for (size_t i = 0; set && *indices && i < x->n; i++)
        if (set[i]) (*indices)[(*n_indices)++] = i;
    bool ok = set && *indices;
    free(set);
    if (ok) return TAP_OK;
    free(*indices);
    *indices = NULL;
    return tap_error_no_memory(err, x->n);
}

size_t tap_model_layer_of(const tap_model *m, size_t value) {
    const tap_layer_index *x = index_of(m, NULL);
    return x && value < m->n_values && x->of_value[value] >= 0 ? (size_t)x->of_value[value] : SIZE_MAX;
}

int32_t tap_model_layout(const tap_model *m, size_t value, int32_t *perm) {
    const tap_layer_index *x = index_of(m, NULL);
    if (!x || value >= m->n_values || x->axes[value].rank < 0) return -1;
    for (int32_t i = 0; i < x->axes[value].rank; i++) perm[i] = x->axes[value].perm[i];
    return x->axes[value].rank;
}

/* ---- The framework's list ---- */

typedef struct list_reader {
    tap_arena *arena;
    const char *path;
    tap_error *err;
    bool no_memory;
} list_reader;

static void *many(list_reader *r, size_t n, size_t each) {
    void *p = tap_arena_array(r->arena, n, each);
    if (!p) r->no_memory = true;
    return p;
}

static const char *text_of(list_reader *r, const tap_json_value *v) {
    const char *s = tap_arena_string(r->arena, tap_json_text(v), strlen(tap_json_text(v)));
    if (!s) r->no_memory = true;
    return s ? s : "";
}

/* A size of a shape; null and what is no number: any. */
static int64_t size_of(const tap_json_value *v) {
    double x = tap_json_number(v, -1);
    return x >= 0 && x < 9e15 ? (int64_t)x : -1;
}

static int32_t small(const tap_json_value *v) {
    double x = tap_json_number(v, 0);
    return x > 0 && x < 1e9 ? (int32_t)x : 0;
}

static void read_output(const tap_json_value *v, tap_listed_output *o) {
    const tap_json_value *shape = tap_json_get(v, "shape");
    size_t n = tap_json_length(shape);
    o->rank = -1;
    if (tap_json_kind_of(shape) != TAP_JSON_ARRAY || n > TAP_RANK_MAX) return;
    o->rank = (int32_t)n;
    const tap_json_value *d = tap_json_first(shape);
    for (size_t i = 0; i < n; i++, d = tap_json_next(d)) o->dims[i] = size_of(d);
}

/* [layer, call, output], or null, of each in v. */
static const tap_listed_input *read_sources(list_reader *r, const tap_json_value *v, size_t *count) {
    size_t n = tap_json_length(v);
    tap_listed_input *in = many(r, n, sizeof *in);
    const tap_json_value *x = tap_json_first(v);
    for (size_t i = 0; in && i < n; i++, x = tap_json_next(x)) {
        const tap_json_value *part = tap_json_first(x);
        in[i].layer = text_of(r, part);
        part = tap_json_next(part);
        in[i].call = small(part);
        in[i].output = small(tap_json_next(part));
    }
    *count = in ? n : 0;
    return in;
}

/* "relu", or Keras's {"class_name": ..., "config": "relu"}. */
static const char *read_activation(list_reader *r, const tap_json_value *config) {
    const tap_json_value *a = tap_json_get(config, "activation");
    if (tap_json_kind_of(a) == TAP_JSON_OBJECT) a = tap_json_get(a, "config");
    return tap_json_kind_of(a) == TAP_JSON_STRING ? text_of(r, a) : "";
}

static void read_layer(list_reader *r, const tap_json_value *v, tap_listed_layer *l) {
    const tap_json_value *outputs = tap_json_get(v, "outputs"), *calls = tap_json_get(v, "inputs");
    const tap_json_value *same = tap_json_first(tap_json_get(v, "same"));
    tap_listed_output *o = many(r, tap_json_length(outputs), sizeof *o);
    tap_listed_call *c = many(r, tap_json_length(calls), sizeof *c);
    l->name = text_of(r, tap_json_get(v, "layer"));
    l->kind = text_of(r, tap_json_get(v, "class"));
    l->activation = read_activation(r, tap_json_get(v, "config"));
    const tap_json_value *x = tap_json_first(outputs);
    for (size_t i = 0; o && i < tap_json_length(outputs); i++, x = tap_json_next(x)) read_output(x, &o[i]);
    x = tap_json_first(calls);
    for (size_t i = 0; c && i < tap_json_length(calls);
         i++, x = tap_json_next(x), same = tap_json_next(same)) {
        c[i].inputs = read_sources(r, x, &c[i].n_inputs);
        c[i].same = read_sources(r, same, &c[i].n_same);
    }
    l->outputs = o;
    l->n_outputs = o ? tap_json_length(outputs) : 0;
    l->calls = c;
    l->n_calls = c ? tap_json_length(calls) : 0;
}

static tap_status read_list(list_reader *r, const tap_json_value *root, tap_layer_list **out) {
    const tap_json_value *layers = tap_json_get(root, "layers");
    if (tap_json_kind_of(layers) != TAP_JSON_ARRAY)
        return tap_error_set(r->err, TAP_DATA, "'%s' is no list of layers: it has no array \"layers\"",
                             r->path);
    size_t n = tap_json_length(layers), i = 0;
    tap_layer_list *list = many(r, 1, sizeof *list);
    tap_listed_layer *items = many(r, n, sizeof *items);
    for (const tap_json_value *v = tap_json_first(layers); items && i < n; v = tap_json_next(v), i++) {
        read_layer(r, v, &items[i]);
        if (!*items[i].name && !r->no_memory)
            return tap_error_set(r->err, TAP_DATA, "'%s': entry %zu of \"layers\" has no \"layer\", a name",
                                 r->path, i);
    }
    if (r->no_memory || !list) return tap_error_no_memory(r->err, n * sizeof *items);
    *list = (tap_layer_list){text_of(r, tap_json_get(root, "framework")), items, n};
    *out = list;
    return TAP_OK;
}

static tap_status read_file(const char *path, char **text, size_t *n, tap_error *err) {
    FILE *f = fopen(path, "rbe");
    if (!f)
        return tap_error_set(err, TAP_IO, "cannot read the list of layers '%s': %s", path, strerror(errno));
    size_t room = 0, got = 1;
    tap_status st = TAP_OK;
    *text = NULL;
    *n = 0;
    while (st == TAP_OK && got > 0) {
        if (*n == room) {
            room = room ? 2 * room : 1 << 16;
            char *wider = room <= LIST_BYTES_MAX ? realloc(*text, room) : NULL;
            if (!wider) {
                st = tap_error_no_memory(err, room);
                break;
            }
            *text = wider;
        }
        got = fread(*text + *n, 1, room - *n, f);
        *n += got;
    }
    if (st == TAP_OK && ferror(f))
        st = tap_error_set(err, TAP_IO, "cannot read the list of layers '%s': %s", path, strerror(errno));
    fclose(f);
    return st;
}

tap_status tap_model_load_layer_list(tap_model *m, const char *path, tap_error *err) {
    char *text = NULL;
    size_t n = 0;
    tap_json_value *root = NULL;
    list_reader r = {.arena = &m->arena, .path = path, .err = err};
    tap_status st = read_file(path, &text, &n, err);
    if (st == TAP_OK) st = tap_json_parse(text, n, &root, err);
    if (st == TAP_OK) st = read_list(&r, root, &m->layer_list);
    tap_json_value_free(root);
    free(text);
    return st;
}
