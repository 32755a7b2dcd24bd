"""Trains the built-in text-to-video model, or goes on where it stopped.

    python train.py --work DIR --minutes N

Stage 1 finds the encoder in closed form and trains the decoder for --autoencoder-minutes in all (a larger number trains it
on); stage 2 trains text encoder and denoiser on the latents. The state is DIR/checkpoint.pt, the logs are DIR/log-1.csv and
DIR/log-2.csv. What a run was started with (shape, seed) is kept in the checkpoint; those flags count only where there is
none. Before an export, a sitting with --settle makes a better model of the same run (DIR/settled.pt); the run itself goes
on from DIR/checkpoint.pt.
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
import export
import facts
import model
import render
from captions import LENGTH, VOCABULARY, Captions
from restore import add_flag
from rounds import Rounds
from sitting import Sitting
from stage1 import Stage1
from stage2 import Stage2
from words import train_tokenizer

# Clips whose frames the autoencoder sees; every frame of each, the last ones only to measure.
KNOWN, TEST = 800, 20
BATCH = {"cpu": 16, "cuda": 256}
# Mean and deviation of the logit of time: what moves where is decided where noise is strong, as a thing that fills many numbers of
# many frames is seen through much of it; its outline is decided late.
TOWARD_NOISE, WIDE = 1.0, 1.5
# How much naming what the caption says counts beside the velocity.
NAMING = 0.1
ADAM = 3e-3


def arguments():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--minutes", type=float, required=True, help="of this sitting, all stages")
    args.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    args.add_argument("--threads", type=int, default=0)
    args.add_argument("--autoencoder-minutes", type=float, default=10)
    args.add_argument("--shape", default="d96x8", choices=model.SHAPES)
    args.add_argument("--batch", type=int, default=32, help="of stage 2; more on a GPU")
    args.add_argument("--settle", action="store_true", help="let the rates fall to 0 over this sitting; writes settled.pt")
    args.add_argument("--seed", type=int, default=2026)
    args.add_argument("--compile", action="store_true", help="of stage 2; minutes on a CPU, which gains nothing by it")
    add_flag(args)
    args = args.parse_args()
    if args.device == "auto":
        args.device = "cuda" if torch.cuda.is_available() else "cpu"
    return args


def to_device(frames, device):
    """uint8 `[n, height, width, 3]` to -1..1 `[n, 3, height, width]`."""
    return torch.from_numpy(np.array(frames)).to(device).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def frames(work, clips):
    """Every frame of the clips that the autoencoder sees, kept on disk."""
    file = work / "frames.npy"
    if not file.is_file():
        painter = render.Painter(work)
        np.save(file.with_suffix(".part.npy"), np.concatenate([painter.clip(clip) for clip in clips[: KNOWN + TEST]]))
        file.with_suffix(".part.npy").rename(file)
    return np.load(file, mmap_mode="r")


class DecoderStage(Stage1):
    """Never done for good: the denoiser depends on the encoder only, which is fixed."""

    def done(self):
        return self.seconds >= self.budget


def first_stage(sitting, clips):
    all_frames, size = frames(sitting.args.work, clips), BATCH[sitting.args.device]
    known, test = all_frames[: -TEST * facts.FRAMES], to_device(all_frames[-TEST * facts.FRAMES :], sitting.args.device)
    net = autoencoder.Autoencoder()
    if not sitting.state["stage1"]:
        net.fit(to_device(known[::4], "cpu"))

    def draw(generator):
        chosen = torch.randint(len(known), (size,), generator=generator).sort().values
        return to_device(known[chosen.numpy()], sitting.args.device)

    stage = DecoderStage(sitting, net, draw, lambda net: autoencoder.psnr(net, test), export.decoder_pieces)
    return stage.train()


def latents(work, encoder, clips, device):
    """Latents of all clips, kept on disk: they are always the same."""
    file = work / "latents.npy"
    if not file.is_file():
        painter, known = render.Painter(work), frames(work, clips).reshape(-1, facts.FRAMES, facts.SIZE, facts.SIZE, 3)
        drawn = (known[i] if i < len(known) else painter.clip(clip) for i, clip in enumerate(clips))
        made = [encoder.pictures(to_device(clip, device)).transpose(0, 1).cpu().half().numpy() for clip in drawn]
        np.save(file.with_suffix(".part.npy"), np.stack(made))
        file.with_suffix(".part.npy").rename(file)
    kept = np.load(file, mmap_mode="r")
    assert len(kept) == len(clips), f"{file} is of other clips; delete it and {work / 'frames.npy'}"
    return kept


class Clips:
    """Latents by index, in single precision."""

    def __init__(self, kept, device):
        self.kept, self.device = kept, device

    def __getitem__(self, batch):
        return torch.from_numpy(self.kept[batch]).to(self.device).float()


def open_tokenizer(work, captions, count):
    file, rng = work / "tokenizer.json", random.Random(1)
    if not file.is_file():
        train_tokenizer([captions.draw(i, rng) for i in range(count)], file, VOCABULARY)
    return Tokenizer.from_file(str(file))


class ClipStage(Stage2):
    """Most steps see half of each clip's frames, some pairs of them: frames of a clip are alike, so twice as many clips teach
    more. All frames every fifth time, and every other time while settling."""

    def __init__(self, *args):
        super().__init__(*args)
        self.rates[1] = [ADAM]

    def times(self, count):
        return torch.sigmoid(WIDE * torch.randn(count, generator=self.generator) + self.toward_noise)

    def weights(self, times):
        """Where noise is weak, what clean latents are off by is divided by so little that it would count for all of a step."""
        return times

    def tokens(self, batch):
        self.batch = batch
        return super().tokens(batch)

    def naming(self, ids):
        """Cross-entropy of what captions name. One left out names nothing: all names are alike to it."""
        said, loss = (ids[:, 2:] != 0).any(1), 0.0
        for (key, names), logits in zip(model.NAMES.items(), self.net.named(ids)):
            right = torch.tensor([names.index(self.captions.clips[i][key]) for i in self.batch], device=ids.device)
            wanted = torch.nn.functional.one_hot(right, len(names)).where(said[:, None], 1 / len(names))
            loss = loss + torch.nn.functional.cross_entropy(logits, wanted.float())
        return loss

    def loss(self, clean, ids):
        whole = self.step % (2 if self.sitting.args.settle else 5) == 0
        slots = sorted(self.rng.sample(range(model.TIMES), model.TIMES if whole else model.TIMES // 2))
        self.net.denoiser.slots = slots
        loss, hidden = super().loss(clean.unflatten(2, (model.TIMES, model.TIME))[:, :, slots].flatten(2, 3), ids)
        return loss + NAMING * self.naming(ids), hidden


def second_stage(sitting, clips, spread):
    seed, captions = sitting.fixed["seed"], Captions(clips)
    torch.manual_seed(seed)
    sorts = [{"kind": facts.sort(clip)} for clip in clips]
    net, rounds = model.model(sitting.fixed["shape"]), Rounds(sorts, range(len(clips)), facts.WEIGHTS, seed)
    net.denoiser.spread.copy_(spread.view(-1, 1, 1, 1))
    tokenizer = open_tokenizer(sitting.args.work, captions, len(clips))
    return ClipStage(sitting, net, rounds, captions, tokenizer, LENGTH, TOWARD_NOISE, export.network_pieces)


def main():
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    sitting = Sitting(args)
    torch.manual_seed(sitting.fixed["seed"])
    clips = render.training()
    net = first_stage(sitting, clips)
    clean = Clips(latents(args.work, net.encoder, clips, args.device), args.device)
    second_stage(sitting, clips, net.encoder.spread.cpu()).train(clean, {})


if __name__ == "__main__":
    main()
