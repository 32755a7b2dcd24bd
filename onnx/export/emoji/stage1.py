"""Stage 1: the autoencoder, on all pictures of the training split alike."""

import time

import torch

import autoencoder
from sitting import Pace

# Small on a CPU, where in ten minutes the number of steps is what the autoencoder lacks.
BATCH = {"cpu": 16, "cuda": 128}
RATE, LOG_EVERY = 2e-3, 100


def to_device(pictures, device):
    """uint8 `[n, 64, 64, 3]` to -1..1 `[n, 3, 64, 64]`."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


class Stage1:
    def __init__(self, sitting, pictures, split):
        self.sitting, args = sitting, sitting.args
        self.net = autoencoder.Autoencoder(**autoencoder.SHAPES[sitting.fixed["autoencoder"]]).to(args.device)
        self.adam = torch.optim.AdamW(self.net.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=1e-4)
        self.step, self.seconds, self.budget = 0, 0.0, 60 * args.autoencoder_minutes
        if sitting.state["stage1"]:
            self.restore(sitting.state["stage1"])
        self.generator = torch.Generator().manual_seed(sitting.fixed["seed"] + self.step)
        held_out = sorted(set(range(len(pictures))) - set(split))
        self.pictures, self.test, self.batch = pictures[split], pictures[held_out], BATCH[args.device]

    def restore(self, kept):
        self.net.load_state_dict(kept["model"])
        self.adam.load_state_dict(kept["adam"])
        self.step, self.seconds = kept["step"], kept["seconds"]

    def collect(self):
        return {"model": self.net.state_dict(), "adam": self.adam.state_dict(), "step": self.step, "seconds": self.seconds}

    def done(self):
        """A denoiser is trained on the latents of one encoder: once there is one, the autoencoder stays as it is."""
        return self.seconds >= self.budget or self.sitting.state["stage2"] is not None

    def rate(self):
        """Up over 100 steps, down to almost nothing over the last two fifths of the time."""
        return RATE * min(1.0, (self.step + 1) / 100, 0.02 + (self.budget - self.seconds) / (0.4 * self.budget))

    def advance(self):
        began = time.time()
        for group in self.adam.param_groups:
            group["lr"] = self.rate()
        batch = self.pictures[torch.randint(len(self.pictures), (self.batch,), generator=self.generator)]
        loss = self.net.loss(batch)
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.adam.step()
        self.step += 1
        self.seconds += time.time() - began
        return loss.detach(), len(batch)

    def quality(self):
        """Decibels on the pictures that are held out."""
        self.net.eval()
        quality = autoencoder.psnr(self.net, self.test)
        self.net.train()
        return quality

    def train(self):
        """The autoencoder, frozen."""
        pace, kept = Pace(), self.done()
        self.net.train()
        while not self.done() and not self.sitting.over():
            pace.add(*self.advance())
            if self.step % LOG_EVERY == 0:
                loss, rate = pace.take()
                quality = self.quality()
                facts = dict(loss=loss.item(), heldout_db=quality, rate=rate)
                self.sitting.log(stage=1, step=self.step, seconds=self.seconds, **facts)
            self.sitting.keep("stage1", self.collect)
        if not kept:
            self.sitting.keep("stage1", self.collect, always=True)
        return self.net.eval().requires_grad_(False)


def latents(net, pictures):
    """All latents at mean 0 and deviation 1 per channel, with those two."""
    with torch.no_grad():
        raw = torch.cat([net.encode(part) for part in pictures.split(64)])
    mean, std = raw.mean((0, 2, 3), keepdim=True), raw.std((0, 2, 3), keepdim=True)
    return (raw - mean) / std, {"mean": mean.flatten().tolist(), "std": std.flatten().tolist()}
