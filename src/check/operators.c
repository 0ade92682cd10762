/* Operators that cannot run, and those that run but are not in the standard: where they come from, and what
 * to do. */
#include <string.h>

#include "check/check.h"
#include "graph/origin.h"

static const char *producer_of(const tap_checker *c) {
    const char *p = c->b->src->producer_name;
    return p && *p ? p : "the exporter";
}

static const char *hint_for(tap_checker *c, const tap_node *n) {
    const tap_origin o = tap_origin_of(n->src, c->arena);
    if (n->foreign && o.what) return o.hint;
    if (o.what && !*n->src->domain) return tap_arena_printf(c->arena, "%s. %s", o.what, o.hint);
    if (*n->src->domain && n->opset <= 0)
        return tap_arena_printf(
            c->arena, "add domain %s to the model's opset imports, with the version it was written for",
            n->src->domain);
    const char *own = tap_check_operator_hint(c, n);
    if (own) return own;
    if (o.what) return tap_arena_printf(c->arena, "%s%s%s", o.what, *o.hint ? ": " : "", o.hint);
    if (*n->src->domain)
        return tap_arena_printf(
            c->arena,
            "not an operator of ONNX, but of domain %s: run the model where that is known, give onnxtap "
            "the operator (op.h), or export without it",
            n->src->domain);
    return tap_arena_printf(
        c->arena,
        "not an operator of ONNX: %s left it as it was in the framework; look for its name in the "
        "exporter's list of supported operators, and write the layer with others",
        producer_of(c));
}

static bool is_missing(const tap_node *n) {
    return n->unsupported && !n->faulty;
}

/* One finding for each kind of node. */
static void add_kind(tap_checker *c, const tap_node *n) {
    const char *code = n->op ? "unsupported-type" : "unsupported-operator";
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].code, code) == 0 && strcmp(c->items[i].op, n->src->op) == 0 &&
            strstr(c->items[i].message, n->unsupported)) {
            c->items[i].count++;
            return;
        }
    const char *hint =
        n->op ? "cast around it, or export with a type that the operator takes" : hint_for(c, n);
    tap_check_add(c, TAP_SEVERITY_ERROR, code, n, NULL, hint, "node '%s' (%s%s%s, opset %lld): %s",
                  n->address, n->src->domain, *n->src->domain ? "." : "", n->src->op, (long long)n->opset,
                  n->unsupported);
}

/* One finding for each kind of node that runs, and is not ONNX's. */
static void add_foreign(tap_checker *c, const tap_node *n) {
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].code, "foreign-operator") == 0 && strcmp(c->items[i].op, n->src->op) == 0) {
            c->items[i].count++;
            return;
        }
    tap_check_add(c, TAP_SEVERITY_NOTE, "foreign-operator", n, NULL,
                  "it runs here because --tf-ops was given; other programs will refuse the model",
                  "node '%s' (%s, opset %lld): %s", n->address, n->src->op, (long long)n->opset, n->foreign);
}

void tap_check_unsupported(tap_checker *c) {
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes; k++) {
            const tap_node *n = c->b->graphs[i]->nodes[k];
            if (is_missing(n)) add_kind(c, n);
            if (n->op && n->foreign) add_foreign(c, n);
        }
}

/* ---- What runs here and is not in the standard ---- */

static void note_kind(tap_checker *c, const tap_node *n) {
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(c->items[i].code, "foreign-operator") == 0 && strcmp(c->items[i].op, n->src->op) == 0) {
            c->items[i].count++;
            return;
        }
    tap_check_add(
        c, TAP_SEVERITY_NOTE, "foreign-operator", n, NULL,
        "other runtimes may not have it: write the model without ONNX Runtime's optimiser or quantiser, or "
        "in its standard (QDQ) form",
        "node '%s' (%s%s%s): an operator of ONNX Runtime, which is not in the ONNX standard", n->address,
        n->src->domain, *n->src->domain ? "." : "", n->src->op);
}

/* Whether the node lies in the function that `outer` stands for. */
static bool lies_in(const tap_node *n, const tap_node *outer) {
    const size_t length = outer ? strlen(outer->address) : 0;
    return outer && strncmp(n->address, outer->address, length) == 0 && n->address[length] == '/';
}

void tap_check_foreign(tap_checker *c) {
    const tap_node *outer = NULL;
    for (size_t i = 0; i < c->b->n_calls; i++) {
        const tap_node *n = c->b->calls[i];
        if (!n->op || lies_in(n, outer)) continue;
        outer = n;
        note_kind(c, n);
    }
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes; k++) {
            const tap_node *n = c->b->graphs[i]->nodes[k];
            if (n->op && strcmp(n->src->domain, "com.microsoft") == 0) note_kind(c, n);
        }
}
