#!/usr/bin/env python3
"""The distributions of the random operators, in every dtype that they give.

    python3 tests/conformance/random_numbers.py

A million numbers each: range, mean, variance, share of each of 50 equally likely parts (chi squared) within five standard
errors; equal bits for one seed whatever the threads, other ones for another seed. Exit status 1 where one is off."""
import math
import os
import subprocess
import sys
import tempfile

import common

N = 1 << 20
PARTS = 50
FLOATS = ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"]
INTS = ["INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"]


def run(command, node, inputs, dtype, shape, seed, threads=1):
    """The node's output."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    initializers = [numpy_helper.from_array(value, name) for name, value in inputs.items()]
    output = helper.make_tensor_value_info("y", TensorProto.DataType.Value(dtype), shape)
    graph = helper.make_graph([node], "g", [], [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "model.onnx"), os.path.join(folder, "out.npz")
        with open(path, "wb") as f:
            f.write(model.SerializeToString())
        subprocess.run([command, "run", path, "-o", out, "--seed", str(seed), "--threads", str(threads)], check=True,
                       stdout=subprocess.DEVNULL)
        return np.load(out)["y"]


def moments(np, x, mean, variance, fourth):
    """What is off. fourth: the fourth central moment."""
    n = x.size
    if abs(x.mean() - mean) > 5 * math.sqrt(variance / n):
        yield f"the mean is {x.mean():.6f}, not {mean}"
    if abs(((x - mean) ** 2).mean() - variance) > 5 * math.sqrt((fourth - variance**2) / n) + 1e-12:
        yield f"the variance is {((x - mean) ** 2).mean():.6f}, not {variance}"


def parts(np, x, edges, likely):
    """edges of the parts, likely: their probabilities."""
    counts = np.histogram(x, edges)[0]
    chi2 = ((counts - x.size * likely) ** 2 / (x.size * likely)).sum()
    degrees = len(likely) - 1
    if abs(chi2 - degrees) > 5 * math.sqrt(2 * degrees):
        yield f"chi squared is {chi2:.1f} for {degrees} degrees of freedom"


def check_uniform(np, command, dtype):
    from onnx import TensorProto, helper
    low, high = -1.0, 3.0
    node = helper.make_node("RandomUniform", [], ["y"], shape=[N], low=low, high=high, dtype=TensorProto.DataType.Value(dtype))
    y = run(command, node, {}, dtype, [N], 1)
    x = y.astype(np.float64)
    if x.min() < low or x.max() >= high:
        yield f"{x.min()} to {x.max()}, not in [{low}, {high})"
    if dtype not in ("FLOAT16", "BFLOAT16"):  # their steps are wider than the parts
        yield from parts(np, x, np.linspace(low, high, PARTS + 1), np.full(PARTS, 1 / PARTS))
    width = high - low
    coarse = 0.01 if dtype in ("FLOAT16", "BFLOAT16") else 0
    if coarse and (abs(x.mean() - 1) > coarse or abs(x.var() - width**2 / 12) > 3 * coarse):
        yield f"mean {x.mean()}, variance {x.var()}"
    elif not coarse:
        yield from moments(np, x, 1.0, width**2 / 12, width**4 / 80)
    if y.tobytes() != run(command, node, {}, dtype, [N], 1, threads=3).tobytes():
        yield "other bits with three threads"
    if y.tobytes() == run(command, node, {}, dtype, [N], 2).tobytes():
        yield "the same numbers with another seed"


def check_normal(np, command, dtype):
    from onnx import TensorProto, helper
    mean, scale = 2.0, 0.5
    node = helper.make_node("RandomNormal", [], ["y"], shape=[N], mean=mean, scale=scale, dtype=TensorProto.DataType.Value(dtype))
    x = run(command, node, {}, dtype, [N], 3).astype(np.float64)
    if dtype in ("FLOAT16", "BFLOAT16"):
        if abs(x.mean() - mean) > 1e-2 or abs(x.std() - scale) > 1e-2:
            yield f"mean {x.mean()}, deviation {x.std()}"
        return
    yield from moments(np, x, mean, scale**2, 3 * scale**4)
    edges = np.linspace(-3, 3, PARTS - 1)
    below = np.array([0.5 * (1 + math.erf(e / math.sqrt(2))) for e in edges])
    likely = np.diff(np.concatenate([[0], below, [1]]))
    yield from parts(np, (x - mean) / scale, np.concatenate([[-np.inf], edges, [np.inf]]), likely)


def check_bernoulli(np, command, dtype):
    from onnx import TensorProto, helper
    p = 0.3
    node = helper.make_node("Bernoulli", ["p"], ["y"], dtype=TensorProto.DataType.Value(dtype))
    x = run(command, node, {"p": np.full(N, p, np.float64)}, dtype, [N], 4).astype(np.float64)
    if set(np.unique(x)) != {0.0, 1.0}:
        yield f"values {np.unique(x)[:5]}"
    yield from moments(np, x, p, p * (1 - p), p * (1 - p) * (1 - 3 * p * (1 - p)))


def check_multinomial(np, command, dtype):
    from onnx import TensorProto, helper
    likely = np.array([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]])
    node = helper.make_node("Multinomial", ["p"], ["y"], sample_size=N, dtype=TensorProto.DataType.Value(dtype))
    y = run(command, node, {"p": np.log(likely).astype(np.float32)}, dtype, [2, N], 5)
    for row in range(2):
        yield from parts(np, y[row].astype(np.float64), np.arange(5) - 0.5, likely[row])


def check_dropout(np, command, dtype):
    from onnx import TensorProto, helper
    ratio = 0.25
    node = helper.make_node("Dropout", ["x", "ratio", "training"], ["y"])
    inputs = {"x": np.ones(N, helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(dtype))), "ratio": np.array(ratio, np.float32),
              "training": np.array(True)}
    x = run(command, node, inputs, dtype, [N], 6).astype(np.float64)
    kept = x != 0
    if abs(kept.mean() - (1 - ratio)) > 5 * math.sqrt(ratio * (1 - ratio) / N):
        yield f"{kept.mean():.6f} are kept, not {1 - ratio}"
    if np.abs(x[kept] - 1 / (1 - ratio)).max() > 5e-3:
        yield f"what is kept becomes {x[kept][0]}"


CHECKS = {"RandomUniform": (check_uniform, FLOATS), "RandomNormal": (check_normal, FLOATS),
          "Bernoulli": (check_bernoulli, FLOATS + INTS + ["BOOL"]), "Multinomial": (check_multinomial, ["INT32", "INT64"]),
          "Dropout": (check_dropout, FLOATS)}


def main():
    options = common.arguments(__doc__, folder=None).parse_args()
    np = common.need("numpy", "onnx", "ml_dtypes")[0]
    command = common.find_command(options.onnxtap)
    checked = failed = 0
    for name, (check, dtypes) in CHECKS.items():
        for dtype in dtypes:
            checked += 1
            for problem in check(np, command, dtype):
                failed += 1
                print(f"{name} {dtype}: {problem}")
    print(f"{checked} operators and dtypes, a million numbers each, {failed} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
