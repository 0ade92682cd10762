#!/bin/sh
# Runs the examples in README.md and docs/ and writes what they print into the texts. Look at the difference before you
# commit it.
#
#   sh tests/readme/refresh.sh [BUILD]      BUILD: a finished build (build/release)
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/release}
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix" >/dev/null
sh tests/readme/examples.sh refresh "$build" "$prefix" README.md $(grep -ls '^```console' docs/*.md)
