#!/usr/bin/env python3
"""Cast between every pair of dtypes: every value of the types up to 16 bits, corners and ties of the wider ones.

    python3 tests/conformance/casts.py [--only 'float32 -> *']

What is expected is found by value, not by bits: the nearest number of the target type, ties to the one with the even code,
out of a table of all of its numbers. saturate and round_mode in all settings. Not looked at is what the standard leaves open:
numbers that an integer type has no room for, negative ones as float8e8m0, NaN as a float of 4 or 6 bits.
Exit status 1 where one is wrong."""
import fnmatch
import os
import subprocess
import sys
import tempfile

import common

FLOAT8 = ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ"]
TINY = ["FLOAT6E2M3", "FLOAT6E3M2", "FLOAT4E2M1"]
SMALL = ["FLOAT16", "BFLOAT16"] + FLOAT8 + TINY
INTS = {"INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64, "INT4": 4, "INT2": 2}
UINTS = {"UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 64, "UINT4": 4, "UINT2": 2}
TYPES = ["FLOAT", "DOUBLE", "BOOL", "FLOAT8E8M0"] + SMALL + list(INTS) + list(UINTS)


def np_type(name):
    from onnx import TensorProto, helper
    return helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(name))


def codes_of(np, name):
    """All values of a type of at most 16 bits, in the order of their codes."""
    t = np.dtype(np_type(name))
    if name == "BOOL":
        return np.array([False, True])
    bits = {**INTS, **UINTS}.get(name) or {"FLOAT6E2M3": 6, "FLOAT6E3M2": 6, "FLOAT4E2M1": 4}.get(name, 8 * t.itemsize)
    if name in INTS or name in UINTS:
        return np.arange(-(1 << bits - 1) if name in INTS else 0, 1 << (bits - 1 if name in INTS else bits)).astype(t)
    return np.arange(1 << bits, dtype=np.uint16 if bits > 8 else np.uint8).view(t)


class Table:
    """The numbers of a small float type that are not negative: value[code], and what is beyond them."""

    def __init__(self, np, name):
        values = codes_of(np, name).astype(np.float64)
        half = values[:len(values) // 2]
        self.values = half[np.isfinite(half)].astype(np.longdouble)  # code = index
        last = len(self.values) - 1
        step = self.values[last] - self.values[last - 1]
        self.limit = self.values[last] + step / 2
        self.limit_is_over = last % 2 == 1  # a tie goes to the even code
        self.over = np.inf if name in ("FLOAT16", "BFLOAT16", "FLOAT8E5M2") else np.nan
        self.name = name

    def nearest(self, np, x, saturate):
        a, v = np.abs(x), self.values
        below = np.clip(np.searchsorted(v, a, side="right") - 1, 0, len(v) - 2)
        low, high = v[below], v[below + 1]
        middle = low + (high - low) / 2
        y = np.where((a > middle) | ((a == middle) & (below % 2 == 1)), high, low)
        over = (a > self.limit) | ((a == self.limit) & self.limit_is_over)
        most = v[-1] if self.name in TINY or (saturate and self.name in FLOAT8) else self.over
        y = np.where(over, most, y)
        y = np.copysign(np.where(np.isnan(x), np.nan, y).astype(np.float64), np.where(np.isnan(x), 1, x).astype(np.float64))
        return np.where(y == 0, 0.0, y) if self.name.endswith("UZ") else y  # has no negative zero


def to_e8m0(np, x, mode, saturate):
    """Powers of two from 2^-127 to 2^127. A power of two stays, in between `up` and `down` say, and nearest takes the upper one
    from one and a half on."""
    with np.errstate(all="ignore"):
        m, e = np.frexp(x)
        exact, e = m == 0.5, e - 1
        e = e + {"up": ~exact, "down": np.zeros_like(exact), "nearest": m >= 0.75}[mode]
        y = np.ldexp(np.longdouble(1), np.clip(e, -200, 200))
        low, high = np.longdouble(2)**-127, np.longdouble(2)**127
        y = np.where(x == 0, 0, np.where(np.isinf(x), np.inf, y))
        if saturate:
            return np.where(np.isnan(x), np.nan, np.clip(y, low, high))
        return np.where(np.isnan(x) | (x < low) | (y > high), np.nan, y)


# ---- Inputs --------------------------------------------------------------------------------------------------

def inputs(np, name):
    t = np.dtype(np_type(name))
    random = np.random.default_rng(7)
    if name in ("FLOAT", "DOUBLE"):
        around = []
        for small in SMALL:
            v = Table(np, small).values.astype(np.float64)
            v = np.concatenate([v, [float(Table(np, small).limit)]])
            around += [v, (v[1:] + v[:-1]) / 2]
        around += [2.0**np.arange(-130, 129), 1.5 * 2.0**np.arange(-130, 127), np.arange(-300, 300) / 2]
        v = np.concatenate(around)
        v = v[np.abs(v) <= np.finfo(t).max].astype(t)
        v = np.concatenate([v, np.nextafter(v, t.type(np.inf)), np.nextafter(v, t.type(-np.inf))])
        more = random.integers(0, 1 << 32, 20000, np.uint64).astype(np.uint32).view(np.float32).astype(t)
        return np.unique(np.concatenate([v, -v, more[np.isfinite(more)]])).tolist() + [np.nan, np.inf, -np.inf, -0.0], t
    if t.itemsize <= 2:
        return codes_of(np, name), t
    info = np.iinfo(t)
    powers = [s * (1 << k) + d for k in range(64) for d in (-1, 0, 1) for s in (1, -1)]
    odd = [(1 << k) + (1 << j) + d for k in range(64) for j in range(max(0, k - 12), k) for d in (-1, 0, 1)]
    return [v for v in powers + odd if info.min <= v <= info.max] + random.integers(info.min, info.max, 5000, t).tolist(), t


# ---- What is expected ----------------------------------------------------------------------------------------

def expected(np, x, source, target, attributes):
    """(values, which of them are looked at); x: the input's values as longdouble, which holds each of them."""
    saturate = attributes.get("saturate", 1)
    every = np.ones(x.shape, bool)
    if target == "BOOL":
        return x != 0, every
    if target in ("FLOAT", "DOUBLE"):
        with np.errstate(all="ignore"):
            return x.astype(np_type(target)), every
    if target == "FLOAT8E8M0":
        with np.errstate(all="ignore"):
            return to_e8m0(np, x, attributes["round_mode"], saturate), ~(x < 0) & ~(np.signbit(x) & (x == 0))
    if target in SMALL:
        y = Table(np, target).nearest(np, x, saturate)
        if source == target:  # nothing is cast
            y = np.where(np.isinf(x), x.astype(np.float64), y)
        if source in ("FLOAT16", "BFLOAT16", "FLOAT", "DOUBLE") or source in FLOAT8 or source in TINY:
            if target in FLOAT8 and not saturate:
                y = np.where(np.isinf(x), Table(np, target).over * np.sign(x).astype(np.float64), y)
        return y, ~np.isnan(x) if target in TINY else every
    bits = {**INTS, **UINTS}[target]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if target in INTS else (0, (1 << bits) - 1)
    if source in INTS or source in UINTS or source == "BOOL":
        wrapped = [(int(v) - low) % (1 << bits) + low for v in x]
        return np.array(wrapped, dtype=object), every
    with np.errstate(all="ignore"):
        cut = np.trunc(x)
        fits = np.isfinite(x) & (cut >= low) & (cut <= high)
    return np.array([int(v) if f else 0 for v, f in zip(cut, fits)], dtype=object), fits


def settings(target):
    if target == "FLOAT8E8M0":
        return [{"saturate": s, "round_mode": m} for s in (0, 1) for m in ("up", "down", "nearest")]
    return [{"saturate": 0}, {"saturate": 1}] if target in FLOAT8 else [{}]


def compare(np, got, want, looked_at):
    """Positions where they differ. Signs of zeros count."""
    if want.dtype == object:
        same = np.array([int(g) == w for g, w in zip(got.tolist(), want)])
    else:
        g, w = got.astype(np.float64), want.astype(np.float64)
        same = (np.isnan(g) & np.isnan(w)) | ((g == w) & (np.signbit(g) == np.signbit(w)))
    return np.nonzero(~same & looked_at)[0]


def run_source(command, source, cases):
    """{case: result}, of one model with a Cast for each."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper
    values, t = inputs(np, source)
    x = np.array(values).astype(t)
    nodes = [helper.make_node("Cast", ["x"], [f"y{i}"], to=TensorProto.DataType.Value(target), **attributes)
             for i, (target, attributes) in enumerate(cases)]
    outputs = [helper.make_tensor_value_info(f"y{i}", TensorProto.DataType.Value(target), [len(x)]) for i, (target, _) in enumerate(cases)]
    info = helper.make_tensor_value_info("x", TensorProto.DataType.Value(source), [len(x)])
    model = helper.make_model(helper.make_graph(nodes, "g", [info], outputs), opset_imports=[helper.make_opsetid("", 28)], ir_version=14)
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("model.onnx", "x.pb", "out.npz")]
        for path, proto in zip(paths, (model, numpy_helper.from_array(x, "x"))):
            with open(path, "wb") as f:
                f.write(proto.SerializeToString())
        subprocess.run([command, "run", paths[0], "-i", f"x={paths[1]}", "-o", paths[2]], check=True, stdout=subprocess.DEVNULL)
        out = np.load(paths[2])
        return x, [out[f"y{i}"] for i in range(len(cases))]


def main():
    options = common.arguments(__doc__, folder=None).parse_args()
    np = common.need("numpy", "onnx", "ml_dtypes")[0]
    np.seterr(all="ignore")
    command = common.find_command(options.onnxtap)
    checked = failed = 0
    for source in TYPES:
        cases = [(target, s) for target in TYPES for s in settings(target)]
        cases = [c for c in cases if not options.only or any(fnmatch.fnmatch(f"{source} -> {c[0]}".lower(), g) for g in options.only)]
        if not cases:
            continue
        x, results = run_source(command, source, cases)
        wide = x.astype(np.float64).astype(np.longdouble) if x.dtype.itemsize <= 2 or x.dtype.kind == "f" else x.astype(np.longdouble)
        for (target, attributes), got in zip(cases, results):
            want, looked_at = expected(np, wide, source, target, attributes)
            bad = compare(np, got, want, looked_at)
            checked += int(looked_at.sum())
            failed += len(bad) > 0
            if len(bad):
                i = bad[0]
                print(f"{source} -> {target} {attributes}: {len(bad)} of {len(x)} are wrong, the first {wide[i]!r}: {got[i]!r}, not {want[i]!r}")
    print(f"{len(TYPES)} dtypes, {checked} values cast, {failed} pairs wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
