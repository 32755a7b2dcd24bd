"""Golden behaviour of diffusers' schedulers: what a configuration file, a class and a step count give.

usage: python schedulers.py OUT.json

A case is `Class.from_config({**bases[base], **file}, **overrides)`, then `set_timesteps(steps)`, then a run. `file` holds keys of the configuration
file that differ from the base (null removes a key); `overrides` are arguments that the caller gives. Where `via` is "StableDiffusionPipeline", the
file is first loaded by its own class, put into that pipeline (which corrects steps_offset and clip_sample of some files), and Class takes over
`pipe.scheduler.config`; Class null means that the pipeline's own scheduler runs.

The run, in the pipelines' order, all in float32 on latents of shape (1, 4, 2, 3):
    x = latents * init_noise_sigma
    for t in timesteps: x = step(model(scale_model_input(x, t), t), t, x)
with one torch.Generator('cpu').manual_seed(123) for every step of the run, eta given to DDIM. The model is
    model(x, t)[i] = tanh(a[i] * x[i] + b[i]) * (0.5 + t / 2000)        computed in float64, rounded to float32
whatever the prediction type. `final` is x after the last step, `states` x after every step; null stands for a value that is not finite.
`error` is what diffusers raises, `during` says where: from_config, set_timesteps or step.

FACTS that a port has to copy (diffusers 0.39)
* from_config: keys of the file listed in its `_use_default_values` are dropped first; a key that Class does not know is kept in its config all the
  same and acts where the code asks `hasattr(self.config, ..)`: sigma_min and sigma_max of an Euler file rule the karras, exponential and beta
  sigmas of every other class. Missing keys take Class's own defaults, and these differ: beta_schedule is scaled_linear for LCM and linear
  elsewhere, beta_start 0.00085 for Heun and LCM; set_alpha_to_one is true for DDIM and LCM, false for PNDM; clip_sample is true for DDIM and DDPM,
  false for Heun and LCM; timestep_spacing is leading for DDIM, DDPM, PNDM, LCM, linspace for Euler, Euler a, Heun, DPM-Solver.
* betas, alphas and alphas_cumprod are float32. torch.linspace(a, b, n) is, with step = (b - a) / (n - 1), fma(step, i, a) in the first half and
  fma(-step, n - 1 - i, b) in the second, all float32 (CPUs with AVX2); its square is rounded; cumprod multiplies in float64 and stores float32: so
  done, every alphas_cumprod is equal to the bit. Sigmas are computed from them in float32, interpolated in float64 and stored in float32; torch's
  float32 square root, exp and log are MKL's and up to an ulp off, so these are equal to about 1e-7 only. alphas_cumprod[-1] becomes 2^-24 for rescaled betas in Euler, Euler a and DPM-Solver, but stays 0 in DDIM, DDPM, LCM.
* Rounding of steps is to nearest even (numpy), except Euler, Euler a and Heun with linspace, whose fractional timesteps (float32) are kept; N // steps for
  leading, N / steps for trailing (N training steps). The trailing list is numpy's arange(N, 0, -N / steps), which has one entry too many for some counts
  (N = 1000: 61, 103, 121, ..): a last timestep of -1, at which tables are read from their end.
* init_noise_sigma: 1 except Euler, Euler a, Heun: max sigma for linspace and trailing, sqrt(max^2 + 1) for leading.
* Karras, exponential and beta sigmas of Euler and Heun run between the sigmas of the timesteps that the spacing chose; those of DPM-Solver between the
  model's largest and smallest. log_linear of Euler (largest to smallest, steps + 1 values) makes a list one longer than usual.
* DPM-Solver divides the range by steps + 1 (leading, linspace); its karras and lu timesteps are rounded (not with squaredcos_cap_v2), exponential
  and beta ones are truncated; use_lu_lambdas comes after karras and before exponential.
* The index of the first step is looked up by value and is the SECOND match if the first timestep occurs twice (all classes with sigmas, and LCM).
  DPM-Solver meets this (beta sigmas from 32 steps, karras with squaredcos_cap_v2) and fails with IndexError at its last step.
* Heun: the first timestep once, every later one twice; 2 * steps - 1 evaluations. PNDM: steps + 1 evaluations (the second timestep twice), with
  the Runge-Kutta start 9 more.
* Noise is drawn after the model is called: Euler a at every step (also the last, where it is multiplied by 0), DDPM while t > 0, DDIM only if eta > 0
  (every step), LCM at every step but the last, sde-dpmsolver(++) at every step, also the last.
* sigma of a step is read from the list of sigmas, not from t: with trained or rescaled betas too.
"""
import json
import math
import os
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
import numpy as np
import torch
import diffusers
from diffusers import StableDiffusionPipeline

diffusers.utils.logging.set_verbosity_error()
warnings.simplefilter("ignore")
torch.set_num_threads(1)

SD = dict(beta_end=0.012, beta_schedule="scaled_linear", beta_start=0.00085, num_train_timesteps=1000)
BASES = {
    # Stable Diffusion 1.5 as saved by a current diffusers
    "sd15": dict(_class_name="PNDMScheduler", _diffusers_version="0.39.0", **SD, prediction_type="epsilon", set_alpha_to_one=False, skip_prk_steps=True,
                 steps_offset=1, timestep_spacing="leading", trained_betas=None),
    # the file of the original repositories
    "sd15_060": dict(_class_name="PNDMScheduler", _diffusers_version="0.6.0", **SD, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
                     trained_betas=None, clip_sample=False),
    "sd21v": dict(_class_name="DDIMScheduler", _diffusers_version="0.8.0", **SD, clip_sample=False, prediction_type="v_prediction", set_alpha_to_one=False,
                  skip_prk_steps=True, steps_offset=1, trained_betas=None),
    "sdxl": dict(_class_name="EulerDiscreteScheduler", _diffusers_version="0.19.0.dev0", **SD, clip_sample=False, interpolation_type="linear",
                 prediction_type="epsilon", sample_max_value=1.0, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1, timestep_spacing="leading",
                 trained_betas=None, use_karras_sigmas=False),
    "lcm": dict(_class_name="LCMScheduler", _diffusers_version="0.22.0.dev0", **SD, clip_sample=False, clip_sample_range=1.0, dynamic_thresholding_ratio=0.995,
                original_inference_steps=50, prediction_type="epsilon", rescale_betas_zero_snr=False, sample_max_value=1.0, set_alpha_to_one=True,
                steps_offset=1, thresholding=False, timestep_scaling=10.0, timestep_spacing="leading", trained_betas=None),
    "turbo": dict(_class_name="EulerDiscreteScheduler", _diffusers_version="0.24.0.dev0", **SD, clip_sample=False, interpolation_type="linear",
                  prediction_type="epsilon", sample_max_value=1.0, set_alpha_to_one=False, sigma_max=None, sigma_min=None, skip_prk_steps=True, steps_offset=1,
                  timestep_spacing="trailing", timestep_type="discrete", trained_betas=None, use_karras_sigmas=False),
    # a model trained to zero terminal signal
    "zsnr": dict(_class_name="DDIMScheduler", _diffusers_version="0.21.0", **SD, clip_sample=False, prediction_type="v_prediction", set_alpha_to_one=False,
                 skip_prk_steps=True, steps_offset=1, trained_betas=None, rescale_betas_zero_snr=True, timestep_spacing="trailing"),
    # nothing but the training steps: the class's own defaults
    "bare": dict(num_train_timesteps=1000),
}
DDIM, DDPM, EULER, ANCESTRAL, HEUN, PNDM, DPM, LCM = (c + "Scheduler" for c in (
    "DDIM", "DDPM", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "PNDM", "DPMSolverMultistep", "LCM"))
ALL = [DDIM, DDPM, EULER, ANCESTRAL, HEUN, PNDM, DPM, LCM]
FEW_BETAS = [round(0.002 + 0.018 * i / 39, 6) for i in range(40)]


def cases():
    out = []

    def case(cls, base, steps, states=False, eta=None, file=None, via=None, **overrides):
        out.append(dict(cls=cls, base=base, file=file or {}, overrides=overrides, steps=steps, states=states, eta=eta, via=via))

    # every class takes over every file
    counts = [8, 20, 4, 15, 1, 30, 2, 50]
    for i, cls in enumerate(ALL):
        for j, base in enumerate(BASES):
            case(cls, base, counts[(3 * i + j) % 8], states=base == "sd15" and counts[(3 * i + j) % 8] <= 8)
    for cls in ALL:
        case(cls, "sd15_060", 6, states=True)
        case(cls, "sd15", 1)
        case(cls, "sd15", 2)
        case(cls, "sd15", 3)
    # how steps are spread, for the classes that know the key
    for i, cls in enumerate([DDIM, DDPM, EULER, ANCESTRAL, HEUN, PNDM, DPM]):
        for j, spacing in enumerate(["leading", "linspace", "trailing"]):
            case(cls, "sd15", [7, 15, 30][(i + j) % 3], timestep_spacing=spacing, steps_offset=[0, 1, 5][j])
        case(cls, "sd15", 8, timestep_spacing="sideways")
        case(cls, "sd21v", 8, timestep_spacing="trailing", states=True)
        case(cls, "sd15", 8, beta_schedule="linear", beta_start=0.0001, beta_end=0.02)
        case(cls, "sd15", 8, beta_schedule="squaredcos_cap_v2")
        case(cls, "sd15", 8, beta_schedule="sigmoid")
        case(cls, "sd15", 8, trained_betas=FEW_BETAS, num_train_timesteps=40)
        case(cls, "sd15", 8, prediction_type="sample")
        case(cls, "sd15", 8, prediction_type="flux")
        case(cls, "sd15", 12, num_train_timesteps=500)
    # DDIM, DDPM, LCM: the estimate is clipped
    for cls in [DDIM, DDPM, LCM]:
        case(cls, "sd15", 4, clip_sample=True)
        case(cls, "sd15", 4, clip_sample=True, clip_sample_range=2.5)
        case(cls, "sd15", 4, thresholding=True)
        case(cls, "sd15", 4, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=3.0, clip_sample=True)
        case(cls, "sd21v", 5, rescale_betas_zero_snr=True)
    case(HEUN, "sd15", 4, clip_sample=True, clip_sample_range=1.5)
    # DDIM
    case(DDIM, "sd15", 8, set_alpha_to_one=True)
    for eta in (0.5, 1.0):
        case(DDIM, "sd21v", 8, eta=eta, states=eta == 1.0)
    case(DDIM, "sd15_060", 20, eta=0.3)
    case(DDIM, "zsnr", 10, eta=1.0)
    case(DDIM, "zsnr", 4, prediction_type="epsilon")
    case(DDIM, "sd15", 1001)
    case(DDIM, "sd15", 0)
    # DDPM
    for kind in ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned", "learned_range"):
        case(DDPM, "sd15_060", 8, variance_type=kind)
    case(DDPM, "sd15_060", 8, beta_schedule="laplace")
    case(DDPM, "zsnr", 8)
    case(DDPM, "sd15_060", 1001)
    # classes with sigmas
    for i, cls in enumerate([EULER, HEUN, DPM]):
        for j, kind in enumerate(["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]):
            case(cls, "sd15", [8, 20][(i + j) % 2], **{kind: True})
            case(cls, "sdxl", [50, 15][(i + j) % 2], **{kind: True})
        case(cls, "sd15", 2, use_karras_sigmas=True)
        case(cls, "sd15", 1, use_karras_sigmas=True)
        case(cls, "sd15", 1, use_beta_sigmas=True)
        case(cls, "sd15", 8, use_karras_sigmas=True, use_beta_sigmas=True)
        case(cls, "sd21v", 8, use_karras_sigmas=True, timestep_spacing="trailing")
        case(cls, "turbo", 8, file=dict(sigma_min=0.1, sigma_max=10.0), use_karras_sigmas=True)
        case(cls, "turbo", 8, file=dict(sigma_min=0.1, sigma_max=10.0), use_exponential_sigmas=True)
        case(cls, "turbo", 8, file=dict(sigma_min=0.1, sigma_max=10.0), use_beta_sigmas=True)
        case(cls, "turbo", 8, file=dict(sigma_min=0.1, sigma_max=10.0))
        case(cls, "sdxl", 8, file=dict(use_karras_sigmas=True))
    case(ANCESTRAL, "sdxl", 8, file=dict(use_karras_sigmas=True))
    case(DDIM, "sdxl", 8, file=dict(use_karras_sigmas=True, final_sigmas_type="sigma_min"))
    for cls in [EULER, ANCESTRAL, DPM]:
        case(cls, "sd21v", 8, rescale_betas_zero_snr=True, timestep_spacing="trailing")
        case(cls, "sd15", 5, rescale_betas_zero_snr=True, timestep_spacing="linspace")
    for steps in (1, 8):
        case(EULER, "sd15", steps, interpolation_type="log_linear")
    case(EULER, "sd15", 8, interpolation_type="log_linear", use_karras_sigmas=True)
    case(EULER, "sd15", 8, interpolation_type="cubic")
    case(EULER, "sd15", 8, final_sigmas_type="sigma_min")
    case(EULER, "sd15", 8, final_sigmas_type="sigma_min", use_karras_sigmas=True)
    case(EULER, "sd15", 8, final_sigmas_type="other")
    case(EULER, "sd21v", 8, timestep_type="continuous")
    case(EULER, "sd21v", 8, timestep_type="continuous", use_karras_sigmas=True, file=dict(sigma_min=0.002, sigma_max=80.0))
    case(EULER, "sd15", 8, timestep_type="continuous")
    case(EULER, "turbo", 1)
    case(EULER, "turbo", 4)
    case(HEUN, "sd15", 8, beta_schedule="exp")
    # PNDM
    for steps in (1, 2, 3, 4, 5, 8, 20):
        case(PNDM, "sd15", steps, skip_prk_steps=False, states=steps == 5)
    case(PNDM, "sd15", 10, skip_prk_steps=False, timestep_spacing="linspace", steps_offset=0)
    case(PNDM, "sd15", 10, skip_prk_steps=False, timestep_spacing="trailing")
    case(PNDM, "sd21v", 10, skip_prk_steps=False)
    case(PNDM, "sd15", 8, set_alpha_to_one=True)
    case(PNDM, "sd15_060", 8, file=dict(skip_prk_steps=None))
    # DPM-Solver
    n = 0
    for algorithm in ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"):
        last = {} if algorithm.endswith("++") else dict(final_sigmas_type="sigma_min")
        for order in (1, 2, 3):
            for kind in ("midpoint", "heun"):
                case(DPM, "sd15", [8, 15, 20][n % 3], states=n % 6 == 2, algorithm_type=algorithm, solver_order=order, solver_type=kind, **last)
                n += 1
        case(DPM, "sd21v", 8, algorithm_type=algorithm, **last)
        case(DPM, "sd15", 6, algorithm_type=algorithm, prediction_type="sample", **last)
        case(DPM, "sd15", 4, algorithm_type=algorithm, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0, **last)
    case(DPM, "sd15", 8, algorithm_type="dpmsolver")
    case(DPM, "sd15", 8, algorithm_type="deis")
    case(DPM, "sd15", 8, algorithm_type="other")
    for kind in ("bh2", "logrho", "other"):
        case(DPM, "sd15", 8, solver_type=kind)
    for steps in (8, 20):
        case(DPM, "sd15", steps, lower_order_final=False)
        case(DPM, "sd15", steps, lower_order_final=False, final_sigmas_type="sigma_min", solver_order=3)
        case(DPM, "sd15", steps, euler_at_final=True, final_sigmas_type="sigma_min")
        case(DPM, "sd15", steps, use_lu_lambdas=True)
    case(DPM, "sd15", 8, use_lu_lambdas=True, use_karras_sigmas=True)
    case(DPM, "sd15", 8, use_lu_lambdas=True, use_exponential_sigmas=True)
    case(DPM, "sd15", 8, use_karras_sigmas=True, beta_schedule="squaredcos_cap_v2")
    case(DPM, "sd15", 8, use_karras_sigmas=True, final_sigmas_type="sigma_min")
    for spacing in ("leading", "linspace", "trailing"):
        case(DPM, "sd15", 8, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1, timestep_spacing=spacing)
    case(DPM, "sd15", 8, variance_type="learned_range")
    case(DPM, "sd15", 8, use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0)
    case(DPM, "sd15", 1000)
    for cls in (DDIM, EULER, DPM):
        case(cls, "sd15", 61, timestep_spacing="trailing")
    # LCM
    for steps in (1, 2, 4, 8, 15, 30, 50):
        case(LCM, "lcm", steps, states=steps == 4)
    case(LCM, "lcm", 51)
    case(LCM, "lcm", 4, original_inference_steps=100)
    case(LCM, "lcm", 7, original_inference_steps=30)
    case(LCM, "lcm", 4, original_inference_steps=2000)
    case(LCM, "lcm", 4, timestep_scaling=1.0)
    case(LCM, "lcm", 4, timestep_scaling=0.01)
    case(LCM, "lcm", 4, prediction_type="v_prediction")
    case(LCM, "lcm", 4, prediction_type="sample")
    case(LCM, "lcm", 4, prediction_type="flux")
    case(LCM, "lcm", 4, set_alpha_to_one=False, beta_schedule="linear")
    case(LCM, "lcm", 4, trained_betas=FEW_BETAS, num_train_timesteps=40, original_inference_steps=20)
    # through StableDiffusionPipeline, which corrects old files
    old = dict(_class_name="DDIMScheduler", _diffusers_version="0.2.0", set_alpha_to_one=None, skip_prk_steps=None, prediction_type=None)
    for cls in (None, EULER, DDIM):
        case(cls, "sd15_060", 8, via="StableDiffusionPipeline", file={**old, "steps_offset": None, "clip_sample": None})
        case(cls, "sd15_060", 8, via="StableDiffusionPipeline", file={**old, "steps_offset": 0, "clip_sample": True})
    case(None, "sd15", 8, via="StableDiffusionPipeline")
    case(DPM, "sd15", 8, via="StableDiffusionPipeline")
    return out


SHAPE = (1, 4, 2, 3)
LATENTS = torch.randn(SHAPE, generator=torch.Generator("cpu").manual_seed(42))
A = np.array([round(0.15 + 0.05 * (i % 7), 2) for i in range(24)])
B = np.array([round(-0.6 + 0.05 * i, 2) for i in range(24)])


def model(x, t):
    y = np.tanh(A * x.numpy().reshape(-1).astype(np.float64) + B) * (0.5 + float(t) / 2000)
    return torch.from_numpy(y.astype(np.float32).reshape(SHAPE))


def number(v, digits=9):
    v = float(v)
    return float(f"{v:.{digits}g}") if math.isfinite(v) else None


def numbers(a):
    a = a.detach().numpy().reshape(-1)
    return [int(v) for v in a] if a.dtype.kind == "i" else [number(v) for v in a]


def build(c):
    file = {k: v for k, v in {**BASES[c["base"]], **c["file"]}.items() if not (k in c["file"] and v is None)}
    own = getattr(diffusers, file.get("_class_name", c["cls"] or ""))
    if c["via"]:
        pipe = StableDiffusionPipeline(None, None, None, None, own.from_config(file), None, None, requires_safety_checker=False)
        return pipe.scheduler if c["cls"] is None else getattr(diffusers, c["cls"]).from_config(pipe.scheduler.config, **c["overrides"])
    cls = getattr(diffusers, c["cls"])
    scheduler = cls.from_config(file, **c["overrides"])
    # The way users swap schedulers, by way of the file's own class, gives the same.
    twice = cls.from_config(own.from_config(file).config, **c["overrides"])
    a, b = ({k: v for k, v in s.config.items() if not k.startswith("_")} for s in (scheduler, twice))
    assert all(a[k] == b[k] for k in a), (c, a, b)
    return scheduler


def run(c):
    import inspect

    row = {k: c[k] for k in ("base", "file", "overrides", "eta", "via") if c[k]}
    row = {"class": c["cls"], **row, "steps": c["steps"]}
    during = "from_config"
    try:
        s = build(c)
        during = "set_timesteps"
        s.set_timesteps(c["steps"])
        row["timesteps"] = numbers(s.timesteps)
        if hasattr(s, "sigmas"):
            row["sigmas"] = numbers(s.sigmas)
        row["init_noise_sigma"] = number(s.init_noise_sigma)
        during = "step"
        given = set(inspect.signature(s.step).parameters)
        extra = {}
        if "generator" in given:
            extra["generator"] = torch.Generator("cpu").manual_seed(123)
        if "eta" in given:
            extra["eta"] = c["eta"] or 0.0
        x, states = LATENTS * s.init_noise_sigma, []
        for t in s.timesteps:
            x = s.step(model(s.scale_model_input(x, t), t), t, x, **extra, return_dict=False)[0]
            states.append(numbers(x))
        if c["states"]:
            row["states"] = states
        row["final"] = numbers(x)
    except Exception as e:
        row["error"] = f"{type(e).__name__}: {e}".split("\n")[0][:160]
        row["during"] = during
    return row


def main(path):
    rows = [run(c) for c in cases()]
    doc = {"made_by": "schedulers.py", "diffusers": diffusers.__version__, "shape": list(SHAPE), "latents": numbers(LATENTS), "model_a": A.tolist(), "model_b": B.tolist(),
           "generator_seed": 123, "bases": BASES}
    text = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in doc.items())
    text = "{\n" + text + ',\n"cases": [\n' + ",\n".join(json.dumps(r, separators=(",", ":"), allow_nan=False) for r in rows) + "\n]\n}\n"
    with open(path + ".part", "w") as f:
        f.write(text)
    os.replace(path + ".part", path)
    print(f"{path}: {len(rows)} cases, {sum('error' in r for r in rows)} of them errors, {len(text) // 1024} KB")
    for r in rows:
        if "error" in r:
            print("  ", r["class"], r["base"], r.get("overrides", {}), r["steps"], "|", r["during"], r["error"])
        elif any(v is None for v in r["final"]):
            print("   not finite:", r["class"], r["base"], r.get("overrides", {}), r["steps"])


if __name__ == "__main__":
    main(sys.argv[1])
