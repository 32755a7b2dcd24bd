"""Exports an AnimateDiff pipeline (diffusers): Stable Diffusion 1 with a motion adapter in its UNet.

    python export.py BASE ADAPTER OUT     folders or names of published models; needs requirements.txt

text_encoder    token ids to states
unet            `sample [batch, channels, frames, height, width]`, `timestep [batch]`, states -> noise
vae_decoder     pictures, one a frame
"""

import argparse
import sys
from pathlib import Path

import torch
from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter
from torch import nn

sys.path.append(str(Path(__file__).parents[1] / "common"))
from dynamo import Decoder, config_of, write_graph, write_json, write_rest

FRAMES, SIDE = 4, 8  # of the examples that graphs are exported with


class Words(nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids):
        return self.encoder(input_ids, return_dict=True).last_hidden_state


class Noise(nn.Module):
    def __init__(self, unet):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, encoder_hidden_states):
        # The class wants the text once for each frame.
        words = encoder_hidden_states.repeat_interleave(sample.shape[2], dim=0)
        return self.unet(sample, timestep, words, return_dict=False)[0]


def export(pipe, out):
    ids = pipe.tokenizer(["a red cube", ""], padding="max_length", return_tensors="pt").input_ids
    write_graph(out, "text_encoder", Words(pipe.text_encoder), {"input_ids": ids}, ["last_hidden_state"], {"input_ids": {0: "batch"}})
    config = pipe.unet.config
    given = {
        "sample": torch.randn(2, config.in_channels, FRAMES, SIDE, SIDE + 2), "timestep": torch.tensor([500, 500]),
        "encoder_hidden_states": torch.randn(2, ids.shape[1], config.cross_attention_dim)}
    axes = {"sample": {0: "batch", 2: "frames", 3: "height", 4: "width"}, "timestep": {0: "batch"}, "encoder_hidden_states": {0: "batch"}}
    # The dynamo exporter repeats texts and times over the frames of the example only.
    write_graph(out, "unet", Noise(pipe.unet), given, ["out_sample"], axes, traced=True)
    write_json(out / "unet/config.json", config_of(pipe.unet))
    latents = {"latent_sample": torch.randn(2, pipe.vae.config.latent_channels, SIDE, SIDE + 2)}
    write_graph(out, "vae_decoder", Decoder(pipe.vae), latents, ["sample"], {"latent_sample": {0: "batch", 2: "height", 3: "width"}})
    write_json(out / "vae_decoder/config.json", config_of(pipe.vae))
    write_rest(pipe, out)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument("base")
    args.add_argument("adapter")
    args.add_argument("out", type=Path)
    args = args.parse_args()
    pipe = AnimateDiffPipeline.from_pretrained(args.base, motion_adapter=MotionAdapter.from_pretrained(args.adapter))
    # What the adapters were trained with.
    pipe.scheduler = DDIMScheduler(beta_schedule="linear", steps_offset=1, clip_sample=False)
    export(pipe, args.out)


if __name__ == "__main__":
    main()
