"""Exports a checkpoint's averaged weights as a folder that `edrun audio` runs.

    python export.py --work DIR --out FOLDER
"""

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import autoencoder
import checkpoint
import deployment
import model
import render
import spectrum
from captions import LENGTH

DEFAULTS = {"steps": 20, "guidance_scale": 3.0, "schedule": "sgm-uniform"}


def averaged(state):
    return checkpoint.averaged(state, model.model(state["fixed"]["shape"]))


class Encoder(nn.Module):
    """Magnitudes to latents."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, magnitude):
        return self.vae.encode(magnitude)


class Decoder(nn.Module):
    """Latents to magnitudes."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latents):
        return self.vae.decode(latents)


def network_pieces(net):
    return deployment.network_pieces(net, LENGTH, (autoencoder.CHANNELS, autoencoder.LENGTH), sample="hidden_states")


def autoencoder_pieces(vae):
    sounds = {"latent_sample": torch.randn(2, autoencoder.CHANNELS, autoencoder.LENGTH) * vae.spread[:, None]}
    given = {"magnitude": vae.decode(sounds["latent_sample"])}
    return {
        "vae_decoder": (Decoder(vae), sounds, "magnitude", {"latent_sample": {0: "batch", 2: "length"}}, "half"),
        "vae_encoder": (Encoder(vae), given, "latent_sample", {"magnitude": {0: "batch", 2: "frames"}}, "half"),
    }


def pieces(state):
    return network_pieces(averaged(state)) | autoencoder_pieces(checkpoint.first_stage(state, autoencoder.Autoencoder()))


def configs(state):
    """Every JSON file of the folder."""
    net = averaged(state)
    sounds = {
        "latent_channels": autoencoder.CHANNELS, "sampling_rate": render.RATE, "scaling_factor": 1.0,
        "downsampling_ratios": [spectrum.HOP, autoencoder.FACTOR], "n_fft": spectrum.FFT, "hop_length": spectrum.HOP,
    }
    return deployment.index("EdrunSoundPipeline") | deployment.text_configs(net, LENGTH) | {
        "transformer/config.json": {
            "in_channels": autoencoder.CHANNELS, "out_channels": autoencoder.CHANNELS, "sample_size": autoencoder.LENGTH,
            # The tempo is one value more.
            "cross_attention_dim": net.text.tokens.embedding_dim + 1,
        },
        "vae_decoder/config.json": sounds,
        "vae_encoder/config.json": sounds,
    }


if __name__ == "__main__":
    deployment.export(deployment.arguments(__doc__), pieces, configs, ["fluid-soundfont-gm"], DEFAULTS)
