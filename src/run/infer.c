/* What infer sees and says: types of a node's inputs and outputs. */
#include <inttypes.h>
#include <string.h>

#include "run/plan.h"

static const tap_type unknown_type = {.kind = TAP_KIND_NONE, .rank = -1};

tap_type tap_type_of_tensor(const tap_tensor *t) {
    tap_type y = {.kind = TAP_KIND_TENSOR, .dtype = t->dtype, .rank = t->rank};
    memcpy(y.dims, t->dims, (size_t)t->rank * sizeof *t->dims);
    return y;
}

tap_type tap_type_of_stored(const tap_src_tensor *t) {
    tap_type y = {.kind = TAP_KIND_TENSOR, .dtype = t->dtype, .rank = t->rank};
    memcpy(y.dims, t->dims, sizeof y.dims);
    return y;
}

bool tap_type_is_static(const tap_type *t) {
    if (t->kind != TAP_KIND_TENSOR || t->dtype == TAP_UNDEFINED || t->rank < 0) return false;
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] < 0) return false;
    return true;
}

bool tap_type_copy(tap_arena *a, tap_type *to, const tap_type *from) {
    *to = *from;
    if (!from->elem) return true;
    tap_type *elem = tap_arena_alloc(a, sizeof *elem);
    to->elem = elem;
    return elem && tap_type_copy(a, elem, from->elem);
}

const tap_type *tap_in_type(const tap_ctx *ctx, int i) {
    const tap_work *w = tap_work_of(ctx);
    if (!tap_has_in(ctx, i)) return NULL;
    if (w->in_types) return w->in_types[i] ? w->in_types[i] : &unknown_type;
    return &w->node->graph->values[w->node->in[i]].type;
}

/* The constant as it lies, at any alignment: what pack reads. */
static const tap_tensor *constant_as_it_lies(tap_work *w, const tap_gvalue *v) {
    tap_tensor *t = tap_arena_zero(&w->model->arena, sizeof *t);
    if (!t || !tap_tensor_shape(t, v->stored->dtype, v->stored->rank, v->stored->dims)) return NULL;
    t->data = (void *)(uintptr_t)v->stored->data;
    return t;
}

/* While planning and running: what lies in the slot already. */
static const tap_tensor *tap_slot_known(tap_work *w, int i) {
    tap_slot *s = w->in_slots[i];
    if (!s || s->kind != TAP_KIND_TENSOR) return NULL;
    if (s->place == TAP_AT_CONST) {
        if (!s->tensor.data && !tap_slot_load(w->frame, w->node->in[i], s)) {
            tap_fail(&w->pub, TAP_MEMORY, "no memory for constant '%s'",
                     w->node->graph->values[w->node->in[i]].full);
            return NULL;
        }
        return &s->tensor;
    }
    return w->final || w->phase == TAP_RUN_PHASE ? &s->tensor : NULL;
}

const tap_tensor *tap_in_known(const tap_ctx *ctx, int i) {
    tap_work *w = tap_work_of(ctx);
    if (!tap_has_in(ctx, i)) return NULL;
    if (w->in_slots) return tap_slot_known(w, i);
    if (w->planned && w->planned[i]->place != TAP_AT_CONST) return NULL;
    if (w->planned && w->planned[i]->tensor.data) return &w->planned[i]->tensor;
    tap_gvalue *v = tap_constant_source(w->node->graph, w->node->in[i]);
    if (!v) return NULL;
    if (w->phase == TAP_PACK && !v->constant && v->stored && w->node->op->packed_inputs >> i & 1 &&
        tap_dtype_bits(v->stored->dtype) >= 8)
        return constant_as_it_lies(w, v);
    tap_value *c = tap_graph_constant(&w->model->bound, v);
    if (!c) tap_fail(&w->pub, TAP_MEMORY, "no memory for constant '%s'", v->full);
    return c ? tap_value_tensor(c) : NULL;
}

const tap_type *tap_out_inferred(const tap_ctx *ctx, int i) {
    const tap_work *w = tap_work_of(ctx);
    if (!tap_has_out(ctx, i)) return NULL;
    /* Nodes with bodies are planned without sizes; what the file tells of them stays true. */
    bool planned = w->out_slots && !(w->node->op->flags & TAP_HAS_BODY);
    return planned ? w->out_slots[i]->type : &w->node->graph->values[w->node->out[i]].type;
}

bool tap_infer_final(const tap_ctx *ctx) {
    const tap_work *w = tap_work_of(ctx);
    return w->final || w->phase == TAP_RUN_PHASE;
}

static tap_status check_dims(tap_ctx *ctx, int i, int rank, const int64_t *dims) {
    if (rank > TAP_RANK_MAX)
        return tap_fail(ctx, TAP_MODEL, "output %d would have %d dimensions, at most %d are possible", i,
                        rank, TAP_RANK_MAX);
    int64_t n = 1;
    for (int k = 0; k < rank; k++) {
        if (dims[k] < -1)
            return tap_fail(ctx, TAP_MODEL, "output %d would have dimension %d = %" PRId64, i, k, dims[k]);
        if (dims[k] > 0 && !tap_mul64(n, dims[k], &n))
            return tap_fail(ctx, TAP_MODEL, "the shape of output %d overflows", i);
    }
    /* Room for the largest element. */
    if (!tap_mul64(n, 16, &n)) return tap_fail(ctx, TAP_MODEL, "the shape of output %d overflows", i);
    return TAP_OK;
}

tap_status tap_out_type(tap_ctx *ctx, int i, tap_dtype dtype, int rank, const int64_t *dims) {
    tap_work *w = tap_work_of(ctx);
    if (!tap_has_out(ctx, i)) return TAP_OK;
    tap_status st = check_dims(ctx, i, rank, dims);
    if (st != TAP_OK) return st;
    tap_type *t = &w->out_types[i];
    *t = (tap_type){.kind = TAP_KIND_TENSOR, .dtype = dtype, .rank = rank};
    for (int k = 0; k < rank; k++) t->dims[k] = dims[k];
    return TAP_OK;
}

tap_status tap_out_like(tap_ctx *ctx, int i, const tap_type *type) {
    tap_work *w = tap_work_of(ctx);
    if (!tap_has_out(ctx, i)) return TAP_OK;
    if (!type) {
        w->out_types[i] = unknown_type;
        return TAP_OK;
    }
    if (type->kind == TAP_KIND_TENSOR) return tap_out_type(ctx, i, type->dtype, type->rank, type->dims);
    /* While running nobody keeps the type. */
    if (w->final) w->out_types[i] = *type;
    if (w->final || tap_type_copy(w->arena, &w->out_types[i], type)) return TAP_OK;
    return tap_fail(ctx, TAP_MEMORY, "no memory for a type");
}

const tap_type *tap_out_declared(const tap_ctx *ctx, int i) {
    const tap_node *n = tap_work_of(ctx)->node;
    return tap_has_out(ctx, i) ? n->graph->values[n->out[i]].declared : NULL;
}

static tap_status infer_elementwise(tap_work *w) {
    tap_ctx *ctx = &w->pub;
    const tap_op *op = w->node->op;
    const tap_type *t = tap_in_type(ctx, op->typed_by);
    tap_dtype dtype = op->gives != TAP_UNDEFINED ? op->gives : t ? t->dtype : TAP_UNDEFINED;
    for (int i = 0; i < ctx->n_in; i++) {
        const tap_type *other = tap_in_type(ctx, i);
        if (other && t && other->dtype && t->dtype && other->dtype != t->dtype)
            return tap_fail(ctx, TAP_MODEL, "inputs must have one dtype: input %d is %s, input %d is %s",
                            op->typed_by, tap_dtype_name(t->dtype), i, tap_dtype_name(other->dtype));
    }
    return tap_out_broadcast(ctx, 0, dtype, 0, ctx->n_in - 1);
}

tap_status tap_work_infer(tap_work *w) {
    const tap_op *op = w->node->op;
    const tap_src_tensor *stored = tap_node_stored(w->node);
    for (int i = 0; i < w->node->n_out; i++) w->out_types[i] = unknown_type;
    if (stored) {
        w->out_types[0] = tap_type_of_stored(stored);
        return TAP_OK;
    }
    tap_status st = op->infer                     ? op->infer(&w->pub)
                    : op->flags & TAP_ELEMENTWISE ? infer_elementwise(w)
                                                  : tap_out_like(&w->pub, 0, tap_in_type(&w->pub, 0));
    return w->failed != TAP_OK ? w->failed : st;
}
