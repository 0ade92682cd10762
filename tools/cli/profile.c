/* Where the time of a model's runs goes: spans of many runs, added up by node and by operator. */
#include "profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxtap/profile.h"

#define BODIES_MOST   256
#define NODES_PRINTED 15

typedef struct row {
    const char *node, *op; /* the model's */
    char *with;            /* "Conv + Relu", where more than one was computed */
    size_t calls, nodes;   /* nodes: of a sum by operator */
    double ns;             /* without what ran in its bodies */
} row;

struct profile {
    row *rows;
    size_t n, n_runs;
    double ns; /* of the runs, by a clock outside them */
};

profile *profile_new(void) {
    return cli_alloc(1, sizeof(profile));
}

void profile_free(profile *p) {
    for (size_t i = 0; i < p->n; i++) free(p->rows[i].with);
    free(p->rows);
    free(p);
}

/* ---- Adding up ---- */

static const char *name_of(const tap_span *s) {
    if (s->kind == TAP_SPAN_NODE) return s->op;
    if (s->kind == TAP_SPAN_LAYOUT) return "(layout)";
    return s->kind == TAP_SPAN_TAP ? "(taps)" : "(run)"; /* inputs, plans, outputs */
}

static char *names_of(const tap_span *s) {
    if (s->kind != TAP_SPAN_NODE || s->n_with == 0) return NULL;
    char *text = cli_format("%s", s->op);
    for (size_t i = 0; i < s->n_with; i++) {
        char *more = cli_format("%s + %s", text, s->with_ops[i]);
        free(text);
        text = more;
    }
    return text;
}

/* By the names' places: a model has each once. */
static int by_node(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->node != y->node) return (uintptr_t)x->node < (uintptr_t)y->node ? -1 : 1;
    return strcmp(x->op, y->op);
}

static int by_op(const void *a, const void *b) {
    return strcmp(((const row *)a)->op, ((const row *)b)->op);
}

static int by_time(const void *a, const void *b) {
    const row *x = a, *y = b;
    return (x->ns < y->ns) - (x->ns > y->ns);
}

/* Brings rows that are alike together; returns how many are left. */
static size_t unite(row *rows, size_t n, int (*alike)(const void *, const void *)) {
    size_t kept = 0;
    qsort(rows, n, sizeof *rows, alike);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || alike(&rows[kept - 1], &rows[i]) != 0) {
            rows[kept++] = rows[i];
            continue;
        }
        rows[kept - 1].calls += rows[i].calls;
        rows[kept - 1].nodes += rows[i].nodes;
        rows[kept - 1].ns += rows[i].ns;
        if (rows[kept - 1].with != rows[i].with) free(rows[i].with);
    }
    return kept;
}

void profile_add(profile *p, const tap_session *s, double ms) {
    double inside[BODIES_MOST + 1] = {0}; /* of the bodies at each depth, for the node around them */
    tap_span x = {.size = sizeof x};
    size_t n = 0;
    while (tap_session_span(s, n, &x)) n++;
    p->rows = cli_grow(p->rows, p->n + n, sizeof *p->rows);
    for (size_t i = 0; i < n && tap_session_span(s, i, &x); i++) {
        double ns = (double)(x.end_ns - x.begin_ns), self = ns;
        if (x.depth < BODIES_MOST) {
            self -= inside[x.depth + 1];
            inside[x.depth + 1] = 0;
            inside[x.depth] += ns;
        }
        p->rows[p->n++] = (row){x.kind == TAP_SPAN_BEGIN || x.kind == TAP_SPAN_END ? "" : x.node,
                                name_of(&x),
                                names_of(&x),
                                1,
                                1,
                                self};
    }
    p->n = unite(p->rows, p->n, by_node);
    for (size_t i = 0; i < p->n; i++) p->rows[i].nodes = p->rows[i].node[0] != '\0';
    p->ns += 1e6 * ms;
    p->n_runs++;
}

/* ---- Reports ---- */

static row *sums_by_op(const profile *p, size_t *n) {
    row *sums = cli_alloc(p->n + 1, sizeof *sums);
    if (p->n) memcpy(sums, p->rows, p->n * sizeof *sums);
    for (size_t i = 0; i < p->n; i++) sums[i].with = NULL;
    *n = unite(sums, p->n, by_op);
    qsort(sums, *n, sizeof *sums, by_time);
    return sums;
}

/* The share of the runs' time that the rows account for. */
static double explained(const profile *p) {
    double ns = 0;
    for (size_t i = 0; i < p->n; i++) ns += p->rows[i].ns;
    return p->ns > 0 ? ns / p->ns : 0;
}

static double ms_of(const profile *p, const row *r) {
    return r->ns / 1e6 / (double)p->n_runs;
}

static double share_of(const profile *p, const row *r) {
    return p->ns > 0 ? r->ns / p->ns : 0;
}

void profile_print(profile *p) {
    size_t n_ops;
    row *ops = sums_by_op(p, &n_ops);
    qsort(p->rows, p->n, sizeof *p->rows, by_time);
    printf("\n%-24s %6s %10s %8s\n", "operator", "nodes", "ms a run", "share");
    for (size_t i = 0; i < n_ops; i++)
        printf("%-24s %6zu %10.4f %7.1f%%\n", ops[i].op, ops[i].nodes, ms_of(p, &ops[i]),
               100 * share_of(p, &ops[i]));
    printf("\n%-10s %8s  %-32s %s\n", "ms a run", "share", "operator", "node");
    for (size_t i = 0; i < p->n && i < NODES_PRINTED; i++)
        printf("%-10.4f %7.1f%%  %-32s %s\n", ms_of(p, &p->rows[i]), 100 * share_of(p, &p->rows[i]),
               p->rows[i].with ? p->rows[i].with : p->rows[i].op, p->rows[i].node);
    if (p->n > NODES_PRINTED) printf("and %zu more (--json has all)\n", p->n - NODES_PRINTED);
    printf("explained: %.1f %% of %.4f ms a run, with the clock looked at behind each node\n",
           100 * explained(p), p->ns / 1e6 / (double)p->n_runs);
    free(ops);
}

static void row_json(tap_json *j, const profile *p, const row *r, bool is_node) {
    tap_json_flat_object(j, NULL);
    tap_json_string(j, "op", r->op);
    if (is_node) {
        tap_json_string(j, "node", r->node);
        tap_json_string(j, "computed", r->with ? r->with : r->op);
    } else {
        tap_json_uint(j, "nodes", r->nodes);
    }
    tap_json_double(j, "calls", (double)r->calls / (double)p->n_runs);
    tap_json_double(j, "ms", ms_of(p, r));
    tap_json_double(j, "share", share_of(p, r));
    tap_json_end(j);
}

void profile_json(tap_json *j, profile *p) {
    size_t n_ops;
    row *ops = sums_by_op(p, &n_ops);
    qsort(p->rows, p->n, sizeof *p->rows, by_time);
    tap_json_object(j, "profile");
    tap_json_uint(j, "runs", p->n_runs);
    tap_json_double(j, "ms", p->n_runs ? p->ns / 1e6 / (double)p->n_runs : 0);
    tap_json_double(j, "explained", explained(p));
    tap_json_array(j, "operators");
    for (size_t i = 0; i < n_ops; i++) row_json(j, p, &ops[i], false);
    tap_json_end(j);
    tap_json_array(j, "nodes");
    for (size_t i = 0; i < p->n; i++) row_json(j, p, &p->rows[i], true);
    tap_json_end(j);
    tap_json_end(j);
    free(ops);
}
