"""A toy deployment in the layout of the built-in sound model, random weights, and what diffusers' flow scheduler makes of it.

usage: python make_sound.py models/sound sound

The modules are those of onnx/export/common at a width of 16; the decoder is one matrix a latent, to magnitudes of 33 frequencies.
sound/ then holds, for REQUEST, latents.npy before decoding [8, 16] and magnitudes.npy of the decoder [33, 64].
"""
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[2] / "onnx/export/common"))
import transformer
from graphs import write_configs, write_graph
from words import END, PAD, START, tokenize, train_tokenizer

VOCABULARY, TOKENS, WIDTH, CHANNELS, LENGTH, FACTOR = 280, 12, 16, 8, 16, 4
SIZE, HOP, RATE = 64, 16, 8000
REQUEST = dict(prompt="a violin playing C4", seed=7, steps=6, guidance=3.0)


class Denoiser(transformer.Denoiser):
    def cut(self, sample):
        return sample.transpose(1, 2)

    def join(self, tokens):
        return tokens.transpose(1, 2)


class Decoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(CHANNELS, FACTOR * (SIZE // 2 + 1))

    def forward(self, latents):
        return self.up(latents.transpose(1, 2)).unflatten(2, (FACTOR, -1)).flatten(1, 2).transpose(1, 2).square() * SIZE / 8


def pieces():
    text = transformer.TextEncoder(VOCABULARY, TOKENS, WIDTH, 2, 1)
    denoiser, decoder = Denoiser(CHANNELS, LENGTH, width=WIDTH, depth=1, heads=2), Decoder()
    for module in (text, denoiser):
        for weight in module.parameters():
            if weight.abs().max() == 0:
                torch.nn.init.normal_(weight, std=0.5 / WIDTH**0.5)
    ids = torch.tensor([[1, 5, 6, 2] + [0] * 8, [1, 9, 2] + [0] * 9])
    inputs = {"hidden_states": torch.randn(2, CHANNELS, LENGTH), "timestep": torch.tensor([700.0, 30.0]), "encoder_hidden_states": text(ids)}
    axes = {"hidden_states": {0: "batch"}, "timestep": {0: "times"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    return {
        "text_encoder": (text, {"input_ids": ids}, "last_hidden_state", {"input_ids": {0: "batch"}}),
        "transformer": (denoiser, inputs, "out_sample", axes),
        "vae_decoder": (decoder, {"latent_sample": inputs["hidden_states"]}, "magnitude", {"latent_sample": {0: "batch"}}),
    }


CONFIGS = {
    "model_index.json": {"_class_name": "EdrunSoundPipeline"},
    "transformer/config.json": {"in_channels": CHANNELS, "out_channels": CHANNELS, "sample_size": LENGTH},
    "vae_decoder/config.json": {
        "latent_channels": CHANNELS, "sampling_rate": RATE, "downsampling_ratios": [HOP, FACTOR], "n_fft": SIZE, "hop_length": HOP,
        "latents_mean": [0.1] * CHANNELS, "latents_std": [1.5] * CHANNELS,
    },
    "tokenizer/tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": TOKENS, "pad_token": PAD, "bos_token": START, "eos_token": END,
    },
    "scheduler/scheduler_config.json": {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 1.0},
}


def session(folder, name):
    return onnxruntime.InferenceSession(str(folder / name / "model.onnx"), providers=["CPUExecutionProvider"])


def golden(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer/tokenizer.json"))
    text, denoiser, decoder = (session(folder, name) for name in ("text_encoder", "transformer", "vae_decoder"))
    states = text.run(None, {"input_ids": np.array(tokenize(tokenizer, ["", REQUEST["prompt"]], TOKENS))})[0]
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=1.0)
    scheduler.set_timesteps(REQUEST["steps"])
    x = torch.randn(1, CHANNELS, LENGTH, generator=torch.Generator().manual_seed(REQUEST["seed"]))
    for time in scheduler.timesteps:
        given = {"hidden_states": torch.cat([x, x]).numpy(), "timestep": np.float32([time]), "encoder_hidden_states": states}
        plain, asked = torch.from_numpy(denoiser.run(None, given)[0]).chunk(2)
        x = scheduler.step(plain + REQUEST["guidance"] * (asked - plain), time, x).prev_sample
    made = decoder.run(None, {"latent_sample": (x * 1.5 + 0.1).numpy()})[0]
    return {"latents": x[0].numpy(), "magnitudes": made[0]}


def convergence(magnitudes, momentum=0.99, iterations=60):
    """What 60 rounds of the fast Griffin-Lim algorithm from random phases leave: the distance of magnitudes, relative."""
    aim, window = torch.from_numpy(magnitudes), torch.hann_window(SIZE)
    samples, before = HOP * aim.shape[1], torch.zeros(1)
    spectrum = aim * torch.exp(2j * torch.pi * torch.rand(aim.shape))
    for _ in range(iterations + 1):
        sound = torch.istft(spectrum, SIZE, HOP, window=window, length=samples)
        found = torch.stft(sound, SIZE, HOP, window=window, pad_mode="constant", return_complex=True)[:, : aim.shape[1]]
        direction = found - momentum / (1 + momentum) * before
        before, spectrum = found, aim * direction / (direction.abs() + 1e-12)
    return ((found.abs() - aim).norm() / aim.norm()).item()


def main(folder, out):
    torch.manual_seed(3)
    with torch.no_grad():
        for name, (module, inputs, output, axes) in pieces().items():
            write_graph(folder / name / "model.onnx", module.eval(), inputs, output, axes)
    write_configs(folder, CONFIGS)
    train_tokenizer(["a violin playing c4", "piano arpeggio in a minor"], folder / "tokenizer/tokenizer.json", VOCABULARY, digits=True)
    out.mkdir(parents=True, exist_ok=True)
    for name, values in golden(folder).items():
        np.save(out / f"{name}.npy", values)
    print(f"Griffin-Lim leaves {convergence(np.load(out / 'magnitudes.npy')):.3f} of the magnitudes")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
