#!/bin/sh
# Reports what has grown: files over 800 lines, functions over 60. Fails for a file over 1200 alone.
#   sizes.sh SOURCE_FOLDER
set -u
cd "$1" || exit 1
failed=0
for file in src/*.c src/*/*.[ch] onnx/*.[ch] ops/*.c ops/*/*.[ch] ops/*.inc ops/common/*.inc tools/cli/*.[ch]; do
    [ -f "$file" ] || continue
    lines=$(wc -l <"$file")
    [ "$lines" -gt 800 ] && echo "$file: $lines lines: think of splitting it by story"
    [ "$lines" -gt 1200 ] && failed=1
    # A function begins with a line at the margin that ends in "{" after ")", and ends with "}" at the margin.
    awk -v file="$file" '/^[a-z_].*\) \{$/ { at = NR; name = $0 }
        /^}/ { if (at && NR - at > 60) printf "%s:%d: %d lines: %s\n", file, at, NR - at, name; at = 0 }' "$file"
done
exit $failed
