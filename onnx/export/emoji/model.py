"""The text encoder and the denoiser at their sizes."""

from torch.nn import functional as F

import transformer
from autoencoder import CHANNELS
from captions import LENGTH, VOCABULARY

PATCH, GRID = 2, 8
SHAPES = {
    "d192x6": dict(width=192, depth=6, heads=3),
    "d192x8": dict(width=192, depth=8, heads=3),
    "d224x6": dict(width=224, depth=6, heads=4),
    "d256x6": dict(width=256, depth=6, heads=4),
}
TEXT_DEPTH = 2


class Denoiser(transformer.Denoiser):
    """Latents `[n, 8, 16, 16]` as 64 tokens."""

    def __init__(self, **shape):
        super().__init__(CHANNELS * PATCH * PATCH, GRID * GRID, **shape)

    def cut(self, sample):
        return F.pixel_unshuffle(sample, PATCH).flatten(2).transpose(1, 2)

    def join(self, tokens):
        return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, (GRID, GRID)), PATCH)


def model(shape):
    shape = SHAPES[shape]
    text = transformer.TextEncoder(VOCABULARY, LENGTH, shape["width"], shape["heads"], TEXT_DEPTH)
    return transformer.Model(text, Denoiser(**shape))
