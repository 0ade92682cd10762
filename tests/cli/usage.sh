#!/bin/sh
# The command's help, wrong use, the order of errors; info, ops and bench.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

names=$data/cli/names.onnx
digits=$data/digits/model.onnx

# ---- Help and wrong use ----

status 0 --version
says "onnxtap 0."
status 0 --help
says "Exit status"
status 2
status 2 nonsense
says "no subcommand"
for subcommand in run info ops test bench; do
    status 0 $subcommand --help
    says "Example:"
    says "onnxtap $subcommand"
    status 2 $subcommand --nonsense
done
status 2 run
says "which model"

# ---- The model comes first: 3 and 4 before 2 ----

echo 'no model' > broken.onnx
for subcommand in run info bench; do
    status 3 $subcommand no-such-file.onnx --nonsense
    status 3 $subcommand broken.onnx --nonsense
done
status 4 run "$data/cli/unsupported.onnx" --nonsense
says Frobnicate
says Bucketize
status 4 bench "$data/cli/unsupported.onnx" -i x=nothing.npy
status 2 run "$data/cli/names.onnx" --nonsense
status 2 run "$data/cli/names.onnx" another.onnx
status 0 info "$data/cli/unsupported.onnx"
says "com.example has no operator Frobnicate"

# ---- info, ops, bench ----

status 0 info "$digits" --json --nodes --tap op:Conv
says '"ai.onnx": '
says '"taps": ['
says '"nodes": ['
status 2 info "$digits" --tap nonsense
status 0 ops
says "ai.onnx                  Relu"
status 0 ops --json --domain ai.onnx
status 2 ops --domain no.such.domain
status 0 bench "$names" --seconds 0.05
says "median"
status 0 bench "$names" --seconds 0.05 --json --tap all --threads 1
says '"median_ms"'
says '"threads": 1'
status 2 bench "$data/cli/kinds.onnx"

finish
