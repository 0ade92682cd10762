/* The list of all operators that a model needs and that have no kernel. */
#include <string.h>

#include "graph/graph.h"

typedef struct missing {
    const tap_node *first;
    size_t count;
} missing;

#define KINDS_MAX 64

static void count_missing(const tap_graph *g, missing *kinds, size_t *n, size_t *more) {
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *node = g->nodes[i];
        if (!node->unsupported) continue;
        size_t k = 0;
        while (k < *n && (strcmp(kinds[k].first->src->op, node->src->op) != 0 ||
                          strcmp(kinds[k].first->src->domain, node->src->domain) != 0 ||
                          strcmp(kinds[k].first->unsupported, node->unsupported) != 0))
            k++;
        if (k == KINDS_MAX) {
            (*more)++;
            continue;
        }
        if (k == *n) kinds[(*n)++] = (missing){node, 0};
        kinds[k].count++;
    }
}

tap_status tap_graph_check_supported(const tap_bound *b, tap_error *err) {
    missing kinds[KINDS_MAX];
    size_t n = 0, more = 0;
    for (size_t i = 0; i < b->n_graphs; i++) count_missing(b->graphs[i], kinds, &n, &more);
    if (!n) return TAP_OK;
    char list[3600] = "";
    tap_text t = {list, sizeof list, 0};
    for (size_t k = 0; k < n; k++)
        tap_text_add(&t, "\n  %s%s%s: %zu node%s, first '%s': %s", kinds[k].first->src->domain,
                     *kinds[k].first->src->domain ? "." : "", kinds[k].first->src->op, kinds[k].count,
                     kinds[k].count == 1 ? "" : "s", kinds[k].first->address, kinds[k].first->unsupported);
    if (more) tap_text_add(&t, "\n  and %zu more nodes", more);
    tap_error_set(err, TAP_UNSUPPORTED,
                  "onnxtap cannot run this model: %zu operator%s missing or %s not take these types:%s", n,
                  n == 1 ? " is" : "s are", n == 1 ? "does" : "do", list);
    tap_error_where(err, kinds[0].first->address, kinds[0].first->src->op, NULL);
    return TAP_UNSUPPORTED;
}
