#!/bin/sh
# check: a model for each finding, which has that finding and no other.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# finding SEVERITY STATUS CODE...
finding() {
    severity=$1 expected=$2
    shift 2
    for code in "$@"; do
        status "$expected" check "$data/check/$code.onnx"
        says "$severity: $code: "
        checks=$((checks + 1))
        n=$(printf '%s\n' "$out" | grep -Ec '^(error|warning|note): ')
        [ "$n" = 1 ] || fail "$code: $n findings, wanted 1"
    done
}

finding error 1 external-data initializer attribute undefined-name made-twice cycle types unsupported-operator unsupported-type \
    input-without-value quantization-scale nonfinite-weight invalid-file
finding warning 0 declared-type deprecated-operator newer-type quantization-zero-point duplicate-node-name
finding note 0 foreign-operator denormal-weights pad-before-maxpool cast-truncates integer-division dead-node unused-initializer duplicate-weights \
    fixed-batch

status 0 check "$data/check/sound.onnx"
says "0 errors, 0 warnings, 0 notes"

# All of it at once: what each of these has is told, where opening the model ends at the first.
status 1 check "$data/check/unsupported-operator.onnx" --json
says '"code": "unsupported-operator"'
says '1 - Erf(x)'

# The opset that would do, for an operator, an attribute and a type.
status 1 check "$data/check/newer-operator.onnx"
says "unsupported-operator"
says "it came with opset 20: export for that or a later one"
status 1 check "$data/check/attribute.onnx"
says "Relu has no 'slope' in any opset"
status 0 check "$data/check/newer-type.onnx"
says "it takes bfloat16 from opset 22 on"

# Every code is explained, and every explained code has its model.
for model in "$data"/check/*.onnx; do
    code=$(basename "$model" .onnx)
    checks=$((checks + 1))
    case $code in sound | log-of-zero | near-float16 | newer-operator) continue ;; esac
     grep -q "^| \`$code\` " "$data/../../docs/CHECK.md" || fail "docs/CHECK.md has no $code"
done

# A run that is watched: each origin with its cause, and what only passes on is no origin.
status 1 check "$data/check/log-of-zero.onnx" -i zeros --dim n=1
says "error: nonfinite-origin: node 'log' (Log) makes 'l' not finite: 4 infinite of 4 elements, the first at [0,0]: log of 0"
says "'x' is from 0 to 0"
says "1 error, 0 warnings, 0 notes"
status 0 check "$data/check/log-of-zero.onnx" -i ones --dim n=1
status 0 check "$data/check/near-float16.onnx" -i random --dim n=4 --range 40000,50000
says "note: float16-near-overflow: node 'cast'"
status 1 check "$data/check/near-float16.onnx" -i random --dim n=4 --range 70000,80000 --json
says "float16 overflow on cast"
status 2 check "$data/check/sound.onnx" -i y=zeros

# run --check-finite: the same report beside the outputs; data sets too, where an origin is told once.
status 1 run "$data/check/log-of-zero.onnx" -i zeros --dim n=1 --check-finite
says "error: nonfinite-origin: node 'log' (Log)"
says "it spreads to 1 value, outputs of the model among them"
says "y     float32"
status 0 run "$data/check/log-of-zero.onnx" -i ones --dim n=1 --check-finite
says "0 errors, 0 warnings, 0 notes"
status 1 run "$data/check/log-of-zero.onnx" -i zeros --shape x=5,4 --batch 2 --check-finite
says "[5,4]"
says "1 error, 0 warnings, 0 notes"
status 1 run "$data/check/log-of-zero.onnx" -i zeros --dim n=1 --check-finite --json
says '"spread": 1'
says '"outputs"'
status 1 run "$data/check/log-of-zero.onnx" -i zeros --dim n=1 --check-finite --tap x -o trace/
says "1 error"
checks=$((checks + 1))
[ "$(echo trace/*.npy)" = "trace/x.npy trace/y.npy" ] || fail "trace/ has what nobody picked"

# A run that fails loses nothing of what was found before it.
status 5 check "$data/cli/late_failure.onnx" -i x=zeros --dim n=3 -i index=random --range index=9,9
says "0 errors, 0 warnings, 0 notes"
says "gather"
status 5 check "$data/cli/late_failure.onnx" -i x=zeros --dim n=3 -i index=random --range index=9,9 --json
says '"findings"'
says '"error"'

status 2 check
says "which model?"
status 3 check no_such_file.onnx

finish
