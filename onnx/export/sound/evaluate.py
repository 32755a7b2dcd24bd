"""Are the sounds what the prompts say? Figures over the fixed lists, of what users get: the binary with an exported folder.

    python evaluate.py --work DIR --edrun BIN --model FOLDER [--keep SOUNDS]

Notes: the share whose pitch lies within 50 cents of the asked one, octaves included, and whose family the classifier hears.
Loops: the share whose tempo lies within 5 %. All: what is wrong with a sound as such, the largest sample, the largest mean
of a sound (1 is full scale) and the share of samples at full scale. `reference` holds the same figures of the rendered clips.
"""

import argparse
import json
import subprocess
import tempfile
import wave
from collections import Counter
from pathlib import Path

import numpy as np

import judge
import render
import spectrum

KNOWN = 4000  # clips that the classifier is trained and tested on
LENGTH = spectrum.FRAMES * spectrum.HOP  # samples of a made sound; rendered clips are cut to them


def read(file):
    with wave.open(str(file)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768


def make(binary, model, prompts, folder, seed, flags):
    """One sound a prompt; the i-th from seed + i."""
    listed = folder / "prompts.jsonl"
    listed.write_text("".join(json.dumps({"prompt": p, "seed": seed + i}) + "\n" for i, p in enumerate(prompts)))
    command = [binary, "audio", "--prompts", listed, "--model", model, "--quiet", "--batch", "8", *flags]
    subprocess.run([*map(str, command), "-o", str(folder / "{index}.wav")], check=True)
    # Numbers in names are padded alike, so that they sort.
    return [read(file) for file in sorted(folder.glob("*.wav"))]


def rendered(clips, index):
    return clips[index, :LENGTH].astype(np.float32) / 32768


def soundness(sounds):
    return {
        "faults": dict(Counter(fault for s in sounds for fault in judge.faults(s))),
        "peak": round(float(max(np.abs(s).max() for s in sounds)), 4),
        "offset": round(float(max(abs(s.mean()) for s in sounds)), 5),
        "at full scale": float(np.mean([(np.abs(s) >= 0.9999).mean() for s in sounds])),
    }


class Judge:
    """All that is known of the rendered clips."""

    def __init__(self, work):
        sounds, clips, _ = render.load(work)
        rng = np.random.default_rng(0)
        some = [i for i in rng.choice(len(clips), KNOWN, replace=False) if clips[i]["kind"] != "effect"]
        loops = [i for i, clip in enumerate(clips) if clip["kind"] == "loop"]
        heard = lambda indices: [rendered(sounds, i) for i in indices]
        self.families = judge.Families(heard(some), [clips[i] for i in some])
        self.tempo = judge.Tempo(heard(loops), [clips[i] for i in loops])

    def figures(self, items, sounds):
        share = lambda flags: round(100 * sum(flags) / len(flags), 1)
        result = {"family": share([self.families.of(s) == item["family"] for item, s in zip(items, sounds)])}
        if "key" in items[0]:
            pitches = [(judge.pitch(s), item["key"]) for item, s in zip(items, sounds)]
            result["pitch"] = share([judge.cents(*pair) < 50 for pair in pitches])
            result["pitch in any octave"] = share([judge.cents_in_octave(*pair) < 50 for pair in pitches])
        if "tempo" in items[0]:
            found = [self.tempo.of(s, item["style"]) for item, s in zip(items, sounds)]
            result["tempo"] = share([abs(t - item["tempo"]) <= 0.05 * item["tempo"] for item, t in zip(items, found)])
        return result | soundness(sounds)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("--work", type=Path, required=True)
    args.add_argument("--edrun", required=True, help="the binary")
    args.add_argument("--model", required=True, help="an exported folder")
    args.add_argument("--keep", type=Path, help="leave the sounds here")
    args.add_argument("--seed", type=int, default=0)
    args.add_argument("flags", nargs="*", help="further flags of edrun audio, after --")
    args = args.parse_args()
    heldout, known = json.loads(render.HELDOUT.read_text()), Judge(args.work)
    clips = np.load(args.work / "clips.npy", mmap_mode="r")
    result = {"classifier": round(100 * known.families.accuracy, 1)}
    for key, items in heldout.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = args.keep / key if args.keep else Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            sounds = make(args.edrun, args.model, [item["prompt"] for item in items], folder, args.seed, args.flags)
        result[key] = known.figures(items, sounds)
        result[key]["reference"] = known.figures(items, [rendered(clips, item["clip"]) for item in items])
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
