/* Which values leave a module, and which of them is its output. */
#ifndef TAP_GRAPH_LAYER_OUTPUT_H
#define TAP_GRAPH_LAYER_OUTPUT_H

#include "graph/layer_tree.h"

#define TAP_NOWHERE (-2)

/* A value that leaves a module, in a list of them in the order in which they are made. */
typedef struct tap_leaver {
    tap_vid v;
    int32_t next; /* -1: the last */
} tap_leaver;

typedef struct tap_module_uses {
    int32_t first_leaver, last_leaver; /* -1: none */
    int32_t over_time;                 /* the first node of its own that repeats something; -1: none */
    int32_t first_rnn, last_rnn;       /* LSTM, GRU, RNN of its own; -1: none */
    bool mixed;                        /* PyTorch: several calls are in it, or parts of one */
    bool repeats;                      /* one weight is used twice by the same operator: it is called again */
    int32_t once, twice;               /* modules in it that are called, and that are called again */
} tap_module_uses;

/* Where the values of the main graph are made and used. */
typedef struct tap_uses {
    const tap_graph *g;
    const tap_layer_tree *t;
    int32_t *position;   /* by value: the place of the node that makes it; -1: none */
    int32_t *around;     /* by value: the innermost module that its maker and all its users lie in; -1: none
                            does; TAP_NOWHERE: it is not used */
    tap_module_uses *of; /* by module */
    tap_leaver *leavers;
    int32_t *first, *users; /* users[first[v]] ... users[first[v + 1] - 1]: places of the nodes that use v */
} tap_uses;

/* Errors: TAP_MEMORY. */
tap_status tap_uses_build(const tap_graph *g, const tap_layer_tree *t, tap_arena *a, tap_uses *u,
                          tap_error *err);

/* The outputs of a module: value of output i, TAP_NO_VALUE where it is not known. */
#define TAP_MODULE_OUTPUTS 4
typedef struct tap_module_outputs {
    tap_vid value[TAP_MODULE_OUTPUTS];
    int32_t n;
} tap_module_outputs;

/* Whether all that take v outside of module m swallowed what was between: v may be from the middle of m. */
bool tap_only_rewritten_take(const tap_uses *u, int32_t m, tap_vid v);

void tap_module_outputs_find(const tap_uses *u, int32_t m, tap_module_outputs *out);

#endif
