#!/usr/bin/env python3
"""Makes a model for each finding of onnxtap check: CODE.onnx has that one, sound.onnx has none; log-of-zero.onnx and
near-float16.onnx have some when they run; newer-operator.onnx is of an opset before its operator.

usage: make.py FOLDER    (needs the onnx package; the results lie beside this file)
"""
import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT32, INT64, UINT8 = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8


def value(name, kind=FLOAT, shape=("n", 4)):
    return helper.make_tensor_value_info(name, kind, shape)


def node(op, inputs, outputs, name="", **attributes):
    return helper.make_node(op, inputs, outputs, name=name or outputs[0] + "_node", **attributes)


def model(nodes, inputs=None, outputs=None, opset=21, inits=None, **graph):
    inits = [numpy_helper.from_array(a, k) for k, a in (inits or {}).items()]
    g = helper.make_graph(nodes, "g", inputs or [value("x")], outputs or [value("y")], initializer=inits, **graph)
    return helper.make_model(g, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def weights(*shape):
    return np.linspace(0.5, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def external():
    m = model([node("Add", ["x", "w"], ["y"])], inits={"w": weights(4)})
    w = m.graph.initializer[0]
    w.ClearField("raw_data")
    w.data_location = TensorProto.EXTERNAL
    w.external_data.add(key="location", value="not_there.bin")
    return m


def short():
    """The shape is wrong; that it does not fit the product follows from that, and is not told."""
    m = model([node("MatMul", ["x", "w"], ["y"])], inits={"w": weights(4, 4)})
    m.graph.initializer[0].dims[0] = 5
    return m


def nan_weight():
    w = weights(4, 4)
    w[1, 2] = np.nan
    return w


def foreign():
    m = model([node("QuickGelu", ["x"], ["y"], domain="com.microsoft")])
    m.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return m


def scatter():
    return model([node("Scatter", ["x", "i", "u"], ["y"])],
                 [value("x", shape=["n", 4]), value("i", INT64, ["n", 1]), value("u", shape=["n", 1])], opset=11)


MODELS = {
    "sound": lambda: model([node("MatMul", ["x", "w"], ["h"]), node("Relu", ["h"], ["y"])], inits={"w": weights(4, 4)}),
    "log-of-zero": lambda: model([node("Log", ["x"], ["l"], "log"), node("Neg", ["l"], ["y"])],
                                 [value("x", shape=["n", 4])]),
    "near-float16": lambda: model([node("Cast", ["x"], ["y"], "cast", to=TensorProto.FLOAT16)], None,
                                  [value("y", TensorProto.FLOAT16)]),
    "external-data": external,
    "initializer": short,
    "attribute": lambda: model([node("Relu", ["x"], ["y"], slope=1.0)]),
    "undefined-name": lambda: model([node("Add", ["x", "lost"], ["y"])]),
    "made-twice": lambda: model([node("Relu", ["x"], ["y"], "a"), node("Neg", ["x"], ["y"], "b")]),
    "cycle": lambda: model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Neg", ["a"], ["y"])]),
    "types": lambda: model([node("MatMul", ["x", "w"], ["y"])], inits={"w": weights(5, 4)}),
    "unsupported-operator": lambda: model([node("Erfc", ["x"], ["y"])]),
    "unsupported-type": lambda: model([node("Sin", ["x"], ["y"])], [value("x", INT32)], [value("y", INT32)]),
    "input-without-value": lambda: model([node("Sub", ["x", "net/norm/Sub/y:0"], ["y"], "net/norm/Sub")],
                                         [value("x"), value("net/norm/Sub/y:0", shape=[4])]),
    "declared-type": lambda: model([node("Flatten", ["x"], ["y"])], [value("x", shape=[2, 4])], [value("y", shape=[2, 5])]),
    "quantization-scale": lambda: model([node("QuantizeLinear", ["x", "s", "z"], ["y"])], None, [value("y", UINT8)],
                                        inits={"s": np.float32(-1), "z": np.uint8(3)}),
    "nonfinite-weight": lambda: model([node("MatMul", ["x", "w"], ["y"])], inits={"w": nan_weight()}),
    "denormal-weights": lambda: model([node("MatMul", ["x", "w"], ["y"])], inits={"w": weights(4, 4) * np.float32(1e-39)}),
    "foreign-operator": lambda: foreign(),
    "pad-before-maxpool": lambda: model(
        [node("Pad", ["x", "p"], ["h"]), node("MaxPool", ["h"], ["y"], kernel_shape=[2])],
        [value("x", shape=["n", 1, 8])], [value("y", shape=["n", 1, "m"])], inits={"p": np.int64([0, 0, 1, 0, 0, 1])}),
    "cast-truncates": lambda: model([node("Cast", ["x"], ["y"], to=INT64)], None, [value("y", INT64)]),
    "integer-division": lambda: model([node("Div", ["x", "d"], ["y"])], [value("x", INT32)], [value("y", INT32)],
                                      inits={"d": np.int32([2])}),
    "deprecated-operator": scatter,
    "newer-type": lambda: model([node("Round", ["x"], ["y"])], [value("x", TensorProto.BFLOAT16)], [value("y", TensorProto.BFLOAT16)],
                                opset=19),
    "newer-operator": lambda: model([node("Gelu", ["x"], ["y"])], opset=19),
    "quantization-zero-point": lambda: model([node("DequantizeLinear", ["x", "s", "z"], ["y"])], [value("x", INT32)], opset=21,
                                             inits={"s": np.float32(0.5), "z": np.int32(3)}),
    "duplicate-node-name": lambda: model([node("Relu", ["x"], ["h"], "same"), node("Neg", ["h"], ["y"], "same")]),
    "dead-node": lambda: model([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["unwanted"])]),
    "unused-initializer": lambda: model([node("Relu", ["x"], ["y"])], inits={"w": weights(4)}),
    "duplicate-weights": lambda: model(
        [node("MatMul", ["x", "v"], ["h"]), node("MatMul", ["h", "w"], ["y"])], [value("x", shape=["n", 32])],
        [value("y", shape=["n", 32])], inits={"v": weights(32, 32), "w": weights(32, 32)}),
    "fixed-batch": lambda: model([node("Relu", ["x"], ["y"])], [value("x", shape=[1, 4])], [value("y", shape=[1, 4])]),
}


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    for name, make in MODELS.items():
        with open(os.path.join(folder, name + ".onnx"), "wb") as f:
            f.write(make().SerializeToString(deterministic=True))
    with open(os.path.join(folder, "invalid-file.onnx"), "wb") as f:
        f.write(MODELS["sound"]().SerializeToString(deterministic=True)[:100])


if __name__ == "__main__":
    main()
