#!/usr/bin/env python3
"""A convolution in its real place, as share of the machine's peak: Conv 3x3, 64 to 64 channels, 56x56, float32, with bias,
BatchNormalization and Relu behind it, run by `onnxtap bench --threads 1` again and again, beside the measured peak of one
core's multiply-add units, and beside what these give where their operands are loaded from the first cache as a tile of the
convolution loads them: wide loads cost a processor some of its clock. Eight such layers follow each other, so that what
stands at the borders of the graph weighs little; the profile tells what is left of that, the turning of input and output,
and the figure without it is given, too.
Other programs disturb: of the rounds the best counts, in each the fastest run, or the processor's time of all, opening
included, where that is better; and the peak is measured before and behind it.

    cmake --build build/release --target bench_peak onnxtap_command
    python3 tests/bench/conv_in_graph.py [--build build/release] [--rounds 5]

Needs the packages onnx and numpy; prints why and exits with 77 where they are missing.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile

LAYERS, CHANNELS, SIZE = 8, 64, 56


def make_model(path):
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    rng, nodes, constants, x = np.random.default_rng(0), [], [], "x"

    def constant(name, array):
        constants.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    for i in range(LAYERS):
        shape = (CHANNELS, CHANNELS, 3, 3)
        w = constant(f"w{i}", rng.standard_normal(shape) / np.sqrt(9 * CHANNELS / 2))
        b = constant(f"b{i}", rng.standard_normal(CHANNELS))
        nodes.append(helper.make_node("Conv", [x, w, b], [f"conv{i}"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]))
        norm = [constant(f"{what}{i}", rng.uniform(0.5, 1.5, CHANNELS)) for what in ("scale", "shift", "mean", "var")]
        nodes.append(helper.make_node("BatchNormalization", [f"conv{i}", *norm], [f"norm{i}"]))
        nodes.append(helper.make_node("Relu", [f"norm{i}"], [f"relu{i}"]))
        x = f"relu{i}"
    image = [1, CHANNELS, SIZE, SIZE]
    graph = helper.make_graph(nodes, "convs", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
                              [helper.make_tensor_value_info(x, TensorProto.FLOAT, image)], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)


def output(*command):
    if not os.path.exists(command[0]):
        sys.exit(f"{command[0]} is not there: build the targets bench_peak and onnxtap_command")
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def peaks_of(build):
    """GFLOPS with operands in registers, and loaded."""
    return [float(line) for line in output(os.path.join(build, "tests/bench/bench_peak")).split()]


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def one_round(build, model, flop):
    """GFLOPS of the run, of the layers alone, and the two peaks'."""
    peaks, before = peaks_of(build), processor_seconds()
    bench = json.loads(output(os.path.join(build, "onnxtap"), "bench", model, "--threads", "1", "--seconds", "1", "--profile",
                              os.devnull, "--json"))
    spent = (processor_seconds() - before) / (bench["runs"] + 1)
    profile = bench["profile"]
    layers = sum(node["ms"] for node in profile["nodes"] if node["op"] == "Conv") / profile["ms"]
    rate = flop / min(spent, bench["min_ms"] * 1e-3) * 1e-9
    return rate, rate / layers, *map(max, peaks, peaks_of(build))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "convs.onnx")
        try:
            make_model(model)
        except ImportError as missing:
            print(f"skipped: {missing}")
            sys.exit(77)
        flop = 2 * LAYERS * SIZE * SIZE * 9 * CHANNELS * CHANNELS
        rounds = [one_round(options.build, model, flop) for _ in range(options.rounds)]
        run, rate, peak, fed = max(rounds, key=lambda r: r[0] / r[2])
        print(f"{rate:.1f} GFLOPS, {100 * rate / peak:.1f}% of the peak of {peak:.1f}, {100 * rate / fed:.1f}% of the "
              f"{fed:.1f} that are left with a tile's loads; with the graph's borders {run:.1f}, {100 * run / peak:.1f}%")


main()
