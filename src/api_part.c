/* part.h: joins a model's graph with the writing of models. */
#include "onnxtap/part.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "graph/part.h"
#include "io/file.h"
#include "onnx/save.h"
#include "run/model.h"

#define EXTERNAL_ABOVE_BYTES (1 << 20)

struct tap_part {
    tap_budget budget;
    tap_arena arena;
    tap_part_nodes nodes;
    const tap_type **input_types, **output_types; /* NULL entries: as inferred */
};

static tap_status find_part(tap_part *p, const tap_model *m, const size_t *values, size_t n, tap_error *err) {
    tap_vref *refs = tap_arena_array(&p->arena, n, sizeof *refs);
    if (!refs) return tap_error_no_memory(err, n * sizeof *refs);
    for (size_t i = 0; i < n; i++) {
        if (values[i] >= m->n_values)
            return tap_error_set(err, TAP_USAGE, "the model has no value %zu", values[i]);
        refs[i] = m->values[values[i]];
    }
    tap_status st = tap_part_find(&m->bound, refs, n, &p->arena, &p->nodes, err);
    if (st != TAP_OK) return st;
    p->input_types = tap_arena_array(&p->arena, p->nodes.n_inputs, sizeof *p->input_types);
    p->output_types = tap_arena_array(&p->arena, p->nodes.n_outputs, sizeof *p->output_types);
    return p->input_types && p->output_types ? TAP_OK : tap_error_no_memory(err, n);
}

tap_status tap_part_new(tap_model *m, const size_t *values, size_t n, tap_part **out, tap_error *err) {
    *out = NULL;
    tap_part *p = tap_mem_alloc_zero(NULL, sizeof *p);
    if (!p) return tap_error_no_memory(err, sizeof *p);
    tap_budget_init(&p->budget, UINT64_MAX);
    tap_arena_init(&p->arena, &p->budget);
    tap_status st = find_part(p, m, values, n, err);
    if (st == TAP_OK)
        *out = p;
    else
        tap_part_free(p);
    return st;
}

void tap_part_free(tap_part *p) {
    if (!p) return;
    tap_arena_clear(&p->arena);
    tap_mem_free(NULL, p);
}

static size_t index_of(const tap_vref *refs, size_t n, size_t i) {
    return i < n ? (size_t)tap_vref_value(refs[i])->global : SIZE_MAX;
}

size_t tap_part_input_count(const tap_part *p) {
    return p->nodes.n_inputs;
}
size_t tap_part_input(const tap_part *p, size_t i) {
    return index_of(p->nodes.inputs, p->nodes.n_inputs, i);
}
size_t tap_part_output_count(const tap_part *p) {
    return p->nodes.n_outputs;
}
size_t tap_part_output(const tap_part *p, size_t i) {
    return index_of(p->nodes.outputs, p->nodes.n_outputs, i);
}

/* ---- types of values ---- */

/* What v is, into *t; false: no memory. An empty optional says nothing beyond what was known. */
static bool type_of(tap_arena *a, const tap_value *v, const tap_type *known, tap_type *t) {
    tap_type *elem = NULL;
    *t = (tap_type){.kind = tap_value_kind(v), .rank = -1};
    switch (t->kind) {
    case TAP_KIND_TENSOR:
        t->dtype = tap_tensor_dtype(tap_value_tensor(v));
        t->rank = tap_tensor_rank(tap_value_tensor(v));
        memcpy(t->dims, tap_tensor_dims(tap_value_tensor(v)), (size_t)t->rank * sizeof *t->dims);
        return true;
    case TAP_KIND_SEQUENCE:
    case TAP_KIND_MAP:
        if (!(elem = tap_arena_zero(a, sizeof *elem))) return false;
        t->elem = elem;
        if (t->kind == TAP_KIND_MAP) {
            t->dtype = tap_tensor_dtype(tap_value_tensor(tap_value_item(v, 0)));
            if (!type_of(a, tap_value_item(v, 1), NULL, elem)) return false;
            elem->rank = 0;
            return true;
        }
        if (tap_value_length(v) == 0 || !type_of(a, tap_value_item(v, 0), NULL, elem)) {
            *t = known ? *known : (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
            return true;
        }
        /* Elements may differ in shape. */
        elem->rank = -1;
        return true;
    default:
        if (known) *t = *known;
        return true;
    }
}

static tap_status declare(tap_part *p, const tap_vref *refs, const tap_type **types, size_t n, size_t index,
                          const tap_value *value, bool *found, tap_error *err) {
    for (size_t i = 0; i < n; i++) {
        if (index_of(refs, n, i) != index) continue;
        tap_type *t = tap_arena_zero(&p->arena, sizeof *t);
        if (!t || !type_of(&p->arena, value, &tap_vref_value(refs[i])->type, t))
            return tap_error_no_memory(err, sizeof *t);
        types[i] = t;
        *found = true;
    }
    return TAP_OK;
}

tap_status tap_part_declare(tap_part *p, size_t index, const tap_value *value, tap_error *err) {
    bool found = false;
    const tap_part_nodes *n = &p->nodes;
    tap_status st = declare(p, n->inputs, p->input_types, n->n_inputs, index, value, &found, err);
    if (st == TAP_OK) st = declare(p, n->outputs, p->output_types, n->n_outputs, index, value, &found, err);
    if (st != TAP_OK || found) return st;
    return tap_error_set(err, TAP_NOT_FOUND, "value %zu does not cross the part's border", index);
}

/* ---- writing ---- */

typedef struct source {
    tap_arena arena;
    tap_src_model model;
} source;

static tap_status make_source(const tap_part *p, source *s, tap_error *err) {
    tap_arena_init(&s->arena, p->arena.budget);
    if (p->nodes.n_outputs == 0) return tap_error_set(err, TAP_USAGE, "the part has no output");
    return tap_part_source(&p->nodes, p->input_types, p->output_types, &s->arena, &s->model, err);
}

static bool write_file(void *user, const void *bytes, size_t n) {
    tap_writer_write(user, bytes, n);
    return !tap_writer_failed(user);
}

/* "a/b.onnx" -> "a/b.onnx.data" */
static char *data_path(const char *path) {
    size_t n = strlen(path);
    char *s = malloc(n + sizeof ".data");
    if (!s) return NULL;
    memcpy(s, path, n);
    memcpy(s + n, ".data", sizeof ".data");
    return s;
}

static bool has_external(const tap_src_graph *g, uint64_t above) {
    for (size_t i = 0; i < g->n_inits; i++)
        if (g->inits[i].n_bytes > above && g->inits[i].dtype != TAP_STRING) return true;
    for (size_t k = 0; k < g->n_nodes; k++)
        for (size_t i = 0; i < g->nodes[k].n_attrs; i++) {
            const tap_src_attr *a = &g->nodes[k].attrs[i];
            bool graphs = a->kind == TAP_ATTR_GRAPH || a->kind == TAP_ATTR_GRAPHS;
            for (size_t j = 0; graphs && j < a->n; j++)
                if (has_external(a->u.graphs[j], above)) return true;
        }
    return false;
}

/* The data file gets its name first: a model never refers to one that is not there. */
static tap_status finish(tap_writer *model, tap_writer *data, tap_status st, tap_error *err) {
    if (st == TAP_IO) st = tap_writer_check(tap_writer_failed(model) ? model : data, err);
    if (st == TAP_OK && data) {
        st = tap_writer_commit(data, false, err);
        data = NULL;
    }
    if (st == TAP_OK) return tap_writer_commit(model, false, err);
    tap_writer_discard(data);
    tap_writer_discard(model);
    return st;
}

static tap_status save_source(const source *s, const char *path, uint64_t above, tap_error *err) {
    tap_writer *model = NULL, *data = NULL;
    char *beside = data_path(path);
    if (!beside) return tap_error_no_memory(err, strlen(path));
    const char *slash = strrchr(beside, '/');
    tap_onnx_out out = {.write = write_file, .write_data = write_file, .above_bytes = (size_t)above};
    tap_status st = tap_writer_open(path, &model, err);
    if (st == TAP_OK && has_external(&s->model.graph, above)) {
        st = tap_writer_open(beside, &data, err);
        out.location = slash ? slash + 1 : beside;
    }
    out.user = model;
    out.data_user = data;
    if (st == TAP_OK) st = tap_onnx_save_model(&s->model, &out, err);
    st = model ? finish(model, data, st, err) : st;
    free(beside);
    return st;
}

tap_status tap_part_save(const tap_part *p, const char *path, const tap_part_options *options,
                         tap_error *err) {
    tap_part_options o = {.size = sizeof o};
    source s;
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (!o.external_above_bytes) o.external_above_bytes = EXTERNAL_ABOVE_BYTES;
    tap_status st = make_source(p, &s, err);
    if (st == TAP_OK) st = save_source(&s, path, o.external_above_bytes, err);
    tap_arena_clear(&s.arena);
    return st;
}

typedef struct bytes {
    char *p;
    size_t n, room;
} bytes;

static bool write_memory(void *user, const void *p, size_t n) {
    bytes *b = user;
    if (n > b->room - b->n) {
        size_t room = (b->room + n) * 2;
        char *wider = realloc(b->p, room);
        if (!wider) return false;
        b->p = wider;
        b->room = room;
    }
    memcpy(b->p + b->n, p, n);
    b->n += n;
    return true;
}

tap_status tap_part_bytes(const tap_part *p, void **out, size_t *n_out, tap_error *err) {
    source s;
    bytes b = {0};
    tap_onnx_out to = {.write = write_memory, .user = &b};
    *out = NULL;
    *n_out = 0;
    tap_status st = make_source(p, &s, err);
    if (st == TAP_OK) st = tap_onnx_save_model(&s.model, &to, err);
    if (st == TAP_IO) st = tap_error_no_memory(err, b.n);
    tap_arena_clear(&s.arena);
    if (st != TAP_OK) {
        free(b.p);
        return st;
    }
    *out = b.p;
    *n_out = b.n;
    return TAP_OK;
}
