/* Activations that operators of com.microsoft have behind them, in expansions. */
#ifndef TAP_OPS_MICROSOFT_ACTIVATE_H
#define TAP_OPS_MICROSOFT_ACTIVATE_H

#include <string.h>

#include "microsoft/microsoft.h"

/* A scalar of the type of `like`. */
static inline void tap_ms_scalar(tap_expansion *e, const char *name, double value, const char *like) {
    tap_expand_add(e, "%s_f = Constant <value_float=%.9e> ()", name, value);
    tap_expand_add(e, "%s = CastLike (%s_f, %s)", name, name, like);
}

/* The parameters of an activation; n of them given. */
typedef struct tap_ms_params {
    double v[3];
    size_t n;
} tap_ms_params;

static inline double tap_ms_given(const tap_ms_params *p, size_t i, double otherwise) {
    return i < p->n ? p->v[i] : otherwise;
}

/* Those that are an operator of ai.onnx; attributes and their defaults. */
static const struct {
    const char *name, *attrs[2];
    double defaults[2];
} tap_ms_activations[] = {
    {"Relu", {0}, {0}},
    {"Tanh", {0}, {0}},
    {"Sigmoid", {0}, {0}},
    {"Softplus", {0}, {0}},
    {"Softsign", {0}, {0}},
    {"LeakyRelu", {"alpha"}, {0.01}},
    {"Elu", {"alpha"}, {1}},
    {"Selu", {"alpha", "gamma"}, {1.67326319217681884765625, 1.05070102214813232421875}},
    {"HardSigmoid", {"alpha", "beta"}, {0.2, 0.5}},
    {"ThresholdedRelu", {"alpha"}, {1}},
    {"HardSwish", {0}, {0}},
};

/* Y = activation(x); like: a value of x's type that is a constant as a rule. */
static inline tap_status tap_ms_activate(tap_expansion *e, const char *name, const tap_ms_params *p,
                                         const char *x, const char *like) {
    for (size_t i = 0; i < TAP_COUNT_OF(tap_ms_activations); i++) {
        if (strcmp(tap_ms_activations[i].name, name) != 0) continue;
        const char *const *attrs = tap_ms_activations[i].attrs;
        const double a = tap_ms_given(p, 0, tap_ms_activations[i].defaults[0]),
                     b = tap_ms_given(p, 1, tap_ms_activations[i].defaults[1]);
        if (attrs[1])
            tap_expand_add(e, "Y = %s <%s=%.9e, %s=%.9e> (%s)", name, attrs[0], a, attrs[1], b, x);
        else if (attrs[0])
            tap_expand_add(e, "Y = %s <%s=%.9e> (%s)", name, attrs[0], a, x);
        else
            tap_expand_add(e, "Y = %s (%s)", name, x);
        return TAP_OK;
    }
    if (strcmp(name, "Clip") == 0) {
        tap_ms_scalar(e, "least", tap_ms_given(p, 0, -3.4028234663852886e38), like);
        tap_ms_scalar(e, "most", tap_ms_given(p, 1, 3.4028234663852886e38), like);
        tap_expand_add(e, "Y = Clip (%s, least, most)", x);
        return TAP_OK;
    }
    if (strcmp(name, "ScaledTanh") == 0) {
        tap_ms_scalar(e, "alpha", tap_ms_given(p, 0, 1), like);
        tap_ms_scalar(e, "beta", tap_ms_given(p, 1, 1), like);
        tap_expand_add(e, "scaled = Mul (%s, beta)", x);
        tap_expand_add(e, "tanh = Tanh (scaled)");
        tap_expand_add(e, "Y = Mul (tanh, alpha)");
        return TAP_OK;
    }
    return tap_expand_fail(e, TAP_MODEL, "activation '%s' is none that this operator has", name);
}

/* ---- Convolutions ---- */

#define TAP_MS_CONV_ATTRS                                                                              \
    "auto_pad=@auto_pad, dilations=@dilations, group=@group, kernel_shape=@kernel_shape, pads=@pads, " \
    "strides=@strides"

/* Y = activation(x + Z) as far as the node has them. */
static inline tap_status tap_ms_finish_conv(tap_expansion *e, const char *x) {
    const char *name = tap_expand_string(e, "activation", "");
    tap_ms_params p = {.n = 0};
    const float *v = tap_expand_floats(e, "activation_params", &p.n);
    if (p.n > 3) return tap_expand_fail(e, TAP_MODEL, "activation_params has %zu elements", p.n);
    for (size_t i = 0; i < p.n; i++) p.v[i] = (double)v[i];
    const bool plain = !*name;
    if (tap_expand_has_in(e, 3)) {
        tap_expand_add(e, "%s = Add (%s, Z)", plain ? "Y" : "sum", x);
        x = "sum";
    } else if (plain) {
        tap_expand_add(e, "Y = Identity (%s)", x);
    }
    return plain ? TAP_OK : tap_ms_activate(e, name, &p, x, "W");
}

static inline bool tap_ms_is_plain_conv(tap_expansion *e) {
    return !tap_expand_has_in(e, 3) && !*tap_expand_string(e, "activation", "");
}

#endif
