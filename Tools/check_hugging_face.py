"""Live check of an exported model against transformers.

  python3 Tools/check_hugging_face.py MODEL_FOLDER STORIES_FILE

Exports the model with bench-cli, loads the result with transformers, and compares token ids with the sentencepiece
package's, the mean negative log likelihood of the stories with `bench-cli evaluate`, and greedy text with `bench-cli
generate`. Needs torch, transformers
(4.57 or 5), sentencepiece and protobuf.
"""
import json
import subprocess
import sys
import tempfile

import sentencepiece
import torch
import transformers
from torch.nn import functional as F

model_folder, stories_file = sys.argv[1:3]
cli = ".build/release/bench-cli"
folder = tempfile.mkdtemp() + "/exported"
subprocess.run([cli, "export", "--model", model_folder, "--out", folder], check=True)
ours = json.loads(subprocess.run(
    [cli, "evaluate", "--model", model_folder, "--data", stories_file, "--valid", stories_file, "--json"],
    check=True, capture_output=True, text=True).stdout)

model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
pieces = sentencepiece.SentencePieceProcessor(model_file=folder + "/tokenizer.model")
end = pieces.eos_id()
stories = [s.strip() for s in open(stories_file, encoding="utf-8").read().split("<|endoftext|>")]
tokens, mismatches = [], 0
for story in filter(None, stories):
    ids = pieces.encode(story)
    mismatches += ids != tokenizer(story, add_special_tokens=False).input_ids
    tokens += ids + [end]
context = getattr(model.config, "max_position_embeddings", None) or model.config.n_positions
total = 0.0
with torch.no_grad():
    for start in range(0, len(tokens), context):
        targets = tokens[start:start + context]
        inputs = ([end] if start == 0 else [tokens[start - 1]]) + targets[:-1]
        logits = model(input_ids=torch.tensor([inputs])).logits[0]
        total += F.cross_entropy(logits.double(), torch.tensor(targets), reduction="sum").item()
theirs = total / len(tokens)
print(f"transformers {transformers.__version__} {type(model).__name__} {type(tokenizer).__name__}: "
      f"{mismatches} of {len(stories)} stories with other ids, {theirs:.6f} nats a token, ours "
      f"{ours['nllPerToken']:.6f}")
others = 0
for prompt in ["Once upon a time", "The", "One day, a", " two  spaces "]:
    written = subprocess.run(
        [cli, "generate", "--model", model_folder, "--prompt", prompt, "--temperature", "0", "--tokens", "16"],
        check=True, capture_output=True, text=True).stdout.removesuffix("\n")
    with torch.no_grad():
        ids = model.generate(**tokenizer(prompt, return_tensors="pt"), max_new_tokens=16, do_sample=False)[0]
    others += written != tokenizer.decode(ids, skip_special_tokens=True)
print(f"{others} of 4 prompts continued otherwise")
sys.exit(others > 0 or mismatches > 0 or len(tokens) != ours["tokens"] or abs(theirs - ours["nllPerToken"]) > 1e-4)
