/* Model-local functions: a call is replaced by the function's nodes, with the call's path in front of their
 * names. */
#include <string.h>

#include "graph/scope.h"

#define CALLS_MAX 100

static tap_status check_call(tap_binder *bd, const tap_scope *s, const tap_node *call,
                             const tap_src_function *f) {
    int depth = 0;
    for (const tap_call *c = s->call; c; c = c->up) {
        if (c->function == f || ++depth > CALLS_MAX) {
            tap_error_set(bd->err, TAP_MODEL, "node '%s': function %s of domain '%s' %s", call->address,
                          f->name, f->domain, c->function == f ? "calls itself" : "is called too deep");
            tap_error_where(bd->err, call->address, f->name, NULL);
            return TAP_MODEL;
        }
    }
    if ((size_t)call->n_in > f->n_inputs || (size_t)call->n_out > f->n_outputs) {
        tap_error_set(bd->err, TAP_MODEL,
                      "node '%s' calls function %s with %d inputs and %d outputs, it takes %zu and gives %zu",
                      call->address, f->name, (int)call->n_in, (int)call->n_out, f->n_inputs, f->n_outputs);
        tap_error_where(bd->err, call->address, f->name, NULL);
        return TAP_MODEL;
    }
    return TAP_OK;
}

/* An output of the function that is an argument, or another output once more: handed on by a node of its own.
 */
typedef struct pass_through {
    const char *name;
    tap_vid to;
} pass_through;

static bool bind_arguments(tap_scope *inner, const tap_node *call, const tap_src_function *f) {
    for (size_t i = 0; i < f->n_inputs; i++)
        if (!tap_map_put(&inner->names, f->inputs[i], i < (size_t)call->n_in ? call->in[i] : TAP_NO_VALUE))
            return false;
    return true;
}

static bool bind_results(tap_scope *inner, const tap_node *call, const tap_src_function *f,
                         pass_through *passed, size_t *n) {
    for (size_t i = 0; i < f->n_outputs && i < (size_t)call->n_out; i++) {
        if (call->out[i] == TAP_NO_VALUE) continue;
        if (tap_map_get(&inner->names, f->outputs[i], -2) != -2) {
            passed[(*n)++] = (pass_through){f->outputs[i], call->out[i]};
            continue;
        }
        inner->graph->values[call->out[i]].slot = -1; /* waits for the node that makes it */
        if (!tap_map_put(&inner->names, f->outputs[i], call->out[i])) return false;
    }
    return true;
}

static tap_status hand_on(tap_binder *bd, tap_scope *inner, const tap_node *call, const pass_through *passed,
                          size_t n) {
    for (size_t i = 0; i < n; i++) {
        tap_vid from = tap_map_get(&inner->names, passed[i].name, TAP_NO_VALUE);
        if (from == TAP_NO_VALUE)
            return tap_error_set(bd->err, TAP_MODEL,
                                 "node '%s': the function's output '%s' is an input that the call leaves out",
                                 call->address, passed[i].name);
        const char *address = tap_arena_printf(bd->b->arena, "%s%s", inner->prefix, passed[i].name);
        if (!address) return tap_error_no_memory(bd->err, 64);
        tap_status st = tap_bind_identity(bd, inner, address, from, passed[i].to);
        if (st != TAP_OK) return st;
    }
    return TAP_OK;
}

static tap_status check_made(tap_binder *bd, const tap_node *call, const tap_src_function *f) {
    for (int32_t i = 0; i < call->n_out; i++) {
        if (call->out[i] == TAP_NO_VALUE || call->graph->values[call->out[i]].slot != -1) continue;
        tap_error_set(bd->err, TAP_MODEL, "function %s of domain '%s': nothing in it makes its output '%s'",
                      f->name, f->domain, f->outputs[i]);
        tap_error_where(bd->err, call->address, f->name, f->outputs[i]);
        return TAP_MODEL;
    }
    return TAP_OK;
}

static bool note_call(tap_bound *b, tap_node *call) {
    if (b->n_calls == b->room_calls) {
        size_t room = b->room_calls ? b->room_calls * 2 : 16;
        tap_node **wider = tap_arena_array(b->arena, room, sizeof *wider);
        if (!wider) return false;
        if (b->n_calls) memcpy(wider, b->calls, b->n_calls * sizeof *wider);
        b->calls = wider;
        b->room_calls = room;
    }
    b->calls[b->n_calls++] = call;
    return true;
}

tap_status tap_bind_call(tap_binder *bd, tap_scope *s, tap_node *call, const tap_src_function *f) {
    tap_status st = check_call(bd, s, call, f);
    if (st != TAP_OK) return st;
    tap_arena *a = bd->b->arena;
    tap_scope *inner = tap_scope_new(bd, s->graph, NULL, tap_arena_printf(a, "%s/", call->address));
    tap_call *c = tap_arena_alloc(a, sizeof *c);
    pass_through *passed = tap_arena_array(a, f->n_outputs, sizeof *passed);
    size_t n_passed = 0;
    if (!inner || !c || !passed || !note_call(bd->b, call))
        return tap_error_no_memory(bd->err, sizeof *inner);
    *c = (tap_call){f, call, s, s->call};
    inner->call = c;
    inner->opsets = f->opsets;
    inner->n_opsets = f->n_opsets;
    if (!bind_arguments(inner, call, f) || !bind_results(inner, call, f, passed, &n_passed))
        return tap_error_no_memory(bd->err, sizeof(tap_map_slot));
    st = tap_bind_nodes(bd, inner, f->nodes, f->n_nodes);
    if (st == TAP_OK) st = tap_bind_infos(bd, inner, f->infos, f->n_infos);
    if (st == TAP_OK) st = hand_on(bd, inner, call, passed, n_passed);
    if (st == TAP_OK) st = check_made(bd, call, f);
    return st;
}
