/* What a session computes where it does not compute everything: from the values that are wanted back to what
 * they need, ending at values that are given from outside. */
#include "run/reach.h"

#include <string.h>

enum {
    GIVEN = 1,  /* tap_session_set */
    NEEDED = 2, /* a run has it */
    TYPED = 4,  /* a given value's type hangs on it */
    BEFORE = 8, /* a stop's value, or what that is computed from */
};

struct tap_reach {
    uint8_t *bits;            /* by value */
    uint8_t *entered;         /* by graph: bodies that such a value lies in */
    const tap_node **blocker; /* by value */
    int32_t *todo;            /* values whose makers are to be looked at */
    size_t n_todo;
};

static bool is_whole(const tap_session *s) {
    return s->n_sets == 0 && !s->stops && !s->options.partial;
}

/* ---- From front to back: what an unsupported node keeps from being reached ---- */

static const tap_node *blocker_of(const tap_reach *r, const tap_graph *g, const tap_vid *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == TAP_NO_VALUE) continue;
        int32_t v = g->values[ids[i]].global;
        if (r->blocker[v] && !(r->bits[v] & GIVEN)) return r->blocker[v];
    }
    return NULL;
}

static void find_blockers(tap_reach *r, const tap_graph *g);

/* A body that never runs. */
static void block_body(tap_reach *r, const tap_graph *g, const tap_node *by) {
    for (size_t v = 0; v < g->n_values; v++)
        if (g->values[v].outer == TAP_NO_VALUE) r->blocker[g->values[v].global] = by;
    for (size_t k = 0; k < g->n_nodes; k++)
        for (int32_t a = 0; a < g->nodes[k]->n_attrs; a++)
            for (size_t b = 0; g->nodes[k]->attrs[a].bodies && b < g->nodes[k]->attrs[a].src->n; b++)
                block_body(r, g->nodes[k]->attrs[a].bodies[b], by);
}

static const tap_node *blocker_of_node(tap_reach *r, const tap_node *n) {
    const tap_node *found = n->unsupported ? n : blocker_of(r, n->graph, n->in, (size_t)n->n_in);
    if (!found) found = blocker_of(r, n->graph, n->captures, (size_t)n->n_captures);
    for (int32_t a = 0; !found && a < n->n_attrs; a++)
        for (size_t b = 0; !found && n->attrs[a].bodies && b < n->attrs[a].src->n; b++) {
            const tap_graph *body = n->attrs[a].bodies[b];
            find_blockers(r, body);
            found = blocker_of(r, body, body->outputs, body->n_outputs);
        }
    for (int32_t a = 0; found && a < n->n_attrs; a++)
        for (size_t b = 0; n->attrs[a].bodies && b < n->attrs[a].src->n; b++)
            block_body(r, n->attrs[a].bodies[b], found);
    return found;
}

static void find_blockers(tap_reach *r, const tap_graph *g) {
    for (size_t k = 0; k < g->n_nodes; k++) {
        const tap_node *n = g->nodes[k], *by = blocker_of_node(r, n);
        for (int32_t i = 0; by && i < n->n_out; i++)
            if (n->out[i] != TAP_NO_VALUE) r->blocker[g->values[n->out[i]].global] = by;
    }
}

/* ---- From back to front: what values are computed from ---- */

static void push(tap_reach *r, uint8_t bit, const tap_graph *g, const tap_vid *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == TAP_NO_VALUE) continue;
        int32_t v = g->values[ids[i]].global;
        if (r->bits[v] & bit) continue;
        r->bits[v] |= bit;
        r->todo[r->n_todo++] = v; /* each value once for each bit */
    }
}

static void visit(tap_reach *r, uint8_t bit, const tap_node *n);

/* A body runs whole: its outputs are what its owner takes. */
static void enter(tap_reach *r, uint8_t bit, const tap_graph *g) {
    for (; g->owner && !(r->entered[g->number] & bit); g = g->parent) {
        r->entered[g->number] |= bit;
        push(r, bit, g, g->outputs, g->n_outputs);
        visit(r, bit, g->owner);
    }
}

static void visit(tap_reach *r, uint8_t bit, const tap_node *n) {
    push(r, bit, n->graph, n->in, (size_t)n->n_in);
    if (bit == TYPED) return;
    push(r, bit, n->graph, n->captures, (size_t)n->n_captures);
    for (int32_t a = 0; a < n->n_attrs; a++)
        for (size_t b = 0; n->attrs[a].bodies && b < n->attrs[a].src->n; b++)
            enter(r, bit, n->attrs[a].bodies[b]);
}

/* cut: a given value needs nothing. */
static void follow(const tap_session *s, tap_reach *r, uint8_t bit, bool cut) {
    while (r->n_todo > 0) {
        int32_t v = r->todo[--r->n_todo];
        tap_vref at = s->model->values[v];
        if (bit != TYPED) enter(r, bit, at.graph);
        if (cut && r->bits[v] & GIVEN) continue;
        const tap_node *n = tap_vref_value(at)->producer;
        if (n) visit(r, bit, n);
    }
}

static void want(const tap_session *s, tap_reach *r, uint8_t bit, size_t v) {
    tap_vref at = s->model->values[v];
    push(r, bit, at.graph, &at.v, 1);
}

static void find_needed(const tap_session *s, tap_reach *r) {
    const tap_graph *g = s->model->bound.main;
    for (size_t v = 0; s->stops && v < s->model->n_values; v++)
        if (s->stops[v]) want(s, r, BEFORE, v);
    follow(s, r, BEFORE, false);
    for (size_t v = 0; v < s->model->n_values; v++) {
        bool wanted = s->tapped[v] && (!s->stops || r->bits[v] & BEFORE);
        wanted |= s->stops ? s->stops[v]
                           : tap_vref_value(s->model->values[v])->is_output && s->model->values[v].graph == g;
        if (wanted && !(r->blocker[v] && !(r->bits[v] & GIVEN))) want(s, r, NEEDED, v);
    }
    follow(s, r, NEEDED, true);
}

static void find_typed(const tap_session *s, tap_reach *r) {
    for (size_t i = 0; i < s->n_sets; i++) {
        const tap_node *n = tap_vref_value(s->sets[i].at)->producer;
        if (n) visit(r, TYPED, n);
    }
    follow(s, r, TYPED, true);
}

static tap_reach *make(tap_session *s) {
    tap_budget *b = &s->model->budget;
    size_t n = s->model->n_values + 1;
    tap_reach *r = tap_mem_alloc_zero(b, sizeof *r);
    if (!r) return NULL;
    s->reach = r;
    r->bits = tap_mem_alloc_zero(b, n * sizeof *r->bits);
    r->entered = tap_mem_alloc_zero(b, s->model->bound.n_graphs * sizeof *r->entered);
    r->blocker = tap_mem_alloc_zero(b, n * sizeof *r->blocker);
    r->todo = tap_mem_alloc_zero(b, n * sizeof *r->todo);
    return r->bits && r->entered && r->blocker && r->todo ? r : NULL;
}

void tap_reach_free(tap_session *s) {
    tap_budget *b = &s->model->budget;
    if (!s->reach) return;
    tap_mem_free(b, s->reach->bits);
    tap_mem_free(b, s->reach->entered);
    tap_mem_free(b, s->reach->blocker);
    tap_mem_free(b, s->reach->todo);
    tap_mem_free(b, s->reach);
    s->reach = NULL;
}

tap_status tap_reach_update(tap_session *s, tap_error *err) {
    if (s->reach || is_whole(s)) return TAP_OK;
    tap_reach *r = make(s);
    if (!r) {
        tap_reach_free(s);
        return tap_error_no_memory(err, s->model->n_values);
    }
    for (size_t i = 0; i < s->n_sets; i++) r->bits[tap_vref_value(s->sets[i].at)->global] |= GIVEN;
    if (s->options.partial) find_blockers(r, s->model->bound.main);
    find_needed(s, r);
    find_typed(s, r);
    return TAP_OK;
}

/* ---- Questions ---- */

bool tap_reach_has(const tap_session *s, const tap_gvalue *v) {
    return !s->reach || s->reach->bits[v->global] & NEEDED;
}

static bool any_output(const tap_reach *r, const tap_node *n, uint8_t with, uint8_t without) {
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == TAP_NO_VALUE) continue;
        uint8_t bits = r->bits[n->graph->values[n->out[i]].global];
        if (bits & with && !(bits & without)) return true;
    }
    return false;
}

bool tap_reach_runs(const tap_session *s, const tap_node *n) {
    const tap_reach *r = s->reach;
    if (!r || any_output(r, n, NEEDED, GIVEN)) return true;
    for (int32_t a = 0; a < n->n_attrs; a++)
        for (size_t b = 0; n->attrs[a].bodies && b < n->attrs[a].src->n; b++)
            if (r->entered[n->attrs[a].bodies[b]->number] & NEEDED) return true;
    return false;
}

bool tap_reach_types(const tap_session *s, const tap_node *n) {
    return s->reach && n->op && !n->unsupported && any_output(s->reach, n, TYPED | GIVEN, 0);
}

const tap_node *tap_reach_blocker(const tap_session *s, const tap_gvalue *v) {
    if (!s->reach || s->reach->bits[v->global] & GIVEN) return NULL;
    return s->reach->blocker[v->global];
}

const tap_set *tap_reach_set_of(const tap_session *s, const tap_gvalue *v) {
    if (!s->reach || !(s->reach->bits[v->global] & GIVEN)) return NULL;
    for (size_t i = 0; i < s->n_sets; i++)
        if (tap_vref_value(s->sets[i].at)->global == v->global) return &s->sets[i];
    return NULL;
}

const tap_set *tap_reach_set_in(const tap_session *s, const tap_graph *g, size_t k) {
    for (size_t i = 0; i < s->n_sets; i++)
        if (s->sets[i].at.graph == g && k-- == 0) return &s->sets[i];
    return NULL;
}
