"""Do the clips show what the prompts say? Figures over the fixed lists, and the contact sheet.

    python evaluate.py --work DIR                              the averaged weights of DIR/checkpoint.pt, in PyTorch
    python evaluate.py --work DIR --edrun BIN --model FOLDER   what users get: the binary with an exported folder

Shares in per cent. colour: the nearest known colour to that of the thing's inside; shape: the best of all templates, over all
frames; direction: the way of the tracked centre, of prompts that say one (falling is a way down); motion: all prompts, and
falling is not moving down; all: colour, shape and motion of one clip. `reference` is the judge on rendered clips.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
import facts
import judge
import render

SHEET = 24  # prompts, of the lists in turn


class Edrun:
    """The binary as a maker of clips, one folder of frames a prompt."""

    def __init__(self, binary, model, flags):
        self.command, self.trained = [binary, "video", *(["--model", model] if model else []), "--quiet", *flags], {}

    def make(self, prompts, seed=0):
        """All in one run, a line of `--prompts` each."""
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder) / str(i) for i in range(len(prompts))]
            rows = [
                {"prompt": prompt, "seed": seed + i, "output": str(place / "{frame}.png")}
                for i, (prompt, place) in enumerate(zip(prompts, places))
            ]
            listed = Path(folder) / "prompts.jsonl"
            listed.write_text("".join(json.dumps(row) + "\n" for row in rows))
            for place in places:
                place.mkdir()
            subprocess.run([*self.command, "--prompts", str(listed)], check=True)
            # Numbers in names are padded alike, so that they sort.
            return np.stack([np.stack([np.asarray(Image.open(f).convert("RGB")) for f in sorted(p.glob("*.png"))]) for p in places])


def verdict(item, frames):
    """What is right of one clip: `{figure: flag}`, of those figures that the prompt has."""
    track, asked = judge.Track(frames), item["motion"]
    turns = asked in ("clockwise", "counterclockwise")
    seen = judge.motion(track, item["thing"])
    # How an emoji turns the judge cannot see: that it stays in place is all that is asked.
    at_rest = item["kind"] == "emoji" and turns and seen == "still"
    flags = {"motion": seen == asked or at_rest}
    if asked in judge.DIRECTED:
        flags["direction"] = judge.direction_fits(asked, seen)
    if item["kind"] == "shape":
        flags |= {"colour": judge.colour(track) == item["colour"], "shape": judge.shape(track, turns) == item["thing"]}
        flags["all"] = flags["motion"] and flags["colour"] and flags["shape"]
    return flags


def figures(items, clips):
    flags = [verdict(item, frames) for item, frames in zip(items, clips)]
    kinds = ("colour", "shape", "direction", "motion", "all")
    found = {kind: [f[kind] for f in flags if kind in f] for kind in kinds}
    return {kind: round(100 * sum(some) / len(some), 1) for kind, some in found.items() if some}


def rendered(painter, items):
    """Clips that are right."""
    return [painter.clip(item | {"seed": i}) for i, item in enumerate(items)]


def lists():
    """`{list: items}`"""
    return {key: [i | {"kind": "shape" if i["colour"] else "emoji"} for i in items] for key, items in facts.heldout().items()}


def evaluate(maker, work, only, show):
    result, painter = dict(maker.trained), render.Painter(work)
    for key, items in lists().items():
        items = items[: only or len(items)]
        clips = maker.make([item["prompt"] for item in items])
        result[key] = figures(items, clips) | {"reference": figures(items, rendered(painter, items))}
        if show:
            for item, frames in zip(items, clips):
                wrong = [kind for kind, flag in verdict(item, frames).items() if not flag]
                if wrong:
                    print(item["prompt"], "|", *wrong, "| seen:", judge.motion(judge.Track(frames), item["thing"]), file=sys.stderr)
    return result


def sheet(maker, file, scale=1):
    """Eight frames of each of some prompts, two prompts a row: half of them held out, some emoji."""
    known, rng = lists(), random.Random(3)
    counts = {"seen": SHEET // 2 - 2, "unseen": SHEET // 3, "emoji": SHEET // 4}
    prompts = [item["prompt"] for key, count in counts.items() for item in rng.sample(known[key], count)]
    strips = [render.strip(clip) for clip in maker.make(prompts)]
    picture = np.concatenate([np.concatenate(strips[i::2], 0) for i in range(2)], 1)
    Image.fromarray(picture).resize((picture.shape[1] * scale, picture.shape[0] * scale)).save(file)
    print("\n".join(f"{i // 2 + 1}{'lr'[i % 2]} {prompt}" for i, prompt in enumerate(prompts)))


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--checkpoint", default="checkpoint.pt", help="or settled.pt")
    args.add_argument("--edrun", help="the binary")
    args.add_argument("--model", help="an exported folder; the binary's own model where there is none")
    args.add_argument("--steps", type=int, default=12, help="of a checkpoint; the folder's for the binary")
    args.add_argument("--guidance", type=float, default=3.0, help="of a checkpoint; the folder's for the binary")
    args.add_argument("--shift", type=float, default=3.0, help="of the noise levels; an exported folder has its own")
    args.add_argument("--device", default="cpu")
    args.add_argument("--only", type=int, default=0, help="that many prompts of each list")
    args.add_argument("--show", action="store_true", help="name every clip that is not right")
    args.add_argument("--sheet", type=Path, help="write the contact sheet here and compute nothing")
    args.add_argument("flags", nargs="*", help="further flags of edrun video, after --")
    args = args.parse_args()
    if args.edrun:
        maker = Edrun(args.edrun, args.model, args.flags)
    else:
        from sampler import Checkpoint

        maker = Checkpoint(args.work, args.checkpoint, args.steps, args.guidance, args.shift, args.device)
    if args.sheet:
        return sheet(maker, args.sheet)
    print(json.dumps(evaluate(maker, args.work, args.only, args.show), indent=1))


if __name__ == "__main__":
    main()
