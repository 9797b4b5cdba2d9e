#!/usr/bin/env bash
# How good are the findings? Trains a corpus of healthy runs and runs with a known fault, and prints what was found.
#   scripts/diagnose.sh [LIST...] [--repair]   public.jsonl, hard.jsonl and at.jsonl of bench/diagnosis without an argument
#   scripts/diagnose.sh --seed N [--repair]    a fresh corpus, made by this seed (takes three times as long)
# What the numbers mean is in bench/diagnosis/README.md. Results stay in build/diagnosis.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

lists=() seed='' repair=()
while (($#)); do
  case $1 in
    --seed) seed=$2; shift ;;
    --repair) repair=(--repair) ;;
    *) lists+=("$1") ;;
  esac
  shift
done

install_missing "${build_packages[@]}" libbenchmark-dev nlohmann-json3-dev libcli11-dev dataset-fashion-mnist
cmake --preset native -B build/diagnosis -DTAPEGRAD_BUILD_EXAMPLES=OFF -DTAPEGRAD_BUILD_TESTS=OFF -DTAPEGRAD_BUILD_BENCH=ON >/dev/null
cmake --build build/diagnosis --parallel "$jobs" --target diagnose >/dev/null
here=bench/diagnosis out=build/diagnosis/runs
mkdir -p "$out"

# run LIST OUT [--repair] : the list on all cores, one part each.
run() {
  local list=$1 result=$2 part
  rm -f "$result" "$result".part-*
  split --number="r/$jobs" "$list" "$result.part-"
  local running=()
  for part in "$result".part-*; do
    OMP_NUM_THREADS=1 build/diagnosis/bench/diagnose run "$part" "$part.out" "${@:3}" &
    running+=($!)
  done
  for part in "${running[@]}"; do wait "$part" || die "diagnose fails on a part of $list"; done
  cat "$result".part-*.out >"$result"
  rm -f "$result".part-*
}

# score LIST OUT : the table, then the same numbers by what a run alone shows, and with preflight.
score() {
  python3 $here/score.py "$1" "$2"
  [[ $1 != *at.jsonl ]] || return 0
  echo "--- with preflight:"
  python3 $here/score.py "$1" "$2" --both --quiet
  echo "--- findings of the run alone:"
  python3 $here/score.py "$1" "$2" --source run --quiet
}

if [[ -n $seed ]]; then
  heading "a fresh corpus, seed $seed"
  python3 $here/make.py healthy 300 "$seed" >"$out/candidates.jsonl"
  python3 $here/make.py hard 150 "$seed" >"$out/hard_candidates.jsonl"
  run "$out/candidates.jsonl" "$out/candidates.out"
  run "$out/hard_candidates.jsonl" "$out/hard_candidates.out"
  python3 $here/make.py faulty "$out/candidates.out" 12 "$seed" >"$out/faulty_candidates.jsonl"
  run "$out/faulty_candidates.jsonl" "$out/faulty_candidates.out" "${repair[@]}"
  { python3 $here/make.py keep "$out/candidates.out"; python3 $here/make.py keep "$out/hard_candidates.out"
    python3 $here/make.py judge "$out/faulty_candidates.out"; } >"$out/fresh.jsonl"
  python3 - "$out" <<'PY'
import json, sys
out = sys.argv[1]
ids = {json.loads(line)['id'] for line in open(f'{out}/fresh.jsonl')}
with open(f'{out}/fresh.out', 'w') as fresh:
    for name in ('candidates', 'hard_candidates', 'faulty_candidates'):
        fresh.writelines(line for line in open(f'{out}/{name}.out') if json.loads(line)['config']['id'] in ids)
PY
  score "$out/fresh.jsonl" "$out/fresh.out"
else
  all=$((${#lists[@]} == 0))
  ((all)) && lists=("$here/public.jsonl" "$here/hard.jsonl" "$here/at.jsonl")
  for list in "${lists[@]}"; do
    heading "$list"
    run "$list" "$out/$(basename "$list" .jsonl).out" "${repair[@]}"
    score "$list" "$out/$(basename "$list" .jsonl).out"
  done
  if ((all)); then  # what each rule was said of; docs/findings.md shows it
    cat $here/public.jsonl $here/hard.jsonl >"$out/all.jsonl"
    python3 $here/score.py "$out/all.jsonl" "$out/public.out" "$out/hard.out" --rules $here/rules.csv
  fi
fi
