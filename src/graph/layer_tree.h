/* The calls of modules that a graph was made from, as a tree: which nodes each has. */
#ifndef TAP_GRAPH_LAYER_TREE_H
#define TAP_GRAPH_LAYER_TREE_H

#include "graph/layer_names.h"

/* One call of a module (a layer, a model in a model). */
typedef struct tap_module {
    int32_t parent;     /* -1: the outermost */
    const char *raw;    /* path in the file */
    const char *piece;  /* last piece of it */
    const char *around; /* in scopes: the name of what the piece is counted in */
    const char *name;   /* the layer's, with those around it; NULL: the model itself, or not a layer */
    const char *kind;   /* class; NULL: not told */
    int32_t call;
    int32_t again;       /* calls of it before, in the same call of what is around it */
    int32_t first, last; /* positions of its first and last node, those of modules in it included; -1: none */
    int32_t n_inner;     /* modules in it */
    int32_t pooler;      /* the module in it of that name; -1: none */
    bool merged_away;    /* its work went into weights of another */
    int32_t carrier;     /* merged away: the module that has its work; -1: not known */
} tap_module;

typedef struct tap_layer_tree {
    tap_dialect dialect;
    tap_module *modules;
    size_t n, room;
    bool grouped;     /* TFLite: a name may be that of several operations which run as one */
    bool reentered;   /* TensorFlow before Keras 3: all calls of a layer are in one scope */
    bool rounded;     /* TFLite with integers: no value is what the framework computed */
    int32_t *of_node; /* by position in the main graph: the innermost module; -1: none */
    tap_map by_raw;
} tap_layer_tree;

/* From names, metadata and weights. Memory is from arena but for the map, which tap_layer_tree_free gives
 * back. Errors: TAP_MEMORY. */
tap_status tap_layer_tree_build(const tap_bound *b, tap_arena *arena, tap_layer_tree *t, tap_error *err);
void tap_layer_tree_free(tap_layer_tree *t);

/* Places the nodes whose names do not tell where they belong. Part of building. false: no memory. */
bool tap_place_unnamed(const tap_bound *b, tap_arena *arena, tap_layer_tree *t);

/* Whether `inner` is module m or lies in it. */
bool tap_module_has(const tap_layer_tree *t, int32_t m, int32_t inner);

#endif
