"""Toy encoders and decoders of sound, to be laid over models/sound: what one turns into latents, the other turns back.

usage: python make_waves.py sound/waves sound/encoder

sound/waves: latents [8, length] to stereo waveforms of 64 samples a latent and back; the rows of one orthogonal matrix, so that
encoding what was decoded gives the latents again. sound/encoder: magnitudes as the decoder of models/sound gives them to
means and logarithms of variances; random weights.
"""
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANNELS, SIDES, FACTOR, RATE = 8, 2, 64, 8000
BINS, FRAMES = 33, 4


def basis():
    """Of each latent channel: a tone on either side, under a window that ends at 0 so that latents join without clicks."""
    time = (np.arange(FACTOR) + 0.5) / FACTOR
    tones = [np.sin(np.pi * time) * np.sin(np.pi * (3 * k + 2) * time + k) for k in range(CHANNELS)]
    rows = np.stack([np.concatenate([tone * np.cos(k), tone * np.sin(k)]) for k, tone in enumerate(tones)])
    return np.linalg.qr(rows.T)[0].T.reshape(CHANNELS, SIDES, FACTOR).astype(np.float32)


def write(path, node, weights, source, target):
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph([node], "toy", [value(*source)], [value(*target)], [numpy_helper.from_array(weights, "weights")])
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def waves(folder):
    node = lambda kind, source, target: helper.make_node(kind, [source, "weights"], [target], strides=[FACTOR])
    latent, sound = ("batch", CHANNELS, "length"), ("batch", SIDES, "samples")
    decoder, encoder = node("ConvTranspose", "latent_sample", "audio"), node("Conv", "sample", "latent_sample")
    write(folder / "vae_decoder/model.onnx", decoder, basis(), ("latent_sample", latent), ("audio", sound))
    write(folder / "vae_encoder/model.onnx", encoder, basis(), ("sample", sound), ("latent_sample", latent))
    config = {"latent_channels": CHANNELS, "sampling_rate": RATE, "downsampling_ratios": [FACTOR]}
    (folder / "vae_decoder/config.json").write_text(json.dumps(config) + "\n")


def magnitudes(folder):
    weights = np.random.default_rng(3).normal(size=(2 * CHANNELS, BINS, FRAMES)) / (BINS * FRAMES) ** 0.5
    node = helper.make_node("Conv", ["magnitude", "weights"], ["latent_parameters"], strides=[FRAMES])
    source, target = ("magnitude", ("batch", BINS, "frames")), ("latent_parameters", ("batch", 2 * CHANNELS, "length"))
    write(folder / "vae_encoder/model.onnx", node, weights.astype(np.float32), source, target)


if __name__ == "__main__":
    waves(Path(sys.argv[1]))
    magnitudes(Path(sys.argv[2]))
