/* TensorFlow's branches as its runtime has them: Switch and _SwitchN hand a value to one of their outputs,
 * Merge takes the input that came. Here all branches are computed, and each Merge is given the value that its
 * switches decide by, as one more input: then it is a choice. Its inputs are put in the order of the
 * switches' outputs. */
#include <string.h>

#include "graph/scope.h"

enum { SWITCHES_MAX = 64, BRANCHES_MAX = 64, STEPS_MAX = 1 << 22 };

/* An output of a switch that a branch hangs on. */
typedef struct gate {
    tap_vid by; /* the value that decides */
    int32_t port;
} gate;

typedef struct branch {
    gate gates[SWITCHES_MAX];
    size_t n;
} branch;

static bool is_tf(const tap_node *n, const char *name) {
    return n && n->op && n->op->domain && strcmp(n->op->domain, TAP_TENSORFLOW) == 0 &&
           strcmp(n->op->name, name) == 0;
}

static bool is_switch(const tap_node *n) {
    return (is_tf(n, "Switch") || is_tf(n, "_SwitchN")) && n->n_in == 2;
}

/* Adds a gate once; false: too many. */
static bool add_gate(branch *b, gate g) {
    for (size_t i = 0; i < b->n; i++)
        if (b->gates[i].by == g.by && b->gates[i].port == g.port) return true;
    if (b->n == SWITCHES_MAX) return false;
    b->gates[b->n++] = g;
    return true;
}

/* All gates that lie before value v. seen: a mark for each value; list: room for each value. */
static bool trace(const tap_graph *g, tap_vid v, uint8_t *seen, tap_vid *list, size_t *steps, branch *out) {
    size_t n = 0;
    memset(seen, 0, g->n_values);
    out->n = 0;
    list[n++] = v;
    seen[v] = 1;
    while (n > 0) {
        const tap_vid at = list[--n];
        const tap_node *maker = g->values[at].producer;
        if (++*steps > STEPS_MAX) return false;
        if (is_switch(maker) && !add_gate(out, (gate){maker->in[1], g->values[at].slot})) return false;
        for (int32_t i = 0; maker && i < maker->n_in; i++)
            if (maker->in[i] != TAP_NO_VALUE && !seen[maker->in[i]]) {
                seen[maker->in[i]] = 1;
                list[n++] = maker->in[i];
            }
    }
    return true;
}

/* The output of the switches on `by` that the branch hangs on; -1: none, -2: several. */
static int32_t port_of(const branch *b, tap_vid by) {
    int32_t port = -1;
    for (size_t i = 0; i < b->n; i++)
        if (b->gates[i].by == by) port = port == -1 ? b->gates[i].port : -2;
    return port;
}

/* Whether `by` tells the n branches apart; order[port] = the branch. One that hangs on no switch (a constant)
 * has the port that is left. */
static bool tells_apart(const branch *b, int32_t n, tap_vid by, int32_t *order) {
    int32_t without = -1;
    for (int32_t i = 0; i < n; i++) order[i] = -1;
    for (int32_t i = 0; i < n; i++) {
        const int32_t port = port_of(&b[i], by);
        if (port == -1 && without == -1) {
            without = i;
            continue;
        }
        if (port < 0 || port >= n || order[port] != -1) return false;
        order[port] = i;
    }
    for (int32_t i = 0; i < n && without != -1; i++)
        if (order[i] == -1) {
            order[i] = without;
            without = -1;
        }
    return without == -1;
}

static bool give_choice(tap_bound *b, tap_node *merge, const branch *branches) {
    const int32_t n = merge->n_in;
    int32_t order[BRANCHES_MAX];
    for (int32_t i = 0; i < n; i++)
        for (size_t k = 0; k < branches[i].n; k++) {
            const tap_vid by = branches[i].gates[k].by;
            if (by == TAP_NO_VALUE || !tells_apart(branches, n, by, order)) continue;
            tap_vid *in = tap_arena_array(b->arena, (size_t)n + 1, sizeof *in);
            if (!in) return false;
            for (int32_t j = 0; j < n; j++) in[j] = merge->in[order[j]];
            in[n] = by;
            merge->in = in;
            merge->n_in = n + 1;
            return true;
        }
    merge->op = NULL;
    merge->unsupported = "which of its inputs comes cannot be told: they hang on no Switch, or on several";
    return true;
}

/* A merge in a file that onnxtap wrote has its choice already. */
static bool has_choice(const tap_node *n) {
    for (int32_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].src->name, "N") == 0 && n->attrs[i].src->kind == TAP_ATTR_INT)
            return n->attrs[i].src->u.i < n->n_in;
    return false;
}

tap_status tap_bind_merges(tap_binder *bd, tap_graph *g) {
    uint8_t *seen = NULL;
    tap_vid *list = NULL;
    branch *branches = NULL;
    size_t steps = 0;
    bool ok = true;
    for (size_t k = 0; k < g->n_nodes && ok; k++) {
        tap_node *n = g->nodes[k];
        if (!is_tf(n, "Merge") || has_choice(n)) continue;
        if (!seen) {
            seen = tap_arena_array(bd->b->arena, g->n_values, sizeof *seen);
            list = tap_arena_array(bd->b->arena, g->n_values, sizeof *list);
            branches = tap_arena_array(bd->b->arena, BRANCHES_MAX, sizeof *branches);
            ok = seen && list && branches;
        }
        bool traced = n->n_in > 0 && n->n_in <= BRANCHES_MAX;
        for (int32_t i = 0; i < n->n_in && ok && traced; i++)
            traced = n->in[i] != TAP_NO_VALUE && trace(g, n->in[i], seen, list, &steps, &branches[i]);
        for (int32_t i = 0; i < n->n_in && i < BRANCHES_MAX && ok && !traced; i++) branches[i].n = 0;
        if (ok && n->n_in <= BRANCHES_MAX) ok = give_choice(bd->b, n, branches);
    }
    return ok ? TAP_OK : tap_error_no_memory(bd->err, g->n_values);
}
