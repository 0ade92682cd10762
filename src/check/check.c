/* Running the rules. */
#include "check/check.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static bool is_memory_left(tap_checker *c) {
    if (c->n < c->room) return true;
    size_t room = c->room ? c->room * 2 : 32;
    tap_finding *wider = tap_arena_array(c->arena, room, sizeof *wider);
    if (!wider) return false;
    if (c->n) memcpy(wider, c->items, c->n * sizeof *wider);
    c->items = wider;
    c->room = room;
    return true;
}

tap_finding *tap_check_add(tap_checker *c, tap_severity severity, const char *code, const tap_node *node,
                           const tap_gvalue *v, const char *hint, const char *fmt, ...) {
    char text[4096] = "";
    tap_text t = {text, sizeof text, 0};
    va_list args;
    va_start(args, fmt);
    tap_text_addv(&t, fmt, args);
    va_end(args);
    const char *message = is_memory_left(c) ? tap_arena_string(c->arena, text, strlen(text)) : NULL;
    if (!message || !hint) {
        c->no_memory = true;
        return &c->nowhere;
    }
    tap_finding *f = &c->items[c->n++];
    *f = (tap_finding){sizeof *f, severity, code, "", "", "", message, hint, 1};
    if (node) f->node = node->address, f->op = node->src->op;
    if (v) f->tensor = v->full;
    return f;
}

/* ---- What the look at the file collected ---- */

typedef struct advice {
    const char *code, *hint;
    bool may_be_fine; /* no error yet */
} advice;

static const advice advices[] = {
    {"external-data",
     "put the data file where the model says, beside it; it is exported together with the model", false},
    {"initializer", "the file is damaged, or its writer is: export it again", false},
    {"attribute", "mend the exporter, or the node", false},
    {"undefined-name", "the exporter dropped what makes it: feed it with an input, or export again", false},
    {"made-twice", "every name may be given once: rename one of them", false},
    {"cycle", "a model has no cycles but Loop and Scan: the names of these nodes' values are wrong", false},
    {"function", "the model's function and its call do not fit: export again", false},
    {"types", "look at the nodes that make these inputs: what they give is not what this operator takes",
     false},
    {"branch-types", "the branch fails where it is taken; another one may be all that this model needs",
     true},
};

static advice advice_for(const char *code) {
    for (size_t i = 0; i < TAP_COUNT_OF(advices); i++)
        if (strcmp(advices[i].code, code) == 0) return advices[i];
    return (advice){code, "", false};
}

static void add_faults(tap_checker *c, const tap_faults *faults) {
    for (const tap_fault *f = faults->first; f && !c->no_memory; f = f->next) {
        advice a = advice_for(f->code);
        tap_severity severity = a.may_be_fine ? TAP_SEVERITY_WARNING : TAP_SEVERITY_ERROR;
        const char *hint = strcmp(f->code, "attribute") == 0 ? tap_check_attribute_hint(c, f->node) : NULL;
        tap_finding *x = tap_check_add(c, severity, f->code, NULL, NULL, hint ? hint : a.hint, "%s", f->text);
        x->node = f->node;
        x->op = f->op;
        x->tensor = f->tensor;
    }
}

/* ---- Together ---- */

static void count_uses(tap_checker *c) {
    c->uses = tap_arena_array(c->arena, (size_t)c->b->n_values + 1, sizeof *c->uses);
    if (!c->uses) c->no_memory = true;
    for (size_t i = 0; i < c->b->n_graphs && !c->no_memory; i++) {
        const tap_graph *g = c->b->graphs[i];
        for (size_t k = 0; k < g->n_nodes; k++)
            for (int32_t j = 0; j < g->nodes[k]->n_in; j++)
                if (g->nodes[k]->in[j] != TAP_NO_VALUE) c->uses[g->values[g->nodes[k]->in[j]].global]++;
        for (size_t k = 0; k < g->n_outputs; k++)
            if (g->outputs[k] != TAP_NO_VALUE) c->uses[g->values[g->outputs[k]].global]++;
    }
}

static tap_check_rule *const rules[] = {
    tap_check_unsupported,   tap_check_foreign,    tap_check_forgotten_inputs, tap_check_declared,
    tap_check_scales,        tap_check_outdated,   tap_check_newer_types,      tap_check_numbers,
    tap_check_pad_then_pool, tap_check_truncation, tap_check_division,         tap_check_node_names,
    tap_check_dead_nodes,    tap_check_unused,     tap_check_duplicates,       tap_check_fixed_batch,
};

/* Worst first; otherwise as they were found. */
static void sort(tap_checker *c) {
    tap_finding *sorted = tap_arena_array(c->arena, c->n, sizeof *sorted);
    size_t n = 0;
    if (!sorted) {
        c->no_memory = true;
        return;
    }
    for (int s = TAP_SEVERITY_ERROR; s >= TAP_SEVERITY_NOTE; s--)
        for (size_t i = 0; i < c->n; i++)
            if ((int)c->items[i].severity == s) sorted[n++] = c->items[i];
    c->items = sorted;
}

static void note_written_out(tap_checker *c) {
    for (size_t i = 0; i < c->b->n_calls; i++)
        if (c->b->calls[i]->op && !tap_map_put(&c->written_out, c->b->calls[i]->address, 1))
            c->no_memory = true;
}

void tap_check_run(tap_checker *c, const tap_faults *faults) {
    tap_map_init(&c->written_out, c->arena->budget);
    note_written_out(c);
    add_faults(c, faults);
    if (c->b->main) {
        count_uses(c);
        for (size_t i = 0; i < TAP_COUNT_OF(rules) && !c->no_memory; i++) rules[i](c);
    }
    tap_map_free(&c->written_out);
    if (!c->no_memory) sort(c);
}

/* ---- What rules share ---- */

const tap_node *tap_check_producer(const tap_graph *g, tap_vid v) {
    while (v != TAP_NO_VALUE && g->values[v].outer != TAP_NO_VALUE) {
        v = g->values[v].outer;
        g = g->parent;
    }
    return v == TAP_NO_VALUE ? NULL : g->values[v].producer;
}

bool tap_check_is(const tap_node *n, const char *op) {
    return n && !*n->src->domain && strcmp(n->src->op, op) == 0;
}

const tap_gvalue *tap_check_input(const tap_graph *g, const tap_node *n, int32_t i) {
    return i < n->n_in && n->in[i] != TAP_NO_VALUE ? &g->values[n->in[i]] : NULL;
}

const tap_src_attr *tap_check_attribute(const tap_node *n, const char *name) {
    for (int32_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].src->name, name) == 0) return n->attrs[i].src;
    return NULL;
}

/* Whether it stands in place of an operator, with others. */
static bool is_written_out(const tap_checker *c, const tap_node *n) {
    char path[512];
    for (const char *p = strchr(n->address, '/'); p; p = strchr(p + 1, '/')) {
        size_t len = (size_t)(p - n->address);
        if (len >= sizeof path) return false;
        memcpy(path, n->address, len);
        path[len] = '\0';
        if (tap_map_get(&c->written_out, path, 0)) return true;
    }
    return false;
}

void tap_check_each_node(tap_checker *c, tap_check_node_rule *rule) {
    bool any = false;
    for (size_t i = 0; i < c->b->n_calls && !any; i++) any = c->b->calls[i]->op != NULL;
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes && !c->no_memory; k++) {
            const tap_node *n = c->b->graphs[i]->nodes[k];
            if (!any || !is_written_out(c, n)) rule(c, c->b->graphs[i], n);
        }
}
