/* A piece of a model's main graph as a model of its own: what is computed from some values up to others. It
 * can be run on other values than the model's, and changed before. */
#ifndef TAP_DIFF_SEGMENT_H
#define TAP_DIFF_SEGMENT_H

#include "graph/graph.h"

typedef struct tap_segment {
    tap_arena *arena;    /* of everything in it; what is bigger is borrowed from the model */
    tap_graph *graph;    /* the main graph that it was cut from */
    tap_src_model model; /* what runs. Names are full names of values; graph.inputs have no types yet */
    tap_src_node *nodes; /* model.graph.nodes: its own copy, to be changed; node i is from[i]'s */
    tap_node **from;
    size_t n_nodes;
    tap_vid *in,
        *out; /* what is given and what is wanted: graph.inputs, graph.outputs; TAP_NO_VALUE: added */
    size_t n_in, n_out;
} tap_segment;

/* What a value of the main graph is to the cut. */
enum tap_cut { TAP_CUT_GIVEN = 1, TAP_CUT_WANTED = 2 };

/* Cuts out what is needed for the WANTED values when the GIVEN ones, graph inputs and initializers are there.
 * marks: by value. A wanted value is computed even if it is given. Errors: TAP_UNSUPPORTED, where the piece
 * cannot be written as a graph (bodies of functions; two versions of an operator set); TAP_MEMORY. */
tap_status tap_segment_cut(const tap_bound *b, tap_arena *arena, const uint8_t *marks, tap_segment *out,
                           tap_error *err);
/* A copy that can be changed without changing s: nodes with their lists of inputs, outputs and attributes,
 * initializers (their data is shared). false: no memory. */
bool tap_segment_copy(const tap_segment *s, tap_arena *arena, tap_segment *out);

/* ---- changes, to a copy; all return NULL or false where there is no memory ---- */

/* Room for a node in front of position at; its fields are zero. */
tap_src_node *tap_segment_insert(tap_segment *s, size_t at);
/* An initializer; data lives as long as the arena. */
tap_src_tensor *tap_segment_init(tap_segment *s, const char *name, tap_dtype dtype, int rank,
                                 const int64_t *dims, const void *data);
/* The initializer of that name in the segment; NULL: none. */
const tap_src_tensor *tap_segment_find_init(const tap_segment *s, const char *name);
/* Replaces or adds the attribute of node i. */
bool tap_segment_set_attr(tap_segment *s, size_t node, tap_src_attr attr);
bool tap_segment_drop_attr(tap_segment *s, size_t node, const char *name);
const tap_src_attr *tap_segment_attr(const tap_segment *s, size_t node, const char *name);
/* From node `from` on, every use of value a is one of value b. */
bool tap_segment_rename_uses(tap_segment *s, size_t from, const char *a, const char *b);
/* One more input; its value comes last. */
bool tap_segment_add_input(tap_segment *s, const char *name);
/* Value a, which a node in front of position at makes, is called b from there on: by the nodes and as an
 * output. */
bool tap_segment_replace(tap_segment *s, size_t at, const char *a, const char *b);
/* A node with these inputs and this output, in front of position at. */
tap_src_node *tap_segment_node(tap_segment *s, size_t at, const char *op, const char *const *in, size_t n_in,
                               const char *out);
/* A name that nothing in the segment has. */
const char *tap_segment_name(tap_segment *s, const char *base);

#endif
