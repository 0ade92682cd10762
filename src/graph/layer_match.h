/* A framework's own list of layers laid over what the file tells. */
#ifndef TAP_GRAPH_LAYER_MATCH_H
#define TAP_GRAPH_LAYER_MATCH_H

#include "graph/layer_output.h"
#include "graph/layers.h"

/* What is known without the list. */
typedef struct tap_layer_facts {
    const tap_bound *b;
    const tap_layer_tree *tree;
    const tap_uses *uses;
    const tap_vid *vid;   /* of values of the main graph, by global number */
    const tap_axes *axes; /* by global number */
    const tap_layer *layers;
    const int32_t *module; /* by layer: its module; -1: an input of the graph, a node */
    size_t n;
} tap_layer_facts;

/* One layer for each output of each call in the list, in its order; keys are not set. Errors: TAP_MEMORY. */
tap_status tap_layers_match(const tap_layer_facts *facts, const tap_layer_list *list, tap_arena *arena,
                            tap_layer **out, size_t *n, tap_error *err);

#endif
