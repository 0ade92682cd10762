#!/usr/bin/env python3
"""Every float16 and every bfloat16 through each operator with one input, against float64.

    python3 tests/conformance/halves.py

The result has to be the correctly rounded one, but for what the kernel's own float32 may be off: 0.51 units in the last
place. Exact operators have to be exact. NaN and infinities have to be where float64 has them. Exit status 1 where one of
65,536 is wrong."""
import math
import os
import subprocess
import sys
import tempfile

import common

EXACT = {"Abs", "Neg", "Ceil", "Floor", "Round", "Sign", "Relu", "ThresholdedRelu", "IsNaN", "IsInf", "Clip", "Identity"}


def operators(np):
    """{name: (attributes, function of float64)}"""
    erf = np.vectorize(math.erf, otypes=[float])
    erfc = np.vectorize(math.erfc, otypes=[float])
    sigmoid = lambda x: np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x)))
    softplus = lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    alpha, gamma = float(np.float32(1.67326319217681884765625)), float(np.float32(1.05070102214813232421875))
    gelu_tanh = lambda x: x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))
    f32 = lambda v: float(np.float32(v))
    return {
        "Identity": ({}, lambda x: x), "Abs": ({}, np.abs), "Neg": ({}, np.negative), "Ceil": ({}, np.ceil),
        "Floor": ({}, np.floor), "Round": ({}, np.rint), "Sign": ({}, np.sign), "Sqrt": ({}, np.sqrt),
        "Exp": ({}, np.exp), "Log": ({}, np.log), "Reciprocal": ({}, lambda x: 1 / x), "Erf": ({}, erf),
        "Sin": ({}, np.sin), "Cos": ({}, np.cos), "Tan": ({}, np.tan), "Asin": ({}, np.arcsin), "Acos": ({}, np.arccos),
        "Atan": ({}, np.arctan), "Sinh": ({}, np.sinh), "Cosh": ({}, np.cosh), "Tanh": ({}, np.tanh),
        "Asinh": ({}, np.arcsinh), "Acosh": ({}, np.arccosh), "Atanh": ({}, np.arctanh),
        "Relu": ({}, lambda x: np.where(x < 0, 0, x)),
        "ThresholdedRelu": ({"alpha": 1.5}, lambda x: np.where(x > 1.5, x, 0)),
        "LeakyRelu": ({"alpha": 0.25}, lambda x: np.where(x < 0, 0.25 * x, x)),
        "Elu": ({"alpha": 2.0}, lambda x: np.where(x < 0, 2 * np.expm1(x), x)),
        "Selu": ({}, lambda x: gamma * np.where(x < 0, alpha * np.expm1(x), x)),
        "Celu": ({"alpha": 2.0}, lambda x: np.maximum(x, 0) + np.minimum(2 * np.expm1(x / 2), 0)),
        "Sigmoid": ({}, sigmoid),
        "HardSigmoid": ({"alpha": 0.25, "beta": 0.5}, lambda x: np.clip(0.25 * x + 0.5, 0, 1)),
        "HardSwish": ({}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
        "Softplus": ({}, softplus), "Softsign": ({}, lambda x: x / (1 + np.abs(x))),
        "Gelu": ({}, lambda x: 0.5 * x * erfc(-x / math.sqrt(2))),
        "Gelu.tanh": ({"approximate": "tanh"}, lambda x: gelu_tanh(x)),
        "Mish": ({}, lambda x: x * np.tanh(softplus(x))),
        "Swish": ({"alpha": 1.5}, lambda x: x * sigmoid(1.5 * x)),
        "Shrink": ({"lambd": 0.5, "bias": 0.25}, lambda x: np.where(x < -0.5, x + 0.25, np.where(x > 0.5, x - 0.25, 0))),
        "IsNaN": ({}, np.isnan), "IsInf": ({}, np.isinf),
    }


def model_of(onnx, dtype, table):
    from onnx import helper
    nodes, outputs = [], []
    for name, (attributes, _) in table.items():
        kind = onnx.TensorProto.BOOL if name.startswith("Is") else dtype
        nodes.append(helper.make_node(name.split(".")[0], ["x"], [name], **attributes))
        outputs.append(helper.make_tensor_value_info(name, kind, [65536]))
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", dtype, [65536])], outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 26)], ir_version=11)


def results(command, model, x, folder):
    import numpy as np
    from onnx import numpy_helper
    paths = [os.path.join(folder, name) for name in ("model.onnx", "x.pb", "out.npz")]
    for path, proto in zip(paths, (model, numpy_helper.from_array(x, "x"))):
        with open(path, "wb") as f:
            f.write(proto.SerializeToString())
    subprocess.run([command, "run", paths[0], "-i", f"x={paths[1]}", "-o", paths[2]], check=True, stdout=subprocess.DEVNULL)
    return np.load(paths[2])


def step_at(np, info, y):
    """A unit in the last place of each |y|, in float64."""
    exponent = np.frexp(np.maximum(np.abs(y), info["least"]))[1] - 1
    return np.ldexp(1.0, exponent - info["mantissa"])


def wrong(np, name, info, got, want):
    """Indices where got is not what it has to be."""
    got = got.astype(np.float64)
    limit = info["max"] + step_at(np, info, np.array(info["max"])) / 2  # from here on it is infinity
    with np.errstate(all="ignore"):
        beyond = np.abs(want) >= limit * (1 - 1e-6)
        near_limit = beyond & (np.abs(want) <= limit * (1 + 1e-6))
        fits = np.abs(got - want) <= step_at(np, info, want) * (0.5 if name in EXACT else 0.51)
        infinite = np.isinf(got) & (np.sign(got) == np.sign(want))
        ok = np.where(np.isnan(want), np.isnan(got), np.where(beyond, infinite | (near_limit & np.isfinite(got)), fits))
    return np.nonzero(~ok)[0]


def main():
    options = common.arguments(__doc__, folder=None).parse_args()
    np, onnx, ml_dtypes = common.need("numpy", "onnx", "ml_dtypes")
    np.seterr(all="ignore")
    command = common.find_command(options.onnxtap)
    formats = {
        "float16": (onnx.TensorProto.FLOAT16, np.float16, {"mantissa": 10, "least": 2.0**-14, "max": 65504.0}),
        "bfloat16": (onnx.TensorProto.BFLOAT16, ml_dtypes.bfloat16, {"mantissa": 7, "least": 2.0**-126, "max": 3.3895313892515355e38}),
    }
    table = operators(np)
    failed = 0
    for dtype, (number, type_, info) in formats.items():
        x = np.arange(65536, dtype=np.uint16).view(type_)
        with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
            wide = x.astype(np.float64)
            out = results(command, model_of(onnx, number, table), x, folder)
            for name, (_, function) in table.items():
                want = np.asarray(function(wide), np.float64)
                bad = wrong(np, name, info, out[name], want)
                failed += len(bad) > 0
                if len(bad):
                    i = bad[0]
                    print(f"{dtype} {name}: {len(bad)} of 65536 are wrong, the first for {wide[i]!r}: "
                          f"{float(out[name][i])!r}, not {want[i]!r}")
    print(f"{len(formats) * len(table)} operators and dtypes, 65536 values each, {failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
