"""A toy deployment that makes clips, random weights, and what diffusers' flow scheduler makes of it.

usage: python make_clip.py models/clip clip

The layout is that of the built-in model of `edrun video`. The denoiser sees a latent's neighbours in time and space only, so it takes any
number of frames; the decoder is causal: the first latent frame is one frame, every other one four, and each sees the one before it and the
latents beside it. clip/ then holds, for REQUEST, latents.npy before decoding [4, 3, 6, 4] and frames.npy of the decoder [3, 9, 24, 16].
"""
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F

sys.path.append(str(Path(__file__).resolve().parents[2] / "onnx/export/common"))
import transformer
from graphs import write_configs, write_graph
from words import END, PAD, START, tokenize, train_tokenizer

VOCABULARY, TOKENS, WIDTH, CHANNELS, FACTOR, RATIO = 272, 8, 16, 4, 4, 4
REQUEST = dict(prompt="a red ball bounces", seed=7, steps=5, guidance=3.0, shape=(CHANNELS, 3, 6, 4))


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.into, self.out = nn.Conv3d(CHANNELS, WIDTH, 3, padding=1), nn.Conv3d(WIDTH, CHANNELS, 3, padding=1)
        self.text, self.time = nn.Linear(WIDTH, WIDTH), nn.Linear(1, WIDTH)

    def forward(self, sample, timestep, encoder_hidden_states):
        told = self.text(encoder_hidden_states.mean(1)) + self.time(timestep.reshape(-1, 1) / 1000)
        return self.out(F.silu(self.into(sample) + told[:, :, None, None, None]))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.Conv3d(CHANNELS, 3 * RATIO * FACTOR**2, (2, 3, 3), padding=(0, 1, 1))

    def forward(self, latents):
        x = self.up(F.pad(latents, (0, 0, 0, 0, 1, 0)))
        x = x.unflatten(1, (3, RATIO, FACTOR, FACTOR)).permute(0, 1, 5, 2, 6, 3, 7, 4)
        return x.flatten(6, 7).flatten(4, 5).flatten(2, 3)[:, :, RATIO - 1 :]


class Encoder(nn.Module):
    """A channel of a latent is the mean of a colour; the fourth is that of red again."""

    def forward(self, sample):
        return F.avg_pool3d(sample[:, [0, 1, 2, 0]], (1, FACTOR, FACTOR))


def pieces():
    text, denoiser, decoder = transformer.TextEncoder(VOCABULARY, TOKENS, WIDTH, 2, 1), Denoiser(), Decoder()
    ids = torch.tensor([[1, 5, 6, 2] + [0] * 4, [1, 9, 2] + [0] * 5])
    latents = torch.randn(2, CHANNELS, 3, 6, 4)
    inputs = {"hidden_states": latents, "timestep": torch.tensor([700.0, 30.0]), "encoder_hidden_states": text(ids)}
    sizes = {0: "batch", 2: "frames", 3: "height", 4: "width"}
    axes = {"hidden_states": sizes, "timestep": {0: "times"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    return {
        "text_encoder": (text, {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "batch"}}),
        "transformer": (denoiser, inputs, "out_sample", axes),
        "vae_encoder": (Encoder(), {"sample": torch.randn(2, 3, 1, 24, 16)}, "latent_sample", {"sample": sizes}),
        "vae_decoder": (decoder, {"latent_sample": latents}, "sample", {"latent_sample": sizes}),
    }


CONFIGS = {
    "model_index.json": {"_class_name": "EdrunVideoPipeline"},
    "edrun.json": {"steps": 5, "guidance_scale": 3.0, "clip": {"frames": 9, "fps": 8, "height": 24, "width": 16}},
    "transformer/config.json": {"in_channels": CHANNELS, "out_channels": CHANNELS, "patch_size": [1, 2, 2]},
    "vae_decoder/config.json": {
        "latent_channels": CHANNELS, "spatial_compression_ratio": FACTOR, "temporal_compression_ratio": RATIO,
        "latents_mean": [0.1] * CHANNELS, "latents_std": [1.5] * CHANNELS,
    },
    "tokenizer/tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": TOKENS, "pad_token": PAD, "bos_token": START, "eos_token": END,
    },
    "scheduler/scheduler_config.json": {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0},
}


def loosen(file):
    """Only the batch is said to vary in outputs; let everything do so that follows from inputs which vary."""
    model = onnx.load(file)
    dims = model.graph.output[0].type.tensor_type.shape.dim
    for dim, axis in zip(dims[2:] if len(dims) == 5 else [], ("frames", "height", "width")):
        dim.dim_param = f"out_{axis}"
    onnx.save(model, file)


def session(folder, name):
    return onnxruntime.InferenceSession(str(folder / name / "model.onnx"), providers=["CPUExecutionProvider"])


def golden(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer/tokenizer.json"))
    text, denoiser, decoder = (session(folder, name) for name in ("text_encoder", "transformer", "vae_decoder"))
    states = text.run(None, {"input_ids": np.array(tokenize(tokenizer, ["", REQUEST["prompt"]], TOKENS))})[0]
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=3.0)
    scheduler.set_timesteps(REQUEST["steps"])
    x = torch.randn(1, *REQUEST["shape"], generator=torch.Generator().manual_seed(REQUEST["seed"]))
    for time in scheduler.timesteps:
        given = {"hidden_states": torch.cat([x, x]).numpy(), "timestep": np.float32([time]), "encoder_hidden_states": states}
        plain, asked = torch.from_numpy(denoiser.run(None, given)[0]).chunk(2)
        x = scheduler.step(plain + REQUEST["guidance"] * (asked - plain), time, x).prev_sample
    made = decoder.run(None, {"latent_sample": (x * 1.5 + 0.1).numpy()})[0]
    return {"latents": x[0].numpy(), "frames": (made[0] / 2 + 0.5).clip(0, 1)}


def main(folder, out):
    torch.manual_seed(5)
    with torch.no_grad():
        for name, (module, inputs, output, axes) in pieces().items():
            file = folder / name / "model.onnx"
            write_graph(file, module.eval(), inputs, output, axes)
            loosen(file)
    write_configs(folder, CONFIGS)
    train_tokenizer(["a red ball bounces", "a blue star spins"], folder / "tokenizer/tokenizer.json", VOCABULARY, digits=True)
    out.mkdir(parents=True, exist_ok=True)
    for name, values in golden(folder).items():
        print(name, values.shape, values.min(), values.max())
        np.save(out / f"{name}.npy", values)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
