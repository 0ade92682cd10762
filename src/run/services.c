/* What a kernel asks of its context while it runs. */
#include <string.h>

#include "run/plan.h"

static tap_session *session_of(const tap_ctx *ctx) {
    return tap_work_of(ctx)->frame->session;
}

static void *no_memory(tap_ctx *ctx, const char *what) {
    tap_fail(ctx, TAP_MEMORY, "no memory for %s: the limit (--memory-limit) or the machine has no more",
             what);
    return NULL;
}

static bool same_shape(const tap_tensor *t, tap_dtype dtype, int rank, const int64_t *dims) {
    return t->dtype == dtype && t->rank == rank &&
           (rank <= 0 || memcmp(t->dims, dims, (size_t)rank * sizeof *dims) == 0);
}

/* A tensor that goes nowhere, for an output that the node does not name. */
static tap_tensor *make_unnamed(tap_ctx *ctx, tap_dtype dtype, int rank, const int64_t *dims) {
    tap_tensor *t = tap_scratch(ctx, sizeof *t);
    if (!t) return NULL;
    if (!tap_tensor_shape(t, dtype, rank, dims)) {
        tap_fail(ctx, TAP_RUN, "the shape of an output overflows");
        return NULL;
    }
    t->buffer = NULL;
    t->data = tap_scratch(ctx, (size_t)t->count * tap_dtype_bytes(dtype));
    return t->data ? t : NULL;
}

tap_tensor *tap_out(tap_ctx *ctx, int i, tap_dtype dtype, int rank, const int64_t *dims) {
    tap_work *w = tap_work_of(ctx);
    if (!tap_has_out(ctx, i)) return make_unnamed(ctx, dtype, rank, dims);
    tap_slot *y = w->out_slots[i];
    if (y->kind == TAP_KIND_TENSOR && y->tensor.data && same_shape(&y->tensor, dtype, rank, dims))
        return &y->tensor;
    if (y->place != TAP_AT_RUN) {
        tap_fail(ctx, TAP_RUN, "output %d came out with another shape than its inputs promise", i);
        return NULL;
    }
    tap_type t = {.kind = TAP_KIND_TENSOR, .dtype = dtype, .rank = rank};
    tap_tensor check;
    if (!tap_tensor_shape(&check, dtype, rank, dims)) {
        tap_fail(ctx, TAP_RUN, "the shape of output %d overflows", i);
        return NULL;
    }
    for (int k = 0; k < rank; k++) t.dims[k] = dims[k];
    if (tap_slot_make(w->frame->session, y, &t)) return &y->tensor;
    return no_memory(ctx, "an output");
}

/* A value around what lies in a slot, for the time of the run of a node. */
static const tap_value *value_of_slot(tap_ctx *ctx, tap_slot *s) {
    if (s->kind != TAP_KIND_TENSOR) return s->value;
    if (s->value) return s->value;
    tap_value *v = tap_scratch(ctx, sizeof *v);
    if (!v) return NULL;
    memset(v, 0, sizeof *v);
    atomic_init(&v->refs, 1);
    v->kind = TAP_KIND_TENSOR;
    v->tensor = s->tensor;
    return v;
}

const tap_value *tap_in_value(const tap_ctx *ctx, int i) {
    tap_work *w = tap_work_of(ctx);
    return tap_has_in(ctx, i) ? value_of_slot(&w->pub, w->in_slots[i]) : NULL;
}

tap_status tap_set_out(tap_ctx *ctx, int i, tap_value *value) {
    tap_work *w = tap_work_of(ctx);
    if (!tap_has_out(ctx, i)) {
        tap_value_release(value);
        return TAP_OK;
    }
    tap_slot *y = w->out_slots[i];
    if (y->place != TAP_AT_RUN) {
        /* Planned in the arena: the tensor is copied there. */
        const tap_tensor *t = tap_value_tensor(value);
        tap_status st = TAP_OK;
        if (!t || !same_shape(t, y->tensor.dtype, y->tensor.rank, y->tensor.dims))
            st = tap_fail(ctx, TAP_RUN, "output %d came out with another shape than its inputs promise", i);
        else
            memcpy(y->tensor.data, t->data, tap_tensor_bytes(t));
        tap_value_release(value);
        return st;
    }
    tap_slot_clear(y);
    if (!value) {
        y->made_absent = true;
        return TAP_OK;
    }
    y->value = value;
    y->kind = value->kind;
    if (value->kind == TAP_KIND_TENSOR) y->tensor = value->tensor;
    return TAP_OK;
}

/* A counted value with what lies in a slot: shares memory that is counted, copies what is the arena's. */
tap_value *tap_slot_keep(tap_session *se, tap_slot *s) {
    tap_budget *b = &se->model->budget;
    if (s->value) {
        tap_value_retain(s->value);
        return s->value;
    }
    if (s->kind != TAP_KIND_TENSOR) return NULL;
    if (s->tensor.buffer) return tap_value_share(b, &s->tensor);
    tap_value *v = tap_session_make(se, s->tensor.dtype, s->tensor.rank, s->tensor.dims);
    if (v) memcpy(v->tensor.data, s->tensor.data, tap_tensor_bytes(&s->tensor));
    return v;
}

tap_value *tap_keep_in(tap_ctx *ctx, int i) {
    tap_work *w = tap_work_of(ctx);
    if (!tap_has_in(ctx, i)) return NULL;
    tap_slot *s = w->in_slots[i];
    if (s->kind != TAP_KIND_TENSOR && !s->value) return NULL;
    tap_value *v = tap_slot_keep(w->frame->session, s);
    return v ? v : no_memory(ctx, "a value");
}

tap_value *tap_make(tap_ctx *ctx, tap_dtype dtype, int rank, const int64_t *dims, tap_tensor **tensor) {
    tap_value *v = tap_session_make(session_of(ctx), dtype, rank, dims);
    if (!v) return no_memory(ctx, "a value");
    *tensor = &v->tensor;
    return v;
}

tap_value *tap_make_sequence(tap_ctx *ctx, tap_value *const *items, size_t n, tap_dtype dtype) {
    tap_value *v = tap_value_make_sequence(&session_of(ctx)->model->budget, items, n, dtype);
    if (v) return v;
    for (size_t i = 0; i < n; i++) tap_value_release(items[i]);
    return no_memory(ctx, "a sequence");
}

tap_value *tap_append(tap_ctx *ctx, const tap_value *sequence, tap_value *item) {
    tap_value *v = tap_value_append(&session_of(ctx)->model->budget, sequence, item);
    return v ? v : no_memory(ctx, "a sequence");
}

tap_value *tap_make_map(tap_ctx *ctx, tap_value *keys, tap_value *values) {
    tap_value *v = tap_value_make_map(&session_of(ctx)->model->budget, keys, values);
    if (v) return v;
    tap_value_release(keys);
    tap_value_release(values);
    return no_memory(ctx, "a map");
}

void *tap_scratch(tap_ctx *ctx, size_t n_bytes) {
    tap_work *w = tap_work_of(ctx);
    /* Inference at load has no session; the model's arena serves. */
    void *p = w->frame ? tap_scratch_take(&w->frame->session->scratch, n_bytes)
                       : tap_arena_alloc(&w->model->arena, n_bytes);
    return p ? p : no_memory(ctx, "scratch");
}

char *tap_string_bytes(tap_ctx *ctx, size_t n) {
    char *p = tap_arena_alloc(&session_of(ctx)->strings, n);
    return p ? p : no_memory(ctx, "a string");
}

void tap_parallel(tap_ctx *ctx, int64_t n, int64_t grain, tap_task *fn, void *arg) {
    if (n > 0) tap_pool_run(session_of(ctx)->pool, n, grain, fn, arg);
}

int tap_workers(const tap_ctx *ctx) {
    return tap_pool_threads(session_of(ctx)->pool);
}

/* splitmix64: one step of a counter to well-mixed bits. */
static uint64_t mix(uint64_t x) {
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

uint64_t tap_random_seed(tap_ctx *ctx) {
    const tap_work *w = tap_work_of(ctx);
    const tap_session *s = session_of(ctx);
    uint64_t node = (uint64_t)w->node->graph->number << 32 | (uint32_t)w->node->index;
    uint64_t seed = mix(mix(s->options.seed ^ mix(node)) + s->runs);
    for (size_t i = 0; i < s->n_iterations; i++) seed = mix(seed + (uint64_t)s->iterations[i]);
    return seed;
}

/* ---- bodies ---- */

static tap_status push_iteration(tap_ctx *ctx, int64_t iteration) {
    tap_session *s = session_of(ctx);
    if (iteration < 0) return TAP_OK;
    if (s->n_iterations == TAP_COUNT_OF(s->iterations))
        return tap_fail(ctx, TAP_RUN, "bodies are nested too deep");
    s->iterations[s->n_iterations++] = iteration;
    return TAP_OK;
}

static tap_status take_results(tap_ctx *ctx, tap_frame *f, tap_value **out, size_t n_out) {
    for (size_t i = 0; i < n_out; i++) {
        tap_vid v = i < f->graph->n_outputs ? f->graph->outputs[i] : TAP_NO_VALUE;
        tap_slot *s = v == TAP_NO_VALUE ? NULL : tap_plan_slot(f->plan, v);
        out[i] = NULL;
        if (!s || (s->kind != TAP_KIND_TENSOR && !s->value)) continue;
        out[i] = tap_slot_keep(f->session, s);
        if (out[i]) continue;
        while (i > 0) tap_value_release(out[--i]);
        no_memory(ctx, "a body's result");
        return TAP_MEMORY;
    }
    return TAP_OK;
}

tap_status tap_body_run(tap_ctx *ctx, tap_body *body, int64_t iteration, const tap_value *const *in,
                        size_t n_in, tap_value **out, size_t n_out) {
    tap_work *w = tap_work_of(ctx);
    tap_graph *g = (tap_graph *)body;
    if (n_in > g->n_inputs)
        return tap_fail(ctx, TAP_MODEL, "its body has %zu inputs, %zu are given", g->n_inputs, n_in);
    tap_frame *f = tap_frame_get(w->frame->session, g, w->frame);
    const tap_value **inputs = tap_scratch(ctx, (g->n_inputs + 1) * sizeof *inputs);
    if (!f || !inputs) return tap_fail(ctx, TAP_MEMORY, "no memory for a body");
    for (size_t i = 0; i < g->n_inputs; i++) inputs[i] = i < n_in ? in[i] : NULL;
    tap_status st = push_iteration(ctx, iteration);
    if (st != TAP_OK) return st;
    st = tap_frame_run(f, inputs, w->err);
    if (st == TAP_OK) {
        st = take_results(ctx, f, out, n_out);
        tap_frame_reset(f);
    }
    if (iteration >= 0) w->frame->session->n_iterations--;
    /* The message names the node inside; it must not be overwritten by the node around it. */
    if (st != TAP_OK && w->failed == TAP_OK) w->failed = st;
    return st;
}
