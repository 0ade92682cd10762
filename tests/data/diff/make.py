"""Makes the models of this folder: sound.onnx, an image network with most kinds of layers, sequence.onnx, with a recurrent
one, and copies of them with one fault each. Needs onnx and numpy; the files are checked in.

    python3 make.py"""
import os

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


def w(name, *shape, scale=0.5):
    return nh.from_array((rng.standard_normal(shape) * scale).astype(np.float32), name)


def const(name, value, dtype=np.float32):
    return nh.from_array(np.array(value, dtype), name)


def image():
    nodes = [
        h.make_node("Conv", ["x", "w1", "b1"], ["conv1"], "conv1", pads=[0, 0, 1, 1], strides=[2, 2]),
        h.make_node("BatchNormalization", ["conv1", "g", "b", "m", "v"], ["bn1"], "bn1", epsilon=1e-3),
        h.make_node("Pad", ["bn1", "pads", "zero"], ["padded"], "pad"),
        h.make_node("MaxPool", ["padded"], ["pool"], "pool", kernel_shape=[3, 3], strides=[2, 2]),
        h.make_node("Relu", ["pool"], ["relu1"], "relu1"),
        h.make_node("AveragePool", ["relu1"], ["average"], "average", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=0),
        h.make_node("Conv", ["average", "w2", "b2"], ["conv2"], "conv2", pads=[1, 1, 1, 1]),
        h.make_node("LeakyRelu", ["conv2"], ["leaky"], "leaky", alpha=0.3),
        h.make_node("Resize", ["leaky", "", "scales"], ["up"], "resize", mode="linear", coordinate_transformation_mode="half_pixel"),
        h.make_node("Concat", ["up", "gate"], ["joined"], "join", axis=1),
        h.make_node("Sigmoid", ["up"], ["gate"], "gate"),
        h.make_node("Transpose", ["joined"], ["last"], "to_last", perm=[0, 2, 3, 1]),
        h.make_node("Reshape", ["last", "flat_shape"], ["flat"], "flatten"),
        h.make_node("MatMul", ["flat", "w3"], ["dense_product"], "dense"),
        h.make_node("Add", ["dense_product", "b3"], ["dense_sum"], "dense_add"),
        h.make_node("Div", ["dense_sum", "sqrt2"], ["scaled"], "g1"),
        h.make_node("Erf", ["scaled"], ["erf"], "g2"),
        h.make_node("Add", ["erf", "one"], ["plus"], "g3"),
        h.make_node("Mul", ["dense_sum", "plus"], ["twice"], "g4"),
        h.make_node("Mul", ["twice", "half"], ["gelu"], "gelu"),
        h.make_node("LayerNormalization", ["gelu", "lg", "lb"], ["norm"], "norm", epsilon=1e-3, axis=-1),
        h.make_node("MatMul", ["norm", "w4"], ["logits"], "logits"),
        h.make_node("Softmax", ["logits"], ["y"], "softmax", axis=-1),
    ]
    nodes[9], nodes[10] = nodes[10], nodes[9]
    inits = [
        w("w1", 6, 3, 3, 3), w("b1", 6), const("g", rng.uniform(0.5, 2, 6)), const("b", rng.uniform(-3, -1, 6)), w("m", 6), const("v", rng.uniform(0.02, 0.3, 6)),
        const("pads", [0, 0, 1, 1, 0, 0, 1, 1], np.int64), const("zero", 0.0), w("w2", 6, 6, 3, 3, scale=0.2), w("b2", 6),
        const("scales", [1, 1, 2, 2]), const("flat_shape", [0, -1], np.int64), w("w3", 192, 16, scale=0.1), w("b3", 16),
        const("sqrt2", 2**0.5), const("one", 1.0), const("half", 0.5), const("lg", rng.uniform(0.5, 2, 16)), w("lb", 16), w("w4", 16, 16),
    ]
    x = h.make_tensor_value_info("x", T.FLOAT, ["n", 3, 8, 8])
    y = h.make_tensor_value_info("y", T.FLOAT, ["n", 16])
    return h.make_model(h.make_graph(nodes, "image", [x], [y], inits), opset_imports=[h.make_opsetid("", 17)], ir_version=8)


def sequence():
    nodes = [
        h.make_node("LSTM", ["x", "w", "r", "b"], ["hidden"], "lstm", hidden_size=5),
        h.make_node("Squeeze", ["hidden", "axis"], ["steps"], "squeeze"),
        h.make_node("GRU", ["steps", "gw", "gr", "gb"], ["gru_all"], "gru", hidden_size=5, linear_before_reset=1),
        h.make_node("Squeeze", ["gru_all", "axis"], ["gru_steps"], "gru_squeeze"),
        h.make_node("ReduceMean", ["gru_steps"], ["mean"], "mean", axes=[0], keepdims=0),
        h.make_node("MatMul", ["mean", "dense"], ["y"], "dense"),
    ]
    inits = [
        w("w", 1, 20, 4), w("r", 1, 20, 5), w("b", 1, 40), w("gw", 1, 15, 5), w("gr", 1, 15, 5), w("gb", 1, 30), w("dense", 5, 5),
        const("axis", [1], np.int64),
    ]
    x = h.make_tensor_value_info("x", T.FLOAT, [6, "n", 4])
    y = h.make_tensor_value_info("y", T.FLOAT, ["n", 5])
    return h.make_model(h.make_graph(nodes, "sequence", [x], [y], inits), opset_imports=[h.make_opsetid("", 17)], ir_version=8)


def node(model, name):
    return next(n for n in model.graph.node if n.name == name)


def attr(name, **values):
    def change(model):
        n = node(model, name)
        for key, value in values.items():
            for a in [a for a in n.attribute if a.name == key]:
                n.attribute.remove(a)
            n.attribute.append(h.make_attribute(key, value))

    return change


def weight(name, fn):
    def change(model):
        for i, t in enumerate(model.graph.initializer):
            if t.name == name:
                model.graph.initializer[i].CopyFrom(nh.from_array(np.ascontiguousarray(fn(nh.to_array(t))).astype(nh.to_array(t).dtype), name))

    return change


def order(name, *positions):
    def change(model):
        n = node(model, name)
        inputs = [n.input[i] for i in positions]
        del n.input[:]
        n.input.extend(inputs)

    return change


def fold_pad(model):
    """What an optimiser does that takes zeros for the padding of a MaxPool."""
    model.graph.node.remove(node(model, "pad"))
    node(model, "pool").input[0] = "bn1"
    attr("pool", pads=[1, 1, 1, 1])(model)


def tanh_gelu(model):
    for name in ("g1", "g2", "g3", "g4", "gelu"):
        model.graph.node.remove(node(model, name))
    at = list(model.graph.node).index(node(model, "dense_add")) + 1
    s, c = "dense_sum", (2 / np.pi) ** 0.5
    made = [
        h.make_node("Mul", [s, s], ["t1"], "t1"), h.make_node("Mul", ["t1", s], ["t2"], "t2"), h.make_node("Mul", ["t2", "k"], ["t3"], "t3"),
        h.make_node("Add", [s, "t3"], ["t4"], "t4"), h.make_node("Mul", ["t4", "c"], ["t5"], "t5"), h.make_node("Tanh", ["t5"], ["t6"], "t6"),
        h.make_node("Add", ["t6", "one"], ["t7"], "t7"), h.make_node("Mul", [s, "t7"], ["t8"], "t8"), h.make_node("Mul", ["t8", "half"], ["gelu"], "gelu"),
    ]
    for k, n in enumerate(made):
        model.graph.node.insert(at + k, n)
    model.graph.initializer.extend([const("k", 0.044715), const("c", c)])


def drop(name):
    def change(model):
        n = node(model, name)
        for other in model.graph.node:
            for i, x in enumerate(other.input):
                if x == n.output[0]:
                    other.input[i] = n.input[0]
        model.graph.node.remove(n)

    return change


def swap_gates(t, axis=1, parts=4):
    blocks = np.split(t, t.shape[axis] // 5, axis)
    out = []
    for at in range(0, len(blocks), parts):
        g = blocks[at:at + parts]
        out += [g[0], g[2], g[3], g[1]]
    return np.concatenate(out, axis)


def lstm_gates(model):
    for name in ("w", "r", "b"):
        weight(name, swap_gates)(model)


def bad_number(t):
    t = t.copy()
    t.flat[17] = np.nan
    return t


IMAGE = {
    "bn_epsilon": attr("bn1", epsilon=1e-5),
    "bn_statistics": order("bn1", 0, 1, 2, 4, 3),
    "padding_side": attr("conv1", pads=[1, 1, 0, 0]),
    "padding_value": fold_pad,
    "padding_counted": attr("average", count_include_pad=1),
    "bias": weight("b2", lambda b: b * 0),
    "scale": weight("half", lambda v: v * 0.75),
    "kernel_transposed": weight("w2", lambda t: t.transpose(1, 0, 2, 3)),
    "kernel_flipped": weight("w2", lambda t: t[:, :, ::-1, ::-1]),
    "activation_parameter": attr("leaky", alpha=0.01),
    "activation": drop("relu1"),
    "resize_mode": attr("resize", coordinate_transformation_mode="align_corners"),
    "concat_order": order("join", 1, 0),
    "layout": attr("to_last", perm=[0, 1, 2, 3]),
    "flatten_order": weight("w3", lambda t: t.reshape(4, 4, 12, 16).transpose(2, 0, 1, 3).reshape(192, 16)),
    "gelu_kind": tanh_gelu,
    "norm_epsilon": attr("norm", epsilon=1e-6),
    "softmax_axis": attr("softmax", axis=0),
    "weights_rounded": weight("w4", lambda t: t.astype(np.float16).astype(np.float32)),
    "nonfinite_weight": weight("w4", bad_number),
    "channel_order": weight("w1", lambda t: t[:, ::-1]),
}
SEQUENCE = {
    "gate_order": lstm_gates,
    "reset_after": attr("gru", linear_before_reset=0),
    "reduction_axis": lambda m: (attr("mean", axes=[2])(m), weight("dense", lambda t: np.ones((6, 5)))(m)),
}
del SEQUENCE["reduction_axis"]


def write(name, make, change=None):
    global rng
    rng = np.random.default_rng(7)
    model = make()
    if change:
        change(model)
    onnx.checker.check_model(model)
    onnx.save(model, os.path.join(here, name + ".onnx"))


write("sound_image", image)
write("sound_sequence", sequence)
for fault, change in IMAGE.items():
    write("image_" + fault, image, change)
for fault, change in SEQUENCE.items():
    write("sequence_" + fault, sequence, change)
