"""The contact sheet: the prompts of sheet.txt through the binary, each seen from the front.

    python sheet.py --edrun BIN [--model FOLDER] --out sheet.png
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

COLUMNS, SIDE = 8, 160


def views(args, folder):
    """The first of each turntable's views."""
    model = ["--model", args.model] if args.model else []
    prompts = Path(__file__).with_name("sheet.txt")
    command = [args.edrun, "3d", "--prompts", prompts, *model, "--seed", args.seed, "--quiet", "--batch", "8", *args.flags]
    files = ["-o", folder / "{index}.glb", "--turntable", folder / "{index}.png"]
    subprocess.run([str(part) for part in command + files], check=True)
    for file in sorted(folder.glob("*.png")):
        sheet = Image.open(file).convert("RGB")
        side = sheet.width // 4
        yield sheet.crop((0, 0, side, side)).resize((SIDE, SIDE), Image.LANCZOS)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--edrun", required=True, help="the binary")
    args.add_argument("--model", help="an exported folder; the built-in model when not given")
    args.add_argument("--out", type=Path, required=True)
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("flags", nargs="*", help="further flags of edrun 3d, after --")
    args = args.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        all_views = list(views(args, Path(folder)))
    made = Image.new("RGB", (COLUMNS * SIDE, -(-len(all_views) // COLUMNS) * SIDE), "white")
    for i, view in enumerate(all_views):
        made.paste(view, (i % COLUMNS * SIDE, i // COLUMNS * SIDE))
    made.save(args.out, optimize=True)


if __name__ == "__main__":
    main()
