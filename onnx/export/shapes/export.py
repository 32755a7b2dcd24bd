"""Exports a checkpoint's averaged weights as a folder that `edrun 3d` runs.

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
from autoencoder import CHANNELS, GRID
from captions import LENGTH
from data import REACH

DEFAULTS = {"steps": 20, "guidance_scale": 3.0, "schedule": "sgm-uniform"}


class Decoder(nn.Module):
    """Latents to distances and colours on the whole grid, `[n, 4, SIDE, SIDE, SIDE]`: the left half mirrors the right one."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample):
        right = self.vae.decode(latent_sample)
        right = torch.cat([REACH * right[:, :1], right[:, 1:].clamp(0, 1)], 1)
        return torch.cat([right.flip(2), right], 2)


def averaged(state):
    return checkpoint.averaged(state, model.model(state["fixed"]["shape"]))


def network_pieces(net):
    return deployment.network_pieces(net, LENGTH, (CHANNELS, *GRID))


def decoder_pieces(vae):
    known = {"latent_sample": torch.randn(2, CHANNELS, *GRID) * vae.spread.view(-1, 1, 1, 1)}
    return {"vae_decoder": (Decoder(vae), known, "field", {"latent_sample": {0: "batch"}}, "half")}


def pieces(state):
    return network_pieces(averaged(state)) | decoder_pieces(checkpoint.first_stage(state, autoencoder.Autoencoder()))


def configs(state):
    """Every JSON file of the folder."""
    net = averaged(state)
    width = net.text.tokens.embedding_dim
    return deployment.index("FieldDiffusionPipeline", vae="Decoder") | deployment.text_configs(net, LENGTH) | {
        "transformer/config.json": {"in_channels": CHANNELS, "out_channels": CHANNELS, "cross_attention_dim": width},
        "vae_decoder/config.json": {
            "latent_channels": CHANNELS, "latent_shape": [CHANNELS, *GRID], "scaling_factor": 1.0,
            "field": {"half_size": 1.0, "colour_range": [0.0, 1.0]},
        },
    }


if __name__ == "__main__":
    deployment.export(deployment.arguments(__doc__), pieces, configs, defaults=DEFAULTS)
