/* The index of layers: which value has the output of which layer of the framework that the model came from.
 */
#ifndef TAP_GRAPH_LAYERS_H
#define TAP_GRAPH_LAYERS_H

#include "graph/layer_list.h"
#include "graph/provenance.h"

/* One output of one call of a layer; as tap_layer_info. */
typedef struct tap_layer {
    const char *key, *name, *kind;
    int32_t call, output;
    tap_layer_status status;
    int32_t value; /* global number; -1: none */
    int32_t rank;  /* of dims; -1: not known */
    const int64_t *dims;
    const char *const *merged;
    size_t n_merged;
} tap_layer;

typedef struct tap_layer_index {
    tap_layer *layers; /* in the order of calls */
    size_t n;
    int32_t *of_value; /* by global number: the layer that computed it; -1: none */
    tap_axes *axes;    /* by global number */
} tap_layer_index;

/* list: NULL, or what the framework knows. All memory is from `arena`. Errors: TAP_MEMORY. */
tap_status tap_layers_build(const tap_bound *b, const tap_layer_list *list, tap_arena *arena,
                            tap_layer_index **out, tap_error *err);

/* "layer", "layer#1", "layer:1", "layer#1:1", a key, or a glob of any of these. */
bool tap_layer_is_called(const tap_layer *l, const char *name, bool glob);

#endif
