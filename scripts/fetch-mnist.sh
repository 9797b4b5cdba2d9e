#!/usr/bin/env bash
# Fetches the handwritten digits of MNIST (11 MB) and checks them:
#   scripts/fetch-mnist.sh [DIR]     DIR is data/mnist unless given; then: mnist --data DIR
# Files that are there and whole are kept. MNIST_MIRROR=URL takes them from another place.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[[ $# -le 1 && ${1:-} != -* ]] || die "usage: ${0##*/} [DIR]"
directory=${1:-$root/data/mnist}
mirror=${MNIST_MIRROR:-https://storage.googleapis.com/cvdf-datasets/mnist}

# SHA-256 of the unpacked files: the same however a mirror has compressed them.
files=(
  ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db train-images-idx3-ubyte
  65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5 train-labels-idx1-ubyte
  0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7 t10k-images-idx3-ubyte
  ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2 t10k-labels-idx1-ubyte
)

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }

# whole FILE SUM : FILE is there, unpacks, and is the right one.
whole() {
  local sum
  [[ -f $1 ]] && sum=$(gzip -dc "$1" 2>/dev/null | sha256) && [[ ${sum%% *} == "$2" ]]
}

download() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --output "$2" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --tries=3 --timeout=20 --output-document="$2" "$1"
  else
    die "neither curl nor wget is installed"
  fi
}

mkdir -p "$directory" || die "cannot make the folder $directory"
temporary=
trap '[[ -z $temporary ]] || rm -f "$temporary"' EXIT
trap 'exit 130' INT TERM

for ((i = 0; i < ${#files[@]}; i += 2)); do
  sum=${files[i]} name=${files[i + 1]}.gz
  target=$directory/$name
  if whole "$target" "$sum"; then
    note "$name: already there"
    continue
  fi
  temporary=$(mktemp "$directory/.$name.XXXXXX") || die "cannot write into $directory"
  download "$mirror/$name" "$temporary" || die "could not fetch $mirror/$name"
  whole "$temporary" "$sum" || die "$mirror/$name is not the MNIST file: its checksum differs; nothing was changed"
  chmod 644 "$temporary"
  mv -f "$temporary" "$target"
  temporary=
  note "$name: fetched, checksum right"
done
note "MNIST is in $directory"
