#!/usr/bin/env bash
# How many lines and branches of the library the tests run, by folder; with --uncovered the lines and branches that none runs.
#   scripts/coverage.sh [--uncovered]
# Clang's source-based coverage: a template counts once, whatever number of types it is compiled for, and branches that only
# exceptions take do not count. (gcovr counts each instantiation apart, so that an `if` that one of forty ops takes is 39 times not
# taken.)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

install_missing "${build_packages[@]}" clang llvm-14
build=build/coverage
cmake --preset dev -B "$build" -DCMAKE_CXX_COMPILER=clang++ -DTAPEGRAD_BUILD_EXAMPLES=OFF -DTAPEGRAD_PCH=ON \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1 -fprofile-instr-generate -fcoverage-mapping" >/dev/null
cmake --build "$build" --parallel "$jobs" --target tapegrad_tests
rm -rf "$build/profiles"
LLVM_PROFILE_FILE="$PWD/$build/profiles/%p-%m.profraw" ctest --test-dir "$build" --output-on-failure --parallel "$jobs" \
  --exclude-regex '^(matmul\.|compile_errors|report\.)' >"$build/tests.log" || { tail -n 40 "$build/tests.log"; die "the tests fail"; }
llvm-profdata-14 merge -sparse "$build"/profiles/*.profraw -o "$build/all.profdata"
llvm-cov-14 export "$build/tests/tapegrad_tests" -instr-profile="$build/all.profdata" -format=text >"$build/coverage.json"
python3 scripts/coverage.py "$build/coverage.json" "$@"
