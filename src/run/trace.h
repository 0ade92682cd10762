/* The spans of a run, for those who ask where its time goes. */
#ifndef TAP_RUN_TRACE_H
#define TAP_RUN_TRACE_H

#include "onnxtap/profile.h"
#include "run/model.h"

typedef struct tap_mark {
    tap_span_kind kind;
    int depth;
    const tap_node *node;
    size_t with, n_with; /* of trace->nodes */
    uint64_t begin, end; /* nanoseconds of the clock */
} tap_mark;

typedef struct tap_trace {
    bool on;
    int depth;
    uint64_t begin, last; /* of the run; the end of the latest span */
    tap_mark *marks;
    size_t n, room;
    const char **names, **ops; /* of the nodes that went with others */
    size_t n_names, room_names, room_ops;
} tap_trace;

void tap_trace_free(tap_trace *t, tap_budget *b);
/* Forgets the run before; the clock runs from here. */
void tap_trace_start(tap_trace *t);
/* A span from `begin` to now, of a node and n others that went with it; node may be NULL. */
void tap_trace_add(tap_trace *t, tap_budget *b, tap_span_kind kind, uint64_t begin, const tap_node *node,
                   tap_node *const *with, int32_t n);

#endif
