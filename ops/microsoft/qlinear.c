/* 8-bit operators of com.microsoft that compute in float32: QLinearAdd, QLinearMul, QLinearSigmoid,
 * QLinearLeakyRelu, QLinearSoftmax, QLinearWhere, QLinearConcat, QLinearAveragePool,
 * QLinearGlobalAveragePool, QLinearReduceMean. */
#include <string.h>

#include "microsoft/layout.h"

#define QUANT8 (TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8))

/* Y = y by its scale; input `zero` of the node is the zero point, which is 0 of the type of `like` where it
 * is absent. */
static tap_status quantize(tap_expansion *e, const char *y, const char *scale, int zero, const char *name,
                           const char *like) {
    if (!tap_expand_has_in(e, zero)) {
        tap_expand_add(e, "nothing = Constant <value_int=0> ()");
        tap_expand_add(e, "zero = CastLike (nothing, %s)", like);
        name = "zero";
    }
    tap_expand_add(e, "Y = QuantizeLinear (%s, %s, %s)", y, scale, name);
    return TAP_OK;
}

/* ---- Two operands ---- */

static tap_status binary(tap_expansion *e, const char *op) {
    tap_expand_names(e, "A, A_scale, A_zero_point?, B, B_scale, B_zero_point?, Y_scale, Y_zero_point?", "Y");
    tap_expand_add(e, "a = DequantizeLinear (A, A_scale, A_zero_point)");
    tap_expand_add(e, "b = DequantizeLinear (B, B_scale, B_zero_point)");
    tap_expand_add(e, "y = %s (a, b)", op);
    return quantize(e, "y", "Y_scale", 7, "Y_zero_point", "A");
}

static tap_status add(tap_expansion *e) {
    return binary(e, "Add");
}

static tap_status mul(tap_expansion *e) {
    return binary(e, "Mul");
}

static tap_status where(tap_expansion *e) {
    tap_expand_names(
        e, "condition, X, x_scale, x_zero_point, W, w_scale, w_zero_point, z_scale, z_zero_point", "Y");
    tap_expand_add(e, "x = DequantizeLinear (X, x_scale, x_zero_point)");
    tap_expand_add(e, "w = DequantizeLinear (W, w_scale, w_zero_point)");
    tap_expand_add(e, "y = Where (condition, x, w)");
    return quantize(e, "y", "z_scale", 8, "z_zero_point", "X");
}

/* Y_scale, Y_zero_point, then tensor, scale and zero point of each input. */
static tap_status concat(tap_expansion *e) {
    const int n = tap_expand_n_in(e);
    char inputs[1000] = "Y_scale, Y_zero_point", terms[600] = "";
    tap_text all = {inputs, sizeof inputs, strlen(inputs)}, list = {terms, sizeof terms, 0};
    if (n < 5 || (n - 2) % 3 || n > 2 + 3 * 20)
        return tap_expand_fail(e, TAP_MODEL,
                               "it has %d inputs; after scale and zero point of the output come tensors with "
                               "scale and zero point, 20 at most",
                               n);
    for (int i = 0; i < (n - 2) / 3; i++) {
        tap_text_add(&all, ", X%d, x%d_scale, x%d_zero_point", i, i, i);
        tap_text_add(&list, "%sx%d", i ? ", " : "", i);
    }
    tap_expand_names(e, inputs, "Y");
    for (int i = 0; i < (n - 2) / 3; i++)
        tap_expand_add(e, "x%d = DequantizeLinear (X%d, x%d_scale, x%d_zero_point)", i, i, i, i);
    tap_expand_add(e, "y = Concat <axis=@axis> (%s)", terms);
    return quantize(e, "y", "Y_scale", 1, "Y_zero_point", "X0");
}

/* ---- One operand ---- */

static void dequantize(tap_expansion *e) {
    tap_expand_names(e, "X, X_scale, X_zero_point?, Y_scale, Y_zero_point?", "Y");
    tap_expand_add(e, "x = DequantizeLinear (X, X_scale, X_zero_point)");
}

static tap_status finish(tap_expansion *e) {
    return quantize(e, "y", "Y_scale", 4, "Y_zero_point", "X");
}

static tap_status sigmoid(tap_expansion *e) {
    dequantize(e);
    tap_expand_add(e, "y = Sigmoid (x)");
    return finish(e);
}

static tap_status leaky_relu(tap_expansion *e) {
    dequantize(e);
    tap_expand_add(e, "y = LeakyRelu <alpha=@alpha> (x)");
    return finish(e);
}

/* Of the opset that the attribute says: before 13 over all axes from `axis` on. */
static tap_status need_zero_point(tap_expansion *e, int i) {
    return tap_expand_has_in(e, i) ? TAP_OK
                                   : tap_expand_fail(e, TAP_MODEL, "input %d, a zero point, is missing", i);
}

static tap_status softmax(tap_expansion *e) {
    const bool old = tap_expand_int(e, "opset", 0) < 13;
    if (!tap_expand_has(e, "opset")) return tap_expand_fail(e, TAP_MODEL, "attribute 'opset' is missing");
    if (need_zero_point(e, 4) != TAP_OK) return TAP_MODEL;
    dequantize(e);
    if (!old) {
        tap_expand_add(e, "y = Softmax <axis=@axis> (x)");
        return finish(e);
    }
    tap_expand_add(e, "flat = Flatten <axis=@axis> (x)");
    tap_expand_add(e, "flat_y = Softmax <axis=1> (flat)");
    tap_expand_add(e, "shape = Shape (X)");
    tap_expand_add(e, "y = Reshape <allowzero=1> (flat_y, shape)");
    return finish(e);
}

/* ---- Means ---- */

static tap_status average_pool(tap_expansion *e) {
    const int axes = tap_ms_spatial_axes(e);
    const bool last = tap_expand_int(e, "channels_last", 0) != 0;
    dequantize(e);
    if (last) tap_ms_transpose(e, "x_first", "x", axes, false);
    tap_expand_add(e,
                   "%s = AveragePool <auto_pad=@auto_pad, ceil_mode=@ceil_mode, "
                   "count_include_pad=@count_include_pad, kernel_shape=@kernel_shape, pads=@pads, "
                   "strides=@strides> (%s)",
                   last ? "y_first" : "y", last ? "x_first" : "x");
    if (last) tap_ms_transpose(e, "y", "y_first", axes, true);
    return finish(e);
}

static tap_status global_average_pool(tap_expansion *e) {
    const bool last = tap_expand_int(e, "channels_last", 0) != 0;
    if (need_zero_point(e, 2) != TAP_OK || need_zero_point(e, 4) != TAP_OK) return TAP_MODEL;
    dequantize(e);
    if (last) {
        tap_expand_add(e, "rank = Size (X_shape)");
        tap_expand_add(e, "X_shape = Shape (X)");
        tap_expand_add(e, "one = Constant <value_int=1> ()");
        tap_expand_add(e, "channels = Sub (rank, one)");
        tap_expand_add(e, "axes = Range (one, channels, one)");
        tap_expand_add(e, "y = ReduceMean <noop_with_empty_axes=1> (x, axes)");
    } else {
        tap_expand_add(e, "y = GlobalAveragePool (x)");
    }
    return finish(e);
}

static tap_status reduce_mean(tap_expansion *e) {
    if (!tap_expand_has(e, "axes") || !tap_expand_has(e, "keepdims"))
        return tap_expand_fail(e, TAP_MODEL, "attributes axes and keepdims must be given");
    dequantize(e);
    if (tap_expand_has(e, "axes")) tap_expand_add(e, "axes = Constant <value_ints=@axes> ()");
    tap_expand_add(e, "y = ReduceMean <keepdims=@keepdims> (x, %s)", tap_expand_has(e, "axes") ? "axes" : "");
    return finish(e);
}

#define UNARY              "T f. T. f. T."
#define BINARY             "T f. T. T f. T. f. T."
#define CHECKED(SIGNATURE) .infer = tap_check_signature, .data = SIGNATURE
#define ROW(NAME, LEAST, MOST, SIGNATURE, EXPAND) \
    TAP_MS_FUNCTION(NAME, LEAST, MOST, 1, 1, QUANT8, SIGNATURE, EXPAND)

static const tap_op ops[] = {
    ROW("QLinearAdd", 7, 8, BINARY, add),
    ROW("QLinearMul", 7, 8, BINARY, mul),
    ROW("QLinearSigmoid", 4, 5, UNARY, sigmoid),
    ROW("QLinearLeakyRelu", 4, 5, UNARY, leaky_relu),
    ROW("QLinearSoftmax", 5, 5, UNARY, softmax),
    {TAP_MS_ROW("QLinearWhere", 9, 9, 1, 1), .dtypes = TAP_BIT(TAP_BOOL), CHECKED("b U f. U. U f. U. f. U."),
     .expand = where},
    {TAP_MS_ROW("QLinearConcat", 5, -1, 1, 1), .dtypes = TAP_BIT(TAP_FLOAT),
     CHECKED("f. U. U f. U. U f. U. U f. U. U f. U."), .expand = concat},
    ROW("QLinearAveragePool", 4, 5, UNARY, average_pool),
    ROW("QLinearGlobalAveragePool", 5, 5, UNARY, global_average_pool),
    ROW("QLinearReduceMean", 4, 5, UNARY, reduce_mean),
    {0},
};

TAP_DEFINE_FAMILY(microsoft_qlinear, ops);
