#!/bin/sh
# Uses an installed copy of onnxtap as another project would, from outside the tree, and runs what it built where there is
# no Python and nothing else of onnxtap's.
#
#   check.sh install BUILD_FOLDER FOLDER      installs the build into FOLDER/prefix
#   check.sh WAY FOLDER                       builds and runs with that; WAY is find_package, find_package-static,
#                                             pkg-config or pkg-config-static
#
# Environment: CC, CFLAGS; GENERATOR, what CMake is to write.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cc=${CC:-cc}
warnings='-std=c17 -Wall -Wextra -Wpedantic -Werror'

fail() { echo "check.sh: $*" >&2; exit 1; }

# Runs a step whose output matters only if it fails.
quietly() { "$@" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; fail "failed: $*"; }; }

with_find_package() {
    quietly cmake -S "$scratch" -B "$scratch/build" -G "${GENERATOR:-Unix Makefiles}" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="${CFLAGS:-}" -DLIBRARY="$1" $2
    quietly cmake --build "$scratch/build"
    mv "$scratch/build/look" "$scratch/build/run_squash" "$scratch"
}

with_pkg_config() {
    quietly $cc $warnings ${CFLAGS:-} "$scratch/look.c" -o "$scratch/look" "$@"
    quietly $cc $warnings ${CFLAGS:-} "$scratch/run_squash.c" "$scratch/squash.c" -o "$scratch/run_squash" "$@" -lm
}

# Runs a program with an almost empty environment.
plainly() { env -i LD_LIBRARY_PATH="$libraries" ASAN_OPTIONS="${ASAN_OPTIONS:-}" "$@"; }

if [ "$1" = install ]; then
    rm -rf "$3"
    mkdir -p "$3"
    cmake --install "$2" --prefix "$3/prefix" >/dev/null
    exit
fi

way=$1
prefix=$2/prefix
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$here"/* "$scratch"
pkgconfig=$(dirname "$(find "$prefix" -name onnxtap.pc)")
libraries=$(dirname "$pkgconfig")
# pkg-config sees our package and no other: the shared library asks for none, the static one for none but by -l.
export PKG_CONFIG_LIBDIR="$pkgconfig"

case $way in
    find_package) with_find_package onnxtap -DCMAKE_DISABLE_FIND_PACKAGE_ZLIB=ON ;;
    find_package-static) with_find_package static "" ;;
    pkg-config) with_pkg_config $(pkg-config --cflags --libs onnxtap) ;;
    pkg-config-static)
        with_pkg_config $(pkg-config --cflags onnxtap) "$libraries/libonnxtap.a" \
            $(pkg-config --static --libs onnxtap | sed 's/-lonnxtap\>//g')
        ;;
    *) fail "unknown way '$way'" ;;
esac

# The right library, which only the dynamic linker can tell.
linked=$(ldd "$scratch/look" | grep -c libonnxtap) || :
case $way in
    *-static) [ "$linked" -eq 0 ] || fail 'linked with the shared library' ;;
    *) ldd "$scratch/look" >/dev/null; [ "$linked" -eq 1 ] || fail 'not linked with the shared library' ;;
esac

# The first picture is a nought; 32 features led to that.
digits=$here/../../data/digits
plainly "$scratch/look" "$digits/model.onnx" "$digits/input.npy" '*features_1/Relu:0' | tee "$scratch/look.txt"
[ "$(sort -k 3 -g "$scratch/look.txt" | grep class | tail -1 | cut -d : -f 1)" = 'class 0' ] || fail 'expected class 0'
grep -q '^digits_1/features_1/Relu:0: from 0.0000 to [0-9.]*, mean' "$scratch/look.txt" || fail 'no such tap'

# -2 / (1 + 0.5 * 2) = -1, and so on.
plainly "$scratch/run_squash" "$here/squash.onnx" | tee "$scratch/squash.txt"
printf '%s\n' 'small: -1 0 1 1.5 1.5 1 -1.5 0' 'y: 1 -0 -1 -1.5 -1.5 -1 1.5 -0' | diff - "$scratch/squash.txt" ||
    fail 'expected other values of the own operator'

# The same file as a shared object, for the installed command.
quietly $cc $warnings ${CFLAGS:-} -shared -fPIC "$scratch/squash.c" -o "$scratch/squash.so" $(pkg-config --cflags onnxtap) -lm
plainly "$prefix/bin/onnxtap" run "$here/squash.onnx" -i ones --shape x=1,4 --ops "$scratch/squash.so" \
    >"$scratch/own.txt" 2>&1 || { cat "$scratch/own.txt" >&2; fail 'onnxtap run --ops'; }

# refuses WHY STATUS WHAT: onnxtap --ops WHAT ends with that status, and says WHY.
refuses() {
    status=0
    plainly "$prefix/bin/onnxtap" run "$here/squash.onnx" -i ones --ops "$3" >"$scratch/refused.txt" 2>&1 || status=$?
    [ "$status" -eq "$2" ] || fail "--ops $3: exit status $status and not $2"
    grep -q -e "$1" "$scratch/refused.txt" || { cat "$scratch/refused.txt" >&2; fail "--ops $3: the message does not say '$1'"; }
}
echo 'int nothing;' >"$scratch/nothing.c"
sed 's/TAP_OP_ABI/99/' "$scratch/squash.c" >"$scratch/newer.c"
sed 's/return s->k >= 0/no_such_function();return s->k >= 0/; s/^typedef struct squash/void no_such_function(void);&/' \
    "$scratch/squash.c" >"$scratch/undefined.c"
for object in nothing newer undefined; do
    quietly $cc ${CFLAGS:-} -shared -fPIC "$scratch/$object.c" -o "$scratch/$object.so" $(pkg-config --cflags onnxtap) -lm
done
refuses 'no such file' 3 "$scratch/absent.so"
refuses 'cannot be loaded' 3 "$scratch/squash.c"
refuses 'no_such_function' 3 "$scratch/undefined.so"
refuses 'no symbol onnxtap_ops' 2 "$scratch/nothing.so"
refuses 'ABI 99' 2 "$scratch/newer.so"

# The command is installed, too, and knows nothing of that operator.
status=0
plainly "$prefix/bin/onnxtap" run "$here/squash.onnx" -i ones >"$scratch/command.txt" 2>&1 || status=$?
[ "$status" -eq 4 ] || fail "onnxtap run squash.onnx: exit status $status and not 4"
grep -q 'com.example.Squash' "$scratch/command.txt" || fail 'the message does not name the operator'
