"""A trained checkpoint as a maker of clips, in PyTorch."""

import torch
from tokenizers import Tokenizer

import autoencoder
import checkpoint
from captions import LENGTH
from facts import FRAMES
from flow import Sampler, shifted
from model import GRID, PATCH, model


def average_model(state):
    return checkpoint.averaged(state, model(state["fixed"]["shape"]))


def trained_autoencoder(state):
    return checkpoint.first_stage(state, autoencoder.Autoencoder())


class Checkpoint:
    """Makes clips of prompts: uint8 `[n, frames, 64, 64, 3]`."""

    def __init__(self, work, file="checkpoint.pt", steps=12, guidance=3.0, shift=3.0, device="cpu"):
        state = checkpoint.read(work / file)
        self.vae = trained_autoencoder(state).to(device)
        tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
        net, levels = average_model(state).to(device), shifted(steps, shift)
        latent = (autoencoder.CHANNELS, FRAMES, GRID * PATCH, GRID * PATCH)
        self.sampler = Sampler(net, tokenizer, LENGTH, latent, levels, guidance)
        self.trained = {key: state["stage2"][key] for key in ("step", "seconds", "exposures")}

    @torch.no_grad()
    def make(self, prompts, seed=0):
        parts = [self.some(prompts[i : i + 16], seed + i) for i in range(0, len(prompts), 16)]
        return torch.cat(parts).cpu().numpy()

    def some(self, prompts, seed):
        made = self.vae.decoder(self.sampler.latents(prompts, seed))
        return made.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 4, 1)
