#!/bin/sh
# Layers on the command line: info --layers, selectors, names and layouts of what is recorded.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

model=$data/layers/keras3.onnx
list=$data/layers/keras3.layers.json
status 0 info "$model" --layers
says "conv2          folded"
says "net_1/conv1_1/Relu:0  transposed by 0,2,3,1"
says "Conv__9:0  transposed by 0,2,3,1  with conv2"
status 0 info "$model" --layers --json
says '"layer": "inner/dense", "call": 1, "output": 0, "key": "inner/dense_1"'
says '"perm": [0, 2, 3, 1], "shape": [null, 6, 6, 4], "merged": ["conv2"]'
says '"status": "folded", "tensor": null, "perm": null'
status 0 info "$model" --layers --layer-list "$list"
says "drop           alias"
status 0 info "$model" --tap layer:relu2
says "layer relu2"
status 2 info "$model" --tap layer:conv2
says "no tensor has its output"
status 2 info "$model" --tap layer:rleu2
says "nearest: 'relu2'"
status 3 info "$model" --layers --layer-list "$model"
status 3 info "$model" --layers --layer-list no_such_file.json

# What is recorded by layer has the names that were asked for, and the order of axes that the framework has.
status 0 run "$model" -i random --dim n=2 --tap layer:drop --layer-list "$list" --keys layer --layout original -o out/
exists out/drop.npy
exists out/out.npy
absent out/relu2.npy
out=$(cat out/index.json)
says '"layer": "drop", "dtype": "float32", "shape": [2, 6, 6, 4], "layout": "NHWC"'
status 0 run "$model" -i random --dim n=2 --tap layer:relu2 --keys layer -o plain/
out=$(cat plain/index.json)
says '"layer": "relu2", "dtype": "float32", "shape": [2, 4, 6, 6], "layout": "NCHW"'
status 0 run "$model" -i random --dim n=2 --tap layer:bn2 --json
says '"layer": "bn2"'
status 2 run "$model" -i random --dim n=2 --keys tensor -o x.npz
status 2 run "$model" -i random --dim n=2 --layout NCHW -o x.npz
status 2 run "$model" -i random --dim n=2 --keys layer

# An order of axes that is not known is said, and the value is as the file has it.
status 0 run "$data/layers/keras2.onnx" -i random --tap LSTM__20:0 --layout original -o odd.npz
says "LSTM__20:0"
says "order of axes is not known"

finish
