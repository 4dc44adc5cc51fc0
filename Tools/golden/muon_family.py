"""Golden values for the Muon family: weights after 20 steps of each rule's original, its iteration in float32.

Writes Tests/Fixtures/muon_family.safetensors. Needs torch and safetensors. Each rule restates the update of the named
file at the named commit for one matrix; the originals round the iteration to bfloat16 and are made for several GPUs.
"""
import sys

import torch
from safetensors.torch import save_file

from waves import SHAPES, STEPS, gradient, start

out = {}


def run(name, rule):
    for label, shape in SHAPES.items():
        p, state = start(shape), {"m": torch.zeros(shape), "step": 0}
        for step in range(STEPS):
            state["step"] += 1
            p = rule(p, gradient(step, shape), state)
        out[f"{name}.{label}"] = p.contiguous()


def iterate(x, coefficients):
    for a, b, c in coefficients:
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x


def zeropower(g):
    """Keller Jordan's five steps."""
    x = g.T if g.size(0) > g.size(1) else g
    x = iterate(x / (x.norm() + 1e-7), [(3.4445, -4.7750, 2.0315)] * 5)
    return x.T if g.size(0) > g.size(1) else x


def look_ahead(g, state, beta=0.95):
    state["m"] = torch.lerp(state["m"], g, 1 - beta)
    return torch.lerp(g, state["m"], beta)


def heavy_ball(g, state, beta=0.95):
    state["m"] = beta * state["m"] + g
    return g + beta * state["m"]


def aspect_ratio(p):
    return max(1, p.size(0) / p.size(1)) ** 0.5


def normuon(p, g, state, lr=0.02, beta2=0.95):
    """zichongli5/NorMuon, normuon.py at d45c9a4."""
    o = zeropower(look_ahead(g, state))
    norm = o.norm()
    v = state.setdefault("v", torch.zeros(o.size(0), 1))
    v.lerp_((o * o).mean(dim=-1, keepdim=True), 1 - beta2)
    o = o / (v.sqrt() + 1e-10)
    o = o * (norm / (o.norm() + 1e-10))
    return p - lr * aspect_ratio(p) * o


def adamuon(p, g, state, lr=0.02, wd=0.01, beta=0.95):
    """Chongjie-Si/AdaMuon, gpt2/models/optimizers/adamuon.py at 369f0b3."""
    o = zeropower(torch.sign(look_ahead(g, state)))
    v = state.setdefault("v", torch.zeros_like(o))
    v.mul_(beta).addcmul_(o, o, value=1 - beta)
    o = o / (v.sqrt() + 1e-8)
    o = o * (0.2 * p.numel() ** 0.5 / (o.norm() + 1e-8))
    return p * (1 - lr * wd) - lr * o


def muon_eq(mode):
    """MaeChd/muon-eq, llm-opt-baseline-npu/llama2_pretrain/optimizers/muon_variants/muoneq.py at 99b6c8b."""

    def rule(p, g, state, lr=1e-3, wd=0.1):
        u = heavy_ball(g, state)
        squares = u.square()
        rows, columns = (squares.sum(dim=1) + 1e-8).rsqrt(), (squares.sum(dim=0) + 1e-8).rsqrt()
        if "row" in mode:
            u = u * rows[:, None]
        if "col" in mode:
            u = u * columns[None, :]
        return p * (1 - lr * wd) - lr * 0.2 * max(p.shape) ** 0.5 * zeropower(u)

    return rule


def muon_plus(p, g, state, lr=1e-3, wd=0.1):
    """K1seki221/MuonPlus, utils/optim/muon_plus.py at 8a9ace1, with norm_mode row_col as its configurations have it."""
    o = zeropower(heavy_ball(g, state))
    o = o / torch.sqrt((o * o).sum(dim=-1, keepdim=True) + 1e-7)
    o = o / torch.sqrt((o * o).sum(dim=-2, keepdim=True) + 1e-7)
    return p * (1 - lr * wd) - lr * (p.size(0) / p.size(1)) ** 0.5 * o


def cautious(p, g, state, lr=0.02, wd=0.1):
    """The cautious decay of microsoft/dion, dion/muon.py at 0a059a4, in Keller Jordan's Muon."""
    o = zeropower(look_ahead(g, state))
    return p - lr * wd * p * (torch.sign(p * o) + 1).clamp(max=1) - lr * aspect_ratio(p) * o


run("normuon", normuon)
run("adamuon", adamuon)
for mode in ["row", "col", "rowcol"]:
    run(f"muon_eq_{mode}", muon_eq(mode))
run("muon_plus", muon_plus)
run("cautious", cautious)

save_file(out, sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/muon_family.safetensors",
          metadata={"generator": "Tools/golden/muon_family.py", "torch": torch.__version__})
