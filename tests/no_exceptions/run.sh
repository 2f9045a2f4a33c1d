#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh COMPILER SOURCE PROGRAM FLAG...: builds SOURCE without exceptions and RTTI and runs it: with a handler, with none, with one that
# returns.
set -eu
compiler=$1 source=$2 program=$3
shift 3
"$compiler" -std=c++20 -O1 -Werror -fno-exceptions -fno-rtti "$@" "$source" -o "$program"
"$program"
for arguments in "none" "handler returns"; do
  # shellcheck disable=SC2086
  printed=$("$program" $arguments 2>&1) || { echo "aborted without its message ($arguments)"; exit 1; }
  [ -z "$printed" ] || { echo "printed before the abort: $printed"; exit 1; }
done
