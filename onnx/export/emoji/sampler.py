"""A trained checkpoint as a maker of pictures, in PyTorch."""

import torch
from tokenizers import Tokenizer

import autoencoder
import checkpoint
from captions import LENGTH
from flow import Sampler, shifted
from model import model


def average_model(state):
    return checkpoint.averaged(state, model(state["fixed"]["shape"]))


def trained_autoencoder(state):
    return checkpoint.first_stage(state, autoencoder.Autoencoder(**autoencoder.SHAPES[state["fixed"]["autoencoder"]]))


class Checkpoint:
    """Makes pictures of prompts: uint8 `[n, 64, 64, 3]`."""

    def __init__(self, work, file="checkpoint.pt", steps=25, guidance=3.0, shift=1.0, device="cpu"):
        state = checkpoint.read(work / file)
        self.vae, facts = trained_autoencoder(state).to(device), state["stage2"]["latents"]
        self.mean, self.std = (torch.tensor(facts[key], device=device).view(1, -1, 1, 1) for key in ("mean", "std"))
        tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
        net, levels = average_model(state).to(device), shifted(steps, shift)
        self.sampler = Sampler(net, tokenizer, LENGTH, (8, 16, 16), levels, guidance)
        self.trained = {key: state["stage2"][key] for key in ("step", "seconds", "exposures")}

    @torch.no_grad()
    def make(self, prompts, seed=0):
        parts = [self.some(prompts[i : i + 64], seed + i) for i in range(0, len(prompts), 64)]
        return torch.cat(parts).cpu().numpy()

    def some(self, prompts, seed):
        made = self.vae.decode(self.sampler.latents(prompts, seed) * self.std + self.mean)
        return made.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1)
