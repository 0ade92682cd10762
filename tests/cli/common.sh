# What the tests of the command share; each begins with `. common.sh` and ends with `finish`. Called as
#   TEST.sh COMMAND DATA_FOLDER
# in a folder of its own, which goes with it.
# shellcheck shell=sh disable=SC2034
set -u
onnxtap=$1
data=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/onnxtap-cli-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
checks=0
failures=0
out=''
case $onnxtap in /*) ;; *) echo 'give the command by its whole path' >&2; exit 1 ;; esac

fail() {
    failures=$((failures + 1))
    echo "FAILED: $1" >&2
    echo "$out" | sed 's/^/    /' >&2
}

# status WANTED ARGUMENTS...: runs the command; output and messages are in $out.
status() {
    wanted=$1
    shift
    checks=$((checks + 1))
    out=$("$onnxtap" "$@" 2>&1)
    got=$?
    [ "$got" = "$wanted" ] || fail "onnxtap $*: status $got, wanted $wanted"
}

# says TEXT: the last output has it.
says() {
    checks=$((checks + 1))
    case $out in *"$1"*) ;; *) fail "output has not: $1" ;; esac
}

exists() {
    checks=$((checks + 1))
    [ -e "$1" ] || fail "$1 is not there"
}

absent() {
    checks=$((checks + 1))
    [ ! -e "$1" ] || fail "$1 is there"
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" = 0 ]
    exit
}
