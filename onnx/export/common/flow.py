"""From noise to latents: Euler steps along the flow with guidance, in PyTorch."""

import torch

from words import tokenize


def shifted(steps, shift):
    """Noise levels 1..0; a shift above 1 spends more of the steps where noise is strong."""
    levels = torch.linspace(1, 0, steps + 1)
    return shift * levels / (1 + (shift - 1) * levels)


class Sampler:
    """Latents of prompts. Prompt i always starts from the noise of seed + i."""

    def __init__(self, net, tokenizer, length, shape, levels, guidance):
        self.net, self.tokenizer, self.length, self.shape = net, tokenizer, length, shape
        self.levels, self.guidance = levels.tolist(), guidance
        self.device = next(net.parameters()).device

    def noise(self, count, seed):
        rows = [torch.randn(self.shape, generator=torch.Generator().manual_seed(seed + i)) for i in range(count)]
        return torch.stack(rows).to(self.device)

    def states(self, prompts):
        return self.net.text(torch.tensor(tokenize(self.tokenizer, prompts, self.length), device=self.device))

    @torch.no_grad()
    def latents(self, prompts, seed):
        x, text = self.noise(len(prompts), seed), torch.cat([self.states(prompts), self.states([""] * len(prompts))])
        for now, then in zip(self.levels, self.levels[1:]):
            time = torch.full((2 * len(x),), 1000 * now, device=self.device)
            asked, plain = self.net.denoiser(torch.cat([x, x]), time, text).chunk(2)
            x = x + (then - now) * (plain + self.guidance * (asked - plain))
        return x
