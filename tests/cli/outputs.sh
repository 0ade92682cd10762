#!/bin/sh
# Every way in which run gives its outputs.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

names=$data/cli/names.onnx
digits=$data/digits/model.onnx
status 0 run "$digits" -i "$data/digits/input.npy" --tap all -o all.npz --verify
says "bit by bit"
status 0 run "$digits" -i "$data/digits/input.npy" --tap all -o packed.npz --compress
status 0 run "$digits" -i "$data/digits/input.npy" --tap all -o folder/
exists folder/index.json
exists folder/Identity_0.npy
status 0 run "$digits" -i "$data/digits/input.npy" --tap op:Conv -o pb/ --format pb
exists pb/output_0.pb
exists pb/taps
status 0 run "$digits" -i "$data/digits/input.npy" -o one.npy
status 0 run "$digits" -i "$data/digits/input.npy" -o one.pb
status 0 run "$digits" -i "$data/digits/input.npy" -o out.json --tap 'op:Relu'
status 0 run "$digits" -i "$data/digits/input.npy" -o no_extension --format npz
exists no_extension
status 0 run "$digits" -i "$data/digits/input.npy" --json --tap 'op:Softmax'
says '"ms":'
status 2 run "$digits" -i "$data/digits/input.npy" -o one.npy --tap all
status 2 run "$digits" -i "$data/digits/input.npy" -o x.unknown
status 2 run "$digits" -i "$data/digits/input.npy" -o x.npz --format nonsense
status 2 run "$digits" -i "$data/digits/input.npy" --tap no_such_value
says "nearest"
status 3 run "$digits" -i "$data/digits/input.npy" -o no/such/folder/x.npz
for kind in npz npy json pb; do absent "x.$kind.tmp"; done

# What is written is what was computed: by way of a second model.
status 0 run "$names" -i "$data/cli/names.npz" -o sum.npz
status 0 run "$names" -i x=sum.npz:out:0 -i x=y=zeros -i input:0=zeros
says "111 222"
status 0 run "$names" -i "$data/cli/names.npz" -o sum.pb
status 0 run "$names" -i x=sum.pb -i x=y=zeros -i input:0=zeros
says "111 222"

finish
