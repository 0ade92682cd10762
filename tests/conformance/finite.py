#!/usr/bin/env python3
"""Plants operations that make values not finite into real models, and asks onnxtap check to name each place and cause.

    python3 tests/conformance/finite.py FOLDER... [--only GLOB] [--places 10] [--seed 1]

A model of the folders is taken, and into a value of the first half of its nodes an operation is put that gives a NaN or an
infinity (log of 0, 0/0, exp overflow, sqrt of a negative number, a cast to float16 of large numbers, a NaN in a weight). Each has to
be found, at the node planted, with the right words. Models whose own values are not finite are left out.
"""
import json
import os
import random
import sys
import tempfile

import common


def plants(helper, numpy_helper, np):
    """What is planted: name, words that the cause has to hold, nodes from x to y (the last is the origin), initializers."""
    def const(name, v):
        return numpy_helper.from_array(np.asarray(v, np.float32), name)

    def steps(*ops):
        names = ["{x}"] + ["{p}" + str(i) for i in range(len(ops))]
        return [(op, [names[i], *more], names[i + 1]) for i, (op, *more) in enumerate(ops)]

    return [
        ("log of 0", "log of 0", steps(("Mul", "{p}zero"), ("Log",)), [("{p}zero", 0.0)]),
        ("0/0", "0/0", steps(("Mul", "{p}zero"), ("Div", "{p}zero")), [("{p}zero", 0.0)]),
        ("division by 0", "division by 0", steps(("Abs",), ("Add", "{p}one"), ("Div", "{p}zero")), [("{p}zero", 0.0), ("{p}one", 1.0)]),
        ("exp overflow", "exp overflow", steps(("Abs",), ("Add", "{p}big"), ("Exp",)), [("{p}big", 100.0)]),
        ("sqrt", "sqrt of a negative", steps(("Abs",), ("Add", "{p}one"), ("Neg",), ("Sqrt",)), [("{p}one", 1.0)]),
        ("log of a negative", "log of a negative", steps(("Abs",), ("Add", "{p}one"), ("Neg",), ("Log",)), [("{p}one", 1.0)]),
        ("weight", "a weight that is not finite", steps(("Add", "{p}nan")), [("{p}nan", float("nan"))]),
        ("power", "power", steps(("Abs",), ("Add", "{p}one"), ("Neg",), ("Pow", "{p}half")), [("{p}half", 0.5), ("{p}one", 1.0)]),
        ("reciprocal", "division by 0", steps(("Mul", "{p}zero"), ("Reciprocal",)), [("{p}zero", 0.0)]),
        ("large", "overflow", steps(("Abs",), ("Add", "{p}big"), ("Mul", "{p}big")), [("{p}big", 3e38)]),
    ]


def plant(model, position, plan, tag):
    """Puts the plan behind the first output of node `position`; the address of the origin's node, or initializer."""
    import numpy as np
    from onnx import helper, numpy_helper
    _, _, steps, inits = plan
    node = model.graph.node[position]
    x = node.output[0]
    fill = lambda s: s.replace("{x}", x).replace("{p}", tag)
    nodes, y = [], None
    for i, (op, inputs, output) in enumerate(steps):
        y = fill(output)
        nodes.append(helper.make_node(op, [fill(v) for v in inputs], [y], name=f"{tag}{op}_{i}"))
    for later in list(model.graph.node)[position + 1:]:
        for k, name in enumerate(later.input):
            if name == x:
                later.input[k] = y
    for k, n in enumerate(nodes):
        model.graph.node.insert(position + 1 + k, n)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(v, np.float32), fill(n)) for n, v in inits)
    return fill("{p}nan") if inits[0][0] == "{p}nan" else nodes[-1].name


def candidates(model, onnx):
    """Nodes of the first half whose first output is float32 and used by a later node."""
    inferred = onnx.shape_inference.infer_shapes(model)
    floats = {v.name for v in inferred.graph.value_info if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    used = {i for n in model.graph.node for i in n.input}
    half = list(model.graph.node)[:max(1, len(model.graph.node) // 2)]
    return [k for k, n in enumerate(half) if n.output and n.output[0] in floats and n.output[0] in used]


def findings(command, path, case):
    result = common.run([command, "check", path, *case.input_arguments(), "--json"])
    if result.status not in (0, 1):
        return None
    return [f for f in json.loads(result.out)["findings"] if f["code"].startswith("nonfinite-")]


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--places", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    np, onnx = common.need("numpy", "onnx")
    from onnx import helper, numpy_helper
    command = common.find_command(options.onnxtap)
    random.seed(options.seed)
    plans = plants(helper, numpy_helper, np)
    done = failed = 0
    with tempfile.TemporaryDirectory() as made:
        cases = [c for c in common.find_cases(options.folders, options.only, made) if c.inputs is not None and not c.refuse]
        random.shuffle(cases)
        for case in cases:
            if done == options.places:
                break
            model = onnx.load(case.model)
            places = candidates(model, onnx)
            if len(places) < 2 or model.opset_import[0].version < 9 or findings(command, case.model, case) != []:
                continue
            plan = plans[done % len(plans)]
            origin = plant(model, random.choice(places), plan, f"planted{done}_")
            path = os.path.join(made, "planted.onnx")
            onnx.save(model, path)
            found = findings(command, path, case) or []
            here = [f for f in found if origin in (f["node"], f["tensor"]) and plan[1] in f["message"]]
            print(f"{'found ' if here else 'MISSED'} {plan[0]:18s} at {origin} in {case.name}")
            if not here:
                for f in found:
                    print("    " + f["message"][:200])
            failed += not here
            done += 1
    print(f"{done} planted, {done - failed} found with the right cause")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
