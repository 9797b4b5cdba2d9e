#!/usr/bin/env bash
# Builds the reference of all public names into build/docs, with the pages of this repository and tables of what is registered
# (activations, ops, layers, findings …). Installs what is missing; a warning of Doxygen is an error. Open build/docs/index.html.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

install_missing "${build_packages[@]}" doxygen
build_preset ci tapegrad_core tapegrad_report
mkdir -p build/docs

g++ -std=c++20 -Ibuild/ci/include -isystem /usr/include/eigen3 tests/reference_tables.cpp -o build/docs/reference_tables \
  build/ci/libtapegrad_report.a build/ci/libtapegrad_core.a -lfmt -lz
build/docs/reference_tables >build/docs/registered.md

# Public is what <tapegrad/tapegrad.h> includes, directly or through others; the kernels are installed, but internal.
mapfile -t headers < <(printf '#include <tapegrad/tapegrad.h>\n' |
  g++ -std=c++20 -x c++ -MM -Ibuild/ci/include -isystem /usr/include/eigen3 - |
  grep -o 'build/ci/include/tapegrad/[^ ]*\.h' | grep -v '/core/kernels/' | sort -u)
version=$(sed -n 's/#define TAPEGRAD_VERSION "\(.*\)"/\1/p' build/ci/include/tapegrad/version.h)
{
  cat docs/Doxyfile
  printf 'PROJECT_NUMBER = %s\n' "$version"
  printf 'INPUT = %s\n' "README.md CONTRIBUTING.md CHANGELOG.md build/docs/registered.md docs ${headers[*]}"
} | doxygen -
note "the reference of ${#headers[@]} headers: build/docs/index.html"
