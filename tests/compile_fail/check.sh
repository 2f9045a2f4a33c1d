#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh COMPILER CASE FLAG...: the twin compiles, the program does not, and it fails for the stated reason.
set -u
compiler=$1 case=$2
shift 2
flags=(-std=c++20 -fsyntax-only "$@")
expected=$(sed -n 's|^// fails-with: ||p' "$case")
read -ra extra <<<"$(sed -n 's|^// fails-with-flags: ||p' "$case")"
[ -n "$expected" ] || { echo "$case: no '// fails-with:' line"; exit 1; }

if ! output=$("$compiler" "${flags[@]}" "$case" 2>&1); then
  printf 'the twin must compile, but:\n%s\n' "$output"
  exit 1
fi
if output=$("$compiler" "${flags[@]}" -DGAVEL_MUST_FAIL ${extra[@]+"${extra[@]}"} "$case" 2>&1); then
  echo "compiled, but must fail with: $expected"
  exit 1
fi
if ! grep -qF -- "$expected" <<<"$output"; then
  printf 'failed, but not with: %s\n%s\n' "$expected" "$output"
  exit 1
fi
echo "refused as it should be: $expected"
