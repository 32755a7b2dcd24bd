"""Exports a checkpoint's averaged weights as a folder that `edrun 3d` runs.

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
from autoencoder import CHANNELS, GRID
from captions import LENGTH, VOCABULARY
from data import REACH
from graphs import write_all, write_configs
from words import END, PAD, START


class Decoder(nn.Module):
    """Latents to distances and colours on the whole grid, `[n, 4, SIDE, SIDE, SIDE]`: the left half mirrors the right one."""

    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, latent_sample):
        right = self.vae.decode(latent_sample)
        right = torch.cat([REACH * right[:, :1], right[:, 1:].clamp(0, 1)], 1)
        return torch.cat([right.flip(2), right], 2)


def trained(state):
    """The averaged weights of stage 2, and the decoder."""
    net, vae = model.model(state["fixed"]["shape"]), autoencoder.Autoencoder()
    net.load_state_dict(state["stage2"]["average"])
    vae.load_state_dict(state["stage1"]["model"])
    return net.eval().requires_grad_(False), vae.eval().requires_grad_(False)


def network_pieces(net):
    """`{component: (module, inputs by name, output, dynamic axes, weights)}`"""
    ids = torch.zeros(2, LENGTH, dtype=torch.int64)
    ids[:, :6] = torch.randint(3, VOCABULARY, (2, 6))
    latent = torch.randn(2, CHANNELS, *GRID)
    inputs = {"sample": latent, "timestep": torch.tensor([700.0, 30.0]), "encoder_hidden_states": net.text(ids).detach()}
    axes = {"sample": {0: "batch"}, "timestep": {0: "times"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    return {
        "text_encoder": (net.text, {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "batch"}}, "int8"),
        "transformer": (net.denoiser, inputs, "out_sample", axes, "int8"),
    }


def decoder_pieces(vae):
    known = {"latent_sample": torch.randn(2, CHANNELS, *GRID) * vae.spread.view(-1, 1, 1, 1)}
    return {"vae_decoder": (Decoder(vae), known, "field", {"latent_sample": {0: "batch"}}, "half")}


def configs(state):
    """Every JSON file of the folder."""
    net, _ = trained(state)
    width = net.text.tokens.embedding_dim
    return {
        "model_index.json": {
            "_class_name": "FieldDiffusionPipeline", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["edrun", "TextEncoder"], "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
            "transformer": ["edrun", "Denoiser"], "vae": ["edrun", "Decoder"],
        },
        "transformer/config.json": {"in_channels": CHANNELS, "out_channels": CHANNELS, "cross_attention_dim": width},
        "text_encoder/config.json": {
            "architectures": ["TextEncoder"], "hidden_size": width, "vocab_size": net.text.tokens.num_embeddings,
            "max_position_embeddings": LENGTH, "pad_token_id": 0,
        },
        "vae_decoder/config.json": {
            "latent_channels": CHANNELS, "latent_shape": [CHANNELS, *GRID], "scaling_factor": 1.0,
            "field": {"half_size": 1.0, "colour_range": [0.0, 1.0]},
        },
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
    net, vae = trained(state)
    write_all(args.out, network_pieces(net) | decoder_pieces(vae))
    write_configs(args.out, configs(state))
    (args.out / "edrun.json").write_text(json.dumps({"steps": 20, "guidance_scale": 3.0, "schedule": "sgm-uniform"}) + "\n")
    shutil.copy(args.work / "tokenizer.json", args.out / "tokenizer/tokenizer.json")


if __name__ == "__main__":
    main()
