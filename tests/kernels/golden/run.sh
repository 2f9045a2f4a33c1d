#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [--build FOLDER] [--all] [--update] [COMPILER...]: same bits everywhere.
# Builds golden.cpp with every compiler at -O2, with the first also at -O0, with the first and the last also at -O3 -march=native (--all: with
# every compiler at all three), runs each under GAVEL_SIMD=avx2 and avx512, and compares every output byte for byte with golden.txt beside
# this file. --update implies --all and writes golden.txt anew, if all legs agree with each other.
# Legs that the processor cannot run are skipped with a line; with none left the exit code is 77.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=$root/build/golden all=no update=no compilers=()
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=$2; shift ;;
    --all) all=yes ;;
    --update) all=yes update=yes ;;
    *) compilers+=("$1") ;;
  esac
  shift
done
if [ ${#compilers[@]} = 0 ]; then
  for name in g++ clang++-14 clang++-19; do
    if command -v "$name" >/dev/null; then compilers+=("$name"); else echo "skipped: $name is not installed"; fi
  done
fi
[ ${#compilers[@]} -gt 0 ] || { echo "skipped: no compiler found"; exit 77; }

rm -rf "$build"
mkdir -p "$build"
"${compilers[0]}" -std=c++20 -O1 "$root/tests/support/with_simd.cpp" -o "$build/with_simd" || exit 1
levels=()
for level in avx2 avx512; do
  if "$build/with_simd" "$level"; then levels+=("$level"); fi  # says "skipped" itself
done
[ ${#levels[@]} -gt 0 ] || { echo "skipped: the fast paths need AVX2 and FMA"; exit 77; }

golden=$here/golden.txt
failed=0 legs=0 reference=
[ $update = yes ] || reference=$golden
if [ -n "$reference" ] && [ ! -f "$reference" ]; then
  echo "FAILED: $golden is missing; write it with: $0 --update"
  exit 1
fi

compile() {  # compile COMPILER OPTIMIZATION PROGRAM
  # shellcheck disable=SC2086  # the optimisation is a list of flags
  "$1" -std=c++20 $2 -I"$root/include" -I"$root/tests" "$here/golden.cpp" -o "$3"
}

jobs=$(nproc 2>/dev/null || echo 2) running=0
declare -A program=()
for compiler in "${compilers[@]}"; do
  optimizations=(-O2)
  if [ $all = yes ] || [ "$compiler" = "${compilers[0]}" ]; then optimizations+=(-O0); fi
  if [ $all = yes ] || [ "$compiler" = "${compilers[0]}" ] || [ "$compiler" = "${compilers[-1]}" ]; then optimizations+=("-O3 -march=native"); fi
  for optimization in "${optimizations[@]}"; do
    leg="$(basename "$compiler") $optimization"
    program[$leg]=$build/$(tr -c 'A-Za-z0-9.\n' '_' <<<"$leg")
    compile "$compiler" "$optimization" "${program[$leg]}" &
    running=$((running + 1))
    if [ $running -ge "$jobs" ]; then wait -n; running=$((running - 1)); fi
  done
done
wait

while IFS= read -r leg; do
  if [ ! -x "${program[$leg]}" ]; then
    echo "FAILED: $leg does not compile"
    legs=$((legs + ${#levels[@]})) failed=$((failed + ${#levels[@]}))
    continue
  fi
  for level in "${levels[@]}"; do
    output="${program[$leg]}.$level.txt"
    legs=$((legs + 1))
    if ! GAVEL_SIMD=$level "${program[$leg]}" >"$output"; then
      echo "FAILED: $leg, $level: the program failed"
      failed=$((failed + 1))
    elif [ ! -s "$output" ]; then
      echo "FAILED: $leg, $level: no output"
      failed=$((failed + 1))
    elif [ -z "$reference" ]; then
      reference=$output
      echo "reference: $leg, $level ($(wc -l <"$output") results)"
    elif ! cmp -s "$reference" "$output"; then
      echo "FAILED: $leg, $level differs in $(diff "$reference" "$output" | grep -c '^>') of $(wc -l <"$output") results; the first:"
      diff "$reference" "$output" | head -6
      failed=$((failed + 1))
    fi
  done
done < <(printf '%s\n' "${!program[@]}" | sort)

if [ $failed = 0 ] && [ $update = yes ]; then
  cp "$reference" "$golden"
  echo "wrote $golden"
fi
echo "golden: $((legs - failed)) of $legs legs agree on $(wc -l <"${reference:-/dev/null}") results (${#program[@]} builds by ${#compilers[@]} compilers, ${levels[*]})"
[ $failed = 0 ]
