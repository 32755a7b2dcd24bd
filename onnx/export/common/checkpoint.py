"""Everything a run needs to go on, in one file that is replaced whole."""

import os

import torch


def save(path, state):
    """A killed run leaves the old file or the new one, never half of one."""
    part = path.with_suffix(".part")
    torch.save(state, part)
    os.replace(part, path)


def read(path, device="cpu"):
    return torch.load(path, map_location=device, weights_only=False)


def averaged(state, net):
    """A network of stage 2 with the averaged weights, ready to be used."""
    net.load_state_dict(state["stage2"]["average"])
    return net.eval().requires_grad_(False)


def first_stage(state, vae):
    """An autoencoder with the weights of stage 1, ready to be used."""
    vae.load_state_dict(state["stage1"]["model"])
    return vae.eval().requires_grad_(False)


class Average:
    """A running average of weights over about the last tenth of all steps: what is evaluated and exported."""

    def __init__(self, model):
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model, step):
        rate = 1.0 / (1.0 + min(0.1 * step, 4000.0))
        own, seen = [], []
        for name, value in model.state_dict().items():
            own.append(self.values[name])
            seen.append(value)
        torch._foreach_lerp_(own, seen, rate)
