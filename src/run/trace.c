/* The spans of a run. */
#include "run/trace.h"

#include <time.h>

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void tap_trace_free(tap_trace *t, tap_budget *b) {
    tap_mem_free(b, t->marks);
    tap_mem_free(b, (void *)t->names);
    tap_mem_free(b, (void *)t->ops);
}

void tap_trace_start(tap_trace *t) {
    t->n = t->n_names = 0;
    t->depth = 0;
    t->begin = t->last = t->on ? now() : 0;
}

static bool reserve(tap_trace *t, tap_budget *b, size_t n_with) {
    size_t names = t->n_names + n_with;
    return tap_mem_reserve(b, (void **)&t->marks, &t->room, t->n + 1, sizeof *t->marks) &&
           tap_mem_reserve(b, (void **)&t->names, &t->room_names, names, sizeof *t->names) &&
           tap_mem_reserve(b, (void **)&t->ops, &t->room_ops, names, sizeof *t->ops);
}

void tap_trace_add(tap_trace *t, tap_budget *b, tap_span_kind kind, uint64_t begin, const tap_node *node,
                   tap_node *const *with, int32_t n) {
    t->last = now();
    if (!reserve(t, b, (size_t)n)) return;
    t->marks[t->n++] = (tap_mark){kind, t->depth, node, t->n_names, (size_t)n, begin, t->last};
    for (int32_t i = 0; i < n; i++) {
        t->names[t->n_names] = with[i]->address;
        t->ops[t->n_names++] = with[i]->src->op;
    }
}
