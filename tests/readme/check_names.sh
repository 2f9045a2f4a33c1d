#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_names.sh SOURCE DOCUMENT...: every script, linked file, image, header, preset, option and target that a document names exists. A
# document that is not there is left out.
set -u
cd "$1" || exit 1
shift
failed=0 checked=0

expect() {  # expect DESCRIPTION TEST...
  checked=$((checked + 1))
  "${@:2}" >/dev/null 2>&1 || { echo "FAILED: $document names $1, which is not there"; failed=$((failed + 1)); }
}
names() { grep -oE "$1" "$document" | sort -u; }

for document in "$@"; do
  [ -f "$document" ] || continue
  checked=0
  here=$(dirname "$document")
  while read -r script; do expect "$script" test -x "$script"; done < <(names '(scripts|\.ci)/[a-z_/]+' | sed 's|[.,]$||')
  while read -r link; do
    case $link in http*|\#*) ;; *) expect "$link" test -e "$here/${link%%#*}" ;; esac
  done < <(sed '/^```/,/^```/d; s/`[^`]*`//g' "$document" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//' | sort -u)
  while read -r header; do expect "$header" test -f "include/$header"; done < <(names 'gavel/[a-z_]+(/[a-z_]+)*\.hpp')
  while read -r file; do expect "$file" test -e "$file"; done < <(names '(examples|tests|bench|docs)/[A-Za-z0-9_/-]+(\.[a-z]+)?')
  while read -r option; do expect "$option" grep -qrw -- "$option" CMakeLists.txt examples/CMakeLists.txt tests include; done < <(names 'GAVEL_[A-Z_]+')
  while read -r preset; do expect "preset $preset" grep -q "\"name\": \"$preset\"" CMakePresets.json; done < <(
    grep -oE -- '--preset [a-z-]+' "$document" | awk '{print $2}' | sort -u)
  while read -r flag; do
    expect "scripts/test $flag" bash -c "scripts/test --help | grep -q -- '$flag'"
  done < <(grep -oE 'scripts/test --[a-z-]+' "$document" | awk '{print $2}' | sort -u)
  echo "$document: $checked names checked"
done
echo "$failed missing"
[ $failed = 0 ]
