#!/usr/bin/env python3
"""Makes the seeds of the fuzz targets: small models and data files that use every part of the schema.

usage: make_seeds.py FOLDER    (needs the onnx package; the results lie in tests/fuzz/seeds)
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def floats(name, shape=(None,)):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def sparse(name):
    values = helper.make_tensor(name, TensorProto.FLOAT, [2], [1.0, 2.0])
    indices = helper.make_tensor(name + "_indices", TensorProto.INT64, [2, 2], [0, 1, 1, 2])
    return helper.make_sparse_tensor(values, indices, [2, 3])


def typed_tensors():
    """One tensor of each data type, in its typed list and in raw_data."""
    for number in TensorProto.DataType.values():
        name = TensorProto.DataType.Name(number).lower()
        if number == TensorProto.STRING:
            yield helper.make_tensor(name, number, [2], [b"one", b"\xff"])
        elif name != "undefined":
            listed = helper.make_tensor(name, number, [3], [0, 1, 1])
            yield listed
            raw = numpy_helper.from_array(numpy_helper.to_array(listed), name + "_raw")
            raw.data_type = number
            yield raw


def everything():
    body = helper.make_graph(
        [
            helper.make_node("Add", ["state", "w"], ["next"], name="grow"),
            helper.make_node("Identity", ["cond_in"], ["cond_out"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("cond_in", TensorProto.BOOL, []),
            floats("state"),
        ],
        [helper.make_tensor_value_info("cond_out", TensorProto.BOOL, []), floats("next")],
        [helper.make_tensor("w", TensorProto.FLOAT, [1], [0.5])],
    )
    constant = helper.make_node("Constant", [], ["c"], sparse_value=sparse("s"))
    typed = helper.make_node("Optional", [], ["o"])
    typed.attribute.append(
        helper.make_attribute("type", helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, ["N", 3])))
    )
    many = helper.make_node("Many", ["x", ""], ["", "m"], domain="custom", name="many", doc_string="all attribute kinds")
    for key, value in {
        "f": 1.5, "i": -7, "s": "text", "floats": [1.0, 2.0], "ints": list(range(40)), "strings": ["a", "b"],
        "tensors": list(typed_tensors()), "graphs": [body], "sparse_tensors": [sparse("t")],
        "type_protos": [helper.make_optional_type_proto(helper.make_tensor_type_proto(7, None))],
    }.items():
        many.attribute.append(helper.make_attribute(key, value))
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "", "x"], ["y"], body=body), constant, typed, many,
         helper.make_node("Scaled", ["y"], ["z"], domain="local", alpha=2.0)],
        "main",
        [floats("x", ["N"]), helper.make_tensor_value_info("n", TensorProto.INT64, [])],
        [floats("z", ["N"])],
        [helper.make_tensor("n", TensorProto.INT64, [], [3])],
        value_info=[floats("y", ["N"])],
        sparse_initializer=[sparse("sp")],
    )
    annotation = graph.quantization_annotation.add(tensor_name="y")
    annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="scale")
    scaled = helper.make_node("Mul", ["X", "a"], ["Y"])
    value = helper.make_node("Constant", [], ["a"])
    value.attribute.append(onnx.AttributeProto(name="value_float", type=onnx.AttributeProto.FLOAT, ref_attr_name="alpha"))
    function = helper.make_function(
        "local", "Scaled", ["X"], ["Y"], [value, scaled], [helper.make_opsetid("", 20)], attributes=["alpha"]
    )
    model = helper.make_model(
        graph,
        functions=[function],
        producer_name="seeds",
        opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid("local", 1), helper.make_opsetid("custom", 1)],
        ir_version=14,
    )
    helper.set_model_props(model, {"key": "value"})
    training = model.training_info.add()
    training.algorithm.CopyFrom(body)
    training.update_binding.add(key="w", value="next")
    model.configuration.add(name="one", num_devices=1, device=["cpu"])
    return model


def external():
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="w.bin")
    tensor.external_data.add(key="offset", value="0")
    return helper.make_model(helper.make_graph([], "g", [], [], [tensor]), ir_version=3)


def values():
    a, b = np.arange(3, dtype=np.float32), np.array(["x", "y"], dtype=object)
    yield "tensor", numpy_helper.from_array(a, "a")
    yield "strings", numpy_helper.from_array(b, "b")
    yield "dtypes", onnx.SequenceProto(elem_type=onnx.SequenceProto.TENSOR, tensor_values=typed_tensors())
    yield "sequence", numpy_helper.from_list([a, a], "list")
    yield "map", numpy_helper.from_dict({1: np.float32(2), 3: np.float32(4)}, "map")
    yield "optional", numpy_helper.from_optional(a, "optional")
    yield "optional_sequence", numpy_helper.from_optional([a, a], "optional")
    yield "optional_empty", numpy_helper.from_optional(None, "optional", 1)


def arrays():
    yield "fortran", np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
    yield "text", np.array(["a", "\u00e9\U0001f600"])
    yield "bytes", np.array([[b"ab"], [b""]])
    yield "complex", np.array(1 + 2j)
    yield "empty", np.zeros((0, 3), np.float16)
    yield "list[0]", np.array([True, False])
    yield "list[1]", np.array([1.5, np.nan])


def write_arrays(folder):
    for name, array in arrays():
        if "[" not in name:
            np.save(os.path.join(folder, name + ".npy"), array)
    with open(os.path.join(folder, "version3.npy"), "wb") as stream:
        np.lib.format.write_array(stream, np.arange(3), version=(3, 0))
    np.savez(os.path.join(folder, "stored.npz"), **dict(arrays()))
    np.savez_compressed(os.path.join(folder, "deflated.npz"), **dict(arrays()))


JSON = """{"list": [1, -2.5e3, "a\\u00e9\\ud83d\\ude00\\n", true, false, null, [], {}],
 "deep": [[[[{"a": {"b": [0.1, 1e-300, "NaN"]}}]]]], "a": 1, "a": 2}
"""


def main(folder):
    def write(name, message):
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(message.SerializeToString(deterministic=True))

    os.makedirs(folder, exist_ok=True)
    write("everything.onnx", everything())
    write("external.onnx", external())
    for name, value in values():
        write(name + ".pb", value)
    write_arrays(folder)
    with open(os.path.join(folder, "document.json"), "w") as stream:
        stream.write(JSON)


if __name__ == "__main__":
    main(sys.argv[1])
