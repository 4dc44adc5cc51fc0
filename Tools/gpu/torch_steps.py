#!/usr/bin/env python3
"""Times PyTorch's training steps of the project's models: one JSON line a configuration.

A step is forward, backward, gradient clipping, fused AdamW (TrueMuon in the character study's NanoKimi) and the
selection biases of NanoKimiK2; tokens lie on the device. Milliseconds are the median of 30 steps, by CUDA events.

  python3 torch_steps.py --models nanogpt-10M,nanokimik2-10M --batches 16x256,16x1024
  python3 torch_steps.py --models nanogpt-124M --precisions bfloat16 --modes eager,compile
  python3 torch_steps.py --character
"""

import argparse
import gc
import itertools
import json
import os
import signal
import statistics
import sys
import threading
import time

import torch

from torch_character import CONTEXT, VOCABULARY, CharacterModel, TrueMuon
from torch_models import GPT_SIZES, KIMI_SIZES, NanoGPT, NanoKimiK2

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


class TimedOut(Exception):
    pass


def make_model(name, context, experts, device):
    """The model and the size of its vocabulary."""
    family, _, size = name.partition("-")
    if family == "nanogpt":
        sizes = GPT_SIZES[size]
        return NanoGPT(sizes, context).to(device), sizes.vocabulary
    if family == "nanokimik2":
        sizes = KIMI_SIZES[size]
        return NanoKimiK2(sizes, context, experts).to(device), sizes.vocabulary
    sizes = KIMI_SIZES[size]
    return TransformersModel(sizes, context, device), sizes.vocabulary


class TransformersModel(torch.nn.Module):
    """NanoKimiK2 as transformers has it."""

    def __init__(self, sizes, context, device):
        from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

        super().__init__()
        configuration = DeepseekV3Config(
            vocab_size=sizes.vocabulary,
            hidden_size=sizes.width,
            intermediate_size=sizes.dense_width,
            moe_intermediate_size=sizes.expert_width,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.heads,
            n_shared_experts=1,
            n_routed_experts=sizes.experts,
            num_experts_per_tok=sizes.chosen,
            routed_scaling_factor=sizes.scale,
            kv_lora_rank=sizes.rank,
            q_lora_rank=sizes.query_rank,
            qk_rope_head_dim=sizes.rotary,
            qk_nope_head_dim=sizes.position_free,
            v_head_dim=sizes.position_free,
            n_group=1,
            topk_group=1,
            norm_topk_prob=True,
            first_k_dense_replace=1,
            max_position_embeddings=context,
            tie_word_embeddings=True,
            use_cache=False,
            attn_implementation="sdpa",
        )
        self.model = DeepseekV3ForCausalLM(configuration).to(device)

    def forward(self, tokens, targets):
        logits = self.model(input_ids=tokens).logits
        return torch.nn.functional.cross_entropy(logits.view(-1, logits.size(-1)).float(), targets.view(-1))

    def finish_step(self):
        pass


def adamw(model, device):
    """Weight decay on matrices and tables only."""
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [torch.optim.AdamW(groups, lr=2e-3, betas=(0.9, 0.95), fused=True)]


def character_optimizers(model, is_kimi, style):
    if not is_kimi:
        return [torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)]
    matrices = model.hidden_matrices()
    known = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in known]
    return [torch.optim.AdamW(rest, lr=1e-3, fused=True), TrueMuon(matrices, style == "fused")]


class Clock:
    """Milliseconds from mark to mark: CUDA events on a GPU, wall time elsewhere."""

    def __init__(self, device):
        self.is_cuda, self.marks = device.type == "cuda", []

    def mark(self):
        if self.is_cuda:
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self.marks.append(event)
        else:
            self.marks.append(time.perf_counter())

    def durations(self):
        pairs = list(zip(self.marks, self.marks[1:]))
        if self.is_cuda:
            torch.cuda.synchronize()
            return [start.elapsed_time(end) for start, end in pairs]
        return [1e3 * (end - start) for start, end in pairs]


def measure(model, optimizers, vocabulary, batch, context, precision, mode, arguments):
    device = arguments.device
    model.train()
    network = model
    if mode == "compile-blocks":
        for block in model.blocks:
            block.compile()
    elif mode != "eager":
        options = {"compile": "default", "compile-graphs": "reduce-overhead"}
        network = torch.compile(model, mode=options[mode])
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(vocabulary, (8, batch, context + 1), generator=generator).to(device)
    inputs, targets = tokens[:, :, :-1].contiguous(), tokens[:, :, 1:].contiguous()
    parameters = list(model.parameters())

    def step(index):
        window = index % len(inputs)
        if mode == "compile-graphs":
            torch.compiler.cudagraph_mark_step_begin()
        with torch.autocast(device.type, dtype=PRECISIONS[precision], enabled=PRECISIONS[precision] is not None):
            loss = network(inputs[window], targets[window])
        loss.backward()
        if arguments.clip > 0:
            torch.nn.utils.clip_grad_norm_(parameters, arguments.clip, foreach=True)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        model.finish_step()
        return loss.detach().clone()

    started = time.perf_counter()
    first = float(step(0))
    first_seconds = time.perf_counter() - started
    for index in range(1, arguments.warmup):
        step(index)
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    clock = Clock(device)
    clock.mark()
    for index in range(arguments.steps):
        loss = step(index)
        clock.mark()
    durations = clock.durations()
    median = statistics.median(durations)
    result = {
        "parameters": sum(p.numel() for p in parameters),
        "milliseconds": round(median, 4),
        "fastest_milliseconds": round(min(durations), 4),
        "tokens_per_second": round(1e3 * batch * context / median),
        "first_step_seconds": round(first_seconds, 2),
        "first_loss": round(first, 4),
        "last_loss": round(float(loss), 4),
    }
    if device.type == "cuda":
        result["peak_allocated_bytes"] = torch.cuda.max_memory_allocated()
        result["peak_reserved_bytes"] = torch.cuda.max_memory_reserved()
    return result


def run(labels, make, arguments):
    """Prints one line: what was measured, or why not. Whether it was measured."""
    if arguments.ends_at - time.monotonic() < 5:
        print(json.dumps(labels | {"failed": "no time was left"}), flush=True)
        return False

    is_late = False

    def stop(*_):
        nonlocal is_late
        is_late = True
        raise TimedOut

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(max(1, int(min(arguments.seconds, arguments.ends_at - time.monotonic()))))
    try:
        torch.manual_seed(1337)
        model, optimizers, vocabulary = make()
        result = measure(
            model, optimizers, vocabulary, labels["batch"], labels["context"], labels["precision"], labels["mode"],
            arguments)
    except Exception as error:  # the next configuration may do
        # A compiler may wrap the exception that stops it.
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        result = {"failed": f"took more than {arguments.seconds} seconds" if is_late else reason}
    finally:
        signal.alarm(0)
    print(json.dumps(labels | result), flush=True)
    model = optimizers = None
    torch._dynamo.reset()
    gc.collect()
    if arguments.device.type == "cuda":
        torch.cuda.empty_cache()
    return "failed" not in result


def run_stories(arguments):
    choices = itertools.product(arguments.models, arguments.batches, arguments.precisions, arguments.modes)
    for name, shape, precision, mode in choices:
        batch, context = (int(part) for part in shape.split("x"))
        ways = [None]
        if name.startswith("nanokimik2"):
            grouped = precision == "bfloat16" and arguments.device.type == "cuda"
            # What a version of PyTorch cannot group is padded.
            ways = arguments.experts or (["grouped", "padded"] if grouped else ["padded"])
        for way in ways:
            labels = {"model": name, "batch": batch, "context": context, "precision": precision, "mode": mode}
            if way is not None:
                labels["experts"] = way

            def make():
                model, vocabulary = make_model(name, context, way, arguments.device)
                return model, adamw(model, arguments.device), vocabulary

            if run(labels, make, arguments) and not arguments.experts:
                break


def run_character(arguments):
    arguments.clip = 0
    choices = itertools.product((False, True), ("modules", "fused"), arguments.precisions, arguments.modes)
    for is_kimi, style, precision, mode in choices:
        labels = {
            "model": "nanokimi" if is_kimi else "nanogpt",
            "style": style,
            "batch": 16,
            "context": CONTEXT,
            "precision": precision,
            "mode": mode,
        }

        def make():
            model = CharacterModel(is_kimi, style).to(arguments.device)
            return model, character_optimizers(model, is_kimi, style), VOCABULARY

        run(labels, make, arguments)


def parsed():
    names = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", type=names, default=names("nanogpt-10M,nanokimik2-10M,nanogpt-30M,nanokimik2-30M,nanogpt-124M"),
        help="nanogpt-10M, -30M, -10M-total, -30M-total, -124M; nanokimik2-10M, -30M; transformers-10M, -30M")
    parser.add_argument("--batches", type=names, default=names("16x256,16x1024"), help="sequences x tokens")
    parser.add_argument("--precisions", type=names, default=list(PRECISIONS))
    parser.add_argument(
        "--modes", type=names, default=["eager", "compile"],
        help="eager, compile, compile-graphs, compile-blocks (compiles sooner: one block for all)")
    parser.add_argument(
        "--experts", type=names,
        help="grouped, padded, loop; by default grouped in bfloat16 on a GPU, padded elsewhere")
    parser.add_argument("--character", action="store_true", help="the character study's models")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--clip", type=float, default=1.0, help="largest norm of the gradients; 0 for none")
    parser.add_argument("--seconds", type=float, default=90, help="most for one configuration")
    parser.add_argument("--budget", type=float, default=600, help="most seconds for all")
    parser.add_argument("--device", type=torch.device, default="cuda" if torch.cuda.is_available() else "cpu")
    return parser.parse_args()


def main():
    arguments = parsed()
    arguments.ends_at = time.monotonic() + arguments.budget
    # A configuration that does not stop when asked to must not take the rest of the time.
    watch = threading.Timer(arguments.budget + 15, lambda: os._exit(3))
    watch.daemon = True
    watch.start()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    about = {"torch": torch.__version__, "device": str(arguments.device)}
    if arguments.device.type == "cuda":
        about["device"] = torch.cuda.get_device_name()
        about["cuda"] = torch.version.cuda
    print(json.dumps(about), flush=True)
    if arguments.character:
        run_character(arguments)
    else:
        run_stories(arguments)


if __name__ == "__main__":
    sys.exit(main())
