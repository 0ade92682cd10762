/* Operators, attributes and types beside the opset that the model declares: which one would do. */
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "check/schema.h"

/* ---- Words that are nearly right ---- */

enum { WORD_MAX = 64 };

/* How many letters have to be changed, put in or left out to make b of a; MORE: more than 2. */
enum { MORE = 99 };

static int edits(const char *a, size_t n, const char *b, size_t m) {
    int row[WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX || (n > m ? n - m : m - n) > 2) return MORE;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int before = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int change = before + ((a[i - 1] | 32) != (b[j - 1] | 32)),
                least = row[j] < row[j - 1] ? row[j] : row[j - 1];
            before = row[j];
            row[j] = change < least + 1 ? change : least + 1;
        }
    }
    return row[m] <= 2 && row[m] < (int)n - 1 ? row[m] : MORE;
}

static const char *near_operator(const char *name) {
    const tap_schema *s;
    const char *best = NULL;
    int least = MORE;
    for (size_t i = 0; (s = tap_schema_at(i)); i++) {
        int k = edits(name, strlen(name), s->name, strlen(s->name));
        if (k < least) least = k, best = s->name;
    }
    return best;
}

static const char *near_attribute(tap_checker *c, const tap_schema *s, const char *name) {
    const char *best = NULL;
    int least = MORE;
    for (const char *p = s->attributes; *p; p += strspn(p, " ")) {
        size_t word = strcspn(p, ":");
        int k = edits(name, strlen(name), p, word);
        if (k < least) least = k, best = tap_arena_string(c->arena, p, word);
        p += strcspn(p, " ");
    }
    return best;
}

/* ---- Operators ---- */

/* A row of the library, in another domain. */
static const char *other_domain(const tap_checker *c, const tap_node *n) {
    for (size_t i = 0; i < c->b->lookup->n_rows; i++) {
        const tap_op *op = c->b->lookup->rows[i];
        const char *domain = op->domain ? op->domain : "ai.onnx";
        const char *own = *n->src->domain ? n->src->domain : "ai.onnx";
        if (strcmp(op->name, n->src->op) == 0 && strcmp(domain, own) != 0) return domain;
    }
    return NULL;
}

const char *tap_check_operator_hint(tap_checker *c, const tap_node *n) {
    const tap_schema *s = tap_schema_find(n->src->domain, n->src->op);
    if (s && n->opset > 0 && s->since > n->opset)
        return tap_arena_printf(c->arena, "it came with opset %d: export for that or a later one", s->since);
    if (s && s->deprecated && n->opset >= s->deprecated)
        return tap_arena_printf(c->arena, "it went with opset %d: export for one before, or anew",
                                s->deprecated);
    const char *domain = other_domain(c, n);
    if (domain)
        return tap_arena_printf(
            c->arena, "there is one in domain %s: the node lacks that, or the model's list of opsets does",
            domain);
    const char *near = *n->src->domain ? NULL : near_operator(n->src->op);
    return near ? tap_arena_printf(c->arena, "is it %s?", near) : NULL;
}

/* Operators that the standard has given up, and what took their place. */
static const char *successor(const char *op) {
    static const char *const successors[][2] = {{"Upsample", "Resize"},
                                                {"Scatter", "ScatterElements"},
                                                {"GroupNormalization", "GroupNormalization of opset 21"}};
    for (size_t i = 0; i < TAP_COUNT_OF(successors); i++)
        if (strcmp(successors[i][0], op) == 0) return successors[i][1];
    return NULL;
}

static void check_outdated(tap_checker *c, const tap_graph *g, const tap_node *n) {
    const tap_schema *s = tap_schema_find(n->src->domain, n->src->op);
    const char *now = successor(n->src->op);
    (void)g;
    if (!s || !n->op || n->unsupported || !s->deprecated || n->opset != s->deprecated) return;
    tap_check_add(c, TAP_SEVERITY_WARNING, "deprecated-operator", n, NULL,
                  now ? tap_arena_printf(c->arena, "export anew (%s took its place), or for opset %d", now,
                                         s->deprecated - 1)
                      : "export anew, or for an opset before",
                  "node '%s' (%s, opset %lld): the operator is given up from opset %d on; it runs here, and "
                  "other runtimes "
                  "refuse it",
                  n->address, n->src->op, (long long)n->opset, s->deprecated);
}

void tap_check_outdated(tap_checker *c) {
    tap_check_each_node(c, check_outdated);
}

/* ---- Attributes ---- */

static const char *attribute_hint(tap_checker *c, const tap_schema *s, const tap_node *n, const char *name) {
    tap_opsets o;
    if (tap_schema_has_attribute(s, name, n->opset, &o)) return NULL;
    if (o.from > n->opset)
        return tap_arena_printf(c->arena, "%s has '%s' from opset %d on: export for that or a later one",
                                s->name, name, o.from);
    if (o.from)
        return tap_arena_printf(
            c->arena,
            "%s has '%s' in opsets %d to %d: the node was written for one of these, the model says %lld",
            s->name, name, o.from, o.to, (long long)n->opset);
    const char *near = near_attribute(c, s, name);
    return near ? tap_arena_printf(c->arena, "%s has no '%s' in any opset: is it '%s'?", s->name, name, near)
                : tap_arena_printf(c->arena, "%s has no '%s' in any opset: the exporter made it up", s->name,
                                   name);
}

const char *tap_check_attribute_hint(tap_checker *c, const char *address) {
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes; k++) {
            const tap_node *n = c->b->graphs[i]->nodes[k];
            const tap_schema *s = tap_schema_find(n->src->domain, n->src->op);
            if (!s || strcmp(n->address, address) != 0) continue;
            for (int32_t a = 0; a < n->n_attrs; a++) {
                const char *hint = attribute_hint(c, s, n, n->attrs[a].src->name);
                if (hint) return hint;
            }
        }
    return NULL;
}

/* ---- Types ---- */

/* The finding about this operator and opset that there is already. */
static bool told(tap_checker *c, const tap_node *n, int since) {
    for (size_t i = 0; i < c->n; i++) {
        tap_finding *f = &c->items[i];
        if (strcmp(f->code, "newer-type") != 0 || strcmp(f->op, n->src->op) != 0) continue;
        char from[32];
        tap_text t = {from, sizeof from, 0};
        from[0] = '\0';
        tap_text_add(&t, "from opset %d on", since);
        if (!strstr(f->message, from)) continue;
        f->count++;
        return true;
    }
    return false;
}

static bool check_operand(tap_checker *c, const tap_schema *s, const tap_node *n, bool output, int i,
                          const tap_gvalue *v) {
    if (v->type.kind != TAP_KIND_TENSOR || !v->type.dtype) return false;
    int since = tap_schema_type_since(s, output, i, v->type.dtype);
    if (since <= n->opset) return false;
    if (told(c, n, since)) return true;
    tap_check_add(
        c, TAP_SEVERITY_WARNING, "newer-type", n, v,
        tap_arena_printf(c->arena, "export for opset %d or later, or with another type", since),
        "node '%s' (%s, opset %lld): %s %s from opset %d on; it runs here, and other runtimes refuse it",
        n->address, s->name, (long long)n->opset, output ? "it gives" : "it takes",
        tap_dtype_name(v->type.dtype), since);
    return true;
}

static void check_types(tap_checker *c, const tap_graph *g, const tap_node *n) {
    const tap_schema *s =
        n->op && !n->unsupported && !n->faulty ? tap_schema_find(n->src->domain, n->src->op) : NULL;
    if (!s || !*s->types) return;
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != TAP_NO_VALUE && check_operand(c, s, n, false, i, &g->values[n->in[i]])) return;
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != TAP_NO_VALUE && check_operand(c, s, n, true, i, &g->values[n->out[i]])) return;
}

void tap_check_newer_types(tap_checker *c) {
    tap_check_each_node(c, check_types);
}
