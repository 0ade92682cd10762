/* Chains of elementwise nodes run inside the kernel before them, on what it has just written.
 *
 * The kernel writes to the last node's output and sends each piece through the stages while it is in cache:
 * the same loops over the same elements in the same order, so the bits are those of separate steps. A value
 * that somebody looks at, or that has another consumer, is not swallowed. */
#include <string.h>

#include "run/plan.h"

/* Behind one kernel: a longer chain gets a new head, so that making plans takes linear time. */
enum { STAGES_MAX = 16, BRANCH_MAX = 8 };

typedef struct fusion {
    tap_frame *f;
    tap_plan *p;
    tap_error *err;
    int32_t *uses;   /* per value: steps, bodies, outputs and taps that want it */
    int32_t *maker;  /* per slot, as each form of a value has one: the step that makes it; -1: none */
    int32_t *first;  /* per value: the first step that reads it */
    int32_t *reader; /* and the last; both -1: none */
} fusion;

static void count_uses(fusion *z) {
    const tap_graph *g = z->f->graph;
    tap_plan *p = z->p;
    for (size_t v = 0; v < p->n_values; v++) {
        z->first[v] = z->reader[v] = -1;
        if (v < g->n_values && z->f->session->tapped[g->values[v].global]) z->uses[v]++;
    }
    for (size_t i = 0; i < p->n_slots; i++) z->maker[i] = -1;
    for (size_t k = 0; k < p->n_steps; k++) {
        const tap_step *s = p->steps[k];
        for (int32_t i = 0; i < s->work.pub.n_in; i++)
            if (s->in[i]) {
                const tap_vid v = s->in[i]->value_id;
                z->uses[v]++;
                z->reader[v] = (int32_t)k;
                if (z->first[v] < 0) z->first[v] = (int32_t)k;
            }
        for (int32_t i = 0; i < s->work.pub.n_out; i++)
            if (s->out[i]) z->maker[s->out[i]->number] = (int32_t)k;
        const tap_node *n = s->work.node;
        for (int32_t i = 0; n && i < n->n_captures; i++) z->uses[n->captures[i]]++;
    }
    for (size_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] != TAP_NO_VALUE) z->uses[g->outputs[i]]++;
}

static bool same_tensor_shape(const tap_slot *a, const tap_slot *b) {
    return a->is_static && b->is_static && a->tensor.dtype == b->tensor.dtype &&
           a->tensor.rank == b->tensor.rank && a->channels_last == b->channels_last &&
           memcmp(a->tensor.dims, b->tensor.dims, (size_t)a->tensor.rank * sizeof *a->tensor.dims) == 0;
}

/* How an operand lies beside y: one for all, one per column, one per element. */
static bool operand_form(const tap_slot *x, const tap_slot *y, tap_stage *st, int k) {
    const tap_tensor *a = &x->tensor, *b = &y->tensor;
    size_t each = tap_dtype_bytes(a->dtype);
    if (!x->is_static) return false;
    st->last_axis[k] = false;
    if (a->count == 1) {
        st->bytes[k] = 0;
        return a->rank <= b->rank;
    }
    st->bytes[k] = (int64_t)each;
    if (a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0)
        return b->rank < 3 || x->channels_last == y->channels_last;
    st->last_axis[k] = true;
    if (a->rank < 1 || a->rank > b->rank || b->rank < 1) return false;
    return a->count == b->dims[b->rank - 1] && a->dims[a->rank - 1] == a->count;
}

/* The stage that c becomes behind a kernel that makes y, and the slots of its operands. kept: a value that
 * the kernel had on the way, which c reads too; or NULL. */
static bool make_stage(fusion *z, tap_step *c, const tap_slot *y, const tap_slot *kept, int32_t before,
                       tap_stage *st, tap_slot **operands) {
    const tap_op *op = c->work.node->op;
    int32_t n = c->work.pub.n_in, k = 0;
    *st = (tap_stage){.running = -1};
    if (op->stage) {
        for (int32_t i = 0; i < n; i++)
            if (c->in[i] && c->in[i] != y && c->in[i]->place != TAP_AT_CONST) return false;
        return c->in[0] == y && op->stage(&c->work.pub, st);
    }
    if (!(op->flags & TAP_ELEMENTWISE) || !op->loops || n > 5) return false;
    for (int32_t i = 0; i < n; i++) {
        tap_slot *x = c->in[i];
        if (x == y) {
            if (st->running >= 0) return false;
            st->running = i;
            continue;
        }
        if (x && x == kept && k < 4) {
            if (st->rejoined) return false;
            operands[k++] = NULL;
            st->rejoined = k;
            continue;
        }
        operands[k] = x;
        if (x && (z->maker[x->number] >= before || !operand_form(x, y, st, k))) return false;
        k++;
    }
    /* Inputs that the node leaves out at its end are absent operands of the loop. */
    for (; op->in_max > 0 && n < op->in_max; n++) {
        if (k == 4) return false;
        operands[k++] = NULL;
    }
    const tap_slot *typed = op->typed_by < c->work.pub.n_in ? c->in[op->typed_by] : NULL;
    st->n_operands = k;
    st->kind = kept ? TAP_STAGE_LOOP : op->stage_kind;
    st->loop = typed ? op->loops[typed->type->dtype] : NULL;
    st->state = c->work.pub.state;
    return st->running >= 0 && st->loop && k <= 4;
}

/* y: what the step before it makes, which so many others read. */
static bool may_follow(const fusion *z, const tap_slot *y, int32_t uses, const tap_step *c) {
    if (c->kind != TAP_STEP_RUN || c->work.pub.n_out != 1 || !c->out[0] || c->own_state) return false;
    if (c->work.node->op->flags & (TAP_RANDOM | TAP_HAS_BODY)) return false;
    return z->uses[y->value_id] == uses && same_tensor_shape(y, c->out[0]);
}

static bool add_stage(fusion *z, tap_step *a, tap_step *c, const tap_stage *st, tap_slot *const *operands) {
    tap_arena *m = &z->p->memory;
    size_t n = (size_t)a->n_stages, n_extra = 0;
    tap_stage *stages = tap_arena_array(m, n + 1, sizeof *stages);
    tap_slot **slots = tap_arena_array(m, 4 * (n + 1), sizeof *slots), **extra;
    tap_node **fused = tap_arena_array(m, n + 1, sizeof *fused);
    while (a->extra && a->extra[n_extra]) n_extra++;
    extra = tap_arena_array(m, n_extra + 5, sizeof *extra);
    if (!stages || !slots || !fused || !extra) return false;
    if (n) {
        memcpy(stages, a->stages, n * sizeof *stages);
        memcpy(slots, a->stage_slots, 4 * n * sizeof *slots);
        memcpy(fused, a->fused, n * sizeof *fused);
    }
    if (n_extra) memcpy(extra, a->extra, n_extra * sizeof *extra);
    stages[n] = *st;
    fused[n] = c->work.node;
    for (int32_t i = 0; i < st->n_operands && !c->work.node->op->stage; i++) {
        slots[4 * n + (size_t)i] = operands[i];
        if (operands[i]) extra[n_extra++] = operands[i];
    }
    a->stages = stages;
    a->stage_slots = slots;
    a->fused = fused;
    a->extra = extra;
    a->n_stages++;
    a->out[0] = c->out[0];
    a->work.stages = stages;
    a->work.n_stages = a->n_stages;
    a->work.pub.has_epilogue = true;
    return true;
}

static bool takes_stages(const tap_step *a) {
    return a->kind == TAP_STEP_RUN && a->work.node->op->flags & (TAP_EPILOGUE | TAP_ELEMENTWISE) &&
           a->out[0] && a->out[0]->is_static && a->out[0]->tensor.dtype != TAP_STRING;
}

/* A step becomes a stage of a, which is step k. */
static tap_status take(fusion *z, int32_t k, int32_t at, const tap_stage *st, tap_slot *const *operands) {
    tap_plan *p = z->p;
    if (!add_stage(z, p->steps[k], p->steps[at], st, operands))
        return tap_error_no_memory(z->err, sizeof *st);
    z->maker[p->steps[k]->out[0]->number] = k;
    p->steps[at] = NULL;
    p->n_fused++;
    return TAP_OK;
}

/* A branch: some steps, each of which reads the one before it, from a value y to a last one that reads y,
 * too. x * sigmoid(x), x * tanh(softplus(x)), x * (1 + erf(x / sqrt(2))) are of that form. */
typedef struct branch {
    int32_t at[BRANCH_MAX];
    tap_stage stages[BRANCH_MAX];
    tap_slot *operands[BRANCH_MAX][8];
    int n;
} branch;

static bool find_branch(fusion *z, int32_t k, branch *b) {
    tap_plan *p = z->p;
    const tap_slot *from = p->steps[k]->out[0], *y = from;
    const int32_t last = z->reader[from->value_id];
    int32_t at = z->first[from->value_id], uses = 2;
    for (b->n = 0; b->n < BRANCH_MAX && at > k; b->n++) {
        tap_step *c = p->steps[at];
        tap_stage *st = &b->stages[b->n];
        memset(b->operands[b->n], 0, sizeof b->operands[b->n]);
        if (!c || !may_follow(z, y, uses, c) || c->work.node->op->stage ||
            !make_stage(z, c, y, from, k, st, b->operands[b->n]))
            return false;
        st->keeps = b->n == 0;
        if ((st->rejoined > 0) != (at == last) || (b->n == 0 && at == last)) return false;
        b->at[b->n] = at;
        if (at == last) {
            b->n++;
            return true;
        }
        y = c->out[0];
        uses = 1;
        at = z->first[y->value_id];
    }
    return false;
}

static tap_status take_branch(fusion *z, int32_t k, const branch *b) {
    tap_status st = TAP_OK;
    for (int i = 0; i < b->n && st == TAP_OK; i++) st = take(z, k, b->at[i], &b->stages[i], b->operands[i]);
    return st;
}

/* Takes what follows step k into it, as long as something does. */
static tap_status absorb(fusion *z, int32_t k) {
    tap_step *a = z->p->steps[k];
    tap_status status = TAP_OK;
    branch b;
    while (takes_stages(a) && a->n_stages < STAGES_MAX && status == TAP_OK) {
        int32_t at = z->reader[a->out[0]->value_id];
        tap_step *c = at > k ? z->p->steps[at] : NULL;
        tap_stage st;
        tap_slot *operands[8] = {0};
        if (c && may_follow(z, a->out[0], 1, c) && make_stage(z, c, a->out[0], NULL, k, &st, operands))
            status = take(z, k, at, &st, operands);
        else if (find_branch(z, k, &b))
            status = take_branch(z, k, &b);
        else
            break;
    }
    return status;
}

tap_status tap_plan_fuse(tap_frame *f, tap_plan *p, tap_error *err) {
    fusion z = {.f = f, .p = p, .err = err};
    size_t n = p->n_values;
    z.uses = tap_arena_array(&p->memory, n, sizeof *z.uses);
    z.maker = tap_arena_array(&p->memory, p->n_slots, sizeof *z.maker);
    z.first = tap_arena_array(&p->memory, n, sizeof *z.first);
    z.reader = tap_arena_array(&p->memory, n, sizeof *z.reader);
    if (!z.uses || !z.maker || !z.first || !z.reader) return tap_error_no_memory(err, n * sizeof *z.uses);
    count_uses(&z);
    tap_status st = TAP_OK;
    for (size_t k = 0; k < p->n_steps && st == TAP_OK; k++)
        if (p->steps[k]) st = absorb(&z, (int32_t)k);
    size_t kept = 0;
    for (size_t k = 0; k < p->n_steps; k++)
        if (p->steps[k]) p->steps[kept++] = p->steps[k];
    p->n_steps = kept;
    return st;
}
