"""A trained checkpoint as a maker of pictures: Euler steps along the flow with guidance, in PyTorch."""

import torch
from tokenizers import Tokenizer

import autoencoder
import checkpoint
import model as shapes
from captions import tokenize


def average_model(state):
    """The averaged weights of stage 2, ready to be used."""
    net = shapes.Model(state["fixed"]["shape"])
    net.load_state_dict(state["stage2"]["average"])
    return net.eval().requires_grad_(False)


def trained_autoencoder(state):
    net = autoencoder.Autoencoder(**autoencoder.SHAPES[state["fixed"]["autoencoder"]])
    net.load_state_dict(state["stage1"]["model"])
    return net.eval().requires_grad_(False)


def shifted(steps, shift):
    """Noise levels 1..0; a shift above 1 spends more of the steps where noise is strong."""
    levels = torch.linspace(1, 0, steps + 1)
    return shift * levels / (1 + (shift - 1) * levels)


class Checkpoint:
    """Makes pictures of prompts: uint8 `[n, 64, 64, 3]`. Prompt i always starts from the noise of seed + i."""

    def __init__(self, work, file="checkpoint.pt", steps=25, guidance=3.0, shift=1.0, device="cpu"):
        state = checkpoint.read(work / file)
        self.net, self.vae = average_model(state).to(device), trained_autoencoder(state).to(device)
        facts = state["stage2"]["latents"]
        self.mean, self.std = (torch.tensor(facts[key], device=device).view(1, -1, 1, 1) for key in ("mean", "std"))
        self.tokenizer = Tokenizer.from_file(str(work / "tokenizer.json"))
        self.levels, self.guidance, self.device = shifted(steps, shift).tolist(), guidance, device
        self.trained = {key: state["stage2"][key] for key in ("step", "seconds", "exposures")}

    def noise(self, count, seed):
        rows = [torch.randn(8, 16, 16, generator=torch.Generator().manual_seed(seed + i)) for i in range(count)]
        return torch.stack(rows).to(self.device)

    def states(self, prompts):
        return self.net.text(torch.tensor(tokenize(self.tokenizer, prompts), device=self.device))

    @torch.no_grad()
    def make(self, prompts, seed=0):
        parts = [self.some(prompts[i : i + 64], seed + i) for i in range(0, len(prompts), 64)]
        return torch.cat(parts).cpu().numpy()

    def some(self, prompts, seed):
        x, text = self.noise(len(prompts), seed), torch.cat([self.states(prompts), self.states([""] * len(prompts))])
        for now, then in zip(self.levels, self.levels[1:]):
            time = torch.full((2 * len(x),), 1000 * now, device=self.device)
            asked, plain = self.net.denoiser(torch.cat([x, x]), time, text).chunk(2)
            x = x + (then - now) * (plain + self.guidance * (asked - plain))
        made = self.vae.decode(x * self.std + self.mean)
        return made.clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1)
