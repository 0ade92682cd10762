#!/bin/sh
# Every public header compiles alone, without a warning, as C17 and as C++11, with each compiler there is.
#   headers.sh INCLUDE_FOLDER
set -u
failed=0
compiled=0

# one COMPILER LANGUAGE STANDARD HEADER
one() {
    command -v "$1" >/dev/null || return 0
    compiled=$((compiled + 1))
    printf '#include <onnxtap/%s>\n#include <onnxtap/%s>\n' "$4" "$4" |
        "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I"$include" -fsyntax-only - ||
        { echo "$4 does not compile alone with $1 -std=$3" >&2; failed=1; }
}

include=$1
for path in "$include"/onnxtap/*.h; do
    header=${path##*/}
    for cc in gcc clang; do one $cc c c17 "$header"; done
    for cxx in g++ clang++; do one $cxx c++ c++11 "$header"; done
done
[ "$compiled" -gt 0 ] || { echo 'no compiler found: nothing was checked' >&2; exit 1; }
echo "$compiled compilations"
exit $failed
