"""Plays clips with FluidSynth and Debian's General MIDI sound font.

    python render.py --work DIR           fetch the packages, play everything: DIR/clips.npy (int16) and DIR/clips.json
    python render.py --work DIR --check   nothing held out is ever trained on
"""

import argparse
import json
import os
import random
import struct
import subprocess
from pathlib import Path

import numpy as np

import music

PACKAGES = ["fluid-soundfont-gm", "fluidsynth", "libfluidsynth3"]
# What libfluidsynth is linked with for playing aloud; nothing of it is used here.
LIBRARIES = (
    "libasound2 libasyncns0 libdb5.3 libdecor-0-0 libflac12 libinstpatch-1.0-2 libjack-jackd2-0 libmp3lame0 libmpg123-0 libogg0 "
    "libopus0 libpulse0 libsamplerate0 libsdl2-2.0-0 libsndfile1 libvorbis0a libvorbisenc2 libwayland-client0 libwayland-cursor0 "
    "libwayland-egl1"
).split()
FONT = "usr/share/sounds/sf2/FluidR3_GM.sf2"
HELDOUT = Path(__file__).with_name("heldout.json")

# The share of the rounds over the clips that a clip of each sort takes part in. A note asked for as short or long differs
# from the plain one in its end only.
WEIGHTS = {
    "note": 1.0, "held note": 0.08, "chord": 0.06, "arpeggio": 0.03, "scale": 0.02, "melody": 0.01, "loop": 0.4, "hit": 0.6,
    "effect": 0.6,
}

RATE, SAMPLES = 22050, 66560  # 128 hops of 520: 3.02 s
SLOT = 4.0  # seconds from one clip to the next: the last one has died away
TICKS = 1000  # a second; a quarter note is half of one
BATCH = 400


def fetch(work):
    """Unpacks the packages without installing them."""
    root = work / "root"
    if not (root / FONT).is_file():
        (work / "debs").mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", *PACKAGES, *LIBRARIES], cwd=work / "debs", check=True)
        for package in sorted((work / "debs").glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, root], check=True)
    return root


def variable(number):
    """A number as MIDI files write delays: seven bits a byte, the highest bit where more follow."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(number & 0x7F | 0x80)
    return bytes(reversed(parts))


def messages(clip, start):
    """`(tick, order, bytes)` of one clip; everything falls silent at its end."""
    channel = 9 if clip["program"] is None else 0
    at = lambda seconds: round((start + seconds) * TICKS)
    if channel == 0:
        yield at(0), 0, bytes([0xC0, clip["program"]])
    for begin, length, key, velocity in clip["events"]:
        yield at(begin), 2, bytes([0x90 | channel, key, velocity])
        yield at(begin + length), 1, bytes([0x80 | channel, key, 0])
    yield at(SLOT) - 2, 3, bytes([0xB0 | channel, 120, 0])


def midi(clips):
    """One file with a clip in every slot."""
    events = sorted(m for i, clip in enumerate(clips) for m in messages(clip, i * SLOT))
    track, now = bytearray(), 0
    for tick, _, message in events:
        track += variable(tick - now) + message
        now = tick
    track += variable(round(len(clips) * SLOT * TICKS) - now) + b"\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS // 2)
    return head + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def play(root, clips, scratch):
    """Clips as int16 `[n, SAMPLES]`, mono."""
    song, raw = scratch / "song.mid", scratch / "song.raw"
    song.write_bytes(midi(clips))
    libraries = [root / place for place in ("usr/lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu/pulseaudio", "lib/x86_64-linux-gnu")]
    # Reverb and chorus off: what a clip sounds like is then decided by its caption alone.
    command = [root / "usr/bin/fluidsynth", "-niq", "-r", str(RATE), "-R", "0", "-C", "0", "-g", "0.6", "-T", "raw", "-O", "s16"]
    subprocess.run(
        [*command, "-F", raw, root / FONT, song], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, libraries))},
    )
    stereo = np.fromfile(raw, dtype="<i2").reshape(-1, 2)
    mono = stereo.astype(np.int32).sum(1) // 2
    starts = [round(i * SLOT * RATE) for i in range(len(clips))]
    song.unlink(), raw.unlink()
    return np.stack([mono[s : s + SAMPLES] for s in starts])


def level(sounds):
    """All clips equally loud where they are loud, and none clipped: peaks are brought to -3 dB."""
    peaks = np.abs(sounds).max(1, keepdims=True).clip(1)
    # A fade of 20 ms at the end, where a clip may be cut in the middle of a sound.
    fade = np.minimum(1.0, np.arange(SAMPLES)[::-1] / (0.02 * RATE))
    return np.round(sounds * (0.708 * 32767 / peaks) * fade).astype(np.int16)


def render(work):
    root, clips = fetch(work), music.clips()
    part = work / "clips.part"
    out = np.lib.format.open_memmap(part, mode="w+", dtype=np.int16, shape=(len(clips), SAMPLES))
    for start in range(0, len(clips), BATCH):
        some = clips[start : start + BATCH]
        out[start : start + len(some)] = level(play(root, some, work))
        print(f"{start + len(some)} of {len(clips)} clips", flush=True)
    out.flush()
    (work / "clips.json").write_text(json.dumps([{k: v for k, v in clip.items() if k != "events"} for clip in clips]))
    part.rename(work / "clips.npy")
    return clips


def load(work):
    """Sounds as int16 `[n, SAMPLES]` on disk, their facts, and the fixed choices."""
    if not (work / "clips.npy").is_file():
        render(work)
    return np.load(work / "clips.npy", mmap_mode="r"), json.loads((work / "clips.json").read_text()), json.loads(HELDOUT.read_text())


def combination(clip):
    return f"{clip['instrument'][0]} {music.name(clip['key'])}"


def training(clips, heldout):
    """Indices of what is trained on: the instruments taught, all but the held-out combinations of instrument and note."""
    out = {item["combination"] for item in heldout["unseen"]}
    free = lambda clip: clip["kind"] != "note" or combination(clip) not in out
    return [i for i, clip in enumerate(clips) if music.taught(clip) and free(clip)]


def sort(clip):
    """Which row of WEIGHTS a clip belongs to."""
    return "held note" if clip.get("length") else clip["kind"]


def choose(sounds, clips):
    """Draws the fixed lists once, with a fixed seed. Notes are those whose pitch the judge hears in the rendered clip."""
    import judge
    from captions import Captions, article

    rng, captions = random.Random(2026), Captions(clips)
    entry = lambda i, prompt=None: {"clip": i, "prompt": prompt or captions.draw(i, rng), "family": clips[i]["family"]}
    of = lambda *kinds: [i for i, clip in enumerate(clips) if clip["kind"] in kinds and music.taught(clip)]
    plain = lambda clip: f"{article(clip['instrument'][0])} {clip['instrument'][0]} playing {music.name(clip['key'])}"
    heard = lambda i: judge.cents(judge.pitch(sounds[i] / 32768), clips[i]["key"]) < 50
    notes = [i for i in of("note") if clips[i]["length"] == ""]
    rng.shuffle(notes)
    # At most two of an instrument among the unseen ones, and neither end of its range.
    seen, unseen, count = [], [], {}
    for i in notes:
        clip = clips[i]
        low, high = next((low, high) for program, _, _, low, high in music.INSTRUMENTS if program == clip["program"])
        item = entry(i, plain(clip)) | {"key": clip["key"], "combination": combination(clip)}
        if len(unseen) < 50 and low < clip["key"] < high and count.get(clip["program"], 0) < 2 and heard(i):
            unseen.append(item)
            count[clip["program"]] = count.get(clip["program"], 0) + 1
        elif len(unseen) == 50 and len(seen) < 50 and heard(i):
            seen.append(item)
    loops = [entry(i) | {"style": clips[i]["style"], "tempo": clips[i]["tempo"]} for i in rng.sample(of("loop"), 25)]
    others = [entry(i) for i in rng.sample(of("chord", "arpeggio", "scale", "melody"), 20) + rng.sample(of("hit"), 5)]
    chosen = {"seen": seen, "unseen": unseen, "loops": loops, "others": others}
    HELDOUT.write_text(json.dumps(chosen, ensure_ascii=False, indent=1) + "\n")


def check(clips, heldout, rounds=40):
    """Draws captions of every training clip and looks for what must not be among them."""
    from captions import Captions

    captions, rng, out = Captions(clips), random.Random(1), {item["combination"] for item in heldout["unseen"]}
    split, drawn = training(clips, heldout), set()
    assert out and all(len(heldout[key]) == count for key, count in (("seen", 50), ("loops", 25), ("others", 25)))
    held = [i for i, clip in enumerate(clips) if clip["kind"] == "note" and combination(clip) in out]
    assert held and not set(held) & set(split), "a held-out clip is in the training split"
    forbidden = {captions.draw(i, rng).lower() for i in held for _ in range(10 * rounds)}
    for i in split:
        if clips[i]["kind"] == "note":
            drawn |= {captions.draw(i, rng).lower() for _ in range(rounds)}
    assert not drawn & forbidden, f"held out, but drawn: {sorted(drawn & forbidden)[:3]}"
    print(f"{len(split)} training clips, {len(drawn)} different captions of notes: none held out")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--check", action="store_true")
    args.add_argument("--choose", action="store_true", help="draw the fixed lists anew (old figures no longer compare)")
    args = args.parse_args()
    sounds, clips, heldout = load(args.work)
    if args.choose:
        return choose(sounds, clips)
    if args.check:
        return check(clips, heldout)
    learned = [clips[i] for i in training(clips, heldout)]
    counts = {name: sum(sort(clip) == name for clip in learned) for name in WEIGHTS}
    print(len(clips), "clips, learned:", counts, "a round:", sum(counts[name] * share for name, share in WEIGHTS.items()))


if __name__ == "__main__":
    main()
