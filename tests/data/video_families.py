"""Make small deployments of the video families, and what diffusers' pipelines make of them.

usage: python video_families.py OUT [wan wan-i2v wan22 ltx animatediff]

For each, OUT/NAME/model is exported by onnx/export; what equals the model of `wan` is left out of the others of its kind. Beside it lie
    case.json           the request
    final_latents.npy   the latents before decoding, float32 [channels, frames, height, width]
    frames.npy          what comes out, 8 bits, [frames, height, width, 3]
    image.png           the picture it starts from, where it does; also last.png, and first_last.npy, what the network is told of both, behind the latent

Real architectures at toy width with random weights; needs requirements.txt, no network.
"""
import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
import diffusers
import numpy as np
import torch
from diffusers import (
    AnimateDiffPipeline, AutoencoderKL, AutoencoderKLLTXVideo, AutoencoderKLWan, DDIMScheduler, FlowMatchEulerDiscreteScheduler, LTXPipeline,
    LTXVideoTransformer3DModel, MotionAdapter, UNet2DConditionModel, UniPCMultistepScheduler, WanImageToVideoPipeline, WanPipeline, WanTransformer3DModel)
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPImageProcessor, CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel, T5Config, T5EncoderModel, T5TokenizerFast, UMT5Config, UMT5EncoderModel)

from deploy import clip_tokenizer
from make_models import shorten

EXPORT = Path(__file__).parents[2] / "onnx/export"
sys.path.append(str(EXPORT / "common"))
diffusers.utils.logging.set_verbosity_error()
torch.set_num_threads(1)

WORDS = "a red blue green cube ball cat dog runs falls on the table quickly slowly bright dark photo of with and in".split()
CASE = dict(prompt="a red cube falls on the table", negative_prompt="dark", width=32, height=48, frames=9, steps=4, guidance=3.0, seed=7)


def exporter(name):
    """The module onnx/export/NAME/export.py; every family has one of that name."""
    import importlib.util

    sys.path.insert(0, str(EXPORT / name))
    spec = importlib.util.spec_from_file_location(f"export_{name}", EXPORT / name / "export.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(EXPORT / name))
    return module


def sentence_pieces(length):
    """A tokenizer of T5's kind: pieces with costs, an end marker behind the text."""
    letters = [chr(c) for c in range(33, 127)]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(f"▁{word}", -4.0 - i / 10) for i, word in enumerate(WORDS) if len(word) > 0] + [(letter, -9.0) for letter in letters]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.normalizer = normalizers.Replace(normalizers_pattern(), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    return T5TokenizerFast(tokenizer_object=tokenizer, model_max_length=length, extra_ids=0, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def normalizers_pattern():
    from tokenizers import Regex

    return Regex(" {2,}")


def words(kind, config, tokenizer, width):
    made = kind(config(vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=16, num_layers=2, num_heads=2, relative_attention_num_buckets=8,
                       relative_attention_max_distance=16, feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1)).eval()
    # Random weights of the default size say nearly the same of all texts.
    made.get_input_embeddings().weight.data.normal_(0, 4.0)
    return made


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width]
    planes = [x * 255 // width, y * 255 // height, 128 + 127 * np.sin(x / 3) * np.cos(y / 4)]
    return Image.fromarray(np.stack(planes, axis=-1).astype("uint8"))


def wan_transformer(**more):
    return WanTransformer3DModel(patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, out_channels=4, text_dim=16, freq_dim=32,
                                 ffn_dim=32, num_layers=2, cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
                                 **{"in_channels": 4} | more).eval()


def wan_vae():
    mean, std = [-0.7, 0.2, 0.5, -0.3], [2.8, 1.4, 1.2, 2.3]
    vae = AutoencoderKLWan(base_dim=4, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True], latents_mean=mean,
                           latents_std=std).eval()
    return contrasted(vae)


def contrasted(vae):
    """Random weights give a grey fog; the last layers are scaled so that frames have colours."""
    last = vae.decoder.conv_out
    getattr(last, "conv", last).weight.data *= 2.0
    return vae


def wan_parts(tokens=512):
    torch.manual_seed(1)
    tokenizer = sentence_pieces(tokens)
    return dict(tokenizer=tokenizer, text_encoder=words(UMT5EncoderModel, UMT5Config, tokenizer, 16), vae=wan_vae(), transformer=wan_transformer(),
                scheduler=UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0))


def wan():
    return WanPipeline(**wan_parts()), dict(CASE)


def wan22():
    return WanPipeline(**wan_parts(), transformer_2=wan_transformer(), boundary_ratio=0.875), dict(CASE, guidance_2=4.0, steps=6)


def wan_i2v():
    parts = wan_parts()
    vision = CLIPVisionModel(CLIPVisionConfig(hidden_size=8, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2, image_size=28, patch_size=14)).eval()
    processor = CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    parts["transformer"] = wan_transformer(in_channels=12, image_dim=8, added_kv_proj_dim=24)
    return WanImageToVideoPipeline(image_encoder=vision, image_processor=processor, **parts), dict(CASE, image=True)


def ltx():
    torch.manual_seed(4)
    tokenizer = sentence_pieces(128)
    transformer = LTXVideoTransformer3DModel(in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=12, cross_attention_dim=24, num_layers=2,
                                             caption_channels=16).eval()
    stages = dict(block_out_channels=(4,) * 4, decoder_block_out_channels=(4,) * 4, layers_per_block=(1,) * 5, decoder_layers_per_block=(1,) * 5,
                  spatio_temporal_scaling=(True, True, False, False), decoder_spatio_temporal_scaling=(True, True, False, False))
    vae = AutoencoderKLLTXVideo(latent_channels=4, patch_size=2, decoder_inject_noise=(False,) * 5, timestep_conditioning=True, **stages).eval()
    vae.latents_mean.copy_(torch.tensor([-0.2, 0.1, 0.3, 0.0]))
    vae.latents_std.copy_(torch.tensor([1.5, 0.8, 1.1, 2.0]))
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05, base_image_seq_len=1024, max_image_seq_len=4096,
                                                shift_terminal=0.1)
    pipe = LTXPipeline(scheduler=scheduler, vae=contrasted(vae), text_encoder=words(T5EncoderModel, T5Config, tokenizer, 16), tokenizer=tokenizer,
                       transformer=transformer)
    return pipe, dict(CASE, width=32, height=64, fps=8, decode_timestep=0.05, decode_noise_scale=0.025)


def animatediff():
    torch.manual_seed(5)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = clip_tokenizer(Path(folder), 20)
    end = tokenizer.eos_token_id
    words = CLIPTextModel(CLIPTextConfig(vocab_size=len(tokenizer), hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
                                         bos_token_id=end - 1, eos_token_id=end, pad_token_id=end)).eval()
    blocks = dict(block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, cross_attention_dim=8)
    unet = UNet2DConditionModel(down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), sample_size=8,
                                attention_head_dim=2, **blocks)
    motion = MotionAdapter(block_out_channels=(4, 8), motion_layers_per_block=1, motion_norm_num_groups=2, motion_num_attention_heads=2,
                           motion_max_seq_length=16)
    for name, value in motion.named_parameters():
        # Published adapters begin as the identity; these move something.
        if "proj_out" in name:
            value.data.normal_(0, 0.2)
    vae = AutoencoderKL(block_out_channels=(4, 8), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4,
                        layers_per_block=1, norm_num_groups=2, sample_size=16).eval()
    scheduler = DDIMScheduler(beta_schedule="linear", steps_offset=1, clip_sample=False)
    pipe = AnimateDiffPipeline(vae=vae, text_encoder=words, tokenizer=tokenizer, unet=unet, motion_adapter=motion, scheduler=scheduler)
    pipe.unet.eval()
    return pipe, dict(CASE, width=32, height=48, frames=6)


FAMILIES = {"ltx": (ltx, "ltx"), "animatediff": (animatediff, "animatediff"), "wan": (wan, "wan"), "wan22": (wan22, "wan"), "wan-i2v": (wan_i2v, "wan")}


def asked(case):
    named = dict(prompt="prompt", negative_prompt="negative_prompt", width="width", height="height", frames="num_frames", steps="num_inference_steps",
                 guidance="guidance_scale", guidance_2="guidance_scale_2", fps="frame_rate",
                 decode_timestep="decode_timestep", decode_noise_scale="decode_noise_scale")
    return {named[key]: value for key, value in case.items() if key in named}


@torch.no_grad()
def golden(pipe, case, out):
    """Final latents, and frames; in two calls, as a pipeline gives the one or the other."""
    more = {"image": picture(case["width"], case["height"])} if case.get("image") else {}
    pipe.set_progress_bar_config(disable=True)
    seen = []

    def keep(_, __, ___, values):
        seen.append(values["latents"])
        return values

    frames = pipe(**asked(case), **more, generator=torch.Generator().manual_seed(case["seed"]), output_type="np", callback_on_step_end=keep).frames[0]
    latents = seen[-1]
    if latents.dim() == 3:
        latents = unpacked(pipe, latents, case)
    latents = latents[0].float().numpy()
    out.mkdir(parents=True, exist_ok=True)
    if more:
        ends(pipe, case, more["image"], out)
    np.save(out / "final_latents.npy", latents)
    np.save(out / "frames.npy", (frames * 255).round().astype("uint8"))
    (out / "case.json").write_text(json.dumps(case, indent=1) + "\n")
    print(f"{out.name}: latents {latents.shape} std {latents.std():.2f} max {abs(latents).max():.2f}, frames {frames.shape} std {frames.std():.3f} "
          f"{frames.min():.2f}..{frames.max():.2f}, change {np.abs(np.diff(frames, axis=0)).mean():.3f}", flush=True)


def ends(pipe, case, first, out):
    last = first.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    first.save(out / "image.png", optimize=True)
    last.save(out / "last.png", optimize=True)
    size = dict(height=case["height"], width=case["width"])
    pixels = [pipe.video_processor.preprocess(image, **size) for image in (first, last)]
    told = pipe.prepare_latents(pixels[0], 1, pipe.vae.config.z_dim, num_frames=case["frames"], dtype=torch.float32, device="cpu",
                                generator=torch.Generator().manual_seed(0), last_image=pixels[1], **size)[1]
    np.save(out / "first_last.npy", told[0].numpy())


def unpacked(pipe, latents, case):
    frames = (case["frames"] - 1) // pipe.vae_temporal_compression_ratio + 1
    height, width = (case[side] // pipe.vae_spatial_compression_ratio for side in ("height", "width"))
    return pipe._unpack_latents(latents, frames, height, width)


def leave_out(folder, known):
    for file in [file for file in folder.rglob("*") if file.is_file()]:
        same = known / file.relative_to(folder)
        if same.is_file() and same.read_bytes() == file.read_bytes():
            file.unlink()
    for empty in sorted(folder.rglob("*"), reverse=True):
        if empty.is_dir() and not any(empty.iterdir()):
            empty.rmdir()


def main():
    for name in sys.argv[2:] or FAMILIES:
        make, recipe = FAMILIES[name]
        out = Path(sys.argv[1]) / name
        pipe, case = make()
        golden(pipe, case, out)
        exporter(recipe).export(pipe, out / "model")
        shorten(out / "model")
        if name.startswith("wan") and name != "wan":
            leave_out(out / "model", Path(sys.argv[1]) / "wan/model")


if __name__ == "__main__":
    main()
