#!/bin/sh
# Who may include whom (docs/ARCHITECTURE.md): every #include "..." of the sources, against a pattern for its folder.
#   includes.sh SOURCE_FOLDER
set -u
cd "$1" || exit 1
failed=0
looked_at=0

# may FOLDER PATTERN FILE...: each file includes nothing but what the pattern (extended, of the whole path) allows
may() {
    folder=$1 pattern=$2
    shift 2
    for file in "$@"; do
        [ -f "$file" ] || continue
        looked_at=$((looked_at + 1))
        bad=$(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]\([^">]*\/[^">]*\)[">].*/\1/p; s/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^">\/]*\)".*/\1/p' "$file" |
            grep -Ev "^($pattern)\$" | grep -Ev '^(sys|protobuf-c|re2|webp)/')
        [ -z "$bad" ] && continue
        for header in $bad; do echo "$file includes $header: not for $folder" >&2; done
        failed=1
    done
}

public='onnxtap/[a-z]+\.h'
core="core/[a-z_]+\.(h|inc)|$public"
may src/core "$core" src/core/*
may src/graph "$core|graph/[a-z_]+\.h" src/graph/*
may src/run "$core|graph/[a-z_]+\.h|run/[a-z_]+\.h" src/run/*
may src/tap "$core|graph/[a-z_]+\.h|tap/[a-z_]+\.(h|inc)" src/tap/*
may src/io "$core|io/[a-z0-9_]+\.h" src/io/*
may src/check "$core|graph/[a-z_]+\.h|check/[a-z_]+\.(h|inc)" src/check/*
may src/diff "$core|graph/[a-z_]+\.h|tap/[a-z_]+\.h|diff/[a-z_]+\.h" src/diff/*
may onnx "$core|graph/source\.h|onnx/[a-z_]+\.h|onnx\.pb-c\.h" onnx/*.c onnx/*.h
may ops/common "$core|common/[a-z0-9_]+\.(h|inc)" ops/common/*
# A family may have files of its own beside it, which begin with its name or lie in its folder's tables.
may ops "$core|common/[a-z0-9_]+\.(h|inc)|[a-z0-9_]+\.(inc|def)|picture\.h|regex\.h|registry\.h|unicode_case\.h" ops/*.c ops/*.h ops/*.inc ops/*.cc
may ops/microsoft "$core|common/[a-z0-9_]+\.(h|inc)|regex\.h|microsoft/[a-z0-9_]+\.(h|inc)" ops/microsoft/*
# Operators outside of the standard: a folder a domain, which shares what lies in it.
may ops/tensorflow "$core|common/[a-z0-9_]+\.(h|inc)|tensorflow/[a-z0-9_]+\.(h|inc)|regex\.h|unicode_case\.h" ops/tensorflow/*
may tools/cli "$public|[a-z_]+\.h" tools/cli/*
may tests/api "$public|fixture\.h|bits\.h|test\.h" tests/api/*.c tests/api/support/* tests/api/laws/*
may include "$public|(onnxtap|board|dataset|json|record|stats)\.h" include/onnxtap/*

# Libraries that one folder alone knows.
for file in src/*.c src/*/* ops/*.c ops/*/*.c ops/*.h ops/common/* tools/cli/*; do
    grep -Hn 'include.*pb-c\.h\|include.*protobuf' "$file" 2>/dev/null && { echo 'only onnx/ knows protobuf' >&2; failed=1; }
done

[ "$looked_at" -gt 100 ] || { echo "only $looked_at files were found" >&2; exit 1; }
echo "$looked_at files"
exit $failed
