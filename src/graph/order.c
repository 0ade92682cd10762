/* Execution order: depth first from each node in the file's order, so that an ordered file stays as it is. */
#include "graph/graph.h"

enum { NEW, OPEN, DONE };

typedef struct frame {
    tap_node *node;
    int32_t next; /* dependency to look at */
} frame;

/* The i-th value that n needs: its inputs, then what its bodies capture. */
static tap_vid dependency(const tap_node *n, int32_t i) {
    return i < n->n_in ? n->in[i] : n->captures[i - n->n_in];
}

static tap_status report_cycle(const frame *stack, size_t n, const tap_node *again, tap_error *err) {
    char text[1024] = "";
    tap_text t = {text, sizeof text, 0};
    size_t from = n;
    while (from > 0 && stack[from - 1].node != again) from--;
    for (size_t i = from ? from - 1 : 0; i < n; i++)
        tap_text_add(&t, "'%s' (%s) -> ", stack[i].node->address, stack[i].node->src->op);
    tap_error_set(err, TAP_MODEL, "the graph has a cycle: each of these nodes needs the next: %s'%s'", text,
                  again->address);
    tap_error_where(err, again->address, again->src->op, NULL);
    return TAP_MODEL;
}

/* What the bodies of n use of g: captured values of all its body graphs. */
static bool collect_captures(tap_bound *b, tap_node *n) {
    size_t count = 0;
    for (int32_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i].bodies && k < n->attrs[i].src->n; k++)
            count += n->attrs[i].bodies[k]->n_captures;
    n->captures = tap_arena_array(b->arena, count, sizeof *n->captures);
    if (!n->captures) return false;
    for (int32_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i].bodies && k < n->attrs[i].src->n; k++) {
            const tap_graph *body = n->attrs[i].bodies[k];
            for (size_t c = 0; c < body->n_captures; c++)
                n->captures[n->n_captures++] = body->values[body->captures[c]].outer;
        }
    return true;
}

/* Appends root, and before it everything it needs that is not there yet. */
static tap_status visit(tap_graph *g, tap_node *root, frame *stack, tap_node **order, size_t *n_order,
                        tap_error *err) {
    size_t depth = 0;
    stack[depth++] = (frame){root, 0};
    root->mark = OPEN;
    while (depth > 0) {
        frame *top = &stack[depth - 1];
        tap_node *n = top->node;
        if (top->next == n->n_in + n->n_captures) {
            n->mark = DONE;
            order[(*n_order)++] = n;
            depth--;
            continue;
        }
        tap_vid v = dependency(n, top->next++);
        tap_node *p = v == TAP_NO_VALUE ? NULL : g->values[v].producer;
        if (!p || p->mark == DONE) continue;
        if (p->mark == OPEN) return report_cycle(stack, depth, p, err);
        p->mark = OPEN;
        stack[depth++] = (frame){p, 0};
    }
    return TAP_OK;
}

tap_status tap_graph_order(tap_bound *b, tap_graph *g, tap_error *err) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        g->nodes[i]->mark = NEW;
        if (g->nodes[i]->has_bodies && !collect_captures(b, g->nodes[i])) return tap_error_no_memory(err, 64);
    }
    tap_node **order = tap_arena_array(b->arena, g->n_nodes, sizeof *order);
    size_t n_bytes, n_order = 0;
    frame *stack =
        tap_mul_size(g->n_nodes, sizeof *stack, &n_bytes) ? tap_mem_alloc(b->budget, n_bytes) : NULL;
    tap_status st = order && stack ? TAP_OK : tap_error_no_memory(err, g->n_nodes * sizeof *stack);
    for (size_t i = 0; i < g->n_nodes && st == TAP_OK; i++)
        if (g->nodes[i]->mark == NEW) st = visit(g, g->nodes[i], stack, order, &n_order, err);
    tap_mem_free(b->budget, stack);
    if (st == TAP_OK) g->nodes = order;
    return st;
}
