#!/usr/bin/env python3
"""Writes the node tests that the installed `onnx` package makes into a folder and runs `onnxtap test` on them.

    python3 tests/conformance/node_tests.py OUT [--only 'test_loop*'] [--jobs 2] [--skip FILE]

Prints what `onnxtap test` prints; failures once more, counted by operator. Its exit status is that of the command.
"""
import collections
import fnmatch
import os
import re
import sys

import common


def to_bytes(value, type_proto):
    """A test's value as the bytes of its .pb."""
    import numpy as np
    import onnx
    from onnx import numpy_helper
    if isinstance(value, (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto, onnx.MapProto)):
        return value.SerializeToString()
    kind = type_proto.WhichOneof("value")
    if kind == "sequence_type":
        return numpy_helper.from_list(value, "").SerializeToString()
    if kind == "optional_type":
        return numpy_helper.from_optional(value, "").SerializeToString()
    if kind == "map_type":
        return numpy_helper.from_dict(value, "").SerializeToString()
    tensor = numpy_helper.from_array(np.asarray(value), "")
    return tensor.SerializeToString()


def write_test(case, folder):
    import json
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "model.onnx"), "wb") as f:
        f.write(case.model.SerializeToString())
    if case.rtol != 1e-3 or case.atol != 1e-7:
        with open(os.path.join(folder, "data.json"), "w", encoding="utf-8") as f:
            json.dump({"rtol": case.rtol, "atol": case.atol}, f)
    graph = case.model.graph
    for n, (inputs, outputs) in enumerate(case.data_sets):
        data = os.path.join(folder, f"test_data_set_{n}")
        os.makedirs(data, exist_ok=True)
        for kind, values, infos in (("input", inputs, graph.input), ("output", outputs, graph.output)):
            for k, (value, info) in enumerate(zip(values, infos)):
                with open(os.path.join(data, f"{kind}_{k}.pb"), "wb") as f:
                    f.write(to_bytes(value, info.type))


def write_tests(out, only):
    from onnx.backend.test.case.node import collect_testcases
    written, failed = 0, []
    for case in collect_testcases(None):
        if case.model is None or (only and not any(fnmatch.fnmatch(case.name, g) for g in only)):
            continue
        try:
            write_test(case, os.path.join(out, case.name))
            written += 1
        except Exception as e:  # noqa: BLE001 - one test that numpy cannot express must not hide the others
            failed.append(f"{case.name}: {common.first_line(str(e))}")
    return written, failed


def failures_by_operator(text, out):
    import onnx
    counts = collections.Counter()
    for name in set(re.findall(r"\btest_\w+", "\n".join(l for l in text.splitlines() if not l.rstrip().endswith("skipped")))):
        path = os.path.join(out, name, "model.onnx")
        if os.path.exists(path):
            counts[" ".join(sorted({n.op_type for n in onnx.load(path).graph.node}))[:60]] += 1
    return counts


def main():
    parser = common.arguments(__doc__, folder=None)
    parser.add_argument("out", help="folder for the tests")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--skip", help="file for `onnxtap test --skip`")
    options = parser.parse_args()
    common.need("numpy", "onnx")
    command = common.find_command(options.onnxtap)
    written, failed = write_tests(options.out, options.only)
    print(f"{written} tests written to {options.out}", *(f"not written: {f}" for f in failed), sep="\n")
    arguments = [command, "test", options.out, "--jobs", str(options.jobs)] + (["--skip", options.skip] if options.skip else [])
    result = common.run(arguments, timeout=3600)
    counts = failures_by_operator(result.out, options.out)
    if counts:
        print("failures by operator:", *(f"  {n:4} {op}" for op, n in counts.most_common()), sep="\n")
    print(result.out, end="")
    print(result.err, end="", file=sys.stderr)
    return result.status


if __name__ == "__main__":
    sys.exit(main())
