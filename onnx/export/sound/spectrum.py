"""Sounds as magnitudes of a short-time Fourier transform, and as few numbers a frame (principal components)."""

import torch

# Long enough that the partials of a note of 80 Hz are apart: what is steady in a sound then is steady in its spectra.
FFT, HOP = 2048, 520
BINS, FRAMES = FFT // 2 + 1, 128
COMPONENTS = 256
# Magnitudes are raised to this power: the ear, and the loss, then hear quiet partials beside loud ones.
POWER = 0.35


def magnitudes(sounds):
    """Sounds `[n, samples]` in -1..1 to magnitudes `[n, BINS, FRAMES]`, as they are, not compressed."""
    window = torch.hann_window(FFT, device=sounds.device)
    spectrum = torch.stft(sounds, FFT, HOP, window=window, center=True, pad_mode="constant", return_complex=True)
    return spectrum.abs()[..., :FRAMES]


def compressed(magnitudes):
    """About 0..1."""
    return (magnitudes * (2 / FFT)).pow(POWER)


def expanded(values):
    return values.clamp(min=0).pow(1 / POWER) * (FFT / 2)


class Basis:
    """The directions in which compressed spectra differ most, found in closed form."""

    def __init__(self, mean, directions, scale):
        self.mean, self.directions, self.scale = mean, directions, scale

    @classmethod
    def of(cls, spectra):
        """`spectra`: an iterable of compressed `[n, BINS, FRAMES]`."""
        count, total, square = 0, 0.0, 0.0
        for some in spectra:
            rows = some.transpose(1, 2).reshape(-1, BINS).double()
            count, total, square = count + len(rows), total + rows.sum(0), square + rows.T @ rows
        mean = total / count
        values, vectors = torch.linalg.eigh(square / count - torch.outer(mean, mean))
        largest = vectors.flip(1)[:, :COMPONENTS]
        # One scale for all: the loss is then that of the spectra themselves.
        scale = values.flip(0)[:COMPONENTS].mean().sqrt()
        return cls(mean.float(), largest.float().contiguous(), scale.float())

    def components(self, values):
        """`[n, BINS, FRAMES]` to `[n, FRAMES, COMPONENTS]`."""
        return (values.transpose(1, 2) - self.mean) @ self.directions / self.scale
