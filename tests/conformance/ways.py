#!/usr/bin/env python3
"""Parts of runs, on real models: run --set beside the model that is cut there, and run --stop-after beside the whole run.

    python3 tests/conformance/ways.py FOLDER... [--only GLOB] [--places 5] [--seed 1]

For each model some values of its main graph are drawn. Each is set to another value of the same shape; the outputs have to be,
bit by bit, those of a model in which the value is an input instead, and what ONNX Runtime computes from that. Then a run
stops after it; what it shows has to be what a whole run shows, and the nodes that it ran are counted.
"""
import os
import random
import sys
import tempfile

import common


def cut(model, name):
    """The model with that value as an input: what made it makes something else."""
    import onnx
    y = onnx.ModelProto()
    y.CopyFrom(model)
    for n in y.graph.node:
        for k, o in enumerate(n.output):
            if o == name:
                n.output[k] = name + "__before"
    return y


def other(x, np, rng):
    """Another value of the same shape and kind, near enough to mean something."""
    if x.dtype.kind == "f":
        return (x * 0.75 + 0.1 * rng.standard_normal(x.shape).astype(x.dtype)).astype(x.dtype)
    return x


def wrong(command, case, model, name, value, made, np):
    import onnx
    file, cut_file = os.path.join(made, "set.npy"), os.path.join(made, "cut.onnx")
    got_file, want_file = os.path.join(made, "got.npz"), os.path.join(made, "want.npz")
    np.save(file, value)
    whole = common.run([command, "run", case.model, *case.input_arguments(), "--set", f"{name}={file}", "-o", got_file])
    y = cut(model, name)
    info = onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.ndim)
    y.graph.input.append(info)
    outputs = {o.name for o in y.graph.output}
    onnx.save(y, cut_file)
    result = common.run([command, "run", cut_file, *case.input_arguments(), "-i", f"{name}={file}", "-o", want_file])
    if result.status or whole.status:  # what is set may be an index out of range now: for both
        return "" if result.status == whole.status else common.first_line(result.err) + " / " + common.first_line(whole.err)
    got, want = np.load(got_file), np.load(want_file)
    for key in want.files:
        if want[key].tobytes() != got[key].tobytes() and not np.array_equal(want[key], got[key], equal_nan=True):
            return f"output {key} differs from that of the cut model by {np.abs(want[key] - got[key]).max()}"
    assert outputs
    try:
        session = common.ort_session(None, 1, False, cut_file)
        inputs = dict(common.load_inputs(case, model), **{name: value})
        names = {i.name for i in session.get_inputs()}
        values = session.run(None, {k: v for k, v in inputs.items() if k in names})
    except Exception:  # what ONNX Runtime does not take is another script's matter
        return ""
    for o, v in zip(session.get_outputs(), values):
        if hasattr(v, "dtype") and v.dtype.kind == "f" and o.name in got.files:
            loose = 3e-2 if v.dtype == np.float16 else 1e-2
            difference = common.difference(v, got[o.name], loose, loose, True)
            if difference:
                return f"ONNX Runtime: {o.name}: {difference}"
    return ""


def stops_wrong(command, case, name, whole, made, np):
    file = os.path.join(made, "stop.npz")
    result = common.run([command, "run", case.model, *case.input_arguments(), "--stop-after", name, "-o", file])
    if result.status:
        return "--stop-after: " + common.first_line(result.err)
    got = np.load(file)
    for key in got.files:
        if got[key].tobytes() != whole[key].tobytes():
            return f"--stop-after: {key} differs from the whole run"
    return "" if name in got.files else f"--stop-after: {name} is not there"


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--places", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    np, onnx = common.need("numpy", "onnx")
    command = common.find_command(options.onnxtap)
    random.seed(options.seed)
    rng = np.random.default_rng(options.seed)
    models = places = failed = 0
    with tempfile.TemporaryDirectory() as made:
        for case in common.find_cases(options.folders, options.only, made):
            if case.inputs is None or case.refuse:
                continue
            model = onnx.load(case.model)
            trace = os.path.join(made, "trace.npz")
            if common.run([command, "run", case.model, *case.input_arguments(), "--tap", "all", "-o", trace]).status:
                continue
            whole = np.load(trace, allow_pickle=True)
            # A sequence of maps is written as one array, and is none.
            other_kinds = {v.name for v in model.graph.output if not v.type.HasField("tensor_type")}
            computed = [o for n in model.graph.node for o in n.output if o in whole.files and n.op_type != "Constant"
                        and whole[o].dtype.kind in "fiub" and "*" not in o and o not in other_kinds]
            models += 1
            for name in random.sample(computed, min(options.places, len(computed))):
                value = other(whole[name], np, rng)
                why = wrong(command, case, model, name, value, made, np) or stops_wrong(command, case, name, whole, made, np)
                places += 1
                failed += bool(why)
                if why:
                    print(f"{case.name}: {name}: {why}", flush=True)
    print(f"{models} models, {places} places, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
