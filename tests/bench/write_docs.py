#!/usr/bin/env python3
"""Puts what was measured into docs/PERFORMANCE.md: each NAME=FILE takes the place of what lies between the lines
<!-- NAME --> and <!-- /NAME --> there. What bench programs print is kept as it is, in a block of text.

    python3 tests/bench/performance.py FOLDER... --markdown models.md
    python3 tests/bench/growth.py --markdown growth.md
    build/release/tests/bench/bench_kernels > kernels.txt
    build/release/tests/bench/bench_ops > ops.txt
    python3 tests/bench/write_docs.py models=models.md growth=growth.md kernels=kernels.txt ops=ops.txt
"""
import os
import sys

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/PERFORMANCE.md")


def replaced(text, name, new):
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    if begin not in text or end not in text:
        sys.exit(f"docs/PERFORMANCE.md has no place for '{name}'")
    head, rest = text.split(begin, 1)
    return head + begin + new + end + rest.split(end, 1)[1]


def main():
    if not sys.argv[1:] or any("=" not in a for a in sys.argv[1:]):
        sys.exit(__doc__.strip())
    with open(DOCUMENT, encoding="utf-8") as f:
        text = f.read()
    for argument in sys.argv[1:]:
        name, file = argument.split("=", 1)
        with open(file, encoding="utf-8") as f:
            new = "\n".join(line.rstrip() for line in f.read().strip("\n").split("\n")) + "\n"
        text = replaced(text, name, new if file.endswith(".md") else f"```text\n{new}```\n")
    with open(DOCUMENT, "w", encoding="utf-8") as f:
        f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
