"""The network: a small bidirectional transformer that is told nothing of time (MDLM, Sahoo et al. 2024)."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from data import VOCABULARY

LONGEST = 256
SHAPES = {
    "d192x4": dict(width=192, depth=4, heads=3),
    "d192x6": dict(width=192, depth=6, heads=3),
    "d256x6": dict(width=256, depth=6, heads=4),
    "d256x8": dict(width=256, depth=8, heads=4),
    "d320x8": dict(width=320, depth=8, heads=5),
}


def normal(x):
    """Without weights of its own. `int`, because the exporter wants a constant here."""
    return F.layer_norm(x, (int(x.shape[-1]),))


def turn(x, cos, sin):
    """Rotary embedding of places."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], -1)


class Near(nn.Module):
    """What stands right beside a place, from the first step on; attention takes long to find neighbours by itself."""

    def __init__(self, width, reach=2):
        super().__init__()
        self.mix = nn.Conv1d(width, width, 2 * reach + 1, padding=reach, groups=width, bias=False)
        nn.init.normal_(self.mix.weight, std=0.2)

    def forward(self, x):
        return self.mix(x.transpose(1, 2)).transpose(1, 2)


class Block(nn.Module):
    """Queries and keys are normalised: without it, Muon's large steps let the logits run away."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.near = Near(width)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.scale = nn.Parameter(torch.full((heads, 1, 1), 1.5))
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.down.weight)

    def split(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, cos, sin):
        x = x + self.near(normal(x))
        own = normal(x)
        query = turn(normal(self.split(self.query(own))), cos, sin) * self.scale
        key = turn(normal(self.split(self.key(own))), cos, sin)
        seen = F.scaled_dot_product_attention(query, key, self.split(self.value(own)))
        x = x + self.out(seen.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(normal(x)), approximate="tanh"))


class Core(nn.Module):
    def __init__(self, width, depth, heads):
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))

    def forward(self, x, cos, sin):
        for block in self.blocks:
            x = block(x, cos, sin)
        return normal(x)


class Model(nn.Module):
    def __init__(self, shape):
        super().__init__()
        width, heads = SHAPES[shape]["width"], SHAPES[shape]["heads"]
        self.embed, self.core = nn.Embedding(VOCABULARY, width), Core(**SHAPES[shape])
        self.head = nn.Linear(width, VOCABULARY)
        nn.init.normal_(self.embed.weight, std=1.0)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        half = width // heads // 2
        rates = torch.exp(-math.log(1000.0) * torch.arange(half) / half)
        self.register_buffer("rates", rates, persistent=False)

    def states(self, ids):
        """`[batch, tokens]` to `[batch, tokens, width]`."""
        angles = torch.arange(ids.shape[1], device=ids.device)[:, None].to(self.rates.dtype) * self.rates
        return self.core(self.embed(ids), angles.cos(), angles.sin())

    def forward(self, input_ids):
        return self.head(self.states(input_ids))
