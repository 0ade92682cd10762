/* What runs, and may not mean what its author thinks; or what other tools get wrong. */
#include <math.h>
#include <string.h>

#include "check/check.h"

typedef void node_rule(tap_checker *c, const tap_graph *g, const tap_node *n);

static void each_node(tap_checker *c, node_rule *rule) {
    for (size_t i = 0; i < c->b->n_graphs; i++)
        for (size_t k = 0; k < c->b->graphs[i]->n_nodes && !c->no_memory; k++)
            rule(c, c->b->graphs[i], c->b->graphs[i]->nodes[k]);
}

static const tap_gvalue *input(const tap_graph *g, const tap_node *n, int32_t i) {
    return i < n->n_in && n->in[i] != TAP_NO_VALUE ? &g->values[n->in[i]] : NULL;
}

static const tap_src_attr *attribute(const tap_node *n, const char *name) {
    for (int32_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].src->name, name) == 0) return n->attrs[i].src;
    return NULL;
}

/* ---- Pad in front of MaxPool ---- */

static void check_pool(tap_checker *c, const tap_graph *g, const tap_node *n) {
    if (!tap_check_is(n, "MaxPool") || n->n_in < 1) return;
    const tap_node *pad = tap_check_producer(g, n->in[0]);
    if (!tap_check_is(pad, "Pad")) return;
    const tap_src_attr *mode = attribute(pad, "mode");
    if (mode && !(mode->u.s.n == 8 && memcmp(mode->u.s.s, "constant", 8) == 0)) return;
    tap_check_add(c, TAP_SEVERITY_NOTE, "pad-before-maxpool", n, NULL,
                  "check the result of an optimised model; onnxtap runs it as it says",
                  "MaxPool '%s' is behind Pad '%s', which pads with a number: some optimisers make it the "
                  "MaxPool's own padding, "
                  "which is minus infinity, and so give other results for negative values",
                  n->address, pad->address);
}

void tap_check_pad_then_pool(tap_checker *c) {
    each_node(c, check_pool);
}

/* ---- Casts and divisions ---- */

static bool is_whole(const tap_node *n) {
    static const char *const ops[] = {"Round", "Floor", "Ceil", "Cast", "QuantizeLinear"};
    for (size_t i = 0; i < TAP_COUNT_OF(ops); i++)
        if (tap_check_is(n, ops[i])) return true;
    return false;
}

static bool is_signed(tap_dtype t) {
    return t == TAP_INT8 || t == TAP_INT16 || t == TAP_INT32 || t == TAP_INT64;
}
static bool is_integer(tap_dtype t) {
    return is_signed(t) || t == TAP_UINT8 || t == TAP_UINT16 || t == TAP_UINT32 || t == TAP_UINT64;
}

static void check_cast(tap_checker *c, const tap_graph *g, const tap_node *n) {
    const tap_gvalue *x = input(g, n, 0);
    const tap_src_attr *to = attribute(n, "to");
    if (!tap_check_is(n, "Cast") || !x || !to || to->kind != TAP_ATTR_INT) return;
    if (!tap_check_is_float(x->type.dtype) || !is_integer((tap_dtype)to->u.i)) return;
    if (is_whole(tap_check_producer(g, n->in[0]))) return;
    tap_check_add(c, TAP_SEVERITY_NOTE, "cast-truncates", n, x,
                  "put a Round in front of it where the nearest integer is meant",
                  "Cast '%s' from %s to %s cuts towards zero: 2.9999 becomes 2", n->address,
                  tap_dtype_name(x->type.dtype), tap_dtype_name((tap_dtype)to->u.i));
}

void tap_check_truncation(tap_checker *c) {
    each_node(c, check_cast);
}

static void check_div(tap_checker *c, const tap_graph *g, const tap_node *n) {
    const tap_gvalue *x = input(g, n, 0);
    const tap_src_attr *fmod = attribute(n, "fmod");
    if (!x || !is_signed(x->type.dtype) || (!tap_check_is(n, "Div") && !tap_check_is(n, "Mod"))) return;
    bool truncates = tap_check_is(n, "Div") || (fmod && fmod->u.i != 0);
    tap_check_add(
        c, TAP_SEVERITY_NOTE, "integer-division", n, x,
        "compare with the framework's result for a negative number where one can come",
        truncates ? "%s '%s' of %s truncates towards zero, as in C; TensorFlow's and Python's // and %% floor"
                  : "%s '%s' of %s has the sign of the divisor, as in Python; C's has that of the dividend",
        n->src->op, n->address, tap_dtype_name(x->type.dtype));
}

void tap_check_division(tap_checker *c) {
    each_node(c, check_div);
}

/* ---- Quantisation parameters ---- */

/* Where an operator has its scales: input numbers, -1 for none. */
typedef struct scaled {
    const char *op;
    int scales[3];
} scaled;

static const scaled scaled_ops[] = {{"QuantizeLinear", {1, -1, -1}},
                                    {"DequantizeLinear", {1, -1, -1}},
                                    {"QLinearConv", {1, 4, 6}},
                                    {"QLinearMatMul", {1, 4, 6}}};

static void check_scale(tap_checker *c, const tap_node *n, const tap_gvalue *v) {
    const tap_src_tensor *t = v->init;
    for (int64_t i = 0; t && tap_check_is_float(t->dtype) && i < t->count; i++) {
        double x = tap_check_element(t, i);
        if (isfinite(x) && x > 0) continue;
        tap_check_add(c, x == 0 ? TAP_SEVERITY_WARNING : TAP_SEVERITY_ERROR, "quantization-scale", n, v,
                      x == 0 ? "the range was empty when it was measured: calibrate with data that reaches "
                               "this value, or set 1"
                             : "a scale is finite and above 0: calibrate again",
                      "scale '%s' of node '%s' (%s) is %g at %lld", v->full, n->address, n->src->op, x,
                      (long long)i);
        return;
    }
}

static void check_scales(tap_checker *c, const tap_graph *g, const tap_node *n) {
    for (size_t i = 0; i < TAP_COUNT_OF(scaled_ops); i++)
        for (int k = 0; tap_check_is(n, scaled_ops[i].op) && k < 3; k++) {
            const tap_gvalue *v = scaled_ops[i].scales[k] < 0 ? NULL : input(g, n, scaled_ops[i].scales[k]);
            if (v) check_scale(c, n, v);
        }
}

void tap_check_scales(tap_checker *c) {
    each_node(c, check_scales);
}
