#!/usr/bin/env bash
# small_test.sh DIAGNOSE : trains the 100 runs of small.jsonl (drawn by seed 1 from those of the lists that take less than 0.3 s)
# and fails when fewer faults are found than stated, or with any false alarm on the 40 healthy ones.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(mktemp)
trap 'rm -f "$out"' EXIT
OMP_NUM_THREADS=1 "$1" run "$here/small.jsonl" "$out"
python3 "$here/score.py" "$here/small.jsonl" "$out" --least 95,90,90
