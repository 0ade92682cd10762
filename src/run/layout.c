/* Image chains run channels-last inside the plan: which step takes which form of its inputs, and where a
 * value changes form.
 *
 * Convolutions and pools want images as N, spatial, C; elementwise nodes between them follow; everything else
 * sees values as ONNX has them. A Transpose between the two forms, such as exporters put around TensorFlow's
 * convolutions, moves nothing: its output is its input's memory. What is decided here hangs on the model and
 * the shapes alone. */
#include "core/permute.h"
#include "run/plan.h"
#include "run/reach.h"

#include <string.h>

typedef struct layouts {
    tap_frame *f;
    tap_plan *p;
    tap_error *err;
    uint8_t *forms;   /* per value: forms that are there */
    tap_step **steps; /* as they were */
    size_t n_steps;
    bool failed;
} layouts;

enum { PLAIN = 1, LAST = 2 };

static bool is_image(const tap_slot *s) {
    return s && s->type->kind == TAP_KIND_TENSOR && s->type->rank >= 3;
}

/* Another form of a value has the value's type. */
static void copy_type(tap_slot *to, const tap_slot *from) {
    to->type = from->type;
    to->is_static = from->is_static;
    to->kind = from->is_static ? TAP_KIND_TENSOR : TAP_KIND_NONE;
    if (from->is_static) tap_slot_shape(to, to->type);
}

/* With one channel, or one pixel, both forms are the same bytes. */
static bool forms_agree(const tap_slot *s) {
    int64_t spatial = 1;
    if (!s->is_static) return false;
    for (int k = 2; k < s->type->rank; k++) spatial *= s->type->dims[k];
    return s->type->dims[1] == 1 || spatial == 1;
}

static bool convert_constant(layouts *l, tap_vid v, tap_slot *x, tap_slot *y) {
    int perm[TAP_RANK_MAX];
    if (!x->tensor.data && !tap_slot_load(l->f, v, x)) return false;
    if (!tap_slot_make(l->f->session, y, y->type)) return false;
    tap_perm_to_channels_last(x->type->rank, perm);
    tap_copy_permuted(tap_dtype_bytes(x->type->dtype), x->type->rank, x->tensor.dims, perm, x->tensor.data,
                      y->tensor.data);
    y->place = TAP_AT_CONST;
    return true;
}

static void fail_memory(layouts *l) {
    tap_error_no_memory(l->err, sizeof(tap_step));
    l->failed = true;
}

/* Where there is no memory for it the plain one, for nobody will look any more. */
static tap_slot *last_of(layouts *l, tap_vid v) {
    tap_slot *s = tap_plan_slot_last(l->p, v);
    if (s) return s;
    fail_memory(l);
    return tap_plan_slot(l->p, v);
}

/* The value in that form; the step that makes it from the other is put in where it is first needed. */
static tap_slot *need(layouts *l, tap_vid v, int form) {
    tap_slot *plain = tap_plan_slot(l->p, v);
    if (form == PLAIN && l->forms[v] & PLAIN) return plain;
    tap_slot *last = last_of(l, v), *y = form == LAST ? last : plain, *x = form == LAST ? plain : last;
    if (l->forms[v] & form || l->failed) return y;
    l->forms[v] |= (uint8_t)form;
    copy_type(y, x);
    if (forms_agree(x)) {
        y->root = x;
        if (x->place == TAP_AT_CONST) return y;
    } else if (x->place == TAP_AT_CONST) {
        if (!convert_constant(l, v, x, y)) fail_memory(l);
        return y;
    }
    tap_step *s = tap_plan_add_step(l->p, l->f, TAP_STEP_PERMUTE, NULL, 1, 1);
    if (s && x->is_static) s->move = tap_arena_alloc(&l->p->memory, sizeof *s->move);
    if (!s || (x->is_static && !s->move)) {
        fail_memory(l);
        return y;
    }
    s->in[0] = x;
    s->out[0] = y;
    if (x->is_static) {
        int perm[TAP_RANK_MAX];
        (form == LAST ? tap_perm_to_channels_last : tap_perm_to_channels_first)(x->type->rank, perm);
        tap_permute_plan(s->move, tap_dtype_bytes(x->type->dtype), x->type->rank, x->tensor.dims, perm);
    }
    return y;
}

static bool is_last(const layouts *l, const tap_slot *s) {
    return is_image(s) && tap_plan_slot(l->p, s->value_id)->made_channels_last;
}

/* The step's output is there in this form only. */
static void give(layouts *l, tap_step *s, int32_t i, int form) {
    tap_slot *plain = s->out[i];
    if (!plain) return;
    tap_vid v = plain->value_id;
    l->forms[v] = (uint8_t)form;
    if (form == PLAIN) return;
    tap_slot *last = last_of(l, v);
    copy_type(last, plain);
    plain->made_channels_last = true;
    s->out[i] = last;
}

static void give_all_plain(layouts *l, tap_step *s) {
    for (int32_t i = 0; i < s->work.pub.n_out; i++) give(l, s, i, PLAIN);
}

static void take_plain(layouts *l, tap_step *s) {
    for (int32_t i = 0; i < s->work.pub.n_in; i++)
        if (s->in[i]) s->in[i] = need(l, s->in[i]->value_id, PLAIN);
    const tap_node *n = s->work.node;
    for (int32_t i = 0; i < n->n_captures; i++) need(l, n->captures[i], PLAIN);
}

/* ---- kinds of steps ---- */

static bool wants_last(const layouts *l, const tap_step *s) {
    const tap_op *op = s->work.node->op;
    if (!(op->flags & (TAP_WANTS_CHANNELS_LAST | TAP_TAKES_CHANNELS_LAST)) || !s->out[0]) return false;
    bool any = false;
    for (int32_t i = 0; i < s->work.pub.n_in; i++) {
        if (!s->in[i] || !(op->image_inputs >> i & 1)) continue;
        if (!is_image(s->in[i])) return false;
        any |= op->flags & TAP_WANTS_CHANNELS_LAST || is_last(l, s->in[i]);
    }
    return any && is_image(s->out[0]);
}

static void run_last(layouts *l, tap_step *s) {
    const tap_op *op = s->work.node->op;
    for (int32_t i = 0; i < s->work.pub.n_in; i++)
        if (s->in[i]) s->in[i] = need(l, s->in[i]->value_id, op->image_inputs >> i & 1 ? LAST : PLAIN);
    s->work.pub.channels_last = true;
    for (int32_t i = 1; i < s->work.pub.n_out; i++) give(l, s, i, PLAIN);
    give(l, s, 0, LAST);
}

/* Where an operand of lower rank than the image is one number, or one for each channel. */
static bool is_single(const tap_slot *s) {
    return s->is_static && s->tensor.count == 1;
}

static bool is_channel_vector(const tap_slot *s, int rank) {
    if (!s->is_static || s->type->rank != rank - 1) return false;
    for (int k = 1; k < s->type->rank; k++)
        if (s->type->dims[k] != 1) return false;
    return true;
}

static bool follows_last(const layouts *l, const tap_step *s) {
    if (!(s->work.node->op->flags & TAP_ELEMENTWISE) || !is_image(s->out[0])) return false;
    int rank = s->out[0]->type->rank;
    bool any = false;
    for (int32_t i = 0; i < s->work.pub.n_in; i++) {
        const tap_slot *x = s->in[i];
        if (!x) continue;
        bool full = x->type->kind == TAP_KIND_TENSOR && x->type->rank == rank;
        /* A step whose shapes are seen when it runs has to see them as the model has them. */
        bool vector = s->out[0]->is_static && is_channel_vector(x, rank);
        if (!full && !is_single(x) && !vector) return false;
        any |= full && is_last(l, x);
    }
    return any;
}

/* The value as a vector along the last axis. */
static tap_slot *as_vector(layouts *l, tap_vid v) {
    tap_slot *x = need(l, v, PLAIN), *y = tap_plan_slot_vector(l->p, v);
    if (!y) fail_memory(l);
    if (!y || y->is_static) return y ? y : x;
    const tap_type t = {
        .kind = TAP_KIND_TENSOR, .dtype = x->type->dtype, .rank = 1, .dims = {x->type->dims[0]}};
    if (!tap_slot_set_type(l->p, y, &t, NULL)) {
        fail_memory(l);
        return x;
    }
    y->is_static = true;
    y->kind = TAP_KIND_TENSOR;
    tap_slot_shape(y, y->type);
    y->root = x;
    y->place = TAP_AT_NONE;
    return y;
}

static void follow(layouts *l, tap_step *s) {
    int rank = s->out[0]->type->rank;
    for (int32_t i = 0; i < s->work.pub.n_in; i++) {
        if (!s->in[i]) continue;
        tap_vid v = s->in[i]->value_id;
        if (is_single(s->in[i]))
            s->in[i] = need(l, v, PLAIN);
        else
            s->in[i] = s->in[i]->type->rank == rank ? need(l, v, LAST) : as_vector(l, v);
    }
    s->work.pub.channels_last = true;
    give(l, s, 0, LAST);
}

static bool same_perm(int rank, const int *a, const int *b) {
    return memcmp(a, b, (size_t)rank * sizeof *a) == 0;
}

/* A Transpose from one form to the other: a view. */
static bool elide_transpose(layouts *l, tap_step *s) {
    const tap_op *op = s->work.node->op;
    tap_slot *x = s->in[0];
    int perm[TAP_RANK_MAX], last[TAP_RANK_MAX], first[TAP_RANK_MAX];
    if (!op->permutation || !is_image(x) || !s->out[0] || !op->permutation(&s->work.pub, x->type->rank, perm))
        return false;
    int rank = x->type->rank;
    tap_perm_to_channels_last(rank, last);
    tap_perm_to_channels_first(rank, first);
    tap_vid v = x->value_id;
    if (is_last(l, x) && same_perm(rank, perm, last)) {
        s->in[0] = need(l, v, LAST);
        give(l, s, 0, PLAIN);
    } else if (same_perm(rank, perm, first) && !is_last(l, x)) {
        s->in[0] = need(l, v, PLAIN);
        give(l, s, 0, LAST);
    } else {
        return false;
    }
    s->kind = TAP_STEP_VIEW;
    return true;
}

/* A view that keeps the shape (Identity, Dropout) keeps the form. */
static bool is_same_shape_view(const layouts *l, const tap_step *s) {
    return s->kind == TAP_STEP_VIEW && s->work.node->op->flags & TAP_TAKES_CHANNELS_LAST &&
           is_last(l, s->in[0]) && is_image(s->out[0]);
}

static void settle(layouts *l, tap_step *s) {
    if (elide_transpose(l, s)) return;
    if (is_same_shape_view(l, s)) {
        s->in[0] = need(l, s->in[0]->value_id, LAST);
        give(l, s, 0, LAST);
    } else if (wants_last(l, s)) {
        run_last(l, s);
    } else if (follows_last(l, s)) {
        follow(l, s);
    } else {
        take_plain(l, s);
        give_all_plain(l, s);
    }
}

static bool append(layouts *l, tap_step *s) {
    tap_plan *p = l->p;
    if (p->n_steps == p->room_steps) {
        size_t room = p->room_steps * 2;
        tap_step **wider = tap_arena_array(&p->memory, room, sizeof *wider);
        if (!wider) return false;
        memcpy(wider, p->steps, p->n_steps * sizeof *wider);
        p->steps = wider;
        p->room_steps = room;
    }
    p->steps[p->n_steps++] = s;
    return true;
}

tap_status tap_plan_layout(tap_frame *f, tap_plan *p, tap_error *err) {
    layouts l = {.f = f, .p = p, .err = err, .n_steps = p->n_steps};
    l.forms = tap_arena_array(&p->memory, p->n_values, 1);
    l.steps = tap_arena_array(&p->memory, p->n_steps, sizeof *l.steps);
    if (!l.forms || !l.steps) return tap_error_no_memory(err, p->n_steps);
    if (p->n_steps) memcpy(l.steps, p->steps, p->n_steps * sizeof *l.steps);
    for (size_t v = 0; v < f->graph->n_values; v++) {
        tap_place place = tap_plan_slot(p, (tap_vid)v)->place;
        if (place == TAP_AT_CONST || place == TAP_AT_INPUT) l.forms[v] = PLAIN;
    }
    p->n_steps = 0;
    for (size_t k = 0; k < l.n_steps && !l.failed; k++) {
        settle(&l, l.steps[k]);
        if (!append(&l, l.steps[k])) fail_memory(&l);
    }
    for (size_t i = 0; i < f->graph->n_outputs && !l.failed; i++)
        if (f->graph->outputs[i] != TAP_NO_VALUE &&
            tap_reach_has(f->session, &f->graph->values[f->graph->outputs[i]]))
            need(&l, f->graph->outputs[i], PLAIN);
    return l.failed ? TAP_MEMORY : TAP_OK;
}
