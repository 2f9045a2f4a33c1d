#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# alone.sh COMPILER HEADER... -- FLAG...: compiles each header alone and twice, warnings as errors, as many at a time as there are processors.
set -u
compiler=$1
shift
headers=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do headers+=("$1"); shift; done
shift
flags=(-std=c++20 -fsyntax-only -Werror "$@")
case $("$compiler" --version) in *clang*) ;; *) flags+=(-Wuseless-cast) ;; esac

check() {
  local output
  output=$(printf '#include "%s"\n#include "%s"\n' "$1" "$1" | "$compiler" "${flags[@]}" -x c++ - 2>&1) && return 0
  printf 'FAILED: %s\n%s\n' "$1" "$output"
  return 1
}

failed=0 running=0
for header in "${headers[@]}"; do
  check "$header" &
  running=$((running + 1))
  if [ $running -ge "$(nproc 2>/dev/null || echo 2)" ]; then
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
  fi
done
while [ $running -gt 0 ]; do
  wait -n || failed=$((failed + 1))
  running=$((running - 1))
done
echo "$(basename "$compiler"): $((${#headers[@]} - failed)) of ${#headers[@]} headers compile alone, twice, without a warning"
[ $failed = 0 ] && [ ${#headers[@]} -gt 0 ]
