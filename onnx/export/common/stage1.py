"""Stage 1: the autoencoder."""

import time

import torch

from restore import restore_all
from sitting import Pace

RATE, LOG_EVERY = 2e-3, 100


class Stage1:
    """`graphs(net)` is what is exported of the network, to start from an exported one. `draw(generator)` gives a batch for `net.loss`; `quality(net)` is a figure of what is held out."""

    def __init__(self, sitting, net, draw, quality, graphs=None):
        if sitting.start_from() and graphs:
            restore_all(sitting.start_from(), graphs(net))
        self.sitting, self.net, self.draw, self.quality = sitting, net.to(sitting.args.device), draw, quality
        self.adam = torch.optim.AdamW(self.net.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=1e-4)
        self.step, self.seconds, self.budget = 0, 0.0, 60 * sitting.args.autoencoder_minutes
        if sitting.state["stage1"]:
            self.restore(sitting.state["stage1"])
        self.generator = torch.Generator().manual_seed(sitting.fixed["seed"] + self.step)

    def restore(self, kept):
        self.net.load_state_dict(kept["model"])
        self.adam.load_state_dict(kept["adam"])
        self.step, self.seconds = kept["step"], kept["seconds"]

    def collect(self):
        return {"model": self.net.state_dict(), "adam": self.adam.state_dict(), "step": self.step, "seconds": self.seconds}

    def done(self):
        """A denoiser is trained on the latents of one encoder: once there is one, the autoencoder stays as it is."""
        return self.seconds >= self.budget or self.sitting.state["stage2"] is not None or self.sitting.start_from() is not None

    def rate(self):
        """Up over 100 steps, down to almost nothing over the last two fifths of the time."""
        return RATE * min(1.0, (self.step + 1) / 100, 0.02 + (self.budget - self.seconds) / (0.4 * self.budget))

    def advance(self):
        began = time.time()
        for group in self.adam.param_groups:
            group["lr"] = self.rate()
        batch = self.draw(self.generator)
        loss = self.net.loss(batch)
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.adam.step()
        self.step += 1
        self.seconds += time.time() - began
        return loss.detach(), len(batch)

    def measure(self):
        self.net.eval()
        quality = self.quality(self.net)
        self.net.train()
        return quality

    def train(self):
        """The autoencoder, frozen."""
        pace, kept = Pace(), self.sitting.state["stage1"] is not None and self.done()
        self.net.train()
        while not self.done() and not self.sitting.over():
            pace.add(*self.advance())
            if self.step % LOG_EVERY == 0:
                loss, rate = pace.take()
                facts = dict(loss=loss.item(), heldout_db=self.measure(), rate=rate)
                self.sitting.log(stage=1, step=self.step, seconds=self.seconds, **facts)
            self.sitting.keep("stage1", self.collect)
        if not kept:
            self.sitting.keep("stage1", self.collect, always=True)
        return self.net.eval().requires_grad_(False)


def normalise(raw):
    """Latents at mean 0 and deviation 1 per channel, with those two."""
    rest = [axis for axis in range(raw.ndim) if axis != 1]
    mean, std = raw.mean(rest, keepdim=True), raw.std(rest, keepdim=True)
    return (raw - mean) / std, {"mean": mean.flatten().tolist(), "std": std.flatten().tolist()}
