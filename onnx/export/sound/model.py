"""The text encoder and the denoiser at their sizes."""

import math

import torch
from torch import nn

import transformer
from autoencoder import CHANNELS, FACTOR
from autoencoder import LENGTH as PLACES
from captions import LENGTH, NUMBERS, PIECES, VOCABULARY
from render import RATE
from spectrum import HOP

# Neighbouring latents that make a token, 189 ms long: half of the tokens cost half.
PATCH = 2
TOKENS = PLACES // PATCH
SHAPES = {
    "d128x4": dict(width=128, depth=4, heads=2),
    "d128x6": dict(width=128, depth=6, heads=2),
    "d192x4": dict(width=192, depth=4, heads=3),
    "d192x6": dict(width=192, depth=6, heads=3),
    "d256x6": dict(width=256, depth=6, heads=4),
}
TEXT_DEPTH = 1
# Of a bar: the last one is a sixteenth.
HARMONICS = 16


def numbers(count, width):
    """What tokens of numbers begin as, `[count, width]`: neighbours are alike."""
    rate = torch.arange(1, width // 2 + 1)
    angles = math.pi * (torch.arange(count)[:, None] + 0.5) / count * rate
    found = torch.cat([angles.cos(), angles.sin()], 1) * torch.exp(-rate / 20).repeat(2)
    return found / found.norm(dim=1, keepdim=True) * 0.5 * width**0.5


class TextEncoder(transformer.TextEncoder):
    """What a number of beats a minute is, it gives on as such: one more value of each state, in hundreds, 0 for all other tokens."""

    def __init__(self, **shape):
        super().__init__(VOCABULARY, LENGTH, **shape)
        self.tokens.weight.data[PIECES:] = numbers(len(NUMBERS), shape["width"])
        self.register_buffer("tempo", torch.tensor([0.0] * PIECES + [float(number) for number in NUMBERS]) / 100)

    def forward(self, ids):
        return torch.cat([super().forward(ids), self.tempo[ids][..., None]], -1)


class Denoiser(transformer.Informed):
    """Latents `[n, 192, 32]` as 16 tokens."""

    def __init__(self, **shape):
        super().__init__((CHANNELS, 1), PATCH * CHANNELS, TOKENS, **shape)
        self.places.data += 0.5 * transformer.waves([TOKENS], TOKENS, shape["width"])
        width = shape["width"]
        # Where in a bar of four beats a token begins: all repeats with it, so that a loop is one bar at every tempo.
        seconds = PATCH * FACTOR * HOP / RATE * torch.arange(TOKENS)
        turns = 2 * math.pi * (100 / 60 / 4) * seconds[:, None] * torch.arange(1, HARMONICS + 1)
        self.register_buffer("turns", turns, persistent=False)
        self.beats = nn.Linear(2 * HARMONICS, 2 * width, bias=False)
        self.times = nn.Parameter(torch.randn(TOKENS, 2 * width))
        self.paths = transformer.paths(width)
        # Which tokens it is given: all of them but in training.
        self.slots = list(range(TOKENS))

    def located(self, tokens, condition):
        """What a place means is a matter of the caption."""
        asked = self.paths[0](condition)[:, None] + self.times[self.slots] + self.beats(self.phase)
        return tokens + self.places[self.slots] + self.paths[1](nn.functional.silu(asked))

    def forward(self, sample, timestep, encoder_hidden_states):
        tempo = encoder_hidden_states[..., -1].amax(1)[:, None, None]
        angles = tempo * self.turns[self.slots]
        self.phase = torch.cat([angles.cos(), angles.sin()], -1) * (tempo > 0)
        return super().forward(sample, timestep, encoder_hidden_states[..., :-1])

    def cut(self, sample):
        return sample.transpose(1, 2).reshape(-1, len(self.slots), PATCH * CHANNELS)

    def join(self, tokens):
        return tokens.reshape(-1, PATCH * len(self.slots), CHANNELS).transpose(1, 2)


def model(shape):
    shape = SHAPES[shape]
    text = TextEncoder(width=shape["width"], heads=shape["heads"], depth=TEXT_DEPTH)
    return transformer.Model(text, Denoiser(**shape))
