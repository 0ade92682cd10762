#!/bin/sh
# onnxtap diff: a model against a trace of the sound one, and against the sound one itself.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
models=$data/diff
made='-i x=random:3 --dim n=4 --range -1,1'

# shellcheck disable=SC2086
for kind in image sequence; do
    status 0 run "$models/sound_$kind.onnx" $made --tap all -o $kind.npz
    status 0 diff "$models/sound_$kind.onnx" $kind.npz $made
    says 'same:'
    status 0 diff "$models/sound_$kind.onnx" "$models/sound_$kind.onnx" $made
    for model in "$models"/${kind}_*.onnx; do
        fault=${model##*/${kind}_}
        fault=${fault%.onnx}
        status 1 diff "$model" $kind.npz $made
        says "  $fault: "
        status 1 diff "$model" $kind.npz $made --json
        says "\"fault\": \"$fault\""
        # The sound model itself, in place of its trace.
        status 1 diff "$model" "$models/sound_$kind.onnx" $made
        says "  $fault: "
    done
done

# Where it begins.
# shellcheck disable=SC2086
{
    status 1 diff "$models/image_bn_epsilon.onnx" image.npz $made
    says 'error begins in bn1'
    status 1 diff "$models/image_kernel_flipped.onnx" image.npz $made
    says 'error begins in conv2'
    status 1 diff "$models/sequence_reset_after.onnx" sequence.npz $made
    says 'error begins in gru'

    # A small fault is found, a tolerance may excuse it; one that is asked for decides alone.
    status 0 diff "$models/image_weights_rounded.onnx" image.npz $made --rtol 0.05 --atol 0.05
    status 0 diff "$models/image_weights_rounded.onnx" image.npz $made --rtol 'logits=0.1' --atol 'logits=0.1' --atol 'y=0.1'
    status 1 diff "$models/image_weights_rounded.onnx" image.npz $made --tol numpy
    status 0 diff "$models/sound_image.onnx" image.npz $made --tol onnx
    says 'judged by onnx'
    status 2 diff "$models/sound_image.onnx" image.npz $made --tol exact

    # Chosen values, and pairs from a file.
    status 0 diff "$models/image_bias.onnx" image.npz $made --tap bn1
    echo 'conv1 conv1' >map.txt
    echo 'nothing conv1' >bad.txt
    status 1 diff "$models/image_bias.onnx" image.npz $made --map map.txt
    status 2 diff "$models/image_bias.onnx" image.npz $made --map bad.txt
    says "the reference has no 'nothing'"

    # A folder, a file for programs, inputs out of the reference.
    status 0 run "$models/sound_image.onnx" $made --tap all --tap input:x -o trace/
    status 0 diff "$models/sound_image.onnx" trace
    status 1 diff "$models/image_scale.onnx" trace --csv table.csv
    exists table.csv

    # Nothing that fits is no success.
    status 0 run "$models/sound_sequence.onnx" $made -o other.npz
    status 6 diff "$models/sound_image.onnx" sequence.npz $made --tap conv1
    says 'nothing compared'
    status 3 diff "$models/sound_image.onnx" no_such.npz $made
    status 2 diff "$models/sound_image.onnx" $made
}
finish
