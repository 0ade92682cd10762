#!/bin/sh
# onnxtap bench: its figures, and where the time goes.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

digits=$data/digits/model.onnx
set -- "$digits" -i "$data/digits/input.npy" --threads 1 --seconds 0.1
status 0 bench "$@"
says 'median'
says 'threads          1'
status 0 bench "$@" --json --tap all
says '"p90_ms"'
says '"runs"'
status 0 bench "$@" --profile trace.json
says 'Conv + Relu'
says 'explained'
exists trace.json
absent trace.json.tmp
status 0 bench "$@" --profile trace.json --no-fusion --json
says '{"op": "Conv", "nodes": 2, "calls": 2,'
# Nodes and what lies between them make the whole time: nothing is left out, nothing twice.
checks=$((checks + 1))
echo "$out" | sed -n '/"nodes": \[/,/\]/s/.*"share": \([0-9.e-]*\).*/\1/p' |
    awk '{ sum += $1 } END { exit !(sum > 0.8 && sum < 1.05) }' || fail 'shares do not add up'
out=$(cat trace.json)
says '"traceEvents"'
says '{"name": "Conv", "cat": "node", "ph": "X", "ts": '
status 3 bench "$@" --profile no/such/folder/trace.json
status 3 bench nothing.onnx
finish
