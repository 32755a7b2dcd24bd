//! Configuration keys that several classes share, with their defaults. A class that lacks a key ignores it, so a
//! method lists the groups of its own class and no more.

use crate::sampling::config::{Defaults, Value};

/// What limits the clean estimate.
pub(super) const CLIP: Defaults = &[
    ("clip_sample", Value::Bool(false)),
    ("clip_sample_range", Value::Number(1.0)),
    ("thresholding", Value::Bool(false)),
    ("dynamic_thresholding_ratio", Value::Number(0.995)),
    ("sample_max_value", Value::Number(1.0)),
];

/// How steps are spread in the classes on points.
pub(super) const POINTS: Defaults = &[
    ("use_karras_sigmas", Value::Bool(false)),
    ("use_exponential_sigmas", Value::Bool(false)),
    ("use_beta_sigmas", Value::Bool(false)),
    ("sigma_min", Value::Null),
    ("sigma_max", Value::Null),
    ("timestep_spacing", Value::text("linspace")),
];

/// Of the classes that can rescale their table to end without signal.
pub(super) const RESCALE: Defaults = &[("rescale_betas_zero_snr", Value::Bool(false))];

/// The betas of classes that were written for Stable Diffusion.
pub(super) const STABLE_DIFFUSION: Defaults =
    &[("beta_start", Value::Number(0.00085)), ("beta_end", Value::Number(0.012))];

/// What every class on intervals has.
pub(super) const INTERVALS: Defaults = &[
    ("thresholding", Value::Bool(false)),
    ("dynamic_thresholding_ratio", Value::Number(0.995)),
    ("sample_max_value", Value::Number(1.0)),
    ("sigma_min", Value::Null),
    ("sigma_max", Value::Null),
    ("lower_order_final", Value::Bool(true)),
    ("use_karras_sigmas", Value::Bool(false)),
    ("use_exponential_sigmas", Value::Bool(false)),
    ("use_beta_sigmas", Value::Bool(false)),
    ("use_flow_sigmas", Value::Bool(false)),
    ("flow_shift", Value::Number(1.0)),
    ("timestep_spacing", Value::text("linspace")),
    ("use_dynamic_shifting", Value::Bool(false)),
    ("time_shift_type", Value::text("exponential")),
];
