"""The text encoder and the denoiser at their sizes."""

import math

import torch
from torch import nn

import transformer
from autoencoder import CHANNELS
from captions import LENGTH, VOCABULARY
from facts import FRAMES

# A token is 2 frames of 2x2 latents: 32x32 pixels would be too coarse, and a clip of 256 or more tokens too slow to learn.
TIME, PATCH, GRID = 2, 2, 4
TIMES, PLACES = FRAMES // TIME, GRID * GRID
SHAPES = {
    "d96x6": dict(width=96, depth=6, heads=3),
    "d128x6": dict(width=128, depth=6, heads=4),
    "d128x8": dict(width=128, depth=8, heads=4),
    "d192x6": dict(width=192, depth=6, heads=6),
    "d192x8": dict(width=192, depth=8, heads=6),
    "d256x8": dict(width=256, depth=8, heads=8),
}
TEXT_DEPTH = 2


class Along(transformer.Attention):
    """Attention inside a frame or, at each place of it, along time; never both at once."""

    def __init__(self, width, heads, time):
        super().__init__(width, heads)
        self.time = time

    def forward(self, x, source):
        width, times = int(x.shape[-1]), int(x.shape[1]) // PLACES
        rows = x.reshape(-1, times, PLACES, width)
        rows = rows.transpose(1, 2) if self.time else rows
        flat = rows.reshape(-1, times if self.time else PLACES, width)
        made = super().forward(flat, flat).reshape(-1, *map(int, rows.shape[1:]))
        return (made.transpose(1, 2) if self.time else made).reshape(-1, times * PLACES, width)


def waves(width):
    """Where a token is, `[tokens, width]`: waves along time, down and across, slow ones first. Learned from next to nothing,
    places would drown in what the tokens carry for hundreds of steps, and no thing would know where it is."""
    axes = torch.meshgrid(*((torch.arange(n) + 0.5) / n for n in (TIMES, GRID, GRID)), indexing="ij")
    angles = [math.pi * axis.reshape(-1, 1) * torch.arange(1, width // 6 + 1) for axis in axes]
    found = torch.cat([wave for angle in angles for wave in (angle.cos(), angle.sin())], 1)
    return nn.functional.pad(found, (0, width - found.shape[1]))


class Denoiser(transformer.Informed):
    """Latents `[n, 16, 16, 8, 8]` as 128 tokens. Blocks look inside frames and along time in turn."""

    def __init__(self, width, depth, heads):
        shape = dict(width=width, depth=depth, heads=heads)
        super().__init__((CHANNELS, 1, 1, 1), CHANNELS * TIME * PATCH * PATCH, TIMES * PLACES, **shape)
        for i, block in enumerate(self.blocks):
            block.own = Along(width, heads, time=i % 2 == 1)

        self.places.data += 0.5 * waves(width)
        self.times = nn.Parameter(torch.randn(TIMES, 2 * width))
        self.paths = nn.ModuleList([nn.Linear(width, 2 * width), nn.Linear(2 * width, width)])
        nn.init.zeros_(self.paths[1].weight)
        nn.init.zeros_(self.paths[1].bias)
        # Which pairs of frames it is given: all of them but in training.
        self.slots = list(range(TIMES))

    def located(self, tokens, condition):
        """Places count for what the caption makes of them at their time: `moves left` is a way from one side to the other, and a
        product of three, words, time and place, is what blocks learn last by themselves."""
        times = self.paths[0](condition)[:, None] + self.times[self.slots]
        asked = 1 + self.paths[1](nn.functional.silu(times))[:, :, None]
        return tokens + (self.places.unflatten(0, (TIMES, PLACES))[self.slots] * asked).flatten(1, 2)

    def cut(self, sample):
        parts = sample.reshape(-1, CHANNELS, len(self.slots), TIME, GRID, PATCH, GRID, PATCH)
        return parts.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(1, 3)

    def join(self, tokens):
        parts = tokens.reshape(-1, len(self.slots), GRID, GRID, CHANNELS, TIME, PATCH, PATCH)
        return parts.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(-1, CHANNELS, len(self.slots) * TIME, GRID * PATCH, GRID * PATCH)


def model(shape):
    shape = SHAPES[shape]
    text = transformer.TextEncoder(VOCABULARY, LENGTH, shape["width"], shape["heads"], TEXT_DEPTH)
    return transformer.Model(text, Denoiser(**shape))
