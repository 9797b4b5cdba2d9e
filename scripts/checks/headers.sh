#!/usr/bin/env bash
# headers.sh INCLUDE-DIRECTORY : every public header in INCLUDE-DIRECTORY/tapegrad compiles by itself without a warning, as a
# program's own header with strict warnings; <tapegrad/tapegrad.h> also for this machine's vector units.
# COMPILERS="g++ clang++" are the compilers, EIGEN=/usr/include/eigen3 is where Eigen is.
set -euo pipefail

include=$(cd "${1:?usage: headers.sh INCLUDE-DIRECTORY}" && pwd)
export include eigen=${EIGEN:-/usr/include/eigen3}

# compile COMPILER HEADER [FLAG...] : one header, included by an empty program.
compile() {
  local compiler=$1 header=$2
  shift 2
  printf '#include <%s>\n' "$header" |
    "$compiler" -std=c++20 -x c++ -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror \
      -I"$include" -isystem "$eigen" "$@" - && return
  printf 'headers: <%s> by itself: %s %s\n' "$header" "$compiler" "$*" >&2
  return 1
}
export -f compile

# Public is what <tapegrad/tapegrad.h> includes, directly or through others.
mapfile -t headers < <(printf '#include <tapegrad/tapegrad.h>\n' | g++ -std=c++20 -x c++ -MM -I"$include" -isystem "$eigen" - |
  grep -o 'tapegrad/[^ ]*\.h' | sort -u)
((${#headers[@]})) || { echo "headers: there is no <tapegrad/tapegrad.h> in $include" >&2 && exit 1; }

jobs() {
  local compiler header native
  for compiler in ${COMPILERS:-g++ clang++}; do
    native=-march=native
    # GCC 12 finds fault with its own AVX-512 intrinsics (bug 105593).
    [[ $compiler != g++* ]] || native+=' -Wno-uninitialized -Wno-maybe-uninitialized'
    echo "$compiler tapegrad/tapegrad.h $native"
    for header in "${headers[@]}"; do echo "$compiler $header"; done
  done
}
begin=$SECONDS
# shellcheck disable=SC2016 # the inner shell expands them
jobs | xargs -P "$(nproc)" -L 1 bash -c 'compile "$@"' compile
printf 'headers: %d headers are clean with %s, %d s\n' "${#headers[@]}" "${COMPILERS:-g++ clang++}" $((SECONDS - begin))
