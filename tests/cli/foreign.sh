#!/bin/sh
# What frameworks and converters left in a file: named as what it is, run with --tf-ops, and marked in every report.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
models=$data/cli/foreign
erfc=$data/check/unsupported-operator.onnx

# Without the option it is refused as ever, and the message names the option.
status 4 run "$erfc" -i ones --dim n=2
says 'Erfc: 1 node'
says 'an operator of TensorFlow, not of ONNX; --tf-ops'
status 0 run "$erfc" -i ones --dim n=2 --tf-ops
says '--tf-ops: Erfc (1 node) is an operator of TensorFlow, not of ONNX'
status 0 run "$erfc" -i ones --dim n=2 --tf-ops --json
says '"foreign": ['
says '"what": "an operator of TensorFlow, not of ONNX"'
status 0 info "$erfc" --tf-ops
says 'Erfc  (an operator of TensorFlow, not of ONNX)'
status 0 info "$erfc" --tf-ops --json
says '"foreign": "an operator of TensorFlow, not of ONNX"'
status 0 info "$erfc" --tf-ops --nodes
status 0 check "$erfc" --tf-ops
says 'foreign-operator'
for command in bench stats; do
    status 0 $command "$erfc" -i ones --dim n=2 --tf-ops --tap all $([ $command = bench ] && echo '--seconds 0.01')
done
status 0 ops --domain tensorflow
says 'Erfc'

# An attribute that the operator does not have is an error still; notes of TensorFlow's own are none.
status 3 run "$models/attribute.onnx" -i ones --tf-ops
says "attribute 'slope'"

# ONNX's own below the opset that introduced it.
status 4 run "$models/early.onnx" -i ones
says 'HardSwish came with opset 14'
says '--tf-ops'
status 0 run "$models/early.onnx" -i ones --tf-ops
says "0.66667"
says "ONNX's of opset 14, the model declares 13"

# A call of a function that is in the file, and of one that is not.
status 4 run "$models/call.onnx" -i ones
says "'__inference_twice_7' of the file as TensorFlow does"
status 0 run "$models/call.onnx" -i ones --tf-ops
says ' 2 2 2'
status 4 run "$models/call_of_nothing.onnx" -i ones --tf-ops
says "'__inference_twice_7', which the file does not have"

# A table without its contents says so.
status 5 run "$models/table.onnx" -i ones --tf-ops
says 'does not have the table'
status 0 run "$models/table.onnx" -i ones --tf-ops --set t="$models/table.pb"
says ' 2.5 2.5 2.5'

# Others are named as what they are.
status 4 run "$models/aten.onnx" -i ones --tf-ops
says 'aten::special_entr'
status 1 check "$models/aten.onnx"
says 'aten::special_entr'
status 4 run "$models/plugin.onnx" -i ones
says 'TensorRT'
status 1 check "$models/openvino.onnx"
says 'OpenVINO'

# Files of --ops that are none.
status 3 run "$erfc" -i ones --dim n=2 --ops nothing.so
says 'no such file'
status 3 run "$erfc" -i ones --dim n=2 --ops "$erfc"
says 'cannot be loaded'
finish
