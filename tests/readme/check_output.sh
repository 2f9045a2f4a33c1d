#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# check_output.sh PROGRAM EXPECTED: the program ends well and prints what the document says it prints.
set -u
printed=$("$1") || { echo "FAILED: ended with status $?"; exit 1; }
if [ "$printed" != "$(cat "$2")" ]; then
  echo "FAILED: the document says (<) other than the program prints (>)"
  diff "$2" - <<<"$printed"
  exit 1
fi
