#!/usr/bin/env bash
# table_test.sh PROGRAM : trains on a table with names and gaps, stops, goes on, and loads what was saved.
set -euo pipefail
program=$1
source=$(dirname "$(realpath "$0")")/table.cpp
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
die() { echo "table_test: $*" >&2; exit 1; }

lines=$(grep -cvE '^ *(//|$)' "$source")
((lines <= 60)) || die "the program has $lines lines, more than 60"

awk 'BEGIN {
  srand(7); print "f0,f1,f2,f3,f4,f5,f6,f7,f8,f9,species"
  for (i = 0; i < 900; ++i) {
    kind = i % 3
    for (k = 0; k < 10; ++k) {
      value = (k % 3 == kind ? 30 : 10) + 12 * (rand() + rand() - 1)
      printf "%s,", rand() < 0.01 ? (rand() < 0.5 ? "NA" : "") : value
    }
    print kind == 0 ? "birch" : kind == 1 ? "oak" : "pine"
  }
}' >trees.csv

"$program" train >whole
accuracy=$(sed -n 's/^test .*accuracy \([0-9]*\).*/\1/p' whole)
((accuracy >= 90)) || die "accuracy is $accuracy %"
grep -qE '^birch +[01]\.[0-9]{3}' whole || die "no table with the names of the classes"
"$program" predict >again
cmp <(grep -A99 '^test' whole) again || die "what was loaded answers otherwise"

code=0
"$program" train 2 >stopped || code=$?
((code == 130)) || die "stopped with $code"
"$program" resume >rest
cmp whole <(cat stopped rest) || die "the resumed run is another one"
