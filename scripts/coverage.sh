#!/usr/bin/env bash
# How many lines and branches of the library the tests run, by folder; the lines that none runs are listed with --uncovered.
#   scripts/coverage.sh [--uncovered]
# Branches that only exceptions take, and those that cannot be reached, do not count.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

install_missing "${build_packages[@]}" gcovr
build=build/coverage
cmake --preset dev -B "$build" -DCMAKE_CXX_COMPILER=g++ -DTAPEGRAD_BUILD_EXAMPLES=OFF \
  -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O0 -g1 --coverage -fprofile-update=atomic" >/dev/null
cmake --build "$build" --parallel "$jobs" --target tapegrad_tests
find "$build" -name '*.gcda' -delete
ctest --test-dir "$build" --output-on-failure --parallel "$jobs" --exclude-regex '^(matmul|compile_errors|allocations)' >"$build/tests.log" ||
  { tail -n 40 "$build/tests.log"; die "the tests fail"; }

report() {  # FOLDER... : "lines% branches%"
  local filters=()
  for folder in "$@"; do filters+=(--filter "$folder/"); done
  gcovr --root . --object-directory "$build" "${filters[@]}" --exclude-throw-branches --exclude-unreachable-branches \
    --json-summary 2>/dev/null | python3 -c 'import json, sys; s = json.load(sys.stdin); print("%6.1f %% %6.1f %%" % (s["line_percent"], s["branch_percent"]))'
}
printf '%-16s %8s %8s\n' folder lines branches
for folder in core core/kernels layers optim io inspect inspect/report; do printf '%-16s %s\n' "$folder" "$(report "$folder")"; done
printf '%-16s %s\n' together "$(report core layers optim io inspect)"
[[ ${1:-} != --uncovered ]] ||
  gcovr --root . --object-directory "$build" --filter '(core|layers|optim|io|inspect)/' --exclude-throw-branches --exclude-unreachable-branches
