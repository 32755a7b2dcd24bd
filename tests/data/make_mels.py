"""A spoken phrase and its mel spectrogram by transformers' SpeechT5FeatureExtractor (librosa's filters).

usage: python make_mels.py OUT [PATH_OF_ESPEAK_NG]     (Debian's espeak-ng, 1.51; torch and transformers of requirements.txt)

phrase.npy: 1.6 s of 16 kHz, int16. phrase_mel.npy: magnitudes in 80 bands from 80 to 7600 Hz, [frames, bands], frames of 1024 samples
every 256, mirrored at the ends; not their logarithms.
"""
import io
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

OUT, ESPEAK = Path(sys.argv[1]), sys.argv[2:] or ["espeak-ng"]
RATE, SIZE, HOP, BANDS, SECONDS = 16000, 1024, 256, 80, 1.6


def phrase():
    spoken = subprocess.run([*ESPEAK, "-v", "en", "-s", "150", "--stdout", "The quick brown fox jumps over it."], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as sound:
        assert sound.getframerate() == 22050
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    return np.round(resample_poly(samples.astype(np.float64), 320, 441)[: int(SECONDS * RATE)]).clip(-32768, 32767).astype(np.int16)


def main():
    sound = phrase()
    filters = mel_filter_bank(SIZE // 2 + 1, BANDS, 80, 7600, RATE, norm="slaney", mel_scale="slaney")
    mel = spectrogram(
        sound / 32768, window_function(SIZE, "hann", periodic=True), SIZE, HOP, SIZE, power=1.0, mel_filters=filters, mel_floor=0.0).T
    np.save(OUT / "phrase.npy", sound)
    np.save(OUT / "phrase_mel.npy", mel.astype(np.float32))


if __name__ == "__main__":
    main()
