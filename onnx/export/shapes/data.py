"""Objects as words say them: what may be asked for, and the values of an object on a grid.

    python data.py --check               nothing held out is trained on
    python data.py --choose              draws heldout.json anew (old figures no longer compare)
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
from objects import CLASSES, KINDS

HELDOUT = Path(__file__).with_name("heldout.json")
COUNT = 5000  # objects that are trained on
SIDE = 32  # points of a side of the grid; it reaches from -1 to 1
REACH = 0.2  # distances beyond are cut off: three cells

PALETTE = {
    "red": (0.83, 0.10, 0.10), "orange": (0.96, 0.50, 0.06), "yellow": (0.97, 0.84, 0.14), "green": (0.13, 0.58, 0.20),
    "cyan": (0.30, 0.80, 0.86), "blue": (0.12, 0.28, 0.84), "purple": (0.48, 0.16, 0.68), "pink": (0.97, 0.55, 0.74),
    "brown": (0.44, 0.26, 0.12), "black": (0.08, 0.08, 0.09), "grey": (0.52, 0.53, 0.55), "white": (0.95, 0.95, 0.95),
}
SIZES = {"small": 0.72, "medium": 0.86, "large": 1.0}
# How much wider and higher a style makes things.
STYLES = {
    "plain": (1, 1), "tall": (0.72, 1.08), "wide": (1.06, 0.66), "leaning": (0.9, 0.95), "chubby": (0.9, 0.92), "striped": (1, 1), "spotted": (1, 1),
}
LEAN, FAT = 0.38, 0.075
BAND, SPOT = 0.29, 0.42


def draw(rng, name=None):
    """One object, by its facts."""
    name = name or rng.choice(list(CLASSES))
    _, usual, part, accent = CLASSES[name]
    colour = usual if rng.random() < 0.2 else rng.choice(list(PALETTE))
    if part and rng.random() < 0.5:
        accent = rng.choice([c for c in PALETTE if c != colour])
    style = "plain" if rng.random() < 0.25 else rng.choice(list(STYLES))
    size = rng.choices(list(SIZES), (0.3, 0.4, 0.3))[0]
    return {
        "class": name, "form": rng.choice(KINDS.get(name, [name])), "size": size, "style": style, "colour": colour,
        "accent": accent, "seed": rng.randrange(1 << 31),
    }


def combination(item):
    return f"{item['class']} {item['colour']} {item['style']}"


def training(heldout, count=COUNT, seed=1):
    """Objects that may be trained on."""
    rng, out, items = random.Random(seed), {combination(item) for item in heldout["unseen"]}, []
    while len(items) < count:
        item = draw(rng)
        if combination(item) not in out:
            items.append(item)
    return items


def points(side, whole=False):
    """The points of the grid's right half, or of all of it: x slowest, z fastest."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    return np.stack(np.meshgrid(axis if whole else axis[side // 2 :], axis, axis, indexing="ij")).reshape(3, -1)


def second(colour):
    """Of stripes and spots."""
    return "yellow" if colour == "white" else "white"


def warped(item, where):
    """Points where the plain object of a class has what the asked one has here, and by how much distances there are longer."""
    wide, high = (SIZES[item["size"]] * way for way in STYLES[item["style"]])
    x, y, z = where[0] / wide, where[1] / high, where[2] / wide
    shrink = min(wide, high)
    if item["style"] == "leaning":
        z, shrink = z + LEAN * y, 0.85 * shrink
    return (x, y, z), shrink


def pattern(item, p):
    """Where the second colour of a pattern is."""
    if item["style"] == "striped":
        return np.floor(p[1] / BAND + 0.25).astype(int) % 2 == 1
    if item["style"] == "spotted":
        # A lattice whose every other layer is moved by half a cell; |x|, since all is mirrored.
        cell = [np.abs(p[0]) / SPOT, p[1] / SPOT, p[2] / SPOT]
        layer = np.round(cell[1]) % 2 * 0.5
        off = [cell[0] - layer, cell[1], cell[2] - layer]
        return sum((c - np.round(c)) ** 2 for c in off) < 0.33**2
    return np.zeros(p[0].shape, bool)


def values(item, where):
    """Signed distances and colours `[3, n]` of an object at points `[3, n]`."""
    p, shrink = warped(item, where)
    rng = random.Random(item["seed"])
    parts = CLASSES[item["class"]][0](p, lambda: rng.uniform(0.93, 1.07), item["form"])
    distances = np.stack([part.astype(np.float32) for part, _ in parts]) * shrink
    named = {"main": item["colour"], "accent": item["accent"]}
    colours = np.array([PALETTE[named.get(what, what)] for _, what in parts], np.float32).T
    nearest = distances.argmin(0)
    painted = colours[:, nearest]
    spots = pattern(item, p) & np.array([what == "main" for _, what in parts])[nearest]
    painted[:, spots] = np.array(PALETTE[second(item["colour"])], np.float32)[:, None]
    fat = FAT * SIZES[item["size"]] if item["style"] == "chubby" else 0
    return distances.min(0) - fat, painted


def load(work):
    """Objects that are trained on, and the fixed lists."""
    heldout = json.loads(HELDOUT.read_text())
    return training(heldout), heldout


def plain_prompt(item):
    """The simplest words for an object's class, colour and style, at medium size with its usual accent."""
    words = [item["colour"], item["form"]] if item["style"] == "plain" else [item["style"], item["colour"], item["form"]]
    return "a " + " ".join(words) if words[0][0] not in "aeiou" else "an " + " ".join(words)


def choose(seen=100, unseen=50):
    """Draws the fixed lists once, with a fixed seed: every class about equally often, no combination twice."""
    rng, taken, lists = random.Random(2026), set(), {"seen": [], "unseen": []}
    for key, count in (("unseen", unseen), ("seen", seen)):
        names = list(CLASSES) * (count // len(CLASSES) + 1)
        while len(lists[key]) < count:
            item = draw(rng) | {"size": "medium"}
            item["accent"], item["form"] = CLASSES[item["class"]][3], item["class"]
            # What is held out has both a style and a colour that is not the usual one.
            odd = item["style"] != "plain" and item["colour"] != CLASSES[item["class"]][1]
            if item["class"] in names and combination(item) not in taken and (odd or key == "seen"):
                names.remove(item["class"])
                taken.add(combination(item))
                lists[key].append({"prompt": plain_prompt(item)} | item)
    HELDOUT.write_text(json.dumps(lists, indent=1) + "\n")


def check():
    from captions import Captions

    heldout = json.loads(HELDOUT.read_text())
    items, rng = training(heldout), random.Random(1)
    out = {combination(item) for item in heldout["unseen"]}
    assert len(out) == len(heldout["unseen"]) == 50 and len(heldout["seen"]) == 100
    assert not out & {combination(item) for item in items}, "a held-out combination is trained on"
    drawn = {Captions(items).draw(i, rng).lower() for i in range(len(items)) for _ in range(4)}
    forbidden = {Captions([item]).draw(0, rng).lower() for item in heldout["unseen"] for _ in range(200)}
    assert not drawn & forbidden, f"held out, but drawn: {sorted(drawn & forbidden)[:3]}"
    print(f"{len(items)} objects, {len(drawn)} different captions: none held out")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--check", action="store_true")
    args.add_argument("--choose", action="store_true")
    args = args.parse_args()
    if args.choose:
        choose()
    if args.check:
        check()


if __name__ == "__main__":
    main()
