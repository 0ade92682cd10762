/* A model of one node, made, run and compared: for tests of what an operator means and of what it refuses.
 *
 *     node_test t;
 *     node_begin(&t, "Slice", 13, 1);
 *     node_in(&t, TAP_FLOAT, "4", NUMS(1, 2, 3, 4));
 *     node_const(&t, TAP_INT64, "1", NUMS(-2));
 *     node_const(&t, TAP_INT64, "1", NUMS(INT32_MAX));
 *     node_gives(&t, 0, TAP_FLOAT, "2", NUMS(3, 4));
 *     node_end(&t); */
#ifndef TAP_TESTS_UNIT_NODE_H
#define TAP_TESTS_UNIT_NODE_H

#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/half.h"
#include "core/tensor.h"
#include "pb_onnx.h"
#include "test.h"

#define NUMS(...)      \
    (const double[]) { \
        __VA_ARGS__    \
    }
#define STRS(...)           \
    (const char *const[]) { \
        __VA_ARGS__         \
    }
#define INTS(...)                                                       \
    TAP_COUNT_OF(((const int64_t[]){__VA_ARGS__})), (const int64_t[]) { \
        __VA_ARGS__                                                     \
    }

typedef struct node_test {
    pb *node, *graph;
    int64_t opset;
    const char *domain; /* NULL: ai.onnx; else that, opset `version`, and ai.onnx of `opset` */
    int64_t version;
    int n_in, n_out;
    tap_value *values[8];
    bool fed[8], ran;
    tap_status status;
    tap_error err;
    tap_model *model;
    tap_session *session;
} node_test;

static inline void node_begin(node_test *t, const char *op, int64_t opset, int n_out) {
    *t = (node_test){
        .node = pb_node(op, "n"), .graph = pb_new(), .opset = opset, .version = 1, .n_out = n_out};
    t->err = (tap_error)TAP_ERROR_INIT;
}

static inline void node_domain(node_test *t, const char *domain) {
    pb_str(t->node, 7, domain);
    t->domain = domain;
}

static inline void node_int(node_test *t, const char *name, int64_t v) {
    pb *a = pb_attr(name, 2);
    pb_int(a, 3, v);
    pb_msg(t->node, 5, a);
}

static inline void node_float(node_test *t, const char *name, float v) {
    pb *a = pb_attr(name, 1);
    pb_float(a, 2, v);
    pb_msg(t->node, 5, a);
}

static inline void node_string(node_test *t, const char *name, const char *v) {
    pb *a = pb_attr(name, 3);
    pb_str(a, 4, v);
    pb_msg(t->node, 5, a);
}

/* node_ints(&t, "axes", INTS(0, 2)); */
static inline void node_ints(node_test *t, const char *name, size_t n, const int64_t *v) {
    pb *a = pb_attr(name, 7);
    for (size_t i = 0; i < n; i++) pb_int(a, 8, v[i]);
    pb_msg(t->node, 5, a);
}

static inline void node_floats(node_test *t, const char *name, size_t n, const double *v) {
    pb *a = pb_attr(name, 6);
    for (size_t i = 0; i < n; i++) pb_float(a, 7, (float)v[i]);
    pb_msg(t->node, 5, a);
}

/* ---- Tensors: dims as "2,3" ("" is a scalar), numbers as doubles ---- */

static inline int node_dims(const char *s, int64_t *dims) {
    int rank = 0;
    while (*s) {
        char *end;
        dims[rank++] = strtoll(s, &end, 10);
        s = *end ? end + 1 : end;
    }
    return rank;
}

static inline void node_store(tap_dtype dtype, void *data, int64_t i, double v) {
    float f = (float)v;
    switch (dtype) {
    case TAP_FLOAT: ((float *)data)[i] = f; break;
    case TAP_DOUBLE: ((double *)data)[i] = v; break;
    case TAP_FLOAT16:
    case TAP_BFLOAT16: tap_floats_from_f32(dtype, 1, &f, (uint16_t *)data + i); break;
    case TAP_BOOL:
    case TAP_UINT8: ((uint8_t *)data)[i] = (uint8_t)v; break;
    case TAP_INT8: ((int8_t *)data)[i] = (int8_t)v; break;
    case TAP_INT16: ((int16_t *)data)[i] = (int16_t)v; break;
    case TAP_UINT16: ((uint16_t *)data)[i] = (uint16_t)v; break;
    case TAP_INT32: ((int32_t *)data)[i] = (int32_t)v; break;
    case TAP_UINT32: ((uint32_t *)data)[i] = (uint32_t)v; break;
    case TAP_INT64: ((int64_t *)data)[i] = v >= 0x1p63 ? INT64_MAX : (int64_t)v; break;
    case TAP_UINT64: ((uint64_t *)data)[i] = (uint64_t)v; break;
    case TAP_COMPLEX64: memcpy((float *)data + 2 * i, (float[2]){f, 0}, 2 * sizeof f); break;
    case TAP_COMPLEX128: memcpy((double *)data + 2 * i, (double[2]){v, 0}, 2 * sizeof v); break;
    default: abort();
    }
}

static inline tap_value *node_numbers(tap_dtype dtype, const char *shape, const double *v) {
    int64_t dims[TAP_RANK_MAX];
    int rank = node_dims(shape, dims);
    tap_value *x;
    if (tap_value_new(dtype, rank, dims, &x, NULL)) abort();
    for (int64_t i = 0; i < x->tensor.count; i++) node_store(dtype, x->tensor.data, i, v[i]);
    return x;
}

static inline tap_value *node_texts(const char *shape, const char *const *v) {
    int64_t dims[TAP_RANK_MAX];
    int rank = node_dims(shape, dims);
    tap_value *x;
    if (tap_value_new(TAP_STRING, rank, dims, &x, NULL)) abort();
    for (int64_t i = 0; i < x->tensor.count; i++) tap_value_set_string(x, i, v[i], strlen(v[i]), NULL);
    return x;
}

static inline const char *node_name(char *room, char kind, int i) {
    room[0] = kind;
    room[1] = (char)('0' + i);
    room[2] = '\0';
    return room;
}

/* An input of the graph; its dims are declared unknown where `open`. */
static inline void node_value(node_test *t, tap_value *x, bool open) {
    char room[3];
    const char *name = node_name(room, 'x', t->n_in);
    int64_t dims[TAP_RANK_MAX];
    for (int i = 0; i < x->tensor.rank; i++) dims[i] = x->tensor.dims[i];
    pb_str(t->node, 1, name);
    pb_msg(t->graph, 11,
           pb_value(name, pb_tensor_type((int)x->tensor.dtype, open ? -1 : x->tensor.rank, dims)));
    t->fed[t->n_in] = true;
    t->values[t->n_in++] = x;
}

static inline void node_in(node_test *t, tap_dtype dtype, const char *shape, const double *v) {
    node_value(t, node_numbers(dtype, shape, v), false);
}

static inline void node_in_open(node_test *t, tap_dtype dtype, const char *shape, const double *v) {
    node_value(t, node_numbers(dtype, shape, v), true);
}

static inline void node_in_strings(node_test *t, const char *shape, const char *const *v) {
    node_value(t, node_texts(shape, v), false);
}

/* An initializer. */
static inline void node_const(node_test *t, tap_dtype dtype, const char *shape, const double *v) {
    char room[3];
    tap_value *x = node_numbers(dtype, shape, v);
    pb *p = pb_tensor(node_name(room, 'x', t->n_in), (int)dtype, x->tensor.rank, x->tensor.dims);
    pb_bytes(p, 9, x->tensor.data, tap_tensor_bytes(&x->tensor));
    pb_msg(t->graph, 5, p);
    pb_str(t->node, 1, room);
    t->values[t->n_in++] = x;
}

static inline void node_absent(node_test *t) {
    pb_str(t->node, 1, "");
    t->n_in++;
}

/* ---- Running, once ---- */

static inline void node_run(node_test *t) {
    char room[3];
    tap_input inputs[8];
    size_t n = 0;
    if (t->ran) return;
    t->ran = true;
    for (int i = 0; i < t->n_out; i++) {
        pb_str(t->node, 2, node_name(room, 'y', i));
        pb_msg(t->graph, 12, pb_value(room, NULL));
    }
    pb_msg(t->graph, 1, t->node);
    pb_str(t->graph, 2, "g");
    pb *m = pb_model(13, t->opset, t->graph);
    if (t->domain) pb_msg(m, 8, pb_opset(t->domain, t->version));
    t->node = NULL;
    static const char *const names[] = {"x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"};
    for (int i = 0; i < t->n_in; i++)
        if (t->fed[i]) inputs[n++] = (tap_input){names[i], t->values[i]};
    tap_session_options options = {.size = sizeof options, .threads = 2};
    t->status = tap_model_open_memory(m->b, m->n, NULL, &t->model, &t->err);
    if (!t->status) t->status = tap_session_new(t->model, &options, &t->session, &t->err);
    if (!t->status) t->status = tap_session_run(t->session, inputs, n, &t->err);
    free(m);
}

static inline void node_same(const tap_tensor *y, const tap_tensor *want) {
    size_t width = tap_dtype_bytes(want->dtype);
    CHECK_EQ(y->dtype, want->dtype);
    CHECK_EQ(y->rank, want->rank);
    for (int i = 0; i < want->rank && y->rank == want->rank; i++) CHECK_EQ(y->dims[i], want->dims[i]);
    if (y->count != want->count || y->dtype != want->dtype) return;
    for (int64_t i = 0; i < y->count; i++) {
        const tap_string *s = (const tap_string *)y->data + i, *w = (const tap_string *)want->data + i;
        bool same = y->dtype == TAP_STRING
                        ? s->n == w->n && memcmp(s->s ? s->s : "", w->s ? w->s : "", s->n) == 0
                        : memcmp((const char *)y->data + (size_t)i * width,
                                 (const char *)want->data + (size_t)i * width, width) == 0;
        if (!same && y->dtype == TAP_FLOAT) {
            float a = ((const float *)y->data)[i], b = ((const float *)want->data)[i];
            same = fabsf(a - b) <= 1e-6f * fmaxf(1, fabsf(b)) || (isnan(a) && isnan(b));
        }
        if (!same) printf("  element %lld of %lld differs\n", (long long)i, (long long)y->count);
        CHECK(same);
    }
}

/* Output i is this; floats to 1e-6. */
static inline void node_gives_value(node_test *t, int i, tap_value *want) {
    node_run(t);
    CHECK_STR(t->err.text, "");
    const tap_tensor *y = t->session ? tap_value_tensor(tap_session_output(t->session, (size_t)i)) : NULL;
    CHECK(y != NULL);
    if (y) node_same(y, &want->tensor);
    tap_value_release(want);
}

static inline void node_gives(node_test *t, int i, tap_dtype dtype, const char *shape, const double *v) {
    node_gives_value(t, i, node_numbers(dtype, shape, v));
}

static inline void node_gives_strings(node_test *t, int i, const char *shape, const char *const *v) {
    node_gives_value(t, i, node_texts(shape, v));
}

/* It fails with this status, and the message has this part. */
static inline void node_fails(node_test *t, tap_status status, const char *part) {
    node_run(t);
    CHECK_EQ(t->status, status);
    if (!strstr(t->err.text, part)) printf("  message: %s\n", t->err.text);
    CHECK(strstr(t->err.text, part) != NULL);
}

/* What is known of output i before any input is: "float32[?,64]". */
static inline void node_is_known_as(node_test *t, int i, const char *type) {
    char room[256];
    tap_text text = {room, sizeof room, 0};
    node_run(t);
    if (!t->model) return;
    tap_text_type(&text, tap_model_output(t->model, (size_t)i)->type);
    CHECK_STR(room, type);
}

static inline void node_end(node_test *t) {
    node_run(t);
    tap_session_free(t->session);
    tap_model_free(t->model);
    for (int i = 0; i < t->n_in; i++) tap_value_release(t->values[i]);
}

#endif
