/* What a model file says, without protobuf: onnx/ writes it, src/graph binds it. Everything lives in the
 * model's arena or in the mapped files; all pointers are valid as long as the model. Absent strings are "".
 */
#ifndef TAP_GRAPH_SOURCE_H
#define TAP_GRAPH_SOURCE_H

#include "core/memory.h"
#include "onnxtap/op.h"

typedef struct tap_src_graph tap_src_graph;

typedef struct tap_src_pair {
    const char *key, *value;
} tap_src_pair;

/* How the elements of a stored tensor lie. */
typedef enum tap_encoding {
    TAP_STORED,       /* as in memory (sub-byte unpacked; strings as tap_string), aligned */
    TAP_LITTLE_ENDIAN /* as in raw_data: little-endian, at any address, sub-byte types packed */
} tap_encoding;

typedef struct tap_src_tensor {
    const char *name;
    tap_dtype dtype;
    int32_t rank;
    int64_t dims[TAP_RANK_MAX];
    int64_t count;    /* product of dims */
    const void *data; /* never NULL */
    size_t n_bytes;   /* checked by the loader against count and dtype */
    tap_encoding encoding;
    bool external;
    const char *location; /* external: the file it lies in */
    bool shared;          /* data lies with another model that has the same */
    bool missing; /* only where faults are collected: its values could not be read, n_bytes is what there
                     would be */
} tap_src_tensor;

typedef struct tap_src_value {
    const char *name;
    bool has_type;
    tap_type type;
    const char *const *dim_names; /* NULL, or rank entries, NULL where the dimension has no name */
    const tap_src_pair *metadata;
    size_t n_metadata;
} tap_src_value;

/* As AttributeProto.AttributeType. */
typedef enum tap_attr_kind {
    TAP_ATTR_NONE = 0,
    TAP_ATTR_FLOAT = 1,
    TAP_ATTR_INT,
    TAP_ATTR_STRING,
    TAP_ATTR_TENSOR,
    TAP_ATTR_GRAPH,
    TAP_ATTR_FLOATS,
    TAP_ATTR_INTS,
    TAP_ATTR_STRINGS,
    TAP_ATTR_TENSORS,
    TAP_ATTR_GRAPHS,
    TAP_ATTR_SPARSE_TENSOR,
    TAP_ATTR_SPARSE_TENSORS,
    TAP_ATTR_TYPE,
    TAP_ATTR_TYPES
} tap_attr_kind;

typedef struct tap_src_attr {
    const char *name;
    tap_attr_kind kind;
    const char *ref; /* in a function's node: the attribute of the call that gives the value */
    size_t n;        /* of the list kinds; 1 else */
    union {
        float f;
        int64_t i;
        tap_string s;
        const float *floats;
        const int64_t *ints;
        const tap_string *strings;
        const tap_src_tensor *tensors;      /* TENSOR(S); SPARSE ones made dense */
        const tap_src_graph *const *graphs; /* GRAPH(S) */
        const tap_type *types;              /* TYPE(S) */
    } u;
} tap_src_attr;

typedef struct tap_src_node {
    const char *name, *op, *domain, *overload;  /* domain "" for ai.onnx, whichever way it was written */
    const char *const *inputs, *const *outputs; /* "" = absent */
    size_t n_inputs, n_outputs;
    const tap_src_attr *attrs;
    size_t n_attrs;
    const tap_src_pair *metadata;
    size_t n_metadata;
    bool faulty; /* only where faults are collected: an attribute could not be read, and is left out */
} tap_src_node;

/* A tensor's quantisation parameters by role (SCALE_TENSOR, ZERO_POINT_TENSOR). */
typedef struct tap_src_quant {
    const char *tensor;
    const tap_src_pair *params;
    size_t n_params;
} tap_src_quant;

struct tap_src_graph {
    const char *name, *doc;
    const tap_src_node *nodes;
    const tap_src_value *inputs, *outputs, *infos;
    const tap_src_tensor *inits; /* sparse ones too, made dense */
    const tap_src_quant *quants;
    const tap_src_pair *metadata;
    size_t n_nodes, n_inputs, n_outputs, n_infos, n_inits, n_quants, n_metadata;
};

typedef struct tap_src_opset {
    const char *domain; /* "" for ai.onnx */
    int64_t version;
} tap_src_opset;

typedef struct tap_src_function {
    const char *name, *domain, *overload;
    const char *const *inputs, *const *outputs, *const *attr_names; /* attributes without a default */
    const tap_src_attr *attr_defaults;                              /* attributes with one */
    const tap_src_node *nodes;
    const tap_src_value *infos;
    const tap_src_opset *opsets;
    size_t n_inputs, n_outputs, n_attr_names, n_attr_defaults, n_nodes, n_infos, n_opsets;
} tap_src_function;

typedef struct tap_src_model {
    int64_t ir_version, model_version;
    const char *producer_name, *producer_version, *domain, *doc;
    const tap_src_opset *opsets;
    const tap_src_function *functions;
    const tap_src_pair *metadata;
    tap_src_graph graph;
    size_t n_opsets, n_functions, n_metadata;
} tap_src_model;

#endif
