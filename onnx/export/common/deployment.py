"""What every latent diffusion model of these recipes exports alike: text encoder, denoiser, tokenizer, scheduler."""

import argparse
import json
import shutil
from pathlib import Path

import torch

import checkpoint
from graphs import write_all, write_configs
from words import END, PAD, START


def arguments(doc):
    args = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--checkpoint", default="checkpoint.pt", help="or settled.pt")
    args.add_argument("--out", type=Path, required=True)
    return args.parse_args()


def network_pieces(net, length, latent, denoiser="transformer", sample="sample", text="int8", weights="int8"):
    """`{component: (module, inputs by name, output, dynamic axes, weights)}` of a text encoder that reads `length` tokens, and of a
    denoiser of latents `[n, *latent]`, which has the names that the field gives it and its `sample`. The weights of `text` are kept so,
    the denoiser's as `weights`."""
    ids = torch.zeros(2, length, dtype=torch.int64)
    ids[:, :6] = torch.randint(3, net.text.tokens.num_embeddings, (2, 6))
    inputs = {sample: torch.randn(2, *latent), "timestep": torch.tensor([700.0, 30.0]), "encoder_hidden_states": net.text(ids).detach()}
    axes = {sample: {0: "batch"}, "timestep": {0: "times"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    return {
        "text_encoder": (net.text, {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "batch"}}, text),
        denoiser: (net.denoiser, inputs, "out_sample", axes, weights),
    }


def index(name, vae="Autoencoder", denoiser="transformer", **more):
    """The list of what a pipeline is made of."""
    parts = {
        "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"], "text_encoder": ["edrun", "TextEncoder"],
        "tokenizer": ["transformers", "PreTrainedTokenizerFast"], denoiser: ["edrun", "Denoiser"], "vae": ["edrun", vae],
    }
    return {"model_index.json": {"_class_name": name} | parts | more}


def text_configs(net, length, shift=1.0):
    """Those of the text encoder and the tokenizer, and of the scheduler, whose noise levels have a `shift`."""
    return {
        "text_encoder/config.json": {
            "architectures": ["TextEncoder"], "hidden_size": net.text.tokens.embedding_dim,
            "vocab_size": net.text.tokens.num_embeddings, "max_position_embeddings": length, "pad_token_id": 0,
        },
        "tokenizer/tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length,
            "pad_token": PAD, "bos_token": START, "eos_token": END,
        },
        "scheduler/scheduler_config.json": {
            "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": shift,
            "use_dynamic_shifting": False,
        },
    }


def notices(work, out, packages):
    """Licences of Debian packages that ask to be kept beside what is made of them."""
    folder = out / "licenses"
    folder.mkdir(exist_ok=True)
    for package in packages:
        shutil.copy(work / "root/usr/share/doc" / package / "copyright", folder / f"{package}.txt")


def export(args, pieces, configs, packages=(), defaults=None):
    """Writes the folder `args.out`. `pieces(state)` and `configs(state)` are of the checkpoint; `defaults` is what suits the model."""
    torch.manual_seed(0)
    state = checkpoint.read(args.work / args.checkpoint)
    write_all(args.out, pieces(state))
    write_configs(args.out, configs(state))
    if defaults:
        (args.out / "edrun.json").write_text(json.dumps(defaults) + "\n")
    shutil.copy(args.work / "tokenizer.json", args.out / "tokenizer/tokenizer.json")
    if packages:
        notices(args.work, args.out, packages)
