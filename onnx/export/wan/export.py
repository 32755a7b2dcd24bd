"""Exports a Wan 2.1 or 2.2 pipeline (diffusers) as a folder that edrun runs.

    python export.py MODEL OUT     MODEL: a folder or the name of a published pipeline, of words or of a picture; needs requirements.txt

text_encoder    token ids and which of them are a text's, to states; what is behind the text has to be zeroed, as the pipeline does
image_encoder   pixels to the states before the last layer (Wan 2.1 from a picture)
transformer     `hidden_states [batch, channels, frames, height, width]`, `timestep [batch]`, states -> velocity; from a picture the channels are
                those of the latent, four of a mask and those of the picture's latent
transformer_2   the same for the low noise levels (Wan 2.2)
vae_decoder     one latent frame a call -> frames in -1..1, with what it remembers (causal.py)
vae_encoder     the frames of one latent frame a call -> mean and logarithm of the variance (from a picture)
"""

import sys
from pathlib import Path

import torch
from diffusers import DiffusionPipeline
from torch import nn

sys.path.append(str(Path(__file__).parents[1] / "common"))
from causal import Decoder, Encoder
from dynamo import config_of, main, write_graph, write_json, write_rest, write_text_encoder

TOKENS = 512
SIDE = 8  # latents of the examples that graphs are exported with
PIXELS, FRAMES = 8, 4  # pixels and frames that a latent stands for


class Velocity(nn.Module):
    def __init__(self, transformer):
        super().__init__()
        self.transformer = transformer

    def forward(self, hidden_states, timestep, encoder_hidden_states, encoder_hidden_states_image=None):
        if self.transformer.config.pos_embed_seq_len is not None:
            # First and last frame; the class wants them as two rows.
            seen = encoder_hidden_states_image
            encoder_hidden_states_image = seen.reshape(-1, seen.shape[1] // 2, seen.shape[2])
        return self.transformer(hidden_states, timestep, encoder_hidden_states, encoder_hidden_states_image, return_dict=False)[0]


class Seen(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, pixel_values):
        return self.encoder(pixel_values, output_hidden_states=True).hidden_states[-2]


def write_transformer(pipe, out, name):
    transformer = getattr(pipe, name, None)
    if transformer is None:
        return
    config = transformer.config
    given = {
        "hidden_states": torch.randn(2, config.in_channels, 3, SIDE, SIDE + 2), "timestep": torch.tensor([500, 500]),
        "encoder_hidden_states": torch.randn(2, TOKENS, config.text_dim)}
    axes = {"hidden_states": {0: "batch", 2: "frames", 3: "height", 4: "width"}, "timestep": {0: "batch"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    if config.image_dim is not None:
        seen = pipe.image_encoder.config
        patches = ((seen.image_size // seen.patch_size) ** 2 + 1) * (1 if config.pos_embed_seq_len is None else 2)
        given["encoder_hidden_states_image"] = torch.randn(2, patches, seen.hidden_size)
        axes["encoder_hidden_states_image"] = {0: "batch"}
    write_graph(out, name, Velocity(transformer), given, ["out_sample"], axes)
    write_json(out / name / "config.json", config_of(transformer))


def write_coder(out, component, coder, name, given, made):
    states = coder.states(given)
    inputs = {name: given} | states
    spatial = {3: "height", 4: "width"}
    axes = {key: {axis: f"{of}.{key}" for axis, of in spatial.items()} for key in inputs if key != "past.0"}
    outputs = [made] + [key.replace("past", "present") for key in states]
    write_graph(out, component, coder, inputs, outputs, axes)
    # How many of a state's pixels lie along one latent's side.
    side = given.shape[-1] if component == "vae_decoder" else given.shape[-1] // PIXELS
    scales = [state.shape[-1] // side if state.dim() == 5 else 0 for state in states.values()]
    write_json(out / component / "config.json", config_of(coder.vae, past=scales))


def export(pipe, out):
    write_text_encoder(pipe, out, TOKENS)
    for name in "transformer", "transformer_2":
        write_transformer(pipe, out, name)
    latents = pipe.vae.config.z_dim
    write_coder(out, "vae_decoder", Decoder(pipe.vae), "latent_sample", torch.randn(1, latents, 1, SIDE, SIDE + 2), "sample")
    if "Image" in type(pipe).__name__:
        pixels = torch.randn(1, 3, FRAMES, SIDE * PIXELS, (SIDE + 2) * PIXELS)
        write_coder(out, "vae_encoder", Encoder(pipe.vae), "sample", pixels, "latent_parameters")
    if getattr(pipe, "image_encoder", None) is not None:
        side = pipe.image_encoder.config.image_size
        write_graph(out, "image_encoder", Seen(pipe.image_encoder), {"pixel_values": torch.randn(1, 3, side, side)}, ["hidden_states"], {})
        pipe.image_processor.save_pretrained(out / "image_processor")
    write_rest(pipe, out, boundary_ratio=pipe.config.boundary_ratio)


if __name__ == "__main__":
    main(__doc__, DiffusionPipeline, export)
