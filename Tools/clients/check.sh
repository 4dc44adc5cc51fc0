#!/usr/bin/env bash
# Trains two models of 0.3M parameters, exports them, and compares what other programs make of them with bench-cli.
# Prints a table; exits with 1 where anything differs.
#
#   Tools/clients/check.sh [RUN_FOLDER]
#
# RUN_FOLDER is that of a run that has trained nanogpt2 and nanokimik2 already.
# Programs get virtual environments of their own in $CLIENTS (default: .clients here); one that is there already is
# taken as it is. Needs Python 3.10 or later and a built bench-cli.
set -euo pipefail
cd "$(dirname "$0")/../.."
cli=$PWD/.build/release/bench-cli
here=$PWD/Tools/clients
clients=${CLIENTS:-$PWD/.clients}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Python of an environment with some packages.
environment() {
  local folder=$clients/$1
  shift
  if [[ ! -x $folder/bin/python ]]; then
    python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "$@" >&2 || { rm -rf "$folder"; return 1; }
  fi
  echo "$folder/bin/python"
}

status=0
# Row of a table: program, environment with its packages, exported file or folder of a model, tolerance.
row() {
  local program=$1 python=$2 model=$3 path=$4 tolerance=$5
  if [[ -z $python ]]; then
    echo "| $program | $model | not installed here | – | – | – |"
    return
  fi
  "$python" "$here/client.py" "$program" "$work/$model.json" "$path" "$model ($(basename "$path"))" "$tolerance" \
    2>"$work/errors" || { status=1; tail -n 4 "$work/errors" >&2; }
}

run=${1:-$work/run}
if [[ $# == 0 ]]; then
  "$cli" compare --preset stories --size 0.3M --models nanogpt2,nanokimik2 --iterations 100 --out "$run" >&2
fi
torch4=$(environment transformers-4 'transformers==4.57.6' torch sentencepiece protobuf ctranslate2) || true
torch5=$(environment transformers-5 'transformers==5.24.0' torch sentencepiece protobuf) || true
llama=$(environment llama xllamacpp gguf sentencepiece) || true
mlx=$(environment mlx mlx-lm 'mlx[cpu]' sentencepiece) || true

for model in nanogpt2 nanokimik2; do
  "$torch4" "$here/reference.py" "$cli" "$run/$model" "$work/$model.json"
  "$cli" export --model "$run/$model" --out "$work/$model" >&2
  for type in f32 f16 bf16 q8_0; do
    "$cli" export --model "$run/$model" --format gguf --type "$type" --out "$work/$model-$type" >&2
  done
done

echo "| Program | Model | Loads | Tokens | Likelihood of a token differs by | Greedy text |"
echo "| --- | --- | --- | --- | --- | --- |"
for model in nanogpt2 nanokimik2; do
  row transformers "$torch4" $model "$work/$model" 1e-5
  row transformers "$torch5" $model "$work/$model" 1e-5
  # llama.cpp's GELU is the tanh form, from a table of halves.
  if [[ $model == nanogpt2 ]]; then exact=1e-2; else exact=1e-4; fi
  row llama.cpp "$llama" $model "$work/$model-f32/model-f32.gguf" $exact
  for type in f16 bf16 q8_0; do row llama.cpp "$llama" $model "$work/$model-$type/model-$type.gguf" 3e-2; done
  for type in f32 q8_0; do row gguf "$llama" $model "$work/$model-$type/model-$type.gguf" 0; done
done
row ctranslate2 "$torch4" nanogpt2 "$work/nanogpt2" 1e-4
# mlx-lm knows no tied head of this architecture, and GPT-2 only under the names of its first release.
"$cli" export --model "$run/nanokimik2" --untied --out "$work/nanokimik2-untied" >&2
row mlx "$mlx" nanokimik2 "$work/nanokimik2-untied" 1e-4
exit $status
