"""Deployments whose networks do not map latents to latents, and what comes of them.

usage: python networks.py MODELS OUT

OUT/variance   8 channels of output, of which 4 are the prediction and 4 the variance of a step; latents by diffusers' DDPMScheduler with learned_range.
               Guidance is DeepFloyd IF's: it combines predictions, and the variance is the one under the prompt.
OUT/damped     8 channels of input, a state and its velocity, and 4 of output, the noise behind the velocity (critically damped Langevin diffusion); latents by
               the formulas of Dockhorn et al. 2022, appendix B, in float64: symmetric splitting, with the halves of neighbouring steps as one (and one draw for
               the state, one for the velocity), the score taken where a step begins, and at the end the mean of the data given state and velocity.

Each holds unet/model.onnx (tanh of a convolution plus time and prompt), unet/config.json, scheduler/scheduler_config.json, and latents.npy: seed 7, 6 steps,
guidance 3, prompt "a photo of a red cube on a wooden table", 32 x 32 pixels. All the rest is MODELS/sd15's.
"""
import json
import math
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

UNET = dict(_class_name="UNet2DConditionModel", in_channels=4, out_channels=4, sample_size=8, cross_attention_dim=8, down_block_types=["DownBlock2D"])
DDPM = dict(_class_name="DDPMScheduler", _diffusers_version="0.39.0", beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
            clip_sample=False, num_train_timesteps=1000, prediction_type="epsilon", steps_offset=1, timestep_spacing="leading",
            variance_type="learned_range")
DAMPED = dict(_class_name="CriticallyDampedScheduler", beta=4.0, m_inv=4.0, vv_gamma=0.04)
PROMPT, STEPS, GUIDANCE, SEED = "a photo of a red cube on a wooden table", 6, 3.0, 7


def unet(inputs, outputs, time):
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(outputs, inputs, 3, 3)).astype(np.float32) / inputs
    # Steps of the same height for every channel would not show which channels were read.
    height = np.linspace(0.4, 1.6, outputs, dtype=np.float32).reshape(1, outputs, 1, 1)
    nodes = [h.make_node("Conv", ["sample", "weight"], ["seen"], pads=[1, 1, 1, 1]),
             h.make_node("Cast", ["timestep"], ["time"], to=T.FLOAT), h.make_node("Div", ["time", "scale"], ["share"]),
             h.make_node("ReduceMean", ["encoder_hidden_states"], ["mean"], axes=[1, 2], keepdims=1), h.make_node("Unsqueeze", ["mean", "last"], ["prompt"]),
             h.make_node("Add", ["seen", "share"], ["timed"]), h.make_node("Add", ["timed", "prompt"], ["told"]),
             h.make_node("Tanh", ["told"], ["bounded"]), h.make_node("Mul", ["bounded", "height"], ["out_sample"])]
    ins = [("sample", T.FLOAT, ["b", inputs, "h", "w"]), ("timestep", time, [1]), ("encoder_hidden_states", T.FLOAT, ["b", "s", 8])]
    consts = [("weight", weight), ("scale", np.float32(1000 if time == T.INT64 else 1)), ("last", np.int64([-1])), ("height", height)]
    g = h.make_graph(nodes, "unet", [h.make_tensor_value_info(*i) for i in ins],
                     [h.make_tensor_value_info("out_sample", T.FLOAT, ["b", outputs, "h", "w"])], [numpy_helper.from_array(np.asarray(v), n) for n, v in consts])
    model = h.make_model(g, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model, full_check=True)
    return model


def prompts(models):
    tokenizer = CLIPTokenizer.from_pretrained(models / "sd15/tokenizer")
    encoder = onnxruntime.InferenceSession(models / "sd15/text_encoder/model.onnx")
    ids = tokenizer(["", PROMPT], padding="max_length", truncation=True, return_tensors="np").input_ids
    kind = {"tensor(int32)": np.int32, "tensor(int64)": np.int64}[encoder.get_inputs()[0].type]
    return encoder.run(["last_hidden_state"], {"input_ids": ids.astype(kind)})[0]


def variance(ask):
    scheduler = DDPMScheduler.from_config(DDPM)
    scheduler.set_timesteps(STEPS)
    generator = torch.Generator("cpu").manual_seed(SEED)
    x = torch.randn((1, 4, 4, 4), generator=generator)
    for t in scheduler.timesteps:
        (negative, _), (positive, variance) = (o.split(4) for o in torch.from_numpy(ask(x.numpy(), np.int64([t]))))
        guided = torch.cat([negative + GUIDANCE * (positive - negative), variance])[None]
        x = scheduler.step(guided, t, x, generator=generator).prev_sample
    return x.numpy()


def damped(ask):
    beta, inverse, gamma = DAMPED["beta"], DAMPED["m_inv"], DAMPED["vv_gamma"]
    friction = 2 / math.sqrt(inverse)
    g = 1 / friction
    generator = torch.Generator("cpu").manual_seed(SEED)
    draw = lambda: torch.randn((1, 4, 4, 4), generator=generator).double().numpy()
    x, v = draw(), draw() / math.sqrt(inverse)

    def covariance(time, start):
        """Of state and velocity around the data's state at a time, with `start` as the variance of the data's velocity."""
        b, e = beta * time, math.exp(-4 * g * beta * time)
        xx = 1 / e - 1 - 4 * g * b - 8 * g**2 * b**2
        vv = friction**2 / 4 * (1 / e - 1) + friction * b - 2 * b**2
        return (e * (xx + 16 * g**4 * b**2 * start), e * (4 * g * b**2 + 4 * g**2 * b * (1 - 2 * g * b) * start), e * (vv + (1 - 2 * g * b) ** 2 * start))

    def said(time):
        negative, positive = ask(np.concatenate([x, v], axis=1).astype(np.float32), np.float32([time])).astype(np.float64)
        return negative + GUIDANCE * (positive - negative)

    def data(time):
        """What is left of the data's state in state and velocity."""
        b = beta * time
        return math.exp(-2 * g * b) * (1 + 2 * g * b), -math.exp(-2 * g * b) * b

    def score(time):
        m, n = data(time)
        xx, xv, vv = (c + d for c, d in zip(covariance(time, gamma / inverse), (m * m, m * n, n * n)))
        return -v / vv - math.sqrt(xx / (xx * vv - xv**2)) * said(time)

    end = 1e-3
    times = [end + (1 - end) * (1 - i / (STEPS - 1)) for i in range(STEPS)] + [end]
    for now, then, after in zip(times, times[1:], times[2:]):
        v = v + 2 * friction * (score(now) + inverse * v) * beta * (now - then)
        passed = (now - then + then - after) / 2
        b, e = -beta * passed, math.exp(-2 * g * beta * passed)
        x, v = e * ((1 - 2 * g * b) * x + 4 * g**2 * b * v), e * (-b * x + (1 + 2 * g * b) * v)
        xx, xv, vv = covariance(passed, 0)
        xv = -xv
        x = x + math.sqrt(xx) * (a := draw())
        v = v + xv / math.sqrt(xx) * a + math.sqrt(vv - xv**2 / xx) * draw()
    # The score of the velocity, of a normal law around the data, gives the data.
    m, n = data(end)
    xx, xv, vv = covariance(end, gamma / inverse)
    inner = xx * vv - xv**2
    return ((score(end) - xv / inner * x + xx / inner * v) / (-xv * m + xx * n) * inner).astype(np.float32)


def main(models, out):
    hidden = prompts(models)
    for name, sample, graph, config, scheduler in (("variance", variance, unet(4, 8, T.INT64), dict(out_channels=8), DDPM),
                                                   ("damped", damped, unet(8, 4, T.FLOAT), dict(in_channels=8), DAMPED)):
        for file, content in (("unet/config.json", {**UNET, **config}), ("scheduler/scheduler_config.json", scheduler)):
            (out / name / file).parent.mkdir(parents=True, exist_ok=True)
            (out / name / file).write_text(json.dumps(content, indent=2) + "\n")
        path = out / name / "unet/model.onnx"
        save(graph, path)
        session = onnxruntime.InferenceSession(path)
        ask = lambda x, t: session.run(None, {"sample": np.concatenate([x, x]), "timestep": t, "encoder_hidden_states": hidden})[0]
        np.save(out / name / "latents.npy", sample(ask))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
