"""Captions of a clip."""

import music

# Pieces of words, and behind them a token for every tempo: put together from digits, numbers are learned last of all.
PIECES, LENGTH = 640, 24
NUMBERS = [str(tempo) for tempo in music.TEMPOS]
VOCABULARY = PIECES + len(NUMBERS)


def article(word):
    return "an" if word[0].lower() in "aeiou" else "a"


def pitch_class(root, rng):
    """`F#`, or one of its other names now and then."""
    name = music.NAMES[root]
    if len(name) == 1:
        return name
    form = rng.random()
    if form < 0.15:
        return name[0] + " sharp"
    flat = music.FLATS[name]
    return flat if form < 0.3 else flat[0] + " flat" if form < 0.4 else name


def pitch(key, rng):
    name = pitch_class(key % 12, rng)
    return f"{name} {key // 12 - 1}" if " " in name else f"{name}{key // 12 - 1}"


def note(clip, rng):
    instrument, length = rng.choice(clip["instrument"]), clip["length"]
    tone, word = pitch(clip["key"], rng), length and length + " "
    forms = [
        f"{article(word or instrument)} {word}{instrument} playing {tone}" if word else f"{article(instrument)} {instrument} playing {tone}",
        f"{instrument} playing {article(word or tone)} {word}{tone}" if word else f"{instrument} playing {tone}",
        f"{word}{instrument} {tone}", f"{word}{tone} on {article(instrument)} {instrument}",
        f"a {word}note {tone} played by {article(instrument)} {instrument}", f"{word}{instrument} note {tone}",
    ]
    return rng.choice(forms)


def chord(clip, rng):
    instrument = rng.choice(clip["instrument"])
    name = f"{pitch_class(clip['root'], rng)} {clip['quality']}"
    return rng.choice([
        f"{instrument} playing {article(name)} {name} chord", f"{name} chord on {article(instrument)} {instrument}",
        f"{instrument} {name} chord", f"{article(instrument)} {instrument} playing {name}",
    ])


def in_key(clip, rng):
    """Arpeggios, scales and melodies."""
    instrument, what = rng.choice(clip["instrument"]), clip["kind"]
    name = f"{pitch_class(clip['root'], rng)} {clip['quality']}"
    if clip.get("down"):
        what = rng.choice(["descending arpeggio", "falling arpeggio"])
    if what == "melody":
        what = rng.choice(["melody", "melody", "short melody", "tune"])
    return rng.choice([
        f"{instrument} {what} in {name}", f"{article(instrument)} {instrument} playing {article(what)} {what} in {name}",
        f"{what} in {name} on {article(instrument)} {instrument}",
    ])


def loop(clip, rng):
    style, tempo = clip["style"], clip["tempo"]
    what = rng.choice(["drum loop", "drum loop", "beat", "drums", "drum beat"])
    return rng.choice([f"{style} {what} at {tempo} bpm", f"{tempo} bpm {style} {what}", f"a {style} {what} at {tempo} bpm", f"{style} {what} {tempo} bpm"])


def hit(clip, rng):
    drum = clip["drum"]
    return rng.choice([f"{article(drum)} {drum}", drum, f"{drum} hit", f"a hit on {article(drum)} {drum}"])


def effect(clip, rng):
    return rng.choice(clip["names"])


FORMS = {
    "note": note, "chord": chord, "arpeggio": in_key, "scale": in_key, "melody": in_key, "loop": loop, "hit": hit, "effect": effect,
}


class Captions:
    """Draws a caption of a clip."""

    def __init__(self, clips):
        self.clips = clips

    def draw(self, index, rng):
        clip = self.clips[index]
        return FORMS[clip["kind"]](clip, rng)
