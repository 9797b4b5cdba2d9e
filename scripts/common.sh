# Shared by the scripts beside it: source it, do not run it.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=${JOBS:-$(nproc)}

build_packages=(g++ cmake ninja-build libeigen3-dev libfmt-dev zlib1g-dev doctest-dev librapidcheck-dev nlohmann-json3-dev
  libcli11-dev)
data_packages=(dataset-fashion-mnist)
check_packages=(clang libclang-rt-dev clang-format libopenblas-dev libdnnl-dev pkg-config libc++-14-dev libc++abi-14-dev)
report_commands=(npm)                # without it a report loads its scripts from a CDN
report_check_commands=(npm chromium)  # without them reports are not tested in a browser

# Some kernels place memory where older sanitizers do not expect it; a fixed address space avoids that.
fixed_addresses=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses=(setarch "$(uname -m)" -R); fi

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

heading() { printf '\n%s== %s ==%s\n\n' "$bold" "$1" "$plain"; }
note() { printf '   %s\n' "$@"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

# install_missing PACKAGE... : installs those Debian packages that are not there yet.
install_missing() {
  local package missing=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    note "No apt here: make sure that these (or what your system calls them) are installed:" "$*" >&2
    return 0
  fi
  for package in "$@"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local as_root=(env DEBIAN_FRONTEND=noninteractive)
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "these packages are missing, and there is neither root nor sudo to install them: ${missing[*]}
as root: apt-get update && apt-get install ${missing[*]}"
    as_root=(sudo "${as_root[@]}")
  fi
  heading "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q || note "apt-get update failed; trying with the lists that are there" >&2
  "${as_root[@]}" apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" ||
    die "apt-get could not install: ${missing[*]}"
}

# install_optional COMMAND... : installs the Debian packages of the same name where there is no such command; goes on
# without them where that does not work.
install_optional() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || (install_missing "$command") || note "going on without $command" >&2
  done
}

# build_preset PRESET [TARGET...] : configures and builds it in build/PRESET.
build_preset() {
  local preset=$1 targets=()
  shift
  (($# == 0)) || targets=(--target "$@")
  (cd "$root" && cmake --preset "$preset" && cmake --build --preset "$preset" --parallel "$jobs" "${targets[@]}")
}
