#!/usr/bin/env python3
"""Makes cmake/text_order.ld anew: the functions that models call, of which the linker makes one stretch.

    cmake --preset release -B build/unordered -DTAP_TEXT_ORDER=OFF && cmake --build build/unordered --target onnxtap_command
    python3 tools/text_order.py FOLDER... [--onnxtap build/unordered/onnxtap] [--least 12] [--only GLOB]

Runs every model below the folders once under valgrind's callgrind, which tells which functions were entered, and keeps
those that at least so many models entered. Valgrind finds names in one stretch of code only, and has no AVX-512: what
was entered in one instruction set counts for all. Inputs are random. To be run when the operators of common models have
new functions; a list that is old costs memory and nothing else.
"""
import argparse
import collections
import fnmatch
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "../cmake/text_order.ld")
HEAD = """/* Functions that common models call, side by side: what cmake/text_order.cmake links with. Written by
 * tools/text_order.py. Each has a section of its own (-ffunction-sections); of a name that several files have, all. */
"""
SMALL_BYTES = 4 << 20  # larger models call the same functions, under valgrind for minutes
SECONDS_MOST = 20


def find_models(tops, only):
    for top in tops:
        for folder, subfolders, files in os.walk(top):
            subfolders.sort()
            for path in (os.path.join(folder, f) for f in sorted(files)):
                wanted = not only or any(fnmatch.fnmatch(path, g) for g in only)
                if path.endswith(".onnx") and wanted and os.path.getsize(path) <= SMALL_BYTES:
                    yield path


def made_up(onnxtap, model):
    """Arguments for random data; dimensions that are open are 1."""
    info = json.loads(subprocess.run([onnxtap, "info", model, "--json"], capture_output=True, check=True).stdout)
    arguments = ["-i", "random"]
    for p in info["inputs"]:
        dims = p.get("shape") or []
        if any(not isinstance(d, int) or d < 0 for d in dims):
            arguments += ["--shape", f"{p['name']}={','.join(str(d) if isinstance(d, int) and d >= 0 else '1' for d in dims)}"]
    return arguments


def entered(onnxtap, model, folder):
    """Names of the functions of onnxtap that a run of the model enters."""
    out = os.path.join(folder, "callgrind")
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", onnxtap, "run", model,
               *made_up(onnxtap, model), "--threads", "1", "-o", os.devnull, "--format", "npz"]
    subprocess.run(command, capture_output=True, check=True, timeout=SECONDS_MOST)
    names, in_program = {}, False
    program = os.path.realpath(onnxtap)
    files, found = {}, set()
    with open(out, encoding="utf-8") as f:
        for line in f:
            m = re.match(r"(fn|ob)=\((\d+)\)(?: (.*))?$", line)
            if not m:
                m = re.match(r"(cfn|cob)=\((\d+)\) (.*)$", line)  # a name may be told first where it is called
                if m:
                    (names if m[1] == "cfn" else files)[m[2]] = m[3]
                continue
            known = names if m[1] == "fn" else files
            if m[3]:
                known[m[2]] = m[3]
            if m[1] == "ob":
                in_program = os.path.realpath(known[m[2]]) == program
            elif in_program:
                found.add(known[m[2]])
    return found


def plain(name):
    """As it is in C: without recursion levels and what the compiler put behind it."""
    return re.sub(r"['.].*$", "", name)


def everywhere(name):
    """The name in all instruction sets."""
    m = re.fullmatch(r"(\w+)_(base|avx2|avx512)", name)
    return [f"{m[1]}_{isa}" for isa in ("base", "avx2", "avx512")] if m else [name]


def write(counts, least):
    """Of functions that so many models entered; how many those are."""
    kept = sorted(f for f, k in counts.items() if k >= least and re.fullmatch(r"\w+", f) and f not in ("_start", "main"))
    with open(SCRIPT, "w", encoding="utf-8") as f:
        f.write(HEAD + "SECTIONS {\n  .text.onnxtap : {\n    *(\n")
        f.writelines(f"      .text.{name} .text.{name}.*\n" for one in kept for name in everywhere(one))
        f.write("    )\n  }\n} INSERT BEFORE .text;\n")
    return len(kept)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="+")
    p.add_argument("--onnxtap", default=os.path.join(HERE, "../build/unordered/onnxtap"))
    p.add_argument("--least", type=int, default=12, help="of models that enter a function")
    p.add_argument("--only", action="append", default=[], metavar="GLOB")
    options = p.parse_args()
    counts, n = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        for model in find_models(options.folders, options.only):
            try:
                names = {plain(name) for name in entered(options.onnxtap, model, folder)}
            except (subprocess.SubprocessError, KeyError) as problem:
                print(f"{model}: left out: {problem}", file=sys.stderr)
                continue
            counts.update({everywhere(name)[0] for name in names})
            n += bool(names)
    print(f"{write(counts, options.least)} functions of {n} models")
    return 0


if __name__ == "__main__":
    sys.exit(main())
