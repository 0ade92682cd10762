#!/bin/sh
# Every way in which run takes its inputs.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

names=$data/cli/names.onnx
two=$data/cli/two.npy
status 2 run "$names"
says "'x' float32[2], 'x=y' float32[2], 'input:0' float32[2]"
status 0 run "$names" -i "$data/cli/names.npz"
says "111 222"
status 0 run "$names" -i "x=$two" -i "x=y=$two" -i "input:0=$two"
says "3 6"
status 0 run "$names" -i "x=$data/cli/names.npz" -i "x=y=$data/cli/names.npz:x=y" -i "input:0=$data/cli/names.npz:input:0"
status 0 run "$names" -i x=zeros -i x=y=ones -i "input:0=$two"
says "2 3"
status 0 run "$names" -i ones
says "3 3"
status 0 run "$names" -i random -i "x=$two" --json
first=$out
status 0 run "$names" -i random -i "x=$two" --json --seed 1
[ "$(echo "$first" | grep -v '"ms"')" != "$(echo "$out" | grep -v '"ms"')" ] || fail '--seed changes nothing'
status 0 run "$names" -i random --range 5,5
says "15 15"
status 0 run "$names" -i random --range x=5,5 --range x=y=1,1 --range input:0=0,0
says "6 6"
status 2 run "$names" -i random --range 7,5
status 2 run "$names" -i random --range z=7,5
status 2 run "$names" -i "z=$two"
says "no input 'z'"
status 2 run "$names" -i "$two"
says "for which input"
status 2 run "$names" -i "x=$two" -i x=ones
says "twice"
status 3 run "$names" -i x=nothing.npy
says "input 'x'"
status 3 run "$names" -i "x=$data/cli/names.npz:absent"
says "input:0"
status 3 run "$names" -i random --shape x=3
status 3 run "$names" -i ones -i "x=$data/digits/labels.npy"
says "--cast"
status 0 run "$data/cli/kinds.onnx" -i x=ones --dim batch=3
says "list[1]"
says "[3,2]"
says "absent"
status 2 run "$data/cli/kinds.onnx" -i x=ones
says "--dim"
status 2 run "$data/cli/kinds.onnx" -i x=ones --dim other=3
status 2 run "$data/cli/kinds.onnx" -i x=ones --dim batch
status 0 run "$data/cli/types.onnx" -i random -o types.npz
kinds='bfloat16 float16 float8e4m3fn int4 uint4 string bool complex64 int64 double'
same=''
for kind in $kinds; do same="$same -i $kind=types.npz:${kind}_out"; done
# shellcheck disable=SC2086
status 0 run "$data/cli/types.onnx" $same -o again.npz
cmp -s types.npz again.npz || fail 'types written and read are not the same'
status 0 run "$data/cli/types.onnx" -i random -o raw.npz --raw-types
out=$("$onnxtap" run - -i "$data/cli/names.npz" < "$names" 2>&1) || fail 'a model from standard input'
says "111 222"
out=$("$onnxtap" run "$names" -i ones -i x=- < "$two" 2>&1) || fail 'an input from standard input'
says "3 4"

finish
