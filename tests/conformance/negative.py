#!/usr/bin/env python3
"""Loads and runs every malformed model of a folder: each is refused with a message, or runs. None may crash, take more than
2 seconds, or more memory than 64 MB above the limit that the command is given.

    python3 tests/conformance/negative.py FOLDER... [--sanitizers]

With --sanitizers (a build under AddressSanitizer) memory is not judged and time is ten times as long.
"""
import json
import os
import sys

import common

LIMIT_MB, SPARE_MB, SECONDS = 512, 64, 2
EXPECTED = {0, 2, 3, 4, 5}
SANITIZER_EXIT = "99"


def input_arguments(command, model, options):
    """Random data for each input, unknown dimensions 1; what the command says of the model, if it loads."""
    result = common.run([command, "info", model, "--json"], timeout=60, env=options.env)
    try:
        inputs = json.loads(result.out).get("inputs", [])
    except ValueError:
        inputs = []
    arguments = []
    for i in inputs:
        if i.get("has_default"):
            continue
        arguments += ["-i", f"{i['name']}=random"]
        shape = i.get("shape")
        if shape and any(not isinstance(d, int) or d < 0 for d in shape):
            known = [d if isinstance(d, int) and d >= 0 else 1 for d in shape]
            arguments += ["--shape", f"{i['name']}={','.join(map(str, known))}"]
    return arguments


def judge(result, options):
    """What is wrong with this run, or "". """
    if result.timed_out or result.seconds > options.seconds:
        return f"took {result.seconds:.1f} s"
    if result.status < 0:
        return f"signal {-result.status}"
    if result.status == int(SANITIZER_EXIT) or "ERROR: AddressSanitizer" in result.err or "runtime error:" in result.err:
        return "sanitizer: " + next((line for line in result.err.splitlines() if "rror" in line), "")[:200]
    if result.status not in EXPECTED:
        return f"exit status {result.status}"
    if result.status != 0 and not result.err.strip():
        return f"exit status {result.status} without a message"
    if not options.sanitizers and result.peak_mb > LIMIT_MB + SPARE_MB:
        return f"{result.peak_mb:.0f} MB"
    return ""


def examine(command, model, name, options):
    row = {"model": name}
    arguments = input_arguments(command, model, options)
    result = common.run([command, "run", model, "--memory-limit", f"{LIMIT_MB}M", *arguments], timeout=4 * options.seconds,
                        env=options.env)
    wrong = judge(result, options)
    row.update(exit=result.status, seconds=f"{result.seconds:.2f}", mb=f"{result.peak_mb:.0f}",
               verdict="WRONG" if wrong else "ok", reason=wrong or common.first_line(result.err)[:160])
    return row


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--sanitizers", action="store_true")
    options = parser.parse_args()
    options.seconds = SECONDS * (10 if options.sanitizers else 1)
    options.env = {"ASAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:allocator_may_return_null=1",
                   "UBSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:print_stacktrace=1"}
    command = common.find_command(options.onnxtap)
    rows = []
    for top in options.folders:
        for folder, subfolders, files in os.walk(top):
            subfolders.sort()
            for file in sorted(files):
                name = os.path.relpath(os.path.join(folder, file), top)
                if file.endswith(".onnx") and (not options.only or any(g in name for g in options.only)):
                    rows.append(examine(command, os.path.join(folder, file), name, options))
    if not rows:
        print("no models found")
        return 2
    print(common.table(rows, ["model", "exit", "seconds", "mb", "verdict", "reason"]))
    wrong = [r for r in rows if r["verdict"] != "ok"]
    counts = {s: sum(r["exit"] == s for r in rows) for s in sorted({r["exit"] for r in rows})}
    print(f"\n{len(rows)} models, {len(wrong)} wrong; exit statuses: " + ", ".join(f"{s}: {n}" for s, n in counts.items()))
    common.write_json(options.json, rows)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
