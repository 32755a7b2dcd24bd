"""More golden behaviour of diffusers' schedulers, in the form of schedulers.py: UniPC, DEIS, singlestep DPM-Solver, LMS, DPM2 (a), TCD, flow matching, EDM,
SA-Solver, iPNDM, consistency models, sCM, DPM++ SDE, inversions, score_sde's VE, Wuerstchen, unCLIP, learned variances, churn, and files taken over.

usage: python schedulers_more.py OUT.json      (torchsde is for DPMSolverSDE and CosineDPMSolverMultistep alone)

A case is `Class.from_config({**bases[base], **file}, **overrides)`, `set_timesteps(steps, **set)`, then the run of schedulers.py: same latents, same
model, one generator of seed 123 for the whole run. `steps` is missing where `set` holds the list. `set` may hold sigmas (a numpy float64 array; a
torch float32 tensor for EDMEuler, a list for LTX), timesteps, mu. `step` holds arguments of every step; `eta` is given to every class whose step knows it.
    x = latents * init_noise_sigma (1 for classes without it)
    for t in timesteps: x = step(model(scale_model_input(x, t), t), t, x)          scale_model_input: the identity for classes without it
`states` is x after every step (6 digits), `final` the last (7 digits), `sigmas` (9 digits) and `timesteps` (7) as after
set_timesteps. Where a run ends in values that are not finite, `states` is always there, null for these. More keys of some cases:
* second_half [offset, scale]: the model gives 8 channels; the second 4 are offset + scale * tanh(b - a * x), of the same scaled x.
* image_seq_len: the length from which `set.mu` was made: mu = length * slope + (base_shift - slope * base_image_seq_len), where slope =
  (max_shift - base_shift) / (max_image_seq_len - base_image_seq_len); these cases also pass sigmas = linspace(1, 1 / steps, steps), as the pipelines of Flux and LTX do.
* tau: SA-Solver's tau_func gives this for every t.
* noise: what the Brownian tree gave, in the order of its calls; a port takes these in place of its own.
* run "sana-sprint": SANA-Sprint's loop, with d = sigma_data; `result` is what the pipeline hands on:
      x = latents * d; for t in timesteps[:-1]: u = sin t / (cos t + sin t); root = sqrt(u^2 + (1 - u)^2); seen = x / d * root
          F = ((1 - 2 u) seen + (1 - 2 u + 2 u^2) model(seen, u)) / root; x, clean = step(F * d, t, x);      result = clean / d
* ScoreSdeVe: x = latents * sigma_max; for every i: correct_steps times x = step_correct(model(x, sigmas[i]), x), then
      x, mean = step_pred(model(x, sigmas[i]), timesteps[i], x);      `result` = the last mean.

What the model is given, and how its output is turned, for the classes that precondition:
* EDMEuler, EDMDPMSolverMultistep, CosineDPMSolverMultistep: seen = x / sqrt(sigma^2 + d^2), time 0.25 ln sigma (Cosine: 2 / pi atan sigma), float32;
  x0 = d^2 / (sigma^2 + d^2) x + c sigma d / sqrt(sigma^2 + d^2) output, c = 1 for epsilon, -1 for v_prediction. Other kinds are refused at step.
* CMStochasticIterative: seen = x / sqrt(sigma^2 + d^2), time 250 ln(sigma) (float64, negative below 1); with m = sigma_min
  x0 = d^2 / ((sigma - m)^2 + d^2) x + (sigma - m) d / sqrt(sigma^2 + d^2) output, clamped to -1..1 if clip_denoised.
* SCM: the run above with seen = x, time = t in radians; x0 = cos t x - sin t output. timesteps has steps + 1 entries, the last is not run.
* IPNDM: seen = x, time in (0, 1]. DDPMWuerstchen: seen = x, time from 1 down, as a vector of one; the last of its steps + 1 entries is not run.
* flow classes: seen = x, time = 1000 sigma (float32; UniPC, DEIS, DPM-Solver, SA: truncated to an integer, while sigma keeps its fraction).
* DPM2, DPM2 a, DPM++ SDE: in the second half of a step x is scaled by the sigma of the point between.

FACTS that a port has to copy (diffusers 0.39); those of schedulers.py hold here too
* Defaults: beta_start 0.00085 and beta_end 0.012 with linear for KDPM2, KDPM2Ancestral and DPMSolverSDE, with scaled_linear for TCD; 0.0001, 0.02 linear
  elsewhere. timestep_spacing leading for TCD and DDIMInverse, linspace elsewhere; clip_sample and set_alpha_to_one true for DDIMInverse; lower_order_final
  false for DPMSolverSinglestep, which has no timestep_spacing and no steps_offset (always linspace) and no rescale_betas_zero_snr (as DEIS, LMS, SA,
  KDPM2).
* Timesteps: UniPC, DEIS, SA, singlestep divide by steps + 1 like DPM-Solver, int64; karras ones are rounded, exponential, beta and flow ones truncated. LMS
  (float32), KDPM2 (a) (float32, float64 after karras and kin) and DPMSolverSDE (float64) keep fractions; KDPM2 (a) round the karras ones, the others do
  not.
* Range of karras: sigma_min and sigma_max of the file rule, except LMS and DPMSolverSDE, whose karras (not exponential, not beta) ignores them. Without
  them UniPC, DEIS, SA, singlestep, inversion take the model's whole range; LMS, KDPM2 (a), DPMSolverSDE that of the chosen timesteps.
* A range wider than the model's (svd's 700) maps many sigmas to t = 999: the first step is then looked up as the second (FACTS of schedulers.py), the run
  starts one sigma late and fails at its last step (UniPC, SA: AssertionError; DEIS, singlestep: IndexError) or gives NaN (KDPM2 (a)). Lists so short that
  999 comes once pass.
* The last sigma. UniPC: final_sigmas_type zero gives 0; sigma_min gives sigma of t = 0 on the plain list but REPEATS the last sigma with karras,
  exponential, beta and flow. DEIS and SA always so: t = 0's on the plain list, else the last one twice. Singlestep and DPM-Solver: always t = 0's for
  sigma_min, with flow too. Repeated: the last step is h = 0, x stays as it is and the last evaluation is wasted.
UniPC
* Step i: convert the output with sigma[i]; if i > 0 and i - 1 not in disable_corrector, correct x from the last (corrected) x with the last predictor's
  order; the output is not evaluated again; shift it into the history; predictor order = min(solver_order, steps left if lower_order_final, done + 1). The
  last state is a prediction, never corrected. Thresholding only with predict_x0. Orders above 3 work (solve of that size, float32).
* Order 2 predictor and order 1 corrector have rho = 0.5 without solving; rhos of the others solve a system in float32; B(h) = h (bh1) or expm1(h) (bh2).
* flow: sigmas linspace(1, 1 / N, steps + 1) without the last, shifted: s = shift s / (1 + (shift - 1) s), or by mu if use_dynamic_shifting (exponential:
  e^mu / (e^mu + 1 / s - 1), linear: mu for e^mu), then shift_terminal, then a first sigma of 1 becomes 1 - 1e-6. flow with karras takes the VP sigmas v as
  v / (v + 1), before the final sigma is appended and without the shift.
* bh1, predict_x0 false, or lower_order_final false (order 2 up) with a last sigma of 0 give NaN in the last step; exponential or beta with flow in the
  first.
DEIS
* The output is made x0, thresholded, then made epsilon again: (x - alpha x0) / sigma. Orders as DPM-Solver's: lower_order_final lowers the last (to 1) and
  the one before (to 2) only below 15 steps. Orders above 3 run as 3. lambda is not used: rho = sigma / alpha in float32, whose cancellation costs order 3
  up to 1.5e-4 of the result (beta sigmas, 15 steps) against the same formulas in float64.
* flow here, in singlestep, SA and DPM-Solver: 1 - linspace(1, 1 / N, steps + 1), shifted, reversed, without its 0: starts at shift(1 - 1 / N), not at 1.
  alpha is 1 - the float32 sigma: near 1 that rounding shows (DEIS, shift 3, 4 steps: 1e-4 of the result).
* mu sets flow_shift = exp(mu), wants use_dynamic_shifting and time_shift_type exponential.
DPM-Solver singlestep
* Orders of the steps: 1, 2, 3, 1, 2, 3, .. (order 3), 1, 2, .. (order 2). lower_order_final: order 3, steps mod 3 = 0: last group 1, 2 then 1; mod 1: ends
  in 1; mod 2: ends in 1, 2; order 2, even: ends in 1, 1; odd: 1. It is switched on (for good) if steps is no multiple of the order, or the last sigma is 0,
  whereupon the last order is 1 in any case. An order-k step starts from the x of the last order-1 step and uses the outputs of its group.
* sde-dpmsolver++ draws noise at every step, also inside a group. midpoint of order 3 uses the first and last output only.
LMS: coefficients are integrals of Lagrange polynomials in sigma (scipy.quad, epsrel 1e-4: polynomials, so exact), order = min(index + 1, order given to
  step; 4).
DPM2, DPM2 a
* 2 steps - 1 evaluations, at t_0, then pairs (between, next); the last step is Euler to 0. The point between is the geometric mean of the sigmas (a: of
  sigma and sigma_down), its t interpolated in log sigma. For steps = 1 one Euler step. prediction_type sample is refused.
* DPM2 a draws noise once a step, after the second evaluation; none in the last. sigma_down = sqrt(next^2 - up^2) is NaN where float32 cancels (700 to
  0.002).
TCD
* Timesteps: k = N // original_inference_steps, list k - 1, 2 k - 1, ..; reversed; entries floor(i len / steps). original_inference_steps given to
  set_timesteps instead takes ALL training steps 0..N-1, whatever its value. clip_sample, thresholding, set_alpha_to_one, timestep_spacing, timestep_scaling
  act nowhere.
* s = floor((1 - eta) prev); prev of the last step is 0, so it ends at alphas_cumprod[0], not at 1. Noise if eta > 0, at every step but the last.
FlowMatchEuler, FlowMatchHeun, FlowMatchLCM
* sigma_min is shifted when the class is made (not if use_dynamic_shifting), timesteps run evenly from 1000 to 1000 sigma_min, and are shifted AGAIN: shift
  3 ends at 0.00893, not 0.00299. One step: sigma 1. Given sigmas become float32 and are shifted once; given timesteps too, but the model is given them as
  they are, unshifted; given both, the sigmas are shifted and the model is given the timesteps.
* Order: shift (static or mu), shift_terminal (1 - (1 - s) (1 - terminal) / (1 - s_last)), karras | exponential | beta between last and first of these,
  invert (sigmas 1 - s, times of these, closing 1 instead of 0). shift_terminal with one step of sigma 1 is 0 / 0: IndexError at step.
* stochastic_sampling: x0 = x - sigma v; x = (1 - next) x0 + next noise; noise at every step, also the last. FlowMatchLCM the same. s_churn of
  FlowMatchEuler does nothing.
* FlowMatchHeun: like Heun; dynamic shifting keys are ignored. With s_churn noise is drawn in BOTH halves of a step; in the second it has no effect. The
  model sees x without the churn, and the derivative is v sigma / sigma_hat.
* LTXEulerAncestralRF: eta and s_noise of the config; noise at every step but the last; given sigmas count 0 as a timestep: a last evaluation without
  effect.
EDM
* init_noise_sigma sqrt(sigma_max^2 + 1). EDMEuler: float64 then rounded, EDMDPMSolver, Cosine: float32 throughout (80 becomes 79.999985). exponential with
  ONE step starts at sigma_min (linspace from the small end, reversed), though x has the size of sigma_max. Given sigmas of EDMEuler are the ramp (0..1),
  not sigmas (exponential: only their count matters).
* EDMEuler's s_churn: noise after the model is called, so the model's input is x / sqrt(sigma^2 + d^2) of the unchurned x; x0 with sigma_hat and the churned
  x.
* EDMDPMSolver: alpha = 1, orders as DPM-Solver's. Its final sigma_min repeats the last: order 3 without lower_order_final gives NaN. sde of order 3:
  UnboundLocalError.
* Cosine: sde-dpmsolver++ of order 1 and 2 with Brownian noise on sigma_min..sigma_max, seed = the generator's first seed (123), which is not advanced; a
  call every step, (sigma, next), also the last, of no effect. final sigma_min asks the tree for an empty interval: RecursionError.
SA-Solver
* Step i: convert; if i > 0 correct x with the noise and the tau (of the timestep) of the last step; shift the history; draw noise (every step, whatever
  tau); predict. tau_func: 1 for 200 <= t <= 800, else 0. Orders: predictor min(order, steps left), corrector min(order, steps left + 1) if
  lower_order_final; then predictor min(, done + 1), corrector min(, done + 2). The corrector uses the order set in the step before. corrector_order 0
  fails.
* With data_prediction, order 2 of both has an extra term (the paper's appendix); other orders have none.
iPNDM: beta = sin(pi / 2 s)^2, alpha = sqrt(1 - beta^2), s even from 1 to 0; times 2 / pi atan2(beta, alpha); output taken as v whatever prediction_type;
  Adams-Bashforth orders 1 to 4 on epsilon, alpha at least 1e-8 in the division: the first x0 is 0, so one step gives 0. trained_betas are used as this
  beta, whatever the count.
CMStochasticIterative: ramp i (N // steps) / (N - 1), or given timesteps reversed (ascending); noise at every step, none drawn for one step; in the last it
  is times sqrt(float32(sigma_min)^2 - sigma_min^2), 1.7e-5 for 0.1; given timesteps [22, 0] start at sigma_max. SCM: noise * sigma_data at every step, also
  the last (times sin 0); intermediate_timesteps must be None unless steps is 2.
DPMSolverSDE: DPM++ SDE with r = 1/2; noise from a tree on the smallest positive to the largest sigma with noise_sampler_seed: for (sigma, between), then
  (sigma, next), W difference / sqrt of the length; no call in the last step, which is Euler. sigma_up = min(to, ..). Without a seed it draws one from
  torch's global generator.
DDIMInverse: t ascends; x is taken from alpha(t - N // steps), below 0 initial alpha (1 or alphas_cumprod[0]), TO t: the model sees the time it goes to. No
  linspace.
DPMSolverMultistepInverse: times ascend; the list of sigmas is closed by the noisiest (or the last one again with karras and kin); double timesteps are
  dropped, sigmas not. sde kinds give NaN (root of a negative); flow sigmas are not reversed.
ScoreSdeVe: times linspace(1, sampling_eps, steps), sigmas min (max / min)^t; step_pred takes discrete_sigmas[trunc(t (steps - 1))] (exp of an even list)
  and the one below (0 at 0). Noise: correctors', then the predictor's, at every step. step_correct's size 2 (snr |noise| / |output|)^2, norms over all
  elements.
DDPM learned: the second half is the variance itself; learned_range: exp of (f log beta + (1 - f) log variance) / 2, f = (v + 1) / 2. DPM-Solver,
  singlestep, SA cut a learned output to THREE channels, so 4-channel latents fail.
DDPMWuerstchen: alphas_cumprod = cos^2((t + s) / (1 + s) pi / 2) / (the same at 0), clamped to 0.0001..0.9999; t first becomes 1 - (1 - t)^scaler (above 1),
  t^scaler (below); noise drawn at every step, used unless the next time is 0.
CogVideoXDDIM: betas in float64 with scaled_linear; alphas_cumprod / (scale + (1 - scale) alphas_cumprod), then rescaled (on alphas_cumprod itself); clip_sample,
  eta and thresholding act nowhere.
unCLIP: betas of squaredcos_cap_v2 in float32 (1 - 0.999 is off by 1e-5 there, which shows); times round(i (N - 1) / (steps - 1)): one step divides by zero.
  prev_timestep as its pipeline gives it: the next one, none at the last. Noise while t > 0.
Euler's s_churn: noise only if gamma > 0, after the model; epsilon uses sigma_hat, v_prediction the old sigma with the churned x. DDIM draws at every step
  if eta > 0.
Thresholding with epsilon of singlestep dpmsolver and SA noise_prediction fails (indexes by a timestep that is not there). DPM-Solver's karras, exponential,
  beta and lu with use_flow_sigmas keep VP sigmas and give NaN.
"""
import inspect
import json
import os
import sys

import schedulers as first
from schedulers import A, ANCESTRAL, B, BASES, DDIM, DDPM, DPM, EULER, FEW_BETAS, LATENTS, SHAPE, build, model, number, numbers
import diffusers
import diffusers.schedulers.scheduling_dpmsolver_sde as sde
import numpy as np
import torch
import torchsde  # without it diffusers hides two classes behind dummies

(UNIPC, DEIS, SINGLE, LMS, KDPM2, KDPM2A, TCD, FLOW, FLOW_HEUN, FLOW_LCM, LTX, EDM, EDM_DPM, SA, IPNDM, CM, SCM, DPM_SDE, COSINE,
 DDIM_INVERSE, DPM_INVERSE, VE, WUERSTCHEN, UNCLIP, COG) = (c + "Scheduler" for c in (
     "UniPCMultistep", "DEISMultistep", "DPMSolverSinglestep", "LMSDiscrete", "KDPM2Discrete", "KDPM2AncestralDiscrete", "TCD", "FlowMatchEulerDiscrete",
     "FlowMatchHeunDiscrete", "FlowMatchLCM", "LTXEulerAncestralRF", "EDMEuler", "EDMDPMSolverMultistep", "SASolver", "IPNDM", "CMStochasticIterative", "SCM",
     "DPMSolverSDE", "CosineDPMSolverMultistep", "DDIMInverse", "DPMSolverMultistepInverse", "ScoreSdeVe", "DDPMWuerstchen", "UnCLIP", "CogVideoXDDIM"))
MORE = {
    # Wan 2.1
    "wan": dict(_class_name="UniPCMultistepScheduler", _diffusers_version="0.33.0.dev0", beta_end=0.02, beta_schedule="linear", beta_start=0.0001,
                disable_corrector=[], dynamic_thresholding_ratio=0.995, final_sigmas_type="zero", flow_shift=3.0, lower_order_final=True,
                num_train_timesteps=1000, predict_x0=True, prediction_type="flow_prediction", rescale_betas_zero_snr=False, sample_max_value=1.0,
                solver_order=2, solver_p=None, solver_type="bh2", steps_offset=0, thresholding=False, timestep_spacing="linspace", trained_betas=None,
                use_beta_sigmas=False, use_exponential_sigmas=False, use_flow_sigmas=True, use_karras_sigmas=False),
    "sd3": dict(_class_name="FlowMatchEulerDiscreteScheduler", _diffusers_version="0.29.0.dev0", num_train_timesteps=1000, shift=3.0),
    "flux": dict(_class_name="FlowMatchEulerDiscreteScheduler", _diffusers_version="0.30.0.dev0", base_image_seq_len=256, base_shift=0.5,
                 max_image_seq_len=4096, max_shift=1.15, num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=True),
    "schnell": dict(_class_name="FlowMatchEulerDiscreteScheduler", _diffusers_version="0.30.0.dev0", base_image_seq_len=256, base_shift=0.5,
                    max_image_seq_len=4096, max_shift=1.15, num_train_timesteps=1000, shift=1.0, use_dynamic_shifting=False),
    # LTX-Video
    "ltx": dict(_class_name="FlowMatchEulerDiscreteScheduler", _diffusers_version="0.32.0.dev0", base_image_seq_len=1024, base_shift=0.95, invert_sigmas=False,
                max_image_seq_len=4096, max_shift=2.05, num_train_timesteps=1000, shift=1.0, shift_terminal=0.1, use_beta_sigmas=False,
                use_dynamic_shifting=True, use_exponential_sigmas=False, use_karras_sigmas=False),
    # SANA
    "sana": dict(_class_name="DPMSolverMultistepScheduler", _diffusers_version="0.32.0.dev0", algorithm_type="dpmsolver++", beta_end=0.02, beta_schedule="linear",
                 beta_start=0.0001, dynamic_thresholding_ratio=0.995, euler_at_final=False, final_sigmas_type="zero", flow_shift=3.0,
                 lower_order_final=True, num_train_timesteps=1000, prediction_type="flow_prediction", rescale_betas_zero_snr=False, sample_max_value=1.0,
                 solver_order=2, solver_type="midpoint", steps_offset=0, thresholding=False, timestep_spacing="linspace", trained_betas=None,
                 use_flow_sigmas=True, use_karras_sigmas=False, use_lu_lambdas=False, variance_type=None),
    # Playground 2.5
    "playground": dict(_class_name="EDMDPMSolverMultistepScheduler", _diffusers_version="0.27.0.dev0", algorithm_type="dpmsolver++",
                       dynamic_thresholding_ratio=0.995, euler_at_final=False, final_sigmas_type="zero", lower_order_final=True, num_train_timesteps=1000,
                       prediction_type="epsilon", rho=7.0, sample_max_value=1.0, sigma_data=0.5, sigma_max=80.0, sigma_min=0.002, solver_order=2,
                       solver_type="midpoint", thresholding=False),
    # CosXL
    "cosxl": dict(_class_name="EDMEulerScheduler", _diffusers_version="0.29.0.dev0", num_train_timesteps=1000, prediction_type="v_prediction", rho=7.0,
                  sigma_data=1.0, sigma_max=120.0, sigma_min=0.002, sigma_schedule="exponential"),
    # Stable Audio Open
    "audio": dict(_class_name="CosineDPMSolverMultistepScheduler", _diffusers_version="0.30.0.dev0", euler_at_final=False, final_sigmas_type="zero",
                  lower_order_final=True, num_train_timesteps=1000, prediction_type="v_prediction", rho=7.0, sigma_data=1.0, sigma_max=500, sigma_min=0.3,
                  sigma_schedule="exponential", solver_order=2, solver_type="midpoint"),
    # Stable Video Diffusion
    "svd": dict(_class_name="EulerDiscreteScheduler", _diffusers_version="0.24.0.dev0", **first.SD, clip_sample=False, interpolation_type="linear",
                prediction_type="v_prediction", set_alpha_to_one=False, sigma_max=700.0, sigma_min=0.002, skip_prk_steps=True, steps_offset=1,
                timestep_spacing="leading", timestep_type="continuous", trained_betas=None, use_karras_sigmas=True),
    # diffusers-cd_imagenet64
    "cm": dict(_class_name="CMStochasticIterativeScheduler", _diffusers_version="0.18.0.dev0", clip_denoised=True, num_train_timesteps=40, rho=7.0, s_noise=1.0,
               sigma_data=0.5, sigma_max=80.0, sigma_min=0.002),
    # SANA-Sprint
    "sprint": dict(_class_name="SCMScheduler", _diffusers_version="0.33.0.dev0", num_train_timesteps=1000, prediction_type="trigflow", sigma_data=0.5),
    "ve": dict(_class_name="ScoreSdeVeScheduler", num_train_timesteps=2000, snr=0.15, sigma_min=0.01, sigma_max=1348.0, sampling_eps=1e-05, correct_steps=1),
    # CogVideoX
    "cog": dict(_class_name="CogVideoXDDIMScheduler", _diffusers_version="0.30.0.dev0", **first.SD, clip_sample=False, clip_sample_range=1.0,
                prediction_type="v_prediction", rescale_betas_zero_snr=True, sample_max_value=1.0, set_alpha_to_one=True, snr_shift_scale=3.0, steps_offset=0,
                timestep_spacing="trailing", trained_betas=None),
    "own": dict(),
}
BASES.update(MORE)
KINDS = ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]


def cases():
    out = []

    def case(cls, base, steps, states=False, file=None, eta=None, set=None, step=None, extra=None, **overrides):
        out.append(dict(cls=cls, base=base, file=file or {}, overrides=overrides, steps=steps, states=states, eta=eta, set=set or {}, step=step or {},
                        extra=extra or {}, via=None))

    def pipeline(cls, base, steps, image_seq_len, file=None, **more):
        """What the Flux, LTX and SD3 pipelines pass: sigmas from 1 to 1 / steps and mu from the length of the image."""
        f = {**BASES[base], **(file or {})}
        slope = (f["max_shift"] - f["base_shift"]) / (f["max_image_seq_len"] - f["base_image_seq_len"])
        mu = image_seq_len * slope + (f["base_shift"] - slope * f["base_image_seq_len"])
        case(cls, base, steps, file=file, set=dict(sigmas=np.linspace(1.0, 1 / steps, steps).tolist(), mu=mu), extra=dict(image_seq_len=image_seq_len), **more)

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
    for steps in (1, 2, 4, 8):
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
    for order in (1, 3):
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
    for steps in (1, 2, 4, 15, 20):
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
    for steps in (1, 2, 3, 5):
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
    for steps in (1, 2, 4, 8, 15):
        case(LMS, "sd15", steps, states=steps in (4, 8))
    for order in (1, 2, 3, 6):
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
        for steps in (1, 2, 4, 8, 15):
            case(cls, "sd15", steps, states=steps == 4)
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

    # flow Euler
    for steps in (1, 2, 4, 8, 20):
        case(FLOW, "sd3", steps, states=steps == 4)
    case(FLOW, "sd3", 8, shift=1.0)
    case(FLOW, "sd3", 8, shift=0.5)
    case(FLOW, "schnell", 4, set=dict(sigmas=[1.0, 0.75, 0.5, 0.25]))
    for j, length in enumerate((256, 1024, 4096, 5000)):
        pipeline(FLOW, "flux", [4, 8, 2, 15][j], length)
    pipeline(FLOW, "flux", 1, 1024)
    pipeline(FLOW, "flux", 8, 1024, time_shift_type="linear")
    case(FLOW, "flux", 8, time_shift_type="cubic")
    case(FLOW, "flux", 8)
    case(FLOW, "flux", 8, set=dict(mu=0.8))
    pipeline(FLOW, "ltx", 8, 2048)
    pipeline(FLOW, "ltx", 1, 2048)
    pipeline(FLOW, "ltx", 4, 4096, file=dict(shift_terminal=0.02, max_shift=0.9, base_shift=0.5, base_image_seq_len=256, max_image_seq_len=8192))
    case(FLOW, "sd3", 8, shift_terminal=0.1)
    case(FLOW, "sd3", 4, shift_terminal=0.1, stochastic_sampling=True)
    for j, kind in enumerate(KINDS):
        case(FLOW, "sd3", [8, 4, 15][j], **{kind: True})
        pipeline(FLOW, "flux", [4, 8, 4][j], 1024, **{kind: True})
    case(FLOW, "sd3", 1, use_beta_sigmas=True)
    case(FLOW, "sd3", 8, use_karras_sigmas=True, use_beta_sigmas=True)
    case(FLOW, "sd3", 8, file=dict(sigma_min=0.1, sigma_max=0.9), use_karras_sigmas=True)
    for steps in (1, 4, 8):
        case(FLOW, "sd3", steps, stochastic_sampling=True, states=steps == 4)
    case(FLOW, "sd3", 8, invert_sigmas=True)
    case(FLOW, "schnell", None, set=dict(sigmas=[1.0, 0.9375, 0.8, 0.3, 0.05]))
    case(FLOW, "sd3", None, set=dict(timesteps=[1000.0, 900.0, 500.0, 100.0]))
    case(FLOW, "sd3", None, set=dict(timesteps=[1000.0, 900.0, 500.0], sigmas=[1.0, 0.8, 0.4]))
    case(FLOW, "sd3", 4, set=dict(sigmas=[1.0, 0.5]))
    case(FLOW, "sd3", 8, step=dict(s_churn=10.0, s_noise=1.1))
    case(FLOW, "own", 8)
    case(FLOW, "sd3", 8, num_train_timesteps=500)
    # flow Heun
    for steps in (1, 2, 4, 8):
        case(FLOW_HEUN, "sd3", steps, states=steps == 4)
    case(FLOW_HEUN, "sd3", 8, shift=1.0)
    case(FLOW_HEUN, "sd3", 4, step=dict(s_churn=1.0), states=True)
    case(FLOW_HEUN, "sd3", 4, step=dict(s_churn=40.0, s_noise=1.1))
    case(FLOW_HEUN, "sd3", 8, step=dict(s_churn=2.0, s_tmin=0.3, s_tmax=0.9))
    case(FLOW_HEUN, "flux", 8)
    # flow LCM
    for steps in (1, 2, 4, 8):
        case(FLOW_LCM, "sd3", steps, states=steps == 4)
    case(FLOW_LCM, "sd3", 8, shift=1.0)
    pipeline(FLOW_LCM, "flux", 4, 1024)
    pipeline(FLOW_LCM, "ltx", 8, 2048)
    for kind in KINDS:
        case(FLOW_LCM, "sd3", 4, **{kind: True})
    case(FLOW_LCM, "schnell", None, set=dict(sigmas=[1.0, 0.9375, 0.8, 0.3]))
    case(FLOW_LCM, "sd3", 4, scale_factors=[0.5], upscale_mode="bicubic")
    # ancestral flow Euler
    case(LTX, "schnell", 8, states=True)
    case(LTX, "schnell", 8, file=dict(eta=0.0))
    case(LTX, "sd3", 4, file=dict(eta=0.5, s_noise=1.1))
    case(LTX, "schnell", None, set=dict(sigmas=[1.0, 0.9, 0.5, 0.1, 0.0]))

    # EDM Euler
    for steps in (1, 2, 4, 8, 15):
        case(EDM, "playground", steps, states=steps == 4)
        case(EDM, "cosxl", steps)
    case(EDM, "playground", 8, sigma_schedule="exponential")
    case(EDM, "cosxl", 8, sigma_schedule="karras")
    case(EDM, "playground", 8, sigma_schedule="linear")
    case(EDM, "playground", 8, final_sigmas_type="sigma_min")
    case(EDM, "playground", 8, rho=3.0, sigma_min=0.1, sigma_max=20.0, sigma_data=1.0)
    case(EDM, "playground", 8, prediction_type="sample")
    case(EDM, "playground", 8, step=dict(s_churn=2.0))
    case(EDM, "playground", 8, step=dict(s_churn=40.0, s_tmin=0.05, s_tmax=50.0, s_noise=1.003), states=True)
    case(EDM, "playground", None, set=dict(sigmas=[0.0, 0.2, 0.5, 1.0]))
    # EDM DPM-Solver
    for steps in (1, 2, 4, 8, 15, 20):
        case(EDM_DPM, "playground", steps, states=steps == 4)
    for algorithm in ("dpmsolver++", "sde-dpmsolver++"):
        for order in (1, 2, 3):
            for kind in ("midpoint", "heun"):
                if (order, kind) != (3, "heun"):
                    case(EDM_DPM, "playground", [8, 15, 4][order % 3], algorithm_type=algorithm, solver_order=order, solver_type=kind)
    case(EDM_DPM, "playground", 15, algorithm_type="dpmsolver")
    case(EDM_DPM, "playground", 8, algorithm_type="deis", solver_type="bh2")
    for steps in (1, 8):
        case(EDM_DPM, "playground", steps, sigma_schedule="exponential")
    case(EDM_DPM, "cosxl", 8)
    case(EDM_DPM, "playground", 8, prediction_type="v_prediction", solver_order=3)
    case(EDM_DPM, "playground", 8, prediction_type="sample")
    case(EDM_DPM, "playground", 8, final_sigmas_type="sigma_min")
    case(EDM_DPM, "playground", 15, final_sigmas_type="sigma_min", solver_order=3, lower_order_final=False)
    case(EDM_DPM, "playground", 15, final_sigmas_type="sigma_min", euler_at_final=True)
    case(EDM_DPM, "playground", 8, lower_order_final=False, solver_order=3)
    case(EDM_DPM, "playground", 4, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0)
    case(EDM_DPM, "playground", 8, rho=3.0, sigma_min=0.1, sigma_max=20.0, sigma_data=1.0)
    case(EDM_DPM, "cosxl", 8, algorithm_type="sde-dpmsolver++", states=True)

    # SA-Solver
    for steps in (1, 2, 4, 8, 20):
        case(SA, "sd15", steps, states=steps in (4, 8))
    n = 0
    for predictor in (1, 2, 3, 4):
        for corrector in (1, 2, 3, 4):
            if (predictor + corrector) % 2 == 1 or predictor == corrector:
                case(SA, "sd15", [8, 15][n % 2], predictor_order=predictor, corrector_order=corrector)
                n += 1
    case(SA, "sd15", 8, corrector_order=0)
    for order in (1, 2, 3):
        case(SA, "sd15", 8, algorithm_type="noise_prediction", predictor_order=order, corrector_order=order)
    for tau in (0.0, 0.5, 1.0):
        case(SA, "sd15", 8, extra=dict(tau=tau), predictor_order=3, corrector_order=3)
        case(SA, "sd15", 8, extra=dict(tau=tau), algorithm_type="noise_prediction")
    case(SA, "sd21v", 8)
    case(SA, "sd21v", 8, algorithm_type="noise_prediction")
    case(SA, "sd15", 8, prediction_type="sample")
    case(SA, "sd15", 4, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=2.0)
    case(SA, "sd15", 4, thresholding=True, algorithm_type="noise_prediction")
    case(SA, "sd15", 4, algorithm_type="other")
    case(SA, "sd15", 8, lower_order_final=False, predictor_order=3, corrector_order=3)
    for j, kind in enumerate(KINDS):
        case(SA, "sd15", [8, 4, 15][j], **{kind: True})
    spread(SA)
    betas(SA)
    case(SA, "sd15", 8, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1)
    case(SA, "wan", 8)
    case(SA, "wan", 8, flow_shift=1.0, extra=dict(tau=0.0))

    # iPNDM
    for steps in (1, 2, 3, 4, 5, 8, 15, 20):
        case(IPNDM, "own", steps, states=steps == 5)
    case(IPNDM, "sd15", 8)
    case(IPNDM, "own", 4, trained_betas=[0.9, 0.7, 0.4, 0.2, 0.0])
    case(IPNDM, "own", 4, trained_betas=FEW_BETAS)

    # consistency models
    for steps in (1, 2, 4, 8, 40):
        case(CM, "cm", steps, states=steps == 4)
    case(CM, "cm", 41)
    case(CM, "cm", None, set=dict(timesteps=[22, 0]))
    case(CM, "cm", None, set=dict(timesteps=[39, 22, 0]))
    for clip in (True, False):
        case(CM, "cm", 4, clip_denoised=clip, sigma_data=4.0)
    case(CM, "cm", 4, s_noise=0.5, rho=3.0)
    case(CM, "cm", 4, sigma_data=1.0, sigma_max=20.0, sigma_min=0.1)
    # sCM
    none = dict(intermediate_timesteps=None)
    case(SCM, "sprint", 2, states=True)
    for steps in (1, 4, 8):
        case(SCM, "sprint", steps, set=none, states=steps == 4)
    for steps in (1, 2, 4):
        case(SCM, "sprint", steps, set=dict(max_timesteps=1.57080) if steps == 2 else none, extra=dict(run="sana-sprint"), states=steps == 2)
    case(SCM, "sprint", 2, set=dict(max_timesteps=1.5, intermediate_timesteps=0.8), sigma_data=1.0)
    case(SCM, "sprint", 3, set=dict(timesteps=[1.55, 1.2, 0.6, 0.0], max_timesteps=None, **none))
    case(SCM, "sprint", 4)
    case(SCM, "sprint", 2, set=dict(timesteps=[1.55, 0.6], max_timesteps=None, **none))
    case(SCM, "sprint", 2, prediction_type="epsilon")

    # DPM++ SDE, with the noise it drew
    for steps in (1, 2, 4, 8):
        case(DPM_SDE, "sd15", steps, noise_sampler_seed=123, states=steps == 4)
    case(DPM_SDE, "sd21v", 4, noise_sampler_seed=7)
    case(DPM_SDE, "sd15", 4, noise_sampler_seed=7, timestep_spacing="trailing", steps_offset=0)
    for j, kind in enumerate(KINDS):
        case(DPM_SDE, "sd15", [4, 3, 4][j], noise_sampler_seed=123, **{kind: True})
    case(DPM_SDE, "turbo", 4, file=dict(sigma_min=0.1, sigma_max=10.0), noise_sampler_seed=123, use_karras_sigmas=True)
    case(DPM_SDE, "sd15", 4, noise_sampler_seed=123, step=dict(s_noise=0.5))
    case(DPM_SDE, "sd15", 4, prediction_type="sample", noise_sampler_seed=123)
    case(DPM_SDE, "bare", 2, noise_sampler_seed=123)
    # Stable Audio's solver, likewise
    for steps in (1, 2, 4, 8):
        case(COSINE, "audio", steps, states=steps == 4)
    case(COSINE, "audio", 4, solver_order=1)
    case(COSINE, "audio", 6, solver_type="heun")
    case(COSINE, "audio", 4, solver_order=3)
    case(COSINE, "audio", 4, sigma_schedule="karras")
    case(COSINE, "audio", 4, prediction_type="epsilon")
    case(COSINE, "audio", 4, final_sigmas_type="sigma_min", sigma_data=0.5)

    # DDIM inversion
    for steps in (1, 2, 4, 8, 20):
        case(DDIM_INVERSE, "sd15", steps, states=steps == 4)
    case(DDIM_INVERSE, "sd21v", 8)
    case(DDIM_INVERSE, "sd15", 8, prediction_type="sample")
    case(DDIM_INVERSE, "sd15", 8, clip_sample=True, clip_sample_range=1.5)
    case(DDIM_INVERSE, "sd15", 8, set_alpha_to_one=True)
    for j, spacing in enumerate(("leading", "trailing", "linspace")):
        case(DDIM_INVERSE, "sd15", 7, timestep_spacing=spacing, steps_offset=[0, 1, 0][j])
    case(DDIM_INVERSE, "zsnr", 8)
    case(DDIM_INVERSE, "sdxl", 15)
    betas(DDIM_INVERSE)
    # DPM-Solver inversion
    for steps in (1, 2, 4, 8, 20):
        case(DPM_INVERSE, "sd15", steps, states=steps == 4)
    for order in (1, 3):
        case(DPM_INVERSE, "sd15", [8, 15][order == 3], solver_order=order)
    case(DPM_INVERSE, "sd15", 8, solver_type="heun")
    for algorithm in ("dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"):
        case(DPM_INVERSE, "sd15", 8, algorithm_type=algorithm)
    case(DPM_INVERSE, "sd21v", 8)
    case(DPM_INVERSE, "sd15", 8, prediction_type="sample")
    for j, kind in enumerate(KINDS):
        case(DPM_INVERSE, "sd15", [8, 4, 15][j], **{kind: True})
    spread(DPM_INVERSE)
    case(DPM_INVERSE, "sd15", 15, euler_at_final=True)
    case(DPM_INVERSE, "sd15", 8, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1)
    case(DPM_INVERSE, "wan", 4)

    # predictor-corrector of score_sde
    for steps in (2, 4, 8):
        case(VE, "ve", steps, states=steps == 4)
    case(VE, "ve", 1)
    case(VE, "ve", 8, snr=0.3, correct_steps=2)
    case(VE, "ve", 8, correct_steps=0)
    case(VE, "ve", 8, sigma_min=0.1, sigma_max=50.0, sampling_eps=0.001)
    # learned variances
    between, positive = dict(second_half=[0.0, 1.0]), dict(second_half=[0.02, 0.015])
    for steps in (2, 8):
        case(DDPM, "sd15_060", steps, variance_type="learned_range", extra=between, states=steps == 8)
        case(DDPM, "sd15_060", steps, variance_type="learned", extra=positive)
    case(DDPM, "sd21v", 4, variance_type="learned_range", extra=between)
    case(DDPM, "sd15", 4, variance_type="learned_range", extra=between, clip_sample=True)
    case(DDPM, "sd15", 4, variance_type="fixed_small", extra=between)
    for cls in (DPM, SINGLE, SA):
        case(cls, "sd15", 4, variance_type="learned_range", extra=between)
    # Wuerstchen and Stable Cascade
    for steps in (1, 2, 4, 8, 20):
        case(WUERSTCHEN, "own", steps, states=steps == 4)
    for scaler in (0.5, 2.0):
        case(WUERSTCHEN, "own", 8, scaler=scaler)
    case(WUERSTCHEN, "own", 8, s=0.05)
    case(WUERSTCHEN, "own", None, set=dict(timesteps=[1.0, 0.7, 0.4, 0.1, 0.0]))
    # unCLIP
    for steps in (1, 2, 4, 8, 25):
        case(UNCLIP, "own", steps, states=steps == 4)
    case(UNCLIP, "own", 8, variance_type="learned_range", extra=between, states=True)
    case(UNCLIP, "own", 8, variance_type="learned_range", clip_sample_range=5.0, prediction_type="sample", extra=between)
    case(UNCLIP, "own", 8, prediction_type="sample", clip_sample=False)
    case(UNCLIP, "own", 8, prediction_type="v_prediction")
    case(UNCLIP, "sd15", 8)

    # more of classes of schedulers.json
    for eta in (0.5, 1.0):
        case(DDIM, "sd15", 8, eta=eta, clip_sample=True)
        case(DDIM, "sd15", 4, eta=eta, clip_sample=True, clip_sample_range=2.0, step=dict(use_clipped_model_output=True), states=True)
        case(DDIM, "sd15", 8, eta=eta, thresholding=True, dynamic_thresholding_ratio=0.8, sample_max_value=3.0)
        case(DDIM, "sd15", 20, eta=eta, timestep_spacing="trailing")
        case(DDIM, "sd15", 2, eta=eta, prediction_type="sample")
        case(DDIM, "sd15", 1, eta=eta)
    for base in ("sd15", "sd21v"):
        case(EULER, base, 8, step=dict(s_churn=2.0), states=base == "sd21v")
        case(EULER, base, 8, step=dict(s_churn=40.0, s_tmin=0.5, s_tmax=10.0, s_noise=1.003), timestep_spacing="linspace")
    case(EULER, "sd15", 8, step=dict(s_churn=2.0), prediction_type="sample")
    case(EULER, "svd", 8)
    case(EULER, "svd", None, set=dict(sigmas=[700.0, 54.5, 15.886, 7.977, 0.582, 0.0]))
    case(EULER, "sd15", None, set=dict(sigmas=[14.615, 6.475, 3.861, 0.55, 0.0]))
    case(EULER, "sd15", None, set=dict(timesteps=[999, 850, 736, 10]))
    case(DPM, "sd15", None, set=dict(timesteps=[999, 850, 736, 10]))
    for steps in (1, 2, 4):
        case(ANCESTRAL, "turbo", steps, states=steps == 4)
    case(ANCESTRAL, "sd21v", 20, timestep_spacing="linspace")
    # DPM-Solver on flow models
    for steps in (1, 2, 4, 8, 20):
        case(DPM, "sana", steps, states=steps == 8)
    case(DPM, "sana", 8, flow_shift=1.0)
    for order in (1, 3):
        case(DPM, "sana", 8, solver_order=order, solver_type="heun")
    case(DPM, "sana", 8, algorithm_type="sde-dpmsolver++")
    case(DPM, "sana", 8, algorithm_type="dpmsolver", final_sigmas_type="sigma_min")
    case(DPM, "sana", 15, lower_order_final=False, solver_order=3)
    for kind in KINDS + ["use_lu_lambdas"]:
        case(DPM, "sana", 4, **{kind: True})
    case(DPM, "sana", 8, use_dynamic_shifting=True, set=dict(mu=1.2))
    case(DPM, "sana", 8, use_dynamic_shifting=True, time_shift_type="linear", set=dict(mu=1.2))
    case(DPM, "sana", 8, prediction_type="epsilon")

    # CogVideoX
    for steps in (1, 2, 4, 8, 50):
        case(COG, "cog", steps, states=steps == 4)
    case(COG, "cog", 8, snr_shift_scale=1.0)
    case(COG, "cog", 8, rescale_betas_zero_snr=False, timestep_spacing="leading", prediction_type="epsilon")
    case(COG, "cog", 8, rescale_betas_zero_snr=False, set_alpha_to_one=False, clip_sample=True, timestep_spacing="linspace")

    # files taken over by other classes
    counts, n = [8, 4, 15, 2], 0
    had = dict(sdxl=(KDPM2, KDPM2A, TCD, DEIS, DPM_INVERSE), turbo=(DEIS, SINGLE, SA, DPM_INVERSE), zsnr=(UNIPC, TCD), svd=(TCD, DPM_INVERSE))
    for base in had:
        for cls in (UNIPC, DEIS, SINGLE, LMS, KDPM2, KDPM2A, SA, DPM_INVERSE, TCD):
            if cls not in had[base]:
                case(cls, base, 8 if base == "svd" else counts[n % 4], eta=0.3 if cls == TCD else None)
                n += 1
    flow = dict(use_flow_sigmas=True, prediction_type="flow_prediction")
    for cls in (FLOW, FLOW_HEUN, DPM, EULER, DDIM):
        case(cls, "wan", 8)
    for base in ("sd3", "flux"):
        for j, cls in enumerate((UNIPC, DPM, SINGLE, DEIS, SA)):
            case(cls, base, [8, 4][j % 2], flow_shift=3.0, **flow)
    case(UNIPC, "sana", 8)
    case(FLOW, "sana", 8)
    case(UNIPC, "sd3", 4)
    case(EDM, "svd", 8)
    case(EDM_DPM, "sdxl", 8)
    case(DPM, "playground", 8)
    case(EULER, "playground", 8, use_karras_sigmas=True)
    case(EULER, "cosxl", 8)
    return out


def short(a, digits=7):
    return [int(v) for v in a.reshape(-1)] if a.dtype in (torch.int64, torch.int32) else [number(v, digits) for v in a.detach().reshape(-1)]


def output(c, seen, t):
    y = model(seen, t)
    if "second_half" in c["extra"]:
        offset, scale = c["extra"]["second_half"]
        v = offset + scale * np.tanh(B - A * seen.numpy().reshape(-1).astype(np.float64))
        y = torch.cat([y, torch.from_numpy(v.astype(np.float32).reshape(SHAPE))], dim=1)
    return y


def steps_of(c, s, extra):
    """The run: the state after every step, and what the pipeline makes of the last one where that is another value."""
    x = LATENTS * getattr(s, "init_noise_sigma", 1.0)
    if c["cls"] == VE:
        s.set_sigmas(c["steps"])
        for i, t in enumerate(s.timesteps):
            for _ in range(s.config.correct_steps):
                x = s.step_correct(model(x, s.sigmas[i]), x, **extra, return_dict=False)[0]
            x, mean = s.step_pred(model(x, s.sigmas[i]), t, x, **extra, return_dict=False)
            yield x, mean
        return
    if c["extra"].get("run") == "sana-sprint":
        data, x = s.config.sigma_data, x * s.config.sigma_data
        for t in s.timesteps[:-1]:
            u = torch.sin(t) / (torch.cos(t) + torch.sin(t))
            root = torch.sqrt(u**2 + (1 - u) ** 2)
            seen = x / data * root
            v = ((1 - 2 * u) * seen + (1 - 2 * u + 2 * u**2) * model(seen, u)) / root
            x, clean = s.step(v * data, t, x, **extra, return_dict=False)
            yield x, clean / data
        return
    times = s.timesteps[:-1] if c["cls"] in (SCM, WUERSTCHEN) else s.timesteps
    for i, t in enumerate(times):
        if c["cls"] == UNCLIP:
            extra["prev_timestep"] = times[i + 1] if i + 1 < len(times) else None
        seen = s.scale_model_input(x, t) if hasattr(s, "scale_model_input") else x
        x = s.step(output(c, seen, t), t[None] if c["cls"] == WUERSTCHEN else t, x, **extra, return_dict=False)[0]
        yield x, None


def run(c):
    row = {"class": c["cls"], **{k: c[k] for k in ("base", "file", "overrides") if c[k]}}
    if c["steps"] is not None:
        row["steps"] = c["steps"]
    row.update({k: c[k] for k in ("set", "step") if c[k]})
    row.update(c["extra"])
    during = "from_config"
    DRAWN.clear()
    try:
        s = build(c)
        if "tau" in c["extra"]:
            s.tau_func = lambda t: c["extra"]["tau"]
        given = set(inspect.signature(s.step_pred if c["cls"] == VE else s.step).parameters)
        extra = dict(c["step"])
        if "generator" in given:
            extra["generator"] = torch.Generator("cpu").manual_seed(123)
        if "eta" in given:
            row["eta"] = extra["eta"] = c["eta"] or 0.0
        during = "set_timesteps"
        kind = {EDM: torch.tensor, LTX: list}.get(c["cls"], np.array)
        lists = {k: kind(v) if k == "sigmas" else v for k, v in c["set"].items()}
        unset = c["steps"] is None or (c["cls"] == LTX and "sigmas" in c["set"])
        s.set_timesteps(**({} if unset else {"num_inference_steps": c["steps"]}), **lists)
        row["timesteps"] = short(s.timesteps)
        if hasattr(s, "sigmas"):
            row["sigmas"] = short(s.sigmas, 9)
        row["init_noise_sigma"] = number(getattr(s, "init_noise_sigma", 1.0))
        during = "step"
        states = []
        for x, last in steps_of(c, s, extra):
            states.append(short(x, 6))
        if c["cls"] == VE:
            row["sigmas"] = short(s.sigmas, 9)
        if c["states"] or None in states[-1]:
            row["states"] = states
        row["final"] = short(x)
        if last is not None:
            row["result"] = short(last)
        if DRAWN:
            row["noise"] = [short(n) for n in DRAWN]
    except Exception as e:
        if isinstance(e, AssertionError) and e.args and isinstance(e.args[0], tuple):
            raise
        row["error"] = f"{type(e).__name__}: {e}".split("\n")[0][:160]
        row["during"] = during
    return row


DRAWN = []


def record(sampler=sde.BrownianTreeNoiseSampler.__call__):
    def call(self, sigma, sigma_next):
        DRAWN.append(sampler(self, sigma, sigma_next))
        return DRAWN[-1]

    sde.BrownianTreeNoiseSampler.__call__ = call


def main(path):
    record()
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
