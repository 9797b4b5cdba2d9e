#!/usr/bin/env bash
# Opens reports in a headless Chromium and looks at what it drew:
#   browser_test.sh MAKE_REPORT VEGA-DIR    the program tests/inspect/report/make_report.cpp, the scripts of the charts
# Leaves with 77 (skipped) where Chromium or the scripts are missing.
set -euo pipefail

make_report=$1 vega=$2
skip() { echo "skipped: $1"; exit 77; }
fail() { echo "FAILED: $1" >&2; exit 1; }

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
  skip "Chromium is not installed (Debian: apt-get install chromium)"
[[ -x $make_report ]] || skip "$make_report was not built"
for script in vega vega-lite vega-embed; do
  [[ -f $vega/$script.min.js ]] || skip "$vega/$script.min.js is not there (scripts/fetch-vega.sh makes it)"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# look PAGE THEME : the page as the browser has drawn it, with what probe.js saw; its console goes to PAGE.console.
look() {
  rm -rf "$scratch/profile"
  timeout 240 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage \
    --user-data-dir="$scratch/profile" --host-resolver-rules="MAP * ~NOTFOUND" --window-size=1280,900 \
    --virtual-time-budget=60000 --enable-logging=stderr --dump-dom "file://$1#$2" >"$1.dom" 2>"$1.log" ||
    fail "the browser did not open $1: $(tail -n 3 "$1.log")"
  grep CONSOLE "$1.log" >"$1.console" || true
}

# with_probe PAGE : adds probe.js at its end.
with_probe() {
  { grep -v '^</body>$\|^</html>$' "$1"; echo '<script>'; cat "$here/probe.js"; echo '</script></body></html>'; } >"$1.probed"
  mv "$1.probed" "$1"
}

for runs in one twins; do
  page=$scratch/$runs.html
  TAPEGRAD_VEGA_DIR=$vega "$make_report" $runs "$page"
  with_probe "$page"
  for theme in light dark; do
    look "$page" $theme
    [[ ! -s $page.console ]] || fail "$runs, $theme: the console says: $(cat "$page.console")"
    seen=$(sed -n '/<pre id="probe">/,/<\/pre>/p' "$page.dom" | sed 's/<[^>]*>//g')
    [[ $seen == *"theme $theme"* ]] || fail "$runs: the page is not drawn in $theme: $seen"
    [[ $seen == *"requests 0"* ]] || fail "$runs, $theme: the page asked for something: $seen"
    [[ $seen == *"problems 0"* ]] || fail "$runs, $theme: a figure could not be drawn: $seen"
    for figure in B C D E F G H I J K L; do
      # Every chart has marks in it, not only every figure.
      grep -q "^figure $figure: [1-9][0-9]* charts, at least [1-9]" <<<"$seen" ||
        fail "$runs, $theme: figure $figure has a chart without marks: $seen"
    done
    echo "$runs, $theme: $(grep -c '^figure' <<<"$seen") figures drawn, no request, nothing on the console"
  done
done

# Without the scripts and without a network the page says so.
page=$scratch/linked.html
TAPEGRAD_VEGA_DIR=$scratch/nowhere "$make_report" one "$page"
look "$page" light
grep -q '<p class="notice" id="missing">' "$page.dom" || fail "a page without its scripts does not say so"
echo "linked, offline: the page says that its charts cannot be drawn"
