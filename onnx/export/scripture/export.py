"""Exports a checkpoint's averaged weights in the layout of transformers' masked language models.

    python export.py --work DIR --out FOLDER
"""

import argparse
import shutil
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))

import data
from evaluate import averaged
from graphs import write_all, write_configs
from model import LONGEST
from train import graphs


def configs(tokenizer):
    mask, end = tokenizer.token_to_id(data.MASK), tokenizer.token_to_id(data.END)
    return {
        "config.json": {
            "architectures": ["MDLM"], "model_type": "mdlm", "vocab_size": data.VOCABULARY,
            "max_position_embeddings": LONGEST, "mask_token_id": mask, "eos_token_id": end,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LONGEST,
            "mask_token": data.MASK, "eos_token": data.END,
        },
        # What suits the model: as many tokens at once as can be found apart from each other.
        "edrun.json": {"sampler": "spaced", "sampler_options": {"gap": 12.0, "most": 4.0}, "temperature": 0.8},
    }


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--checkpoint", default="checkpoint.pt", help="or settled.pt")
    args.add_argument("--out", type=Path, required=True)
    args = args.parse_args()
    net, state = averaged(args.work, args.checkpoint)
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    ids = torch.tensor([tokenizer.encode(chapter).ids[:100] for chapter in data.heldout(args.work)[:2]])
    ids[:, ::3] = tokenizer.token_to_id(data.MASK)
    write_all(args.out, graphs(net, ids))
    write_configs(args.out, configs(tokenizer))
    shutil.copy(args.work / "tokenizer.json", args.out / "tokenizer.json")
    shutil.copy(args.work / "root/usr/share/doc/bible-kjv-text/copyright", args.out / "copyright.txt")
    print(f"step {state['stage1']['step']}, every token seen {state['stage1']['rounds']:.1f} times")


if __name__ == "__main__":
    main()
