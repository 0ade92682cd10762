/* Zeros that a node puts around an image for another to read: the reader takes the image as it was, and knows
 * of them. Whether it does hangs on the model alone, so a tap on the image with its zeros changes nothing:
 * the node that makes it runs beside. */
#include "run/plan.h"

typedef struct zeros {
    tap_frame *f;
    tap_plan *p;
    int32_t *maker; /* per value: its step's number + 1; 0: none */
    int32_t *uses;  /* per value: who wants it */
} zeros;

/* How many zeros there are is known before the run. */
static bool is_settled(const tap_step *pad) {
    for (int32_t i = 1; i < pad->work.pub.n_in; i++)
        if (pad->in[i] && pad->in[i]->place != TAP_AT_CONST) return false;
    return true;
}

/* s reads what `pad` makes: from now on what `pad` reads. false: no memory. */
static bool take(zeros *z, tap_step *s, tap_step *pad) {
    const tap_op *op = pad->work.node->op;
    tap_slot *x = pad->in[0];
    if (pad->kind != TAP_STEP_RUN || !op->gives_zeros || !x || x->type->kind != TAP_KIND_TENSOR ||
        x->type->rank < 3 || !is_settled(pad))
        return true;
    int64_t *n = tap_arena_array(&z->p->memory, 2 * (size_t)x->type->rank, sizeof *n);
    if (!n) return false;
    if (!op->gives_zeros(&pad->work.pub, x->type->rank, n) || !s->work.node->op->takes_zeros(&s->work.pub))
        return true;
    s->in[0] = x;
    s->in_types[0] = x->type;
    s->work.pub.zeros = n;
    return true;
}

static void count_uses(zeros *z) {
    const tap_graph *g = z->f->graph;
    for (size_t v = 0; v < g->n_values; v++) z->uses[v] += z->f->session->tapped[g->values[v].global];
    for (size_t i = 0; i < g->n_outputs; i++)
        if (g->outputs[i] != TAP_NO_VALUE) z->uses[g->outputs[i]]++;
    for (size_t k = 0; k < z->p->n_steps; k++) {
        const tap_step *s = z->p->steps[k];
        for (int32_t i = 0; i < s->work.pub.n_in; i++)
            if (s->in[i]) z->uses[s->in[i]->value_id]++;
        for (int32_t i = 0; i < s->work.node->n_captures; i++) z->uses[s->work.node->captures[i]]++;
    }
}

static void drop_unread(zeros *z) {
    size_t n = 0;
    for (size_t k = 0; k < z->p->n_steps; k++) {
        tap_step *s = z->p->steps[k];
        const bool pads = s->work.node->op->gives_zeros && s->out[0];
        if (!pads || z->uses[s->out[0]->value_id] > 0) z->p->steps[n++] = s;
    }
    z->p->n_steps = n;
}

tap_status tap_plan_zeros(tap_frame *f, tap_plan *p, tap_error *err) {
    zeros z = {.f = f, .p = p};
    bool any = false;
    for (size_t k = 0; k < p->n_steps && !any; k++) any = p->steps[k]->work.node->op->gives_zeros != NULL;
    if (!any) return TAP_OK;
    z.maker = tap_arena_array(&p->memory, p->n_values, sizeof *z.maker);
    z.uses = tap_arena_array(&p->memory, p->n_values, sizeof *z.uses);
    if (!z.maker || !z.uses) return tap_error_no_memory(err, p->n_values * sizeof *z.uses);
    for (size_t k = 0; k < p->n_steps; k++) {
        tap_step *s = p->steps[k];
        const int32_t at = s->work.pub.n_in && s->in[0] ? z.maker[s->in[0]->value_id] : 0;
        if (at && s->kind == TAP_STEP_RUN && s->work.node->op->takes_zeros && !take(&z, s, p->steps[at - 1]))
            return tap_error_no_memory(err, sizeof(int64_t));
        for (int32_t i = 0; i < s->work.pub.n_out; i++)
            if (s->out[i]) z.maker[s->out[i]->value_id] = (int32_t)k + 1;
    }
    count_uses(&z);
    drop_unread(&z);
    return TAP_OK;
}
