#!/bin/sh
# Shows the main job on a small network trained with Keras on scikit-learn's digits and exported to ONNX: its prediction
# beside any tensor that somebody asks for, without Python, and that every tapped layer is what Keras computed.
# On a fresh Debian the needed packages are installed first.
#
#   sh tools/demo.sh        Environment: JOBS, processes at the same time (default: the processors there are)
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
build=build/release
digits=tests/data/digits
out=build/demo
mkdir -p "$out"

# Runs a step whose output matters only if it fails.
quietly() {
    "$@" >"$out/log.txt" 2>&1 || { cat "$out/log.txt" >&2; echo "demo: failed: $*" >&2; exit 1; }
}

show() { printf '\n$ %s\n' "$1"; eval "$1"; }

sh tools/install-deps.sh
echo 'Building (a few minutes the first time) ...'
quietly cmake --preset release
quietly cmake --build --preset release -j "$jobs" --target onnxtap_command demo_compare
PATH=$PWD/$build:$PATH

cat <<'TEXT'

A Keras network of eleven layers looks at ten handwritten digits. Its ONNX file is run as it is; each tap shows
a value on the way to the prediction, which is the last line:
TEXT
show "onnxtap run $digits/model.onnx -i $digits/input.npy --tap '*Relu:0' --tap '*pool*'"

# layers.txt knows which tensor carries which layer; "-" means that the exporter left none.
cut -f 3 $digits/layers.txt | grep -v '^-$' | sort -u >"$out/taps.txt"
cat <<'TEXT'

Now a tap on every layer, written to a file while the model runs, and compared with what Keras computed:
TEXT
show "onnxtap run $digits/model.onnx -i $digits/input.npy --tap @$out/taps.txt -o $out/layers.npz"
show "demo_compare $out/layers.npz $digits"
