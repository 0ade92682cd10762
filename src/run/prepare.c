/* A model made ready when it is opened: attributes read, types inferred from the file alone, dtypes checked.
 */
#include <inttypes.h>
#include <string.h>

#include "run/packed.h"
#include "run/work.h"

tap_gvalue *tap_constant_source(tap_graph *g, tap_vid v) {
    while (v != TAP_NO_VALUE) {
        tap_gvalue *x = &g->values[v];
        if (x->stored || x->constant) return x;
        if (x->outer == TAP_NO_VALUE) return NULL;
        v = x->outer;
        g = g->parent;
    }
    return NULL;
}

static tap_status check_arity(tap_work *w) {
    char why[120];
    return tap_node_fits(w->node, why, sizeof why) ? TAP_OK : tap_fail(&w->pub, TAP_MODEL, "%s", why);
}

static tap_status check_attributes(tap_work *w) {
    for (int32_t i = 0; i < w->node->n_attrs; i++)
        if (!w->node->attrs[i].asked)
            return tap_fail(&w->pub, TAP_MODEL, "attribute '%s' is not one of this operator's in this opset",
                            w->node->attrs[i].src->name);
    return TAP_OK;
}

/* Types, lengths of lists and notes of TensorFlow's own, which converters leave at its nodes: inputs and
 * outputs tell the same. */
static void know_bookkeeping(tap_node *n) {
    static const char *const names[] = {"_", "T", "incompatible_"};
    for (int32_t i = 0; i < n->n_attrs; i++) {
        const char *name = n->attrs[i].src->name;
        bool known = strcmp(name, "N") == 0 || strcmp(name, "U") == 0;
        for (size_t k = 0; k < TAP_COUNT_OF(names); k++)
            known |= strncmp(name, names[k], strlen(names[k])) == 0;
        n->attrs[i].asked |= known;
    }
}

static tap_status prepare_node(tap_model *m, tap_node *n, tap_error *err) {
    tap_work w;
    tap_work_init(&w, TAP_PREPARE, m, n, err);
    tap_status st = check_arity(&w);
    if (st != TAP_OK || tap_node_stored(n)) return st;
    if (n->foreign) know_bookkeeping(n);
    if (n->op->prepare) st = n->op->prepare(&w.pub, &n->state);
    if (w.failed != TAP_OK) return w.failed;
    if (st != TAP_OK) return tap_fail(&w.pub, st, "its attributes could not be read");
    return check_attributes(&w);
}

/* What the file declares, where inference leaves something open. */
static void complete_type(tap_type *t, const tap_type *declared) {
    if (!declared) return;
    if (t->kind == TAP_KIND_NONE) {
        *t = *declared;
        return;
    }
    if (t->kind != TAP_KIND_TENSOR || declared->kind != TAP_KIND_TENSOR) return;
    if (t->dtype == TAP_UNDEFINED) t->dtype = declared->dtype;
    if (t->rank < 0) {
        t->rank = declared->rank;
        memcpy(t->dims, declared->dims, sizeof t->dims);
    } else if (t->rank == declared->rank) {
        for (int k = 0; k < t->rank; k++)
            if (t->dims[k] < 0) t->dims[k] = declared->dims[k];
    }
}

static void check_dtype(tap_model *m, tap_node *n) {
    const tap_op *op = n->op;
    tap_type *t = NULL;
    if (op->typed_by >= 0 && op->typed_by < n->n_in && n->in[op->typed_by] != TAP_NO_VALUE)
        t = &n->graph->values[n->in[op->typed_by]].type;
    else if (op->typed_by == -1 && n->n_out && n->out[0] != TAP_NO_VALUE)
        t = &n->graph->values[n->out[0]].type;
    if (!t || t->kind != TAP_KIND_TENSOR || t->dtype == TAP_UNDEFINED) return;
    uint32_t kernels = tap_op_dtypes(op) & ~(m->beyond_standard ? 0 : op->beyond);
    if (!kernels || kernels & TAP_BIT(t->dtype)) return;
    n->unsupported = tap_arena_printf(&m->arena, "it does not take %s", tap_dtype_name(t->dtype));
    if (!n->unsupported) n->unsupported = "dtype";
}

/* st; TAP_OK where it is noted as a fault of the node, of which nothing more is said then. */
static tap_status note_fault(tap_model *m, tap_node *n, const char *code, tap_status st, tap_error *err) {
    tap_status noted = tap_fault_note(m->bound.faults, code, st, err);
    n->faulty |= noted != st;
    return noted;
}

static tap_status infer_graph(tap_model *m, tap_graph *g, tap_error *err);

/* Whether the graph, or one around it, is a branch that may never be taken. */
static bool is_in_branch(const tap_graph *g) {
    for (; g->owner; g = g->parent)
        if (g->owner->op && g->owner->op->flags & TAP_BRANCHES) return true;
    return false;
}

/* In a branch shapes may contradict each other (`if the rank is 3: squeeze`): whoever takes it is told. */
static tap_status forgive(tap_status st, tap_error *err) {
    return st == TAP_MEMORY ? tap_error_no_memory(err, sizeof(tap_type)) : TAP_OK;
}

/* *known: the types were found. */
static tap_status infer_types(tap_model *m, tap_node *n, tap_type *out_types, bool *known, tap_error *err) {
    bool in_branch = is_in_branch(n->graph), forgiving = in_branch && !m->bound.faults;
    tap_work w;
    tap_work_init(&w, TAP_INFER, m, n, forgiving ? NULL : err);
    w.out_types = out_types;
    w.arena = &m->arena;
    tap_status st = tap_work_infer(&w);
    *known = st == TAP_OK;
    if (st == TAP_OK) return st;
    return forgiving ? forgive(st, err) : note_fault(m, n, in_branch ? "branch-types" : "types", st, err);
}

static tap_status infer_node(tap_model *m, tap_node *n, tap_type *out_types, tap_error *err) {
    bool known = false;
    tap_status st = TAP_OK;
    if (n->op && !n->unsupported && !n->faulty) st = infer_types(m, n, out_types, &known, err);
    if (!known)
        for (int i = 0; i < n->n_out; i++) out_types[i] = (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
    for (int i = 0; i < n->n_out && st == TAP_OK; i++) {
        if (n->out[i] == TAP_NO_VALUE) continue;
        tap_gvalue *v = &n->graph->values[n->out[i]];
        complete_type(&out_types[i], v->declared);
        v->type = out_types[i];
    }
    if (st == TAP_OK && n->op && !n->faulty) check_dtype(m, n);
    return st;
}

/* Inputs, initializers and captured values have types before any node is looked at. */
static void type_borders(tap_graph *g) {
    for (size_t i = 0; i < g->n_values; i++) {
        tap_gvalue *v = &g->values[i];
        if (v->producer) continue;
        if (v->init) {
            v->type = tap_type_of_stored(v->init);
        } else if (v->outer != TAP_NO_VALUE) {
            v->type = g->parent->values[v->outer].type;
        } else if (v->type.kind == TAP_KIND_NONE && v->declared) {
            v->type = *v->declared;
        }
    }
}

static tap_status infer_graph(tap_model *m, tap_graph *g, tap_error *err) {
    g->inferred = true;
    type_borders(g);
    int32_t most = 0;
    for (size_t i = 0; i < g->n_nodes; i++)
        if (g->nodes[i]->n_out > most) most = g->nodes[i]->n_out;
    tap_type *out = tap_mem_alloc(&m->budget, (size_t)(most + 1) * sizeof *out);
    if (!out) return tap_error_no_memory(err, (size_t)most * sizeof *out);
    tap_status st = TAP_OK;
    for (size_t i = 0; i < g->n_nodes && st == TAP_OK; i++) st = infer_node(m, g->nodes[i], out, err);
    tap_mem_free(&m->budget, out);
    return st;
}

tap_status tap_body_infer(tap_ctx *ctx, tap_body *body, const tap_type *const *in, size_t n_in, size_t n_out,
                          tap_type *out) {
    tap_work *w = tap_work_of(ctx);
    tap_graph *g = (tap_graph *)body;
    for (size_t i = 0; i < g->n_inputs; i++) {
        tap_gvalue *v = &g->values[g->inputs[i]];
        tap_type t = i < n_in && in && in[i] ? *in[i] : (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
        if (!tap_type_copy(w->arena, &v->type, &t)) return tap_fail(ctx, TAP_MEMORY, "no memory for a type");
        complete_type(&v->type, v->declared);
    }
    tap_status st = infer_graph(w->model, g, w->err);
    if (st != TAP_OK) return w->failed = st;
    for (size_t i = 0; i < n_out; i++) {
        out[i] = (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
        if (i < g->n_outputs && g->outputs[i] != TAP_NO_VALUE) out[i] = g->values[g->outputs[i]].type;
    }
    return TAP_OK;
}

size_t tap_body_n_in(const tap_body *body) {
    return ((const tap_graph *)body)->n_inputs;
}
size_t tap_body_n_out(const tap_body *body) {
    return ((const tap_graph *)body)->n_outputs;
}

const tap_type *tap_body_in_type(const tap_body *body, size_t i) {
    const tap_graph *g = (const tap_graph *)body;
    return i < g->n_inputs ? g->values[g->inputs[i]].declared : NULL;
}

/* Rows that are functions of others check what goes into them: the nodes inside know less of what was meant.
 */
static tap_status check_call(tap_model *m, tap_node *n, tap_error *err) {
    bool known;
    if (!n->op || !n->op->expand || !n->op->infer || n->faulty || is_in_branch(n->graph)) return TAP_OK;
    tap_type *out = tap_mem_alloc(&m->budget, (size_t)(n->n_out + 1) * sizeof *out);
    if (!out) return tap_error_no_memory(err, sizeof *out);
    tap_status st = infer_types(m, n, out, &known, err);
    tap_mem_free(&m->budget, out);
    return st;
}

tap_status tap_model_prepare(tap_model *m, tap_error *err) {
    tap_status st = TAP_OK;
    for (size_t i = 0; i < m->bound.n_graphs && st == TAP_OK; i++) {
        tap_graph *g = m->bound.graphs[i];
        for (size_t k = 0; k < g->n_nodes && st == TAP_OK; k++)
            if (g->nodes[k]->op && !g->nodes[k]->faulty)
                st = note_fault(m, g->nodes[k], "attribute", prepare_node(m, g->nodes[k], err), err);
    }
    if (st == TAP_OK) st = infer_graph(m, m->bound.main, err);
    /* Bodies whose operator did not ask (an unsupported one, say). */
    for (size_t i = 1; i < m->bound.n_graphs && st == TAP_OK; i++)
        if (!m->bound.graphs[i]->inferred) st = infer_graph(m, m->bound.graphs[i], err);
    for (size_t i = 0; i < m->bound.n_calls && st == TAP_OK; i++) st = check_call(m, m->bound.calls[i], err);
    return st;
}

/* Small ones are let go together, by tap_model_let_files_go. */
enum { FORGET_BYTES = 32 * 1024 };

void tap_model_forget(tap_model *m, const tap_src_tensor *t) {
    if (!tap_mapping_of(m->mappings, t->data, t->n_bytes)) return;
    m->has_forgotten = true;
    if (t->n_bytes >= FORGET_BYTES) tap_mapping_let_go(t->data, t->n_bytes);
}

void tap_model_let_files_go(tap_model *m) {
    pthread_mutex_lock(&m->lock);
    for (const tap_mapping *x = m->has_forgotten ? m->mappings : NULL; x; x = x->next)
        tap_mapping_let_go(x->data, x->n_bytes);
    m->has_forgotten = false;
    pthread_mutex_unlock(&m->lock);
}

static void forget_packed(tap_model *m, const tap_node *n) {
    for (int32_t i = 0; i < n->n_in; i++) {
        const tap_gvalue *v = n->op->packed_inputs >> i & 1 ? tap_constant_source(n->graph, n->in[i]) : NULL;
        if (v && v->stored) tap_model_forget(m, v->stored);
    }
}

tap_status tap_node_pack(tap_model *m, tap_node *n, tap_error *err) {
    if (n->packed || !n->op->pack) return TAP_OK;
    tap_work w;
    tap_work_init(&w, TAP_PACK, m, n, err);
    tap_status st = n->op->pack(&w.pub, n->state);
    if (w.failed != TAP_OK) st = w.failed;
    if (st == TAP_OK) {
        tap_packed_complete(n);
        forget_packed(m, n);
    }
    n->packed = st == TAP_OK;
    return st;
}

static void release_node(tap_node *n) {
    if (n->op && n->op->release && n->state) n->op->release(n->state);
    for (int32_t k = 0; k < n->n_attrs; k++) tap_value_release(n->attrs[k].tensor);
    tap_packed_release(n);
}

void tap_model_release_nodes(tap_model *m) {
    for (size_t i = 0; i < m->bound.n_graphs; i++) {
        tap_graph *g = m->bound.graphs[i];
        for (size_t k = 0; k < g->n_nodes; k++) release_node(g->nodes[k]);
        for (size_t v = 0; v < g->n_values; v++) tap_value_release(g->values[v].constant);
    }
}
