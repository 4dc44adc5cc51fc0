#!/usr/bin/env bash
# Compares the step times of two builds, run in turns, so that what else the machine does falls on both:
#
#   Benchmarks/compare.sh BUILD_A BUILD_B [PAIRS] [-- what `bench step` takes]
#
# BUILD_A and BUILD_B are bench-cli programs. Prints the ratio of B's step time to A's with its 95% interval: the
# geometric mean over pairs, and Student's t of the logarithms.
set -euo pipefail

[[ $# -ge 2 && -x $1 && -x $2 ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 64; }
a=$1 b=$2
shift 2
pairs=12
if [[ ${1:-} =~ ^[0-9]+$ ]]; then pairs=$1; shift; fi
[[ ${1:-} == -- ]] && shift
[[ $# -gt 0 ]] || set -- --model nanokimi --steps 40

step() { "$@" --json | python3 -c 'import json, sys; print("%.4f" % json.load(sys.stdin)["trainStepMedianMs"])'; }

times=()
for ((i = 0; i < pairs; i++)); do
  # Whoever goes first finds another machine than who goes second.
  if ((i % 2)); then
    y=$(step "$b" bench step "$@"); x=$(step "$a" bench step "$@")
  else
    x=$(step "$a" bench step "$@"); y=$(step "$b" bench step "$@")
  fi
  echo "pair $((i + 1)): $x ms, $y ms" >&2
  times+=("$x" "$y")
done

python3 - "${times[@]}" <<'PY'
import math, statistics, sys

times = list(map(float, sys.argv[1:]))
logs = [math.log(y / x) for x, y in zip(times[::2], times[1::2])]
n, mean = len(logs), statistics.mean(logs)
# Cornish and Fisher's expansion of Student's 97.5% quantile, good to 1% from 3 degrees of freedom on.
z, f = 1.959964, max(n - 1, 1)
t = z + (z**3 + z) / (4 * f) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
half = t * statistics.stdev(logs) / math.sqrt(n) if n > 3 else math.inf
low, high = (f"{math.exp(mean + s * half):.4f}" if half < math.inf else "?" for s in (-1, 1))
print(f"B / A = {math.exp(mean):.4f}, 95% interval {low} to {high}, {n} pairs")
PY
