#!/bin/bash
# Checks bench-cli on a machine with a GPU, in about five minutes: values against the CPU's, speed beside PyTorch's, memory
# errors, and a training run.
#
#   Tools/gpu/check.sh RESULTS [BENCH_CLI]         on a GPU; BENCH_CLI by default run.sh, beside this script in an archive
#   Tools/gpu/check.sh --quick RESULTS BENCH_CLI   the smallest sizes, for the emulated GPU:
#
#   swift build -c release && NANO_CUDA_LIBRARIES=$PWD/.build/release/libCUDAEmulation.so \
#     Tools/gpu/check.sh --quick /tmp/check .build/release/bench-cli
#
# STORIES names a folder of TinyStories for the training run; without it the built-in corpus is used.
set -u
here=$(cd "$(dirname "$0")" && pwd)
quick=0
[ "${1:-}" = --quick ] && { quick=1; shift; }
results=${1:?the folder for results}
program=${2:-$here/run.sh}
mkdir -p "$results"
failures=0
start=$SECONDS

# Runs a command for so many seconds at most; its output goes to a file of the results.
check() {
  local seconds=$1 name=$2
  shift 2
  echo "[$((SECONDS - start)) s] $name"
  if ! timeout "$seconds" "$@" >>"$results/$name.log" 2>&1; then
    echo "FAILED: $*"
    failures=$((failures + 1))
  fi
}

if [ $quick = 1 ]; then
  check 600 values "$program" bench device --steps 4 --batch 2 --device cuda
  check 300 speed "$program" bench step --preset stories --device cuda --json --model nanokimik2 --size 0.3M \
    --context 32 --batch 4 --vocab 400 --precision bf16 --steps 2
  check 600 training "$program" compare --iterations 4 --eval-interval 2 --eval-iters 1 --models nanogpt --embd 16 \
    --layers 1 --batch 2 --precision bf16 --device cuda --out "$results/run"
else
  check 90 values "$program" bench device --steps 200 --precision fp32 --device cuda
  check 60 values "$program" bench device --steps 60 --size 3M --precision bf16 --device cuda
  step=(bench step --preset stories --device cuda --json)
  for precision in bf16 fp32; do
    for model in nanogpt nanokimik2; do
      for size in 10M 30M; do
        for context in 256 1024; do
          check 30 speed "$program" "${step[@]}" --model $model --size $size --context $context \
            --precision $precision --steps 30
        done
      done
    done
    for context in 256 1024; do
      check 40 speed "$program" "${step[@]}" --model nanogpt --size 10M --embd 768 --layers 12 --heads 12 \
        --vocab 50257 --context $context --precision $precision --steps 20
    done
    for model in nanogpt nanokimi; do
      check 20 speed "$program" bench step --model $model --precision $precision --steps 300 --device cuda --json
    done
  done
  if python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
    check 90 pytorch python3 "$here/torch_steps.py" --batches 16x256,16x1024 --modes eager --steps 15 --warmup 5 \
      --budget 80
  fi
  if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
      LD_LIBRARY_PATH=$here/lib check 120 sanitizer compute-sanitizer --error-exitcode 1 --tool $tool \
        "$here/bench-cli" bench device --steps 3 --batch 2 --device cuda
    done
  fi
  check 200 training "$program" compare --preset stories --size 30M ${STORIES:+--data "$STORIES"} --vocab 4096 \
    --context 256 --batch 64 --iterations 3000 --eval-interval 500 --models nanokimik2,nanogpt --precision bf16 \
    --device cuda --out "$results/run"
fi
grep -h '^[[{].*tokensPerSecond\|^{.*"mode"' "$results"/speed.log "$results"/pytorch.log 2>/dev/null
[ $failures = 0 ] && echo "All of it passed; see $results." || echo "$failures of it failed; see $results."
exit $((failures > 0))
