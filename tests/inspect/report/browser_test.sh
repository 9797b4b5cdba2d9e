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

# look PAGE THEME [WIDTH] : the page as the browser has drawn it, with what probe.js saw; its console goes to PAGE.console.
look() {
  rm -rf "$scratch/profile"
  timeout 240 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage \
    --user-data-dir="$scratch/profile" --host-resolver-rules="MAP * ~NOTFOUND" --window-size="${3:-1280},900" \
    --virtual-time-budget=60000 --enable-logging=stderr --dump-dom "file://$1#$2" >"$1.dom" 2>"$1.log" ||
    fail "the browser did not open $1: $(tail -n 3 "$1.log")"
  grep CONSOLE "$1.log" >"$1.console" || true
}

# with_probe PAGE : adds probe.js at its end.
with_probe() {
  { grep -v '^</body>$\|^</html>$' "$1"; echo '<script>'; cat "$here/probe.js"; echo '</script></body></html>'; } >"$1.probed"
  mv "$1.probed" "$1"
}

# judge PAGE.dom RUNS : what is wrong with what was seen, one line each.
judge() {
  local seen charts
  seen=$(sed -n '/<pre id="probe">/,/<\/pre>/p' "$1" | sed 's/<[^>]*>//g')
  charts=$(sed -n 's/^names .* of //p' <<<"$seen")
  local wanted=("requests 0" "problems 0" "names $charts of $charts" "symbols 0" "heads without scope 0" "legends BCDEFGHIJKL"
    "empty keys 0" "stops $charts of $charts" "mute 0 of $charts" "menu Save as SVG" "lines can be switched off" "too wide by 0"
    "button in sight" "unhinted 0")
  for line in "${wanted[@]}"; do
    grep -qFx "$line" <<<"$seen" || echo "not '$line' but '$(grep "^${line%% *}" <<<"$seen")'"
  done
  for figure in B C D E F G H I J K L; do
    # Every chart has marks in it, not only every figure.
    grep -q "^figure $figure: [1-9][0-9]* charts, at least [1-9]" <<<"$seen" || echo "figure $figure has a chart without marks"
  done
}

for runs in one twins; do
  page=$scratch/$runs.html
  TAPEGRAD_VEGA_DIR=$vega "$make_report" $runs "$page"
  with_probe "$page"
  for view in "light 1280" "dark 1280" "light 400"; do
    read -r theme width <<<"$view"
    look "$page" "$theme" "$width"
    [[ ! -s $page.console ]] || fail "$runs, $view: the console says: $(cat "$page.console")"
    grep -q "^theme $theme$" "$page.dom" || fail "$runs, $view: the page is not drawn in $theme"
    wrong=$(judge "$page.dom")
    [[ -z $wrong ]] || fail "$runs, $view: $wrong"
    echo "$runs, $view: 11 figures drawn and named, with legends, read with the keyboard; no request, nothing on the console"
  done
done

# The judge can say no: pages that are wrong in one way each.
for fault in 's/"description":/"lost":/g' 's/ scope="col"//g' 's/class="legend"/class="lost"/' 's/chart.onkeydown/chart.lost/' \
  's/"aria-hidden"/"aria-lost"/' 's/nav button { flex: none;/nav button { margin-left: 2000px;/'; do
  sed "$fault" "$scratch/one.html" >"$scratch/wrong.html"
  look "$scratch/wrong.html" light
  [[ -n $(judge "$scratch/wrong.html.dom") ]] || fail "a page with $fault passes"
  echo "wrong on purpose, $fault: $(judge "$scratch/wrong.html.dom" | head -n 1 | cut -c 1-90)"
done

# Without the scripts and without a network the page says so.
page=$scratch/linked.html
TAPEGRAD_VEGA_DIR=$scratch/nowhere "$make_report" one "$page"
look "$page" light
grep -q '<p class="notice" id="missing">' "$page.dom" || fail "a page without its scripts does not say so"
echo "linked, offline: the page says that its charts cannot be drawn"
