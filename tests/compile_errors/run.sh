#!/usr/bin/env bash
# Programs that must not compile: run.sh COMPILER INCLUDE_DIR [FLAG...] compiles each .cpp beside this file. It must fail,
# and say within the first 15 lines what its first comment line says.
set -uo pipefail
export LC_ALL=C
compiler=$1 include=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
failed=0
for program in "$here"/*.cpp; do
  text=$(sed -n '1s|^// ||p' "$program")
  standard=$(sed -n '2s|^// flags: ||p' "$program")
  if output=$("$compiler" "${standard:--std=c++20}" -fsyntax-only -I"$include" "$@" "$program" 2>&1); then
    echo "$(basename "$program") compiles" && failed=1
  elif ! grep -qF -- "$text" <<<"$(head -n 15 <<<"$output")"; then
    echo "$(basename "$program"): '$text' is not in the first 15 lines of" && head -n 25 <<<"$output" && failed=1
  fi
done
exit $failed
