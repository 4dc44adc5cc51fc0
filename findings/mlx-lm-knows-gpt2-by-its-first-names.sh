#!/usr/bin/env bash
# mlx-lm loads a GPT-2 only where its tensors have the names of the first release; a GPT-2 that transformers saved it refuses.
#
# Packages: mlx-lm 0.32.2, mlx[cpu] 0.32.4, transformers 5.24.0, safetensors 0.8.0, numpy 2.4.6 (PyPI, Linux x86-64).
# Guess: mlx-lm has an implementation for the model type gpt2 and reads Hugging Face's folders, so it reads the folder of any
#        GPT2LMHeadModel. transformers reads both kinds of names.
# Seen:  with wte.weight, h.0.attn.c_attn.weight and so on, as the files of 2019 on the Hub have them, the model loads. With
#        transformer.wte.weight and so on, which is what GPT2LMHeadModel calls its body and so what save_pretrained writes, all
#        28 tensors are "not in model". Who trains or fine-tunes a GPT-2 has the second kind.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --disable-pip-version-check \
  mlx-lm==0.32.2 'mlx[cpu]==0.32.4' transformers==5.24.0 safetensors==0.8.0 numpy==2.4.6

cat >"$folder/load.py" <<'PYTHON'
import json
import pathlib
import sys

import numpy
from mlx_lm.utils import load_model
from safetensors.numpy import save_file

WIDTH, LAYERS, VOCABULARY, CONTEXT = 8, 2, 16, 12


def shapes():
    yield from {"wte.weight": (VOCABULARY, WIDTH), "wpe.weight": (CONTEXT, WIDTH)}.items()
    for layer in range(LAYERS):
        for norm in ("ln_1", "ln_2"):
            yield from ((f"h.{layer}.{norm}.{part}", (WIDTH,)) for part in ("weight", "bias"))
        for name, inputs, outputs in (
            ("attn.c_attn", WIDTH, 3 * WIDTH), ("attn.c_proj", WIDTH, WIDTH),
            ("mlp.c_fc", WIDTH, 4 * WIDTH), ("mlp.c_proj", 4 * WIDTH, WIDTH),
        ):
            yield f"h.{layer}.{name}.weight", (inputs, outputs)
            yield f"h.{layer}.{name}.bias", (outputs,)
    yield from ((f"ln_f.{part}", (WIDTH,)) for part in ("weight", "bias"))


generator = numpy.random.default_rng(1)
for kind, prefix in (("first release", ""), ("transformers", "transformer.")):
    folder = pathlib.Path(sys.argv[1], kind)
    folder.mkdir()
    tensors = {prefix + name: generator.standard_normal(shape).astype(numpy.float32) for name, shape in shapes()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    configuration = {
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_ctx": CONTEXT, "n_positions": CONTEXT,
        "n_embd": WIDTH, "n_head": 2, "n_layer": LAYERS, "vocab_size": VOCABULARY, "layer_norm_epsilon": 1e-5,
        "activation_function": "gelu_new",
    }
    (folder / "config.json").write_text(json.dumps(configuration))
    try:
        load_model(folder)
        print(f"{kind}: loads")
    except ValueError as error:
        print(f"{kind}: {str(error).splitlines()[0].strip()}")
PYTHON

# What transformers calls the body of the model.
grep -q 'self.transformer = GPT2Model(config)' "$folder"/environment/lib/python3*/site-packages/transformers/models/gpt2/modeling_gpt2.py ||
  { echo "changed: transformers names it otherwise"; exit 1; }
seen=$("$folder/environment/bin/python" "$folder/load.py" "$folder" 2>"$folder/errors")
echo "$seen"
expected='first release: loads
transformers: Received 28 parameters not in model:'
[ "$seen" = "$expected" ] || { cat "$folder/errors"; echo "changed: mlx-lm reads them otherwise"; exit 1; }
