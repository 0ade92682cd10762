/* Where values lie: views share memory, in-place outputs take over an input's, the rest is packed into one
 * arena by lifetime. What has no known size, or outlives the frame (results of a body), gets memory of its
 * own while running. */
#include <stdlib.h>
#include <string.h>

#include "run/plan.h"

static size_t bytes_of(const tap_slot *s) {
    return (size_t)s->tensor.count * tap_dtype_bytes(s->tensor.dtype);
}

/* An output that is memory of an input. Views of what is made while running hold a reference instead. */
static void place_views(tap_plan *p) {
    for (size_t k = 0; k < p->n_steps; k++) {
        tap_step *s = p->steps[k];
        if (s->kind != TAP_STEP_VIEW || !s->out[0]) continue;
        tap_slot *x = s->in[0], *y = s->out[0];
        if (!x->is_static || !y->is_static) continue;
        y->root = x->root;
    }
}

/* The results of a graph must be there when it has ended; those of a body must outlive its frame's arena. */
static void mark_outputs(const tap_frame *f, tap_plan *p, int32_t end) {
    for (size_t i = 0; i < f->graph->n_outputs; i++) {
        tap_vid v = f->graph->outputs[i];
        if (v == TAP_NO_VALUE) continue;
        tap_slot *r = tap_slot_root(tap_plan_slot(p, v));
        r->last = end;
        if (f->graph->parent && r->place == TAP_AT_NONE) r->place = TAP_AT_RUN;
    }
}

static void place_made(tap_plan *p) {
    for (size_t k = 0; k < p->n_steps; k++) {
        const tap_step *s = p->steps[k];
        for (int32_t i = 0; i < s->work.pub.n_out; i++) {
            if (!s->out[i]) continue;
            tap_slot *y = s->out[i];
            if (y->place != TAP_AT_NONE || y->root != y) continue;
            bool bodies = s->work.node && s->work.node->op->flags & TAP_HAS_BODY;
            /* A view that place_views left alone has an input whose place is found while running. */
            bool view = s->kind == TAP_STEP_VIEW;
            y->place =
                y->is_static && !bodies && !view && y->tensor.dtype != TAP_STRING ? TAP_AT_ARENA : TAP_AT_RUN;
        }
    }
}

static void use(tap_slot *s, int32_t step) {
    tap_slot *r = tap_slot_root(s);
    if (r->first < 0) r->first = step;
    if (r->last < step) r->last = step;
}

static void find_lifetimes(tap_plan *p) {
    for (tap_slot *s = p->slots; s; s = s->next) s->first = s->last = -1;
    for (size_t k = 0; k < p->n_steps; k++) {
        const tap_step *s = p->steps[k];
        for (int32_t i = 0; i < s->work.pub.n_in; i++)
            if (s->in[i]) use(s->in[i], (int32_t)k);
        for (int32_t i = 0; i < s->work.pub.n_out; i++)
            if (s->out[i]) use(s->out[i], (int32_t)k);
        for (int32_t i = 0; s->extra && s->extra[i]; i++) use(s->extra[i], (int32_t)k);
        /* Bodies read what they capture while the node runs. */
        const tap_node *n = s->work.node;
        for (int32_t i = 0; n && i < n->n_captures; i++) use(tap_plan_slot(p, n->captures[i]), (int32_t)k);
    }
}

/* A view whose shape is found while running is memory of its input all the same: this must stay as long as
 * the view. From the last step back, for views of views. */
static void hold_for_views(tap_plan *p) {
    for (size_t k = p->n_steps; k-- > 0;) {
        const tap_step *s = p->steps[k];
        if (s->kind != TAP_STEP_VIEW || !s->out[0]) continue;
        tap_slot *x = tap_slot_root(s->in[0]), *y = tap_slot_root(s->out[0]);
        if (x->last < y->last) x->last = y->last;
    }
}

/* Whether y may be written over x, which this step reads as its input i and nobody reads later: neither do
 * the stages of its chain, which read their operands after the kernel has begun to write. */
static bool may_overwrite(const tap_step *s, int32_t i, int32_t step) {
    tap_slot *x = s->in[i], *y = s->out[0], *r;
    if (!x || !x->is_static || !y->is_static || x->channels_last != y->channels_last) return false;
    r = tap_slot_root(x);
    if (r->place != TAP_AT_ARENA || r->last != step || y->place != TAP_AT_ARENA || r == tap_slot_root(y))
        return false;
    if (x->tensor.count != y->tensor.count || bytes_of(x) != bytes_of(y) || bytes_of(r) != bytes_of(y))
        return false;
    for (int32_t k = 0; k < s->work.pub.n_in; k++)
        if (k != i && s->in[k] && tap_slot_root(s->in[k]) == r) return false;
    for (int32_t k = 0; s->extra && s->extra[k]; k++)
        if (tap_slot_root(s->extra[k]) == r) return false;
    return true;
}

static void place_in_place(tap_plan *p) {
    for (size_t k = 0; k < p->n_steps; k++) {
        tap_step *s = p->steps[k];
        if (s->kind != TAP_STEP_RUN || !(s->work.node->op->flags & TAP_IN_PLACE) || !s->out[0]) continue;
        for (int32_t i = 0; i < s->work.pub.n_in; i++) {
            if (!may_overwrite(s, i, (int32_t)k)) continue;
            tap_slot *y = tap_slot_root(s->out[0]), *r = tap_slot_root(s->in[i]);
            y->root = r;
            if (y->last > r->last) r->last = y->last;
            break;
        }
    }
}

static int by_size(const void *a, const void *b) {
    const tap_slot *x = *(tap_slot *const *)a, *y = *(tap_slot *const *)b;
    size_t m = bytes_of(x), n = bytes_of(y);
    if (m != n) return m < n ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

/* The lowest place where s does not meet those placed before it, which are sorted by offset. */
static size_t insert(tap_slot **placed, size_t n, tap_slot *s, size_t need) {
    size_t at = 0, k = 0, where = n;
    for (; k < n; k++) {
        const tap_slot *o = placed[k];
        if (o->last < s->first || s->last < o->first) continue;
        if (o->offset >= at + need) break;
        size_t end = o->offset + tap_round_up(bytes_of(o) ? bytes_of(o) : 1, TAP_ALIGN);
        if (end > at) at = end;
    }
    s->offset = at;
    for (where = n; where > 0 && placed[where - 1]->offset > at; where--) placed[where] = placed[where - 1];
    placed[where] = s;
    return at + need;
}

static tap_status pack_arena(tap_plan *p, tap_error *err) {
    tap_slot **todo = tap_arena_array(&p->memory, p->n_slots, sizeof *todo),
             **placed = tap_arena_array(&p->memory, p->n_slots, sizeof *placed);
    if (!todo || !placed) return tap_error_no_memory(err, p->n_slots * sizeof *todo);
    size_t n = 0;
    for (tap_slot *s = p->slots; s; s = s->next)
        if (s->place == TAP_AT_ARENA && s->root == s && s->first >= 0) todo[n++] = s;
    qsort(todo, n, sizeof *todo, by_size);
    for (size_t i = 0; i < n; i++) {
        size_t end =
            insert(placed, i, todo[i], tap_round_up(bytes_of(todo[i]) ? bytes_of(todo[i]) : 1, TAP_ALIGN));
        if (end > p->arena_bytes) p->arena_bytes = end;
    }
    return TAP_OK;
}

/* Slots made while running are let go after their last use. */
static tap_status plan_drops(tap_plan *p, tap_error *err) {
    p->run_slots = tap_arena_array(&p->memory, p->n_slots, sizeof *p->run_slots);
    int32_t *n_at = tap_arena_array(&p->memory, p->n_steps, sizeof *n_at);
    if (!p->run_slots || !n_at) return tap_error_no_memory(err, p->n_slots * sizeof *p->run_slots);
    for (tap_slot *s = p->slots; s; s = s->next) {
        if (s->place != TAP_AT_RUN) continue;
        p->run_slots[p->n_run_slots++] = s;
        if (s->last >= 0 && s->last < (int32_t)p->n_steps) n_at[s->last]++;
    }
    for (size_t k = 0; k < p->n_steps; k++) {
        p->steps[k]->drops = tap_arena_array(&p->memory, (size_t)n_at[k], sizeof(tap_slot *));
        if (!p->steps[k]->drops) return tap_error_no_memory(err, sizeof(tap_slot *));
    }
    for (size_t i = 0; i < p->n_run_slots; i++) {
        tap_slot *s = p->run_slots[i];
        if (s->last < 0 || s->last >= (int32_t)p->n_steps) continue;
        tap_step *step = p->steps[s->last];
        step->drops[step->n_drops++] = s;
    }
    return TAP_OK;
}

/* A view takes the place of its root; a view that is no static one is made while running. */
static void place_aliases(tap_plan *p) {
    for (tap_slot *s = p->slots; s; s = s->next) {
        tap_slot *r = tap_slot_root(s);
        if (s == r) continue;
        s->place = r->place;
        if (r->place == TAP_AT_CONST) s->of_model = false;
    }
}

static tap_status collect_input_views(tap_plan *p, tap_error *err) {
    p->inputs_views = tap_arena_array(&p->memory, p->n_slots, sizeof *p->inputs_views);
    if (!p->inputs_views) return tap_error_no_memory(err, p->n_slots);
    for (tap_slot *s = p->slots; s; s = s->next)
        if (s->place == TAP_AT_INPUT && s->root != s) p->inputs_views[p->n_inputs_views++] = s;
    return TAP_OK;
}

tap_status tap_plan_memory(tap_frame *f, tap_plan *p, tap_error *err) {
    place_views(p);
    mark_outputs(f, p, (int32_t)p->n_steps);
    place_made(p);
    find_lifetimes(p);
    mark_outputs(f, p, (int32_t)p->n_steps);
    hold_for_views(p);
    place_in_place(p);
    tap_status st = pack_arena(p, err);
    if (st != TAP_OK) return st;
    /* A view of memory made while running is made while running too: it holds a reference. */
    for (tap_slot *s = p->slots; s; s = s->next)
        if (s->root != s && tap_slot_root(s)->place == TAP_AT_RUN) {
            s->place = TAP_AT_RUN;
            s->last = tap_slot_root(s)->last;
        }
    place_aliases(p);
    st = plan_drops(p, err);
    return st == TAP_OK ? collect_input_views(p, err) : st;
}
