"""Reference results of the deployments in models/, from optimum's ONNX Runtime pipelines (for legacy: diffusers' OnnxStableDiffusionPipeline).

usage: python golden.py MODELS OUT [NAME-CASE ...]

For each case OUT/NAME-CASE holds
    case.json           the request, the scheduler's configuration, its timesteps
    final_latents.npy   the latents before decoding, float32 (count, 4, h, w); for half-precision models widened
    image-N.png         picture N, 8 bits, rounded from 0..1 (a port may differ by 1)
    image.npy           the pictures as float32 in 0..1, (count, height, width, 3), where `keep` asks for them

"sampler" and "schedule" are edrun's names of the class in "scheduler"; absent means the folder's own scheduler. Picture k of a case is drawn with seed + k,
each from a torch.Generator('cpu') of its own, which also gives the noise of its steps; "rng": "numpy" draws the initial noise from
numpy.random.RandomState(seed) instead. "init" is the case whose picture the run starts from, "mask" (left, top, right, bottom) the rectangle of it
that is made anew, kept as mask.png.
"""
import json
import os
import shutil
import sys
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
warnings.simplefilter("ignore")
import diffusers
import numpy as np
import onnxruntime
import torch
from PIL import Image

diffusers.utils.logging.set_verbosity_error()
torch.set_num_threads(1)

BASE = dict(prompt="a photo of a red cube on a wooden table", steps=6, guidance=5.0, seed=7, height=64, width=64)
SAMPLERS = {"ddim": "DDIMScheduler", "ddpm": "DDPMScheduler", "euler": "EulerDiscreteScheduler", "euler-a": "EulerAncestralDiscreteScheduler",
            "heun": "HeunDiscreteScheduler", "pndm": "PNDMScheduler", "dpmpp-2m": "DPMSolverMultistepScheduler", "lcm": "LCMScheduler"}
CASES = {
    "sd15": {
        "default": dict(keep=True),
        "ddim": dict(sampler="ddim"),
        "ddpm": dict(sampler="ddpm"),
        "euler": dict(sampler="euler"),
        "euler-a": dict(sampler="euler-a"),
        "heun": dict(sampler="heun", steps=4),
        "pndm": dict(sampler="pndm", steps=8),
        "lcm": dict(sampler="lcm", steps=4),
        "dpmpp-2m": dict(sampler="dpmpp-2m"),
        "dpmpp-karras": dict(sampler="dpmpp-2m", schedule="karras", steps=8),
        "euler-karras": dict(sampler="euler", schedule="karras"),
        "negative": dict(negative_prompt="blurry, low quality", height=96, width=64),
        "nocfg": dict(guidance=1.0),
        "longprompt": dict(prompt="a very long description of a scene " * 20, sampler="euler", steps=4),
        "img2img": dict(init="sd15-default", strength=0.6, sampler="euler", steps=10),
        "img2img-dpmpp": dict(init="sd15-default", strength=0.75, sampler="dpmpp-2m", steps=8, count=2),
        "img2img-euler-a": dict(init="sd15-default", sampler="euler-a", height=96, width=64),
        "img2img-heun": dict(init="sd15-default", strength=0.5, sampler="heun", steps=8),
        "img2img-ddpm": dict(init="sd15-default", strength=0.5, sampler="ddpm", steps=8),
        "inpaint": dict(init="sd15-default", mask=[8, 24, 40, 64], sampler="euler"),
        "inpaint-late": dict(init="sd15-default", mask=[0, 0, 32, 64], strength=0.6, sampler="euler-a", steps=10),
        "count-seed8": dict(seed=8, count=3, sampler="euler-a", steps=4),
    },
    "sd21v": {"default": {}, "euler": dict(sampler="euler"), "dpmpp-2m": dict(sampler="dpmpp-2m")},
    "lcm": {"default": dict(steps=4, guidance=8.5, keep=True), "img2img": dict(init="lcm-default", strength=0.5, steps=4, guidance=8.5)},
    "legacy": {"default": {}, "numpy": dict(rng="numpy"), "ddim": dict(sampler="ddim", negative_prompt="blurry")},
    "sd15-fp16": {"default": {}, "euler": dict(sampler="euler")},
}


def swap(pipe, case):
    if "sampler" in case:
        extra = {f"use_{case['schedule']}_sigmas": True} if "schedule" in case else {}
        pipe.scheduler = getattr(diffusers, SAMPLERS[case["sampler"]]).from_config(pipe.scheduler.config, **extra)


def options():
    o = onnxruntime.SessionOptions()
    o.intra_op_num_threads = 1
    o.log_severity_level = 3
    return o


def given(case, out):
    """The task that makes a case, and what it takes beside the prompt."""
    from optimum.onnxruntime import ORTDiffusionPipeline, ORTPipelineForImage2Image, ORTPipelineForInpainting

    size = dict(height=case["height"], width=case["width"])
    if "init" not in case:
        return ORTDiffusionPipeline, size
    start = dict(image=Image.open(out / case["init"] / "image-0.png"), **({"strength": case["strength"]} if "strength" in case else {}))
    if "mask" in case:
        mask = Image.new("L", start["image"].size)
        mask.paste(255, case["mask"])
        return ORTPipelineForInpainting, dict(**start, mask_image=mask, **size)
    start["image"] = start["image"].resize((case["width"], case["height"]), Image.LANCZOS)
    return ORTPipelineForImage2Image, start


def run(folder, case, out):
    task, start = given(case, out)
    pipe = task.from_pretrained(folder, local_files_only=True, session_options=options())
    swap(pipe, case)
    pipe.set_progress_bar_config(disable=True)
    trace = []

    def seen(_, __, t, kw):
        trace.append((float(t), kw["latents"].float().numpy().copy()))
        return kw

    count = case.get("count", 1)
    generators = [torch.Generator("cpu").manual_seed(case["seed"] + k) for k in range(count)]
    more = {"negative_prompt": case["negative_prompt"]} if "negative_prompt" in case else {}
    images = pipe(prompt=case["prompt"], num_inference_steps=case["steps"], guidance_scale=case["guidance"], **start,
                  num_images_per_prompt=count, generator=generators, output_type="np", callback_on_step_end=seen, **more).images
    return pipe, [t for t, _ in trace], trace[-1][1], images


def run_legacy(folder, case):
    import onnxruntime as ort
    from diffusers import OnnxRuntimeModel, OnnxStableDiffusionPipeline
    from transformers import CLIPTokenizer

    part = lambda name: OnnxRuntimeModel(ort.InferenceSession(folder / name / "model.onnx", options(), providers=["CPUExecutionProvider"]))
    file = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    pipe = OnnxStableDiffusionPipeline(part("vae_encoder"), part("vae_decoder"), part("text_encoder"), CLIPTokenizer.from_pretrained(folder / "tokenizer"),
                                       part("unet"), getattr(diffusers, file["_class_name"]).from_config(file), None, None, requires_safety_checker=False)
    swap(pipe, case)
    pipe.set_progress_bar_config(disable=True)
    shape = (1, 4, case["height"] // 8, case["width"] // 8)
    if case.get("rng") == "numpy":
        start = dict(generator=np.random.RandomState(case["seed"]))
    else:
        start = dict(latents=torch.randn(shape, generator=torch.Generator("cpu").manual_seed(case["seed"])).numpy())
    trace = []
    images = pipe(case["prompt"], height=case["height"], width=case["width"], num_inference_steps=case["steps"], guidance_scale=case["guidance"],
                  negative_prompt=case.get("negative_prompt"), output_type="np", callback=lambda i, t, x: trace.append((float(t), x.copy())), **start).images
    return pipe, [t for t, _ in trace], trace[-1][1], images


def main():
    models, out = Path(sys.argv[1]), Path(sys.argv[2])
    for name, cases in CASES.items():
        for label, case in cases.items():
            if sys.argv[3:] and f"{name}-{label}" not in sys.argv[3:]:
                continue
            case = {**BASE, **case}
            keep = case.pop("keep", False)
            pipe, timesteps, final, images = run_legacy(models / name, case) if name == "legacy" else run(models / name, case, out)
            config = {k: v for k, v in dict(pipe.scheduler.config).items() if k not in ("_name_or_path", "_use_default_values")}
            config = {k: v if not isinstance(v, float) or np.isfinite(v) else str(v) for k, v in config.items()}
            part = out / f"{name}-{label}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            request = {"model": name, **case, "scheduler": type(pipe.scheduler).__name__, "scheduler_config": config, "timesteps": timesteps}
            (part / "case.json").write_text(json.dumps(request, indent=1, allow_nan=False) + "\n")
            np.save(part / "final_latents.npy", final.astype(np.float32))
            if "mask" in case:
                given(case, out)[1]["mask_image"].save(part / "mask.png", optimize=True)
            if keep:
                np.save(part / "image.npy", images.astype(np.float32))
            for k, image in enumerate(images):
                Image.fromarray((image.astype(np.float32) * 255).round().astype("uint8")).save(part / f"image-{k}.png", optimize=True)
            shutil.rmtree(out / f"{name}-{label}", ignore_errors=True)
            part.rename(out / f"{name}-{label}")
            print(f"{name}-{label}: {final.shape} latents std {final.std():.2f} max {abs(final).max():.2f}, image {images.shape} std {images.std():.3f} range {images.min():.2f}..{images.max():.2f}, "
                  f"{[round(t, 1) for t in timesteps]}", flush=True)


if __name__ == "__main__":
    main()
