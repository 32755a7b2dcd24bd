"""Exports a Stable Audio pipeline (diffusers) as a folder that edrun runs.

    python export.py MODEL OUT       MODEL: a folder or the name of a published pipeline; needs requirements.txt

text_encoder      token ids, and which of them are words, to T5's states
projection_model  those states, and from which second to which the sound is wanted, to what the denoiser is conditioned on
transformer       noisy latents, time, the text's states with both seconds' behind them, and both seconds' side by side, to a velocity
vae_decoder       latents to a waveform
vae_encoder       a waveform to the mean and the logarithm of the variance of its latents, one behind the other
"""

import sys
from pathlib import Path

import torch
from diffusers import StableAudioPipeline
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch import nn

sys.path.append(str(Path(__file__).resolve().parents[1] / "common"))
from dynamo import Decoder, config_of, main, write_graph, write_json, write_rest, write_text_encoder


class Projection(nn.Module):
    def __init__(self, projection):
        super().__init__()
        self.projection = projection

    def forward(self, text_hidden_states, start_seconds, end_seconds):
        made = self.projection(text_hidden_states, start_seconds, end_seconds)
        return made.text_hidden_states, made.seconds_start_hidden_states, made.seconds_end_hidden_states


class Denoiser(nn.Module):
    """Places are turned by angles that depend on their number alone: the graph makes them itself."""

    def __init__(self, transformer):
        super().__init__()
        self.transformer, self.width = transformer, transformer.config.attention_head_dim // 2

    def forward(self, sample, timestep, encoder_hidden_states, global_hidden_states):
        places = torch.arange(sample.shape[2] + 1)
        angles = get_1d_rotary_pos_embed(self.width, places, use_real=True, repeat_interleave_real=False)
        return self.transformer(
            sample, timestep, encoder_hidden_states=encoder_hidden_states, global_hidden_states=global_hidden_states,
            rotary_embedding=angles, return_dict=False,
        )[0]


class Encoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, sample):
        made = self.vae.encode(sample).latent_dist
        return torch.cat([made.mean, 2 * made.std.log()], dim=1)


def write_graphs(pipe, out):
    transformer, vae, tokens = pipe.transformer, pipe.vae, pipe.tokenizer.model_max_length
    config, width = transformer.config, pipe.text_encoder.config.d_model
    write_text_encoder(pipe, out, tokens)
    seconds = {"start_seconds": torch.tensor([0.0]), "end_seconds": torch.tensor([1.5])}
    write_graph(
        out, "projection_model", Projection(pipe.projection_model), {"text_hidden_states": torch.randn(1, tokens, width)} | seconds,
        ["text_embeds", "seconds_start_hidden_states", "seconds_end_hidden_states"], {"text_hidden_states": {1: "tokens"}},
    )
    inputs = {
        "sample": torch.randn(2, config.in_channels, config.sample_size), "timestep": torch.tensor([0.5, 0.5]),
        "encoder_hidden_states": torch.randn(2, tokens + 2, config.cross_attention_input_dim),
        "global_hidden_states": torch.randn(2, 1, config.global_states_input_dim),
    }
    axes = {"sample": {0: "batch", 2: "length"}, "timestep": {0: "batch"}, "encoder_hidden_states": {0: "batch", 1: "words"}}
    write_graph(out, "transformer", Denoiser(transformer), inputs, ["out_sample"], axes | {"global_hidden_states": {0: "batch"}})
    latents = torch.randn(1, config.in_channels, config.sample_size)
    write_graph(out, "vae_decoder", Decoder(vae), {"latent_sample": latents}, ["sample"], {"latent_sample": {2: "length"}})
    sound = torch.rand(1, vae.config.audio_channels, config.sample_size * vae.hop_length) * 2 - 1
    # Samples are whole latents: the exporter is told so by a multiple of their number.
    write_graph(out, "vae_encoder", Encoder(vae), {"sample": sound}, ["latent_parameters"], {"sample": {2: vae.hop_length * torch.export.Dim("length")}})


def write_configs(pipe, out):
    vae, scheduler = pipe.vae, pipe.scheduler
    # A latent is as many numbers as the denoiser has channels; nothing is scaled.
    latents = dict(latent_channels=pipe.transformer.config.in_channels, scaling_factor=1.0)
    for component in ("vae_decoder", "vae_encoder"):
        write_json(out / component / "config.json", config_of(vae, **latents))
    write_json(out / "transformer" / "config.json", config_of(pipe.transformer))
    write_json(out / "projection_model" / "config.json", config_of(pipe.projection_model))
    write_rest(pipe, out)


def export(pipe, out):
    write_graphs(pipe, out)
    write_configs(pipe, out)


if __name__ == "__main__":
    main(__doc__, StableAudioPipeline, export)
