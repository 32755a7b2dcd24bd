"""Renders clips: anti-aliased shapes and emoji that move on a plain ground.

    python render.py --work DIR            fetch the font, draw the clips' facts
    python render.py --work DIR --check    nothing held out is ever trained on
    python render.py --work DIR --sheet F.png    look at some

heldout.json beside this file is the fixed choice of what is held out and of what is evaluated. It is written by
`--choose` and only read by everything else, so that figures of different sittings compare.
"""

import argparse
import json
import math
import random
import subprocess
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import facts
from captions import caption, plain
from facts import COLOURS, EMOJI, FRAMES, GROUND, HELDOUT, SIZE

PACKAGE, FONT, STRIKE = "fonts-noto-color-emoji", "usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", 109
FINE = 4  # times finer than the frame things are drawn
CLIPS, SEED = 20_000, 2026


def turning(count, radii=(1.0,), start=-0.25):
    """Corners on circles, the first one at the top."""
    angles = 2 * math.pi * (np.arange(count) / count + start)
    radii = np.resize(radii, count)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)


def heart():
    t = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    x, y = 16 * np.sin(t) ** 3, 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack([x, -y - 2.5], 1) / 15


def cross(arm=0.36):
    corner = [(arm, -1), (arm, -arm), (1, -arm), (1, arm), (arm, arm), (arm, 1)]
    return np.array(corner + [(-x, -y) for x, y in corner])


# Outlines about the origin, within about 1 of it; of a ring its hole as well.
OUTLINES = {
    "circle": [turning(48)], "square": [0.86 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])],
    "triangle": [1.15 * turning(3) + np.array([0, 0.15])], "star": [1.15 * turning(10, (1.0, 0.42))], "heart": [heart()],
    "diamond": [np.array([(0, -1.1), (0.7, 0), (0, 1.1), (-0.7, 0)])], "cross": [cross()],
    "ring": [turning(48), 0.55 * turning(48)],
}


class Box:
    """The square of whole pixels around a thing, which is all that is drawn of a frame."""

    def __init__(self, x, y, size):
        reach = math.ceil(1.35 * size) + 1
        self.left, self.top, self.side = math.floor(x) - reach, math.floor(y) - reach, 2 * reach + 1
        self.x, self.y = FINE * (x - self.left), FINE * (y - self.top)

    def into(self, frame, light, cover):
        """Lays what was drawn over a frame, cut at its edge."""
        top, left = max(0, self.top), max(0, self.left)
        place = np.s_[top : self.top + self.side, left : self.left + self.side]
        height, width = frame[place].shape[:2]
        down, right = top - self.top, left - self.left
        own = np.s_[down : down + height, right : right + width]
        frame[place] = light[own] + (1 - cover[own]) * frame[place]


def coverage(shape, box, size, angle):
    """How much of each pixel of a box a shape covers, 0..1."""
    mask = Image.new("L", (box.side * FINE, box.side * FINE))
    pen, turn = ImageDraw.Draw(mask), np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    for fill, outline in zip((255, 0), OUTLINES[shape]):
        points = FINE * size * outline @ turn + (box.x, box.y) - 0.5
        pen.polygon([tuple(point) for point in points.tolist()], fill=fill)
    return np.asarray(mask.reduce(FINE), np.float32)[..., None] / 255


class Painter:
    def __init__(self, work):
        font = ImageFont.truetype(str(fetch(work) / FONT), STRIKE)
        self.sprites = {name: self.sprite(font, text) for name, text in EMOJI.items()}

    def sprite(self, font, text):
        """An emoji on a clear square."""
        left, top, right, bottom = font.getbbox(text)
        side = max(right - left, bottom - top) + 4
        canvas = Image.new("RGBA", (side, side), (0, 0, 0, 0))
        at = ((side - right - left) // 2, (side - bottom - top) // 2)
        ImageDraw.Draw(canvas).text(at, text, font=font, embedded_color=True)
        return canvas.resize((96, 96), Image.Resampling.BOX)

    @lru_cache(64)
    def posed(self, name, side, angle):
        sprite = self.sprites[name].resize((side, side), Image.Resampling.BILINEAR)
        return sprite.rotate(-math.degrees(angle), Image.Resampling.BILINEAR) if angle else sprite

    def emoji(self, name, box, size, angle):
        """Colour times coverage, and coverage."""
        side = round(2 * size * FINE)
        canvas = Image.new("RGBA", (box.side * FINE, box.side * FINE), (0, 0, 0, 0))
        canvas.paste(self.posed(name, side, angle), (round(box.x - side / 2), round(box.y - side / 2)))
        # Alpha is multiplied before pixels are averaged, or clear ones would darken the edge.
        fine = np.asarray(canvas.convert("RGBa").reduce(FINE), np.float32)
        return fine[..., :3], fine[..., 3:] / 255

    def draw(self, clip, box, size, angle):
        if clip["kind"] == "emoji":
            return self.emoji(clip["thing"], box, 1.2 * size, angle)
        cover = coverage(clip["thing"], box, size, angle)
        return cover * np.array(COLOURS[clip["colour"]], np.float32), cover

    def clip(self, clip):
        """uint8 `[FRAMES, SIZE, SIZE, 3]`."""
        frames = np.empty((FRAMES, SIZE, SIZE, 3), np.float32)
        frames[:] = GROUND
        for frame, (x, y, size, angle) in zip(frames, zip(*facts.path(clip["motion"], random.Random(clip["seed"])))):
            box = Box(x, y, size)
            box.into(frame, *self.draw(clip, box, size, angle))
        return np.rint(frames).clip(0, 255).astype(np.uint8)


def fetch(work):
    """Unpacks the font's package without installing it."""
    root = work / "root"
    if not (root / FONT).is_file():
        work.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", PACKAGE], cwd=work, check=True)
        subprocess.run(["dpkg", "-x", next(work.glob(f"{PACKAGE}_*.deb")), root], check=True)
    return root


def training():
    """The facts of all clips that are trained on: the same at every call."""
    rng, out = random.Random(SEED), facts.forbidden()
    return [facts.draw(rng, out) for _ in range(CLIPS)]


def choose():
    """Draws the fixed lists once, with a fixed seed: each motion as often as each other."""
    rng, pool = random.Random(7), facts.combinations()
    rng.shuffle(pool)

    def take(count):
        taken = []
        while len(taken) < count:
            motion = facts.MOTIONS[len(taken) % len(facts.MOTIONS)]
            found = next(item for item in pool if item[2] == motion)
            pool.remove(found)
            taken.append(dict(zip(("colour", "thing", "motion"), found)))
        return taken

    def entry(clip):
        return {"prompt": plain(clip)} | clip | {"combination": facts.combination(clip)}

    unseen, seen = take(70), take(100)
    emoji = [{"colour": "", "thing": list(EMOJI)[i % len(EMOJI)], "motion": facts.MOTIONS[(5 * i) % len(facts.MOTIONS)]} for i in range(28)]
    lists = {"seen": [entry(c) for c in seen], "unseen": [entry(c) for c in unseen], "emoji": [entry(c) for c in emoji]}
    HELDOUT.write_text(json.dumps(lists, indent=1) + "\n")


def check(rounds=20):
    """Draws captions of every training clip and looks for what must not be among them."""
    lists, clips, rng = facts.heldout(), training(), random.Random(1)
    out = facts.forbidden()
    assert len(out) == len(lists["unseen"]) == 70 and len(lists["seen"]) == 100
    assert not out & {item["combination"] for item in lists["seen"]}
    assert not out & {facts.combination(clip) for clip in clips}, "a held-out clip is in the training split"
    # What a held-out clip is called when colour, thing and motion are all said is never drawn.
    full = {caption(item, rng, True) for item in lists["unseen"] for _ in range(20 * rounds)}
    drawn = {caption(clip, rng) for clip in clips for _ in range(rounds)}
    assert not drawn & full, f"held out, but drawn: {sorted(drawn & full)[:3]}"
    for key in ("colour", "thing", "motion"):
        assert {i[key] for i in lists["unseen"]} <= {clip[key] for clip in clips}
    print(f"{len(clips)} training clips, {len(drawn)} different captions: none held out")


def strip(frames, count=8):
    """Some frames of a clip side by side."""
    return np.concatenate(list(frames[np.linspace(0, len(frames) - 1, count).round().astype(int)]), 1)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--check", action="store_true")
    args.add_argument("--sheet", type=Path)
    args.add_argument("--choose", action="store_true", help="draw the fixed lists anew (old figures no longer compare)")
    args = args.parse_args()
    if args.choose:
        return choose()
    if args.check:
        return check()
    painter = Painter(args.work)
    if args.sheet:
        rows = [strip(painter.clip(clip)) for clip in training()[:24]]
        Image.fromarray(np.concatenate([np.concatenate(rows[i::2], 0) for i in range(2)], 1)).save(args.sheet)


if __name__ == "__main__":
    main()
