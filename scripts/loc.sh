#!/usr/bin/env bash
# Size: lines of code by folder, and what is too long.
#   scripts/loc.sh            prints them
#   scripts/loc.sh --check    and fails where a limit is exceeded
# A line of code is a line with something on it besides comments and blanks. A function counts from its first line to its
# closing brace, with all that is inside.
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/checks/loc.py" "$@"
