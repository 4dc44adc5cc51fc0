#!/usr/bin/env bash
# safetensors writes other bytes each time for the same tensors, once their metadata has two entries or more.
#
# Packages: safetensors 0.8.0, numpy 2.4.6 (PyPI, Linux x86-64).
# Guess: a file is a function of what is saved: the header is JSON of a sorted list of tensors, and a dict of metadata has an
#        order. So equal weights have equal files, and a hash of the file tells whether two runs ended alike.
# Seen:  metadata of eight entries gave eight different files in eight calls of one process, with PYTHONHASHSEED=0 too. The
#        files differ in the order of these entries alone. Without metadata, or with one entry, all are the same. Compare
#        tensors, or hash their data and not the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --disable-pip-version-check safetensors==0.8.0 numpy==2.4.6

cat >"$folder/save.py" <<'PYTHON'
import json

import numpy
from safetensors.numpy import save

tensors = {"weight": numpy.arange(6, dtype=numpy.float32).reshape(2, 3)}


def files(entries):
    metadata = {f"key{index}": f"value{index}" for index in range(entries)}
    return [save(tensors, metadata=metadata or None) for _ in range(8)]


def parts(file):
    length = int.from_bytes(file[:8], "little")
    return json.loads(file[8:8 + length]), file[8 + length:]


for entries in (0, 1, 8):
    made = files(entries)
    kinds, contents = len(set(made)), [parts(file) for file in made]
    assert all(content == contents[0] for content in contents), "more differs than an order"
    print(f"metadata of {entries} entries: {kinds} different files in 8")
    assert (kinds == 1) == (entries < 2), kinds
PYTHON
PYTHONHASHSEED=0 "$folder/environment/bin/python" "$folder/save.py"
