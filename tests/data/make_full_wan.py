"""The autoencoder of Wan 2.1 at full size with random weights, beside the small `wan` deployment's other components; for measuring memory.

usage: python make_full_wan.py VIDEO OUT     VIDEO: what video_families.py made; OUT is written, 300 MB, not kept
"""
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

EXPORT = Path(__file__).parents[2] / "onnx/export"
sys.path += [str(EXPORT / "common"), str(EXPORT / "wan")]
from causal import Decoder
from dynamo import config_of, write_graph, write_json
from export import Velocity, write_coder

torch.set_num_threads(1)


def transformer(out):
    """One layer over the latents' sixteen channels."""
    made = WanTransformer3DModel(num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16, text_dim=16, freq_dim=32, ffn_dim=32, num_layers=1,
                                 rope_max_seq_len=256).eval()
    given = {"hidden_states": torch.randn(2, 16, 3, 8, 10), "timestep": torch.tensor([500, 500]), "encoder_hidden_states": torch.randn(2, 512, 16)}
    axes = {"hidden_states": {0: "batch", 2: "frames", 3: "height", 4: "width"}, "timestep": {0: "batch"}, "encoder_hidden_states": {0: "batch", 1: "tokens"}}
    write_graph(out, "transformer", Velocity(made), given, ["out_sample"], axes)
    write_json(out / "transformer/config.json", config_of(made))


def main():
    torch.manual_seed(0)
    small, out = Path(sys.argv[1]) / "wan/model", Path(sys.argv[2])
    shutil.copytree(small, out, dirs_exist_ok=True)
    write_coder(out, "vae_decoder", Decoder(AutoencoderKLWan().eval()), "latent_sample", torch.randn(1, 16, 1, 8, 10), "sample")
    transformer(out)


if __name__ == "__main__":
    main()
