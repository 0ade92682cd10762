#!/usr/bin/env python3
"""Makes cmake/text_order.ld anew: the functions that models call, which the linker lays side by side.

    cmake --preset release -B build/map -DCMAKE_EXE_LINKER_FLAGS=-Wl,-Map=onnxtap.map
    cmake --build build/map --target onnxtap_command
    python3 tools/text_order.py FOLDER... [--build build/map] [--only GLOB]

Runs every model below the folders once for each instruction set (entered.c tells which functions were entered) and writes
those first that most models enter, then those of fewer, each beside the one that the most similar models enter. To be run
on a machine that has all instruction sets, when the operators of common models have new functions; a list that is old
costs memory and nothing else.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/bench"))
from performance import find_models, inputs_beside, made_up  # noqa: E402

SCRIPT = os.path.join(HERE, "../cmake/text_order.ld")
HEAD = """/* Functions that common models call, side by side: what cmake/text_order.cmake links with. Written by
 * tools/text_order.py. Each has a section of its own (-ffunction-sections). */
"""
ISAS = ("avx512", "avx2", "sse2")
SHARES = (0.85, 0.42, 0.21, 0.1, 0)  # of the models: functions that so many enter come before all others
SECONDS_MOST = 120

Function = collections.namedtuple("Function", "file section")


# ---- Where functions are ---------------------------------------------------------------------------------------

def functions_of_map(path):
    """By address, from the linker's map: file and section, without what the compiler put behind the name."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    found = re.findall(r"^ (\.text\.[\w.]+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S+\.o)$", text, re.M)
    return {int(at, 16): Function(re.sub(r"^.*CMakeFiles/", "", file), re.sub(r"(\.text\.(?:(?:startup|unlikely|hot|exit)\.)?\w+).*", r"\1", section))
            for section, at, size, file in found if int(size, 16)}


def addresses_of(program):
    out = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    return sorted({int(m[1], 16) for m in re.finditer(r"^([0-9a-f]+) [tT] ", out, re.M)})


# ---- What is entered -------------------------------------------------------------------------------------------

def inputs_of(onnxtap, folder, file):
    model = os.path.join(folder, file)
    info = json.loads(subprocess.run([onnxtap, "info", model, "--json"], capture_output=True, check=True).stdout)
    return inputs_beside(folder, file, info["inputs"]) or made_up(info["inputs"])


def entered(tool, onnxtap, addresses, folder, file, isa):
    """Addresses of the functions that loading and running the model enters."""
    command = [tool, onnxtap, "bench", os.path.join(folder, file), *inputs_of(onnxtap, folder, file), "--threads", "1",
               "--seconds", "0.0001"]
    r = subprocess.run(command, input="\n".join(f"{a:x}" for a in addresses), capture_output=True, text=True, check=True,
                       timeout=SECONDS_MOST, env=dict(os.environ, ONNXTAP_ISA=isa))
    return {int(line, 16) for line in r.stdout.split()}


def all_entered(tool, onnxtap, functions, options, isa):
    """A set of functions for each model that runs."""
    addresses = addresses_of(onnxtap)
    seen = []
    for name, folder, file in find_models(options.folders, options.only):
        try:
            at = entered(tool, onnxtap, addresses, folder, file, isa)
        except subprocess.SubprocessError as problem:
            print(f"{name}: left out: {problem}", file=sys.stderr)
            continue
        seen.append({functions[a] for a in at if a in functions})
    return seen


# ---- The order -------------------------------------------------------------------------------------------------

def beside_the_most_similar(some, models_of):
    """From the first on, behind each the one whose models are the most similar; models are bits of a number."""
    left, line = list(some), []
    while left:
        here = models_of[line[-1]] if line else models_of[left[0]]
        line.append(left.pop(min(range(len(left)), key=lambda k: (here ^ models_of[left[k]]).bit_count())))
    return line


def ordered(seen):
    models_of = collections.Counter()
    for k, functions in enumerate(seen):
        for one in functions:
            models_of[one] += 1 << k
    left = sorted(models_of, key=lambda one: (-models_of[one].bit_count(), one))
    line = []
    for share in SHARES:
        some = [one for one in left if models_of[one].bit_count() >= share * len(seen)]
        left = left[len(some):]
        line += beside_the_most_similar(some, models_of)
    return line


def write(line):
    with open(SCRIPT, "w", encoding="utf-8") as f:
        f.write(HEAD + "SECTIONS {\n  .text.onnxtap : {\n")
        f.writelines(f"    *{one.file}({one.section} {one.section}.*)\n" for one in line)
        f.write("  }\n} INSERT BEFORE .text;\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folders", nargs="+")
    p.add_argument("--build", default=os.path.join(HERE, "../build/map"), help="folder of the program and its map")
    p.add_argument("--only", action="append", default=[], metavar="GLOB")
    options = p.parse_args()
    onnxtap = os.path.abspath(os.path.join(options.build, "onnxtap"))
    functions = functions_of_map(onnxtap + ".map")
    line = []
    with tempfile.TemporaryDirectory() as folder:
        tool = os.path.join(folder, "entered")
        subprocess.run(["cc", "-O1", "-o", tool, os.path.join(HERE, "entered.c")], check=True)
        for isa in ISAS:
            seen = all_entered(tool, onnxtap, functions, options, isa)
            if not seen:
                p.error(f"no model ran with {isa}: {SCRIPT} is as it was")
            line += [one for one in ordered(seen) if one not in line]
    write(line)
    print(f"{len(line)} functions of {len(seen)} models")
    return 0


if __name__ == "__main__":
    sys.exit(main())
