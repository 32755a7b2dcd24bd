"""Bits a character on the books that are held out, and samples.

    python evaluate.py --work DIR                              the averaged weights of DIR/checkpoint.pt, in PyTorch
    python evaluate.py --work DIR --edrun BIN --model FOLDER   what users get: the binary with an exported folder
    python evaluate.py ... --parallel                          many tokens an evaluation against one, both scored

The bound is MDLM's: `L / l` times the loss on `l` hidden tokens, `l` spread evenly over `1..L`, windows of 256 tokens.
"""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))

import checkpoint
import data
import model

PROMPTS = ["And it came to pass", "The LORD is my", "Blessed are they that", "In the beginning", "Wherefore, my brethren,"]


def averaged(work, name="checkpoint.pt"):
    """The averaged network of a checkpoint, and the state it comes from."""
    state = checkpoint.read(work / name)
    net = model.Model(state["fixed"]["shape"])
    net.load_state_dict(state["stage1"]["average"])
    return net.eval().requires_grad_(False), state


@torch.no_grad()
def losses(net, ids, mask, draws, generator):
    """`draws` estimates of the bound of one window, in nats."""
    length = len(ids)
    part = (torch.arange(draws) + torch.rand(draws, generator=generator)) / draws
    counts = (part * length).long().clamp(max=length - 1) + 1
    ranks = torch.rand(draws, length, generator=generator).argsort(-1).argsort(-1)
    hidden = ranks < counts[:, None]
    rows = ids.expand(draws, length)
    logits = net(rows.masked_fill(hidden, mask))
    own = logits.log_softmax(-1).gather(-1, rows[..., None])[..., 0]
    return -(own * hidden).sum(-1) * length / counts


def bits(net, tokenizer, chapters, draws=8, seed=1):
    """Bits a character and their standard error."""
    mask, generator = tokenizer.token_to_id(data.MASK), torch.Generator().manual_seed(seed)
    ids = torch.tensor(tokenizer.encode("\n".join(chapters) + "\n").ids)
    total, variance = 0.0, 0.0
    for window in ids.split(model.LONGEST):
        found = losses(net, window, mask, draws, generator)
        total, variance = total + found.mean().item(), variance + found.var().item() / draws
    scale = 1 / math.log(2) / (sum(len(chapter) + 1 for chapter in chapters))
    return total * scale, math.sqrt(variance) * scale


@torch.no_grad()
def write(net, tokenizer, prompt, length, seed, temperature=0.8):
    """One token an evaluation, the surest place first."""
    mask, generator = tokenizer.token_to_id(data.MASK), torch.Generator().manual_seed(seed)
    ids = torch.tensor(tokenizer.encode(prompt).ids + [mask] * length)
    while (ids == mask).any():
        logits = net(ids[None])[0]
        logits[:, mask] = -math.inf
        open_places = (ids == mask).nonzero()[:, 0]
        p = logits[open_places].softmax(-1)
        at = int((p * p.clamp(min=1e-9).log()).sum(-1).argmax())
        shaped = (logits[open_places[at]] / temperature).softmax(-1)
        ids[open_places[at]] = torch.multinomial(shaped, 1, generator=generator)[0]
    return tokenizer.decode(ids.tolist())


def edrun(args, *flags):
    command = [args.edrun, "text", "--model", args.model, "--json", "--quiet", *map(str, flags)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def written(args, *flags, count=16, length=64):
    """What the binary writes after every prompt: evaluations a text, and bits a character under the same model."""
    made = []
    for prompt in PROMPTS:
        asked = ("--length", length, "--count", count, "--seed", 1, "--ignore-end", "--batch", count)
        made += edrun(args, prompt, *asked, *flags)["texts"]
    file = args.work / "written.txt"
    file.write_text("\n".join(text["text"] for text in made) + "\n")
    score = edrun(args, "--score", file, "--draws", 32, "--seed", 1)
    alone = edrun(args, PROMPTS[0], "--length", length, "--seed", 1, "--ignore-end", *flags)
    return {
        "evaluations": sum(text["evaluations"] for text in made) / len(made),
        "bits_per_character": score["bits_per_character"], "error": score["bits_per_character_error"],
        "seconds_for_one": alone["seconds"]["load"] + alone["seconds"]["sample"],
    }


def parallel(args):
    one = ("--sampler", "spaced", "--sampler-option", "most=1", "--temperature", args.temperature)
    return {"usual": written(args), "one token an evaluation": written(args, *one)}


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--checkpoint", default="checkpoint.pt", help="or settled.pt")
    args.add_argument("--draws", type=int, default=8, help="questions for each window")
    args.add_argument("--edrun", help="the binary")
    args.add_argument("--model", help="an exported folder")
    args.add_argument("--parallel", action="store_true")
    args.add_argument("--temperature", type=float, default=0.8, help="of the texts that --parallel compares")
    args.add_argument("--samples", action="store_true", help="write instead of measuring")
    args = args.parse_args()
    if args.edrun and args.parallel:
        return print(json.dumps(parallel(args), indent=1))
    if args.edrun:
        return print(json.dumps(edrun(args, "--score", args.work / "heldout.txt", "--draws", args.draws, "--seed", 1), indent=1))
    net, state = averaged(args.work, args.checkpoint)
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    kept = {key: state["stage1"][key] for key in ("step", "seconds", "rounds")}
    if args.samples:
        return print("\n\n".join(write(net, tokenizer, prompt, 48, i) for i, prompt in enumerate(PROMPTS)))
    found, error = bits(net, tokenizer, data.heldout(args.work), args.draws)
    print(json.dumps(kept | {"bits_per_character": round(found, 4), "error": round(error, 4)}))


if __name__ == "__main__":
    main()
