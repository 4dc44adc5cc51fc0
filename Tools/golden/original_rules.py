"""Golden values for rules whose originals run as they are: weights after 20 steps of each, in float32.

Writes Tests/Fixtures/original_rules.safetensors. Needs torch and safetensors, and a folder with the originals, which are
not part of this repository:

    git clone https://github.com/nikhilvyas/SOAP && git -C SOAP checkout a1e5535
    git clone https://github.com/KellerJordan/Muon
    git clone https://github.com/thib-s/flash-newton-schulz && git -C flash-newton-schulz checkout 145260f
    git clone https://github.com/microsoft/dion && git -C dion checkout 3c15037

What rounds to bfloat16 there stays in float32 here, and Triton's kernels are replaced by the products that they compute,
so that what is compared is the rule and not the rounding.
"""
import sys
from unittest import mock

import torch
from safetensors.torch import save_file

from waves import SHAPES, STEPS, gradient, indices, start

originals = sys.argv[1]
torch.bfloat16 = torch.float32
torch.Tensor.bfloat16 = lambda self: self.clone()  # a copy, as the conversion makes one
torch.compile = lambda function=None, **options: function or (lambda function: function)
for folder in ["SOAP", "Muon", "flash-newton-schulz", "dion"]:
    sys.path.insert(0, f"{originals}/{folder}")

import muon  # noqa: E402
from dion.muon import Muon as DionMuon  # noqa: E402
from dion.muonh import MuonH  # noqa: E402
from soap import SOAP  # noqa: E402

with mock.patch.dict(sys.modules, {"triton": mock.MagicMock(), "triton.language": mock.MagicMock()}):
    import newton_schulz_triton as turbo

out = {}


def gradient_of_full_rank(step, shape):
    """A wave's matrix has rank 2, and SOAP's first bases would be arbitrary in what is left."""
    i = indices(shape)
    return torch.sin(0.37 * i * i + 0.6 * step + 0.05 * i * step).float().reshape(shape)


def run(name, make, gradient=gradient, after_first=None):
    for label, shape in SHAPES.items():
        p = torch.nn.Parameter(start(shape))
        optimizer = make([p])
        for step in range(STEPS):
            p.grad = gradient(step, shape)
            optimizer.step()
            if step == 0 and after_first:
                after_first(label, optimizer.state[p])
        out[f"{name}.{label}"] = p.detach().clone()


def save_bases(label, state):
    """Where a side is longer than the other its first basis is arbitrary in part: the test begins with this one."""
    for side, preconditioner, basis in zip(["left", "right"], state["GG"], state["Q"]):
        out[f"soap.{label}.{side}"] = preconditioner.clone()
        out[f"soap.{label}.{side}Basis"] = basis.T.contiguous().clone()


run("soap", lambda p: SOAP(p, lr=1e-2, weight_decay=0.1, precondition_frequency=4), gradient_of_full_rank, save_bases)

zeropower = muon.zeropower_via_newtonschulz5


def dions(g, epsilon):
    """Keller Jordan's iteration, as a function that Dion's optimizers take."""
    return zeropower(g, 5)


run("cautious_dion", lambda p: DionMuon(p, lr=0.02, weight_decay=0.1, cautious_wd=True, nesterov=True, newton_schulz_func=dions))
run("muon_h", lambda p: MuonH(p, lr=0.02, nesterov=True, newton_schulz_func=dions))
run("muon_h_small_rate", lambda p: MuonH(p, lr=0.001, nesterov=True, newton_schulz_func=dions))

turbo.ns_line_1 = lambda x, out: out.copy_(x @ x.mT)
turbo.ns_line_2 = lambda a, alpha, beta, out: out.copy_(alpha * a @ a.mT + beta * a)
turbo.ns_line_3 = lambda b, x, a, out: out.copy_(a * x + b @ x)
muon.zeropower_via_newtonschulz5 = lambda g, steps: turbo.NS_ours(g, dtype=torch.float32)
run("turbo_muon", lambda p: muon.SingleDeviceMuon(p, lr=0.02, momentum=0.95))

save_file(out, sys.argv[2] if len(sys.argv) > 2 else "Tests/Fixtures/original_rules.safetensors",
          metadata={"generator": "Tools/golden/original_rules.py", "torch": torch.__version__})
