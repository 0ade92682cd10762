/* The comparison: values come as the model computes them, in the order of execution, and each is judged at
 * once. */
#include "diff/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "diff/hold.h"

/* ---- pairs that refute themselves ---- */

static bool carries(const tap_node *n) {
    return !(n->op && n->op->flags & TAP_SHAPE_ONLY);
}

/* Two models: a pair by place alone is a mistake where a value behind it has the same numbers in both.
 * agrees: by value of the main graph, whether it or anything made from it was paired for its numbers. */
static tap_status drop_refuted(tap_diff *d, tap_error *err) {
    const tap_graph *g = d->parts.bound->main;
    uint8_t *agrees = tap_arena_array(&d->arena, g->n_values + 1, 1);
    size_t n = 0;
    if (!agrees) return tap_error_no_memory(err, g->n_values);
    for (size_t i = 0; i < d->matches.n; i++) {
        const tap_match *m = &d->matches.items[i];
        tap_vid v = d->parts.values[m->value].graph == g ? d->parts.values[m->value].v : TAP_NO_VALUE;
        if (v != TAP_NO_VALUE && m->by == TAP_BY_VALUES) agrees[v] = 1;
    }
    for (size_t i = g->n_nodes; i-- > 0;) {
        const tap_node *x = g->nodes[i];
        bool any = false;
        for (int32_t o = 0; o < x->n_out; o++) any = any || (x->out[o] != TAP_NO_VALUE && agrees[x->out[o]]);
        for (int32_t k = 0; any && carries(x) && k < x->n_in; k++)
            if (x->in[k] != TAP_NO_VALUE) agrees[x->in[k]] = 1;
    }
    for (size_t i = 0; i < d->matches.n; i++) {
        const tap_match *m = &d->matches.items[i];
        tap_vid v = d->parts.values[m->value].graph == g ? d->parts.values[m->value].v : TAP_NO_VALUE;
        bool refuted = m->by == TAP_BY_STRUCTURE && v != TAP_NO_VALUE && agrees[v] && !g->values[v].is_output;
        if (!refuted) d->matches.items[n++] = *m;
    }
    d->matches.n = n;
    return TAP_OK;
}

/* ---- points ---- */

static tap_vid main_vid(const tap_diff *d, size_t value) {
    return d->parts.values[value].graph == d->parts.bound->main ? d->parts.values[value].v : TAP_NO_VALUE;
}

/* A piece may start from it: a number that the reference has and a node of the main graph makes. */
static bool can_be_given(const tap_diff *d, const tap_point *p) {
    if (p->vid == TAP_NO_VALUE || !p->primary) return false;
    const tap_gvalue *v = &d->parts.bound->main->values[p->vid];
    return v->producer && v->type.kind != TAP_KIND_SEQUENCE && v->type.kind != TAP_KIND_MAP;
}

static tap_status make_point(tap_diff *d, size_t i) {
    tap_point *p = &d->points[i];
    tap_value_info info = {.size = sizeof info};
    p->match = d->matches.items[i];
    tap_model_value(d->parts.model, p->match.value, &info);
    p->vid = main_vid(d, p->match.value);
    p->primary = d->at[p->match.value] == SIZE_MAX;
    if (p->primary) d->at[p->match.value] = i;
    p->given = can_be_given(d, p);
    p->pub = (tap_diff_pair){.size = sizeof p->pub, .tensor = info.name, .node = info.node, .op = info.op};
    p->pub.reference = d->ref->items[p->match.ref].name;
    p->pub.layer = p->match.layer;
    p->pub.output = p->match.output;
    p->pub.by = p->match.by;
    p->pub.rank = -1;
    p->pub.attributes = "";
    p->pub.verdict = TAP_VERDICT_NOT_COMPARABLE;
    p->pub.note = "the model did not compute it in this run";
    p->pub.isolated_max_abs = p->pub.isolated_noise = p->pub.noise = p->pub.residual = NAN;
    return TAP_OK;
}

static tap_status make_points(tap_diff *d, tap_error *err) {
    size_t n = d->matches.n;
    const tap_graph *g = d->parts.bound->main;
    d->points = tap_arena_array(&d->arena, n + 1, sizeof *d->points);
    d->at = tap_arena_array(&d->arena, d->parts.n_values + 1, sizeof *d->at);
    d->marks = tap_arena_array(&d->arena, g->n_values + 1, 1);
    d->held = tap_arena_array(&d->arena, g->n_values + 1, 1);
    d->own = tap_arena_array(&d->arena, g->n_values + 1, sizeof *d->own);
    if (!d->points || !d->at || !d->marks || !d->held || !d->own) return tap_error_no_memory(err, n);
    for (size_t i = 0; i < d->parts.n_values; i++) d->at[i] = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        tap_status st = make_point(d, i);
        if (st != TAP_OK) return st;
        if (d->points[i].given) d->marks[d->points[i].vid] = TAP_CUT_GIVEN;
    }
    d->n_points = n;
    return TAP_OK;
}

/* ---- inputs ---- */

static tap_status take_inputs(tap_diff *d) {
    const tap_graph *g = d->parts.bound->main;
    for (size_t i = 0; i < g->n_inputs; i++) {
        tap_vid v = g->inputs[i];
        for (size_t k = 0; k < d->n_inputs; k++) {
            if (strcmp(d->inputs[k].name, g->values[v].name) != 0 || !d->inputs[k].value) continue;
            d->own[v] = (tap_value *)(uintptr_t)d->inputs[k].value;
            tap_value_retain(d->own[v]);
            d->marks[v] = TAP_CUT_GIVEN;
        }
    }
    return TAP_OK;
}

/* ---- the run ---- */

static tap_status judge_value(tap_diff *d, size_t value, const tap_value *v) {
    tap_status st = TAP_OK;
    for (size_t i = d->at[value]; i < d->n_points && st == TAP_OK && d->points[i].match.value == value; i++)
        if (!d->points[i].done) st = tap_judge(d, &d->points[i], v, d->err);
    return st;
}

static int listen(const tap_event *e, void *user) {
    tap_diff *d = user;
    tap_vid v = main_vid(d, e->index);
    if (e->ask) return TAP_WANT;
    tap_settle(e->tensor);
    if (v != TAP_NO_VALUE && d->held[v] && !d->own[v])
        d->status = tap_value_copy(e->value, &d->own[v], d->err);
    if (d->status == TAP_OK && e->n_iterations == 0 && d->at[e->index] != SIZE_MAX)
        d->status = judge_value(d, e->index, e->value);
    return d->status == TAP_OK ? TAP_WANT : TAP_STOP;
}

/* Compared values, and the held ones that the run in double precision needs. */
static tap_status set_taps(tap_diff *d, tap_session *s, tap_error *err) {
    size_t *taps = tap_arena_array(&d->arena, d->parts.n_values + 1, sizeof *taps), n = 0;
    if (!taps) return tap_error_no_memory(err, d->parts.n_values);
    for (size_t i = 0; i < d->parts.n_values; i++) {
        tap_vid v = main_vid(d, i);
        bool input = v != TAP_NO_VALUE && d->own[v];
        if (!input && (d->at[i] != SIZE_MAX || (v != TAP_NO_VALUE && d->held[v]))) taps[n++] = i;
    }
    return tap_session_set_taps(s, taps, n, err);
}

static tap_status judge_inputs(tap_diff *d) {
    const tap_graph *g = d->parts.bound->main;
    tap_status st = TAP_OK;
    for (size_t i = 0; i < g->n_inputs && st == TAP_OK; i++) {
        size_t value = (size_t)g->values[g->inputs[i]].global;
        if (d->own[g->inputs[i]] && d->at[value] != SIZE_MAX)
            st = judge_value(d, value, d->own[g->inputs[i]]);
    }
    return st;
}

/* The model cannot be run to its end: each piece is judged by itself, on the reference's values. */
static tap_status judge_pieces(tap_diff *d, tap_error *err) {
    tap_status st = TAP_OK;
    for (size_t i = 0; i < d->n_points && st == TAP_OK; i++) {
        tap_point *p = &d->points[i];
        tap_piece piece;
        const char *why;
        if (p->done || !p->given) continue;
        st = tap_piece_run(d, p, &piece, &why, err);
        if (st == TAP_OK && piece.by_model) st = tap_judge(d, p, piece.by_model, err);
        tap_piece_free(&piece);
    }
    return st;
}

static tap_status run(tap_diff *d, tap_error *err) {
    tap_session_options o = {.size = sizeof o, .threads = d->options.threads};
    tap_session *s;
    tap_status st = tap_session_new(d->parts.model, &o, &s, err);
    if (st != TAP_OK) return st;
    st = set_taps(d, s, err);
    if (st == TAP_OK) st = judge_inputs(d);
    tap_session_listen(s, listen, d);
    if (st == TAP_OK) st = tap_session_run(s, d->inputs, d->n_inputs, d->status == TAP_OK ? err : NULL);
    if (st == TAP_CANCELLED && d->status != TAP_OK) st = d->status;
    tap_session_free(s);
    /* A fault may be what makes it fail: then that is told. */
    if (st != TAP_RUN) return st;
    d->failure = err ? tap_arena_printf(&d->arena, "%s", err->text) : "the model failed while running";
    tap_error inner = TAP_ERROR_INIT;
    if (!tap_diff_first(d)) judge_pieces(d, &inner);
    return tap_diff_first(d) ? TAP_OK : st;
}

/* ---- how long values are needed ---- */

static tap_status count_uses(tap_diff *d, tap_error *err) {
    tap_status st = TAP_OK;
    tap_arena arena;
    tap_arena_init(&arena, NULL);
    for (size_t i = 0; i < d->n_points && st == TAP_OK; i++) {
        tap_segment s;
        tap_vid v = d->points[i].vid;
        if (v == TAP_NO_VALUE || !d->points[i].primary) continue;
        d->marks[v] |= TAP_CUT_WANTED;
        st = tap_segment_cut(d->parts.bound, &arena, d->marks, &s, NULL);
        d->marks[v] &= (uint8_t)~TAP_CUT_WANTED;
        for (size_t k = 0; st == TAP_OK && k < s.n_in; k++) {
            size_t at = d->at[d->parts.bound->main->values[s.in[k]].global];
            if (at != SIZE_MAX) d->points[at].uses++;
        }
        if (st == TAP_UNSUPPORTED) st = TAP_OK;
        tap_arena_clear(&arena);
    }
    tap_arena_clear(&arena);
    return st == TAP_OK ? st : tap_error_no_memory(err, 64);
}

/* Where most pieces with weights differ and nothing explains it, these are another checkpoint's. */
static void find_other_weights(tap_diff *d) {
    size_t weighted = 0, unexplained = 0;
    for (size_t i = 0; i < d->n_points; i++) {
        const tap_point *p = &d->points[i];
        if (!p->weighted) continue;
        weighted++;
        bool open = p->pub.verdict == TAP_VERDICT_INTRODUCED && p->pub.fault &&
                    (strcmp(p->pub.fault, "unexplained") == 0 || strcmp(p->pub.fault, "other_weights") == 0);
        unexplained += open;
    }
    if (unexplained < 2 || 5 * unexplained < 3 * weighted) return;
    const char *why =
        tap_arena_printf(&d->arena,
                         "%zu of %zu pieces with weights give another result and no known fault explains it: "
                         "the weights are another checkpoint's",
                         unexplained, weighted);
    for (size_t i = 0; why && i < d->n_points; i++) {
        tap_diff_pair *p = &d->points[i].pub;
        if (p->verdict != TAP_VERDICT_INTRODUCED || !p->fault || strcmp(p->fault, "nonfinite_weight") == 0)
            continue;
        p->fault = "other_weights";
        p->why = why;
    }
}

tap_status tap_compare(tap_diff *d, tap_error *err) {
    const tap_diff_options *o = &d->options;
    bool *chosen = NULL;
    tap_status st = TAP_OK;
    d->err = err;
    d->matches.arena = &d->arena;
    if (o->n_selectors) {
        size_t *picked, n;
        chosen = tap_arena_array(&d->arena, d->parts.n_values + 1, sizeof *chosen);
        st = chosen ? tap_model_select(d->parts.model, o->selectors, o->n_selectors, &picked, &n, err)
                    : tap_error_no_memory(err, d->parts.n_values);
        for (size_t i = 0; st == TAP_OK && i < n; i++) chosen[picked[i]] = true;
        if (st == TAP_OK) tap_free(picked);
    }
    if (st == TAP_OK)
        st = tap_match_all(d->parts.model, d->inputs, d->n_inputs, d->ref, o, chosen, &d->matches, err);
    if (st == TAP_OK && d->ref->other) st = drop_refuted(d, err);
    if (st == TAP_OK) st = make_points(d, err);
    if (st == TAP_OK) st = take_inputs(d);
    d->oracle = !o->by_tolerance;
    if (st == TAP_OK && d->oracle) st = tap_find_held(&d->parts.lab, d->parts.bound, d->held, err);
    if (st == TAP_OK) st = count_uses(d, err);
    d->weights_epsilon = tap_weights_epsilon(d->parts.bound, &d->integer_weights);
    if (st == TAP_OK && d->n_points) st = run(d, err);
    if (st == TAP_OK) find_other_weights(d);
    return st;
}

void tap_compare_clear(tap_diff *d) {
    for (size_t i = 0; i < d->n_points; i++) {
        tap_value_release(d->points[i].ref);
        tap_value_release(d->points[i].truth);
    }
    for (size_t v = 0; d->own && v < d->parts.bound->main->n_values; v++) tap_value_release(d->own[v]);
    tap_mem_free(NULL, d->matches.items);
    tap_mem_free(NULL, d->matches.unmatched);
    tap_arena_clear(&d->arena);
}
