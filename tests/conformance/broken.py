#!/usr/bin/env python3
"""Breaks real exports, one fault at a time, and looks whether onnxtap check names the fault, and nothing that only follows from it.

    python3 tests/conformance/broken.py FOLDER... [--only GLOB] [--seed 1] [--each 1]

A fault that the model runs with all the same is none. Else there has to be an error that names the node, the value or the
operator that was broken (or what uses it), and no more errors than the fault has places.
"""
import json
import os
import random
import sys
import tempfile

import common


def users(model, name):
    return [n.name or n.op_type for n in model.graph.node if name in n.input]


def delete_node(model, rng):
    used = {i for n in model.graph.node for i in n.input}
    nodes = [k for k, n in enumerate(model.graph.node) if n.output and n.output[0] in used and len(n.output) == 1]
    k = rng.choice(nodes)
    name = model.graph.node[k].output[0]
    del model.graph.node[k]
    return [name], len(users(model, name))


def rename_input(model, rng):
    n = rng.choice([n for n in model.graph.node if n.input and n.input[0]])
    n.input[0] += "_lost"
    return [n.input[0]], 1


def unknown_attribute(model, rng):
    from onnx import helper
    n = rng.choice([n for n in model.graph.node if n.domain == ""])
    n.attribute.append(helper.make_attribute("made_up", 1))
    return ["made_up"], 1


def attribute_kind(model, rng):
    pairs = [(n, a) for n in model.graph.node for a in n.attribute if a.type == 2]
    if not pairs:
        return None
    n, a = rng.choice(pairs)
    a.type, a.f = 1, 1.0
    a.ClearField("i")
    return [a.name, n.name], 1


def weight_shape(model, rng):
    t = rng.choice([t for t in model.graph.initializer if len(t.dims) >= 2 and all(d > 1 for d in t.dims)] or [None])
    if t is None:
        return None
    t.dims[0] += 1
    return [t.name], 1


def weight_transposed(model, rng):
    used = {n.input[1] for n in model.graph.node if n.op_type in ("MatMul", "Gemm", "Conv") and len(n.input) > 1}
    t = rng.choice([t for t in model.graph.initializer if t.name in used and len(t.dims) == 2 and t.dims[0] != t.dims[1]] or [None])
    if t is None:
        return None
    t.dims[0], t.dims[1] = t.dims[1], t.dims[0]
    made = [o for n in model.graph.node if t.name in n.input for o in n.output]  # it may show behind the product only
    return [t.name] + made, len(users(model, t.name))


def weight_dtype(model, rng):
    import numpy as np
    from onnx import numpy_helper
    used = {i for n in model.graph.node if n.op_type in ("Conv", "MatMul", "Gemm", "Add", "Mul") for i in n.input}
    t = rng.choice([t for t in model.graph.initializer if t.name in used and t.data_type == 1 and not t.external_data] or [None])
    if t is None:
        return None
    t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(t).astype(np.float64), t.name))
    return [t.name], len(users(model, t.name))


def missing_weight(model, rng):
    if not model.graph.initializer:
        return None
    k = rng.randrange(len(model.graph.initializer))
    name = model.graph.initializer[k].name
    del model.graph.initializer[k]
    return [name], len(users(model, name))


def lost_external(model, rng):
    t = rng.choice([t for t in model.graph.initializer if t.raw_data] or [None])
    if t is None:
        return None
    t.ClearField("raw_data")
    t.data_location = 1
    t.external_data.add(key="location", value="lost.bin")
    return [t.name, "lost.bin"], 1


def cut_weight(model, rng):
    t = rng.choice([t for t in model.graph.initializer if len(t.raw_data) > 8] or [None])
    if t is None:
        return None
    t.raw_data = t.raw_data[:-4]
    return [t.name], 1


def old_opset(model, rng):
    o = next(o for o in model.opset_import if o.domain in ("", "ai.onnx"))
    o.version = 6
    return [""], None


def misspelled(model, rng):
    n = rng.choice([n for n in model.graph.node if n.domain == "" and len(n.op_type) > 3])
    right = n.op_type
    n.op_type = right[:-1] + "x"
    return [n.op_type], sum(1 for x in model.graph.node if x.op_type == n.op_type)


def twice(model, rng):
    a, b = rng.sample(range(len(model.graph.node)), 2)
    model.graph.node[b].output[0] = model.graph.node[a].output[0]
    return [model.graph.node[a].output[0]], None


def cycle(model, rng):
    pairs = [(a, b) for a, n in enumerate(model.graph.node) for b in range(a + 1, len(model.graph.node))
             if n.output[0] in model.graph.node[b].input and n.input and n.input[0]]
    if not pairs:
        return None
    a, b = rng.choice(pairs)
    model.graph.node[a].input[0] = model.graph.node[b].output[0]
    return [model.graph.node[a].name, model.graph.node[b].name, model.graph.node[a].output[0]], 1


def input_rank(model, rng):
    inits = {t.name for t in model.graph.initializer}
    v = rng.choice([v for v in model.graph.input if v.name not in inits and v.type.tensor_type.HasField("shape")] or [None])
    if v is None or len(v.type.tensor_type.shape.dim) < 2:
        return None
    del v.type.tensor_type.shape.dim[-1]
    return [""], None


FAULTS = [delete_node, rename_input, unknown_attribute, attribute_kind, weight_shape, weight_transposed, weight_dtype, missing_weight,
          lost_external, cut_weight, old_opset, misspelled, twice, cycle, input_rank]


def judge(command, path, words, places, case):
    """What is wrong with the list of findings, "" for nothing; None where the file runs all the same."""
    result = common.run([command, "check", path, "--json"])
    try:
        found = json.loads(result.out)["findings"]
    except (ValueError, KeyError):
        return f"check: exit status {result.status}: {common.first_line(result.err)}"
    errors = [f for f in found if f["severity"] == "error"]
    ran = common.run([command, "run", path, *case.input_arguments()])
    if ran.status == 0:
        return "invented: " + errors[0]["message"][:200] if errors else None
    if not errors:
        data = ran.status == 3 and "input '" in ran.err  # the file is sound, and takes other data now
        return None if ran.status in (2, 5) or data else f"run says {common.first_line(ran.err)[:200]}, and check finds no error"
    text = " ".join(f["message"] + f["node"] + f["tensor"] + f["hint"] for f in errors)
    if not any(w in text for w in words):
        return f"named is not {words}, but: {errors[0]['message'][:200]}"
    if places is not None and sum(f["count"] for f in errors) > max(places, 1):
        return f"{len(errors)} errors for {places} places: " + "; ".join(f"{f['code']} {f['node']}" for f in errors[:5])
    return ""


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=1, help="times that each fault is planted in each model")
    options = parser.parse_args()
    _, onnx = common.need("numpy", "onnx")
    command = common.find_command(options.onnxtap)
    rng = random.Random(options.seed)
    counts = {f.__name__: [0, 0, 0] for f in FAULTS}
    with tempfile.TemporaryDirectory() as made:
        path = os.path.join(made, "broken.onnx")
        for case in common.find_cases(options.folders, options.only, made):
            if case.inputs is None or case.refuse or len(onnx.load(case.model).graph.node) < 3:
                continue
            for fault in FAULTS * options.each:
                model = onnx.load(case.model)
                try:
                    planted = fault(model, rng)
                except IndexError:  # the model has no such place
                    planted = None
                if planted is None:
                    continue
                onnx.save(model, path)
                why = judge(command, path, *planted, case)
                counts[fault.__name__][0 if why == "" else 1 if why is None else 2] += 1
                if why:
                    print(f"{case.name}: {fault.__name__}: {why}", flush=True)
    print(f"{'fault':20s} named  runs  wrong")
    for name, (good, fine, bad) in counts.items():
        print(f"{name:20s} {good:5d} {fine:5d} {bad:6d}")
    return 1 if any(c[2] for c in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
