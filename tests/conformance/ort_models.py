#!/usr/bin/env python3
"""Turns models into what ONNX Runtime's quantiser and optimisers make of them, and runs both: the outputs have to be close.

    python3 tests/conformance/ort_models.py FOLDER... [--only WORD] [--onnxtap COMMAND] [-v]

Every model.onnx below a folder whose operators ONNX Runtime runs is written anew by each of the WAYS; those in which operators of
com.microsoft come up are run by ONNX Runtime without optimisation and by the library. Where the outputs are further apart than
--tolerance, every node is run by the library on ONNX Runtime's own values: if each gives the same, to one step of a quantised
type and 1e-4 of a float's largest value, what is between the outputs is rounding that the model blows up, which is counted apart; else it fails
and the operators are named, but for those in KNOWN. Needs the packages onnx, onnxruntime, numpy.
"""
import collections
import fnmatch
import json
import pathlib
import subprocess
import sys
import tempfile

import common

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
    from onnxruntime import quantization as q
except ImportError as missing:
    print(f"skipped: the Python package {missing.name} is not installed")
    sys.exit(77)

ort.set_default_logger_severity(4)
# Operators whose results ONNX Runtime has less exactly, and how.
KNOWN = {
    "QLinearSoftmax": "integer arithmetic with 1 / y_scale cut to an integer; overflows where masks were quantised",
    "Sigmoid": "an approximation with an absolute error: what is near 0 is lost",
    "QLinearSigmoid": "as Sigmoid",
}
TRANSFORMERS = ("bert", "gpt2", "vit", "bart", "t5", "clip", "conformer")
ROUNDED = "every node agrees on the same inputs"
SIZE = 2  # of dimensions that the model leaves open


def session(path, level=ort.GraphOptimizationLevel.ORT_DISABLE_ALL, out=None):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 4
    if out:
        options.optimized_model_filepath = str(out)
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class Feeds(q.CalibrationDataReader):
    def __init__(self, feeds):
        self.left = [feeds]

    def get_next(self):
        return self.left.pop() if self.left else None


def optimised(level):
    return lambda path, out, feeds: session(path, level, out)


def dynamic(**options):
    return lambda path, out, feeds: q.quantize_dynamic(str(path), str(out), **options)


def static(**options):
    return lambda path, out, feeds: q.quantize_static(str(path), str(out), Feeds(feeds), quant_format=q.QuantFormat.QOperator, **options)


def after(first, second):
    def both(path, out, feeds):
        between = out.with_name("between.onnx")
        first(path, between, feeds)
        second(between, out, feeds)
    return both


def transformer(kind):
    def write(path, out, feeds):
        from onnxruntime.transformers import optimizer
        from onnxruntime.transformers.fusion_options import FusionOptions
        options = FusionOptions(kind)
        optimizer.optimize_model(str(path), model_type=kind, num_heads=0, hidden_size=0, optimization_options=options,
                                 opt_level=0).save_model_to_file(str(out))
    return write


def four_bits(path, out, feeds):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    quantizer = MatMulNBitsQuantizer(onnx.load(path), block_size=32, is_symmetric=False)
    quantizer.process()
    onnx.save(quantizer.model.model, out)


EXTENDED, ALL = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED, ort.GraphOptimizationLevel.ORT_ENABLE_ALL
WAYS = {
    "basic": optimised(ort.GraphOptimizationLevel.ORT_ENABLE_BASIC),
    "extended": optimised(EXTENDED),
    "all": optimised(ALL),
    "dynamic": dynamic(),
    "dynamic int8 per channel": dynamic(weight_type=q.QuantType.QInt8, per_channel=True),
    "dynamic, extended": after(dynamic(), optimised(EXTENDED)),
    "static": static(),
    "static int8": static(activation_type=q.QuantType.QInt8, weight_type=q.QuantType.QInt8, per_channel=True),
    "static, extended": after(static(), optimised(EXTENDED)),
    "static, all": after(static(), optimised(ALL)),
    "qdq, extended": after(lambda p, o, f: q.quantize_static(str(p), str(o), Feeds(f)), optimised(EXTENDED)),
    "qdq, all": after(lambda p, o, f: q.quantize_static(str(p), str(o), Feeds(f)), optimised(ALL)),
    "four bits": four_bits,
    **{f"transformer {k}": transformer(k) for k in TRANSFORMERS},
}


def drawn(path):
    """Data for every input of the model."""
    r, feeds = np.random.default_rng(0), {}
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(int32)": np.int32,
             "tensor(bool)": np.bool_, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
    for i in session(path).get_inputs():
        shape = [d if isinstance(d, int) else SIZE for d in i.shape]
        t = types[i.type]
        if t in (np.int64, np.int32):
            feeds[i.name] = r.integers(0, 2, size=shape).astype(t)
        else:
            feeds[i.name] = (r.random(shape) * 2 - 1).astype(t)
    return feeds


def given(path):
    file = path.with_name("inputs.npz")
    if not file.exists():
        return drawn(path)
    with np.load(file, allow_pickle=False) as z:
        # ONNX Runtime takes bytes for other strings than their text.
        return {k: np.char.decode(z[k]) if z[k].dtype.kind == "S" else z[k] for k in z.files}


def foreign(path):
    """Operators of ONNX Runtime, counted."""
    found = collections.Counter()
    model = onnx.load(path, load_external_data=False)
    for t in model.graph.initializer:
        # Masks of minus infinity have no range to be quantised by: what comes of that is chance.
        if t.name.endswith("scale") and not np.all(np.isfinite(onnx.numpy_helper.to_array(t))):
            raise ValueError(f"{t.name} is not finite")
    for n in [*model.graph.node, *(n for f in model.functions for n in f.node)]:
        if n.domain.startswith("com.microsoft") or n.op_type == "SimplifiedLayerNormalization":
            found[n.op_type if n.domain in ("", "com.microsoft") else f"{n.domain}.{n.op_type}"] += 1
    return found


def ours(command, path, feeds, names, folder):
    np.savez(folder / "feeds.npz", **feeds)
    run = subprocess.run([command, "run", str(path), "-i", str(folder / "feeds.npz"), "-o", str(folder / "got.npz")],
                         capture_output=True, text=True, timeout=300)
    if run.returncode:
        return None, run.stderr.strip()[:600]
    with np.load(folder / "got.npz") as z:
        return [z[n] for n in names], ""


def distance(got, want):
    """The largest difference, as a share of the output's largest value."""
    if got.shape != want.shape:
        return np.inf
    g, w = got.astype(np.float64), want.astype(np.float64)
    if not w.size:
        return 0.0
    return float(np.max(np.abs(g - w)) / max(1e-6, np.max(np.abs(w))))


def all_values(model, path, feeds, folder):
    """What ONNX Runtime has for every value of the model's main graph."""
    traced = onnx.ModelProto()
    traced.CopyFrom(model)
    have = {o.name for o in model.graph.output}
    traced.graph.output.extend(onnx.ValueInfoProto(name=o) for n in model.graph.node for o in n.output if o and o not in have)
    onnx.save(traced, folder / "traced.onnx")
    s = session(folder / "traced.onnx")
    names = [o.name for o in s.get_outputs()]
    return {**feeds, **{k: v for k, v in zip(names, s.run(None, feeds)) if isinstance(v, np.ndarray)}}


def in_blocks(graph):
    """Values in the layout NCHWc, whose elements ONNX Runtime gives in another order than the library."""
    found = set()
    for n in graph.node:
        if n.domain == "com.microsoft.nchwc" and n.op_type != "ReorderOutput" or found.intersection(n.input) and n.op_type != "ReorderOutput":
            found.update(n.output)
    return found


def by_itself(model, values):
    """A model of the same nodes, each of which is given its inputs; and these."""
    graph, stored = onnx.GraphProto(name="isolated"), {t.name for t in model.graph.initializer}
    blocks, feeds = in_blocks(model.graph), {}
    for n in model.graph.node:
        read = [i for i in n.input if i and i not in stored]
        if any(a.HasField("g") for a in n.attribute) or blocks.intersection([*n.input, *n.output]) or any(i not in values for i in read):
            continue
        node = graph.node.add()
        node.CopyFrom(n)
        node.output[:] = [o and "isolated/" + o for o in n.output]
        graph.output.extend(onnx.ValueInfoProto(name=o) for o in node.output if o)
        feeds.update((i, values[i]) for i in read)
    used = {i for n in graph.node for i in n.input}
    graph.initializer.extend(t for t in model.graph.initializer if t.name in used)
    graph.input.extend(onnx.helper.make_tensor_value_info(k, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feeds.items())
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version), feeds


def isolated(command, path, feeds, folder):
    """Operators that give something else on ONNX Runtime's own inputs, and by how much."""
    model = onnx.load(path)
    values = all_values(model, path, feeds, folder)
    alone, given_values = by_itself(model, values)
    onnx.save(alone, folder / "isolated.onnx")
    names = [o for n in alone.graph.node for o in n.output if o and o[9:] in values and values[o[9:]].dtype.kind in "iuf"]
    got, wrong = ours(command, folder / "isolated.onnx", given_values, names, folder)
    if got is None:
        return {"?": wrong}
    makers, found = {o: n.op_type for n in alone.graph.node for o in n.output}, {}
    for name, x in zip(names, got):
        w = values[name[9:]]
        if x.shape != w.shape:
            found[makers[name]] = f"shape {x.shape}"
        elif w.size:
            far = float(np.nanmax(np.abs(x.astype(np.float64) - w.astype(np.float64))))
            if far > (1 if w.dtype.kind in "iu" else 1e-4 * float(np.nanmax(np.abs(w)))):
                found[makers[name]] = max(far, found.get(makers[name], 0))
    return found


def examine(command, path, way, folder, tolerance):
    """(operators, distance, what is wrong)"""
    feeds = given(path)
    out = folder / "made.onnx"
    WAYS[way](path, out, feeds)
    operators = foreign(out)
    if not operators:
        return operators, 0, ""
    s = session(out)
    names = [o.name for o in s.get_outputs() if o.type.startswith("tensor") and "string" not in o.type]
    want = s.run(names, feeds)
    got, wrong = ours(command, out, feeds, names, folder)
    if got is None:
        return operators, np.inf, wrong
    far = max([distance(g, w) for g, w in zip(got, want)], default=0)
    if far > tolerance:
        off = isolated(command, out, feeds, folder)
        wrong = {k: v for k, v in off.items() if k not in KNOWN}
        return operators, far, f"alone: {wrong}" if wrong else ROUNDED + (f" ({', '.join(off)})" if off else "")
    return operators, far, ""


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--way", default="")
    parser.add_argument("--tolerance", type=float, default=0.02)
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    command = common.find_command(options.onnxtap)
    counts, failed, compared, rounded = collections.Counter(), [], 0, 0
    for top in options.folders:
        for path in sorted(pathlib.Path(top).glob("**/model.onnx")):
            if options.only and not any(fnmatch.fnmatch(path.parent.name, g) for g in options.only):
                continue
            for way in WAYS:
                if options.way and options.way not in way:
                    continue
                with tempfile.TemporaryDirectory() as folder:
                    try:
                        operators, far, wrong = examine(command, path, way, pathlib.Path(folder), options.tolerance)
                    except Exception as e:  # noqa: BLE001 - ONNX Runtime cannot make or run this one
                        if options.verbose:
                            print(f"skip  {path.parent.name} {way}: {str(e)[:120]}")
                        continue
                if not operators:
                    continue
                compared += 1
                counts.update(operators.keys())
                apart = wrong.startswith(ROUNDED)
                rounded += apart
                bad = not apart and (bool(wrong) or not far <= options.tolerance)
                if bad:
                    failed.append((path.parent.name, way))
                if bad or apart or options.verbose:
                    print(f"{'FAIL' if bad else 'far' if apart else 'ok'}  {path.parent.name} {way}: {far:.2g} {dict(operators)} {wrong}", flush=True)
    print(json.dumps(dict(counts.most_common())))
    print(f"{compared} models compared, {len(failed)} failed, {rounded} further apart by rounding alone")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
