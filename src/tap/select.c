/* Selectors: which values of a model a text picks. */
#include "tap/select.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap/nearest.h"

#define FILES_MAX 8 /* names files that name names files */

typedef struct picker {
    const tap_bound *b;
    const tap_vref *values;
    size_t n;
    const tap_layer_source *layers;
    bool *picked; /* by one selector */
    tap_error *err;
    bool no_memory;
    tap_status refused; /* what the selector was refused with; TAP_OK: it was not */
    int n_files;        /* that are being read */
} picker;

static const tap_gvalue *value_at(const picker *p, size_t i) {
    return tap_vref_value(p->values[i]);
}

static bool is_name_of(const tap_gvalue *v, const char *name) {
    if (strcmp(v->full, name) == 0) return true;
    for (const tap_alias *a = v->aliases; a; a = a->next)
        if (strcmp(a->path, name) == 0) return true;
    return false;
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

typedef bool node_test(const picker *p, const tap_node *n, const char *arg);

/* What the nodes make for which test holds: those of all graphs, and calls of functions. */
static size_t pick_nodes(picker *p, node_test *test, const char *arg) {
    size_t count = 0;
    for (size_t g = 0; g < p->b->n_graphs; g++)
        for (size_t k = 0; k < p->b->graphs[g]->n_nodes; k++)
            if (test(p, p->b->graphs[g]->nodes[k], arg))
                count += pick_node_outputs(p, p->b->graphs[g]->nodes[k]);
    for (size_t k = 0; k < p->b->n_calls; k++)
        if (test(p, p->b->calls[k], arg)) count += pick_node_outputs(p, p->b->calls[k]);
    return count;
}

static bool matches(const char *pattern, const char *name) {
    return fnmatch(pattern, name, 0) == 0;
}

static bool is_node_at(const picker *p, const tap_node *n, const char *address) {
    (void)p;
    return strcmp(n->address, address) == 0;
}

static bool is_node_of_op(const picker *p, const tap_node *n, const char *pattern) {
    (void)p;
    return matches(pattern, n->src->op);
}

static bool is_node_like(const picker *p, const tap_node *n, const char *pattern) {
    (void)p;
    return matches(pattern, n->address);
}

/* "#17" or "#17:Conv": the 17th node of the main graph in the file's order, named or not. */
static bool is_node_number(const picker *p, const tap_node *n, const char *text) {
    const tap_src_graph *main = &p->b->src->graph;
    char *end;
    unsigned long long index = strtoull(text + 1, &end, 10);
    if (end == text + 1 || n->src < main->nodes || n->src >= main->nodes + main->n_nodes) return false;
    if ((unsigned long long)n->index != index) return false;
    return !*end || (*end == ':' && strcmp(end + 1, n->src->op) == 0);
}

static size_t pick_exact(picker *p, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < p->n; i++) {
        const tap_gvalue *v = value_at(p, i);
        if (is_name_of(v, name)) {
            p->picked[i] = true;
            count++;
        }
    }
    return count ? count : pick_nodes(p, is_node_at, name);
}

typedef bool value_test(const tap_gvalue *v, const tap_graph *g, const char *arg);

static size_t pick_where(picker *p, value_test *test, const char *arg) {
    size_t count = 0;
    for (size_t i = 0; i < p->n; i++) {
        const tap_gvalue *v = value_at(p, i);
        if (!test(v, p->values[i].graph, arg)) continue;
        p->picked[i] = true;
        count++;
    }
    return count;
}

static bool is_made(const tap_gvalue *v, const tap_graph *g, const char *arg) {
    (void)g;
    (void)arg;
    return v->producer != NULL;
}

static bool is_like(const tap_gvalue *v, const tap_graph *g, const char *pattern) {
    (void)g;
    if (!v->producer) return false;
    if (matches(pattern, v->full)) return true;
    for (const tap_alias *a = v->aliases; a; a = a->next)
        if (matches(pattern, a->path)) return true;
    return false;
}

static bool is_input_like(const tap_gvalue *v, const tap_graph *g, const char *pattern) {
    return v->is_input && !g->parent && matches(pattern, v->full);
}

static bool is_init_like(const tap_gvalue *v, const tap_graph *g, const char *pattern) {
    (void)g;
    return v->init && matches(pattern, v->full);
}

/* A layer that has no tensor is there, but there is nothing to pick: that is said. */
static void refuse_layer(picker *p, const char *name, const tap_layer *l) {
    const char *why = l->status == TAP_LAYER_FOLDED
                          ? "was merged into another by the exporter: no tensor has its output"
                          : "is known, but not which tensor has its output";
    p->refused = TAP_NOT_FOUND;
    tap_error_set(p->err, TAP_NOT_FOUND, "selector 'layer:%s': layer '%s' %s", name, l->key, why);
    tap_error_where(p->err, NULL, NULL, name);
}

static size_t pick_layers(picker *p, const char *name) {
    const tap_layer_index *x = p->layers->get(p->layers->model, p->err);
    const tap_layer *without = NULL;
    size_t count = 0;
    if (!x) p->no_memory = true;
    for (int glob = 0; x && glob < 2 && !count && !without; glob++)
        for (size_t i = 0; i < x->n; i++) {
            const tap_layer *l = &x->layers[i];
            if (!tap_layer_is_called(l, name, glob)) continue;
            if (l->value < 0) {
                without = l;
                continue;
            }
            p->picked[l->value] = true;
            count++;
        }
    if (!count && without) refuse_layer(p, name, without);
    return count;
}

static size_t pick_one(picker *p, const char *sel);

static bool is_marked(const tap_graph *g, const bool *set, const tap_vid *v, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (v[i] != TAP_NO_VALUE && set[g->values[v[i]].global]) return true;
    return false;
}

static void mark(const tap_graph *g, bool *set, const tap_vid *v, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (v[i] != TAP_NO_VALUE) set[g->values[v[i]].global] = true;
}

static void mark_all(const tap_graph *g, bool *set);
static bool spread(const tap_graph *g, bool *set, bool back);

/* The bodies of n: marked as a whole, or spread what is marked in them. True where something in them is
 * marked. */
static bool mark_bodies(const tap_node *n, bool *set, bool all, bool back) {
    bool any = false;
    for (int32_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i].bodies && k < n->attrs[i].src->n; k++) {
            if (all) mark_all(n->attrs[i].bodies[k], set);
            any |= all || spread(n->attrs[i].bodies[k], set, back);
        }
    return any;
}

static void mark_all(const tap_graph *g, bool *set) {
    for (size_t v = 0; v < g->n_values; v++) set[g->values[v].global] = true;
    for (size_t i = 0; i < g->n_nodes; i++) mark_bodies(g->nodes[i], set, true, false);
}

/* Marks what nodes make from what is marked, in execution order; with `back` what leads to it, in reverse.
 * All in the bodies of a node on the way lies on the way. True where anything in g is marked. */
static bool spread(const tap_graph *g, bool *set, bool back) {
    bool any = false;
    for (size_t i = 0; i < g->n_nodes; i++) {
        const tap_node *n = g->nodes[back ? g->n_nodes - 1 - i : i];
        bool reads = is_marked(g, set, n->in, n->n_in) || is_marked(g, set, n->captures, n->n_captures);
        bool makes = is_marked(g, set, n->out, n->n_out);
        bool inside = n->has_bodies && mark_bodies(n, set, back ? makes : reads, back);
        if (!back && (reads || inside)) mark(g, set, n->out, n->n_out);
        if (back && (makes || inside)) {
            mark(g, set, n->in, n->n_in);
            mark(g, set, n->captures, n->n_captures);
        }
        any |= reads || makes || inside;
    }
    return any;
}

/* sel picks into *set, a new array; NULL: no memory. */
static size_t pick_into(picker *p, const char *sel, bool **set) {
    bool *before = p->picked;
    *set = p->picked = calloc(p->n + 1, sizeof(bool));
    size_t count = 0;
    if (*set)
        count = pick_one(p, sel);
    else
        p->no_memory = true;
    p->picked = before;
    return count;
}

/* What lies between: values that come from those of A and lead to those of B, both included. */
static size_t pick_between(picker *p, const char *sel, const char *dots) {
    bool *a = NULL, *b = NULL;
    char *first = strndup(sel, (size_t)(dots - sel));
    size_t count = 0;
    if (!first) p->no_memory = true;
    if (first && pick_into(p, first, &a) && pick_into(p, dots + 2, &b)) {
        spread(p->b->main, a, false);
        spread(p->b->main, b, true);
        for (size_t i = 0; i < p->n; i++) {
            if (!a[i] || !b[i] || !value_at(p, i)->producer) continue;
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
    char *plain = without_escapes(sel);
    size_t count = plain ? pick_exact(p, plain) : 0;
    if (!plain) p->no_memory = true;
    free(plain);
    return count;
}

static bool begins(const char *s, const char *with) {
    return strncmp(s, with, strlen(with)) == 0;
}

static size_t pick_one(picker *p, const char *sel) {
    size_t count = pick_exact(p, sel);
    const char *dots;
    if (count) return count;
    if (strcmp(sel, "all") == 0) return pick_where(p, is_made, NULL);
    if (begins(sel, "op:")) return pick_nodes(p, is_node_of_op, sel + 3);
    if (begins(sel, "input:")) return pick_where(p, is_input_like, sel + 6);
    if (begins(sel, "init:")) return pick_where(p, is_init_like, sel + 5);
    if (begins(sel, "layer:") && !strstr(sel, "..")) return pick_layers(p, sel + 6);
    if (*sel == '#') count = pick_nodes(p, is_node_number, sel);
    if (!count && (dots = strstr(sel, "..")) && dots != sel && dots[2]) count = pick_between(p, sel, dots);
    if (!count && begins(sel, "layer:")) return pick_layers(p, sel + 6);
    if (!count && strpbrk(sel, "*?[")) count = pick_where(p, is_like, sel) + pick_nodes(p, is_node_like, sel);
    if (!count && strchr(sel, '\\')) count = pick_escaped(p, sel);
    return count;
}

static tap_status not_found(const picker *p, const char *sel) {
    char near[700] = "";
    tap_text t = {near, sizeof near, 0};
    const tap_layer_index *x = begins(sel, "layer:") ? p->layers->get(p->layers->model, p->err) : NULL;
    if (x)
        tap_nearest_layers(x, sel + 6, &t);
    else
        tap_nearest_names(p->b, sel, &t);
    tap_error_set(p->err, TAP_NOT_FOUND, "selector '%s' matches no value of the model%s%s", sel,
                  near[0] ? "; nearest: " : "", near);
    tap_error_where(p->err, NULL, NULL, sel);
    return TAP_NOT_FOUND;
}

static tap_status apply(picker *p, const char *sel, bool *result);

static tap_status apply_lines(picker *p, FILE *f, bool *result) {
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    tap_status st = TAP_OK;
    while (st == TAP_OK && (n = getline(&line, &room, f)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) line[--n] = '\0';
        if (n > 0) st = apply(p, line, result);
    }
    free(line);
    return st;
}

static tap_status apply_file(picker *p, const char *path, bool *result) {
    if (p->n_files == FILES_MAX)
        return tap_error_set(p->err, TAP_USAGE,
                             "files of names are nested more than %d deep: it seems that '%s' names itself",
                             FILES_MAX, path);
    FILE *f = fopen(path, "re");
    if (!f) return tap_error_set(p->err, TAP_IO, "cannot read the names in '%s': %s", path, strerror(errno));
    p->n_files++;
    tap_status st = apply_lines(p, f, result);
    if (st == TAP_OK && ferror(f))
        st = tap_error_set(p->err, TAP_IO, "cannot read the names in '%s': %s", path, strerror(errno));
    p->n_files--;
    fclose(f);
    return st;
}

/* One selector on top of what those before it picked. */
static tap_status apply(picker *p, const char *sel, bool *result) {
    memset(p->picked, 0, p->n * sizeof *p->picked);
    bool away = false;
    size_t count = pick_one(p, sel);
    if (!count && *sel == '@') return apply_file(p, sel + 1, result);
    if (!count && *sel == '!') {
        away = true;
        count = pick_one(p, sel + 1);
    }
    if (p->no_memory) return tap_error_no_memory(p->err, p->n);
    if (p->refused != TAP_OK) return p->refused;
    if (!count) return not_found(p, away ? sel + 1 : sel);
    for (size_t i = 0; i < p->n; i++)
        if (p->picked[i]) result[i] = !away;
    return TAP_OK;
}

tap_status tap_select(const tap_bound *b, const tap_vref *values, size_t n, const tap_layer_source *layers,
                      const char *const *selectors, size_t n_selectors, size_t **indices, size_t *n_indices,
                      tap_error *err) {
    bool *result = calloc(n + 1, sizeof *result);
    picker p = {.b = b, .values = values, .n = n, .layers = layers, .picked = calloc(n + 1, sizeof(bool))};
    p.err = err;
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
