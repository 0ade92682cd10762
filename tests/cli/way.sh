#!/bin/sh
# Parts of a run: --set, --stop-after and --partial, on one run and on data sets.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

digits="$data/digits/model.onnx"
x="$data/digits/input.npy"
relu=digits_1/relu_2_1/Relu:0

status 0 run "$digits" -i "$x" --tap all -o whole.npz
status 0 run "$digits" -i "$x" -o prediction.npy

# --set: the value's own makes no difference; without what it replaces the input is not needed.
status 0 run "$digits" --set "$relu=whole.npz" -o set.npy
checks=$((checks + 1))
cmp -s set.npy prediction.npy || fail "--set changes the prediction"
status 0 run "$digits" -i "$x" --set "$relu=whole.npz" --tap all --verify
says "the same without taps"
# A batch at a time, in any order of rows.
status 0 run "$digits" -i "$x" --batch 4 -o batches.npy
status 0 run "$digits" -i "$x" --batch 4 --set "$relu=whole.npz" -o set4.npy
checks=$((checks + 1))
cmp -s set4.npy batches.npy || fail "--set by batches changes the prediction"
status 0 run "$digits" -i "$x" --batch 4 --sample 5 --seed 3 -o few.npy
status 0 run "$digits" -i "$x" --batch 4 --sample 5 --seed 3 --set "$relu=whole.npz" -o few_set.npy --verify
checks=$((checks + 1))
cmp -s few.npy few_set.npy || fail "--set with --sample takes other rows"
# A weight has no rows.
status 0 run "$digits" -i "$x" --tap 'init:*' -o weights.npz
weight=$("$onnxtap" info "$digits" --tap 'init:*' | sed -n '2s/  .*//p')
status 0 run "$digits" -i "$x" --batch 4 --set "$weight=weights.npz" -o set_weight.npy
checks=$((checks + 1))
cmp -s set_weight.npy batches.npy || fail "--set of a weight changes the prediction"
status 3 run "$digits" -i "$x" --set "$relu=prediction.npy"
says "value '$relu' is set to float32[10,10], the model has float32[?,?,?,?]"
status 0 run "$digits" -i "$x" --limit 3 --stop-after "$relu" -o three.npz
status 3 run "$digits" -i "$x" --set "$relu=three.npz"
says "the node that it replaces makes"
status 3 run "$digits" -i "$x" --batch 5 --set "$relu=three.npz"
says "3 places in the file, where the data set has 10 rows"
status 2 run "$digits" -i "$x" --set "$relu"
says "TENSOR=FILE"
status 2 run "$digits" -i "$x" --set "nobody=whole.npz"
status 2 run "$digits" -i "$x" --set "op:Relu=whole.npz"
says "picks 3 values"
status 0 run "$digits" -i "$x" --set "layer:relu_2=whole.npz:$relu"

# --stop-after: what it names is shown, what lies beyond is told.
status 0 run "$digits" -i "$x" --stop-after op:MaxPool
says "digits_1/pool_2_1/MaxPool2d:0"
says "output 'Identity:0' is not reached: the run ends before it"
status 0 run "$digits" -i "$x" --stop-after "$relu" --tap all --json
says '"unreached"'
says '"name": "digits_1/conv_1_1/Relu:0"'
status 0 run "$digits" -i "$x" --batch 4 --stop-after "$relu"
says "[10,16,4,4]"
status 2 run "$digits" -i "$x" --stop-after nobody
# A node beyond it that would fail does not run.
status 5 run "$data/cli/late_failure.onnx" -i x=zeros --dim n=3 -i index=random --range index=9,9
status 0 run "$data/cli/late_failure.onnx" -i x=zeros --dim n=3 --stop-after '#0'
says "is not reached"

# --partial: what is supported runs; what is not can be fed, and the run goes on behind it.
broken="$data/cli/partial.onnx"
status 4 run "$broken" -i x=ones --dim n=2
says "Erfc"
says "Lgamma"
says "Digamma"
status 0 run "$broken" -i x=ones --dim n=2 --partial --tap all -o got/
says "output 'y' is not reached: it needs node 'lgamma', which is not supported"
says "output 'w' is not reached: it needs node 'if/then_branch/then_branch', which is not supported"
says "node 'erfc' (Erfc) does not run: an operator of TensorFlow, not of ONNX"
says "to feed what it gives: --set 'c=FILE'"
says "node 'lgamma' (Lgamma)"
checks=$((checks + 1))
[ "$(echo got/*.npy)" = "got/twice.npy got/z.npy" ] || fail "--partial wrote $(echo got/*.npy)"
status 0 run "$broken" -i x=ones --dim n=2 --partial --json
says '"unsupported"'
says '"fed": false'
says '"reason": "unsupported"'
status 0 run "$broken" -i x=ones --dim n=2 --partial --set c=got/z.npy
says "node 'lgamma' (Lgamma)"
says "output 'y' is not reached: it needs node 'lgamma', which is not supported"
status 0 run "$broken" -i x=ones --dim n=2 --partial --set c=got/z.npy --set e=got/z.npy \
    --set if/then_branch/b=got/z.npy --tap c -o fed/
exists fed/y.npy
exists fed/w.npy
absent fed/d.npy
status 4 run "$broken" -i x=ones --dim n=2 --set c=got/z.npy

finish
