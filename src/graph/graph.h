/* The graph as it is run: values by number, nodes in execution order, functions written out, bodies as graphs
 * of their own. Built once a model by tap_graph_bind; immutable after tap_graph_prepare. */
#ifndef TAP_GRAPH_GRAPH_H
#define TAP_GRAPH_GRAPH_H

#include "core/error.h"
#include "core/faults.h"
#include "core/map.h"
#include "core/tensor.h"
#include "graph/lookup.h"
#include "graph/source.h"

typedef int32_t tap_vid; /* a value's place in its graph's `values` */
#define TAP_NO_VALUE ((tap_vid)-1)

typedef struct tap_graph tap_graph;
typedef struct tap_node tap_node;

typedef struct tap_attr {
    const tap_src_attr *src; /* a function's reference is already replaced by what the call gave */
    tap_graph **bodies;      /* GRAPH(S): src->n of them */
    tap_value *tensor;       /* TENSOR: as kernels take it; made when asked for */
    bool asked;              /* prepare asked for it */
} tap_attr;

struct tap_node {
    const tap_src_node *src;
    tap_graph *graph;
    const char *address; /* path of the node: its name, or #17:Conv; calls and bodies in front of it */
    int32_t index;       /* position in the file's list of its graph or function */
    int64_t opset;       /* of its domain, where it stands */
    tap_vid *in, *out;
    int32_t n_in, n_out;
    tap_attr *attrs;
    int32_t n_attrs;
    const tap_op *op;        /* NULL: unsupported */
    const char *unsupported; /* why */
    const char *foreign;     /* NULL, or what it is that ONNX does not have: runs where `op` is there */
    void *state;             /* of prepare */
    tap_vid *captures;       /* values of `graph` that its bodies use */
    int32_t n_captures;
    bool has_bodies;
    bool faulty;        /* only where faults are collected: nothing more is said of it */
    atomic_bool packed; /* once, under the model's lock */
    struct tap_packed_block **blocks, **offered; /* packed forms; those of another model (run/packed.h) */
    int32_t n_blocks, n_offered;
    uint8_t mark; /* of a pass over the graph */
};

/* A path under which a function called a value that its caller calls otherwise. */
typedef struct tap_alias {
    const char *path;
    const struct tap_alias *next;
} tap_alias;

typedef struct tap_gvalue {
    const char *name;         /* in the file */
    const char *full;         /* path: unique in the model */
    const tap_alias *aliases; /* what functions called it, innermost first */
    tap_type type;            /* inferred from the file alone */
    const tap_type *declared; /* NULL, or what the file says */
    const char *const *dim_names;
    tap_node *producer;           /* NULL: input, initializer, captured */
    int32_t slot;                 /* which output of it */
    const tap_src_tensor *init;   /* NULL, or the initializer */
    const tap_src_tensor *stored; /* NULL, or the tensor of the file that it is: init, or what a node such as
                                     Constant holds */
    tap_vid outer;                /* captured: the value of the parent graph */
    bool is_input, is_output;
    _Atomic(tap_value *) constant; /* `stored` aligned and unpacked, or a folded node's output; made when
                                      needed, once, under the model's lock */
    int32_t global;                /* number in the model's list of all values */
} tap_gvalue;

struct tap_graph {
    const tap_src_graph *src;
    tap_graph *parent;     /* NULL: main graph */
    tap_node *owner;       /* node of parent whose attribute this is */
    const char *prefix;    /* of full names in it: "" or "loop/body/" */
    int32_t depth, number; /* number: among all graphs of the model */
    tap_gvalue *values;
    size_t n_values, room_values;
    tap_node **nodes; /* execution order */
    size_t n_nodes, room_nodes;
    tap_vid *inputs, *outputs, *captures;
    size_t n_inputs, n_outputs, n_captures, room_captures;
    bool inferred; /* from the file alone */
};

/* A value of the model by its graph. */
typedef struct tap_vref {
    tap_graph *graph;
    tap_vid v;
} tap_vref;

static inline tap_gvalue *tap_vref_value(tap_vref r) {
    return &r.graph->values[r.v];
}

/* All graphs and values of a model. */
typedef struct tap_bound {
    const tap_src_model *src;
    tap_budget *budget;
    tap_arena *arena;
    const tap_lookup *lookup;
    bool tf_ops; /* what converters left runs (tap_model_options) */
    tap_graph *main;
    tap_graph **graphs; /* main first, a body after its owner's graph */
    size_t n_graphs, room_graphs;
    size_t n_nodes;   /* of all graphs: bounded */
    tap_node **calls; /* of functions, which were written out: only for selectors to find */
    size_t n_calls, room_calls;
    int32_t n_values;   /* of all graphs, captured ones once */
    tap_faults *faults; /* NULL: the first fault ends the binding */
} tap_bound;

/* Binds names to values, writes functions out, orders nodes, finds operators. An operator that is not there
 * is no error here: its node says why. Errors: TAP_MODEL, TAP_MEMORY. */
tap_status tap_graph_bind(tap_bound *b, tap_error *err);
/* Puts nodes of g in an order in which each comes after what it uses; keeps the file's order where that is
 * one. */
tap_status tap_graph_order(tap_bound *b, tap_graph *g, tap_error *err);
/* Lists all unsupported operators with count and first node; TAP_OK where there are none. */
tap_status tap_graph_check_supported(const tap_bound *b, tap_error *err);

/* The stored tensor that the node is: it holds a value, and has nothing to compute. NULL: it has. */
static inline const tap_src_tensor *tap_node_stored(const tap_node *n) {
    return n->n_out && n->out[0] != TAP_NO_VALUE && !n->graph->values[n->out[0]].init
               ? n->graph->values[n->out[0]].stored
               : NULL;
}

/* Whether the node has as many inputs and outputs as its row says; else why not, in words. */
bool tap_node_fits(const tap_node *n, char *why, size_t n_why);

/* A stored tensor as kernels take it: aligned, unpacked; where it lies, if it already is. NULL: no memory. */
tap_value *tap_graph_stored(tap_bound *b, const tap_src_tensor *t);
/* The stored tensor that v is as kernels take it: aligned, unpacked; where it lies, if it already is. Made
 * once, under the caller's lock. NULL: no memory. */
tap_value *tap_graph_constant(tap_bound *b, tap_gvalue *v);

#endif
