/* Names while a graph is being bound. */
#include "graph/scope.h"

#include <string.h>

tap_scope *tap_scope_new(tap_binder *bd, tap_graph *g, tap_scope *parent, const char *prefix) {
    tap_scope *s = tap_arena_zero(bd->b->arena, sizeof *s);
    if (!s || !prefix) {
        tap_error_no_memory(bd->err, sizeof *s);
        return NULL;
    }
    tap_map_init(&s->names, bd->b->budget);
    s->graph = g;
    s->parent = parent;
    s->prefix = prefix;
    if (parent) {
        s->opsets = parent->opsets;
        s->n_opsets = parent->n_opsets;
        s->call = parent->call;
    }
    s->all = bd->scopes;
    bd->scopes = s;
    return s;
}

void tap_scopes_free(tap_binder *bd) {
    for (tap_scope *s = bd->scopes; s; s = s->all) tap_map_free(&s->names);
    bd->scopes = NULL;
}

bool tap_scope_reserve(tap_binder *bd, tap_graph *g, size_t room) {
    if (room <= g->room_values) return true;
    tap_gvalue *wider = tap_arena_array(bd->b->arena, room, sizeof *wider);
    if (!wider) return false;
    if (g->n_values) memcpy(wider, g->values, g->n_values * sizeof *wider);
    g->values = wider;
    g->room_values = room;
    return true;
}

static tap_vid add_value(tap_binder *bd, tap_graph *g, const char *name, const char *full) {
    if (!full || g->n_values >= INT32_MAX / 2) goto no_memory;
    if (g->n_values == g->room_values && !tap_scope_reserve(bd, g, g->n_values ? g->n_values * 2 : 16))
        goto no_memory;
    tap_vid v = (tap_vid)g->n_values++;
    tap_gvalue *x = &g->values[v];
    x->name = name;
    x->full = full;
    x->type = (tap_type){.kind = TAP_KIND_NONE, .rank = -1};
    x->outer = TAP_NO_VALUE;
    return v;
no_memory:
    tap_error_no_memory(bd->err, sizeof(tap_gvalue) * g->n_values);
    return TAP_NO_VALUE;
}

static const char *full_name(tap_binder *bd, const char *prefix, const char *name) {
    return *prefix ? tap_arena_printf(bd->b->arena, "%s%s", prefix, name) : name;
}

tap_vid tap_scope_define(tap_binder *bd, tap_scope *s, const char *name) {
    tap_vid v = add_value(bd, s->graph, name, full_name(bd, s->prefix, name));
    if (v != TAP_NO_VALUE && !tap_map_put(&s->names, name, v)) {
        tap_error_no_memory(bd->err, sizeof(tap_map_slot));
        return TAP_NO_VALUE;
    }
    return v;
}

/* The value of g that stands for value v of h, an outer graph of g. */
static tap_vid capture(tap_binder *bd, tap_graph *g, tap_graph *h, tap_vid v) {
    if (g == h) return v;
    tap_vid outer = capture(bd, g->parent, h, v);
    if (outer == TAP_NO_VALUE) return TAP_NO_VALUE;
    for (size_t i = 0; i < g->n_captures; i++)
        if (g->values[g->captures[i]].outer == outer) return g->captures[i];
    const tap_gvalue *x = &g->parent->values[outer];
    tap_vid mine = add_value(bd, g, x->name, x->full);
    if (mine == TAP_NO_VALUE) return TAP_NO_VALUE;
    g->values[mine].outer = outer;
    if (g->n_captures == g->room_captures) {
        size_t room = g->room_captures ? g->room_captures * 2 : 8;
        tap_vid *wider = tap_arena_array(bd->b->arena, room, sizeof *wider);
        if (!wider) {
            tap_error_no_memory(bd->err, room * sizeof *wider);
            return TAP_NO_VALUE;
        }
        if (g->n_captures) memcpy(wider, g->captures, g->n_captures * sizeof *wider);
        g->captures = wider;
        g->room_captures = room;
    }
    g->captures[g->n_captures++] = mine;
    return mine;
}

#define UNKNOWN_NAME (-2)

tap_vid tap_scope_resolve(tap_binder *bd, tap_scope *s, const char *name, bool *found) {
    for (tap_scope *at = s; at; at = at->parent) {
        tap_vid v = tap_map_get(&at->names, name, UNKNOWN_NAME);
        if (v == UNKNOWN_NAME) continue;
        *found = true;
        if (v == TAP_NO_VALUE || at->graph == s->graph) return v;
        v = capture(bd, s->graph, at->graph, v);
        if (v != TAP_NO_VALUE && !tap_map_put(&s->names, name, v)) {
            tap_error_no_memory(bd->err, sizeof(tap_map_slot));
            *found = false;
        }
        return v;
    }
    *found = false;
    return TAP_NO_VALUE;
}

int64_t tap_scope_opset(const tap_scope *s, const char *domain) {
    for (size_t i = 0; i < s->n_opsets; i++)
        if (strcmp(s->opsets[i].domain, domain) == 0) return s->opsets[i].version;
    return 0;
}
