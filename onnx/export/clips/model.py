"""The text encoder and the denoiser at their sizes."""

import math

import torch
from torch import nn

import facts
import transformer
from autoencoder import CHANNELS
from captions import LENGTH, VOCABULARY

# A token is 2 frames of 2x2 latents: 32x32 pixels would be too coarse, and a clip of 256 or more tokens too slow to learn.
TIME, PATCH, GRID = 2, 2, 4
TIMES, PLACES = facts.FRAMES // TIME, GRID * GRID
SHAPES = {
    "d96x6": dict(width=96, depth=6, heads=3),
    "d96x8": dict(width=96, depth=8, heads=3),
    "d128x6": dict(width=128, depth=6, heads=4),
    "d128x8": dict(width=128, depth=8, heads=4),
    "d192x6": dict(width=192, depth=6, heads=6),
    "d192x8": dict(width=192, depth=8, heads=6),
    "d256x8": dict(width=256, depth=8, heads=8),
}
TEXT_DEPTH = 2
# What a caption says: colour (an emoji has none), thing, motion.
NAMES = {"colour": ("", *facts.COLOURS), "thing": (*facts.SHAPES, *facts.EMOJI), "motion": facts.MOTIONS}
COUNTS = [len(names) for names in NAMES.values()]
# Below this time noise no longer counts for the eye, and one over it would count for too much.
LEAST = 0.1
# Mean square by which clean latents are off, before anything is learned of it, in a channel's own.
FIRST_TRUST = 0.05


class Along(transformer.Attention):
    """Attention inside a frame or, at each place of it, along time; never both at once."""

    def __init__(self, width, heads, time):
        super().__init__(width, heads)
        self.time = time

    def forward(self, x):
        """Of `[n, times, places, width]`."""
        rows = x.transpose(1, 2) if self.time else x
        shape = [int(size) for size in rows.shape[1:]]
        flat = rows.reshape(-1, *shape[1:])
        made = super().forward(flat, flat).reshape(-1, *shape)
        return made.transpose(1, 2) if self.time else made


class Block(nn.Module):
    """Attention and feed-forward; time and what the caption names shift, scale and gate them, at each pair of frames in its own way."""

    def __init__(self, width, heads, time):
        super().__init__()
        self.own, self.feed = Along(width, heads, time), transformer.Feed(width)
        self.modulate = transformer.modulation(width)

    def forward(self, x, condition):
        shift, scale, gate, shift2, scale2, gate2 = self.modulate(condition).chunk(6, -1)
        x = torch.addcmul(x, gate, self.own(torch.addcmul(shift, transformer.normal(x), scale)))
        return torch.addcmul(x, gate2, self.feed(torch.addcmul(shift2, transformer.normal(x), scale2)))


class Denoiser(transformer.Denoiser):
    """Latents `[n, 16, 16, 8, 8]` as 128 tokens. Blocks look inside frames and along time in turn.

    The transformer gives clean latents, from which the velocity follows: a token is 128 numbers and the width is less, so noise
    could not be carried through it, while what is clean is white and little else (Li and He 2025 on such bottlenecks). It also says by
    how much they may be off; weighed by that, what it makes and what it sees under the noise give the best guess in closed form, and
    details need not go through it where noise is weak."""

    def __init__(self, width, depth, heads):
        super().__init__(CHANNELS * TIME * PATCH * PATCH, TIMES * PLACES, width, 0, heads)
        self.blocks = nn.ModuleList(Block(width, heads, time=i % 2 == 1) for i in range(depth))
        self.register_buffer("spread", torch.ones(CHANNELS, 1, 1, 1))
        self.naming, self.pooled = nn.Linear(width, sum(COUNTS)), nn.Linear(sum(COUNTS), TIMES * width)
        nn.init.normal_(self.pooled.weight, std=0.5)
        self.places.data += 0.5 * transformer.waves((TIMES, GRID, GRID), width // 6, width)
        self.times = nn.Parameter(torch.randn(TIMES, 2 * width))
        self.paths = transformer.paths(width)
        self.fine = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, self.out.out_features))
        self.trust = nn.Linear(width, self.out.out_features)
        for layer in (self.fine[2], self.trust):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.trust.bias, math.log(FIRST_TRUST))
        # Which pairs of frames it is given: all of them but in training.
        self.slots = list(range(TIMES))

    def named(self, mean):
        """Logits of each of `NAMES`, from the mean of a caption's states."""
        return self.naming(mean).split(COUNTS, -1)

    def condition(self, timestep, text):
        """Of each pair of frames, `[n, pairs, 1, width]`: time, and what the caption names.

        Nothing else of the caption: the mean of the states is much the same for all captions, and what they differ in would drown in
        it for thousands of steps. What the parts name is also all that a combination never seen needs. Each name means what it will at
        each pair of frames: `left` is the right side at first."""
        there = (text.abs().sum(-1) > 0).to(text.dtype)
        names = self.named(text.sum(1) / there.sum(1, keepdim=True).clamp(min=1.0))
        said = self.pooled(torch.cat([logits.softmax(-1) for logits in names], -1)).unflatten(-1, (TIMES, -1))[:, self.slots]
        return nn.functional.silu(self.seen_time(timestep)[:, None] + said)[:, :, None]

    def forward(self, sample, timestep, encoder_hidden_states):
        time = timestep.reshape(-1, 1, 1, 1, 1).to(sample.dtype) / 1000
        size = ((1 - time).square() * self.spread.square() + time.square()).rsqrt()
        condition = self.condition(timestep, encoder_hidden_states)
        x = self.located(self.into(self.cut(sample * size)), condition)
        for block in self.blocks:
            x = block(x, condition)
        shift, scale = self.last(condition).chunk(2, -1)
        x = torch.addcmul(shift, transformer.normal(x), 1 + scale)
        clean = self.join(self.out(x) + self.fine(x)) * self.spread
        off = self.join(self.trust(x)).clamp(-12, 4).exp() * self.spread.square()
        gain = (1 - time) * off / ((1 - time).square() * off + time.square())
        clean = clean + gain * (sample - (1 - time) * clean)
        return (sample - clean) / time.clamp(min=LEAST)

    def located(self, tokens, condition):
        """Places count for what the caption makes of them at their time: `moves left` is a way from one side to the other, and a
        product of three, words, time and place, is what blocks learn last by themselves."""
        times = self.paths[0](condition)[:, :, 0] + self.times[self.slots]
        asked = 1 + self.paths[1](nn.functional.silu(times))[:, :, None]
        return tokens + self.places.unflatten(0, (TIMES, PLACES))[self.slots] * asked

    def cut(self, sample):
        parts = sample.reshape(-1, CHANNELS, len(self.slots), TIME, GRID, PATCH, GRID, PATCH)
        return parts.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(2, 3)

    def join(self, tokens):
        parts = tokens.reshape(-1, len(self.slots), GRID, GRID, CHANNELS, TIME, PATCH, PATCH)
        return parts.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(-1, CHANNELS, len(self.slots) * TIME, GRID * PATCH, GRID * PATCH)


class Model(transformer.Model):
    """Keeps what it made of the captions, for them to be judged too."""

    def forward(self, noisy, timestep, ids):
        self.states = self.text(ids)
        return self.denoiser(noisy, timestep, self.states)

    def named(self, ids):
        """Logits of what the captions of the last call name."""
        return self.denoiser.named(self.states.sum(1) / (ids != 0).sum(1, keepdim=True))


def model(shape):
    shape = SHAPES[shape]
    text = transformer.TextEncoder(VOCABULARY, LENGTH, shape["width"], shape["heads"], TEXT_DEPTH)
    return Model(text, Denoiser(**shape))
