"""Exports an AudioLDM pipeline (diffusers) as a folder that edrun runs.

    python export.py MODEL OUT       MODEL: a folder or the name of a published pipeline; needs requirements.txt

text_encoder   token ids, and which of them are words, to CLAP's embedding of the text, of unit length
unet           noisy latents, time and the embedding (`class_labels`) to noise
vae_decoder    latents to a mel spectrogram [1, 1, frames, bands]
vocoder        a mel spectrogram [1, frames, bands] to a waveform [1, samples]
"""

import sys
from pathlib import Path

import torch
from diffusers import AudioLDMPipeline
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
from dynamo import Decoder, config_of, main, words, write_graph, write_json, write_rest


class Words(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        made = self.encoder(input_ids, attention_mask=attention_mask).text_embeds
        return nn.functional.normalize(made, dim=-1)


class Denoiser(nn.Module):
    """One time for all rows: behind it stands each row's own embedding."""

    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, class_labels):
        times = timestep.expand(sample.shape[0])
        return self.unet(sample, times, encoder_hidden_states=None, class_labels=class_labels, return_dict=False)[0]


class Vocoder(nn.Module):
    def __init__(self, vocoder):
        super().__init__()
        self.vocoder = vocoder

    def forward(self, spectrogram):
        return self.vocoder(spectrogram)


def write_graphs(pipe, out):
    unet, bands, tokens = pipe.unet.config, pipe.vocoder.config.model_in_dim, pipe.tokenizer.model_max_length
    given = words(pipe, tokens)
    write_graph(out, "text_encoder", Words(pipe.text_encoder), given, ["text_embeds"], {name: {0: "batch"} for name in given})
    shape = (unet.in_channels, unet.sample_size, bands // pipe.vae_scale_factor)
    inputs = {
        "sample": torch.randn(2, *shape), "timestep": torch.tensor([5]),
        "class_labels": torch.randn(2, pipe.text_encoder.config.projection_dim),
    }
    axes = {"sample": {0: "batch", 2: "height"}, "class_labels": {0: "batch"}}
    write_graph(out, "unet", Denoiser(pipe.unet), inputs, ["out_sample"], axes)
    write_graph(out, "vae_decoder", Decoder(pipe.vae), {"latent_sample": torch.randn(1, *shape)}, ["sample"], {"latent_sample": {2: "height"}})
    mel = torch.randn(1, unet.sample_size * pipe.vae_scale_factor, bands)
    write_graph(out, "vocoder", Vocoder(pipe.vocoder), {"spectrogram": mel}, ["waveform"], {"spectrogram": {1: "frames"}})


def write_configs(pipe, out):
    write_json(out / "unet" / "config.json", config_of(pipe.unet))
    write_json(out / "vae_decoder" / "config.json", config_of(pipe.vae))
    kept = ("model_in_dim", "sampling_rate", "upsample_rates", "normalize_before")
    write_json(out / "vocoder" / "config.json", {key: getattr(pipe.vocoder.config, key) for key in kept})
    write_rest(pipe, out)


def export(pipe, out):
    write_graphs(pipe, out)
    write_configs(pipe, out)


if __name__ == "__main__":
    main(__doc__, AudioLDMPipeline, export)
