#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# budget.sh COMPILER INCLUDE_FOLDER FLAG...: what a topic costs its user, as a table: each umbrella, which is an upper bound for the headers it
# includes, and each header that none of them includes.
# Fails above 45,000 preprocessed lines (with Eigen: what <Eigen/Core> itself costs and 30,000 more; the header with every topic: 10,000 and
# 0.3 s for each topic after the first), on a costly standard header, and above
# eight times the time budget of 0.6 s (Eigen's own plus 0.3 s); between once and eight times it warns, since machines differ.
set -u
compiler=$1 root=$2
shift 2
flags=(-std=c++20 "$@")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
max_lines=45000 eigen_extra_lines=30000

lines_of() { "$compiler" "${flags[@]}" -E -P "$1" | grep -c '[^[:space:]]'; }
seconds_of() {  # seconds_of FILE: milliseconds of the front end
  local begin end
  begin=$(date +%s%N)
  "$compiler" "${flags[@]}" -fsyntax-only "$1"
  end=$(date +%s%N)
  echo $(((end - begin) / 1000000))
}

eigen_lines=0 eigen_ms=0
echo '#include <Eigen/Core>' >"$scratch/eigen.cpp"
if "$compiler" "${flags[@]}" -fsyntax-only "$scratch/eigen.cpp" 2>/dev/null; then
  eigen_lines=$(lines_of "$scratch/eigen.cpp")
  eigen_ms=$(seconds_of "$scratch/eigen.cpp")
  printf '%-48s %8d lines %6d ms\n' '(<Eigen/Core> itself)' "$eigen_lines" "$eigen_ms"
fi

umbrellas=("$root"/gavel/*.hpp)
printf '#include <%s>\n' "${umbrellas[@]#"$root"/}" >"$scratch/all.cpp"
"$compiler" "${flags[@]}" -M "$scratch/all.cpp" | tr -d '\\' | tr ' ' '\n' | grep "^$root/gavel/" | sort -u >"$scratch/reached"
{ printf '%s\n' "${umbrellas[@]}"; find "$root/gavel" -mindepth 2 -name '*.hpp' | sort | comm -23 - "$scratch/reached"; } >"$scratch/headers"

failed=0 warned=0 count=0
while IFS= read -r header; do
  name=${header#"$root"/}
  printf '#include <%s>\n' "$name" >"$scratch/one.cpp"
  dependencies=$("$compiler" "${flags[@]}" -M "$scratch/one.cpp" 2>/dev/null) || { [ "$eigen_lines" = 0 ] && continue; }
  limit=$max_lines budget=600
  if [ "$name" = gavel/gavel.hpp ]; then  # a sum, not a topic
    topics=$(grep -c '^#include <gavel/[a-z_]*\.hpp>$' "$header")
    limit=$((max_lines + 10000 * (topics - 1))) budget=$((600 + 300 * (topics - 1)))
  fi
  if grep -q '/Eigen/' <<<"$dependencies"; then
    limit=$((eigen_lines + eigen_extra_lines)) budget=$((eigen_ms + 300))
  else
    costly=$(grep -oE 'c\+\+/[0-9]+/(iostream|sstream|regex|thread|execution|random|functional|ranges)( |$)' <<<"$dependencies" | tr -d '\n')
    if [ -n "$costly" ]; then
      echo "FAILED: $name includes a costly standard header: $costly"
      failed=$((failed + 1))
    fi
  fi
  if grep -q 'Eigen/Dense' <<<"$dependencies"; then
    echo "FAILED: $name includes <Eigen/Dense>"
    failed=$((failed + 1))
  fi
  lines=$(lines_of "$scratch/one.cpp")
  ms=$(seconds_of "$scratch/one.cpp")
  remark=
  if [ "$lines" -gt $limit ]; then
    remark="FAILED: more than $limit lines" failed=$((failed + 1))
  elif [ "$ms" -gt $((8 * budget)) ]; then
    remark="FAILED: more than eight times $budget ms" failed=$((failed + 1))
  elif [ "$ms" -gt $budget ]; then
    remark="warning: more than $budget ms" warned=$((warned + 1))
  fi
  printf '%-48s %8d lines %6d ms  %s\n' "$name" "$lines" "$ms" "$remark"
  count=$((count + 1))
done <"$scratch/headers"
echo "budget: $count headers, $failed over, $warned slower than the budget on this machine"
[ $failed = 0 ]
