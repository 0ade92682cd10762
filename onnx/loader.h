/* What the parts of loading share: where they are in the file, failing, memory of the model. */
#ifndef TAP_ONNX_LOADER_H
#define TAP_ONNX_LOADER_H

#include "core/map.h"
#include "graph/source.h"
#include "onnx.pb-c.h"
#include "onnx/load.h"

/* A thing in the model, inside another one. Lives on the stack of the function that loads it. */
typedef struct tap_where {
    const struct tap_where *up;
    const char *what; /* "node", "attribute", "initializer", ... */
    const char *name; /* "" or NULL where it has none */
    const char *op;   /* of a node, else NULL */
    size_t index;     /* among its like: names what has no name */
} tap_where;

typedef struct tap_loader {
    const uint8_t *bytes; /* that spans point into */
    const tap_onnx_folder *folder;
    tap_arena *arena;
    tap_map strings; /* in the arena: of equal ones there is one */
    tap_mapping **mappings;
    const char *last_location; /* of external data, and the file there: most models have one file */
    const tap_mapping *last_file;
    const tap_where *where; /* innermost */
    bool in_function;
    tap_faults *faults; /* NULL: the first fault ends the loading */
    tap_status status;
    tap_error *err;
} tap_loader;

/* Records a failure: where, and what. Always returns false. */
TAP_COLD bool tap_load_fail(tap_loader *l, tap_status code, const char *fmt, ...) TAP_PRINTF(3, 4);
/* Whether loading goes on after a failure: it is noted as a fault. */
bool tap_load_goes_on(tap_loader *l, const char *code);

/* All below return NULL where memory is exhausted, which is recorded then. */

/* Zeroed array in the model's arena. Not NULL for n = 0. */
void *tap_load_make(tap_loader *l, size_t n, size_t each);
/* A copy, one of all equal strings; "" for NULL. */
const char *tap_load_string(tap_loader *l, const char *s);
const char *const *tap_load_strings(tap_loader *l, char *const *strings, size_t n);
const tap_src_pair *tap_load_pairs(tap_loader *l, TapOnnx__StringStringEntryProto *const *pairs, size_t n);
/* "" for the standard's domain, however it is written. */
const char *tap_load_domain(tap_loader *l, const char *domain);

/* onnx/type_proto.c. *dim_names (may be NULL) as tap_src_value says. *known = false where the file says
 * nothing, or names a type that no operator has (sparse tensors, opaque types). */
bool tap_load_type(tap_loader *l, const TapOnnx__TypeProto *p, tap_type *type, const char *const **dim_names,
                   bool *known);
/* number as in TensorProto.DataType; fails for one that ONNX or this library does not know, 0 included. */
bool tap_load_dtype(tap_loader *l, int32_t number, tap_dtype *dtype);

/* onnx/tensor_proto.c, onnx/sparse.c. The tensor's name is copied. */
bool tap_load_tensor(tap_loader *l, const TapOnnx__TensorProto *p, tap_src_tensor *t);
bool tap_load_sparse(tap_loader *l, const TapOnnx__SparseTensorProto *p, tap_src_tensor *t);
/* Elements of t as they lie in memory: out[t->count], each of tap_dtype_bytes. */
void tap_src_store(const tap_src_tensor *t, void *out);

/* onnx/external.c: data of t, whose shape is set, from the file that p names. n_bytes: what the shape takes.
 */
bool tap_load_external(tap_loader *l, const TapOnnx__TensorProto *p, size_t n_bytes, tap_src_tensor *t);

/* onnx/attribute.c, onnx/load.c */
/* *n of them; less afterwards where faults are collected and some could not be read. */
bool tap_load_attributes(tap_loader *l, TapOnnx__AttributeProto *const *p, size_t *n,
                         const tap_src_attr **attrs);
bool tap_load_graph(tap_loader *l, const TapOnnx__GraphProto *p, tap_src_graph *g);

#endif
