#!/usr/bin/env bash
# Counts the instructions of small fixed runs with callgrind, which are the same however busy the machine is, and fails
# when they are 3% above those stored in instructions.txt:
#
#   Benchmarks/instructions.sh BENCH_CLI [--store]
#
# Counts depend on the processor's family and on Swift's version, so each pair has counts of its own, and one without
# any passes. --store stores today's.
set -euo pipefail

[[ $# -ge 1 && -x $1 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 64; }
stored=$(dirname "$0")/instructions.txt
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -1)
kind="$(uname -m)/swift-$version"
if [[ ${2:-} != --store ]] && ! grep -qs "^$kind " "$stored"; then
  echo "instructions: none are stored for $kind"
  exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Not every valgrind reads today's debugging information.
strip --strip-debug -o "$folder/bench-cli" "$1"
# Valgrind knows no instructions beyond AVX2. Hashing with a seed of its own would make every run another.
export NANO_THREADS=1 NANO_INSTRUCTION_SET=avx2 SWIFT_DETERMINISTIC_HASHING=1

status=0
for model in nanogpt nanokimi; do
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$folder/bench-cli" bench step --model "$model" --steps 2 \
    >"$folder/out" 2>&1 || { cat "$folder/out" >&2; exit 1; }
  count=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$folder/out")
  if [[ ${2:-} == --store ]]; then
    grep -vs "^$kind $model " "$stored" >"$folder/stored" || true
    echo "$kind $model $count" >>"$folder/stored"
    sort "$folder/stored" >"$stored"
    continue
  fi
  before=$(sed -n "s|^$kind $model ||p" "$stored")
  echo "instructions: $model $count, stored $before, $((count * 1000 / before))/1000"
  ((count * 100 <= before * 103)) || { echo "instructions: $model takes more than 3% more" >&2; status=1; }
done
exit $status
