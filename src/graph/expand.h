/* Operators that are functions of others (tap_op.expand). */
#ifndef TAP_GRAPH_EXPAND_H
#define TAP_GRAPH_EXPAND_H

#include "graph/scope.h"

/* The function that stands for a node whose row has `expand`; in the model's arena. Errors: TAP_MODEL,
 * TAP_MEMORY. */
tap_status tap_expand(tap_binder *bd, const tap_node *n, const tap_src_function **out);

#endif
