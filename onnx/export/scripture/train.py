"""Trains the built-in language model, or goes on where it stopped.

    python train.py --work DIR --minutes N

The state is DIR/checkpoint.pt, the log is DIR/log-1.csv. What a run was started with (shape, seed) is kept in the
checkpoint; those flags count only where there is none. Before an export, a sitting with --settle makes a better model of
the same run (DIR/settled.pt); the run itself goes on from DIR/checkpoint.pt.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))

import checkpoint
import data
import model
from muon import Muon
from restore import add_flag, restore_all
from sitting import Pace, Sitting

LOG_EVERY, WARM_UP = 20, 60
# Lengths of windows, and the shares of steps that have them: texts that users ask for are shorter than the longest.
LENGTHS, SHARES = (256, 128, 64), (0.7, 0.2, 0.1)
# Below this share of masks a token's weight no longer grows: a handful of tokens would be all of a step.
LEAST_SHARE = 0.15


def arguments():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--minutes", type=float, required=True, help="of this sitting")
    args.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    args.add_argument("--threads", type=int, default=0)
    args.add_argument("--shape", default="d192x4", choices=model.SHAPES)
    args.add_argument("--batch", type=int, default=3072, help="tokens of a step; more on a GPU")
    args.add_argument("--settle", action="store_true", help="let the rates fall to 0 over this sitting; writes settled.pt")
    args.add_argument("--seed", type=int, default=2026)
    add_flag(args)
    args = args.parse_args()
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    return args


def optimizers(net):
    """Muon for the matrices inside blocks, AdamW for all else.

    A token's row of the embedding is moved only when the token is there: it gets the largest rate."""
    named = dict(net.named_parameters())
    matrices = [weight for name, weight in named.items() if ".blocks." in name and weight.ndim == 2]
    small = [weight for name, weight in named.items() if ".blocks." in name and weight.ndim != 2]
    rates = [(list(net.embed.parameters()), 1e-2), (list(net.head.parameters()), 2e-3), (small, 3e-3)]
    adam = torch.optim.AdamW([dict(params=weights, lr=lr) for weights, lr in rates], betas=(0.9, 0.98), weight_decay=0.0)
    return [Muon(matrices, lr=0.02), adam]


def graphs(net, ids):
    """What is exported, as `graphs.write_all` takes it."""
    return {"": (net, {"input_ids": ids}, "logits", {"input_ids": {0: "batch", 1: "tokens"}}, "int8")}


class Training:
    def __init__(self, sitting, ids, mask):
        self.sitting, self.device, self.mask = sitting, sitting.args.device, mask
        self.ids = torch.tensor(ids)
        torch.manual_seed(sitting.fixed["seed"])
        self.net = model.Model(sitting.fixed["shape"])
        if sitting.args.start_from and not sitting.state["stage1"]:
            restore_all(sitting.args.start_from, graphs(self.net, self.ids[None, :100]))
        self.net.to(self.device)
        self.optimizers = optimizers(self.net)
        self.rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self.average = checkpoint.Average(self.net)
        self.generator = torch.Generator().manual_seed(sitting.fixed["seed"])
        self.step, self.seconds, self.seen = 0, 0.0, 0
        if sitting.state["stage1"]:
            self.restore(sitting.state["stage1"])
        # What is averaged while settling is of this sitting only.
        self.began = self.step if sitting.args.settle else 0

    def restore(self, kept):
        self.net.load_state_dict(kept["model"])
        self.average.values = kept["average"]
        for optimizer, state in zip(self.optimizers, kept["optimizers"]):
            optimizer.load_state_dict(state)
        self.generator.set_state(kept["generator"].cpu())
        self.step, self.seconds, self.seen = kept["step"], kept["seconds"], kept["seen"]

    def collect(self):
        return {
            "model": self.net.state_dict(), "average": self.average.values,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "generator": self.generator.get_state(), "step": self.step, "seconds": self.seconds, "seen": self.seen,
            "rounds": self.rounds(),
        }

    def rounds(self):
        """How often every token was seen."""
        return self.seen / len(self.ids)

    def windows(self):
        """Windows of the text, and which of their tokens are hidden."""
        length = LENGTHS[int(torch.multinomial(torch.tensor(SHARES), 1, generator=self.generator))]
        count = max(2, self.sitting.args.batch // length)
        starts = torch.randint(len(self.ids) - length, (count, 1), generator=self.generator)
        clean = self.ids[starts + torch.arange(length)]
        # Shares of masks spread evenly over the windows of a step.
        shares = (torch.arange(count) + torch.rand(1, generator=self.generator)) / count
        hidden = torch.rand(clean.shape, generator=self.generator) < shares[:, None]
        weights = (1 / shares.clamp(min=LEAST_SHARE))[:, None].expand_as(clean)
        return clean.to(self.device), hidden.to(self.device), weights.to(self.device)

    def loss(self):
        """Cross-entropy of hidden tokens, weighted by the share that is hidden; and its plain mean."""
        clean, hidden, weights = self.windows()
        self.seen += clean.numel()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            states = self.net.states(clean.masked_fill(hidden, self.mask))
            logits = self.net.head(states[hidden])
        each = F.cross_entropy(logits.float(), clean[hidden], reduction="none")
        return (each * weights[hidden]).sum() / clean.numel(), each.mean().detach()

    def set_rates(self):
        """Up over the first steps of all, then constant, so that a run may go on for ever; down to nothing to settle."""
        share = min(1.0, (self.step + 1) / WARM_UP)
        if self.sitting.args.settle:
            share = max(0.0, 1.0 - self.sitting.part())
        for optimizer, rates in zip(self.optimizers, self.rates):
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * share

    def advance(self):
        began, seen = time.time(), self.seen
        loss, plain = self.loss()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.set_rates()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.average.update(self.net, self.step - self.began)
        self.seconds += time.time() - began
        return torch.stack([loss.detach(), plain]), self.seen - seen

    def train(self):
        pace = Pace()
        while not self.sitting.over():
            pace.add(*self.advance())
            if self.step % LOG_EVERY == 0:
                (loss, plain), rate = pace.take()
                self.sitting.log(
                    stage=1, step=self.step, seconds=self.seconds, loss=loss.item(), plain=plain.item(),
                    rounds=self.rounds(), rate=rate,
                )
            self.sitting.keep("stage1", self.collect)
        self.sitting.keep("stage1", self.collect, always=True)


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    ids, tokenizer = data.load(args.work)
    Training(Sitting(args), ids, tokenizer.token_to_id(data.MASK)).train()


if __name__ == "__main__":
    main()
