"""Trains the built-in text-to-image model, or goes on where it stopped.

    python train.py --work DIR --minutes N

Stage 1 trains the autoencoder for --autoencoder-minutes; stage 2 trains text encoder and denoiser on its latents. The
state is DIR/checkpoint.pt, the logs are DIR/log-1.csv and DIR/log-2.csv. What a run was started with (shapes, seed) is
kept in the checkpoint; those flags count only where there is none. Before an export, a sitting with --settle makes a
better model of the same run (DIR/settled.pt); the run itself goes on from DIR/checkpoint.pt.
"""

import argparse
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import autoencoder
import data
import export
import model
from captions import LENGTH, VOCABULARY, Captions
from restore import add_flag
from rounds import Rounds
from sitting import Sitting
from stage1 import Stage1, normalise
from stage2 import Stage2
from words import train_tokenizer

# Small on a CPU, where in ten minutes the number of steps is what the autoencoder lacks.
BATCH = {"cpu": 16, "cuda": 128}
# Mean of the logit of time. With one picture a caption, what to draw is harder than how, and it is decided where noise is
# strong: at time 0.95 the right caption lowers the loss six times as much as at 0.5.
TOWARD_NOISE = 1.4


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
    add_flag(args)
    args.add_argument("--compile", action="store_true", help="of stage 2; minutes on a CPU, which gains nothing by it")
    args = args.parse_args()
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    return args


def to_device(pictures, device):
    """uint8 `[n, 64, 64, 3]` to -1..1 `[n, 3, 64, 64]`."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def open_tokenizer(work, items, split):
    file = work / "tokenizer.json"
    if not file.is_file():
        train_tokenizer([t for i in split for t in [items[i]["name"]] * 2 + items[i]["keywords"]], file, VOCABULARY)
    return Tokenizer.from_file(str(file))


def first_stage(sitting, pictures, split):
    """On all pictures of the training split alike; measured on the held-out ones."""
    net = autoencoder.Autoencoder(**autoencoder.SHAPES[sitting.fixed["autoencoder"]])
    held_out = sorted(set(range(len(pictures))) - set(split))
    known, test, size = pictures[split], pictures[held_out], BATCH[sitting.args.device]
    draw = lambda generator: known[torch.randint(len(known), (size,), generator=generator)]
    return Stage1(sitting, net, draw, lambda net: autoencoder.psnr(net, test), export.autoencoder_pieces)


def second_stage(sitting, items, heldout, split):
    seed = sitting.fixed["seed"]
    torch.manual_seed(seed)
    net, rounds = model.model(sitting.fixed["shape"]), Rounds(items, split, data.WEIGHTS, seed)
    captions, tokenizer = Captions(items, heldout), open_tokenizer(sitting.args.work, items, split)
    return Stage2(sitting, net, rounds, captions, tokenizer, LENGTH, TOWARD_NOISE, export.network_pieces)


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    sitting = Sitting(args)
    torch.manual_seed(sitting.fixed["seed"])
    pictures, items, heldout = data.load(args.work)
    pictures, split = to_device(pictures, args.device), data.training(items, heldout)
    first = first_stage(sitting, pictures, split)
    net = first.train()
    if first.done():
        with torch.no_grad():
            latents = torch.cat([net.encode(part) for part in pictures.split(64)])
        second_stage(sitting, items, heldout, split).train(*normalise(latents))


if __name__ == "__main__":
    main()
