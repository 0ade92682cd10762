/* Making a plan: types of all values, what is known before the run, and a step for each node that is left. */
#include "run/inputs.h"
#include "run/plan.h"
#include "run/reach.h"

#include <string.h>

static tap_status no_memory(tap_error *err) {
    return tap_error_no_memory(err, sizeof(tap_step));
}

/* like: as tap_slot_set_type says. */
static bool set_type(tap_plan *p, tap_slot *slot, const tap_type *type, const tap_type *like) {
    if (!tap_slot_set_type(p, slot, type, like)) return false;
    slot->is_static = tap_type_is_static(type);
    /* Kinds that may be absent, or a type that nobody knows, are looked at while running. */
    slot->kind = slot->is_static ? TAP_KIND_TENSOR : TAP_KIND_NONE;
    if (slot->is_static) tap_slot_shape(slot, type);
    return true;
}

static bool set_constant(tap_plan *p, tap_slot *slot, const tap_gvalue *v) {
    const tap_value *c = v->stored ? NULL : v->constant;
    tap_type t = v->stored                    ? tap_type_of_stored(v->stored)
                 : c->kind == TAP_KIND_TENSOR ? tap_type_of_tensor(&c->tensor)
                                              : v->type;
    slot->place = TAP_AT_CONST;
    slot->of_model = true;
    bool fine = set_type(p, slot, &t, &v->type);
    slot->tensor.data = NULL; /* brought in when a step needs it */
    return fine;
}

/* An input or captured value: its type from the key, or unknown dims in a generic plan. */
static bool set_given(tap_plan *p, tap_slot *slot, const tap_type *key) {
    tap_type t = *key;
    if (p->generic && t.kind == TAP_KIND_TENSOR)
        for (int k = 0; k < t.rank; k++) t.dims[k] = -1;
    slot->place = TAP_AT_INPUT;
    slot->of_model = false;
    return set_type(p, slot, &t, key);
}

static bool constant_in_parent(const tap_frame *f, tap_vid outer) {
    const tap_slot *s = tap_plan_slot(f->parent->plan, outer);
    return s->place == TAP_AT_CONST && s->of_model;
}

/* What the graph is given, and what it knows. false: no memory. */
static bool plan_borders(tap_frame *f, tap_plan *p) {
    tap_graph *g = f->graph;
    bool fine = true;
    for (size_t v = 0; v < g->n_values; v++) {
        tap_gvalue *x = &g->values[v];
        if (x->stored || (x->constant && !p->overridden))
            fine &= set_constant(p, tap_plan_slot(p, (tap_vid)v), x);
    }
    for (size_t i = 0; i < g->n_inputs; i++) {
        const tap_gvalue *v = &g->values[g->inputs[i]];
        tap_slot *s = tap_plan_slot(p, g->inputs[i]);
        if (p->key[i].kind != TAP_KIND_NONE || !v->init) fine &= set_given(p, s, &p->key[i]);
        /* Left out, for nobody needs it: its type still tells that of what is given instead. */
        if (p->key[i].kind == TAP_KIND_NONE && !tap_reach_has(f->session, v))
            fine &= set_type(p, s, &v->type, &v->type);
    }
    const tap_type *key = p->key + g->n_inputs;
    for (size_t i = 0; i < g->n_captures; i++) {
        tap_vid v = g->captures[i];
        tap_slot *s = tap_plan_slot(p, v);
        fine &= constant_in_parent(f, g->values[v].outer) ? set_constant(p, s, tap_constant_source(g, v))
                                                          : set_given(p, s, &key[i]);
    }
    const tap_set *set;
    key += g->n_captures;
    for (size_t k = 0; (set = tap_reach_set_in(f->session, g, k)); k++)
        fine &= set_given(p, tap_plan_slot(p, set->at.v), &key[k]);
    return fine;
}

tap_step *tap_plan_add_step(tap_plan *p, tap_frame *f, tap_step_kind kind, tap_node *n, int32_t n_in,
                            int32_t n_out) {
    tap_arena *a = &p->memory;
    if (p->n_steps == p->room_steps) {
        size_t room = p->room_steps ? p->room_steps * 2 : 32;
        tap_step **wider = tap_arena_array(a, room, sizeof *wider);
        if (!wider) return NULL;
        if (p->n_steps) memcpy(wider, p->steps, p->n_steps * sizeof *wider);
        p->steps = wider;
        p->room_steps = room;
    }
    tap_step *s = tap_arena_zero(a, sizeof *s);
    if (!s) return NULL;
    s->kind = kind;
    s->in = tap_arena_array(a, (size_t)n_in, sizeof *s->in);
    s->out = tap_arena_array(a, (size_t)n_out, sizeof *s->out);
    s->in_tensors = tap_arena_array(a, (size_t)n_in, sizeof *s->in_tensors);
    s->out_tensors = tap_arena_array(a, (size_t)n_out, sizeof *s->out_tensors);
    s->in_types = tap_arena_array(a, (size_t)n_in, sizeof *s->in_types);
    if (!s->in || !s->out || !s->in_tensors || !s->out_tensors || !s->in_types) return NULL;
    if (n) tap_work_init(&s->work, TAP_RUN_PHASE, f->session->model, n, NULL);
    s->work.frame = f;
    s->work.arena = a;
    s->work.pub.n_in = n_in;
    s->work.pub.n_out = n_out;
    s->work.pub.in = s->in_tensors;
    s->work.pub.out = s->out_tensors;
    s->work.in_slots = s->in;
    s->work.out_slots = s->out;
    s->work.in_types = s->in_types;
    p->steps[p->n_steps++] = s;
    return s;
}

/* An empty optional is no value that could be kept. */
static bool may_be_absent(const tap_node *n, const tap_type *out) {
    for (int32_t i = 0; i < n->n_out; i++)
        if (out[i].kind == TAP_KIND_OPTIONAL) return true;
    return false;
}

/* Whether all that the node reads is known now; *of_model: in every plan. */
static bool is_known(const tap_step *s, bool *of_model) {
    const tap_node *n = s->work.node;
    *of_model = true;
    if (n->op->flags & (TAP_RANDOM | TAP_HAS_BODY)) return false;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (!s->in[i] || (s->in[i]->place == TAP_AT_CONST && s->in[i]->of_model)) continue;
        *of_model = false;
        if (s->in[i]->place == TAP_AT_CONST) continue;
        if (!(i == 0 && n->op->flags & TAP_SHAPE_ONLY && s->in[0]->is_static)) return false;
    }
    return true;
}

/* Keeps a value computed ahead in the model, for all plans and sessions. */
static bool keep_in_model(tap_model *m, tap_gvalue *v, const tap_slot *s) {
    tap_value *c;
    if (s->kind == TAP_KIND_TENSOR && s->tensor.dtype != TAP_STRING && s->tensor.buffer)
        c = tap_value_share(&m->budget, &s->tensor);
    else if (s->kind == TAP_KIND_TENSOR)
        c = tap_tensor_make_copy(&m->budget, &s->tensor);
    else
        c = s->value ? tap_value_make_copy(&m->budget, s->value) : NULL;
    if (!c) return false;
    pthread_mutex_lock(&m->lock);
    if (v->constant)
        tap_value_release(c);
    else
        v->constant = c;
    pthread_mutex_unlock(&m->lock);
    return true;
}

/* A string's bytes live as long as a run; the plan lives longer. */
static bool own_strings(tap_session *s, tap_slot *slot) {
    if (slot->kind != TAP_KIND_TENSOR || slot->tensor.dtype != TAP_STRING) return true;
    tap_value *c = tap_tensor_make_copy(&s->model->budget, &slot->tensor);
    if (!c) return false;
    tap_slot_clear(slot);
    slot->value = c;
    slot->tensor = c->tensor;
    slot->kind = TAP_KIND_TENSOR;
    return true;
}

static void choose_kernel(tap_step *s) {
    const tap_op *op = s->work.node->op;
    s->run = op->run;
    if (!op->kernels) return;
    const tap_slot *typed =
        op->typed_by >= 0 && op->typed_by < s->work.node->n_in ? s->in[op->typed_by] : s->out[0];
    tap_dtype t = typed ? typed->type->dtype : TAP_UNDEFINED;
    s->run = op->kernels[t]; /* NULL: the dtype is not known yet, or has no kernel: seen when it runs */
}

/* As the file alone tells it. */
static const tap_type *type_of_output(const tap_node *n, int32_t i) {
    return &n->graph->values[n->out[i]].type;
}

/* Runs the step now and keeps what it makes. */
static tap_status compute_ahead(tap_frame *f, tap_plan *p, tap_step *s, bool of_model, tap_error *err) {
    tap_model *m = f->session->model;
    tap_node *n = s->work.node;
    for (int32_t i = 0; i < n->n_in; i++) {
        tap_slot *slot = s->in[i];
        if (!slot) continue;
        if (slot->place == TAP_AT_CONST && !slot->tensor.data && slot->kind == TAP_KIND_TENSOR &&
            !tap_slot_load(f, n->in[i], slot))
            return no_memory(err);
        s->in_tensors[i] = &slot->tensor;
    }
    for (int32_t i = 0; i < n->n_out; i++)
        if (s->out[i]) s->out[i]->place = TAP_AT_RUN;
    s->infer = s->gather = true;
    if (s->kind == TAP_STEP_RUN) choose_kernel(s);
    f->session->ahead = true;
    tap_status st = tap_step_run(f, s, err);
    f->session->ahead = false;
    if (st != TAP_OK) return st;
    for (int32_t i = 0; i < n->n_out; i++) {
        tap_slot *slot = s->out[i];
        if (!slot) continue;
        if (!own_strings(f->session, slot)) return no_memory(err);
        if (of_model && !p->overridden && !keep_in_model(m, &n->graph->values[n->out[i]], slot))
            return no_memory(err);
        slot->place = TAP_AT_CONST;
        slot->of_model = of_model && !p->overridden;
        tap_type t = tap_type_of_tensor(&slot->tensor);
        if (slot->kind == TAP_KIND_TENSOR && !tap_slot_set_type(p, slot, &t, type_of_output(n, i)))
            return no_memory(err);
        slot->is_static = slot->kind == TAP_KIND_TENSOR;
    }
    p->n_steps--;
    return TAP_OK;
}

/* Nodes with bodies: the file's own inference tells kinds, dtypes and ranks; sizes are met while running. */
static void types_from_file(const tap_node *n, tap_type *out) {
    for (int32_t i = 0; i < n->n_out; i++) {
        out[i] = n->out[i] == TAP_NO_VALUE ? (tap_type){.kind = TAP_KIND_NONE, .rank = -1}
                                           : n->graph->values[n->out[i]].type;
        if (out[i].kind == TAP_KIND_TENSOR)
            for (int k = 0; k < out[i].rank; k++) out[i].dims[k] = -1;
    }
}

/* The state with packed weights; one of the plan's own where a default that it packs has another value now.
 */
static tap_status pack(tap_frame *f, tap_step *s, tap_error *err) {
    tap_model *m = f->session->model;
    tap_node *n = s->work.node;
    bool replaced = false;
    for (int32_t i = 0; i < n->n_in; i++) {
        const tap_gvalue *c = s->in[i] ? tap_constant_source(n->graph, n->in[i]) : NULL;
        if (c && s->in[i]->place != TAP_AT_CONST) replaced = true;
    }
    tap_status st = TAP_OK;
    pthread_mutex_lock(&m->lock);
    if (!replaced) {
        st = tap_node_pack(m, n, err);
        s->work.pub.state = n->state;
    } else if (n->op->prepare) {
        tap_work w;
        void *state = NULL;
        tap_work_init(&w, TAP_PREPARE, m, n, err);
        w.planned = s->in;
        st = n->op->prepare(&w.pub, &state);
        if (w.failed != TAP_OK) st = w.failed;
        s->work.pub.state = state;
        s->own_state = true;
    }
    pthread_mutex_unlock(&m->lock);
    return st;
}

static bool all_folded(const tap_plan *p, const tap_node *n) {
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != TAP_NO_VALUE &&
            tap_plan_slot((tap_plan *)(uintptr_t)p, n->out[i])->place != TAP_AT_CONST)
            return false;
    return n->n_out > 0;
}

/* Where the node's output i is computed: beside the value's slot where that is given from outside. */
static tap_slot *slot_of_output(tap_frame *f, tap_plan *p, const tap_node *n, int32_t i) {
    const tap_set *set, *given = tap_reach_set_of(f->session, &n->graph->values[n->out[i]]);
    size_t k = 0;
    if (!given) return tap_plan_slot(p, n->out[i]);
    while ((set = tap_reach_set_in(f->session, n->graph, k)) && set != given) k++;
    return tap_plan_slot(p, (tap_vid)(n->graph->n_values + k));
}

/* What is given for output i, against what the node makes. */
static tap_status check_given(tap_frame *f, const tap_node *n, int32_t i, const tap_type *made,
                              tap_error *err) {
    const tap_gvalue *v = &n->graph->values[n->out[i]];
    const tap_set *given = tap_reach_set_of(f->session, v);
    if (!given) return TAP_OK;
    char name[600] = "";
    tap_text t = {name, sizeof name, 0};
    tap_text_add(&t, "value '%s'", v->full);
    tap_status st =
        tap_value_check(name, given->value, made, "is set to", "the node that it replaces makes", err);
    if (st != TAP_OK) tap_error_where(err, n->address, n->src->op, v->full);
    return st;
}

/* Finds the types of the step's outputs. */
static tap_status infer_step(tap_step *s, tap_type *out) {
    if (s->work.node->op->flags & TAP_HAS_BODY) {
        types_from_file(s->work.node, out);
        return TAP_OK;
    }
    s->work.phase = TAP_INFER;
    s->work.out_types = out;
    tap_status st = tap_work_infer(&s->work);
    s->work.phase = TAP_RUN_PHASE;
    s->work.out_types = NULL;
    return st;
}

static tap_step *add_node(tap_frame *f, tap_plan *p, tap_node *n) {
    tap_step *s =
        tap_plan_add_step(p, f, n->op->flags & TAP_VIEW ? TAP_STEP_VIEW : TAP_STEP_RUN, n, n->n_in, n->n_out);
    if (!s) return NULL;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != TAP_NO_VALUE) {
            s->in[i] = tap_plan_slot(p, n->in[i]);
            s->in_types[i] = s->in[i]->type;
        }
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != TAP_NO_VALUE) s->out[i] = slot_of_output(f, p, n, i);
    return s;
}

/* A node that does not run, but tells of which type a value is that is given. */
static tap_status plan_types(tap_frame *f, tap_plan *p, tap_node *n, tap_type *out, tap_error *err) {
    tap_step *s = add_node(f, p, n);
    tap_status st = TAP_OK;
    if (!s) return no_memory(err);
    /* What it reads may be unknown, or nonsense: then nothing is known. */
    if (infer_step(s, out) == TAP_OK)
        for (int32_t i = 0; i < n->n_out && st == TAP_OK; i++) {
            if (!s->out[i]) continue;
            if (!set_type(p, s->out[i], &out[i], type_of_output(n, i))) return no_memory(err);
            st = check_given(f, n, i, &out[i], err);
        }
    p->n_steps--;
    return st;
}

static tap_status plan_node(tap_frame *f, tap_plan *p, tap_node *n, tap_type *out, tap_error *err) {
    if (!tap_reach_runs(f->session, n))
        return tap_reach_types(f->session, n) ? plan_types(f, p, n, out, err) : TAP_OK;
    if (all_folded(p, n)) return TAP_OK;
    tap_step *s = add_node(f, p, n);
    if (!s) return no_memory(err);
    s->work.err = err;
    tap_status st = infer_step(s, out);
    for (int32_t i = 0; i < n->n_out && st == TAP_OK; i++) {
        if (!s->out[i]) continue;
        if (s->out[i]->place != TAP_AT_CONST && !set_type(p, s->out[i], &out[i], type_of_output(n, i)))
            return no_memory(err);
        st = check_given(f, n, i, &out[i], err);
    }
    if (st != TAP_OK) return st;
    bool of_model;
    if (!may_be_absent(n, out) && is_known(s, &of_model)) return compute_ahead(f, p, s, of_model, err);
    return n->op->pack ? pack(f, s, err) : TAP_OK;
}

/* ---- what a step looks at while running ---- */

static void bind_step(tap_step *s) {
    int32_t n_in = s->work.pub.n_in, n_out = s->work.pub.n_out;
    for (int32_t i = 0; i < n_in; i++) {
        if (!s->in[i]) continue;
        s->in_tensors[i] = &s->in[i]->tensor;
        s->in_types[i] = s->in[i]->type;
        if (!s->in[i]->is_static) s->gather = s->infer = true;
    }
    bool open = false;
    for (int32_t i = 0; i < n_out; i++) {
        if (!s->out[i]) continue;
        s->out_tensors[i] = s->out[i]->is_static ? &s->out[i]->tensor : NULL;
        if (!s->out[i]->is_static) open = true;
        if (s->out[i]->place == TAP_AT_RUN) s->alloc = true;
    }
    if (open) s->infer = true;
    if (s->kind != TAP_STEP_RUN) return;
    if (s->work.node->op->flags & TAP_HAS_BODY) {
        s->infer = false;
        s->gather = true;
        for (int32_t i = 0; i < n_out; i++) s->out_tensors[i] = NULL;
    }
    choose_kernel(s);
}

/* Memory of the constant that slot is, or is a form of. */
static bool load_constant(tap_frame *f, tap_slot *slot) {
    tap_slot *r = tap_slot_root(slot);
    if (!r->tensor.data && !r->value && !tap_slot_load(f, r->value_id, r)) return false;
    slot->tensor.data = r->tensor.data;
    slot->tensor.buffer = r->tensor.buffer;
    return true;
}

/* Constants that steps read, but for those that were packed. */
static tap_status load_constants(tap_frame *f, tap_step *s, tap_error *err) {
    const tap_node *n = s->work.node;
    for (int32_t i = 0; i < s->work.pub.n_in; i++) {
        tap_slot *slot = s->in[i];
        if (!slot || slot->place != TAP_AT_CONST || slot->tensor.data || slot->value) continue;
        if (n && n->packed && !s->own_state && n->op->packed_inputs >> i & 1) continue;
        if (!load_constant(f, slot)) return no_memory(err);
    }
    for (int32_t i = 0; s->extra && s->extra[i]; i++)
        if (s->extra[i]->place == TAP_AT_CONST && !s->extra[i]->tensor.data && !load_constant(f, s->extra[i]))
            return no_memory(err);
    return TAP_OK;
}

/* Value of which s is a form, where it is tapped; else TAP_NO_VALUE. */
static tap_vid tapped_value(const tap_frame *f, const tap_slot *s) {
    const tap_graph *g = f->graph;
    if (!s || (size_t)s->value_id >= g->n_values) return TAP_NO_VALUE;
    return f->session->tapped[g->values[s->value_id].global] ? s->value_id : TAP_NO_VALUE;
}

static tap_status plan_shows_of_step(tap_frame *f, tap_plan *p, tap_step *s, bool *shown, tap_error *err) {
    int32_t n = 0;
    for (int32_t i = 0; i < s->work.pub.n_out; i++) n += tapped_value(f, s->out[i]) != TAP_NO_VALUE;
    if (n == 0) return TAP_OK;
    s->shows = tap_arena_array(&p->memory, (size_t)n, sizeof *s->shows);
    if (!s->shows) return no_memory(err);
    for (int32_t i = 0; i < s->work.pub.n_out; i++) {
        tap_vid v = tapped_value(f, s->out[i]);
        if (v == TAP_NO_VALUE) continue;
        tap_show_init(&s->shows[s->n_shows++], f, p, v);
        shown[v] = true;
    }
    return TAP_OK;
}

/* Tapped values that no step makes. */
static tap_status plan_preface(tap_frame *f, tap_plan *p, const bool *shown, tap_error *err) {
    const tap_session *se = f->session;
    const tap_graph *g = f->graph;
    tap_vid *list = tap_arena_array(&p->memory, g->n_values, sizeof *list);
    if (!list) return no_memory(err);
    size_t n = 0;
    for (size_t v = 0; v < g->n_values; v++)
        if (!shown[v] && g->values[v].outer == TAP_NO_VALUE && se->tapped[g->values[v].global] &&
            tap_reach_has(se, &g->values[v]))
            list[n++] = (tap_vid)v;
    p->preface = tap_arena_array(&p->memory, n, sizeof *p->preface);
    if (!p->preface) return no_memory(err);
    for (; p->n_preface < n; p->n_preface++)
        tap_show_init(&p->preface[p->n_preface], f, p, list[p->n_preface]);
    return TAP_OK;
}

static tap_status plan_shows(tap_frame *f, tap_plan *p, tap_error *err) {
    bool *shown = tap_arena_array(&p->memory, f->graph->n_values, sizeof *shown);
    if (!shown) return no_memory(err);
    tap_status st = TAP_OK;
    for (size_t k = 0; k < p->n_steps && st == TAP_OK; k++)
        if (p->steps[k]->work.node) st = plan_shows_of_step(f, p, p->steps[k], shown, err);
    return st == TAP_OK ? plan_preface(f, p, shown, err) : st;
}

static tap_status make_steps(tap_frame *f, tap_plan *p, tap_error *err) {
    const tap_graph *g = f->graph;
    int32_t most = 0;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->n_out > most) most = g->nodes[i]->n_out;
    tap_type *out = tap_arena_array(&p->memory, (size_t)most + 1, sizeof *out);
    if (!out) return no_memory(err);
    tap_status st = TAP_OK;
    for (size_t i = 0; i < g->n_nodes && st == TAP_OK; i++) st = plan_node(f, p, g->nodes[i], out, err);
    return st;
}

static tap_status finish_steps(tap_frame *f, tap_plan *p, tap_error *err) {
    tap_status st = TAP_OK;
    for (size_t k = 0; k < p->n_steps && st == TAP_OK; k++) {
        bind_step(p->steps[k]);
        st = load_constants(f, p->steps[k], err);
    }
    for (size_t i = 0; i < f->graph->n_outputs && st == TAP_OK; i++) {
        tap_vid v = f->graph->outputs[i];
        tap_slot *s = v == TAP_NO_VALUE ? NULL : tap_plan_slot(p, v);
        if (s && s->place == TAP_AT_CONST && !s->tensor.data && !s->value && !load_constant(f, s))
            st = no_memory(err);
    }
    return st;
}

size_t tap_plan_key_size(const tap_frame *f) {
    size_t n = 0;
    while (tap_reach_set_in(f->session, f->graph, n)) n++;
    return f->graph->n_inputs + f->graph->n_captures + n;
}

tap_status tap_plan_build(tap_frame *f, const tap_type *key, bool generic, tap_plan **out, tap_error *err) {
    tap_session *se = f->session;
    tap_plan *p = tap_mem_alloc_zero(&se->model->budget, sizeof *p);
    *out = NULL;
    if (!p) return no_memory(err);
    tap_graph *g = f->graph;
    size_t n_key = tap_plan_key_size(f);
    tap_arena_init(&p->memory, &se->model->budget);
    p->generic = generic;
    p->around_overridden = f->parent && f->parent->plan->overridden;
    p->overridden = p->around_overridden || (se->reach && se->n_sets > 0);
    p->n_values = g->n_values + n_key - g->n_inputs - g->n_captures;
    p->key = tap_arena_array(&p->memory, n_key, sizeof *p->key);
    tap_plan *before = f->plan;
    tap_status st = p->key && tap_plan_make_slots(p) ? TAP_OK : no_memory(err);
    f->plan = p;
    if (st == TAP_OK) {
        for (size_t i = 0; i < n_key; i++) tap_type_copy(&p->memory, &p->key[i], &key[i]);
        for (size_t i = 0; i < g->n_inputs; i++)
            if (g->values[g->inputs[i]].init && key[i].kind != TAP_KIND_NONE) p->overridden = true;
        st = plan_borders(f, p) ? make_steps(f, p, err) : no_memory(err);
    }
    if (st == TAP_OK) st = tap_plan_zeros(f, p, err);
    if (st == TAP_OK) st = tap_plan_layout(f, p, err);
    if (st == TAP_OK && !se->options.no_fusion) st = tap_plan_fuse(f, p, err);
    if (st == TAP_OK) st = tap_plan_memory(f, p, err);
    if (st == TAP_OK) st = plan_shows(f, p, err);
    if (st == TAP_OK) st = finish_steps(f, p, err);
    if (st != TAP_OK) {
        tap_plan_free(p, &se->model->budget);
        f->plan = before;
        return st;
    }
    tap_model_let_files_go(se->model);
    *out = p;
    return TAP_OK;
}

void tap_plan_free(tap_plan *p, tap_budget *b) {
    if (!p) return;
    for (tap_slot *s = p->slots; s; s = s->next) tap_slot_clear(s);
    tap_arena_clear(&p->memory);
    tap_mem_free(b, p);
}
