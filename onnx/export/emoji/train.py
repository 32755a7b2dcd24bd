"""Trains the built-in text-to-image model, or goes on where it stopped.

    python train.py --work DIR --minutes N

Stage 1 trains the autoencoder for --autoencoder-minutes; stage 2 trains text encoder and denoiser on its latents. The
state is DIR/checkpoint.pt, the logs are DIR/log-1.csv and DIR/log-2.csv. What a run was started with (shapes, seed) is
kept in the checkpoint; those flags count only where there is none. Before an export, a sitting with --settle makes a
better model of the same run (DIR/settled.pt); the run itself goes on from DIR/checkpoint.pt.
"""

import argparse
from pathlib import Path

import torch

import autoencoder
import data
import model
from sitting import Sitting
from stage1 import Stage1, latents, to_device
from stage2 import Stage2


def arguments():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--minutes", type=float, required=True, help="of this sitting, both stages")
    args.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    args.add_argument("--threads", type=int, default=0)
    args.add_argument("--autoencoder", default="small", choices=autoencoder.SHAPES)
    args.add_argument("--autoencoder-minutes", type=float, default=10)
    args.add_argument("--shape", default="d192x6", choices=model.SHAPES)
    args.add_argument("--batch", type=int, default=32, help="of stage 2; more on a GPU")
    args.add_argument("--settle", action="store_true", help="let the rates fall to 0 over this sitting; writes settled.pt")
    args.add_argument("--seed", type=int, default=2026)
    args.add_argument("--compile", action="store_true", help="of stage 2; minutes on a CPU, which gains nothing by it")
    args = args.parse_args()
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    return args


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    sitting = Sitting(args)
    torch.manual_seed(sitting.fixed["seed"])
    pictures, items, heldout = data.load(args.work)
    pictures, split = to_device(pictures, args.device), data.training(items, heldout)
    first = Stage1(sitting, pictures, split)
    net = first.train()
    if first.done():
        Stage2(sitting, items, heldout, split).train(*latents(net, pictures))


if __name__ == "__main__":
    main()
