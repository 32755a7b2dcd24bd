"""Clips `[n, 3, frames, 64, 64]` to latents `[n, 16, frames, 8, 8]` and back, every frame by itself.

The encoder is found in closed form: principal components of patches of 8x8 pixels. What they leave out, edges above all, the
decoder puts back, a network that has learned what the frames look like. So the latents stand before anything is trained,
and the decoder may be trained on for as long as one likes without a word to the denoiser."""

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, FACTOR = 16, 8
PATCH = 3 * FACTOR * FACTOR


class Residual(nn.Module):
    """Two convolutions beside the identity, which it is at the start."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)

    def forward(self, x):
        return x + self.second(F.silu(self.first(F.silu(x))))


def decoder(eighth=96, quarter=64, half=32):
    """Widths at an eighth, a quarter and half of the size; the last step to full size is pixel shuffling."""
    return nn.Sequential(
        nn.Conv2d(CHANNELS, eighth, 3, padding=1), Residual(eighth), Residual(eighth),
        nn.Conv2d(eighth, 4 * quarter, 1), nn.PixelShuffle(2), Residual(quarter),
        nn.Conv2d(quarter, 4 * half, 1), nn.PixelShuffle(2), Residual(half), nn.SiLU(),
        nn.Conv2d(half, 12, 3, padding=1), nn.PixelShuffle(2),
    )


def each_frame(net, x):
    """A network of pictures on the frames of clips."""
    made = net(x.transpose(1, 2).flatten(0, 1))
    return made.reshape(x.shape[0], x.shape[2], *made.shape[1:]).transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("ways", torch.zeros(CHANNELS, PATCH, 1, 1))
        self.register_buffer("shift", torch.zeros(CHANNELS))
        self.register_buffer("spread", torch.ones(CHANNELS))

    @torch.no_grad()
    def fit(self, frames):
        """From frames `[n, 3, 64, 64]` in -1..1. What is plain white is zero.

        A channel's spread is the square root of that of its component, 1 in the mean over channels: whatever is learned on
        latents then cares for strong components first, and for weak ones more than their share of the error."""
        rows = F.pixel_unshuffle(frames - 1, FACTOR).transpose(0, 1).flatten(1).double()
        values, vectors = torch.linalg.eigh(rows @ rows.T / rows.shape[1])
        deviation = values.flip(0)[:CHANNELS].sqrt()
        spread = (deviation / deviation.mean()).sqrt()
        ways = (vectors.flip(1)[:, :CHANNELS] * (spread / deviation)).T.float()
        self.ways.copy_(ways[..., None, None]), self.shift.copy_(-ways.sum(1)), self.spread.copy_(spread)

    def forward(self, clips):
        return each_frame(self.pictures, clips)

    def pictures(self, frames):
        return F.conv2d(F.pixel_unshuffle(frames, FACTOR), self.ways, self.shift)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("size", torch.ones(CHANNELS, 1, 1))
        self.net = decoder()

    def forward(self, latents):
        return each_frame(self.pictures, latents)

    def pictures(self, latents):
        return self.net(latents / self.size)


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder()

    def fit(self, frames):
        self.encoder.fit(frames)
        self.decoder.size.copy_(self.encoder.spread[:, None, None])

    def loss(self, frames, noise=0.1):
        """L1 at three sizes and of differences, which keep edges; some squared error against stray colours. The decoder
        sees noisy latents, because those of the denoiser are never exact."""
        latents = self.encoder.pictures(frames)
        made = self.decoder.pictures(latents + noise * self.decoder.size * torch.randn_like(latents))
        error = made - frames
        loss = error.abs().mean() + 0.5 * error.square().mean()
        loss = loss + F.avg_pool2d(error, 2).abs().mean() + F.avg_pool2d(error, 4).abs().mean()
        return loss + error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


@torch.no_grad()
def psnr(model, frames):
    """Decibels over frames in -1..1."""
    made = [model.decoder.pictures(model.encoder.pictures(part)).clamp(-1, 1) for part in frames.split(64)]
    return -10 * torch.log10(((torch.cat(made) - frames) / 2).square().mean()).item()
