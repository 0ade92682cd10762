#!/bin/sh
# Statistics over a data set, in parts and merged; series of checkpoints.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

digits=$data/digits/model.onnx
input=$data/digits/input.npy
labels=$data/digits/labels.npy

# ---- stats ----

status 0 stats "$digits" -i "$input" --batch 4 --tap op:Relu
says "nonfinite"
status 0 stats "$digits" -i "$input" --batch 4 --tap op:Relu --health
says "verdict"
status 0 stats "$digits" -i "$input" --batch 4 --labels "$labels" --json
says '"accuracy": '
status 0 stats "$digits" -i "$input" --batch 4 -o whole.json
status 0 stats "$digits" -i "$input" --batch 4 --shard 0/2 -o a.json
status 0 stats "$digits" -i "$input" --batch 4 --shard 1/2 -o b.json
status 0 stats --merge a.json b.json -o merged.json
for key in count min max nonfinite; do
    checks=$((checks + 1))
    [ "$(grep "\"$key\":" whole.json)" = "$(grep "\"$key\":" merged.json)" ] || fail "$key differs once merged"
done
status 0 stats "$digits" -i "$input" --batch 4 --threads 1 -o one.json
checks=$((checks + 1))
cmp -s whole.json one.json || fail "figures depend on threads"
for how in 'per tensor' 'per channel' 'per unit' 'average samples'; do
    for threads in 1 3; do
        # shellcheck disable=SC2086
        status 0 stats "$digits" -i random --shape image=700,8,8,1 --tap op:Relu --tap op:Conv --${how% *} ${how#* } \
            --threads $threads -o threads_$threads.json
    done
    checks=$((checks + 1))
    cmp -s threads_1.json threads_3.json || fail "figures $how depend on threads"
done
status 0 stats "$digits" -i "$input" --batch 4 --average batches -o mean.npz
exists mean.npz
status 0 stats "$digits" -i "$input" --per unit
says "unit"
status 2 stats "$digits" -i "$input" -o mean.npz
says "--average"
status 2 stats "$digits" -i "$input" --per nonsense
status 2 stats "$digits" -i "$input" --average nonsense
status 0 stats "$digits" -i "$input" --batch 4 --labels "$labels" --tap op:Relu --health --average samples -o a.npz
status 0 stats "$digits" -i "$input" --batch 4 --labels "$labels" --tap op:Relu --health --average samples --shard 0/2 -o a.json
status 0 stats "$digits" -i "$input" --batch 4 --labels "$labels" --tap op:Relu --health --average samples --shard 1/2 -o b.json
status 0 stats --merge a.json b.json --health -o merged.npz
says "accuracy 1"
says "loss 0.00165883"
says "dead: 34 %"
exists merged.npz
status 0 stats --merge a.json b.json --json
says '"loss": 0.00165'
status 3 stats --merge a.json whole.json
says "per channel, another per tensor"
status 2 stats --merge whole.json --health
says "per channel"
status 2 stats --merge
status 3 stats --merge "$input"
printf '{"values": [{"tensor": "x", "state": {"cells": [{"counts": [1]}]}}]}' > damaged.json
status 3 stats --merge damaged.json
printf '{"per": "tensor", "values": [{"tensor": "x", "state": {"cells": [{"counts": [1,2,3,4,5,6,7,8,9,10], "moments": [1,2,3,4], "sketch": [70000, 1]}]}}]}' > damaged.json
status 3 stats --merge damaged.json
cell='{"counts": [1,0,0,0,0,1,0,0,0,0], "moments": [1,0,1,1]}'
printf '{"per": "tensor", "average": "batches", "values": [{"tensor": "x", "shape": [5], "state": {"cells": [%s], "sums": [1,2,3,4,5], "sums_of": [1,1,1]}}]}' "$cell" > damaged.json
status 3 stats --merge damaged.json -o mean.npy
status 3 stats --merge no_such_file.json
status 3 stats "$digits" -i "$input" -o no/such/folder/x.json
status 0 stats "$data/cli/names.onnx" -i "$data/cli/names.npz"
says "out:0"

# ---- series ----

cp "$digits" one.onnx
cp "$digits" two.onnx
printf 'no model' > three.onnx
status 3 series one.onnx three.onnx two.onnx -i "$input" --labels "$labels" --tap layer:pool_1 -o series/
says "epoch 1, three.onnx"
exists series/epoch_0.npy
absent series/epoch_1.npy
exists series/epoch_2.npy
exists series/epoch_2_predictions.npy
exists series/epoch_2_labels.npy
out=$(cat series/series.csv)
says "epoch,model,tensor,layer"
out=$(cat series/series.json)
says '"error": "'
says '"relative": 0'
for left in series/*.tmp; do absent "$left"; done
status 2 series -i "$input" -o nowhere/
status 2 series one.onnx -i "$input" --tap layer:pool_1
says "-o"
status 2 series one.onnx -i "$input" --tap no_such_value -o s2/
says "nearest"
status 3 series one.onnx -i "$input" --tap layer:pool_1 -o "$input/x/"

# Checkpoints are recorded as they appear.
mkdir watched
(sleep 0.5; cp one.onnx watched/a.onnx; sleep 1; cp two.onnx watched/b.onnx) &
status 0 series --watch watched --until 2 --idle 20 -i "$input" --tap layer:pool_1 -o watched_out/
exists watched_out/epoch_1.npy
wait

finish
