"""Golden step lists: noise scales of the lists that diffusers' schedulers do not have.

usage: python step_lists.py OUT.json

Where a program with a free licence has the list, its formula is run as it stands: diffusers (AysSchedules, Mochi's
linear_quadratic_schedule), k-diffusion (get_sigmas, get_sigmas_polyexponential; copied below as formulas on numpy arrays).
The others are written down here from their papers and from what users of A1111 and ComfyUI get:
  sgm-uniform   times linspace(T-1, 0, n+1) without the last, log-linear between whole times
  simple        time T-1-int(i*T/n)
  beta-time     times rint(T-1 times the quantiles of beta(0.6, 0.6) at 1 - i/n)
  ddim-uniform  times 1 + i*(T//n), i < n (CompVis' latent-diffusion makes n+1 of them where n does not divide T)
  kl-optimal    tan(linspace(atan(max), atan(min), n)); on flows of the noise-to-signal ratio sigma/(1-sigma), where the paper derives it
  ays           log-linear interpolation of the 11 published numbers (diffusers' end with 0 instead of 0.029 or 0.002) at n+1 points
  fastdpm-*     Kong and Ping 2021, their functions get_STEP_step and get_VAR_noise; int() of the quadratic steps only where it keeps them apart
"""
import json
import sys

import numpy as np
from diffusers import DDPMScheduler
from diffusers.pipelines.mochi.pipeline_mochi import linear_quadratic_schedule
from diffusers.schedulers.scheduling_utils import AysSchedules
from scipy.stats import beta


def table():
    a = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").alphas_cumprod.numpy().astype(np.float64)
    return ((1 - a) / a) ** 0.5


def flow(shift):
    u = np.arange(1, 1001) / 1000
    return shift * u / (1 + (shift - 1) * u)


def at_times(model, t):
    """k-diffusion's t_to_sigma on tables; flows are defined between whole times."""
    t = np.asarray(t, np.float64)
    if model["kind"] == "flow":
        u = (t + 1) / 1000
        return model["shift"] * u / (1 + (model["shift"] - 1) * u)
    low, high, w = np.floor(t).astype(int), np.ceil(t).astype(int), t - np.floor(t)
    logs = np.log(model["sigmas"])
    return np.exp((1 - w) * logs[low] + w * logs[high])


def step_quadratic(n):
    t = np.linspace(0, np.sqrt(1000 * 0.8), n) ** 2 if n > 1 else np.array([800.0])
    return (np.floor(t) if n < 2 or t[1] >= 1 else t)[::-1]


def var(sigmas, n, quadratic):
    """Bisection on the last variance, to the end (the authors stop within 1e-4)."""
    noise = lambda s: s * s / (1 + s * s)
    first, target = noise(sigmas[0]), 1 - noise(sigmas[-1])
    if n == 1:
        return [sigmas[-1]]
    etas = (lambda x: first * (1 + np.arange(n) * x) ** 2) if quadratic else (lambda x: np.linspace(first, x, n))
    left, right = (0.0, (1 / np.sqrt(first) - 1) / (n - 1)) if quadratic else (first, 1.0)
    for _ in range(200):
        x = (left + right) / 2
        left, right = (left, x) if np.prod(1 - etas(x)) < target else (x, right)
    kept = np.cumprod(1 - etas(left))
    return (((1 - kept) / kept) ** 0.5)[::-1]


def ays(name, end, n):
    known = np.array(AysSchedules[name][:-1] + [end])
    x = np.linspace(0, 1, n + 1)
    return np.exp(np.interp(x, np.linspace(0, 1, 11), np.log(known)))[:-1]


def lists(model, n):
    sigmas, t = model["sigmas"], lambda times: at_times(model, times)
    low, high = sigmas[0], sigmas[-1]
    ratio = (lambda s: s / (1 - s)) if model["kind"] == "flow" else (lambda s: s)
    back = (lambda r: r / (1 + r)) if model["kind"] == "flow" else (lambda r: r)
    with np.errstate(divide="ignore"):
        angles = np.linspace(np.arctan(ratio(high)), np.arctan(ratio(low)), n)
    out = {
        "polyexponential": np.exp(np.linspace(1, 0, n) ** 1.0 * (np.log(high) - np.log(low)) + np.log(low)),
        "linear-quadratic": high * np.array(linear_quadratic_schedule(n, 0.025) if n > 1 else [1.0]),
        "kl-optimal": back(np.tan(angles)),
        "normal": t(np.linspace(999, 0, n)),
        "sgm-uniform": t(np.linspace(999, 0, n + 1)[:-1]),
        "simple": t([999 - int(i * 1000 / n) for i in range(n)]),
        "beta-time": t(np.rint(beta.ppf(1 - np.arange(n) / n, 0.6, 0.6) * 999)),
        "ddim-uniform": t([1 + i * (1000 // n) for i in range(n)][::-1]),
        "fastdpm-step": t([np.floor(i * (999 / (n - 1))) for i in range(n)][::-1] if n > 1 else [999]),
        "fastdpm-step-quadratic": t(step_quadratic(n)),
    }
    if model["kind"] == "table":
        out["ays"] = ays("StableDiffusionSigmas", 0.029, n)
        out["ays-sdxl"] = ays("StableDiffusionXLSigmas", 0.029, n)
        out["fastdpm-var"] = var(sigmas, n, False)
        out["fastdpm-var-quadratic"] = var(sigmas, n, True)
    return out


def main(path):
    models = [{"kind": "table", "sigmas": table()}, {"kind": "flow", "shift": 1.0, "sigmas": flow(1.0)}, {"kind": "flow", "shift": 3.0, "sigmas": flow(3.0)}]
    rows = []
    for model in models:
        for n in (1, 2, 5, 10, 20, 33, 50):
            for name, sigmas in lists(model, n).items():
                sigmas = [float(f"{s:.9g}") for s in sigmas]
                rows.append({"model": model["kind"], "shift": model.get("shift"), "list": name, "steps": n, "sigmas": sigmas})
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    with open(path, "w") as f:
        f.write('{"made_by":"step_lists.py","rows":[\n' + text + "\n]}\n")


if __name__ == "__main__":
    main(sys.argv[1])
