#!/usr/bin/env python3
"""Makes epoch_0.onnx ... epoch_2.onnx: a network of two layers on the digits' images, after each epoch of its training.

usage: make.py FOLDER DIGITS_FOLDER
"""

import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(weights):
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "w1", "b1"], ["sum"], "hidden"),
        helper.make_node("Relu", ["sum"], ["hidden"], "relu"),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"], "output"),
        helper.make_node("Softmax", ["logits"], ["classes"], "softmax"),
    ]
    graph = helper.make_graph(
        nodes, "epochs", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 8, 8, 1])],
        [helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="onnxtap tests")


def step(weights, x, labels, rate):
    """One step of gradient descent on the mean cross-entropy."""
    hidden = np.maximum(x @ weights["w1"] + weights["b1"], 0)
    logits = hidden @ weights["w2"] + weights["b2"]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    d = (p - np.eye(10)[labels]) / len(x)
    back = (d @ weights["w2"].T) * (hidden > 0)
    for name, gradient in (("w2", hidden.T @ d), ("b2", d.sum(0)), ("w1", x.T @ back), ("b1", back.sum(0))):
        weights[name] -= rate * gradient


def main(folder, digits):
    x = np.load(os.path.join(digits, "input.npy")).reshape(-1, 64).astype(np.float64)
    labels = np.load(os.path.join(digits, "labels.npy"))
    random = np.random.default_rng(3)
    weights = {"w1": random.normal(0, 0.15, (64, 16)), "b1": np.zeros(16), "w2": random.normal(0, 0.25, (16, 10)), "b2": np.zeros(10)}
    for epoch in range(3):
        for _ in range(12):
            step(weights, x, labels, 0.5)
        onnx.save(model(weights), os.path.join(folder, f"epoch_{epoch}.onnx"))


main(*sys.argv[1:3])
