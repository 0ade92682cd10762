/* ONNX messages written by hand, for the tests of loading. Each returns a new message for pb_msg to take. */
#ifndef TAP_TESTS_UNIT_PB_ONNX_H
#define TAP_TESTS_UNIT_PB_ONNX_H

#include "pb.h"

static inline pb *pb_pair(const char *key, const char *value) {
    pb *p = pb_new();
    pb_str(p, 1, key);
    pb_str(p, 2, value);
    return p;
}

/* A tensor of rank n without values. */
static inline pb *pb_tensor(const char *name, int dtype, int n, const int64_t *dims) {
    pb *p = pb_new();
    for (int i = 0; i < n; i++) pb_int(p, 1, dims[i]);
    pb_int(p, 2, dtype);
    if (name) pb_str(p, 8, name);
    return p;
}

/* A tensor of rank 1 with raw_data. */
static inline pb *pb_raw_tensor(const char *name, int dtype, int64_t n, const void *raw, size_t n_bytes) {
    pb *p = pb_tensor(name, dtype, 1, &n);
    pb_bytes(p, 9, raw, n_bytes);
    return p;
}

static inline pb *pb_tensor_type(int dtype, int n, const int64_t *dims) {
    pb *t = pb_new(), *shape = pb_new(), *type = pb_new();
    pb_int(t, 1, dtype);
    for (int i = 0; i < n; i++) {
        pb *d = pb_new();
        pb_int(d, 1, dims[i]);
        pb_msg(shape, 1, d);
    }
    if (n >= 0)
        pb_msg(t, 2, shape);
    else
        free(shape);
    pb_msg(type, 1, t);
    return type;
}

/* field: of TypeProto; 4 sequence, 9 optional. */
static inline pb *pb_type_of(uint32_t field, pb *elem) {
    pb *s = pb_new(), *type = pb_new();
    pb_msg(s, 1, elem);
    pb_msg(type, field, s);
    return type;
}

static inline pb *pb_value(const char *name, pb *type) {
    pb *p = pb_new();
    pb_str(p, 1, name);
    if (type) pb_msg(p, 2, type);
    return p;
}

static inline pb *pb_node(const char *op, const char *name) {
    pb *p = pb_new();
    pb_str(p, 4, op);
    if (name) pb_str(p, 3, name);
    return p;
}

/* type 0: left out. */
static inline pb *pb_attr(const char *name, int type) {
    pb *p = pb_new();
    pb_str(p, 1, name);
    if (type) pb_int(p, 20, type);
    return p;
}

static inline pb *pb_opset(const char *domain, int64_t version) {
    pb *p = pb_new();
    if (domain) pb_str(p, 1, domain);
    pb_int(p, 2, version);
    return p;
}

static inline pb *pb_model(int64_t ir, int64_t opset, pb *graph) {
    pb *p = pb_new();
    pb_int(p, 1, ir);
    if (opset) pb_msg(p, 8, pb_opset(NULL, opset));
    if (graph) pb_msg(p, 7, graph);
    return p;
}

static inline pb *pb_model_with_initializer(pb *tensor) {
    pb *g = pb_new();
    pb_msg(g, 5, tensor);
    return pb_model(14, 24, g);
}

static inline pb *pb_model_with_node(pb *node) {
    pb *g = pb_new();
    pb_msg(g, 1, node);
    return pb_model(14, 24, g);
}

#endif
