"""Make the small deployments that the end-to-end tests run: real architectures at toy width, random weights, a short CLIP vocabulary.

usage: python make_models.py OUT [name ...]

sd15        Stable Diffusion 1 as optimum exports it: PNDM, eps prediction, VAE of factor 8
sd15-fp16   the same weights in half precision, half at the graphs' boundary too (optimum, pipeline in float16)
sd21v       Stable Diffusion 2.1: DDIM, v-prediction, linear projections, a head count per block, padding with "!", VAE of factor 4
lcm         a latent consistency model: timestep_cond, LCM scheduler, VAE of factor 2
legacy      sd15's weights in the layout of diffusers' first ONNX exports: input_ids int32, timestep int64 [batch], unet/weights.pb beside the graph,
            an encoder that draws its sample, no config.json beside the graphs

Needs requirements.txt, no network. After the export the names of values inside the graphs are shortened, which halves them. The same versions give the same files; other versions of the exporter may give other bytes, then
golden.py has to run again too.
"""
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
import onnx
import torch
from diffusers import AutoencoderKL, DDIMScheduler, LCMScheduler, LatentConsistencyModelPipeline, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from deploy import SCALED_LINEAR, clip_tokenizer, export

MERGES = 600
ALL = ["sd15", "sd15-fp16", "sd21v", "lcm", "legacy"]


def text_encoder(tokenizer, act="quick_gelu"):
    end = tokenizer.eos_token_id
    return CLIPTextModel(CLIPTextConfig(vocab_size=len(tokenizer), hidden_size=8, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
                                        max_position_embeddings=77, projection_dim=8, hidden_act=act, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end)).eval()


def vae(channels, contrast=1.2):
    n = len(channels)
    model = AutoencoderKL(block_out_channels=channels, layers_per_block=1, latent_channels=4, norm_num_groups=4, scaling_factor=0.18215, sample_size=64,
                          down_block_types=["DownEncoderBlock2D"] * n, up_block_types=["UpDecoderBlock2D"] * n).eval()
    model.decoder.conv_out.weight.data *= contrast  # random weights paint grey on grey; this uses the range
    return model


def unet(sample_size, **kw):
    model = UNet2DConditionModel(**{**dict(sample_size=sample_size, block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1, in_channels=4, out_channels=4,
                                           down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                                           cross_attention_dim=8, attention_head_dim=2), **kw}).eval()
    for name, p in model.named_parameters():  # so that the prompt is seen in the picture
        if "attn2.to_" in name and p.dim() == 2:
            p.data *= 4
    return model


def build(name, folder):
    tokenizer = clip_tokenizer(folder / "tokenizer", MERGES)
    none = dict(safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    if name == "sd15":
        scheduler = PNDMScheduler(skip_prk_steps=True, set_alpha_to_one=False, **SCALED_LINEAR)
        return StableDiffusionPipeline(vae((4, 4, 4, 8)), text_encoder(tokenizer), tokenizer, unet(8), scheduler, **none)
    if name == "sd21v":
        tokenizer.pad_token = "!"
        scheduler = DDIMScheduler(prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, **SCALED_LINEAR)
        model = unet(16, use_linear_projection=True, attention_head_dim=(2, 4), block_out_channels=(8, 16))
        return StableDiffusionPipeline(vae((4, 4, 8)), text_encoder(tokenizer, "gelu"), tokenizer, model, scheduler, **none)
    if name == "lcm":
        scheduler = LCMScheduler(original_inference_steps=50, clip_sample=False, set_alpha_to_one=True, **SCALED_LINEAR)
        return LatentConsistencyModelPipeline(vae((4, 8)), text_encoder(tokenizer), tokenizer, unet(16, time_cond_proj_dim=16), scheduler, **none)
    raise SystemExit(f"unknown model {name}, known: {', '.join(ALL)}")


class Call(torch.nn.Module):
    """A module whose forward is the given function, for export."""

    def __init__(self, module, function):
        super().__init__()
        self.module, self.function = module, function

    def forward(self, *inputs):
        return self.function(self.module, *inputs)


def export_legacy(pipe, folder):
    size, ids = pipe.unet.config.sample_size, torch.ones(1, 77, dtype=torch.int32)
    latents, pixels = torch.randn(2, 4, size, size), torch.randn(2, 3, 8 * size, 8 * size)
    text = torch.randn(2, 77, pipe.unet.config.cross_attention_dim)
    image = {0: "batch", 1: "channels", 2: "height", 3: "width"}
    result = {"unet": image, "vae_encoder": {**image, 2: "latent_height", 3: "latent_width"}, "vae_decoder": {**image, 2: "pixel_height", 3: "pixel_width"}}
    graphs = {
        "text_encoder": (pipe.text_encoder, lambda m, i: tuple(m(i, return_dict=False)[:2]), (ids,), {"input_ids": {0: "batch", 1: "sequence"}},
                         ["last_hidden_state", "pooler_output"]),
        "unet": (pipe.unet, lambda m, x, t, e: m(x, t, e, return_dict=False)[0], (latents, torch.tensor([0, 1]), text),
                 {"sample": image, "timestep": {0: "batch"}, "encoder_hidden_states": {0: "batch", 1: "sequence"}}, ["out_sample"]),
        "vae_encoder": (pipe.vae, lambda m, x: m.encode(x, return_dict=False)[0].sample(), (pixels,), {"sample": image}, ["latent_sample"]),
        "vae_decoder": (pipe.vae, lambda m, z: m.decode(z, return_dict=False)[0], (latents,), {"latent_sample": image}, ["sample"]),
    }
    for name, (module, function, inputs, axes, outputs) in graphs.items():
        path = folder / name / "model.onnx"
        path.parent.mkdir(parents=True)
        with torch.no_grad():
            torch.onnx.export(Call(module, function), inputs, str(path), input_names=list(axes), output_names=outputs,
                              dynamic_axes={**axes, outputs[0]: result.get(name, {0: "batch", 1: "sequence"})}, opset_version=14, dynamo=False)
        if name == "unet":
            graph = onnx.load(path)
            path.unlink()
            onnx.save_model(graph, path, save_as_external_data=True, all_tensors_to_one_file=True, location="weights.pb", size_threshold=0, convert_attribute=False)
    pipe.scheduler.save_pretrained(folder / "scheduler")
    pipe.tokenizer.save_pretrained(folder / "tokenizer")
    part = ["diffusers", "OnnxRuntimeModel"]
    index = {"_class_name": "OnnxStableDiffusionPipeline", "_diffusers_version": "0.14.0", "feature_extractor": [None, None], "requires_safety_checker": False,
             "safety_checker": [None, None], "scheduler": ["diffusers", type(pipe.scheduler).__name__], "text_encoder": part,
             "tokenizer": ["transformers", "CLIPTokenizer"], "unet": part, "vae_decoder": part, "vae_encoder": part}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def shorten(folder):
    """Give what is inside the graphs short names: half of a toy graph is names. Inputs, outputs, weights and the operations stay as they are."""
    for path in folder.rglob("*.onnx"):
        model = onnx.load(path, load_external_data=False)
        names = {t.name: t.name for t in list(model.graph.input) + list(model.graph.output) + list(model.graph.initializer)}
        names[""] = ""

        def rename(graph):
            for node in graph.node:
                node.name = node.doc_string = ""
                node.ClearField("metadata_props")
                for i, name in enumerate(node.input):
                    node.input[i] = names.get(name, name)
                for i, name in enumerate(node.output):
                    node.output[i] = names.setdefault(name, f"v{len(names)}")
                for attribute in node.attribute:
                    if attribute.HasField("g"):
                        rename(attribute.g)
            for out in graph.output:
                out.name = names.get(out.name, out.name)

        rename(model.graph)
        for value in model.graph.value_info, model.graph.input, model.graph.output, model.graph.initializer:
            for one in value:
                one.ClearField("metadata_props")
        model.graph.ClearField("value_info")
        model.graph.ClearField("metadata_props")
        onnx.checker.check_model(model, full_check=False) if not (path.parent / "weights.pb").exists() else None
        path.write_bytes(model.SerializeToString(deterministic=True))


def main():
    out = Path(sys.argv[1])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as tmp:
        for name in sys.argv[2:] or ALL:
            torch.manual_seed(20)
            pipe = build("sd15" if name in ("legacy", "sd15-fp16") else name, Path(tmp) / name)
            part = out / (name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            if name == "legacy":
                export_legacy(pipe, part)
            else:
                export(pipe.to(torch.float16) if name == "sd15-fp16" else pipe, part)
            shorten(part)
            for f in part.rglob("*"):
                f.chmod(0o755 if f.is_dir() else 0o644)
            shutil.rmtree(out / name, ignore_errors=True)
            part.rename(out / name)
            print(f"{name}: {sum(f.stat().st_size for f in (out / name).rglob('*') if f.is_file()) // 1024} KB", flush=True)


if __name__ == "__main__":
    main()
