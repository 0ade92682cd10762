/* Names while a graph is being bound: which value a name means where a node stands. Gone when binding ends.
 */
#ifndef TAP_GRAPH_SCOPE_H
#define TAP_GRAPH_SCOPE_H

#include "graph/graph.h"

typedef struct tap_scope tap_scope;

/* A call of a model-local function that is being written out. */
typedef struct tap_call {
    const tap_src_function *function;
    const tap_node *node; /* the call, for messages; its attrs are what the call gave */
    tap_scope *caller;
    const struct tap_call *up; /* the call around it */
} tap_call;

struct tap_scope {
    tap_graph *graph;
    tap_map names;      /* name -> value of graph, or TAP_NO_VALUE for an argument not given */
    tap_scope *parent;  /* where names are looked for next (bodies); NULL in functions */
    tap_scope *all;     /* list of all, for the end */
    const char *prefix; /* of full names */
    const tap_src_opset *opsets;
    size_t n_opsets;
    const tap_call *call; /* the function that this is in */
};

#define TAP_CALLED "\n"

typedef struct tap_binder {
    tap_bound *b;
    tap_error *err;
    tap_scope *scopes;
    tap_map functions;  /* "domain:name:overload" -> index; TAP_CALLED "name" -> the first of that name */
    uint64_t nodes_max; /* of all graphs, functions written out */
} tap_binder;

tap_scope *tap_scope_new(tap_binder *bd, tap_graph *g, tap_scope *parent, const char *prefix);
void tap_scopes_free(tap_binder *bd);

/* Room for so many values of g altogether; more are taken as they come. false: no memory. */
bool tap_scope_reserve(tap_binder *bd, tap_graph *g, size_t room);
/* A new value of the scope's graph under that name. TAP_NO_VALUE: failed, error set. */
tap_vid tap_scope_define(tap_binder *bd, tap_scope *s, const char *name);
/* What a name means in s, captured from outer graphs where need be. NO_VALUE with *found: an argument that
 * was not given. */
tap_vid tap_scope_resolve(tap_binder *bd, tap_scope *s, const char *name, bool *found);
/* Opset of a domain; 0: not imported. */
int64_t tap_scope_opset(const tap_scope *s, const char *domain);

tap_graph *tap_graph_new(tap_binder *bd, tap_graph *parent, tap_node *owner, const tap_src_graph *src);
/* Writes out a call: its nodes into the caller's graph. */
tap_status tap_bind_call(tap_binder *bd, tap_scope *s, tap_node *call, const tap_src_function *f);
tap_status tap_bind_nodes(tap_binder *bd, tap_scope *s, const tap_src_node *nodes, size_t n);
tap_status tap_bind_infos(tap_binder *bd, tap_scope *s, const tap_src_value *infos, size_t n);
/* A node of g that hands x on as y. */
tap_status tap_bind_identity(tap_binder *bd, tap_scope *s, const char *address, tap_vid x, tap_vid y);
/* The function that a node calls; NULL: it is an operator. */
const tap_src_function *tap_find_function(const tap_binder *bd, const tap_src_node *n);
/* Looks whether a node without a row is one that a framework or a converter left: says so in n->unsupported,
 * or, where the model's options ask for it, finds the row. */
void tap_find_foreign(tap_binder *bd, tap_node *n);
/* The function of the file that a call of TensorFlow's names (PartitionedCall). NULL: it is no such call, or
 * the file does not have it. */
const tap_src_function *tap_find_called(const tap_binder *bd, const tap_src_node *n);
/* Gives each Merge of TensorFlow's in g the value that chooses among its inputs (merge.c). Errors:
 * TAP_MEMORY. */
tap_status tap_bind_merges(tap_binder *bd, tap_graph *g);
/* The nodes of g as they are bound: those of ONNX Runtime's layout NCHWc know how large a block is (nchwc.c),
 * all others are as in the file. In the arena. Errors: TAP_MEMORY. */
tap_status tap_bind_nchwc(tap_binder *bd, const tap_src_graph *g, const tap_src_node **nodes);
/* Refuses a model whose functions would write out to far more nodes than its file has; sets nodes_max.
 * Errors: TAP_MODEL, TAP_MEMORY. */
tap_status tap_check_expansion(tap_binder *bd);
bool tap_graph_add_node(tap_binder *bd, tap_graph *g, tap_node *n);

#endif
