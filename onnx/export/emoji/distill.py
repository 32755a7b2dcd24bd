"""Trains the few-step twin: from a few noise levels straight to where the guided model would end.

    python distill.py --work DIR --minutes N [--teacher settled.pt]

The teacher walks from noise to picture with guidance; the twin, which starts from the teacher's weights, learns to point at
the end of that walk from each of its own levels at once and without guidance (the endpoints of the probability flow, as in
consistency and knowledge distillation: Luhman and Luhman 2021, Song et al. 2023). One evaluation a step instead of two, and
one to four steps instead of twenty. The text encoder stays the teacher's, so that both models share it. The state is
DIR/twin.pt, the log DIR/log-3.csv; run it again to go on.
"""

import argparse
import copy
import random
import signal
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import checkpoint
import data
from captions import LENGTH, Captions
from muon import optimizers
from rounds import Rounds
from sampler import average_model
from sitting import Pace, Sitting
from words import tokenize

LEVELS = (1.0, 0.75, 0.5, 0.25)  # what the twin is asked at
WALK = 12  # steps of the teacher; a multiple of the number of levels
AGAIN = 3  # walks made before that each step learns from as well: a walk costs more than learning from it
KEPT = 200  # steps whose walks are remembered
EMPTY = 0.02
LOG_EVERY = 10


class Twin:
    def __init__(self, args):
        self.args, self.path = args, args.work / "twin.pt"
        teacher = checkpoint.read(args.work / args.teacher, args.device)
        self.fixed, self.stage1, self.facts = teacher["fixed"], teacher["stage1"], teacher["stage2"]["latents"]
        self.teacher = average_model(teacher).to(args.device)
        self.net = copy.deepcopy(self.teacher)
        self.net.denoiser.requires_grad_(True)
        self.optimizers = optimizers(self.net, muon=args.rate, adam=args.rate / 20)
        self.average = checkpoint.Average(self.net)
        _, items, heldout = data.load(args.work)
        self.rounds = Rounds(items, data.training(items, heldout), data.WEIGHTS, 7)
        self.captions, self.rng = Captions(items, heldout), random.Random(8)
        self.generator = torch.Generator().manual_seed(9)
        self.tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
        self.step, self.seconds, self.walks = 0, 0.0, []
        if self.path.is_file():
            self.restore(checkpoint.read(self.path, args.device)["twin"])

    def restore(self, kept):
        self.net.load_state_dict(kept["model"])
        self.average.values = kept["average"]
        for optimizer, state in zip(self.optimizers, kept["optimizers"]):
            optimizer.load_state_dict(state)
        self.rounds.restore(kept["rounds"])
        self.rng.setstate(kept["rng"])
        self.generator.set_state(kept["generator"].cpu())
        self.step, self.seconds = kept["step"], kept["seconds"]

    def state(self):
        """As train.py writes it, with the twin's averaged weights where the exporter looks for weights."""
        twin = {
            "model": self.net.state_dict(), "average": self.average.values, "rounds": self.rounds.state(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers], "rng": self.rng.getstate(),
            "generator": self.generator.get_state(), "step": self.step, "seconds": self.seconds,
        }
        facts = {key: twin[key] for key in ("average", "step", "seconds")}
        stage2 = facts | {"latents": self.facts, "exposures": self.rounds.exposures()}
        return {"fixed": self.fixed, "stage1": self.stage1, "stage2": stage2, "twin": twin}

    def texts(self, batch):
        drawn = ["" if self.rng.random() < EMPTY else self.captions.draw(i, self.rng) for i in batch]
        states = self.teacher.text(torch.tensor(tokenize(self.tokenizer, [*drawn, ""], LENGTH), device=self.args.device))
        return states[:-1], states[-1:].expand(len(drawn), -1, -1)

    @torch.no_grad()
    def walk(self, text, empty):
        """The teacher's states at LEVELS, and where it ends."""
        x = torch.randn(len(text), 8, 16, 16, generator=self.generator).to(self.args.device)
        both, kept = torch.cat([text, empty]), []
        for i in range(WALK):
            if i % (WALK // len(LEVELS)) == 0:
                kept.append(x)
            time = torch.full((2 * len(x),), 1000 * (1 - i / WALK), device=x.device)
            asked, plain = self.teacher.denoiser(torch.cat([x, x]), time, both).chunk(2)
            x = x - (plain + self.args.guidance * (asked - plain)) / WALK
        return kept, x

    def advance(self):
        batch = self.rounds.next(self.args.batch)
        text, empty = self.texts(batch)
        walk = (*self.walk(text, empty), text)
        older = self.rng.sample(self.walks, min(AGAIN, len(self.walks)))
        self.walks = [*self.walks, walk][-KEPT:]
        each = [self.learn(*walk) for walk in (*older, walk)][-1]
        self.step += 1
        self.average.update(self.net, self.step)
        return each, len(batch)

    def learn(self, states, end, text):
        """One update: at every level of a walk, point at its end."""
        levels = torch.tensor(LEVELS, device=end.device).repeat_interleave(len(end))
        at = levels[:, None, None, None]
        start, end = torch.cat(states), end.repeat(len(LEVELS), 1, 1, 1)
        made = start - at * self.net.denoiser(start, 1000 * levels, text.repeat(len(LEVELS), 1, 1))
        each = (made - end).square().mean((1, 2, 3)).unflatten(0, (len(LEVELS), -1)).mean(1)
        each.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.net.denoiser.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return each.detach()

    def train(self, sitting):
        pace = Pace()
        while not sitting.over():
            began = time.time()
            pace.add(*self.advance())
            self.seconds += time.time() - began
            if self.step % LOG_EVERY == 0:
                errors, rate = pace.take()
                named = {f"at_{level}": error for level, error in zip(LEVELS, errors.tolist())}
                sitting.log(stage=3, step=self.step, seconds=self.seconds, **named, rate=rate)
            if time.time() - sitting.saved > 180:
                self.save(sitting)
        self.save(sitting)

    def save(self, sitting):
        checkpoint.save(self.path, self.state())
        sitting.saved = time.time()


class Clock(Sitting):
    """A sitting's clock and log, without its checkpoint."""

    def __init__(self, args):
        self.args, self.start, self.saved, self.stopped = args, time.time(), time.time(), False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--minutes", type=float, required=True)
    args.add_argument("--teacher", default="settled.pt", help="or checkpoint.pt")
    args.add_argument("--batch", type=int, default=16, help="walks of the teacher a step")
    args.add_argument("--guidance", type=float, default=3.0, help="of the teacher")
    args.add_argument("--rate", type=float, default=0.004, help="of Muon; AdamW's is a twentieth")
    args.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = args.parse_args()
    Twin(args).train(Clock(args))


if __name__ == "__main__":
    main()
