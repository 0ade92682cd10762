#!/bin/sh
# The demo's comparison tells equal layers from different ones, and missing ones from both.
#
#   demo.sh ONNXTAP DEMO_COMPARE DIGITS
set -eu
onnxtap=$1 demo_compare=$2 digits=$3
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# expect STATUS TRACE
expect() {
    status=0
    "$demo_compare" "$scratch/$2" "$digits" >"$scratch/out.txt" 2>&1 || status=$?
    [ "$status" -eq "$1" ] || { cat "$scratch/out.txt"; echo "demo.sh: $2: exit status $status and not $1" >&2; exit 1; }
}

run() { "$onnxtap" run "$digits/model.onnx" --tap "$1" -o "$scratch/$2" -i "$3" --shape image=10,8,8,1; }

run all same.npz "$digits/input.npy"
expect 0 same.npz
run all other.npz random
expect 1 other.npz
grep -q DIFFERENT "$scratch/out.txt"
run op:Conv few.npz "$digits/input.npy"
expect 3 few.npz
expect 3 none.npz
