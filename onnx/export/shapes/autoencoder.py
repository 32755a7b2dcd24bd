"""Values on the right half of a grid to latents in closed form, and back the same way with what a small network adds.

An encoder that is known before training lets the decoder and the denoiser be trained in any order. Principal components alone
break surfaces where patches meet and wear thin parts away; the network, which sees neighbours, mends that."""

import torch
from torch import nn
from data import REACH, SIDE
from torch.nn import functional as F

PATCH, CHANNELS = 8, 48
GRID = (SIDE // PATCH // 2, SIDE // PATCH, SIDE // PATCH)
PAINT = 0.7  # weight of colours beside distances, where principal components are sought
NOISE = 0.1  # deviation of what is added to latents in training


def packed(grids):
    """Distances in units of REACH and colours in 0..1, `[n, 4, x, y, z]`, as what is encoded, all within -1..1: colours count
    near the surface only."""
    near = 1 - grids[:, :1].abs()
    return torch.cat([grids[:, :1], PAINT * (2 * grids[:, 1:] - 1) * near], 1)


def patches(packed):
    """`[n, 4, x, y, z]` to `[n, places, values]`."""
    n = len(packed)
    cut = packed.reshape(n, 4, GRID[0], PATCH, GRID[1], PATCH, GRID[2], PATCH)
    return cut.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(n, -1, 4 * PATCH**3)


def joined(rows):
    """What `patches` has cut, together again."""
    cut = rows.reshape(-1, *GRID, 4, PATCH, PATCH, PATCH)
    return cut.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(-1, 4, SIDE // 2, SIDE, SIDE)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Conv3d(width, width, 3, padding=1), nn.Conv3d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x):
        return x + self.second(F.silu(self.first(F.silu(x))))


class Mender(nn.Module):
    """From latents `[n, CHANNELS, 2, 4, 4]` what their principal components do not give, `[n, 4, SIDE/2, SIDE, SIDE]`: nothing
    at first. All its convolutions are at a quarter of the grid."""

    def __init__(self, width=64, depth=2):
        super().__init__()
        self.into = nn.ConvTranspose3d(CHANNELS, width, 2, stride=2)
        self.places = nn.Parameter(torch.zeros(1, width, *(2 * g for g in GRID)))
        self.blocks = nn.Sequential(*[Residual(width) for _ in range(depth)], nn.SiLU())
        self.step = PATCH // 2
        self.out = nn.Conv3d(width, 4 * self.step**3, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, latents):
        x = self.out(self.blocks(self.into(latents) + self.places))
        s = self.step
        x = x.reshape(-1, 4, s, s, s, 2 * GRID[0], 2 * GRID[1], 2 * GRID[2])
        return x.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(-1, 4, SIDE // 2, SIDE, SIDE)


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4 * PATCH**3))
        self.register_buffer("ways", torch.zeros(4 * PATCH**3, CHANNELS))
        self.register_buffer("size", torch.ones(CHANNELS))
        self.mender = Mender()

    @property
    def spread(self):
        """Of every channel. It follows from `size`, which is what exported graphs hold."""
        return self.size / self.size.square().mean().sqrt()

    @torch.no_grad()
    def fit(self, known):
        """From packed grids of some objects. A channel's spread is the square root of its component's, 1 in the mean over
        channels: what is learned on latents then cares for strong components first."""
        rows = torch.cat([patches(part).flatten(0, 1) for part in known.split(256)])
        self.mean.copy_(rows.mean(0))
        rows = rows - self.mean
        values, vectors = torch.linalg.eigh((rows.T @ rows / len(rows)).double())
        deviation = values.flip(0)[:CHANNELS].sqrt().float()
        self.ways.copy_(vectors.flip(1)[:, :CHANNELS]), self.size.copy_((deviation * deviation.mean()).sqrt())
        return values.flip(0)

    def encode(self, known):
        latents = (patches(known) - self.mean) @ self.ways / self.size
        return latents.transpose(1, 2).reshape(-1, CHANNELS, *GRID)

    def linear(self, latents):
        """What principal components alone give back: distances in units of REACH, and colours in 0..1."""
        made = joined((latents.flatten(2).transpose(1, 2) * self.size) @ self.ways.T + self.mean)
        near = (1 - made[:, :1].abs()).clamp(min=0.3)
        return torch.cat([made[:, :1], 0.5 + made[:, 1:] / (2 * PAINT * near)], 1)

    def decode(self, latents):
        """Distances in units of REACH, and colours in 0..1."""
        return self.linear(latents) + self.mender(latents)

    def loss(self, batch):
        """Latents, and distances and colours `[n, 4, ...]` . The decoder sees noisy latents, because those of
        the denoiser are never exact."""
        latents, wanted = batch
        made = self.decode(latents + NOISE * torch.randn_like(latents))
        near = 1 - wanted[:, 0].abs()
        off = (made[:, 0] - wanted[:, 0]).abs() * (0.15 + 3 * near.square())
        tint = (made[:, 1:] - wanted[:, 1:]).abs().mean(1) * near
        return off.mean() + 2 * tint.mean()


@torch.no_grad()
def quality(model, latents, wanted):
    """The mean error of distances near the surface, in cells (smaller is better)."""
    made = torch.cat([model.decode(part) for part in latents.split(32)])
    near = wanted[:, 0].abs() < 0.5
    return ((made[:, 0] - wanted[:, 0]).abs()[near].mean() * REACH * (SIDE - 1) / 2).item()
