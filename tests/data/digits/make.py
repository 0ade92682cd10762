"""Trains a small Keras network on scikit-learn's digits, exports it to ONNX and records what Keras computes.

    python3 make.py            writes the files beside this script
    python3 make.py --check    only checks that the files here still belong together

Written, and checked against each other through ONNX Runtime with its optimisation off:

    model.onnx   the export, opset 17, of Keras's own Model.export(format="onnx") (tf2onnx underneath)
    input.npy    float32[10][8][8][1], the first held-out image of each digit from 0 to 9, pixels from 0 to 1
    labels.npy   int64[10], the true digits
    keras.npz    what Keras computed for those images in every layer, keyed by layer name, in call order
    layers.txt   a line a layer: name, Keras class, ONNX tensor, axes; separated by tabs. numpy.transpose(tensor, axes)
                 is Keras's array. Tensor and axes are "-" where the exporter left no tensor with the layer's output

The second convolution has neither bias nor activation, so the exporter multiplies its BatchNormalization into it: that
layer has no tensor of its own, as usual in real exports. The first one keeps its BatchNormalization apart.

Made with Python 3.11, keras 3.15.1, tensorflow 2.21.0, tf2onnx 1.17.0, onnx 1.23.2, onnxruntime 1.31.1,
scikit-learn 1.9.1, numpy 2.4.6, on a CPU. Seeds are pinned; another processor may still round differently while
training, which changes the weights a little and nothing else.
"""

import itertools
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
except ImportError as missing:
    sys.exit(f"make.py: skipped, {missing.name} is not installed")

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 20
OPSET = 17
RTOL, ATOL = 1e-4, 1e-5


def here(name):
    return os.path.join(HERE, name)


def digits():
    """Pixels from 0 to 1 as [n][8][8][1]; the last fifth of a seeded permutation is held out."""
    from sklearn.datasets import load_digits

    data = load_digits()
    x = (data.images / 16.0).astype(np.float32)[..., None]
    y = data.target.astype(np.int64)
    order = np.random.default_rng(SEED).permutation(len(x))
    held_out = len(x) // 5
    train, test = order[:-held_out], order[-held_out:]
    return x[train], y[train], x[test], y[test]


def network(keras):
    layers = keras.layers
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv_1")(image)
    x = layers.BatchNormalization(name="norm_1")(x)
    x = layers.MaxPooling2D(name="pool_1")(x)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv_2")(x)
    x = layers.BatchNormalization(name="norm_2")(x)
    x = layers.ReLU(name="relu_2")(x)
    x = layers.MaxPooling2D(name="pool_2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(32, activation="relu", name="features")(x)
    x = layers.Dropout(0.25, name="dropout")(x)
    digit = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(image, digit, name="digits")


def trained():
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    x, y, x_test, y_test = digits()
    model = network(keras)
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=25, verbose=0)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"{len(y_test)} held-out images: accuracy {accuracy:.4f}, loss {loss:.4f}")
    first = [int(np.flatnonzero(y_test == digit)[0]) for digit in range(10)]
    return keras, model, x_test[first], y_test[first]


def layer_outputs(keras, model, x):
    """Every layer's output in inference mode, in call order, without the input."""
    inner = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    tapped = keras.Model(model.inputs, [layer.output for layer in inner])
    values = tapped({"image": x}, training=False)
    return {layer.name: (type(layer).__name__, np.asarray(value)) for layer, value in zip(inner, values)}


def onnx_trace(path, x):
    """Every tensor a node computes, by name, in the file's order, with ONNX Runtime's optimisation off."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path))
    wanted = [name for node in model.graph.node for name in node.output if name]
    known = {value.name: value for value in list(model.graph.value_info) + list(model.graph.output)}
    del model.graph.output[:]
    model.graph.output.extend(known.get(name, onnx.ValueInfoProto(name=name)) for name in wanted)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip(wanted, session.run(None, {session.get_inputs()[0].name: x})))


def same(tensor, reference):
    return tensor.shape == reference.shape and np.allclose(tensor, reference, RTOL, ATOL)


def matches(trace, reference):
    """(tensor, axes) of each tensor that is the reference under some order of its axes but the batch."""
    for name, tensor in trace.items():
        if tensor.dtype != reference.dtype or tensor.ndim != reference.ndim:
            continue
        for axes in itertools.permutations(range(tensor.ndim)):
            if axes[0] == 0 and same(np.transpose(tensor, axes), reference):
                yield name, axes
                break


def mapped(trace, layer, reference):
    """The tensor that carries the layer's output: one in the layer's own name scope, or else the earliest (a Dropout has
    no node left, a folded BatchNormalization no scope). None where no tensor matches."""
    found = list(matches(trace, reference))
    own = [match for match in found if f"/{layer}_1/" in match[0]]
    return (own or found or [None])[0]


def write_map(path, layers, trace):
    with open(path, "w", encoding="utf-8") as out:
        for layer, (kind, value) in layers.items():
            tensor, axes = mapped(trace, layer, value) or ("-", "-")
            print(layer, kind, tensor, " ".join(map(str, axes)), sep="\t", file=out)


def make():
    keras, model, x, y = trained()
    model.export(here("model.onnx"), format="onnx", verbose=False, opset_version=OPSET)
    layers = layer_outputs(keras, model, x)
    np.save(here("input.npy"), x)
    np.save(here("labels.npy"), y)
    np.savez(here("keras.npz"), **{name: value for name, (_, value) in layers.items()})
    write_map(here("layers.txt"), layers, onnx_trace(here("model.onnx"), x))


def check():
    x = np.load(here("input.npy"))
    reference = np.load(here("keras.npz"))
    trace = onnx_trace(here("model.onnx"), x)
    compared = 0
    with open(here("layers.txt"), encoding="utf-8") as lines:
        for line in lines:
            layer, _, tensor, axes = line.rstrip("\n").split("\t")
            if tensor == "-":
                continue
            if not same(np.transpose(trace[tensor], [int(a) for a in axes.split()]), reference[layer]):
                sys.exit(f"{layer}: {tensor} is not what Keras computed")
            compared += 1
    if compared < 8:
        sys.exit(f"only {compared} layers have a tensor")
    print(f"{compared} layers agree; labels {np.load(here('labels.npy')).tolist()}, "
          f"predicted {reference['digit'].argmax(1).tolist()}")


if __name__ == "__main__":
    if "--check" not in sys.argv[1:]:
        make()
    check()
