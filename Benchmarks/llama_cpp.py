#!/usr/bin/env python3
"""Times generation beside llama.cpp with the same weights: reading a prompt, one text, several at once.

  pip install xllamacpp
  Benchmarks/llama_cpp.py BENCH_CLI MODEL_FOLDER [--type f32|bf16|q8_0] [--threads 1,2] [--batch 16] [--rounds 5]

MODEL_FOLDER is a stories model whose context holds 256 tokens; a GGUF of it is exported to a folder that is removed. Both
programs read the same number of tokens and draw the most likely one as often, in turns, at each number of threads; printed
is the best round of each, and the ratio to llama.cpp's best number of threads.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

PROMPT, TOKENS = 128, 128
FORMATS = {"f32": "fp32", "bf16": "bf16", "q8_0": "int8"}


def ours(cli, folder, precision, threads, batch):
    """Tokens a second: prompt, one text, several."""
    command = [cli, "bench", "generate", "--model", folder, "--precision", precision, "--threads", str(threads), "--prompt",
               str(PROMPT), "--tokens", str(TOKENS), "--batch", str(batch), "--repeats", "1", "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return tuple(report[name] for name in ("promptTokensPerSecond", "tokensPerSecond", "batchTokensPerSecond"))


def peer(path, threads, batch):
    """The same of llama.cpp; run in a process of its own, whose threads end with it."""
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = path
    parameters.n_parallel = batch
    parameters.n_ctx = batch * (PROMPT + TOKENS)
    parameters.n_batch = parameters.n_ubatch = 512
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)

    def complete(prompt):
        request = {"prompt": prompt, "n_predict": TOKENS, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
        return server.handle_completions(request)["timings"]

    best = [0.0, 0.0, 0.0]
    for _ in range(3):
        times = complete([random.randrange(10, 300) for _ in range(PROMPT)])
        texts = [threading.Thread(target=complete, args=([5],)) for _ in range(batch)]
        start = time.perf_counter()
        for text in texts:
            text.start()
        for text in texts:
            text.join()
        speeds = times["prompt_per_second"], times["predicted_per_second"], batch * TOKENS / (time.perf_counter() - start)
        best = [max(pair) for pair in zip(best, speeds)]
    return best


def main():
    if sys.argv[1:2] == ["--peer"]:
        print(json.dumps(peer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli")
    parser.add_argument("folder")
    parser.add_argument("--type", choices=FORMATS, default="f32")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    threads = [int(count) for count in options.threads.split(",")]
    best = {(program, count): [0.0] * 3 for program in ("bench-cli", "llama.cpp") for count in threads}
    with tempfile.TemporaryDirectory() as folder:
        command = [options.cli, "export", "--model", options.folder, "--format", "gguf", "--type", options.type]
        subprocess.run(command + ["--out", folder + "/gguf"], check=True, capture_output=True)
        path = str(next(pathlib.Path(folder).glob("gguf/*.gguf")))
        for _ in range(options.rounds):
            for count in threads:
                command = [sys.executable, __file__, "--peer", path, str(count), str(options.batch)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                speeds = {
                    "bench-cli": ours(options.cli, options.folder, FORMATS[options.type], count, options.batch),
                    "llama.cpp": json.loads(output.strip().splitlines()[-1])}
                for program, found in speeds.items():
                    best[program, count] = [max(pair) for pair in zip(best[program, count], found)]
    print(f"tokens/s, {options.folder}, {options.type}: prompt of {PROMPT}, one text, {options.batch} texts")
    for (program, count), speeds in best.items():
        print(f"{program:10} {count} threads " + " ".join(f"{speed:9.0f}" for speed in speeds))
    top = {program: [max(best[program, count][i] for count in threads) for i in range(3)] for program in ("bench-cli", "llama.cpp")}
    print("ratio                " + " ".join(f"{a / b:9.2f}" for a, b in zip(top["bench-cli"], top["llama.cpp"])))


if __name__ == "__main__":
    main()
