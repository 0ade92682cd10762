/* A part of a model as a model of its own: some nodes of one graph, what they need, and what they give. */
#ifndef TAP_GRAPH_PART_H
#define TAP_GRAPH_PART_H

#include "graph/graph.h"

typedef struct tap_part_nodes {
    const tap_bound *bound;
    tap_graph *graph;
    tap_node **nodes; /* execution order; Constants that they use in front of them, or among them */
    size_t n_nodes;
    tap_vref *inputs, *outputs; /* inputs: where they are defined, which may be a graph around this one */
    size_t n_inputs, n_outputs;
} tap_part_nodes;

/* The nodes that make `values` (graph inputs and initializers among them do not count), which have to lie in
 * one graph; values in bodies of these nodes belong to them. Inputs: what they use and do not make, but for
 * initializers and Constants, which come along. Outputs: what they make that others use, that the graph
 * gives, or that nobody uses. Errors: TAP_USAGE, TAP_MEMORY. */
tap_status tap_part_find(const tap_bound *b, const tap_vref *values, size_t n, tap_arena *arena,
                         tap_part_nodes *out, tap_error *err);

/* The part as a file would say it, in arena and pointing into the model. Names are full names; calls of
 * functions are written out. input_types, output_types: NULL entries are what inference found. A node of
 * another opset than the part's becomes a function of its own. Errors: TAP_USAGE (an input of unknown type),
 * TAP_UNSUPPORTED (a node with bodies and an opset of its own), TAP_MEMORY. */
tap_status tap_part_source(const tap_part_nodes *p, const tap_type *const *input_types,
                           const tap_type *const *output_types, tap_arena *arena, tap_src_model *out,
                           tap_error *err);

#endif
