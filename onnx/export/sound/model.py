"""The text encoder and the denoiser at their sizes."""

import torch

import transformer
from autoencoder import CHANNELS
from autoencoder import LENGTH as PLACES
from captions import LENGTH, VOCABULARY

# Neighbouring latents that make a token, 174 ms long: a third of the tokens cost a third.
PATCH = 3
SHAPES = {
    "d128x4": dict(width=128, depth=4, heads=2),
    "d128x6": dict(width=128, depth=6, heads=2),
    "d192x6": dict(width=192, depth=6, heads=3),
    "d256x6": dict(width=256, depth=6, heads=4),
}
TEXT_DEPTH = 2


class Denoiser(transformer.Denoiser):
    """Latents `[n, 160, 51]` as 17 tokens.

    What is known of every channel beforehand, its spread, gives the best linear guess of the velocity in closed form, as in
    Karras et al. 2022; the transformer learns the rest, whose deviation is 1 in every channel at every time. Weak channels
    are then nearly all guess, and their noise need not be carried through the transformer."""

    def __init__(self, **shape):
        super().__init__(PATCH * CHANNELS, PLACES // PATCH, **shape)
        self.register_buffer("spread", torch.ones(CHANNELS, 1))

    def cut(self, sample):
        return sample.transpose(1, 2).reshape(-1, PLACES // PATCH, PATCH * CHANNELS)

    def join(self, tokens):
        return tokens.reshape(-1, PLACES, CHANNELS).transpose(1, 2)

    def forward(self, sample, timestep, encoder_hidden_states):
        time, square = timestep.reshape(-1, 1, 1).to(sample.dtype) / 1000, self.spread.square()
        total = (1 - time).square() * square + time.square()
        made = super().forward(sample * total.rsqrt(), timestep, encoder_hidden_states)
        return sample * ((time - (1 - time) * square) / total) + made * (self.spread * total.rsqrt())


def model(shape):
    shape = SHAPES[shape]
    text = transformer.TextEncoder(VOCABULARY, LENGTH, shape["width"], shape["heads"], TEXT_DEPTH)
    return transformer.Model(text, Denoiser(**shape))
