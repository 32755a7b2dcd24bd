"""Trains the built-in text-to-shape model, or goes on where it stopped.

    python train.py --work DIR --minutes N

Stage 1 finds principal components, then trains the decoder for --decoder-minutes of the whole run, at once or in a later sitting;
stage 2 trains text encoder and denoiser. The state is
DIR/checkpoint.pt, the log is DIR/log-1.csv and DIR/log-2.csv. What a run was started with (shape, seed) is kept in the
checkpoint; those flags count only where there is none. Before an export, a sitting with --settle makes a better model of the
same run (DIR/settled.pt); the run itself goes on from DIR/checkpoint.pt.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import autoencoder
import data
import export
import model
from captions import LENGTH, VOCABULARY, Captions
from restore import add_flag, restore_all
from rounds import Rounds
from sitting import Sitting
from stage1 import RATE, Stage1
from stage2 import Stage2
from words import train_tokenizer

# Objects whose principal components are found and that the decoder learns from; objects that it is measured on.
KNOWN, TEST, BATCH1 = 1000, 48, 8
# Mean of the logit of time: what to make is decided where noise is strong.
TOWARD_NOISE = 0.8


def arguments():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--minutes", type=float, required=True, help="of this sitting, all stages")
    args.add_argument("--decoder-minutes", type=float, default=8, help="of stage 1, in the whole run")
    args.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    args.add_argument("--threads", type=int, default=0)
    args.add_argument("--shape", default="d128x6", choices=model.SHAPES)
    args.add_argument("--batch", type=int, default=32, help="of stage 2; more on a GPU")
    args.add_argument("--settle", action="store_true", help="let the rates fall to 0 over this sitting; writes settled.pt")
    args.add_argument("--seed", type=int, default=2026)
    add_flag(args)
    args.add_argument("--compile", action="store_true", help="of stage 2; minutes on a CPU")
    args = args.parse_args()
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    args.autoencoder_minutes = args.decoder_minutes
    return args


def grids(items, side):
    """Distances in units of REACH and colours of the right halves, in half precision `[n, 4, side/2, side, side]`."""
    where, made = data.points(side), np.empty((len(items), 4, side // 2, side, side), np.float16)
    for row, item in zip(made, items):
        distances, colours = data.values(item, where)
        row[0] = np.clip(distances / data.REACH, -1, 1).reshape(row[0].shape)
        row[1:] = colours.reshape(row[1:].shape)
    return torch.from_numpy(made)


def kept(file, make):
    """A tensor that is made once."""
    if not file.is_file():
        torch.save(make(), file.with_suffix(".part"))
        file.with_suffix(".part").rename(file)
    return torch.load(file)


class Batch(tuple):
    """Latents and what they stand for; as long as it has objects."""

    def __len__(self):
        return self[0].shape[0]


class Decoding(Stage1):
    def done(self):
        """Whatever the decoder learns, latents stay what they are: it may go on beside stage 2."""
        return self.seconds >= self.budget

    def rate(self):
        """Up over a few steps only: it starts from what principal components give. Down over the second half of the time."""
        return RATE * min(1.0, (self.step + 1) / 20, 0.02 + (self.budget - self.seconds) / (0.5 * self.budget))


def encode(net, items, first):
    """Latents of objects, a part at a time; `first`: the grids of the first of them."""
    parts = [first] + [grids(items[start : start + 100], data.SIDE) for start in range(len(first), len(items), 100)]
    return torch.cat([net.encode(autoencoder.packed(some.float())) for part in parts for some in part.split(100)])


def first_stage(sitting, items):
    """All latents, and the decoder: on the first objects, measured on the next ones, which stage 2 is trained on. A landed
    model has its own principal components: found anew, they would differ in signs at least, and its denoiser knows no others."""
    net, work, device = autoencoder.Autoencoder(), sitting.args.work, sitting.args.device
    known = kept(work / "grids.pt", lambda: grids(items[: KNOWN + TEST], data.SIDE))
    if sitting.state["stage1"]:
        net.load_state_dict(sitting.state["stage1"]["model"])
    else:
        (work / "latents.pt").unlink(missing_ok=True)
        if sitting.start_from():
            restore_all(sitting.start_from(), export.decoder_pieces(net))
        else:
            net.fit(autoencoder.packed(known[:KNOWN].float()))
    latents = kept(work / "latents.pt", lambda: encode(net, items, known))

    def draw(generator):
        picked = torch.randint(KNOWN, (BATCH1,), generator=generator)
        return Batch((latents[picked].to(device), known[picked].float().to(device)))

    test = [part[KNOWN : KNOWN + TEST].float().to(device) for part in (latents, known)]
    return Decoding(sitting, net, draw, lambda net: autoencoder.quality(net, *test)).train(), latents


def open_tokenizer(work, captions, items):
    file, rng = work / "tokenizer.json", random.Random(1)
    if not file.is_file():
        train_tokenizer([captions.draw(i, rng) for i in range(len(items))], file, VOCABULARY)
    return Tokenizer.from_file(str(file))


def second_stage(sitting, items, spread):
    seed, captions = sitting.fixed["seed"], Captions(items)
    torch.manual_seed(seed)
    net = model.model(sitting.fixed["shape"])
    rounds = Rounds([{"kind": "object"}] * len(items), range(len(items)), {"object": 1.0}, seed)
    net.denoiser.spread.copy_(spread.view(-1, 1, 1, 1))
    tokenizer = open_tokenizer(sitting.args.work, captions, items)
    return Stage2(sitting, net, rounds, captions, tokenizer, LENGTH, TOWARD_NOISE, export.network_pieces)


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    args.work.mkdir(parents=True, exist_ok=True)
    sitting = Sitting(args)
    torch.manual_seed(sitting.fixed["seed"])
    items, _ = data.load(args.work)
    net, latents = first_stage(sitting, items)
    second_stage(sitting, items, net.spread.cpu()).train(latents.to(args.device), {})


if __name__ == "__main__":
    main()
