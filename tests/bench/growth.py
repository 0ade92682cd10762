#!/usr/bin/env python3
"""The cost as the work grows: batch 1 to 64, images of 64 to 512 pixels a side, sequences of 16 to 1024, 10 to 10 000 nodes.

A line for each size: the time of the fastest run (other programs disturb), that of one unit of work (an image, a pixel, an element of the sequence, a node), this one
beside that of the size before it (1.00: linear), and for nodes opening and the first run, too. Beside it ONNX Runtime, where it is installed.

    python3 tests/bench/growth.py [--onnxtap FILE] [--threads 1] [--seconds 0.3] [--only batch,image,sequence,nodes] [--markdown FILE]

Needs the packages onnx and numpy; prints why and exits with 77 where they are missing.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

SKIPPED = 77


# ---- Models ----------------------------------------------------------------------------------------------------

class Graph:
    """Nodes one behind the other, weights drawn as they are asked for."""

    def __init__(self):
        import numpy as np
        self.np, self.rng = np, np.random.default_rng(0)
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, *shape, values=None):
        from onnx import numpy_helper
        name = f"w{len(self.weights)}"
        if values is None:
            fan = self.np.prod(shape[1:]) if len(shape) > 2 else shape[0]
            values = (self.rng.standard_normal(shape) / self.np.sqrt(fan)).astype("f")
        self.weights.append(numpy_helper.from_array(self.np.array(values), name))
        return name

    def add(self, op, *inputs, outputs=1, **attributes):
        from onnx import helper
        made = [f"v{self.count + k}" for k in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(op, list(inputs), made, **attributes))
        return made[0] if outputs == 1 else made

    def save(self, path, shape, y):
        import onnx
        from onnx import TensorProto, helper
        graph = helper.make_graph(self.nodes, "growth", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                                  [helper.make_tensor_value_info(y, TensorProto.FLOAT, None)], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def network(g, x, channels):
    """Convolutions as image networks have them: a stem, a depthwise one, a pointwise one, a pool."""
    for c_in, c_out in zip((3, *channels), channels):
        x = g.add("Relu", g.add("Conv", x, g.weight(c_out, c_in, 3, 3), pads=[1, 1, 1, 1]))
        x = g.add("Conv", x, g.weight(c_out, 1, 3, 3), pads=[1, 1, 1, 1], group=c_out)
        x = g.add("Relu", g.add("Conv", x, g.weight(c_out, c_out, 1, 1)))
        x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    return g.add("Flatten", g.add("GlobalAveragePool", x))


def image_model(path, n, side):
    g = Graph()
    y = g.add("Softmax", g.add("MatMul", network(g, "x", (16, 32)), g.weight(32, 10)))
    g.save(path, [n, 3, side, side], y)


def encoder_model(path, length, width=64, heads=4):
    g = Graph()

    def split(x):
        return g.add("Transpose", g.add("Reshape", x, g.weight(values=[1, length, heads, width // heads])), perm=[0, 2, 1, 3])

    q, k, v = (split(g.add("MatMul", "x", g.weight(width, width))) for _ in range(3))
    scores = g.add("MatMul", q, g.add("Transpose", k, perm=[0, 1, 3, 2]))
    mixed = g.add("MatMul", g.add("Softmax", scores, axis=-1), v)
    x = g.add("Reshape", g.add("Transpose", mixed, perm=[0, 2, 1, 3]), g.weight(values=[1, length, width]))
    x = g.add("Add", g.add("MatMul", x, g.weight(width, width)), "x")
    x = g.add("LayerNormalization", x, g.weight(width), g.weight(width))
    y = g.add("MatMul", g.add("Relu", g.add("MatMul", x, g.weight(width, 4 * width))), g.weight(4 * width, width))
    g.save(path, [1, length, width], g.add("Add", y, x))


def lstm_model(path, length, width=64):
    g = Graph()
    y, _, _ = g.add("LSTM", "x", g.weight(1, 4 * width, width), g.weight(1, 4 * width, width), hidden_size=width, outputs=3)
    g.save(path, [length, 1, width], y)


def chain_model(path, n):
    """Nodes that do little and cannot join each other: what is left is the cost of a node."""
    g = Graph()
    x, w = "x", g.weight(8, 8)
    for _ in range(n // 2):
        x = g.add("MatMul", g.add("Softmax", x, axis=-1), w)
    g.save(path, [1, 8], x)


def wide_model(path, n):
    """Values that all live until the end: places in memory, and inputs of one node."""
    g = Graph()
    made = [g.add("Softmax", g.add("Add", "x", g.weight(1, 8)), axis=-1) for _ in range(n // 2)]
    while len(made) > 1:
        made = [g.add("Concat", *made[i:i + 8], axis=1) if len(made[i:i + 8]) > 1 else made[i] for i in range(0, len(made), 8)]
    g.save(path, [1, 8], made[0])


SIZES = (10, 100, 1000, 10000)
# (group, title, sizes, make(path, size), units of work)
SERIES = [
    ("batch", "batch, images of 32x32", (1, 2, 4, 8, 16, 32, 64), lambda p, n: image_model(p, n, 32), lambda n: n),
    ("image", "image, pixels a side", (64, 128, 256, 512), lambda p, n: image_model(p, 1, n), lambda n: n * n),
    ("sequence", "sequence, attention of width 64", (16, 64, 256, 1024), encoder_model, lambda n: n),
    ("sequence", "sequence, LSTM of width 64", (16, 64, 256, 1024), lstm_model, lambda n: n),
    ("nodes", "nodes, one behind the other", SIZES, chain_model, lambda n: n),
    ("nodes", "nodes, side by side", SIZES, wide_model, lambda n: n),
]


# ---- Measuring -------------------------------------------------------------------------------------------------

def ours(options, model):
    r = subprocess.run([options.onnxtap, "bench", model, "-i", "x=random", "--threads", str(options.threads), "--seconds",
                        str(options.seconds), "--json"], capture_output=True, text=True, check=False)
    if r.returncode:
        sys.exit(f"{model}: {r.stderr}")
    return json.loads(r.stdout)


def theirs(options, model):
    import numpy as np
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = options.threads
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(model, o, providers=["CPUExecutionProvider"])
    load = time.perf_counter() - start
    x = {"x": np.random.default_rng(0).random(session.get_inputs()[0].shape, dtype=np.float32)}
    times, end = [], time.perf_counter() + options.seconds
    while len(times) < 6 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, x)
        times.append(time.perf_counter() - start)
    return {"load_ms": load * 1e3, "first_ms": times[0] * 1e3, "median_ms": statistics.median(times[1:]) * 1e3,
            "min_ms": min(times) * 1e3}


SLOW_MS = 300


def ready(r):
    return r["load_ms"] + max(0.0, r["first_ms"] - r["median_ms"])


def beside(options, model):
    try:
        return theirs(options, model)
    except ImportError:
        return None


def table(options, folder, title, sizes, make, units):
    lines = [f"| {title} | ms | us a unit | beside the size before | ready, ms | ONNX Runtime, ms | ready, ms |", "| --- |" + " --- |" * 6]
    before = other = None
    for size in sizes:
        model = os.path.join(folder, "model.onnx")
        make(model, size)
        rounds = [ours(options, model) for _ in range(2)]
        r = min(rounds, key=lambda x: x["min_ms"])
        unit = r["min_ms"] * 1e3 / units(size)
        # Where it took long to be ready, ten times as many nodes take minutes.
        other = None if other and ready(other) > SLOW_MS else beside(options, model)
        lines.append(f"| {size} | {r['min_ms']:.4f} | {unit:.4g} | {'' if before is None else format(unit / before, '.2f')} | "
                     f"{min(map(ready, rounds)):.1f} | {format(other['min_ms'], '.4f') if other else ''} | {format(ready(other), '.1f') if other else ''} |")
        before = unit
    return lines


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--onnxtap", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release/onnxtap"))
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--seconds", type=float, default=0.3)
    p.add_argument("--only", default="batch,image,sequence,nodes")
    p.add_argument("--markdown", metavar="FILE")
    options = p.parse_args()
    try:
        import numpy  # noqa: F401
        import onnx  # noqa: F401
    except ImportError as missing:
        print(f"skipped: {missing}")
        return SKIPPED
    text = []
    with tempfile.TemporaryDirectory() as folder:
        for group, title, sizes, make, units in SERIES:
            if group in options.only.split(","):
                lines = table(options, folder, title, sizes, make, units)
                print("\n".join(lines) + "\n", flush=True)
                text += [*lines, ""]
    if options.markdown:
        with open(options.markdown, "w", encoding="utf-8") as f:
            f.write("\n".join(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
