/* What runs, and may not mean what its author thinks; or what other tools get wrong. */
#include <math.h>
#include <string.h>

#include "check/check.h"

/* ---- Pad in front of MaxPool ---- */

/* Minus infinity is what a MaxPool pads with, too. */
static bool pads_with_lowest(const tap_graph *g, const tap_node *pad) {
    const tap_src_attr *value = tap_check_attribute(pad, "value");
    const tap_gvalue *x = tap_check_input(g, pad, 2);
    if (value && value->kind == TAP_ATTR_FLOAT) return value->u.f == -INFINITY;
    return x && x->init && tap_check_is_float(x->init->dtype) && x->init->count == 1 &&
           tap_check_element(x->init, 0) == -INFINITY;
}

static void check_pool(tap_checker *c, const tap_graph *g, const tap_node *n) {
    if (!tap_check_is(n, "MaxPool") || n->n_in < 1) return;
    const tap_node *pad = tap_check_producer(g, n->in[0]);
    if (!tap_check_is(pad, "Pad")) return;
    const tap_src_attr *mode = tap_check_attribute(pad, "mode");
    if (mode && !(mode->u.s.n == 8 && memcmp(mode->u.s.s, "constant", 8) == 0)) return;
    if (pads_with_lowest(g, pad)) return;
    tap_check_add(c, TAP_SEVERITY_NOTE, "pad-before-maxpool", n, NULL,
                  "check the result of an optimised model; onnxtap runs it as it says",
                  "MaxPool '%s' is behind Pad '%s', which pads with a number: some optimisers make it the "
                  "MaxPool's own padding, "
                  "which is minus infinity, and so give other results for negative values",
                  n->address, pad->address);
}

void tap_check_pad_then_pool(tap_checker *c) {
    tap_check_each_node(c, check_pool);
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
    const tap_gvalue *x = tap_check_input(g, n, 0);
    const tap_src_attr *to = tap_check_attribute(n, "to");
    if (!tap_check_is(n, "Cast") || !x || !to || to->kind != TAP_ATTR_INT) return;
    if (!tap_check_is_float(x->type.dtype) || !is_integer((tap_dtype)to->u.i)) return;
    if (is_whole(tap_check_producer(g, n->in[0]))) return;
    tap_check_add(c, TAP_SEVERITY_NOTE, "cast-truncates", n, x,
                  "put a Round in front of it where the nearest integer is meant",
                  "Cast '%s' from %s to %s cuts towards zero: 2.9999 becomes 2", n->address,
                  tap_dtype_name(x->type.dtype), tap_dtype_name((tap_dtype)to->u.i));
}

void tap_check_truncation(tap_checker *c) {
    tap_check_each_node(c, check_cast);
}

static void check_div(tap_checker *c, const tap_graph *g, const tap_node *n) {
    const tap_gvalue *x = tap_check_input(g, n, 0);
    const tap_src_attr *fmod = tap_check_attribute(n, "fmod");
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
    tap_check_each_node(c, check_div);
}
