/* Gelu, FastGelu, BiasGelu, QuickGelu, BiasAdd of com.microsoft. */
#include "microsoft/microsoft.h"

static tap_status gelu(tap_expansion *e) {
    tap_expand_names(e, "X", "Y");
    tap_expand_add(e, "Y = Gelu (X)");
    return TAP_OK;
}

/* The tanh form. */
static tap_status fast_gelu(tap_expansion *e) {
    const bool bias = tap_expand_has_in(e, 1);
    tap_expand_names(e, "X, bias?", "Y");
    if (bias) tap_expand_add(e, "biased = Add (X, bias)");
    tap_expand_add(e, "Y = Gelu <approximate=\"tanh\"> (%s)", bias ? "biased" : "X");
    return TAP_OK;
}

static tap_status bias_gelu(tap_expansion *e) {
    tap_expand_names(e, "A, B", "C");
    tap_expand_add(e, "biased = Add (A, B)");
    tap_expand_add(e, "C = Gelu (biased)");
    return TAP_OK;
}

/* x * sigmoid(alpha * x) */
static tap_status quick_gelu(tap_expansion *e) {
    tap_expand_names(e, "X", "Y");
    tap_expand_add(e, "Y = Swish <alpha=%s> (X)", tap_expand_has(e, "alpha") ? "@alpha" : "1.702");
    return TAP_OK;
}

static tap_status bias_add(tap_expansion *e) {
    tap_expand_names(e, "X, bias, skip", "Y");
    tap_expand_add(e, "biased = Add (X, bias)");
    tap_expand_add(e, "Y = Add (biased, skip)");
    return TAP_OK;
}

static const tap_op ops[] = {
    TAP_MS_FUNCTION("Gelu", 1, 1, 1, 1, TAP_TYPES_FLOAT, "T", gelu),
    TAP_MS_FUNCTION("FastGelu", 1, 2, 1, 1, TAP_TYPES_FLOAT, "T/1-9 T=", fast_gelu),
    TAP_MS_FUNCTION("BiasGelu", 2, 2, 1, 1, TAP_TYPES_FLOAT, "T/1-9 T=", bias_gelu),
    TAP_MS_FUNCTION("QuickGelu", 1, 1, 1, 1, TAP_TYPES_FLOAT, "T", quick_gelu),
    TAP_MS_FUNCTION("BiasAdd", 3, 3, 1, 1, TAP_TYPES_FLOAT, "T/3 T= T~", bias_add),
    {0},
};

TAP_DEFINE_FAMILY(microsoft_activation, ops);
