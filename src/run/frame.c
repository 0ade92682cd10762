/* Running a plan: a frame is a graph at work, with the plans it has made and the memory they use. */
#include <inttypes.h>
#include <string.h>

#include "core/permute.h"
#include "run/elementwise.h"
#include "run/plan.h"
#include "run/reach.h"

#define PLANS_KEPT 6
/* Inputs that may be images are among the first ones. */
#define TAP_IMAGES_MAX 8
#define GENERIC_AFTER  12 /* plans made before one for any size is tried */

tap_frame *tap_frame_get(tap_session *s, tap_graph *g, tap_frame *parent) {
    tap_frame **at = &s->frames[g->number];
    if (!*at) {
        *at = tap_mem_alloc_zero(&s->model->budget, sizeof **at);
        if (!*at) return NULL;
        (*at)->session = s;
        (*at)->graph = g;
    }
    (*at)->parent = parent;
    return *at;
}

void tap_frame_drop_plans(tap_frame *f) {
    tap_budget *b = &f->session->model->budget;
    for (tap_plan *p = f->plans, *next; p; p = next) {
        next = p->next;
        tap_plan_free(p, b);
    }
    f->plans = f->plan = NULL;
    f->n_plans = 0;
}

void tap_frame_free(tap_frame *f) {
    if (!f) return;
    tap_budget *b = &f->session->model->budget;
    tap_frame_drop_plans(f);
    tap_mem_free(b, f->arena);
    tap_mem_free(b, f);
}

/* ---- finding a plan ---- */

/* Of a map's values. */
static const tap_type map_values[TAP_DTYPE_COUNT] = {
#define TAP_X(name, number, text, bytes) \
    [TAP_##name] = {.kind = TAP_KIND_TENSOR, .dtype = TAP_##name, .rank = -1},
    TAP_DTYPE_LIST(TAP_X)
#undef TAP_X
};

/* An elem is that of a map: its values, of any shape. */
static bool same_type(const tap_type *key, const tap_type *now, bool generic) {
    if (key->kind != now->kind || key->dtype != now->dtype || key->rank != now->rank) return false;
    if (!key->elem != !now->elem || (key->elem && key->elem->dtype != now->elem->dtype)) return false;
    if (key->kind != TAP_KIND_TENSOR || generic || key->rank <= 0) return true;
    return memcmp(key->dims, now->dims, (size_t)key->rank * sizeof *key->dims) == 0;
}

static tap_type type_of_value(const tap_value *v) {
    if (!v) return (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
    if (v->kind == TAP_KIND_TENSOR) return tap_type_of_tensor(&v->tensor);
    if (v->kind != TAP_KIND_MAP) return (tap_type){.kind = v->kind, .dtype = v->elem_dtype, .rank = -1};
    const tap_tensor *keys = tap_value_tensor(v->items[0]), *values = tap_value_tensor(v->items[1]);
    return (tap_type){.kind = TAP_KIND_MAP,
                      .dtype = keys ? keys->dtype : TAP_UNDEFINED,
                      .rank = -1,
                      .elem = values ? &map_values[values->dtype] : NULL};
}

tap_type tap_slot_now(const tap_slot *s) {
    if (s->kind != TAP_KIND_TENSOR) return type_of_value(s->value);
    tap_type t = tap_type_of_tensor(&s->tensor);
    if (!s->channels_last || t.rank < 3) return t;
    t.dims[1] = s->tensor.dims[t.rank - 1];
    for (int k = 2; k < t.rank; k++) t.dims[k] = s->tensor.dims[k - 1];
    return t;
}

static tap_status fill_key(tap_frame *f, tap_type **key, tap_error *err) {
    const tap_graph *g = f->graph;
    size_t n = tap_plan_key_size(f);
    *key = tap_scratch_take(&f->session->scratch, (n + 1) * sizeof **key);
    if (!*key) return tap_error_no_memory(err, n * sizeof **key);
    for (size_t i = 0; i < g->n_inputs; i++) (*key)[i] = type_of_value(f->inputs[i]);
    for (size_t i = 0; i < g->n_captures; i++)
        (*key)[g->n_inputs + i] =
            tap_slot_now(tap_plan_slot(f->parent->plan, g->values[g->captures[i]].outer));
    const tap_set *set;
    for (size_t k = 0; (set = tap_reach_set_in(f->session, g, k)); k++)
        (*key)[g->n_inputs + g->n_captures + k] = type_of_value(set->value);
    return TAP_OK;
}

static void to_front(tap_frame *f, tap_plan *p) {
    if (f->plans == p) return;
    for (tap_plan *q = f->plans; q; q = q->next)
        if (q->next == p) {
            q->next = p->next;
            p->next = f->plans;
            f->plans = p;
            return;
        }
}

static void drop_oldest(tap_frame *f) {
    tap_plan **at = &f->plans;
    while ((*at)->next) at = &(*at)->next;
    tap_plan_free(*at, &f->session->model->budget);
    *at = NULL;
    f->n_plans--;
}

static bool plan_fits(const tap_plan *p, const tap_type *key, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!same_type(&p->key[i], &key[i], p->generic)) return false;
    return true;
}

static tap_status find_plan(tap_frame *f, tap_error *err) {
    tap_scratch_mark mark = tap_scratch_here(&f->session->scratch);
    tap_type *key;
    tap_status st = fill_key(f, &key, err);
    if (st != TAP_OK) return st;
    size_t n = tap_plan_key_size(f);
    bool around = f->parent && f->parent->plan->overridden;
    tap_plan *p = f->plans;
    while (p && !(p->around_overridden == around && plan_fits(p, key, n))) p = p->next;
    if (!p) {
        f->n_misses++;
        st = tap_plan_build(f, key, f->n_misses > GENERIC_AFTER, &p, err);
        if (st == TAP_OK) {
            if (f->n_plans == PLANS_KEPT) drop_oldest(f);
            p->next = f->plans;
            f->plans = p;
            f->n_plans++;
        }
    }
    tap_scratch_back(&f->session->scratch, mark);
    if (st == TAP_OK) {
        to_front(f, p);
        f->plan = p;
    }
    return st;
}

/* ---- binding a run ---- */

static tap_status no_memory_for(tap_step *s, int32_t i, const tap_type *type) {
    char text[200] = "";
    tap_text t = {text, sizeof text, 0};
    tap_text_type(&t, type);
    return tap_fail(&s->work.pub, TAP_MEMORY,
                    "no memory for output %d, %s: the limit (--memory-limit) or the machine has no more", i,
                    text);
}

/* The arena's largest value is named. */
static tap_status no_memory_for_arena(tap_frame *f, tap_error *err) {
    tap_plan *p = f->plan;
    tap_step *step = NULL;
    int32_t output = 0;
    uint64_t most = 0;
    for (size_t k = 0; k < p->n_steps; k++)
        for (int32_t i = 0; p->steps[k]->work.node && i < p->steps[k]->work.pub.n_out; i++) {
            const tap_slot *y = p->steps[k]->out[i];
            uint64_t n = y && y->place == TAP_AT_ARENA ? tap_tensor_bytes(&y->tensor) : 0;
            if (n > most) most = n, step = p->steps[k], output = i;
        }
    return step ? no_memory_for(step, output, step->out[output]->type)
                : tap_error_no_memory(err, p->arena_bytes);
}

static tap_status bind_arena(tap_frame *f, tap_error *err) {
    tap_plan *p = f->plan;
    if (p->arena_bytes > f->arena_bytes) {
        tap_budget *b = &f->session->model->budget;
        tap_mem_free(b, f->arena);
        f->arena_bytes = 0;
        f->arena = tap_mem_alloc(b, p->arena_bytes);
        if (!f->arena) return no_memory_for_arena(f, err);
        f->arena_bytes = p->arena_bytes;
    }
    if (p->bound_to == f->arena && f->arena) return TAP_OK;
    p->bound_to = f->arena;
    for (tap_slot *s = p->slots; s; s = s->next) {
        tap_slot *r = tap_slot_root(s);
        if (r->place == TAP_AT_ARENA && s->place == TAP_AT_ARENA && r->first >= 0)
            s->tensor.data = f->arena + r->offset;
        else if (s != r && r->place == TAP_AT_CONST)
            s->tensor.data = r->tensor.data;
    }
    return TAP_OK;
}

static bool is_aligned(const tap_tensor *t) {
    size_t each = tap_dtype_bytes(t->dtype);
    return (uintptr_t)t->data % (each > 8 ? 8 : each) == 0;
}

static tap_status bind_input(tap_frame *f, tap_slot *s, const tap_value *v, tap_error *err) {
    tap_slot_clear(s);
    if (!v) return TAP_OK;
    s->kind = v->kind;
    if (v->kind != TAP_KIND_TENSOR) {
        s->value = (tap_value *)(uintptr_t)v;
        tap_value_retain(s->value);
        return TAP_OK;
    }
    if (is_aligned(&v->tensor)) {
        s->tensor = v->tensor;
        return TAP_OK;
    }
    tap_type t = tap_type_of_tensor(&v->tensor);
    if (!tap_slot_make(f->session, s, &t)) return tap_error_no_memory(err, tap_tensor_bytes(&v->tensor));
    memcpy(s->tensor.data, v->tensor.data, tap_tensor_bytes(&v->tensor));
    return TAP_OK;
}

/* A captured value lies in the parent's slot as long as the node with the body runs. */
static void bind_capture(tap_slot *s, const tap_slot *outer) {
    tap_slot_clear(s);
    s->kind = outer->kind;
    if (outer->kind == TAP_KIND_TENSOR) {
        s->tensor = outer->tensor;
    } else if (outer->value) {
        s->value = outer->value;
        tap_value_retain(s->value);
    }
}

static tap_status bind_given(tap_frame *f, tap_error *err) {
    tap_plan *p = f->plan;
    tap_graph *g = f->graph;
    tap_status st = TAP_OK;
    for (size_t i = 0; i < g->n_inputs && st == TAP_OK; i++) {
        tap_slot *s = tap_plan_slot(p, g->inputs[i]);
        if (s->place == TAP_AT_INPUT) st = bind_input(f, s, f->inputs[i], err);
    }
    for (size_t i = 0; i < g->n_captures; i++) {
        tap_slot *s = tap_plan_slot(p, g->captures[i]);
        if (s->place == TAP_AT_INPUT)
            bind_capture(s, tap_plan_slot(f->parent->plan, g->values[g->captures[i]].outer));
    }
    const tap_set *set;
    for (size_t k = 0; st == TAP_OK && (set = tap_reach_set_in(f->session, g, k)); k++)
        st = bind_input(f, tap_plan_slot(p, set->at.v), set->value, err);
    for (size_t i = 0; i < p->n_inputs_views; i++) {
        const tap_tensor *r = &tap_slot_root(p->inputs_views[i])->tensor;
        p->inputs_views[i]->tensor.data = r->data;
        p->inputs_views[i]->tensor.buffer = r->buffer;
    }
    return st;
}

/* ---- steps ---- */

/* Types of what is there now, then outputs of the sizes that follow. */
static tap_status infer_now(tap_frame *f, tap_step *s) {
    tap_work *w = &s->work;
    int32_t n_in = w->pub.n_in, n_out = w->pub.n_out;
    tap_type *types = tap_scratch_take(&f->session->scratch, (size_t)(n_in + n_out + 1) * sizeof *types);
    if (!types) return tap_fail(&w->pub, TAP_MEMORY, "no memory for types");
    for (int32_t i = 0; i < n_in; i++) {
        if (!s->in[i]) continue;
        types[i] = tap_slot_now(s->in[i]);
        if (types[i].kind != TAP_KIND_TENSOR && s->in[i]->type->kind == types[i].kind)
            types[i] = *s->in[i]->type;
        w->in_types[i] = &types[i];
    }
    w->out_types = types + n_in;
    w->phase = TAP_INFER;
    w->final = true;
    tap_status st = tap_work_infer(w);
    w->phase = TAP_RUN_PHASE;
    w->final = false;
    if (st != TAP_OK) return st;
    for (int32_t i = 0; i < n_out; i++) {
        tap_slot *y = s->out[i];
        if (!y) continue;
        bool known = tap_type_is_static(&w->out_types[i]);
        s->out_tensors[i] = known ? &y->tensor : NULL;
        if (known && y->place == TAP_AT_RUN && s->kind == TAP_STEP_RUN &&
            !tap_slot_make(f->session, y, &w->out_types[i]))
            return no_memory_for(s, i, &w->out_types[i]);
    }
    return TAP_OK;
}

static tap_status make_outputs(tap_frame *f, tap_step *s) {
    for (int32_t i = 0; i < s->work.pub.n_out; i++) {
        tap_slot *y = s->out[i];
        if (!y || y->place != TAP_AT_RUN || !y->is_static) continue;
        if (!tap_slot_make(f->session, y, y->type)) return no_memory_for(s, i, y->type);
        s->out_tensors[i] = &y->tensor;
    }
    return TAP_OK;
}

static void gather_inputs(tap_step *s) {
    for (int32_t i = 0; i < s->work.pub.n_in; i++)
        if (s->in[i]) s->in_tensors[i] = s->in[i]->kind == TAP_KIND_TENSOR ? &s->in[i]->tensor : NULL;
}

/* y is x's memory under another shape: nothing moves, a reference is held where x has one. */
static tap_status make_view(tap_step *s) {
    tap_slot *x = s->in[0], *y = s->out[0];
    if (!y || (y->place != TAP_AT_RUN)) return TAP_OK;
    if (x->kind != TAP_KIND_TENSOR) {
        tap_slot_clear(y);
        y->kind = x->kind;
        if (x->value) tap_value_retain(y->value = x->value);
        return TAP_OK;
    }
    const tap_type *now = s->infer ? s->work.out_types : y->type,
                   *t = now->kind == TAP_KIND_TENSOR ? now : y->type;
    tap_slot_clear(y);
    if (!tap_slot_shape(y, t) || y->tensor.count != x->tensor.count)
        return tap_fail(&s->work.pub, TAP_RUN,
                        "the output's shape has another number of elements than the input");
    y->tensor.data = x->tensor.data;
    y->tensor.buffer = x->tensor.buffer;
    if (x->tensor.buffer) {
        y->held = x->tensor.buffer;
        tap_buffer_retain(y->held);
    }
    y->kind = TAP_KIND_TENSOR;
    return TAP_OK;
}

typedef struct move_task {
    const tap_move *move;
    const void *src;
    void *dst;
} move_task;

static void move_units(void *arg, int64_t begin, int64_t end, int worker) {
    const move_task *t = arg;
    (void)worker;
    tap_move_run(t->move, t->src, t->dst, begin, end);
}

void tap_frame_move(tap_frame *f, const tap_move *m, const void *src, void *dst) {
    move_task t = {m, src, dst};
    tap_pool_run(f->session->pool, m->n_units, tap_move_grain(m), move_units, &t);
}

/* Where the operands of the stages lie now. Those that a row's own `stage` gave are there already. */
static void bind_stages(tap_step *s) {
    for (int32_t k = 0; k < s->n_stages; k++)
        for (int32_t i = 0; i < s->stages[k].n_operands; i++)
            if (s->stage_slots[4 * k + i]) s->stages[k].operand[i] = s->stage_slots[4 * k + i]->tensor.data;
}

/* A kernel that wants images channels-last, where the plan did not know that they are images. */
static tap_status run_in_channels_last(tap_frame *f, tap_step *s, tap_run_fn *run) {
    tap_work *w = &s->work;
    const tap_op *op = w->node->op;
    const tap_tensor *in[TAP_IMAGES_MAX], *kept_in[TAP_IMAGES_MAX] = {0};
    tap_tensor *out = s->out_tensors[0];
    int perm[TAP_RANK_MAX];
    for (int32_t i = 0; i < w->pub.n_in && i < TAP_IMAGES_MAX; i++) {
        kept_in[i] = in[i] = s->in_tensors[i];
        if (!in[i] || !(op->image_inputs >> i & 1)) continue;
        tap_tensor *t = tap_scratch_take(&f->session->scratch, sizeof *t);
        void *data = t ? tap_scratch_take(&f->session->scratch, tap_tensor_bytes(in[i])) : NULL;
        if (!data) return tap_fail(&w->pub, TAP_MEMORY, "no memory for another layout");
        tap_perm_to_channels_last(in[i]->rank, perm);
        tap_move m;
        tap_permute_plan(&m, tap_dtype_bytes(in[i]->dtype), in[i]->rank, in[i]->dims, perm);
        tap_frame_move(f, &m, in[i]->data, data);
        *t = *in[i];
        t->data = data;
        for (int k = 0; k < t->rank; k++) t->dims[k] = in[i]->dims[perm[k]];
        s->in_tensors[i] = t;
    }
    tap_tensor *last = tap_scratch_take(&f->session->scratch, sizeof *last);
    void *data = last && out ? tap_scratch_take(&f->session->scratch, tap_tensor_bytes(out)) : NULL;
    if (!data) return tap_fail(&w->pub, TAP_MEMORY, "no memory for another layout");
    *last = *out;
    last->data = data;
    tap_perm_to_channels_last(out->rank, perm);
    for (int k = 0; k < out->rank; k++) last->dims[k] = out->dims[perm[k]];
    s->out_tensors[0] = last;
    w->pub.channels_last = true;
    tap_status st = run(&w->pub);
    w->pub.channels_last = false;
    s->out_tensors[0] = out;
    for (int32_t i = 0; i < w->pub.n_in && i < TAP_IMAGES_MAX; i++) s->in_tensors[i] = kept_in[i];
    if (st != TAP_OK) return st;
    tap_move m;
    tap_perm_to_channels_first(out->rank, perm);
    tap_permute_plan(&m, tap_dtype_bytes(out->dtype), out->rank, last->dims, perm);
    tap_frame_move(f, &m, last->data, out->data);
    return TAP_OK;
}

static bool is_late_image(const tap_step *s) {
    const tap_work *w = &s->work;
    const tap_op *op = w->node->op;
    if (!(op->flags & TAP_WANTS_CHANNELS_LAST) || w->pub.channels_last) return false;
    return s->in_tensors[0] && s->in_tensors[0]->rank >= 3 && s->out_tensors[0];
}

static tap_status run_kernel(tap_step *s) {
    tap_work *w = &s->work;
    const tap_op *op = w->node->op;
    tap_run_fn *run = s->run;
    if (op->kernels && !run) {
        const tap_slot *typed =
            op->typed_by >= 0 && op->typed_by < w->pub.n_in ? s->in[op->typed_by] : s->out[0];
        tap_dtype t = typed && typed->kind == TAP_KIND_TENSOR ? typed->tensor.dtype : TAP_UNDEFINED;
        run = op->kernels[t];
        if (!run) return tap_fail(&w->pub, TAP_UNSUPPORTED, "it does not take %s", tap_dtype_name(t));
    }
    if (s->n_stages) bind_stages(s);
    if (!run) return tap_elementwise_run(&w->pub);
    return is_late_image(s) ? run_in_channels_last(w->frame, s, run) : run(&w->pub);
}

static tap_status check_made(tap_step *s) {
    for (int32_t i = 0; i < s->work.pub.n_out; i++) {
        const tap_slot *y = s->out[i];
        if (!y || y->place != TAP_AT_RUN || y->kind != TAP_KIND_NONE || y->made_absent) continue;
        return tap_fail(&s->work.pub, TAP_RUN, "it did not make its output %d", i);
    }
    return TAP_OK;
}

static tap_status run_step(tap_frame *f, tap_step *s) {
    tap_status st = TAP_OK;
    if (s->kind == TAP_STEP_PERMUTE) return tap_step_permute(f, s);
    if (s->gather) gather_inputs(s);
    if (s->infer)
        st = infer_now(f, s);
    else if (s->alloc && s->kind == TAP_STEP_RUN)
        st = make_outputs(f, s);
    if (st != TAP_OK) return st;
    if (s->kind == TAP_STEP_VIEW) return make_view(s);
    st = run_kernel(s);
    if (s->work.failed != TAP_OK) return s->work.failed;
    if (st != TAP_OK) return tap_fail(&s->work.pub, st, "it failed");
    return s->alloc ? check_made(s) : TAP_OK;
}

tap_status tap_step_permute(tap_frame *f, tap_step *s) {
    tap_slot *x = s->in[0], *y = s->out[0];
    if (y->root != y && y->place != TAP_AT_RUN) return TAP_OK; /* the same bytes */
    if (y->is_static && y->place != TAP_AT_RUN) {
        tap_frame_move(f, s->move, x->tensor.data, y->tensor.data);
        return TAP_OK;
    }
    tap_type t = tap_slot_now(x);
    tap_move m;
    int perm[TAP_RANK_MAX];
    if (t.kind != TAP_KIND_TENSOR || !tap_slot_make(f->session, y, &t))
        return tap_error_no_memory(s->work.err, sizeof t);
    (y->channels_last ? tap_perm_to_channels_last : tap_perm_to_channels_first)(t.rank, perm);
    tap_permute_plan(&m, tap_dtype_bytes(t.dtype), t.rank, x->tensor.dims, perm);
    tap_frame_move(f, &m, x->tensor.data, y->tensor.data);
    return TAP_OK;
}

tap_status tap_step_run(tap_frame *f, tap_step *s, tap_error *err) {
    tap_scratch_mark mark = tap_scratch_here(&f->session->scratch);
    s->work.err = err;
    s->work.failed = TAP_OK;
    tap_status st = run_step(f, s);
    if (st == TAP_MEMORY && s->work.node && err && !err->node[0])
        tap_fail(&s->work.pub, st, "no memory: the limit (--memory-limit) or the machine has no more");
    tap_scratch_back(&f->session->scratch, mark);
    return st;
}

static tap_status show(tap_frame *f, tap_show *shows, size_t n, const tap_node *node, tap_error *err) {
    tap_session *se = f->session;
    const uint64_t begin = se->trace.last;
    tap_status st = TAP_OK;
    for (size_t i = 0; i < n && st == TAP_OK; i++) st = tap_show_value(f, &shows[i], err);
    if (se->trace.on) tap_trace_add(&se->trace, &se->model->budget, TAP_SPAN_TAP, begin, node, NULL, 0);
    return st;
}

static tap_status run_steps(tap_frame *f, tap_error *err) {
    tap_plan *p = f->plan;
    tap_session *se = f->session;
    tap_status st = p->n_preface ? show(f, p->preface, p->n_preface, NULL, err) : TAP_OK;
    for (size_t k = 0; k < p->n_steps && st == TAP_OK; k++) {
        tap_step *s = p->steps[k];
        const uint64_t begin = se->trace.last;
        st = tap_step_run(f, s, err);
        if (se->trace.on)
            tap_trace_add(&se->trace, &se->model->budget,
                          s->kind == TAP_STEP_PERMUTE ? TAP_SPAN_LAYOUT : TAP_SPAN_NODE, begin, s->work.node,
                          s->fused, s->n_stages);
        if (s->n_shows && st == TAP_OK) st = show(f, s->shows, (size_t)s->n_shows, s->work.node, err);
        for (int32_t i = 0; i < s->n_drops; i++) tap_slot_clear(s->drops[i]);
    }
    return st;
}

void tap_frame_reset(tap_frame *f) {
    tap_plan *p = f->plan;
    if (!p) return;
    for (size_t i = 0; i < p->n_run_slots; i++) tap_slot_clear(p->run_slots[i]);
    for (size_t i = 0; i < f->graph->n_inputs; i++) {
        tap_slot *s = tap_plan_slot(p, f->graph->inputs[i]);
        if (s->place == TAP_AT_INPUT) tap_slot_clear(s);
    }
    const tap_set *set;
    for (size_t k = 0; (set = tap_reach_set_in(f->session, f->graph, k)); k++)
        tap_slot_clear(tap_plan_slot(p, set->at.v));
}

tap_status tap_frame_run(tap_frame *f, const tap_value *const *inputs, tap_error *err) {
    tap_trace *trace = &f->session->trace;
    const uint64_t begin = trace->last;
    f->inputs = inputs;
    trace->depth += f->parent != NULL;
    tap_status st = find_plan(f, err);
    if (st == TAP_OK) st = bind_arena(f, err);
    if (st == TAP_OK) st = bind_given(f, err);
    if (trace->on) tap_trace_add(trace, &f->session->model->budget, TAP_SPAN_BEGIN, begin, NULL, NULL, 0);
    if (st == TAP_OK) st = run_steps(f, err);
    trace->depth -= f->parent != NULL;
    if (st != TAP_OK) tap_frame_reset(f);
    return st;
}
