/* Layout provenance: for each value the order of axes that the framework had. */
#ifndef TAP_GRAPH_PROVENANCE_H
#define TAP_GRAPH_PROVENANCE_H

#include "graph/graph.h"

/* transpose(value, perm) is the framework's array. rank -1: not known. */
typedef struct tap_axes {
    int32_t rank;
    int32_t perm[TAP_RANK_MAX];
} tap_axes;

/* Fills axes[b->n_values], by global number. moved: the exporter puts images into ONNX's order of axes
 * (TensorFlow's do); else all is as the framework had it. Errors: TAP_MEMORY. */
tap_status tap_provenance(const tap_bound *b, bool moved, tap_axes *axes, tap_error *err);

#endif
