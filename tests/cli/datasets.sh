#!/bin/sh
# Runs over data sets: which rows, how they are joined, what is refused and why.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

digits=$data/digits/model.onnx
input=$data/digits/input.npy
labels=$data/digits/labels.npy

# same A B: both hold the same bytes.
same() {
    checks=$((checks + 1))
    cmp -s "$1" "$2" || fail "$1 differs from $2"
}

# ---- Joined values are those of one run, whatever the batch ----

status 0 run "$digits" -i "$input" --batch 5 --tap op:Conv --tap op:Relu -o all.npz
status 0 run "$digits" -i "$input" --batch 5 --tap op:Conv --tap op:Relu -o again.npz --no-mmap
same all.npz again.npz
status 0 run "$digits" -i "$input" --batch 5 --tap op:Conv -o folder/
exists folder/index.json
status 0 run "$digits" -i "$input" --batch 5 -o five.npy
same five.npy folder/Identity_0.npy
status 0 run "$digits" -i "$input" --batch 5 --split batch --tap all -o apart.npz
status 2 run "$digits" -i "$input" --batch 5 --tap all -o shapes.npz
says "no batch axis"
says "--split batch"
absent shapes.npz.tmp
for kind in tmp 0.tmp; do absent "all.npz.$kind"; absent "folder/$kind"; done

# ---- Which rows ----

status 0 run "$digits" -i "$input" --labels "$labels" --sample 3 --seed 1
says "prediction"
first=$out
status 0 run "$digits" -i "$input" --labels "$labels" --sample 3 --seed 1 --batch 2
[ "$(echo "$out" | tail -5)" = "$(echo "$first" | tail -5)" ] || fail "the same seed drew other rows"
status 0 run "$digits" -i "$input" --limit 3 --batch 2 --json
says '"shape": [3, 10]'
status 0 run "$digits" -i "$input" --batch 2 --limit 8 --every 2 --json
says '"shape": [4, 10]'
status 0 run "$digits" -i "$input" --batch 2 --limit 8 --shard 1/2 --json
says '"shape": [4, 10]'
status 2 run "$digits" -i "$input" --shard 2/2
says "from 0"
status 2 run "$digits" -i "$input" --batch 4 --split nonsense
status 2 run "$digits" -i "$input" --batch 4 --loss nonsense --labels "$labels"
status 2 run "$digits" -i "$input" --batch 4 --loss mse
says "--labels"
status 3 run "$digits" -i "$input" --batch 4 --labels "$data/cli/two.npy"
says "rows"

# ---- Tables ----

printf 'note,x,y\r\n"a, ""b""\nc",1.5,2\r\n,-3,4e0\r\n' > table.csv
status 0 run "$data/cli/names.onnx" -i x=table.csv -i x=y=zeros -i input:0=zeros
says "1.5 -3"
printf '1,2\n3\n' > ragged.csv
status 3 run "$digits" -i ragged.csv
says "record 2 has 1 fields"
status 3 run "$digits" -i table.csv
says "3 columns"
printf '0\n0\nx\n' > index.csv
status 3 run "$data/cli/late_failure.onnx" -i x=ones --dim n=3 -i index=index.csv
says "record 3"

# ---- A file that is cut short ----

head -c 2000 "$input" > short.npy
status 3 run "$digits" -i short.npy --batch 2 -o short.npz
says "promises"
absent short.npz
absent short.npz.tmp

# ---- A node that fails in a later batch ----

late=$data/cli/late_failure.onnx
printf '0\n0\n9\n' > index.csv
status 5 run "$late" -i x=ones --dim n=3 -i index=index.csv --tap all -o late.npz
says "gather"
exists late.npz
absent late.npz.tmp
status 5 run "$late" -i x=ones --dim n=3 -i index=index.csv --tap all -o late/
exists late/good.npy
exists late/picked.npy
out=$(cat late/index.json)
says '"node": "gather"'
says '"shape": [3]'
says '"shape": [2]'
absent late/good.npy.tmp

# ---- A full disk, and the end in the middle ----

# A file may have so many blocks of 512 bytes: what is complete is kept.
status 0 run "$digits" -i "image=random" --shape image=400,8,8,1 --batch 400 -o many.npy
(
    ulimit -f 60
    "$onnxtap" run "$digits" -i image=random --shape image=400,8,8,1 --batch 20 --tap op:MaxPool -o full.npz 2>full.txt
    echo $? >full.status
    "$onnxtap" run "$digits" -i image=random --shape image=400,8,8,1 --batch 20 --tap op:MaxPool -o full/ 2>>full.txt
    echo $? >>full.status
    "$onnxtap" run "$digits" -i image=random --shape image=400,8,8,1 --batch 20 --tap layer:pool_2 -o full.csv 2>>full.txt
    echo $? >>full.status
)
out="$(cat full.status full.txt)"
checks=$((checks + 1))
[ "$(tr '\n' ' ' <full.status)" = "3 3 3 " ] || fail "a full disk is not status 3"
says "cannot write"
exists full/index.json
for left in full.npz.tmp full.csv.tmp full/*.tmp full.npz.*.tmp; do absent "$left"; done
checks=$((checks + 1))
[ "$(wc -l <full.csv)" -gt 20 ] || fail "the complete rows of full.csv are gone"

"$onnxtap" run "$digits" -i image=random --shape image=20000,8,8,1 --batch 10 --tap op:Conv -o killed.npz 2>/dev/null &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.1
    [ -e killed.npz.tmp ] && break
done
kill -9 $pid
wait $pid 2>/dev/null
absent killed.npz

finish
