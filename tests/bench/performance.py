#!/usr/bin/env python3
"""onnxtap beside ONNX Runtime: every model below the given folders, a line each, and a table of what is asked and measured.

Both run the same inputs, with the same threads, in turns; ONNX Runtime with its default optimisation. Of each side the fastest
run of all rounds counts, for other programs disturb. A ratio is onnxtap's figure over ONNX Runtime's: below 1 onnxtap is ahead. Inputs are those that lie beside a
model (test_data_set_0, inputs.npz, inputs.npy), else random.

    python3 tests/bench/performance.py FOLDER... [--seconds 0.3] [--rounds 2] [--threads 1,2] [--only GLOB] [--markdown FILE]

Needs the package onnxruntime alone. `keras_applications.py` makes ResNet50, MobileNetV2 and EfficientNetB0.
"""
import argparse
import fnmatch
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
SMALL_MS = 1.0  # models below are all overhead
ROUNDS_OF_TRIVIAL = 6
LEAST_MB = 0.25  # the resident set moves by so much with where the system puts program and libraries
QUANTISED = ("QuantizeLinear", "DynamicQuantizeLinear", "QLinear", "ConvInteger", "MatMulInteger")


# ---- Models and inputs -----------------------------------------------------------------------------------------

def first_of(*paths):
    return next((p for p in paths if os.path.exists(p)), None)


def inputs_beside(folder, file, ports):
    """Arguments -i for the data that lie beside the model; [] where there are none."""
    data = os.path.join(folder, "test_data_set_0")
    if os.path.isdir(data):
        names = [p["name"] for p in ports if not p.get("has_default")]
        files = [(n, os.path.join(data, f"input_{k}.pb")) for k, n in enumerate(names)]
        return [a for n, f in files if os.path.exists(f) for a in ("-i", f"{n}={f}")]
    tag = re.sub(r"^model_?", "", file[:-len(".onnx")])
    found = first_of(*(os.path.join(folder, f"inputs{t}.npz") for t in (f"_{tag}", f"_{tag.split('_')[0]}", "")))
    if found:
        return ["-i", found]
    name = ports[0]["name"] if ports else ""
    bare = first_of(os.path.join(folder, "inputs.npy"), os.path.join(folder, "input.npy"))
    if bare:
        return ["-i", f"{name}={bare}"]
    return ["-i", f"{name}={folder}/gradients.npz:x"] if os.path.exists(os.path.join(folder, "gradients.npz")) else []


def made_up(ports):
    """Arguments for random data; dimensions that are open are 1."""
    arguments = []
    for p in ports:
        arguments += ["-i", f"{p['name']}=random"]
        if any(not isinstance(d, int) or d < 0 for d in p.get("shape") or []):
            dims = [str(d) if isinstance(d, int) and d >= 0 else "1" for d in p["shape"]]
            arguments += ["--shape", f"{p['name']}={','.join(dims)}"]
    return arguments


def find_models(tops, only):
    for top in tops:
        for folder, subfolders, files in os.walk(top):
            subfolders.sort()
            for file in sorted(f for f in files if f.endswith(".onnx") and not f.startswith("invalid")):
                name = os.path.relpath(os.path.join(folder, file), top)
                name = os.path.join(os.path.basename(os.path.abspath(top)), name)
                name = name[:-len("/model.onnx")] if name.endswith("/model.onnx") else name[:-len(".onnx")]
                if not only or any(fnmatch.fnmatch(name, g) for g in only):
                    yield name, folder, file


def model_bytes(path):
    """The file, with external data that lie beside it and are named in it."""
    with open(path, "rb") as f:
        text = f.read()
    folder = os.path.dirname(path)
    outside = [e for e in os.listdir(folder) if not e.endswith((".onnx", ".npz", ".json")) and b"location" in text and e.encode() in text]
    return len(text) + sum(os.path.getsize(os.path.join(folder, e)) for e in outside)


# ---- The two sides ---------------------------------------------------------------------------------------------

def said(result):
    lines = [line for line in (result.stderr or result.stdout).strip().splitlines() if line.strip()]
    return (lines or ["failed"])[-1][:160]


def peak_mb():
    with open("/proc/self/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1024


def ort_feed(session, path):
    import numpy as np
    names = {i.name for i in session.get_inputs()} | {i.name for i in session.get_overridable_initializers()}
    feed = {}
    with np.load(path, allow_pickle=False) as data:
        for key in data.files:
            if key in names:
                v = data[key]
                feed[key] = v.astype(object) if v.dtype.kind in "SU" else v
    return feed


def ort_session(model, threads):
    import onnxruntime
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ort_worker(model, inputs, threads, seconds):
    """In a process of its own: measures one model. Prints JSON."""
    import onnxruntime  # noqa: F401 - loaded before memory is measured
    before, start = peak_mb(), time.perf_counter()
    session = ort_session(model, threads)
    load = time.perf_counter() - start
    feed, times, peak = ort_feed(session, inputs), [], 0
    end = time.perf_counter() + seconds
    while len(times) < 6 or time.perf_counter() < end:
        start = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - start)
        if len(times) == 6:  # as onnxtap bench does: later the list of times grows, not the model
            peak = peak_mb()
    print(json.dumps({"load_ms": load * 1e3, "first_ms": times[0] * 1e3, "median_ms": statistics.median(times[1:]) * 1e3,
                      "min_ms": min(times) * 1e3, "peak_rss_mb": peak - before}))


def ort_predict(model, inputs):
    """What a user's script does: from the process's start to the first prediction."""
    session = ort_session(model, 0)
    session.run(None, ort_feed(session, inputs))


class Side:
    def __init__(self, options):
        self.options = options

    def ask(self, command):
        try:
            r = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
        except subprocess.TimeoutExpired:
            raise RuntimeError("took longer than 600 s") from None
        if r.returncode != 0:
            raise RuntimeError(said(r))
        return r.stdout

    def ours(self, model, inputs, threads, tapped=False):
        return json.loads(self.ask([self.options.onnxtap, "bench", model, "-i", inputs, "--threads", str(threads), "--seconds",
                                    str(self.options.seconds), "--json", *(["--tap", "all"] if tapped else [])]))

    def theirs(self, model, inputs, threads):
        return json.loads(self.ask([sys.executable, os.path.abspath(__file__), "--worker", model, inputs, str(threads),
                                    str(self.options.seconds)]))

    def whole(self, command):
        start = time.perf_counter()
        self.ask(command)
        return (time.perf_counter() - start) * 1e3


# ---- One model -------------------------------------------------------------------------------------------------

def best(rounds):
    """Of several measurements of the same: the fastest of each time, the smallest memory."""
    return {k: min(r[k] for r in rounds) for k in rounds[0] if k.endswith(("_ms", "_mb"))}


def measure(side, name, folder, file, made):
    model, options = os.path.join(folder, file), side.options
    row = {"model": name, "bytes": model_bytes(model)}
    info = json.loads(side.ask([options.onnxtap, "info", model, "--json"]))
    row["int8"] = any(o["op"].startswith(QUANTISED) for o in info["operators"])
    inputs = os.path.join(made, "inputs.npz")
    given = inputs_beside(folder, file, info["inputs"])
    side.ask([options.onnxtap, "run", model, *(given or made_up(info["inputs"])), "--tap", "input:*", "-o", inputs])
    for threads in options.thread_counts:
        ours, tapped, theirs = [], [], []
        for _ in range(options.rounds):
            ours.append(side.ours(model, inputs, threads))
            theirs.append(side.theirs(model, inputs, threads))
            tapped.append(side.ours(model, inputs, threads, True))
        row[f"{threads}"] = {"ours": best(ours), "theirs": best(theirs), "tapped": best(tapped)}
    row["start"] = {"ours": min(side.whole([options.onnxtap, "run", model, "-i", inputs, "-o", os.devnull, "--format", "npz"]) for _ in range(2)),
                    "theirs": min(side.whole([sys.executable, os.path.abspath(__file__), "--predict", model, inputs]) for _ in range(2))}
    return row


def line(row, thread_counts):
    cells = [row["model"]]
    for t in thread_counts:
        r = row[str(t)]
        cells.append(f"{t}t {r['ours']['min_ms'] / r['theirs']['min_ms']:.2f} ({r['ours']['min_ms']:.3f}/{r['theirs']['min_ms']:.3f} ms)"
                     f" tapped {r['tapped']['min_ms'] / r['ours']['min_ms']:.2f}")
    one = row[str(thread_counts[0])]
    cells.append(f"ready {ready(one['ours']):.1f}/{ready(one['theirs']):.1f} ms")
    cells.append(f"MB {one['ours']['peak_rss_mb']:.1f}/{one['theirs']['peak_rss_mb']:.1f}")
    cells.append(f"start {row['start']['ours']:.0f}/{row['start']['theirs']:.0f} ms")
    return "  ".join(cells)


# ---- The table -------------------------------------------------------------------------------------------------

def ready(r):
    """Opening, and what the first run does more than the others: packing."""
    return r["load_ms"] + max(0.0, r["first_ms"] - r["median_ms"])


def geometric(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values else float("nan")


def with_worst(pairs):
    """Geometric mean of (ratio, name), and the worst."""
    if not pairs:
        return "no model"
    worst = max(pairs)
    return f"{geometric([r for r, _ in pairs]):.2f} ({len(pairs)} models; worst {worst[0]:.2f}, {worst[1]})"


def memory_ratio(rows, t, trivial):
    """Memory beyond the file's own size and what a trivial model takes; what is less than LEAST_MB counts as that. Beside it
    the same with 1 MB, where most small models are equal by definition."""
    def above(r, side, least):
        return max(least, r[t][side]["peak_rss_mb"] - r["bytes"] / 2**20 - trivial[t][side]["peak_rss_mb"])

    def ratios(least):
        return [(above(r, "ours", least) / above(r, "theirs", least), r["model"]) for r in rows]
    return f"{with_worst(ratios(LEAST_MB))}; less than 1 MB taken as 1 MB: {geometric([x for x, _ in ratios(1.0)]):.2f}"


def figures(rows, trivial, thread_counts):
    """(what, must, aim, measured) in the order of the table."""
    table = []

    def add(what, must, aim, text):
        table.append((what, must, aim, text))

    for t in map(str, thread_counts):
        ratio = lambda r: (r[t]["ours"]["min_ms"] / r[t]["theirs"]["min_ms"], r["model"])
        large = [ratio(r) for r in rows if r[t]["theirs"]["min_ms"] >= SMALL_MS]
        small = [ratio(r) for r in rows if r[t]["theirs"]["min_ms"] < SMALL_MS]
        add(f"latency, geometric mean, {t} threads", "1.0", "0.7", with_worst([ratio(r) for r in rows]))
        add(f"models under 1 ms there, {t} threads", "0.6", "0.4", with_worst(small))
        slow = sorted((x for x in large if x[0] > 1.3), reverse=True)
        add(f"any model above 1 ms, {t} threads", "1.3", "0.95", f"worst {max(large)[0]:.2f}, {max(large)[1]}; above 1.3: " +
            (", ".join(f"{n} {x:.2f}" for x, n in slow) or "none") if large else "no model")
        add(f"all tapped beside plain, {t} threads", "1.25", "1.1",
            with_worst([(r[t]["tapped"]["min_ms"] / r[t]["ours"]["min_ms"], r["model"]) for r in rows]))
        add(f"int8 models, {t} threads", "1.5", "1.0", with_worst([ratio(r) for r in rows if r["int8"]]))
    t = str(thread_counts[0])
    add("load to ready", "0.3", "0.1", with_worst([(ready(r[t]["ours"]) / ready(r[t]["theirs"]), r["model"]) for r in rows]))
    add("peak memory", "0.7", "0.5", memory_ratio(rows, t, trivial))
    add("process start to first prediction", "0.1", "0.05", with_worst([(r["start"]["ours"] / r["start"]["theirs"], r["model"]) for r in rows]))
    return table


def trivial_model(path):
    """One Relu of one number, as bytes of a ModelProto."""
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    shape = field(2, field(1, b"\x08\x01"))
    kind = field(2, field(1, b"\x08\x01" + shape))
    graph = (field(1, field(1, b"x") + field(2, b"y") + field(4, b"Relu")) + field(2, b"g") +
             field(11, field(1, b"x") + kind) + field(12, field(1, b"y") + kind))
    with open(path, "wb") as f:
        f.write(b"\x08\x08" + field(7, graph) + field(8, field(1, b"") + b"\x10\x0d"))


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="+")
    p.add_argument("--onnxtap", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/release/onnxtap"))
    p.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--threads", default="1,2")
    p.add_argument("--only", action="append", default=[], metavar="GLOB")
    p.add_argument("--json", metavar="FILE")
    p.add_argument("--markdown", metavar="FILE", help="the table and the lines")
    options = p.parse_args()
    options.thread_counts = [int(t) for t in options.threads.split(",")]
    return options


def markdown(path, table, lines, skipped):
    with open(path, "w", encoding="utf-8") as f:
        f.write("| | must | aim | measured |\n| --- | --- | --- | --- |\n")
        f.writelines(f"| {' | '.join(r)} |\n" for r in table)
        f.write("\n```text\n" + "\n".join(lines) + "\n```\n")
        if skipped:
            f.write("\nNot measured:\n\n" + "\n".join(f"- {s}" for s in skipped) + "\n")


def main():
    if sys.argv[1:2] == ["--worker"]:
        return ort_worker(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    if sys.argv[1:2] == ["--predict"]:
        return ort_predict(sys.argv[2], sys.argv[3])
    options = arguments()
    try:
        import onnxruntime  # noqa: F401
    except ImportError as missing:
        print(f"skipped: {missing}")
        return SKIPPED
    side, rows, lines, skipped = Side(options), [], [], []
    with tempfile.TemporaryDirectory() as made:
        trivial_model(os.path.join(made, "model.onnx"))
        options.rounds += ROUNDS_OF_TRIVIAL  # taken from every model's memory, and a page of code more or less is 64 KB
        trivial = measure(side, "trivial", made, "model.onnx", made)
        options.rounds -= ROUNDS_OF_TRIVIAL
        for name, folder, file in find_models(options.folders, options.only):
            try:
                rows.append(measure(side, name, folder, file, made))
                lines.append(line(rows[-1], options.thread_counts))
                print(lines[-1], flush=True)
            except RuntimeError as problem:
                skipped.append(f"{name}: {problem}")
                print(f"{name}: not measured: {problem}", flush=True)
    table = figures(rows, trivial, options.thread_counts) if rows else []
    print()
    for what, must, aim, text in table:
        print(f"{what} (must {must}, aim {aim}): {text}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as f:
            json.dump({"models": rows, "skipped": skipped, "trivial": trivial}, f, indent=1)
    if options.markdown:
        markdown(options.markdown, table, lines, skipped)
    return 0 if rows else 2


if __name__ == "__main__":
    sys.exit(main())
