#!/usr/bin/env bash
# Runs models of tests/onnx/models.cpp with ONNX Runtime, which npm fetches once, without running any script of the package:
#   run.sh ONNX_MODELS FOLDER    the program, and where the runtime is kept (150 MB)
# Exits with 77, which counts as skipped, where Node or npm is missing or the runtime cannot be fetched.
set -euo pipefail
version=1.30.0
not_tested() { echo "exported models were NOT run: $1" >&2; exit 77; }

here=$(cd "$(dirname "$0")" && pwd)
for tool in node npm; do command -v "$tool" >/dev/null || not_tested "$tool is not installed (Debian: nodejs, npm)"; done
mkdir -p "$2"
cd "$2"
if [[ ! -f node_modules/onnxruntime-web/package.json ]]; then
  echo '{"private": true}' >package.json
  npm install --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=60000 --loglevel=error \
    "onnxruntime-web@$version" >npm.log 2>&1 || not_tested "npm could not fetch onnxruntime-web@$version: $(tail -n 1 npm.log)"
fi
models=$(mktemp -d)
trap 'rm -rf "$models"' EXIT
"$1" "$models"
node "$here/compare.mjs" "$models"
