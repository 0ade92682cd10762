#!/usr/bin/env python3
"""TensorFlow's operators, as converters leave them in ONNX's own domain, against TensorFlow itself.

    python3 tests/conformance/tf_ops.py [--only 'Bessel*'] [--draws 3] [--keep FOLDER]
    python3 tests/conformance/tf_ops.py --write tests/data/tensorflow     makes the fixtures anew

A model of one node each, with the attributes that tf2onnx leaves, is run with `onnxtap test --tf-ops` on what TensorFlow
computes from drawn inputs; tf_ops_cases.py has the cases. A line an operator: cases, disagreements; exit status 1 where
there is one. Skipped where a Python package is missing."""
import argparse
import collections
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import common

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
np, onnx, tf, tf2onnx = common.need("numpy", "onnx", "tensorflow", "tf2onnx")
import tf2onnx.tf_utils  # noqa: E402
import tf_ops_cases  # noqa: E402


KEPT = 6  # cases of an operator that --write keeps


def attributes(case, inputs):
    """What tf2onnx leaves of the node's attributes."""
    @tf.function
    def f(*x):
        return getattr(tf.raw_ops, case.op)(**case.arguments(x))
    graph = f.get_concrete_function(*[tf.TensorSpec(i.shape, tf.as_dtype(i.dtype) if i.dtype != object else tf.string)
                                      for i in inputs]).graph
    node = [n for n in graph.get_operations() if n.type == case.op][0]
    left, _ = tf2onnx.tf_utils.read_tf_node_attrs(node)
    return {k: v for k, v in left.items() if v not in ([], None)}


def element_type(array):
    if array.dtype == object:
        return onnx.TensorProto.STRING
    return onnx.helper.np_dtype_to_tensor_dtype(array.dtype)


def plain(value):
    """A tensor's value as NumPy has it; strings as object arrays of bytes."""
    array = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
    return np.asarray(array)


def tensor(array, name):
    if array.dtype != object:
        return onnx.numpy_helper.from_array(array, name)
    return onnx.helper.make_tensor(name, onnx.TensorProto.STRING, array.shape, list(array.ravel()))


def write(case, inputs, results, folder):
    fixed = [i in case.constants for i in range(len(inputs))]
    names = [f"x{i}" for i in range(len(inputs))]
    node = onnx.helper.make_node(case.op, names, [f"y{i}" for i in range(len(results))], **attributes(case, inputs))
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node], case.name,
        [info(n, element_type(x), [None] * x.ndim) for n, x, c in zip(names, inputs, fixed) if not c],
        [info(f"y{i}", element_type(y), None) for i, y in enumerate(results)],
        [tensor(x, n) for n, x, c in zip(names, inputs, fixed) if c])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", case.opset)], ir_version=8)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    with open(os.path.join(folder, "model.onnx"), "wb") as f:
        f.write(model.SerializeToString())
    given = [x for x, c in zip(inputs, fixed) if not c]
    for kind, arrays in (("input", given), ("output", results)):
        for i, a in enumerate(arrays):
            with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as f:
                f.write(tensor(a, "").SerializeToString())
    with open(os.path.join(folder, "data.json"), "w") as f:
        json.dump({"rtol": case.rtol, "atol": case.atol}, f)


def make(case, draw, folder):
    """The folder of the test; None: TensorFlow itself refuses."""
    rng = np.random.default_rng(abs(hash_of(case.name)) + draw)
    inputs = [np.asarray(x) for x in case.draw(rng)]
    with tf.device("CPU:0"):
        y = getattr(tf.raw_ops, case.op)(**case.arguments([tf.constant(x) for x in inputs]))
    y = [plain(v) for v in (y if isinstance(y, (tuple, list)) else [y])][:case.outputs]
    where = os.path.join(folder, f"{case.name}_{draw}" if draw else case.name)
    shutil.rmtree(where, ignore_errors=True)
    write(case, inputs, y, where)
    return where


def hash_of(text):
    import zlib
    return zlib.crc32(text.encode())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--onnxtap")
    p.add_argument("--only", default="*", help="operators or names of cases that match")
    p.add_argument("--draws", type=int, default=2)
    p.add_argument("--keep", help="leave the tests there")
    p.add_argument("--write", metavar="FOLDER", help="write one test a case there, and run nothing")
    options = p.parse_args()
    wanted = options.only.split(",")
    cases = [c for c in tf_ops_cases.cases(tf)
             if any(fnmatch.fnmatch(c.op, w) or fnmatch.fnmatch(c.name, w) for w in wanted)]
    folder = options.write or options.keep or tempfile.mkdtemp()
    of, bad, kept = {}, collections.Counter(), collections.Counter()
    for case in cases:
        if options.write and (case.name.endswith("_double") or kept[case.op] == KEPT):
            continue
        kept[case.op] += 1
        for draw in range(1 if options.write else options.draws):
            try:
                of[make(case, draw, folder)] = case
            except Exception as e:  # a case of ours that TensorFlow does not take is a mistake in the table
                print(f"{case.name}: TensorFlow: {str(e).splitlines()[0][:200]}")
                bad[case.op] += 1
    if options.write:
        return 1 if bad else 0
    command = common.find_command(options.onnxtap)
    out = subprocess.run([command, "test", "--tf-ops", "-v", "--jobs", "2", *of], capture_output=True, text=True).stdout
    for line in out.splitlines():
        m = re.match(r"(PASS|FAIL\w*|ok|failed|passed)\s+(\S+?):?(\s|$)(.*)", line, re.I)
        if m and m.group(1).lower().startswith("fail"):
            where = next((w for w in of if w == m.group(2) or os.path.basename(w) == os.path.basename(m.group(2))), None)
            bad[of[where].op if where else "?"] += 1
            print(line)
    counts = collections.Counter(c.op for c in of.values())
    for op in sorted(set(counts) | set(bad)):
        print(f"{op:36} {counts[op]:4} cases {bad[op]:3} disagreements")
    print(out.splitlines()[-1] if out else "nothing ran")
    print(f"{len(set(counts))} operators, {sum(counts.values())} cases, {sum(bad.values())} disagreements")
    if not options.keep:
        shutil.rmtree(folder)
    return 1 if bad or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
