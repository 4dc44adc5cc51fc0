#!/bin/sh
# Compiles a C++ program with the emulation of CUDA and runs it, or leaves it at OUTPUT:
#
#   Tools/gpu/emulate.sh check.cpp [arguments]
#   Tools/gpu/emulate.sh --output OUTPUT check.cpp
#
# The program includes a file of kernels and launches them on ordinary memory:
#
#   #include "norms.cu"
#   int main() { LAUNCH(layer_norm, rows, 256, 0, input, output, width, 1e-5f); }
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
output=
if [ "$1" = --output ]; then
  output=$2
  shift 2
fi
program=$1
shift
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
emulation=$root/Sources/CUDAEmulation
${CXX:-clang++} -std=c++17 -O1 -g -Wall -Wno-unused-function -Wno-unused-variable -pthread -DNANO_CUDA_EMULATION \
  -I "$emulation/include" -I "$root/Sources/CUDA/Kernels" -I "$(dirname "$program")" \
  "$program" "$emulation/fiber.cpp" "$emulation/block.cpp" "$emulation/warp.cpp" "$emulation/grid.cpp" \
  -o "${output:-$build/program}"
[ -n "$output" ] || "$build/program" "$@"
