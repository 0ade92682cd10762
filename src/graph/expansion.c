/* How many nodes a model has once its functions are written out, found out before any is: forty functions of
 * two calls each would be a million million nodes. */
#include <inttypes.h>
#include <string.h>

#include "graph/scope.h"

#define NODES_FREE (1 << 17) /* written out nodes that any model may have */
#define NODES_EACH 64        /* and for each node of the file             */

typedef enum count_state { NEW, OPEN, DONE } count_state;

typedef struct function_count {
    uint64_t nodes;   /* its own, then with all that its calls bring  */
    int32_t *callees; /* a call each                                  */
    size_t n_callees, next;
    count_state state;
} function_count;

typedef struct counter {
    const tap_binder *bd;
    function_count *counts; /* a function each, then the main graph */
    tap_arena arena;
    bool no_memory;
} counter;

static uint64_t add(uint64_t a, uint64_t b) {
    return a + b < a ? UINT64_MAX : a + b;
}

/* A reference to what the call gives is counted where it is given. */
static bool has_bodies(const tap_src_attr *a) {
    return !*a->ref && (a->kind == TAP_ATTR_GRAPH || a->kind == TAP_ATTR_GRAPHS);
}

static size_t nodes_in(const tap_src_node *nodes, size_t n) {
    size_t all = n;
    for (size_t i = 0; i < n; i++)
        for (size_t a = 0; a < nodes[i].n_attrs; a++) {
            const tap_src_attr *attr = &nodes[i].attrs[a];
            if (!has_bodies(attr)) continue;
            for (size_t k = 0; k < attr->n; k++)
                all += nodes_in(attr->u.graphs[k]->nodes, attr->u.graphs[k]->n_nodes);
        }
    return all;
}

static void list_calls(counter *c, function_count *f, const tap_src_node *nodes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const tap_src_function *callee = tap_find_function(c->bd, &nodes[i]);
        if (callee) f->callees[f->n_callees++] = (int32_t)(callee - c->bd->b->src->functions);
        for (size_t a = 0; a < nodes[i].n_attrs; a++) {
            const tap_src_attr *attr = &nodes[i].attrs[a];
            if (!has_bodies(attr)) continue;
            for (size_t k = 0; k < attr->n; k++)
                list_calls(c, f, attr->u.graphs[k]->nodes, attr->u.graphs[k]->n_nodes);
        }
    }
}

static void look_at(counter *c, function_count *f, const tap_src_node *nodes, size_t n) {
    f->nodes = nodes_in(nodes, n);
    f->callees = tap_arena_array(&c->arena, (size_t)f->nodes, sizeof *f->callees);
    if (f->callees)
        list_calls(c, f, nodes, n);
    else
        c->no_memory = true;
}

/* Totals of all that `first` calls. A function that calls itself is an error that binding reports; here it
 * counts once. */
static void sum_up(counter *c, function_count *first, function_count **stack) {
    size_t depth = 0;
    stack[depth++] = first;
    first->state = OPEN;
    while (depth > 0) {
        function_count *f = stack[depth - 1];
        if (f->next == f->n_callees) {
            f->state = DONE;
            depth--;
            continue;
        }
        function_count *callee = &c->counts[f->callees[f->next]];
        if (callee->state == NEW) {
            callee->state = OPEN;
            stack[depth++] = callee;
            continue;
        }
        if (callee->state == DONE) f->nodes = add(f->nodes, callee->nodes);
        f->next++;
    }
}

static tap_status judge(tap_binder *bd, uint64_t in_file, uint64_t written_out) {
    bd->nodes_max = add(NODES_FREE, in_file > UINT64_MAX / NODES_EACH ? UINT64_MAX : in_file * NODES_EACH);
    if (written_out <= bd->nodes_max) return TAP_OK;
    return tap_error_set(bd->err, TAP_MODEL,
                         "the model would have %s%" PRIu64
                         " nodes once its functions are written out: for a file of %" PRIu64
                         " nodes at most %" PRIu64 " are allowed",
                         written_out == UINT64_MAX ? "more than " : "", written_out, in_file, bd->nodes_max);
}

tap_status tap_check_expansion(tap_binder *bd) {
    const tap_src_model *m = bd->b->src;
    counter c = {.bd = bd};
    bd->nodes_max = UINT64_MAX;
    if (!m->n_functions) return TAP_OK;
    tap_arena_init(&c.arena, bd->b->budget);
    c.counts = tap_arena_array(&c.arena, m->n_functions + 1, sizeof *c.counts);
    function_count **stack = tap_arena_array(&c.arena, m->n_functions + 1, sizeof *stack);
    tap_status st = TAP_OK;
    if (c.counts && stack) {
        function_count *all = &c.counts[m->n_functions];
        uint64_t in_file = 0;
        for (size_t i = 0; i < m->n_functions && !c.no_memory; i++)
            look_at(&c, &c.counts[i], m->functions[i].nodes, m->functions[i].n_nodes);
        if (!c.no_memory) look_at(&c, all, m->graph.nodes, m->graph.n_nodes);
        for (size_t i = 0; i <= m->n_functions; i++) in_file = add(in_file, c.counts[i].nodes);
        if (!c.no_memory) {
            sum_up(&c, all, stack);
            st = judge(bd, in_file, all->nodes);
        }
    }
    if (!c.counts || !stack || c.no_memory)
        st = tap_error_no_memory(bd->err, m->n_functions * sizeof *c.counts);
    tap_arena_clear(&c.arena);
    return st;
}
