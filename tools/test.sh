#!/bin/sh
# Builds onnxtap as users get it (preset release) and runs all of its tests; the exit status is that of the first step
# that failed. On a fresh Debian the needed packages are installed first.
#
#   sh tools/test.sh [ctest options]     for instance: sh tools/test.sh -L quick
#
# Environment: JOBS, processes at the same time (default: the processors there are);
# TAP_WERROR=ON, a compiler's warning fails the build.
set -eu
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}

sh tools/install-deps.sh
cmake --preset release -DTAP_WERROR="${TAP_WERROR:-OFF}"
cmake --build --preset release -j "$jobs"
ctest --preset release -j "$jobs" "$@"
