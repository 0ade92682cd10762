/* The public functions on sessions: what is tapped, given and wanted, and runs. */
#include <string.h>

#include "run/inputs.h"
#include "run/plan.h"
#include "run/reach.h"
#include "core/tensor.h"

tap_status tap_session_new(tap_model *m, const tap_session_options *options, tap_session **out,
                           tap_error *err) {
    *out = NULL;
    tap_session_options o = {.size = sizeof o};
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    tap_status st = o.partial ? TAP_OK : tap_graph_check_supported(&m->bound, err);
    if (st != TAP_OK) return st;
    tap_session *s = tap_mem_alloc_zero(&m->budget, sizeof *s);
    if (!s) return tap_error_no_memory(err, sizeof *s);
    atomic_fetch_add(&m->refs, 1);
    s->model = m;
    s->options = o;
    s->options.size = sizeof s->options;
    if (s->options.threads <= 0) s->options.threads = tap_cpu_count();
    tap_scratch_init(&s->scratch, &m->budget);
    tap_buffers_init(&s->buffers, &m->budget);
    tap_arena_init(&s->strings, &m->budget);
    s->frames = tap_mem_alloc_zero(&m->budget, m->bound.n_graphs * sizeof *s->frames);
    s->tapped = tap_mem_alloc_zero(&m->budget, m->n_values * sizeof *s->tapped);
    s->around = tap_mem_alloc_zero(&m->budget, m->n_outputs * sizeof *s->around);
    s->copies = tap_mem_alloc_zero(&m->budget, m->n_outputs * sizeof *s->copies);
    s->outputs = tap_mem_alloc_zero(&m->budget, m->n_outputs * sizeof *s->outputs);
    s->pool = s->options.threads > 1 ? tap_pool_new(&m->budget, s->options.threads) : NULL;
    if (!s->frames || !s->tapped || !s->around || !s->copies || !s->outputs ||
        (s->options.threads > 1 && !s->pool)) {
        tap_session_free(s);
        return tap_error_no_memory(err, m->n_values);
    }
    *out = s;
    return TAP_OK;
}

static void forget_kept(tap_session *s) {
    for (size_t i = 0; i < s->n_kept; i++) {
        tap_value_release(s->kept[i].value);
        tap_mem_free(&s->model->budget, s->kept[i].name);
    }
    s->n_kept = 0;
}

void tap_session_free(tap_session *s) {
    if (!s) return;
    tap_model *m = s->model;
    tap_budget *b = &m->budget;
    forget_kept(s);
    tap_reach_free(s);
    for (size_t i = 0; i < s->n_sets; i++) tap_value_release(s->sets[i].value);
    tap_mem_free(b, s->sets);
    tap_mem_free(b, s->stops);
    tap_mem_free(b, s->kept);
    tap_pool_free(s->pool);
    for (size_t i = 0; s->frames && i < m->bound.n_graphs; i++) tap_frame_free(s->frames[i]);
    for (size_t i = 0; s->copies && i < m->n_outputs; i++) tap_value_release(s->copies[i]);
    tap_mem_free(b, s->frames);
    tap_mem_free(b, s->tapped);
    tap_mem_free(b, s->around);
    tap_mem_free(b, s->copies);
    tap_mem_free(b, s->outputs);
    tap_scratch_free(&s->scratch);
    tap_trace_free(&s->trace, b);
    tap_buffers_free(&s->buffers);
    tap_arena_clear(&s->strings);
    tap_mem_free(b, s);
    tap_model_free(m);
}

/* Plans depend on what is tapped, given and wanted. */
static void taps_changed(tap_session *s) {
    for (size_t i = 0; i < s->model->bound.n_graphs; i++)
        if (s->frames[i]) tap_frame_drop_plans(s->frames[i]);
    tap_reach_free(s);
    s->has_run = false;
    forget_kept(s);
}

tap_status tap_session_tap(tap_session *s, const char *selector, size_t *n_picked, tap_error *err) {
    bool away = *selector == '!';
    const char *one = away ? selector + 1 : selector;
    size_t *indices, n;
    /* An exact name may begin with '!'. */
    if (away && tap_model_select(s->model, &selector, 1, &indices, &n, NULL) == TAP_OK) {
        tap_free(indices);
        if (n > 0) {
            away = false;
            one = selector;
        }
    }
    tap_status st = tap_model_select(s->model, &one, 1, &indices, &n, err);
    if (st != TAP_OK) return st;
    for (size_t i = 0; i < n; i++) s->tapped[indices[i]] = !away;
    tap_free(indices);
    if (n_picked) *n_picked = n;
    taps_changed(s);
    return TAP_OK;
}

tap_status tap_session_set_taps(tap_session *s, const size_t *indices, size_t n, tap_error *err) {
    for (size_t i = 0; i < n; i++)
        if (indices[i] >= s->model->n_values)
            return tap_error_set(err, TAP_USAGE, "value %zu: the model has %zu", indices[i],
                                 s->model->n_values);
    memset(s->tapped, 0, s->model->n_values * sizeof *s->tapped);
    for (size_t i = 0; i < n; i++) s->tapped[indices[i]] = true;
    taps_changed(s);
    return TAP_OK;
}

/* ---- a part of a run ---- */

static void forget_outputs(tap_session *s) {
    for (size_t i = 0; i < s->model->n_outputs; i++) {
        tap_value_release(s->copies[i]);
        s->copies[i] = NULL;
        s->outputs[i] = NULL;
    }
}

static tap_status no_value(const tap_session *s, size_t index, tap_error *err) {
    return tap_error_set(err, TAP_USAGE, "value %zu: the model has %zu", index, s->model->n_values);
}

static tap_status add_set(tap_session *s, size_t index, tap_value *v, int batch_axis, tap_error *err) {
    if (!tap_mem_reserve(&s->model->budget, (void **)&s->sets, &s->room_sets, s->n_sets + 1, sizeof *s->sets))
        return tap_error_no_memory(err, sizeof *s->sets);
    tap_value_retain(v);
    s->sets[s->n_sets++] = (tap_set){s->model->values[index], v, batch_axis};
    taps_changed(s);
    return TAP_OK;
}

tap_status tap_session_set(tap_session *s, size_t index, tap_value *v, int batch_axis, tap_error *err) {
    char name[600] = "";
    tap_text t = {name, sizeof name, 0};
    if (index >= s->model->n_values) return no_value(s, index, err);
    const tap_gvalue *g = tap_vref_value(s->model->values[index]);
    tap_text_add(&t, "value '%s'", g->full);
    /* A declared size may be stale; a run compares with what the node makes. */
    tap_type want = g->type;
    for (int k = 0; g->producer && k < want.rank; k++) want.dims[k] = -1;
    tap_status st = v ? tap_value_check(name, v, &want, "is set to", "the model has", err) : TAP_OK;
    if (st != TAP_OK) {
        tap_error_where(err, NULL, NULL, g->full);
        return st;
    }
    size_t i = 0;
    while (i < s->n_sets && tap_vref_value(s->sets[i].at) != g) i++;
    if (i == s->n_sets) return v ? add_set(s, index, v, batch_axis, err) : TAP_OK;
    if (s->frames[0]) tap_frame_reset(s->frames[0]);
    forget_outputs(s);
    s->has_run = false;
    tap_value_release(s->sets[i].value);
    if (v) {
        tap_value_retain(v);
        s->sets[i].value = v;
        s->sets[i].batch_axis = batch_axis;
        return TAP_OK;
    }
    s->sets[i] = s->sets[--s->n_sets];
    taps_changed(s);
    return TAP_OK;
}

tap_status tap_session_stop_after(tap_session *s, const size_t *indices, size_t n, tap_error *err) {
    for (size_t i = 0; i < n; i++)
        if (indices[i] >= s->model->n_values) return no_value(s, indices[i], err);
    bool *stops = n ? tap_mem_alloc_zero(&s->model->budget, s->model->n_values * sizeof *stops) : NULL;
    if (n && !stops) return tap_error_no_memory(err, s->model->n_values);
    for (size_t i = 0; i < n; i++) stops[indices[i]] = true;
    tap_mem_free(&s->model->budget, s->stops);
    s->stops = stops;
    taps_changed(s);
    return TAP_OK;
}

tap_status tap_session_reaches(tap_session *s, size_t index, bool *reaches, const char **blocker,
                               tap_error *err) {
    if (index >= s->model->n_values) return no_value(s, index, err);
    tap_status st = tap_reach_update(s, err);
    if (st != TAP_OK) return st;
    const tap_gvalue *v = tap_vref_value(s->model->values[index]);
    const tap_node *by = tap_reach_blocker(s, v);
    *reaches = tap_reach_has(s, v);
    if (blocker) *blocker = by ? by->address : NULL;
    return TAP_OK;
}

void tap_session_listen(tap_session *s, tap_listener *listener, void *user) {
    s->listener = listener;
    s->listener_user = user;
}

/* ---- running ---- */

static tap_slot *output_slot(const tap_session *s, size_t i) {
    const tap_frame *f = s->frames[0];
    tap_vid v = f->graph->outputs[i];
    return v == TAP_NO_VALUE ? NULL : tap_plan_slot(f->plan, v);
}

/* An output that is the caller's own memory is copied: the caller may let go of its input before it reads the
 * output. */
static tap_status take_output(tap_session *s, size_t i, tap_error *err) {
    tap_slot *slot = output_slot(s, i);
    tap_value *v = &s->around[i];
    if (!slot || (slot->kind != TAP_KIND_TENSOR && !slot->value)) return TAP_OK;
    if (!tap_reach_has(s, &s->frames[0]->graph->values[s->frames[0]->graph->outputs[i]])) return TAP_OK;
    *v = (tap_value){.kind = TAP_KIND_TENSOR, .tensor = slot->tensor};
    atomic_init(&v->refs, 1);
    s->outputs[i] = slot->kind == TAP_KIND_TENSOR ? v : slot->value;
    bool callers = slot->place == TAP_AT_INPUT || (slot->held && slot->held->budget != &s->model->budget);
    if (!callers) return TAP_OK;
    s->outputs[i] = s->copies[i] = tap_value_make_copy(&s->model->budget, s->outputs[i]);
    return s->copies[i] ? TAP_OK : tap_error_no_memory(err, tap_tensor_bytes(&slot->tensor));
}

tap_status tap_session_run(tap_session *s, const tap_input *inputs, size_t n_inputs, tap_error *err) {
    tap_scratch_mark mark = tap_scratch_here(&s->scratch);
    const tap_value **values = tap_scratch_take(&s->scratch, (s->model->n_inputs + 1) * sizeof *values);
    if (!values) return tap_error_no_memory(err, sizeof *values);
    tap_trace_start(&s->trace);
    forget_kept(s);
    forget_outputs(s);
    if (s->frames[0]) tap_frame_reset(s->frames[0]);
    tap_arena_clear(&s->strings);
    s->has_run = false;
    s->n_iterations = 0;
    s->runs++;
    bool *unneeded = tap_scratch_take(&s->scratch, s->model->n_inputs + 1);
    tap_status st = unneeded ? tap_reach_update(s, err) : tap_error_no_memory(err, s->model->n_inputs);
    const tap_graph *g = s->model->bound.main;
    for (size_t i = 0; st == TAP_OK && i < g->n_inputs; i++)
        unneeded[i] =
            tap_reach_set_of(s, &g->values[g->inputs[i]]) || !tap_reach_has(s, &g->values[g->inputs[i]]);
    if (st == TAP_OK)
        st =
            tap_inputs_collect(s->model->inputs, s->model->n_inputs, unneeded, inputs, n_inputs, values, err);
    tap_frame *f = st == TAP_OK ? tap_frame_get(s, s->model->bound.main, NULL) : NULL;
    if (st == TAP_OK && !f) st = tap_error_no_memory(err, sizeof *f);
    if (st == TAP_OK) st = tap_frame_run(f, values, err);
    for (size_t i = 0; st == TAP_OK && i < s->model->n_outputs; i++) st = take_output(s, i, err);
    tap_scratch_back(&s->scratch, mark);
    if (s->trace.on) tap_trace_add(&s->trace, &s->model->budget, TAP_SPAN_END, s->trace.last, NULL, NULL, 0);
    s->has_run = st == TAP_OK;
    return st;
}

const tap_value *tap_session_output(const tap_session *s, size_t i) {
    return s->has_run && i < s->model->n_outputs ? s->outputs[i] : NULL;
}

const tap_value *tap_session_value(const tap_session *s, const char *name) {
    for (size_t i = 0; i < s->model->n_outputs; i++)
        if (strcmp(s->model->outputs[i].name, name) == 0) return tap_session_output(s, i);
    for (size_t i = 0; i < s->n_kept; i++)
        if (strcmp(s->kept[i].name, name) == 0) return s->kept[i].value;
    return NULL;
}

size_t tap_session_tapped_count(const tap_session *s) {
    return s->n_kept;
}

const tap_value *tap_session_tapped(const tap_session *s, size_t i, const char **name, size_t *index) {
    if (i >= s->n_kept) return NULL;
    if (name) *name = s->kept[i].name;
    if (index) *index = s->kept[i].index;
    return s->kept[i].value;
}

void tap_session_get_info(const tap_session *s, tap_runtime_info *info) {
    tap_runtime_info x = {
        .size = info->size, .isa = tap_isa_name(s->model->isa), .threads = tap_pool_threads(s->pool)};
    x.memory_bytes = atomic_load(&s->model->budget.used);
    x.memory_peak_bytes = atomic_load(&s->model->budget.peak);
    for (size_t i = 0; i < s->model->bound.n_graphs; i++)
        if (s->frames[i]) x.plans += s->frames[i]->n_plans;
    const tap_plan *p = s->frames[0] ? s->frames[0]->plan : NULL;
    x.steps = p ? p->n_steps : 0;
    x.fused_steps = p ? p->n_fused : 0;
    memcpy(info, &x, info->size < sizeof x ? info->size : sizeof x);
}
