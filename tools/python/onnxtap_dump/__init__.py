"""What every layer of a model puts out, written where onnxtap finds it.

    from onnxtap_dump import dump_keras, dump_torch
    dump_keras(model, x, "ref.npz")     # Keras 3 on TensorFlow, tf_keras
    dump_torch(model, x, "ref.npz")

Beside ref.npz lies ref.layers.json, the list of layers for `onnxtap info MODEL --layer-list ref.layers.json`: names,
classes, shapes, and which layer takes what which other one gives. Nothing in it comes from an ONNX file."""
from .keras import dump_keras
from .torch import dump_torch

__all__ = ["dump_keras", "dump_torch"]
