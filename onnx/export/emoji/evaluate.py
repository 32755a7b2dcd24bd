"""Are the pictures what the prompts say? Retrieval figures over the fixed lists, and the contact sheet.

    python evaluate.py --work DIR                              the averaged weights of DIR/checkpoint.pt, in PyTorch
    python evaluate.py --work DIR --edrun BIN --model FOLDER   what users get: the binary with an exported folder

A generated picture is compared with all rendered ones, held-out ones included, by squared distance of pixels. top-1: the
nearest carries the prompt's name; top-5: one of the five nearest does; base: the name before ":" agrees (top-5).
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))

import data


class Edrun:
    """The binary as a maker of pictures."""

    def __init__(self, binary, model, steps, guidance):
        # What is not given the folder decides, as for every user.
        given = {"--steps": steps, "--guidance-scale": guidance}
        flags = [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
        self.command = [binary, "image", "--model", model, "--quiet", *flags]
        self.trained = {}

    def make(self, prompts, seed=0):
        """All in one run, a line of `--prompts` each."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{i}.png" for i in range(len(prompts))]
            lines = [{"prompt": prompt, "seed": seed + i, "output": str(file)} for i, (prompt, file) in enumerate(zip(prompts, files))]
            listed = Path(folder) / "prompts.jsonl"
            listed.write_text("".join(json.dumps(line) + "\n" for line in lines))
            subprocess.run([*self.command, "--prompts", str(listed)], check=True)
            return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


def nearest(made, pictures, count=5):
    """Indices of the nearest pictures, nearest first."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float32)
    query = made.reshape(len(made), -1).astype(np.float32)
    distance = (flat**2).sum(1)[None] - 2 * query @ flat.T
    return np.argsort(distance, axis=1)[:, :count]


def figures(names, found, items):
    """Shares of names that are found, in per cent."""
    def hits(want, rank):
        return [any(want(name, items[i]) for i in row[:rank]) for name, row in zip(names, found)]

    exact = lambda name, item: name == item["name"] or name in item["also"]
    base = lambda name, item: name.split(":")[0] == item["name"].split(":")[0]
    share = lambda flags: round(100 * sum(flags) / len(flags), 1)
    return {"top1": share(hits(exact, 1)), "top5": share(hits(exact, 5)), "base5": share(hits(base, 5))}


def sheet(maker, prompts, file, columns=6, scale=2):
    """One picture of all, in order."""
    made = maker.make(prompts)
    side = made.shape[1]
    rows = -(-len(made) // columns)
    out = Image.new("RGB", (columns * side, rows * side), "white")
    for i, picture in enumerate(made):
        out.paste(Image.fromarray(picture), (i % columns * side, i // columns * side))
    out.resize((out.width * scale, out.height * scale), Image.Resampling.LANCZOS).save(file)


def lists(heldout):
    """`{list: [(prompt, name)]}`"""
    named = {key: [(item["name"], item["name"]) for item in heldout[key]] for key in ("training", "role_tone")}
    return named | {"paraphrase": [(item["caption"], item["name"]) for item in heldout["paraphrase"]]}


def evaluate(maker, work):
    pictures, items, heldout = data.load(work)
    result = dict(maker.trained)
    for key, pairs in lists(heldout).items():
        prompts, names = zip(*pairs)
        result[key] = figures(names, nearest(maker.make(list(prompts)), pictures), items)
    return result


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--checkpoint", default="checkpoint.pt", help="or settled.pt")
    args.add_argument("--edrun", help="the binary")
    args.add_argument("--model", help="an exported folder")
    args.add_argument("--steps", type=int, help="25 for a checkpoint, the folder's for the binary")
    args.add_argument("--guidance", type=float, help="3 for a checkpoint, the folder's for the binary")
    args.add_argument("--shift", type=float, default=1.0, help="of the noise levels; an exported folder has its own")
    args.add_argument("--device", default="cpu")
    args.add_argument("--sheet", type=Path, help="write the contact sheet here and compute nothing")
    args = args.parse_args()
    if args.edrun:
        maker = Edrun(args.edrun, args.model, args.steps, args.guidance)
    else:
        from sampler import Checkpoint

        steps, guidance = args.steps or 25, 3.0 if args.guidance is None else args.guidance
        maker = Checkpoint(args.work, args.checkpoint, steps, guidance, args.shift, args.device)
    if args.sheet:
        return sheet(maker, json.loads(data.HELDOUT.read_text())["sheet"], args.sheet)
    print(json.dumps(evaluate(maker, args.work), indent=1))


if __name__ == "__main__":
    main()
