"""Exports an LTX-Video pipeline (diffusers) as a folder that edrun runs.

    python export.py MODEL OUT     MODEL: a folder or the name of a published pipeline; needs requirements.txt

text_encoder    token ids to states
transformer     `hidden_states [1, places, channels]`, frames outermost; `encoder_attention_mask` says which tokens are a text's; `video_coords
                [1, 3, places]` where each place lies: seconds, and pixels down and to the right -> velocity
vae_decoder     `latent_sample [1, channels, frames, height, width]`, and `timestep [1]` where the decoder takes out noise as well -> frames in -1..1
"""

import sys
from pathlib import Path

import torch
from diffusers import LTXPipeline
from torch import nn

sys.path.append(str(Path(__file__).parents[1] / "common"))
from dynamo import config_of, main, write_graph, write_json, write_rest, write_text_encoder

TOKENS = 128
FRAMES, HEIGHT, WIDTH = 3, 4, 6  # of the examples that graphs are exported with


class Velocity(nn.Module):
    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer

    def forward(self, hidden_states, timestep, encoder_hidden_states, encoder_attention_mask, video_coords):
        return self.transformer(
            hidden_states, encoder_hidden_states, timestep, encoder_attention_mask, video_coords=video_coords, return_dict=False)[0]


class Decoder(nn.Module):
    def __init__(self, vae):
        super().__init__()
        assert not any(vae.config.decoder_inject_noise), "a decoder that draws noise is not supported"
        self.vae = vae

    def forward(self, latent_sample, timestep=None):
        return self.vae.decode(latent_sample, timestep, return_dict=False)[0].clamp(-1.0, 1.0)


def write_transformer(transformer, out):
    config, places = transformer.config, FRAMES * HEIGHT * WIDTH
    given = {
        "hidden_states": torch.randn(1, places, config.in_channels), "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, TOKENS, config.caption_channels), "encoder_attention_mask": torch.ones(1, TOKENS, dtype=torch.int64),
        "video_coords": torch.rand(1, 3, places) * 20}
    # The class divides by the number of rows, which torch's exporter cannot follow: one row at a time.
    axes = {
        "hidden_states": {1: "places"}, "encoder_hidden_states": {1: "tokens"}, "encoder_attention_mask": {1: "tokens"}, "video_coords": {2: "places"}}
    write_graph(out, "transformer", Velocity(transformer), given, ["out_sample"], axes)
    write_json(out / "transformer/config.json", config_of(transformer))


def write_decoder(vae, out):
    given = {"latent_sample": torch.randn(1, vae.config.latent_channels, FRAMES, HEIGHT, WIDTH)}
    if vae.config.timestep_conditioning:
        given["timestep"] = torch.tensor([0.05])
    write_graph(out, "vae_decoder", Decoder(vae), given, ["sample"], {"latent_sample": {2: "frames", 3: "height", 4: "width"}})
    write_json(out / "vae_decoder/config.json", config_of(
        vae, spatial_compression_ratio=vae.spatial_compression_ratio, temporal_compression_ratio=vae.temporal_compression_ratio,
        latents_mean=vae.latents_mean.tolist(), latents_std=vae.latents_std.tolist()))


def export(pipe, out):
    write_text_encoder(pipe, out, TOKENS)
    write_transformer(pipe.transformer, out)
    write_decoder(pipe.vae, out)
    write_rest(pipe, out)


if __name__ == "__main__":
    main(__doc__, LTXPipeline, export)
