/* Which values leave a module, and which of them is its output. */
#ifndef TAP_GRAPH_LAYER_OUTPUT_H
#define TAP_GRAPH_LAYER_OUTPUT_H

#include "graph/layer_tree.h"

#define TAP_NOWHERE (-2)

/* Where the values of the main graph are made and used. */
typedef struct tap_uses {
    const tap_graph *g;
    const tap_layer_tree *t;
    int32_t *position; /* by value: the place of the node that makes it; -1: none */
    int32_t *around;   /* by value: the innermost module that its maker and all its users lie in; -1: none
                          does; TAP_NOWHERE: it is not used */
    int32_t *first, *users; /* users[first[v]] ... users[first[v + 1] - 1]: places of the nodes that use v */
} tap_uses;

/* Errors: TAP_MEMORY. */
tap_status tap_uses_build(const tap_graph *g, const tap_layer_tree *t, tap_arena *a, tap_uses *u,
                          tap_error *err);

/* Whether v, made in m, is used outside of it. */
bool tap_leaves(const tap_uses *u, int32_t m, tap_vid v);

/* The outputs of a module: value of output i, TAP_NO_VALUE where it is not known. */
#define TAP_MODULE_OUTPUTS 4
typedef struct tap_module_outputs {
    tap_vid value[TAP_MODULE_OUTPUTS];
    int32_t n;
} tap_module_outputs;

void tap_module_outputs_find(const tap_uses *u, int32_t m, tap_module_outputs *out);

#endif
