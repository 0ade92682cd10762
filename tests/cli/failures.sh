#!/bin/sh
# Runs that fail or are interrupted keep what is complete, and nothing else.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

digits=$data/digits/model.onnx

# ---- A run that fails keeps what is complete ----

late=$data/cli/late_failure.onnx
status 5 run "$late" -i x=ones --dim n=3 -i index=random --range index=9,9 --tap all -o late.npz
says "gather"
says "the 2 values that were complete"
exists late.npz
absent late.npz.tmp
status 5 run "$late" -i x=ones --dim n=3 -i index=random --range index=9,9 --tap all -o late/
exists late/good.npy
exists late/also_good.npy
absent late/picked.npy
out=$(cat late/index.json)
says '"node": "gather"'
says '"complete": false'
status 5 run "$late" -i x=ones --dim n=3 -i index=random --range index=9,9 -o never.npz
absent never.npz
absent never.npz.tmp
status 5 run "$late" -i x=ones --dim n=3 -i index=random --range index=9,9 --json
says '"code": "run"'
status 5 run "$digits" -i image=random --shape image=100000,8,8,1 --memory-limit 1M
says "memory"

# ---- Interrupted ----

# interrupt FILE ARGUMENTS...: starts it, stops it once FILE has grown, and leaves its status in $got.
interrupt() {
    file=$1
    shift
    "$onnxtap" "$@" > interrupted.txt 2>&1 &
    pid=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.2
        [ -s "$file" ] && break
    done
    kill -INT $pid
    wait $pid
    got=$?
    out=$(cat interrupted.txt)
    checks=$((checks + 1))
    [ $got = 130 ] || fail "interrupted: status $got, wanted 130"
}

forever=$data/cli/loop.onnx
interrupt loop.npz.tmp run "$forever" -i x=ones -i n=random --range n=4e18,4e18 --tap 'loop/body/v_out' -o loop.npz
exists loop.npz
absent loop.npz.tmp
says "complete"
interrupt nothing run "$forever" -i x=ones -i n=random --range n=4e18,4e18 -o plain.npz
absent plain.npz
absent plain.npz.tmp

finish
