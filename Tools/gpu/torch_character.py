"""The character study's models and TrueMuon in PyTorch, in two styles:

modules: one module a head and an expert, as the study's description reads.
fused:   joint projections, scaled_dot_product_attention, experts and Newton-Schulz in batches.
"""

import torch
from torch import nn
from torch.nn import functional as F

from torch_models import cross_entropy

VOCABULARY, WIDTH, CONTEXT, HEADS, LAYERS, EXPERTS = 65, 64, 32, 4, 4, 4
# The study scales logits by the model's width, not the head's.
SCALE = WIDTH**-0.5


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(WIDTH, WIDTH // HEADS, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH // HEADS, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH // HEADS, bias=False)
        self.register_buffer("past", torch.ones(CONTEXT, CONTEXT).tril().bool())

    def forward(self, x):
        logits = self.query(x) @ self.key(x).transpose(-2, -1) * SCALE
        length = x.size(1)
        logits = logits.masked_fill(~self.past[:length, :length], float("-inf"))
        return logits.softmax(-1) @ self.value(x)


class SeparateAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleList(Head() for _ in range(HEADS))
        self.projection = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        return self.projection(torch.cat([head(x) for head in self.heads], dim=-1))


class FusedAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.projection = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        batch, length, _ = x.shape
        parts = self.query_key_value(x).view(batch, length, 3, HEADS, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=SCALE)
        return self.projection(mixed.transpose(1, 2).reshape(batch, length, WIDTH))


class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.expansion = nn.Linear(WIDTH, 2 * WIDTH)
        self.contraction = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        gate, up = self.expansion(x).chunk(2, dim=-1)
        return self.contraction(F.silu(gate) * up)


class SeparateMixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS)
        self.experts = nn.ModuleList(Expert() for _ in range(EXPERTS))

    def forward(self, x):
        weights = self.gate(x).softmax(-1)
        made = torch.stack([expert(x) for expert in self.experts], dim=-1)
        return (made * weights.unsqueeze(-2)).sum(-1)


class FusedMixture(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(WIDTH, EXPERTS)

        def uniform(*shape):
            return nn.Parameter(torch.empty(shape).uniform_(-(WIDTH**-0.5), WIDTH**-0.5))

        self.expansion = uniform(EXPERTS, WIDTH, 2 * WIDTH)
        self.expansion_bias = uniform(EXPERTS, 1, 2 * WIDTH)
        self.contraction = uniform(EXPERTS, WIDTH, WIDTH)
        self.contraction_bias = uniform(EXPERTS, 1, WIDTH)

    def forward(self, x):
        rows = x.reshape(-1, WIDTH)
        weights = self.gate(rows).softmax(-1)
        every = rows.expand(EXPERTS, -1, -1)
        gate, up = torch.baddbmm(self.expansion_bias, every, self.expansion).chunk(2, dim=-1)
        made = torch.baddbmm(self.contraction_bias, F.silu(gate) * up, self.contraction)
        return torch.einsum("ne,enc->nc", weights.to(made.dtype), made).view_as(x)


class Block(nn.Module):
    def __init__(self, is_kimi, style):
        super().__init__()
        fused = style == "fused"
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.attention = FusedAttention() if fused else SeparateAttention()
        self.mixer_norm = nn.LayerNorm(WIDTH)
        if is_kimi:
            self.mixer = FusedMixture() if fused else SeparateMixture()
        else:
            self.mixer = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.mixer(self.mixer_norm(x))


class CharacterModel(nn.Module):
    def __init__(self, is_kimi, style):
        super().__init__()
        self.token_embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.position_embedding = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*[Block(is_kimi, style) for _ in range(LAYERS)])
        self.final_norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, tokens, targets):
        positions = torch.arange(tokens.size(1), device=tokens.device)
        x = self.token_embedding(tokens) + self.position_embedding(positions)
        return cross_entropy(self.head(self.final_norm(self.blocks(x))), targets)

    def finish_step(self):
        pass

    def hidden_matrices(self):
        return [p for name, p in self.blocks.named_parameters() if p.ndim >= 2 and "_bias" not in name]


def orthogonalized(gradients):
    """Five steps of Newton-Schulz, X <- aX + (bA + cA²)X with A = XXᵀ, on the last two dimensions."""
    x = gradients / (gradients.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    is_tall = x.size(-2) > x.size(-1)
    x = x.mT if is_tall else x
    for _ in range(5):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if is_tall else x


class TrueMuon(torch.optim.Optimizer):
    """m <- βm + (1 - β)g; p <- p - η(orthogonalized(g + βm) + λp)."""

    def __init__(self, parameters, fused, rate=1e-2, beta=0.9, decay=0.01):
        super().__init__(parameters, {"rate": rate, "beta": beta, "decay": decay})
        self.fused = fused

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta = group["beta"]
            by_shape = {}
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"]
                momentum.lerp_(parameter.grad, 1 - beta)
                direction = torch.add(parameter.grad, momentum, alpha=beta)
                key = tuple(parameter.shape[-2:]) if self.fused else id(parameter)
                by_shape.setdefault(key, []).append((parameter, direction))
            for pairs in by_shape.values():
                parameters = [parameter for parameter, _ in pairs]
                stacked = torch.cat([d.reshape(-1, *d.shape[-2:]) for _, d in pairs])
                counts = [p.numel() // (p.size(-2) * p.size(-1)) for p in parameters]
                parts = orthogonalized(stacked).split(counts)
                directions = [part.reshape(p.shape) for part, p in zip(parts, parameters)]
                torch._foreach_mul_(parameters, 1 - group["rate"] * group["decay"])
                torch._foreach_add_(parameters, directions, alpha=-group["rate"])
