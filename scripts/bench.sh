#!/usr/bin/env bash
# How fast it is, and compared with what: installs what is missing, builds for this machine in build/bench
# (optimized at link time, all variants alike), and measures.
#   scripts/bench.sh                 the jobs on one pinned core, then on two threads; memory; compile time and size
#   scripts/bench.sh micro [REGEX]   ops, activations, tape, matrix products, optimizers, monitor, files, reports
# Options of the jobs: --json FILE (one core; two threads go to FILE with .2 before its end), --jobs A,B32,B256,C,D,
# --rounds N, --seconds S. BENCH_CORE=1 is the core that is used; BENCH_BACKENDS="openblas onednn" are the matrix products
# that the library is also built with.
# What is compared takes part where it is installed: apt-get install libopenblas-dev libdnnl-dev libtorch-dev
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

build=build/bench
first_core=${BENCH_CORE:-0}
backends=${BENCH_BACKENDS-openblas onednn}
cores=$(nproc)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# build_bench DIRECTORY TARGET [CMAKE-ARGUMENT...]
build_bench() {
  local directory=$1 target=$2
  shift 2
  heading "Building for this machine ($directory)"
  # GCC 12 sees overflows in its own strings when it optimizes at link time.
  cmake --preset native -B "$directory" -DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON \
    -DCMAKE_EXE_LINKER_FLAGS="-Wno-stringop-overflow -Wno-stringop-overread" -DTAPEGRAD_BUILD_BENCH=ON -DTAPEGRAD_BUILD_TESTS=OFF \
    -DTAPEGRAD_BUILD_EXAMPLES=OFF -DTAPEGRAD_FETCH_VEGA=OFF "$@" >"$scratch/cmake.log" 2>&1 ||
    { cat "$scratch/cmake.log" >&2 && die "cannot configure $directory"; }
  cmake --build "$directory" --parallel "$jobs" --target "$target" || die "cannot build $directory"
}

# The library with another matrix product takes part as a program of its own.
build_backends() {
  if [[ $backends == *openblas* && -n $(find /usr/include /usr/local/include -name openblas_config.h -print -quit) ]]; then
    build_bench "$build-openblas" bench_jobs -DTAPEGRAD_MATMUL=openblas
    peers+=("tapegrad_blas=$build-openblas/bench/bench_jobs --serve tapegrad")
  fi
  if [[ $backends == *onednn* && -n $(find /usr/include /usr/local/include -path '*oneapi/dnnl/dnnl.h' -print -quit) ]]; then
    build_bench "$build-onednn" bench_jobs -DTAPEGRAD_MATMUL=onednn
    peers+=("tapegrad_onednn=$build-onednn/bench/bench_jobs --serve tapegrad")
  fi
}

# OpenBLAS takes a processor younger than itself for the oldest one it knows: then it is told what this one can do, which
# makes it, and libtorch with it, three to four times as fast.
choose_blas_kernels() {
  [[ -z ${OPENBLAS_CORETYPE:-} && $("$build/bench/bench_jobs" --blas-kernels 2>/dev/null) == Prescott ]] || return 0
  if grep -qw avx512vl /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=SkylakeX
  elif grep -qw avx2 /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=Haswell
  fi
}

# on_cores LIST COMMAND... : on those cores only, with as many threads for libraries that start threads by themselves.
on_cores() {
  local list=$1 commas=${1//[^,]/}
  local threads=$((${#commas} + 1))
  shift
  local pinned=()
  if command -v taskset >/dev/null; then pinned=(taskset -c "$list"); fi
  OPENBLAS_NUM_THREADS=$threads OMP_NUM_THREADS=$threads "${pinned[@]}" "$@"
}

# jobs_on LIST THREADS ARGUMENT... : the jobs, with the peers.
jobs_on() {
  local list=$1 threads=$2 arguments=() peer
  shift 2
  for peer in "${peers[@]}"; do arguments+=(--peer "$peer --threads $threads"); done
  on_cores "$list" "$build/bench/bench_jobs" --threads "$threads" "${arguments[@]}" "$@"
}

run_jobs() {
  local json='' two_json='' arguments=() failed=0
  while (($#)); do
    case $1 in
      --json) json=$2 two_json=${2%.json}.2.json && shift 2 ;;
      *) arguments+=("$1") && shift ;;
    esac
  done

  choose_blas_kernels
  peers=()
  build_backends
  if [[ -x $build/bench/bench_libtorch ]]; then
    peers+=("libtorch=$build/bench/bench_libtorch")
  else
    note "Without libtorch: it would take part after apt-get install libtorch-dev"
  fi

  heading "The jobs on one core ($first_core)"
  jobs_on "$first_core" 1 ${json:+--json "$json"} "${arguments[@]}" || failed=1
  if ((cores > 1)); then
    heading "The jobs on two threads"
    jobs_on "$first_core,$(((first_core + 1) % cores))" 2 ${two_json:+--json "$two_json"} "${arguments[@]}" || failed=1
  fi
  return "$failed"
}

run_memory() {
  heading "Memory"
  local job
  for job in B32 B256 C predict; do on_cores "$first_core" "$build/bench/bench_jobs" --memory "$job"; done
}

# What a user's program costs to build: a short example, with the whole library's header.
run_user_program() {
  heading "A user's MNIST program: compile time and size"
  local seconds
  local flags=(-std=c++20 -O2 -march=native -I"$build/include")
  flags+=(-isystem "$(sed -n 's/^Eigen3_DIR:PATH=\(.*\)\/share\/.*/\1/p' "$build/CMakeCache.txt")/include/eigen3")
  TIMEFORMAT=%U  # of the processor: others may be using the machine
  seconds=$({ time g++ "${flags[@]}" -c examples/02_digits.cpp -o "$scratch/user_program.o"; } 2>&1)
  g++ "$scratch/user_program.o" "$build/libtapegrad_core.a" -lfmt -lz -Wl,--gc-sections -s -o "$scratch/user_program"
  note "compiles in $seconds s of processor time (g++ -O2)"
  note "$(stat -c %s "$scratch/user_program" | awk '{ printf "%.2f MB", $1 / 1e6 }') stripped, with the library inside"
}

what="jobs"
if (($#)) && [[ $1 != -* ]]; then what=$1 && shift; fi
[[ $what =~ ^(jobs|micro)$ ]] || die "no benchmarks named '$what'; there are: jobs micro"

install_missing "${build_packages[@]}" "${data_packages[@]}" libbenchmark-dev
build_bench "$build" all
case $what in
  jobs)
    failed=0
    run_jobs "$@" || failed=1
    run_memory
    run_user_program
    exit "$failed"
    ;;
  micro)
    choose_blas_kernels
    heading "Micro-benchmarks on one core ($first_core)"
    on_cores "$first_core" "$build/bench/bench_micro" --benchmark_filter="${1:-.}"
    ;;
esac
