#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_units.sh COMPILER FOLDER both|hostile FLAG...: compiles every .cpp of FOLDER alone, warnings as errors, with min and max as macros and
# without exceptions and RTTI; with "both" plainly as well.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
compiler=$1 folder=$2 variants=$3
shift 3
flags=(-std=c++20 -fsyntax-only -Werror "$@")
case $("$compiler" --version) in
  *clang*) ;;
  *) flags+=(-Wuseless-cast) ;;
esac

check() {  # one unit under one set of extra flags; prints only on failure
  if ! output=$("$compiler" "${flags[@]}" "${@:2}" "$1" 2>&1); then
    printf 'FAILED: %s %s %s\n%s\n' "$(basename "$compiler")" "${*:2}" "$(basename "$1")" "$output"
    return 1
  fi
}

units=("$folder"/*.cpp)
jobs=$(nproc 2>/dev/null || echo 2)
failed=0
running=0
for unit in "${units[@]}"; do
  # Eigen defends itself only where it is included first.
  eigen=()
  case $unit in *acceptance_head* | *network*) eigen=(-DGAVEL_HOSTILE_WITH_EIGEN) ;; esac
  {
    first=0
    [ "$variants" = hostile ] || check "$unit" || first=1
    check "$unit" ${eigen[@]+"${eigen[@]}"} -include "$here/hostile.hpp" -fno-exceptions -fno-rtti && [ $first = 0 ]
  } &
  running=$((running + 1))
  if [ $running -ge "$jobs" ]; then
    wait -n || failed=$((failed + 1))
    running=$((running - 1))
  fi
done
while [ $running -gt 0 ]; do
  wait -n || failed=$((failed + 1))
  running=$((running - 1))
done
echo "$(basename "$compiler"): $((${#units[@]} - failed)) of ${#units[@]} headers compile alone, twice, without a warning, with min and max as macros, without$([ "$variants" = both ] && echo " and with") exceptions and RTTI"
[ $failed = 0 ]
