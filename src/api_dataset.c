/* Data sets where they meet models: files that protobuf knows, and the axis along which a value grows with
 * the batch. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "io/rows.h"
#include "onnx/load.h"
#include "run/plan.h"
#include "run/reach.h"

tap_status tap_dataset_add_file(tap_dataset *d, const char *input, const char *path, tap_error *err) {
    return tap_dataset_make_file(d, input, path, tap_onnx_load_value, err);
}

tap_status tap_dataset_add_labels(tap_dataset *d, const char *path, tap_error *err) {
    return tap_dataset_make_labels(d, path, tap_onnx_load_value, err);
}

/* What is set on the way, with as many rows more as the batch has, of n. */
static tap_type type_of_set(const tap_set *set, int64_t n, int64_t more) {
    const tap_value *v = set->value;
    int axis = set->batch_axis;
    if (v->kind != TAP_KIND_TENSOR) return (tap_type){.kind = v->kind, .dtype = v->elem_dtype, .rank = -1};
    tap_type t = tap_type_of_tensor(&v->tensor);
    if (axis >= 0 && axis < t.rank && n > 0 && t.dims[axis] % n == 0) t.dims[axis] += t.dims[axis] / n * more;
    return t;
}

/* The types of the main graph's inputs for this batch, with `more` rows in those that are batched. */
static void fill_key(const tap_session *s, const tap_batch *batch, const tap_dataset *d, int64_t more,
                     tap_type *key) {
    const tap_graph *g = s->model->bound.main;
    for (size_t i = 0; i < g->n_inputs; i++) {
        const char *name = s->model->inputs[i].name;
        key[i] = (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
        for (size_t k = 0; k < batch->n_inputs; k++) {
            const tap_value *v = batch->inputs[k].value;
            if (strcmp(batch->inputs[k].name, name) != 0 || !v) continue;
            if (v->kind == TAP_KIND_TENSOR)
                key[i] = tap_type_of_tensor(&v->tensor);
            else
                key[i] = (tap_type){.kind = v->kind, .dtype = v->elem_dtype, .rank = -1};
            if (tap_dataset_is_batched(d, name) && key[i].rank > 0) key[i].dims[0] += more;
        }
    }
    const tap_set *set;
    for (size_t k = 0; (set = tap_reach_set_in(s, g, k)); k++)
        key[g->n_inputs + k] = type_of_set(set, batch->n_rows, more);
}

static tap_status plan_for(tap_session *s, const tap_type *key, tap_plan **out, tap_error *err) {
    tap_frame *f = tap_frame_get(s, s->model->bound.main, NULL);
    if (!f) return tap_error_no_memory(err, sizeof *f);
    tap_plan *before = f->plan;
    tap_status st = tap_plan_build(f, key, false, out, err);
    f->plan = before;
    return st;
}

/* The axis in which b exceeds a as n + more exceeds n rows. */
static int axis_of(const tap_type *a, const tap_type *b, int64_t n, int64_t more) {
    int axis = TAP_BATCH_NONE;
    if (a->kind != TAP_KIND_TENSOR || a->rank < 0 || a->rank != b->rank) return TAP_BATCH_UNKNOWN;
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] < 0 || b->dims[i] < 0) return TAP_BATCH_UNKNOWN;
        if (a->dims[i] == b->dims[i]) continue;
        bool grows = n > 0 && a->dims[i] % n == 0 && b->dims[i] == a->dims[i] / n * (n + more);
        if (axis != TAP_BATCH_NONE || !grows) return TAP_BATCH_UNKNOWN;
        axis = i;
    }
    return axis;
}

/* With a batch that cannot be changed. */
static int axis_of_fixed(const tap_type *a, int64_t n) {
    if (a->kind != TAP_KIND_TENSOR || a->rank < 0) return TAP_BATCH_UNKNOWN;
    if (a->rank == 0) return TAP_BATCH_NONE;
    return a->dims[0] == n ? 0 : TAP_BATCH_UNKNOWN;
}

static void compare(const tap_session *s, tap_plan *a, tap_plan *b, int64_t n, int64_t more, int *axes) {
    const tap_model *m = s->model;
    for (size_t i = 0; i < m->n_values; i++) {
        axes[i] = TAP_BATCH_UNKNOWN;
        if (m->values[i].graph != m->bound.main) continue;
        const tap_gvalue *v = tap_vref_value(m->values[i]);
        const tap_type *t = tap_plan_slot(a, m->values[i].v)->type;
        if (v->init && !v->is_input)
            axes[i] = TAP_BATCH_NONE;
        else
            axes[i] = b ? axis_of(t, tap_plan_slot(b, m->values[i].v)->type, n, more) : axis_of_fixed(t, n);
    }
}

/* ---- By trying ---- */

/* Shapes of the values whose axis inference did not find, in two runs. */
typedef struct probe {
    tap_type *shapes; /* by value; rank -1: not seen, or in more than one shape */
    const int *axes;
} probe;

static int note_shape(const tap_event *e, void *user) {
    probe *p = user;
    if (p->axes[e->index] != TAP_BATCH_UNKNOWN || e->n_iterations > 0) return TAP_SKIP;
    if (!e->ask && e->tensor) p->shapes[e->index] = tap_type_of_tensor(e->tensor);
    return TAP_WANT;
}

/* The first n rows, each of `each` places along an axis; where there is but one, that again. */
static tap_status take_rows(const tap_value *v, int axis, int64_t each, int64_t n, tap_value **out,
                            tap_error *err) {
    const tap_tensor *t = &v->tensor;
    int64_t dims[TAP_RANK_MAX], before = 1, rows = t->dims[axis] / each;
    for (int i = 0; i < axis; i++) before *= t->dims[i];
    size_t all = tap_tensor_bytes(t) / (size_t)before, row = all / (size_t)rows;
    memcpy(dims, t->dims, sizeof dims);
    dims[axis] = n * each;
    tap_status st = tap_value_new(t->dtype, t->rank, dims, out, err);
    for (int64_t b = 0; st == TAP_OK && b < before; b++)
        for (int64_t i = 0; i < n; i++)
            memcpy((char *)(*out)->tensor.data + (size_t)(b * n + i) * row,
                   (const char *)t->data + (size_t)b * all + (size_t)(i < rows ? i : 0) * row, row);
    return st;
}

/* What is set on the way, for n rows of the batch; kept[] takes what it was. */
static tap_status set_rows(tap_session *s, const tap_batch *batch, int64_t n, tap_value **kept,
                           tap_error *err) {
    for (size_t i = 0; i < s->n_sets; i++) {
        tap_set *set = &s->sets[i];
        const tap_tensor *t = tap_value_tensor(set->value);
        if (!t || set->batch_axis < 0 || set->batch_axis >= t->rank || t->count == 0) continue;
        int64_t dim = t->dims[set->batch_axis];
        if (dim % batch->n_rows != 0) continue;
        tap_value *part;
        tap_status st = take_rows(set->value, set->batch_axis, dim / batch->n_rows, n, &part, err);
        if (st != TAP_OK) return st;
        kept[i] = set->value;
        set->value = part;
    }
    return TAP_OK;
}

static void set_back(tap_session *s, tap_value **kept) {
    if (s->frames[0]) tap_frame_reset(s->frames[0]);
    for (size_t i = 0; i < s->n_sets; i++) {
        if (!kept[i]) continue;
        tap_value_release(s->sets[i].value);
        s->sets[i].value = kept[i];
    }
}

static tap_status run_rows(tap_session *s, const tap_batch *batch, const tap_dataset *d, int64_t n, probe *p,
                           tap_error *err) {
    tap_listener *listener = s->listener;
    void *user = s->listener_user;
    tap_input *in = calloc(batch->n_inputs + 1, sizeof *in);
    tap_value **kept = calloc(s->n_sets + 1, sizeof(tap_value *));
    tap_status st = in && kept ? TAP_OK : tap_error_no_memory(err, batch->n_inputs);
    size_t n_made = 0;
    for (; st == TAP_OK && n_made < batch->n_inputs; n_made++) {
        const tap_input *from = &batch->inputs[n_made];
        tap_value *part = (tap_value *)(uintptr_t)from->value;
        if (tap_dataset_is_batched(d, from->name))
            st = take_rows(from->value, 0, 1, n, &part, err);
        else
            tap_value_retain(part);
        if (st != TAP_OK) break;
        in[n_made] = (tap_input){from->name, part};
    }
    tap_session_listen(s, note_shape, p);
    if (st == TAP_OK) st = set_rows(s, batch, n, kept, err);
    if (st == TAP_OK) st = tap_session_run(s, in, batch->n_inputs, err);
    tap_session_listen(s, listener, user);
    if (kept) set_back(s, kept);
    for (size_t i = 0; i < n_made; i++) tap_value_release((tap_value *)(uintptr_t)in[i].value);
    free(kept);
    free(in);
    return st;
}

static bool is_sought(const tap_session *s, const int *axes) {
    for (size_t i = 0; i < s->model->n_values; i++)
        if (s->tapped[i] && axes[i] == TAP_BATCH_UNKNOWN &&
            s->model->values[i].graph == s->model->bound.main &&
            tap_reach_has(s, tap_vref_value(s->model->values[i])))
            return true;
    return false;
}

/* Tapped values whose shape only a run tells: one with a row, one with two. */
static void try_rows(tap_session *s, const tap_batch *batch, const tap_dataset *d, int *axes) {
    size_t n = s->model->n_values;
    tap_type *shapes[2] = {calloc(n + 1, sizeof **shapes), calloc(n + 1, sizeof **shapes)};
    bool good = shapes[0] && shapes[1];
    for (int k = 0; good && k < 2; k++) {
        for (size_t i = 0; i < n; i++) shapes[k][i].rank = -1;
        probe p = {shapes[k], axes};
        good = run_rows(s, batch, d, k + 1, &p, NULL) == TAP_OK;
    }
    for (size_t i = 0; good && i < n; i++)
        if (axes[i] == TAP_BATCH_UNKNOWN && shapes[0][i].rank >= 0)
            axes[i] = axis_of(&shapes[0][i], &shapes[1][i], 1, 1);
    free(shapes[0]);
    free(shapes[1]);
}

tap_status tap_session_batch_axes(tap_session *s, const tap_batch *batch, const tap_dataset *d, int *axes,
                                  tap_error *err) {
    const int64_t more = 3; /* so that an axis of 1 becomes 4, not what an axis of 2 could be mistaken for */
    size_t n = s->model->n_inputs + s->n_sets;
    tap_budget *budget = &s->model->budget;
    tap_type *key = tap_mem_alloc_zero(budget, (n + 1) * sizeof *key);
    tap_plan *now = NULL, *larger = NULL;
    if (!key) return tap_error_no_memory(err, n * sizeof *key);
    tap_status st = tap_reach_update(s, err);
    if (st == TAP_OK) fill_key(s, batch, d, 0, key);
    if (st == TAP_OK) st = plan_for(s, key, &now, err);
    if (st == TAP_OK) {
        fill_key(s, batch, d, more, key);
        if (plan_for(s, key, &larger, NULL) != TAP_OK) larger = NULL;
        compare(s, now, larger, batch->n_rows, more, axes);
    }
    bool fixed = st == TAP_OK && !larger;
    tap_plan_free(now, budget);
    tap_plan_free(larger, budget);
    tap_mem_free(budget, key);
    if (st == TAP_OK && !fixed && batch->n_rows > 0 && is_sought(s, axes)) try_rows(s, batch, d, axes);
    return st;
}
