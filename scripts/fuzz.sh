#!/usr/bin/env bash
# scripts/fuzz.sh [MINUTES [NAME...]] : runs each fuzzer of tests/fuzz for so many minutes (10 without an argument), or those
# that are named. What it finds new goes to build/asan/fuzz/NAME, an input that fails to build/asan/fuzz/NAME-crash-….
# SECONDS_EACH=10 scripts/fuzz.sh is what scripts/test.sh does.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

seconds=${SECONDS_EACH:-$((${1:-10} * 60))}
names=("${@:2}")
((${#names[@]})) || names=(checkpoint csv gzip idx names weights)
build_preset asan fuzzers
for name in "${names[@]}"; do
  heading "$name: the corpus, then $seconds s"
  found=build/asan/fuzz/$name
  mkdir -p "$found"
  # What an input may allocate is in tests/fuzz/input.h; compressed, 16 KB are 16 MB at most.
  "${fixed_addresses[@]}" build/asan/tests/fuzz/"fuzz_$name" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=64 -max_len=16384 \
    -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix="$found-" "$found" "tests/fuzz/corpus/$name" 2>"$found.log" ||
    { tail -n 40 "$found.log" >&2; die "$name fails, see $found.log; the input is in build/asan/fuzz"; }
  grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added|peak_rss_mb)' "$found.log"
done
