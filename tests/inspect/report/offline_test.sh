#!/usr/bin/env bash
# Reports hold the scripts of their charts where these are found, and say it where they are not:
#   offline_test.sh MAKE_REPORT    the program tests/inspect/report/make_report.cpp
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fail() { echo "FAILED: $1" >&2; exit 1; }

for script in vega vega-lite vega-embed; do
  mkdir -p "$scratch/vega"
  echo "/* this is $script */" >"$scratch/vega/$script.min.js"
done
TAPEGRAD_VEGA_DIR=$scratch/vega "$1" one "$scratch/whole.html" 2>"$scratch/said"
[[ ! -s $scratch/said ]] || fail "a report with its scripts says: $(cat "$scratch/said")"
grep -q 'this is vega-embed' "$scratch/whole.html" || fail "the report does not hold its scripts"
! grep -q '<script src=' "$scratch/whole.html" || fail "the report loads scripts although it holds them"

rm "$scratch/vega/vega-lite.min.js"  # one is as bad as all
TAPEGRAD_VEGA_DIR=$scratch/vega "$1" one "$scratch/linked.html" 2>"$scratch/said"
want="[report] $scratch/linked.html: the scripts of the charts were not found, so it needs a network; looked in $scratch/vega"
[[ $(cat "$scratch/said") == "$want" ]] || fail "a report without its scripts says: $(cat "$scratch/said")"
grep -q '<script src="https://' "$scratch/linked.html" || fail "the report does not load the scripts it misses"
