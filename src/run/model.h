/* A model as sessions share it: the bound graph, what its nodes prepared, and constants made when first
 * needed. */
#ifndef TAP_RUN_MODEL_H
#define TAP_RUN_MODEL_H

#include <pthread.h>

#include "core/cpu.h"
#include "core/mapping.h"
#include "graph/graph.h"

struct tap_layer_index;
struct tap_layer_list;

struct tap_model {
    atomic_int refs; /* the program's, and one per session */
    tap_budget budget;
    tap_arena arena;
    tap_src_model src;
    tap_mapping *mappings;
    tap_lookup lookup;
    const struct tap_op_set *ops; /* the program's own; NULL: none */
    tap_isa isa;
    bool beyond_standard; /* dtypes beyond the standard's may be used (tap_op.beyond) */
    tap_bound bound;
    tap_faults faults; /* of a model that is only looked at (api.h); bound points to it then */
    tap_port *inputs, *outputs;
    size_t n_inputs, n_outputs;
    struct tap_vref *values; /* all values of the model by global number */
    size_t n_values;
    tap_node **all_nodes; /* execution order, bodies behind their owner */
    size_t n_all_nodes;
    struct tap_layer_list *layer_list;        /* the framework's own; NULL: none was given */
    _Atomic(struct tap_layer_index *) layers; /* made when first asked for */
    pthread_mutex_t lock; /* over what is made when first needed: constants, packed states */
    bool has_forgotten;   /* under it: weights that have another form now since files were last let go */
};

/* Attributes read, types inferred from the file alone, dtypes checked: every node of the model. Marks nodes
 * whose dtype has no kernel as unsupported. Errors: TAP_MODEL. */
tap_status tap_model_prepare(tap_model *m, tap_error *err);
/* What the nodes' states and constants hold outside the arena. */
void tap_model_release_nodes(tap_model *m);

/* The constant that value v of g is, through captures: an initializer or a folded output; NULL: none.
 * Overridable inputs count as constants. */
tap_gvalue *tap_constant_source(tap_graph *g, tap_vid v);
/* The tensor's bytes in the file are not needed now: there is another form of them. They may be read again.
 * Caller holds the lock. */
void tap_model_forget(tap_model *m, const tap_src_tensor *t);
/* Behind the last of several: lets go of all pages of the files, small weights and what lies between them, if
 * anything was forgotten. What is read where it lies comes back by itself. */
void tap_model_let_files_go(tap_model *m);
/* Packs constant inputs of n, once. Caller holds the lock. */
tap_status tap_node_pack(tap_model *m, tap_node *n, tap_error *err);

#endif
