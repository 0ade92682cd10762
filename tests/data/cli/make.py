#!/usr/bin/env python3
"""Makes the small models and test folders that the command is tested with.

usage: make.py FOLDER    (needs the onnx package; the results lie beside this file)
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def value(name, kind=FLOAT, shape=()):
    return helper.make_tensor_value_info(name, kind, shape)


def node(op, inputs, outputs, name=None, **attributes):
    return helper.make_node(op, inputs, outputs, name=name, **attributes)


def model(nodes, inputs, outputs, opset=21, **graph):
    g = helper.make_graph(nodes, "g", inputs, outputs, **graph)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(m)
    return m


def names():
    """Inputs whose names are the beginnings of one another, and hold what the command line uses."""
    return model(
        [node("Add", ["x", "x=y"], ["s"], "first"), node("Add", ["s", "input:0"], ["out:0"], "second")],
        [value("x", shape=[2]), value("x=y", shape=[2]), value("input:0", shape=[2])],
        [value("out:0", shape=[2])])


def late_failure():
    """A chain that fails in its middle where the index is out of range."""
    return model(
        [node("Relu", ["x"], ["good"], "relu"), node("Neg", ["good"], ["also_good"], "neg"),
         node("Gather", ["also_good", "index"], ["picked"], "gather"), node("Relu", ["picked"], ["y"], "last")],
        [value("x", shape=["n"]), value("index", INT64, [1])], [value("y", shape=[1])])


def loop():
    """Adds 1 as often as n says."""
    body = helper.make_graph(
        [node("Add", ["v_in", "one"], ["v_out"], "step"), node("Identity", ["go_in"], ["go_out"], "go")],
        "body", [value("i", INT64), value("go_in", BOOL), value("v_in", shape=[4])],
        [value("go_out", BOOL), value("v_out", shape=[4])])
    return model(
        [node("Loop", ["n", "", "x"], ["y"], "loop", body=body)],
        [value("n", INT64), value("x", shape=[4])], [value("y", shape=[4])],
        initializer=[numpy_helper.from_array(np.float32(1), "one")])


def types():
    """Every kind of type, passed through."""
    kinds = ["BFLOAT16", "FLOAT16", "FLOAT8E4M3FN", "INT4", "UINT4", "STRING", "BOOL", "COMPLEX64", "INT64", "DOUBLE"]
    nodes = [node("Identity", [k.lower()], [k.lower() + "_out"]) for k in kinds]
    return model(nodes, [value(k.lower(), getattr(TensorProto, k), [3]) for k in kinds],
                 [value(k.lower() + "_out", getattr(TensorProto, k), [3]) for k in kinds])


def kinds():
    """A sequence, and an optional without an element."""
    tensor = helper.make_tensor_type_proto(FLOAT, None)
    sequence = helper.make_sequence_type_proto(tensor)
    g = helper.make_graph(
        [node("Neg", ["x"], ["minus"]), node("SequenceConstruct", ["x", "minus"], ["list"]),
         node("Optional", [], ["nothing"], type=tensor)],
        "g", [value("x", shape=["batch", 2])],
        [helper.make_value_info("list", sequence), helper.make_value_info("nothing", helper.make_optional_type_proto(tensor))])
    return helper.make_model(g, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def unsupported():
    g = helper.make_graph(
        [node("Relu", ["x"], ["a"]), node("Frobnicate", ["a"], ["b"], "f", domain="com.example"), node("Bucketize", ["b"], ["y"])],
        "g", [value("x", shape=[2])], [value("y", shape=[2])])
    return helper.make_model(g, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.example", 1)], ir_version=10)


def partial():
    """Two operators that ONNX does not have, one behind the other, and an If with one in a branch; beside what runs."""
    branches = {b: helper.make_graph([node(op, ["twice"], ["b"], b)], b, [], [value("b", shape=["n"])])
                for b, op in (("then_branch", "Digamma"), ("else_branch", "Abs"))}
    g = helper.make_graph(
        [node("Add", ["x", "x"], ["twice"], "add"), node("Erfc", ["twice"], ["c"], "erfc"), node("Neg", ["c"], ["d"], "neg"),
         node("Lgamma", ["d"], ["e"], "lgamma"), node("Relu", ["e"], ["y"], "last"), node("Sqrt", ["twice"], ["z"], "sqrt"),
         node("If", ["yes"], ["w"], "if", **branches)],
        "g", [value("x", shape=["n"])], [value("y", shape=["n"]), value("z", shape=["n"]), value("w", shape=["n"])],
        initializer=[numpy_helper.from_array(np.array(False), "yes")])
    return helper.make_model(g, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


# ---- Test folders ----

def write_value(path, array, name):
    with open(path, "wb") as f:
        if isinstance(array, list):
            f.write(numpy_helper.from_list(array, name).SerializeToString())
        else:
            f.write(numpy_helper.from_array(np.asarray(array), name).SerializeToString())


def test_folder(folder, m, sets, data_json=None):
    os.makedirs(folder, exist_ok=True)
    onnx.save(m, os.path.join(folder, "model.onnx"))
    for i, (inputs, outputs) in enumerate(sets):
        data = os.path.join(folder, "test_data_set_%d" % i)
        os.makedirs(data, exist_ok=True)
        for k, array in enumerate(inputs):
            write_value(os.path.join(data, "input_%d.pb" % k), array, m.graph.input[k].name)
        for k, array in enumerate(outputs):
            write_value(os.path.join(data, "output_%d.pb" % k), array, m.graph.output[k].name)
    if data_json:
        with open(os.path.join(folder, "data.json"), "w") as f:
            f.write(data_json)


def suite(folder):
    x = np.array([1, -2, 3], np.float32)
    relu = model([node("Relu", ["x"], ["y"])], [value("x", shape=[3])], [value("y", shape=[3])])
    right = np.maximum(x, 0)
    test_folder(folder + "/passes", relu, [([x], [right]), ([-x], [np.maximum(-x, 0)])])
    test_folder(folder + "/deep/er/passes_too", relu, [([x], [right])])
    test_folder(folder + "/second_set_differs", relu, [([x], [right]), ([x], [right + np.float32(0.5)])])
    test_folder(folder + "/within_its_own_tolerance", relu, [([x], [right + np.float32(0.5)])], '{"atol": 0.6, "rtol": 0}')
    test_folder(folder + "/other_dtype", relu, [([x], [right.astype(np.float64)])])
    test_folder(folder + "/other_shape", relu, [([x], [right[:2]])])
    test_folder(folder + "/nan_is_nan", relu, [([x * np.nan], [right * np.nan])])
    neg = model([node("Neg", ["x"], ["y"])], [value("x", INT64, [2])], [value("y", INT64, [2])])
    test_folder(folder + "/integers_are_exact", neg, [([np.array([10000, 1])], [np.array([-10001, -1])])])
    test_folder(folder + "/sequence", sequences(), [([x], [[x, -x]])])
    test_folder(folder + "/sequence_differs", sequences(), [([x], [[x, x]])])
    test_folder(folder + "/unsupported", unsupported(), [([x[:2]], [x[:2]])])
    test_folder(folder + "/endless", loop(), [([np.int64(2**62), np.zeros(4, np.float32)], [np.zeros(4, np.float32)])])
    random = model([node("RandomUniformLike", ["x"], ["r"]), node("Less", ["r", "x"], ["y"])],
                   [value("x", shape=[3])], [value("y", BOOL, [3])])
    test_folder(folder + "/random", random, [([np.full(3, 0.5, np.float32)], [np.array([True, False, True])])])
    test_folder(folder + "/random_other_shape", random, [([np.full(3, 0.5, np.float32)], [np.array([True, False])])])


def sequences():
    sequence = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, None))
    g = helper.make_graph([node("Neg", ["x"], ["minus"]), node("SequenceConstruct", ["x", "minus"], ["list"])],
                          "g", [value("x", shape=[3])], [helper.make_value_info("list", sequence)])
    return helper.make_model(g, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def main(folder):
    for make in (names, late_failure, loop, types, kinds, unsupported, partial):
        onnx.save(make(), os.path.join(folder, make.__name__ + ".onnx"))
    np.save(os.path.join(folder, "two.npy"), np.array([1, 2], np.float32))
    np.savez(os.path.join(folder, "names.npz"), **{"x": np.array([1, 2], np.float32), "x=y": np.array([10, 20], np.float32),
                                                    "input:0": np.array([100, 200], np.float32)})
    suite(os.path.join(folder, "suite"))


main(sys.argv[1])
