#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh COMPILER SOURCE PROGRAM FLAG...: builds SOURCE without exceptions and RTTI and runs it.
set -eu
compiler=$1 source=$2 program=$3
shift 3
"$compiler" -std=c++20 -O1 -Werror -fno-exceptions -fno-rtti "$@" "$source" -o "$program"
"$program"
