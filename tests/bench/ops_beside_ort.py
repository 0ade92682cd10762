#!/usr/bin/env python3
"""The cases of bench_ops beside ONNX Runtime: the same models of one node, in turns, with the same threads.

A ratio is our time over ONNX Runtime's, best of many runs each: below 1 is faster. Both are timed inside their processes;
ONNX Runtime with preallocated inputs, its default optimisation, and outputs that it allocates. What it does not run is left out.

    python3 tests/bench/ops_beside_ort.py build/release/tests/bench/bench_ops [--threads 1] [--seconds 0.1] [WORD...]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time


def make_input(rng, info, helper, np):
    kind = info.type.tensor_type.elem_type
    shape = [d.dim_value for d in info.type.tensor_type.shape.dim]
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    if dtype == object:
        return np.array([f"Word {i}" for i in rng.integers(0, 1000, size=shape).ravel()], dtype=object).reshape(shape)
    name = np.dtype(dtype).name
    low, high = (-1, 1) if "float" in name else (0, 2) if name == "bool" else (0, 100)
    if info.doc_string:
        low, high = map(float, info.doc_string.split())
    return (low + (high - low) * rng.random(shape)).astype(dtype)


def ort_seconds(path, threads, limit):
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import helper
    model = onnx.load(path)
    rng = np.random.default_rng(1)
    inputs = {i.name: make_input(rng, i, helper, np) for i in model.graph.input}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    best, end = 1e9, time.perf_counter() + limit
    runs = 0
    while runs < 4 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, inputs)
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best


def worker(path, threads, limit):
    try:
        print(ort_seconds(path, threads, limit))
    except Exception as e:  # noqa: BLE001 - whatever it is, the case is left out
        print("failed:", str(e).splitlines()[0][:100])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.1)
    options = parser.parse_args()
    listed = subprocess.run([options.program, "--list", *options.words], check=True, capture_output=True, text=True).stdout
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.program, "--write", folder, *options.words], check=True)
        for row in listed.splitlines():
            number, line = row.split(" ", 1)[0], row.split(": ", 1)[1]
            path = os.path.join(folder, f"case_{number}.onnx")
            command = [sys.executable, os.path.abspath(__file__), "--worker", path, str(options.threads), str(options.seconds)]
            theirs = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
            command = [options.program, "--json", "--threads", str(options.threads), "--seconds", str(options.seconds), "--case", line]
            ours = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            if not ours or theirs.startswith("failed") or not theirs:
                print(f"{'-':>8}  {line}   {theirs}", flush=True)
                continue
            us = json.loads(ours)["results"][0]["us"]
            rows.append((us / 1e6 / float(theirs), us, float(theirs) * 1e6, line))
            print(f"{rows[-1][0]:8.2f} {us:10.1f} us {rows[-1][2]:10.1f} us  {line}", flush=True)
    print("\nSlowest beside ONNX Runtime:")
    for row in sorted(rows, reverse=True)[:30]:
        print(f"{row[0]:8.2f} {row[1]:10.1f} us {row[2]:10.1f} us  {row[3]}")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        worker(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
