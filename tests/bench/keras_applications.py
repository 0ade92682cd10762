#!/usr/bin/env python3
"""ResNet50, MobileNetV2 and EfficientNetB0 of Keras at 224x224, random weights, as ONNX files for performance.py.

    python3 tests/bench/keras_applications.py FOLDER

Needs tensorflow and tf2onnx; prints why and exits with 77 where they are missing.
"""
import os
import sys

SIZE = 224


def main():
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    try:
        import numpy as np
        import onnx
        import tensorflow as tf
        import tf2onnx  # noqa: F401 - what export needs
    except ImportError as missing:
        print(f"skipped: {missing}")
        return 77
    for make in (tf.keras.applications.ResNet50, tf.keras.applications.MobileNetV2, tf.keras.applications.EfficientNetB0):
        tf.keras.utils.set_random_seed(0)
        model = make(weights=None, input_shape=(SIZE, SIZE, 3))
        folder = os.path.join(sys.argv[1], f"{make.__name__}_{SIZE}")
        os.makedirs(folder, exist_ok=True)
        model.export(os.path.join(folder, "model.onnx"), format="onnx", verbose=False, opset_version=18,
                     input_signature=[tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32, name="image")])
        image = np.random.default_rng(0).uniform(0, 1, (1, SIZE, SIZE, 3)).astype(np.float32)
        # The exporter makes inputs of the constants that EfficientNet normalises with.
        graph = onnx.load(os.path.join(folder, "model.onnx")).graph
        shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in graph.input if i.name != "image"}
        np.savez(os.path.join(folder, "inputs.npz"), image=image, **{n: np.ones(d, np.float32) for n, d in shapes.items()})
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
