#!/usr/bin/env python3
"""onnxtap check on many models: what it finds in broken exports, that it invents nothing in sound ones, and how long it takes.

    python3 tests/conformance/check.py FOLDER... [--only GLOB] [--quiet]

- invalid*.onnx beside an origin.json: every one of its unknown_operators, and every input that its failed_exports calls
  without a value, has to be in the list of findings, which is printed.
- A file that `run` refuses as invalid or unsupported (exit status 3 and 4, and no input was at fault) has a finding of
  severity error; one that loads has none.
- The largest model: the time of check beside that of info, which opens it and looks at no weight.
"""
import json
import os
import re
import sys
import time

import common


def findings(command, path):
    result = common.run([command, "check", path, "--json"], timeout=120)
    try:
        return result, json.loads(result.out)["findings"]
    except (ValueError, KeyError):
        return result, None


def models(folders, only):
    for top in folders:
        for folder, subfolders, files in os.walk(top):
            subfolders.sort()
            for file in sorted(files):
                path = os.path.join(folder, file)
                if file.endswith(".onnx") and (not only or any(g in path for g in only)):
                    yield path


def missed(path, errors):
    """What origin.json says of the file and no error names."""
    origin = common.read_json(os.path.join(os.path.dirname(path), "origin.json"))
    failed = origin.get("failed_exports", {}).get(os.path.basename(path), {})
    wanted = dict(failed.get("unknown_operators", {}))
    lost = [f"operator {op}" for op in wanted if not any(f["op"] == op for f in errors)]
    lost += [f"{n} nodes of {op}" for op, n in wanted.items() if sum(f["count"] for f in errors if f["op"] == op) not in (0, n)]
    without = re.search(r"without a value: (.*)", failed.get("error", ""))
    names = [n.strip() for n in without.group(1).split(",")] if without else []
    return lost + [f"input {n}" for n in names if not any(f["tensor"] == n for f in errors)], wanted, names


def examine(command, path, quiet):
    """What is wrong, "" for nothing; whether the file is one that cannot run."""
    result, found = findings(command, path)
    if found is None or result.status not in (0, 1):
        return f"check: exit status {result.status}: {common.first_line(result.err)}", True
    errors = [f for f in found if f["severity"] == "error"]
    opened = common.run([command, "info", path], timeout=120)
    ran = common.run([command, "run", path, "-i", "random"], timeout=120) if opened.status == 0 else opened
    refused = opened.status in (3, 4) or ran.status == 4
    lost, operators, inputs = missed(path, errors)
    if operators or inputs:
        print(f"{path}\n  origin.json: {', '.join([f'{op} x{n}' for op, n in operators.items()] + inputs)}")
        for f in errors:
            print(f"  {f['code']}: {f['op'] or f['tensor']} x{f['count']}: {f['hint'][:110]}")
    elif refused and not quiet:
        for f in errors:
            print(f"{os.path.basename(path)}: {f['code']}: {f['message'][:200]}")
    if lost:
        return "missed: " + ", ".join(lost), True
    if refused and not errors:
        return f"refused ({common.first_line(ran.err)[:120]}), and check finds no error", True
    if errors and not refused and not inputs:
        return "invented: " + "; ".join(f"{f['code']}: {f['message'][:150]}" for f in errors), False
    return "", refused


def milliseconds(command, path, times=7):
    best = []
    for word in ("info", "check"):
        took = []
        for _ in range(times):
            begin = time.perf_counter()
            common.run([command, word, path])
            took.append(time.perf_counter() - begin)
        best.append(1e3 * min(took))
    return best


def main():
    parser = common.arguments(__doc__)
    parser.add_argument("--quiet", action="store_true", help="only what is wrong, and the counts")
    options = parser.parse_args()
    command = common.find_command(options.onnxtap)
    n = broken = wrong = 0
    largest = None
    for path in models(options.folders, options.only):
        why, refused = examine(command, path, options.quiet)
        n += 1
        broken += refused
        wrong += bool(why)
        if why:
            print(f"WRONG {path}: {why}", flush=True)
        size = os.path.getsize(path)
        largest = max(largest, (size, path)) if largest else (size, path)
    print(f"{n} models, {broken} of them broken; {wrong} wrong")
    if largest:
        info, check = milliseconds(command, largest[1])
        print(f"largest: {largest[0] / 1e6:.1f} MB, info {info:.1f} ms, check {check:.1f} ms")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
