#!/usr/bin/env python3
"""Runs every model below the given folders with onnxtap and judges it.

For each model with data (inputs*.npz and outputs*.npz with origin.json, or test_data_set_N/*.pb):
  outputs  within the tolerance that the folder gives
  taps     each value of the main graph (--tap all) equal to ONNX Runtime's of the same name with its optimisation off:
           rtol 1e-3, atol 1e-5 x max(1, max|x|)
  law 1    the outputs have the same bits untapped, with all values tapped and with some, with 1 and 2 threads, with fusion
           and without
A file called invalid*.onnx has to be refused. Prints a line a model, with the reason where something is not right, and the
sums; the exit status is 0 where all is right.

    python3 tests/conformance/shared_models.py FOLDER... [--only 'mlp*'] [--jobs 2] [--json results.json]
"""
import concurrent.futures
import os
import random
import sys
import tempfile

import common

TAP_RTOL, TAP_ATOL = 1e-3, 1e-5


class Model:
    """One case at work: the command, its scratch folder, what was found."""

    def __init__(self, command, case, folder, options):
        self.command, self.case, self.folder, self.options = command, case, folder, options
        self.row = {"model": case.name, "runs": "", "outputs": "", "taps": "", "law 1": "", "reason": ""}

    def fail(self, what, reason):
        self.row[what] = "NO"
        if not self.row["reason"]:
            self.row["reason"] = reason

    def onnxtap(self, label, *arguments, threads=1):
        """The arrays of a run, or None after noting the failure."""
        out = os.path.join(self.folder, label + ".npz")
        result = common.run([self.command, "run", self.case.model, *self.case.input_arguments(), "--threads", str(threads),
                             "-o", out, *arguments], timeout=self.options.timeout)
        if result.status == 0 and os.path.exists(out):
            return common.read_npz(out)
        what = "timed out" if result.timed_out else f"exit {result.status}"
        self.fail("runs", f"{label}: {what}: {common.first_lines(result.err)}")
        return None


def compare_outputs(m, got, model):
    want = common.load_outputs(m.case, model)
    if want is None:
        m.row["outputs"] = "-"
        return
    m.row["outputs"] = "ok"
    for name, value in want.items():
        reason = "missing" if name not in got else common.difference(got[name], value, *m.case.tolerance)
        if reason:
            return m.fail("outputs", f"output {name}: {reason}")


def compare_taps(m, tapped, model):
    reference, problem = common.ort_values(model, common.load_inputs(m.case, model))
    if reference is None:
        m.row["taps"] = "-"
        m.row["reason"] = m.row["reason"] or f"ONNX Runtime: {problem}"
        return
    same, different, missing = 0, [], []
    for name, want in reference.items():
        if name not in tapped:
            missing.append(name)
            continue
        reason = common.difference(tapped[name], want, TAP_RTOL, TAP_ATOL, True)
        if reason:
            different.append((name, reason))
        else:
            same += 1
    m.row["taps"] = str(same)
    m.row["n_taps"], m.row["n_different"], m.row["n_missing"] = same, len(different), len(missing)
    if problem:
        m.row["taps"] += " (outputs only)"
    if different:
        m.fail("taps", f"{len(different)} of {len(reference)} values differ, first {different[0][0]}: {different[0][1]}")
    elif missing:
        m.fail("taps", f"{len(missing)} of {len(reference)} values are missing, first {missing[0]}")


def same_bits(a, b):
    """Name of the first array of a that is not bit by bit in b, or None."""
    for name, value in a.items():
        other = b.get(name)
        if other is None or other.dtype != value.dtype or other.shape != value.shape or other.tobytes() != value.tobytes():
            return name
    return None


def law_one(m, plain, tapped):
    names = [n for n in tapped if n not in plain]
    random.Random(1).shuffle(names)
    some = os.path.join(m.folder, "some.txt")
    with open(some, "w", encoding="utf-8") as f:
        f.write("".join(n + "\n" for n in names[:len(names) // 2 or 1]))
    m.row["law 1"] = "ok"
    ways = [("all tapped", ["--tap", "all"], 1), ("2 threads", [], 2), ("all tapped, 2 threads", ["--tap", "all"], 2),
            ("no fusion", ["--no-fusion"], 1)]
    if names and not any("[" in n or "\n" in n for n in names):
        ways.append(("some tapped", ["--tap", "@" + some], 2))
    for label, arguments, threads in ways:
        got = tapped if label == "all tapped" else m.onnxtap(label.replace(" ", "_"), *arguments, threads=threads)
        if got is None:
            return m.fail("law 1", label)
        first = same_bits(plain, got)
        if first:
            return m.fail("law 1", f"{label}: output {first} has other bits")
        if label == "all tapped, 2 threads":
            first = same_bits(tapped, got)
            if first:
                return m.fail("law 1", f"{label}: value {first} has other bits")


def refuse(m):
    """A file that is no runnable model: not to be loaded, or not to be run for want of its inputs."""
    result = common.run([m.command, "run", m.case.model, *m.case.input_arguments()], timeout=m.options.timeout)
    if result.status in (2, 3, 4) and result.err.strip():
        m.row["runs"], m.row["reason"] = "refused", common.first_lines(result.err)
    else:
        m.fail("runs", f"exit {result.status}, not refused")
    return m.row


def judge(command, case, options):
    import onnx
    with tempfile.TemporaryDirectory() as folder:
        m = Model(command, case, folder, options)
        if case.refuse:
            return refuse(m)
        if case.inputs is None:
            m.row["runs"], m.row["reason"] = "-", "no data"
            return m.row
        plain = m.onnxtap("plain")
        if plain is None:
            return m.row
        m.row["runs"] = "ok"
        model = onnx.load(case.model)
        compare_outputs(m, plain, model)
        tapped = m.onnxtap("all_tapped", "--tap", "all") if not options.outputs_only else None
        if tapped is not None:
            compare_taps(m, tapped, model)
            law_one(m, plain, tapped)
        return m.row


def summary(rows):
    run = [r for r in rows if r["runs"] in ("ok", "NO")]
    ok = [r for r in run if r["runs"] == "ok"]
    lines = [f"{len(ok)} of {len(run)} run"]
    for column in ("outputs", "taps", "law 1"):
        judged = [r for r in ok if r[column] not in ("", "-")]
        lines.append(f"{column}: {sum(r[column] != 'NO' for r in judged)} of {len(judged)} right")
    lines.append(f"values compared: {sum(r.get('n_taps', 0) + r.get('n_different', 0) for r in rows)}, "
                 f"different: {sum(r.get('n_different', 0) for r in rows)}")
    refuse = [r for r in rows if r["runs"] == "refused"]
    lines.append(f"refused as they should be: {len(refuse)}")
    return "\n".join(lines)


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300, help="seconds a run may take")
    parser.add_argument("--outputs-only", action="store_true", help="neither taps nor law 1")
    options = parser.parse_args()
    common.need("numpy", "onnx", "onnxruntime")
    command = common.find_command(options.onnxtap)
    with tempfile.TemporaryDirectory() as made, concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        cases = common.find_cases(options.folders, options.only, made)
        if not cases:
            print("no models found")
            return 2
        rows = []
        for future in [pool.submit(judge, command, c, options) for c in cases]:
            rows.append(future.result())
            print("  ".join(f"{k}={v}" for k, v in rows[-1].items() if v != "" and not k.startswith("n_")), flush=True)
    print()
    print(common.table(rows, ["model", "runs", "outputs", "taps", "law 1", "reason"]))
    print()
    print(summary(rows))
    common.write_json(options.json, rows)
    return 1 if any("NO" in (r["runs"], r["outputs"], r["taps"], r["law 1"]) for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
