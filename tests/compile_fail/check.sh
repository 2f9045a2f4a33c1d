#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check.sh COMPILER CASE FLAG...: the twin compiles, the program does not, and it fails for the stated reasons.
set -u
compiler=$1 case=$2
shift 2
flags=(-std=c++20 -fsyntax-only "$@")
expected=$(sed -n 's|^.*// fails-with: ||p' "$case")
most=$(sed -n 's|^// fails-with-errors: ||p' "$case")
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
messages=$(grep -E '(error|note): ' <<<"$output")  # without the source lines, which hold the reasons too
while read -r times text; do  # a reason stated several times is one message each time
  if [ "$(grep -cF -- "$text" <<<"$messages")" -lt "$times" ]; then
    printf 'failed, but not %s times with: %s\n%s\n' "$times" "$text" "$output"
    exit 1
  fi
done < <(sort <<<"$expected" | uniq -c)
if [ -n "$most" ] && [ "$(grep -cF 'error: ' <<<"$messages")" -gt "$most" ]; then
  printf 'more than %s errors:\n%s\n' "$most" "$messages"
  exit 1
fi
printf 'refused as it should be:\n%s\n' "$expected"
