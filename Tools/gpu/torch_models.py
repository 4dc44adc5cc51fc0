"""The project's models in plain PyTorch, as an expert would write them for a GPU: fused projections,
scaled_dot_product_attention, experts as grouped products over tokens sorted by expert.

NanoGPT:    Radford et al., 2019, with exact GELU and the head tied to the token embedding.
NanoKimiK2: DeepSeek-AI, 2024, arXiv:2412.19437: latent attention, sigmoid routing with selection biases.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


def initialize(model):
    """Weights N(0, 0.02), biases 0, as Sources/Models has them."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def cross_entropy(logits, targets):
    return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


# NanoGPT


@dataclass
class GPTSizes:
    vocabulary: int
    width: int
    layers: int
    heads: int


class CausalSelfAttention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.heads = sizes.heads
        self.query_key_value = nn.Linear(sizes.width, 3 * sizes.width)
        self.projection = nn.Linear(sizes.width, sizes.width)

    def forward(self, x):
        batch, length, width = x.shape
        query, key, value = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.query_key_value(x).split(width, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.projection(mixed.transpose(1, 2).reshape(batch, length, width))


class GPTBlock(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.attention_norm = nn.LayerNorm(sizes.width)
        self.attention = CausalSelfAttention(sizes)
        self.mixer_norm = nn.LayerNorm(sizes.width)
        self.expansion = nn.Linear(sizes.width, 4 * sizes.width)
        self.contraction = nn.Linear(4 * sizes.width, sizes.width)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.contraction(F.gelu(self.expansion(self.mixer_norm(x))))


class NanoGPT(nn.Module):
    def __init__(self, sizes, context):
        super().__init__()
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.position_embedding = nn.Embedding(context, sizes.width)
        self.blocks = nn.ModuleList(GPTBlock(sizes) for _ in range(sizes.layers))
        self.final_norm = nn.LayerNorm(sizes.width)
        initialize(self)

    def forward(self, tokens, targets):
        positions = torch.arange(tokens.size(1), device=tokens.device)
        x = self.token_embedding(tokens) + self.position_embedding(positions)
        for block in self.blocks:
            x = block(x)
        return cross_entropy(F.linear(self.final_norm(x), self.token_embedding.weight), targets)

    def finish_step(self):
        pass


# NanoKimiK2


@dataclass
class KimiSizes:
    vocabulary: int
    width: int
    layers: int
    heads: int
    position_free: int
    rotary: int
    rank: int
    query_rank: int | None
    experts: int
    chosen: int
    expert_width: int
    dense_width: int
    scale: float


class RMSNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        # The fused kernel wants a gain of the input's format.
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), 1e-6)


class RotaryTable(nn.Module):
    """Turns neighbouring channels (2i, 2i+1) by position · 10000^(-2i / width)."""

    def __init__(self, width, context):
        super().__init__()
        frequencies = 10_000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.arange(context, dtype=torch.float64)[:, None] * frequencies
        self.register_buffer("cosines", angles.cos().float(), persistent=False)
        self.register_buffer("sines", angles.sin().float(), persistent=False)

    def forward(self, x):
        """x: batch, heads, length, width."""
        length = x.size(-2)
        cosines, sines = self.cosines[:length], self.sines[:length]
        even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        turned = torch.stack((even * cosines - odd * sines, even * sines + odd * cosines), dim=-1)
        return turned.flatten(-2).to(x.dtype)


class LatentAttention(nn.Module):
    def __init__(self, sizes, context):
        super().__init__()
        self.sizes = sizes
        heads, key_width = sizes.heads, sizes.position_free + sizes.rotary
        self.query_down = self.query_norm = None
        if sizes.query_rank is not None:
            self.query_down = nn.Linear(sizes.width, sizes.query_rank, bias=False)
            self.query_norm = RMSNorm(sizes.query_rank)
        self.query = nn.Linear(sizes.query_rank or sizes.width, heads * key_width, bias=False)
        self.key_value_down = nn.Linear(sizes.width, sizes.rank + sizes.rotary, bias=False)
        self.key_value_norm = RMSNorm(sizes.rank)
        self.key_value_up = nn.Linear(sizes.rank, heads * 2 * sizes.position_free, bias=False)
        self.projection = nn.Linear(heads * sizes.position_free, sizes.width, bias=False)
        self.rotary_table = RotaryTable(sizes.rotary, context)

    def forward(self, x):
        sizes = self.sizes
        batch, length, _ = x.shape
        split = (sizes.position_free, sizes.rotary)

        latent = x if self.query_down is None else self.query_norm(self.query_down(x))
        query = self.query(latent).view(batch, length, sizes.heads, -1).transpose(1, 2)
        query_free, query_rotary = query.split(split, dim=-1)
        latent, shared_key = self.key_value_down(x).split((sizes.rank, sizes.rotary), dim=-1)
        key_value = self.key_value_up(self.key_value_norm(latent))
        key_value = key_value.view(batch, length, sizes.heads, -1).transpose(1, 2)
        key_free, value = key_value.chunk(2, dim=-1)

        shared_key = self.rotary_table(shared_key.unsqueeze(1)).expand(-1, sizes.heads, -1, -1)
        query = torch.cat((query_free, self.rotary_table(query_rotary)), dim=-1)
        key = torch.cat((key_free, shared_key), dim=-1)
        if query.dtype == torch.bfloat16:
            # The flash kernel wants values as wide as keys.
            value = F.pad(value, (0, sizes.rotary))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed = mixed[..., : sizes.position_free].transpose(1, 2)
        return self.projection(mixed.reshape(batch, length, -1))


class SwiGLU(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate_up = nn.Linear(width, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


class Experts(nn.Module):
    """SwiGLU experts over rows that are sorted by expert, in one of three ways.

    grouped: one grouped product; no waiting for the GPU. bfloat16 on a GPU.
    padded:  each expert's rows in one slice of a batched product, as long as the fullest.
    loop:    one product an expert.
    """

    def __init__(self, sizes, way):
        super().__init__()
        self.count, self.way = sizes.experts, way
        shape = (sizes.experts, sizes.width, 2 * sizes.expert_width)
        self.gate_up = nn.Parameter(torch.randn(shape) * 0.02)
        self.down = nn.Parameter(torch.randn(sizes.experts, sizes.expert_width, sizes.width) * 0.02)

    def forward(self, rows, experts, loads):
        """rows: N × width; experts: N, ascending; loads: rows an expert."""
        if self.way == "grouped":
            ends = loads.cumsum(0, dtype=torch.int32)
            rows = rows.bfloat16()
            gate, up = torch._grouped_mm(rows, self.gate_up.bfloat16(), offs=ends).chunk(2, dim=-1)
            return torch._grouped_mm(F.silu(gate) * up, self.down.bfloat16(), offs=ends)
        if self.way == "padded":
            # A multiple of 128, so that few different shapes occur.
            most = (int(loads.max()) + 127) // 128 * 128
            starts = loads.cumsum(0) - loads
            slots = torch.arange(len(rows), device=rows.device) + experts * most - starts[experts]
            padded = rows.new_zeros(self.count * most, rows.size(1)).index_copy(0, slots, rows)
            gate, up = torch.bmm(padded.view(self.count, most, -1), self.gate_up).chunk(2, dim=-1)
            made = torch.bmm(F.silu(gate) * up, self.down)
            return made.flatten(0, 1).index_select(0, slots)
        results = []
        for index, part in enumerate(rows.split(loads.tolist())):
            gate, up = (part @ self.gate_up[index]).chunk(2, dim=-1)
            results.append((F.silu(gate) * up) @ self.down[index])
        return torch.cat(results)


class SparseMixture(nn.Module):
    def __init__(self, sizes, way):
        super().__init__()
        self.sizes = sizes
        self.router = nn.Linear(sizes.width, sizes.experts, bias=False)
        self.register_buffer("selection_biases", torch.zeros(sizes.experts))
        self.register_buffer("loads", torch.zeros(sizes.experts), persistent=False)
        self.experts = Experts(sizes, way)
        self.shared = SwiGLU(sizes.width, sizes.expert_width)

    def forward(self, x):
        sizes = self.sizes
        rows = x.reshape(-1, sizes.width)
        with torch.autocast(x.device.type, enabled=False):
            scores = F.linear(rows.float(), self.router.weight).sigmoid()
        chosen = (scores + self.selection_biases).topk(sizes.chosen, dim=-1, sorted=False).indices
        weights = scores.gather(-1, chosen)
        weights = sizes.scale * weights / (weights.sum(-1, keepdim=True) + 1e-20)

        experts, order = chosen.flatten().sort(stable=True)
        every = torch.arange(sizes.experts, device=x.device)
        loads = (experts[:, None] == every).sum(0)
        self.loads.copy_(loads)
        made = self.experts(rows.index_select(0, order // sizes.chosen), experts, loads)
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order), device=x.device)
        made = made.index_select(0, places).view(-1, sizes.chosen, sizes.width)
        routed = (made * weights.unsqueeze(-1)).sum(1)
        return (routed + self.shared(rows)).view_as(x)


class KimiBlock(nn.Module):
    def __init__(self, sizes, context, is_dense, way):
        super().__init__()
        self.attention_norm = RMSNorm(sizes.width)
        self.attention = LatentAttention(sizes, context)
        self.mixer_norm = RMSNorm(sizes.width)
        self.mixer = SwiGLU(sizes.width, sizes.dense_width) if is_dense else SparseMixture(sizes, way)

    def forward(self, x):
        x = x + self.attention(self.attention_norm(x))
        return x + self.mixer(self.mixer_norm(x))


class NanoKimiK2(nn.Module):
    """The first layer is dense; the head is the token embedding."""

    def __init__(self, sizes, context, way):
        super().__init__()
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        self.blocks = nn.ModuleList(
            KimiBlock(sizes, context, index == 0, way) for index in range(sizes.layers)
        )
        self.final_norm = RMSNorm(sizes.width)
        initialize(self)

    def forward(self, tokens, targets):
        x = self.token_embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return cross_entropy(F.linear(self.final_norm(x), self.token_embedding.weight), targets)

    @torch.no_grad()
    def finish_step(self):
        """Moves the selection biases against the loads, all layers at once."""
        mixtures = [block.mixer for block in self.blocks if isinstance(block.mixer, SparseMixture)]
        loads = torch.stack([mixture.loads for mixture in mixtures])
        signs = (loads.mean(1, keepdim=True) - loads).sign()
        moves = 1e-3 * (signs - signs.mean(1, keepdim=True))
        torch._foreach_add_([mixture.selection_biases for mixture in mixtures], list(moves.unbind()))


KIMI_SIZES = {
    "tiny": KimiSizes(512, 64, 2, 4, 16, 8, 32, 48, 8, 2, 40, 120, 1.41),
    "10M": KimiSizes(4096, 192, 8, 6, 32, 16, 96, None, 16, 4, 112, 560, 2.0),
    "30M": KimiSizes(4096, 256, 10, 8, 32, 16, 128, 192, 32, 4, 112, 560, 2.0),
}

GPT_SIZES = {
    "tiny": GPTSizes(512, 64, 2, 4),
    # As many layers as NanoKimiK2 of that size, so about as many parameters as it has active.
    "10M": GPTSizes(4096, 192, 8, 6),
    "30M": GPTSizes(4096, 256, 10, 8),
    # About as many parameters as it has in total.
    "10M-total": GPTSizes(4096, 192, 21, 6),
    "30M-total": GPTSizes(4096, 256, 37, 8),
    "124M": GPTSizes(50257, 768, 12, 12),
}
