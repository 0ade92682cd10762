#!/usr/bin/env python3
"""Writes src/check/schema.inc: when operators, their attributes and the types they take came into the standard and went.

    python3 tools/tables/schema.py > src/check/schema.inc      (needs the onnx package)
    python3 tools/tables/schema.py --check                     exit status 1 where the file is another one

A row an operator: domain, name, opset it came with, opset it is deprecated from (0: it is not), attributes, types.
Attributes: "name:FROM", "name:FROM-TO", the opsets that have it, "since" being the operator's own version, not the model's.
Types, of those that came later than the operand itself: "i0@13:16@19:17,18" = input 0 takes type 16 from opset 13 on; o: outputs.
"""
import pathlib
import sys
import textwrap

try:
    import onnx
    from onnx import TensorProto, defs
except ImportError:
    print("skipped: the Python package onnx is not installed")
    sys.exit(77)

FILE = pathlib.Path(__file__).resolve().parents[2] / "src" / "check" / "schema.inc"
NAMES = {"tensor(%s)" % k.lower(): v for k, v in TensorProto.DataType.items()}


def histories():
    found = {}
    for s in defs.get_all_schemas_with_history():
        found.setdefault((s.domain, s.name), []).append(s)
    return {k: sorted(v, key=lambda s: s.since_version) for k, v in sorted(found.items())}


def attributes(versions):
    """name -> ranges of opsets."""
    ranges = {}
    for k, s in enumerate(versions):
        until = versions[k + 1].since_version - 1 if k + 1 < len(versions) else 0
        for a in s.attributes:
            r = ranges.setdefault(a, [])
            if r and r[-1][1] == s.since_version - 1:
                r[-1][1] = until
            else:
                r.append([s.since_version, until])
    text = []
    for a, r in sorted(ranges.items()):
        text += [f"{a}:{since}" + (f"-{until}" if until else "") for since, until in r]
    return " ".join(text)


def operands(versions, of, letter):
    text = []
    for i in range(max((len(of(s)) for s in versions), default=0)):  # a list of any length is one
        first, since = None, {}
        for s in versions:
            if s.deprecated or i >= len(of(s)):
                continue
            first = first or s.since_version
            for t in of(s)[i].types:
                if t in NAMES:
                    since.setdefault(NAMES[t], s.since_version)
        later = {}
        for t, v in since.items():
            if v > first:
                later.setdefault(v, []).append(t)
        if later:
            text.append(f"{letter}{i}" + "".join(f"@{v}:" + ",".join(map(str, sorted(t))) for v, t in sorted(later.items())))
    return text


def quoted(text):
    lines = textwrap.wrap(text, 96, break_on_hyphens=False) or [""]
    return "\n     ".join('"%s%s"' % (line, " " if k + 1 < len(lines) else "") for k, line in enumerate(lines))


def generate():
    rows = [f"/* Written by tools/tables/schema.py from the schemas of onnx {onnx.__version__}. */", "/* clang-format off */"]
    for (domain, name), versions in histories().items():
        deprecated = next((s.since_version for s in versions if s.deprecated), 0)
        types = " ".join(operands(versions, lambda s: s.inputs, "i") + operands(versions, lambda s: s.outputs, "o"))
        rows.append(f'    {{"{domain}", "{name}", {versions[0].since_version}, {deprecated},\n'
                    f"     {quoted(attributes(versions))},\n     {quoted(types)}}},")
    return "\n".join(rows + ["/* clang-format on */", ""])


def main():
    if sys.argv[1:] != ["--check"]:
        sys.stdout.write(generate())
        return 0
    want, have = generate(), FILE.read_text(encoding="utf-8")
    if want.splitlines()[0] != have.splitlines()[0]:
        print("skipped: another version of onnx wrote the file: " + have.splitlines()[0])
        return 77
    if want != have:
        print(f"{FILE} is not what tools/tables/schema.py writes")
    return want != have


if __name__ == "__main__":
    sys.exit(main())
