/* Operators of com.microsoft on 8-bit numbers that are those of ai.onnx with something around them:
 * DynamicQuantizeMatMul, DynamicQuantizeLSTM, MatMulIntegerToFloat, MatMulInteger16, QLinearConv, QGemm,
 * QuantizeLinear, DequantizeLinear. */
#include <string.h>

#include "microsoft/layout.h"

#define QUANT8 (TAP_BIT(TAP_INT8) | TAP_BIT(TAP_UINT8))

static tap_status dynamic_quantize_matmul(tap_expansion *e) {
    tap_expand_names(e, "A, B, b_scale, b_zero_point?, bias?", "Y");
    tap_expand_add(e, "A_quantized, a_scale, a_zero_point = DynamicQuantizeLinear (A)");
    tap_expand_add(e, "Y = com.microsoft.MatMulIntegerToFloat (A_quantized, B, a_scale, b_scale, "
                      "a_zero_point, b_zero_point, bias)");
    return TAP_OK;
}

/* Y = (A - a_zero_point) (B - b_zero_point) * (a_scale * b_scale) + bias; computed in float32. */
static tap_status matmul_integer_to_float(tap_expansion *e) {
    const bool bias = tap_expand_has_in(e, 6);
    tap_expand_names(e, "A, B, a_scale, b_scale, a_zero_point?, b_zero_point?, bias?", "Y");
    tap_expand_add(e, "sums = MatMulInteger (A, B, a_zero_point, b_zero_point)");
    tap_expand_add(e, "product = Cast <to=1> (sums)");
    tap_expand_add(e, "scales = Mul (a_scale, b_scale)");
    tap_expand_add(e, "scale = Cast <to=1> (scales)");
    tap_expand_add(e, "scaled = Mul (product, scale)");
    if (bias) {
        tap_expand_add(e, "bias_f = Cast <to=1> (bias)");
        tap_expand_add(e, "biased = Add (scaled, bias_f)");
    }
    tap_expand_add(e, "Y = CastLike (%s, a_scale)", bias ? "biased" : "scaled");
    return TAP_OK;
}

/* Weights [directions][input][4 hidden] of 8 bits as LSTM takes them. */
static void lstm_weights(tap_expansion *e, const char *w) {
    tap_expand_add(e, "%s_numbers = Cast <to=1> (%s)", w, w);
    tap_expand_add(e, "%s_zeros = Cast <to=1> (%s_zero_point)", w, w);
    tap_expand_add(e, "%s_zero = Reshape (%s_zeros, by_direction)", w, w);
    tap_expand_add(e, "%s_by = Reshape (%s_scale, by_direction)", w, w);
    tap_expand_add(e, "%s_moved = Sub (%s_numbers, %s_zero)", w, w, w);
    tap_expand_add(e, "%s_scaled = Mul (%s_moved, %s_by)", w, w, w);
    tap_expand_add(e, "%s_turned = Transpose <perm=[0, 2, 1]> (%s_scaled)", w, w);
}

/* What enters the products is rounded to 8 bits: X as a whole, the state at each step. */
static tap_status dynamic_quantize_lstm(tap_expansion *e) {
    const bool both = strcmp(tap_expand_string(e, "direction", "forward"), "bidirectional") == 0;
    tap_expand_names(
        e,
        "X, W, R, B?, sequence_lens?, initial_h?, initial_c?, P?, W_scale, W_zero_point, R_scale, "
        "R_zero_point",
        "Y, Y_h, Y_c");
    tap_expand_add(e, "by_direction = Constant <value_ints=[%d, 1, -1]> ()", both ? 2 : 1);
    lstm_weights(e, "W");
    lstm_weights(e, "R");
    tap_expand_add(e, "X_quantized, X_scale, X_zero_point = DynamicQuantizeLinear (X)");
    tap_expand_add(e, "x = DequantizeLinear (X_quantized, X_scale, X_zero_point)");
    tap_expand_add(e, "Y, Y_h, Y_c = onnxtap.LSTMRounding <activation_alpha=@activation_alpha, "
                      "activation_beta=@activation_beta, activations=@activations, clip=@clip, "
                      "direction=@direction, hidden_size=@hidden_size, input_forget=@input_forget> "
                      "(x, W_turned, R_turned, B, sequence_lens, initial_h, initial_c, P)");
    return TAP_OK;
}

static tap_status matmul_integer_16(tap_expansion *e) {
    tap_expand_names(e, "A, B", "Y");
    tap_expand_add(e, "A_32 = Cast <to=6> (A)");
    tap_expand_add(e, "B_32 = Cast <to=6> (B)");
    tap_expand_add(e, "Y = MatMul (A_32, B_32)");
    return TAP_OK;
}

/* 2 by 2 dimensions: alpha * (A - a_zero_point) (B - b_zero_point) * a_scale * b_scale, where C, int32, is
 * added to the sums; as float32, or quantised. */
static tap_status qgemm(tap_expansion *e) {
    const bool trans_a = tap_expand_int(e, "transA", 0) != 0, trans_b = tap_expand_int(e, "transB", 0) != 0;
    const bool bias = tap_expand_has_in(e, 6), scaled = tap_expand_has_in(e, 7);
    tap_expand_names(e, "A, a_scale, a_zero_point, B, b_scale, b_zero_point, C?, y_scale?, y_zero_point?",
                     "Y");
    if (scaled != tap_expand_has_in(e, 8))
        return tap_expand_fail(e, TAP_MODEL, "y_scale and y_zero_point go together");
    if (trans_a) tap_expand_add(e, "A_turned = Transpose <perm=[1, 0]> (A)");
    if (trans_b) tap_expand_add(e, "B_turned = Transpose <perm=[1, 0]> (B)");
    tap_expand_add(e, "%s = MatMulInteger (%s, %s, a_zero_point, b_zero_point)", bias ? "products" : "sums",
                   trans_a ? "A_turned" : "A", trans_b ? "B_turned" : "B");
    if (bias) tap_expand_add(e, "sums = Add (products, C)");
    tap_expand_add(e, "number = Cast <to=1> (sums)");
    tap_expand_add(e, "ab_scale = Mul (a_scale, b_scale)");
    tap_expand_add(e, "alpha = Constant <value_float=%.9e> ()", tap_expand_float(e, "alpha", 1));
    tap_expand_add(e, "scale = Mul (ab_scale, alpha)");
    tap_expand_add(e, "%s = Mul (number, scale)", scaled ? "y" : "Y");
    if (scaled) tap_expand_add(e, "Y = QuantizeLinear (y, y_scale, y_zero_point)");
    return TAP_OK;
}

/* ---- Channels in front of the spatial axes, or behind them (channels_last) ---- */

static tap_status qlinear_conv(tap_expansion *e) {
    const int axes = tap_ms_spatial_axes(e);
    const bool last = tap_expand_int(e, "channels_last", 0) != 0;
    tap_expand_names(e, "x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, B?", "y");
    if (last) tap_ms_transpose(e, "x_first", "x", axes, false);
    tap_expand_add(e,
                   "%s = QLinearConv <auto_pad=@auto_pad, dilations=@dilations, group=@group, "
                   "kernel_shape=@kernel_shape, pads=@pads, strides=@strides> (%s, x_scale, x_zero_point, w, "
                   "w_scale, w_zero_point, y_scale, y_zero_point, B)",
                   last ? "y_first" : "y", last ? "x_first" : "x");
    if (last) tap_ms_transpose(e, "y", "y_first", axes, true);
    return TAP_OK;
}

/* ---- QuantizeLinear, DequantizeLinear ---- */

static tap_status quantize_linear(tap_expansion *e) {
    tap_expand_names(e, "x, y_scale, y_zero_point?", "y");
    tap_expand_add(e, "y = QuantizeLinear <axis=@axis> (x, y_scale, y_zero_point)");
    return TAP_OK;
}

static tap_status dequantize_linear(tap_expansion *e) {
    tap_expand_names(e, "x, x_scale, x_zero_point?", "y");
    tap_expand_add(e, "y = DequantizeLinear <axis=@axis> (x, x_scale, x_zero_point)");
    return TAP_OK;
}

#define INT16S (TAP_BIT(TAP_INT16) | TAP_BIT(TAP_UINT16))
#define FLOATS (TAP_BIT(TAP_FLOAT) | TAP_BIT(TAP_FLOAT16) | TAP_BIT(TAP_BFLOAT16))
#define QUANTS (QUANT8 | INT16S | TAP_BIT(TAP_INT4) | TAP_BIT(TAP_UINT4) | TAP_BIT(TAP_INT32))

static const tap_op ops[] = {
    TAP_MS_FUNCTION("DynamicQuantizeMatMul", 3, 5, 1, 1, TAP_BIT(TAP_FLOAT), "f q f q f",
                    dynamic_quantize_matmul),
    TAP_MS_FUNCTION("DynamicQuantizeLSTM", 12, 12, 0, 3, TAP_BIT(TAP_FLOAT),
                    "f/3 U/3 U/3 f/2 i/1 f/3 f/3 f/2 f/1-2 U/1-2 f/1-2 U/1-2", dynamic_quantize_lstm),
    TAP_MS_FUNCTION("MatMulIntegerToFloat", 4, 7, 1, 1, QUANT8, "T U V. V T. U V", matmul_integer_to_float),
    TAP_MS_FUNCTION("MatMulInteger16", 2, 2, 1, 1, INT16S, "T U", matmul_integer_16),
    TAP_MS_FUNCTION("QGemm", 6, 9, 1, 1, QUANT8, "T/2 f. T. U/2 f U i f. W.", qgemm),
    TAP_MS_FUNCTION("QLinearConv", 8, 9, 1, 1, QUANT8, "T f. T. U f U f. W. i", qlinear_conv),
    TAP_MS_FUNCTION("QuantizeLinear", 2, 3, 1, 1, FLOATS, "T T U", quantize_linear),
    TAP_MS_FUNCTION("DequantizeLinear", 2, 3, 1, 1, QUANTS, "T U T", dequantize_linear),
    {0},
};

TAP_DEFINE_FAMILY(microsoft_integer, ops);
