/* Selectors: which values of a model a text picks. */
#include "tap/select.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap/nearest.h"

typedef struct picker {
    const tap_bound *b;
    const tap_vref  *values;
    size_t           n;
    bool            *picked;    /* by one selector */
    tap_error       *err;
} picker;

static const tap_gvalue *value_at(const picker *p, size_t i) { return tap_vref_value(p->values[i]); }

/* A captured value is the outer graph's; it is picked there. */
static bool is_own(const tap_gvalue *v) { return v->outer == TAP_NO_VALUE; }

static bool is_name_of(const tap_gvalue *v, const char *name) {
    return strcmp(v->full, name) == 0 || (v->alias && strcmp(v->alias, name) == 0);
}

static size_t pick_node_outputs(picker *p, const tap_node *n) {
    size_t count = 0;
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == TAP_NO_VALUE) continue;
        p->picked[n->graph->values[n->out[i]].global] = true;
        count++;
    }
    return count;
}

static size_t pick_exact(picker *p, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < p->n; i++) {
        const tap_gvalue *v = value_at(p, i);
        if (is_own(v) && is_name_of(v, name)) {
            p->picked[i] = true;
            count++;
        }
    }
    for (size_t g = 0; !count && g < p->b->n_graphs; g++)
        for (size_t k = 0; k < p->b->graphs[g]->n_nodes; k++)
            if (strcmp(p->b->graphs[g]->nodes[k]->address, name) == 0) count += pick_node_outputs(p, p->b->graphs[g]->nodes[k]);
    return count;
}

typedef bool value_test(const tap_gvalue *v, const tap_graph *g, const char *arg);

static size_t pick_where(picker *p, value_test *test, const char *arg) {
    size_t count = 0;
    for (size_t i = 0; i < p->n; i++) {
        const tap_gvalue *v = value_at(p, i);
        if (!is_own(v) || !test(v, p->values[i].graph, arg)) continue;
        p->picked[i] = true;
        count++;
    }
    return count;
}

static bool matches(const char *pattern, const char *name) { return fnmatch(pattern, name, 0) == 0; }

static bool is_made(const tap_gvalue *v, const tap_graph *g, const char *arg) {
    (void)g;
    (void)arg;
    return v->producer != NULL;
}

static bool is_like(const tap_gvalue *v, const tap_graph *g, const char *pattern) {
    (void)g;
    return v->producer && (matches(pattern, v->full) || (v->alias && matches(pattern, v->alias)) || matches(pattern, v->producer->address));
}

static bool is_of_op(const tap_gvalue *v, const tap_graph *g, const char *pattern) {
    (void)g;
    return v->producer && matches(pattern, v->producer->src->op);
}

static bool is_input_like(const tap_gvalue *v, const tap_graph *g, const char *pattern) {
    return v->is_input && !g->parent && matches(pattern, v->full);
}

static bool is_init_like(const tap_gvalue *v, const tap_graph *g, const char *pattern) {
    (void)g;
    return v->init && matches(pattern, v->full);
}

/* "#17" or "#17:Conv": the 17th node of the main graph in the file's order, named or not. */
static size_t pick_number(picker *p, const char *text) {
    char              *end;
    unsigned long long index = strtoull(text + 1, &end, 10);
    if (end == text + 1 || (*end && *end != ':')) return 0;
    size_t count = 0;
    for (size_t k = 0; k < p->b->main->n_nodes; k++) {
        const tap_node *n = p->b->main->nodes[k];
        bool            of_file = n->src >= p->b->src->graph.nodes && n->src < p->b->src->graph.nodes + p->b->src->graph.n_nodes;
        if (!of_file || (unsigned long long)n->index != index) continue;
        if (*end && strcmp(end + 1, n->src->op) != 0) continue;
        count += pick_node_outputs(p, n);
    }
    return count;
}

static size_t pick_one(picker *p, const char *sel);

/* What lies between: values that come from those of A and lead to those of B, both included. */
static size_t pick_between(picker *p, const char *sel, const char *dots) {
    bool  *a = calloc(p->n, 1), *b = calloc(p->n, 1), *into = p->picked;
    char  *first = strdup(sel);
    size_t count = 0;
    if (a && b && first) {
        first[dots - sel] = '\0';
        p->picked = a;
        size_t n_a = pick_one(p, first);
        p->picked = b;
        size_t n_b = pick_one(p, dots + 2);
        p->picked = into;
        for (size_t g = 0; n_a && n_b && g < p->b->n_graphs; g++) {
            const tap_graph *gr = p->b->graphs[g];
            for (size_t k = 0; k < gr->n_nodes; k++) {
                const tap_node *n = gr->nodes[k];
                bool            reached = false;
                for (int32_t i = 0; i < n->n_in; i++) reached |= n->in[i] != TAP_NO_VALUE && a[gr->values[n->in[i]].global];
                for (int32_t i = 0; reached && i < n->n_out; i++)
                    if (n->out[i] != TAP_NO_VALUE) a[gr->values[n->out[i]].global] = true;
            }
            for (size_t k = gr->n_nodes; k-- > 0;) {
                const tap_node *n = gr->nodes[k];
                bool            leads = false;
                for (int32_t i = 0; i < n->n_out; i++) leads |= n->out[i] != TAP_NO_VALUE && b[gr->values[n->out[i]].global];
                for (int32_t i = 0; leads && i < n->n_in; i++)
                    if (n->in[i] != TAP_NO_VALUE) b[gr->values[n->in[i]].global] = true;
            }
        }
        for (size_t i = 0; i < p->n; i++)
            if (a[i] && b[i] && is_own(value_at(p, i)) && value_at(p, i)->producer) {
                p->picked[i] = true;
                count++;
            }
    }
    free(a);
    free(b);
    free(first);
    return count;
}

/* "\#x" means the name "#x". */
static char *without_escapes(const char *sel) {
    char *out = strdup(sel), *to = out;
    for (const char *s = sel; out && *s; s++) {
        if (*s == '\\' && s[1]) s++;
        *to++ = *s;
    }
    if (out) *to = '\0';
    return out;
}

static size_t pick_escaped(picker *p, const char *sel) {
    char  *plain = without_escapes(sel);
    size_t count = plain ? pick_exact(p, plain) : 0;
    free(plain);
    return count;
}

static bool begins(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

static size_t pick_one(picker *p, const char *sel) {
    size_t      count = pick_exact(p, sel);
    const char *dots;
    if (count) return count;
    if (strcmp(sel, "all") == 0) return pick_where(p, is_made, NULL);
    if (begins(sel, "op:")) return pick_where(p, is_of_op, sel + 3);
    if (begins(sel, "input:")) return pick_where(p, is_input_like, sel + 6);
    if (begins(sel, "init:")) return pick_where(p, is_init_like, sel + 5);
    if (*sel == '#') count = pick_number(p, sel);
    if (!count && (dots = strstr(sel, "..")) && dots != sel && dots[2]) count = pick_between(p, sel, dots);
    if (!count && strpbrk(sel, "*?[")) count = pick_where(p, is_like, sel);
    if (!count && strchr(sel, '\\')) count = pick_escaped(p, sel);
    return count;
}

static tap_status not_found(const picker *p, const char *sel) {
    char     near[700] = "";
    tap_text t = {near, sizeof near, 0};
    tap_nearest_names(p->b, sel, &t);
    tap_error_set(p->err, TAP_NOT_FOUND, "selector '%s' matches no value of the model%s%s", sel, near[0] ? "; nearest: " : "", near);
    tap_error_where(p->err, NULL, NULL, sel);
    return TAP_NOT_FOUND;
}

static tap_status apply(picker *p, const char *sel, bool *result);

static tap_status apply_file(picker *p, const char *path, bool *result) {
    FILE *f = fopen(path, "re");
    if (!f) return tap_error_set(p->err, TAP_IO, "cannot read the names in '%s': %s", path, strerror(errno));
    char      *line = NULL;
    size_t     room = 0;
    ssize_t    n;
    tap_status st = TAP_OK;
    while (st == TAP_OK && (n = getline(&line, &room, f)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
        if (n > 0) st = apply(p, line, result);
    }
    free(line);
    fclose(f);
    return st;
}

/* One selector on top of what those before it picked. */
static tap_status apply(picker *p, const char *sel, bool *result) {
    memset(p->picked, 0, p->n * sizeof *p->picked);
    bool   away = false;
    size_t count = pick_one(p, sel);
    if (!count && *sel == '@') return apply_file(p, sel + 1, result);
    if (!count && *sel == '!') {
        away = true;
        count = pick_one(p, sel + 1);
    }
    if (!count) return not_found(p, away ? sel + 1 : sel);
    for (size_t i = 0; i < p->n; i++)
        if (p->picked[i]) result[i] = !away;
    return TAP_OK;
}

tap_status tap_select(const tap_bound *b, const tap_vref *values, size_t n, const char *const *selectors, size_t n_selectors,
                      size_t **indices, size_t *n_indices, tap_error *err) {
    bool      *result = calloc(n + 1, sizeof *result);
    picker     p = {b, values, n, calloc(n + 1, sizeof(bool)), err};
    tap_status st = result && p.picked ? TAP_OK : tap_error_no_memory(err, n);
    *indices = NULL;
    *n_indices = 0;
    for (size_t i = 0; i < n_selectors && st == TAP_OK; i++) st = apply(&p, selectors[i], result);
    if (st == TAP_OK) {
        for (size_t i = 0; i < n; i++) *n_indices += result[i];
        *indices = malloc((*n_indices + 1) * sizeof **indices);
        if (!*indices) st = tap_error_no_memory(err, *n_indices * sizeof **indices);
        for (size_t i = 0, k = 0; st == TAP_OK && i < n; i++)
            if (result[i]) (*indices)[k++] = i;
    }
    free(result);
    free(p.picked);
    return st;
}
