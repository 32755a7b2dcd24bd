"""Exports a checkpoint's averaged weights in the folder layout that diffusers and optimum write.

    python export.py --work DIR --out FOLDER
"""

import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import deployment
from captions import LENGTH
from sampler import average_model, trained_autoencoder

LATENT = (8, 16, 16)


def network_pieces(net):
    return deployment.network_pieces(net, LENGTH, LATENT, denoiser="unet")


def autoencoder_pieces(vae):
    latent, picture = torch.randn(2, *LATENT), torch.rand(2, 3, 64, 64) * 2 - 1
    sizes = {0: "batch", 2: "height", 3: "width"}
    return {
        "vae_decoder": (vae.decoder, {"latent_sample": latent}, "sample", {"latent_sample": sizes}, "half"),
        "vae_encoder": (vae.encoder, {"sample": picture}, "latent_sample", {"sample": sizes}, "half"),
    }


def pieces(state):
    return network_pieces(average_model(state)) | autoencoder_pieces(trained_autoencoder(state))


def configs(state):
    """Every JSON file of the folder."""
    net, facts = average_model(state), state["stage2"]["latents"]
    vae = {
        "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 8, "sample_size": 64,
        # Three stages, so that readers derive the factor of 4. The widths are those of the decoder.
        "block_out_channels": list(trained_autoencoder(state).decoder_widths), "scaling_factor": 1.0,
        "latents_mean": facts["mean"], "latents_std": facts["std"],
    }
    unused = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    return deployment.index("StableDiffusionPipeline", denoiser="unet", **unused) | deployment.text_configs(net, LENGTH) | {
        "unet/config.json": {
            "_class_name": "UNet2DConditionModel", "in_channels": 8, "out_channels": 8, "sample_size": 16,
            "cross_attention_dim": net.text.tokens.embedding_dim,
        },
        "vae_decoder/config.json": vae,
        "vae_encoder/config.json": vae,
    }


if __name__ == "__main__":
    deployment.export(deployment.arguments(__doc__), pieces, configs, ("fonts-noto-color-emoji", "unicode-cldr-core"))
