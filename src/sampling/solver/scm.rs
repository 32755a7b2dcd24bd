//! Multistep sampling of TrigFlow consistency models (Lu and Song 2025; SANA-Sprint).
//!
//! States are in units of the data's standard deviation, `x = cos(t) * clean + sin(t) * noise`, so
//! that the key sigma_data drops out: the reference's states are these times sigma_data. On models of
//! other kinds it makes the same move on their own levels.

use std::f64::consts::FRAC_PI_2;

use anyhow::{Result, bail};

use super::consistency::OTHERS_KEYS;
use super::lcm::{Renoising, renoising};
use super::{Knob, Level, Method, Sampler, Setup, Walk, keys};
use crate::sampling::config::Value;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::{Custom, StepList, chain};

pub(super) const METHOD: Method = Method {
    name: "scm",
    classes: &["SCMScheduler"],
    aliases: &["SCMScheduler"],
    stochastic: true,
    knobs: &[MOST, MIDDLE],
    paper: "Lu and Song 2025, arXiv 2410.11081",
    defaults: &[TABLE_KEYS, keys::CLIP, OTHERS_KEYS],
    build,
    ..Method::BASE
};

const MOST: Knob =
    Knob { name: "max_timesteps", default: FRAC_PI_2, range: (0.1, FRAC_PI_2), help: "angle of the first step" };
const MIDDLE: Knob = Knob {
    name: "intermediate_timesteps",
    default: 1.3,
    range: (0.01, 1.57),
    help: "angle of the second step, where there are two",
};

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    if setup.source.class != METHOD.own_class() {
        return renoising(setup);
    }
    let kind = setup.source.keys.get("prediction_type");
    if kind.is_some_and(|kind| kind != &Value::text("trigflow")) {
        bail!("the scheduler key prediction_type is {kind:?}; SCMScheduler knows trigflow");
    }
    let train = setup.config.count("num_train_timesteps", 1)?;
    if setup.steps > train {
        bail!(
            "--steps {} is more than the {train} timesteps the model was trained with; use at most {train}",
            setup.steps
        );
    }
    let levels: Vec<Level> = angles(setup)?.into_iter().map(level).chain([Level::CLEAN]).collect();
    let steps = setup.late(chain(&levels))?;
    let (count, solver) = (steps.len(), Renoising::new(Walk::new(steps)));
    Ok(Sampler::new(count, Box::new(solver), 1.0))
}

fn angles(setup: &Setup<'_>) -> Result<Vec<f64>> {
    match (&setup.tuning.custom, setup.tuning.schedule) {
        (Some(Custom::Timesteps(angles)), _) => return own_angles(angles),
        (Some(custom), _) => {
            bail!("{} cannot be combined with --sampler scm here; give angles by --timesteps", custom.flag())
        }
        (None, Some(list)) if list.name != StepList::MODEL => {
            bail!(
                "--schedule {} cannot be combined with --sampler scm on a TrigFlow model, which steps on angles",
                list.name
            )
        }
        _ => {}
    }
    let (most, middle) = (setup.knob(&MOST), setup.knob(&MIDDLE));
    if setup.steps != 2 {
        return Ok((0..setup.steps).map(|i| most * (1.0 - i as f64 / setup.steps as f64)).collect());
    }
    if middle >= most {
        bail!("the option intermediate_timesteps is {middle}, but must lie below max_timesteps, {most}");
    }
    Ok(vec![most, middle])
}

/// The user's own angles; a clean end may be written or left out.
fn own_angles(angles: &[f64]) -> Result<Vec<f64>> {
    let kept = angles.strip_suffix(&[0.0]).unwrap_or(angles);
    if kept.is_empty() || kept.iter().any(|angle| !(*angle > 0.0 && *angle < 1.571)) {
        bail!("--timesteps must hold angles between 0 and pi / 2 for this model");
    }
    if kept.windows(2).any(|pair| matches!(pair, [a, b] if a <= b)) {
        bail!("--timesteps must go down from the noisiest to the cleanest, without repeating a number");
    }
    Ok(kept.to_vec())
}

/// The level of an angle. The reference writes 1.5708, a hair beyond pure noise.
fn level(angle: f64) -> Level {
    Level { t: angle, alpha: angle.cos(), sigma: angle.sin() }
}
