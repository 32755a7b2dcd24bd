"""Pictures 3x64x64 to latents 8x16x16 and back. All convolutions, no normalisation inside: it works at any size."""

import torch
from torch import nn
from torch.nn import functional as F

CHANNELS, FACTOR = 8, 4
# Widths at full, half and quarter size. Half of a forward pass is spent at 64x64 and 32x32, so those stay narrow.
SHAPES = {
    "small": dict(encoder=(16, 32, 64), decoder=(16, 48, 96), depth=1),
    "base": dict(encoder=(32, 64, 96), decoder=(24, 64, 128), depth=2),
}


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


def stage(width, depth):
    return [Residual(width) for _ in range(depth)]


class Autoencoder(nn.Module):
    def __init__(self, encoder, decoder, depth):
        super().__init__()
        self.decoder_widths = decoder
        _, half, quarter = encoder
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, half, 3, padding=1), *stage(half, depth),
            nn.Conv2d(half, quarter, 2, stride=2), *stage(quarter, depth), nn.Conv2d(quarter, CHANNELS, 3, padding=1),
            # Keeps latents at unit scale while they are learned, so that the noise below has a meaning.
            nn.BatchNorm2d(CHANNELS, affine=False, momentum=0.02),
        )
        full, half, quarter = decoder
        self.decoder = nn.Sequential(
            nn.Conv2d(CHANNELS, quarter, 3, padding=1), *stage(quarter, depth),
            nn.Conv2d(quarter, 4 * half, 1), nn.PixelShuffle(2), *stage(half, depth),
            nn.Conv2d(half, 4 * full, 1), nn.PixelShuffle(2), *stage(full, 1), nn.SiLU(), nn.Conv2d(full, 3, 3, padding=1),
        )

    def encode(self, pictures):
        """Pictures in -1..1."""
        return self.encoder(pictures)

    def decode(self, latents):
        return self.decoder(latents)

    def loss(self, pictures, noise=0.1):
        """L1 at three sizes and of differences, which keep edges; some squared error against stray colours. The decoder
        sees noisy latents, because those of the denoiser are never exact."""
        latents = self.encode(pictures)
        made = self.decode(latents + noise * torch.randn_like(latents))
        error = made - pictures
        loss = error.abs().mean() + 0.5 * error.square().mean()
        loss = loss + F.avg_pool2d(error, 2).abs().mean() + F.avg_pool2d(error, 4).abs().mean()
        return loss + error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()


def psnr(model, pictures):
    """Decibels over pictures in -1..1."""
    with torch.no_grad():
        made = [model.decode(model.encode(part)).clamp(-1, 1) for part in pictures.split(64)]
    return -10 * torch.log10(((torch.cat(made) - pictures) / 2).square().mean()).item()
