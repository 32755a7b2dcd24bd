"""Trains the built-in text-to-sound model, or goes on where it stopped.

    python train.py --work DIR --minutes N

Stage 1 finds principal components, in minutes; stage 2 trains text encoder and denoiser on those. The state is
DIR/checkpoint.pt, the log is DIR/log-2.csv. What a run was started with (shape, seed) is kept in the checkpoint; those flags
count only where there is none. Before an export, a sitting with --settle makes a better model of the same run
(DIR/settled.pt); the run itself goes on from DIR/checkpoint.pt.
"""

import argparse
import random
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import autoencoder
import export
import model
import render
import spectrum
from captions import LENGTH, NUMBERS, PIECES, Captions
from restore import add_flag, restore_all
from rounds import Rounds
from sitting import Sitting
from stage2 import Stage2
from words import train_tokenizer

# Clips whose principal components are found: those of more would be the same.
KNOWN, TEST, PART = 1500, 96, 100
LATENTS = "latents.npy"
# Mean of the logit of time. Nearly every caption has one clip: which one is decided where noise is strong.
TOWARD_NOISE = 0.8
# Tokens of a clip that most steps see: a second of a note is much like the next, so that more clips are worth more than whole ones.
SEEN, WHOLE_EVERY = 6, 8
ADAM = 2e-3


def arguments():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--minutes", type=float, required=True, help="of this sitting, all stages")
    args.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    args.add_argument("--threads", type=int, default=0)
    args.add_argument("--shape", default="d128x6", choices=model.SHAPES)
    args.add_argument("--batch", type=int, default=64, help="of stage 2; more on a GPU")
    args.add_argument("--settle", action="store_true", help="let the rates fall to 0 over this sitting; writes settled.pt")
    args.add_argument("--seed", type=int, default=2026)
    add_flag(args)
    args.add_argument("--compile", action="store_true", help="of stage 2; minutes on a CPU, which gains nothing by it")
    args = args.parse_args()
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    return args


def magnitudes(sounds, indices, device):
    """Spectra of some clips, a part at a time."""
    for start in range(0, len(indices), PART):
        part = np.stack([sounds[i] for i in indices[start : start + PART]])
        yield spectrum.magnitudes(torch.from_numpy(part).to(device).float() / 32768)


def fit(net, sounds, chosen):
    """Principal components of these clips."""
    device = net.mean.device
    basis = spectrum.Basis.of(map(spectrum.compressed, magnitudes(sounds, chosen, device)))
    net.fit(basis, torch.cat([basis.components(spectrum.compressed(part)) for part in magnitudes(sounds, chosen, device)]))


def first_stage(sitting, sounds, split):
    """On a sample of the training split; measured on other clips. A landed model has its own: found anew, they would differ
    in signs at least, and its denoiser knows no others."""
    net, device = autoencoder.Autoencoder(), sitting.args.device
    if sitting.state["stage1"]:
        net.load_state_dict(sitting.state["stage1"]["model"])
        return net.to(device)
    drawn = random.Random(sitting.fixed["seed"]).sample(split, KNOWN + TEST)
    if sitting.start_from():
        restore_all(sitting.start_from(), export.autoencoder_pieces(net))
    else:
        fit(net.to(device), sounds, drawn[:KNOWN])
    known = torch.cat(list(magnitudes(sounds, drawn[KNOWN:], device)))
    print(f"principal components: {autoencoder.quality(net.to(device), known):.2f} dB", flush=True)
    (sitting.args.work / LATENTS).unlink(missing_ok=True)
    sitting.keep("stage1", lambda: {"model": net.state_dict()}, always=True)
    return net


def latents(work, net, sounds, device):
    """Latents of all clips, kept on disk: they are always the same."""
    file = work / LATENTS
    if not file.is_file():
        with torch.no_grad():
            parts = [net.encode(part).cpu().half() for part in magnitudes(sounds, range(len(sounds)), device)]
        np.save(file.with_suffix(".part.npy"), torch.cat(parts).numpy())
        file.with_suffix(".part.npy").rename(file)
    return torch.from_numpy(np.load(file)[:, :, : autoencoder.LENGTH]).to(device)


def open_tokenizer(work, captions, split):
    file, rng = work / "tokenizer.json", random.Random(1)
    if not file.is_file():
        train_tokenizer([captions.draw(i, rng) for i in split], file, PIECES, digits=True)
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.add_tokens([AddedToken(number) for number in NUMBERS])
        tokenizer.save(str(file))
    return Tokenizer.from_file(str(file))


class SoundStage(Stage2):
    def __init__(self, *args):
        super().__init__(*args)
        self.rates[1] = [ADAM]

    def loss(self, clean, ids):
        whole = self.step % (2 if self.sitting.args.settle else WHOLE_EVERY) == 0
        slots = sorted(self.rng.sample(range(model.TOKENS), model.TOKENS if whole else SEEN))
        self.net.denoiser.slots = slots
        return super().loss(clean.unflatten(2, (model.TOKENS, model.PATCH))[:, :, slots].flatten(2, 3), ids)


def second_stage(sitting, clips, split, spread):
    seed, captions = sitting.fixed["seed"], Captions(clips)
    torch.manual_seed(seed)
    net, sorts = model.model(sitting.fixed["shape"]), [{"kind": render.sort(clip)} for clip in clips]
    rounds = Rounds(sorts, split, render.WEIGHTS, seed)
    net.denoiser.spread.copy_(spread[:, None])
    tokenizer = open_tokenizer(sitting.args.work, captions, split)
    return SoundStage(sitting, net, rounds, captions, tokenizer, LENGTH, TOWARD_NOISE, export.network_pieces)


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    sitting = Sitting(args)
    torch.manual_seed(sitting.fixed["seed"])
    sounds, clips, heldout = render.load(args.work)
    split = render.training(clips, heldout)
    net = first_stage(sitting, sounds, split)
    clean = latents(args.work, net, sounds, args.device)
    second_stage(sitting, clips, split, net.spread.cpu()).train(clean, {})


if __name__ == "__main__":
    main()
