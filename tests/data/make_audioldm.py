"""Make a small AudioLDM deployment, and what diffusers' pipeline makes of it.

usage: python make_audioldm.py OUT     writes OUT/model, exported by onnx/export/audioldm/export.py, and beside it, for each of REQUESTS,
                                       the latents and the waveform

Real architectures at toy width with random weights; needs requirements.txt, no network.
"""
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
import torch
from diffusers import AudioLDMPipeline, AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer
from transformers import ClapTextConfig, ClapTextModelWithProjection, PreTrainedTokenizerFast, SpeechT5HifiGan, SpeechT5HifiGanConfig

sys.path[:0] = [str(Path(__file__).parents[2] / "onnx/export" / room) for room in ("common", "audioldm")]
from deploy import SCALED_LINEAR
from export import export
from toys import write
from words import END, PAD, START, train_tokenizer

TOKENS, EMBEDDING, BANDS = 16, 16, 8
TEXTS = ["techno music with a strong beat", "a hammer hitting a wooden surface", "low quality"]
REQUESTS = {
    "plain": dict(prompt="a hammer hitting a wooden surface", seconds=None, negative=None, seed=7),
    # Not a whole number of frames.
    "asked": dict(prompt="techno music", seconds=0.0235, negative="low quality", seed=8),
}
STEPS, SCALE = 5, 2.5


def tokenizer(folder):
    train_tokenizer(TEXTS, folder / "tokenizer.json", 280)
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(folder / "tokenizer.json")), pad_token=PAD, bos_token=START, eos_token=END, model_max_length=TOKENS)


def pipeline(folder):
    words = tokenizer(folder)
    torch.manual_seed(6)
    text = ClapTextModelWithProjection(ClapTextConfig(
        vocab_size=len(words), hidden_size=12, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=24,
        projection_dim=EMBEDDING, pad_token_id=0, bos_token_id=1, eos_token_id=2)).eval()
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=16, in_channels=4, out_channels=4, norm_num_groups=4, cross_attention_dim=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4, class_embed_type="simple_projection", projection_class_embeddings_input_dim=EMBEDDING, class_embeddings_concat=True).eval()
    vae = AutoencoderKL(
        block_out_channels=(4, 8), in_channels=1, out_channels=1, down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4, norm_num_groups=4, scaling_factor=0.9).eval()
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(
        model_in_dim=BANDS, sampling_rate=8000, upsample_initial_channel=8, upsample_rates=[2, 4], upsample_kernel_sizes=[4, 8],
        resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1, 3]], normalize_before=False)).eval()
    # As they are drawn, the toy is silent.
    for weight in vocoder.parameters():
        torch.nn.init.normal_(weight, std=0.25)
    scheduler = DDIMScheduler(**(SCALED_LINEAR | {"beta_end": 0.0195, "beta_start": 0.0015}), clip_sample=False, set_alpha_to_one=False)
    return AudioLDMPipeline(vae, text, words, unet, scheduler, vocoder)


@torch.no_grad()
def golden(pipe):
    kept, values = {}, {}
    for name, asked in REQUESTS.items():
        sound = pipe(
            asked["prompt"], audio_length_in_s=asked["seconds"], negative_prompt=asked["negative"], num_inference_steps=STEPS, guidance_scale=SCALE,
            generator=torch.Generator().manual_seed(asked["seed"]), output_type="pt", callback=lambda step, time, x: kept.update(x=x)).audios[0]
        values[f"{name}_latents"], values[f"{name}_sound"] = kept["x"][0], sound
        print(name, "latents", kept["x"].shape, kept["x"].std(), "sound", sound.shape, sound.abs().max())
    return {name: value.numpy() for name, value in values.items()}


if __name__ == "__main__":
    write(Path(sys.argv[1]), pipeline, golden, export)
