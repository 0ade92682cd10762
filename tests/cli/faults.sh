#!/bin/sh
# Faults while recording, for each format: a full disk, a name that is taken, a folder that cannot be written to, data that
# is cut short, the end in the middle. What is complete is kept whole or nothing is left, and the message says which.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

digits=$data/digits/model.onnx
input=$data/digits/input.npy
labels=$data/digits/labels.npy

# nothing_half PATH: no temporary file lies beside it
nothing_half() {
    for left in "$1".tmp "$1".*.tmp "$1"*.tmp-journal "$1"-journal; do absent "$left"; done
}

# ---- A full disk ----

# full OPTIONS...: a run over 2000 rows where no file may exceed 80 KiB; what it says goes to $out, its status to $got.
full() {
    (
        ulimit -f 160
        "$onnxtap" run "$digits" -i image=random --shape image=2000,8,8,1 --batch 20 "$@" >full.txt 2>&1
        echo $? >full.status
    )
    out=$(cat full.txt)
    checks=$((checks + 1))
    [ "$(cat full.status)" = 3 ] || fail "full disk, $*: status $(cat full.status), wanted 3"
}

for kind in npz csv jsonl json sqlite; do
    full --tap layer:pool_2 -o full.$kind
    says "full.$kind"
    exists full.$kind
    [ $kind = npz ] || says "what was complete is in it" # the limit is of the place where the second array would be
    nothing_half full.$kind
done
checks=$((checks + 2))
full --tap layer:pool_2 -o again.csv
kept=$(sed -n 's/.*what was complete is in it, \([0-9]*\) rows.*/\1/p' full.txt)
[ "$(wc -l <again.csv)" = $((kept + 1)) ] || fail "again.csv has not the $kept rows that the message promises"
[ "$kept" -gt 20 ] || fail "only $kept rows of again.csv are kept"
full --tap layer:pool_2 -o full/
exists full/index.json
says "cannot write"
for left in full/*.tmp; do absent "$left"; done
full --tap layer:pool_2 --tensorboard board
says "cannot write"
for left in board/*.tmp; do absent "$left"; done
(
    ulimit -f 8
    "$onnxtap" series "$digits" "$digits" -i image=random --shape image=2000,8,8,1 --batch 20 --tap layer:pool_2 \
        -o series/ >full.txt 2>&1
    echo $? >full.status
)
out=$(cat full.txt)
says "epoch 0"
says "cannot write"
checks=$((checks + 1))
[ "$(cat full.status)" = 3 ] || fail "series on a full disk: status $(cat full.status)"
for left in series/epoch_* series/*.tmp; do absent "$left"; done
exists series/series.json

# ---- Names that are taken, folders that cannot be written to ----

mkdir taken
echo something else >other
cp other other.before
for kind in npz csv jsonl json npy pb sqlite; do
    mkdir taken/file.$kind.tmp 2>/dev/null
    status 3 run "$digits" -i "$input" --batch 5 -o "taken/file.$kind"
    says "taken/file.$kind"
    absent taken/file.$kind
    status 3 run "$digits" -i "$input" --batch 5 -o "no/such/folder/file.$kind"
    status 3 run "$digits" -i "$input" --batch 5 -o "other/file.$kind"
    says "other/file.$kind"
done
status 3 run "$digits" -i "$input" --batch 5 -o other/
status 3 run "$digits" -i "$input" --batch 5 -o other --format sqlite
says "not a database"
status 3 run "$digits" -i "$input" --batch 5 -o other --format csv --append
says "columns"
status 3 run "$digits" -i "$input" --batch 5 --tensorboard other
status 3 series "$digits" -i "$input" --tap layer:pool_2 -o other
checks=$((checks + 1))
cmp -s other other.before || fail "a file that was there has changed"
# A file that is there is replaced only once the new one is whole.
cp other kept.npz
full --tap layer:conv_1 -o kept.npz --batch 2000
checks=$((checks + 1))
if [ "$(id -u)" != 0 ]; then
    mkdir locked
    chmod 555 locked
    for kind in npz csv jsonl json sqlite; do status 3 run "$digits" -i "$input" --batch 5 -o locked/file.$kind; done
    status 3 series "$digits" -i "$input" --tap layer:pool_2 -o locked/
fi

# ---- Data that is cut short ----

head -c 2000 "$input" >cut.npy
status 3 run "$digits" -i cut.npy --batch 4 -o cut.csv
says "cut.npy"
absent cut.csv
head -c 20 "$labels" >cut_labels.npy
status 3 run "$digits" -i "$input" --labels cut_labels.npy --batch 4 -o cut.csv
says "cut_labels.npy"
status 0 run "$digits" -i "$input" --tap input:image -o whole.npz
head -c 1500 whole.npz >cut.npz
status 3 run "$digits" -i cut.npz:image --batch 4 -o cut.csv
says "cut.npz"
printf '1,2,3\n4,5' >cut_rows.csv
status 3 run "$digits" -i cut_rows.csv --batch 4 -o cut.csv
says "cut_rows.csv"
absent cut.csv
# A picture in the middle of a folder: the batches before it are kept.
if "$onnxtap" run "$digits" -i "$data/pictures" >/dev/null 2>pictures.txt || ! grep -q libpng pictures.txt; then
    status 0 run "$digits" -i "$input" --tap input:image --batch 1 --limit 4 -o pictures/ --format png
    mkdir few
    i=0
    for picture in pictures/image_*.png; do
        cp "$picture" few/$i.png
        i=$((i + 1))
    done
    if [ $i = 4 ] && "$onnxtap" run "$digits" -i few --batch 2 >/dev/null 2>&1; then
        head -c 40 few/2.png >few/cut
        mv few/cut few/2.png
        status 3 run "$digits" -i few --batch 2 -o few.csv
        says "2.png"
        says "what was complete is in it, 2 rows"
        checks=$((checks + 1))
        [ "$(wc -l <few.csv)" = 3 ] || fail "few.csv has $(wc -l <few.csv) lines, wanted 3"
    fi
fi

# ---- The end in the middle ----

for kind in npz csv jsonl sqlite; do
    "$onnxtap" run "$digits" -i image=random --shape image=20000,8,8,1 --batch 10 --tap op:Conv -o killed.$kind 2>/dev/null &
    pid=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.1
        [ -e killed.$kind.tmp ] && break
    done
    kill -9 $pid
    wait $pid 2>/dev/null
    absent killed.$kind
    status 0 run "$digits" -i "$input" --batch 5 -o killed.$kind
    exists killed.$kind
    nothing_half killed.$kind
done

finish
