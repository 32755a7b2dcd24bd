"""Captions of an object: they say whatever is not usual about it, and what is usual now and then."""

from data import SIZES
from objects import CLASSES

VOCABULARY, LENGTH = 512, 24

WORDS = {
    "small": ["small", "small", "little", "tiny"], "large": ["large", "large", "big", "huge"], "medium": ["medium-sized"],
    "wide": ["wide", "wide", "squat"], "leaning": ["leaning", "leaning", "tilted", "crooked"], "chubby": ["chubby", "chubby", "puffy", "plump"],
    "spotted": ["spotted", "spotted", "dotted", "polka dot"], "cyan": ["cyan", "cyan", "turquoise", "light blue"], "grey": ["grey", "gray"],
    "purple": ["purple", "purple", "violet"], "mug": ["mug", "mug", "cup"], "car": ["car", "car", "automobile"],
    "plane": ["plane", "plane", "airplane", "aeroplane"], "gear": ["gear", "gear", "cogwheel"], "rocket": ["rocket", "rocket", "spaceship"],
    "boat": ["boat", "boat", "sailboat"],
    "house": ["house", "house", "cottage"], "pine tree": ["pine tree", "fir tree"],
}


def word(key, rng):
    return rng.choice(WORDS.get(key, [key]))


def article(text):
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def accent(item, rng):
    """`with green legs`, always where they are not as usual."""
    _, _, part, usual = CLASSES[item["class"]]
    if part is None or (item["accent"] == usual and rng.random() < 0.85):
        return ""
    colour = word(item["accent"], rng)
    return f" with {colour} {part}" if part.endswith("s") else f" with {article(colour)} {part}"


def caption(item, rng):
    usual = item["colour"] == CLASSES[item["class"]][1]
    size = word(item["size"], rng) if item["size"] != "medium" or rng.random() < 0.05 else ""
    style = "" if item["style"] == "plain" else word(item["style"], rng)
    colour = "" if usual and rng.random() < 0.3 else word(item["colour"], rng)
    name, more = word(item["form"], rng), accent(item, rng)
    form = rng.random()
    if form < 0.7 or not colour:
        said = [size, style, colour] if rng.random() < 0.8 else [size, colour, style]
        text = " ".join(w for w in [*said, name] if w)
        return (article(text) if rng.random() < 0.7 else text) + more
    if form < 0.85 and style:
        return article(" ".join(w for w in [size, colour, name] if w)) + f", {style}" + more
    return article(" ".join(w for w in [size, style, name] if w)) + f" in {colour}" + more


class Captions:
    """Draws a caption of an object."""

    def __init__(self, items):
        self.items = items

    def draw(self, index, rng):
        return caption(self.items[index], rng)


assert set(SIZES) <= set(WORDS)
