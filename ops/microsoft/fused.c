/* Products and convolutions of com.microsoft with something before or behind them: FusedMatMul,
 * TransposeMatMul, FusedGemm, FusedConv, NhwcConv, NhwcFusedConv, NhwcMaxPool; BiasSoftmax. */
#include "microsoft/activate.h"
#include "microsoft/layout.h"

/* ---- FusedConv, NhwcConv, NhwcFusedConv ---- */

static tap_status fused_conv(tap_expansion *e) {
    const bool plain = tap_ms_is_plain_conv(e);
    tap_expand_names(e, "X, W, B?, Z?", "Y");
    tap_expand_add(e, "%s = Conv <" TAP_MS_CONV_ATTRS "> (X, W, B)", plain ? "Y" : "conv");
    tap_expand_has(e, "activation_params");
    return plain ? TAP_OK : tap_ms_finish_conv(e, "conv");
}

static tap_status nhwc_conv(tap_expansion *e) {
    const int axes = tap_ms_spatial_axes(e);
    const bool plain = tap_ms_is_plain_conv(e);
    tap_expand_names(e, "X, W, B?, Z?", "Y");
    tap_ms_transpose(e, "X_first", "X", axes, false);
    tap_expand_add(e, "Y_first = Conv <" TAP_MS_CONV_ATTRS "> (X_first, W, B)");
    tap_ms_transpose(e, plain ? "Y" : "conv", "Y_first", axes, true);
    tap_expand_has(e, "activation_params");
    return plain ? TAP_OK : tap_ms_finish_conv(e, "conv");
}

static tap_status nhwc_max_pool(tap_expansion *e) {
    const int axes = tap_ms_spatial_axes(e);
    tap_expand_names(e, "x", "y");
    tap_ms_transpose(e, "x_first", "x", axes, false);
    tap_expand_add(e, "y_first = MaxPool <auto_pad=@auto_pad, ceil_mode=@ceil_mode, dilations=@dilations, "
                      "kernel_shape=@kernel_shape, pads=@pads, strides=@strides> (x_first)");
    tap_ms_transpose(e, "y", "y_first", axes, true);
    return TAP_OK;
}

/* ---- FusedGemm ---- */

static tap_status fused_gemm(tap_expansion *e) {
    static const char *const names[] = {"activation_alpha", "activation_beta", "activation_gamma"};
    const char *name = tap_expand_string(e, "activation", "");
    tap_ms_params p = {.n = 0};
    for (size_t i = 0; i < TAP_COUNT_OF(names); i++) {
        if (!tap_expand_has(e, names[i])) continue;
        /* Selu has alpha and gamma. */
        const size_t at = i == 2 ? 1 : i;
        p.v[at] = tap_expand_float(e, names[i], 0);
        p.n = at + 1;
    }
    tap_expand_names(e, "A, B, C?", "Y");
    tap_expand_add(e, "%s = Gemm <alpha=@alpha, beta=@beta, transA=@transA, transB=@transB> (A, B, C)",
                   *name ? "product" : "Y");
    return *name ? tap_ms_activate(e, name, &p, "product", "B") : TAP_OK;
}

/* ---- FusedMatMul, TransposeMatMul ---- */

/* The operand `x` as MatMul takes it: transposed by `trans`, its first dimension that of the rows by `batch`.
 * Returns what it is called then. */
static const char *turn(tap_expansion *e, const char *x, const char *y, const char *trans,
                        const char *batch) {
    const bool swap = tap_expand_int(e, trans, 0) != 0, rows = tap_expand_int(e, batch, 0) != 0;
    if (!swap && !rows) return x;
    tap_expand_add(e, "%s = onnxtap.Turn <swap=%d, batch=%d> (%s)", y, swap, rows, x);
    return y;
}

static tap_status fused_matmul(tap_expansion *e) {
    const double alpha = tap_expand_float(e, "alpha", 1);
    const char *product = alpha == 1 ? "Y" : "product";
    tap_expand_names(e, "A, B", "Y");
    const char *a = turn(e, "A", "A_turned", "transA", "transBatchA");
    const char *b = turn(e, "B", "B_turned", "transB", "transBatchB");
    tap_expand_add(e, "%s = MatMul (%s, %s)", product, a, b);
    if (alpha == 1) return TAP_OK;
    tap_ms_scalar(e, "alpha", alpha, "B");
    tap_expand_add(e, "Y = Mul (product, alpha)");
    return TAP_OK;
}

/* ---- BiasSoftmax ---- */

static tap_status bias_softmax(tap_expansion *e) {
    tap_expand_names(e, "data, bias", "output");
    if (!tap_expand_has(e, "is_inner_broadcast"))
        return tap_expand_fail(e, TAP_MODEL, "attribute 'is_inner_broadcast' is missing");
    tap_expand_add(e, "biased = Add (data, bias)");
    tap_expand_add(e, "flat = Flatten <axis=%s> (biased)", tap_expand_has(e, "axis") ? "@axis" : "1");
    tap_expand_add(e, "softmax = Softmax <axis=1> (flat)");
    tap_expand_add(e, "shape = Shape (data)");
    tap_expand_add(e, "output = Reshape <allowzero=1> (softmax, shape)");
    return TAP_OK;
}

static const tap_op ops[] = {
    TAP_MS_FUNCTION("FusedConv", 2, 4, 1, 1, TAP_TYPES_FLOAT, "T T T T", fused_conv),
    TAP_MS_FUNCTION("FusedMatMul", 2, 2, 1, 1, TAP_TYPES_FLOAT, "T T", fused_matmul),
    TAP_MS_FUNCTION("TransposeMatMul", 2, 2, 1, 1, TAP_TYPES_FLOAT, "T T", fused_matmul),
    TAP_MS_FUNCTION("BiasSoftmax", 2, 2, 1, 1, TAP_TYPES_FLOAT, "T T", bias_softmax),
    TAP_MS_FUNCTION("FusedGemm", 2, 3, 1, 1, TAP_TYPES_FLOAT, "T T T", fused_gemm),
    TAP_MS_FUNCTION("NhwcConv", 2, 3, 1, 1, TAP_TYPES_FLOAT, "T T T", nhwc_conv),
    TAP_MS_FUNCTION("NhwcFusedConv", 2, 4, 1, 1, TAP_TYPES_FLOAT, "T T T T", nhwc_conv),
    TAP_MS_FUNCTION("NhwcMaxPool", 1, 1, 1, 1, TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8), "T", nhwc_max_pool),
    {0},
};

TAP_DEFINE_FAMILY(microsoft_fused, ops);
