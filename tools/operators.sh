#!/bin/sh
# Writes docs/OPERATORS.md from what `onnxtap ops` says.
#
#   sh tools/operators.sh ONNXTAP            writes it
#   sh tools/operators.sh --check ONNXTAP    fails where it says something else, and writes nothing
#
# ONNXTAP: the command, such as build/dev/onnxtap.
set -eu
page=$(dirname "$0")/../docs/OPERATORS.md

make_page() {
    cat <<'END'
# Operators

Every operator of the ONNX standard but Gradient, in every version; and, in the domain com.microsoft, ONNX Runtime's own, which
its quantiser and its optimisers write. This page is made by `sh tools/operators.sh ONNXTAP`
from the rows of `onnxtap ops`; `onnxtap ops --json` has the same for programs.

- **opsets** of the domain that the row is for; `7-` is from 7 on. A version that takes other inputs or means something else
  has a row of its own, or is told apart within one, by the opset; a version that only adds types has not: the row has the
  types of them all.
- **types** of the operand that chooses the kernel, most often the first input: `float` is float16, bfloat16, float32 and
  float64; `int` is int8 to int64, `uint` uint8 to uint64; `complex` is complex64 and complex128; `small int` is int4, uint4,
  int2 and uint2; `small float` is the types of 8, 6 and 4 bits, of which `float8` has a sign; `all` is every type. What other
  operands may be is the standard's.
- **tensorflow**: operators of TensorFlow, which converters leave in ONNX's own domain. They run with `--tf-ops` alone, and every
  report says that they are not ONNX's.
- **notes**: what the standard leaves open, and how it is here.

Most operators of com.microsoft are functions of the standard's: a node of one becomes the nodes of that function when the model
is opened, named `NODE/...`, each to be tapped.

`tests/conformance/schemas.py` compares this with the schemas of the Python package `onnx`, and runs every operator in every
version with every type.

END
    "$1" ops --markdown
}

case ${1-} in
    '' | -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0" ;;
    --check)
        make_page "$2" | diff "$page" - && exit 0
        echo "docs/OPERATORS.md is stale: sh tools/operators.sh $2" >&2
        exit 1 ;;
    *)
        make_page "$1" >"$page.tmp"
        mv "$page.tmp" "$page" ;;
esac
