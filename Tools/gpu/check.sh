#!/bin/bash
# Checks bench-cli on a machine with a GPU, part by part: the results tell what each one said, as soon as it has ended.
#
#   Tools/gpu/check.sh [--quick] [--bench BENCH_CLI] RESULTS PART[=SECONDS]...
#
# Parts joined by + run at once, which is for what is not timed. Each ends after its seconds at the latest:
#
#   values-fp32 values-bf16   every model's loss, gradients and 200 steps beside the CPU's
#   values-split              the same of fp32-split, at a size whose products are split
#   determinism               two equal runs give equal files
#   resume                    runs of both studies, begun on the CPU, go on on the GPU and end on the CPU
#   memcheck racecheck-fp32   compute-sanitizer on one step of each model
#   racecheck-bf16            the same of one family of kernels after the other
#   speed-bf16 speed-fp32 speed-split   a step's time and memory, at 10M, 30M and 124M
#   torch-bf16 torch-fp32     the same of PyTorch, eager
#   torch-compile             GPT-2's and NanoKimiK2's step by torch.compile
#   profile                   where a GPT-2 step goes, kernel by kernel
#   study                     the 30M study, seed by seed, until its seconds are used
#
# RESULTS gets check.log and results.tar.gz: logs, and of runs their results, curves, pictures and samples. BENCH_CLI is by
# default run.sh, beside this script in an archive of pack.sh. STORIES names a folder of TinyStories; by default the
# archive's, else the built-in corpus. --quick takes the smallest sizes, for the emulated GPU:
#
#   swift build -c release && NANO_CUDA_LIBRARIES=$PWD/.build/release/libCUDAEmulation.so \
#     Tools/gpu/check.sh --quick --bench .build/release/bench-cli /tmp/check values-bf16 determinism resume
set -u
here=$(cd "$(dirname "$0")" && pwd)
quick=
program=$here/run.sh
# Set where this script runs itself for one part.
part=${CHECK_PART:-}
while :; do
  case ${1:-} in
    --quick) quick=1 && shift ;;
    --bench) program=$(realpath "$2") && shift 2 ;;
    *) break ;;
  esac
done
results=${1:?the folder for results}
shift
mkdir -p "$results"
results=$(cd "$results" && pwd)
work=${CHECK_WORK:-$(mktemp -d)}
if [ -z "${STORIES:-}" ] && [ -d "$here/data/tinystories" ]; then STORIES=$here/data/tinystories; fi
start=$SECONDS

say() { echo "[$((SECONDS - start)) s] $*" | tee -a "$results/check.log"; }

# Writes what there is so far, without weights.
keep() {
  tar -C "$work" --exclude='*.safetensors' --exclude=checkpoints -czf "$work.tar.gz" . 2>/dev/null
  mv "$work.tar.gz" "$results/results.tar.gz"
}

# The arguments after the quick ones and --, or only the quick ones.
sized() {
  local quick_ones=()
  while [ "$1" != -- ]; do quick_ones+=("$1") && shift; done
  shift
  if [ -n "$quick" ]; then arguments=("${quick_ones[@]}"); else arguments=("$@"); fi
}

# MARK: Parts, each in a shell and a folder of its own

values() {
  sized --steps 4 --batch 2 -- --steps 200
  "$program" bench device --precision "$1" --device cuda "${arguments[@]}"
}
part_values-fp32() { values fp32; }
part_values-bf16() { values bf16; }
part_values-split() {
  local model
  sized --size 0.3M --steps 2 --batch 2 --context 32 -- --size 30M --steps 5 --batch 16 --context 256
  for model in nanogpt2 nanokimik2; do
    "$program" bench device --precision fp32-split --device cuda --model $model "${arguments[@]}" || return
  done
}

characters=(compare --quiet --json --embd 32 --layers 2 --heads 2 --context 32 --batch 8 --eval-interval 10 --eval-iters 2)
stories=(compare --quiet --json --preset stories --size 0.3M --vocab 400 --context 64 --batch 8 --eval-interval 10
  --models nanokimik2,nanogpt)

part_determinism() {
  local run
  sized --iterations 2 --models nanogpt -- --iterations 20
  for run in 1 2; do
    "$program" "${characters[@]}" "${arguments[@]}" --device cuda --out "characters-$run" >"characters-$run.json" || return
    [ -z "$quick" ] || continue  # a full pass over stories takes long without a GPU
    "$program" "${stories[@]}" --size 3M --context 256 --batch 16 --iterations 60 --eval-interval 30 --precision bf16 \
      ${STORIES:+--data "$STORIES"} --device cuda --out "stories-$run" >"stories-$run.json" || return
  done
  local file differences=0
  for file in *-1/*/model.safetensors; do
    if cmp "$file" "${file/-1/-2}"; then echo "$file: the same bits"; else differences=1; fi
  done
  return $differences
}

# Runs of a study that go on twice: on the devices named.
leg() {
  local name=$1 iterations=10 device
  shift
  for device; do
    if [ -d "$name" ]; then
      "$program" compare --quiet --json --resume "$name" --iterations $iterations --device "$device" >"$name.json" || return
    else
      "$program" "${study[@]}" --iterations $iterations --device "$device" --out "$name" >"$name.json" || return
    fi
    iterations=$((iterations + 10))
  done
}

part_resume() {
  local study=("${characters[@]}")
  leg characters-cpu cpu cpu cpu && leg characters-mixed cpu cuda cpu || return
  if [ -z "$quick" ]; then
    study=("${stories[@]}")
    leg stories-cpu cpu cpu cpu && leg stories-mixed cpu cuda cpu || return
  fi
  python3 - <<'PYTHON'
import json, os, sys
worst = 0
for study in ("characters", "stories"):
    if not os.path.exists(f"{study}-cpu.json"):
        continue
    host, mixed = (json.load(open(f"{study}-{way}.json"))["models"] for way in ("cpu", "mixed"))
    for left, right in zip(host, mixed):
        losses = left["finalValidationLoss"], right["finalValidationLoss"]
        print(f"{study} {left['name']}: {losses[0]:.6f} on the CPU, {losses[1]:.6f} with a leg on the GPU")
        worst = max(worst, abs(losses[0] - losses[1]))
sys.exit(worst > 0.01)
PYTHON
}

# One step of a model under a tool of compute-sanitizer: TOOL MODEL PRECISION [OPTION of the tool]... Only at a large size
# has fp32-split products to split.
sanitized_step() {
  local size=(--batch 16 --context 16) filter=("${@:4}") name
  # Products of NVIDIA's library are left out: they are not ours, and slow.
  if [ $# = 3 ] && compute-sanitizer --help | grep -q kernel-name-exclude; then
    for name in cutlass gemm nvjet cublas splitK; do filter+=(--kernel-name-exclude "kernel_substring=$name"); done
  fi
  [ "$3" = fp32-split ] && size=(--batch 16 --context 256 --size 30M)
  LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} timeout 60 compute-sanitizer --error-exitcode 9 \
    --tool "$1" "${filter[@]}" "$here/bench-cli" bench device --device cuda --steps 1 "${size[@]}" \
    --model "$2" --precision "$3" 2>&1 | tail -n 40
  return "${PIPESTATUS[0]}"
}

# Several at once: a line "LABEL: status" each, and the words of those that failed.
sanitize_all() {
  local label words status pid failed=0 pids=() labels=("$@")
  for label; do
    read -r -a words <<<"$label"
    sanitized_step "${words[@]}" >"${label//[^a-z0-9]/_}.log" &
    pids+=($!)
  done
  for label in "${labels[@]}"; do
    pid=${pids[0]} pids=("${pids[@]:1}")
    wait "$pid"
    status=$?
    echo "$label: status $status; $(grep -h SUMMARY "${label//[^a-z0-9]/_}.log")"
    [ $status = 0 ] && continue
    failed=1
    cat "${label//[^a-z0-9]/_}.log"
  done
  return $failed
}

# The option that names the only kernels to instrument, by a part of their names.
only() {
  if compute-sanitizer --help | grep -q -e --kernel-name; then
    echo "--kernel-name kernel_substring="
  else
    echo "--kernel-regex kns="
  fi
}

part_memcheck() {
  sanitize_all "memcheck nanokimik2 bf16" "memcheck nanogpt2 bf16" "memcheck nanokimi bf16" "memcheck nanogpt bf16" \
    "memcheck nanokimik2 fp32" "memcheck nanogpt2 fp32" "memcheck nanogpt2 fp32-split"
}

# In float32 all kernels. In bf16 a family of our own kernels at a time: products of NVIDIA's library end the sanitizer.
part_racecheck-fp32() {
  local model labels=()
  for model in nanokimik2 nanogpt2 nanokimi nanogpt; do labels+=("racecheck $model fp32"); done
  sanitize_all "${labels[@]}"
}
part_racecheck-bf16() {
  local family labels=() option
  option=$(only)
  for family in attention_forward attention_backward experts_ newton_schulz norm route cross_entropy sum_partials; do
    labels+=("racecheck nanokimik2 bf16 $option$family")
  done
  sanitize_all "${labels[@]}" "racecheck nanogpt2 bf16 ${option}norm" "racecheck nanogpt2 bf16 ${option}attention"
}

step() { "$program" bench step --device cuda --json --precision "$@"; }
gpt2=(--preset stories --model nanogpt --size 10M --embd 768 --layers 12 --heads 12 --vocab 50257)

speed() {
  local model size context
  if [ -n "$quick" ]; then
    step "$1" --preset stories --model nanokimik2 --size 0.3M --context 32 --batch 4 --vocab 400 --steps 2
    return
  fi
  for context in 1024 256; do
    step "$1" "${gpt2[@]}" --context $context --batch 16 --steps 20 || return
    for model in nanokimik2 nanogpt; do
      for size in 30M 10M; do
        step "$1" --preset stories --model $model --size $size --context $context --batch 16 --steps 20 || return
      done
    done
  done
  for model in nanogpt nanokimi; do step "$1" --model $model --steps 300 || return; done
}
part_speed-bf16() { speed bf16; }
part_speed-fp32() { speed fp32; }
part_speed-split() { speed fp32-split; }

torch() { python3 "$here/torch_steps.py" --batches 16x256,16x1024 --steps 15 --warmup 5 --budget "$seconds" "$@"; }
torch_models=nanogpt-124M,nanokimik2-30M,nanogpt-30M,nanokimik2-10M,nanogpt-10M
part_torch-bf16() { torch --modes eager --precisions bfloat16 --models $torch_models; }
part_torch-fp32() { torch --modes eager --precisions float32 --models $torch_models; }
part_torch-compile() {
  torch --modes compile --precisions bfloat16 --models nanogpt-124M --batches 16x1024
  torch --modes compile --precisions bfloat16 --models nanokimik2-30M --batches 16x256 --budget $((seconds / 2))
}

part_profile() {
  sized bf16 --preset stories --model nanogpt --size 0.3M --context 32 --batch 2 --vocab 400 --steps 2 -- \
    bf16 "${gpt2[@]}" --context 1024 --batch 16 --steps 5
  step "${arguments[@]}" --profile || return
  [ -n "$quick" ] || step bf16 --preset stories --model nanokimik2 --size 30M --context 256 --batch 16 --steps 5 --profile
}

part_study() {
  local seed first=$SECONDS longest=0 began
  sized --size 0.3M --vocab 400 --context 32 --batch 2 --iterations 2 --eval-interval 1 --models nanogpt -- \
    --size 30M --vocab 4096 --context 256 --batch 64 --iterations 1000 --eval-interval 100 \
    --models nanokimik2,nanogpt,nanogpt-total
  for seed in 1337 1 2 3 4 5 6 7 8 9; do
    [ $((SECONDS - first + longest)) -lt "$seconds" ] || break
    began=$SECONDS
    "$program" compare --quiet --preset stories ${STORIES:+--data "$STORIES"} "${arguments[@]}" --precision bf16 \
      --device cuda --seed $seed --out "seed-$seed" || return
    longest=$((SECONDS - began))
    echo "seed $seed: $longest s"
    rm -rf seed-$seed/*/checkpoints
    keep
    [ -z "$quick" ] || break
  done
}

# MARK: Running them

budget() {
  case $1 in
    values-*) echo 90 ;;
    study) echo 300 ;;
    memcheck | racecheck-*) echo 120 ;;
    torch-compile) echo 110 ;;
    profile) echo 30 ;;
    *) echo 90 ;;
  esac
}

# Runs a part in a process of its own, which can be ended with all that it started.
run_part() {
  local name=$1 seconds=$2 status
  if ! declare -F "part_$name" >/dev/null; then
    say "$name: no such part"
    return 1
  fi
  mkdir -p "$work/$name"
  cd "$work/$name" || return
  CHECK_PART=$name CHECK_WORK=$work seconds=$seconds timeout -s KILL "$seconds" \
    bash "$here/check.sh" ${quick:+--quick} --bench "$program" "$results" >"$work/$name.log" 2>&1
  status=$?
  case $status in
    0) say "$name: passed" ;;
    137) say "$name: not ended after $seconds s" ;;
    *) say "$name: FAILED, status $status" ;;
  esac
  return $status
}

if [ -n "$part" ]; then
  "part_$part"
  exit
fi

trap 'keep; exit 143' TERM INT
failures=0
for group; do
  pids=()
  for part in ${group//+/ }; do
    name=${part%%=*}
    seconds=${part#*=}
    [ "$seconds" = "$part" ] && seconds=$(budget "$name")
    run_part "$name" "$seconds" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait $pid || failures=$((failures + 1)); done
  keep
  for part in ${group//+/ }; do
    name=${part%%=*}
    { echo "=== $name" && tail -n 60 "$work/$name.log" 2>/dev/null; } | tee -a "$results/check.log"
  done
done
say "$([ $failures = 0 ] && echo "All of it passed." || echo "$failures of it failed.")"
rm -rf "$work"
exit $((failures > 0))
