"""Spectra to latents and back, in closed form: principal components of frames, then of four frames together.

The phase is left to the runtime (Griffin-Lim)."""

import torch
from torch import nn

from spectrum import BINS, COMPONENTS, FRAMES, Basis, compressed, expanded

CHANNELS, FACTOR = 192, 4
# Compressed magnitudes below which a decoded one is more error than sound, some 90 dB below the loudest ones.
FLOOR = 0.02
LENGTH = FRAMES // FACTOR


def fold(x):
    """Four frames as one."""
    return x.unflatten(1, (-1, FACTOR)).flatten(2, 3)


def unfold(x):
    return x.unflatten(2, (FACTOR, -1)).flatten(1, 2)


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(BINS))
        self.register_buffer("directions", torch.zeros(BINS, COMPONENTS))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("middle", torch.zeros(FACTOR * COMPONENTS))
        self.register_buffer("ways", torch.zeros(FACTOR * COMPONENTS, CHANNELS))
        self.register_buffer("size", torch.ones(CHANNELS))

    @property
    def spread(self):
        """Of every channel. It follows from `size`, which is what exported graphs hold."""
        return self.size / self.size.square().mean().sqrt()

    @torch.no_grad()
    def fit(self, basis, components):
        """From the components `[n, FRAMES, COMPONENTS]` of some clips.

        A channel's spread is the square root of that of its component, 1 in the mean over channels: whatever is learned on
        latents then cares for strong components first, and for weak ones more than their share of the error."""
        self.mean.copy_(basis.mean), self.directions.copy_(basis.directions), self.scale.copy_(basis.scale)
        rows = fold(components).flatten(0, 1).double()
        self.middle.copy_(rows.mean(0))
        rows -= rows.mean(0)
        values, vectors = torch.linalg.eigh(rows.T @ rows / len(rows))
        deviation = values.flip(0)[:CHANNELS].sqrt()
        self.ways.copy_(vectors.flip(1)[:, :CHANNELS]), self.size.copy_((deviation * deviation.mean()).sqrt())

    def encode(self, magnitudes):
        """`[n, BINS, FRAMES]` as they are, to `[n, CHANNELS, LENGTH]`."""
        components = Basis(self.mean, self.directions, self.scale).components(compressed(magnitudes))
        return ((fold(components) - self.middle) @ self.ways / self.size).transpose(1, 2)

    def decode(self, latents):
        components = unfold((latents.transpose(1, 2) * self.size) @ self.ways.T + self.middle)
        values = (components @ self.directions.T * self.scale + self.mean).clamp(min=0)
        return expanded(values * values.square() / (values.square() + FLOOR**2)).transpose(1, 2)


def quality(model, known):
    """Decibels of signal over error of magnitudes `[n, BINS, FRAMES]`."""
    with torch.no_grad():
        made = torch.cat([model.decode(model.encode(part)) for part in known.split(32)])
    return 10 * torch.log10(known.square().sum() / (made - known).square().sum()).item()
