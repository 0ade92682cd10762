/* Where operators come from that ONNX does not have: what frameworks, runtimes and converters left in a file.
 */
#ifndef TAP_GRAPH_ORIGIN_H
#define TAP_GRAPH_ORIGIN_H

#include "graph/graph.h"

typedef struct tap_origin {
    const char *what; /* "an operator of TensorFlow"                                      */
    const char *hint; /* what whoever exports the model can do, in a sentence; "": nothing known */
} tap_origin;

/* Of a node, by its domain, or by its name where the domain is ONNX's. `what` may be made in the arena. NULL
 * what: unknown. */
tap_origin tap_origin_of(const tap_src_node *n, tap_arena *arena);

#endif
