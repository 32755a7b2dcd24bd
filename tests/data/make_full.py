"""Stable Diffusion 1.5 at full size with random weights, exported with optimum: a deployment to measure start-up, memory and speed on.

usage: nice python make_full.py OUT

For benchmarks only; the output (4.3 GB, the UNet's weights in unet/model.onnx_data) is not part of the repository. The pictures it makes
are noise. Takes five minutes, 9.5 GB of memory and up to 8 GB of disk. Needs requirements.txt; no network (HF_HUB_OFFLINE=1).
"""
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from deploy import SCALED_LINEAR, clip_tokenizer, export


def main():
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    torch.manual_seed(0)
    text = CLIPTextConfig(vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                          max_position_embeddings=77, projection_dim=768, hidden_act="quick_gelu",
                          bos_token_id=49406, eos_token_id=49407, pad_token_id=49407)
    vae = dict(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, scaling_factor=0.18215, sample_size=512,
               down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    # Every default of UNet2DConditionModel is Stable Diffusion 1's: (320, 640, 1280, 1280), two layers, eight heads.
    unet = dict(sample_size=64, cross_attention_dim=768)
    with tempfile.TemporaryDirectory() as tmp:
        tokenizer = clip_tokenizer(Path(tmp) / "tokenizer")
        pipeline = StableDiffusionPipeline(AutoencoderKL(**vae).eval(), CLIPTextModel(text).eval(), tokenizer, UNet2DConditionModel(**unet).eval(),
                                           PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, **SCALED_LINEAR),
                                           safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        export(pipeline, out)


if __name__ == "__main__":
    main()
