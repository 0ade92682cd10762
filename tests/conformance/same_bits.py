#!/usr/bin/env python3
"""Law 1 on real models: on one instruction set every value has the same bits, however the model is run.

    python3 tests/conformance/same_bits.py FOLDER... [--only GLOB] [--isa sse2,avx2,avx512] [--threads 1,2,4] [--seed 1]

For each model and instruction set all values of a run with one thread, all of them tapped, are the measure. Beside it are put
runs with each number of threads, with all, some and no taps, with fusion and without. An instruction set that the machine does not
have is the next lower one, which says nothing new and costs its time only.
"""
import os
import random
import sys
import tempfile
import zipfile

import common


def values_of(command, case, isa, file, arguments):
    """Member by member what a run writes; the message where it fails."""
    inputs = case.input_arguments() or ["-i", "random"]
    result = common.run([command, "run", case.model, *inputs, *arguments, "-o", file], env={"ONNXTAP_ISA": isa})
    if result.status:
        return None, common.first_line(result.err)
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist() if name.endswith(".npy")}, ""


def runs(threads, taps):
    """(words, arguments) of all runs beside the first."""
    some = [a for name in taps for a in ("--tap", name)]
    for t in threads:
        yield f"{t} threads", ["--threads", t]
        yield f"{t} threads, all taps", ["--threads", t, "--tap", "all"]
        if some:
            yield f"{t} threads, some taps", ["--threads", t, *some]
    yield "no fusion", ["--threads", threads[-1], "--no-fusion"]
    yield "no fusion, all taps", ["--threads", threads[-1], "--no-fusion", "--tap", "all"]


def differences(command, case, isa, threads, made):
    """What differs, and how many runs were looked at; None where the model does not run at all."""
    file = os.path.join(made, "values.npz")
    measure, _ = values_of(command, case, isa, file, ["--threads", "1", "--tap", "all"])
    if measure is None:
        return None, 0
    names = [n[:-len(".npy")] for n in measure]
    # No iterations, no options, no keys of a map.
    names = [n for n in names if "[" not in n and not n.startswith("-") and not n.endswith(".keys")]
    taps, found, n_runs = random.sample(names, min(len(names), 1 + len(names) // 3)), [], 0
    for words, arguments in runs(threads, taps[:200]):
        got, why = values_of(command, case, isa, file, arguments)
        n_runs += 1
        if got is None:
            found.append(f"{words}: fails: {why}")
            continue
        other = sorted(n for n in got if n in measure and got[n] != measure[n])
        if other:
            found.append(f"{words}: {len(other)} of {len(got)} values differ, such as {other[0]}")
        elif not any(n in measure for n in got):
            found.append(f"{words}: nothing to compare")
    return found, n_runs


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--isa", default="sse2,avx2,avx512")
    parser.add_argument("--threads", default="1,2,4")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    command = common.find_command(options.onnxtap)
    random.seed(options.seed)
    models, n_runs, failed = 0, 0, 0
    with tempfile.TemporaryDirectory() as made:
        for case in common.find_cases(options.folders, options.only, made):
            if case.refuse:
                continue
            ran = False
            for isa in options.isa.split(","):
                found, n = differences(command, case, isa, options.threads.split(","), made)
                if found is None:
                    continue
                ran, n_runs, failed = True, n_runs + n, failed + len(found)
                for what in found:
                    print(f"{case.name}: {isa}: {what}", flush=True)
            models += ran
    print(f"{models} models, {n_runs} runs, {failed} with other bits")
    return 1 if failed or not models else 0


if __name__ == "__main__":
    sys.exit(main())
