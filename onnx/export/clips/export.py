"""Exports a checkpoint's averaged weights as a folder that `edrun video` runs.

    python export.py --work DIR --out FOLDER
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import autoencoder
import checkpoint
import facts
import render
from captions import LENGTH, VOCABULARY
from graphs import write_all, write_configs
from model import GRID, PATCH
from sampler import average_model, trained_autoencoder
from words import END, PAD, START

SIDE = GRID * PATCH
SIZES = {0: "batch", 2: "frames", 3: "height", 4: "width"}
# Of the noise levels, as the figures were made.
SHIFT = 3.0
DEFAULTS = {"steps": 12, "guidance_scale": 3.0, "schedule": "sgm-uniform"}
CLIP = {"frames": facts.FRAMES, "fps": 8, "width": facts.SIZE, "height": facts.SIZE}


def network_pieces(net):
    """`{component: (module, inputs by name, output, dynamic axes, weights)}`"""
    ids = torch.zeros(2, LENGTH, dtype=torch.int64)
    ids[:, :6] = torch.randint(3, VOCABULARY - 100, (2, 6))
    latent = torch.randn(2, autoencoder.CHANNELS, facts.FRAMES, SIDE, SIDE)
    inputs = {"hidden_states": latent, "timestep": torch.tensor([700.0, 30.0]), "encoder_hidden_states": net.text(ids).detach()}
    axes = {"hidden_states": {0: "batch"}, "timestep": {0: "times"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    return {
        "text_encoder": (net.text, {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "batch"}}, "int8"),
        "transformer": (net.denoiser, inputs, "out_sample", axes, "int8"),
    }


def decoder_pieces(vae):
    """What is learned of the autoencoder. Any number of frames of any size go through it."""
    clip = torch.rand(2, 3, 3, facts.SIZE, facts.SIZE) * 2 - 1
    return {"vae_decoder": (vae.decoder, {"latent_sample": vae.encoder(clip)}, "sample", {"latent_sample": SIZES}, "half")}


def encoder_pieces(vae):
    clip = torch.rand(2, 3, 3, facts.SIZE, facts.SIZE) * 2 - 1
    return {"vae_encoder": (vae.encoder, {"sample": clip}, "latent_sample", {"sample": SIZES}, "half")}


def configs(state):
    """Every JSON file of the folder."""
    text = average_model(state).text
    width = text.tokens.embedding_dim
    vae = {
        "in_channels": 3, "out_channels": 3, "latent_channels": autoencoder.CHANNELS, "sample_size": facts.SIZE,
        "spatial_compression_ratio": autoencoder.FACTOR, "temporal_compression_ratio": 1, "scaling_factor": 1.0,
    }
    return {
        "model_index.json": {
            "_class_name": "EdrunVideoPipeline", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["edrun", "TextEncoder"], "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
            "transformer": ["edrun", "Denoiser"], "vae": ["edrun", "Autoencoder"],
        },
        "transformer/config.json": {
            "in_channels": autoencoder.CHANNELS, "out_channels": autoencoder.CHANNELS, "sample_frames": facts.FRAMES,
            "sample_height": SIDE, "sample_width": SIDE, "cross_attention_dim": width,
        },
        "text_encoder/config.json": {
            "architectures": ["TextEncoder"], "hidden_size": width, "vocab_size": text.tokens.num_embeddings,
            "max_position_embeddings": LENGTH, "pad_token_id": 0,
        },
        "vae_decoder/config.json": vae,
        "vae_encoder/config.json": vae,
        "tokenizer/tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LENGTH,
            "pad_token": PAD, "bos_token": START, "eos_token": END,
        },
        "scheduler/scheduler_config.json": {
            "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": SHIFT,
            "use_dynamic_shifting": False,
        },
    }


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--checkpoint", default="checkpoint.pt", help="or settled.pt")
    args.add_argument("--out", type=Path, required=True)
    args = args.parse_args()
    torch.manual_seed(0)
    state = checkpoint.read(args.work / args.checkpoint)
    vae = trained_autoencoder(state)
    write_all(args.out, network_pieces(average_model(state)) | decoder_pieces(vae) | encoder_pieces(vae))
    write_configs(args.out, configs(state))
    (args.out / "edrun.json").write_text(json.dumps(DEFAULTS | {"clip": CLIP}) + "\n")
    shutil.copy(args.work / "tokenizer.json", args.out / "tokenizer/tokenizer.json")
    (args.out / "licenses").mkdir(exist_ok=True)
    shutil.copy(args.work / "root/usr/share/doc" / render.PACKAGE / "copyright", args.out / f"licenses/{render.PACKAGE}.txt")


if __name__ == "__main__":
    main()
