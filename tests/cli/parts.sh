#!/bin/sh
# extract and repro: parts of models that stand on their own.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

digits=$data/digits/model.onnx
loop=$data/cli/loop.onnx
fails=$data/cli/late_failure.onnx
functions=$data/graphs/functions.onnx

# What lies between two values computes what it computed in its place.
first=$("$onnxtap" info "$digits" --nodes --json | sed -n 's/.*"op": "Conv".*"outputs": \["\([^"]*\)"\].*/\1/p' | head -1)
last=$("$onnxtap" info "$digits" --nodes --json | sed -n 's/.*"op": "Softmax".*"inputs": \["\([^"]*\)"\].*/\1/p' | head -1)
status 0 extract "$digits" "$first..$last" -o part.onnx
says "$last"
exists part.onnx
absent part.onnx.data
status 0 repro "$digits" "$first..$last" -i "$data/digits/input.npy" -o between
status 0 test between
says "1 passed, 0 failed"
status 0 extract "$digits" all -o whole.onnx --external-above 100 --json
says '"inputs"'
exists whole.onnx.data
status 0 run whole.onnx -i "$data/digits/input.npy" -o whole.npz
status 0 run "$digits" -i "$data/digits/input.npy" -o digits.npz
checks=$((checks + 1))
cmp -s whole.npz digits.npz || fail "the whole model extracted does not give the same bits"

# A node of a body, at an iteration; the node with its body; a body that does not come that far.
status 0 repro "$loop" loop/body/step -i n=random -i x=ones --range n=5,5 --iteration 3 -o step
status 0 test step
says "1 passed, 0 failed"
status 0 run step/model.onnx -i loop/body/v_in=step/test_data_set_0/input_0.pb
says "5 5 5 5"
status 0 repro "$loop" loop -i n=random -i x=ones --range n=5,5 -o loop
status 0 test loop
status 2 repro "$loop" loop/body/step -i n=random -i x=ones --range n=5,5 --iteration 5 -o late
says "was not computed"
absent late/model.onnx
status 2 repro "$loop" loop/body/step -i n=random -i x=ones --iteration x -o late
says "--iteration x"

# A node that fails is written with its inputs.
status 5 repro "$fails" gather -i x=ones --dim n=3 -i index=random --range index=9,9 -o gather
says "gather"
exists gather/test_data_set_0/input_1.pb
absent gather/test_data_set_0/output_0.pb
status 1 test gather

# Functions are written out, each node with the opset that it has.
status 0 extract "$functions" all -o flat.onnx
status 0 info flat.onnx

# What cannot be.
status 2 extract "$digits" -o x.onnx
says "which part?"
status 2 extract "$digits" op:Conv
says "Give -o"
status 2 extract "$digits" no_such_node -o x.onnx
says "nearest"
status 2 extract "$digits" 'input:*' -o x.onnx
says "no value is picked that a node makes"
status 3 extract "$digits" op:Conv -o no/such/x.onnx
absent x.onnx

finish
