"""Captions of a clip."""

VOCABULARY, LENGTH = 448, 24

THINGS = {
    "circle": ("circle", "circle", "disc", "dot"), "square": ("square", "square", "box"), "triangle": ("triangle",),
    "star": ("star",), "heart": ("heart",), "diamond": ("diamond", "diamond", "rhombus"), "cross": ("cross", "cross", "plus sign"),
    "ring": ("ring", "ring", "donut"), "cat": ("cat", "cat face"), "soccer ball": ("soccer ball", "football"),
}
COLOURS = {"purple": ("purple", "purple", "violet"), "cyan": ("cyan", "cyan", "turquoise")}

# As finite verb and as participle.
MOVES = ("moves", "moves", "goes", "slides", "travels", "flies"), ("moving", "moving", "going", "sliding", "travelling", "flying")
FORMS = {
    "bounce": (("bounces", "bounces", "bounces up and down", "jumps up and down"), ("bouncing", "bouncing up and down", "jumping")),
    "sway": (
        ("moves from side to side", "goes back and forth", "swings from side to side", "sways"),
        ("moving from side to side", "going back and forth", "swinging from side to side", "swaying"),
    ),
    "fall": (("falls", "falls", "falls down", "drops"), ("falling", "falling down", "dropping")),
    "grow": (("grows", "grows", "gets bigger", "becomes larger", "expands"), ("growing", "getting bigger", "expanding")),
    "shrink": (("shrinks", "shrinks", "gets smaller", "becomes smaller"), ("shrinking", "getting smaller")),
    "still": (("stands still", "does not move", "stays in place", "rests"), ("standing still", "at rest", "that does not move")),
}
DIRECTIONS = {
    "left": ("left", "left", "to the left", "from right to left"), "right": ("right", "right", "to the right", "from left to right"),
    "up": ("up", "up", "upwards", "to the top"), "down": ("down", "down", "downwards", "to the bottom"),
}
TURNS = {"clockwise": ("clockwise",), "counterclockwise": ("counterclockwise", "counterclockwise", "anticlockwise")}


def article(word):
    return "an" if word[0] in "aeiou" else "a"


def verb(motion, rng, whole):
    """What it does: `moves left` or, for after the noun, `moving left`."""
    form = rng.random() < 0.35
    if motion in DIRECTIONS:
        return f"{rng.choice(MOVES[form])} {rng.choice(DIRECTIONS[motion])}"
    if motion in FORMS:
        return rng.choice(FORMS[motion][form])
    turn = motion.removeprefix("orbit ")
    if turn != motion:
        how = rng.choice((("orbits", "moves in a circle", "circles around"), ("orbiting", "moving in a circle", "circling around"))[form])
    else:
        how = rng.choice((("spins", "spins", "rotates", "turns"), ("spinning", "spinning", "rotating", "turning"))[form])
    return how if rng.random() < 0.12 and not whole else f"{how} {rng.choice(TURNS[turn])}"


def caption(clip, rng, whole=False):
    """Now and then without colour, motion or sense of rotation, unless the `whole` is to be said."""
    thing = rng.choice(THINGS.get(clip["thing"], (clip["thing"],)))
    left_out = 1.0 if whole else rng.random()
    if clip["colour"] and left_out > 0.05:
        thing = f"{rng.choice(COLOURS.get(clip['colour'], (clip['colour'],)))} {thing}"
    text = thing if rng.random() < 0.15 else f"{article(thing)} {thing}"
    if not 0.05 < left_out < 0.1:
        text = f"{text} {verb(clip['motion'], rng, whole)}"
    return text


def plain(clip):
    """The caption of the fixed lists: the commonest words, everything said."""
    thing = f"{clip['colour']} {clip['thing']}".strip()
    motion = clip["motion"]
    verbs = {"bounce": "bounces", "sway": "moves from side to side", "fall": "falls", "grow": "grows", "shrink": "shrinks", "still": "stands still"}
    if motion in DIRECTIONS:
        what = f"moves {motion}"
    elif motion.startswith("orbit"):
        what = f"orbits {motion.removeprefix('orbit ')}"
    else:
        what = verbs.get(motion, f"spins {motion}")
    return f"{article(thing)} {thing} {what}"


class Captions:
    """Draws a caption of a clip."""

    def __init__(self, clips):
        self.clips = clips

    def draw(self, index, rng):
        return caption(self.clips[index], rng)
