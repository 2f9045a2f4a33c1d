# SPDX-License-Identifier: MIT
# Shared by the scripts of this folder; sourced, not run.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# need_packages TEST=PACKAGE...: installs the Debian packages whose TEST fails. TEST is a command name, or a file if it begins with "/" (a
# pattern of the shell will do). Says what it installs, asks nothing, and needs no network when nothing is missing.
need_packages() {
  local pair test package missing=() sudo=()
  for pair in "$@"; do
    test=${pair%%=*} package=${pair#*=}
    case $test in
      /*) compgen -G "$test" >/dev/null && continue ;;
      *) command -v "$test" >/dev/null && continue ;;
    esac
    case " ${missing[*]-} " in *" $package "*) ;; *) missing+=("$package") ;; esac
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    die "missing: ${missing[*]} (Debian names). This system has no apt-get; install their equivalents and run the script again."
  fi
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "missing: ${missing[*]}. Run as root: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  say "installing with apt-get: ${missing[*]}"
  install_log=$(mktemp)
  if ! DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y --no-install-recommends "${missing[@]}" >"$install_log" 2>&1; then
    if ! { "${sudo[@]}" apt-get update && DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y --no-install-recommends \
      "${missing[@]}"; } >"$install_log" 2>&1; then
      tail -5 "$install_log" >&2
      rm -f "$install_log"
      return 1
    fi
  fi
  rm -f "$install_log"
}

# want_packages TEST=PACKAGE...: the same for what is only nice to have; each failure is one sentence. Sets `not_installed`.
not_installed=()
want_packages() {
  local pair
  for pair in "$@"; do
    (need_packages "$pair") || { say "not available: ${pair#*=}; what needs it is skipped"; not_installed+=("${pair#*=}"); }
  done
}

need_build_tools() { need_packages g++=g++ cmake=cmake ninja=ninja-build; }

# As many jobs as processors; GAVEL_JOBS asks for another number.
jobs() { echo "${GAVEL_JOBS:-$(nproc 2>/dev/null || echo 2)}"; }

# configure FOLDER ARGUMENT...: cmake with ninja, and with ccache where it is installed.
configure() {
  local folder=$1 launcher=()
  shift
  if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    # Precompiled headers carry times; ccache must be told that only their content counts.
    export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
  fi
  cmake -S "$root" -B "$folder" -G Ninja "${launcher[@]}" "$@"
}
