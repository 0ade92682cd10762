/* A framework's own list of its layers, in the order in which they are called. */
#ifndef TAP_GRAPH_LAYER_LIST_H
#define TAP_GRAPH_LAYER_LIST_H

#include "core/memory.h"
#include "onnxtap/onnxtap.h"

/* Where an input of a call comes from. */
typedef struct tap_listed_input {
    const char *layer;
    int32_t call, output;
} tap_listed_input;

typedef struct tap_listed_call {
    const tap_listed_input *inputs;
    size_t n_inputs;
    const tap_listed_input *same; /* by output: whose tensor it hands on; layer "": it is its own */
    size_t n_same;
} tap_listed_call;

typedef struct tap_listed_output {
    int32_t rank;               /* -1: not known */
    int64_t dims[TAP_RANK_MAX]; /* -1: any */
} tap_listed_output;

typedef struct tap_listed_layer {
    const char *name, *kind; /* kind: the class, "" where it is not told */
    const tap_listed_output *outputs;
    size_t n_outputs; /* of a call */
    const tap_listed_call *calls;
    size_t n_calls;
    const char *activation; /* of its configuration; "" where it is not told */
} tap_listed_layer;

typedef struct tap_layer_list {
    const char *framework;
    const tap_listed_layer *layers;
    size_t n;
} tap_layer_list;

#endif
