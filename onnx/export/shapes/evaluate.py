"""Are the objects what the prompts say? Figures over the fixed lists, of what users get: the binary with an exported folder.

    python evaluate.py --edrun BIN --model FOLDER [--keep MESHES]

Class: that of the nearest of the recipe's own objects, by signed distances. Colour: the asked one covers what it should, and more
than any that is not of the object. `judge` is what the judge says of the recipe's own objects: no model can do better.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import data
import judge


def make(binary, model, items, folder, seed, flags):
    """One mesh a prompt, the i-th from seed + i, and the report."""
    listed = folder / "prompts.jsonl"
    listed.write_text("".join(json.dumps({"prompt": item["prompt"], "seed": seed + i}) + "\n" for i, item in enumerate(items)))
    command = [binary, "3d", "--prompts", listed, "--quiet", "--json", "--batch", "8", *(["--model", model] if model else []), *flags]
    done = subprocess.run([*map(str, command), "-o", str(folder / "{index}.glb")], check=True, stdout=subprocess.PIPE)
    # Numbers in names are padded alike, so that they sort.
    return sorted(folder.glob("*.glb")), json.loads(done.stdout)["meshes"]


def share(flags):
    return round(100 * sum(flags) / len(flags), 1)


def figures(items, files, reports, shapes, confused):
    rng, classes, colours = np.random.default_rng(0), [], []
    for item, file in zip(items, files):
        mesh = judge.read(file)
        name = shapes.name(judge.shape(mesh, rng))
        classes.append(name == item["class"])
        colours.append(judge.colour_right(item, judge.mesh_shares(mesh)))
        if not (classes[-1] and colours[-1]):
            confused.append(f"{item['prompt']}: {name}, colour {'right' if colours[-1] else 'wrong'}")
    return {
        "class": share(classes), "colour": share(colours), "both": share([a and b for a, b in zip(classes, colours)]),
        "watertight": share([report["watertight"] for report in reports]), "meshes": len(reports),
    }


def own(shapes, count=300):
    """What the judge says of objects that it was not given."""
    rng, where = random.Random(77), data.points(judge.SIDE, whole=True)
    items = [data.draw(rng) for _ in range(count)]
    return share([shapes.name(data.values(item, where)[0].clip(-judge.REACH, judge.REACH)) == item["class"] for item in items])


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--edrun", required=True, help="the binary")
    args.add_argument("--model", help="an exported folder; the built-in model when not given")
    args.add_argument("--keep", type=Path, help="leave the meshes here")
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("flags", nargs="*", help="further flags of edrun 3d, after --")
    args = args.parse_args()
    shapes, confused = judge.Shapes(), []
    result = {"judge": own(shapes)}
    for key, items in json.loads(data.HELDOUT.read_text()).items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = args.keep / key if args.keep else Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            files, reports = make(args.edrun, args.model, items, folder, args.seed, args.flags)
            result[key] = figures(items, files, reports, shapes, confused)
    print("\n".join(confused))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
