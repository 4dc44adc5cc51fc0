"""What bench-cli makes of a model, for other programs to be compared with.

  python3 reference.py BENCH_CLI MODEL_FOLDER OUT_FILE

Writes stories of the model, the log-likelihood that `bench-cli evaluate` gives them, the tokens of odd texts, and the
likeliest continuations of prompts.
"""
import json
import subprocess
import sys
import tempfile

import sentencepiece

cli, model, out = sys.argv[1:4]
PROMPTS = ["Once upon a time", "The", "One day, a", " two  spaces "]
TEXTS = ["Kim found a kite.", "  a  b ", "trailing ", "e\u0301é日本 🙂", "tab\tand\nnew line\r\n", "</s><0x41><s>",
         "\u2581 a \u2581b\u2581", "x" * 70]


def run(*arguments):
    return subprocess.run([cli, *arguments], check=True, capture_output=True, text=True).stdout.removesuffix("\n")


stories = [run("generate", "--model", model, "--prompt", prompt, "--tokens", "60", "--seed", "7").strip()
           for prompt in PROMPTS[:2]]
with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
    file.write("\n<|endoftext|>\n".join(stories))
    file.flush()
    score = json.loads(run("evaluate", "--model", model, "--data", file.name, "--valid", file.name, "--json"))
pieces = sentencepiece.SentencePieceProcessor(model_file=model + "/tokenizer.model")
context = json.load(open(model + "/config.json"))["configuration"]["contextLength"]
tokens = [token for story in stories for token in pieces.encode(story) + [pieces.eos_id()]]
assert len(tokens) == score["tokens"], (len(tokens), score["tokens"])
json.dump({
    "texts": [{"text": text, "ids": pieces.encode(text)} for text in TEXTS + stories],
    "end": pieces.eos_id(), "tokens": tokens, "context": context, "nats": score["nllPerToken"],
    "continuations": [
        {"prompt": prompt,
         "text": run("generate", "--model", model, "--prompt", prompt, "--temperature", "0", "--tokens", "16")}
        for prompt in PROMPTS],
}, open(out, "w"))
