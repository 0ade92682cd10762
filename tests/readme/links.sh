#!/bin/sh
# Every link to a file or a heading in the project's texts leads somewhere, and so does every text that a comment names.
#
#   links.sh ROOT
set -eu
cd "$1"
bad=0
links=0

complain() { echo "$*" >&2; bad=1; }

# The anchors of a text's headings: lower case, punctuation dropped, spaces as hyphens.
anchors() { sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' | sed -e 's/[^a-z0-9 _-]//g' -e 's/ /-/g'; }

texts=$(find . -name build -prune -o -name '.?*' -prune -o -name '*.md' -print)
for text in $texts; do
    for target in $(sed -e '/^```/,/^```/d' -e 's/`[^`]*`//g' "$text" | grep -o ']([^) ]*)' | sed -e 's/^](//' -e 's/)$//'); do
        case $target in http://* | https://* | mailto:*) continue ;; esac
        links=$((links + 1))
        path=${target%%#*} heading=''
        [ "$target" = "$path" ] || heading=${target#*#}
        file=$text
        [ -z "$path" ] || file=$(dirname "$text")/$path
        [ -e "$file" ] || { complain "$text: no file $path"; continue; }
        [ -z "$heading" ] || anchors "$file" | grep -qx -e "$heading" || complain "$text: no heading #$heading in $file"
    done
done

for name in $(grep -rhoE '\b(docs|ops)/[A-Za-z_]+\.md' include src ops onnx tools tests cmake | sort -u); do
    links=$((links + 1))
    [ -e "$name" ] || complain "a comment names $name, which is not there"
done
echo "$links links in $(echo "$texts" | wc -l) texts"
[ "$links" -gt 0 ] || complain 'no link was found'
exit $bad
