/* The numbers among quantisation parameters. Their shapes and types are a matter of the operators' inference.
 */
#include <math.h>
#include <string.h>

#include "check/check.h"

/* Where an operator has a scale and its zero point: input numbers. */
typedef struct quantized {
    const char *op;
    int scale, zero_point;
} quantized;

static const quantized table[] = {
    {"QuantizeLinear", 1, 2}, {"DequantizeLinear", 1, 2}, {"QLinearConv", 1, 2},   {"QLinearConv", 4, 5},
    {"QLinearConv", 6, 7},    {"QLinearMatMul", 1, 2},    {"QLinearMatMul", 4, 5}, {"QLinearMatMul", 6, 7},
};

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

/* What has 32 bits has no zero point. */
static void check_zero(tap_checker *c, const tap_node *n, const tap_gvalue *v) {
    const tap_src_tensor *t = v->init;
    if (!t || t->dtype != TAP_INT32 || t->missing) return;
    for (int64_t i = 0; i < t->count; i++) {
        int32_t x;
        memcpy(&x, (const char *)t->data + (size_t)i * sizeof x, sizeof x);
        if (x == 0) continue;
        tap_check_add(c, TAP_SEVERITY_WARNING, "quantization-zero-point", n, v,
                      "an int32 has its zero at 0: leave the zero point out",
                      "zero point '%s' of node '%s' (%s) is %d at %lld, and what it quantises is int32",
                      v->full, n->address, n->src->op, (int)x, (long long)i);
        return;
    }
}

static void check_node(tap_checker *c, const tap_graph *g, const tap_node *n) {
    for (size_t i = 0; i < TAP_COUNT_OF(table); i++) {
        if (!tap_check_is(n, table[i].op)) continue;
        const tap_gvalue *scale = tap_check_input(g, n, table[i].scale);
        const tap_gvalue *zero = tap_check_input(g, n, table[i].zero_point);
        if (scale) check_scale(c, n, scale);
        if (zero) check_zero(c, n, zero);
    }
}

void tap_check_scales(tap_checker *c) {
    tap_check_each_node(c, check_node);
}
