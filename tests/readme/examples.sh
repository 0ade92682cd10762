#!/bin/sh
# The examples in the project's texts are real: this runs them again and puts their output in.
#
#   examples.sh check|refresh BUILD PREFIX FILE.md...
#
# In a block that opens with ```console, a line "$ COMMAND" is run (a "\" at its end continues it) and what lies between it
# and the next one is what it printed, on standard output and standard error. A block that opens with ```c behind a line
# <!-- file: PATH --> is that file. `check` fails with the difference where a text would change but for times, peak
# memory and, where the machine has no AVX-512, which the texts were written with, last digits; `refresh` changes it. Texts
# have no CR, which ends the lines of a .csv. Commands run in a folder of their own where tests/ is the tree's, with the onnxtap
# installed at PREFIX, and, for what is not installed, with the build's programs; cc is $CC with $CFLAGS.
set -eu
mode=$1 build=$(cd "$2" && pwd) prefix=$(cd "$3" && pwd)
shift 3
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin" "$scratch/here"
printf '#!/bin/sh\nexec %s %s "$@"\n' "$(command -v "${CC:-cc}")" "${CFLAGS:-}" >"$scratch/bin/cc"
chmod +x "$scratch/bin/cc"

PATH=$scratch/bin:$prefix/bin:$build:$PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name onnxtap.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
LC_ALL=C
export PATH PKG_CONFIG_PATH LD_LIBRARY_PATH LC_ALL

# The text on standard input with its examples run anew.
regenerate() {
    within=text file='' n=0
    while IFS= read -r line; do
        case $within:$line in
            'text:```console') within=console; printf '%s\n' "$line" ;;
            'text:<!-- file: '*' -->')
                file=${line#<!-- file: } file=${file% -->}
                printf '%s\n' "$line"
                ;;
            'text:```c')
                printf '%s\n' "$line"
                [ -z "$file" ] || { cat "$root/$file"; within=file; n=$((n + 1)); }
                ;;
            text:*) printf '%s\n' "$line" ;;
            'console:```' | 'file:```') within=text file=''; printf '%s\n' "$line" ;;
            'console:$ '*)
                printf '%s\n' "$line"
                command=${line#??}
                while [ "${command%\\}" != "$command" ] && IFS= read -r line; do
                    printf '%s\n' "$line"
                    command=${command%\\}$line
                done
                { (cd "$scratch/here" && eval "$command") 2>&1 </dev/null || :; } | tr -d '\r'
                n=$((n + 1))
                ;;
        esac
    done
    echo "$n" >"$scratch/n"
    [ $within = text ] || { echo "examples.sh: a block is not closed" >&2; return 1; }
}

# The last of many digits hang on the instruction set.
same_set() { [ -z "${ONNXTAP_ISA:-}" ] && grep -qw avx512dq /proc/cpuinfo; }
if same_set; then last_digits=''; else last_digits='s/([0-9]\.[0-9]{3})[0-9]{3,}/\1~/g'; fi

# Times, the number of runs within a time, and peak memory: what no two runs have in common.
without_measures() {
    sed -E -e "$last_digits" -e 's/ +[0-9.]+ (ms|MB)$/ # \1/' -e 's/^runs +[0-9]+$/runs #/' -e 's/"ms": [0-9.e-]+/"ms": #/'
}

status=0
for text in "$@"; do
    rm -rf "$scratch/here"
    mkdir "$scratch/here"
    ln -s "$root/tests" "$scratch/here/tests"
    regenerate <"$text" >"$scratch/new"
    [ "$(cat "$scratch/n")" -gt 0 ] || { echo "$text: no example was found" >&2; status=1; }
    without_measures <"$text" >"$scratch/old.plain"
    without_measures <"$scratch/new" >"$scratch/new.plain"
    if cmp -s "$scratch/old.plain" "$scratch/new.plain"; then
        echo "$text: $(cat "$scratch/n") examples are as written"
    elif [ "$mode" = refresh ]; then
        cat "$scratch/new" >"$text"
        echo "$text: refreshed"
    else
        diff "$scratch/old.plain" "$scratch/new.plain" || :
        echo "$text differs from what its examples print (< written, > printed); sh tests/readme/refresh.sh puts that in" >&2
        status=1
    fi
done
exit $status
