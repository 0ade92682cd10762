#!/bin/sh
# onnxtap test: what passes, what fails and why, and that one test takes no other with it.
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

status 1 test "$data/cli/suite" --timeout 2 --jobs 2
says "7 passed, 9 failed, 0 skipped"
says "map_differs: 'y[0]': 2 of 2 elements differ"
says "endless: took longer than 2 s"
says "second_set_differs: 'y': 3 of 3 elements differ"
says "integers_are_exact: 'y': 1 of 2 elements differ"
says "other_dtype: 'y' is float32[3], expected is float64[3]"
says "other_shape: 'y' is float32[3], expected is float32[2]"
says "random_other_shape: 'y' is bool[3]"
status 0 test "$data/cli/suite/passes" "$data/cli/suite/deep" -v
says "ok $data/cli/suite/deep/er/passes_too"
says "2 passed, 0 failed, 0 skipped"
for name in endless integers_are_exact map_differs other_dtype other_shape random_other_shape second_set_differs sequence_differs unsupported
do echo "$name because"; done > skips.txt
status 0 test "$data/cli/suite" --skip skips.txt --json
says '"skipped": 9'
# A model of another name, where it is the only one.
cp -R "$data/cli/suite/passes" "$work/named"
mv "$work/named/model.onnx" "$work/named/net.onnx"
status 0 test "$work/named"
cp "$work/named/net.onnx" "$work/named/other.onnx"
status 1 test "$work/named"
says "several .onnx files, and none is model.onnx"
rm -R "$work/named"
status 6 test "$work"
status 3 test no_such_folder
status 3 test "$data/cli/suite" --skip no_such_file
status 2 test
# A test that dies takes no other with it: here by the processor time that a process may use.
# shellcheck disable=SC3045
out=$(ulimit -t 1; "$onnxtap" test "$data/cli/suite/endless" "$data/cli/suite/passes" 2>&1)
[ $? = 1 ] || fail 'a crash is no failure'
says "endless: crashed"
says "1 passed, 1 failed, 0 skipped"

finish
