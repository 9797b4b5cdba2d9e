#!/usr/bin/env bash
# Builds the playground: the library compiled to WebAssembly and a page that trains with it, in one HTML file that opens offline.
#   scripts/playground.sh           installs what is missing, builds, and says where the page is
#   scripts/playground.sh --test    tests it, too, in headless Chromium, and holds its C++ programs against it
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

[[ $# == 0 || $* == --test ]] || die "usage: ${0##*/} [--test]"
page=$root/build/playground.html

install_missing emscripten cmake ninja-build libeigen3-dev libfmt-dev
install_optional npm
command -v em++ >/dev/null || die "em++ is not there: install Emscripten"
command -v npm >/dev/null || die "npm is not there: the page is bundled with it"

heading "The library, compiled to WebAssembly"
build_preset wasm

heading "The page"
# --ignore-scripts: nothing that the packages bring is run by npm; esbuild comes as a program in its package.
[[ playground/node_modules/.package-lock.json -nt playground/package-lock.json ]] ||
  (cd playground && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
  die "npm could not fetch what playground/package-lock.json names"
(cd playground && node_modules/.bin/tsc --noEmit && node build.mjs ../build/wasm/playground/tapegrad_playground "$page")

if [[ ${1:-} == --test ]]; then
  install_optional chromium
  command -v chromium >/dev/null || die "chromium is not there: the page cannot be tested"
  heading "The page in Chromium, and its programs in C++"
  build_preset ci tapegrad_core
  node tests/playground/page_test.mjs "$page"
fi
heading "Open it with a browser: $page"
