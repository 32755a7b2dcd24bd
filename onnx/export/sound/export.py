"""Exports a checkpoint's averaged weights as a folder that `edrun audio` runs.

    python export.py --work DIR --out FOLDER
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import torch
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import autoencoder
import checkpoint
import model
import render
import spectrum
from captions import LENGTH, VOCABULARY
from graphs import write_all, write_configs
from words import END, PAD, START


def trained(state):
    """The averaged weights of stage 2, and the decoder."""
    net, vae = model.model(state["fixed"]["shape"]), autoencoder.Autoencoder()
    net.load_state_dict(state["stage2"]["average"])
    vae.load_state_dict(state["stage1"]["model"])
    return net.eval().requires_grad_(False), vae


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


def pieces(state):
    """`{component: (module, inputs by name, output, dynamic axes, weights)}`"""
    net, vae = trained(state)
    ids = torch.zeros(2, LENGTH, dtype=torch.int64)
    ids[:, :6] = torch.randint(3, VOCABULARY, (2, 6))
    latent = torch.randn(2, autoencoder.CHANNELS, autoencoder.LENGTH)
    inputs = {"hidden_states": latent, "timestep": torch.tensor([700.0, 30.0]), "encoder_hidden_states": net.text(ids)}
    axes = {"hidden_states": {0: "batch"}, "timestep": {0: "times"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    sounds = {"latent_sample": latent * vae.spread[:, None]}
    given = {"magnitude": vae.decode(sounds["latent_sample"])}
    return {
        "text_encoder": (net.text, {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "batch"}}, "int8"),
        "transformer": (net.denoiser, inputs, "out_sample", axes, "int8"),
        "vae_decoder": (Decoder(vae), sounds, "magnitude", {"latent_sample": {0: "batch", 2: "length"}}, "half"),
        "vae_encoder": (Encoder(vae), given, "latent_sample", {"magnitude": {0: "batch", 2: "frames"}}, "half"),
    }


def configs(state):
    """Every JSON file of the folder."""
    net, _ = trained(state)
    width = net.text.tokens.embedding_dim
    sounds = {
        "latent_channels": autoencoder.CHANNELS, "sampling_rate": render.RATE, "scaling_factor": 1.0,
        "downsampling_ratios": [spectrum.HOP, autoencoder.FACTOR], "n_fft": spectrum.FFT, "hop_length": spectrum.HOP,
    }
    return {
        "model_index.json": {
            "_class_name": "EdrunSoundPipeline", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["edrun", "TextEncoder"], "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
            "transformer": ["edrun", "Denoiser"], "vae": ["edrun", "Autoencoder"],
        },
        "transformer/config.json": {
            "in_channels": autoencoder.CHANNELS, "out_channels": autoencoder.CHANNELS, "sample_size": autoencoder.LENGTH,
            "cross_attention_dim": width,
        },
        "text_encoder/config.json": {
            "architectures": ["TextEncoder"], "hidden_size": width, "vocab_size": net.text.tokens.num_embeddings,
            "max_position_embeddings": LENGTH, "pad_token_id": 0,
        },
        "vae_decoder/config.json": sounds,
        "vae_encoder/config.json": sounds,
        "tokenizer/tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LENGTH,
            "pad_token": PAD, "bos_token": START, "eos_token": END,
        },
        "scheduler/scheduler_config.json": {
            "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0,
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
    write_all(args.out, pieces(state))
    write_configs(args.out, configs(state))
    (args.out / "edrun.json").write_text(json.dumps({"steps": 20, "guidance_scale": 3.0, "schedule": "sgm-uniform"}) + "\n")
    shutil.copy(args.work / "tokenizer.json", args.out / "tokenizer/tokenizer.json")
    (args.out / "licenses").mkdir(exist_ok=True)
    shutil.copy(args.work / "root/usr/share/doc/fluid-soundfont-gm/copyright", args.out / "licenses/fluid-soundfont-gm.txt")


if __name__ == "__main__":
    main()
