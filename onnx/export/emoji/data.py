"""The pictures and captions: Noto Color Emoji at 64x64, named by Unicode CLDR.

    python data.py --work DIR           fetch the two Debian packages, render, write DIR/pictures.npz and DIR/pictures.json
    python data.py --work DIR --check   nothing held out is ever trained on

heldout.json beside this file is the fixed choice of what is held out and of what is evaluated. It is written by
`--choose` and only read by everything else, so that figures of different sittings compare.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

PACKAGES = ["fonts-noto-color-emoji", "unicode-cldr-core"]
FONT = "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
NAMES = ["usr/share/unicode/cldr/common/annotations/en.xml", "usr/share/unicode/cldr/common/annotationsDerived/en.xml"]
HELDOUT = Path(__file__).with_name("heldout.json")

SIZE = 64
# The font's bitmaps are 136x128 and exist at this size only; a margin of 2 keeps their edges off the border.
STRIKE, CANVAS = 109, 140
TONES = set(range(0x1F3FB, 0x1F400))
TONE_NAMES = [f"{tone} skin tone" for tone in ("light", "medium-light", "medium", "medium-dark", "dark")]
JOINER = 0x200D
PEOPLE = {0x1F468, 0x1F469, 0x1F9D1}

# The share of the rounds over the data that a picture of each kind takes part in. What repeats in many pictures (a skin
# tone, a role) is learned from few exposures of each; what has one picture needs all it can get.
WEIGHTS = {
    "object": 1.0, "role": 0.5, "sign": 0.5, "clock": 0.3, "family": 0.2,
    "tone": 0.1, "tones": 0.01, "flag": 0.05,
}


def fetch(work):
    """Unpacks the packages without installing them."""
    root = work / "root"
    if all((root / file).is_file() for file in [FONT, *NAMES]):
        return root
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", *PACKAGES], cwd=work, check=True)
    for package in sorted(work.glob("*.deb")):
        subprocess.run(["dpkg", "-x", package, root], check=True)
    return root


def annotations(root):
    """`{characters: (name, keywords)}` in CLDR's order."""
    names, keywords = {}, {}
    for file in NAMES:
        for node in xml.parse(root / file).iter("annotation"):
            if node.get("type") == "tts":
                names.setdefault(node.get("cp"), node.text.strip())
            else:
                keywords.setdefault(node.get("cp"), [k.strip() for k in node.text.split("|")])
    return {cp: (name, [k for k in keywords.get(cp, []) if k != name]) for cp, name in names.items()}


class Painter:
    """Draws one emoji, or says that the font has none."""

    def __init__(self, root):
        assert features.check("raqm"), "Pillow lacks raqm, without which sequences of characters fall apart"
        self.font = ImageFont.truetype(str(root / FONT), STRIKE, layout_engine=ImageFont.Layout.RAQM)
        self.width = self.font.getlength("\U0001F600")
        self.missing = self.draw("\U0010FFFD").tobytes()

    def draw(self, text):
        canvas = Image.new("RGB", (CANVAS, CANVAS), "white")
        left, top, right, bottom = self.font.getbbox(text)
        at = ((CANVAS - right - left) // 2, (CANVAS - bottom - top) // 2)
        ImageDraw.Draw(canvas).text(at, text, font=self.font, embedded_color=True)
        return canvas.resize((SIZE, SIZE), Image.Resampling.LANCZOS)

    def paint(self, text):
        """None for what the font lacks: it draws such a sequence as several glyphs side by side, or as nothing."""
        if abs(self.font.getlength(text) - self.width) > 1:
            return None
        picture = self.draw(text)
        blank = np.asarray(picture).min() > 250
        return None if blank or picture.tobytes() == self.missing else picture


def kind(cp, name):
    """Which row of WEIGHTS a picture belongs to."""
    codes = [ord(c) for c in cp]
    tones = sum(c in TONES for c in codes)
    if len(codes) > 1 and tones:
        return "tone" if tones == 1 else "tones"
    if name.startswith("flag:"):
        return "flag"
    if name.startswith(("family", "kiss:", "couple with heart:")):
        return "family"
    if codes[0] in PEOPLE and JOINER in codes or name.startswith(("man ", "woman ", "men ", "women ")):
        return "role"
    if "o’clock" in name or name.endswith("-thirty"):
        return "clock"
    if name.startswith("keycap") or name.startswith("Japanese “") or name.endswith(" button"):
        return "sign"
    return "object"


def render(work):
    """All pictures that the font has, identical ones once, with what the captions are made of."""
    root = fetch(work)
    painter, pictures, items, seen = Painter(root), [], [], {}
    for cp, (name, keywords) in annotations(root).items():
        picture = painter.paint(cp)
        if picture is None:
            continue
        mark = hashlib.sha256(picture.tobytes()).hexdigest()
        if mark in seen:
            items[seen[mark]]["also"].append(name)
            continue
        seen[mark] = len(items)
        items.append({"cp": cp, "name": name, "keywords": keywords, "kind": kind(cp, name), "also": []})
        pictures.append(np.asarray(picture))
    np.savez(work / "pictures.npz", pictures=np.stack(pictures))
    (work / "pictures.json").write_text(json.dumps(items, ensure_ascii=False, indent=0))
    return items


def load(work):
    """Pictures as uint8 `[n, 64, 64, 3]`, their items, and the fixed choices."""
    if not (work / "pictures.json").is_file():
        render(work)
    items = json.loads((work / "pictures.json").read_text())
    return np.load(work / "pictures.npz")["pictures"], items, json.loads(HELDOUT.read_text())


def training(items, heldout):
    """Indices of what may be trained on: all but the held-out combinations of role and tone."""
    out = {item["name"] for item in heldout["role_tone"]}
    return [i for i, item in enumerate(items) if item["name"] not in out and not out & set(item["also"])]


def role_tones(items, rng, count=64):
    """Combinations to hold out: at most one tone a role, tones in turn, so that every factor stays in the training split."""
    roles = {}
    for item in items:
        if item["kind"] == "tone" and JOINER in map(ord, item["cp"]):
            role, tone = item["name"].rsplit(": ", 1)
            roles.setdefault(role, {})[tone] = item
    full = [role for role in sorted(roles) if set(roles[role]) == set(TONE_NAMES)]
    chosen = rng.sample(full, count)
    return [{"name": roles[role][TONE_NAMES[i % 5]]["name"]} for i, role in enumerate(chosen)]


def paraphrases(items, rng, count=100):
    """Two or three keywords that share no word with the name and together mean only one picture.

    Each keyword is seen in training beside the name; a caption of keywords alone is never shown for these pictures.
    """
    plain = [item for item in items if item["kind"] in ("object", "role")]
    found = []
    for item in plain:
        own = set(item["name"].lower().replace("-", " ").replace(":", " ").split())
        words = [k for k in item["keywords"] if not own & set(k.lower().replace("-", " ").split())][:3]
        alike = sum(set(words) <= set(other["keywords"]) | {other["name"]} for other in plain)
        if len(words) >= 2 and alike == 1:
            found.append({"name": item["name"], "caption": " ".join(words)})
    return rng.sample(found, count)


SHEET = [
    "a smiling cat with heart eyes", "smiling face with sunglasses", "red apple", "slice of pizza", "hamburger", "rocket",
    "sunflower", "cactus", "octopus", "fox", "panda", "unicorn", "guitar", "soccer ball", "birthday cake", "rainbow",
    "snowman", "ghost", "robot", "sailboat", "house with garden", "woman astronaut: medium-dark skin tone",
    "man firefighter: dark skin tone", "waving hand: light skin tone",
]


def choose(items):
    """Draws the fixed lists once, with a fixed seed."""
    rng = random.Random(2026)
    plain = [item["name"] for item in items if item["kind"] not in ("tone", "tones", "flag")]
    chosen = {"role_tone": role_tones(items, rng), "paraphrase": paraphrases(items, rng)}
    chosen |= {"training": [{"name": name} for name in rng.sample(plain, 100)], "sheet": SHEET}
    HELDOUT.write_text(json.dumps(chosen, ensure_ascii=False, indent=1) + "\n")


def check(work, rounds=200):
    """Draws captions of every training picture and looks for what must not be among them."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
    from captions import Captions
    from words import clean

    _, items, heldout = load(work)
    split, captions, rng = training(items, heldout), Captions(items, heldout), random.Random(1)
    names = {item["name"] for item in heldout["role_tone"]}
    assert len(names) == 64 and len(heldout["paraphrase"]) == len(heldout["training"]) == 100
    assert not names & {items[i]["name"] for i in split}, "a held-out picture is in the training split"
    known = {items[i]["name"] for i in split}
    assert {item["name"] for item in heldout["training"] + heldout["paraphrase"]} <= known
    # Word order is no new caption, so captions are compared as sets of words.
    out = {tuple(sorted(clean(c).split())) for c in names | {p["caption"] for p in heldout["paraphrase"]}}
    drawn = 0
    for i in split:
        for caption in {captions.draw(i, rng) for _ in range(rounds)}:
            assert tuple(sorted(clean(caption).split())) not in out, f"held out, but drawn: {caption}"
            drawn += 1
    print(f"{len(split)} training pictures, {drawn} different captions: none held out")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--check", action="store_true")
    args.add_argument("--choose", action="store_true", help="draw the fixed lists anew (old figures no longer compare)")
    args = args.parse_args()
    if args.check:
        return check(args.work)
    items = render(args.work)
    if args.choose:
        choose(items)
    counts = {name: sum(item["kind"] == name for item in items) for name in WEIGHTS}
    print(len(items), "pictures:", counts, "a round:", sum(counts[k] * w for k, w in WEIGHTS.items()))


if __name__ == "__main__":
    main()
