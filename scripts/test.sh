#!/usr/bin/env bash
# Installs what is missing, builds and runs all tests. Without arguments all stages, else those that are named:
#   format    clang-format agrees with every source file
#   ci        GCC, optimized, warnings are errors
#   consume   other people's programs can use the library, and cannot link it with another memory layout
#   asan      AddressSanitizer and UndefinedBehaviorSanitizer, with Clang
#   clang     Clang, optimized for this machine's vector units, warnings are errors
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

export LC_ALL=C  # the stage consume reads what the linker says
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Some kernels place memory where older sanitizers do not expect it; a fixed address space avoids that.
fixed_addresses=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses=(setarch "$(uname -m)" -R); fi

stage_format() {
  heading "format: clang-format"
  find core layers optim io inspect tests examples bench tapegrad.h \( -name '*.h' -o -name '*.cpp' \) -print0 |
    xargs -0 "$(command -v clang-format-14 || command -v clang-format)" --dry-run -Werror --style=file
}

stage_ci() {
  heading "ci: GCC, warnings are errors"
  build_preset ci
  ctest --preset ci --output-on-failure --parallel "$jobs"
}

stage_asan() {
  heading "asan: AddressSanitizer and UndefinedBehaviorSanitizer"
  build_preset asan tapegrad_tests  # neither the examples nor the other matrix products: sanitizers triple the time
  "${fixed_addresses[@]}" ctest --preset asan --output-on-failure --parallel "$jobs" --exclude-regex '^(matmul|report)\.'
}

stage_clang() {
  heading "clang: Clang, for this machine's vector units, warnings are errors"
  build_preset clang
  # The examples, the pages and the other matrix products were tested with GCC.
  ctest --preset clang --output-on-failure --parallel "$jobs" --exclude-regex '^(example\.contract|matmul\.|report\.)'
}

# consumer NAME TARGET CMAKE-ARGUMENT... : configures tests/consumer in $scratch/NAME, and builds the target.
consumer() {
  local name=$1 target=$2
  shift 2
  cmake -G Ninja -S tests/consumer -B "$scratch/$name" -DCMAKE_CXX_COMPILER=g++ "$@" >"$scratch/$name.log" 2>&1 &&
    cmake --build "$scratch/$name" --target "$target" --parallel "$jobs" >>"$scratch/$name.log" 2>&1
}

consumer_fails() {
  cat "$scratch/$1.log" >&2
  die "consume: a program that uses the library by $1 does not work"
}

consumer_works() {
  local name=$1
  shift
  consumer "$name" consumer "$@" || consumer_fails "$name"
  "$scratch/$name/consumer" >>"$scratch/$name.log" 2>&1 || consumer_fails "$name"
  note "$name: works"
}

# main_options NAME : the optimization that the program of $scratch/NAME, configured only, would be compiled with.
main_options() {
  grep -o '"command": .*consumer/main.cpp' "$scratch/$1/compile_commands.json" | grep -o ' -O[0-9]\| -g\b\| -DNDEBUG' | tr -d '\n'
}

# Without a build type a sub-project chooses Release for everything and says so; one that was chosen is respected.
consume_build_types() {
  local configure=(-DTAPEGRAD_FROM=subdirectory -DCMAKE_EXPORT_COMPILE_COMMANDS=ON -DTAPEGRAD_FETCH_VEGA=OFF)
  consumer no_type help "${configure[@]}" && consumer debug help "${configure[@]}" -DCMAKE_BUILD_TYPE=Debug ||
    die "consume: the program cannot be configured"
  [[ $(main_options no_type) == ' -O3 -DNDEBUG' ]] || die "consume: without a build type main.cpp gets '$(main_options no_type)'"
  grep -q 'CMAKE_BUILD_TYPE was not set' "$scratch/no_type.log" || die "consume: nothing is said about a missing build type"
  [[ $(main_options debug) == ' -g' ]] || die "consume: with Debug main.cpp gets '$(main_options debug)'"
  ! grep -q 'CMAKE_BUILD_TYPE was not set' "$scratch/debug.log" || die "consume: Debug counts as a missing build type"
  note "no build type: Release, and says so"
}

stage_consume() {
  heading "consume: the library in other people's programs"
  build_preset ci tapegrad_core tapegrad_report
  cmake --install build/ci --prefix "$scratch/prefix" >/dev/null
  consumer_works find_package -DTAPEGRAD_FROM=package -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_BUILD_TYPE=Release
  consumer_works add_subdirectory -DTAPEGRAD_FROM=subdirectory -DCMAKE_BUILD_TYPE=Debug
  # It ends in the same add_subdirectory: what it compiles would be the same once more.
  consumer FetchContent CMakeFiles/consumer.dir/main.cpp.o -DTAPEGRAD_FROM=fetchcontent -DCMAKE_BUILD_TYPE=Debug ||
    consumer_fails FetchContent
  note "FetchContent: compiles"

  consume_build_types

  # The same program, for another vector width than the installed library.
  if [[ $(uname -m) == x86_64 ]]; then
    if consumer mismatch consumer -DTAPEGRAD_FROM=package -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_CXX_FLAGS=-mavx; then
      die "consume: a program with another memory layout than the library links"
    fi
    if ! grep -q 'undefined reference to .*eigen_align_' "$scratch/mismatch.log"; then
      cat "$scratch/mismatch.log" >&2
      die "consume: a program with another memory layout fails, but not with an undefined eigen_align_ symbol"
    fi
    note "another memory layout: refused by the linker, $(grep -o 'eigen_align_[0-9]*' "$scratch/mismatch.log" | head -n 1)"
  fi
}

stages=("$@")
((${#stages[@]})) || stages=(format ci consume asan clang)
for stage in "${stages[@]}"; do
  [[ $(type -t "stage_$stage") == function ]] || die "no stage named '$stage'; there are: format ci consume asan clang"
done

install_missing "${build_packages[@]}" "${data_packages[@]}" "${check_packages[@]}"
install_optional "${report_check_commands[@]}"
for stage in "${stages[@]}"; do "stage_$stage"; done
