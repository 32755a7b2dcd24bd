"""What a sound is, by ear of a program: its pitch, its tempo, its family of instruments."""

import numpy as np

import music

RATE = 22050
WINDOW, STEP = 2048, 256
# Power of a band 60 dB below a full tone's. What is quieter is not heard beside it, and tells nothing of an instrument.
QUIET = 0.05


def cents(hertz, key):
    """How far a pitch lies from a key, octaves included."""
    return 1200 * abs(np.log2(hertz / music.hertz(key))) if hertz > 0 else np.inf


def cents_in_octave(hertz, key):
    """How far a pitch lies from a key of any octave."""
    off = cents(hertz, key) % 1200
    return min(off, 1200 - off) if hertz > 0 else np.inf


def frames(sound, size, step):
    return np.lib.stride_tricks.sliding_window_view(sound, size)[::step]


def pitch(sound, lowest=35.0, highest=2200.0):
    """Hertz, by YIN (de Cheveigné and Kawahara 2002) on the loud part of the first 0.7 seconds; 0 where nothing repeats."""
    sound = sound[: int(0.7 * RATE)].astype(np.float64)
    parts = frames(sound, 2 * WINDOW, STEP)
    loud = np.sqrt((parts**2).mean(1))
    parts = parts[loud > 0.4 * loud.max()]
    found = [one for one in (yin(part, lowest, highest) for part in parts) if one]
    return float(np.median(found)) if found else 0.0


def yin(part, lowest, highest, threshold=0.15):
    longest, shortest = int(RATE / lowest), int(RATE / highest)
    first, energy = part[:WINDOW], np.concatenate([[0.0], np.cumsum(part**2)])
    spectrum = np.fft.rfft(part, 4 * WINDOW) * np.conj(np.fft.rfft(first, 4 * WINDOW))
    same = np.fft.irfft(spectrum)[: longest + 2]
    lags = np.arange(longest + 2)
    difference = energy[WINDOW] + energy[lags + WINDOW] - energy[lags] - 2 * same
    mean = difference * lags / np.maximum(np.cumsum(difference), 1e-12)
    mean[0] = 1.0
    below = np.flatnonzero(mean[shortest:longest] < threshold)
    if len(below) == 0:
        return 0.0
    at = shortest + below[0]
    while at + 1 < longest and mean[at + 1] < mean[at]:
        at += 1
    a, b, c = mean[at - 1 : at + 2]
    bend = a - 2 * b + c
    return RATE / (at + (0.5 * (a - c) / bend if bend > 0 else 0.0))


def onsets(sound):
    """How much louder each 11.6 ms are than the last, summed over bands of half an octave."""
    window = np.hanning(1024)
    power = np.abs(np.fft.rfft(frames(sound, 1024, STEP) * window)) ** 2
    edges = np.unique(np.geomspace(2, 512, 16).astype(int))
    bands = np.stack([power[:, a:b].sum(1) for a, b in zip(edges, edges[1:])], 1)
    rises = np.diff(np.log(bands + 1e-4 * bands.max()), axis=0).clip(0).sum(1)
    return rises - rises.mean()


class Tempo:
    """The tempo of a groove: that of the rendered loop of this groove whose onsets are most alike."""

    def __init__(self, sounds, clips):
        self.loops = {}
        for sound, clip in zip(sounds, clips):
            if clip["kind"] == "loop":
                line = onsets(sound)
                self.loops.setdefault(clip["style"], []).append((clip["tempo"], line / np.linalg.norm(line)))

    def of(self, sound, style):
        line = onsets(sound)
        likeness = [(self.alike(line, known), tempo) for tempo, known in self.loops[style]]
        return max(likeness)[1]

    @staticmethod
    def alike(line, known, slack=2):
        """A few frames early or late are forgiven."""
        line = np.pad(line, slack)
        return max(float(line[i : i + len(known)] @ known) for i in range(2 * slack + 1))


def features(sound):
    """What a sound is like, whatever its pitch and loudness: its spectrum's shape, that shape's motion, its envelope."""
    sound = sound / max(np.abs(sound).max(), 1e-6)
    power = np.abs(np.fft.rfft(frames(sound, 1024, 512) * np.hanning(1024))) ** 2
    edges = np.unique(np.geomspace(1, 513, 41).astype(int))
    bands = np.log(np.stack([power[:, a:b].mean(1) for a, b in zip(edges, edges[1:])], 1) + QUIET)
    level = np.log(power.sum(1) + QUIET)
    early, late = bands[2:10].mean(0), bands[10:40].mean(0)
    envelope = level[: 4 * (len(level) // 4)].reshape(-1, 4).mean(1)
    return np.concatenate([early, late, bands[:60].std(0), np.abs(np.diff(bands, axis=0)).mean(0), bands.max(0), envelope])


class Families:
    """A small network that tells families of instruments apart, trained on rendered clips; `accuracy` is that on the clips
    it did not see."""

    def __init__(self, sounds, clips, seed=0, hidden=128, steps=1500):
        import torch

        self.names = sorted({clip["family"] for clip in clips})
        known = torch.tensor(np.stack([features(sound) for sound in sounds]), dtype=torch.float32)
        labels = torch.tensor([self.names.index(clip["family"]) for clip in clips])
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(known), generator=generator)
        test, train = order[: len(order) // 5], order[len(order) // 5 :]
        self.mean, self.std = known[train].mean(0), known[train].std(0) + 1e-3
        torch.manual_seed(seed)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(known.shape[1], hidden), torch.nn.GELU(), torch.nn.Dropout(0.2), torch.nn.Linear(hidden, len(self.names))
        )
        x = (known - self.mean) / self.std
        adam = torch.optim.AdamW(self.net.parameters(), lr=2e-3, weight_decay=0.02)
        for _ in range(steps):
            batch = train[torch.randint(len(train), (256,), generator=generator)]
            # What a model makes is never clean: the judge hears through noise.
            heard = x[batch] + 0.15 * torch.randn(len(batch), x.shape[1], generator=generator)
            loss = torch.nn.functional.cross_entropy(self.net(heard), labels[batch])
            adam.zero_grad(), loss.backward(), adam.step()
        self.net.eval()
        self.accuracy = (self.net(x[test]).argmax(1) == labels[test]).float().mean().item()

    def of(self, sound):
        import torch

        with torch.no_grad():
            x = (torch.tensor(features(sound), dtype=torch.float32) - self.mean) / self.std
            return self.names[self.net(x).argmax().item()]


def faults(sound):
    """Clipped samples, an offset of more than a hundredth, silence, values that are no numbers."""
    found = []
    if not np.isfinite(sound).all():
        return ["not finite"]
    if (np.abs(sound) >= 0.9999).sum() > 2:
        found.append("clipped")
    if abs(sound.mean()) > 0.01:
        found.append("offset")
    if np.abs(sound).max() < 0.01:
        found.append("silent")
    return found
