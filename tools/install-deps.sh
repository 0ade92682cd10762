#!/bin/sh
# Installs from Debian's packages what building, testing and the optional parts of onnxtap need.
#
#   sh tools/install-deps.sh             everything
#   sh tools/install-deps.sh --minimal   only what the library and the command cannot be built without
#   sh tools/install-deps.sh --list      prints the packages and installs nothing
#
# Only what is missing is installed; where nothing is, neither apt nor sudo is called.
set -eu

required='gcc libc6-dev cmake ninja-build pkg-config protobuf-c-compiler libprotobuf-c-dev zlib1g-dev'

# g++: the public headers are compiled as C++ in a test, and libre2 is C++. clang, libclang-rt-dev: the second compiler,
# its sanitizers and fuzzing. protobuf-compiler: compares the schema with the official one. libopenblas-dev: a yardstick
# for our GEMM. libpng-dev, libjpeg-dev, libtiff-dev, libwebp-dev, libopenjp2-7-dev: pictures, and the operator
# ImageDecoder. libsqlite3-dev: .sqlite output. libre2-dev: the operator RegexFullMatch.
optional='g++ clang libclang-rt-dev protobuf-compiler libopenblas-dev libpng-dev libjpeg-dev libtiff-dev libwebp-dev
    libopenjp2-7-dev libsqlite3-dev libre2-dev'

say() { printf 'install-deps: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

missing() {
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s ' "$package"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

packages="$required $optional"
for option in "$@"; do
    case $option in
        --minimal) packages=$required ;;
        --list) printf '%s\n' $packages; exit 0 ;;
        -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option '$option' (there are --minimal, --list and --help)" ;;
    esac
done

command -v apt-get >/dev/null ||
    die "this system has no apt-get. Install what these Debian packages contain: $packages"

wanted=$(missing $packages)
[ -n "$wanted" ] || { say 'everything needed is installed'; exit 0; }

if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        die "you are not root and there is no sudo. As root: apt-get install --no-install-recommends" $wanted
    say "using sudo, because only root may install packages: apt-get update, then apt-get install" $wanted
fi

# A source of the user's that cannot be reached need not matter: whether the packages are there is what counts.
say 'reading the package lists (apt-get update)'
as_root apt-get -q update >&2 || say 'warning: apt-get update failed; going on with the lists that are there'

say 'installing' $wanted
as_root apt-get -q -o Dpkg::Use-Pty=0 install -y --no-install-recommends $wanted >&2 ||
    die "apt-get could not install:" $wanted "(its own message is above)"

left=$(missing $wanted)
[ -z "$left" ] || die "apt-get reported success, yet these are not installed: $left"
say 'done'
