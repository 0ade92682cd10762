#!/usr/bin/env python3
"""Makes the models of nodes that ONNX does not have.

usage: make.py FOLDER    (needs the onnx package; the results lie beside this file)
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper


def save(folder, name, nodes, opset=13, domains=(), functions=()):
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [3]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, name, value[:1], value[1:])
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=8)
    onnx.save(model, os.path.join(folder, name + ".onnx"))


def main(folder):
    node = helper.make_node
    twice = helper.make_function("", "__inference_twice_7", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])],
                                 [helper.make_opsetid("", 13)])
    call = {"f": "__inference_twice_7", "config_proto": "x", "executor_type": "", "_XlaMustCompile": 1}
    save(folder, "call", [node("StatefulPartitionedCall", ["x"], ["y"], "call", **call)], functions=[twice])
    save(folder, "call_of_nothing", [node("StatefulPartitionedCall", ["x"], ["y"], "call", **call)])
    save(folder, "early", [node("HardSwish", ["x"], ["y"], "act", _class="z", T=1)])
    save(folder, "aten", [node("ATen", ["x"], ["y"], "a", domain="org.pytorch.aten", operator="special_entr")],
         domains=["org.pytorch.aten"])
    save(folder, "plugin", [node("EfficientNMS_TRT", ["x"], ["y"], "nms")])
    save(folder, "openvino", [node("Swish", ["x"], ["y"], "s", domain="org.openvinotoolkit")],
         domains=["org.openvinotoolkit"])
    save(folder, "attribute", [node("Erfc", ["x"], ["y"], "e", slope=1.0)])
    table = onnx.MapProto(key_type=TensorProto.INT64, keys=[1, 5])
    table.values.elem_type = onnx.SequenceProto.TENSOR
    table.values.tensor_values.extend(onnx.numpy_helper.from_array(np.float32(v)) for v in (2.5, 3.5))
    with open(os.path.join(folder, "table.pb"), "wb") as f:
        f.write(table.SerializeToString())
    save(folder, "table", [node("HashTableV2", [], ["t"], "table", shared_name="a"),
                           node("Cast", ["x"], ["k"], "cast", to=TensorProto.INT64),
                           node("Constant", [], ["d"], "default", value_float=0.0),
                           node("LookupTableFindV2", ["t", "k", "d"], ["y"], "find")])


main(sys.argv[1])
