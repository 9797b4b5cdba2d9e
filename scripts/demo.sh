#!/usr/bin/env bash
# From a fresh machine to trained networks and a look inside them: installs what is missing, builds, runs the examples.
#   scripts/demo.sh              XOR, then Fashion-MNIST from its Debian package
#   scripts/demo.sh --data DIR   further arguments go to the example mnist
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
[[ " $*" == *" --epochs"* ]] || set -- --epochs 3 "$@"

install_missing "${build_packages[@]}" "${data_packages[@]}"
install_optional "${report_commands[@]}"

heading "Building for this machine (build/native)"
build_preset native examples

heading "1. A tape: one expression, its nodes, their values and gradients"
note "Every line is an operation in the order it was computed; the gradients were filled from the last to the first."
echo
build/native/examples/tape

heading "2. XOR: the smallest problem that needs a hidden layer"
note "The loss over the steps, the truth table with the network's answers, the gradient in each layer."
echo
build/native/examples/xor

heading "3. Fashion-MNIST: 60,000 images of clothes, ten kinds"
note "Progress per epoch, then which kinds are taken for which, and a few images it gets wrong. Ctrl-C ends early."
echo
build/native/examples/mnist "$@"

reports=build/reports
mkdir -p "$reports"

heading "4. Seeing inside: a sigmoid network saturates while its tanh and ReLU twins learn"
note "Four hidden layers each, the same start and the same batches. Watch the last sigmoid layer fall to 0."
echo
build/native/examples/saturation --report "$reports/saturation.html"

heading "5. Seeing inside: units that die when the learning rate is too high"
note "How many units are off on all training images, and which update killed the first of them."
echo
build/native/examples/dead_relu --lr 0.1,0.5 --activation relu,leaky_relu,swish --steps 1000 \
  --report "$reports/dead_relu.html"

heading "What next"
note "$reports/saturation.html                     open in a browser: activations, gradients, layer by layer" \
  "$reports/dead_relu.html                      the life of every unit" \
  "build/native/examples/xor --activation identity    a linear network cannot solve it" \
  "build/native/examples/xor --seeds 100              how often it works, and why it fails when it does" \
  "build/native/examples/mnist --help                 all the knobs" \
  "scripts/fetch-mnist.sh data/mnist                  fetches the handwritten digits, for mnist --data data/mnist" \
  "scripts/test.sh                                    runs all tests"
