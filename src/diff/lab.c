/* Running segments. */
#include "diff/lab.h"

#include <string.h>

#include "diff/widen.h"
#include "onnxtap/record.h"

static bool is_float(tap_dtype t) {
    return tap_is_widened(t) || t == TAP_DOUBLE;
}

static tap_status items_in(const tap_value *v, tap_dtype to, tap_value **out, tap_error *err) {
    size_t n = tap_value_length(v);
    tap_value **items = tap_mem_alloc_zero(NULL, (n + 1) * sizeof *items);
    if (!items) return tap_error_no_memory(err, n * sizeof *items);
    tap_status st = TAP_OK;
    for (size_t i = 0; i < n && st == TAP_OK; i++)
        st = tap_value_in(tap_value_item(v, i), to, &items[i], err);
    tap_dtype elem = is_float(v->elem_dtype) ? to : v->elem_dtype;
    if (st == TAP_OK)
        st = v->kind == TAP_KIND_MAP ? tap_value_new_map(items[0], items[1], out, err)
                                     : tap_value_new_sequence(items, n, elem, out, err);
    if (st != TAP_OK) tap_release_all(items, n);
    tap_mem_free(NULL, items);
    return st;
}

tap_status tap_value_in(const tap_value *v, tap_dtype to, tap_value **out, tap_error *err) {
    const tap_tensor *t = tap_value_tensor(v);
    *out = NULL;
    if (!v) return TAP_OK;
    if (!t) return items_in(v, to, out, err);
    if (is_float(t->dtype) && t->dtype != to) return tap_value_cast(v, to, out, err);
    *out = (tap_value *)(uintptr_t)v;
    tap_value_retain(*out);
    return TAP_OK;
}

/* The type that the segment's input is declared with: dtype and rank, any sizes. */
static bool type_of(tap_arena *a, const tap_value *v, bool wide, tap_type *t) {
    *t = (tap_type){.kind = tap_value_kind(v), .rank = -1};
    const tap_tensor *x = tap_value_tensor(v);
    if (x) {
        t->dtype = wide && tap_is_widened(x->dtype) ? TAP_DOUBLE : x->dtype;
        t->rank = x->rank;
        for (int i = 0; i < x->rank; i++) t->dims[i] = -1;
        return true;
    }
    if (!v || (t->kind != TAP_KIND_SEQUENCE && t->kind != TAP_KIND_MAP)) return true;
    tap_type *elem = tap_arena_zero(a, sizeof *elem);
    if (!elem) return false;
    t->elem = elem;
    const tap_value *item = tap_value_item(v, v->n - 1);
    if (v->kind == TAP_KIND_MAP) t->dtype = v->items[0]->tensor.dtype;
    if (v->n > 0) return type_of(a, item, wide, elem);
    *elem = (tap_type){.kind = TAP_KIND_TENSOR, .dtype = v->elem_dtype, .rank = -1};
    if (wide && tap_is_widened(elem->dtype)) elem->dtype = TAP_DOUBLE;
    return true;
}

/* What the model's own inputs are declared as holds where the value is absent or not a tensor. */
static bool declare_inputs(tap_rig *r, const tap_value *const *like) {
    const tap_segment *s = r->segment;
    tap_src_value *in = tap_arena_array(&r->arena, s->n_in, sizeof *in);
    if (!in) return false;
    for (size_t i = 0; i < s->n_in; i++) {
        const tap_gvalue *v = s->in[i] == TAP_NO_VALUE ? NULL : &s->graph->values[s->in[i]];
        in[i] = s->model.graph.inputs[i];
        in[i].has_type = true;
        if (v && v->declared && v->declared->kind != TAP_KIND_TENSOR && !r->wide)
            in[i].type = *v->declared;
        else if (!type_of(&r->arena, like[i], r->wide, &in[i].type))
            return false;
    }
    r->source.graph.inputs = in;
    return true;
}

tap_status tap_rig_open(const tap_lab *lab, const tap_segment *s, bool wide, const tap_value *const *like,
                        tap_rig *out, tap_error *err) {
    *out = (tap_rig){.segment = s, .source = s->model, .wide = wide};
    tap_arena_init(&out->arena, NULL);
    bool made = (!wide || tap_widen_model(&out->arena, &s->model, &out->source)) && declare_inputs(out, like);
    tap_status st = made ? lab->open(&out->source, lab->like, lab->memory_limit_bytes, &out->model, err)
                         : tap_error_no_memory(err, sizeof *out);
    tap_session_options o = {.size = sizeof o, .threads = lab->threads};
    if (st == TAP_OK) st = tap_session_new(out->model, &o, &out->session, err);
    if (st != TAP_OK) tap_rig_close(out);
    return st;
}

void tap_rig_close(tap_rig *r) {
    tap_session_free(r->session);
    tap_model_free(r->model);
    tap_arena_clear(&r->arena);
    r->session = NULL;
    r->model = NULL;
}

void tap_release_all(tap_value **v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        tap_value_release(v[i]);
        v[i] = NULL;
    }
}

/* Inputs in the widths that the segment has them in. */
static tap_status fit_inputs(const tap_rig *r, const tap_value *const *in, tap_value **own, tap_input *list,
                             size_t *n, tap_error *err) {
    tap_status st = TAP_OK;
    *n = 0;
    for (size_t i = 0; i < r->segment->n_in && st == TAP_OK; i++) {
        const tap_type *t = tap_model_input(r->model, i)->type;
        while (t->elem) t = t->elem;
        st = is_float(t->dtype) ? tap_value_in(in[i], t->dtype, &own[i], err) : TAP_OK;
        const tap_value *v = own[i] ? own[i] : in[i];
        if (v) list[(*n)++] = (tap_input){tap_model_input(r->model, i)->name, v};
    }
    return st;
}

static tap_status take_outputs(tap_rig *r, tap_value **out, tap_error *err) {
    tap_status st = TAP_OK;
    size_t n = r->segment->model.graph.n_outputs;
    for (size_t i = 0; i < n; i++) out[i] = NULL;
    for (size_t i = 0; i < n && st == TAP_OK; i++) {
        const tap_value *v = tap_session_output(r->session, i);
        if (v) st = tap_value_copy(v, &out[i], err);
    }
    if (st != TAP_OK) tap_release_all(out, n);
    return st;
}

tap_status tap_rig_run(tap_rig *r, const tap_value *const *in, tap_value **out, tap_error *err) {
    size_t n = r->segment->n_in, given;
    tap_value **own = tap_mem_alloc_zero(NULL, (n + 1) * sizeof *own);
    tap_input *list = tap_mem_alloc_zero(NULL, (n + 1) * sizeof *list);
    tap_status st = own && list ? TAP_OK : tap_error_no_memory(err, n * sizeof *list);
    if (st == TAP_OK) st = fit_inputs(r, in, own, list, &given, err);
    if (st == TAP_OK) st = tap_session_run(r->session, list, given, err);
    if (st == TAP_OK) st = take_outputs(r, out, err);
    if (own) tap_release_all(own, n);
    tap_mem_free(NULL, own);
    tap_mem_free(NULL, list);
    return st;
}

tap_status tap_lab_run(const tap_lab *lab, const tap_segment *s, bool wide, const tap_value *const *in,
                       tap_value **out, tap_error *err) {
    tap_rig r;
    for (size_t i = 0; i < s->model.graph.n_outputs; i++) out[i] = NULL;
    tap_status st = tap_rig_open(lab, s, wide, in, &r, err);
    if (st != TAP_OK) return st;
    st = tap_rig_run(&r, in, out, err);
    tap_rig_close(&r);
    return st;
}
