#!/usr/bin/env python3
"""onnxtap beside ONNX Runtime on every model below the given folders, in the same run, one after the other.

Plain, and with all values observed (onnxtap --tap all; ONNX Runtime with all values of the main graph as outputs), with 1
and 2 threads; ONNX Runtime with its default optimisation. A ratio is onnxtap's median over ONNX Runtime's: below 1 is
faster. Time to open and largest resident set beside ONNX Runtime's, less what its process held before it opened the model.

    python3 tests/conformance/bench_ort.py FOLDER... [--seconds 1] [--threads 1,2] [--only 'resnet*'] [--json results.json]
"""
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time

import common


def peak_mb():
    """Largest resident set; getrusage would count what the parent held when it made this process."""
    try:
        with open("/proc/self/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ort_worker(request):
    """In a process of its own: opens, runs and measures one model with ONNX Runtime. Prints JSON."""
    import onnx
    import onnxruntime  # noqa: F401 - loaded before memory is measured
    case = common.Case(request["name"], request["model"], request["inputs"])
    inputs = common.load_inputs(case, onnx.load(case.model, load_external_data=False))
    model = common.with_all_outputs(onnx.load(case.model))[0] if request["all"] else None
    before, start = peak_mb(), time.perf_counter()
    session = common.ort_session(model, request["threads"], True, case.model)
    load = time.perf_counter() - start
    times = []
    end = time.perf_counter() + request["seconds"]
    while len(times) < 4 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, inputs)
        times.append(time.perf_counter() - start)
    print(json.dumps({"load_ms": load * 1e3, "first_ms": times[0] * 1e3, "median_ms": statistics.median(times[1:]) * 1e3,
                      "peak_rss_mb": peak_mb() - before}))


def ort_bench(case, threads, everything, options):
    request = {"name": case.name, "model": case.model, "inputs": case.inputs, "threads": threads, "all": everything,
               "seconds": options.seconds}
    result = common.run([sys.executable, os.path.abspath(__file__), "--worker", json.dumps(request)], timeout=600)
    if result.status != 0:
        return None, (result.err.strip().splitlines() or ["failed"])[-1][:160]
    return json.loads(result.out), ""


def tap_bench(command, case, threads, everything, options):
    result = common.run([command, "bench", case.model, *case.input_arguments(), "--threads", str(threads), "--seconds",
                         str(options.seconds), "--json", *(["--tap", "all"] if everything else [])], timeout=600)
    if result.status != 0:
        return None, common.first_line(result.err)[:160]
    return json.loads(result.out), ""


def bench_case(command, case, options):
    row = {"model": case.name}
    for everything in (False, True):
        for threads in options.thread_counts:
            label = f"{'all' if everything else 'plain'} {threads}t"
            ours, problem = tap_bench(command, case, threads, everything, options)
            theirs, other = ort_bench(case, threads, everything, options) if ours else (None, "")
            if not ours or not theirs:
                row.setdefault("reason", problem or f"ONNX Runtime: {other}")
                continue
            row[label] = f"{ours['median_ms'] / theirs['median_ms']:.2f}"
            row[label + " ms"] = ours["median_ms"]
            row[label + " ort ms"] = theirs["median_ms"]
            if not everything and threads == options.thread_counts[0]:
                row["ms"] = f"{ours['median_ms']:.3f}"
                row["open ms"] = f"{ours['load_ms']:.1f}/{theirs['load_ms']:.1f}"
                row["first ms"] = f"{ours['first_ms']:.1f}/{theirs['first_ms']:.1f}"
                row["MB"] = f"{ours['peak_rss_mb']:.0f}/{theirs['peak_rss_mb']:.0f}"
    return row


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


def summary(rows, labels):
    for label in labels:
        ratios = [(r[label + " ms"] / r[label + " ort ms"], r["model"]) for r in rows if label + " ms" in r]
        if ratios:
            worst = max(ratios)
            print(f"{label}: {len(ratios)} models, geometric mean {geometric_mean([x for x, _ in ratios]):.2f}, "
                  f"worst {worst[0]:.2f} ({worst[1]}), slower than ONNX Runtime: {sum(x > 1 for x, _ in ratios)}")


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--worker":
        return ort_worker(json.loads(sys.argv[2]))
    parser = common.arguments(__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    parser.add_argument("--threads", default="1,2")
    options = parser.parse_args()
    options.thread_counts = [int(t) for t in options.threads.split(",")]
    common.need("numpy", "onnx", "onnxruntime")
    command = common.find_command(options.onnxtap)
    labels = [f"{kind} {t}t" for kind in ("plain", "all") for t in options.thread_counts]
    rows = []
    with tempfile.TemporaryDirectory() as made:
        for case in common.find_cases(options.folders, options.only, made):
            if case.inputs is None or case.refuse:
                continue
            rows.append(bench_case(command, case, options))
            print("  ".join(f"{k}={v}" for k, v in rows[-1].items() if isinstance(v, str)), flush=True)
    if not rows:
        print("no models found")
        return 2
    print()
    print(common.table(rows, ["model", *labels, "ms", "open ms", "first ms", "MB", "reason"]))
    print("\nratios: onnxtap / ONNX Runtime; open, first, MB: onnxtap/ONNX Runtime")
    summary(rows, labels)
    common.write_json(options.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
