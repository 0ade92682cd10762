/* How exporters write the place of a node in the framework's model: names of nodes and values, metadata. */
#ifndef TAP_GRAPH_LAYER_NAMES_H
#define TAP_GRAPH_LAYER_NAMES_H

#include "graph/graph.h"

typedef enum tap_dialect {
    TAP_DIALECT_NODES,  /* nothing known: a node is a layer */
    TAP_DIALECT_TF,     /* tf2onnx, keras2onnx: scope/scope/Op:0 */
    TAP_DIALECT_SCOPES, /* PyTorch's exporter by tracing: /module/module.0/Op */
    TAP_DIALECT_FX      /* PyTorch's exporter by torch.export: node metadata */
} tap_dialect;

tap_dialect tap_dialect_of(const tap_bound *b);

/* A text in parts: pieces of a scope. */
typedef struct tap_path {
    const char **pieces;
    size_t n;
} tap_path;

/* The modules around a node, outermost first; n 0: it stands outside of all, or nothing tells. false: no
 * memory. */
bool tap_path_of_node(tap_dialect d, const tap_node *n, tap_arena *a, tap_path *out);
/* The classes of the same modules; n 0: not told. */
bool tap_kinds_of_node(tap_dialect d, const tap_node *n, tap_arena *a, tap_path *out);
/* The modules in the name of a value or of an initializer, as TensorFlow's exporters write them. */
bool tap_path_of_name(const char *name, tap_arena *a, tap_path *out);

/* TFLite names what it runs as one "a/Relu;b/batchnorm/add;c/convolution". The one of those names whose layer
 * has the result: before the group's activation, or behind it. n: its length. */
const char *tap_name_of_step(const char *name, bool activation, size_t *n);
/* Whether the first operation of such a name is a layer's product with its weights. */
bool tap_name_is_product(const char *name);
/* Whether a name of several begins with the bias of a layer before: TFLite multiplies that into the next
 * one's. */
bool tap_name_has_foreign_bias(const char *name);

/* "conv_12" -> 12, and the length of "conv"; -1: no such ending. */
int32_t tap_name_number(const char *name, size_t n, size_t *stem);
/* A name that an exporter made up: Conv__33, const_fold_opt__5, onnx::Conv_31. */
bool tap_name_is_made_up(const char *name);
/* The name of a kernel into which TensorFlow's exporters multiplied what comes behind its product. */
bool tap_name_is_merged(const char *name);
/* The value of a metadata key; NULL: there is none. */
const char *tap_node_metadata(const tap_node *n, const char *key);

#endif
