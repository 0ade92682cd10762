#!/usr/bin/env python3
"""onnxtap repro of every node of the models below the given folders: onnx.checker takes each part, ONNX Runtime (its
optimisation off) computes the same from its inputs, and so does onnxtap test.

    python3 tests/conformance/repro.py FOLDER... [--only 'lstm*']

Nodes that the run does not come to (a branch not taken) and Constants are left out. A line for each part that fails, then
the counts. Exit status 1 if any fails.
"""
import json
import os
import sys
import tempfile

import common


def nodes_of(command, case):
    result = common.run([command, "info", case.model, "--nodes", "--json"])
    return json.loads(result.out)["nodes"] if result.status == 0 else []


def check(folder):
    """What is wrong with the part; "" where nothing is."""
    import onnx
    path = os.path.join(folder, "model.onnx")
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as e:  # the checker raises what it likes
        return "onnx.checker: " + common.first_line(str(e))
    case = next(common.data_folder(folder, path, "part"))
    model = onnx.load(path)
    try:
        session = common.ort_session(None, 1, False, path)
        values = session.run(None, common.load_inputs(case, model))
    except Exception as e:  # likewise
        return "ONNX Runtime: " + common.first_line(str(e))
    got = {}
    for info, value in zip(model.graph.output, values):
        common.named(info.name, value, got)
    for name, want in common.load_outputs(case, model).items():
        if name not in got:
            return f"ONNX Runtime gives no '{name}'"
        difference = common.difference(want, got[name], *case.tolerance)
        if difference:
            return f"ONNX Runtime: '{name}': {difference}"
    return ""


def selector(name):
    return "".join("\\" + c if c in "\\*?[]!@" else c for c in name)


def try_node(command, case, node, folder):
    """What is wrong, "" for nothing, None where the run does not come to the node."""
    result = common.run([command, "repro", case.model, selector(node["node"]), *case.input_arguments(), "-o", folder])
    if result.status == 2 and "was not computed" in result.err:
        return None
    if result.status != 0:
        return common.first_line(result.err)
    wrong = check(folder)
    if not wrong and common.run([command, "test", folder]).status != 0:
        wrong = "onnxtap test fails"
    return wrong


def main():
    options = common.arguments(__doc__).parse_args()
    common.need("numpy", "onnx", "onnxruntime")
    command = common.find_command(options.onnxtap)
    models = parts = failed = 0
    with tempfile.TemporaryDirectory() as made:
        for case in common.find_cases(options.folders, options.only, made):
            if case.inputs is None or case.refuse:
                continue
            models += 1
            for i, node in enumerate(n for n in nodes_of(command, case) if n["op"] != "Constant"):
                wrong = try_node(command, case, node, os.path.join(made, f"{models}_{i}"))
                parts += wrong is not None
                failed += bool(wrong)
                if wrong:
                    print(f"{case.name}: {node['node']} ({node['op']}): {wrong}", flush=True)
    print(f"{models} models, {parts} parts, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
