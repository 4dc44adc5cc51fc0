#!/bin/sh
# Compiles a C++ program with the emulation of CUDA and runs it:
#
#   Tools/gpu/emulate.sh check.cpp [arguments]
#
# The program includes a file of kernels and launches them on ordinary memory:
#
#   #include "norms.cu"
#   int main() { LAUNCH(layer_norm, rows, 256, 0, input, output, width, 1e-5f); }
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
program=$1
shift
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
${CXX:-clang++} -std=c++17 -O1 -g -Wall -Wno-unused-function -Wno-unused-variable -pthread -DNANO_CUDA_EMULATION \
  -I "$root/Sources/CUDAEmulation/include" -I "$root/Sources/CUDA/Kernels" -I "$(dirname "$program")" \
  "$program" "$root"/Sources/CUDAEmulation/fiber.cpp "$root"/Sources/CUDAEmulation/block.cpp \
  "$root"/Sources/CUDAEmulation/warp.cpp "$root"/Sources/CUDAEmulation/grid.cpp -o "$build/program"
"$build/program" "$@"
