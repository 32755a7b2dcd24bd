"""A deployment whose network predicts the variance of its steps, and what diffusers' DDPMScheduler makes of it.

usage: python variance.py MODELS OUT

OUT/unet/model.onnx       the network: tanh of a convolution of the latent, plus time and prompt; 8 channels, of which 4 are its prediction
OUT/unet/config.json      its channels; OUT/scheduler/scheduler_config.json: DDPM with learned_range
OUT/latents.npy           the latents of seed 7 after 6 steps with guidance 3, prompt "a photo of a red cube on a wooden table", 32 x 32 pixels

All the rest is MODELS/sd15's. Guidance is DeepFloyd IF's: it combines predictions, and the variance is the one under the prompt.
"""
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import onnxruntime
import torch
from diffusers import DDPMScheduler
from onnx import TensorProto as T, checker, helper as h, numpy_helper, save
from transformers import CLIPTokenizer

UNET = dict(_class_name="UNet2DConditionModel", in_channels=4, out_channels=8, sample_size=8, cross_attention_dim=8, down_block_types=["DownBlock2D"])
SCHEDULER = dict(_class_name="DDPMScheduler", _diffusers_version="0.39.0", beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                 clip_sample=False, num_train_timesteps=1000, prediction_type="epsilon", steps_offset=1, timestep_spacing="leading",
                 variance_type="learned_range")
PROMPT, STEPS, GUIDANCE, SEED = "a photo of a red cube on a wooden table", 6, 3.0, 7


def unet():
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(8, 4, 3, 3)).astype(np.float32) / 4
    # Steps of the same height for every channel would not show which channels were read.
    height = np.linspace(0.4, 1.6, 8, dtype=np.float32).reshape(1, 8, 1, 1)
    nodes = [h.make_node("Conv", ["sample", "weight"], ["seen"], pads=[1, 1, 1, 1]),
             h.make_node("Cast", ["timestep"], ["time"], to=T.FLOAT), h.make_node("Div", ["time", "thousand"], ["share"]),
             h.make_node("ReduceMean", ["encoder_hidden_states"], ["mean"], axes=[1, 2], keepdims=1), h.make_node("Unsqueeze", ["mean", "last"], ["prompt"]),
             h.make_node("Add", ["seen", "share"], ["timed"]), h.make_node("Add", ["timed", "prompt"], ["told"]),
             h.make_node("Tanh", ["told"], ["bounded"]), h.make_node("Mul", ["bounded", "height"], ["out_sample"])]
    ins = [("sample", T.FLOAT, ["b", 4, "h", "w"]), ("timestep", T.INT64, [1]), ("encoder_hidden_states", T.FLOAT, ["b", "s", 8])]
    consts = [("weight", weight), ("thousand", np.float32(1000)), ("last", np.int64([-1])), ("height", height)]
    g = h.make_graph(nodes, "unet", [h.make_tensor_value_info(*i) for i in ins],
                     [h.make_tensor_value_info("out_sample", T.FLOAT, ["b", 8, "h", "w"])], [numpy_helper.from_array(np.asarray(v), n) for n, v in consts])
    model = h.make_model(g, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    return model


def sample(models, graph):
    tokenizer = CLIPTokenizer.from_pretrained(models / "sd15/tokenizer")
    encoder = onnxruntime.InferenceSession(models / "sd15/text_encoder/model.onnx")
    ids = tokenizer(["", PROMPT], padding="max_length", truncation=True, return_tensors="np").input_ids
    kind = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}[encoder.get_inputs()[0].type]
    hidden = encoder.run(["last_hidden_state"], {"input_ids": ids.astype(kind)})[0]
    scheduler = DDPMScheduler.from_config(SCHEDULER)
    scheduler.set_timesteps(STEPS)
    generator = torch.Generator("cpu").manual_seed(SEED)
    x = torch.randn((1, 4, 4, 4), generator=generator)
    for t in scheduler.timesteps:
        out = torch.from_numpy(graph.run(None, {"sample": torch.cat([x, x]).numpy(), "timestep": np.int64([t]), "encoder_hidden_states": hidden})[0])
        (negative, _), (positive, variance) = (o.split(4) for o in out)
        guided = torch.cat([negative + GUIDANCE * (positive - negative), variance])[None]
        x = scheduler.step(guided, t, x, generator=generator).prev_sample
    return x.numpy()


def main(models, out):
    for name, config in (("unet/config.json", UNET), ("scheduler/scheduler_config.json", SCHEDULER)):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(json.dumps(config, indent=2) + "\n")
    path = out / "unet/model.onnx"
    save(unet(), path)
    np.save(out / "latents.npy", sample(models, onnxruntime.InferenceSession(path)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
