#!/usr/bin/env bash
# Installs what is missing, builds and runs all tests. Without arguments the default stages, else those that are named; `all` adds
# those that take long:
#   format    clang-format agrees with every source file
#   ci        GCC, optimized, warnings are errors
#   mutants   thirty changes of the library, each of which a test notices
#   headers   every installed header compiles by itself, without a warning that many projects use
#   consume   other people's programs can use the library in each way, and cannot link it with another memory layout
#   asan      Clang, for this machine's vector units, AddressSanitizer and UndefinedBehaviorSanitizer, warnings are errors
#   fuzz      the fuzzers of everything that parses: their corpus, then 10 s each
# Those that take long:
#   clang     Clang, optimized for this machine's vector units, warnings are errors
#   playground  the library as WebAssembly and the page that trains with it, in Chromium: 5 minutes on two idle cores, without
#             Emscripten's compiler cache; fails where Emscripten, npm or Chromium cannot be installed
#   libcxx    Clang with libc++: only the library and its tests
#   native    GCC, optimized for this machine's vector units
#   shared    the tests with shared libraries
#   tsan      ThreadSanitizer, with Clang: what uses threads
#   tidy      clang-tidy finds nothing in the library
#   examples  the examples under AddressSanitizer and UndefinedBehaviorSanitizer
#   mutation  how many of 1,500 random changes of the library no test notices
#   onnx      exported networks give in ONNX Runtime what they give here
#   docs      the reference builds without a warning: 10 s after stage ci, else the library is built first
#   coverage  how many lines and branches of the library the tests run, by folder
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

export LC_ALL=C  # the stage consume reads what the linker says
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

stage_format() {
  heading "format: clang-format"
  find core layers optim io inspect tests examples bench playground tapegrad.h \( -name '*.h' -o -name '*.cpp' \) -print0 |
    xargs -0 "$(command -v clang-format-14 || command -v clang-format)" --dry-run -Werror --style=file
}

stage_ci() {
  heading "ci: GCC, warnings are errors"
  build_preset ci
  ctest --preset ci --output-on-failure --parallel "$jobs"
}

# Beside the build of stage ci, of which only the changed files are compiled again.
stage_mutants() {
  heading "mutants: changes of the library that a test notices"
  build_preset ci tapegrad_tests
  tests/mutation/mutate.py list
}

stage_mutation() {
  heading "mutation: a random sample of changes of the library, and which of them no test notices"
  build_preset ci tapegrad_tests
  tests/mutation/mutate.py sample
}

stage_asan() {
  heading "asan: AddressSanitizer and UndefinedBehaviorSanitizer"
  build_preset asan tapegrad_tests  # neither the examples nor the other matrix products: sanitizers triple the time
  "${fixed_addresses[@]}" ctest --preset asan --output-on-failure --parallel "$jobs" --exclude-regex '^(matmul|report)\.'
}

stage_fuzz() { SECONDS_EACH=10 scripts/fuzz.sh; }

stage_playground() { scripts/playground.sh --test; }

stage_clang() {
  heading "clang: Clang, for this machine's vector units, warnings are errors"
  build_preset clang tapegrad_tests
  # The examples (which the stage `examples` builds with Clang), the pages and the other matrix products were tested with GCC.
  ctest --preset clang --output-on-failure --parallel "$jobs" --exclude-regex '^(example|matmul|report|diagnosis)\.'
}

stage_libcxx() {
  heading "libcxx: Clang with libc++, warnings are errors"
  build_preset libcxx tapegrad_tests
  ctest --preset libcxx --output-on-failure --parallel "$jobs" --exclude-regex '^(matmul|report)\.'
}

stage_native() {
  heading "native: GCC, for this machine's vector units"
  build_preset native tapegrad_tests
  ctest --preset native --output-on-failure --parallel "$jobs" --exclude-regex '^(example|matmul|report|diagnosis)\.'
}

stage_shared() {
  heading "shared: the tests with shared libraries"
  cmake --preset ci -B build/shared -DBUILD_SHARED_LIBS=ON -DTAPEGRAD_BUILD_EXAMPLES=OFF
  cmake --build build/shared --parallel "$jobs" --target tapegrad_tests
  ctest --test-dir build/shared --output-on-failure --parallel "$jobs" --exclude-regex '^(matmul|report)\.'
}

stage_tsan() {
  heading "tsan: ThreadSanitizer"
  build_preset tsan tapegrad_tests
  "${fixed_addresses[@]}" ctest --preset tsan --output-on-failure --tests-regex '^(concurrency|threads|gemm|optimizer|module|batches)$'
}

stage_tidy() {
  heading "tidy: clang-tidy"
  install_missing clang-tidy
  cmake --preset clang
  cmake --build --preset clang --target tapegrad_core --parallel "$jobs"  # the headers that CMake makes
  find core layers optim io inspect -name '*.cpp' ! -path io/onnx.cpp -print0 | xargs -0 -n 1 -P "$jobs" clang-tidy -p build/clang --quiet
}

stage_examples() {
  heading "examples: under AddressSanitizer and UndefinedBehaviorSanitizer"
  cmake --preset asan -B build/asan_examples -DTAPEGRAD_BUILD_EXAMPLES=ON -DTAPEGRAD_BUILD_TESTS=ON
  cmake --build build/asan_examples --parallel "$jobs"
  "${fixed_addresses[@]}" ctest --test-dir build/asan_examples --output-on-failure --parallel "$jobs" --tests-regex '^example\.'
}

stage_onnx() {
  heading "onnx: exported networks in ONNX Runtime"
  install_missing libonnx-dev libprotobuf-dev
  install_optional npm  # brings node
  cmake --preset ci -B build/onnx -DTAPEGRAD_ONNX=ON -DTAPEGRAD_BUILD_EXAMPLES=OFF
  cmake --build build/onnx --parallel "$jobs" --target tapegrad_onnx_tests onnx_models
  ctest --test-dir build/onnx --output-on-failure --tests-regex '^onnx\.'
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then note "node or npm is missing: no exported model was run"; fi
}

stage_docs() {
  heading "docs: the reference, without a warning"
  scripts/docs.sh
}

stage_coverage() {
  heading "coverage: lines and branches that the tests run"
  scripts/coverage.sh
}

# Public headers, as they are installed, with warnings that many projects use.
stage_headers() {
  heading "headers: every installed header by itself, strict warnings, both compilers"
  install_library
  scripts/checks/headers.sh "$scratch/prefix/include"
}

# The library as stage ci builds it, in $scratch/prefix.
install_library() {
  [[ ! -d $scratch/prefix ]] || return 0
  build_preset ci tapegrad_core tapegrad_report
  cmake --install build/ci --prefix "$scratch/prefix" >/dev/null
}

consumer_fails() {
  cat "$scratch/$1.log" >&2
  die "consume: $2"
}

# configure NAME CMAKE-ARGUMENT... : configures tests/consumer in $scratch/NAME.
configure() {
  local name=$1
  shift
  cmake -G Ninja -S tests/consumer -B "$scratch/$name" -DCMAKE_CXX_COMPILER=g++ -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "$@" \
    >"$scratch/$name.log" 2>&1
}

# build NAME TARGET : builds what was configured.
build() { cmake --build "$scratch/$1" --target "$2" --parallel "$jobs" >>"$scratch/$1.log" 2>&1; }

# runs NAME PROGRAM : the program does what it should, and its report opens offline.
runs() {
  local name=$1 report=$scratch/$1.html
  env -u TAPEGRAD_VEGA_DIR "$2" "$report" >>"$scratch/$name.log" 2>&1 || consumer_fails "$name" "the program that uses $name fails"
  if [[ ! -f build/ci/share/tapegrad/vega/vega.min.js ]]; then
    note "$name: works (the scripts of reports could not be fetched: whether reports open offline was not tested)"
  elif grep -q '<script src=' "$report"; then
    consumer_fails "$name" "the report of the program that uses $name needs a network"
  else
    note "$name: works, and its report opens offline"
  fi
}

# works NAME CMAKE-ARGUMENT... : the program of that name can be configured, built and run.
works() {
  local name=$1
  configure "$@" && build "$name" consumer || consumer_fails "$name" "a program that uses the library by $name cannot be built"
  runs "$name" "$scratch/$name/consumer"
}

consume_installed() {
  works find_package -DTAPEGRAD_FROM=package -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_BUILD_TYPE=Release
  build find_package own && "$scratch/find_package/own" >>"$scratch/find_package.log" || consumer_fails find_package "what a user adds does not work"

  # A plain compiler, and a library that was moved after its installation.
  cp -r "$scratch/prefix" "$scratch/moved"
  local flags
  flags=$(PKG_CONFIG_PATH=$(dirname "$(find "$scratch/moved" -name tapegrad.pc)") pkg-config --cflags --libs tapegrad)
  [[ $flags != *"$scratch/prefix"* ]] || die "consume: tapegrad.pc of a moved library names the old place: $flags"
  # shellcheck disable=SC2086 # these are words
  g++ tests/consumer/main.cpp -o "$scratch/by_pkg_config" $flags 2>"$scratch/pkg-config.log" ||
    consumer_fails pkg-config "g++ with the flags of pkg-config fails: $flags"
  mv "$scratch/prefix" "$scratch/away"
  runs pkg-config "$scratch/by_pkg_config"
  mv "$scratch/away" "$scratch/prefix"

  (cd build/ci && cpack -G DEB -B "$scratch/deb") >"$scratch/deb.log" 2>&1 || consumer_fails deb "cpack -G DEB fails"
  dpkg -x "$scratch"/deb/*.deb "$scratch/root"
  works deb -DTAPEGRAD_FROM=package -DCMAKE_PREFIX_PATH="$scratch/root/usr" -DCMAKE_BUILD_TYPE=Release
}

# As part of the program's build: shared libraries, so that both are built once; they export nothing but tapegrad.
consume_subproject() {
  works add_subdirectory -DTAPEGRAD_FROM=subdirectory -DCMAKE_BUILD_TYPE=Debug -DBUILD_SHARED_LIBS=ON
  local library exported
  for library in core report; do
    exported=$(nm -D --defined-only "$scratch/add_subdirectory/tapegrad/libtapegrad_$library.so" | cut -d' ' -f3 |
      grep -v '^_Z[A-Z]*N[A-Z]*8tapegrad' | head -n 5 || true)
    [[ -z $exported ]] || die "consume: libtapegrad_$library.so exports what is not in tapegrad: $exported"
  done
  [[ -e $scratch/add_subdirectory/tapegrad/libtapegrad_core.so.0.2 ]] || die "consume: the shared library has no SOVERSION"
  note "shared libraries: export only what is in tapegrad"
  # A program that installs itself does not install the library of its sub-project.
  DESTDIR=$scratch/install cmake --install "$scratch/add_subdirectory" >/dev/null
  [[ ! -e $scratch/install ]] || die "consume: the program installs $(find "$scratch/install" -type f | head -n 1)"

  # It ends in the same add_subdirectory: what it compiles would be the same once more.
  configure FetchContent -DTAPEGRAD_FROM=fetchcontent -DCMAKE_BUILD_TYPE=Debug &&
    build FetchContent CMakeFiles/consumer.dir/main.cpp.o || consumer_fails FetchContent "FetchContent does not work"
  note "FetchContent: compiles"
}

# main_options NAME : the optimization that the program of $scratch/NAME would be compiled with.
main_options() {
  grep -o '"command": .*consumer/main.cpp' "$scratch/$1/compile_commands.json" | grep -o ' -O[0-9]\| -g\b\| -DNDEBUG' | tr -d '\n'
}

# Without a build type a sub-project chooses Release for everything and says so; one that was chosen is respected.
consume_build_types() {
  configure no_type -DTAPEGRAD_FROM=subdirectory || consumer_fails no_type "without a build type nothing can be configured"
  [[ $(main_options no_type) == ' -O3 -DNDEBUG' ]] || die "consume: without a build type main.cpp gets '$(main_options no_type)'"
  grep -q 'CMAKE_BUILD_TYPE was not set' "$scratch/no_type.log" || die "consume: nothing is said about a missing build type"
  [[ $(main_options FetchContent) == ' -g' ]] || die "consume: with Debug main.cpp gets '$(main_options FetchContent)'"
  ! grep -q 'CMAKE_BUILD_TYPE was not set' "$scratch/FetchContent.log" || die "consume: Debug counts as a missing build type"
  note "no build type: Release, and says so"
}

# The same program for another vector width than the installed library: refused by CMake where it sees the flags, and in any
# case by the linker.
consume_mismatch() {
  [[ $(uname -m) == x86_64 ]] || return 0
  local arguments=(-DTAPEGRAD_FROM=package -DCMAKE_PREFIX_PATH="$scratch/prefix" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS=-mavx)
  ! configure mismatch "${arguments[@]}" || die "consume: CMake does not see another memory layout than the library's"
  tr -s ' \n' ' ' <"$scratch/mismatch.log" | grep -q "compiled with no -march, where Eigen aligns memory to 16 bytes; the flags of this project (CMAKE_CXX_FLAGS: '-mavx') align it to 32" ||
    consumer_fails mismatch "CMake refuses another memory layout, but does not explain it"
  if configure mismatch "${arguments[@]}" -DTAPEGRAD_CHECK_ALIGNMENT=OFF && build mismatch consumer; then
    die "consume: a program with another memory layout than the library links"
  fi
  grep -q 'undefined reference to .*eigen_align_' "$scratch/mismatch.log" ||
    consumer_fails mismatch "a program with another memory layout fails, but not with an undefined eigen_align_ symbol"
  note "another memory layout: refused by CMake, and by the linker, $(grep -o 'eigen_align_[0-9]*' "$scratch/mismatch.log" | head -n 1)"
}

stage_consume() {
  heading "consume: the library in other people's programs"
  install_library
  consume_installed
  consume_subproject
  consume_build_types
  consume_mismatch
}

default_stages=(format ci mutants headers consume asan fuzz)  # 25 minutes on two idle cores without a compiler cache
long_stages=(clang playground libcxx native shared tsan tidy examples onnx docs mutation coverage)
stages=("$@")
((${#stages[@]})) || stages=("${default_stages[@]}")
[[ ${stages[*]} != all ]] || stages=("${default_stages[@]}" "${long_stages[@]}")
for stage in "${stages[@]}"; do
  [[ $(type -t "stage_$stage") == function ]] ||
    die "no stage named '$stage'; there are: ${default_stages[*]} ${long_stages[*]}, and all of them: all"
done

install_missing "${build_packages[@]}" "${data_packages[@]}" "${check_packages[@]}"
install_optional "${report_check_commands[@]}"
times=()
for stage in "${stages[@]}"; do
  begin=$SECONDS
  "stage_$stage"
  times+=("$(printf '%-10s %5d s' "$stage" $((SECONDS - begin)))")
done
heading "Passed"
note "${times[@]}" "$(printf '%-10s %5d s' together "$SECONDS")"
