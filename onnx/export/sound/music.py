"""What is played: instruments, notes, chords, melodies and drum loops, each as events and as the facts of its caption.

An event is `(start, length, key, velocity)`, seconds and MIDI numbers. Programs are General MIDI's, from 0.
"""

import random

SECONDS = 3.0

# Program, names (the first is used in lists), the family they are judged as, lowest and highest key that is played.
INSTRUMENTS = [
    (0, ["piano", "grand piano"], "piano", 36, 84),
    (4, ["electric piano"], "piano", 36, 84),
    (6, ["harpsichord"], "piano", 41, 77),
    (7, ["clavinet"], "piano", 41, 77),
    (8, ["celesta"], "bells", 60, 84),
    (9, ["glockenspiel"], "bells", 67, 91),
    (10, ["music box"], "bells", 60, 84),
    (11, ["vibraphone", "vibes"], "bells", 53, 84),
    (12, ["marimba"], "bells", 48, 84),
    (13, ["xylophone"], "bells", 65, 89),
    (14, ["tubular bells", "church bells"], "bells", 60, 77),
    (15, ["dulcimer"], "bells", 48, 84),
    (16, ["organ", "hammond organ"], "organ", 41, 84),
    (18, ["rock organ"], "organ", 41, 84),
    (19, ["church organ", "pipe organ"], "organ", 41, 84),
    (21, ["accordion"], "organ", 53, 84),
    (22, ["harmonica"], "organ", 60, 84),
    (24, ["classical guitar", "nylon guitar"], "guitar", 40, 76),
    (25, ["acoustic guitar", "steel guitar"], "guitar", 40, 76),
    (27, ["electric guitar"], "guitar", 40, 76),
    (28, ["muted guitar"], "guitar", 40, 76),
    (30, ["distorted guitar"], "guitar", 40, 76),
    (32, ["acoustic bass", "upright bass"], "bass", 28, 55),
    (33, ["electric bass", "bass guitar"], "bass", 28, 55),
    (36, ["slap bass"], "bass", 28, 55),
    (38, ["synth bass"], "bass", 28, 55),
    (40, ["violin", "fiddle"], "strings", 55, 91),
    (41, ["viola"], "strings", 48, 81),
    (42, ["cello"], "strings", 36, 72),
    (45, ["pizzicato strings"], "strings", 40, 79),
    (46, ["harp"], "strings", 41, 84),
    (48, ["string ensemble", "strings", "string orchestra"], "ensemble", 40, 84),
    (52, ["choir"], "ensemble", 48, 79),
    (54, ["synth voice"], "ensemble", 48, 79),
    (56, ["trumpet"], "brass", 55, 82),
    (57, ["trombone"], "brass", 41, 70),
    (58, ["tuba"], "brass", 30, 58),
    (59, ["muted trumpet"], "brass", 55, 82),
    (60, ["french horn", "horn"], "brass", 41, 72),
    (61, ["brass section", "brass"], "brass", 43, 79),
    (64, ["soprano saxophone", "soprano sax"], "reed", 56, 84),
    (65, ["alto saxophone", "alto sax", "saxophone"], "reed", 50, 79),
    (66, ["tenor saxophone", "tenor sax"], "reed", 45, 74),
    (68, ["oboe"], "reed", 58, 86),
    (69, ["english horn"], "reed", 52, 79),
    (70, ["bassoon"], "reed", 36, 65),
    (71, ["clarinet"], "reed", 50, 86),
    (72, ["piccolo"], "flute", 72, 96),
    (73, ["flute"], "flute", 60, 93),
    (74, ["recorder"], "flute", 60, 91),
    (75, ["pan flute"], "flute", 60, 88),
    (79, ["ocarina"], "flute", 60, 84),
    (80, ["square lead", "chiptune"], "synth", 43, 84),
    (81, ["saw lead", "synth lead"], "synth", 43, 84),
    (89, ["warm pad", "synth pad"], "synth", 43, 84),
    (104, ["sitar"], "plucked", 48, 76),
    (105, ["banjo"], "plucked", 48, 81),
    (106, ["shamisen"], "plucked", 50, 79),
    (107, ["koto"], "plucked", 48, 81),
    (108, ["kalimba", "thumb piano"], "plucked", 52, 84),
    (109, ["bagpipes", "bagpipe"], "reed", 55, 77),
    (114, ["steel drum", "steel drums"], "bells", 53, 84),
]

# Programs that the model learns: few enough to be learned well in hours of a CPU. All are rendered; a longer run may take all.
TAUGHT = {0, 6, 9, 11, 12, 16, 19, 21, 25, 27, 30, 33, 40, 42, 46, 48, 52, 56, 57, 60, 65, 68, 71, 73, 80, 104, 105, 114}

# Sounds that have no key of their own.
EFFECTS = [
    (122, ["ocean waves", "waves on the shore"]), (123, ["birds", "birds singing"]), (124, ["a telephone", "a ringing telephone"]),
    (125, ["a helicopter"]), (126, ["applause", "an audience clapping"]), (119, ["a reversed cymbal"]),
]

# Keys of the drum channel.
DRUMS = {
    "kick drum": 36, "snare drum": 38, "rim shot": 37, "hand clap": 39, "hi-hat": 42, "open hi-hat": 46, "low tom": 45,
    "high tom": 50, "crash cymbal": 49, "ride cymbal": 51, "tambourine": 54, "cowbell": 56, "bongo": 60, "conga": 64,
    "timbale": 65, "agogo": 67, "maracas": 70, "guiro": 73, "claves": 75, "wood block": 76, "triangle": 81,
}

# One bar of sixteen steps; X is an accent. Swing pushes every second eighth back by that share of a step.
GROOVES = {
    "rock": (0.0, {36: "X.......X.x.....", 38: "....X.......X...", 42: "x.x.x.x.x.x.x.x."}),
    "house": (0.0, {36: "X...X...X...X...", 39: "....X.......X...", 46: "..x...x...x...x."}),
    "techno": (0.0, {36: "X...X...X...X...", 42: "..x...x...x...x.", 37: "...x..x....x..x."}),
    "hip hop": (0.2, {36: "X..x......X.....", 38: "....X.......X...", 42: "x.x.x.x.x.x.x.xx"}),
    "funk": (0.0, {36: "X..x..x...X..x..", 38: "....X..x.x..X..x", 42: "xxxxxxxxxxxxxxxx"}),
    "disco": (0.0, {36: "X...X...X...X...", 38: "....X.......X...", 42: "x...x...x...x...", 46: "..x...x...x...x."}),
    "jazz": (0.67, {51: "X...x.x.X...x.x.", 44: "....x.......x...", 36: "x.......x......."}),
    "reggae": (0.2, {36: "........X.......", 37: "........X.......", 42: "x.x.x.x.x.x.x.x."}),
    "bossa nova": (0.0, {36: "X..xX..xX..xX..x", 37: "X..x..X...X..X..", 42: "x.x.x.x.x.x.x.x."}),
    "march": (0.0, {36: "X.......X.......", 38: "..xxX.x...xxX.xx"}),
    "metal": (0.0, {36: "XxxxXxxxXxxxXxxx", 38: "....X.......X...", 49: "X.......x......."}),
    "drum and bass": (0.0, {36: "X.........X.....", 38: "....X.......X...", 42: "x.x.x.x.x.x.x.x."}),
}
TEMPOS = range(60, 201)

NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
FLATS = {"C#": "Db", "D#": "Eb", "F#": "Gb", "G#": "Ab", "A#": "Bb"}
CHORDS = {"major": (0, 4, 7), "minor": (0, 3, 7), "seventh": (0, 4, 7, 10), "diminished": (0, 3, 6)}
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
LENGTHS = {"": 1.6, "short": 0.18, "long": 2.8}
UP = (0, 1, 2, 3, 4, 3, 2, 1)


def name(key):
    """`C4` is the middle C, key 60."""
    return f"{NAMES[key % 12]}{key // 12 - 1}"


def hertz(key):
    return 440.0 * 2 ** ((key - 69) / 12)


def monophonic(instrument):
    return instrument[2] in ("bass", "brass", "reed", "flute")


def base(instrument, root):
    """The lowest key of a pitch class from a fifth of the instrument's range on."""
    _, _, _, low, high = instrument
    start = low + (high - low) // 5
    return start + (root - start) % 12


def taught(clip):
    return "instrument" not in clip or clip["program"] in TAUGHT


def note(instrument, key, length, velocity=96):
    facts = {"kind": "note", "instrument": instrument[1], "family": instrument[2], "key": key, "length": length}
    return facts | {"program": instrument[0], "events": [(0.0, LENGTHS[length], key, velocity)]}


def chord(instrument, root, quality):
    keys = [base(instrument, root) + step for step in CHORDS[quality]]
    facts = {"kind": "chord", "instrument": instrument[1], "family": instrument[2], "root": root, "quality": quality}
    return facts | {"program": instrument[0], "events": [(0.0, 1.8, key, 84) for key in keys]}


def arpeggio(instrument, root, quality, down=False):
    tones = [base(instrument, root) + step for step in (*CHORDS[quality][:3], 12, 12 + CHORDS[quality][1])]
    order = [4 - i for i in UP] if down else UP
    facts = {"kind": "arpeggio", "instrument": instrument[1], "family": instrument[2], "root": root, "quality": quality}
    events = [(0.32 * i, 0.30, tones[step], 92) for i, step in enumerate(order)]
    return facts | {"program": instrument[0], "down": down, "events": events}


def scale(instrument, root, quality):
    tones = [base(instrument, root) + step for step in (*SCALES[quality], 12)]
    facts = {"kind": "scale", "instrument": instrument[1], "family": instrument[2], "root": root, "quality": quality}
    return facts | {"program": instrument[0], "events": [(0.32 * i, 0.30, key, 92) for i, key in enumerate(tones)]}


def melody(instrument, root, quality, rng):
    """A walk along the scale that begins and ends on its root."""
    steps = [octave * 12 + step for octave in (-1, 0, 1) for step in SCALES[quality]]
    home = len(SCALES[quality])
    events, at, place, beat = [], 0.0, home, rng.choice((0.2, 0.24, 0.3))
    while at < 2.6:
        length = beat * rng.choice((1, 1, 1, 2, 2, 3))
        if at + length > 2.6:
            length, place = SECONDS - 0.15 - at, min((home, 2 * home, 0), key=lambda end: abs(end - place))
        key = base(instrument, root) + steps[place]
        low, high = instrument[3], instrument[4]
        key += 12 * max(0, -((key - low) // 12)) - 12 * max(0, -((high - key) // 12))
        events.append((at, 0.95 * length, key, rng.choice((80, 92, 104))))
        at += length
        place = min(max(place + rng.choice((-2, -1, -1, 1, 1, 2, 3, -3)), 2), len(steps) - 3)
    facts = {"kind": "melody", "instrument": instrument[1], "family": instrument[2], "root": root, "quality": quality}
    return facts | {"program": instrument[0], "events": events}


def loop(style, tempo):
    """Bars of a groove for as long as the clip."""
    swing, lines = GROOVES[style]
    step, events = 15.0 / tempo, []
    for key, line in lines.items():
        for i in range(int((SECONDS - 0.05) / step) + 1):
            mark = line[i % 16]
            at = step * (i + (swing if i % 4 == 2 else 0.0))
            if mark != "." and at < SECONDS - 0.05:
                events.append((at, 0.1, key, 112 if mark == "X" else 80))
    facts = {"kind": "loop", "family": "drums", "style": style, "tempo": tempo}
    return facts | {"program": None, "events": sorted(events)}


def hit(drum, velocity):
    return {"kind": "hit", "family": "drums", "drum": drum, "program": None, "events": [(0.0, 0.5, DRUMS[drum], velocity)]}


def effect(program, names, key):
    return {"kind": "effect", "family": "effects", "names": names, "program": program, "events": [(0.0, 2.6, key, 110)]}


def clips(seed=2026, melodies=48):
    """Everything that is rendered, in a fixed order."""
    rng, made = random.Random(seed), []
    for instrument in INSTRUMENTS:
        made += [note(instrument, key, length) for key in range(instrument[3], instrument[4] + 1) for length in LENGTHS]
        for root in range(12):
            if not monophonic(instrument):
                made += [chord(instrument, root, quality) for quality in CHORDS]
            for quality in SCALES:
                made += [arpeggio(instrument, root, quality, down) for down in (False, True)]
                made.append(scale(instrument, root, quality))
                made += [melody(instrument, root, quality, rng) for _ in range(melodies // 24)]
    made += [loop(style, tempo) for style in GROOVES for tempo in TEMPOS]
    made += [hit(drum, velocity) for drum in DRUMS for velocity in (70, 95, 120)]
    made += [effect(program, names, key) for program, names in EFFECTS for key in (55, 60, 65)]
    return made
