"""Golden values for the character models: forward, loss and every gradient at a small size, ten training steps
at that size and at the study's.

Writes Tests/Fixtures/character_models.safetensors. Needs torch 2.13 and safetensors.
Weights and tokens are formulas, so that the fixture holds results only.
"""
import math
import sys

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

V, T, B, C, H, L, E = 13, 8, 4, 16, 4, 2, 4
SCALE = 0.3
out = {}


def wave(index, shape, scale):
    count = math.prod(shape)
    i = torch.arange(count, dtype=torch.float64)
    return (scale * torch.sin(0.7 * i + 0.37 * index + 0.01 * i * index)).float().reshape(shape)


def parameters(kimi):
    """(name, shape) in the order of the Swift model."""
    yield "token_embedding.weight", (V, C)
    yield "position_embedding.weight", (T, C)
    for layer in range(L):
        p = f"blocks.{layer}."
        yield p + "attention_norm.weight", (C,)
        yield p + "attention_norm.bias", (C,)
        yield p + "attention.query_key_value.weight", (3 * C, C)
        yield p + "attention.projection.weight", (C, C)
        yield p + "attention.projection.bias", (C,)
        yield p + "mixer_norm.weight", (C,)
        yield p + "mixer_norm.bias", (C,)
        if kimi:
            yield p + "mixer.gate.weight", (E, C)
            yield p + "mixer.gate.bias", (E,)
            yield p + "mixer.experts.expansion.weight", (E * 2 * C, C)
            yield p + "mixer.experts.expansion.bias", (E * 2 * C,)
            yield p + "mixer.experts.contraction.weight", (E, C, C)
            yield p + "mixer.experts.contraction.bias", (E, C)
        else:
            yield p + "mixer.expansion.weight", (4 * C, C)
            yield p + "mixer.expansion.bias", (4 * C,)
            yield p + "mixer.contraction.weight", (C, 4 * C)
            yield p + "mixer.contraction.bias", (C,)
    yield "final_norm.weight", (C,)
    yield "final_norm.bias", (C,)
    yield "head.weight", (V, C)
    yield "head.bias", (V,)


def make(kimi):
    weights = {}
    for index, (name, shape) in enumerate(parameters(kimi)):
        value = wave(index, shape, SCALE)
        if "norm.weight" in name:
            value = value + 1
        weights[name] = nn.Parameter(value)
    return weights


def logits(w, kimi, tokens):
    x = w["token_embedding.weight"][tokens] + w["position_embedding.weight"]
    for layer in range(L):
        p = f"blocks.{layer}."
        h = F.layer_norm(x, (C,), w[p + "attention_norm.weight"], w[p + "attention_norm.bias"])
        q, k, v = (h @ w[p + "attention.query_key_value.weight"].T).split(C, -1)
        q, k, v = (z.view(B, T, H, C // H).transpose(1, 2) for z in (q, k, v))
        s = q @ k.transpose(-1, -2) * C**-0.5
        s = s.masked_fill(torch.tril(torch.ones(T, T)) == 0, float("-inf")).softmax(-1)
        a = (s @ v).transpose(1, 2).reshape(B, T, C)
        x = x + F.linear(a, w[p + "attention.projection.weight"], w[p + "attention.projection.bias"])
        h = F.layer_norm(x, (C,), w[p + "mixer_norm.weight"], w[p + "mixer_norm.bias"])
        m = p + "mixer."
        if kimi:
            gates = F.linear(h, w[m + "gate.weight"], w[m + "gate.bias"]).softmax(-1)
            u = F.linear(h, w[m + "experts.expansion.weight"], w[m + "experts.expansion.bias"])
            y = 0
            for e, part in enumerate(u.split(2 * C, -1)):
                first, second = part.chunk(2, -1)
                f = F.linear(F.silu(first) * second, w[m + "experts.contraction.weight"][e],
                             w[m + "experts.contraction.bias"][e])
                y = y + gates[..., e : e + 1] * f
        else:
            y = F.linear(h, w[m + "expansion.weight"], w[m + "expansion.bias"]).relu()
            y = F.linear(y, w[m + "contraction.weight"], w[m + "contraction.bias"])
        x = x + y
    x = F.layer_norm(x, (C,), w["final_norm.weight"], w["final_norm.bias"])
    return F.linear(x, w["head.weight"], w["head.bias"])


def tokens(step):
    i = torch.arange(B * T)
    return ((i * 7 + i * i * 3 + step * 5) % V).view(B, T), ((i * 5 + i * i * 2 + 1 + step * 3) % V).view(B, T)


def newton_schulz(g):
    x = g / (g.norm() + 1e-7)
    t = x.size(0) > x.size(1)
    x = x.T if t else x
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if t else x


def matrices(name, p):
    if "query_key_value" in name:
        return p.view(3 * H, C // H, C)
    if "expansion.weight" in name and "experts" in name:
        return p.view(E, 2 * C, C)
    return p if p.ndim == 3 else p[None]


def run(kimi, size):
    prefix = size + ("nanokimi." if kimi else "nanogpt.")
    w = make(kimi)
    hidden = {n for n, p in w.items() if kimi and p.ndim >= 2 and n.startswith("blocks") and not n.endswith("bias")}
    adamw = torch.optim.AdamW([p for n, p in w.items() if n not in hidden], lr=1e-3)
    momentum = {n: torch.zeros_like(w[n]) for n in hidden}
    losses = []
    for step in range(10):
        x, y = tokens(step)
        z = logits(w, kimi, x)
        loss = F.cross_entropy(z.view(-1, V), y.view(-1))
        for p in w.values():
            p.grad = None
        loss.backward()
        if step == 0 and not size:
            out[prefix + "logits"] = z.detach().reshape(B * T, V).contiguous()
            for n, p in w.items():
                out[prefix + "gradient." + n] = p.grad.clone()
        losses.append(loss.item())
        adamw.step()
        with torch.no_grad():
            for n in hidden:
                m, p = momentum[n], w[n]
                m.mul_(0.9).add_(p.grad, alpha=0.1)
                for o, q in zip(matrices(n, 0.9 * m + p.grad), matrices(n, p.data)):
                    q.add_(newton_schulz(o).add(q, alpha=0.01), alpha=-1e-2)
    out[prefix + "losses"] = torch.tensor(losses)


for kimi in (False, True):
    run(kimi, "")
# The study's own sizes, losses alone.
V, T, B, C, H, L, E = 65, 32, 16, 64, 4, 4, 4
SCALE = 0.1
for kimi in (False, True):
    run(kimi, "full.")

save_file(out, sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/character_models.safetensors",
          metadata={"generator": "Tools/golden/character_models.py", "torch": torch.__version__})
