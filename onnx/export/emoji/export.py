"""Exports a checkpoint's averaged weights in the folder layout that diffusers and optimum write.

    python export.py --work DIR --out FOLDER
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import checkpoint
from captions import LENGTH
from graphs import write_all, write_configs
from sampler import average_model, trained_autoencoder
from words import END, PAD, START


def network_pieces(net):
    """`{component: (module, inputs by name, output, dynamic axes, weights)}`"""
    ids = torch.zeros(2, LENGTH, dtype=torch.int64)
    ids[:, :6] = torch.randint(3, 2000, (2, 6))
    text = net.text(ids).detach()
    latent = torch.randn(2, 8, 16, 16)
    unet_axes = {"sample": {0: "batch"}, "timestep": {0: "times"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    unet_inputs = {"sample": latent, "timestep": torch.tensor([700.0, 30.0]), "encoder_hidden_states": text}
    return {
        "text_encoder": (net.text, {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "batch"}}, "int8"),
        "unet": (net.denoiser, unet_inputs, "out_sample", unet_axes, "int8"),
    }


def autoencoder_pieces(vae):
    latent, picture = torch.randn(2, 8, 16, 16), torch.rand(2, 3, 64, 64) * 2 - 1
    sizes = {0: "batch", 2: "height", 3: "width"}
    return {
        "vae_decoder": (vae.decoder, {"latent_sample": latent}, "sample", {"latent_sample": sizes}, "half"),
        "vae_encoder": (vae.encoder, {"sample": picture}, "latent_sample", {"sample": sizes}, "half"),
    }


def configs(state):
    """Every JSON file of the folder."""
    text, facts = average_model(state).text, state["stage2"]["latents"]
    width = text.tokens.embedding_dim
    vae = {
        "_class_name": "AutoencoderKL", "in_channels": 3, "out_channels": 3, "latent_channels": 8, "sample_size": 64,
        # Three stages, so that readers derive the factor of 4. The widths are those of the decoder.
        "block_out_channels": list(trained_autoencoder(state).decoder_widths), "scaling_factor": 1.0,
        "latents_mean": facts["mean"], "latents_std": facts["std"],
    }
    return {
        "model_index.json": {
            "_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["edrun", "TextEncoder"], "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
            "unet": ["edrun", "Denoiser"], "vae": ["edrun", "Autoencoder"],
            "safety_checker": None, "feature_extractor": None, "requires_safety_checker": False,
        },
        "unet/config.json": {
            "_class_name": "UNet2DConditionModel", "in_channels": 8, "out_channels": 8, "sample_size": 16,
            "cross_attention_dim": width,
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
            "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0,
            "use_dynamic_shifting": False,
        },
    }


def notices(work, out):
    """The font's and CLDR's licences ask to be kept beside what is made of them."""
    folder = out / "licenses"
    folder.mkdir(exist_ok=True)
    for package in ("fonts-noto-color-emoji", "unicode-cldr-core"):
        shutil.copy(work / "root/usr/share/doc" / package / "copyright", folder / f"{package}.txt")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--checkpoint", default="checkpoint.pt", help="or settled.pt")
    args.add_argument("--out", type=Path, required=True)
    args = args.parse_args()
    torch.manual_seed(0)
    state = checkpoint.read(args.work / args.checkpoint)
    write_all(args.out, network_pieces(average_model(state)) | autoencoder_pieces(trained_autoencoder(state)))
    write_configs(args.out, configs(state))
    shutil.copy(args.work / "tokenizer.json", args.out / "tokenizer/tokenizer.json")
    notices(args.work, args.out)


if __name__ == "__main__":
    main()
