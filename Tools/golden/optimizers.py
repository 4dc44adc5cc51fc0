"""Golden values for the optimizers: weights after 20 steps of each original.

Writes Tests/Fixtures/optimizers.safetensors. Needs torch 2.13, optax and safetensors.
PyTorch's Muon runs Newton-Schulz in bfloat16; here it is made to run in float32, so that what is
compared is the rule and not the rounding.
"""
import sys

import jax.numpy as jnp
import numpy as np
import optax
import torch
from optax import contrib
from safetensors.torch import save_file

from waves import SHAPES, STEPS, gradient, start

out = {}


def run_torch(name, make):
    for label, shape in SHAPES.items():
        p = torch.nn.Parameter(start(shape))
        optimizer = make([p])
        for step in range(STEPS):
            p.grad = gradient(step, shape)
            optimizer.step()
        out[f"{name}.{label}"] = p.detach().clone()


run_torch("adamw", lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1))
run_torch("sgd", lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.05))
run_torch("sgd_nesterov", lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, nesterov=True))
torch.Tensor.bfloat16 = lambda self: self.clone()  # a copy, as the conversion makes one
run_torch("torch_muon", lambda p: torch.optim.Muon(p))
run_torch("torch_muon_rms", lambda p: torch.optim.Muon(p, adjust_lr_fn="match_rms_adamw"))
run_torch("torch_muon_plain", lambda p: torch.optim.Muon(p, nesterov=False, lr=0.02))


def zeropower(g, steps=5):
    """KellerJordan/Muon's iteration in float32."""
    x = g / (g.norm() + 1e-7)
    t = x.size(0) > x.size(1)
    x = x.T if t else x
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if t else x


def run_rule(name, rule):
    for label, shape in SHAPES.items():
        p, m = start(shape), torch.zeros(shape)
        for step in range(STEPS):
            p, m = rule(p, m, gradient(step, shape))
        out[f"{name}.{label}"] = p


def keller_jordan(p, m, g, lr=0.02, beta=0.95):
    m = torch.lerp(m, g, 1 - beta)
    return p - lr * max(1, p.size(0) / p.size(1)) ** 0.5 * zeropower(torch.lerp(g, m, beta)), m


def moonlight(p, m, g, lr=1e-3, beta=0.95, wd=0.1):
    m = beta * m + g
    o = zeropower(g + beta * m)
    return p * (1 - lr * wd) - lr * 0.2 * max(p.shape) ** 0.5 * o, m


POLAR_EXPRESS = [
    (8.156555, -22.483293, 15.878770), (4.042930, -2.808917, 0.500018), (3.891668, -2.772484, 0.506065),
    (3.285754, -2.368129, 0.464490), (2.346541, -1.709783, 0.423236),
]


def polar_express(g):
    """The Polar Express (arXiv 2505.16932) as microsoft/dion and modded-nanogpt have it, in float32."""
    x = g / (1.02 * g.norm() + 1e-6)
    t = x.size(0) > x.size(1)
    x = x.T if t else x
    for a, b, c in POLAR_EXPRESS:
        s = x @ x.T
        x = a * x + (b * s + c * s @ s) @ x
    return x.T if t else x


def dion(p, m, g, lr=0.01, beta=0.95, wd=0.01):
    """The Muon of microsoft/dion with its defaults: no Nesterov, spectral-norm scale."""
    m = beta * m + g
    return p * (1 - lr * wd) - lr * (p.size(0) / p.size(1)) ** 0.5 * polar_express(m), m


def true_muon(p, m, g, lr=1e-2, beta=0.9, wd=0.01):
    m = beta * m + (1 - beta) * g
    return p - lr * (zeropower(beta * m + g) + wd * p), m


run_rule("keller_jordan", keller_jordan)
run_rule("moonlight", moonlight)
run_rule("dion", dion)
run_rule("true_muon", true_muon)

for label, shape in SHAPES.items():
    optimizer = contrib.muon(learning_rate=0.02)
    p = {"w": jnp.asarray(start(shape).numpy())}
    state = optimizer.init(p)
    for step in range(STEPS):
        updates, state = optimizer.update({"w": jnp.asarray(gradient(step, shape).numpy())}, state, p)
        p = optax.apply_updates(p, updates)
    out[f"optax.{label}"] = torch.from_numpy(np.array(p["w"]))

g = gradient(3, (8, 20)).double()
x = g / (g.norm() + 1e-7)
for _ in range(5):
    a = x @ x.T
    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
out["newton_schulz.float64"] = x.float()

save_file(out, sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/optimizers.safetensors",
          metadata={"generator": "Tools/golden/optimizers.py", "torch": torch.__version__, "optax": optax.__version__})
