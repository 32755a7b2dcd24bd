"""What a clip shows, by eye of a program: the thing's colour, shape and motion. It knows how clips are drawn, not the prompt."""

import numpy as np

from facts import COLOURS, FRAMES, ROUND, SIZE
from render import OUTLINES, Box, coverage

# Pixels that differ from the ground by more than this in some channel show the thing.
SEEN, FEWEST = 60.0, 6
SIDE = 24  # of a template
ANGLES = np.arange(0, 360, 10)
ROW, COLUMN = np.mgrid[:SIZE, :SIZE].astype(np.float32)


def ground(frames):
    """The colour of most of the border, over the whole clip."""
    edge = np.concatenate([frames[:, 0], frames[:, -1], frames[:, :, 0], frames[:, :, -1]], 1)
    return np.median(edge.reshape(-1, 3), 0)


class Track:
    """Where the thing is in every frame, and how large: arrays of `FRAMES`, NaN where nothing is to be seen."""

    def __init__(self, frames):
        frames = frames.astype(np.float32)
        self.frames, apart = frames, np.abs(frames - ground(frames)).max(-1)
        self.masks = apart > SEEN
        self.area = self.masks.sum((1, 2)).astype(np.float32)
        count = np.where(self.area >= FEWEST, self.area, np.nan)
        self.x = (self.masks * COLUMN).sum((1, 2)) / count
        self.y = (self.masks * ROW).sum((1, 2)) / count
        self.whole = bool((self.area >= FEWEST).sum() >= 0.8 * FRAMES)

    def core(self):
        """Colours of pixels well inside the thing."""
        inner = self.masks.copy()
        for axis in (1, 2):
            for step in (1, -1):
                inner &= np.roll(self.masks, step, axis)
        chosen = inner if inner.sum() > 20 else self.masks
        return self.frames[chosen]


def colour(track):
    """The nearest of the known colours to that of the thing's inside."""
    core = track.core()
    if not len(core):
        return None
    seen = np.median(core, 0)
    return min(COLOURS, key=lambda name: np.square(seen - COLOURS[name]).sum())


def normalised(mask):
    """A mask as it would be with its middle in the middle and a fixed area."""
    area = mask.sum()
    if area < FEWEST:
        return None
    y, x = (mask * ROW).sum() / area, (mask * COLUMN).sum() / area
    # Samples on a grid whose step fits the area: a thing of any size covers a quarter of the template.
    step = np.sqrt(area) / (SIDE / 2)
    at = (np.arange(SIDE) - (SIDE - 1) / 2) * step
    rows, columns = np.rint(y + at).astype(int), np.rint(x + at).astype(int)
    inside = ((rows >= 0) & (rows < SIZE))[:, None] & ((columns >= 0) & (columns < SIZE))[None]
    return mask[rows.clip(0, SIZE - 1)[:, None], columns.clip(0, SIZE - 1)[None]] * inside


def templates(angles):
    """`{shape: [angle, SIDE, SIDE]}`"""
    box = Box(SIZE / 2, SIZE / 2, 20)

    def mask(shape, angle):
        full = np.zeros((SIZE, SIZE), np.float32)
        part = coverage(shape, box, 20, np.radians(angle))[..., 0]
        full[box.top : box.top + box.side, box.left : box.left + box.side] = part
        return normalised((full > 0.5).astype(np.float32))

    return {shape: np.stack([mask(shape, angle) for angle in angles]) for shape in OUTLINES}


UPRIGHT, TURNED = templates([0]), templates(ANGLES)


def overlap(mask, known):
    """Intersection over union with each template."""
    return np.minimum(mask, known).sum((1, 2)) / np.maximum(mask, known).sum((1, 2))


def shape(track, turns):
    """The shape whose template fits best over all frames, upright unless it `turns`."""
    known, scores = TURNED if turns else UPRIGHT, {}
    masks = [m for m in map(normalised, track.masks.astype(np.float32)) if m is not None]
    if not masks:
        return None
    for name, some in known.items():
        scores[name] = np.mean([overlap(mask, some).max() for mask in masks])
    return max(scores, key=scores.get)


def turn(track, name):
    """Degrees by which a thing of a known shape turns clockwise from frame to frame, the median; small steps are likelier."""
    masks = [normalised(mask) for mask in track.masks.astype(np.float32)]
    scores = np.stack([overlap(m, TURNED[name]) if m is not None else np.zeros(len(ANGLES)) for m in masks])
    steps = []
    for before, after in zip(scores, scores[1:]):
        # The correlation of what fits before with what fits after, over turns of up to 40 degrees.
        shifts = range(-3, 4)
        fits = [(before * np.roll(after, -shift)).sum() for shift in shifts]
        steps.append(10 * shifts[int(np.argmax(fits))])
    return float(np.mean(steps))


def motion(track, name=None):
    """One of the motions; of a thing of a known shape also whether it turns."""
    if not track.whole:
        return None
    good = ~np.isnan(track.x)
    x, y, area = track.x[good], track.y[good], track.area[good]
    wide, high = np.ptp(x), np.ptp(y)
    # A heart that turns about its own origin carries its middle along by as much as 8.
    if max(wide, high) < 12:
        return at_rest(track, area, name)
    angle = np.unwrap(np.arctan2(y - (y.max() + y.min()) / 2, x - (x.max() + x.min()) / 2))
    if min(wide, high) > 0.5 * max(wide, high) and abs(angle[-1] - angle[0]) > np.pi:
        return "orbit clockwise" if angle[-1] > angle[0] else "orbit counterclockwise"
    line = x if wide > high else y
    across, steps = line[-1] - line[0], np.diff(line)
    if abs(across) < 0.6 * np.ptp(line):
        return "sway" if wide > high else "bounce"
    if wide > high:
        return "right" if across > 0 else "left"
    if across < 0:
        return "up"
    half = len(steps) // 2
    return "fall" if steps[half:].sum() > 1.8 * steps[:half].sum() else "down"


def at_rest(track, area, name):
    few = max(1, len(area) // 5)
    growth = np.median(area[-few:]) / np.median(area[:few])
    if growth > 1.6 or growth < 1 / 1.6:
        return "grow" if growth > 1 else "shrink"
    step = turn(track, name) if name in OUTLINES and name not in ROUND else 0.0
    return "still" if abs(step) < 8 else "clockwise" if step > 0 else "counterclockwise"


# Told by the way of the centre alone.
DIRECTED = {"left", "right", "up", "down", "fall", "orbit clockwise", "orbit counterclockwise"}


def direction_fits(asked, seen):
    """Down is down, whether it falls or is moved."""
    same = {"fall": "down"}
    return seen is not None and same.get(asked, asked) == same.get(seen, seen)
