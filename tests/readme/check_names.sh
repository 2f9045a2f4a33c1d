#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_names.sh SOURCE: every script, linked file, image, header, preset, option and target that README.md names exists.
set -u
cd "$1" || exit 1
failed=0 checked=0

expect() {  # expect DESCRIPTION TEST...
  checked=$((checked + 1))
  "${@:2}" >/dev/null 2>&1 || { echo "FAILED: README.md names $1, which is not there"; failed=$((failed + 1)); }
}
names() { grep -oE "$1" README.md | sort -u; }

while read -r script; do expect "$script" test -x "$script"; done < <(names '(scripts|\.ci)/[a-z_]+' | sed 's|[.,]$||')
while read -r link; do
  case $link in http*|\#*) ;; *) expect "$link" test -e "${link%%#*}" ;; esac
done < <(grep -oE '\]\([^)]+\)' README.md | sed 's/^](//; s/)$//' | sort -u)
while read -r header; do expect "$header" test -f "include/$header"; done < <(names 'gavel/[a-z_]+(/[a-z_]+)*\.hpp')
while read -r file; do expect "$file" test -e "$file"; done < <(names '(examples|tests|bench|docs)/[A-Za-z_/]+(\.[a-z]+)?')
while read -r option; do expect "$option" grep -qrw -- "$option" CMakeLists.txt tests include; done < <(names 'GAVEL_[A-Z_]+')
while read -r preset; do expect "preset $preset" grep -q "\"name\": \"$preset\"" CMakePresets.json; done < <(
  grep -oE -- '--preset [a-z-]+' README.md | awk '{print $2}' | sort -u)
while read -r flag; do
  expect "scripts/test $flag" bash -c "scripts/test --help | grep -q -- '$flag'"
done < <(grep -oE 'scripts/test --[a-z-]+' README.md | awk '{print $2}' | sort -u)

echo "README.md: $checked names checked, $failed missing"
[ $failed = 0 ]
