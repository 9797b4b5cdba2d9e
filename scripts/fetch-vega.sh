#!/usr/bin/env bash
# Fetches the scripts that draw a report's charts, at the versions that inspect/report/package-lock.json pins:
#   scripts/fetch-vega.sh DIR    DIR then holds vega.min.js, vega-lite.min.js and vega-embed.min.js
# Nothing that the packages bring is run. The build does this by itself where npm is installed; a report that finds
# no scripts loads the same ones from a CDN.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[[ $# == 1 && $1 != -* ]] || die "usage: ${0##*/} DIR"
command -v npm >/dev/null || die "npm is not installed: reports will load their scripts from a CDN"
mkdir -p "$1"
directory=$(cd "$1" && pwd)

temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
cp "$root"/inspect/report/package.json "$root"/inspect/report/package-lock.json "$temporary"
(cd "$temporary" && npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-timeout=20000 \
  --loglevel=error >npm.log 2>&1) || {
  tail -n 5 "$temporary/npm.log" >&2
  die "npm could not fetch the scripts: reports will load them from a CDN. To try again: $0 $directory"
}
for package in vega vega-lite vega-embed; do
  cp "$temporary/node_modules/$package/build/$package.min.js" "$directory/.$package.part"
  mv -f "$directory/.$package.part" "$directory/$package.min.js"
done
