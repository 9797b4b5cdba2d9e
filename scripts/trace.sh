#!/usr/bin/env bash
# The functions that one training step of the README program enters, by file: what a reader of one step has to read.
#   scripts/trace.sh [--list]   counts them, and lists them
# Counted are definitions in core, layers and optim, kernels included, each once whatever its template arguments are; a
# lambda belongs to its function. Built without optimization, or nothing that is inlined would be seen.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir -p "$dir/include/tapegrad"
ln -s "$PWD"/{core,layers,optim,io,inspect,tapegrad.h} "$dir/include/tapegrad"
cat > "$dir/program.cpp" << 'END'
#include <cstdio>
#include "tapegrad/core/losses.h"
#include "tapegrad/layers/mlp.h"
#include "tapegrad/optim/optimizers.h"

bool tracing = false;
extern "C" [[gnu::no_instrument_function]] void __cyg_profile_func_enter(void* function, void*) {
  if (tracing) std::printf("%p\n", function);
}
extern "C" [[gnu::no_instrument_function]] void __cyg_profile_func_exit(void*, void*) {}
[[gnu::no_instrument_function]] int main() {
  namespace tg = tapegrad;
  tg::Rng rng(42);
  tg::Sequential net{tg::Linear(2, 8, rng), tg::Tanh(), tg::Linear(8, 1, rng)};
  tg::Adam adam(net.parameters(), {.lr = 0.05});
  const tg::Matrix x = tg::Matrix::Random(4, 2), y = tg::Matrix::Ones(4, 1);
  tg::Tape tape;
  for (int step = 0; step < 3; ++step) {
    tracing = step == 2;
    tape.reset();
    tg::Var loss = tg::bce_with_logits(net(tape.input(x)), y);
    loss.backward();
    adam.step();
    tracing = false;
  }
}
END
printf '%s\n' "$dir/program.cpp" core/*.cpp core/kernels/*.cpp layers/*.cpp optim/*.cpp |
  xargs -P "$(nproc)" -I{} sh -c '${CXX:-g++} -std=c++20 -O0 -g -march=native -w -fno-pie -finstrument-functions \
    -finstrument-functions-exclude-file-list=/usr/ -I"$0/include" $(pkg-config --cflags eigen3) \
    -c {} -o "$0/$(echo {} | tr / _).o"' "$dir"
${CXX:-g++} -no-pie "$dir"/*.o -lfmt -lz -lpthread -o "$dir/program"
"$dir/program" | sort -u | addr2line -Cfe "$dir/program" | paste - - | python3 -c '
import re, sys
functions = {}
for line in sys.stdin:
    name, place = line.rstrip("\n").split("\t")
    path = re.search(r"\b((core|layers|optim)/[\w/]+\.\w+):", place)
    if not path or name.startswith("_Z"): continue  # some lambdas have no readable name
    name = re.sub(r"operator(<=>|[<>]=?)", lambda match: "operator" + match[1].translate({60: "{", 62: "}"}), name)
    name = re.sub(r"\(anonymous namespace\)::|decltype\(auto\) ", "", name)
    while re.search(r"<[^<>]*>", name): name = re.sub(r"<[^<>]*>", "", name)
    name = re.sub(r"\[clone.*|::\{lambda.*|\(.*", "", name).strip().split(" ")[-1]
    name = re.sub(r".*eigen_align_\d+::", "", name).translate({123: "<", 125: ">"})
    functions.setdefault(path[1], set()).add(name)
for path, names in sorted(functions.items(), key=lambda each: -len(each[1])):
    print(f"{len(names):4}  {path}", *(sorted(names) if "--list" in sys.argv else []), sep="\n        ")
for part, chosen in [("", ""), ("of them kernels: ", "kernels/")]:
    counts = [len(names) for path, names in functions.items() if chosen in path]
    print(f"{part}{sum(counts)} functions in {len(counts)} files")' "$@"
