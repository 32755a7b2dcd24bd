"""Stage 2: text encoder and denoiser, on the latents of stage 1."""

import random
import time

import torch

import checkpoint
from muon import optimizers
from restore import restore_all
from sitting import Pace
from words import tokenize

LOG_EVERY, WARM_UP = 20, 60
EMPTY = 0.1  # share of captions left out, so that guidance has something to compare with


class Stage2:
    """`graphs(net)` is what is exported of the network, to start from an exported one. `captions.draw(i, rng)` gives a caption of item i; `rounds` says which items come next.

    `toward_noise` is the mean of the logit of time: what to make is decided where noise is strong, how it looks or sounds
    where it is weak."""

    def __init__(self, sitting, net, rounds, captions, tokenizer, length, toward_noise, graphs=None):
        self.sitting, self.device, seed = sitting, sitting.args.device, sitting.fixed["seed"]
        if sitting.start_from() and graphs:
            restore_all(sitting.start_from(), graphs(net))
        self.net, self.rounds, self.captions = net.to(self.device), rounds, captions
        self.tokenizer, self.length, self.toward_noise = tokenizer, length, toward_noise
        self.optimizers = optimizers(self.net)
        self.rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.average, self.rng = checkpoint.Average(self.net), random.Random(seed + 1)
        self.generator = torch.Generator().manual_seed(seed)
        self.step, self.seconds = 0, 0.0
        if sitting.state["stage2"]:
            self.restore(sitting.state["stage2"])
        # What is averaged while settling is of this sitting only.
        self.began = self.step if sitting.args.settle else 0
        self.forward = torch.compile(self.net) if sitting.args.compile else self.net

    def restore(self, kept):
        self.net.load_state_dict(kept["model"])
        self.average.values = kept["average"]
        for optimizer, state in zip(self.optimizers, kept["optimizers"]):
            optimizer.load_state_dict(state)
        self.rounds.restore(kept["rounds"])
        self.rng.setstate(kept["rng"])
        self.generator.set_state(kept["generator"].cpu())
        self.step, self.seconds = kept["step"], kept["seconds"]

    def collect(self):
        return {
            "model": self.net.state_dict(), "average": self.average.values, "latents": self.facts,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers], "rounds": self.rounds.state(),
            "rng": self.rng.getstate(), "generator": self.generator.get_state(), "step": self.step,
            "seconds": self.seconds, "exposures": self.rounds.exposures(),
        }

    def tokens(self, batch):
        """Ids of one caption each, cut after the longest in steps of 8 tokens."""
        texts = ["" if self.rng.random() < EMPTY else self.captions.draw(i, self.rng) for i in batch]
        ids = torch.tensor(tokenize(self.tokenizer, texts, self.length))
        longest = -(-int((ids != 0).sum(1).max()) // 8) * 8
        return ids[:, :longest].to(self.device)

    def times(self, count):
        return torch.sigmoid(torch.randn(count, generator=self.generator) + self.toward_noise)

    def weights(self, times):
        """How much each time counts."""
        return torch.ones_like(times)

    def loss(self, clean, ids):
        """Squared error of the velocity, and its mean where noise hides everything and only the caption tells."""
        noise = torch.randn(clean.shape, generator=self.generator).to(self.device)
        times = self.times(len(clean)).to(self.device)
        at = times.view(-1, *[1] * (clean.ndim - 1))
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            made = self.forward((1 - at) * clean + at * noise, 1000 * times, ids)
        each = (made.float() - (noise - clean)).square().flatten(1).mean(1)
        hidden = (times > 0.7).float()
        return (each * self.weights(times)).mean(), (each * hidden).sum().detach() / hidden.sum().clamp(min=1)

    def set_rates(self):
        """Up over the first steps of all, then constant, so that a run may go on for ever; down to nothing to settle."""
        share = min(1.0, (self.step + 1) / WARM_UP)
        if self.sitting.args.settle:
            share = max(0.0, 1.0 - self.sitting.part())
        for optimizer, rates in zip(self.optimizers, self.rates):
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * share

    def advance(self, clean):
        began, batch = time.time(), self.rounds.next(self.sitting.args.batch)
        loss, hidden = self.loss(clean[batch], self.tokens(batch))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.set_rates()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.average.update(self.net, self.step - self.began)
        self.seconds += time.time() - began
        return torch.stack([loss.detach(), hidden]), len(batch)

    def train(self, clean, facts):
        """`clean`: all latents; `facts`: how they were normalised."""
        self.facts, pace = facts, Pace()
        while not self.sitting.over():
            pace.add(*self.advance(clean))
            if self.step % LOG_EVERY == 0:
                (loss, hidden), rate = pace.take()
                self.sitting.log(
                    stage=2, step=self.step, seconds=self.seconds, loss=loss.item(), hidden=hidden.item(),
                    exposures=self.rounds.exposures(), rate=rate,
                )
            self.sitting.keep("stage2", self.collect)
        self.sitting.keep("stage2", self.collect, always=True)
