#!/usr/bin/env bash
# Counts the instructions of small fixed runs with callgrind, which are the same however busy the machine is, and fails
# when they are 3% above those stored in instructions.txt:
#
#   Benchmarks/instructions.sh BENCH_CLI [--store]
#
# Counts depend on the vector instructions and on Swift's version, so each pair has counts of its own; those of a pair
# that has none are stored. --store stores today's in place of those that are there.
set -euo pipefail

[[ $# -ge 1 && -x $1 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 64; }
stored=$(dirname "$0")/instructions.txt
# Valgrind knows no instructions beyond AVX2.
[[ $(uname -m) == x86_64 ]] && set_of_kernels=avx2 || set_of_kernels=portable
version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/\1/p' | head -1)
kind="$(uname -m)/$set_of_kernels/swift-$version"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Not every valgrind reads today's debugging information.
strip --strip-debug -o "$folder/bench-cli" "$1"
# One thread, since those that wait count too; and hashing with a seed of its own would make every run another.
export NANO_THREADS=1 NANO_INSTRUCTION_SET=$set_of_kernels SWIFT_DETERMINISTIC_HASHING=1

status=0
for model in nanogpt nanokimi; do
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$folder/bench-cli" bench step --model "$model" --steps 2 \
    >"$folder/out" 2>&1 || { cat "$folder/out" >&2; exit 1; }
  count=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$folder/out")
  before=$(sed -n "s|^$kind $model ||p" "$stored" 2>/dev/null || true)
  if [[ ${2:-} == --store || -z $before ]]; then
    { grep -vs "^$kind $model " "$stored" || true; echo "$kind $model $count"; } | sort >"$folder/stored"
    cp "$folder/stored" "$stored"
    echo "instructions: $model $count, now stored for $kind${before:+ in place of $before}"
    continue
  fi
  change=$(awk "BEGIN { printf \"%+.2f%%\", ($count / $before - 1) * 100 }")
  echo "instructions: $model $count, $change of $before"
  ((count * 100 <= before * 103)) || { echo "instructions: $model takes more than 3% more" >&2; status=1; }
done
exit $status
