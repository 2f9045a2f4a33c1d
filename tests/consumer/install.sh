#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# install.sh CMAKE BUILD STAGED MOVED: installs the build into STAGED, then moves the tree to MOVED.
set -eu
cmake=$1 build=$2 staged=$3 moved=$4
rm -rf "$staged" "$moved"
"$cmake" --install "$build" --prefix "$staged"
mv "$staged" "$moved"
if grep -rlF -e "$staged" -e "$build" "$moved"; then
  echo "FAILED: the files above remember where they were built or first installed"
  exit 1
fi
