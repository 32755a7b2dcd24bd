"""What there is to see: things, colours, backgrounds, motions, and the clips made of them."""

import json
import math
import random
from pathlib import Path

import numpy as np

FRAMES, SIZE = 16, 64
HELDOUT = Path(__file__).with_name("heldout.json")

COLOURS = {
    "red": (222, 32, 44), "orange": (250, 140, 24), "yellow": (246, 214, 36), "green": (44, 160, 64),
    "cyan": (48, 200, 220), "blue": (40, 72, 216), "purple": (140, 48, 190), "pink": (246, 130, 190),
}
# What is not the thing is then known beforehand, and all of a clip that has to be learned is the thing.
GROUND = (255, 255, 255)
SHAPES = ("circle", "square", "triangle", "star", "heart", "diamond", "cross", "ring")
EMOJI = {
    "cat": "\U0001F431", "rocket": "\U0001F680", "apple": "\U0001F34E", "soccer ball": "\U000026BD",
    "fish": "\U0001F41F", "butterfly": "\U0001F98B", "car": "\U0001F697", "ghost": "\U0001F47B",
}
MOTIONS = (
    "left", "right", "up", "down", "fall", "bounce", "sway", "clockwise", "counterclockwise", "grow", "shrink",
    "orbit clockwise", "orbit counterclockwise", "still",
)
# Nobody sees these turn.
ROUND = {"circle", "ring"}
# The share of the rounds over the clips that each takes part in. What turns has another outline in every frame.
WEIGHTS = {"turning": 1.0, "other": 0.4}
EMOJI_SHARE = 0.1

T = np.linspace(0.0, 1.0, FRAMES)


def combinations():
    """Every shape, colour and motion that can be told apart."""
    return [
        (colour, shape, motion) for colour in COLOURS for shape in SHAPES for motion in MOTIONS
        if not (shape in ROUND and "clockwise" in motion and "orbit" not in motion)
    ]


def across(rng):
    """From one side to the other, and the place on the other axis."""
    return rng.uniform(13, 18) + rng.uniform(28, 34) * T, rng.uniform(20, 44) + 0 * T


def path(motion, rng):
    """Centre (x, y), half the size and the angle, one each a frame; y and angles as on the screen: down, clockwise.

    What turns starts upright and what orbits at the top: from any angle, the mean of all such clips would stand still, and which
    way round to go would be learned last of all."""
    still, none = 0 * T, 0 * T
    size = rng.uniform(10, 13) + still
    if motion in ("left", "right", "up", "down"):
        along, beside = across(rng)
        along = along if motion in ("right", "down") else SIZE - along
        return (along, beside, size, none) if motion in ("left", "right") else (beside, along, size, none)
    if motion == "fall":
        top = rng.uniform(12, 16)
        return rng.uniform(16, 48) + still, top + (50 - top) * T**2, size, none
    if motion == "bounce":
        height, phase = rng.uniform(24, 32), rng.choice((0.0, 0.5))
        return rng.uniform(20, 44) + still, 50 - height * np.abs(np.sin(math.pi * (2 * T + phase))), size, none
    if motion == "sway":
        reach = rng.uniform(12, 17) * rng.choice((-1, 1))
        return 32 + reach * np.sin(2 * math.pi * T), rng.uniform(22, 42) + still, size, none
    x, y = rng.uniform(25, 39), rng.uniform(25, 39)
    if motion in ("clockwise", "counterclockwise"):
        turn = 2 * math.pi * T * (1 if motion == "clockwise" else -1)
        return x + still, y + still, rng.uniform(12, 16) + still, turn
    if motion in ("grow", "shrink"):
        sizes = rng.uniform(4, 6) + rng.uniform(11, 14) * T
        return x + still, y + still, sizes if motion == "grow" else sizes[::-1], none
    if motion.startswith("orbit"):
        angle = 2 * math.pi * (T * (1 if motion == "orbit clockwise" else -1) - 0.25)
        reach = rng.uniform(13, 17)
        return x / 4 + 24 + reach * np.cos(angle), y / 4 + 24 + reach * np.sin(angle), size, none
    return x + rng.uniform(-6, 6) + still, y + rng.uniform(-6, 6) + still, size, none


def sort(clip):
    """Which row of WEIGHTS a clip belongs to."""
    return "turning" if clip["motion"] in ("clockwise", "counterclockwise") else "other"


def combination(clip):
    return f"{clip['colour']} {clip['thing']} {clip['motion']}"


def draw(rng, forbidden=()):
    """A random clip whose combination is not forbidden."""
    while True:
        if rng.random() < EMOJI_SHARE:
            clip = {"kind": "emoji", "thing": rng.choice(list(EMOJI)), "colour": "", "motion": rng.choice(MOTIONS)}
        else:
            colour, shape, motion = rng.choice(ALL)
            clip = {"kind": "shape", "thing": shape, "colour": colour, "motion": motion}
        if combination(clip) not in forbidden:
            return clip | {"seed": rng.randrange(1 << 30)}


ALL = combinations()


def heldout():
    return json.loads(HELDOUT.read_text())


def forbidden():
    return {item["combination"] for item in heldout()["unseen"]}
