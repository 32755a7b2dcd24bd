"""Exports a checkpoint's averaged weights as a folder that `edrun video` runs.

    python export.py --work DIR --out FOLDER
"""

import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import autoencoder
import deployment
import facts
import render
from captions import LENGTH
from model import GRID, PATCH
from sampler import average_model, trained_autoencoder

SIDE = GRID * PATCH
SIZES = {0: "batch", 2: "frames", 3: "height", 4: "width"}
# Of the noise levels, as the figures were made.
SHIFT = 3.0
DEFAULTS = {"steps": 12, "guidance_scale": 3.0, "schedule": "sgm-uniform"}
CLIP = {"frames": facts.FRAMES, "fps": 8, "width": facts.SIZE, "height": facts.SIZE}


def network_pieces(net):
    latent = (autoencoder.CHANNELS, facts.FRAMES, SIDE, SIDE)
    # In int8 the states of texts and the velocity would be off by more than 2 %.
    return deployment.network_pieces(net, LENGTH, latent, sample="hidden_states", text="half", weights="half")


def decoder_pieces(vae):
    """What is learned of the autoencoder. Any number of frames of any size go through it."""
    clip = torch.rand(2, 3, 3, facts.SIZE, facts.SIZE) * 2 - 1
    return {"vae_decoder": (vae.decoder, {"latent_sample": vae.encoder(clip)}, "sample", {"latent_sample": SIZES}, "half")}


def encoder_pieces(vae):
    clip = torch.rand(2, 3, 3, facts.SIZE, facts.SIZE) * 2 - 1
    return {"vae_encoder": (vae.encoder, {"sample": clip}, "latent_sample", {"sample": SIZES}, "half")}


def pieces(state):
    vae = trained_autoencoder(state)
    return network_pieces(average_model(state)) | decoder_pieces(vae) | encoder_pieces(vae)


def configs(state):
    """Every JSON file of the folder."""
    net = average_model(state)
    vae = {
        "in_channels": 3, "out_channels": 3, "latent_channels": autoencoder.CHANNELS, "sample_size": facts.SIZE,
        "spatial_compression_ratio": autoencoder.FACTOR, "temporal_compression_ratio": 1, "scaling_factor": 1.0,
    }
    return deployment.index("EdrunVideoPipeline") | deployment.text_configs(net, LENGTH, SHIFT) | {
        "transformer/config.json": {
            "in_channels": autoencoder.CHANNELS, "out_channels": autoencoder.CHANNELS, "sample_frames": facts.FRAMES,
            "sample_height": SIDE, "sample_width": SIDE, "cross_attention_dim": net.text.tokens.embedding_dim,
        },
        "vae_decoder/config.json": vae,
        "vae_encoder/config.json": vae,
    }


if __name__ == "__main__":
    deployment.export(deployment.arguments(__doc__), pieces, configs, (render.PACKAGE,), DEFAULTS | {"clip": CLIP})
