"""Make toy models that speak, with the graph signatures of Supertonic and ZipVoice, and what their host loops make of texts.

usage: python make_voices.py OUT     writes OUT/supertonic and OUT/zipvoice: a model folder each, and beside it the waveform of
                                     each of its requests

Graphs, file names, metadata and host loops are those of the deployed models; widths are small and weights random. The loops here are
written from the published ones (supertone-inc/supertonic py/helper.py, MIT; k2-fsa/ZipVoice zipvoice/bin/infer_zipvoice_onnx.py and
k2-fsa/sherpa-onnx, Apache-2.0) with numpy and onnxruntime. Needs requirements.txt, no network.
"""
import json
import math
import sys
import unicodedata
import wave
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

OUT = Path(sys.argv[1])

# Supertonic: widths of the real one are 24, 6, 512, 44100, [50, 256] and [8, 16].
LATENT, FACTOR, CHUNK, RATE, TTL, DP, WIDTH = 4, 3, 16, 8000, (5, 8), (2, 4), 8
STEPS = 5
# The last letters are known only with what NFKD puts behind them: the acute accent; the diaeresis is no letter of this model.
ALPHABET = " !\"'(),-.0123456789:;<>?/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\u0301"
SPEECHES = {
    "hello": dict(text="Hello there", voice="F1", speed=1.05, seed=7),
    # Accents, a ligature, a dash, an e-mail's sign, quotes and a space before a comma.
    "letters": dict(text="Caf\u00e9 \ufb01rst \u2014 na\u00efve , \u201cat\u201d me@home", voice="M1", speed=0.8, seed=8),
    # Two pieces: together they are longer than 300 letters.
    "long": dict(text=" ".join(["The first of many words is said here."] * 8 + ["Dr. Smith came home."] * 2), voice="F1", speed=1.5, seed=9),
}

# ZipVoice: 100 bands, 1024, 256 and 24000 in the real one.
BANDS, SIZE, HOP, VOICE_RATE = 8, 64, 16, 8000
TOKENS = ["_", "^", " ", "!", ",", ".", "?", "h", "\u0259", "l", "\u02c8", "o", "\u028a", "w", "\u025c", "\u02d0", "d", "n0", "i3", "h0", "ao3"]
LEXICON = {"hello": "h \u0259 l \u02c8 o \u028a", "world": "w \u02c8 \u025c \u02d0 l d", "\u4f60": "n0 i3", "\u597d": "h0 ao3", "\u4f60\u597d": "n0 i3 h0 ao3"}
SAYINGS = {
    "hello": dict(tokens="h \u0259 l \u02c8 o \u028a , | w \u02c8 \u025c \u02d0 l d .", seed=7, steps=4, shift=0.5, scale=1.0, speed=1.0),
    "asked": dict(tokens="n0 i3 h0 ao3 !", seed=8, steps=3, shift=0.7, scale=2.0, speed=1.3),
}
SAID = "h \u0259 l \u02c8 o \u028a ."
FEATURE_SCALE, TARGET_RMS = 0.1, 0.1


def export(module, path, inputs, names, outputs, axes, metadata=()):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(module.eval(), inputs, path, input_names=names, output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)
    model = onnx.load(path)
    for key, value in dict(metadata).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, path)


class Duration(nn.Module):
    """Seconds of a text."""

    def __init__(self):
        super().__init__()
        self.embed, self.style = nn.Embedding(len(ALPHABET), 1), nn.Linear(DP[0] * DP[1], 1)

    def forward(self, text_ids, style_dp, text_mask):
        each = 0.002 + 0.004 * torch.sigmoid(self.embed(text_ids).squeeze(2))
        return (each * text_mask.squeeze(1)).sum(1) * (1 + 0.2 * torch.tanh(self.style(style_dp.flatten(1)).squeeze(1)))


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.mix, self.style = nn.Embedding(len(ALPHABET), WIDTH), nn.Conv1d(WIDTH, WIDTH, 3, padding=1), nn.Linear(TTL[1], WIDTH)

    def forward(self, text_ids, style_ttl, text_mask):
        x = self.embed(text_ids).transpose(1, 2) * text_mask
        return (torch.tanh(self.mix(x)) + self.style(style_ttl.mean(1)).unsqueeze(2)) * text_mask


class Estimator(nn.Module):
    """The latent one step further: the step is made inside."""

    def __init__(self):
        super().__init__()
        channels = LATENT * FACTOR
        self.own, self.text, self.style = nn.Conv1d(channels, channels, 3, padding=1), nn.Linear(WIDTH, channels), nn.Linear(TTL[1], channels)

    def forward(self, noisy_latent, text_emb, style_ttl, latent_mask, text_mask, current_step, total_step):
        time = (current_step / total_step).reshape(-1, 1, 1)
        text = (text_emb * text_mask).sum(2) / text_mask.sum(2)
        told = (self.text(text) + self.style(style_ttl.mean(1))).unsqueeze(2)
        velocity = torch.tanh(self.own(noisy_latent) + told * (1 + time)) * 1.5 - 0.5 * noisy_latent * time
        return (noisy_latent + velocity / total_step.reshape(-1, 1, 1)) * latent_mask


class Wave(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose1d(LATENT, 1, CHUNK, stride=CHUNK)

    def forward(self, latent):
        batch, _, length = latent.shape
        x = latent.reshape(batch, LATENT, FACTOR, length).transpose(2, 3).reshape(batch, LATENT, length * FACTOR)
        return torch.tanh(self.up(x).squeeze(1))


def supertonic(folder):
    torch.manual_seed(11)
    onnx_folder, channels = folder / "onnx", LATENT * FACTOR
    ids, mask = torch.arange(6).unsqueeze(0), torch.ones(1, 1, 6)
    ttl, dp, latent, latent_mask, step = torch.randn(1, *TTL), torch.randn(1, *DP), torch.randn(1, channels, 4), torch.ones(1, 1, 4), torch.ones(1)
    text = {"text_ids": {0: "batch", 1: "text"}, "text_mask": {0: "batch", 2: "text"}, "style_dp": {0: "batch"}, "style_ttl": {0: "batch"}}
    export(Duration(), onnx_folder / "duration_predictor.onnx", (ids, dp, mask), ["text_ids", "style_dp", "text_mask"], ["duration"], text | {"duration": {0: "batch"}})
    export(Text(), onnx_folder / "text_encoder.onnx", (ids, ttl, mask), ["text_ids", "style_ttl", "text_mask"], ["text_emb"], text | {"text_emb": {0: "batch", 2: "text"}})
    names = ["noisy_latent", "text_emb", "style_ttl", "latent_mask", "text_mask", "current_step", "total_step"]
    axes = {name: {0: "batch"} for name in names + ["denoised_latent"]}
    axes |= {name: {0: "batch", 2: "latent"} for name in ["noisy_latent", "latent_mask", "denoised_latent"]}
    axes |= {name: {0: "batch", 2: "text"} for name in ["text_emb", "text_mask"]}
    export(Estimator(), onnx_folder / "vector_estimator.onnx", (latent, torch.randn(1, WIDTH, 6), ttl, latent_mask, mask, step, step), names, ["denoised_latent"], axes)
    export(Wave(), onnx_folder / "vocoder.onnx", (latent,), ["latent"], ["wav_tts"], {"latent": {0: "batch", 2: "latent"}, "wav_tts": {0: "batch", 1: "samples"}})
    facts = {"tts_version": "v1.7.3", "split": "opensource-multilingual", "ae": {"sample_rate": RATE, "base_chunk_size": CHUNK}, "ttl": {"latent_dim": LATENT, "chunk_compress_factor": FACTOR}}
    (onnx_folder / "tts.json").write_text(json.dumps(facts))
    places = {ord(letter): place for place, letter in enumerate(ALPHABET)}
    (onnx_folder / "unicode_indexer.json").write_text(json.dumps([places.get(code, -1) for code in range(max(places) + 1)]))
    (folder / "voice_styles").mkdir(exist_ok=True)
    for name in ["F1", "M1"]:
        part = lambda *dims: {"dims": [1, *dims], "data": [[[round(v, 4) for v in row] for row in torch.randn(dims).tolist()]], "type": "float32"}
        (folder / "voice_styles" / f"{name}.json").write_text(json.dumps({"style_ttl": part(*TTL), "style_dp": part(*DP)}))


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


SYMBOLS = {"\u2013": "-", "\u2011": "-", "\u2014": "-", "_": " ", "\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'", "`": "'", "[": " ", "]": " ",
           "|": " ", "/": " ", "#": " ", "@": " at ", "e.g.,": "for example, ", "i.e.,": "that is, "}


def prepared(text, known):
    """A text as the published front end reads it; only what the requests need."""
    text = unicodedata.normalize("NFKD", text)
    for old, new in SYMBOLS.items():
        text = text.replace(old, new)
    text = "".join(letter for letter in text if not (unicodedata.combining(letter) and letter not in known))
    for mark in ",.!?;:'":
        text = text.replace(f" {mark}", mark)
    text = " ".join(text.split())
    return text if text[-1] in ".!?;:,'\")]}" else text + "."


def pieces(text, most=300):
    """Sentences, as many together as fit; Dr. ends none."""
    sentences = text.replace("Dr. ", "Dr.\0").split(". ")
    sentences = [s.replace("\0", " ") + ("." if i + 1 < len(sentences) else "") for i, s in enumerate(sentences)]
    out = []
    for sentence in sentences:
        if out and len(out[-1]) + 1 + len(sentence) <= most:
            out[-1] += " " + sentence
        else:
            out.append(sentence)
    return out


def speak(folder, text, voice, speed, seed, language):
    graphs = {path.stem: session(path) for path in (folder / "onnx").glob("*.onnx")}
    indexer = json.loads((folder / "onnx/unicode_indexer.json").read_text())
    style = json.loads((folder / f"voice_styles/{voice}.json").read_text())
    ttl, dp = (np.array(style[key]["data"], np.float32).reshape(style[key]["dims"]) for key in ["style_ttl", "style_dp"])
    draws, sound = torch.Generator().manual_seed(seed), []
    for number, piece in enumerate(pieces(text)):
        read = f"<{language}>{prepared(piece, ALPHABET)}</{language}>"
        ids = np.array([[indexer[ord(letter)] for letter in read]], np.int64)
        assert (ids >= 0).all(), read
        text_mask = np.ones((1, 1, len(read)), np.float32)
        (duration,) = graphs["duration_predictor"].run(None, {"text_ids": ids, "style_dp": dp, "text_mask": text_mask})
        duration = duration / np.float32(speed)
        (text_emb,) = graphs["text_encoder"].run(None, {"text_ids": ids, "style_ttl": ttl, "text_mask": text_mask})
        samples = int((duration * np.float32(RATE)).astype(np.int64)[0])
        length = -(-samples // (CHUNK * FACTOR))
        latent_mask, total = np.ones((1, 1, length), np.float32), np.array([STEPS], np.float32)
        latent = torch.randn((1, LATENT * FACTOR, length), generator=draws).numpy()
        for step in range(STEPS):
            (latent,) = graphs["vector_estimator"].run(None, {
                "noisy_latent": latent, "text_emb": text_emb, "style_ttl": ttl, "latent_mask": latent_mask, "text_mask": text_mask,
                "current_step": np.array([step], np.float32), "total_step": total})
        (made,) = graphs["vocoder"].run(None, {"latent": latent})
        if number:
            sound.append(np.zeros(int(0.3 * RATE), np.float32))
        sound.append(made[0, :samples])
    return np.concatenate(sound)


class Conditions(nn.Module):
    """Frames of a text behind the frames of another, as many for each token (k2-fsa/ZipVoice, zipvoice/bin/onnx_export.py)."""

    def __init__(self):
        super().__init__()
        self.embed, self.mix = nn.Embedding(len(TOKENS), BANDS), nn.Linear(BANDS, BANDS)

    def forward(self, tokens, prompt_tokens, prompt_features_len, speed):
        all_tokens = torch.cat([prompt_tokens, tokens], dim=1)
        count = all_tokens.shape[1]
        states = torch.tanh(self.mix(self.embed(nn.functional.pad(all_tokens, (0, 1), value=0))))
        frames = torch.ceil(prompt_features_len / prompt_tokens.shape[1] * count / speed).to(torch.int64)
        each = torch.div(frames, count, rounding_mode="floor").to(torch.int64).reshape(())
        out = states[:, :-1].unsqueeze(2).expand(-1, -1, each, -1).reshape(states.shape[0], -1, BANDS)
        return torch.cat([out, states[:, -1:].expand(-1, frames.reshape(()) - out.shape[1], -1)], dim=1)


class Velocity(nn.Module):
    def __init__(self):
        super().__init__()
        self.own, self.told = nn.Linear(BANDS, BANDS), nn.Linear(2 * BANDS, BANDS)

    def forward(self, t, x, text_condition, speech_condition, guidance_scale):
        told = torch.tanh(self.told(torch.cat([text_condition, speech_condition], dim=2)))
        return torch.tanh(self.own(x) * (1 + t)) + guidance_scale * told - x


class Vocos(nn.Module):
    """Magnitudes, and cosines and sines of phases."""

    def __init__(self):
        super().__init__()
        self.size, self.phase = nn.Conv1d(BANDS, SIZE // 2 + 1, 3, padding=1), nn.Conv1d(BANDS, SIZE // 2 + 1, 3, padding=1)

    def forward(self, mels):
        phase = self.phase(mels)
        return torch.exp(0.3 * torch.tanh(self.size(mels))), torch.cos(phase), torch.sin(phase)


def zipvoice(folder):
    torch.manual_seed(12)
    scalar, frames = torch.tensor(1.0), torch.randn(1, 20, BANDS)
    export(torch.jit.trace(Conditions(), (torch.tensor([[2, 3, 4, 5]]), torch.tensor([[0, 1]]), torch.tensor(10), scalar)), folder / "encoder.onnx",
           (torch.tensor([[2, 3, 4, 5]]), torch.tensor([[0, 1]]), torch.tensor(10), scalar), ["tokens", "prompt_tokens", "prompt_features_len", "speed"],
           ["text_condition"], {name: {0: "N", 1: "T"} for name in ["tokens", "prompt_tokens", "text_condition"]},
           {"version": 1, "use_espeak": 1, "use_pinyin": 1})
    export(Velocity(), folder / "decoder.onnx", (scalar, frames, frames, frames, scalar), ["t", "x", "text_condition", "speech_condition", "guidance_scale"], ["v"],
           {name: {0: "N", 1: "T"} for name in ["x", "text_condition", "speech_condition", "v"]},
           {"version": 1, "feat_dim": BANDS, "sample_rate": VOICE_RATE, "n_fft": SIZE, "hop_length": HOP, "window_length": SIZE, "num_mels": BANDS})
    export(Vocos(), folder / "vocos_24khz.onnx", (torch.randn(1, BANDS, 20),), ["mels"], ["mag", "x", "y"],
           {name: {0: "N", 2: "T"} for name in ["mels", "mag", "x", "y"]},
           {"n_fft": SIZE, "hop_length": HOP, "win_length": SIZE, "center": 1, "normalized": 0, "window_type": "hann", "pad_mode": "reflect"})
    (folder / "tokens.txt").write_text("".join(f"{token}\t{place}\n" for place, token in enumerate(TOKENS)))
    (folder / "lexicon.txt").write_text("".join(f"{word} {tokens}\n" for word, tokens in LEXICON.items()))


def reference(path):
    """A quiet voice to go on from: a buzz that glides."""
    times = np.arange(1203) / VOICE_RATE
    sound = 0.04 * np.sin(2 * math.pi * (200 * times + 400 * times**2)) + 0.02 * np.sin(2 * math.pi * 900 * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(VOICE_RATE)
        file.writeframes(np.round(sound * 32767).astype("<i2").tobytes())
    return np.round(sound * 32767).astype(np.float32) / 32768


def mel_filters():
    """HTK's scale, triangles of height 1, as torchaudio.functional.melscale_fbanks makes them."""
    mel = lambda hertz: 2595 * np.log10(1 + hertz / 700)
    edges = 700 * (10 ** (np.linspace(0, mel(VOICE_RATE / 2), BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, VOICE_RATE // 2, SIZE // 2 + 1)
    slopes = edges[None, :] - bins[:, None]
    width = np.diff(edges)
    return np.maximum(0, np.minimum(-slopes[:, :-2] / width[:-1], slopes[:, 2:] / width[1:]))


def features(sound):
    window = torch.hann_window(SIZE)
    spectrum = torch.stft(torch.from_numpy(sound), SIZE, HOP, SIZE, window, center=True, pad_mode="reflect", return_complex=True).abs().numpy()
    return np.log(spectrum.T @ mel_filters() + 1e-10).astype(np.float32) * np.float32(FEATURE_SCALE)


def say(folder, sound, tokens, seed, steps, shift, scale, speed):
    graphs = {name: session(folder / f"{name}.onnx") for name in ["encoder", "decoder", "vocos_24khz"]}
    rms = np.sqrt(np.mean(np.square(sound)))
    prompt = features(sound * np.float32(TARGET_RMS / rms) if rms < TARGET_RMS else sound)
    ids = lambda text: np.array([[TOKENS.index(" " if token == "|" else token) for token in text.split()]], np.int64)
    (text,) = graphs["encoder"].run(None, {
        "tokens": ids(tokens), "prompt_tokens": ids(SAID), "prompt_features_len": np.array(len(prompt), np.int64), "speed": np.array(speed, np.float32)})
    x = torch.randn(text.shape, generator=torch.Generator().manual_seed(seed)).numpy()
    given = np.pad(prompt, ((0, text.shape[1] - len(prompt)), (0, 0)))[None]
    even = np.linspace(0, 1, steps + 1)
    times = shift * even / (1 + (shift - 1) * even)
    for now, then in zip(times, times[1:]):
        (v,) = graphs["decoder"].run(None, {
            "t": np.array(now, np.float32), "x": x, "text_condition": text, "speech_condition": given, "guidance_scale": np.array(scale, np.float32)})
        x = x + v * np.float32(then - now)
    size, cosine, sine = graphs["vocos_24khz"].run(None, {"mels": x[:, len(prompt):].transpose(0, 2, 1) / np.float32(FEATURE_SCALE)})
    spectrum = torch.from_numpy(size * cosine) + 1j * torch.from_numpy(size * sine)
    return torch.istft(spectrum, SIZE, HOP, SIZE, torch.hann_window(SIZE), center=True)[0].numpy()


def main():
    speaking, saying = OUT / "supertonic", OUT / "zipvoice"
    supertonic(speaking / "model")
    for name, asked in SPEECHES.items():
        sound = speak(speaking / "model", **asked, language="en")
        np.save(speaking / f"{name}.npy", sound.astype(np.float32))
        print("supertonic", name, sound.shape, np.abs(sound).max())
    zipvoice(saying / "model")
    sound = reference(saying / "voice.wav")
    for name, asked in SAYINGS.items():
        made = say(saying / "model", sound, **asked)
        np.save(saying / f"{name}.npy", made.astype(np.float32))
        print("zipvoice", name, made.shape, np.abs(made).max())


if __name__ == "__main__":
    main()
