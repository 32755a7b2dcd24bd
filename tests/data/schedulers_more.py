"""DOC"""
import json
import os
import sys

import schedulers as first
from schedulers import A, ANCESTRAL, B, BASES, DDIM, DDPM, DPM, EULER, FEW_BETAS, LATENTS, SHAPE, build, model, number, numbers
import inspect
import math

import diffusers
import numpy as np
import torch

(UNIPC, DEIS, SINGLE, LMS, KDPM2, KDPM2A, TCD) = (c + "Scheduler" for c in (
    "UniPCMultistep", "DEISMultistep", "DPMSolverSinglestep", "LMSDiscrete", "KDPM2Discrete", "KDPM2AncestralDiscrete", "TCD"))
MORE = {
    # Wan 2.1
    "wan": dict(_class_name="UniPCMultistepScheduler", _diffusers_version="0.33.0.dev0", beta_end=0.02, beta_schedule="linear", beta_start=0.0001,
                disable_corrector=[], dynamic_thresholding_ratio=0.995, final_sigmas_type="zero", flow_shift=3.0, lower_order_final=True,
                num_train_timesteps=1000, predict_x0=True, prediction_type="flow_prediction", rescale_betas_zero_snr=False, sample_max_value=1.0,
                solver_order=2, solver_p=None, solver_type="bh2", steps_offset=0, thresholding=False, timestep_spacing="linspace", trained_betas=None,
                use_beta_sigmas=False, use_exponential_sigmas=False, use_flow_sigmas=True, use_karras_sigmas=False),
}
BASES.update(MORE)
KINDS = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]


def cases():
    out = []

    def case(cls, base, steps, states=False, file=None, eta=None, set=None, step=None, **overrides):
        out.append(dict(cls=cls, base=base, file=file or {}, overrides=overrides, steps=steps, states=states, eta=eta, set=set or {}, step=step or {}, via=None))

    def spread(cls, offset=0):
        for j, spacing in enumerate(["leading", "linspace", "trailing"]):
            case(cls, "sd15", [8, 15, 4][(j + offset) % 3], timestep_spacing=spacing, steps_offset=[1, 0, 0][j])

    def betas(cls, *schedules):
        for j, schedule in enumerate(schedules or ("linear", "squaredcos_cap_v2")):
            case(cls, "sd15", [4, 8][j % 2], beta_schedule=schedule)
        case(cls, "sd15", 8, trained_betas=FEW_BETAS, num_train_timesteps=40)

    # UniPC
    for steps in (1, 2, 4, 8, 20):
        case(UNIPC, "sd15", steps, states=steps in (4, 8))
    n = 0
    for order in (1, 2, 3):
        for kind in ("bh1", "bh2"):
            last = {} if kind == "bh2" else dict(final_sigmas_type="sigma_min")
            case(UNIPC, "sd15", [8, 15, 20][n % 3], states=order == 3 and kind == "bh2", solver_order=order, solver_type=kind, **last)
            case(UNIPC, "sd15", [15, 8, 4][n % 3], solver_order=order, solver_type=kind, predict_x0=False, final_sigmas_type="sigma_min")
            n += 1
    case(UNIPC, "sd15", 4, solver_type="bh1")
    case(UNIPC, "sd15", 8, solver_order=4)
    case(UNIPC, "sd15", 4, predict_x0=False)
    case(UNIPC, "sd21v", 8, predict_x0=False, final_sigmas_type="sigma_min", states=True)
    case(UNIPC, "sd21v", 8)
    case(UNIPC, "sd21v", 4, solver_order=3, timestep_spacing="trailing")
    case(UNIPC, "sd15", 8, prediction_type="sample")
    case(UNIPC, "sd15", 8, prediction_type="sample", predict_x0=False, final_sigmas_type="sigma_min")
    case(UNIPC, "sd15", 8, disable_corrector=[0, 1])
    case(UNIPC, "sd15", 8, disable_corrector=list(range(8)), solver_order=3)
    case(UNIPC, "sd15", 4, lower_order_final=False)
    case(UNIPC, "sd15", 8, lower_order_final=False, solver_order=3, final_sigmas_type="sigma_min")
    case(UNIPC, "sd15", 8, final_sigmas_type="sigma_min")
    case(UNIPC, "sd15", 4, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0)
    case(UNIPC, "sd15", 8, rescale_betas_zero_snr=True, timestep_spacing="trailing")
    case(UNIPC, "zsnr", 8)
    for j, kind in enumerate(KINDS):
        case(UNIPC, "sd15", [8, 4, 15][j], **{kind: True})
        case(UNIPC, "sdxl", 8, file=dict(sigma_min=0.1, sigma_max=10.0), **{kind: True})
        case(UNIPC, "sd15", 1, **{kind: True})
    case(UNIPC, "sd15", 8, use_karras_sigmas=True, final_sigmas_type="sigma_min", solver_order=3)
    case(UNIPC, "sd15", 8, use_karras_sigmas=True, use_beta_sigmas=True)
    spread(UNIPC)
    betas(UNIPC)
    for kind in ("midpoint", "logrho", "other"):
        case(UNIPC, "sd15", 4, solver_type=kind)
    for steps in (1, 2, 4, 8, 20):
        case(UNIPC, "wan", steps, states=steps == 8)
    case(UNIPC, "wan", 8, flow_shift=1.0)
    case(UNIPC, "wan", 15, flow_shift=5.0, solver_order=3)
    case(UNIPC, "wan", 8, solver_type="bh1", final_sigmas_type="sigma_min")
    case(UNIPC, "wan", 8, predict_x0=False)
    case(UNIPC, "wan", 8, shift_terminal=0.1)
    case(UNIPC, "sd15", 8, shift_terminal=0.1)
    case(UNIPC, "wan", 8, use_dynamic_shifting=True, set=dict(mu=1.2))
    case(UNIPC, "wan", 8, use_dynamic_shifting=True, time_shift_type="linear", set=dict(mu=1.2))
    case(UNIPC, "wan", 8, use_dynamic_shifting=True)
    case(UNIPC, "wan", None, set=dict(sigmas=[1.0, 0.8, 0.5, 0.2]))
    for kind in KINDS:
        case(UNIPC, "wan", 4, **{kind: True})
    case(UNIPC, "wan", 4, use_exponential_sigmas=True, final_sigmas_type="sigma_min")

    # DEIS
    for steps in (1, 2, 4, 8, 15, 20):
        case(DEIS, "sd15", steps, states=steps == 4)
    for order in (1, 2, 3):
        for steps in (8, 20):
            case(DEIS, "sd15", steps, states=order == 3 and steps == 8, solver_order=order)
    case(DEIS, "sd15", 8, solver_order=4)
    case(DEIS, "sd21v", 8, solver_order=3)
    case(DEIS, "sd15", 8, prediction_type="sample")
    case(DEIS, "sd15", 8, lower_order_final=False)
    case(DEIS, "sd15", 8, lower_order_final=False, solver_order=3)
    case(DEIS, "sd15", 4, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0)
    for j, kind in enumerate(KINDS):
        case(DEIS, "sd15", [8, 4, 15][j], solver_order=[2, 3, 3][j], **{kind: True})
    case(DEIS, "sdxl", 8, file=dict(sigma_min=0.1, sigma_max=10.0), use_karras_sigmas=True)
    case(DEIS, "sd15", 1, use_karras_sigmas=True)
    spread(DEIS, 1)
    betas(DEIS)
    for kind in ("midpoint", "other"):
        case(DEIS, "sd15", 4, solver_type=kind)
    for kind in ("dpmsolver++", "sde-dpmsolver++"):
        case(DEIS, "sd15", 4, algorithm_type=kind)
    for steps in (1, 4, 8):
        case(DEIS, "wan", steps)
    case(DEIS, "wan", 8, flow_shift=1.0, solver_order=3)
    case(DEIS, "wan", 8, use_dynamic_shifting=True, set=dict(mu=1.2))

    # DPM-Solver singlestep
    for steps in (1, 2, 4, 8, 15, 20):
        case(SINGLE, "sd15", steps, states=steps == 4)
    for algorithm in ("dpmsolver++", "dpmsolver", "sde-dpmsolver++"):
        last = {} if algorithm.endswith("++") else dict(final_sigmas_type="sigma_min")
        for order in (1, 2, 3):
            for j, kind in enumerate(("midpoint", "heun")):
                case(SINGLE, "sd15", [8, 7, 9][(order + j) % 3], states=order == 3 and j == 0, algorithm_type=algorithm, solver_order=order, solver_type=kind,
                     lower_order_final=True, **last)
        case(SINGLE, "sd21v", 6, algorithm_type=algorithm, solver_order=3, lower_order_final=False, final_sigmas_type="sigma_min")
        case(SINGLE, "sd15", 6, algorithm_type=algorithm, prediction_type="sample", **last)
        case(SINGLE, "sd15", 4, algorithm_type=algorithm, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0, **last)
    for steps in (1, 2, 3, 4, 5, 6):
        case(SINGLE, "sd15", steps, solver_order=3, lower_order_final=steps > 3)
    case(SINGLE, "sd15", 8, final_sigmas_type="sigma_min", lower_order_final=False)
    case(SINGLE, "sd15", 7, final_sigmas_type="sigma_min", lower_order_final=False)
    case(SINGLE, "sd15", 8, final_sigmas_type="sigma_min", lower_order_final=True)
    case(SINGLE, "sd15", 8, final_sigmas_type="other")
    case(SINGLE, "sd15", 8, algorithm_type="dpmsolver")
    case(SINGLE, "sd15", 8, algorithm_type="deis", solver_type="bh2")
    case(SINGLE, "sd15", 8, solver_order=4)
    case(SINGLE, "sd15", 8, timestep_spacing="trailing", steps_offset=1)
    for j, kind in enumerate(KINDS):
        case(SINGLE, "sd15", [8, 4, 15][j], **{kind: True})
    case(SINGLE, "sd15", 6, use_karras_sigmas=True, final_sigmas_type="sigma_min", solver_order=3)
    case(SINGLE, "sdxl", 8, file=dict(sigma_min=0.1, sigma_max=10.0), use_karras_sigmas=True)
    case(SINGLE, "sd15", 8, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1)
    betas(SINGLE)
    for steps in (1, 4, 8):
        case(SINGLE, "wan", steps)
    case(SINGLE, "wan", 8, flow_shift=1.0, solver_order=3, final_sigmas_type="sigma_min")
    case(SINGLE, "sd15", None, set=dict(timesteps=[900, 600, 300, 50]))

    # LMS
    for steps in (1, 2, 4, 8, 15, 20):
        case(LMS, "sd15", steps, states=steps in (4, 8))
    for order in (1, 2, 3, 4, 6):
        case(LMS, "sd15", 8, step=dict(order=order))
    case(LMS, "sd21v", 8)
    case(LMS, "sd21v", 8, step=dict(order=2), timestep_spacing="trailing")
    case(LMS, "sd15", 8, prediction_type="sample")
    case(LMS, "sdxl", 8)
    for j, kind in enumerate(KINDS):
        case(LMS, "sd15", [8, 4, 15][j], **{kind: True})
        case(LMS, "turbo", 8, file=dict(sigma_min=0.1, sigma_max=10.0), **{kind: True})
    case(LMS, "sd15", 1, use_karras_sigmas=True)
    spread(LMS, 2)
    betas(LMS)

    # DPM2 and DPM2 a
    for i, cls in enumerate((KDPM2, KDPM2A)):
        for steps in (1, 2, 4, 8, 15, 20):
            case(cls, "sd15", steps, states=steps in (2, 4))
        case(cls, "sd21v", 8)
        case(cls, "sd21v", 4, timestep_spacing="trailing", states=True)
        case(cls, "sd15", 8, prediction_type="sample")
        case(cls, "sdxl", 8)
        for j, kind in enumerate(KINDS):
            case(cls, "sd15", [8, 4, 15][(i + j) % 3], **{kind: True})
        case(cls, "turbo", 8, file=dict(sigma_min=0.1, sigma_max=10.0), use_karras_sigmas=True)
        case(cls, "sd15", 1, use_karras_sigmas=True)
        case(cls, "sd15", 2, use_beta_sigmas=True)
        spread(cls, i)
        betas(cls)
        case(cls, "bare", 8)

    # TCD
    for eta in (0.0, 0.3, 1.0):
        for steps in (1, 2, 4, 8):
            case(TCD, "sd15", steps, eta=eta, states=steps == 4)
    case(TCD, "lcm", 15, eta=0.3)
    case(TCD, "sdxl", 4, eta=0.3)
    case(TCD, "sd21v", 4, eta=0.3)
    case(TCD, "sd15", 4, eta=0.3, prediction_type="sample")
    case(TCD, "sd15", 4, eta=0.3, clip_sample=True, thresholding=True)
    case(TCD, "sd15", 4, eta=0.3, set_alpha_to_one=True)
    case(TCD, "sd15", 4, eta=0.3, timestep_spacing="trailing", steps_offset=0, timestep_scaling=1.0)
    case(TCD, "lcm", 7, eta=0.3, original_inference_steps=30)
    case(TCD, "lcm", 20, eta=0.0, original_inference_steps=1000)
    case(TCD, "lcm", 4, eta=0.3, set=dict(original_inference_steps=100))
    case(TCD, "lcm", 51, eta=0.3)
    case(TCD, "lcm", 4, eta=1.5)
    case(TCD, "zsnr", 4, eta=0.3)
    case(TCD, "bare", 4, eta=0.3)
    case(TCD, "lcm", None, eta=0.3, set=dict(timesteps=[999, 759, 499, 259]))
    case(TCD, "sd15", 4, eta=0.3, trained_betas=FEW_BETAS, num_train_timesteps=40, original_inference_steps=20)
    return out


def run(c):
    row = {"class": c["cls"], **{k: c[k] for k in ("base", "file", "overrides") if c[k]}}
    if c["steps"] is not None:
        row["steps"] = c["steps"]
    row.update({k: c[k] for k in ("set", "step") if c[k]})
    during = "from_config"
    try:
        s = build(c)
        given = set(inspect.signature(s.step).parameters)
        extra = dict(c["step"])
        if "generator" in given:
            extra["generator"] = torch.Generator("cpu").manual_seed(123)
        if "eta" in given:
            row["eta"] = extra["eta"] = c["eta"] or 0.0
        during = "set_timesteps"
        lists = {k: np.array(v) if isinstance(v, list) and k == "sigmas" else v for k, v in c["set"].items()}
        s.set_timesteps(**({} if c["steps"] is None else {"num_inference_steps": c["steps"]}), **lists)
        row["timesteps"] = numbers(s.timesteps)
        if hasattr(s, "sigmas"):
            row["sigmas"] = numbers(s.sigmas)
        row["init_noise_sigma"] = number(getattr(s, "init_noise_sigma", 1.0))
        during = "step"
        x, states = LATENTS * getattr(s, "init_noise_sigma", 1.0), []
        for t in s.timesteps:
            seen = s.scale_model_input(x, t) if hasattr(s, "scale_model_input") else x
            x = s.step(model(seen, t), t, x, **extra, return_dict=False)[0]
            states.append(numbers(x))
        if c["states"] or None in states[-1]:
            row["states"] = states
        row["final"] = numbers(x)
    except AssertionError as e:
        if isinstance(e.args[0] if e.args else None, tuple):
            raise
        row["error"] = f"{type(e).__name__}: {e}".split("\n")[0][:160]
        row["during"] = during
    except Exception as e:
        row["error"] = f"{type(e).__name__}: {e}".split("\n")[0][:160]
        row["during"] = during
    return row


def main(path):
    rows = [run(c) for c in cases()]
    used = {r["base"] for r in rows}
    doc = {"made_by": "schedulers_more.py", "diffusers": diffusers.__version__, "shape": list(SHAPE), "latents": numbers(LATENTS), "model_a": A.tolist(),
           "model_b": B.tolist(), "generator_seed": 123, "bases": {k: v for k, v in BASES.items() if k in used}}
    text = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in doc.items())
    text = "{\n" + text + ',\n"cases": [\n' + ",\n".join(json.dumps(r, separators=(",", ":"), allow_nan=False) for r in rows) + "\n]\n}\n"
    with open(path + ".part", "w") as f:
        f.write(text)
    os.replace(path + ".part", path)
    print(f"{path}: {len(rows)} cases, {sum('error' in r for r in rows)} of them errors, {len(text) // 1024} KB")
    for name in dict.fromkeys(r["class"] for r in rows):
        print("  ", name, sum(r["class"] == name for r in rows), "cases,", sum(r["class"] == name and "error" in r for r in rows), "errors")
    for r in rows:
        if "error" in r:
            print("  ", *(r.get(k, "") for k in ("class", "base", "file", "overrides", "steps", "set", "step")), "|", r["during"], r["error"])
        elif any(v is None for v in r["final"]):
            print("   not finite:", *(r.get(k, "") for k in ("class", "base", "file", "overrides", "steps", "set", "step")))


if __name__ == "__main__":
    main(sys.argv[1])
