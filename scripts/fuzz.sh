#!/usr/bin/env bash
# scripts/fuzz.sh [MINUTES [NAME...]] : runs each fuzzer of tests/fuzz for so many minutes (10 without an argument), or those
# that are named. What it finds new goes to build/asan/fuzz/NAME, an input that fails to build/asan/fuzz/NAME-crash-….
# SECONDS_EACH=10 scripts/fuzz.sh is what scripts/test.sh does.
# RUNS=10000000 scripts/fuzz.sh 0 csv weights checkpoint : so many inputs each instead, of at most 4 KB, an hour on one core. The program with
# sanitizer and corpus may take 128 MB then; what an input makes it allocate is 64 MB at most, always.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

seconds=${SECONDS_EACH:-$((${1:-10} * 60))}
limit="$seconds s"
limits=(-max_len=16384 -rss_limit_mb=2048 -max_total_time="$seconds")
if [[ ${RUNS:-} ]]; then
  limit="$RUNS inputs"
  limits=(-max_len=4096 -rss_limit_mb=128 -runs="$RUNS")
  export ASAN_OPTIONS=quarantine_size_mb=1:malloc_context_size=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
fi
names=("${@:2}")
((${#names[@]})) || names=(checkpoint csv gzip idx names weights)
build_preset asan fuzzers
for name in "${names[@]}"; do
  heading "$name: the corpus, then $limit"
  found=build/asan/fuzz/$name
  mkdir -p "$found"
  # What an input may allocate is in tests/fuzz/input.h; compressed, 16 KB are 16 MB at most.
  "${fixed_addresses[@]}" build/asan/tests/fuzz/"fuzz_$name" -timeout=10 -malloc_limit_mb=64 "${limits[@]}" -print_final_stats=1 \
    -artifact_prefix="$found-" "$found" "tests/fuzz/corpus/$name" 2>"$found.log" ||
    { tail -n 40 "$found.log" >&2; die "$name fails, see $found.log; the input is in build/asan/fuzz"; }
  grep -E '^stat::(number_of_executed_units|average_exec_per_sec|new_units_added|peak_rss_mb)' "$found.log"
done
