"""The text encoder and the denoiser at their sizes."""

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


class Denoiser(transformer.Informed):
    """Latents `[n, 160, 51]` as 17 tokens."""

    def __init__(self, **shape):
        super().__init__((CHANNELS, 1), PATCH * CHANNELS, PLACES // PATCH, **shape)

    def cut(self, sample):
        return sample.transpose(1, 2).reshape(-1, PLACES // PATCH, PATCH * CHANNELS)

    def join(self, tokens):
        return tokens.reshape(-1, PLACES, CHANNELS).transpose(1, 2)


def model(shape):
    shape = SHAPES[shape]
    text = transformer.TextEncoder(VOCABULARY, LENGTH, shape["width"], shape["heads"], TEXT_DEPTH)
    return transformer.Model(text, Denoiser(**shape))
